"""What is wrong with a timeline is said before anything is read out of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from toolkit.model.tables import Events, TimeFlag, empty
from toolkit.timeline.quality import find_quality_issues, find_silences

from ..conftest import START

Make = Callable[..., pl.DataFrame]


def kinds(events: pl.DataFrame) -> dict[str, int]:
    issues = find_quality_issues(events)
    return dict(issues.select("kind", "n").iter_rows())


def test_sound_data_have_no_issue(make_events: Make) -> None:
    steady = make_events([i * 61.37 for i in range(200)], precision="us")
    assert kinds(steady) == {}


def test_no_rows_is_an_issue_of_its_own() -> None:
    assert kinds(empty(Events)) == {"no_events": 0}


def test_duplicates_and_rows_that_run_backwards(make_events: Make) -> None:
    rows = make_events([5, 4, 7, 6, 8], event_id=["1", "1", "2", "2", "2"])
    assert kinds(rows) == {"duplicate_ids": 3, "inversions": 2}


def test_inversions_do_not_cross_files(make_events: Make) -> None:
    rows = make_events([5, 6, 1, 2], seq=[0, 1, 0, 1], raw_ref=["x:0", "x:1", "y:0", "y:1"])
    assert kinds(rows) == {}


def test_lateness(make_events: Make) -> None:
    at = [float(i) for i in range(10)]
    ingested = [START + timedelta(seconds=s + (7200 if s == 9 else 60 if s else -30)) for s in at]
    issues = find_quality_issues(make_events(at, ingested_at=ingested))
    assert issues["kind"].to_list() == ["ingested_before_event", "late_arrival"]
    assert issues["how_found"][1] == (
        "1 of 10 rows (10.0 %) arrived more than an hour late; lateness in seconds: p50 60, p95 7200, p99 7200"
    )


def test_assumptions_made_while_reading_are_counted(make_events: Make) -> None:
    flags = [TimeFlag.NAIVE_ASSUMED | TimeFlag.DST_FOLD, TimeFlag.NAIVE_ASSUMED, TimeFlag.OUT_OF_RANGE, 0]
    assert kinds(make_events([0, 1, 2, 3], flags=[int(f) for f in flags])) == {
        "dst_fold": 1, "time_out_of_range": 1, "zone_assumed": 2,
    }  # fmt: skip


def test_rounded_times(make_events: Make) -> None:
    minutes = make_events([60.0 * i for i in range(60)])
    assert kinds(minutes) == {"rounded_to_minute": 60}
    seconds = make_events([float(i * 61) for i in range(60)], precision="ms")
    assert kinds(seconds) == {"rounded_to_second": 60}


def test_a_source_that_falls_silent(make_events: Make) -> None:
    """One source stops for ten hours while the other goes on; a third starts late and ends early."""
    a = make_events([60.5 * i + 36_000 * (i > 100) for i in range(200)])
    b = make_events([60.5 * i for i in range(800)], source="b")
    c = make_events([20_000.5 + 61 * i for i in range(60)], source="c")
    events = pl.concat([a, b, c])
    issues = find_quality_issues(events).filter(pl.col("kind").str.contains("s"))
    assert issues.select("kind", "source").rows() == [
        ("source_ends_early", "c"), ("source_silent", "app"), ("source_starts_late", "c"),
    ]  # fmt: skip
    silence = find_silences(events).row(0, named=True)
    assert (silence["gap_s"], silence["typical_s"]) == (36_060.5, 60.5)


def test_times_out_of_range_make_no_silence(make_events: Make) -> None:
    wild = make_events([-1e9, *(60.5 * i for i in range(100))], flags=[16, *[0] * 100])
    assert "source_silent" not in kinds(wild)


def test_shuffled_rows_give_the_same_issues(make_events: Make) -> None:
    rows = make_events([60.0 * (i * 37 % 97) + 36_000 * (i % 3) for i in range(97)])
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    assert find_quality_issues(rows).equals(find_quality_issues(shuffled))
