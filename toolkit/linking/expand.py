"""From a few seeds outward: who belongs with them, round by round, and why each one is in or out.

The thought. A ring is a set of accounts that draw their devices, cards, addresses and texts from common stock, mixed
with things of their own. Given the members so far, an outsider's values are judged one draw at a time:

* **a hit** (a value that s members hold): how likely would a further member draw it, against how likely would anyone?
  For members the Pitman-Yor predictive rule ``(s - sigma) / (T + theta)`` over their T draws of the kind; sigma is high
  when members repeat nothing, so a set that shares nothing predicts nothing. For strangers ``eps + (o + 1/2) / M``:
  o holders outside the set *within the kind's window*, of M draws in all. A hub has many outsiders and says little.
* **a miss** (a value no member holds) costs ``log2`` of the chance that a member draws something new: little for a
  ring that rotates addresses, much for one that lives on four devices. **No value at all** of a kind that every
  member has costs too. Misses are what keeps a ring from growing into its neighbours.

Hits are saturated within a family, families add, the prior is the size of a ring in this population. Two
independent families must speak (or several exclusive values held with different members). The best half joins, members are
scored again *without themselves*, and whoever no longer holds is dropped; it stops when nobody joins or leaves.

The predictive rule is Pitman & Yor 1997; draws, misses and leave-one-out follow the project's linking reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.combine import FAMILY_SPEAKS, combine_bits, count_reasons, family_names, swallowed
from toolkit.linking.incidence import BoolArray, FloatArray, Incidence, IntArray, build_incidence
from toolkit.linking.score import level_of, probability
from toolkit.model.tables import EVIDENCE, Expansion, conform
from toolkit.settings import KINDS, Kind

__all__ = ["ExpandSettings", "expand_from_seeds"]


@dataclass(frozen=True, slots=True)
class ExpandSettings:
    """The dials of an expansion, with their reasons.

    Attributes
    ----------
    join : float
        Probability that admits an account to the working set; high, because the set is what the next round trusts.
    leave : float
        A member that falls below it is dropped.
    include : float
        Probability at which the final answer says "belongs".
    ring_size : int
        Expected size of a ring: the prior is this (or the present size) over all accounts.
    family_cap : float
        Most bits one family may give.
    miss_floor : float
        Most bits the misses of one kind may cost.
    soft_bits, soft_members : float, int
        A coarse kind (a browser fingerprint) counts as a reason of its own only where this many members hold the value
        and it is this many bits more common among them than outside: then it is the set's own.
    probe_below, probe_at, probes : int, float, int
        When growth stalls with no more than this many found, the best so many near misses of this probability or more are
        supposed to belong, together and one by one, to see whether the set then takes off.
    probe_stands : float
        Probability the seeds must have, judged by the newcomers alone, for a supposition to stand.
    max_rounds : int
        Rounds of joining and leaving, then it stops and says so.
    max_frontier : int
        Accounts looked at in a round; values with the fewest holders propose first.
    max_excluded : int
        Near misses written down, best first.
    """

    join: float = 0.9
    leave: float = 0.5
    include: float = 0.8
    ring_size: int = 20
    family_cap: float = 14.0
    miss_floor: float = -4.0
    soft_bits: float = 6.0
    soft_members: int = 5
    probe_below: int = 12
    probe_at: float = 0.1
    probe_stands: float = 0.95
    probes: int = 4
    max_rounds: int = 40
    max_frontier: int = 200_000
    max_excluded: int = 500


_THETA = 1.0
_PRIOR_DRAWS = 2.0
_ARRIVALS_NEEDED = 4
_DOUBT_NEEDS = 3
_PROBE_BRINGS = 4


@dataclass(frozen=True)
class _Growth:
    """A set that stopped growing: its mask, the round each account joined in, rounds used, whether a probe was needed."""

    members: BoolArray
    joined: IntArray
    rounds: int
    probed: bool = False


@dataclass(frozen=True)
class _Scores:
    """One scoring of a frontier against a set: arrays by frontier account, and the hits behind them."""

    account: IntArray
    bits: FloatArray
    probability: FloatArray
    reasons: IntArray
    exclusive: BoolArray
    behaviour: BoolArray
    families: FloatArray
    hit_row: IntArray
    hit_incidence: IntArray
    hit_bits: FloatArray
    hit_members: FloatArray
    hit_holders: FloatArray


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
        ``precision_estimate`` is the mean probability of the non-seeds included up to and including the row's round: it is
        conditional on the seeds being right. Order: included first, round, probability descending, account_id.

    Raises
    ------
    InputError
        If no seed is given.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [(f"r{i}", f"d{i % 2}", f"c{i % 3}") for i in range(6)] + [(f"x{i}", f"e{i}", f"k{i}") for i in range(60)]
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
    return _write(index, growth, trusted, doubted, absent, dials)


def _grow(
    index: Incidence,
    seeds: IntArray,
    dials: ExpandSettings,
    progress: Callable[[str], None] | None = None,
    start: _Growth | None = None,
) -> _Growth:
    """Join and drop until nothing moves; seeds stay whatever happens."""
    members = _mask(index, seeds)
    is_seed = members.copy()
    joined = np.zeros(index.n_accounts, dtype=np.int64)
    number = before = 0
    if start is not None:
        members, joined, before = members | start.members, start.joined.copy(), start.rounds
    seen: set[bytes] = set()
    for number in range(before + 1, before + dials.max_rounds + 1):
        if not len(seeds):
            break
        scores = _score(index, members, _frontier(index, members, dials.max_frontier), dials)
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
    return _Growth(members, joined, number)


def _probe(index: Incidence, seeds: IntArray, stalled: _Growth, dials: ExpandSettings) -> _Growth:
    """Look one step ahead when a small set has stalled: suppose that the best near misses belong, and see what grows.

    A supposition stands only if what it brings in speaks for the seeds *by itself*: the seeds are scored against the new
    members alone, without the accounts they came from. (Without that test a set drifts into its neighbour over a public
    phone number, and supports itself there.)
    """
    size = int(stalled.members.sum())
    if not len(seeds) or size > dials.probe_below + len(seeds):
        return stalled
    scores = _score(index, stalled.members, _frontier(index, stalled.members, dials.max_frontier), dials)
    near = np.flatnonzero(~stalled.members[scores.account] & (scores.probability >= dials.probe_at))
    near = near[np.lexsort((scores.account[near], -scores.bits[near]))][: dials.probes]
    best = scores.account[near]
    suppositions = [best, *([account] for account in best)] if len(best) > 1 else [best] if len(best) else []
    for supposed in suppositions:
        tried = _grow(index, np.union1d(seeds, supposed), dials, start=stalled)
        if int(tried.members.sum()) < size + len(supposed) + _PROBE_BRINGS:
            continue
        settled = _grow(index, seeds, dials, start=tried)
        new = settled.members & ~stalled.members
        if int(new.sum()) < _PROBE_BRINGS:
            continue
        blind = _score(index, new, seeds, dials)
        if float(np.median(blind.probability)) >= dials.probe_stands:
            return _Growth(settled.members, settled.joined, settled.rounds, probed=True)
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
        scores = _score(index, alone.members, seeds, dials)
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
    scores = _score(index, members, rest, dials)
    doubted = scores.account[(scores.probability < dials.leave) & ~members[scores.account]]
    return np.setdiff1d(seeds, doubted), doubted


def _largest_component(adjacent: BoolArray) -> IntArray:
    """Largest connected group of a small symmetric matrix; the first one on a tie."""
    reach = adjacent.copy()
    for _ in range(len(reach)):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    return np.flatnonzero(reach[int(np.argmax(reach.sum(axis=1)))])


def _frontier(index: Incidence, members: BoolArray, limit: int) -> IntArray:
    """Members and everybody who shares a value with them, rarest values first, up to a limit; sorted."""
    own = np.flatnonzero(members[index.account] & ~index.placeholder[index.value])
    touched = np.unique(index.value[own])
    proposes = np.array([kind.max_holders > 0 for kind in index.kinds])[index.value_kind[touched]]
    touched = touched[proposes]
    touched = touched[np.lexsort((touched, index.holders[touched]))]
    touched = touched[: int(np.searchsorted(np.cumsum(index.holders[touched]), limit, side="right"))]
    rows = _ranges(index.value_start[touched], index.value_start[touched + 1])
    near = index.account[index.by_value[rows]]
    return np.unique(np.concatenate((near, np.flatnonzero(members))))


def _ranges(begin: IntArray, end: IntArray) -> IntArray:
    """Concatenate the integer ranges [begin, end)."""
    size = end - begin
    offset = np.cumsum(size) - size
    filled: IntArray = np.arange(int(size.sum())) + np.repeat(begin - offset, size)
    return filled


def _score(index: Incidence, members: BoolArray, frontier: IntArray, dials: ExpandSettings) -> _Scores:
    """Log-odds of belonging for every frontier account; a member is judged without itself.

    Scored twice: accounts that look like members the first time are not counted among the strangers the second time, or
    a ring whose members are not found yet would hide in its own background.
    """
    first = _score_once(index, members, frontier, dials, np.zeros(index.n_accounts))
    likely = (first.probability >= dials.leave) & (first.reasons >= 2) & ~members[frontier]
    if not likely.any():
        return first
    belief = np.zeros(index.n_accounts)
    belief[frontier[likely]] = first.probability[likely]
    return _score_once(index, members, frontier, dials, belief)


def _score_once(
    index: Incidence, members: BoolArray, frontier: IntArray, dials: ExpandSettings, belief: FloatArray
) -> _Scores:
    """One scoring; ``belief`` is the share of each outsider that is taken for a member already."""
    n_kinds, n_front = len(index.kinds), len(frontier)
    rows = _ranges(index.start[frontier], index.start[frontier + 1])
    who = np.repeat(np.arange(n_front), index.start[frontier + 1] - index.start[frontier])
    real = ~index.placeholder[index.value[rows]]
    rows, who = rows[real], who[real]
    value, kind = index.value[rows], index.kind[rows]
    inside = members[frontier]

    own = np.flatnonzero(members[index.account] & ~index.placeholder[index.value])
    held = np.bincount(index.value[own], minlength=index.n_values)
    size = int(members.sum())
    predict = _Predictor.of(index, own, held, size)

    others = held[value] - inside[who]
    hit = np.flatnonzero(others > 0)
    s, outsiders, holders = _counts(index, rows[hit], own, others[hit], inside[who[hit]])
    met = s > 0
    hit, s, outsiders, holders = hit[met], s[met], outsiders[met], holders[met]
    if belief.any():
        believed = np.bincount(index.value, weights=belief[index.account], minlength=index.n_values)[value[hit]]
        believed = np.where(index.window[kind[hit]] > 0, 0.0, believed - belief[frontier[who[hit]]])
        outsiders = np.maximum(outsiders - believed, 0.0)
    background = predict.eps[kind[hit]] + (outsiders + 0.5) / index.per_kind_incidences[kind[hit]]
    draws = predict.draws[kind[hit]] - np.where(inside[who[hit]], index.activity[rows[hit]], 0.0)
    sigma, fresh = predict.sigma[kind[hit]], predict.fresh[kind[hit]]
    likely = np.maximum(s - sigma, 0.0) / (np.maximum(draws, s) + _THETA)
    hit_bits = np.log2(likely / np.minimum(background, 1.0) + fresh)
    soft = (hit_bits >= dials.soft_bits) & (s >= dials.soft_members)
    hit_bits = np.clip(hit_bits, 0.0, np.array([k.cap for k in index.kinds])[kind[hit]])
    speaks = ~_alone(index, who[hit], kind[hit], n_front) & ~swallowed(index.kinds, who[hit], kind[hit], hit_bits > 0)
    hit_bits = np.where(speaks, hit_bits, 0.0)

    families, reasons, exclusive, behaviour = _add_up(
        index, who[hit], value[hit], kind[hit], hit_bits, soft, n_front, dials
    )
    missed = np.ones(len(rows), dtype=bool)
    missed[hit] = False
    misses = np.bincount(
        who[missed] * n_kinds + kind[missed],
        weights=predict.miss[kind[missed]],
        minlength=n_front * n_kinds,
    )
    has = np.bincount(who * n_kinds + kind, minlength=n_front * n_kinds) > 0
    cost = np.where(has, np.maximum(misses, dials.miss_floor), np.tile(predict.absent, n_front))
    counted = predict.informative
    against = (cost.reshape(n_front, n_kinds) * counted).sum(axis=1)
    prior = np.log2(max(size, dials.ring_size) / max(index.n_accounts, 2 * dials.ring_size))
    bits = families.sum(axis=1) + against + prior + _arrival_bits(index, members, frontier)
    return _Scores(
        frontier, bits, probability(bits), reasons, exclusive, behaviour, families,
        who[hit], rows[hit], hit_bits, s, holders,
    )  # fmt: skip


def _arrival_bits(index: Incidence, members: BoolArray, frontier: IntArray) -> FloatArray:
    """Bits for having arrived when the members did; they add up with the rest but are never a reason of their own.

    Both densities are histograms smoothed by one Gaussian, so that a day on which everybody signed up says nothing.
    """
    arrived = index.arrival
    size = int(members.sum())
    known = members & ~np.isnan(arrived)
    nothing = np.zeros(len(frontier))
    if int(known.sum()) < _ARRIVALS_NEEDED:
        return nothing
    spread = 0.6 * float(np.std(arrived[known])) * size**-0.2
    step = max(12.0, spread) / 4
    bins = int(index.span_h / step) + 1
    offsets = np.arange(-12, 13)
    kernel = np.exp(-0.5 * (offsets / 4) ** 2)
    kernel /= kernel.sum()
    where = np.clip(np.nan_to_num(arrived) / step, 0, bins - 1).astype(np.int64)
    everyone = np.convolve(np.bincount(where[~np.isnan(arrived)], minlength=bins), kernel)[12 : 12 + bins]
    ring = np.convolve(np.bincount(where[known], minlength=bins), kernel)[12 : 12 + bins]
    background = (everyone + 0.5) / (everyone.sum() + 0.5 * bins)
    at = where[frontier]
    inside = known[frontier]
    count = np.maximum(ring[at] - inside * kernel[12], 0.0)
    total = int(known.sum()) - inside
    ratio = (count + 2 * background[at]) / (total + 2) / background[at]
    return np.where(np.isnan(arrived[frontier]), 0.0, np.clip(np.log2(ratio), -2.0, 3.0))


@dataclass(frozen=True)
class _Predictor:
    """What the set says of a further member's draws, by kind code."""

    draws: FloatArray
    sigma: FloatArray
    fresh: FloatArray
    miss: FloatArray
    absent: FloatArray
    eps: FloatArray
    informative: FloatArray

    @classmethod
    def of(cls, index: Incidence, own: IntArray, held: IntArray, size: int) -> _Predictor:
        n_kinds = len(index.kinds)
        kind = index.kind[own]
        draws = np.bincount(kind, minlength=n_kinds).astype(float)
        m = np.array([k.m for k in index.kinds])
        count = held[index.value[own]]
        once = np.bincount(kind[count == 1], minlength=n_kinds) * (size > 1)
        twice = np.bincount(kind[count == 2], minlength=n_kinds) / 2
        distinct = np.bincount(index.value_kind[held > 0], minlength=n_kinds)
        sigma = (once + _PRIOR_DRAWS * (1 - m)) / (once + 2 * twice + _PRIOR_DRAWS)
        fresh = np.clip((_THETA + sigma * distinct) / (draws + _THETA), 0.02, 1.0)
        crowd = np.bincount(index.value_kind[held > 0], weights=index.holders[held > 0], minlength=n_kinds)
        covered = crowd / index.per_kind_incidences
        with_kind = np.unique(index.account[own] * n_kinds + kind) % n_kinds
        have = np.bincount(with_kind, minlength=n_kinds)
        lacking = 1 - index.per_kind_accounts / index.n_accounts
        # The set's own rate is drawn towards the population's, so that two seeds do not decide what a ring lacks.
        absent = np.clip(
            np.log2(np.maximum((size - have + 4 * lacking + 0.1) / (size + 4.1), 1e-3) / np.maximum(lacking, 0.02)),
            -3,
            0,
        )
        return cls(
            draws=draws,
            sigma=sigma,
            fresh=fresh,
            # A stranger misses too, the less the more of the population's draws the set's values cover.
            miss=np.minimum(np.log2(fresh / np.clip(1 - covered, 0.02, 1.0)), 0.0),
            absent=absent,
            eps=np.array([k.eps for k in index.kinds]),
            informative=np.array([1.0 if k.corroborates else 0.5 for k in index.kinds]),
        )


def _counts(
    index: Incidence, rows: IntArray, own: IntArray, others: IntArray, inside: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Members and outsiders (without the account itself) that hold the row's value within its kind's window."""
    value, window = index.value[rows], index.window[index.kind[rows]]
    low, high = index.first[rows] - window, index.last[rows] + window
    timed = window > 0
    s = others.astype(float)
    holders = index.holders[value].astype(float)
    if timed.any():
        t = np.flatnonzero(timed)
        s[t] = index.count_between(value[t], low[t], high[t], among=own) - inside[t]
        holders[t] = index.count_between(value[t], low[t], high[t])
    return s, np.maximum(holders - 1 - s, 0.0), holders


def _alone(index: Incidence, who: IntArray, kind: IntArray, n_front: int) -> BoolArray:
    """Hits of kinds that ask for repeats, in accounts that have too few of them."""
    n_kinds = len(index.kinds)
    number = np.bincount(who * n_kinds + kind, minlength=n_front * n_kinds)
    need = np.array([k.min_shared for k in index.kinds])
    few: BoolArray = number[who * n_kinds + kind] < need[kind]
    return few


def _add_up(
    index: Incidence,
    who: IntArray,
    value: IntArray,
    kind: IntArray,
    bits: FloatArray,
    soft: BoolArray,
    n_front: int,
    dials: ExpandSettings,
) -> tuple[FloatArray, IntArray, BoolArray, BoolArray]:
    """Saturate hits within families; count independent reasons; note exclusive values and behaviour."""
    families = np.minimum(combine_bits(index.kinds, who, kind, value, bits, n_front), dials.family_cap)
    unique = np.array([k.regime == "unique" for k in index.kinds])[kind]
    cap = np.array([k.cap for k in index.kinds])[kind]
    exclusive = np.bincount(who[unique & (bits >= 0.75 * cap)], minlength=n_front)
    several = exclusive >= 3  # three exclusive values are not one coincidence: a stolen card is one card
    reasons = count_reasons(index.kinds, who, kind, value, bits, n_front, also=soft) + several
    acts = np.array([k.family in ("text", "behav") for k in index.kinds])[kind] & (bits >= FAMILY_SPEAKS)
    behaviour = np.bincount(who[acts], minlength=n_front) > 0
    return families, reasons.astype(np.int64), exclusive > 0, behaviour


def _write(
    index: Incidence,
    growth: _Growth,
    trusted: IntArray,
    doubted: IntArray,
    absent: list[str],
    dials: ExpandSettings,
) -> pl.DataFrame:
    """Turn the final state into the contract ``Expansion``."""
    members, joined, rounds = growth.members, growth.joined, growth.rounds
    scores = _score(index, members, np.union1d(_frontier(index, members, dials.max_frontier), doubted), dials)
    account = scores.account
    seed = np.isin(account, trusted)
    doubt = np.isin(account, doubted)
    included = (seed | (members[account] & (scores.probability >= dials.include) & (scores.reasons >= 2))) & ~doubt
    near = np.flatnonzero(~included & ~doubt & (scores.families.max(axis=1, initial=0.0) >= FAMILY_SPEAKS))
    near = near[np.lexsort((account[near], -scores.bits[near]))][: dials.max_excluded]
    rows = np.concatenate((np.flatnonzero(included | doubt), near))
    p = np.where(seed[rows], np.maximum(scores.probability[rows], 0.0), scores.probability[rows])
    levels = level_of(p, scores.reasons[rows], scores.exclusive[rows], scores.behaviour[rows], probable=dials.leave)
    names = family_names(index.kinds)
    spoke = [[names[f] for f in np.flatnonzero(scores.families[row] >= 1.0)] for row in rows]
    evidence = _evidence(index, scores, rows)
    table = pl.DataFrame(
        {
            "row": rows,
            "account_id": index.accounts.gather(account[rows]),
            "round": np.where(
                seed[rows] | doubt[rows], 0, np.where(included[rows], np.maximum(joined[account[rows]], 1), rounds)
            ).astype(np.uint32),
            "probability": np.round(p, 9),
            "included": included[rows],
            "seed": seed[rows],
            "doubted": doubt[rows],
            "level": pl.Series(levels, dtype=pl.String),
            "families": pl.Series(spoke, dtype=pl.List(pl.String)),
            "reasons": scores.reasons[rows],
        }
    ).join(evidence, on="row", how="left")
    table = table.with_columns(
        pl.col("evidence").fill_null(pl.lit([], dtype=EVIDENCE)),
        pl.Series("reason", _reasons(table, int(members.sum()), dials), dtype=pl.String),
    )
    # A jump from one seed may have landed in a neighbour's ring: no precision is quoted for it.
    told = not (growth.probed and len(trusted) < 2)
    table = _estimate_precision(table, told=told)
    if absent:
        lost = pl.DataFrame({"account_id": absent}).with_columns(
            pl.lit(0, pl.UInt32).alias("round"), pl.lit(0.0).alias("probability"), pl.lit(None, pl.Float64).alias("precision_estimate"),
            pl.lit(False).alias("included"), pl.lit("L0").alias("level"), pl.lit([], dtype=pl.List(pl.String)).alias("families"),
            pl.lit("seed does not occur in these data").alias("reason"), pl.lit([], dtype=EVIDENCE).alias("evidence"),
        )  # fmt: skip
        table = pl.concat([table.select(lost.columns), lost])
    ordered = table.sort(["included", "round", "probability", "account_id"], descending=[True, False, True, False])
    return conform(ordered, Expansion)


def _estimate_precision(table: pl.DataFrame, *, told: bool) -> pl.DataFrame:
    """Mean probability of the non-seeds included up to each round; null where none may be quoted."""
    found = table.filter(pl.col("included") & ~pl.col("seed"))
    rounds = sorted(found.get_column("round").unique().to_list())
    estimate = {
        number: float(np.mean(np.sort(found.filter(pl.col("round") <= number).get_column("probability").to_numpy())))
        for number in rounds
    }
    per_row = [
        round(estimate[number], 6) if told and included and not seed else None
        for number, included, seed in table.select("round", "included", "seed").iter_rows()
    ]
    return table.with_columns(pl.Series("precision_estimate", per_row, dtype=pl.Float64))


def _evidence(index: Incidence, scores: _Scores, rows: IntArray) -> pl.DataFrame:
    """Return ``row``, ``evidence`` and ``said`` (the three best values in words) for the given frontier positions."""
    wanted = np.zeros(len(scores.account), dtype=bool)
    wanted[rows] = True
    hit = np.flatnonzero(wanted[scores.hit_row] & (scores.hit_bits > 0))
    value = index.value[scores.hit_incidence[hit]]
    kind = index.value_kind[value]
    window = np.array([k.window_h if k.window_h else np.nan for k in index.kinds])[kind]
    return (
        pl.DataFrame(
            {
                "row": scores.hit_row[hit],
                "kind": index.values.get_column("kind").gather(value),
                "value": index.values.get_column("value").gather(value),
                "bits": np.round(scores.hit_bits[hit], 6),
                "holders": scores.hit_holders[hit].astype(np.uint32),
                "members": scores.hit_members[hit].astype(np.uint32),
                "window": pl.Series(window, nan_to_null=True, dtype=pl.Float64),
                "regime": pl.Series([k.regime for k in index.kinds], dtype=pl.String).gather(kind),
            }
        )
        .sort(["row", "bits", "kind", "value"], descending=[False, True, False, False])
        .group_by("row", maintain_order=True)
        .agg(
            pl.struct("kind", "value", "bits", "holders", "window", "regime").alias("evidence"),
            pl.struct("kind", "value", "bits", "holders", "members").head(3).alias("said"),
        )
        .with_columns(pl.col("evidence").cast(EVIDENCE))
    )


def _reasons(table: pl.DataFrame, size: int, dials: ExpandSettings) -> list[str]:
    """Why each row is in or out, in a sentence a reader outside the team can follow."""
    sentences = []
    for row in table.select("included", "seed", "doubted", "probability", "reasons", "families", "said").iter_rows(
        named=True
    ):
        shared = "; ".join(_in_words(item) for item in row["said"] or [])
        if row["doubted"]:
            text = "seed shares nothing with the others beyond chance: check whether it belongs to this case"
        elif row["seed"]:
            text = f"seed; it shares {shared}" if shared else "seed; it shares nothing with the set found"
        elif row["included"]:
            text = f"shares {shared}"
        elif row["reasons"] < 2:
            only = ", ".join(row["families"]) or "weak values"
            text = f"left out: one independent kind only ({only}): {shared}"
        else:
            text = f"left out: probability {row['probability']:.2f} is under {dials.include:.2f}: {shared}"
        sentences.append(text)
    del size
    return sentences


def _in_words(item: Mapping[str, object]) -> str:
    outside = int(str(item["holders"])) - int(str(item["members"])) - 1
    crowd = "nobody else" if outside <= 0 else f"{outside} outside it"
    return f"{item['kind']} {visible(item['value'], 40)} with {item['members']} of the set and {crowd} ({item['bits']:.1f} bits)"
