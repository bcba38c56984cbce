"""Arrival: how late events come, and what was known when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.timeline.arrival import as_of, report_lateness

from ..conftest import START

Make = Callable[..., pl.DataFrame]


def after(*seconds: float | None) -> list[datetime | None]:
    return [None if s is None else START + timedelta(seconds=s) for s in seconds]


def test_lateness_per_source(make_events: Make) -> None:
    """One of four is late, one comes before it happened; a source that does not say has no lateness."""
    app = make_events([0, 10, 20, 30, 40], ingested_at=after(60, 70, 10, 7_230, None))
    silent = make_events([0], source="silent")
    assert report_lateness(pl.concat([silent, app])).rows() == [
        ("app", 4, 1, 0.25, 0.25, 60.0, 7_200.0, 7_200.0, 7_200.0),
        ("silent", 0, 1, None, None, None, None, None, None),
    ]
    assert report_lateness(app, late_s=59)["share_late"].to_list() == [0.75]
    assert report_lateness(app.clear()).height == 0


def test_only_what_had_arrived_is_known(make_events: Make) -> None:
    """An event that happened before the cut and arrived after it was not known; one without a say was."""
    events = make_events([0, 5, 8, 20], ingested_at=after(10, 30, None, None))
    known = as_of(events, START + timedelta(seconds=10))
    assert known.select("event_id", "known_by").rows() == [("e0", "ingested_at"), ("e2", "event_at")]
    assert_frame_equal(as_of(events, (START + timedelta(seconds=10)).astimezone(ZoneInfo("Asia/Tokyo"))), known)


TIMES = st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=12)


@given(TIMES, st.integers(0, 9), st.integers(0, 9))
def test_what_is_known_stays_known(make_events: Make, rows: list[tuple[int, int | None]], one: int, two: int) -> None:
    """A later time knows everything an earlier one knew; a plain loop agrees."""
    events = make_events([float(t) for t, _ in rows], ingested_at=after(*(known for _, known in rows)))
    early, late = (set(as_of(events, START + timedelta(seconds=s))["event_id"]) for s in sorted((one, two)))
    assert early <= late
    assert late == {f"e{i}" for i, (t, known) in enumerate(rows) if (t if known is None else known) <= max(one, two)}


def test_wrong_calls_are_answered(make_events: Make) -> None:
    with pytest.raises(InputError, match="no time zone"):
        as_of(make_events([0]), datetime(2026, 1, 5))
    with pytest.raises(InputError, match="late_s is -1"):
        report_lateness(make_events([0]), late_s=-1)
    with pytest.raises(InputError, match=r"no ingested_at .*; no source"):
        report_lateness(make_events([0]).drop("ingested_at", "source"))


def test_cloudtrail_arrives_within_ten_minutes(real_data: Path) -> None:
    """The minute of the delivered file, minus the event: 0 to 9 whole minutes, 3 in the middle."""
    raw = pl.read_parquet(real_data / "cloudtrail_stratus" / "events.parquet")
    stamp = raw["delivered_file"].str.extract(r"_(\d{8}T\d{4})Z_").alias("ingested_at")
    events = raw.select(
        pl.lit("cloudtrail").alias("source"),
        pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC").alias("event_at"),
        stamp.str.to_datetime("%Y%m%dT%H%M", time_unit="us", time_zone="UTC"),
    )
    found = report_lateness(events).row(0, named=True)
    assert (found["n"], found["not_said"], found["p50_s"] // 60, found["max_s"] // 60) == (2_900, 0, 3, 9)
    assert (found["share_late"], found["share_early"]) == (0, 0)
