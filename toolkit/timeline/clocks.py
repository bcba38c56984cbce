"""Clocks: how far two sources' clocks stand apart, setting one right, and what no pair of right clocks can show.

Two sources that saw the same events give the offset directly, as the median of paired differences, and the drift as the
median of the slopes between pairs (Theil 1950, Sen 1968), which half of the pairs cannot spoil. Without shared ids the
rhythms of the two are laid over one another: the shift where they agree best is the offset.

Order in time is a claim only where it is wider than what the clocks allow: a cause after its effect is an error of the
data, and two sources at one instant are not in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, UnknownNameError, column_faults, visible
from toolkit.model.tables import TimeFlag
from toolkit.timeline.build import keep_in_range, put_in_order
from toolkit.timeline.found import no_findings, write_findings

__all__ = ["RULES", "Offset", "Rule", "apply_offset", "check_causality", "measure_offset"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY_US: Final = 86_400e6
_TICK_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "day": 86_400.0}
_MIN_PAIRS_OF_A_LINE: Final = 10
_PAIRS_OF_A_LINE: Final = 2_000  # two million slopes; more pairs move the median by less than the clocks' own jitter
_LAGS: Final = 600  # bins between no offset and the greatest one
_MOST_BINS: Final = 1 << 22
_CLEAR_PEAK: Final = 8.0


@dataclass(frozen=True, slots=True)
class Offset:
    """How far one clock stands ahead of another.

    Attributes
    ----------
    offset_s : float
        Seconds that ``b`` stands ahead of ``a`` at the time ``at``.
    drift_s_per_day : float
        Seconds that it gains every day; 0 where the data allow none.
    spread_s : float
        95 of 100 paired differences are within so many seconds of the line.
    n : int
        Pairs.
    how : str
        How it was measured, in words.
    at : datetime
        When the offset holds.

    Examples
    --------
    >>> Offset(3600.0, how="the server's zone was wrong").offset_s
    3600.0
    """

    offset_s: float
    drift_s_per_day: float = 0.0
    spread_s: float = 0.0
    n: int = 0
    how: str = "by hand"
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """What cannot come first: ``first`` precedes ``then`` wherever both carry the same value of ``by``.

    Attributes
    ----------
    first : str
        Verb of the cause: ``signup``. A source's own prefix does not matter (``auth.signup``).
    then : str, optional
        Verb of the effect; None is every other verb.
    by : str
        Column whose value they share.
    """

    first: str
    then: str | None = None
    by: str = "account_id"

    def __str__(self) -> str:
        """Say the rule: the text that findings carry."""
        return f"{self.first} before {self.then or 'everything else'} of one {self.by}"


RULES: Final = (Rule("signup"), Rule("key_create", by="api_key"), Rule("ban", "appeal"))
"""What holds on every platform."""


def measure_offset(a: pl.DataFrame, b: pl.DataFrame, *, on: str = "event_id", max_offset_s: float = 600.0) -> Offset:
    """Measure how far the clock of ``b`` stands ahead of the clock of ``a``.

    Parameters
    ----------
    a, b : polars.DataFrame
        ``event_at`` (UTC), ``flags`` and the column ``on``; rows in any order. Times that are out of range (flag) are
        left out.
    on : str
        Column of ids that both saw. An id that stands twice in one frame pairs with nothing.
    max_offset_s : float
        Seconds; pairs further apart are taken for different events, and the rhythms are compared within it.

    Returns
    -------
    Offset
        From pairs, or, where not one id is shared, from the peak of the cross-correlation of the two rhythms (bins of a
        600th of ``max_offset_s``, or coarser for long data; no drift). A drift is given only where ten pairs or more
        put it clear of zero (95 % interval).

    Raises
    ------
    InputError
        If a column is missing, the greatest offset is not positive, no pair is within it, or no shift of the rhythms
        stands out.

    Examples
    --------
    >>> at = [datetime(2026, 1, 5, 0, m, tzinfo=UTC) for m in range(20)]
    >>> a = pl.DataFrame({"event_at": at, "event_id": [str(m) for m in range(20)], "flags": 0})
    >>> found = measure_offset(a, a.with_columns(pl.col("event_at") + pl.duration(seconds=90)))
    >>> found.offset_s, found.drift_s_per_day, found.n
    (90.0, 0.0, 20)
    """
    faults = [] if max_offset_s > 0 else [f"max_offset_s is {max_offset_s}; want a positive number of seconds"]
    for name, frame in (("a", a), ("b", b)):
        faults += column_faults(frame.columns, ["event_at", "flags", on], name)
    if faults:
        raise InputError("; ".join(faults))
    a, b = keep_in_range(a), keep_in_range(b)
    pairs = _stand_once(a, on).join(_stand_once(b, on), on=on, suffix="_b").sort("event_at", "event_at_b")
    if not pairs.height:
        return _from_rhythm(_microseconds(a["event_at"].sort()), _microseconds(b["event_at"].sort()), on, max_offset_s)
    at, at_b = _microseconds(pairs["event_at"]), _microseconds(pairs["event_at_b"])
    near = np.abs(at_b - at) <= max_offset_s * 1e6
    if not near.any():
        raise InputError(
            f"{pairs.height:,} ids are shared, and all are more than {max_offset_s:g} s apart: "
            f"raise max_offset_s (the median is {float(np.median(at_b - at)) / 1e6:g} s)"
        )
    return _from_pairs(at[near], at_b[near], on, pairs.height - int(near.sum()))


def apply_offset(events: pl.DataFrame, source: str, offset: Offset | float) -> pl.DataFrame:
    """Set one source's clock back by what it stands ahead, and mark its rows.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    source : str
        Whose times are shifted.
    offset : Offset or float
        As :func:`measure_offset` gives it, ``b`` being this source; a number is seconds without drift.

    Returns
    -------
    polars.DataFrame
        The same rows in their total order; those of the source are shifted and carry ``TimeFlag.CLOCK_SHIFTED``.
        ``ingested_at`` is another clock's, and stays. Applying it again shifts again.

    Raises
    ------
    UnknownNameError
        If no event is of that source.

    Examples
    --------
    >>> at = [datetime(2026, 1, 5, 0, 0, 30, tzinfo=UTC), datetime(2026, 1, 5, 0, 1, tzinfo=UTC)]
    >>> rows = {"event_at": at, "source": ["app", "proxy"], "seq": [1, 1], "event_id": ["x", "y"], "raw_ref": ""}
    >>> events = pl.DataFrame(rows | {"account_id": "u", "event": "e", "flags": 0})
    >>> apply_offset(events, "proxy", 60.0).select("source", "flags").rows()
    [('proxy', 32), ('app', 0)]
    """
    known = events["source"].unique().to_list()
    if source not in known:
        raise UnknownNameError("source among these events", source, known)
    offset = offset if isinstance(offset, Offset) else Offset(float(offset))
    us = pl.col("event_at").dt.epoch("us").cast(pl.Float64)
    # On b's clock: offset at `at`, and drift for every day since. Times enter as a difference, so none is rounded.
    since = (us - offset.at.timestamp() * 1e6) / _DAY_US
    ahead = (offset.offset_s + offset.drift_s_per_day * since) * 1e6
    mine = pl.col("source") == source
    shifted = pl.col("event_at") - pl.duration(microseconds=ahead.round().cast(pl.Int64))
    flagged = pl.col("flags").cast(pl.UInt16) | TimeFlag.CLOCK_SHIFTED.value
    return put_in_order(
        events.with_columns(
            pl.when(mine).then(shifted).otherwise("event_at").alias("event_at"),
            pl.when(mine).then(flagged).otherwise(pl.col("flags").cast(pl.UInt16)).alias("flags"),
        )
    )


def check_causality(
    events: pl.DataFrame, rules: Sequence[Rule] | None = None, *, spread_s: float | Mapping[str, float] = 0.0
) -> pl.DataFrame:
    """Find effects that stand before their cause by more than the clocks allow.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag) are left out.
    rules : sequence of Rule, optional
        What comes before what; default is those of :data:`RULES` whose column exists.
    spread_s : float or mapping of str to float
        Seconds by which clocks are uncertain (see :func:`measure_offset`): between any two sources, or by source, which
        add up. One source has one clock, and no spread.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *causality*, one for each rule and value: the effect that is worst, from
        its time (``start_at``) to its cause's (``end_at``). ``score``: seconds beyond what spread and the coarser of
        the two precisions allow, against every cause there is. Own columns: ``rule``, ``value``, ``allowed_s``, ``n``
        (effects that stand too early). ``confidence``: *high* on one clock, *moderate* on two, *low* where a time rests
        on an assumption (flag). Where no cause is in the data nothing is claimed. Order: start_at, account_id.

    Raises
    ------
    InputError
        If a rule's column does not exist, or a spread is negative; all at once.

    Examples
    --------
    >>> at = [datetime(2026, 1, 5, 0, 0, s, tzinfo=UTC) for s in (10, 30)]
    >>> rows = {"event_at": at, "account_id": "u", "event": ["login", "signup"], "event_id": ["x", "y"]}
    >>> events = pl.DataFrame(rows | {"source": "app", "seq": [1, 2], "raw_ref": "", "flags": 0, "precision": "s"})
    >>> check_causality(events).select("account_id", "score", "why").rows()
    [('u', 19.0, 'login stands 20.0 s before signup (1.0 s allowed): signup before everything else of one account_id')]
    """
    chosen = tuple(rule for rule in RULES if rule.by in events.columns) if rules is None else tuple(rules)
    spreads = spread_s if isinstance(spread_s, Mapping) else {"spread_s": spread_s}
    faults = [f"rule {rule}: no column {visible(rule.by)!r}" for rule in chosen if rule.by not in events.columns]
    faults += [f"spread {visible(k)} is {v}; want 0 or more seconds" for k, v in spreads.items() if not v >= 0]
    if faults:
        raise InputError("; ".join(faults))
    ordered = put_in_order(keep_in_range(events)).with_columns(
        pl.col("precision").replace_strict(_TICK_S, return_dtype=pl.Float64).alias("tick_s"),
        (pl.col("flags") != 0).alias("assumed"),
        _spread_of(spread_s).alias("spread_s"),
    )
    found = pl.concat([_violations(ordered, rule) for rule in chosen]) if chosen else pl.DataFrame()
    if not found.height:
        return no_findings(rule=pl.String, value=pl.String, allowed_s=pl.Float64, n=pl.UInt32)
    params: dict[str, object] = {"rules": [str(rule) for rule in chosen]}
    params["spread_s"] = dict(spread_s) if isinstance(spread_s, Mapping) else spread_s
    return write_findings(found, "causality", params)


def _microseconds(times: pl.Series) -> Ints:
    return times.dt.epoch("us").to_numpy()


def _stand_once(frame: pl.DataFrame, on: str) -> pl.DataFrame:
    rows = frame.select(on, "event_at").filter(pl.col(on).is_not_null() & (pl.col(on).cast(pl.String) != ""))
    return rows.filter(pl.col(on).is_unique())


def _from_pairs(at: Ints, at_b: Ints, on: str, apart: int) -> Offset:
    difference = (at_b - at) / 1e6
    # The offset is said on b's clock, because b's times are what it will be taken from.
    middle = int(np.sort(at_b)[(len(at_b) - 1) // 2])
    days = (at_b - middle) / _DAY_US
    drift = _measure_drift(days, difference)
    offset = float(np.median(difference - drift * days))
    spread = float(np.quantile(np.abs(difference - drift * days - offset), 0.95, method="higher"))
    how = f"median of {len(at):,} differences of shared {on}"
    how += f"; {apart:,} further apart left out" if apart else ""
    how += f"; drift {drift:.3g} s a day (Theil-Sen)" if drift else ""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=middle)
    return Offset(round(offset, 6), round(drift, 9), round(spread, 6), len(at), how, when)


def _measure_drift(days: Floats, difference: Floats) -> float:
    """Seconds a day, or 0 where that is among the 95 % interval of the slopes."""
    from scipy.stats import theilslopes

    if len(days) < _MIN_PAIRS_OF_A_LINE or days.min() == days.max():
        return 0.0
    every = np.unique(np.linspace(0, len(days) - 1, min(len(days), _PAIRS_OF_A_LINE)).astype(int))
    line = theilslopes(difference[every], days[every])
    return float(line.slope) if line.low_slope > 0 or line.high_slope < 0 else 0.0


def _from_rhythm(a: Ints, b: Ints, on: str, max_offset_s: float) -> Offset:
    """Lay b's rhythm over a's: the shift at which the changes of activity agree best."""
    if not len(a) or not len(b):
        raise InputError(f"no {on} is shared, and {'a' if not len(a) else 'b'} has no event to compare rhythms with")
    begin, end = min(a[0], b[0]), max(a[-1], b[-1])
    width = max(max_offset_s * 1e6 / _LAGS, (end - begin) / _MOST_BINS)
    lags = int(max_offset_s * 1e6 // width)
    agreement = _correlate((a - begin) // width, (b - begin) // width, lags)
    best = int(np.argmax(agreement))
    centre = float(np.median(agreement))
    noise = float(np.median(np.abs(agreement - centre))) * 1.4826
    clear = (float(agreement[best]) - centre) / noise if noise > 0 else 0.0
    if clear < _CLEAR_PEAK:
        raise InputError(
            f"no {on} is shared, and no shift of the rhythms within {max_offset_s:g} s stands out "
            f"({clear:.1f} times the noise; want {_CLEAR_PEAK:g}): name a column of shared ids"
        )
    shift = (best - lags) * width
    met = _nearest(a, b - shift, width)
    offset = (shift + (float(np.median(met)) if len(met) else 0.0)) / 1e6
    how = f"no shared {on}: peak of the cross-correlation in bins of {width / 1e6:g} s, {clear:.0f} times the noise"
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(b[(len(b) - 1) // 2]))
    return Offset(round(offset, 6), 0.0, round(width / 1e6, 6), len(met), how, when)


def _correlate(a: Floats, b: Floats, lags: int) -> Floats:
    """How well b's changes of activity agree with a's at each shift, from ``-lags`` to ``lags`` bins."""
    from scipy.fft import irfft, next_fast_len, rfft

    bins = int(max(a[-1], b[-1])) + 1
    size = next_fast_len(bins + lags + 1)
    # Changes of root counts: a slow rhythm that both share says nothing of a shift, and one burst must not say it all.
    spectra = [
        rfft(np.diff(np.sqrt(np.bincount(place.astype(np.int64), minlength=bins)), prepend=0.0), size)
        for place in (a, b)
    ]
    around = irfft(np.conj(spectra[0]) * spectra[1], size)
    return np.concatenate((around[-lags:], around[: lags + 1])) if lags else around[:1]


def _nearest(a: Ints, b: Floats, within: float) -> Floats:
    """From each event of b to the nearest of a: how far b stands after it, where that is within a bin."""
    place = np.clip(np.searchsorted(a, b), 1, max(len(a) - 1, 1))
    before, after = a[place - 1], a[np.minimum(place, len(a) - 1)]
    near = np.where(b - before <= after - b, before, after)
    distance: Floats = b - near
    return distance[np.abs(distance) <= within]


def _spread_of(spread_s: float | Mapping[str, float]) -> pl.Expr:
    """By source; half of a spread between any two, so that two of them make it whole."""
    if not isinstance(spread_s, Mapping):
        return pl.lit(spread_s / 2)
    return pl.col("source").replace_strict(dict(spread_s), default=0.0, return_dtype=pl.Float64)


def _is_verb(verb: str) -> pl.Expr:
    return (pl.col("event") == verb) | pl.col("event").str.ends_with(f".{verb}")


def _violations(ordered: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Effects that are too early against every cause of their value; the worst of each value."""
    slim = ordered.select(
        pl.col(rule.by).cast(pl.String).alias("value"),
        "account_id", "event", "event_at", "event_id", "source", "precision", "tick_s", "spread_s", "assumed",
    ).filter(pl.col("value").is_not_null() & (pl.col("value") != ""))  # fmt: skip
    # Of each clock the first cause is enough: a later one allows less.
    causes = slim.filter(_is_verb(rule.first)).unique(
        ["value", "source", "precision"], keep="first", maintain_order=True
    )
    effects = slim.filter(_is_verb(rule.then) if rule.then else ~_is_verb(rule.first)).with_row_index("effect")
    early = (pl.col("event_at_cause") - pl.col("event_at")).dt.total_microseconds() / 1e6
    two_clocks = pl.col("source") != pl.col("source_cause")
    allowed = pl.max_horizontal("tick_s", "tick_s_cause") + pl.when(two_clocks).then(
        pl.col("spread_s") + pl.col("spread_s_cause")
    ).otherwise(0.0)
    assumed = pl.col("assumed") | pl.col("assumed_cause")
    worst = (
        effects.join(causes, on="value", suffix="_cause")
        .with_columns(early.round(6).alias("early_s"), allowed.round(6).alias("allowed_s"))
        .with_columns((pl.col("early_s") - pl.col("allowed_s")).round(6).alias("score"))
        .sort("effect", "score", "event_id_cause")
        .unique("effect", keep="first", maintain_order=True)
        .filter(pl.col("score") > 0)
        .with_columns(pl.len().over("value").cast(pl.UInt32).alias("n"))
        .sort("value", "score", "effect", descending=[False, True, False])
        .unique("value", keep="first", maintain_order=True)
    )
    return worst.select(
        pl.col("account_id_cause").alias("account_id"),
        pl.col("event_at").alias("start_at"),
        pl.col("event_at_cause").alias("end_at"),
        "score",
        pl.when(assumed).then(pl.lit("low")).when(two_clocks).then(pl.lit("moderate")).otherwise(pl.lit("high"))
        .alias("confidence"),
        pl.concat_list("event_id", "event_id_cause").alias("evidence_ids"),
        pl.format(
            "{} stands {} s before {} ({} s allowed): {}",
            "event", "early_s", "event_cause", "allowed_s", pl.lit(str(rule)),
        ).alias("why"),
        pl.lit(str(rule)).alias("rule"),
        "value",
        "allowed_s",
        "n",
    )  # fmt: skip
