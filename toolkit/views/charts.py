"""Charts over the tables of an investigation, one theme, UTC axes, aggregated before they are drawn.

Each function takes a table and returns an Altair chart; the caller wraps it with
:func:`toolkit.views.blocks.show_chart` and a caption. Colours are those of Okabe & Ito 2008, told apart by colour-blind
readers; what a colour says is also said by shape, place or order. Values appear under the names of
:class:`toolkit.views.names.Names`; text from data is made visible before it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.views.names import Names
from toolkit.views.words import short_names, told_apart

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "PALETTE",
    "draw_arrivals",
    "draw_expansion",
    "draw_hours",
    "draw_lift",
    "draw_swimlanes",
    "style",
]

PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "grey": "#767676",
}
_ORDER = [PALETTE[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "grey")]
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_LANES = 60


def style(chart: Any, *, fit: bool = True) -> Any:
    """Put the one theme on a finished chart: as wide as its place, quiet axes, the legend above.

    With ``fit=False`` it keeps its own size, on white: a picture in a document, or several charts side by side.
    """
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
    size: dict[str, Any] = {"type": "fit-x", "contains": "padding"} if fit else {"type": "pad"}
    return (
        chart.properties(autosize=size)
        .configure(font=font, background="transparent" if fit else "white", padding=4 if fit else 12)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#8884", domainColor="#8888", tickColor="#8888", labelColor="#555", titleColor="#555",
            titleFontWeight="normal", labelFontSize=11, titleFontSize=11, labelLimit=230,
        )
        .configure_legend(
            labelColor="#555", titleColor="#555", titleFontWeight="normal", labelFontSize=12, titleFontSize=12,
            labelLimit=260, symbolOpacity=1, orient="top", direction="horizontal",
        )
        .configure_range(category=_ORDER)
    )  # fmt: skip


def _time_axis(field: str, title: str) -> Any:
    import altair as alt

    return alt.X(
        f"{field}:T",
        scale=alt.Scale(type="utc"),
        title=f"{title} (UTC)",
        axis=alt.Axis(tickCount=8, labelOverlap=True, labelFlush=True),
    )


def _iso(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Times as ISO text with a zone: read the same in every browser."""
    return frame.with_columns(pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ") for c in columns)


def _said(column: str, form: str = "%Y-%m-%d %H:%M") -> pl.Expr:
    """A time as a tooltip says it."""
    return pl.col(column).dt.strftime(form) + " UTC"


def draw_expansion(expansion: pl.DataFrame) -> alt.LayerChart:
    """Draw how the set grew: accounts after each round, and what share of those found is expected to be right.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.

    Returns
    -------
    altair.LayerChart

    Examples
    --------
    >>> frame = pl.DataFrame({"round": [0, 1, 2], "included": [True] * 3, "precision_estimate": [None, .99, .97]})
    >>> type(draw_expansion(frame)).__name__
    'LayerChart'
    """
    import altair as alt

    rounds = (
        expansion.filter("included")
        .group_by("round")
        .agg(pl.len().alias("joined"), pl.col("precision_estimate").cast(pl.Float64).min().alias("precision"))
        .sort("round")
        .with_columns(
            pl.col("joined").cum_sum().alias("accounts"),
            pl.when(pl.col("round") == 0).then(pl.lit("seeds")).otherwise(pl.format("round {}", "round")).alias("name"),
            pl.when(pl.col("precision").is_not_null())
            .then(pl.format("{} %", (100 * pl.col("precision")).round(1)))
            .otherwise(pl.lit(""))
            .alias("percent"),
        )
    )
    tips = [
        alt.Tooltip("name:N", title="step"),
        alt.Tooltip("joined:Q", title="joined"),
        alt.Tooltip("accounts:Q", title="accounts so far"),
        alt.Tooltip("percent:N", title="expected to be right"),
    ]
    base = alt.Chart(rounds).encode(
        x=alt.X("name:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)), tooltip=tips
    )
    bars = base.mark_bar(color=PALETTE["sky"], size=26).encode(
        y=alt.Y(
            "accounts:Q",
            title="accounts so far",
            axis=alt.Axis(tickMinStep=1, tickCount=6),
            scale=alt.Scale(domain=[0, round(1.2 * max([1, *rounds["accounts"].to_list()]), 1)], nice=False),
        )
    )
    counts = base.mark_text(dy=-6, fontSize=11, color="#444").encode(y="accounts:Q", text="accounts:Q")
    line = (
        base.transform_filter(alt.FieldValidPredicate(field="precision", valid=True))
        .mark_line(color=PALETTE["red"], point={"filled": True, "color": PALETTE["red"], "size": 45})
        .encode(
            y=alt.Y(
                "precision:Q",
                title="share expected to be right",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", grid=False, titleColor=PALETTE["red"], tickCount=5),
            )
        )
    )
    drawn: alt.LayerChart = style(
        alt.layer(alt.layer(bars, counts), line)
        .resolve_scale(y="independent")
        .properties(width="container", height=210)
    )
    return drawn


def draw_arrivals(first_seen: pl.DataFrame, every: str = "1d") -> alt.Chart:
    """Draw when accounts first appear, in bins.

    Parameters
    ----------
    first_seen : polars.DataFrame
        ``account_id``, ``first_at`` and ``group`` (who they are).
    every : str
        Bin width, in polars' words ("1h", "1d").

    Returns
    -------
    altair.Chart

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> frame = pl.DataFrame({"account_id": ["a"], "first_at": [datetime(2026, 1, 5, tzinfo=UTC)], "group": ["ring"]})
    >>> draw_arrivals(frame).to_dict()["mark"]["type"]
    'rect'
    """
    import altair as alt

    groups = first_seen.get_column("group").unique(maintain_order=True).to_list()
    bins = (
        first_seen.with_columns(pl.col("first_at").dt.truncate(every).alias("bin_at"))
        .group_by("bin_at", "group")
        .agg(pl.len().cast(pl.Int64).alias("accounts"))
        .sort("bin_at", pl.col("group").replace_strict(groups, range(len(groups)), return_dtype=pl.Int64))
        .with_columns(
            pl.col("bin_at").dt.offset_by(every).alias("bin_end_at"),
            pl.col("accounts").cum_sum().over("bin_at").alias("top"),
            _said("bin_at").alias("from"),
        )
        .with_columns((pl.col("top") - pl.col("accounts")).alias("bottom"))
    )
    chart = (
        alt.Chart(_iso(bins, "bin_at", "bin_end_at"))
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=_time_axis("bin_at", f"first seen, per {_duration(every)}"),
            x2="bin_end_at:T",
            y=alt.Y("bottom:Q", title="accounts", axis=alt.Axis(tickMinStep=1, tickCount=5)),
            y2="top:Q",
            color=alt.Color("group:N", title=None, scale=alt.Scale(domain=groups, range=_ORDER[: len(groups)])),
            tooltip=[
                alt.Tooltip("from:N", title="from"),
                alt.Tooltip("group:N", title="who"),
                alt.Tooltip("accounts:Q", title="accounts"),
            ],
        )
    )
    drawn: alt.Chart = style(chart.properties(width="container", height=150))
    return drawn


def _duration(every: str) -> str:
    return {"1m": "minute", "1h": "hour", "1d": "day", "1w": "week"}.get(every, every)


def draw_lift(lift: pl.DataFrame, names: Names | None = None, limit: int = 15) -> alt.LayerChart:
    """Draw how much more common values are in the set than among controls, with the 95 % interval of the set's share.

    Parameters
    ----------
    lift : polars.DataFrame
        As :func:`toolkit.linking.lift.find_lift` returns it.
    names : Names, optional
        What values are called; by default by themselves.
    limit : int
        Values drawn, best first.

    Returns
    -------
    altair.LayerChart

    Examples
    --------
    >>> frame = pl.DataFrame({"kind": ["ip"], "value": ["x"], "in_set": [2], "share": [.5], "low": [.2], "high": [.8],
    ...                       "in_controls": [0], "control_share": [0.0], "lift": [9.0], "lift_low": [4.0]})
    >>> type(draw_lift(frame)).__name__
    'LayerChart'
    """
    import altair as alt

    call = names or Names("none")
    best = lift.head(limit)
    labels = [call.full(kind, value, 26) for kind, value in best.select("kind", "value").rows()]
    figures = ("share", "low", "high", "control_share", "in_set", "in_controls", "lift")
    rows = told_apart(best.select(figures).with_columns(pl.Series("label", labels, dtype=pl.String)), "label")
    both = pl.concat(
        [
            rows.with_columns(pl.lit("the set").alias("who"), pl.col("share").alias("at")),
            rows.with_columns(pl.lit("controls").alias("who"), pl.col("control_share").alias("at")),
        ]
    )
    colours = alt.Scale(domain=["the set", "controls"], range=[PALETTE["blue"], PALETTE["orange"]])
    tips = [
        alt.Tooltip("label:N", title="value"),
        alt.Tooltip("in_set:Q", title="accounts of the set"),
        alt.Tooltip("share:Q", title="share of the set", format=".1%"),
        alt.Tooltip("in_controls:Q", title="controls"),
        alt.Tooltip("control_share:Q", title="share of controls", format=".1%"),
        alt.Tooltip("lift:Q", title="times as common", format=".1f"),
    ]
    y = alt.Y("label:N", sort=None, title=None)
    spans = (
        alt.Chart(rows)
        .mark_rule(color=PALETTE["blue"], strokeWidth=2)
        .encode(
            y=y,
            x=alt.X(
                "low:Q",
                title="share of accounts (line: 95 % interval)",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
            ),
            x2="high:Q",
            tooltip=tips,
        )
    )
    points = (
        alt.Chart(both)
        .mark_point(filled=True, opacity=1, size=70)
        .encode(
            y=y,
            x="at:Q",
            color=alt.Color("who:N", title=None, scale=colours),
            shape=alt.Shape(
                "who:N", title=None, scale=alt.Scale(domain=["the set", "controls"], range=["circle", "diamond"])
            ),
            tooltip=tips,
        )
    )
    drawn: alt.LayerChart = style(
        alt.layer(spans, points).properties(width="container", height=20 * max(1, rows.height))
    )
    return drawn


def draw_hours(events: pl.DataFrame) -> alt.Chart:
    """Draw the hours of the week in which events happened.

    Parameters
    ----------
    events : polars.DataFrame
        With ``event_at`` (UTC).

    Returns
    -------
    altair.Chart

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> frame = pl.DataFrame({"event_at": [datetime(2026, 1, 5, 9, tzinfo=UTC)]})
    >>> draw_hours(frame).to_dict()["mark"]["type"]
    'rect'
    """
    import altair as alt

    counted = (
        events.select(pl.col("event_at").dt.weekday().alias("weekday"), pl.col("event_at").dt.hour().alias("hour"))
        .group_by("weekday", "hour")
        .agg(pl.len().alias("n"))
    )
    week = pl.DataFrame({"weekday": range(1, 8)}, schema={"weekday": pl.Int8}).join(
        pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8}), how="cross"
    )
    cells = (
        week.join(counted, on=["weekday", "hour"], how="left", maintain_order="left")
        .with_columns(
            pl.col("n").fill_null(0),
            pl.col("weekday").replace_strict(dict(enumerate(_WEEK, 1)), return_dtype=pl.String).alias("day"),
        )
        .select("day", "hour", "n")
    )
    chart = (
        alt.Chart(cells)
        .mark_rect(stroke="#8883", strokeWidth=0.5)
        .encode(
            x=alt.X("hour:O", title="hour of day (UTC)", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, scale=alt.Scale(domain=list(_WEEK))),
            color=alt.Color("n:Q", title="events", scale=alt.Scale(scheme="blues", domainMin=0)),
            tooltip=[
                alt.Tooltip("day:N", title="day"),
                alt.Tooltip("hour:O", title="hour (UTC)"),
                alt.Tooltip("n:Q", title="events"),
            ],
        )
    )
    drawn: alt.Chart = style(chart.properties(width="container", height=150))
    return drawn


_MARKS: Mapping[str, tuple[str, str, str]] = {
    "signup": ("sign-up", "triangle-up", PALETTE["green"]),
    "payment": ("payment", "circle", PALETTE["orange"]),
    "label": ("policy label", "cross", PALETTE["red"]),
    "enforcement": ("enforcement", "diamond", PALETTE["purple"]),
}
"""Rare events that a reader looks for, by the first word of the verb; everything else is activity."""


def draw_swimlanes(
    events: pl.DataFrame, lanes: Sequence[str], *, seeds: Sequence[str] = (), bins: int = 120
) -> alt.LayerChart:
    """Draw accounts as lanes: activity as a band, binned before it is drawn, and rare events as marks on it.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    lanes : sequence of str
        Accounts in order from top to bottom; at most 60.
    seeds : sequence of str
        Lanes to mark with a star.
    bins : int
        Bins across the whole span.

    Returns
    -------
    altair.LayerChart

    Raises
    ------
    InputError
        If there are too many lanes, or none of them has an event.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC)]
    >>> frame = pl.DataFrame({"account_id": ["a"], "event_at": at, "event": ["auth.login"]})
    >>> type(draw_swimlanes(frame, ["a"])).__name__
    'LayerChart'
    """
    if len(lanes) > _MOST_LANES:
        raise InputError(
            f"{_MOST_LANES} lanes can be read; found {len(lanes)}: choose, and say in the caption what was left out"
        )
    shown = events.filter(pl.col("account_id").is_in(list(lanes)))
    if shown.is_empty():
        raise InputError(f"none of the {len(lanes)} lanes has an event: draw lanes only where there are events")
    import altair as alt

    span = shown.select((pl.col("event_at").max() - pl.col("event_at").min()).dt.total_seconds()).item()
    width = max(60, int(span / max(1, bins)))
    label = {lane: name + (" ★" if lane in set(seeds) else "") for lane, name in short_names(lanes, 18).items()}
    order = [label[lane] for lane in lanes]
    group = pl.col("event").str.split(".").list.first()
    named = shown.select(
        "event_at", "event", group.alias("group"), pl.col("account_id").replace_strict(label).alias("lane")
    )
    cells = (
        named.with_columns(pl.col("event_at").dt.truncate(f"{width}s").alias("bin_at"))
        .group_by("lane", "bin_at")
        .agg(pl.len().alias("n"), pl.col("event").unique().sort().alias("verbs"))
        .sort("lane", "bin_at")
        .with_columns(
            (pl.col("bin_at") + pl.duration(seconds=width)).alias("bin_end_at"),
            _said("bin_at").alias("from"),
            pl.col("verbs").list.join(", ").alias("what"),
        )
        .drop("verbs")
    )
    cells = cells.with_columns(pl.Series("what", [visible(text, 90) for text in cells["what"]], dtype=pl.String))
    y = alt.Y("lane:N", sort=None, title=None, scale=alt.Scale(domain=order))
    bands = (
        alt.Chart(_iso(cells, "bin_at", "bin_end_at"))
        .mark_bar(height=11, color=PALETTE["sky"])
        .encode(
            x=_time_axis("bin_at", f"each band is {_words(width)} wide"),
            x2="bin_end_at:T",
            y=y,
            opacity=alt.Opacity("n:Q", scale=alt.Scale(type="log", range=[0.35, 1]), legend=None),
            tooltip=[
                alt.Tooltip("lane:N", title="account"),
                alt.Tooltip("from:N", title="from"),
                alt.Tooltip("n:Q", title="events"),
                alt.Tooltip("what:N", title="what"),
            ],
        )
    )
    known = [name for name in _MARKS if name in set(named.get_column("group").to_list())]
    rare = named.filter(pl.col("group").is_in(known)).sort("event_at", "lane", "event")
    rare = rare.with_columns(
        _said("event_at", "%Y-%m-%d %H:%M:%S").alias("at"),
        pl.col("group").replace_strict({name: _MARKS[name][0] for name in known}, return_dtype=pl.String).alias("mark"),
        pl.Series("what", [visible(text, 90) for text in rare["event"]], dtype=pl.String),
    )
    domain = [_MARKS[name][0] for name in known]
    marks = (
        alt.Chart(_iso(rare.select("event_at", "lane", "at", "mark", "what"), "event_at"))
        .mark_point(filled=True, opacity=1, size=55, stroke="white", strokeWidth=0.6)
        .encode(
            x=_time_axis("event_at", f"each band is {_words(width)} wide"),
            y=y,
            color=alt.Color(
                "mark:N", title=None, scale=alt.Scale(domain=domain, range=[_MARKS[name][2] for name in known])
            ),
            shape=alt.Shape(
                "mark:N", title=None, scale=alt.Scale(domain=domain, range=[_MARKS[name][1] for name in known])
            ),
            tooltip=[
                alt.Tooltip("lane:N", title="account"),
                alt.Tooltip("at:N", title="at"),
                alt.Tooltip("what:N", title="what"),
            ],
        )
    )
    parts = [bands, marks] if known else [bands]
    parts[0] = parts[0].add_params(
        alt.selection_interval(encodings=["x"], bind="scales", name="pan", zoom="wheel![event.ctrlKey]")
    )
    drawn: alt.LayerChart = style(alt.layer(*parts).properties(width="container", height=17 * len(lanes)))
    return drawn


def _words(seconds: int) -> str:
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{number} {word}" + ("" if number == "1" else "s")
    return f"{seconds} seconds"
