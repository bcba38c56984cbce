"""Pictures of amounts: events over time by what brought them, and precision against recall as a threshold moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from toolkit.errors import InputError, need_columns
from toolkit.views.bins import count_bins, read_ms
from toolkit.views.lanes import OVERVIEW_BINS, drawable
from toolkit.views.theme import CATEGORIES, PALETTE, Picture, style, time_axis, time_tip, title
from toolkit.views.words import count_of, part_of, short_names

__all__ = ["draw_precision_recall", "draw_volume"]

_MOST_THRESHOLDS: Final = 500
"""Points of a curve: more cannot be told apart."""
_ROOM: Final = 0.45
"""Share of the width that the words beside the chosen threshold take."""
_FLOOR: Final = 0.15
"""Precision below which the words under the chosen threshold would stand on the axis."""


def draw_volume(events: pl.DataFrame, *, by: str = "source", every: timedelta | None = None, top: int = 6) -> Picture:
    """Draw how much happened when, stacked by what brought it; what is rarer than the commonest few is one part.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events`` (``event_at``, ``event`` and the column are read), rows in any order.
    by : str
        Column whose values are parts: "source" or "event".
    every : timedelta, optional
        No bin is narrower; by default the narrowest that can be drawn. The note says the width.
    top : int
        Parts with a colour of their own, the commonest, 1 to 6.

    Returns
    -------
    Picture
        ``table``: ``start_at``, ``end_at`` (UTC), ``part``, ``events``. Order: start_at, part as stacked from below:
        the commonest first, the rest last.

    Raises
    ------
    InputError
        If there are no events, or a number does not fit.
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 1, 2)]
    >>> frame = pl.DataFrame({"event_at": at, "event": "chat", "source": ["app", "api", "app"]})
    >>> drawn = draw_volume(frame, every=timedelta(hours=1), top=1)
    >>> drawn.note, drawn.table.select("part", "events").rows()
    ('3 events, bins of 1 hour; stacked from below as the legend names them', [('app', 1), ('1 other', 1), ('app', 1)])
    """
    if not 1 <= top < len(CATEGORIES):
        raise InputError(f"1 to {len(CATEGORIES) - 1} parts can be told apart; found top={top}")
    least = timedelta(milliseconds=1)
    if every is not None and every < least:
        raise InputError(f"bins are a millisecond wide or more; found every={every}")
    good, lost = drawable(events, by)
    if good.is_empty():
        raise InputError("there are no events to draw: widen the window, or name other accounts")
    parts, code = _parts(good.get_column(by).cast(pl.String), top)
    coded = good.select("event_at", "event", code.alias("part"))
    width = 1 if every is None else int(every / least)
    bins = count_bins(coded, pl.lit("all"), part=pl.col("part"), most_bins=OVERVIEW_BINS, at_least_ms=width)
    rows = bins.cells.sort("at", "part").select(
        "at", "end", pl.col("part").replace_strict(range(len(parts)), parts, return_dtype=pl.String), "n",
        (pl.col("n").cum_sum().over("at") - pl.col("n")).alias("bottom"), pl.col("n").cum_sum().over("at").alias("top"),
    )  # fmt: skip
    kept = part_of(good.height, events.height, "event")
    note = "; ".join([f"{kept}, bins of {bins.said}", "stacked from below as the legend names them", *lost])
    colours = [*CATEGORIES[: min(top, len(parts))], CATEGORIES[-1]][: len(parts)]
    chart = alt.Chart(rows).mark_rect(stroke="#8888", strokeWidth=0.4).encode(
        x=time_axis("at", f"each bar is {bins.said} wide"), x2="end:T", y2="top:Q",
        y=alt.Y("bottom:Q", title="events", axis=alt.Axis(tickMinStep=1, tickCount=5, format="~s")),
        color=alt.Color("part:N", title=None, scale=alt.Scale(domain=parts, range=colours),
                        legend=alt.Legend(columns=4)),
        tooltip=[
            time_tip("at", "from", bins.width_ms), alt.Tooltip("part:N", title="part"),
            alt.Tooltip("n:Q", title="events", format=",d"), alt.Tooltip("top:Q", title="so far up", format=",d"),
        ],
    )  # fmt: skip
    chart = chart.properties(width="container", height=200, title=title("Events over time", note))
    table = rows.select(
        read_ms("at").alias("start_at"), read_ms("end").alias("end_at"), "part", pl.col("n").alias("events")
    )
    return Picture(style(chart), table, note)


def _parts(values: pl.Series, top: int) -> tuple[list[str], pl.Expr]:
    """What the parts are called, the commonest first, and the number of the part that each row belongs to."""
    counted = values.value_counts().rename({values.name: "value"}).drop_nulls()
    common = counted.sort(["count", "value"], descending=[True, False])["value"]
    chosen = common.head(top).to_list()
    label = short_names(chosen, 20)
    parts = [label[value] for value in chosen]
    code = values.replace_strict(chosen, range(len(chosen)), default=len(chosen), return_dtype=pl.Int64)
    if (code == len(chosen)).any():
        rest = f"{max(1, len(common) - len(chosen)):,} other"
        while rest in parts:  # a value may be called so
            rest += "s"
        parts.append(rest)
    return parts, pl.lit(code)


def draw_precision_recall(
    curve: pl.DataFrame, *, chosen: float | None = None, prevalence: float | None = None
) -> Picture:
    """Draw precision against recall as the threshold moves, with what guessing would reach.

    Parameters
    ----------
    curve : polars.DataFrame
        ``threshold``, ``precision``, ``recall`` and ``n`` (flagged at the threshold or above), a row for each
        threshold, in any order; with ``precision_low`` and ``precision_high`` the interval is drawn behind.
    chosen : float, optional
        The threshold in use: the lowest of the curve that is not below it is marked.
    prevalence : float, optional
        Share of all that are right: the precision of guessing, drawn as a dashed line.

    Returns
    -------
    Picture
        ``table``: the columns given, and ``chosen``; the thresholds that are drawn. Order: threshold descending.

    Raises
    ------
    InputError
        If there is no threshold to draw, a column is missing, a share is not between 0 and 1, or no threshold of the
        curve is as high as the chosen one.

    Examples
    --------
    >>> curve = pl.DataFrame({"threshold": [0.9, 0.5], "precision": [1.0, 0.8], "recall": [0.4, 0.7], "n": [4, 9]})
    >>> drawn = draw_precision_recall(curve, chosen=0.6, prevalence=0.01)
    >>> drawn.note
    '2 thresholds; diamond: threshold 0.9; dashed: guessing, precision 1.0 %'
    """
    need_columns(curve.columns, ["threshold", "precision", "recall", "n"], "curve")
    interval = [name for name in ("precision_low", "precision_high") if name in curve.columns]
    if len(interval) == 1:
        need_columns(curve.columns, ["precision_low", "precision_high"], "curve")
    good = _readable(curve.select("threshold", "precision", "recall", "n", *interval), prevalence)
    mark = _mark(good, chosen)
    ranked = good.sort("threshold", "recall", descending=[True, False]).with_columns(
        chosen=pl.lit(False) if mark is None else pl.col("threshold") == mark
    )
    step = -(-ranked.height // _MOST_THRESHOLDS)
    place = pl.int_range(pl.len())
    table = ranked.filter((place % step == 0) | (place == pl.len() - 1) | pl.col("chosen"))
    said = [part_of(table.height, good.height, "threshold") + ("" if step == 1 else ", spread evenly")]
    lost = curve.height - good.height
    said += [f"{count_of(lost, 'threshold')} without precision left out"] if lost else []
    said += ["band: interval of the precision"] if interval else []
    said += [f"diamond: threshold {mark:.4g}"] if mark is not None else []
    said += [f"dashed: guessing, precision {100 * prevalence:.1f} %"] if prevalence is not None else []
    note = "; ".join(said)
    layers = [*([_band(table)] if interval else []), *([] if prevalence is None else _guessing(prevalence))]
    layers += [_curve(table), *([] if mark is None else _chosen(table.filter("chosen").head(1)))]
    chart = alt.layer(*layers).properties(width="container", height=280, title=title("Precision against recall", note))
    return Picture(style(chart), table, note)


def _readable(curve: pl.DataFrame, prevalence: float | None) -> pl.DataFrame:
    """Thresholds at which something was flagged; shares must be shares."""
    numbers = ("threshold", "precision", "recall")
    good = curve.drop_nulls(numbers).filter(pl.all_horizontal(pl.col(numbers).cast(pl.Float64).is_finite()))
    if good.is_empty():
        raise InputError("there is no threshold to draw: give a curve with precision and recall")
    shares = [name for name in good.columns if name not in ("threshold", "n")]
    wrong = [name for name in shares if not good[name].drop_nulls().is_between(0, 1).all()]
    wrong += ["prevalence"] if prevalence is not None and not 0 <= prevalence <= 1 else []
    if wrong:
        raise InputError(f"shares lie between 0 and 1; found others in {', '.join(wrong)}")
    return good


def _mark(curve: pl.DataFrame, chosen: float | None) -> float | None:
    """The lowest threshold that is not below the chosen one."""
    if chosen is None:
        return None
    above = [float(value) for value in curve["threshold"] if value >= chosen]
    if not above:
        raise InputError(f"no threshold of the curve is as high as the chosen one; found chosen={chosen:g}")
    return min(above)


_TIPS: Final = [
    alt.Tooltip("threshold:Q", title="threshold", format=".4g"),
    alt.Tooltip("precision:Q", title="precision", format=".1%"),
    alt.Tooltip("recall:Q", title="recall", format=".1%"),
    alt.Tooltip("n:Q", title="flagged", format=",d"),
]


def _share(channel: Any, field: str, said: str | None) -> Any:
    """An axis of shares, from nothing to all."""
    return channel(f"{field}:Q", title=said, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))


def _curve(table: pl.DataFrame) -> Any:
    """The curve, from the highest threshold to the lowest, and its thresholds as points."""
    base = alt.Chart(table).encode(
        x=_share(alt.X, "recall", "recall: share of all right ones that is flagged"),
        y=_share(alt.Y, "precision", "precision: share of the flagged that is right"),
        order=alt.Order("threshold:Q", sort="descending"), tooltip=_TIPS,
    )  # fmt: skip
    size = 36 if table.height <= 60 else 12
    line = base.mark_line(color=PALETTE["blue"], strokeWidth=1.8)
    return alt.layer(line, base.mark_point(filled=True, opacity=1, size=size, color=PALETTE["blue"], strokeWidth=0))


def _band(table: pl.DataFrame) -> Any:
    """The interval of the precision, behind the curve."""
    ordered = table.sort("recall", "threshold").drop_nulls(["precision_low", "precision_high"])
    return alt.Chart(ordered).mark_area(color=PALETTE["sky"], opacity=0.3).encode(
        x=_share(alt.X, "recall", None), y=_share(alt.Y, "precision_low", None), y2="precision_high:Q"
    )  # fmt: skip


def _guessing(prevalence: float) -> list[Any]:
    """What guessing reaches: as many right ones among the flagged as among all."""
    rows = pl.DataFrame({"precision": [prevalence], "said": [f"guessing: {100 * prevalence:.1f} %"]})
    base = alt.Chart(rows).encode(y=_share(alt.Y, "precision", None))
    return [
        base.mark_rule(color=PALETTE["grey"], strokeDash=[5, 3], strokeWidth=1.5),
        base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, fontSize=11).encode(x=alt.value(0), text="said:N"),
    ]


def _chosen(row: pl.DataFrame) -> list[Any]:
    """The threshold in use, with its numbers, where the curve leaves room for them."""
    one = row.row(0, named=True)
    words = (
        f"{one['threshold']:.4g}: precision {one['precision']:.1%}, recall {one['recall']:.1%}, {one['n']:,} flagged"
    )
    base = alt.Chart(row.with_columns(said=pl.lit(words))).encode(
        x=_share(alt.X, "recall", None), y=_share(alt.Y, "precision", None), tooltip=_TIPS
    )
    # Below the point, where the curve seldom is, and on the side that has room for the words.
    side = {"align": "right", "dx": -8} if one["recall"] >= _ROOM else {"align": "left", "dx": 8}
    text: dict[str, Any] = {"fontSize": 11, "dy": 20 if one["precision"] > _FLOOR else -16, **side}
    return [
        base.mark_point(filled=True, opacity=1, shape="diamond", size=150, color=PALETTE["red"]),
        base.mark_text(stroke="white", strokeWidth=3, strokeJoin="round", color="white", **text).encode(text="said:N"),
        base.mark_text(**text).encode(text="said:N"),
    ]
