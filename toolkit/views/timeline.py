"""Pictures of what happened: activity by lane, density, sessions, acting together.

Each function takes events (or what :mod:`toolkit.timeline` found in them) and returns a
:class:`~toolkit.views.theme.Picture`: the chart, the table it drew, and a note of bin width, how much was kept of how
much, and which of how many lanes are shown, which also stands under the title. Rows are counted into bins before they
are drawn, so a picture of a million events is no larger than one of a thousand: at most 10,000 marks. Events at
impossible times (flag) are left out and counted in the note. Enforcement is red, and dashed where it is a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, Literal

import altair as alt
import polars as pl

from toolkit.errors import InputError, UnknownNameError, need_columns, visible
from toolkit.views.bins import MOST_CELLS, Bins, count_bins, focus_on, read_ms, say_width
from toolkit.views.lanes import (
    ACTIVITY,
    NAMED_LANES,
    OVERVIEW_BINS,
    RARE,
    WIDE,
    Lanes,
    choose_phases,
    draw_cells,
    draw_gaps,
    draw_notes,
    draw_overview,
    draw_phases,
    drawable,
    pick_lanes,
)
from toolkit.views.theme import PALETTE, Picture, pan_time, style, time_axis, time_tip, title
from toolkit.views.words import part_of

__all__ = ["draw_density", "draw_sessions", "draw_swimlanes", "draw_synchrony"]

_MOST_LANES: Final = 1_000


def draw_swimlanes(
    events: pl.DataFrame,
    lanes: Sequence[str] | None = None,
    *,
    by: str = "account_id",
    top: int = 40,
    order: Literal["first_seen", "busiest"] = "first_seen",
    seeds: Iterable[str] = (),
    phases: pl.DataFrame | None = None,
    notes: pl.DataFrame | None = None,
    overview: bool = False,
    live: bool = False,
) -> Picture:
    """Draw accounts as lanes: activity in bins, the rare events a reader looks for as marks on it.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events`` (``event_at``, ``event`` and the lane's column are read), rows in any order.
    lanes : sequence of str, optional
        Lanes from top to bottom; those without an event stay empty. By default chosen by ``order``.
    by : str
        Column whose values are lanes.
    top : int
        Lanes chosen at most, up to 1,000; names stand beside up to 60.
    order : {"first_seen", "busiest"}
        Which lanes are chosen, and how they are sorted (ties by name).
    seeds : iterable of str
        Lanes to mark with a star.
    phases : polars.DataFrame, optional
        From :func:`toolkit.timeline.phases.find_phases`: bands behind the lanes.
    notes : polars.DataFrame, optional
        From :func:`toolkit.timeline.story.find_key_events`: rules with the numbers that the story gives them.
    overview : bool
        Put all activity above; what is brushed there is what the lanes show, in a saved page too.
    live : bool
        For a running notebook: which lanes stand out is what Python says (parameter ``told``), once it has said so.

    Returns
    -------
    Picture
        ``table``: ``lane``, ``start_at``, ``end_at``, ``first_at`` (of the events; UTC), ``n``, ``mark`` ("activity",
        or the rare event) and ``what`` (verbs). Order: lane from top to bottom, start_at, mark.

    Raises
    ------
    InputError
        If none of the lanes has an event, or too many are asked for.
    UnknownNameError
        If there is no such column or order.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "event_at": at, "event": ["signup", "auth.login"]})
    >>> drawn = draw_swimlanes(frame)
    >>> drawn.note
    '2 events, 2 accounts, in bins of 10 seconds'
    >>> drawn.table.select("lane", "n", "mark").rows()
    [('a', 1, 'sign-up'), ('b', 1, 'activity')]
    """
    good, lost = drawable(events, by)
    chosen, said = _choose_lanes(good, by, lanes, top, order)
    shown = good.filter(pl.col(by).is_in(chosen))
    if shown.is_empty():
        raise InputError(f"none of the {len(chosen)} lanes has an event: draw lanes only where there are events")
    first_word = pl.col("event").cast(pl.String).str.split(".").list.first()
    part = first_word.replace_strict({name: word for name, (word, *_) in RARE.items()}, default=ACTIVITY)
    span = shown["event_at"].min(), shown["event_at"].max()
    lives = choose_phases(phases, chosen, span)
    bins = count_bins(shown, by, part=part)
    drawn = Lanes.of(chosen, seeds)
    brush = alt.selection_interval(encodings=["x"], name="brush") if overview else None
    rules, numbers = draw_notes(notes, span, brush)
    params, pick = pick_lanes(live=live)
    ground = drawn.ground().add_params(*params)
    layers = [ground, *draw_phases(lives, drawn, brush, pick), *draw_cells(bins, drawn, brush, pick), *rules]
    note = "; ".join([f"{said}, in bins of {bins.said}", *lost])
    table = _plain_table(bins, chosen)
    if brush is None:
        chart = alt.layer(*layers[:-1], layers[-1].add_params(pan_time()), *numbers)
        chart = chart.properties(height=drawn.height, width="container", title=title("Activity", note))
        return Picture(style(chart), table, note)
    above = draw_overview(shown, brush).properties(title=title("Activity; drag to choose a time", note))
    strip = [each.properties(width=WIDE, height=10) for each in numbers]
    detail = alt.layer(*layers).properties(width=WIDE, height=drawn.height)
    both = alt.vconcat(above, *strip, detail, spacing=6)
    both = both.resolve_scale(color="independent", fill="independent", shape="independent")
    return Picture(style(both, fit=False, ground="transparent"), table, note)


def _choose_lanes(
    good: pl.DataFrame, by: str, lanes: Sequence[str] | None, top: int, order: str
) -> tuple[list[str], str]:
    """Which lanes are drawn, and how the choice is said."""
    if order not in ("first_seen", "busiest"):
        raise UnknownNameError("order of lanes", order, ("first_seen", "busiest"))
    asked = top if lanes is None else len(lanes)
    if not 1 <= asked <= _MOST_LANES:
        raise InputError(f"1 to {_MOST_LANES:,} lanes can be drawn; found {asked:,}: choose, or group the accounts")
    counted = good.group_by(pl.col(by).cast(pl.String).alias("lane")).agg(
        pl.len().alias("n"), pl.min("event_at").alias("first")
    )
    chosen = list(lanes or ())
    if lanes is None:
        rank, falling = (["n", "lane"], [True, False]) if order == "busiest" else (["first", "lane"], [False, False])
        chosen = counted.drop_nulls("lane").sort(rank, descending=falling)["lane"].head(top).to_list()
    kept = int(counted.filter(pl.col("lane").is_in(chosen))["n"].sum())
    word = {"busiest": "the busiest ", "first_seen": "the first "}[order] if len(chosen) < counted.height else ""
    return (
        chosen,
        f"{part_of(kept, good.height, 'event')}, {word}{part_of(len(chosen), counted.height, _say_column(by))}",
    )


def _plain_table(bins: Bins, order: Sequence[str]) -> pl.DataFrame:
    """What is drawn, under plain names, lanes from top to bottom."""
    rank = pl.col("lane").replace_strict(list(order), range(len(order)), return_dtype=pl.Int64)
    return bins.cells.sort(rank, "at", "part", maintain_order=True).select(
        "lane", read_ms("at").alias("start_at"), read_ms("end").alias("end_at"), read_ms("first").alias("first_at"),
        "n", pl.col("part").alias("mark"), "what",
    )  # fmt: skip


def draw_density(
    events: pl.DataFrame,
    *,
    by: str = "event",
    top: int = 30,
    gaps: pl.DataFrame | None = None,
    notes: pl.DataFrame | None = None,
) -> Picture:
    """Draw how much of what happened when: a row for each verb (or source), darker where there was more.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order.
    by : str
        Column whose values are rows.
    top : int
        Rows at most, the busiest ones; up to 60.
    gaps : polars.DataFrame, optional
        From :func:`toolkit.timeline.gaps.find_gaps` by source: hatched, on the row of the source, or across all rows.
    notes : polars.DataFrame, optional
        From :func:`toolkit.timeline.story.find_key_events`: rules with the numbers that the story gives them.

    Returns
    -------
    Picture
        ``table``: ``row``, ``start_at``, ``end_at``, ``first_at`` (of the events; UTC), ``n``. Order: row from top to
        bottom, start_at.

    Raises
    ------
    InputError
        If there are no events, or too many rows are asked for.
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 1, 2)]
    >>> drawn = draw_density(pl.DataFrame({"event_at": at, "event": ["chat", "chat", "login"]}))
    >>> drawn.note, drawn.table.select("row", "n").rows()
    ('3 events, 2 verbs, in bins of 30 seconds', [('chat', 2), ('login', 1)])
    """
    good, lost = drawable(events, by)
    if good.is_empty():
        raise InputError("there are no events to draw: widen the window, or name other accounts")
    if not 1 <= top <= NAMED_LANES:
        raise InputError(f"1 to {NAMED_LANES} rows can be read; found top={top}")
    chosen, said = _choose_lanes(good, by, None, top, "busiest")
    bins = count_bins(good.filter(pl.col(by).is_in(chosen)), by, most_bins=OVERVIEW_BINS)
    rows = Lanes.of(chosen)
    note = "; ".join([f"{said}, in bins of {bins.said}", *lost])
    span = good["event_at"].min(), good["event_at"].max()
    word = _say_column(by)
    cells = rows.named_chart(rows.code(bins.cells.select("lane", "at", "end", "n")))
    cells = cells.mark_rect().encode(
        x=time_axis("at", f"each cell is {bins.said} wide"),
        x2="end:T",
        y=rows.y(),
        color=alt.Color("n:Q", title="events", scale=alt.Scale(type="symlog", scheme="blues", domainMin=0)),
        tooltip=[
            alt.Tooltip("lane:N", title=word),
            time_tip("at", "from", bins.width_ms),
            alt.Tooltip("n:Q", title="events", format=",d"),
        ],
    )
    rules, numbers = draw_notes(notes, span)
    layers = [cells, *draw_gaps(gaps, rows, span, by_source=by == "source"), *rules, *numbers]
    chart = alt.layer(*layers).properties(width="container", height=rows.height, title=title(f"Events by {word}", note))
    table = _plain_table(bins, chosen).rename({"lane": "row"}).drop("mark", "what")
    return Picture(style(chart), table, note)


def draw_sessions(sessions: pl.DataFrame, *, top: int = 40, seeds: Iterable[str] = ()) -> Picture:
    """Draw sessions as bars, account by account; what may have begun earlier or gone on is dashed.

    Parameters
    ----------
    sessions : polars.DataFrame
        Contract ``Sessions``, from :func:`toolkit.timeline.sessions.find_sessions`.
    top : int
        Accounts at most, those that appear first; up to 60.
    seeds : iterable of str
        Accounts to mark with a star.

    Returns
    -------
    Picture
        ``table``: ``account_id``, ``start_at``, ``end_at``, ``sessions`` (that one bar stands for), ``n`` (events),
        ``closed``, ``uncertain``. Order: account from top to bottom, start_at.

    Raises
    ------
    InputError
        If there are no sessions, or too many accounts are asked for.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2, 9)]
    >>> frame = pl.DataFrame({"account_id": ["a", "a"], "start_at": [at[0], at[2]], "end_at": [at[1], at[2]]})
    >>> drawn = draw_sessions(frame.with_columns(n=pl.lit(3), closed=pl.Series([True, False]), uncertain=pl.lit(False)))
    >>> drawn.note
    '2 sessions, 1 account; 1 still open when the data end: dashed'
    """
    need_columns(sessions.columns, ["account_id", "start_at", "end_at", "n", "closed", "uncertain"], "sessions")
    if sessions.is_empty():
        raise InputError("there are no sessions to draw")
    if not 1 <= top <= NAMED_LANES:
        raise InputError(f"1 to {NAMED_LANES} accounts can be read; found top={top}")
    near, cut = focus_on(sessions, "start_at")
    first = near.group_by("account_id").agg(pl.min("start_at")).sort("start_at", "account_id")
    chosen = first["account_id"].head(top).to_list()
    shown = near.filter(pl.col("account_id").is_in(chosen))
    table, joined = _join_sessions(shown)
    rank = pl.col("account_id").replace_strict(chosen, range(len(chosen)), return_dtype=pl.Int64)
    table = table.sort(rank, "start_at", maintain_order=True)
    lanes = Lanes.of(chosen, seeds)
    word = "the first " if len(chosen) < first.height else ""
    still_open, unsure = table.filter(~pl.col("closed")).height, int(shown["uncertain"].sum())
    said = [
        f"{part_of(shown.height, sessions.height, 'session')}, {word}{part_of(len(chosen), first.height, 'account')}"
    ]
    said += [f"sessions less than {joined} apart are one bar"] if joined else []
    said += [f"{still_open:,} still open when the data end: dashed"] if still_open else []
    said += [f"{unsure:,} uncertain, since a source was silent: pale"] if unsure else []
    note = "; ".join([*said, *([cut] if cut else [])])
    span_ms = max(1, int((table["end_at"].max() - table["start_at"].min()) / timedelta(milliseconds=1)))  # type: ignore[operator]  # times, by the contract
    at, end = pl.col("start_at").dt.epoch("ms"), pl.col("end_at").dt.epoch("ms")
    rows = lanes.code(
        table.select(
            "account_id", at.alias("at"), pl.max_horizontal(end, at + span_ms // 400).alias("end"), "sessions", "n",
            "closed", "uncertain",
        ),
        "account_id",
    )  # fmt: skip
    tips = [
        alt.Tooltip("lane:N", title="account"),
        time_tip("at", "from"),
        alt.Tooltip("sessions:Q", title="sessions"),
        alt.Tooltip("n:Q", title="events", format=",d"),
    ]
    pale = alt.condition(alt.FieldEqualPredicate(field="uncertain", equal=True), alt.value(0.35), alt.value(0.9))
    bars = lanes.named_chart(rows).mark_bar(height=alt.RelativeBandSize(0.6), color=PALETTE["blue"], clip=True)
    layers = [bars.encode(x=time_axis("at"), x2="end:T", y=lanes.y(), opacity=pale, tooltip=tips)]
    if still_open:
        # A dashed tail from the last event on: nobody knows how long it went on.
        tails = rows.filter(~pl.col("closed")).select(
            "l", pl.col("end").alias("at"), (pl.col("end") + span_ms // 25).alias("end")
        )
        rule = lanes.named_chart(tails).mark_rule(strokeDash=[3, 3], strokeWidth=2, color=PALETTE["blue"], clip=True)
        layers.append(rule.encode(x=time_axis("at"), x2="end:T", y=lanes.y()))
    layers[0] = layers[0].add_params(pan_time())
    chart = alt.layer(*layers).properties(width="container", height=lanes.height, title=title("Sessions", note))
    return Picture(style(chart), table, note)


def _join_sessions(shown: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Sessions as bars; of too many, those closer together than can be told apart become one."""
    columns = ("account_id", "start_at", "end_at", "n", "closed", "uncertain")
    bars = shown.select(columns).sort("account_id", "start_at", "end_at")
    width = timedelta(0)
    while True:
        apart = (pl.col("start_at") - pl.col("end_at").cum_max().shift().over("account_id")).fill_null(
            timedelta.max / 2
        )
        run = (apart >= width if width else pl.col("n") > 0).cum_sum().over("account_id")
        joined = bars.with_columns(run.alias("run")).group_by("account_id", "run", maintain_order=True).agg(
            pl.min("start_at"), pl.max("end_at"), pl.len().cast(pl.Int64).alias("sessions"), pl.sum("n"),
            pl.last("closed"), pl.any("uncertain"),
        )  # fmt: skip
        if joined.height <= MOST_CELLS:
            said = say_width(int(width / timedelta(milliseconds=1))) if width else ""
            return joined.drop("run"), said
        width = max(2 * width, timedelta(minutes=1))


def draw_synchrony(synchrony: pl.DataFrame, events: pl.DataFrame, *, top: int = 30) -> Picture:
    """Draw when pairs of accounts met: a row for each pair, a mark for each act, the shape tells whose it was.

    Parameters
    ----------
    synchrony : polars.DataFrame
        From :func:`toolkit.timeline.synchrony.weigh_synchrony`.
    events : polars.DataFrame
        The events it was found in, with ``event_id``.
    top : int
        Pairs at most, those with the smallest ``q`` and the most objects; up to 60.

    Returns
    -------
    Picture
        ``table``: ``pair``, ``at`` (UTC), ``account_id``, ``event_id``; the first and last ten acts of a pair. Order:
        pair from top to bottom, at, event_id.

    Raises
    ------
    InputError
        If there are no pairs, or none of their events is there.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 1, 0, s, tzinfo=UTC) for s in (0, 9)]
    >>> events = pl.DataFrame({"account_id": ["a", "b"], "event_at": at, "event": "share", "event_id": ["1", "2"]})
    >>> pair = {"account_a": ["a"], "account_b": ["b"], "objects": [1], "q": [0.01], "evidence_ids": [["1", "2"]]}
    >>> draw_synchrony(pl.DataFrame(pair), events).table.select("pair", "account_id").rows()
    [('a · b', 'a'), ('a · b', 'b')]
    """
    need_columns(synchrony.columns, ["account_a", "account_b", "objects", "q", "evidence_ids"], "synchrony")
    if not 1 <= top <= NAMED_LANES:
        raise InputError(f"1 to {NAMED_LANES} pairs can be read; found top={top}")
    need_columns(events.columns, ["event_at", "event", "event_id", "account_id"], "events")
    best = synchrony.sort(["q", "objects", "account_a", "account_b"], descending=[False, True, False, False]).head(top)
    pairs = best.with_columns(pl.format("{} · {}", "account_a", "account_b").alias("pair"))
    wanted = pairs.select("pair", "account_a", pl.col("evidence_ids").alias("event_id")).explode("event_id")
    rank = pl.col("pair").replace_strict(pairs["pair"].to_list(), range(pairs.height), return_dtype=pl.Int64)
    once = events.select("event_id", "event_at", "account_id").unique("event_id", keep="first", maintain_order=True)
    met = wanted.join(once, on="event_id").sort(rank, "event_at", "event_id")
    if met.is_empty():
        raise InputError("no pair's events are there: give the events in which the pairs were found")
    table = met.select("pair", pl.col("event_at").alias("at"), "account_id", "event_id")
    lanes = Lanes.of(pairs["pair"].to_list())
    word = "the strongest " if best.height < synchrony.height else ""
    note = f"{word}{part_of(best.height, synchrony.height, 'pair')}; the first and the last ten acts of each"
    who = (
        pl.when(pl.col("account_id") == pl.col("account_a"))
        .then(pl.lit("first of the pair"))
        .otherwise(pl.lit("second"))
    )
    rows = lanes.code(met.select("pair", pl.col("event_at").dt.epoch("ms").alias("at"), who.alias("who")), "pair")
    domain, colours = ["first of the pair", "second"], [PALETTE["blue"], PALETTE["orange"]]
    chart = lanes.named_chart(rows).mark_point(filled=True, size=60, opacity=0.85).encode(
        x=time_axis("at"), y=lanes.y(),
        color=alt.Color("who:N", title=None, scale=alt.Scale(domain=domain, range=colours)),
        shape=alt.Shape("who:N", title=None, scale=alt.Scale(domain=domain, range=["circle", "cross"])),
        tooltip=[
            alt.Tooltip("lane:N", title="pair"), time_tip("at", "at"),
            alt.Tooltip("who:N", title="who"),
        ],
    )  # fmt: skip
    chart = chart.add_params(pan_time()).properties(
        width="container", height=lanes.height, title=title("Acting together", note)
    )
    return Picture(style(chart), table, note)


def _say_column(by: str) -> str:
    return {"account_id": "account", "event": "verb"}.get(by, visible(by, 30).replace("_", " "))
