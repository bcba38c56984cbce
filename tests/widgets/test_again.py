"""A cell that is run again: what was done in its widgets goes on, and nothing of the old ones stays open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ipywidgets
import networkx as nx
import polars as pl
import pytest

from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts
from toolkit.widgets import again
from toolkit.widgets.graph_view import GraphView
from toolkit.widgets.labeller import Labeller
from toolkit.widgets.panels import AsOf, ClusterReview, CompareAccounts, HubExplorer, LinkInspector, TimelineBrush
from toolkit.widgets.pivot_panel import PivotPanel
from toolkit.widgets.rows import Rows

START = datetime(2026, 1, 5, tzinfo=UTC)
SEEN = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "ip": ["x", "x", "y"], "card": ["1", "2", "2"]}))
HUBS = pl.DataFrame({"kind": ["ip", "ip"], "value": ["x", "y"], "holders": [2, 1]})
MEMBERS = pl.DataFrame({"account_id": ["a", "b"], "band": ["confirmed", "weak"]})
CLUSTERS = pl.DataFrame({"cluster_id": ["C1", "C2"]})
Cell = Callable[[], Any]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Cell], Any]]:
    """Run a cell: the same function is the same cell, each call another run."""
    runs = iter(range(1_000))

    def run(cell: Cell) -> Any:
        here = (str(id(cell)), str(next(runs)))
        monkeypatch.setattr(again, "find_cell", lambda: here)
        made = cell()
        for widget in made if isinstance(made, tuple) else (made,):
            widget._repr_mimebundle_()
        return made

    yield run
    again._CELLS.clear()


def links() -> pl.DataFrame:
    rows = [{"account_id": a, "device": "d", "card": "c"} for a in "ab"]
    rows += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}"} for i in range(400)]
    return link_accounts(find_observations(pl.DataFrame(rows)))


def network() -> nx.Graph[str]:
    graph: nx.Graph[str] = nx.Graph()
    for name in "ab":
        graph.add_node(f"account:{name}", type="account", label=name)
        graph.add_edge(f"account:{name}", "ip:x")
    graph.add_node("ip:x", type="ip", label="x")
    return graph


def test_what_was_done_goes_on(notebook: Callable[[Cell], Any], make_events: Callable[..., pl.DataFrame]) -> None:
    """Every widget, three runs of its cell: the state of the first is that of the last."""
    late = pl.Series([START + timedelta(hours=h) for h in (1, 2, 5, 6)], dtype=pl.Datetime("us", "UTC"))
    events = make_events([0, 60, 120, 180]).with_columns(ingested_at=late)
    cases: list[tuple[Cell, Callable[[Any], object], Callable[[Any], object]]] = [
        (lambda: GraphView(network()), lambda w: (w.select(["a"]), w.grow()), lambda w: (w.selection, w.accounts)),
        (lambda: Rows(SEEN), lambda w: setattr(w, "selected", [1]), lambda w: (w.selected, w.accounts)),
        (lambda: PivotPanel(SEEN, ["a"]), lambda w: w.to_accounts(), lambda w: (w.code, w.rows.rows())),
        (lambda: TimelineBrush(events), lambda w: w.choose(START + timedelta(seconds=60), None), lambda w: w.code),
        (lambda: HubExplorer(HUBS, SEEN), lambda w: w.open([("ip", "x")]), lambda w: w.rows.rows()),
        (lambda: CompareAccounts(SEEN, ["a", "c"]), lambda w: w.compare(["a", "b"]), lambda w: w.rows.rows()),
        (
            lambda: ClusterReview(CLUSTERS, reviewer="kim"),
            lambda w: w.judge(["C1"], "rejected", "a lab class"),
            lambda w: [*w.verdicts],
        ),
        (
            lambda: LinkInspector(links()),
            lambda w: (w.open("a", "b"), w.explain_away("device", "d", "a kiosk")),
            lambda w: ([*w.reasons], w.rows.rows()),
        ),
        (
            lambda: Labeller(MEMBERS, SEEN, reviewer="kim"),
            lambda w: w.label("belongs", "its own card"),
            lambda w: (w.where, w.rows.rows()),
        ),
        (lambda: AsOf(events), lambda w: w.go(START + timedelta(hours=2)), lambda w: w.rows.height),
    ]
    for cell, act, state in cases:
        first = notebook(cell)
        fresh = state(first)
        act(first)
        done = state(first)
        assert done != fresh, type(first)
        assert state(notebook(cell)) == state(notebook(cell)) == done, type(first)


def test_old_widgets_are_closed(notebook: Callable[[Cell], Any], make_events: Callable[..., pl.DataFrame]) -> None:
    """However often a cell is run, as many widgets are open as after its second run; other cells are left alone."""
    open_ = ipywidgets.widgets.widget._instances
    events = make_events([0, 60, 120])

    def cell() -> Any:
        panels = PivotPanel(SEEN, ["a"]), TimelineBrush(events), LinkInspector(links()), HubExplorer(HUBS, SEEN)
        return *panels, GraphView(network()), Rows(SEEN), Rows(HUBS)

    other = notebook(lambda: Rows(SEEN))
    notebook(cell)
    notebook(cell)
    many = len(open_)
    for _ in range(50):
        last = notebook(cell)
    assert len(open_) == many
    assert last[0].view.comm is not None
    assert other.comm is not None


def test_what_a_cell_makes_no_more_is_closed_in_time(notebook: Callable[[Cell], Any]) -> None:
    wanted = [2, 1, 1]

    def cell() -> Any:
        return tuple(Rows(SEEN) for _ in range(wanted.pop(0)))

    _, left = notebook(cell)
    notebook(cell)
    notebook(cell)
    assert left.comm is None


def test_other_data_begin_anew_where_steps_would_mean_something_else(notebook: Callable[[Cell], Any]) -> None:
    frames = [SEEN, SEEN.head(2)]
    cell = lambda: PivotPanel(frames.pop(0), ["a"])  # noqa: E731 - a cell is told by its identity
    notebook(cell).to_accounts()
    again_ = notebook(cell)
    assert "holders" in again_.rows.columns
    assert len(again_.trail.steps) == 1


def test_outside_a_notebook_nothing_is_kept() -> None:
    assert again.find_cell() is None
    Rows(SEEN)
    assert again._CELLS == {}
