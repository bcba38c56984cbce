"""The phases of an account's life, with the cause of each change: an event, or that it was inferred.

What somebody decided is taken from verbs: an account is *created* by its signup, *enforced* from a ban to its reversal.
Between these, days are *dormant*, *steady* or *busy* by how much the account did, by the likeliest sequence of three
Poisson rates of its own (Viterbi; every change costs ln(days), rates scatter as much as the account's do). A busy or
steady stretch in which a label of abuse falls is *abuse*: haste alone is never called that. After the last act the
account is *silent* if the data go on for long enough to say so.

A silence of the source is no dormancy: such phases are *unknown* in confidence. What began before the data is cut off
on the left, and says so. Sources: Viterbi 1967; Kaplan & Meier 1958 for times that the end of the data cuts off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import UnknownNameError
from toolkit.model.tables import UTC
from toolkit.timeline.build import keep_in_range, put_in_order
from toolkit.timeline.coded import ByAccount, Ints, order_by_account
from toolkit.timeline.found import no_findings, write_findings
from toolkit.timeline.quality import find_silences

__all__ = ["LIFECYCLE", "PHASES", "Lifecycle", "find_phases", "time_to_phase"]

Floats = NDArray[np.float64]

PHASES: Final = ("created", "dormant", "steady", "busy", "abuse", "enforced", "silent")
INFERRED: Final = "inferred"

_DAY_US: Final = 86_400_000_000
_QUIET_RATE: Final = 0.05
_BUSY_TIMES: Final = 4.0
_STATES: Final = ("dormant", "steady", "busy")
_AT_ONCE: Final = 4_096


@dataclass(frozen=True)
class Lifecycle:
    """Which verbs say what; one that ends in a dot stands for all that begin so.

    Attributes
    ----------
    created, enforced, reinstated, abuse : tuple of str
        Verbs that open the account, stop it, let it go on, and say that what it did was abuse.
    passive : tuple of str
        Verbs that others write about the account; they are no activity of its own.
    silent_days : int
        Days without activity until the end of the data from which an account is called silent.
    """

    created: tuple[str, ...] = ("signup",)
    enforced: tuple[str, ...] = ("enforcement.ban", "enforcement.suspend", "ban", "suspend")
    reinstated: tuple[str, ...] = ("enforcement.reinstate", "enforcement.reversal", "reinstate")
    abuse: tuple[str, ...] = ("label.",)
    passive: tuple[str, ...] = ("label.", "enforcement.", "credit.grant", "credit.expire", "appeal")
    silent_days: int = 7


LIFECYCLE: Final = Lifecycle()


def find_phases(events: pl.DataFrame, rules: Lifecycle = LIFECYCLE, *, by: str = "account_id") -> pl.DataFrame:
    """Cut each account's life into phases.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag) are left out.
    rules : Lifecycle
        Which verbs mean what.
    by : str
        Whose life.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *phase*: intervals that follow one another without a gap, from an
        account's first event to its last, or to the end of the data where it is enforced or silent. ``phase`` is one of
        :data:`PHASES`; ``cause`` the id of the event that began it, or *inferred*; ``n``: the account's own acts.
        ``score``: acts per day. ``confidence``: *high* where an event is the cause, *moderate* where it was inferred,
        *low* for what began before the data, *unknown* where a source was silent. Order: start_at, account_id.

    Raises
    ------
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> hours = [0, *range(24, 24 * 20, 6), 24 * 20]
    >>> rows = {"event_at": [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=h) for h in hours]}
    >>> rows |= {"event": ["signup", *["chat"] * (len(hours) - 2), "enforcement.ban"], "account_id": "a"}
    >>> rows |= {"source": "app", "raw_ref": "", "event_id": [str(h) for h in hours], "seq": hours}
    >>> rows |= {"flags": 0, "precision": "s"}
    >>> find_phases(pl.DataFrame(rows)).select("phase", "cause").rows()
    [('created', '0'), ('steady', '24'), ('enforced', '480')]
    """
    if by not in events.columns:
        raise UnknownNameError("column of events", by, events.columns)
    ordered = put_in_order(keep_in_range(events))
    params = {"by": by, **{name: list(v) if isinstance(v, tuple) else v for name, v in asdict(rules).items()}}
    if ordered.is_empty():
        return _nothing()
    grouped = order_by_account(ordered, by)
    verb = ordered["event"].gather(grouped.row)
    marks = {
        name: _says(verb, getattr(rules, name)) for name in ("created", "enforced", "reinstated", "abuse", "passive")
    }
    own = ~(marks["created"] | marks["enforced"] | marks["reinstated"] | marks["passive"])
    data_end = int(grouped.at.max())
    ids = ordered["event_id"].gather(grouped.row)
    cuts = []
    for first in range(0, len(grouped.names), _AT_ONCE):
        last = min(first + _AT_ONCE, len(grouped.names))
        states, day_zero = _daily_states(grouped.at, grouped.start[first : last + 1], own, data_end)
        for code in range(first, last):
            mine = np.arange(grouped.start[code], grouped.start[code + 1])
            life = _one_life(
                grouped.at[mine], {k: m[mine] for k, m in marks.items()}, own[mine], states[code - first],
                day_zero, data_end, rules.silent_days * _DAY_US,
            )  # fmt: skip
            cuts += [(code, *cut) for cut in life]
    return _write(cuts, grouped, ids, own, find_silences(ordered), params)


def time_to_phase(phases: pl.DataFrame, phase: str, *, since: str = "created") -> pl.DataFrame:
    """How long it took from one phase to the first of another, those who have not got there yet counted as such.

    Parameters
    ----------
    phases : polars.DataFrame
        As :func:`find_phases` gives them.
    phase, since : str
        From the beginning of the first ``since`` to the beginning of the first ``phase`` after it.

    Returns
    -------
    polars.DataFrame
        The Kaplan-Meier estimate: ``days``, ``at_risk``, ``reached`` and ``share`` that is not there yet after so many
        days. Order: days. The median is the first of ``days`` where ``share`` is .5 or less.

    Raises
    ------
    UnknownNameError
        If there is no such phase.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> def row(account, phase, first, last):
    ...     at = [datetime(2026, 1, day, tzinfo=UTC) for day in (first, last)]
    ...     return {"account_id": account, "phase": phase, "start_at": at[0], "end_at": at[1]}
    >>> lives = [row("a", "created", 1, 3), row("a", "abuse", 3, 9), row("b", "created", 1, 5)]
    >>> time_to_phase(pl.DataFrame(lives), "abuse").rows()
    [(2.0, 2, 1, 0.5)]
    """
    for name in (phase, since):
        if name not in PHASES:
            raise UnknownNameError("phase", name, PHASES)
    begun = phases.filter(pl.col("phase") == since).group_by("account_id").agg(pl.min("start_at").alias("since_at"))
    lives = phases.join(begun, on="account_id").filter(pl.col("end_at") >= pl.col("since_at"))
    there = pl.col("start_at").filter((pl.col("phase") == phase) & (pl.col("start_at") >= pl.col("since_at"))).min()
    spans = lives.group_by("account_id").agg(
        pl.first("since_at"), there.alias("there_at"), pl.max("end_at").alias("left_at")
    )
    days = (pl.coalesce("there_at", "left_at") - pl.col("since_at")).dt.total_seconds() / 86_400
    steps = (
        spans.select(days.alias("days"), pl.col("there_at").is_not_null().alias("reached"))
        .group_by("days")
        .agg(pl.len().alias("n"), pl.sum("reached").cast(pl.Int64))
        .sort("days")
        .with_columns(at_risk=pl.col("n").sum() - pl.col("n").cum_sum() + pl.col("n"))
        .filter(pl.col("reached") > 0)
    )
    kept = (1 - pl.col("reached") / pl.col("at_risk")).cum_prod().round(9)
    return steps.select("days", pl.col("at_risk").cast(pl.Int64), "reached", kept.alias("share"))


def _nothing() -> pl.DataFrame:
    return no_findings(phase=pl.String, cause=pl.String, n=pl.Int64)


def _says(verb: pl.Series, words: tuple[str, ...]) -> NDArray[np.bool_]:
    whole = [word for word in words if not word.endswith(".")]
    said = verb.is_in(whole)
    for word in words:
        if word.endswith("."):
            said |= verb.str.starts_with(word)
    return said.to_numpy()


def _daily_states(at: Ints, start: Ints, own: NDArray[np.bool_], data_end: int) -> tuple[NDArray[np.int8], int]:
    """The likeliest of three rates by account and day, and the first day; Viterbi, all accounts side by side."""
    rows = np.arange(start[0], start[-1])
    code = np.repeat(np.arange(len(start) - 1), np.diff(start))
    day_zero = int(at[rows].min() // _DAY_US)
    days = int(data_end // _DAY_US) - day_zero + 1
    mine = own[rows]
    cell = code[mine] * days + at[rows][mine] // _DAY_US - day_zero
    counts = np.bincount(cell, minlength=(len(start) - 1) * days).reshape(-1, days).astype(float)
    rate, scatter = _own_rates(counts)
    rates = np.stack((np.full(len(rate), _QUIET_RATE), rate, _BUSY_TIMES * rate), axis=1)
    logs = (counts[:, :, None] * np.log(rates)[:, None, :] - rates[:, None, :]) / scatter[:, None, None]
    change = np.log(max(days, 2)) * (1 - np.eye(3))
    score = logs[:, 0]
    came = np.zeros((len(rate), days, 3), dtype=np.int8)
    for day in range(1, days):
        ways = score[:, :, None] - change
        came[:, day] = ways.argmax(axis=1)
        score = ways.max(axis=1) + logs[:, day]
    states = np.zeros((len(rate), days), dtype=np.int8)
    states[:, -1] = score.argmax(axis=1)
    who = np.arange(len(rate))
    for day in range(days - 1, 0, -1):
        states[:, day - 1] = came[who, day, states[:, day]]
    return states, day_zero


def _own_rates(counts: Floats) -> tuple[Floats, Floats]:
    """Each account's steady acts per active day (their median, one at least), and how much its active days scatter."""
    active = np.where(counts > 0, counts, np.nan)
    never = ~(counts > 0).any(axis=1)
    active[never, 0] = 1.0
    rate = np.maximum(np.nanmedian(active, axis=1), 1.0)
    low = np.where(active <= 2 * rate[:, None], active, np.nan)  # a busy stretch is no scatter
    spread = np.nanvar(low, axis=1) / np.maximum(np.nanmean(low, axis=1), 1e-9)
    return rate, np.maximum(spread, np.maximum(rate / 2, 1.0))


Begin = tuple[int, str, int]  # when, the phase, the row of its cause or -1
Cut = tuple[str, int, int, int, bool]  # phase, from, to (microseconds), the row of its cause or -1, cut off on the left


def _one_life(
    at: Ints, marks: dict[str, NDArray[np.bool_]], own: NDArray[np.bool_], states: NDArray[np.int8], day_zero: int,
    data_end: int, silent_for: int,
) -> list[Cut]:  # fmt: skip
    """The phases of one account, in order."""
    acts, opened = np.flatnonzero(own), np.flatnonzero(marks["created"])
    stops = _stops(at, marks)
    begins: list[Begin] = [(int(at[0]), "dormant", -1)]
    if len(acts):
        begins += _stretches(at, acts, states, day_zero)
        begins += _idle(int(at[acts[-1]]) + 1, stops, data_end, silent_for)
    begins += [(int(at[row]), "created", int(row)) for row in opened[:1]]
    goes_on = any(phase == "silent" for _, phase, _ in begins) or (stops and stops[-1][1] < 0)
    abused = at[marks["abuse"]]
    told: list[Cut] = []
    for since, phase, cause, until in _overlay(begins, stops, data_end if goes_on else int(at[-1])):
        hit = phase in ("steady", "busy") and bool(((abused >= since) & (abused < max(until, since + 1))).any())
        begun_before = not told and cause >= 0 and phase in ("steady", "busy") and not len(opened)
        told.append(("abuse" if hit else phase, since, until, cause, begun_before))
    return told


def _idle(since: int, stops: list[tuple[int, int, int]], data_end: int, silent_for: int) -> list[Begin]:
    """The silence after the last act, or after the last reversal that brought no act, where it is long enough."""
    following = [stop for stop in stops if stop[0] >= since]
    if (following[0][0] if following else data_end) - since >= silent_for:
        return [(since, "silent", -1)]
    lifted = following[-1][1] if following else -1
    return [(lifted, "silent", -1)] if 0 <= lifted <= data_end - silent_for else []


def _stretches(at: Ints, acts: Ints, states: NDArray[np.int8], day_zero: int) -> list[Begin]:
    """Runs of one daily state from the first act to the last: when each begins, and with which act."""
    day = at[acts] // _DAY_US - day_zero
    life = states[int(day[0]) : int(day[-1]) + 1].copy()
    life[[0, -1]] = np.maximum(life[[0, -1]], 1)  # on its first and last day it did something
    edges = np.flatnonzero(np.diff(life, prepend=-1))
    begun = []
    for edge in edges.tolist():
        state = _STATES[life[edge]]
        here = np.searchsorted(day, day[0] + edge)
        acting = here < len(acts) and state != "dormant"
        row = int(acts[here]) if acting else -1
        since = int(at[row]) if acting else int((day_zero + day[0] + edge) * _DAY_US)
        begun.append((since, state, row))
    return begun


def _stops(at: Ints, marks: dict[str, NDArray[np.bool_]]) -> list[tuple[int, int, int]]:
    """Stretches under enforcement: from, to (or -1: not lifted), the row of the ban."""
    stops: list[tuple[int, int, int]] = []
    for row in np.flatnonzero(marks["enforced"] | marks["reinstated"]).tolist():
        if marks["enforced"][row]:
            if not stops or stops[-1][1] >= 0:
                stops.append((int(at[row]), -1, row))
        elif stops and stops[-1][1] < 0:
            since, _, cause = stops[-1]
            stops[-1] = (since, int(at[row]), cause)
    return stops


def _overlay(begins: list[Begin], stops: list[tuple[int, int, int]], end: int) -> list[tuple[int, str, int, int]]:
    """Phases with their ends, the enforced ones laid over the others; what is lifted goes on as it was.

    Of phases that begin at one instant the last of the list is meant; what has no length is left out, but
    for a ban.
    """
    points = sorted({since: (since, phase, cause) for since, phase, cause in begins}.values())
    laid = [(*point, following[0]) for point, following in zip(points, [*points[1:], (end, "", -1)], strict=True)]
    for since, to, cause in stops:
        until = to if to >= 0 else max(end, since)
        before = [(a, p, c, min(b, since)) for a, p, c, b in laid if a < since]
        after = [(max(a, until), p, c, b) for a, p, c, b in laid if b > until]
        laid = [*before, (since, "enforced", cause, until), *after]
    kept = [phase for phase in laid if phase[3] > phase[0] or phase[1] == "enforced"]
    return kept or laid[-1:]


def _write(
    cuts: list[tuple[int, str, int, int, int, bool]], grouped: ByAccount, ids: pl.Series, own: NDArray[np.bool_],
    silences: pl.DataFrame, params: dict[str, object],
) -> pl.DataFrame:  # fmt: skip
    schema = {"code": pl.Int64, "phase": pl.String, "start_at": pl.Int64, "end_at": pl.Int64, "row": pl.Int64}
    whole = pl.DataFrame(cuts, orient="row", schema={**schema, "cut_off": pl.Boolean})
    code, row, begin, end = (whole[name].to_numpy() for name in ("code", "row", "start_at", "end_at"))
    cause = pl.select(
        pl.when(pl.Series(row >= 0)).then(ids.gather(np.maximum(grouped.start[code] + row, 0)))
    ).to_series()
    quiet = whole["phase"].is_in(["dormant", "silent"]).to_numpy()
    hidden = np.zeros(whole.height, dtype=bool)
    for opens, closes in silences.select(pl.col("start_at", "end_at").dt.epoch("us")).iter_rows():
        hidden |= quiet & (begin < closes) & (end > opens)
    n = _acts_between(grouped, own, code, begin, end)
    sure = np.select([hidden, whole["cut_off"].to_numpy(), row >= 0], ["unknown", "low", "high"], default="moderate")
    table = whole.with_columns(
        pl.col("start_at", "end_at").cast(UTC),
        account_id=grouped.names.gather(code),
        cause=cause.fill_null(INFERRED),
        n=n,
        score=np.round(n / np.maximum((end - begin) / _DAY_US, 1 / 24), 6),
        evidence_ids=cause.to_frame("id").select(pl.concat_list("id").list.drop_nulls()).to_series(),
        confidence=pl.Series(sure.tolist()),
    ).with_columns(
        why=pl.when(pl.col("confidence") == "unknown")
        .then(pl.lit("nothing was seen, but a source was silent inside it"))
        .when("cut_off")
        .then(pl.format("{} acts; it began before the data do", "n"))
        .otherwise(pl.format("{} acts, {} a day", "n", pl.col("score").round(1)))
    )
    return write_findings(table.drop("code", "row", "cut_off"), "phase", params)


def _acts_between(grouped: ByAccount, own: NDArray[np.bool_], code: Ints, begin: Ints, end: Ints) -> Ints:
    """An account's own acts from the beginning of each interval to before its end; of the last, to its end."""
    acts = np.concatenate(([0], np.cumsum(own)))
    last = np.append(code[1:] != code[:-1], True)
    n = np.empty(len(code), dtype=np.int64)
    for i, who in enumerate(code.tolist()):
        first = int(grouped.start[who])
        mine = grouped.at[first : grouped.start[who + 1]]
        low = first + np.searchsorted(mine, begin[i])
        high = first + np.searchsorted(mine, end[i], side="right" if last[i] else "left")
        n[i] = acts[high] - acts[low]
    return n
