"""Growing sets until nothing moves: who is ready joins, who no longer holds leaves.

An account joins when it likely belongs (:mod:`toolkit.linking.belonging`) *and* two independent families speak, several
exclusive values held with different members, or one value that the set has made its own. Of those that are ready the
best join, at most half the set's size again; members are then scored again *without themselves*, and whoever no longer
holds is dropped. Any number of sets grow side by side; one set or a thousand, the answer for each is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolkit.linking.arrays import BoolArray, IntArray, rank_within, scramble
from toolkit.linking.belonging import ExpandSettings, Scores, find_frontier, score_accounts
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Sets

__all__ = ["Grown", "grow_sets", "swallowed_sets", "twin_sets"]

MOSTLY = 0.5
"""Share of a set that a larger one must hold to stand for it."""

TWINS = 0.7
"""Share of the larger of two sets that the smaller must hold for both to be one guess."""

SETS_AT_ONCE = 256
"""Sets that are judged in one go: bounds memory, not the result."""


@dataclass(frozen=True)
class Grown:
    """Sets that stopped growing; by row, the round in which it joined (0 = was there); by set, the rounds used."""

    sets: Sets
    joined: IntArray
    rounds: IntArray


def grow_sets(
    index: Incidence,
    start: Sets,
    dials: ExpandSettings,
    *,
    fixed: Sets | None = None,
    first_round: int = 0,
    grace: int = 0,
    absorb: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Grown:
    """Let each set join and drop accounts until it stands still.

    Parameters
    ----------
    index : Incidence
    start : Sets
        Where each set starts.
    dials : ExpandSettings
        Thresholds and budgets.
    fixed : Sets, optional
        Accounts that stay whatever happens (the seeds of an expansion).
    first_round : int
        Rounds already spent.
    grace : int
        Rounds in which nobody has to leave: a start is a guess, and its members find one another's company first.
    absorb : bool
        Whether a set that is nearly the same as a larger one gives up: both would end as the same. One that only lies
        within a larger one goes on: the larger may drift and die of what it took along.
    progress : callable, optional
        Called with a line of text after each round.

    Returns
    -------
    Grown

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> rows = [(f"r{i}", f"d{i % 2}", f"c{i % 3}") for i in range(6)]
    >>> rows += [(f"x{i}", f"e{i}", f"k{i}") for i in range(60)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> grow_sets(index, one_set(np.array([0, 1, 2]), 66), ExpandSettings(), grace=2).sets.account.tolist()
    [0, 1, 2, 3, 4, 5]
    """
    sets, joined = start, np.zeros(len(start.account), dtype=np.int64)
    rounds = np.full(start.number, first_round)
    active = np.flatnonzero(start.size > 0)
    seen: list[IntArray] = []
    scored: Sets | None = None
    for number in range(first_round + 1, dials.max_rounds + 1):
        if not len(active):
            break
        now = sets.pick(active)
        if scored is None or not np.array_equal(scored.key, now.key):  # where nobody moved, all stays as it was
            scored, (weak, coming) = now, _judge(index, now, dials)
        stays = now if number <= first_round + grace else None if fixed is None else fixed.pick(active)
        leaving = weak if stays is None else weak.without(stays)
        after = Sets.from_key(np.setdiff1d(np.union1d(now.key, coming.key), leaving.key), now.number, now.n_accounts)
        moved = np.flatnonzero((leaving.size + coming.size > 0) | (number <= first_round + grace))
        rounds[active] = number
        if progress is not None:
            progress(
                f"round {number}: {coming.size.sum()} joined, {leaving.size.sum()} left, {after.size.sum()} members"
            )
        sets, joined = _replace(sets, joined, active, after, number)
        if absorb:
            lost = twin_sets(sets)
            rows = ~lost[sets.label]
            sets, joined = sets.only(rows), joined[rows]
        signature = _signature(sets)
        stuck = np.zeros(sets.number, dtype=bool)
        for earlier in seen:
            stuck |= (earlier == signature) & (number > first_round + grace)
        seen.append(signature)
        active = active[moved]
        active = active[~stuck[active] & (sets.size[active] > 0)]
    return Grown(sets, joined, rounds)


def swallowed_sets(sets: Sets, share: float = MOSTLY) -> BoolArray:
    """Mark the sets of which at least ``share`` lies within one larger set that is not marked itself.

    Examples
    --------
    >>> sets = Sets.of(np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 9]), 3, 10)
    >>> swallowed_sets(sets).tolist()
    [False, True, False]
    """
    return _stood_for(sets, share, of_larger=False)


def twin_sets(sets: Sets, share: float = TWINS) -> BoolArray:
    """Mark the sets that hold at least ``share`` of one larger set that is not marked itself.

    Examples
    --------
    >>> sets = Sets.of(np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3]), 3, 10)
    >>> twin_sets(sets, 0.6).tolist()
    [False, True, False]
    """
    return _stood_for(sets, share, of_larger=True)


def _stood_for(sets: Sets, share: float, *, of_larger: bool) -> BoolArray:
    i, j, shared = sets.overlap()
    rank = np.empty(sets.number, dtype=np.int64)
    rank[np.lexsort((np.arange(sets.number), -sets.size))] = np.arange(sets.number)
    large, small = np.where(rank[i] < rank[j], i, j), np.where(rank[i] < rank[j], j, i)
    mostly = shared >= share * sets.size[large if of_larger else small]
    large, small = large[mostly], small[mostly]
    gone = np.zeros(sets.number, dtype=bool)
    for k in np.lexsort((rank[large], rank[small])):  # the largest first: only one that stands may stand for another
        gone[small[k]] |= not gone[large[k]]
    return gone


def _judge(index: Incidence, now: Sets, dials: ExpandSettings) -> tuple[Sets, Sets]:
    """Who no longer holds in each set, and who joins it: some sets at a time, for no set asks about another."""
    weak: list[IntArray] = []
    coming: list[IntArray] = []
    for first in range(0, now.number, SETS_AT_ONCE):
        some = now.pick(np.arange(first, min(first + SETS_AT_ONCE, now.number)))
        frontier = find_frontier(index, some, dials)
        scores = score_accounts(index, some, frontier, dials, least=min(dials.join, dials.leave))
        for found, moves in zip((weak, coming), _moves(some, scores, dials), strict=True):
            found.append(moves.key + first * now.n_accounts)
    return (
        Sets.from_key(np.concatenate(weak), now.number, now.n_accounts),
        Sets.from_key(np.concatenate(coming), now.number, now.n_accounts),
    )


def _moves(now: Sets, scores: Scores, dials: ExpandSettings) -> tuple[Sets, Sets]:
    """Members of each set that no longer hold, and the accounts that join it."""
    frontier, p = scores.frontier, scores.probability
    inside = now.contains(frontier.label, frontier.account)
    leaves = inside & ~scores.holds(dials)
    ready = np.flatnonzero(~inside & (p >= dials.join) & scores.solid)
    ready = ready[np.lexsort((frontier.account[ready], -scores.bits[ready], frontier.label[ready]))]
    places = np.maximum(2, now.size // 2)
    ready = ready[rank_within(frontier.label[ready]) < places[frontier.label[ready]]]
    comes = np.zeros(len(p), dtype=bool)
    comes[ready] = True
    return frontier.only(leaves), frontier.only(comes)


def _replace(sets: Sets, joined: IntArray, active: IntArray, after: Sets, number: int) -> tuple[Sets, IntArray]:
    """Put grown sets back among those that stand still, and note who is new."""
    still = np.ones(sets.number, dtype=bool)
    still[active] = False
    rest = still[sets.label]
    key = np.concatenate((sets.key[rest], active[after.label] * sets.n_accounts + after.account))
    when = np.concatenate((joined[rest], np.full(len(after.key), number)))
    known = np.searchsorted(sets.key, key)
    there = known < len(sets.key)
    there[there] = sets.key[known[there]] == key[there]
    when[there] = joined[known[there]]
    order = np.argsort(key, kind="stable")
    return Sets.from_key(key[order], sets.number, sets.n_accounts), when[order]


def _signature(sets: Sets) -> IntArray:
    """A number per set that changes when its members do: sums of scrambled account codes, wrapping."""
    total = np.zeros(sets.number, dtype=np.uint64)
    np.add.at(total, sets.label, scramble(sets.account.astype(np.uint64)))
    return total.view(np.int64)
