"""Acting on the same object at the same time."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.timeline.synchrony import count_chance_pairs, find_synchrony, weigh_synchrony

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


def test_repeats_are_weighed_pair_by_pair() -> None:
    """Two that act together on twelve objects, the same one first; thirty who act on anything at any time."""
    luck = np.random.default_rng(0)
    rows = [(who, f"o{i}", i * 600 + offset) for i in range(12) for offset, who in enumerate("ab")]
    rows += [(f"c{i % 30:02}", f"o{luck.integers(12)}", int(luck.integers(7_200))) for i in range(600)]
    events = _events(rows).with_columns(event_id=pl.format("e{}", pl.int_range(len(rows))))
    found = weigh_synchrony(events.sample(fraction=1, shuffle=True, seed=1), draws=99, window_s=30)
    sure = found.filter(pl.col("confidence") != "low")
    assert sure.select("account_a", "account_b", "objects", "leader").rows() == [("a", "b", 12, "a")]
    assert sure["expected"].item() < 1
    assert sure["evidence_ids"].item().to_list()[:4] == ["e0", "e1", "e2", "e3"]


@given(shares, st.integers(1, 120))
def test_weighed_pairs_are_the_pairs(rows: list[tuple[str, str, int]], window: int) -> None:
    """The same pairs and counts as the plain search; whatever the order of the rows."""
    events = _events(rows)
    plain = find_synchrony(events, window_s=window).select("account_a", "account_b", "objects")
    weighed = weigh_synchrony(events, window_s=window, min_shared=1, draws=3)
    assert weighed.select(plain.columns).sort(plain.columns).equals(plain.sort(plain.columns))
    again = weigh_synchrony(events.sample(fraction=1, shuffle=True, seed=5), window_s=window, min_shared=1, draws=3)
    assert again.equals(weighed)


def test_a_crowded_object_counts_less() -> None:
    rows = [(f"a{i:03}", "viral", i) for i in range(40)] + [("a000", "own", 900), ("a001", "own", 901)]
    found = weigh_synchrony(_events(rows), draws=9, max_fan=5).row(0, named=True)
    assert (found["account_a"], found["account_b"], found["objects"]) == ("a000", "a001", 2)
    assert found["score"] == pytest.approx(1 + 1 / math.log2(40 / 5 + 1), abs=1e-6)
    assert "everybody's" in found["why"]


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
    strong = weigh_synchrony(events, draws=50)
    assert strong.height == 32
    twice = strong.filter(pl.col("objects") == 2)
    assert twice["q"].min() > 0.2  # shuffles give a third as many: no pair can be named on two objects
