"""The network as a picture: accounts, the values they share, and the evidence on hover.

Positions come from :func:`toolkit.graph.layout.find_layout`, so every reader sees the same map.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import visible
from toolkit.views.charts import PALETTE, style

if TYPE_CHECKING:
    import altair as alt
    import networkx as nx

__all__ = ["draw_graph"]

_SHAPES = {"seed": "diamond", "member": "circle", "left out": "cross"}
_ACCOUNT_COLOURS = {"seed": PALETTE["red"], "member": PALETTE["blue"], "left out": PALETTE["grey"]}
_KIND_COLOURS = ("green", "orange", "purple", "sky", "yellow")


def draw_graph(
    graph: nx.Graph,
    positions: Mapping[Hashable, tuple[float, float]],
    *,
    roles: Mapping[str, str] | None = None,
    labels: int = 14,
) -> alt.LayerChart:
    """Draw a typed network.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it: nodes with ``type`` ("account" or an indicator kind) and ``label``.
    positions : mapping
        Node to (x, y).
    roles : mapping of str to str, optional
        Account id to "seed", "member" or "left out"; "member" by default.
    labels : int
        Values with the most edges that get a label; the rest speaks on hover.

    Returns
    -------
    altair.LayerChart
        Pans and zooms; the legend filters.

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> g.add_node("account:a", type="account", label="a"); g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edge("account:a", "ip:x", n=2)
    >>> type(draw_graph(g, {"account:a": (0, 0), "ip:x": (1, 1)})).__name__
    'LayerChart'
    """
    import altair as alt

    nodes = _nodes(graph, positions, roles or {}, labels)
    edges = _edges(graph, positions)
    kinds = sorted(set(nodes.filter(pl.col("what") == "value").get_column("group").to_list()))
    present = [role for role in _SHAPES if role in set(nodes.get_column("group").to_list())]
    domain = [*present, *kinds]
    colours = [_ACCOUNT_COLOURS[r] for r in present] + [PALETTE[_KIND_COLOURS[i % 5]] for i in range(len(kinds))]
    shapes = [_SHAPES[r] for r in present] + ["square"] * len(kinds)
    pick = alt.selection_point(fields=["group"], bind="legend", name="legend_pick")
    move = alt.selection_interval(bind="scales", name="pan_graph")
    blank = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
    lines = (
        alt.Chart(edges)
        .mark_rule(color="#8899aa", opacity=0.45)
        .encode(
            x=alt.X("x:Q", axis=blank, title=None, scale=alt.Scale(zero=False, nice=False, padding=24)),
            y=alt.Y("y:Q", axis=blank, title=None, scale=alt.Scale(zero=False, nice=False, padding=24)),
            x2="x2:Q",
            y2="y2:Q",
            tooltip=["ends:N", "why:N"],
        )
    )
    points = (
        alt.Chart(nodes)
        .mark_point(filled=True, opacity=1, stroke="white", strokeWidth=0.8)
        .encode(
            x="x:Q",
            y="y:Q",
            color=alt.Color("group:N", title=None, scale=alt.Scale(domain=domain, range=colours)),
            shape=alt.Shape("group:N", title=None, scale=alt.Scale(domain=domain, range=shapes)),
            size=alt.Size("degree:Q", legend=None, scale=alt.Scale(type="sqrt", range=[50, 420])),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
            tooltip=[
                alt.Tooltip("name:N", title="id"),
                alt.Tooltip("group:N", title="is"),
                alt.Tooltip("degree:Q", title="edges"),
            ],
        )
        .add_params(pick, move)
    )
    texts = (
        alt.Chart(nodes.filter(pl.col("shown") != ""))
        .mark_text(dy=-13, fontSize=10, color="#223", stroke="white", strokeWidth=3, strokeOpacity=0.8)
        .encode(x="x:Q", y="y:Q", text="shown:N")
    )
    names = (
        alt.Chart(nodes.filter(pl.col("shown") != ""))
        .mark_text(dy=-13, fontSize=10, color="#223")
        .encode(x="x:Q", y="y:Q", text="shown:N")
    )
    return style(alt.layer(lines, points, texts, names).properties(width=760, height=520))


def _nodes(
    graph: nx.Graph, positions: Mapping[Hashable, tuple[float, float]], roles: Mapping[str, str], labels: int
) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for node, about in graph.nodes(data=True):
        account = about["type"] == "account"
        label = str(about["label"])
        rows.append(
            {
                "x": float(positions[node][0]),
                "y": float(positions[node][1]),
                "name": label,
                "what": "account" if account else "value",
                "group": roles.get(label, "member") if account else str(about["type"]),
                "degree": int(graph.degree(node)),
            }
        )
    table = pl.DataFrame(
        rows,
        schema={
            "x": pl.Float64,
            "y": pl.Float64,
            "name": pl.String,
            "what": pl.String,
            "group": pl.String,
            "degree": pl.Int64,
        },
    ).sort("what", "degree", "name", descending=[True, True, False])
    named = {
        (row["group"], row["name"])
        for row in table.filter(pl.col("what") == "value").head(labels).iter_rows(named=True)
    } | {("seed", row["name"]) for row in table.filter(pl.col("group") == "seed").iter_rows(named=True)}
    shown = [
        visible(row["name"], 18).split(" (")[0] if (row["group"], row["name"]) in named else ""
        for row in table.iter_rows(named=True)
    ]
    return table.with_columns(pl.Series("shown", shown, dtype=pl.String))


def _edges(graph: nx.Graph, positions: Mapping[Hashable, tuple[float, float]]) -> pl.DataFrame:
    rows = [
        {
            "x": float(positions[a][0]),
            "y": float(positions[a][1]),
            "x2": float(positions[b][0]),
            "y2": float(positions[b][1]),
            "ends": f"{graph.nodes[a]['label']} – {graph.nodes[b]['label']}",
            "why": _why(about),
        }
        for a, b, about in graph.edges(data=True)
    ]
    schema = {"x": pl.Float64, "y": pl.Float64, "x2": pl.Float64, "y2": pl.Float64, "ends": pl.String, "why": pl.String}
    return pl.DataFrame(rows, schema=schema)


def _why(about: Mapping[str, Any]) -> str:
    """One edge in words."""
    if "bits" in about:
        return f"{about['bits']:.1f} bits, level {about['level']}"
    times = [str(about[key])[:16] for key in ("first_at", "last_at") if about.get(key) is not None]
    span = f", {' to '.join(dict.fromkeys(times))} UTC" if times else ""
    return f"seen {about.get('n', 1)} times{span}"
