"""Cutting between rivals: rings that rent everything from one vendor, but do not share a purse.

Whoever rents by the week gets the devices, cards and addresses that a rival had last week, so rivals with one vendor
support one another like one ring. What is each ring's own gives them away: among all that ties the set there is one
kind (the payees, the templates, the recovery mails) whose values fall into groups that never meet, although there are
so many holders per value that in one ring they would. That is asked of chance: the kind's values are dealt out anew
among the members that hold them, everybody keeping as many and each as many holders. Where every deal ties more
accounts together than the data do, the groups are not an accident, and each stands alone.

It fired on SYNTHETIC worlds in each set of rivals that share a vendor (family *blend*, where three rings of 21, 36 and
57 accounts had been one cluster) and in no other cluster of eight families. By family instead of kind it misses them:
cards of the vendor and payees of the ring are one family. The fixed-degree null is that of :mod:`toolkit.linking.null`.
"""

from __future__ import annotations

import numpy as np

from toolkit.linking.arrays import BoolArray, IntArray
from toolkit.linking.belonging import CONTACT_BITS, cell_bits
from toolkit.linking.cut import THREAD_SIZE, name_pieces
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Held, Sets, hold

__all__ = ["cut_rivals"]

DEALS = 50
"""Deals by chance, each of which must tie more accounts together than the data: a false cut in fifty-one is too many
still, so the groups must also be of :data:`THREAD_SIZE` accounts or more and hold most of the set."""

COVERED = 0.5
"""Share of a set that must lie in such groups."""


def cut_rivals(index: Incidence, sets: Sets, *, seed: int = 0) -> Sets:
    """Cut sets into the groups that the values of one kind fall into, where chance would have joined them.

    Parameters
    ----------
    index : Incidence
    sets : Sets
    seed : int
        Of the deals.

    Returns
    -------
    Sets
        The largest group keeps the label, the others follow with labels of their own; who is in none of the groups goes
        with the one whose members it shares most with.

    Examples
    --------
    Two rings rent from one vendor; only where the money goes is each ring's own.

    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> ring = [(name, i, k) for name in "ab" for i in range(12) for k in (0, 1)]
    >>> rows = [(f"{name}{i:02}", f"d{(i + k) % 6}", f"{name}{(i * 5 + k) % 7}") for name, i, k in ring]
    >>> rows += [(f"x{i:03}", f"e{i}", f"p{i}") for i in range(300)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "payee"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> cut_rivals(index, one_set(np.arange(24), index.n_accounts)).size.tolist()
    [12, 12]
    """
    held = hold(index, sets)
    strong = (held.count >= 2) & (cell_bits(held) >= CONTACT_BITS)
    rows = np.flatnonzero(strong[held.cell])
    rows = rows[np.lexsort((held.cell[rows], index.kind[held.incidence[rows]], held.label[rows]))]
    label, kind = held.label[rows], index.kind[held.incidence[rows]]
    piece, number = sets.label.copy(), sets.number
    for one in np.flatnonzero(sets.size >= 2 * THREAD_SIZE).tolist():
        first, last = np.searchsorted(label, [one, one + 1])
        mine, n = rows[first:last], int(sets.size[one])
        who = held.row[mine] - sets.start[one]
        for code in np.unique(kind[first:last]).tolist():
            asked = kind[first:last] == code
            groups = _find_groups(who[asked], held.cell[mine[asked]], n, np.random.default_rng([seed, one, code]))
            if groups is None:
                continue
            groups = _go_along(held, mine, who, groups)
            piece[sets.start[one] : sets.start[one + 1]] = number + groups
            number += int(groups.max()) + 1
            break
    return name_pieces(sets, piece)


def _find_groups(who: IntArray, value: IntArray, n: int, rng: np.random.Generator) -> IntArray | None:
    """Groups by member (-1: in none of them) if chance would tie more of them together; otherwise nothing."""
    value = n + np.unique(value, return_inverse=True)[1]
    group = _join(who, value, n)
    has = np.bincount(who, minlength=n) > 0
    size = np.bincount(group[has], minlength=int(group.max()) + 1)
    large = np.flatnonzero(size >= THREAD_SIZE)
    if len(large) < 2 or size[large].sum() < COVERED * n:
        return None
    for _ in range(DEALS):
        if _largest(_join(rng.permutation(who), value, n), has) <= size.max():
            return None
    number = np.full(len(size), -1, dtype=np.int64)
    number[large] = np.arange(len(large))
    return np.where(has, number[group], -1)


def _join(who: IntArray, value: IntArray, n: int) -> IntArray:
    """Number the connected groups of members that hold values in common."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = int(value.max()) + 1
    table = coo_array((np.ones(len(who)), (who, value)), shape=(nodes, nodes))
    group: IntArray = connected_components(table, directed=False)[1][:n].astype(np.int64)
    return group


def _largest(group: IntArray, has: BoolArray) -> int:
    return int(np.bincount(group[has]).max())


def _go_along(held: Held, rows: IntArray, who: IntArray, groups: IntArray) -> IntArray:
    """Put who is in no group where most of the holders of its values are; the first group on a tie."""
    n_groups = int(groups.max()) + 1
    cell = np.unique(held.cell[rows], return_inverse=True)[1]
    known = groups[who] >= 0
    met = np.zeros((int(cell.max()) + 1, n_groups))
    np.add.at(met, (cell[known], groups[who[known]]), 1.0)
    near = np.zeros((len(groups), n_groups))
    np.add.at(near, who, met[cell])
    return np.where(groups >= 0, groups, near.argmax(axis=1))
