"""Views that move together, without a screen."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import networkx as nx
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.widgets.graph_view import GraphView
from toolkit.widgets.linked import link_views
from toolkit.widgets.panels import TimelineBrush
from toolkit.widgets.pivot_panel import PivotPanel
from toolkit.widgets.rows import Rows


@pytest.fixture
def graph() -> nx.Graph[str]:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("ip:x", type="ip", label="x")
    for name in "abc":
        graph.add_node(f"account:{name}", type="account", label=name)
        graph.add_edge(f"account:{name}", "ip:x")
    return graph


def test_whoever_is_picked_in_one_is_picked_in_all(
    graph: nx.Graph[str], make_events: Callable[..., pl.DataFrame]
) -> None:
    events = make_events([0, 60, 120, 180]).with_columns(account_id=pl.Series(list("abda")))
    view, brush = GraphView(graph), TimelineBrush(events)
    rows = Rows(pl.DataFrame({"account_id": list("abcd"), "n": [1, 2, 3, 4]}))
    _ = brush.view
    link_views(view, brush, rows)
    link_views(view, brush, rows)

    view.selection = ["account:a", "ip:x"]
    assert brush.rows["account_id"].to_list() == ["a", "a"]
    assert brush._chart.params.told == [0]
    assert (rows.note, rows.frame["account_id"].to_list()) == ("1 of 4 rows", ["a"])

    brush._clicked(SimpleNamespace(new=SimpleNamespace(value=[{"l": 1}, {"l": 2}])))  # lanes b and d
    assert view.selection == ["account:b"]
    assert view.accounts == ["b", "d"]
    assert rows.frame["account_id"].to_list() == ["b", "d"]

    rows.selected = [1]
    assert view.selection == []
    assert brush.accounts == ["d"]
    assert rows.frame.height == 2
    rows.selected = []
    assert (view.accounts, brush.accounts, rows.frame.height, brush.rows.height) == ([], [], 4, 4)
    assert brush._chart.params.told == []

    rows.selected = [2]
    assert view.selection == ["account:c"]
    assert brush._chart.params.told == [-1]  # c has no lane: none stands out


def test_what_is_selected_is_code(graph: nx.Graph[str]) -> None:
    view = GraphView(graph, name="net")
    view.select(["b", "a"])
    names = {"net": graph}
    exec(compile(view.code, "<cell>", "exec"), names)  # noqa: S102 - that it runs is what is tested
    assert names["rows"].rows() == view.rows.rows() == [("account", "a", 1), ("account", "b", 1)]  # type: ignore[attr-defined]  # a frame


def test_what_picks_nobody_cannot_be_linked(graph: nx.Graph[str]) -> None:
    seen = find_observations(pl.DataFrame({"account_id": ["a"], "ip": ["x"]}))
    with pytest.raises(InputError, match="PivotPanel picks no accounts: link a GraphView"):
        link_views(GraphView(graph), PivotPanel(seen, ["a"]))
