"""The array types of this room, and the two index tricks it uses everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "FloatArray", "IntArray", "ranges", "rank_within", "run_starts", "unique_keys"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
WordArray = NDArray[np.uint64]


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


def run_starts(group: IntArray) -> IntArray:
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


def rank_within(group: IntArray) -> IntArray:
    """Return 0, 1, 2, ... within runs of equal keys.

    Examples
    --------
    >>> rank_within(np.array([7, 7, 9])).tolist()
    [0, 1, 0]
    """
    if not len(group):
        return group
    new = np.concatenate(([True], group[1:] != group[:-1]))
    start = np.flatnonzero(new)
    rank: IntArray = np.arange(len(group)) - start[np.cumsum(new) - 1]
    return rank


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
