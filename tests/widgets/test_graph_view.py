"""The network without a screen: the same moves from Python."""

from __future__ import annotations

import networkx as nx
import pytest

from toolkit.errors import UnknownNameError
from toolkit.widgets.graph_view import GraphView


@pytest.fixture
def view() -> GraphView:
    graph: nx.Graph[str] = nx.Graph()
    for i in range(4):
        graph.add_node(f"account:{i}", type="account", label=str(i))
    for i in range(3):
        graph.add_node(f"ip:{i}", type="ip", label=str(i))
        graph.add_edges_from([(f"account:{i}", f"ip:{i}"), (f"account:{i + 1}", f"ip:{i}")])
    return GraphView(graph)


def test_what_is_selected_grows_and_is_told_as_accounts(view: GraphView) -> None:
    view.select(["0"])
    view.grow()
    assert view.selection == ["account:0", "ip:0"]
    view.grow()
    assert view.accounts == ["0", "1"]
    with pytest.raises(UnknownNameError, match="did you mean '0'"):
        view.select(["00"])


def test_hidden_nodes_are_not_grown_into(view: GraphView) -> None:
    view.selection = ["ip:0"]
    view.hide()
    assert (view.selection, view.hidden) == ([], ["ip:0"])
    view.select(["0"])
    view.grow(hops=3)
    assert view.accounts == ["0"]
    view.show_all()
    view.grow(hops=2)
    assert view.accounts == ["0", "1"]
    view.isolate()
    assert "account:3" in view.hidden


def test_without_its_kernel_the_notebook_keeps_a_still_picture(view: GraphView) -> None:
    data, _ = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["application/vnd.vegalite.v5+json"]["description"].startswith("4 accounts and 3 values")
