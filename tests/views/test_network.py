"""The network's picture: the same for every reader, small, and honest about what is folded away."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.settings import KINDS
from toolkit.views.names import name_values
from toolkit.views.network import draw_network


def _ring(accounts: int, *, clusters: int = 1, device: str = "d") -> nx.Graph[str]:
    """Clusters of accounts on devices that two neighbours share."""
    graph: nx.Graph[str] = nx.Graph()
    for i in range(accounts):
        graph.add_node(f"account:{i}", type="account", label=str(i), cluster_id=f"C{i % clusters}", band="confirmed")
    for i in range(accounts):
        value = f"device:{device}{i}"
        graph.add_node(value, type="device", label=f"{device}{i}")
        for other in (i, (i + clusters) % accounts):
            graph.add_edge(f"account:{other}", value, n=2, first_at=None, last_at=None)
    return graph


def _nodes(data: dict[str, Any]) -> list[dict[str, Any]]:
    return pl.DataFrame(data["nodes"]).to_dicts()


def test_a_small_network_is_drawn_as_it_is() -> None:
    drawn = draw_network(_ring(4), roles={"0": "seed"}, hubs=[("device", "d1")])
    nodes = {node["key"]: node for node in _nodes(drawn.data)}
    assert drawn.note == "4 accounts and 4 values"
    assert [kind["name"] for kind in drawn.data["kinds"]] == ["seed", "confirmed", "device"]
    assert (nodes["account:0"]["mark"], nodes["device:d1"]["mark"]) == (2, 1)
    assert drawn.data["edges"]["why"][0] == "seen 2 times"
    assert drawn.table["drawn"].all()
    with pytest.raises(InputError, match="no nodes"):
        draw_network(nx.Graph())


def test_the_same_network_gives_the_same_bytes_however_it_was_built() -> None:
    graph = _ring(30)
    other: nx.Graph[str] = nx.Graph()
    other.add_nodes_from(reversed(list(graph.nodes(data=True))))
    other.add_edges_from((b, a, about) for a, b, about in reversed(list(graph.edges(data=True))))
    assert json.dumps(draw_network(graph).data) == json.dumps(draw_network(other).data)


def test_a_large_network_is_folded_into_its_clusters() -> None:
    """Clusters stand on the map; their insides travel folded, and lie around the place of their cluster."""
    graph = _ring(1_500, clusters=10)
    graph.add_node("account:stray", type="account", label="stray")
    drawn = draw_network(graph)
    nodes = _nodes(drawn.data)
    shown = [node for node in nodes if node["inside"] < 0]
    assert sorted(node["label"] for node in shown) == sorted(f"C{i}" for i in range(10))
    assert all(nodes[node["inside"]]["opens"] for node in nodes if node["inside"] >= 0)
    assert sum(node["inside"] >= 0 for node in nodes) == 3_000
    assert drawn.note == (
        "10 clusters; a click opens one, with the 4 strongest edges of each node; 1 account in no cluster not drawn"
    )
    assert len(json.dumps(drawn.data)) < 1_500_000


def test_what_does_not_travel_is_said_and_comes_when_it_is_asked_for() -> None:
    graph = _ring(8_000, clusters=8)
    assert "of 6 clusters the inside is not carried along" in draw_network(graph).note
    last = draw_network(graph, opened=["cluster:C7"])
    carried = {node["inside"] for node in _nodes(last.data)} - {-1}
    assert "cluster:C7" in {last.data["nodes"]["key"][i] for i in carried}


def test_hidden_values_are_hidden_in_keys_and_in_evidence() -> None:
    graph = _ring(3, device="secret-")
    held = pl.DataFrame({"kind": ["device"] * 3, "value": [f"secret-{i}" for i in range(3)]})
    for names in (
        name_values(held, kinds=KINDS, redaction="strict"),
        name_values(held.head(0), kinds={}, redaction="strict"),
    ):
        drawn = draw_network(graph, names=names)
        assert "secret" not in json.dumps(drawn.block()._repr_mimebundle_())
        assert len(set(drawn.data["nodes"]["key"])) == 6
