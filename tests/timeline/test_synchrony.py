"""Acting on the same object at the same time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.timeline.synchrony import count_chance_pairs, find_synchrony

START = datetime(2026, 1, 5, tzinfo=UTC)

shares = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(0, 300)), min_size=1, max_size=25
)


def _events(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "account_id": [a for a, _, _ in rows],
            "object": [o for _, o, _ in rows],
            "event_at": [START + timedelta(seconds=s) for _, _, s in rows],
        },
        schema_overrides={"event_at": pl.Datetime("us", "UTC")},
    )


@given(shares, st.integers(1, 120))
def test_pairs_are_those_of_a_double_loop(rows: list[tuple[str, str, int]], window: int) -> None:
    """The sweep finds the pairs, and counts the objects, that comparing everything with everything finds."""
    met: dict[tuple[str, str], set[str]] = {}
    for (a, o, s), (b, p, t) in itertools.combinations(rows, 2):
        if a != b and o == p and abs(s - t) <= window:
            met.setdefault((min(a, b), max(a, b)), set()).add(o)
    found = find_synchrony(_events(rows), window_s=window)
    assert {(a, b): n for a, b, n in found.select("account_a", "account_b", "objects").iter_rows()} == {
        pair: len(objects) for pair, objects in met.items()
    }


def test_strangers_in_a_busy_hour_are_chance() -> None:
    """Fifty accounts that each share one popular object within a minute are what chance gives."""
    rows = [(f"a{i}", "popular", i) for i in range(50)]
    row = count_chance_pairs(_events(rows), draws=9).row(0, named=True)
    assert (row["observed"], row["chance_mean"], row["p"]) == (50 * 49 // 2, 50 * 49 / 2, 1.0)


def test_repeats_stand_out() -> None:
    """Two accounts that share twenty objects seconds apart, among others who do not."""
    rows = [(who, f"o{i}", i * 60 + offset) for i in range(20) for offset, who in enumerate("ab")]
    rows += [(f"c{i}", f"o{i}", i * 60 + 2_000) for i in range(20)]
    row = count_chance_pairs(_events(rows), window_s=5, min_objects=(20,), draws=19).row(0, named=True)
    assert row["observed"] == 1
    assert row["p"] == pytest.approx(0.05)


def test_a_wrong_column_is_named() -> None:
    """A misspelt object column gets the nearest right name."""
    with pytest.raises(InputError, match="did you mean 'object'"):
        find_synchrony(_events([("a", "x", 0)]), object_column="objekt")


def test_the_counts_of_the_russian_sample(real_data: Path) -> None:
    """1,092 pairs within 10 s, 6,206 within 60 s, 32 of them with two objects or more."""
    raw = pl.read_parquet(real_data / "russian_coord_tweets.parquet").unique()
    events = raw.select(
        pl.col("account_id").cast(pl.String),
        pl.col("object_id").cast(pl.String).alias("object"),
        pl.from_epoch(pl.col("timestamp_share").cast(pl.Int64), "s").dt.replace_time_zone("UTC").alias("event_at"),
    )
    within = {seconds: find_synchrony(events, window_s=seconds) for seconds in (10, 60)}
    assert {seconds: pairs.height for seconds, pairs in within.items()} == {10: 1092, 60: 6206}
    assert (within[60]["objects"] >= 2).sum() == 32
