"""How strongly an account belongs to a set: its values, judged one draw at a time.

The thought. A ring is a set of accounts that draw their devices, cards, addresses and texts from common stock, mixed
with things of their own. Given the members so far:

* **a hit** (a value that s members hold): how likely would a further member draw it, against how likely would anyone?
  For members the Pitman-Yor predictive rule ``(s - sigma) / (T + theta)`` over their T draws of the kind; sigma is high
  when members repeat nothing, so a set that shares nothing predicts nothing. For strangers ``eps + (o + 1/2) / M``:
  o holders outside the set *within the kind's window*, of M draws in all. A hub has many outsiders and says little.
* **a miss** (a value no member holds) costs ``log2`` of the chance that a member draws something new, over the same for
  a stranger: little for a ring that rotates addresses, much for one that lives on four devices. **No value at all** of
  a kind that every member has costs too. Misses are what keeps a ring from growing into its neighbours.
* **arriving together** adds a little, and is never a reason.

Hits are saturated within a family, families add, the prior is the size of a ring in this population. The predictive
rule is Pitman & Yor 1997; draws, misses and leave-one-out follow the project's linking reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.linking.combine import AT_CAP, BEHAVIOUR, FAMILY_SPEAKS, TOGETHER_H, combine_bits, count_reasons, swallowed
from toolkit.linking.incidence import AXIS_STRIDE_H, BoolArray, FloatArray, Incidence, IntArray, ranges
from toolkit.linking.score import probability

__all__ = ["ExpandSettings", "Scores", "find_frontier", "score_accounts"]


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
        A coarse kind (a card's BIN) counts as a reason of its own only where this many members, and half of them, hold
        the value, and it is this many bits more common among them than outside: then it is the set's own.
    probe_below, probe_at, probes : int, float, int
        When growth stalls with no more than this many found, the best so many near misses of this probability or more
        are supposed to belong, together and one by one, to see whether the set then takes off.
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
    soft_bits: float = 4.5
    soft_members: int = 5
    probe_below: int = 12
    probe_at: float = 0.1
    probe_stands: float = 0.95
    probes: int = 4
    max_rounds: int = 40
    max_frontier: int = 200_000
    max_excluded: int = 500


_THETA = 1.0
"""Weight of a draw nobody has made yet, in draws."""

_PRIOR_DRAWS = 2.0
"""Draws that the kind's own m is worth against what the set shows."""

_ARRIVALS_NEEDED = 4
"""Members with a known arrival before their arrivals say anything."""


@dataclass(frozen=True)
class Scores:
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


def find_frontier(index: Incidence, members: BoolArray, limit: int) -> IntArray:
    """Members and everybody who shares a value with them, rarest values first, up to a limit; sorted."""
    own = np.flatnonzero(members[index.account] & ~index.placeholder[index.value])
    touched = np.unique(index.value[own])
    proposes = np.array([kind.max_holders > 0 for kind in index.kinds])[index.value_kind[touched]]
    touched = touched[proposes]
    touched = touched[np.lexsort((touched, index.holders[touched]))]
    touched = touched[: int(np.searchsorted(np.cumsum(index.holders[touched]), limit, side="right"))]
    rows = ranges(index.value_start[touched], index.value_start[touched + 1])
    near = index.account[index.by_value[rows]]
    return np.unique(np.concatenate((near, np.flatnonzero(members))))


def score_accounts(index: Incidence, members: BoolArray, frontier: IntArray, dials: ExpandSettings) -> Scores:
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
) -> Scores:
    """One scoring; ``belief`` is the share of each outsider that is taken for a member already."""
    n_kinds, n_front = len(index.kinds), len(frontier)
    rows = ranges(index.start[frontier], index.start[frontier + 1])
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
    soft = (hit_bits >= dials.soft_bits) & (s >= np.maximum(dials.soft_members, 0.5 * size))
    hit_bits = np.clip(hit_bits, 0.0, np.array([k.cap for k in index.kinds])[kind[hit]])
    speaks = ~_alone(index, who[hit], kind[hit], n_front) & ~swallowed(index.kinds, who[hit], kind[hit], hit_bits > 0)
    hit_bits = np.where(speaks, hit_bits, 0.0)

    declared = np.array([k.declared for k in index.kinds])[kind[hit]] & (s >= 0.5 * (size - inside[who[hit]]))
    openly = np.bincount(who[hit][declared], minlength=n_front) > 0
    together = _used_together(index, rows[hit], own, inside[who[hit]]) & ~openly[who[hit]]
    families, reasons, exclusive, behaviour = _add_up(
        index, who[hit], value[hit], kind[hit], hit_bits, soft, together, n_front, dials
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
    return Scores(
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


def _used_together(index: Incidence, rows: IntArray, own: IntArray, inside: BoolArray) -> BoolArray:
    """Whether a member used the row's value within three days of the account's own; False where no time is known."""
    timed = own[~np.isnan(index.use_first[own])]
    if not len(timed):
        return np.zeros(len(rows), dtype=bool)
    axis = index.value.astype(float) * AXIS_STRIDE_H
    starts = np.sort(axis[timed] + index.use_first[timed])
    ends = np.sort(axis[timed] + index.use_last[timed])
    began = np.searchsorted(starts, axis[rows] + index.use_last[rows] + TOGETHER_H, side="right")
    over = np.searchsorted(ends, axis[rows] + index.use_first[rows] - TOGETHER_H, side="left")
    near: BoolArray = (began - over - inside > 0) & ~np.isnan(index.use_first[rows])
    return near


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
    together: BoolArray,
    n_front: int,
    dials: ExpandSettings,
) -> tuple[FloatArray, IntArray, BoolArray, BoolArray]:
    """Saturate hits within families; count independent reasons; note exclusive values and behaviour."""
    families = np.minimum(combine_bits(index.kinds, who, kind, value, bits, n_front), dials.family_cap)
    unique = np.array([k.regime == "unique" for k in index.kinds])[kind]
    cap = np.array([k.cap for k in index.kinds])[kind]
    sharp = unique & (bits >= AT_CAP * cap)
    several = (
        np.bincount(who[sharp], minlength=n_front) >= 3
    )  # three exclusive values are not one coincidence: a stolen card is one card
    reasons = count_reasons(index.kinds, who, kind, value, bits, n_front, also=soft) + several
    acts = np.array([k.family in BEHAVIOUR for k in index.kinds])[kind] & (bits >= FAMILY_SPEAKS)
    behaviour = np.bincount(who[acts], minlength=n_front) > 0
    exclusive = np.bincount(who[sharp & together], minlength=n_front) > 0
    return families, reasons.astype(np.int64), exclusive, behaviour
