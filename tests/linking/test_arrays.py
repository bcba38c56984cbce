"""Index tricks against plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.arrays import find_within, first_of_each, ranges, rank_within, scramble

spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=20)


@given(spans)
def test_ranges_are_ranges_one_after_the_other(rows: list[tuple[int, int]]) -> None:
    """Empty ranges included, in the order given."""
    begin, size = (np.array(column, dtype=np.int64) for column in (zip(*rows, strict=True) if rows else ([], [])))
    assert ranges(begin, begin + size).tolist() == [i for first, n in rows for i in range(first, first + n)]


@given(st.lists(st.integers(0, 3), max_size=30).map(sorted))
def test_rank_within_counts_how_often_the_key_came_before(keys: list[int]) -> None:
    """0, 1, 2, ... in every run."""
    assert rank_within(np.array(keys, dtype=np.int64)).tolist() == [keys[:i].count(key) for i, key in enumerate(keys)]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_scramble_is_split_mix_64(words: list[int]) -> None:
    """The published finaliser, in Python's own integers, modulo 2^64."""

    def by_hand(word: int) -> int:
        mixed = (word + 0x9E3779B97F4A7C15) % 2**64
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
        return mixed ^ (mixed >> 31)

    assert scramble(np.array(words, dtype=np.uint64)).tolist() == [by_hand(word) for word in words]


def test_scramble_spreads_neighbours_evenly() -> None:
    """The top bits of a thousand consecutive words are a fair coin, sixteen ways: chi-square under its 99.9 % point."""
    top = scramble(np.arange(16_000, dtype=np.uint64)) >> np.uint64(60)
    counted = np.bincount(top.astype(np.int64), minlength=16)
    assert ((counted - 1000.0) ** 2 / 1000).sum() < 37.7


def test_find_within_is_a_search_of_each_stretch() -> None:
    """Stretches of any length, empty ones too, across several blocks."""
    rng = np.random.default_rng(3)
    size = rng.integers(0, 9, 30_000)
    begin = np.cumsum(size) - size
    ordered = np.concatenate([np.sort(rng.integers(0, 20, n)) for n in size])
    asked = rng.integers(0, len(size), 100_000)
    sought = rng.integers(0, 20, len(asked))
    found = find_within(ordered, begin[asked], begin[asked] + size[asked], sought)
    plain = [
        begin[s] + np.searchsorted(ordered[begin[s] : begin[s] + size[s]], x)
        for s, x in zip(asked[:2_000], sought[:2_000], strict=True)
    ]
    assert found[:2_000].tolist() == plain


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.5, float("nan")])), max_size=40))
def test_of_each_group_the_first_by_its_keys_stays(rows: list[tuple[int, float]]) -> None:
    """As a plain sort by group, key and place picks them; what is not known comes last."""
    key = np.array([k for k, _ in rows], dtype=np.int64)
    at = np.array([t for _, t in rows], dtype=float)
    order = np.lexsort((at, key))
    plain = order[np.unique(key[order], return_index=True)[1]]
    assert first_of_each(key, at).tolist() == plain.tolist()
