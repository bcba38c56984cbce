"""The accounts around some seeds, and the clusters among them: what an expansion looks at when it stalls.

A ring whose members draw from a common stock hardly shows from one seed: its neighbours share one thing with it, and
one thing is not enough. But among the neighbours of the neighbours the ring stands out as a whole. So the accounts a
few rare values away are clustered like everybody is (:mod:`toolkit.linking.partition`), and a cluster is taken up only
if it speaks for the seeds by itself. Only these accounts are paired; whom a value belongs to is counted over everybody.
"""

from __future__ import annotations

import numpy as np

from toolkit.linking.arrays import IntArray, ranges
from toolkit.linking.belonging import ExpandSettings, score_accounts
from toolkit.linking.crowds import find_crowds
from toolkit.linking.cut import cut_sets
from toolkit.linking.grow import grow_sets
from toolkit.linking.incidence import Incidence
from toolkit.linking.nuclei import find_nuclei
from toolkit.linking.score import weigh
from toolkit.linking.sets import Sets, one_set

__all__ = ["find_around", "pair_among", "walk_outward"]


def walk_outward(index: Incidence, start: IntArray, *, hops: int, budget: int) -> IntArray:
    """Walk from accounts over the rarest of their values to others, some steps out.

    Parameters
    ----------
    index : Incidence
    start : int64 array
        Account codes.
    hops : int
        Steps.
    budget : int
        Accounts named at most; rarer values first within a step.

    Returns
    -------
    int64 array
        Account codes, sorted; the start is among them.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [("a", "d1"), ("b", "d1"), ("b", "d2"), ("c", "d2"), ("d", "d3")]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device"], orient="row")
    >>> walk_outward(build_incidence(find_observations(frame)), np.array([0]), hops=2, budget=10).tolist()
    [0, 1, 2]
    """
    found = np.unique(start)
    fresh = found
    for _ in range(hops):
        values = np.unique(index.value[ranges(index.start[fresh], index.start[fresh + 1])])
        values = values[index.proposes[values]]
        values = values[np.lexsort((values, index.holders[values]))]
        room = budget - len(found)
        values = values[: int(np.searchsorted(np.cumsum(index.holders[values] - 1), room, side="right"))]
        rows = ranges(index.value_start[values], index.value_start[values + 1])
        fresh = np.setdiff1d(index.value_account[rows], found)
        if not len(fresh):
            break
        found = np.union1d(found, fresh)
    return found


def pair_among(index: Incidence, accounts: IntArray) -> tuple[IntArray, IntArray]:
    """Name the pairs among some accounts that meet on a value which may propose; a < b, sorted, no pair twice."""
    rows = ranges(index.start[accounts], index.start[accounts + 1])
    rows = rows[index.proposes[index.value[rows]]]
    rows = rows[np.lexsort((index.account[rows], index.value[rows]))]
    value, account = index.value[rows], index.account[rows]
    end = np.searchsorted(value, value, side="right")
    place = np.arange(len(rows))
    other = ranges(place + 1, end)
    first = np.repeat(place, end - place - 1)
    key = np.unique(account[first] * index.n_accounts + account[other])
    return key // index.n_accounts, key % index.n_accounts


def find_around(index: Incidence, seeds: IntArray, dials: ExpandSettings) -> Sets | None:
    """Find the cluster around the seeds that speaks for most of them by itself; None where there is none."""
    near = walk_outward(index, seeds, hops=dials.around_hops, budget=dials.around_accounts)
    a, b = pair_among(index, near)
    starts = find_nuclei(index, weigh(index, a, b), dials) + find_crowds(index, dials, among=seeds)
    if not len(starts.account):
        return None
    sets = cut_sets(index, grow_sets(index, starts, dials, grace=1, absorb=True).sets)
    sets = sets.pick(np.flatnonzero(sets.size >= dials.around_size))
    if not sets.number:
        return None
    asked = Sets.of(
        np.repeat(np.arange(sets.number), len(seeds)), np.tile(seeds, sets.number), sets.number, index.n_accounts
    )
    blind = score_accounts(index, sets.without(asked), asked, dials)
    speaks = (blind.probability >= dials.probe_stands) & blind.solid
    number = np.bincount(blind.frontier.label[speaks], minlength=sets.number)
    bits = np.bincount(blind.frontier.label[speaks], weights=blind.bits[speaks], minlength=sets.number)
    best = int(np.lexsort((np.arange(sets.number), -bits, -number))[0])
    if 2 * number[best] <= len(seeds) and number[best] < 2:
        return None
    return one_set(sets.members(best), index.n_accounts)
