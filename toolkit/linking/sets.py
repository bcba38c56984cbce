"""Sets of accounts, side by side, and what each of them holds.

Clusters and expansions are the same question asked of many sets or of one: who belongs? So sets are kept together, as
sorted rows (label, account), and everything that is counted about them is counted for all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, find_within, ranges, unique_keys
from toolkit.linking.incidence import AXIS_STRIDE_H, Incidence

__all__ = ["Held", "Sets", "hold", "one_set"]


@dataclass(frozen=True)
class Sets:
    """Sets of accounts: rows (label, account), sorted by both, no row twice.

    Attributes
    ----------
    label : int64 array
        Which set, from 0 to ``number`` - 1; a set may be empty.
    account : int64 array
        Account codes of the index.
    number : int
        Sets.
    n_accounts : int
        Accounts of the index; makes one sortable key of a row.
    """

    label: IntArray
    account: IntArray
    number: int
    n_accounts: int

    @classmethod
    def of(cls, label: IntArray, account: IntArray, number: int, n_accounts: int) -> Sets:
        """Sort the rows and drop repeats.

        Examples
        --------
        >>> sets = Sets.of(np.array([1, 0, 1]), np.array([5, 2, 5]), 2, 10)
        >>> sets.label.tolist(), sets.account.tolist(), sets.size.tolist()
        ([0, 1], [2, 5], [1, 1])
        """
        return cls.from_key(unique_keys(label * n_accounts + account), number, n_accounts)

    @classmethod
    def from_key(cls, key: IntArray, number: int, n_accounts: int) -> Sets:
        """Rows from sorted keys ``label * n_accounts + account``."""
        return cls(key // n_accounts, key % n_accounts, number, n_accounts)

    @cached_property
    def key(self) -> IntArray:
        """One number per row, in order."""
        return self.label * self.n_accounts + self.account

    @cached_property
    def size(self) -> IntArray:
        """Accounts per set."""
        return np.bincount(self.label, minlength=self.number).astype(np.int64)

    @cached_property
    def start(self) -> IntArray:
        """First row of each set; one more entry than sets."""
        return np.concatenate(([0], np.cumsum(self.size))).astype(np.int64)

    def contains(self, label: IntArray, account: IntArray) -> BoolArray:
        """Whether each (label, account) is a row."""
        return _in_sorted(self.key, label * self.n_accounts + account)

    def members(self, label: int) -> IntArray:
        """Accounts of one set, sorted."""
        return self.account[self.start[label] : self.start[label + 1]]

    def only(self, keep: BoolArray) -> Sets:
        """The rows marked in ``keep``, under their own labels."""
        return Sets(self.label[keep], self.account[keep], self.number, self.n_accounts)

    def pick(self, labels: IntArray) -> Sets:
        """Some of the sets, numbered anew in the order given."""
        rows = ranges(self.start[labels], self.start[labels + 1])
        label = np.repeat(np.arange(len(labels)), self.size[labels])
        return Sets(label, self.account[rows], len(labels), self.n_accounts)

    def overlap(self) -> tuple[IntArray, IntArray, IntArray]:
        """Pairs of sets that share accounts, and how many: (i, j, shared) with i < j, sorted.

        Examples
        --------
        >>> sets = Sets.of(np.array([0, 0, 1, 1]), np.array([1, 2, 2, 3]), 2, 5)
        >>> [part.tolist() for part in sets.overlap()]
        [[0], [1], [1]]
        """
        from scipy.sparse import csr_array

        ones = np.ones(len(self.account), dtype=np.int64)
        table = csr_array((ones, self.account, self.start), shape=(self.number, self.n_accounts))
        both = (table @ table.T).tocoo()
        upper = both.row < both.col
        i, j, shared = both.row[upper].astype(np.int64), both.col[upper].astype(np.int64), both.data[upper]
        order = np.lexsort((j, i))
        return i[order], j[order], shared[order]

    def __or__(self, other: Sets) -> Sets:
        """Set by set, the accounts of either."""
        return Sets.from_key(np.union1d(self.key, other.key), self.number, self.n_accounts)

    def __add__(self, other: Sets) -> Sets:
        """All the sets of both; those of the other are numbered on."""
        label = np.concatenate((self.label, other.label + self.number))
        account = np.concatenate((self.account, other.account))
        return Sets(label, account, self.number + other.number, self.n_accounts)

    def without(self, other: Sets) -> Sets:
        """Set by set, the accounts of the first that are not in the second."""
        return self.only(~_in_sorted(other.key, self.key))


def one_set(accounts: IntArray, n_accounts: int) -> Sets:
    """One set, under label 0.

    Examples
    --------
    >>> one_set(np.array([3, 1]), 5).account.tolist()
    [1, 3]
    """
    return Sets.of(np.zeros(len(accounts), dtype=np.int64), accounts, 1, n_accounts)


@dataclass(frozen=True)
class Held:
    """What sets hold: a *cell* is a set and a value that one of its members has.

    ``label``, ``incidence``, ``cell`` run by row (a member's incidence); ``cell_key`` (sorted), ``cell_value``,
    ``cell_label`` and ``count`` (members that hold it) by cell. Placeholders are not held by anybody, nor are values
    marked in ``without`` (by value code), which are supposed not to have been seen.
    """

    index: Incidence
    sets: Sets
    label: IntArray
    incidence: IntArray
    cell: IntArray
    cell_key: IntArray
    count: IntArray
    without: BoolArray | None = None

    @cached_property
    def cell_value(self) -> IntArray:
        """Value code by cell."""
        return self.cell_key % self.index.n_values

    @cached_property
    def cell_label(self) -> IntArray:
        """Set by cell."""
        return self.cell_key // self.index.n_values

    @cached_property
    def row(self) -> IntArray:
        """Row of ``sets`` whose member holds each incidence."""
        return np.searchsorted(self.sets.key, self.label * self.sets.n_accounts + self.index.account[self.incidence])

    @cached_property
    def anywhere(self) -> BoolArray:
        """By value code: whether any set holds it."""
        mask = np.zeros(self.index.n_values, dtype=bool)
        mask[self.cell_value] = True
        return mask

    @cached_property
    def _windows(self) -> tuple[FloatArray, FloatArray]:
        axis = self.cell * AXIS_STRIDE_H
        return np.sort(axis + self.index.first[self.incidence]), np.sort(axis + self.index.last[self.incidence])

    @cached_property
    def _first(self) -> IntArray:
        """Where the intervals of each cell begin; one more entry than cells."""
        return np.concatenate(([0], np.cumsum(self.count)))

    @cached_property
    def _uses(self) -> tuple[FloatArray, FloatArray]:
        timed = ~np.isnan(self.index.use_first[self.incidence])
        rows, axis = self.incidence[timed], self.cell[timed] * AXIS_STRIDE_H
        return np.sort(axis + self.index.use_first[rows]), np.sort(axis + self.index.use_last[rows])

    def find(self, label: IntArray, value: IntArray) -> tuple[IntArray, BoolArray]:
        """The cell of each (label, value), and whether there is one."""
        key = label * self.index.n_values + value
        place = np.minimum(np.searchsorted(self.cell_key, key), max(len(self.cell_key) - 1, 0))
        return place, (self.cell_key[place] == key if len(self.cell_key) else np.zeros(len(key), dtype=bool))

    def within_window(self, cell: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Members whose use of the cell's value touches [low, high] on the clock of windows."""
        (starts, ends), axis = self._windows, cell * AXIS_STRIDE_H
        begin, end = self._first[cell], self._first[cell + 1]
        beyond: FloatArray = np.nextafter(axis + high, np.inf)  # the first that is not less is greater than high
        began, over = find_within(starts, begin, end, beyond), find_within(ends, begin, end, axis + low)
        return (began - over).astype(float)

    def in_use(self, cell: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Members whose use of the cell's value touches [low, high], where times are known."""
        return _touch(self._uses, cell, low, high)


def hold(index: Incidence, sets: Sets, without: BoolArray | None = None) -> Held:
    """List what each set holds, as if values marked in ``without`` had not been seen.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> index = build_incidence(find_observations(pl.DataFrame({"account_id": ["a", "b"], "card": ["c", "c"]})))
    >>> hold(index, one_set(np.array([0, 1]), 2)).count.tolist()
    [2]
    """
    begin, end = index.start[sets.account], index.start[sets.account + 1]
    rows, label = ranges(begin, end), np.repeat(sets.label, end - begin)
    gone = index.placeholder if without is None else index.placeholder | without
    real = ~gone[index.value[rows]]
    rows, label = rows[real], label[real]
    key, cell, count = np.unique(label * index.n_values + index.value[rows], return_inverse=True, return_counts=True)
    return Held(index, sets, label, rows, cell.astype(np.int64), key, count.astype(np.int64), without)


def _touch(axis: tuple[FloatArray, FloatArray], cell: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
    starts, ends = axis
    began = np.searchsorted(starts, cell * AXIS_STRIDE_H + high, side="right")
    over = np.searchsorted(ends, cell * AXIS_STRIDE_H + low, side="left")
    return (began - over).astype(float)


def _in_sorted(key: IntArray, sought: IntArray) -> BoolArray:
    if not len(key):
        return np.zeros(len(sought), dtype=bool)
    place = np.minimum(np.searchsorted(key, sought), len(key) - 1)
    same: BoolArray = key[place] == sought
    return same
