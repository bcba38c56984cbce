"""Bins: every event is in one of them, whatever the width; a second method counts the same."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.views.bins import count_bins, focus_on

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = datetime(1970, 1, 5, tzinfo=UTC)
acts = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40 * 86_400), st.sampled_from("xy")), min_size=1)


@example([("a", 2_419_200, "x"), ("b", 0, "x")], 2, 1)  # from 12 weeks there was no way on to a year
@given(acts, st.integers(2, 400), st.integers(1, 60))
def test_counts_are_those_of_a_plain_loop(rows: list[tuple[str, int, str]], most_bins: int, most_cells: int) -> None:
    frame = pl.DataFrame(
        {
            "who": [who for who, _, _ in rows],
            "event_at": [MONDAY + timedelta(seconds=s) for _, s, _ in rows],
            "event": [verb for _, _, verb in rows],
        }
    )
    bins = count_bins(frame, "who", most_bins=most_bins, most_cells=most_cells)
    width = timedelta(milliseconds=bins.width_ms)
    plain = Counter((who, FIRST + (MONDAY + timedelta(seconds=s) - FIRST) // width * width) for who, s, _ in rows)
    start = pl.from_epoch("at", "ms").dt.replace_time_zone("UTC")
    assert dict(plain) == {(who, at): n for who, at, n in bins.cells.select("lane", start, "n").rows()}
    assert bins.cells.height <= most_cells or bins.width_ms >= 364 * 86_400_000
    assert (frame["event_at"].max() - frame["event_at"].min()) / width <= most_bins  # type: ignore[operator]  # times


def test_weeks_begin_on_mondays_and_verbs_are_told() -> None:
    at = [MONDAY - timedelta(seconds=1), MONDAY, MONDAY + timedelta(days=6)]
    frame = pl.DataFrame({"event_at": at, "event": ["a", "c", "b"], "who": "w"})
    bins = count_bins(frame, "who", most_bins=4, at_least_ms=7 * 86_400_000)
    assert bins.said == "1 week"
    assert bins.cells.select("n", "what").rows() == [(1, "a"), (2, "b, c")]
    many = pl.DataFrame({"event_at": [MONDAY] * 9, "event": list("abcdefghi"), "who": "w"})
    assert count_bins(many, "who").cells["what"].to_list() == ["a, b, c, d, e, f and 3 more"]
    with pytest.raises(InputError, match="no events"):
        count_bins(many.head(0), "who")


def test_the_order_of_rows_changes_nothing() -> None:
    at = [MONDAY + timedelta(minutes=17 * i % 977) for i in range(500)]
    frame = pl.DataFrame({"event_at": at, "event": [f"v{i % 11}" for i in range(500)], "who": "w"})
    shuffled = count_bins(frame.sample(fraction=1, shuffle=True, seed=3), "who", most_bins=40)
    assert shuffled.cells.equals(count_bins(frame, "who", most_bins=40).cells)


def test_a_picture_keeps_nearly_everything() -> None:
    """Few rows, or rows that fill their span, are never cut."""
    assert focus_on(pl.DataFrame({"event_at": []}, schema={"event_at": pl.Datetime("us", "UTC")}))[1] == ""
    whole = pl.DataFrame({"event_at": [MONDAY + timedelta(hours=i) for i in range(100)]})
    assert focus_on(whole)[0].height == 100
    old = pl.concat([pl.DataFrame({"event_at": [datetime(1999, 1, 1, tzinfo=UTC)]}), whole])
    assert focus_on(old.with_columns(pl.col("event_at").cast(pl.Datetime("us", "UTC"))))[0].height == 100
