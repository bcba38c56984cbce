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
from toolkit.views.words import count_of, say_family, short_names

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
    "draw_why",
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


def draw_waterfall(steps: pl.DataFrame, names: Names | None = None) -> alt.LayerChart:
    """Draw what spoke for one link, step by step, and the probability that it comes to.

    A value that depends on a stronger one (two addresses, a card and its issuer) is counted in part: the solid bar is
    what counts, the pale one what the value would give alone.

    Parameters
    ----------
    steps : polars.DataFrame
        ``LinkExplanation.table``: step, kind, value, bits, total; with ``counted`` dependent values are drawn in part,
        and ``family``, ``holders``, ``window`` and ``regime`` are told by the tooltip.
    names : Names, optional
        What values are called; by default by themselves.

    Returns
    -------
    altair.LayerChart

    Examples
    --------
    >>> frame = pl.DataFrame({"step": ["prior", "value"], "kind": [None, "ip"], "value": [None, "192.0.2.1"],
    ...                       "bits": [-13.0, 9.0], "total": [-13.0, -4.0]})
    >>> [row["label"] for row in draw_waterfall(frame).to_dict()["datasets"].popitem()[1]]
    ['before any evidence', 'IP address 192.0.2.1', 'sum: 5.9 % likely']
    """
    import altair as alt

    rungs = _told_apart(_rungs(steps, names or Names("none")), "label")
    pale = rungs.filter(pl.col("whole") > pl.col("end") + 0.05)
    tips = [
        alt.Tooltip("label:N", title="step"),
        alt.Tooltip("said:N", title="bits"),
        alt.Tooltip("held:N", title="held by"),
        alt.Tooltip("chance:N", title="weighed as"),
        alt.Tooltip("family:N", title="speaks for"),
    ]
    base = alt.Chart(rungs).encode(y=alt.Y("label:N", sort=None, title=None), tooltip=tips)
    title = ["bits: each one doubles the odds that one person runs both"]
    title += ["pale: what a value would give alone, were it not for a stronger one"] if pale.height else []
    bars = base.mark_bar(height=13).encode(
        x=alt.X(
            "start:Q",
            title=title,
            scale=alt.Scale(domain=_room(rungs), nice=False),
            axis=alt.Axis(tickCount=8, labelFlush=False),
        ),
        x2="end:Q",
        color=alt.Color(
            "speaks:N",
            title=None,
            legend=None,
            scale=alt.Scale(domain=["for", "against", "sum"], range=[PALETTE["blue"], PALETTE["red"], PALETTE["grey"]]),
        ),
    )
    alone = (
        alt.Chart(pale)
        .mark_bar(height=13, color=PALETTE["blue"], opacity=0.22)
        .encode(x="end:Q", x2="whole:Q", y=alt.Y("label:N", sort=None), tooltip=tips)
    )
    texts = base.mark_text(align="left", dx=5, fontSize=11, color="#444").encode(x="right:Q", text="said:N")
    layers = [bars, alone, texts] if pale.height else [bars, texts]
    drawn: alt.LayerChart = style(alt.layer(*layers).properties(width="container", height=21 * max(1, rungs.height)))
    return drawn


def _room(rungs: pl.DataFrame) -> list[float]:
    """From the least to the highest bar, with room for what is said beside it."""
    ends = [0.0, *(end for row in rungs.select("start", "end", "whole").rows() for end in row)]
    return [min(ends), max(ends) + 0.16 * max(max(ends) - min(ends), 1.0)]


_WAYS: Mapping[str, str] = {"unique": "made for one account", "pool": "from a pool that many draw on"}
"""How the chance of holding a value by accident was computed, in words."""


def _rungs(steps: pl.DataFrame, call: Names) -> pl.DataFrame:
    """A row per bar of a waterfall: from where to where, and what is said of it."""
    words = {"prior": "before any evidence", "dependence": "counted twice, taken back"}
    rows, rungs, at = steps.to_dicts(), list[dict[str, Any]](), 0.0
    for row in rows:
        value = row["step"] == "value"
        bits = row["bits"]
        counted = bits if row.get("counted") is None else row["counted"]
        if row["step"] == "dependence" and abs(counted) < 0.05:
            continue  # each value was drawn as it counts: nothing is left to take back
        part = f"{counted:+.1f}" + (f" of {bits:.1f}" if value and f"{bits:.1f}" != f"{counted:.1f}" else "")
        rungs.append(
            {
                "label": call.full(row["kind"], row["value"], 26) if value else words[row["step"]],
                "start": at,
                "end": at + counted,
                "whole": at + bits if value else at + counted,
                "said": part,
                "speaks": "for" if counted >= 0 else "against",
                **_told_of(row),
            }
        )
        at += counted
    if rows:
        likely = rows[0]["step"] == "prior"
        label = "sum" + (f": {_percent(1 / (1 + 2 ** -max(-500.0, min(500.0, at))))} likely" if likely else "")
        rungs.append({"label": label, "start": 0.0, "end": at, "whole": at, "said": f"{at:+.1f}", "speaks": "sum"})
    text, number = ("label", "said", "speaks", "held", "chance", "family"), ("start", "end", "whole")
    schema = {**dict.fromkeys(text, pl.String), **dict.fromkeys(number, pl.Float64)}
    table = pl.DataFrame(rungs, schema=schema)
    return table.with_columns(pl.col("held", "chance", "family").fill_null(""), right=pl.max_horizontal(*number))


def _told_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a tooltip says of a shared value: who holds it, within which time, how chance was reckoned, its family."""
    holders, window, regime, family = (row.get(name) for name in ("holders", "window", "regime", "family"))
    held = "" if holders is None else "only these two" if holders == 2 else f"{holders:,} accounts"
    return {
        "held": held + (f", within {window:g} hours" if held and window is not None else ""),
        "chance": visible(_WAYS.get(regime or "", regime or ""), 60),
        "family": visible(say_family(family or ""), 60),
    }


def _percent(share: float) -> str:
    """A probability as a person says it, never surer than it can be shown."""
    if share >= 0.9995:
        return "over 99.9 %"
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def draw_why(evidence: pl.DataFrame, names: Names | None = None, limit: int = 12) -> alt.LayerChart:
    """Draw what ties one account to the others: its strongest values, with their bits and who else holds them.

    Parameters
    ----------
    evidence : polars.DataFrame
        Rows of evidence: kind, value, bits, and where known holders, window and regime; one account's, as in
        ``ring.filter(pl.col("account_id") == one).select("evidence").explode("evidence").unnest("evidence")``.
    names : Names, optional
        What values are called; by default by themselves.
    limit : int
        Values drawn, strongest first.

    Returns
    -------
    altair.LayerChart

    Examples
    --------
    >>> frame = pl.DataFrame({"kind": ["card", "ip"], "value": ["k1", "192.0.2.1"], "bits": [12.5, 3.0],
    ...                       "holders": [4, 60]})
    >>> [row["said"] for row in draw_why(frame).to_dict()["datasets"].popitem()[1]]
    ['12.5 bits, 4 accounts', '3.0 bits, 60 accounts']
    """
    import altair as alt

    call = names or Names("none")
    bars = []
    for row in evidence.sort("bits", "kind", "value", descending=[True, False, False]).head(limit).to_dicts():
        told = _told_of(row)
        crowd = "" if row.get("holders") is None else f", {count_of(row['holders'], 'account')}"
        bars.append(
            {
                **told, "label": call.full(row["kind"], row["value"], 26), "bits": row["bits"],
                "said": f"{row['bits']:.1f} bits{crowd}",
                "held": "" if not crowd else told["held"].replace("only these two", "2 accounts"),
            }
        )  # fmt: skip
    schema = {**dict.fromkeys(("label", "said", "held", "chance"), pl.String), "bits": pl.Float64}
    rows = [{name: bar[name] for name in schema} for bar in bars]
    table = _told_apart(pl.DataFrame(rows, schema=schema), "label")
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=None, title=None),
        x=alt.X(
            "bits:Q",
            title="bits that the value gives by itself",
            scale=alt.Scale(domain=[0, 1.45 * max([1.0, *table["bits"].to_list()])], nice=False),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="value"),
            alt.Tooltip("said:N", title="gives"),
            alt.Tooltip("held:N", title="held by"),
            alt.Tooltip("chance:N", title="weighed as"),
        ],
    )
    drawn: alt.LayerChart = style(
        alt.layer(
            base.mark_bar(height=13, color=PALETTE["blue"]),
            base.mark_text(align="left", dx=5, fontSize=11, color="#444").encode(text="said:N"),
        ).properties(width="container", height=21 * max(1, table.height))
    )
    return drawn


def _told_apart(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Number labels that come twice: two values must never be drawn as one."""
    again = pl.int_range(pl.len()).over(column)
    return table.with_columns(
        pl.when(again > 0).then(pl.format("{} ({})", column, again + 1)).otherwise(column).alias(column)
    )


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
    rows = _told_apart(best.select(figures).with_columns(pl.Series("label", labels, dtype=pl.String)), "label")
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
