"""Sessions: runs of one account's activity.

An id that the source gave wins. Where there is none a session ends at a gap, and how long a gap must be is read off the
data: pauses inside a session and pauses between sessions are two humps on a logarithmic scale, and the valley between
them (Otsu's threshold) is the cut. A fixed half hour is used only where no valley stands out, and then it is said so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import UTC, Sessions, conform, empty
from toolkit.timeline.build import put_in_order
from toolkit.timeline.coded import ByAccount, Ints, code_accounts, order_by_account
from toolkit.timeline.quality import find_silences

__all__ = ["Gap", "find_gap", "find_sessions"]

_FALLBACK_S: Final = 1_800.0
_MIN_GAPS: Final = 50
# One hump (a normal curve, cut in its middle) gives 2 / pi = 0.64; two humps give more.
_MIN_SHARE: Final = 0.68
_TICK_S: Final = {"s": 1.0, "min": 60.0, "day": 86_400.0}
_SHORTEST_S: Final = 0.5
_BITS: Final = 64
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gap:
    """How long a pause ends a session, and why.

    Examples
    --------
    >>> find_gap(np.array([1.0] * 3)).how
    'gap 1800 s (30 min by default: only 3 gaps)'
    """

    seconds: float
    how: str


def find_gap(gaps_s: _Floats) -> Gap:
    """Find the pause that parts sessions: the valley of the gaps' logarithms.

    Parameters
    ----------
    gaps_s : numpy.ndarray of float
        Seconds between neighbouring events of one account, all positive; in any order.

    Returns
    -------
    Gap
        Half an hour where there are fewer than 50 gaps, or no valley stands out.

    Examples
    --------
    >>> seconds_and_hours = np.array([1.0, 2.0, 4.0] * 30 + [7200.0, 14400.0] * 10)
    >>> find_gap(seconds_and_hours).how
    'gap 170 s (valley of 110 gaps; the two sides explain 97 % of their spread)'
    """
    if len(gaps_s) < _MIN_GAPS:
        return Gap(_FALLBACK_S, f"gap 1800 s (30 min by default: only {len(gaps_s)} gaps)")
    logs = np.sort(np.log10(gaps_s))
    spread = float(logs.var())
    if spread <= 0:
        return Gap(_FALLBACK_S, f"gap 1800 s (30 min by default: all {len(logs):,} gaps are equal)")
    below = np.arange(1, len(logs)) / len(logs)
    sums = np.cumsum(logs)
    mean = float(sums[-1]) / len(logs)
    between = (mean * below - sums[:-1] / len(logs)) ** 2 / (below * (1 - below))
    between[logs[1:] == logs[:-1]] = -1.0  # equal gaps are never on two sides
    at = int(np.argmax(between))
    share = float(between[at]) / spread
    if share < _MIN_SHARE:
        return Gap(
            _FALLBACK_S,
            f"gap 1800 s (30 min by default: no valley in {len(logs):,} gaps; two sides explain {100 * share:.0f} %)",
        )
    seconds = float(10 ** ((logs[at] + logs[at + 1]) / 2))
    shown = f"{seconds:.3g}" if seconds < 1000 else f"{seconds:.0f}"
    said = f"gap {shown} s (valley of {len(logs):,} gaps; the two sides explain {100 * share:.0f} % of their spread)"
    return Gap(seconds, said)


def find_sessions(
    events: pl.DataFrame,
    *,
    session_key: str | None = None,
    gap: float | Literal["auto"] = "auto",
    cohort: str | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cut each account's events into sessions.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order.
    session_key : str, optional
        Column of the source's own session id; default is ``session_id`` where there is such a column. Rows without one
        are cut by gap, by themselves.
    gap : float or "auto"
        Seconds; a pause that is longer ends a session. ``auto`` finds it, see :func:`find_gap`.
    cohort : str, optional
        Column by whose values the gap is found separately (the source, the plan); default is one gap for all.

    Returns
    -------
    events : polars.DataFrame
        The same events in their total order, with ``session_id``.
    sessions : polars.DataFrame
        Contract ``Sessions``. ``closed`` is False where the session may go on after the data end; ``uncertain`` where
        one of its sources fell silent inside it, or within a gap of its ends; ``how`` says what cut it.

    Raises
    ------
    UnknownNameError
        If a named column does not exist.
    InputError
        If the gap is not a positive number.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in (0, 5, 50)]
    >>> rows = {"event_at": at, "account_id": "a", "event": "chat", "source": "app", "event_id": ["1", "2", "3"]}
    >>> rows |= {"seq": [1, 2, 3], "precision": "s", "flags": 0, "raw_ref": ""}
    >>> cut, sessions = find_sessions(pl.DataFrame(rows))
    >>> cut["session_id"].to_list(), sessions.select("n", "closed").rows()
    (['a#1', 'a#1', 'a#2'], [(2, True), (1, False)])
    """
    for name in (session_key, cohort):
        if name is not None and name not in events.columns:
            raise UnknownNameError("column of events", name, events.columns)
    if gap != "auto" and not (isinstance(gap, (int, float)) and math.isfinite(gap) and gap > 0):
        raise InputError(f"gap is {gap!r}; want 'auto' or a positive number of seconds")
    key = session_key or ("session_id" if "session_id" in events.columns else None)
    ordered = put_in_order(events)
    grouped = order_by_account(ordered)
    own = _own_ids(ordered, key)
    parts = pl.Series([""]).new_from_index(0, ordered.height) if cohort is None else ordered[cohort].cast(pl.String)
    cohorts, part = code_accounts(parts.fill_null(""))
    cut = _cut(ordered, grouped, own, (cohorts, part[grouped.row].astype(np.int64)), gap)
    names = _name(grouped, own, cut)
    session_of = np.empty(ordered.height, dtype=np.int64)
    session_of[grouped.row] = cut.session
    # One name in the frame: the session, whether the source gave it or we found it.
    out = ordered.with_columns(names.gather(session_of).alias("session_id"))
    return out, _describe(ordered, grouped, cut, names, f"id of the source ({key})")


def _own_ids(ordered: pl.DataFrame, key: str | None) -> pl.Series:
    """The source's own session id by row; null where there is none."""
    if key is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, ordered.height)
    return ordered.select(
        pl.when(pl.col(key).cast(pl.String).str.strip_chars() != "").then(pl.col(key).cast(pl.String))
    ).to_series()


@dataclass(frozen=True)
class _Cut:
    """A session by row (in the order of accounts), and by session what made it.

    ``number``: the place among its account's sessions that were cut by gap, from 1; 0 where the source gave an id.
    ``head``: a row of it (in the order of accounts); ``gap``: the pause that would have ended it, and why that long.
    """

    session: Ints
    number: Ints
    head: Ints
    gap_of: Ints
    gaps: list[Gap]


def _cut(
    ordered: pl.DataFrame, grouped: ByAccount, own: pl.Series, cohort: tuple[pl.Series, Ints],
    gap: float | Literal["auto"],
) -> _Cut:  # fmt: skip
    given = own.is_not_null().to_numpy()[grouped.row]
    code, names, group = grouped.code, *cohort
    free, held = np.flatnonzero(~given), np.flatnonzero(given)
    first = np.ones(len(free), dtype=bool)
    first[1:] = code[free][1:] != code[free][:-1]
    pause = np.diff(grouped.at[free], prepend=0) / 1e6
    pause[first] = 0.0
    # On a coarse clock two events on one tick are half a tick apart. On a fine one they are one action in two tables,
    # and say nothing about pauses; and nobody leaves and comes back within half a second.
    tick = _ticks(ordered["precision"])[grouped.row[free]]
    told = ~first & ((pause > 0) | (tick > 0))
    length = np.maximum(np.where(pause > 0, pause, tick / 2), _SHORTEST_S)
    gaps = [
        find_gap(length[told & (group[free] == i)]) if gap == "auto" else Gap(float(gap), f"gap {gap:g} s (as asked)")
        for i in range(len(names))
    ]
    starts = first | (pause > np.array([g.seconds for g in gaps])[group[free]])
    run = np.cumsum(starts) - 1
    session = np.empty(len(code), dtype=np.int64)
    session[free] = run
    heads = free[starts]
    number = np.arange(len(heads)) - np.maximum.accumulate(np.where(first[starts], np.arange(len(heads)), 0)) + 1
    if len(held):
        ids = own.gather(grouped.row[held])
        _, id_code = code_accounts(ids)
        pair, head, session_of = np.unique(
            code[held] * (int(id_code.max()) + 1) + id_code, return_index=True, return_inverse=True
        )
        session[held] = len(heads) + session_of
        heads = np.concatenate((heads, held[head]))
        number = np.concatenate((number, np.zeros(len(pair), dtype=np.int64)))
    return _Cut(session, number, heads, group[heads], gaps)


def _ticks(precision: pl.Series) -> _Floats:
    """Seconds of a tick of each row's clock; 0 where it is fine."""
    known, code = code_accounts(precision)
    return np.array([_TICK_S.get(name, 0.0) for name in known])[code]


def _name(grouped: ByAccount, own: pl.Series, cut: _Cut) -> pl.Series:
    """Name each session. A source's id that two accounts share is made two."""
    about = pl.DataFrame(
        {
            "account": grouped.names.gather(grouped.code[cut.head]),
            "own": own.gather(grouped.row[cut.head]),
            "number": cut.number,
        }
    )
    shared = pl.col("own").is_not_null() & pl.col("own").is_duplicated()
    return about.select(
        pl.when(pl.col("number") > 0)
        .then(pl.format("{}#{}", "account", "number"))
        .when(shared)
        .then(pl.format("{}/{}", "account", "own"))
        .otherwise("own")
    ).to_series()


def _describe(ordered: pl.DataFrame, grouped: ByAccount, cut: _Cut, names: pl.Series, by_id: str) -> pl.DataFrame:
    if not ordered.height:
        return empty(Sessions)
    # Sessions cut by a pause come account by account already; only a source's own ids interleave.
    in_turn = (np.diff(cut.session) >= 0).all()
    by_session = np.arange(len(cut.session)) if in_turn else np.argsort(cut.session, kind="stable")
    head = np.flatnonzero(np.diff(cut.session[by_session], prepend=-1))
    n = np.diff(head, append=len(by_session))
    at = grouped.at[by_session]
    pause = np.diff(at, prepend=0)
    pause[head] = 0
    start, end = at[head], at[head + n - 1]
    gap = np.array([round(g.seconds * 1e6) for g in cut.gaps])[cut.gap_of]
    how = pl.Series([g.how for g in cut.gaps]).gather(cut.gap_of)
    table = pl.DataFrame(
        {
            "session_id": names,
            "account_id": grouped.names.gather(grouped.code[cut.head]),
            "start_at": pl.Series(start).cast(UTC),
            "end_at": pl.Series(end).cast(UTC),
            "n": pl.Series(n, dtype=pl.UInt32),
            "n_verbs": _count_verbs(ordered["event"], grouped.row[by_session], head),
            "max_gap_s": np.maximum.reduceat(pause, head) / 1e6,
            "closed": end + gap < at.max(),
            "uncertain": _touching(ordered, grouped, cut.session, start - gap, end + gap),
            "how": how.zip_with(pl.Series(cut.number > 0), pl.Series([by_id]).new_from_index(0, len(how))),
        }
    )
    order = np.lexsort((grouped.code[cut.head], start))
    tied = (np.diff(start[order]) == 0) & (np.diff(grouped.code[cut.head][order]) == 0)
    if tied.any():  # two ids of one account that begin at one instant
        return conform(table.sort("start_at", "account_id", "session_id"), Sessions)
    return conform(table[order], Sessions)


def _count_verbs(verb: pl.Series, row: Ints, head: Ints) -> pl.Series:
    """Distinct verbs of each session: as bits of one number where there are few enough."""
    names, code = code_accounts(verb)
    if len(names) <= _BITS:
        seen = np.bitwise_or.reduceat(np.left_shift(np.uint64(1), code[row].astype(np.uint64)), head)
        return pl.Series(seen).bitwise_count_ones().cast(pl.UInt32)
    session = np.repeat(np.arange(len(head)), np.diff(head, append=len(row)))
    met = np.unique(session * len(names) + code[row]) // len(names)
    return pl.Series(np.bincount(met, minlength=len(head)), dtype=pl.UInt32)


def _touching(ordered: pl.DataFrame, grouped: ByAccount, session: Ints, low: Ints, high: Ints) -> NDArray[np.bool_]:
    """Sessions that touch a silence of one of their sources: it may be one session or two, nobody can say."""
    touched = np.zeros(len(low), dtype=bool)
    for source, opens, closes in find_silences(ordered).select(
        "source", pl.col("start_at", "end_at").dt.epoch("us")
    ).iter_rows():  # fmt: skip
        near = (low < closes) & (high > opens)
        if near.any():
            theirs = np.zeros(len(low), dtype=bool)
            theirs[session[(ordered["source"] == source).to_numpy()[grouped.row]]] = True
            touched |= near & theirs
    return touched
