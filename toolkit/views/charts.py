"""Charts over the tables of an investigation, one theme, UTC axes, aggregated before they are drawn.

Each function takes a table and returns an Altair chart; the caller wraps it with
:func:`toolkit.views.blocks.show_chart` and a caption. Colours are those of Okabe & Ito 2008, told apart by colour-blind
readers; bands are also told apart by shape or order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import InputError

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "PALETTE",
    "draw_arrivals",
    "draw_expansion",
    "draw_hours",
    "draw_lift",
    "draw_swimlanes",
    "draw_waterfall",
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
_WIDTH = 760
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def style(chart: Any) -> Any:
    """Put the one theme on a finished chart."""
    font = "system-ui, sans-serif"
    return (
        chart.configure(font=font, background="transparent", padding=6)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#8883", labelColor="#555", titleColor="#555", titleFontWeight="normal", labelLimit=260
        )
        .configure_legend(labelColor="#555", titleColor="#555", titleFontWeight="normal", labelLimit=260)
        .configure_range(category=_ORDER)
    )


def _altair() -> Any:
    import altair

    return altair


def _time_axis(alt: Any, field: str, title: str) -> Any:
    return alt.X(f"{field}:T", scale=alt.Scale(type="utc"), title=f"{title} (UTC)")


def _iso(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Times as ISO text with a zone: read the same in every browser."""
    return frame.with_columns(pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%S.%3fZ") for c in columns)


def draw_expansion(expansion: pl.DataFrame) -> alt.LayerChart:
    """Draw the frontier: accounts found after each round against the estimated precision.

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
    alt = _altair()
    rounds = (
        expansion.filter("included")
        .group_by("round")
        .agg(pl.len().alias("joined"), pl.col("precision_estimate").min().alias("precision"))
        .sort("round")
        .with_columns(pl.col("joined").cum_sum().alias("accounts"))
    )
    base = alt.Chart(rounds).encode(x=alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0)))
    bars = base.mark_bar(color=PALETTE["sky"], size=28).encode(
        y=alt.Y("accounts:Q", title="accounts so far"), tooltip=["round:O", "joined:Q", "accounts:Q", "precision:Q"]
    )
    line = base.mark_line(color=PALETTE["red"], point={"filled": True, "color": PALETTE["red"]}).encode(
        y=alt.Y("precision:Q", title="estimated precision", scale=alt.Scale(domain=[0, 1]))
    )
    return style(alt.layer(bars, line).resolve_scale(y="independent").properties(width=_WIDTH - 80, height=200))


def draw_waterfall(steps: pl.DataFrame) -> alt.Chart:
    """Draw what spoke for one link, step by step.

    Parameters
    ----------
    steps : polars.DataFrame
        ``LinkExplanation.table``: step, kind, value, bits, total.

    Returns
    -------
    altair.Chart

    Examples
    --------
    >>> frame = pl.DataFrame({"step": ["prior", "value"], "kind": [None, "ip"], "value": [None, "x"],
    ...                       "bits": [-13.0, 9.0], "total": [-13.0, -4.0]})
    >>> draw_waterfall(frame).to_dict()["mark"]["type"]
    'bar'
    """
    alt = _altair()
    rows = steps.with_row_index("order").with_columns(
        (pl.col("total") - pl.col("bits")).alias("start"),
        pl.when(pl.col("step") == "value")
        .then(pl.format("{} {}", "kind", pl.col("value").str.slice(0, 24)))
        .otherwise("step")
        .alias("label"),
        pl.when(pl.col("bits") >= 0).then(pl.lit("for")).otherwise(pl.lit("against")).alias("speaks"),
    )
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=alt.EncodingSortField("order"), title=None),
            x=alt.X("start:Q", title="bits"),
            x2="total:Q",
            color=alt.Color(
                "speaks:N",
                title=None,
                scale=alt.Scale(domain=["for", "against"], range=[PALETTE["blue"], PALETTE["red"]]),
            ),
            tooltip=["label:N", "bits:Q", "total:Q"],
        )
    )
    return style(chart.properties(width=_WIDTH - 220, height={"step": 22}))


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
    'bar'
    """
    alt = _altair()
    bins = _iso(
        first_seen.with_columns(pl.col("first_at").dt.truncate(every).alias("bin_at"))
        .group_by("bin_at", "group")
        .agg(pl.len().alias("accounts"))
        .sort("bin_at", "group"),
        "bin_at",
    )
    chart = (
        alt.Chart(bins)
        .mark_bar(binSpacing=1)
        .encode(
            x=_time_axis(alt, "bin_at", f"first seen, per {every}"),
            y=alt.Y("accounts:Q", title="accounts"),
            color=alt.Color("group:N", title=None),
            tooltip=["bin_at:N", "group:N", "accounts:Q"],
        )
    )
    return style(chart.properties(width=_WIDTH, height=150))


def draw_lift(lift: pl.DataFrame, limit: int = 15) -> alt.LayerChart:
    """Draw how much more common values are in the set than among controls, with the 95 % interval of the set's share.

    Parameters
    ----------
    lift : polars.DataFrame
        As :func:`toolkit.linking.lift.find_lift` returns it.
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
    alt = _altair()
    rows = lift.head(limit).with_columns(pl.format("{} {}", "kind", pl.col("value").str.slice(0, 26)).alias("label"))
    base = alt.Chart(rows).encode(
        y=alt.Y("label:N", sort=rows.get_column("label").to_list(), title=None),
        tooltip=["kind:N", "value:N", "in_set:Q", "share:Q", "in_controls:Q", "control_share:Q", "lift:Q"],
    )
    share = alt.X(
        "low:Q",
        title="share of accounts (blue: the set, 95 % interval; grey: controls)",
        scale=alt.Scale(domain=[0, 1]),
    )
    spans = base.mark_rule(color=PALETTE["blue"], strokeWidth=2).encode(x=share, x2="high:Q")
    points = base.mark_point(color=PALETTE["blue"], filled=True, size=60, opacity=1).encode(x="share:Q")
    controls = base.mark_tick(color=PALETTE["grey"], thickness=3, height=13).encode(x="control_share:Q")
    return style(alt.layer(spans, points, controls).properties(width=_WIDTH - 230, height={"step": 20}))


def draw_hours(events: pl.DataFrame, title: str = "events") -> alt.Chart:
    """Draw the hours of the week in which events happened.

    Parameters
    ----------
    events : polars.DataFrame
        With ``event_at`` (UTC).
    title : str
        What is counted.

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
    alt = _altair()
    cells = (
        events.select(pl.col("event_at").dt.weekday().alias("weekday"), pl.col("event_at").dt.hour().alias("hour"))
        .group_by("weekday", "hour")
        .agg(pl.len().alias("n"))
        .sort("weekday", "hour")
        .with_columns(pl.col("weekday").replace_strict(dict(enumerate(_WEEK, 1)), return_dtype=pl.String).alias("day"))
    )
    chart = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X(
                "hour:O",
                title="hour of day (UTC)",
                axis=alt.Axis(labelAngle=0),
                scale=alt.Scale(domain=list(range(24))),
            ),
            y=alt.Y("day:O", title=None, scale=alt.Scale(domain=list(_WEEK))),
            color=alt.Color("n:Q", title=title, scale=alt.Scale(scheme="blues")),
            tooltip=["day:N", "hour:O", "n:Q"],
        )
    )
    return style(chart.properties(width=_WIDTH - 100, height=150))


def draw_swimlanes(
    events: pl.DataFrame, lanes: Sequence[str], *, bins: int = 120, labels: dict[str, str] | None = None
) -> alt.Chart:
    """Draw accounts as lanes and their events as ticks, binned before they are drawn.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    lanes : sequence of str
        Accounts in order from top to bottom; at most 60.
    bins : int
        Bins across the whole span.
    labels : dict of str to str, optional
        What to write beside each lane; the id by default.

    Returns
    -------
    altair.Chart

    Raises
    ------
    InputError
        If there are more than 60 lanes.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> frame = pl.DataFrame({"account_id": ["a"], "event": ["login"], "event_at": [datetime(2026, 1, 5, tzinfo=UTC)]})
    >>> draw_swimlanes(frame, ["a"]).to_dict()["mark"]["type"]
    'bar'
    """
    if len(lanes) > 60:
        raise InputError(f"a picture holds 60 lanes, {len(lanes)} were asked for: choose the accounts that matter")
    alt = _altair()
    shown = events.filter(pl.col("account_id").is_in(list(lanes)))
    span = shown.select((pl.col("event_at").max() - pl.col("event_at").min()).dt.total_seconds()).item() or 0
    width = max(60, int(span / max(1, bins)))
    names = labels or {}
    group = pl.col("event").str.split(".").list.first()
    cells = (
        shown.with_columns(pl.col("event_at").dt.truncate(f"{width}s").alias("bin_at"), group.alias("what"))
        .group_by("account_id", "bin_at", "what")
        .agg(pl.len().alias("n"))
        .sort("account_id", "bin_at", "what")
        .with_columns(
            (pl.col("bin_at") + pl.duration(seconds=width)).alias("bin_end_at"),
            pl.col("account_id").replace(names).alias("lane"),
        )
    )
    chart = (
        alt.Chart(_iso(cells, "bin_at", "bin_end_at"))
        .mark_bar(height=9)
        .encode(
            x=_time_axis(alt, "bin_at", f"bins of {_words(width)}"),
            x2="bin_end_at:T",
            y=alt.Y("lane:N", sort=[names.get(lane, lane) for lane in lanes], title=None),
            color=alt.Color("what:N", title="event"),
            opacity=alt.Opacity(
                "n:Q", title="events per bin", scale=alt.Scale(type="log", range=[0.35, 1]), legend=None
            ),
            tooltip=["lane:N", "what:N", "bin_at:N", "n:Q"],
        )
        .add_params(alt.selection_interval(encodings=["x"], bind="scales", name="pan"))
    )
    return style(chart.properties(width=_WIDTH - 160, height={"step": 15}))


def _words(seconds: int) -> str:
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds} s"
