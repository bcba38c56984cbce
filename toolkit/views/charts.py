"""Charts over the tables of an investigation, one theme, UTC axes, aggregated before they are drawn.

Each function takes a table and returns a :class:`~toolkit.views.theme.Picture`; the caller wraps it with
:func:`toolkit.views.blocks.show_chart` and a caption. Colours are those of Okabe & Ito 2008, told apart by colour-blind
readers; what a colour says is also said by shape, place or order. Values appear under the names of
:class:`toolkit.views.names.Names`; text from data is made visible before it is drawn.
"""

from __future__ import annotations

import polars as pl

from toolkit.views.bins import count_bins, focus_on, read_ms
from toolkit.views.names import Names
from toolkit.views.theme import CATEGORIES, PALETTE, Picture, style, time_axis, time_tip, title
from toolkit.views.words import count_of, part_of, short_names, told_apart

__all__ = ["draw_arrivals", "draw_expansion", "draw_lift"]


def draw_expansion(expansion: pl.DataFrame) -> Picture:
    """Draw how the set grew: accounts after each round, and what share of those found is expected to be right.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.

    Returns
    -------
    Picture
        ``table``: ``round``, ``joined``, ``accounts`` (so far), ``precision_estimate`` (the least of the round). Order:
        round, from 0, the seeds.

    Examples
    --------
    >>> frame = pl.DataFrame({"round": [0, 1, 2], "included": [True] * 3, "precision_estimate": [None, .99, .97]})
    >>> drawn = draw_expansion(frame)
    >>> drawn.note, drawn.table.rows()
    ('1 seed, 2 accounts joined in 2 rounds', [(0, 1, 1, None), (1, 1, 2, 0.99), (2, 1, 3, 0.97)])
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
    note = _say_growth(rounds, expansion.filter(~pl.col("included")).height)
    chart = alt.layer(alt.layer(bars, counts), line).resolve_scale(y="independent")
    chart = chart.properties(width="container", height=210, title=title("How the set grew", note))
    table = rounds.select("round", "joined", "accounts", pl.col("precision").alias("precision_estimate"))
    return Picture(style(chart), table, note)


def _say_growth(rounds: pl.DataFrame, left_out: int) -> str:
    """How many there were, how many joined, and how many did not."""
    later = rounds.filter(pl.col("round") > 0)
    found = int(later["joined"].sum())
    said = [count_of(int(rounds["joined"].sum()) - found, "seed"), f"{count_of(found, 'account')} joined"]
    grown = ", ".join(said) + (f" in {count_of(later.height, 'round')}" if found else "")
    return grown + (f"; {count_of(left_out, 'account')} considered and left out" if left_out else "")


def draw_arrivals(first_seen: pl.DataFrame) -> Picture:
    """Draw when accounts first appear, in bins.

    Parameters
    ----------
    first_seen : polars.DataFrame
        ``account_id``, ``first_at`` (UTC) and ``group`` (who they are).

    Returns
    -------
    Picture
        ``table``: ``group``, ``start_at``, ``end_at`` (UTC), ``accounts``. Order: start_at, group as it first comes.

    Raises
    ------
    InputError
        If there are no accounts.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> frame = pl.DataFrame({"account_id": ["a"], "first_at": [datetime(2026, 1, 5, tzinfo=UTC)], "group": ["ring"]})
    >>> draw_arrivals(frame).note
    '1 account, in bins of 1 day'
    """
    import altair as alt

    groups = first_seen.get_column("group").unique(maintain_order=True).to_list()
    near, cut = focus_on(first_seen, "first_at")
    # No finer than a day: the shape of an arrival is asked for in days, its minute in the table of waves.
    counted = count_bins(
        near.select(pl.col("first_at").alias("event_at"), pl.lit("").alias("event"), "group"), pl.lit("all"),
        part=pl.col("group"), most_bins=120, at_least_ms=86_400_000,
    )  # fmt: skip
    rank = pl.col("part").replace_strict(groups, range(len(groups)), return_dtype=pl.Int64)
    label = short_names(groups, 40)
    rows = counted.cells.sort("at", rank).select(
        "at", "end", pl.col("part").alias("group"), pl.col("n").alias("accounts")
    )
    stacked = rows.with_columns(
        pl.col("group").replace_strict(label), pl.col("accounts").cum_sum().over("at").alias("top")
    )
    stacked = stacked.with_columns((pl.col("top") - pl.col("accounts")).alias("bottom"))
    note = "; ".join([f"{count_of(near.height, 'account')}, in bins of {counted.said}", *([cut] if cut else [])])
    chart = (
        alt.Chart(stacked)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=time_axis("at"),
            x2="end:T",
            y=alt.Y("bottom:Q", title="accounts", axis=alt.Axis(tickMinStep=1, tickCount=5)),
            y2="top:Q",
            color=alt.Color(
                "group:N",
                title=None,
                scale=alt.Scale(domain=[label[group] for group in groups], range=CATEGORIES[: len(groups)]),
            ),
            tooltip=[
                time_tip("at", "from", counted.width_ms),
                alt.Tooltip("group:N", title="who"),
                alt.Tooltip("accounts:Q", title="accounts"),
            ],
        )
        .properties(width="container", height=150, title=title("First seen", note))
    )
    table = rows.select("group", read_ms("at").alias("start_at"), read_ms("end").alias("end_at"), "accounts")
    return Picture(style(chart), table, note)


def draw_lift(lift: pl.DataFrame, names: Names | None = None, limit: int = 15) -> Picture:
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
    Picture
        ``table``: ``value`` (as it is called), ``in_set``, ``share``, ``low``, ``high`` (95 % interval of the share),
        ``in_controls``, ``control_share``, ``lift``. Order: as given.

    Examples
    --------
    >>> frame = pl.DataFrame({"kind": ["ip"], "value": ["x"], "in_set": [2], "share": [.5], "low": [.2], "high": [.8],
    ...                       "in_controls": [0], "control_share": [0.0], "lift": [9.0], "lift_low": [4.0]})
    >>> drawn = draw_lift(frame)
    >>> drawn.note, drawn.table.select("value", "in_set", "lift").rows()
    ('1 value', [('IP address x', 2, 9.0)])
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
    word = "the first " if best.height < lift.height else ""
    note = f"{word}{part_of(best.height, lift.height, 'value')}"
    chart = alt.layer(spans, points).properties(
        width="container", height=20 * max(1, rows.height), title=title("What sets them apart", note)
    )
    table = rows.select(
        pl.col("label").alias("value"), "in_set", "share", "low", "high", "in_controls", "control_share", "lift"
    )
    return Picture(style(chart), table, note)
