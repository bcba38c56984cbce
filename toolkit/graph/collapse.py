"""A network too large to read, folded into its clusters: what belongs together becomes one node that can be opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Collapsed", "collapse_clusters"]

_LONE: Final = 2
"""A part of fewer accounts is no cluster: it is left out, and counted."""


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A network of clusters.

    Attributes
    ----------
    graph : networkx.Graph
        A node for each cluster, ``cluster:<name>``, with ``type`` "cluster", ``label``, ``accounts`` and ``values``
        (how many); edges between clusters carry ``n``: values that both hold, and links across. Nodes and edges sorted.
    inside : dict of str to str
        Node of the whole network to the cluster it lies in, sorted by node. A value that several clusters hold lies in
        none: it is what joins them.
    left_out : int
        Accounts that are in no cluster.
    """

    graph: nx.Graph[str]
    inside: dict[str, str]
    left_out: int


def collapse_clusters(graph: nx.Graph[str]) -> Collapsed:
    """Fold a network into its clusters.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it. Accounts lie in the cluster of their ``cluster_id``; where no node
        has one, connected parts are the clusters, named by their first account.

    Returns
    -------
    Collapsed

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> for name in "abcd":
    ...     g.add_node(f"account:{name}", type="account", label=name, cluster_id="C1" if name in "ab" else "C2")
    >>> g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edges_from([("account:a", "ip:x"), ("account:b", "ip:x"), ("account:c", "ip:x")])
    >>> folded = collapse_clusters(g)
    >>> list(folded.graph.nodes(data="accounts")), folded.graph.edges["cluster:C1", "cluster:C2"]["n"]
    ([('cluster:C1', 2), ('cluster:C2', 2)], 1)
    """
    import networkx as nx

    whose = _clusters(graph)
    accounts = [node for node, about in graph.nodes(data=True) if about["type"] == "account"]
    inside = dict(whose)
    across: dict[tuple[str, str], int] = {}
    for node in sorted(graph):
        if node in whose:
            continue
        near = sorted({whose[other] for other in graph[node] if other in whose})
        if len(near) == 1:
            inside[node] = near[0]
        for i, one in enumerate(near):
            for other in near[i + 1 :]:
                across[one, other] = across.get((one, other), 0) + 1
    for a, b in sorted((min(a, b), max(a, b)) for a, b in graph.edges):
        one, other = sorted((whose.get(a, ""), whose.get(b, "")))
        if one and one != other:
            across[one, other] = across.get((one, other), 0) + 1
    size: dict[str, list[int]] = {}
    for node, cluster in inside.items():
        size.setdefault(cluster, [0, 0])[graph.nodes[node]["type"] != "account"] += 1
    folded: nx.Graph[str] = nx.Graph()
    for cluster in sorted(size):
        n, values = size[cluster]
        folded.add_node(cluster, type="cluster", label=cluster.removeprefix("cluster:"), accounts=n, values=values)
    folded.add_edges_from((*ends, {"n": n}) for ends, n in sorted(across.items()))
    return Collapsed(folded, dict(sorted(inside.items())), sum(account not in whose for account in accounts))


def _clusters(graph: nx.Graph[str]) -> dict[str, str]:
    """Account node to the cluster it lies in."""
    import networkx as nx

    known = {
        node: f"cluster:{about['cluster_id']}"
        for node, about in graph.nodes(data=True)
        if about["type"] == "account" and about.get("cluster_id")
    }
    if known:
        return known
    for part in nx.connected_components(graph):
        accounts = sorted(node for node in part if graph.nodes[node]["type"] == "account")
        if len(accounts) >= _LONE:
            known |= dict.fromkeys(accounts, f"cluster:{graph.nodes[accounts[0]]['label']}")
    return known
