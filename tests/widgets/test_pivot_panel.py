"""A panel does what its code says: whatever was clicked, a fresh notebook gives the same rows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.observations import find_observations
from toolkit.widgets.pivot_panel import PivotPanel

HOSTILE = "x'); import os #\u202e"


@pytest.fixture(scope="module")
def observations() -> pl.DataFrame:
    rows = [(f"a{i}", f"d{i % 5}", f"c{i % 3}" if i % 4 else HOSTILE) for i in range(20)]
    return find_observations(pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row"))


def run(code: str, **given: object) -> Any:
    """The code in a notebook of its own."""
    names: dict[str, Any] = dict(given)
    exec(compile(code, "<cell>", "exec"), names)  # noqa: S102 - that it runs is what is tested
    return names["rows"]


actions = st.lists(st.tuples(st.sampled_from(["on", "some", "hide", "undo"]), st.integers(0, 30)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(actions)
def test_the_code_gives_the_rows_after_any_actions(observations: pl.DataFrame, steps: list[tuple[str, int]]) -> None:
    panel = PivotPanel(observations, ["a0"])
    for act, pick in steps:
        values = "value" in panel.rows.columns
        chosen = panel.rows[[pick % panel.rows.height]] if panel.rows.height else panel.rows
        if act == "undo":
            panel.undo()
        elif act == "hide" and values:
            panel.hide(chosen.select("kind", "value").rows())
        elif values:
            panel.to_accounts(None if act == "on" else chosen.select("kind", "value").rows())
        elif act != "hide":
            panel.to_values(None if act == "on" else chosen["account_id"].to_list())
    assert_frame_equal(run(panel.code, observations=observations), panel.rows)


def test_the_screen_follows_and_leads(observations: pl.DataFrame) -> None:
    """Buttons do what the calls do; a bread crumb for each step; Back takes one."""
    panel = PivotPanel(observations, ["a0"])
    crumbs, buttons, table, _ = panel.view.children
    table.selected = [0]
    kind, value = table.chosen.select("kind", "value").row(0)
    buttons.children[0].click()
    assert "account_id" in panel.rows.columns
    assert crumbs.value.count("›") == 1
    assert "find_holders" in panel.code
    assert table.note.endswith("rows")
    buttons.children[2].click()
    assert "value" in panel.rows.columns
    table.selected = [0]
    buttons.children[1].click()
    assert (kind, value) not in panel.rows.select("kind", "value").rows()
    assert panel.view is panel.view


def test_ways_that_do_not_lead_on_are_said(observations: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="none of 1 account is in the observations"):
        PivotPanel(observations, ["nobody"])
    with pytest.raises(UnknownNameError, match="to_accounts"):
        PivotPanel(observations, ["a0"]).to_values()
