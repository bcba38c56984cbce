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
from toolkit.model.tables import Sessions, conform, empty
from toolkit.timeline.build import put_in_order
from toolkit.timeline.quality import find_silences

__all__ = ["Gap", "find_gap", "find_sessions"]

_FALLBACK_S: Final = 1_800.0
_MIN_GAPS: Final = 50
# One hump (a normal curve, cut in its middle) gives 2 / pi = 0.64; two humps give more.
_MIN_SHARE: Final = 0.68
_TICK_S: Final = {"s": 1.0, "min": 60.0, "day": 86_400.0}
_SHORTEST_S: Final = 0.5
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
    own = ordered[key].cast(pl.String) if key else pl.Series([None], dtype=pl.String).new_from_index(0, ordered.height)
    own = own.to_frame("k").select(pl.when(pl.col("k").str.strip_chars() != "").then("k")).to_series()

    marks = ordered.select("account_id", "event_at", "precision", "source", own.alias("own"))
    marks = marks.with_columns(
        (pl.lit("") if cohort is None else ordered[cohort].cast(pl.String).fill_null("")).alias("cohort")
    )
    cut, gaps = _cut_by_gap(marks, gap)
    named = _name(marks, cut, key, gaps)
    # One name in the frame: the session, whether the source gave it or we found it.
    out = ordered.with_columns(named["session_id"])
    return out, _describe(out, named, gaps)


def _cut_by_gap(marks: pl.DataFrame, gap: float | Literal["auto"]) -> tuple[pl.Series, dict[str, Gap]]:
    """Return the session's number within its account (null where the source has its own id), and the gap per cohort."""
    free = marks["own"].is_null().to_numpy().astype(bool)
    codes = marks["account_id"].rank("dense").cast(pl.Int64).to_numpy()
    at = marks["event_at"].to_physical().to_numpy()
    rows = np.flatnonzero(free)
    # Rows come in order of time: a stable sort by account alone puts each account's events in a run, still in order.
    order = rows[np.argsort(codes[rows], kind="stable")]
    first = np.ones(len(order), dtype=bool)
    first[1:] = codes[order][1:] != codes[order][:-1]
    pause = np.zeros(len(order), dtype=np.float64)
    pause[1:] = (at[order][1:] - at[order][:-1]) / 1e6
    # On a coarse clock two events on one tick are half a tick apart. On a fine one they are one action in two tables,
    # and say nothing about pauses; and nobody leaves and comes back within half a second.
    tick = marks["precision"].replace_strict(_TICK_S, default=0.0, return_dtype=pl.Float64).to_numpy()[order]
    told = ~first & ((pause > 0) | (tick > 0))
    length = np.maximum(np.where(pause > 0, pause, tick / 2), _SHORTEST_S)
    cohorts = marks["cohort"].gather(order)
    gaps: dict[str, Gap] = {}
    limit = np.zeros(len(order), dtype=np.float64)
    for name in sorted(marks["cohort"].unique().to_list()):
        mine = (cohorts == name).to_numpy().astype(bool)
        chosen = find_gap(length[mine & told]) if gap == "auto" else Gap(float(gap), f"gap {gap:g} s (as asked)")
        gaps[name] = chosen
        limit[mine] = chosen.seconds
    starts = first | (pause > limit)
    run = np.cumsum(starts)
    base = np.maximum.accumulate(np.where(first, run - 1, 0))
    number = np.full(marks.height, -1, dtype=np.int64)
    number[order] = run - base
    return pl.Series("number", number).set(pl.Series(~free), None), gaps


def _name(marks: pl.DataFrame, number: pl.Series, key: str | None, gaps: dict[str, Gap]) -> pl.DataFrame:
    """Name each row's session and say how it was cut. A source's id that two accounts share is made two."""
    shared = (
        marks.filter(pl.col("own").is_not_null())
        .group_by("own")
        .agg(pl.col("account_id").n_unique().alias("accounts"))
        .filter(pl.col("accounts") > 1)["own"]
    )
    own = pl.when(pl.col("own").is_in(shared.to_list())).then(pl.format("{}/{}", "account_id", "own")).otherwise("own")
    given = pl.col("own").is_not_null()
    said = {name: chosen.how for name, chosen in gaps.items()}
    how = pl.col("cohort").replace_strict(said, default="", return_dtype=pl.String) if said else pl.lit("")
    return marks.with_columns(number.alias("number")).select(
        pl.when(given).then(own).otherwise(pl.format("{}#{}", "account_id", "number")).alias("session_id"),
        pl.when(given).then(pl.lit(f"id of the source ({key})")).otherwise(how).alias("how"),
        pl.col("cohort"),
    )  # fmt: skip


def _describe(events: pl.DataFrame, named: pl.DataFrame, gaps: dict[str, Gap]) -> pl.DataFrame:
    limits = {name: chosen.seconds for name, chosen in gaps.items()}
    rows = events.select("event_at", "account_id", "event", "source", "session_id").hstack(
        named.select("how", "cohort")
    )
    if not rows.height:
        return empty(Sessions)
    last = rows["event_at"].max()
    pause = (pl.col("event_at") - pl.col("event_at").shift(1)).dt.total_microseconds() / 1e6
    same = pl.col("session_id") == pl.col("session_id").shift(1)
    runs = (
        rows.sort("session_id", "event_at", maintain_order=True)
        .with_columns(pl.when(same).then(pause).otherwise(0.0).alias("pause"))
        .group_by("session_id", maintain_order=True)
        .agg(
            pl.first("account_id"),
            pl.first("event_at").alias("start_at"),
            pl.last("event_at").alias("end_at"),
            pl.len().cast(pl.UInt32).alias("n"),
            pl.col("event").n_unique().cast(pl.UInt32).alias("n_verbs"),
            pl.max("pause").alias("max_gap_s"),
            pl.first("how"),
            pl.first("cohort").replace_strict(limits, default=_FALLBACK_S, return_dtype=pl.Float64).alias("gap_s"),
        )
    )  # fmt: skip
    gap = pl.duration(microseconds=(pl.col("gap_s") * 1e6).cast(pl.Int64))
    silent = _touching(rows, runs.with_columns(gap.alias("gap")), events)
    described = runs.with_columns(
        (pl.col("end_at") + gap < last).alias("closed"),
        pl.col("session_id").is_in(silent).alias("uncertain"),
    )
    return conform(described.sort("start_at", "account_id", "session_id"), Sessions)


def _touching(rows: pl.DataFrame, runs: pl.DataFrame, events: pl.DataFrame) -> list[str]:
    """Sessions that touch a silence of one of their sources: it may be one session or two, nobody can say."""
    silences = find_silences(events).select(
        "source", pl.col("start_at").alias("from_at"), pl.col("end_at").alias("to_at")
    )
    if not silences.height:
        return []
    mine = (
        rows.filter(pl.col("source").is_in(silences["source"].unique().to_list()))
        .select("session_id", "source")
        .unique()
    )
    touched = (
        mine.join(runs.select("session_id", "start_at", "end_at", "gap"), on="session_id")
        .join(silences, on="source")
        .filter(
            (pl.col("start_at") - pl.col("gap") < pl.col("to_at"))
            & (pl.col("end_at") + pl.col("gap") > pl.col("from_at"))
        )
    )
    return touched["session_id"].unique().sort().to_list()
