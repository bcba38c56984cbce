"""What stood around an event, and what sets a window apart from the rest.

A field explains a window as far as its values are shared out otherwise inside than outside. The distance of two shares
and the largest distance of two distributions (Kolmogorov and Smirnov) are on one scale, from 0 to 1, so that texts and
numbers are ranked together; what chance alone allows is taken off first, by Jeffreys intervals and by the critical
distance.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.timeline.build import in_utc, put_in_order, window_faults

__all__ = ["explain_window", "show_around"]

Floats = NDArray[np.float64]

_NOT_EXPLAINED: Final = ("event_at", "event_id", "seq", "ingested_at", "raw_ref", "flags", "precision")
_MOST_VALUES: Final = 1_000
_ALPHA: Final = 0.05
_KS_95: Final = 1.358  # where Kolmogorov's distribution has 95 of 100
_SCHEMA: Final = pl.Schema({
    "field": pl.String, "kind": pl.String, "value": pl.String, "n_in": pl.Int64, "n_out": pl.Int64,
    "share_in": pl.Float64, "share_in_low": pl.Float64, "share_in_high": pl.Float64, "share_out": pl.Float64,
    "log_lift": pl.Float64, "ks": pl.Float64, "median_in": pl.Float64, "median_out": pl.Float64, "score": pl.Float64,
})  # fmt: skip


def show_around(
    events: pl.DataFrame,
    at: str | datetime,
    *,
    before_s: float = 300.0,
    after_s: float = 300.0,
    by: str | None = None,
) -> pl.DataFrame:
    """Show what stood around an event or a time.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order.
    at : str or datetime
        An event id (of several rows that carry it the first is the middle), or a time with a zone.
    before_s, after_s : float
        Seconds to either side, inclusive.
    by : str, optional
        Show only rows that share the event's value of this column: its account, its ip.

    Returns
    -------
    polars.DataFrame
        The rows in their total order, with ``dt_s``, seconds since the middle, and ``is_middle``.

    Raises
    ------
    UnknownNameError
        If the column or the event does not exist.
    InputError
        If a width is negative, a time has no zone or is asked for by a column, or the event has no value of it.

    Examples
    --------
    >>> from datetime import UTC
    >>> when = [datetime(2026, 1, 5, 0, m, tzinfo=UTC) for m in (0, 4, 9, 30)]
    >>> rows = {"event_at": when, "account_id": list("abab"), "event": "e", "source": "app", "event_id": list("wxyz")}
    >>> events = pl.DataFrame(rows | {"seq": [1, 2, 3, 4], "raw_ref": ""})
    >>> show_around(events, "x").select("event_id", "dt_s", "is_middle").rows()
    [('w', -240.0, False), ('x', 0.0, True), ('y', 300.0, False)]
    >>> show_around(events, "y", before_s=1_000, by="account_id")["event_id"].to_list()
    ['w', 'y']
    """
    faults = [
        f"{name} is {s}; want 0 or more" for name, s in (("before_s", before_s), ("after_s", after_s)) if not s >= 0
    ]
    if isinstance(at, datetime) and at.tzinfo is None:
        faults.append(f"at has no time zone: {at}; give it one, for example 2026-01-05T00:00:00Z")
    if isinstance(at, datetime) and by is not None:
        faults.append(f"a time has no {visible(by)}: name an event, or filter the events first")
    if faults:
        raise InputError("; ".join(faults))
    if by is not None and by not in events.columns:
        raise UnknownNameError("column of events", by, events.columns)
    ordered = put_in_order(events)
    is_middle = pl.lit(value=False)
    if isinstance(at, datetime):
        middle_at = in_utc(at)
    else:
        middle = ordered.filter(pl.col("event_id") == at).head(1)
        if middle.is_empty():
            raise UnknownNameError("event", at, ordered["event_id"].head(1_000))
        is_middle = pl.col("event_id") == at
        if by is not None:
            value = middle[by][0]
            if value is None:
                raise InputError(f"event {visible(at)} has no {visible(by)}: leave out by, or name another column")
            ordered = ordered.filter(pl.col(by) == value)
        middle_at = middle["event_at"][0]
    dt = ((pl.col("event_at") - middle_at).dt.total_microseconds() / 1e6).alias("dt_s")
    begin, end = middle_at - timedelta(seconds=before_s), middle_at + timedelta(seconds=after_s)
    return ordered.filter(pl.col("event_at").is_between(begin, end)).with_columns(dt, is_middle.alias("is_middle"))


def explain_window(events: pl.DataFrame, start: datetime, end: datetime, *, max_fields: int = 30) -> pl.DataFrame:
    """Rank what sets the events of a window apart from all others.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events`` with any further columns, rows in any order. For one account's window against its own rest,
        filter first.
    start, end : datetime
        With a zone; ``start`` <= event_at < ``end`` is inside.
    max_fields : int
        Fields that are told of, at most: those that are furthest apart.

    Returns
    -------
    polars.DataFrame
        A row per field and value: ``field``; ``kind`` (*value*; *missing*; *other*, all but the 1,000 values of the
        largest share on either side; *number*, the field's whole distribution); ``value``; ``n_in``, ``n_out``, events
        (of numbers: that have one); ``share_in``, its 95 % Jeffreys interval ``share_in_low``, ``share_in_high``, and
        ``share_out``; ``log_lift``, binary logarithm of the ratio of shares, half an event added to either; of numbers
        ``ks``, the largest distance of the two distributions, and the medians ``median_in``, ``median_out``; ``score``,
        0 to 1: how far apart the shares or distributions are beyond what chance allows (0 for *other*, which says
        nothing). Order: score descending, then the plain distance descending, field, kind, value.

    Raises
    ------
    InputError
        If a bound has no zone, the window ends before it starts, holds no event or all of them, or ``max_fields`` is
        less than one.

    Examples
    --------
    >>> from datetime import UTC
    >>> hours = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in range(24)]
    >>> rows = pl.DataFrame({"event_at": hours, "ip": ["::1" if 9 <= h < 15 else "::2" for h in range(24)]})
    >>> explain_window(rows, hours[9], hours[15]).select("field", "value", "share_in", "share_out").rows()
    [('ip', '::1', 1.0, 0.0), ('ip', '::2', 0.0, 1.0)]
    """
    faults = window_faults(start, end)
    if max_fields < 1:
        faults.append(f"max_fields is {max_fields}; want 1 or more")
    if faults:
        raise InputError("; ".join(faults))
    start, end = in_utc(start), in_utc(end)
    inside = events.select(pl.col("event_at").is_between(start, end, closed="left").fill_null(value=False)).to_series()
    if not inside.any() or inside.all():
        held = "every event" if inside.any() else "no event"
        raise InputError(f"the window from {start} to {end} holds {held}: there is nothing to compare it with")
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for name in events.columns:
        column = events[name]
        if name in _NOT_EXPLAINED or column.dtype.is_nested() or column.dtype.is_temporal():
            continue
        if column.dtype.is_numeric():
            parts.append(_compare_numbers(column, inside))
        else:
            parts.append(_compare_values(column, inside))
    ranked = pl.concat([part.cast(_SCHEMA) for part in parts]).with_columns(
        pl.coalesce("ks", (pl.col("share_in") - pl.col("share_out")).abs()).alias("distance")
    )
    order = ["score", "distance", "field", "kind", "value"]
    ranked = ranked.sort(order, descending=[True, True, False, False, False])
    best = ranked["field"].unique(maintain_order=True).head(max_fields)
    return ranked.filter(pl.col("field").is_in(best.implode())).drop("distance")


def _compare_values(column: pl.Series, inside: pl.Series) -> pl.DataFrame:
    """Shares of each value inside and outside; values that are rare on both sides are one."""
    total_in, total_out = int(inside.sum()), int((~inside).sum())
    counts = (
        pl.DataFrame({"value": column.cast(pl.String), "inside": inside})
        .group_by("value")
        .agg(
            pl.col("inside").sum().cast(pl.Int64).alias("n_in"), (~pl.col("inside")).sum().cast(pl.Int64).alias("n_out")
        )
    )
    largest = pl.max_horizontal(pl.col("n_in") / total_in, pl.col("n_out") / total_out)
    ranked = counts.sort(largest, "value", descending=[True, False])
    common = pl.col("value").is_not_null().cum_sum() <= _MOST_VALUES
    kind = pl.when(pl.col("value").is_null()).then(pl.lit("missing")).when(common).then(pl.lit("value"))
    kept = (
        ranked.with_columns(kind.otherwise(pl.lit("other")).alias("kind"))
        .with_columns(pl.when(pl.col("kind") == "value").then("value").alias("value"))
        .group_by("kind", "value")
        .agg(pl.sum("n_in", "n_out"))
    )
    n_in, n_out = kept["n_in"].to_numpy(), kept["n_out"].to_numpy()
    low_in, high_in = _jeffreys(n_in, total_in)
    low_out, high_out = _jeffreys(n_out, total_out)
    apart = np.maximum(np.maximum(low_in - high_out, low_out - high_in), 0.0)
    # Which values are left over was decided by their shares: that they are shared out unevenly says nothing.
    apart[(kept["kind"] == "other").to_numpy()] = 0.0
    lift = np.log2((n_in + 0.5) / (total_in + 1)) - np.log2((n_out + 0.5) / (total_out + 1))
    return kept.with_columns(
        pl.lit(column.name).alias("field"),
        pl.Series("share_in", (n_in / total_in).round(6)),
        pl.Series("share_in_low", low_in.round(6)),
        pl.Series("share_in_high", high_in.round(6)),
        pl.Series("share_out", (n_out / total_out).round(6)),
        pl.Series("log_lift", lift.round(6)),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("ks", "median_in", "median_out")),
        pl.Series("score", apart.round(6)),
    ).select(*_SCHEMA)


def _jeffreys(n: NDArray[np.int64], total: int) -> tuple[Floats, Floats]:
    """95 % interval of a share: quantiles of Beta(n + 1/2, total - n + 1/2), closed at 0 and at 1."""
    from scipy.special import betaincinv

    low = betaincinv(n + 0.5, total - n + 0.5, _ALPHA / 2)
    high = betaincinv(n + 0.5, total - n + 0.5, 1 - _ALPHA / 2)
    return np.where(n == 0, 0.0, low), np.where(n == total, 1.0, high)


def _compare_numbers(column: pl.Series, inside: pl.Series) -> pl.DataFrame:
    """The largest distance of the two distributions, and the medians."""
    numbers = column.cast(pl.Float64)
    there = numbers.is_finite().fill_null(value=False)
    a = np.sort(numbers.filter(inside & there).to_numpy())
    b = np.sort(numbers.filter(~inside & there).to_numpy())
    if not len(a) or not len(b):
        return pl.DataFrame(schema=_SCHEMA)
    every = np.concatenate((a, b))
    below = [np.searchsorted(side, every, side="right") / len(side) for side in (a, b)]
    ks = float(np.abs(below[0] - below[1]).max())
    critical = _KS_95 * float(np.sqrt(1 / len(a) + 1 / len(b)))
    row: dict[str, object] = dict.fromkeys(_SCHEMA)
    row |= {"field": column.name, "kind": "number", "n_in": len(a), "n_out": len(b), "ks": round(ks, 6)}
    row |= {
        "median_in": float(np.median(a)),
        "median_out": float(np.median(b)),
        "score": round(max(ks - critical, 0), 6),
    }
    return pl.DataFrame([row], schema=_SCHEMA)
