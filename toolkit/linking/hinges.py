"""Cutting at hinges: one account must not be all that holds two groups together.

A victim whose household is on one side and the crew that took it over on the other, a mule that serves two rings: every
strong tie between the two sides leads through one account. Each side would stand without it, and each is judged alone.
A hinge is an articulation point of the graph of accounts and the strong values that they share (Hopcroft & Tarjan
1973).

In a chain, where each account shares with the next alone, nearly every account is a hinge. There a thin joint is how
the set is made and says nothing about its two sides, so chains are not cut (SYNTHETIC family *undeclared*: recall .70
-> .77, precision .998 as before; where half of the accounts are enough, chains of neighbours come in: *chains* .996).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from toolkit.linking.arrays import BoolArray, IntArray, first_of_each
from toolkit.linking.belonging import ExpandSettings, cell_bits, score_accounts
from toolkit.linking.cut import STRONG_TIE, name_pieces
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Held, Sets, hold

if TYPE_CHECKING:
    import networkx

__all__ = ["cut_hinges", "find_chains"]

SIDE = 3
"""Accounts that make a side; whoever hangs on one account alone is not cut off by that."""

STANDS = 0.6
"""Share of a side that must hold without the rest for the side to stand alone."""

HINGES = 6
"""Hinges that may be found in one set, one after the other."""

CHAIN = 0.75
"""Share of the accounts of a set that are hinges from which it is a chain."""

CHAIN_SIZE = 8
"""Accounts that make a chain."""


def cut_hinges(index: Incidence, sets: Sets, dials: ExpandSettings) -> Sets:
    """Cut sets apart at accounts that alone join two sides, each of which stands without them.

    Parameters
    ----------
    index : Incidence
    sets : Sets
    dials : ExpandSettings
        Of the judge that asks whether a side stands.

    Returns
    -------
    Sets
        The largest side keeps its label and the hinge; the others follow with labels of their own.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> rows = [(f"a{i}", "d1", "c1", "p1") for i in range(4)] + [(f"b{i}", "d2", "c2", "p2") for i in range(3)]
    >>> rows += [("mule", "d1", "c1", "p2"), ("mule", "d2", "c2", "p1")]
    >>> rows += [(f"x{i}", f"e{i}", f"k{i}", f"q{i}") for i in range(60)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card", "phone"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> cut_hinges(index, one_set(np.arange(8), index.n_accounts), ExpandSettings()).label.tolist()
    [0, 0, 0, 0, 0, 1, 1, 1]
    """
    for _ in range(HINGES):
        side = _find_sides(hold(index, sets))
        found = side >= 0
        if not found.any():
            break
        sides = Sets.of(side[found], sets.account[found], int(side.max()) + 1, sets.n_accounts)
        home = np.zeros(sides.number, dtype=np.int64)
        home[side[found]] = sets.label[found]
        scores = score_accounts(index, sides, sides, dials)
        stands = np.bincount(sides.label, weights=scores.holds(dials), minlength=sides.number) >= STANDS * sides.size
        leaves = stands & (np.bincount(home[stands], minlength=sets.number)[home] >= 2)
        going = np.flatnonzero(leaves)
        leaves[going[first_of_each(home[going], -sides.size[going])]] = False  # the largest keeps the rest
        if not leaves.any():
            break
        sets = name_pieces(sets, np.where(found & leaves[side], sets.number + side, sets.label))
    return sets


def find_chains(index: Incidence, sets: Sets) -> BoolArray:
    """Mark the sets that are chains: nearly every account is all that joins those before it to those after.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> rows = [(f"a{i:02}", f"d{i + k}", f"c{i + k}") for i in range(12) for k in (0, 1)]
    >>> rows += [(f"x{i}", f"e{i}", f"k{i}") for i in range(600)]
    >>> index = build_incidence(
    ...     find_observations(pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row"))
    ... )
    >>> find_chains(index, one_set(np.arange(12), index.n_accounts)).tolist()
    [True]
    """
    hinges = np.zeros(sets.number, dtype=np.int64)
    for label, _, _, graph in _graphs(hold(index, sets), CHAIN_SIZE):
        hinges[label] = len(_hinges_of(graph, int(sets.size[label])))
    return (sets.size >= CHAIN_SIZE) & (hinges >= CHAIN * sets.size)


def _find_sides(held: Held) -> IntArray:
    """A side per row of the sets, on either side of the hinge that parts most; -1 for the rest."""
    sets = held.sets
    side, number = np.full(len(sets.key), -1, dtype=np.int64), 0
    for label, who, what, graph in _graphs(held, 2 * SIDE + 1):
        n = int(sets.size[label])
        best = np.full(n, -1, dtype=np.int64)
        for hinge in _hinges_of(graph, n):
            parted = _part_at(hinge, who, what, n)
            best = max(best, parted, key=_second)
        apart = best >= 0
        side[sets.start[label] + np.flatnonzero(apart)] = number + best[apart]
        number += int(best.max(initial=-1)) + 1
    return side


def _graphs(held: Held, least: int) -> Iterator[tuple[int, IntArray, IntArray, networkx.Graph[int]]]:
    """Each set of ``least`` accounts or more, and its ties: members by place, values numbered on, and their graph."""
    import networkx as nx

    sets = held.sets
    strong = (held.count >= 2) & (cell_bits(held) >= STRONG_TIE)
    rows = np.flatnonzero(strong[held.cell])
    row, value = held.row[rows], held.cell[rows]
    end = np.searchsorted(held.label[rows], np.arange(sets.number), side="right")
    begin = np.concatenate(([0], end[:-1]))
    for label in np.flatnonzero(sets.size >= least).tolist():
        who = row[begin[label] : end[label]] - sets.start[label]
        what = sets.size[label] + np.unique(value[begin[label] : end[label]], return_inverse=True)[1]
        yield label, who, what, nx.Graph(zip(who.tolist(), what.tolist(), strict=True))


def _hinges_of(graph: networkx.Graph[int], n_members: int) -> list[int]:
    import networkx as nx

    return sorted(node for node in nx.articulation_points(graph) if node < n_members)


def _part_at(hinge: int, who: IntArray, what: IntArray, n_members: int) -> IntArray:
    """Sides of three accounts or more, numbered, that are left without one account; -1 for everybody else."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rest = who != hinge
    n_nodes = int(what.max()) + 1
    table = coo_array((np.ones(int(rest.sum())), (who[rest], what[rest])), shape=(n_nodes, n_nodes))
    part = connected_components(table, directed=False)[1][:n_members]
    part[hinge] = part.max() + 1
    size = np.bincount(part)
    large = np.flatnonzero(size >= SIDE)
    number = np.full(len(size), -1, dtype=np.int64)
    number[large] = np.arange(len(large))
    sides: IntArray = number[part]
    return sides


def _second(side: IntArray) -> int:
    """Accounts on the second largest side."""
    size = np.sort(np.bincount(side[side >= 0], minlength=2))
    return int(size[-2])
