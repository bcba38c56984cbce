"""Bursts: when an account, or everybody, acted faster than its own rhythm, and for how long.

**Kleinberg's automaton** with two states, calm and busy: a gap x between neighbours costs ``alpha x - ln alpha``, where
alpha is the mean rate when calm and s times that when busy; going up costs ``gamma ln n``, coming down nothing. The
cheapest sequence of states says where bursts are. Its Viterbi recursion is a walk between two walls: with D the cost
of being busy over that of being calm, ``D' = clip(D, 0, gamma ln n) + d`` for the gap's own difference d. Such clipped
steps compose to clipped steps, so all accounts are walked in about ``2 sqrt(rows)`` array operations.

**Exact scan**: the largest number of events in any window of a given width, against the fifty windows around it. Of the
events that are near, each falls into this window by the window's share of the time (binomial); times the number of
windows that bounds the chance of any (Bonferroni), and over accounts the rate of false discoveries is held (Benjamini &
Hochberg). So a register that reaches years back, or a launch week, is no burst; nor is what lasts for fifty windows:
ask for a wider one, or the automaton.

Both take the rhythm of the week out if asked: time is stretched where everybody is active (the time-rescaling theorem),
so that a Monday is not a burst.

Sources: Kleinberg 2002; Naus 1982 for the scan statistic; Brown et al. 2002 for rescaled time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import UTC
from toolkit.timeline.build import keep_in_range, put_in_order, window_faults
from toolkit.timeline.coded import ByAccount, Ints, order_by_account
from toolkit.timeline.found import keep_ids, no_findings, write_findings

__all__ = ["benjamini_hochberg", "busy_gaps", "find_bursts", "walk_between"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_METHODS: Final = ("kleinberg", "scan")
_HALF_TICK_US: Final = {"us": 0.5, "ms": 500.0, "s": 5e5, "min": 3e7, "day": 4.32e10}
_WEEK_H: Final = 168
_AROUND: Final = 50.0
"""Windows around a window whose rate it is held against."""
_HOUR_US: Final = 3_600_000_000


def find_bursts(
    events: pl.DataFrame,
    *,
    by: str | None = "account_id",
    method: Literal["kleinberg", "scan"] = "kleinberg",
    s: float = 3.0,
    gamma: float = 1.0,
    min_n: int = 5,
    window_s: float = 60.0,
    max_fdr: float = 0.01,
    weekly: bool = False,
    span: tuple[datetime, datetime] | None = None,
) -> pl.DataFrame:
    """Find stretches of unusual haste.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag) are left out.
    by : str, optional
        Column whose values are judged each by its own rhythm; None judges all events as one stream.
    method : {"kleinberg", "scan"}
        ``scan`` asks for one width (signups in a minute), ``kleinberg`` for any.
    s : float
        How much faster busy is than calm.
    gamma : float
        What it costs to become busy, times ln n.
    min_n : int
        Events of a burst at least.
    window_s : float
        Width of the scan, in seconds.
    max_fdr : float
        Share of false ones among the scan's bursts, at most.
    weekly : bool
        Whether the hours of the week that are busy for everybody, week after week, are taken out first; needs two weeks
        of events.
    span : tuple of datetime, optional
        From when until when the data speak (scan): a stream that is a burst and nothing else has no calm of its own to
        be held against. By default from its first event to its last.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *burst*; ``account_id`` is the value of ``by`` (empty for all). ``n``:
        events; ``times_rate``: how many times the mean rate. ``score``: nats that the burst saves over calm
        (kleinberg), or minus the decimal logarithm of its adjusted p (scan). ``confidence`` is *high* from a score of
        10 (kleinberg) or 6 (scan), *moderate* from 5 or 3, else *low*. Order: start_at, account_id.

    Raises
    ------
    UnknownNameError, InputError
        If a name or a number does not fit.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> minutes = [*range(0, 600, 60), *range(600, 610), *range(660, 1200, 60)]
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in minutes]
    >>> rows = {"event_at": at, "account_id": "a", "event": "chat", "source": "app", "raw_ref": "", "flags": 0}
    >>> rows |= {"event_id": [str(m) for m in minutes], "seq": minutes, "precision": "s"}
    >>> find_bursts(pl.DataFrame(rows)).select("account_id", "n", "start_at").rows()
    [('a', 10, datetime.datetime(2026, 1, 5, 10, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')))]
    """
    if method not in _METHODS:
        raise UnknownNameError("way to find bursts", method, _METHODS)
    faults = [
        f"{name} is {found}; want {want}"
        for name, found, fine, want in (
            ("s", s, s > 1, "more than 1"),
            ("gamma", gamma, gamma > 0, "a positive number"),
            ("min_n", min_n, min_n >= 2, "2 or more"),
            ("window_s", window_s, window_s > 0, "a positive number"),
            ("max_fdr", max_fdr, 0 < max_fdr < 1, "a share"),
        )
        if not fine
    ]
    if span is not None:
        faults += window_faults(*span)
    if faults:
        raise InputError("; ".join(faults))
    params: dict[str, object] = {"by": by, "method": method, "min_n": min_n, "weekly": weekly}
    params |= {"s": s, "gamma": gamma} if method == "kleinberg" else {"window_s": window_s, "max_fdr": max_fdr}
    good = keep_in_range(events)
    ordered = put_in_order(good if by else good.with_columns(_all=pl.lit("")))
    grouped = order_by_account(ordered, by or "_all")
    clock = _rescale(grouped, ordered) if weekly else grouped.at.astype(float)
    if method == "kleinberg":
        first, last, score = _by_automaton(grouped, ordered, clock, s, gamma, min_n)
    else:
        spare = _spare(grouped.at, span)
        params["span"] = None if span is None else [at.isoformat() for at in span]
        first, last, score = _by_scan(grouped, clock, window_s * 1e6, min_n, max_fdr, spare)
    return _write(ordered, grouped, clock, first, last, score, params)


def busy_gaps(gap: Floats, start: Ints, s: float, gamma: float) -> tuple[Bools, Floats]:
    """Walk Kleinberg's two states over the gaps of many accounts at once.

    Parameters
    ----------
    gap : float64 array
        Time since the event before, positive; the first of each account is not read.
    start : int64 array
        Where each account begins; one more entry than accounts.
    s, gamma : float
        As in :func:`find_bursts`.

    Returns
    -------
    busy : bool array
        By row: whether the gap that ends there is a busy one.
    saved : float64 array
        By row: nats that busy saves over calm (negative where it costs).

    Examples
    --------
    >>> gaps = np.array([0, 9, 9, 9, 1, 1, 1, 1, 1, 9, 9, 9], dtype=float)
    >>> busy_gaps(gaps, np.array([0, 12]), 3.0, 1.0)[0].astype(int).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    """
    size = np.diff(start)
    n = np.maximum(size - 1, 1).astype(float)
    gap = gap.copy()
    heads = start[:-1][size > 0]
    gap[heads] = 0.0
    total = np.add.reduceat(gap, heads) if len(heads) else np.empty(0)
    mean = np.ones(len(size))
    mean[size > 0] = np.maximum(total / n[size > 0], np.finfo(float).tiny)
    wall = np.maximum(gamma * np.log(n), 1e-9)
    per_row = np.repeat(np.arange(len(size)), size)
    costs = (s - 1) * gap / mean[per_row] - np.log(s)
    step = costs / wall[per_row]
    step[heads] = 1.0  # every account begins calm: at the upper wall
    before = walk_between(step)
    above = np.empty(len(step))
    above[1:] = before[:-1]
    above[:1] = 1.0
    above += step
    above[heads] = 2.0  # calm for certain
    decided = (above < 0) | (above > 1)
    ends = np.zeros(len(step), dtype=bool)
    ends[start[1:][size > 0] - 1] = True
    # Where neither state is certain a row is as the next one is; an account that ends undecided ends calm.
    source = np.where(decided | ends, np.arange(len(step)), len(step))
    source = np.minimum.accumulate(source[::-1])[::-1]
    busy: Bools = (above < 0)[np.minimum(source, max(len(step) - 1, 0))]
    busy[heads] = False
    return busy, -costs


def walk_between(step: Floats) -> Floats:
    """Walk from 1 with the given steps, held between 0 and 1: ``x' = clip(x + step, 0, 1)``; return every place.

    Steps compose: after any number of them, ``x`` has become ``clip(x + a, low, high)``. Rows are cut into about
    ``sqrt(n)`` stretches, which are composed side by side, then joined, then walked side by side.

    Examples
    --------
    >>> walk_between(np.array([-0.4, -0.8, 0.5, 1.0, -0.25])).round(2).tolist()
    [0.6, 0.0, 0.5, 1.0, 0.75]
    """
    n = len(step)
    length = max(int(np.sqrt(n)), 1)
    width = -(-n // length) if n else 0
    padded = np.zeros(width * length)
    padded[:n] = step
    table = np.ascontiguousarray(padded.reshape(width, length).T)  # a column per stretch, a row per step
    low, high, shift = np.full(width, -np.inf), np.full(width, np.inf), np.zeros(width)
    for row in table:
        shift += row
        np.clip(low + row, 0.0, 1.0, out=low)
        np.clip(high + row, 0.0, 1.0, out=high)
    at = np.empty(width)
    x = 1.0
    for i, (a, b, c) in enumerate(zip(shift.tolist(), low.tolist(), high.tolist(), strict=True)):
        at[i] = x
        x = min(max(x + a, b), c)
    for row in table:
        at += row
        np.clip(at, 0.0, 1.0, out=at)
        row[:] = at
    places: Floats = table.T.ravel()[:n]
    return places


def benjamini_hochberg(p: Floats) -> Floats:
    """Return q-values: the least false discovery rate at which each p would be among the discoveries.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else p


def _by_automaton(
    grouped: ByAccount, ordered: pl.DataFrame, clock: Floats, s: float, gamma: float, min_n: int
) -> tuple[Ints, Ints, Floats]:
    """First and last row of each burst (in the grouped order), and the nats it saves."""
    tick = ordered["precision"].replace_strict(_HALF_TICK_US, return_dtype=pl.Float64).to_numpy()[grouped.row]
    gap = np.maximum(np.diff(clock, prepend=0.0), tick)
    busy, saved = busy_gaps(gap, grouped.start, s, gamma)
    edges = np.diff(np.concatenate(([False], busy, [False])).astype(np.int8))
    first, last = np.flatnonzero(edges == 1) - 1, np.flatnonzero(edges == -1) - 1  # from the event before the first gap
    total = np.concatenate(([0.0], np.cumsum(np.where(busy, saved, 0.0))))
    score = np.round(total[last + 1] - total[first + 1], 6)
    enough = last - first + 1 >= min_n
    return first[enough], last[enough], score[enough]


def _spare(at: Ints, span: tuple[datetime, datetime] | None) -> tuple[float, float]:
    """Microseconds that the data reach beyond the first event and the last."""
    if span is None or not len(at):
        return 0.0, 0.0
    begin, end = (round(edge.timestamp() * 1e6) for edge in span)
    return float(max(int(at.min()) - begin, 0)), float(max(end - int(at.max()), 0))


def _by_scan(
    grouped: ByAccount, clock: Floats, window: float, min_n: int, max_fdr: float, spare: tuple[float, float]
) -> tuple[Ints, Ints, Floats]:
    """First and last row of each burst, and minus the logarithm of the p that any window would be as full."""
    from scipy.stats import binom

    size = np.diff(grouped.start)
    code = grouped.code
    if not len(clock):
        return code, code, clock
    begin, end = clock[grouped.start[:-1]][code], clock[grouped.start[1:] - 1][code]
    if any(spare):
        begin, end = np.full(len(clock), clock.min() - spare[0]), np.full(len(clock), clock.max() + spare[1])
    axis = code * (clock.max() - clock.min() + (_AROUND + 2) * window) + (clock - clock.min())
    held = np.searchsorted(axis, axis + window, side="right") - np.arange(len(axis))
    before, after = clock - _AROUND / 2 * window, clock + (_AROUND / 2 + 1) * window
    near = np.searchsorted(axis, axis + (_AROUND / 2 + 1) * window, side="right")
    near -= np.searchsorted(axis, axis - _AROUND / 2 * window)
    # Of all that were near, how many fall into this window? One is there by choice, for the window begins with it.
    share = window / np.maximum(np.minimum(after, end) - np.maximum(before, begin), window)
    p = np.minimum(binom.sf(held - 2, near - 1, np.minimum(share, 1.0)) * size[code], 1.0)
    best = np.ones(len(size))
    np.minimum.at(best, code, p)
    accepted = benjamini_hochberg(best)[code] <= max_fdr
    hit = np.flatnonzero((p <= max_fdr) & accepted & (held >= min_n))
    if not len(hit):
        return hit, hit, np.empty(0)
    # Windows that overlap are one burst.
    reach = np.maximum.accumulate(hit + held[hit] - 1)
    new = np.concatenate(([True], (hit[1:] > reach[:-1]) | (code[hit[1:]] != code[hit[:-1]])))
    where = np.flatnonzero(new)
    last: Ints = np.maximum.reduceat(hit + held[hit] - 1, where)
    least = np.maximum(np.minimum.reduceat(p[hit], where), 1e-300)
    return hit[where], last, np.round(-np.log10(least), 6).astype(float)


def _rescale(grouped: ByAccount, ordered: pl.DataFrame) -> Floats:
    """Times on a clock that runs as fast as everybody's activity in that hour of the week, in microseconds on average.

    Without two weeks of events there is no week to speak of, and the clock is the ordinary one. The fullest week of
    each hour is left out of its rate, or what happened once would be its own habit.
    """
    at = ordered["event_at"].dt.epoch("us").to_numpy()
    if not len(at) or at[-1] - at[0] < 2 * _WEEK_H * _HOUR_US:
        return grouped.at.astype(float)
    hour = at // _HOUR_US
    first, last = int(hour[0]), int(hour[-1]) + 1
    begin = first - first % _WEEK_H
    counts = np.bincount(hour - begin, minlength=-(-(last - begin) // _WEEK_H) * _WEEK_H).reshape(-1, _WEEK_H)
    weeks = np.bincount(np.arange(first, last) % _WEEK_H, minlength=_WEEK_H)
    rate = (counts.sum(axis=0) - counts.max(axis=0) + 1) / weeks
    rate = rate / np.average(rate, weights=weeks)
    grid = np.concatenate(([0.0], np.cumsum(rate[np.arange(first, last) % _WEEK_H]))) * _HOUR_US
    stretched: Floats = np.interp(grouped.at, np.arange(first, last + 1) * float(_HOUR_US), grid)
    return stretched


def _write(
    ordered: pl.DataFrame, grouped: ByAccount, clock: Floats, first: Ints, last: Ints, score: Floats,
    params: dict[str, object],
) -> pl.DataFrame:  # fmt: skip
    if not len(first):
        return no_findings(n=pl.UInt32, times_rate=pl.Float64)
    code = grouped.code[first]
    n = last - first + 1
    size = np.diff(grouped.start)[code]
    lived = clock[grouped.start[code + 1] - 1] - clock[grouped.start[code]]
    took = np.maximum(clock[last] - clock[first], 1.0)
    times = np.round((n - 1) / took * lived / np.maximum(size - 1, 1), 3)
    sure = (10.0, 5.0) if params["method"] == "kleinberg" else (6.0, 3.0)
    burst = np.repeat(np.arange(len(first)), n)
    place = np.arange(len(burst)) - np.repeat(np.cumsum(n) - n - first, n)
    evidence = (
        pl.DataFrame({"burst": burst, "event_id": ordered["event_id"].gather(grouped.row[place])})
        .group_by("burst", maintain_order=True)
        .agg(keep_ids())
    )
    table = pl.DataFrame(
        {
            "account_id": grouped.names.gather(code),
            "start_at": pl.Series(grouped.at[first]).cast(UTC),
            "end_at": pl.Series(grouped.at[last]).cast(UTC),
            "score": score,
            "confidence": np.select([score >= sure[0], score >= sure[1]], ["high", "moderate"], "low").tolist(),
            "evidence_ids": evidence["evidence_ids"],
            "n": pl.Series(n, dtype=pl.UInt32),
            "times_rate": times,
        }
    )
    seconds = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1e6
    why = pl.format("{} events in {} s, {} times the mean rate", "n", seconds.round(1), pl.col("times_rate").round(1))
    return write_findings(table.with_columns(why=why), "burst", params)
