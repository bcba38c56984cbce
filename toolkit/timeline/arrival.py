"""Arrival: when an event was known, which is later than when it happened.

A report that was written on Tuesday used what had arrived by Tuesday. Cutting at ``event_at`` would let it know of
events that were still under way; cutting at ``ingested_at`` gives what it could have known.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import polars as pl

from toolkit.errors import InputError, need_columns
from toolkit.timeline.build import in_utc

__all__ = ["as_of", "report_lateness"]

_QUANTILES: Final = (50, 95, 99)


def report_lateness(events: pl.DataFrame, *, late_s: float = 3_600.0) -> pl.DataFrame:
    """Say per source how long its events take to arrive.

    Parameters
    ----------
    events : polars.DataFrame
        ``event_at``, ``ingested_at`` (UTC) and ``source``; rows in any order.
    late_s : float
        Seconds; an event that takes longer is late.

    Returns
    -------
    polars.DataFrame
        ``source``; ``n``, events that say when they arrived; ``not_said``, those that do not; ``share_late``;
        ``share_early`` (arrived before they happened: one of the two clocks is wrong); ``p50_s``, ``p95_s``, ``p99_s``
        and ``max_s``, seconds, each a lateness that occurs. Null where no event says. Order: source.

    Raises
    ------
    InputError
        If a column is missing or ``late_s`` is negative.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> arrived = [at + timedelta(minutes=m) for m in (1, 2, 90)]
    >>> rows = pl.DataFrame({"event_at": [at] * 3, "ingested_at": arrived, "source": "app"})
    >>> report_lateness(rows).select("n", "share_late", "p50_s", "max_s").rows()
    [(3, 0.333333, 120.0, 5400.0)]
    """
    need_columns(events.columns, ("event_at", "ingested_at", "source"), "events")
    if not (math.isfinite(late_s) and late_s >= 0):
        raise InputError(f"late_s is {late_s}; want 0 or more seconds")
    took = (pl.col("ingested_at") - pl.col("event_at")).dt.total_microseconds() / 1e6
    said = pl.col("ingested_at").is_not_null()
    return (
        events.with_columns(took.alias("took_s"))
        .group_by("source")
        .agg(
            said.sum().cast(pl.UInt32).alias("n"),
            (~said).sum().cast(pl.UInt32).alias("not_said"),
            (pl.col("took_s") > late_s).mean().round(6).alias("share_late"),
            (pl.col("took_s") < 0).mean().round(6).alias("share_early"),
            *(pl.col("took_s").quantile(q / 100, "higher").alias(f"p{q}_s") for q in _QUANTILES),
            pl.col("took_s").max().alias("max_s"),
        )
        .sort("source")
    )


def as_of(events: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Give the events that were known at a time, so that a re-run today repeats the report of that day.

    Parameters
    ----------
    events : polars.DataFrame
        ``event_at`` and ``ingested_at`` (UTC); rows in any order.
    at : datetime
        With a zone, inclusive.

    Returns
    -------
    polars.DataFrame
        The rows that were known, in the order they came, with ``known_by``: ``ingested_at``, or ``event_at`` where an
        event does not say when it arrived and is taken to have been known at once. Counting that column says how much
        of the answer rests on that.

    Raises
    ------
    InputError
        If a column is missing or the time has no zone.

    Examples
    --------
    >>> from datetime import UTC
    >>> hours = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2, 3)]
    >>> rows = pl.DataFrame({"event_at": hours, "ingested_at": [hours[2], None, None], "event_id": ["a", "b", "c"]})
    >>> as_of(rows, hours[1]).select("event_id", "known_by").rows()
    [('b', 'event_at')]
    """
    need_columns(events.columns, ("event_at", "ingested_at"), "events")
    if at.tzinfo is None:
        raise InputError(f"at has no time zone: {at}; give it one, for example 2026-01-05T00:00:00Z")
    said = pl.col("ingested_at").is_not_null()
    known_by = pl.when(said).then(pl.lit("ingested_at")).otherwise(pl.lit("event_at"))
    known = pl.coalesce("ingested_at", "event_at") <= in_utc(at)
    return events.filter(known).with_columns(known_by.alias("known_by"))
