"""From a few seeds outward: who belongs with them, round by round.

A set grows from the seeds (:mod:`toolkit.linking.grow`). A small set that stalls takes up the cluster around it
(:mod:`toolkit.linking.neighbourhood`) or looks one step ahead, if those who come speak for the seeds by themselves.
Seeds that share nothing with the others are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.linking.arrays import BoolArray, IntArray
from toolkit.linking.belonging import ExpandSettings, find_frontier, score_accounts
from toolkit.linking.cut import THREAD_SIZE, cut_sets
from toolkit.linking.grow import Grown, grow_sets
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.neighbourhood import find_around
from toolkit.linking.reasons import write_expansion
from toolkit.linking.rivals import cut_rivals
from toolkit.linking.sets import Sets, one_set
from toolkit.settings import KINDS, Kind

__all__ = ["ExpandSettings", "expand_from_seeds", "expand_within"]

_DOUBT_NEEDS = 3
"""Accounts a set must have found before it may doubt a seed."""

_SHARES_LITTLE, _SHARES_NOTHING = 4.0, 0.5
"""Bits below which a seed is a stranger to a set that found others; and to one that found nobody but seeds."""

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
    return expand_within(build_incidence(observations, kinds), seeds, settings, progress)


def expand_within(
    index: Incidence,
    seeds: Sequence[str],
    settings: ExpandSettings | None = None,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Expand on observations that are coded already (many expansions, one index); see :func:`expand_from_seeds`."""
    wanted = list(dict.fromkeys(seeds))
    if not wanted:
        raise InputError("expansion starts from at least one seed account; none was given")
    dials = settings or ExpandSettings()
    codes = index.codes(wanted)
    present = codes[codes >= 0]
    absent = [seed for seed, code in zip(wanted, codes, strict=True) if code < 0]
    trusted, doubted = _agreeing(index, present, dials)
    stalled = _grow(index, trusted, dials, progress=progress)
    grown, jumped = _look_further(index, trusted, stalled, dials)
    grown = _leave_neighbours(index, trusted, grown)
    strangers = _strangers(index, trusted, grown, dials)
    if len(strangers):
        trusted, doubted = np.setdiff1d(trusted, strangers), np.union1d(doubted, strangers)
        rest = grown.sets.only(~np.isin(grown.sets.account, strangers))
        grown = _grow(index, trusted, dials, also=rest, spent=int(grown.rounds[0]))
    # A jump from one seed may have landed in a neighbour's ring: no precision is quoted for it.
    told = not (jumped and len(trusted) < 2)
    return write_expansion(index, grown, trusted, doubted, absent, dials, told=told)


def _grow(
    index: Incidence,
    seeds: IntArray,
    dials: ExpandSettings,
    *,
    also: Sets | None = None,
    spent: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Grown:
    """Grow the one set of the seeds, which stay in it whatever happens."""
    fixed = one_set(seeds, index.n_accounts)
    start = fixed if also is None else fixed | also
    return grow_sets(index, start, dials, fixed=fixed, first_round=spent, progress=progress)


def _look_further(index: Incidence, seeds: IntArray, stalled: Grown, dials: ExpandSettings) -> tuple[Grown, bool]:
    """Where a small set has stalled: take up the cluster around it, or suppose one step ahead (and say so)."""
    size, spent = len(stalled.sets.account), int(stalled.rounds[0])
    if not len(seeds) or size > dials.around_below + len(seeds) or spent >= dials.max_rounds:
        return stalled, False
    around = find_around(index, seeds, dials)
    if around is not None:
        settled = _grow(index, seeds, dials, also=around, spent=spent)
        if _newcomers_agree(index, seeds, stalled.sets, settled.sets, dials):
            return settled, True
    return _probe(index, seeds, stalled, dials) if size <= dials.probe_below + len(seeds) else (stalled, False)


def _leave_neighbours(index: Incidence, seeds: IntArray, grown: Grown) -> Grown:
    """Leave out large pieces that only a thread or a vendor ties to the pieces that the seeds stand in."""
    pieces = cut_rivals(index, cut_sets(index, grown.sets))
    ours = np.unique(pieces.label[np.isin(pieces.account, seeds)])
    stays = np.isin(pieces.label, ours) | (pieces.size[pieces.label] < THREAD_SIZE)
    kept = np.isin(grown.sets.account, pieces.account[stays])
    return Grown(grown.sets.only(kept), grown.joined[kept], grown.rounds)


def _newcomers_agree(index: Incidence, seeds: IntArray, had: Sets, found: Sets, dials: ExpandSettings) -> bool:
    """Whether those who came speak by themselves for the seeds, and for half of those who were there.

    Without that test a set drifts into its neighbour over a public phone number, and supports itself there.
    """
    new = found.without(had)
    if len(new.account) < _PROBE_BRINGS:
        return False
    blind = score_accounts(index, new, had, dials)
    asked = np.isin(blind.account, seeds)
    sure, likely = blind.probability >= dials.probe_stands, (blind.probability >= dials.leave) & blind.solid
    return bool(sure[asked].any()) and float(np.mean(likely[asked])) > 0.5 and float(np.mean(likely)) >= 0.5


def _probe(index: Incidence, seeds: IntArray, stalled: Grown, dials: ExpandSettings) -> tuple[Grown, bool]:
    """Look one step ahead: suppose that the best near misses belong, together and one by one, and see what grows."""
    had = stalled.sets
    size, spent = len(had.account), int(stalled.rounds[0])
    scores = score_accounts(index, had, find_frontier(index, had, dials), dials)
    near = np.flatnonzero(~had.contains(scores.frontier.label, scores.account) & (scores.probability >= dials.probe_at))
    near = near[np.lexsort((scores.account[near], -scores.bits[near]))][: dials.probes]
    best = scores.account[near]
    together = [best] if len(best) > 1 else []
    for supposed in [*together, *(best[i : i + 1] for i in range(len(best)))]:
        tried = _grow(index, np.union1d(seeds, supposed), dials, also=had, spent=spent)
        if len(tried.sets.account) < size + len(supposed) + _PROBE_BRINGS:
            continue
        settled = _grow(index, seeds, dials, also=tried.sets, spent=int(tried.rounds[0]))
        if _newcomers_agree(index, seeds, had, settled.sets, dials):
            return settled, True
    return stalled, False


def _agreeing(index: Incidence, seeds: IntArray, dials: ExpandSettings) -> tuple[IntArray, IntArray]:
    """Split seeds into those that support one another and those that share nothing with the others.

    Each seed is expanded alone; seed i supports seed j when i's set, without j, finds j likely. If no two agree, all
    are kept: then the seeds may be of different rings, or of one whose members share little pairwise.
    """
    n = len(seeds)
    if n < 3:
        return seeds, seeds[:0]
    alone = Sets.of(np.arange(n), np.sort(seeds), n, index.n_accounts)
    grown = grow_sets(index, alone, dials, fixed=alone).sets
    everybody = Sets.of(np.repeat(np.arange(n), n), np.tile(seeds, n), n, index.n_accounts)
    likely = score_accounts(index, grown, everybody, dials).probability >= dials.leave
    supports = np.zeros((n, n), dtype=bool)
    supports[everybody.label, np.searchsorted(np.sort(seeds), everybody.account)] = likely
    supports |= supports.T
    np.fill_diagonal(supports, val=True)
    group = _largest_component(supports)
    if len(group) < 2:
        return seeds, seeds[:0]
    trusted = np.sort(seeds)[group]
    members = _grow(index, trusted, dials).sets
    rest = np.setdiff1d(seeds, trusted)
    if len(members.account) - len(trusted) < _DOUBT_NEEDS:
        return seeds, seeds[:0]  # a set that found nobody else is no ground to doubt anybody
    scores = score_accounts(index, members, one_set(rest, index.n_accounts), dials)
    outside = ~members.contains(scores.frontier.label, scores.account)
    doubted = scores.account[(scores.probability < dials.leave) & outside]
    return np.setdiff1d(seeds, doubted), doubted


def _strangers(index: Incidence, seeds: IntArray, grown: Grown, dials: ExpandSettings) -> IntArray:
    """Seeds that share nothing with what was found from all of them, where two others are at home in it."""
    scores = score_accounts(index, grown.sets, one_set(seeds, index.n_accounts), dials)
    if (scores.probability >= dials.join).sum() < 2:
        return seeds[:0]
    found = len(grown.sets.account) - len(seeds)
    shared = scores.families.sum(axis=1)
    stranger = shared < (_SHARES_LITTLE if found >= 2 else _SHARES_NOTHING)
    strangers: IntArray = scores.account[stranger & (scores.probability < dials.leave)]
    return strangers


def _largest_component(adjacent: BoolArray) -> IntArray:
    """Largest connected group of a small symmetric matrix; the first one on a tie."""
    reach = adjacent.copy()
    for _ in range(len(reach)):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    return np.flatnonzero(reach[int(np.argmax(reach.sum(axis=1)))])
