"""Nothing is lost when a network is folded: every account is in its cluster, or counted as left out."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from toolkit.graph.collapse import collapse_clusters

ties = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=40)


@given(ties, st.dictionaries(st.integers(0, 9), st.sampled_from(["C1", "C2", "C3"])))
def test_every_account_is_in_its_cluster_or_counted(pairs: list[tuple[int, int]], known: dict[int, str]) -> None:
    graph: nx.Graph[str] = nx.Graph()
    for i in range(10):
        graph.add_node(f"account:{i}", type="account", label=str(i), **({"cluster_id": known[i]} if i in known else {}))
    for account, value in pairs:
        graph.add_node(f"ip:{value}", type="ip", label=str(value))
        graph.add_edge(f"account:{account}", f"ip:{value}", n=1)
    folded = collapse_clusters(graph)
    inside = {node for node in folded.inside if node.startswith("account:")}
    assert len(inside) + folded.left_out == 10
    assert sum(about["accounts"] for _, about in folded.graph.nodes(data=True)) == len(inside)
    assert set(folded.inside.values()) <= set(folded.graph)
    if known:
        assert {f"cluster:{name}" for name in known.values()} == set(folded.graph)
        shared = {
            (a, b)
            for value in {v for _, v in pairs}
            for a in {known.get(i) for i, v in pairs if v == value} - {None}
            for b in {known.get(i) for i, v in pairs if v == value} - {None}
            if a < b
        }
        assert {(f"cluster:{a}", f"cluster:{b}") for a, b in shared} == {(min(e), max(e)) for e in folded.graph.edges}
