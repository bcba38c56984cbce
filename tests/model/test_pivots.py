"""Pivots stay with the case: numbered, in order, with a fingerprint of what they gave; broken lines are named."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.model.case import Case
from toolkit.model.pivots import PIVOTS_FILE, fingerprint_rows, keep_pivot, read_pivots
from toolkit.widgets.pivot_panel import PivotPanel

SEEN = find_observations(pl.DataFrame({"account_id": ["a", "b"], "ip": ["x\n\u202e", "x\n\u202e"]}))


def test_what_a_panel_keeps_can_be_run_and_checked(tmp_path: Path) -> None:
    panel = PivotPanel(SEEN, ["a"])
    panel.keep(tmp_path, "what the seed holds", analyst="kim")
    panel.to_accounts()
    panel.keep(tmp_path)
    first, second = read_pivots(tmp_path)
    assert (first.pivot_id, first.note, first.analyst, first.widget) == (
        "P1", "what the seed holds", "kim", "PivotPanel",
    )  # fmt: skip
    for pivot in (first, second):
        names = {"observations": SEEN}
        exec(compile(pivot.code, "<cell>", "exec"), names)  # noqa: S102 - that it runs is what is tested
        assert fingerprint_rows(names["rows"]) == pivot.sha256
        assert names["rows"].height == pivot.rows
    case = Case(case_id="C", seeds=("a",), purpose="p", analyst="kim", pivots=(first, second))
    assert Case.model_validate_json(case.model_dump_json()) == case


def test_a_fingerprint_tells_values_names_and_order_apart() -> None:
    frames = [{"a": [1, 2]}, {"a": [2, 1]}, {"b": [1, 2]}, {"a": ["1", "2"]}, {"a": [[1], [2]]}]
    assert len({fingerprint_rows(pl.DataFrame(frame)) for frame in frames}) == len(frames)


def test_broken_lines_are_named_and_nothing_is_added(tmp_path: Path) -> None:
    keep_pivot(tmp_path, SEEN, "rows = seen", widget="Rows")
    path = tmp_path / PIVOTS_FILE
    whole = path.read_text()
    path.write_text(whole + whole[:40] + "\n{}\n")
    with pytest.raises(InputError, match="no pivot in line 2, 3"):
        keep_pivot(tmp_path, SEEN, "rows = seen", widget="Rows")
    assert path.read_text().startswith(whole)
    with pytest.raises(InputError, match="there is no case folder"):
        read_pivots(tmp_path / "none")
