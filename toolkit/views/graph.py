"""The network as a picture: accounts, the values they share, and the evidence on hover.

Positions come from :func:`toolkit.graph.layout.find_layout`, so every reader sees the same map. Labels are placed where
they cover nothing; what gets no label speaks on hover.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from toolkit.errors import visible
from toolkit.views.names import Names
from toolkit.views.theme import PALETTE, Picture, style, title
from toolkit.views.words import count_of, say_kind, short_names

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["draw_graph", "say_edge"]

_ROLES: Final = {
    "seed": ("diamond", PALETTE["red"]),
    "member": ("circle", PALETTE["blue"]),
    "left out": ("cross", PALETTE["grey"]),
}
_KINDS: Final = (
    ("square", PALETTE["green"]),
    ("triangle-up", PALETTE["orange"]),
    ("triangle-down", PALETTE["purple"]),
    ("square", PALETTE["sky"]),
    ("triangle-right", PALETTE["grey"]),
    ("triangle-left", PALETTE["green"]),
    ("square", PALETTE["orange"]),
)
_WIDE, _HIGH, _LETTER, _LINE = 900, 540, 6.4, 14
"""Pixels: of the picture, of a letter and of a line of text. The picture may be drawn narrower; labels then stand
closer."""


def draw_graph(
    graph: nx.Graph[str],
    positions: Mapping[str, tuple[float, float]],
    *,
    roles: Mapping[str, str] | None = None,
    names: Names | None = None,
    labels: int = 16,
) -> Picture:
    """Draw a typed network.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it: nodes with ``type`` ("account" or an indicator kind) and ``label``.
    positions : mapping
        Node to (x, y).
    roles : mapping of str to str, optional
        Account id to "seed", "member" or "left out"; "member" by default.
    names : Names, optional
        What values are called; by default by themselves.
    labels : int
        Values with the most edges that get a label; the rest speaks on hover.

    Returns
    -------
    Picture
        Pans by dragging, zooms with Ctrl and the wheel; the legend filters. ``table``: ``name``, ``group`` (the role of
        an account, or the kind of a value), ``degree``, ``labelled``, ``x``, ``y``. Order: values, then accounts; the
        most edges first, then by name.

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> g.add_node("account:a", type="account", label="a"); g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edge("account:a", "ip:x", n=2)
    >>> drawn = draw_graph(g, {"account:a": (0, 0), "ip:x": (1, 1)})
    >>> drawn.note, drawn.table.select("name", "group", "degree").rows()
    ('1 account, 1 value, 1 edge', [('IP address x', 'IP address', 1), ('a', 'member', 1)])
    """
    import altair as alt

    nodes = _nodes(graph, positions, roles or {}, names or Names("none"))
    edges = _edges(graph, nodes)
    table = _place_labels(pl.DataFrame(list(nodes.values()), schema=_NODE), labels)
    groups = table.select("group", "account").unique()
    kinds = sorted(groups.filter(~pl.col("account"))["group"].to_list())
    present = [role for role in _ROLES if role in set(groups.filter("account")["group"].to_list())]
    looks = [*(_ROLES[role] for role in present), *(_KINDS[i % len(_KINDS)] for i in range(len(kinds)))]
    domain, shapes, colours = [*present, *kinds], [shape for shape, _ in looks], [colour for _, colour in looks]
    pick = alt.selection_point(fields=["group"], bind="legend", name="legend_pick")
    move = alt.selection_interval(bind="scales", name="pan_graph", zoom="wheel![event.ctrlKey]")
    x, y = (
        alt.X("x:Q", axis=None, scale=alt.Scale(zero=False, nice=False, padding=30)),
        alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False, nice=False, padding=24)),
    )
    colour = alt.Scale(domain=domain, range=colours)
    faded = alt.condition(pick, alt.value(0.4), alt.value(0.04))
    lines = (
        alt.Chart(edges)
        .mark_rule(strokeWidth=1)
        .encode(
            x=x,
            y=y,
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color("group:N", title=None, scale=colour),
            opacity=faded,
            tooltip=[alt.Tooltip("ends:N", title="edge"), alt.Tooltip("why:N", title="evidence")],
        )
    )
    points = (
        alt.Chart(table)
        .mark_point(filled=True, stroke="white", strokeWidth=0.8)
        .encode(
            x=x,
            y=y,
            color=alt.Color("group:N", title=None, scale=colour, legend=alt.Legend(columns=6)),
            shape=alt.Shape("group:N", title=None, scale=alt.Scale(domain=domain, range=shapes)),
            size=alt.Size("degree:Q", legend=None, scale=alt.Scale(type="sqrt", range=[70, 420])),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
            tooltip=[
                alt.Tooltip("name:N", title="this is"),
                alt.Tooltip("group:N", title="kind"),
                alt.Tooltip("ties:N", title="drawn with"),
            ],
        )
        .add_params(pick, move)
    )
    texts = table.filter(pl.col("shown") != "").select("lx", "ly", "shown")
    halo = (
        alt.Chart(texts)
        .mark_text(fontSize=11, stroke="white", strokeWidth=3, strokeJoin="round", color="white")
        .encode(x=alt.X("lx:Q"), y=alt.Y("ly:Q"), text="shown:N")
    )
    written = alt.Chart(texts).mark_text(fontSize=11, color="#223").encode(x="lx:Q", y="ly:Q", text="shown:N")
    accounts = int(table["account"].sum())
    said = ((accounts, "account"), (table.height - accounts, "value"), (edges.height, "edge"))
    note = ", ".join(count_of(number, word) for number, word in said if number)
    chart = alt.layer(lines, points, halo, written)
    chart = chart.properties(width="container", height=_HIGH, title=title("Who shares what", note))
    plain = table.select("name", "group", "degree", (pl.col("shown") != "").alias("labelled"), "x", "y")
    return Picture(style(chart), plain, note)


_NODE: Final = {
    "x": pl.Float64,
    "y": pl.Float64,
    "name": pl.String,
    "label": pl.String,
    "account": pl.Boolean,
    "group": pl.String,
    "degree": pl.Int64,
    "ties": pl.String,
}


def _nodes(
    graph: nx.Graph[str],
    positions: Mapping[str, tuple[float, float]],
    roles: Mapping[str, str],
    names: Names,
) -> dict[str, dict[str, Any]]:
    short = short_names((about["label"] for _, about in graph.nodes(data=True) if about["type"] == "account"), 14)
    said = short_names((say_kind(str(about["type"])) for _, about in graph.nodes(data=True)), 30)
    found: dict[str, dict[str, Any]] = {}
    for node, about in graph.nodes(data=True):
        account = about["type"] == "account"
        kind, raw = str(about["type"]), str(about["label"])
        degree = int(graph.degree[node])
        name = visible(raw, 60) if account else names.full(kind, raw)
        found[node] = {
            "x": float(positions[node][0]),
            "y": float(positions[node][1]),
            "name": name,
            "label": short[raw] if account else names.full(kind, raw, 16),
            "account": account,
            "group": roles.get(raw, "member") if account else said[say_kind(kind)],
            "degree": degree,
            "ties": count_of(degree, "value") if account else count_of(degree, "account"),
        }
    return found


def _edges(graph: nx.Graph[str], nodes: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    rows = []
    for a, b, about in graph.edges(data=True):
        one, other = (nodes[a], nodes[b]) if nodes[a]["account"] else (nodes[b], nodes[a])
        rows.append(
            {
                "x": one["x"],
                "y": one["y"],
                "x2": other["x"],
                "y2": other["y"],
                "ends": f"{one['name']} – {other['name']}",
                "group": other["group"],
                "why": say_edge(about),
            }
        )
    schema = {
        **dict.fromkeys(("x", "y", "x2", "y2"), pl.Float64),
        **dict.fromkeys(("ends", "group", "why"), pl.String),
    }
    return pl.DataFrame(rows, schema=schema)


def say_edge(about: Mapping[str, Any]) -> str:
    """Return what an edge rests on, in words.

    Examples
    --------
    >>> say_edge({"n": 2, "first_at": None, "last_at": None}), say_edge({"bits": 9.31, "level": "L2"})
    ('seen 2 times', '9.3 bits, level L2')
    """
    if "bits" in about:
        return f"{about['bits']:.1f} bits, level {about['level']}"
    times = [str(about[key])[:16] for key in ("first_at", "last_at") if about.get(key) is not None]
    span = f", {' to '.join(dict.fromkeys(times))} UTC" if times else ""
    return f"seen {count_of(int(about.get('n') or 1), 'time')}{span}"


def _place_labels(nodes: pl.DataFrame, labels: int) -> pl.DataFrame:
    """Put labels above, below or beside their nodes where they cover no node and no other label; or leave them out."""
    rows = nodes.sort("account", "degree", "name", descending=[False, True, False]).to_dicts()
    left, right = (min((r["x"] for r in rows), default=0.0), max((r["x"] for r in rows), default=1.0))
    low, high = (min((r["y"] for r in rows), default=0.0), max((r["y"] for r in rows), default=1.0))
    per_x, per_y = (_WIDE - 60) / max(right - left, 1e-9), (_HIGH - 48) / max(high - low, 1e-9)
    taken = [(*_pixels(r, left, low, per_x, per_y), 18.0, 18.0) for r in rows]
    wanted = [r for r in rows if r["group"] == "seed"] + [r for r in rows if not r["account"]][:labels]
    for row in rows:
        row |= {"shown": "", "lx": row["x"], "ly": row["y"]}
    for row in wanted:
        px, py = _pixels(row, left, low, per_x, per_y)
        wide = len(row["label"]) * _LETTER
        for dx, dy in ((0.0, 17.0), (0.0, -17.0), (wide / 2 + 14, 0.0), (-wide / 2 - 14, 0.0)):
            # Labels above and below move sideways to stay in the picture.
            middle = min(max(px + dx, wide / 2 - 25), _WIDE - 35 - wide / 2) if dy else px + dx
            box = (middle, py + dy, wide, float(_LINE))
            inside = wide / 2 - 25 <= middle <= _WIDE - 35 - wide / 2
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                row |= {"shown": row["label"], "lx": row["x"] + (middle - px) / per_x, "ly": row["y"] + dy / per_y}
                break
    schema = {**_NODE, "shown": pl.String, "lx": pl.Float64, "ly": pl.Float64}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("lx", "ly").round(4))


def _pixels(row: Mapping[str, Any], left: float, low: float, per_x: float, per_y: float) -> tuple[float, float]:
    return (row["x"] - left) * per_x, (row["y"] - low) * per_y


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (middle, width, height) touch."""
    return abs(a[0] - b[0]) * 2 < a[2] + b[2] and abs(a[1] - b[1]) * 2 < a[3] + b[3]
