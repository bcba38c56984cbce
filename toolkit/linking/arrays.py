"""The array types of this room, and the two index tricks it uses everywhere."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BoolArray",
    "FloatArray",
    "IntArray",
    "find_within",
    "first_of_each",
    "ranges",
    "rank_within",
    "run_starts",
    "scramble",
    "unique_keys",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
WordArray = NDArray[np.uint64]
Sortable = TypeVar("Sortable", IntArray, FloatArray)

BLOCK = 2**16
"""Questions asked at a time: what one step needs stays in the cache. It bounds time, not the result."""


def ranges(begin: IntArray, end: IntArray) -> IntArray:
    """Concatenate the integer ranges [begin, end).

    Examples
    --------
    >>> ranges(np.array([0, 5]), np.array([2, 6])).tolist()
    [0, 1, 5]
    """
    size = end - begin
    offset = np.cumsum(size) - size
    filled: IntArray = np.arange(int(size.sum())) + np.repeat(begin - offset, size)
    return filled


def run_starts(group: IntArray | WordArray) -> IntArray:
    """Return where each run of equal keys begins.

    Examples
    --------
    >>> run_starts(np.array([7, 7, 9])).tolist()
    [0, 2]
    """
    if not len(group):
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))


def unique_keys(keys: IntArray) -> IntArray:
    """Return the keys sorted, each once: what ``np.unique`` does by hashing, and for whole numbers slower.

    Examples
    --------
    >>> unique_keys(np.array([9, 7, 9])).tolist()
    [7, 9]
    """
    ordered = np.sort(keys)
    once: IntArray = ordered[run_starts(ordered)]
    return once


def find_within(ordered: Sortable, begin: IntArray, end: IntArray, sought: Sortable) -> IntArray:
    """Return for each question the first place in ``ordered[begin:end]`` that is not less; ``end`` if all are.

    Each stretch must be sorted. Stretches are short where the whole is long, so halving each of them stays within a
    few lines of the cache; a search of the whole does not.

    Examples
    --------
    >>> find_within(np.array([3, 8, 1, 5]), np.array([0, 2]), np.array([2, 4]), np.array([8, 2])).tolist()
    [1, 3]
    """
    found = np.empty(len(sought), dtype=np.int64)
    if not len(ordered):
        return begin.copy()
    for first in range(0, len(sought), BLOCK):
        rows = slice(first, first + BLOCK)
        low, high, target = begin[rows].copy(), end[rows].copy(), sought[rows]
        for _ in range(int((high - low).max()).bit_length()):
            middle = (low + high) >> 1
            less = ordered[np.minimum(middle, len(ordered) - 1)] < target
            less &= low < high
            low = np.where(less, middle + 1, low)
            high = np.where(less, high, middle)
        found[rows] = low
    return found


def rank_within(group: IntArray) -> IntArray:
    """Return 0, 1, 2, ... within runs of equal keys.

    Examples
    --------
    >>> rank_within(np.array([7, 7, 9])).tolist()
    [0, 1, 0]
    """
    start = run_starts(group)
    rank: IntArray = np.arange(len(group)) - np.repeat(start, np.diff(start, append=len(group)))
    return rank


def first_of_each(group: IntArray, *keys: IntArray | FloatArray) -> IntArray:
    """Return the place of the first member of each group by ``keys``, the last key first, then by place.

    Groups come in order. Only those of several members are sorted by the keys: most have one.

    Examples
    --------
    >>> first_of_each(np.array([7, 9, 7]), np.array([2, 0, 1])).tolist()
    [2, 1]
    """
    order = np.argsort(group)
    start = run_starts(group[order])
    size = np.diff(start, append=len(group))
    several = size > 1
    first = order[start]
    rows = order[ranges(start[several], (start + size)[several])]
    rows = rows[np.lexsort((rows, *(key[rows] for key in keys), group[rows]))]
    first[several] = rows[run_starts(group[rows])]
    return first


def scramble(words: WordArray) -> WordArray:
    """Mix 64-bit words so that near ones come out far apart (the finaliser of SplitMix64: Steele, Lea & Flood 2014).

    Examples
    --------
    >>> [hex(word) for word in scramble(np.array([0, 1], dtype=np.uint64)).tolist()]
    ['0xe220a8397b1dcdaf', '0x910a2dec89025cc1']
    """
    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: WordArray = mixed ^ (mixed >> np.uint64(31))
    return result
