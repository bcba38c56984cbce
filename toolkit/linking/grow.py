"""Growing sets until nothing moves: who is ready joins, who no longer holds leaves.

An account joins when it likely belongs (:mod:`toolkit.linking.belonging`) *and* two independent families speak, or
several exclusive values held with different members. Of those that are ready the best join, at most half the set's
size again; members are then scored again *without themselves*, and whoever no longer holds is dropped. Any number of
sets grow side by side; one set or a thousand, the answer for each is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toolkit.linking.belonging import ExpandSettings, Scores, find_frontier, score_accounts
from toolkit.linking.combine import rank_within
from toolkit.linking.incidence import Incidence, IntArray
from toolkit.linking.sets import Sets

__all__ = ["Grown", "grow_sets"]


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
    >>> grow_sets(index, one_set(np.array([0, 1, 2]), 66), ExpandSettings()).sets.account.tolist()
    [0, 1, 2, 3, 4, 5]
    """
    sets, joined = start, np.zeros(len(start.account), dtype=np.int64)
    rounds = np.full(start.number, first_round)
    active = np.flatnonzero(start.size > 0)
    seen: list[IntArray] = []
    for number in range(first_round + 1, dials.max_rounds + 1):
        if not len(active):
            break
        now = sets.pick(active)
        scores = score_accounts(index, now, find_frontier(index, now, dials), dials)
        leaving, coming = _moves(now, None if fixed is None else fixed.pick(active), scores, dials)
        after = Sets.from_key(np.setdiff1d(np.union1d(now.key, coming.key), leaving.key), now.number, now.n_accounts)
        moved = np.flatnonzero(leaving.size + coming.size)
        rounds[active] = number
        if progress is not None:
            progress(
                f"round {number}: {coming.size.sum()} joined, {leaving.size.sum()} left, {after.size.sum()} members"
            )
        sets, joined = _replace(sets, joined, active, after, number)
        signature = _signature(sets)
        stuck = np.zeros(sets.number, dtype=bool)
        for earlier in seen:
            stuck |= earlier == signature
        seen.append(signature)
        active = active[moved]
        active = active[~stuck[active]]
    return Grown(sets, joined, rounds)


def _moves(now: Sets, fixed: Sets | None, scores: Scores, dials: ExpandSettings) -> tuple[Sets, Sets]:
    """Who leaves each set, and who joins it."""
    frontier, p = scores.frontier, scores.probability
    inside = now.contains(frontier.label, frontier.account)
    solid = scores.reasons >= 2
    leaves = inside & ((p < dials.leave) | ~solid)
    if fixed is not None:
        leaves &= ~fixed.contains(frontier.label, frontier.account)
    ready = np.flatnonzero(~inside & (p >= dials.join) & solid)
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
    mixed = (sets.account + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    total = np.zeros(sets.number, dtype=np.uint64)
    np.add.at(total, sets.label, mixed ^ (mixed >> np.uint64(29)))
    return total.view(np.int64)
