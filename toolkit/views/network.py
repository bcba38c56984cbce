"""The network as an explorable picture: what the graph view draws, in a live notebook and in a saved page.

Python decides everything that a reader sees: places (the same for every reader), names (through
:class:`~toolkit.views.names.Names`), colours and shapes, what is drawn and what is folded away. The script in
``assets`` draws it, and lets a reader select, grow, hide and open. Up to 2,000 nodes are drawn as they are; of more,
clusters become nodes that can be opened, and what is not drawn is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, visible
from toolkit.graph.collapse import collapse_clusters
from toolkit.graph.layout import find_layout
from toolkit.views.blocks import Block, show_chart
from toolkit.views.graph import draw_graph, say_edge
from toolkit.views.names import Names
from toolkit.views.theme import PALETTE
from toolkit.views.words import count_of, part_of, say_kind, short_names

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["NetworkPicture", "draw_network"]

_SHOWN: Final = 2_000
"""Nodes drawn as they are: more cannot be read, and cost a reader without a graphics card seconds a step."""
_CARRIED: Final = 6_000
_PER_NODE: Final = 4
"""Nodes that travel with the picture, folded ones included, and the strongest edges of each in a folded cluster: about
a megabyte."""
_ACCOUNTS: Final = {
    "seed": ("diamond", PALETTE["red"]),
    "confirmed": ("circle", PALETTE["blue"]),
    "probable": ("circle", PALETTE["sky"]),
    "possible": ("circle", "#8FBBD9"),
    "weak": ("circle", "#B9C4CE"),
    "member": ("circle", PALETTE["blue"]),
    "victim": ("circle", PALETTE["sky"]),
    "outsider": ("diamond", PALETTE["red"]),
    "left out": ("cross", PALETTE["grey"]),
    "cluster": ("circle", PALETTE["purple"]),
}
_VALUES: Final = (
    ("square", PALETTE["green"]),
    ("triangle-up", PALETTE["orange"]),
    ("triangle-down", PALETTE["purple"]),
    ("square", "#8C6D31"),
    ("triangle-up", PALETTE["grey"]),
    ("triangle-down", PALETTE["green"]),
    ("square", PALETTE["orange"]),
)
_RANK: Final = {name: rank for rank, name in enumerate(_ACCOUNTS)}
_OWN_NAME: Final = ("account", "cluster")
"""Types of nodes that are called by their own name, whatever a reader may see of values."""
_HUB, _SEED = 1, 2
_NODE: Final = {
    **dict.fromkeys(("key", "name", "label", "group"), pl.String), **dict.fromkeys(("x", "y", "size"), pl.Float64),
    "mark": pl.Int64, "about": pl.String, "inside": pl.Int64, "opens": pl.Int64, "account": pl.Boolean,
    "degree": pl.Int64,
}  # fmt: skip
_STRONGEST: Final = 3
_ON_PAPER: Final = 400
_STAGE: Final = np.array([720.0, 420.0])
"""Pixels that a map has, in a notebook of usual width."""


@dataclass(frozen=True, eq=False, slots=True)
class NetworkPicture:
    """A network, ready to be drawn.

    Attributes
    ----------
    data : dict
        JSON values: what the graph view is given. Every text is visible already.
    table : polars.DataFrame
        The nodes: ``key``, ``name``, ``kind``, ``drawn`` (or folded into a cluster), ``x``, ``y``, ``degree``. Order:
        key.
    note : str
        What is drawn, and what is not.
    still : chart, optional
        The same in a picture that does not move, for paper and for a notebook without its kernel; of more than 400
        nodes those with the most edges.
    """

    data: dict[str, Any]
    table: pl.DataFrame
    note: str
    still: Any

    def block(self, caption: str = "") -> Block:
        """Return the block that a report draws: the view, and what stands there where nothing moves."""
        payload: dict[str, Any] = {"data": self.data, "caption": caption or self.note}
        if self.still is not None:
            payload["still"] = show_chart(self.still, payload["caption"]).payload["spec"]
        return Block("graph", payload)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.block()._repr_mimebundle_(include, exclude)


def draw_network(
    graph: nx.Graph[str],
    *,
    roles: Mapping[str, str] | None = None,
    hubs: Iterable[tuple[str, str]] = (),
    names: Names | None = None,
    most_nodes: int = _SHOWN,
    opened: Iterable[str] = (),
    seed: int = 0,
) -> NetworkPicture:
    """Lay out a network and say how each part of it looks.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it; accounts with ``band`` (members of clusters) are coloured by it.
    roles : mapping of str to str, optional
        Account id to "seed", "member", "victim", "outsider" or "left out"; goes before the band.
    hubs : iterable of (kind, value)
        Values to mark as widely shared.
    names : Names, optional
        What values are called; by default by themselves.
    most_nodes : int
        Nodes drawn as they are; of more, clusters are folded.
    opened : iterable of str
        Folded clusters (keys, "cluster:C1") whose nodes travel with the picture first.
    seed : int
        Of the layout.

    Returns
    -------
    NetworkPicture

    Raises
    ------
    InputError
        If there is nothing to draw.

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> g.add_node("account:a", type="account", label="a"); g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edge("account:a", "ip:x", n=2)
    >>> drawn = draw_network(g, roles={"a": "seed"})
    >>> drawn.note, drawn.table.select("key", "kind").rows()
    ('1 account and 1 value', [('account:a', 'seed'), ('ip:x', 'IP address')])
    """
    if not len(graph):
        raise InputError("there are no nodes to draw: give a network with at least one account")
    call = names or Names("none")
    if len(graph) <= most_nodes:
        places = find_layout(graph, seed=seed)
        return _put_together(graph, places, {}, _say_drawn(graph), roles or {}, set(hubs), call)
    whole, places, inside, note = _fold(graph, list(opened), seed)
    return _put_together(whole, places, inside, note, roles or {}, set(hubs), call)


def _say_drawn(graph: nx.Graph[str]) -> str:
    accounts = sum(about["type"] == "account" for _, about in graph.nodes(data=True))
    return f"{count_of(accounts, 'account')} and {count_of(len(graph) - accounts, 'value')}"


def _fold(
    graph: nx.Graph[str], opened: list[str], seed: int
) -> tuple[nx.Graph[str], dict[str, tuple[float, float]], dict[str, str], str]:
    """Clusters as nodes, and as much of what lies in them as may travel: those asked for first, then the largest."""
    import networkx as nx

    # A value that one account alone holds here ties nobody: it would only fill the room.
    telling = [node for node, about in graph.nodes(data=True) if about["type"] == "account" or graph.degree[node] > 1]
    graph = graph.subgraph(telling)
    folded = collapse_clusters(graph)
    size = {name: about["accounts"] + about["values"] for name, about in folded.graph.nodes(data=True)}
    order = sorted(size, key=lambda name: (name not in opened, -size[name], name))
    drawn = sorted(sorted(size, key=lambda name: (-size[name], name))[:_SHOWN])
    room, carried = _CARRIED - len(drawn), []
    for name in order:
        if name in drawn and size[name] <= room:
            carried.append(name)
            room -= size[name]
    inside = {node: cluster for node, cluster in folded.inside.items() if cluster in set(carried)}
    whole: nx.Graph[str] = nx.Graph()
    map_places = find_layout(folded.graph.subgraph(drawn), seed=seed)
    # A cluster is given the room that its nodes will need, so that it can be opened where it stands.
    stretch = 1.5 * math.sqrt(max(size.values()))
    places = {name: (x * stretch, y * stretch) for name, (x, y) in map_places.items()}
    for name in drawn:
        whole.add_node(name, **folded.graph.nodes[name])
    for cluster in carried:
        part = _thin(graph.subgraph(sorted(node for node, of in inside.items() if of == cluster)))
        local = find_layout(part, seed=seed)
        middle = [sum(xy[axis] for xy in local.values()) / len(local) for axis in (0, 1)]
        near = stretch * 0.6 / max(1.0, math.sqrt(len(local)))
        for node, (x, y) in local.items():
            whole.add_node(node, **graph.nodes[node])
            places[node] = (places[cluster][0] + (x - middle[0]) * near, places[cluster][1] + (y - middle[1]) * near)
        whole.add_edges_from(part.edges(data=True))
    whole.add_edges_from(folded.graph.subgraph(drawn).edges(data=True))
    inside_said = f"a click opens one, with the {_PER_NODE} strongest edges of each node"
    said = [part_of(len(drawn), len(size), "cluster"), inside_said]
    unread = len(drawn) - len(carried)
    said += [f"of {count_of(unread, 'cluster')} the inside is not carried along"] if unread else []
    said += [f"{count_of(folded.left_out, 'account')} in no cluster not drawn"] if folded.left_out else []
    return whole, places, inside, "; ".join(said)


def _thin(part: nx.Graph[str]) -> nx.Graph[str]:
    """The strongest edges of each node: who is in an opened cluster is tied by a few, not by all with all."""
    import networkx as nx

    kept: set[tuple[str, str]] = set()
    for node in sorted(part):
        best = sorted(part[node], key=lambda other: (-_width(part.edges[node, other]), other))[:_PER_NODE]
        kept |= {(min(node, other), max(node, other)) for other in best}
    thin: nx.Graph[str] = nx.Graph()
    thin.add_nodes_from(sorted(part.nodes(data=True)))
    thin.add_edges_from((*ends, part.edges[ends]) for ends in sorted(kept))
    return thin


def _put_together(
    graph: nx.Graph[str],
    places: Mapping[str, tuple[float, float]],
    inside: Mapping[str, str],
    note: str,
    roles: Mapping[str, str],
    hubs: set[tuple[str, str]],
    names: Names,
) -> NetworkPicture:
    keys = sorted(graph)
    number = {key: i for i, key in enumerate(keys)}
    called = {key: _call(graph.nodes[key], names) for key in keys}
    short = short_names((a["label"] for _, a in graph.nodes(data=True) if a["type"] in _OWN_NAME), 16)
    short_value = short_names((called[key] for key in keys if graph.nodes[key]["type"] not in _OWN_NAME), 24)
    rows = []
    for key in keys:
        about, degree = graph.nodes[key], int(graph.degree[key])
        kind, label = str(about["type"]), str(about["label"])
        own, hub = kind in _OWN_NAME, (kind, label) in hubs
        group = _group(about, roles)
        rows.append(
            {
                # Whoever sees a number instead of a value sees it in the key too.
                "key": f"{kind}:{number[key]}" if not own and names.hides(kind, label) else key,
                "name": called[key],
                "label": short[label] if own else short_value[called[key]],
                "group": group,
                "x": round(places[key][0], 2),
                "y": round(places[key][1], 2),
                "size": _size(about, degree),
                "mark": (_HUB if hub else 0) | (_SEED if group == "seed" else 0),
                "about": _describe(about, degree, hub),
                "inside": number.get(inside.get(key, ""), -1),
                "opens": int(kind == "cluster"),
                "account": own,
                "degree": degree,
            }
        )
    nodes = _fit(pl.DataFrame(rows, schema=_NODE))
    kinds = _kinds(nodes)
    place_of = {kind["group"]: i for i, kind in enumerate(kinds)}
    ends = sorted((min(number[a], number[b]), max(number[a], number[b]), a, b) for a, b in graph.edges)
    coded = nodes.with_columns(pl.col("group").replace_strict(place_of, return_dtype=pl.Int64).alias("kind"))
    data = {
        "nodes": coded.select(
            "key", "name", "label", "kind", "x", "y", "size", "mark", "about", "inside", "opens"
        ).to_dict(as_series=False),
        "edges": {
            "a": [i for i, *_ in ends],
            "b": [j for _, j, *_ in ends],
            # Inside a folded cluster edges are thinner: they are seen magnified.
            "width": [round(_width(graph.edges[a, b]) * (0.35 if a in inside else 1.0), 2) for *_, a, b in ends],
            "why": [_tell(graph, a, b, names) for *_, a, b in ends],
        },
        "kinds": [{key: value for key, value in kind.items() if key != "group"} for kind in kinds],
        "note": note,
    }
    drawn = (pl.col("inside") < 0).alias("drawn")
    table = nodes.select("key", "name", pl.col("group").alias("kind"), drawn, "x", "y", "degree")
    # Paper shows what is drawn, and of very much the best tied of it.
    best = table.with_columns(node=pl.Series(keys)).filter("drawn").sort(["degree", "node"], descending=[True, False])
    few = graph.subgraph(best["node"].head(_ON_PAPER).to_list())
    return NetworkPicture(data, table, note, draw_graph(few, places, roles=roles, names=names))


def _fit(nodes: pl.DataFrame) -> pl.DataFrame:
    """Make nodes so small that they stand apart: those on the map on the whole map, the others once theirs is opened.

    A view that is magnified r times shows places r times as far apart, and nodes larger by the root of r.
    """
    size = nodes["size"].to_numpy().copy()
    inside, xy = nodes["inside"].to_numpy(), nodes.select("x", "y").to_numpy()
    whole = np.maximum(np.ptp(xy[inside < 0], axis=0), 1.0)
    for part in np.unique(inside):
        rows = np.flatnonzero(inside == part)
        span = np.maximum(np.ptp(xy[rows], axis=0), 1.0)
        apart = min(_STAGE / span) * math.sqrt(span[0] * span[1] / len(rows))
        smaller = min(1.0, 0.3 * apart / float(np.quantile(size[rows], 0.9, method="nearest")))
        magnified = 1.0 if part < 0 else max(1.0, float(min(whole / span)) / 1.3)
        size[rows] *= smaller / math.sqrt(magnified)
    return nodes.with_columns(size=pl.Series(np.round(size, 3)))


def _group(about: Mapping[str, Any], roles: Mapping[str, str]) -> str:
    if about["type"] == "cluster":
        return "cluster"
    if about["type"] != "account":
        return say_kind(str(about["type"]))
    return roles.get(about["label"]) or str(about.get("band") or "member")


def _kinds(nodes: pl.DataFrame) -> list[dict[str, Any]]:
    """The legend: accounts first, as they are ranked, then kinds of values by name."""
    own = sorted(
        nodes.filter("account")["group"].unique().to_list(), key=lambda name: (_RANK.get(name, len(_RANK)), name)
    )
    values = sorted(nodes.filter(~pl.col("account"))["group"].unique().to_list())
    looks = [_ACCOUNTS.get(name, _ACCOUNTS["member"]) for name in own]
    looks += [_VALUES[i % len(_VALUES)] for i in range(len(values))]
    return [
        {"group": name, "name": visible(name, 40), "shape": shape, "colour": colour, "account": name in own}
        for name, (shape, colour) in zip([*own, *values], looks, strict=True)
    ]


def _call(about: Mapping[str, Any], names: Names) -> str:
    if about["type"] == "account":
        return visible(about["label"], 60)
    if about["type"] == "cluster":
        return f"cluster {visible(about['label'], 60)}"
    return names.full(str(about["type"]), str(about["label"]), 60)


def _describe(about: Mapping[str, Any], degree: int, hub: bool) -> str:
    if about["type"] == "cluster":
        return f"{count_of(about['accounts'], 'account')}, {count_of(about['values'], 'value')}; click to open"
    if about["type"] != "account":
        return f"{count_of(degree, 'account')} here" + ("; widely shared" if hub else "")
    said = [f"{about['band']} member of {visible(str(about['cluster_id']), 40)}"] if about.get("band") else []
    return "; ".join([*said, f"{degree:,} edges"])


def _size(about: Mapping[str, Any], degree: int) -> float:
    if about["type"] == "cluster":
        return round(min(18.0, 3 + 0.8 * math.sqrt(about["accounts"])), 2)
    return round(min(14.0, 4 + 1.1 * math.sqrt(degree)), 2)


def _width(about: Mapping[str, Any]) -> float:
    """Pixels: by bits where an edge has them, else by how often it was seen."""
    strength = float(about["bits"]) / 8 if "bits" in about else math.log2(1 + float(about.get("n") or 1)) / 2
    return round(min(6.0, max(0.7, strength)), 2)


def _tell(graph: nx.Graph[str], a: str, b: str, names: Names) -> str:
    """What an edge rests on; the view names its ends."""
    about = graph.edges[a, b]
    if "bits" in about:
        best = sorted(about.get("evidence") or [], key=lambda e: (-float(e["bits"]), e["kind"], e["value"]))[
            :_STRONGEST
        ]
        rests = ", ".join(f"{names.full(e['kind'], e['value'], 30)} ({e['bits']:.1f} bits)" for e in best)
        return say_edge(about) + (f"; {rests}" if rests else "")
    if graph.nodes[a]["type"] == graph.nodes[b]["type"] == "cluster":
        return f"{count_of(int(about['n']), 'value')} or links between them"
    return say_edge(about)
