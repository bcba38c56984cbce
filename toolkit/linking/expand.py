"""From a few seeds outward: who belongs with them, round by round.

An account joins when it likely belongs (:mod:`toolkit.linking.belonging`) *and* two independent families speak, or
several
exclusive values held with different members. Of those that are ready the best join, at most half the set's size again;
members are then scored again *without themselves*, and whoever no longer holds is dropped; it stops when nobody joins
or leaves. A small set that stalls looks one step ahead. Seeds that share nothing with the others are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.linking.belonging import ExpandSettings, find_frontier, score_accounts
from toolkit.linking.incidence import BoolArray, Incidence, IntArray, build_incidence
from toolkit.linking.reasons import Growth, write_expansion
from toolkit.settings import KINDS, Kind

__all__ = ["ExpandSettings", "expand_from_seeds"]

_DOUBT_NEEDS = 3
"""Accounts a set must have found before it may doubt a seed."""

_PROBE_BRINGS = 4
"""Accounts a supposition must bring in to be taken seriously."""


def expand_from_seeds(
    observations: pl.DataFrame,
    seeds: Sequence[str],
    *,
    kinds: Mapping[str, Kind] = KINDS,
    settings: ExpandSettings | None = None,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Grow the set that the seeds belong to, with a reason for every inclusion and exclusion.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    seeds : sequence of str
        Account ids; repeats are counted once.
    kinds : mapping of str to Kind
        Settings per kind.
    settings : ExpandSettings, optional
        Thresholds and budgets.
    progress : callable, optional
        Called with a line of text after each round.

    Returns
    -------
    polars.DataFrame
        Contract ``Expansion``: the seeds (round 0), whoever joined (with the round), and the near misses.
        ``precision_estimate`` is the mean probability of the non-seeds included up to and including the row's round:
        it is conditional on the seeds being right. Order: included first, round, probability descending, account_id.

    Raises
    ------
    InputError
        If no seed is given.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [(f"r{i}", f"d{i % 2}", f"c{i % 3}") for i in range(6)]
    >>> rows += [(f"x{i}", f"e{i}", f"k{i}") for i in range(60)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> found = expand_from_seeds(find_observations(frame), ["r0", "r1", "r2"])
    >>> found.filter("included")["account_id"].sort().to_list()
    ['r0', 'r1', 'r2', 'r3', 'r4', 'r5']
    """
    wanted = list(dict.fromkeys(seeds))
    if not wanted:
        raise InputError("expansion starts from at least one seed account; none was given")
    dials = settings or ExpandSettings()
    index = build_incidence(observations, kinds)
    codes = index.codes(wanted)
    present = codes[codes >= 0]
    absent = [seed for seed, code in zip(wanted, codes, strict=True) if code < 0]
    trusted, doubted = _agreeing(index, present, dials)
    growth = _probe(index, trusted, _grow(index, trusted, dials, progress), dials)
    return write_expansion(index, growth, trusted, doubted, absent, dials)


def _grow(
    index: Incidence,
    seeds: IntArray,
    dials: ExpandSettings,
    progress: Callable[[str], None] | None = None,
    start: Growth | None = None,
) -> Growth:
    """Join and drop until nothing moves; seeds stay whatever happens."""
    members = _mask(index, seeds)
    is_seed = members.copy()
    joined = np.zeros(index.n_accounts, dtype=np.int64)
    before = 0
    if start is not None:
        members, joined, before = members | start.members, start.joined.copy(), start.rounds
    number = before
    seen: set[bytes] = set()
    for number in range(before + 1, dials.max_rounds + 1):
        if not len(seeds):
            break
        scores = score_accounts(index, members, find_frontier(index, members, dials.max_frontier), dials)
        p, account = scores.probability, scores.account
        solid = scores.reasons >= 2
        leaving = account[members[account] & ~is_seed[account] & ((p < dials.leave) | ~solid)]
        ready = np.flatnonzero(~members[account] & (p >= dials.join) & solid)
        best = ready[np.lexsort((account[ready], -scores.bits[ready]))][: max(2, int(members.sum()) // 2)]
        members[leaving] = False
        members[account[best]] = True
        joined[account[best]] = number
        if progress is not None:
            progress(f"round {number}: {len(best)} joined, {len(leaving)} left, {int(members.sum())} members")
        state = np.packbits(members).tobytes()
        if (not len(best) and not len(leaving)) or state in seen:
            break
        seen.add(state)
    return Growth(members, joined, number)


def _probe(index: Incidence, seeds: IntArray, stalled: Growth, dials: ExpandSettings) -> Growth:
    """Look one step ahead when a small set has stalled: suppose that the best near misses belong, and see what grows.

    A supposition stands only if what it brings in speaks for the seeds *by itself*: the seeds are scored against the
    new members alone, without the accounts they came from. (Without that test a set drifts into its neighbour over a
    public phone number, and supports itself there.)
    """
    size = int(stalled.members.sum())
    if not len(seeds) or size > dials.probe_below + len(seeds) or stalled.rounds >= dials.max_rounds:
        return stalled
    scores = score_accounts(index, stalled.members, find_frontier(index, stalled.members, dials.max_frontier), dials)
    near = np.flatnonzero(~stalled.members[scores.account] & (scores.probability >= dials.probe_at))
    near = near[np.lexsort((scores.account[near], -scores.bits[near]))][: dials.probes]
    best = scores.account[near]
    together = [best] if len(best) > 1 else []
    suppositions = [*together, *(best[i : i + 1] for i in range(len(best)))]
    for supposed in suppositions:
        tried = _grow(index, np.union1d(seeds, supposed), dials, start=stalled)
        if int(tried.members.sum()) < size + len(supposed) + _PROBE_BRINGS:
            continue
        settled = _grow(index, seeds, dials, start=tried)
        new = settled.members & ~stalled.members
        if int(new.sum()) < _PROBE_BRINGS:
            continue
        blind = score_accounts(index, new, seeds, dials)
        if float(np.median(blind.probability)) >= dials.probe_stands:
            return Growth(settled.members, settled.joined, settled.rounds, probed=True)
    return stalled


def _mask(index: Incidence, accounts: IntArray) -> BoolArray:
    members = np.zeros(index.n_accounts, dtype=bool)
    members[accounts] = True
    return members


def _agreeing(index: Incidence, seeds: IntArray, dials: ExpandSettings) -> tuple[IntArray, IntArray]:
    """Split seeds into those that support one another and those that share nothing with the others.

    Each seed is expanded alone; seed i supports seed j when i's set, without j, finds j likely. If no two agree, all
    are kept: then the seeds may be of different rings, or of one whose members share little pairwise.
    """
    if len(seeds) < 3:
        return seeds, seeds[:0]
    supports = np.zeros((len(seeds), len(seeds)), dtype=bool)
    for i, seed in enumerate(seeds):
        alone = _grow(index, np.array([seed]), dials)
        scores = score_accounts(index, alone.members, seeds, dials)
        likely = dict(zip(scores.account.tolist(), (scores.probability >= dials.leave).tolist(), strict=True))
        supports[i] = [likely[int(other)] for other in seeds]
    supports |= supports.T
    np.fill_diagonal(supports, val=True)
    group = _largest_component(supports)
    if len(group) < 2:
        return seeds, seeds[:0]
    trusted = seeds[group]
    members = _grow(index, trusted, dials).members
    rest = np.setdiff1d(seeds, trusted)
    if int(members.sum()) - len(trusted) < _DOUBT_NEEDS:
        return seeds, seeds[:0]  # a set that found nobody else is no ground to doubt anybody
    scores = score_accounts(index, members, rest, dials)
    doubted = scores.account[(scores.probability < dials.leave) & ~members[scores.account]]
    return np.setdiff1d(seeds, doubted), doubted


def _largest_component(adjacent: BoolArray) -> IntArray:
    """Largest connected group of a small symmetric matrix; the first one on a tie."""
    reach = adjacent.copy()
    for _ in range(len(reach)):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    return np.flatnonzero(reach[int(np.argmax(reach.sum(axis=1)))])
