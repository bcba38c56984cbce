"""Clusters as cards: what a ring is made of, how sure it is, and what ordinary life would explain it, at one look."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import altair as alt
import polars as pl

from toolkit.errors import UnknownNameError, need_columns, visible
from toolkit.views.bins import focus_on
from toolkit.views.looks import ROW, Looks, check_top
from toolkit.views.names import Names
from toolkit.views.theme import PALETTE, Picture, style, time_tip, title
from toolkit.views.words import count_of, part_of, say_family, short_names

__all__ = ["draw_clusters"]

_READINGS: Final = Looks(
    {
        "ring": ("circle", PALETTE["red"]),
        "household": ("square", PALETTE["sky"]),
        "organisation": ("triangle-up", PALETTE["green"]),
        "reseller": ("diamond", PALETTE["orange"]),
        "occasion": ("cross", PALETTE["purple"]),
    }
)
_ORDERS: Final = {
    "largest": (["size", "cluster_id"], [True, False]),
    "surest": (["ring_fdr", "median_bits", "size", "cluster_id"], [False, True, True, False]),
}
_MOST_FAMILIES: Final = 10


def draw_clusters(
    clusters: pl.DataFrame,
    names: Names | None = None,
    *,
    top: int = 20,
    order: Literal["largest", "surest"] = "largest",
) -> Picture:
    """Draw the cards of clusters, a row for each: size, reading, density, chance, families and time.

    Parameters
    ----------
    clusters : polars.DataFrame
        Contract ``Clusters``, rows in any order.
    names : Names, optional
        What values are called in the tooltip; by default by themselves.
    top : int
        Clusters at most, up to 60.
    order : {"largest", "surest"}
        Which are drawn, and from top to bottom: by size, or by the rate of false discoveries, then by median bits.

    Returns
    -------
    Picture
        ``table``: ``cluster_id``, ``reading``, ``size``, ``density``, ``ring_fdr``, ``median_bits``, ``families``,
        ``top_value`` (as it is called), ``first_at``, ``last_at``, ``reading_why``. Order: as drawn, from the top.

    Raises
    ------
    InputError
        If there are no clusters, a column is missing or too many rows are asked for.
    UnknownNameError
        If there is no such order.

    Examples
    --------
    >>> row = {"cluster_id": "C1", "size": 4, "density": 1.0, "median_bits": 20.0, "families": ["dev", "pay"],
    ...        "top_kind": "card", "top_value": "k1", "first_at": None, "last_at": None, "ring_fdr": 0.0,
    ...        "reading": "ring", "reading_why": "nothing ordinary explains it"}
    >>> drawn = draw_clusters(pl.DataFrame([row, row | {"cluster_id": "C2", "size": 9, "reading": "household"}]))
    >>> drawn.note, drawn.table.select("cluster_id", "top_value").rows()
    ('2 clusters: 1 household, 1 ring', [('C2', 'card k1'), ('C1', 'card k1')])
    """
    need_columns(
        clusters.columns,
        ["cluster_id", "size", "density", "median_bits", "families", "top_kind", "top_value", "first_at", "last_at",
         "ring_fdr", "reading", "reading_why"],
        "clusters",
    )  # fmt: skip
    check_top(top, clusters, "cluster")
    if order not in _ORDERS:
        raise UnknownNameError("order of clusters", order, _ORDERS)
    by, falling = _ORDERS[order]
    best = clusters.sort(by, descending=falling, nulls_last=True).head(top)
    table = _cards(best, names or Names("none"))
    span, beyond = _span_of(table)
    families, unseen = _family_cells(table)
    word = f"the {order} " if best.height < clusters.height else ""
    said = [f"{word}{part_of(best.height, clusters.height, 'cluster')}: {_READINGS.count(clusters['reading'])}"]
    said += [f"{count_of(unseen, 'family', 'families')} of evidence left out"] if unseen else []
    said += [f"{count_of(beyond, 'reaches', 'reach')} beyond the time that is drawn"] if beyond else []
    note = "; ".join(said)
    label = short_names(table["cluster_id"], 14)
    rows = table.with_columns(
        pl.col("cluster_id").replace_strict(label, return_dtype=pl.String).alias("card"),
        _READINGS.known("reading").alias("as"),
        pl.col("families").list.head(_MOST_FAMILIES).list.join(", "),
        pl.col("reading_why").alias("why"),
        pl.Series("fdr", [_say_rate(rate) for rate in table["ring_fdr"]], dtype=pl.String),
        pl.col("first_at").dt.epoch("ms").alias("at"),
        pl.col("last_at").dt.epoch("ms").alias("end"),
    ).drop("cluster_id", "reading_why", "first_at", "last_at", "ring_fdr")
    rows = rows.with_columns(pl.format("{} · {}", "card", "as").alias("card"))
    cells = families.with_columns(pl.Series("card", rows["card"].gather(families["row"]), dtype=pl.String))
    chart = alt.hconcat(*_card_panels(rows, cells.drop("row"), span), spacing=14)
    chart = chart.properties(title=title("Clusters", note)).resolve_scale(color="shared", shape="shared")
    return Picture(style(chart, fit=False, ground="transparent"), table, note)


def _cards(best: pl.DataFrame, call: Names) -> pl.DataFrame:
    """What a card tells, in words."""
    top = best.select("top_kind", "top_value").rows()
    family = short_names((say_family(each) for some in best["families"] for each in some), 24)
    return best.select(
        pl.col("cluster_id").cast(pl.String),
        pl.Series("reading", [visible(said, 40) for said in best["reading"]], dtype=pl.String),
        "size", "density", "ring_fdr", "median_bits",
        pl.Series("families", [[family[say_family(each)] for each in some] for some in best["families"]],
                  dtype=pl.List(pl.String)),
        pl.Series("top_value", [visible(call.full(kind, value, 40), 80) for kind, value in top],
                  dtype=pl.String),
        pl.col("first_at", "last_at").cast(pl.Datetime("us", "UTC")),
        pl.Series("reading_why", [visible(said, 160) for said in best["reading_why"]], dtype=pl.String),
    )  # fmt: skip


def _span_of(cards: pl.DataFrame) -> tuple[list[int] | None, int]:
    """The time that holds nearly all clusters, in milliseconds, and how many of them reach beyond it."""
    ends = pl.DataFrame({"at": pl.concat([cards["first_at"], cards["last_at"]]).drop_nulls()})
    if ends.is_empty():
        return None, 0
    near, _ = focus_on(ends, "at")
    low, high = near["at"].min(), near["at"].max()
    beyond = cards.filter((pl.col("first_at") < low) | (pl.col("last_at") > high)).height
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return None, 0
    # A day at least: a set of one moment still needs an axis.
    first, last = (int(end.timestamp() * 1_000) for end in (low, high))
    return [first, max(last, first + 86_400_000)], beyond


def _family_cells(cards: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """A cell for each family that speaks in a cluster, the commonest families first; and how many are left out."""
    cells = cards.select(pl.int_range(pl.len()).alias("row"), "families").explode("families").drop_nulls().unique()
    common = cells.group_by("families").len().sort(["len", "families"], descending=[True, False])["families"]
    kept = common.head(_MOST_FAMILIES).to_list()
    rank = pl.col("families").replace_strict(kept, range(len(kept)), return_dtype=pl.Int64)
    shown = cells.filter(pl.col("families").is_in(kept)).sort(rank, "row")
    return shown.rename({"families": "family"}), len(common) - len(kept)


def _card_panels(rows: pl.DataFrame, cells: pl.DataFrame, span: list[int] | None) -> list[Any]:
    """The columns of the picture, left to right; the first one names the rows."""
    high, scale = ROW * rows.height, alt.Scale(domain=rows["card"].to_list())
    y = alt.Y("card:N", title=None, scale=scale, axis=None)
    tips = [
        alt.Tooltip("card:N", title="cluster"), alt.Tooltip("size:Q", title="accounts", format=",d"),
        alt.Tooltip("why:N", title="read so since"), alt.Tooltip("density:Q", title="density", format=".0%"),
        alt.Tooltip("median_bits:Q", title="median bits", format=".1f"),
        alt.Tooltip("fdr:N", title="false discovery rate"), alt.Tooltip("top_value:N", title="strongest value"),
        alt.Tooltip("families:N", title="speaks through"),
    ]  # fmt: skip
    base = alt.Chart(rows)
    sizes = _sizes(rows, alt.Y("card:N", title=None, scale=scale), tips)
    density = base.mark_bar(height=9, color=PALETTE["blue"]).encode(
        y=y, x=alt.X("density:Q", title=None, scale=alt.Scale(domain=[0, 1]),
                     axis=alt.Axis(format="%", values=[0, 0.5, 1], labelFlush=True)), tooltip=tips,
    )  # fmt: skip
    rate = base.mark_text(align="right", fontSize=11).encode(y=y, x=alt.value(52), text="fdr:N")
    family = alt.X(
        "family:N", title=None, sort=None, axis=alt.Axis(labelAngle=-50, labelLimit=90, domain=False, ticks=False)
    )
    spoken = alt.Chart(cells).mark_square(color=PALETTE["green"], opacity=1, size=150, strokeWidth=0)
    spoken = spoken.encode(
        y=y, x=family, tooltip=[alt.Tooltip("card:N", title="cluster"), alt.Tooltip("family:N", title="speaks through")]
    )
    panels = [
        sizes.properties(width=130, height=high, title=_head("accounts")),
        density.properties(width=60, height=high, title=_head("density")),
        rate.properties(width=56, height=high, title=_head("FDR")),
    ]
    if cells.height:
        wide = 16 * cells["family"].n_unique()
        panels.append(spoken.properties(width=wide, height=high, title=_head("speaks through")))
    if span is not None:
        panels.append(_lives(rows, span, y).properties(width=150, height=high, title=_head("first to last")))
    return panels


def _sizes(rows: pl.DataFrame, y: Any, tips: list[Any]) -> Any:
    """How many accounts, and what the cluster was read as."""
    most = max([1, *rows["size"].to_list()])
    x = alt.X(
        "size:Q", title=None, scale=alt.Scale(domain=[0, round(1.3 * most, 1)], nice=False),
        axis=alt.Axis(tickCount=3, tickMinStep=1),
    )  # fmt: skip
    colour, shape = _READINGS.legend("as", rows["as"])
    base = alt.Chart(rows).encode(y=y, x=x, tooltip=tips)
    return alt.layer(
        base.mark_rule(color=PALETTE["grey"], strokeWidth=1.2).encode(x2=alt.datum(0)),
        base.mark_point(filled=True, opacity=1, size=80, strokeWidth=0.6).encode(color=colour, shape=shape),
        base.mark_text(align="left", dx=8, fontSize=11).encode(text=alt.Text("size:Q", format=",d")),
    )


def _lives(rows: pl.DataFrame, span: list[int], y: Any) -> Any:
    """From the first to the last event of each cluster; never too thin to see."""
    thin = (span[1] - span[0]) // 60
    # Cut here and not by the scale: a bar from before the time that is drawn begins at its edge.
    begin = pl.col("at").clip(span[0], span[1] - thin)
    seen = rows.drop_nulls("at").select(
        "card", "at", "end", begin.alias("b"), pl.max_horizontal(pl.col("end").clip(*span), begin + thin).alias("e")
    )
    bars = alt.Chart(seen).mark_bar(height=9, color=PALETTE["blue"])
    x = alt.X("b:T", title="UTC", scale=alt.Scale(type="utc"), axis=alt.Axis(tickCount=3, labelOverlap=True))
    tips = [alt.Tooltip("card:N", title="cluster"), time_tip("at", "from", 60_000), time_tip("end", "to", 60_000)]
    return bars.encode(y=y, x=x, x2="e:T", tooltip=tips)


def _head(text: str) -> Any:
    """The head of a column."""
    return alt.TitleParams(text=text, fontSize=11, fontWeight="normal", offset=4, frame="group")


def _say_rate(rate: float | None) -> str:
    """A rate of false discoveries, never surer than it can be shown."""
    if rate is None:
        return "not drawn"
    return f"{100 * rate:.1f} %" if rate >= 0.0005 else "< 0.1 %"
