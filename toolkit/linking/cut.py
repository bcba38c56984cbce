"""Cutting off what does not hang together: a part of a set must be tied to the rest by more than one thread.

Every member of a set is judged without itself, but a household of two that came in over one public phone number still
supports itself, and two rings that one mule and one address join support themselves forever. So each set is looked at
in parts (:mod:`toolkit.linking.communities`) and grown again from the largest: every other part is asked what ties it
to what stands already, that is which values accounts on both sides hold. Half of the part's own accounts must hold such
a tie, the ties must be of two independent families or three values, and between large parts neither one value nor one
account may be the whole of it. What cannot be reached stands alone. Which parts there are is a guess of the
communities, so three are asked, and accounts stay together that two of them leave together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, first_of_each, ranges, run_starts
from toolkit.linking.belonging import cell_bits
from toolkit.linking.combine import count_reasons, family_codes
from toolkit.linking.communities import find_communities
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Held, Sets, hold

__all__ = ["STRONG_TIE", "THREAD_SIZE", "cut_sets", "name_pieces"]

PART_GAMMA = 0.1
"""Resolution of the parts: fine enough that a household inside a ring is a part of its own."""

OPINIONS = 3
"""Ways of finding the parts, by the seed of the communities; accounts that most leave together stay together."""

VENDOR_GAMMA = 0.05
"""Resolution of the groups that one family may join: coarse, so that a ring that is poor in ties stays whole."""

CROSSING = 0.05
"""Share of a group's values, the joining family aside, that may be held outside it too."""

PAIRS_PER_VALUE = 40
"""Holders of one value in one set that are all tied to one another; beyond, each is tied to the next so many."""


STRONG_TIE = 5.0
"""Bits that a value held on both sides must give to tie them."""

CARRIERS = 0.5
"""Share of a part's accounts that must hold a tie themselves: a household comes in on one member's coat-tails."""

LEANING = 0.2
"""Or share of what a part's accounts share at all that they share with the rest: a part of a ring that is poor in ties
leans on it, a household on itself."""

THREAD_SIZE = 8
"""Accounts on both sides from which one value, or one account, may not be the whole of the tie."""

OTHERS = 3
"""Values, besides that one, from which it may count as one reason among others: a ring of thousands on one card."""


def cut_sets(index: Incidence, sets: Sets) -> Sets:
    """Cut off the parts that only a thread ties to the rest of their set.

    Parameters
    ----------
    index : Incidence
    sets : Sets

    Returns
    -------
    Sets
        What is left of each set keeps its label; the parts cut off follow with labels of their own.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> rows = [(f"a{i}", "d1", "c1", "p1") for i in range(4)] + [(f"b{i}", "d2", "c2", "p1") for i in range(3)]
    >>> rows += [(f"x{i}", f"e{i}", f"k{i}", f"q{i}") for i in range(60)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card", "phone"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> cut_sets(index, one_set(np.arange(7), index.n_accounts)).label.tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """
    if not len(sets.account):
        return sets
    return _cut_vendors(index, _cut_threads(index, sets))


def _cut_vendors(index: Incidence, sets: Sets) -> Sets:
    """Cut between groups that one family alone joins: two rings that buy their numbers from one vendor.

    Without the family, such groups fall apart and next to nothing crosses; one ring that is poor in ties would still
    show ties across wherever it is cut.
    """
    families = family_codes(index.kinds)
    large = np.flatnonzero(sets.size >= 2 * THREAD_SIZE)
    if not len(large):
        return sets
    label, number = sets.label.copy(), sets.number
    for family in np.unique(families):
        some = Sets.of(label, sets.account, number, sets.n_accounts).pick(large)
        held = hold(index, some)
        joins = families[index.value_kind[held.cell_value]] == family
        bits = np.where(joins, 0.0, np.maximum(cell_bits(held), 0.0))
        part = _find_parts(held, bits, VENDOR_GAMMA)
        ties = _Ties.of(held, bits, part)
        within = np.bincount(ties.owner[ties.inside >= 2], minlength=ties.n_parts)
        across = np.bincount(ties.owner[held.count[ties.cell] > ties.inside], minlength=ties.n_parts)
        rest = some.size[ties.home] - ties.size
        apart = (np.minimum(ties.size, rest) >= THREAD_SIZE) & (within >= ties.size)
        apart &= across <= CROSSING * (within + across)
        stays = np.bincount(ties.home[~apart], minlength=some.number) == 0
        apart[ties.largest(apart & stays[ties.home])] = False  # where all are apart, the largest keeps the name
        fresh = number + np.cumsum(apart) - 1
        moved = apart[part]
        where = np.searchsorted(sets.key, large[some.label[moved]] * sets.n_accounts + some.account[moved])
        label[where] = fresh[part[moved]]
        number += int(apart.sum())
    return Sets.of(label, sets.account, number, sets.n_accounts)


def _cut_threads(index: Incidence, sets: Sets) -> Sets:
    """Cut where most opinions do: which parts there are is a guess, and a ring poor in ties falls apart in some."""
    held = hold(index, sets)
    bits = np.maximum(cell_bits(held), 0.0)
    opinions = [_reachable(held, bits, _find_parts(held, bits, PART_GAMMA, seed)) for seed in range(OPINIONS)]
    return name_pieces(sets, _together(opinions))


def _reachable(held: Held, bits: FloatArray, part: IntArray) -> IntArray:
    """Grow each set again from its largest part: a piece per row; what cannot be reached stands alone."""
    ties = _Ties.of(held, bits, part)
    label = np.full(ties.n_parts, -1, dtype=np.int64)
    number = held.sets.number
    core = ties.largest(label < 0)
    now = ties.home.copy()
    label[core] = ties.home[core]
    while (label < 0).any():
        coming = ties.reach(label, now) & (label < 0)
        if coming.any():
            label[coming] = now[coming]
            continue
        core = ties.largest(label < 0)
        fresh = np.full(held.sets.number, -1, dtype=np.int64)
        fresh[ties.home[core]] = np.arange(number, number + len(core))
        number += len(core)
        now = np.where(label < 0, fresh[ties.home], now)
        label[core] = now[core]
    pieces: IntArray = label[part]
    return pieces


def _together(opinions: list[IntArray]) -> IntArray:
    """Join rows that any two of three opinions put into one piece, and whatever hangs together so."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, base = len(opinions[0]), len(opinions[0])
    node = []
    for one, other in combinations(opinions, 2):
        pair = np.unique(one * (other.max() + 1) + other, return_inverse=True)[1]
        node.append(base + pair)
        base += int(pair.max()) + 1
    ends = np.tile(np.arange(n), len(node)), np.concatenate(node)
    table = coo_array((np.ones(len(ends[0])), ends), shape=(base, base))
    pieces: IntArray = connected_components(table, directed=False)[1][:n].astype(np.int64)
    return pieces


def name_pieces(sets: Sets, piece: IntArray) -> Sets:
    """Sets of their pieces (a number per row): the largest of a set keeps its label, the others come after all sets.

    Examples
    --------
    >>> from toolkit.linking.sets import one_set
    >>> name_pieces(one_set(np.arange(5), 9), np.array([7, 3, 3, 3, 7])).label.tolist()
    [0, 0, 0, 1, 1]
    """
    _, piece, size = np.unique(piece, return_inverse=True, return_counts=True)
    home = np.zeros(len(size), dtype=np.int64)
    home[piece] = sets.label
    keeps = first_of_each(home, -size)
    label = np.full(len(size), -1, dtype=np.int64)
    label[keeps] = home[keeps]
    others = np.flatnonzero(label < 0)
    label[others] = sets.number + np.arange(len(others))
    return Sets.of(label[piece], sets.account, sets.number + len(others), sets.n_accounts)


def _find_parts(held: Held, bits: FloatArray, gamma: float, seed: int = 0) -> IntArray:
    """A part per row of the sets: communities of the members that share values, set by set."""
    sets = held.sets
    order = np.flatnonzero(((held.count >= 2) & (bits > 0))[held.cell])
    order = order[np.lexsort((held.row[order], held.cell[order]))]
    cell, row = held.cell[order], held.row[order]
    start = run_starts(cell)
    size = np.diff(start, append=len(cell))
    end = np.repeat(start + size, size)
    place = np.arange(len(cell))
    last = np.minimum(end, place + 1 + PAIRS_PER_VALUE)
    other = ranges(place + 1, last)
    first = np.repeat(place, last - place - 1)
    weight = (bits / np.maximum(held.count - 1, 1))[cell[first]]
    key, inverse = np.unique(row[first] * len(sets.key) + row[other], return_inverse=True)
    total = np.bincount(inverse, weights=weight, minlength=len(key)).astype(float)
    return find_communities(key // len(sets.key), key % len(sets.key), total, len(sets.key), gamma=gamma, seed=seed)


@dataclass(frozen=True)
class _Ties:
    """Parts and what they hold: a *stake* is a part and a cell in which it has holders.

    ``home`` (the set) and ``size`` by part; ``owner``, ``cell``, ``inside`` (holders in the part), ``bits`` by stake;
    ``row`` and ``place`` (its stake) by incidence of a member.
    """

    held: Held
    part: IntArray
    n_parts: int
    home: IntArray
    size: IntArray
    owner: IntArray
    cell: IntArray
    inside: IntArray
    bits: FloatArray
    row: IntArray
    place: IntArray

    @classmethod
    def of(cls, held: Held, bits: FloatArray, part: IntArray) -> _Ties:
        sets = held.sets
        n_parts = int(part.max()) + 1
        home = np.zeros(n_parts, dtype=np.int64)
        home[part] = sets.label
        size = np.bincount(part, minlength=n_parts).astype(np.int64)
        n_cells = max(len(held.count), 1)
        strong = np.flatnonzero((bits[held.cell] >= STRONG_TIE) & (held.count[held.cell] >= 2))
        key, place, inside = np.unique(
            part[held.row[strong]] * n_cells + held.cell[strong], return_inverse=True, return_counts=True
        )
        cell = key % n_cells
        return cls(
            held, part, n_parts, home, size, key // n_cells, cell, inside.astype(np.int64), bits[cell],
            held.row[strong], place.astype(np.int64),
        )  # fmt: skip

    def largest(self, among: BoolArray) -> IntArray:
        """The largest of the given parts in each set; the one with the smallest number on a tie."""
        parts = np.flatnonzero(among)
        return parts[first_of_each(self.home[parts], -self.size[parts])]

    def reach(self, label: IntArray, now: IntArray) -> BoolArray:
        """Whether each part not placed yet (``label`` -1) is tied to the parts that carry the label ``now`` of it."""
        placed = label[self.owner] >= 0
        standing = (label >= 0) & (label == now)
        theirs = np.zeros(len(self.held.count), dtype=np.int64)
        mine = standing[self.owner]
        np.add.at(theirs, self.cell[mine], self.inside[mine])
        mass = np.bincount(label[standing], weights=self.size[standing], minlength=int(now.max()) + 1)
        small = np.minimum(self.size, mass[now]) < THREAD_SIZE
        tie = ~placed & (theirs[self.cell] > 0)
        every = self._reasons(tie)
        tie &= small[self.owner] | ~self._threads(tie, standing, theirs)
        carriers = np.bincount(self.part[np.unique(self.row[tie[self.place]])], minlength=self.n_parts)
        kept = np.flatnonzero(tie)
        owner = self.owner[kept]
        values = np.bincount(owner, minlength=self.n_parts)
        reasons = self._reasons(tie)
        reasons = np.where(values >= OTHERS, every, reasons)
        several = small & (values >= 3)  # between large parts, one vendor's numbers are one family
        outward = np.bincount(owner, weights=self.inside[kept], minlength=self.n_parts)
        leaning = outward / np.maximum(outward + self.inward, 1)
        many = (carriers >= np.minimum(np.maximum(2, CARRIERS * self.size), self.size)) & ((reasons >= 2) | several)
        leans = (carriers >= 2) & (values >= 2) & (leaning >= LEANING)
        enough: BoolArray = many | (leans & (small | (reasons >= 2)))
        return enough

    def _reasons(self, tie: BoolArray) -> IntArray:
        """Independent families among the marked stakes of each part."""
        index, stake = self.held.index, np.flatnonzero(tie)
        value = self.held.cell_value[self.cell[stake]]
        return count_reasons(
            index.kinds, self.owner[stake], index.value_kind[value], value, self.bits[stake], self.n_parts
        )  # fmt: skip

    @cached_property
    def inward(self) -> FloatArray:
        """What each part's accounts hold that nobody else in the set does, counted by account and value."""
        own = self.held.count[self.cell] == self.inside
        return np.bincount(self.owner[own], weights=self.inside[own], minlength=self.n_parts).astype(float)

    def _threads(self, tie: BoolArray, standing: BoolArray, theirs: IntArray) -> BoolArray:
        """Mark, for each part, the value that most of it holds, and all values that lead to one account outside it."""
        thread = np.zeros(len(self.owner), dtype=bool)
        thread[first_of_each(self.owner, self.cell, -np.where(tie, self.inside, 0))] = True
        single = np.flatnonzero(tie & (theirs[self.cell] == 1))
        ours = np.flatnonzero(standing[self.part[self.row]])
        holder = np.full(len(theirs), -1, dtype=np.int64)
        holder[self.cell[self.place[ours]]] = self.row[ours]  # right where one holder stands, and only read there
        n_rows = len(self.held.sets.key)
        keys, inverse = np.unique(self.owner[single] * n_rows + holder[self.cell[single]], return_inverse=True)
        total = np.bincount(inverse, weights=self.bits[single], minlength=len(keys))
        best = np.zeros(self.n_parts)
        np.maximum.at(best, keys // n_rows, total)
        thread[single[total[inverse] >= best[self.owner[single]]]] = True
        return thread
