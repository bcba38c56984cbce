"""A panel does what its code says: whatever was clicked, a fresh notebook gives the same rows."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.linking.labels import LABELS
from toolkit.linking.observations import find_observations
from toolkit.linking.review import VERDICTS
from toolkit.linking.score import link_accounts
from toolkit.widgets.labeller import Labeller
from toolkit.widgets.panel import Panel
from toolkit.widgets.panels import AsOf, ClusterReview, CompareAccounts, HubExplorer, LinkInspector, TimelineBrush
from toolkit.widgets.pivot_panel import PivotPanel
from toolkit.widgets.trail import Trail

Run = Callable[..., pl.DataFrame]
START = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "x'); import os #\u202e\n\\\"{x}"

often = settings(max_examples=200, deadline=None)
picks = st.lists(st.integers(0, 5), max_size=3)
words = st.sampled_from(["", " ", "a kiosk", HOSTILE]) | st.text(max_size=8)
moments = st.integers(-2, 130).map(lambda s: START + timedelta(seconds=s, microseconds=s * 7)) | st.datetimes(
    min_value=datetime(2026, 1, 4), max_value=datetime(2026, 1, 6), timezones=st.timezones()
)


def _inside(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _inside(child)


def press(panel: Panel, word: str, chosen: list[int], text: str) -> None:
    """Choose rows, write text, press a button."""
    here = list(_inside(panel.view))
    panel._table.selected = chosen
    for box in here:
        if isinstance(box, widgets.Text):
            box.value = text
    (button,) = [w for w in here if isinstance(w, widgets.Button) and w.description == word]
    button.click()


def presses(*buttons: str) -> st.SearchStrategy[list[tuple[str, list[int], str]]]:
    return st.lists(st.tuples(st.sampled_from(buttons), picks, words), max_size=8)


@pytest.fixture(scope="module")
def observations() -> pl.DataFrame:
    rows = [(f"a{i}", f"d{i % 5}", f"c{i % 3}" if i % 4 else HOSTILE) for i in range(20)]
    return find_observations(pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row"))


@pytest.fixture(scope="module")
def links() -> pl.DataFrame:
    rows = [{"account_id": a, "device": "d", "card": HOSTILE, "phone": "p"} for a in ("a", HOSTILE)]
    rows += [{"account_id": a, "device": "e", "card": "k", "phone": None} for a in "cf"]
    rows += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}", "phone": f"p{i}"} for i in range(400)]
    return link_accounts(find_observations(pl.DataFrame(rows)))


@pytest.fixture(scope="module")
def events(make_events: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    frame = make_events([0, 1, 1, 50, 90, 120], account=["a", HOSTILE, "a", "b", "b", "a"])
    late = [START + timedelta(seconds=s, microseconds=s) if s else None for s in (0, 7, 120, 51, 0, 9_000)]
    return frame.with_columns(pl.Series("ingested_at", late, dtype=pl.Datetime("us", "UTC")))


@often
@given(
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from(["on", "some", "isolate", "pin", "hide", "undo"]), st.integers(0, 30)), max_size=8
    ),
)
def test_pivots(observations: pl.DataFrame, run: Run, by_value: bool, steps: list[tuple[str, int]]) -> None:
    panel = PivotPanel(observations, values=[("card", HOSTILE)]) if by_value else PivotPanel(observations, ["a0"])
    for act, pick in steps:
        values = "value" in panel.rows.columns
        chosen = panel.rows[[pick % panel.rows.height]] if panel.rows.height else panel.rows
        keys = chosen.select("kind", "value").rows() if values else chosen["account_id"].to_list()
        if act == "undo":
            panel.undo()
        elif act in ("isolate", "pin") or (act == "hide" and values):
            getattr(panel, act)(keys)
        elif act != "hide":
            (panel.to_accounts if values else panel.to_values)(None if act == "on" else keys)
    assert_frame_equal(run(panel.code, observations=observations), panel.rows)


@often
@given(presses("Go on", "Isolate", "Pin", "Hide", "Back"))
def test_pivots_by_their_buttons(observations: pl.DataFrame, run: Run, steps: list[tuple[str, list[int], str]]) -> None:
    panel = PivotPanel(observations, ["a0"])
    for step in steps:
        press(panel, *step)
    assert_frame_equal(run(panel.code, observations=observations), panel.rows)


@often
@given(st.lists(st.tuples(st.none() | moments, st.none() | moments), max_size=4))
def test_windows_of_time(
    events: pl.DataFrame, run: Run, windows: list[tuple[datetime | None, datetime | None]]
) -> None:
    """Also those that end before they start: they are refused, and what was there stays."""
    brush = TimelineBrush(events)
    for start, end in windows:
        with contextlib.suppress(InputError):
            brush.choose(start, end)
    assert_frame_equal(run(brush.code, events=events), brush.rows)


@often
@given(presses("Holders", "Back"))
def test_shared_values(observations: pl.DataFrame, run: Run, steps: list[tuple[str, list[int], str]]) -> None:
    hubs = observations.group_by("kind", "value", maintain_order=True).agg(holders=pl.len())
    explorer = HubExplorer(hubs, observations)
    for step in steps:
        press(explorer, *step)
    assert_frame_equal(run(explorer.code, hubs=hubs, observations=observations), explorer.rows)


@often
@given(st.lists(st.lists(st.sampled_from(["a0", "a1", "a4", "a7", HOSTILE]), max_size=5), max_size=4))
def test_accounts_side_by_side(observations: pl.DataFrame, run: Run, asked: list[list[str]]) -> None:
    """Also too few of them, or one twice: that is refused, and what was there stays."""
    panel = CompareAccounts(observations, ["a0", "a1"])
    for accounts in asked:
        with contextlib.suppress(InputError):
            panel.compare(accounts)
    assert_frame_equal(run(panel.code, observations=observations), panel.rows)


@often
@given(presses(*VERDICTS))
def test_verdicts(run: Run, steps: list[tuple[str, list[int], str]]) -> None:
    clusters = pl.DataFrame({"cluster_id": ["C1", HOSTILE, "C3"], "size": [3, 2, 2]})
    review = ClusterReview(clusters, reviewer=HOSTILE)
    for step in steps:
        press(review, *step)
    assert_frame_equal(run(review.code, clusters=clusters), review.rows)


@often
@given(presses("Open", "Explain away", "Back"))
def test_links(links: pl.DataFrame, run: Run, steps: list[tuple[str, list[int], str]]) -> None:
    inspector = LinkInspector(links)
    for step in steps:
        press(inspector, *step)
    assert_frame_equal(run(inspector.code, links=links), inspector.rows)


@often
@given(st.lists(moments | st.integers(0, 30), max_size=4))
def test_times_of_arrival(events: pl.DataFrame, run: Run, steps: list[datetime | int]) -> None:
    """By call, to any time; by the slider, to one of its stops."""
    slider = AsOf(events)
    bar = slider.view.children[0]
    for step in steps:
        if isinstance(step, int):
            bar.index = step % len(bar.options)
        else:
            slider.go(step)
    assert_frame_equal(run(slider.code, events=events), slider.rows)


@often
@given(presses(*LABELS, "Back", "Next"), st.integers(2, 9))
def test_labels(observations: pl.DataFrame, run: Run, steps: list[tuple[str, list[int], str]], n: int) -> None:
    names = ["a0", "a1", "a4", HOSTILE, '["a0"]']
    members = pl.DataFrame({"account_id": names, "band": ["weak", "weak", HOSTILE, HOSTILE, "weak"]})
    labeller = Labeller(members, observations, reviewer=HOSTILE, n=n, least=1)
    for step in steps:
        press(labeller, *step)
    assert_frame_equal(run(labeller.code, subjects=members), labeller.rows)


def test_a_trail_runs_in_a_process_of_its_own(observations: pl.DataFrame, tmp_path: Path) -> None:
    """From a file, in a Python that has seen nothing of the panel."""
    panel = PivotPanel(observations, ["a0"])
    panel.hide([("card", "c1")])
    panel.to_accounts([("card", HOSTILE), ("device", "d0")])
    panel.to_values()
    observations.write_parquet(tmp_path / "observations.parquet")
    head = "import polars as pl\nobservations = pl.read_parquet('observations.parquet')\n"
    cell = f"{head}{panel.code}\nrows.write_parquet('rows.parquet')\n"
    (tmp_path / "cell.py").write_text(cell, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "cell.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert panel.rows.height > 3
    assert_frame_equal(pl.read_parquet(tmp_path / "rows.parquet"), panel.rows)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (("my events",), "'my events' cannot be the name of a variable"), (("class",), "cannot be the name"),
        (("rows",), "rows would be the name of the code's result as well"),
        (("hubs", "hubs"), "hubs would be the name of two frames as well"),
    ],
)  # fmt: skip
def test_a_name_that_the_code_could_not_use_is_refused(given: tuple[str, ...], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Trail(given)
