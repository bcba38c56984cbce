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

from dataclasses import dataclass, replace

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, ranges, unique_keys
from toolkit.linking.combine import AT_CAP, BEHAVIOUR, FAMILY_SPEAKS, TOGETHER_H, combine_bits, count_reasons, swallowed
from toolkit.linking.incidence import Incidence
from toolkit.linking.score import probability
from toolkit.linking.sets import Held, Sets, hold

__all__ = ["ExpandSettings", "Scores", "cell_bits", "find_frontier", "score_accounts"]


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
    around_below, around_hops, around_accounts, around_size : int, int, int, int
        When growth stalls with no more than this many found, so many accounts so many steps away are clustered, and a
        cluster of this size or more that speaks for most of the seeds by itself is taken up.
    max_rounds : int
        Rounds of joining and leaving, then it stops and says so.
    frontier_bits : float
        A value that could give a further member less than this, or than half of what the prior asks where that is
        less, brings nobody to be looked at.
    own_life_h, own_life_values : float, int
        An account that was seen for so many hours, with so many values that nobody in the set has, before it first
        shared anything with the set, was somebody's: a victim of a takeover, or sold. It is never a member.
    max_frontier : int
        Accounts looked at in a round, per set; values with the fewest holders propose first.
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
    around_below: int = 20
    around_hops: int = 3
    around_accounts: int = 3_000
    around_size: int = 3
    max_rounds: int = 40
    frontier_bits: float = 4.5
    own_life_h: float = 14 * 24.0
    own_life_values: int = 4
    max_frontier: int = 200_000
    max_excluded: int = 500


VOUCHERS = 2
"""Solid members that must hold a value for it to be the set's own."""

OUTSIDE = 0.1
"""Outsiders that may hold it too, per member who does."""

_THETA = 1.0
"""Weight of a draw nobody has made yet, in draws."""

_PRIOR_DRAWS = 2.0
"""Draws that the kind's own m is worth against what the set shows."""

_ARRIVALS_NEEDED = 4
"""Members with a known arrival before their arrivals say anything."""

CONTACT_BITS = 2.5
"""Bits from which a shared value is a contact with the set; weaker ones are there by chance from the first day."""

_ROUNDING = 1e-6
"""Bits by which two ways of adding up the same may differ, and far more."""

_ARRIVAL_H = 12.0
"""Narrowest smoothing of arrivals, in hours; wider ones double it."""


@dataclass(frozen=True)
class Scores:
    """One scoring of frontiers against their sets: arrays by frontier row, and the hits behind them.

    ``vouched``: one of the values is the set's own (solid members hold it, hardly anybody else), and that is enough.
    """

    frontier: Sets
    bits: FloatArray
    probability: FloatArray
    reasons: IntArray
    exclusive: BoolArray
    behaviour: BoolArray
    own_life: BoolArray
    vouched: BoolArray
    families: FloatArray
    hit_row: IntArray
    hit_incidence: IntArray
    hit_bits: FloatArray
    hit_members: FloatArray
    hit_holders: FloatArray

    @property
    def account(self) -> IntArray:
        """Account code by frontier row."""
        return self.frontier.account

    @property
    def reasoned(self) -> BoolArray:
        """Whether two independent reasons speak for an account, or one that the set vouches for."""
        return (self.reasons >= 2) | self.vouched

    @property
    def solid(self) -> BoolArray:
        """Whether they do, and the account was not somebody's before."""
        return self.reasoned & ~self.own_life

    def holds(self, dials: ExpandSettings) -> BoolArray:
        """Whether who is a member may stay one."""
        return (self.probability >= dials.leave) & self.solid


def find_frontier(index: Incidence, sets: Sets, dials: ExpandSettings) -> Sets:
    """Name, for each set, its members and everybody who holds a value that could speak for them.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> frame = pl.DataFrame({"account_id": ["a", "b", *"cdefghijkl"], "card": ["x", "x", *"0123456789"]})
    >>> index = build_incidence(find_observations(frame))
    >>> find_frontier(index, one_set(np.array([0]), 12), ExpandSettings()).account.tolist()
    [0, 1]
    """
    held = hold(index, sets)
    value, label = held.cell_value, held.cell_label
    proposes = np.array([kind.max_holders > 0 for kind in index.kinds])[index.value_kind[value]]
    asked = np.log2(max(index.n_accounts, 2 * dials.ring_size) / dials.ring_size)
    least = min(dials.frontier_bits, max(0.5 * asked, 1.0))
    cells = np.flatnonzero(proposes & (index.holders[value] > 1) & (cell_bits(held, asking=1) >= least))
    cells = cells[np.lexsort((value[cells], index.holders[value[cells]], label[cells]))]
    reached = np.cumsum(index.holders[value[cells]])
    first = np.searchsorted(label[cells], np.arange(sets.number))
    before = np.concatenate(([0], reached))[first]
    cells = np.sort(cells[reached - before[label[cells]] <= dials.max_frontier])
    begin, end = index.value_start[value[cells]], index.value_start[value[cells] + 1]
    place, cell = ranges(begin, end), np.repeat(cells, end - begin)
    window = np.repeat(index.window[index.value_kind[value[cells]]], end - begin)
    timed = np.flatnonzero(window > 0)
    low, high = index.value_first[place[timed]] - window[timed], index.value_last[place[timed]] + window[timed]
    meets = np.ones(len(place), dtype=bool)
    meets[timed] = held.within_window(cell[timed], low, high) > 0
    return Sets.of(
        np.concatenate((label[cell[meets]], sets.label)),
        np.concatenate((index.value_account[place[meets]], sets.account)),
        sets.number,
        index.n_accounts,
    )


def score_accounts(
    index: Incidence,
    sets: Sets,
    frontier: Sets,
    dials: ExpandSettings,
    *,
    without: BoolArray | None = None,
    least: float = 0.0,
) -> Scores:
    """Log-odds of belonging for every frontier row; a member is judged without itself.

    Values marked in ``without`` are supposed not to have been seen: what would be left of the answer? Who is no member
    and cannot come to the probability ``least``, whatever the families take off, is left without hits.

    Weighed twice: accounts that look like members the first time are not counted among the strangers the second time,
    or a ring whose members are not found yet would hide in its own background.
    """
    held = hold(index, sets, without)
    predict = _Predictor.of(held)
    hits = _meet(held, frontier)
    rest = _against(held, frontier, predict, hits, dials) + _arrival_bits(index, sets, frontier)
    rest += np.log2(np.maximum(sets.size, dials.ring_size) / max(index.n_accounts, 2 * dials.ring_size))[frontier.label]
    first = _weigh(held, frontier, predict, hits, rest, np.zeros(len(hits.row)), dials, least)
    likely = first.holds(dials) & ~hits.inside
    if not likely.any():
        return first
    belief = np.where(likely, first.probability, 0.0)[hits.row]
    believed = np.bincount(hits.cell, weights=belief, minlength=len(held.cell_key))[hits.cell] - belief
    timed = index.window[index.kind[hits.incidence]] > 0
    return _weigh(held, frontier, predict, hits, rest, np.where(timed, 0.0, believed), dials, least)


def _vouch(held: Held, hits: _Hits, scores: Scores) -> Scores:
    """Note for whom one value is reason enough, because the set has made it its own.

    Solid members hold it, tied by other things too; hardly anybody else does; and the account came to it in their
    midst. Not before them all: so does whose card was stolen. Not after them all: so does who bought the machine. In a
    tiny set, where all the others hold it, only the first is asked.
    """
    index = held.index
    sure = hits.mine & (scores.reasons >= 2)[hits.row] & ~scores.own_life[hits.row]
    solid = np.bincount(hits.cell[sure], minlength=len(held.cell_key))[hits.cell]
    counts = np.array([k.corroborates for k in index.kinds])[index.kind[hits.incidence]]
    its_own = (solid >= VOUCHERS) & (hits.outsiders <= OUTSIDE * hits.members)
    its_own &= counts & (scores.hit_bits >= FAMILY_SPEAKS) & (scores.reasons == 1)[hits.row]
    asked = np.flatnonzero(its_own & ~np.isnan(index.use_first[hits.incidence]))
    cell, mine, began = hits.cell[asked], hits.mine[asked], index.use_first[hits.incidence[asked]]
    after_some = held.in_use(cell, np.zeros(len(asked)), began) - mine > 0
    before_some = held.in_use(cell, began, np.full(len(asked), index.span_h + 1.0)) - mine > 0
    everybody = hits.members[asked] >= held.sets.size[held.cell_label[cell]] - mine
    vouched = hits.row[asked[after_some & (before_some | everybody)]]
    return replace(scores, vouched=np.bincount(vouched, minlength=len(scores.reasons)) > 0)


@dataclass(frozen=True)
class _Hits:
    """Values a frontier row shares with members of its set other than itself, within the kind's window.

    By hit, but for ``inside``, which is by frontier row; ``mine`` and ``inside`` say whether the account is a member.
    """

    row: IntArray
    incidence: IntArray
    cell: IntArray
    members: FloatArray
    outsiders: FloatArray
    holders: FloatArray
    mine: BoolArray
    inside: BoolArray

    def only(self, keep: BoolArray) -> _Hits:
        """The hits marked in ``keep``."""
        return _Hits(
            self.row[keep], self.incidence[keep], self.cell[keep], self.members[keep],
            self.outsiders[keep], self.holders[keep], self.mine[keep], self.inside,
        )  # fmt: skip


def _meet(held: Held, frontier: Sets) -> _Hits:
    index = held.index
    inside = held.sets.contains(frontier.label, frontier.account)
    begin, end = index.shared_start[frontier.account], index.shared_start[frontier.account + 1]
    place, row = ranges(begin, end), np.repeat(np.arange(len(frontier.account)), end - begin)
    known = held.anywhere[index.shared_value[place]]
    place, row = place[known], row[known]
    cell, there = held.find(frontier.label[row], index.shared_value[place])
    incidence, row, cell = index.shared[place[there]], row[there], cell[there]
    window = index.window[index.kind[incidence]]
    mine = inside[row]
    members = (held.count[cell] - mine).astype(float)
    timed = np.flatnonzero((window > 0) & (members > 0))
    low = index.first[incidence[timed]] - window[timed]
    high = index.last[incidence[timed]] + window[timed]
    members[timed] = held.within_window(cell[timed], low, high) - mine[timed]
    met = np.flatnonzero(members > 0)
    members, holders = members[met], index.nearby[incidence[met]]
    outsiders = np.maximum(holders - 1 - members, 0.0)
    return _Hits(row[met], incidence[met], cell[met], members, outsiders, holders, mine[met], inside)


def _weigh(
    held: Held,
    frontier: Sets,
    predict: _Predictor,
    hits: _Hits,
    rest: FloatArray,
    believed: FloatArray,
    dials: ExpandSettings,
    least: float,
) -> Scores:
    """Add up hits and the rest; ``believed`` outsiders of each hit are taken for members already."""
    index, n_rows = held.index, len(frontier.account)
    label, kind, s = frontier.label[hits.row], index.kind[hits.incidence], hits.members
    background = (
        predict.eps[kind] + (np.maximum(hits.outsiders - believed, 0.0) + 0.5) / index.per_kind_incidences[kind]
    )
    draws = predict.draws[label, kind] - np.where(hits.mine, index.activity[hits.incidence], 0.0)
    likely = np.maximum(s - predict.sigma[label, kind], 0.0) / (np.maximum(draws, s) + _THETA)
    bits = np.log2(likely / np.minimum(background, 1.0) + predict.fresh[label, kind])
    strong = bits >= dials.soft_bits
    bits = np.clip(bits, 0.0, np.array([k.cap for k in index.kinds])[kind])
    if least:
        most = np.bincount(hits.row, weights=bits, minlength=n_rows) + rest
        hope = (hits.inside | (probability(most + _ROUNDING) >= least))[hits.row]
        hits, label, kind, strong, bits = hits.only(hope), label[hope], kind[hope], strong[hope], bits[hope]
    value, s, size = index.value[hits.incidence], hits.members, held.sets.size
    soft = strong & (s >= np.maximum(dials.soft_members, 0.5 * size[label]))
    speaks = ~_alone(index, hits.row, kind, n_rows) & ~swallowed(index.kinds, hits.row, kind, bits > 0)
    bits = np.where(speaks, bits, 0.0)

    declared = np.array([k.declared for k in index.kinds])[kind] & (s >= 0.5 * (size[label] - hits.mine))
    openly = np.bincount(hits.row[declared], minlength=n_rows) > 0
    # Whether a value was used at the same time is asked of exclusive values alone; the others have no say in it.
    together = np.zeros(len(bits), dtype=bool)
    asked = np.flatnonzero(_sharp(index, kind, bits) & ~openly[hits.row])
    first, last = index.use_first[hits.incidence[asked]], index.use_last[hits.incidence[asked]]
    near = held.in_use(hits.cell[asked], first - TOGETHER_H, last + TOGETHER_H) - hits.mine[asked] > 0
    together[asked] = near & ~np.isnan(first)
    families, reasons, exclusive, behaviour = _add_up(index, hits.row, value, kind, bits, soft, together, n_rows, dials)
    total = families.sum(axis=1) + rest
    own_life = _own_life(index, frontier, hits, bits, total > -4, dials)
    scores = Scores(
        frontier, total, probability(total), reasons, exclusive, behaviour, own_life, np.zeros(n_rows, dtype=bool),
        families, hits.row, hits.incidence, bits, s, hits.holders,
    )  # fmt: skip
    return _vouch(held, hits, scores)


def _own_life(
    index: Incidence, frontier: Sets, hits: _Hits, bits: FloatArray, wanted: BoolArray, dials: ExpandSettings
) -> BoolArray:
    """Whether each account lived on values of its own before it met the set; only ``wanted`` rows are looked at."""
    met = np.full(len(frontier.account), np.inf)
    contact = np.flatnonzero((bits >= CONTACT_BITS) & ~np.isnan(index.use_first[hits.incidence]))
    np.minimum.at(met, hits.row[contact], index.use_first[hits.incidence[contact]])
    late = wanted & np.isfinite(met) & (met - index.arrival[frontier.account] >= dials.own_life_h)
    rows = np.flatnonzero(late)
    begin, end = index.start[frontier.account[rows]], index.start[frontier.account[rows] + 1]
    own, who = ranges(begin, end), np.repeat(rows, end - begin)
    before = np.bincount(who[index.use_first[own] < met[who]], minlength=len(late))
    somebodys: BoolArray = late & (before >= dials.own_life_values)
    return somebodys


def _against(held: Held, frontier: Sets, predict: _Predictor, hits: _Hits, dials: ExpandSettings) -> FloatArray:
    """Bits lost for values that no member holds, and for kinds that members have and the account lacks."""
    index, n_rows, n_kinds = held.index, len(frontier.account), len(held.index.kinds)
    has = index.draws[frontier.account].astype(np.int64)
    if held.without is not None:
        begin, end = index.start[frontier.account], index.start[frontier.account + 1]
        own, who = ranges(begin, end), np.repeat(np.arange(n_rows), end - begin)
        gone = held.without[index.value[own]] & ~index.placeholder[index.value[own]]
        cells = who[gone] * n_kinds + index.kind[own[gone]]
        has -= np.bincount(cells, minlength=n_rows * n_kinds).reshape(n_rows, n_kinds)
    shared = np.bincount(hits.row * n_kinds + index.kind[hits.incidence], minlength=n_rows * n_kinds)
    missed = has - shared.reshape(n_rows, n_kinds)
    misses = np.maximum(missed * predict.miss[frontier.label], dials.miss_floor)
    cost: FloatArray = np.where(has > 0, misses, predict.absent[frontier.label])
    weight = np.array([1.0 if k.corroborates else 0.5 for k in index.kinds])
    return np.asarray((cost * weight).sum(axis=1), dtype=float)


def _arrival_bits(index: Incidence, sets: Sets, frontier: Sets) -> FloatArray:
    """Bits for having arrived when the members did; they add up with the rest but are never a reason of their own.

    Both densities are histograms smoothed by one Gaussian, so that a day on which everybody signed up says nothing. The
    width follows the set's own spread (Silverman's rule, halved exponent), rounded down to a doubling of twelve hours.
    """
    arrived = index.arrival
    known = np.flatnonzero(~np.isnan(arrived[sets.account]))
    count = np.bincount(sets.label[known], minlength=sets.number)
    at = arrived[sets.account[known]]
    mean = np.bincount(sets.label[known], weights=at, minlength=sets.number) / np.maximum(count, 1)
    off = (at - mean[sets.label[known]]) ** 2
    sd = np.sqrt(np.bincount(sets.label[known], weights=off, minlength=sets.number) / np.maximum(count, 1))
    width = 0.6 * sd * np.maximum(sets.size, 1) ** -0.2
    doubling = np.floor(np.log2(np.maximum(width / _ARRIVAL_H, 1.0))).astype(np.int64)
    bits = np.zeros(len(frontier.account))
    speaks = (count[frontier.label] >= _ARRIVALS_NEEDED) & ~np.isnan(arrived[frontier.account])
    for d in np.unique(doubling[count >= _ARRIVALS_NEEDED]):
        rows = np.flatnonzero(speaks & (doubling[frontier.label] == d))
        ours = known[(doubling[sets.label[known]] == d) & (count[sets.label[known]] >= _ARRIVALS_NEEDED)]
        step = _ARRIVAL_H * 2.0**d / 4
        bits[rows] = _smoothed_ratio(index, sets, ours, frontier, rows, step, count)
    return bits


def _smoothed_ratio(
    index: Incidence, sets: Sets, ours: IntArray, frontier: Sets, rows: IntArray, step: float, count: IntArray
) -> FloatArray:
    """Bits of the set's arrival density, without the account itself, over everybody's, in bins of ``step`` hours."""
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4) ** 2)
    kernel /= kernel.sum()
    bins = int(index.span_h / step) + 1
    everyone = np.where(np.isnan(index.arrival), 0, index.arrival / step).astype(np.int64)
    crowd = np.bincount(np.clip(everyone, 0, bins - 1)[~np.isnan(index.arrival)], minlength=bins)
    smooth = np.convolve(crowd, kernel)[12 : 12 + bins]
    background = (smooth + 0.5) / (smooth.sum() + 0.5 * bins)
    stride = bins + 24
    where = sets.label[ours] * stride + np.clip(everyone[sets.account[ours]], 0, bins - 1) + 12
    taps = (where[:, None] + np.arange(-12, 13)).ravel()
    places, inverse = np.unique(taps, return_inverse=True)
    density = np.bincount(inverse, weights=np.tile(kernel, len(ours)), minlength=len(places))
    at = np.clip(everyone[frontier.account[rows]], 0, bins - 1)
    sought = frontier.label[rows] * stride + at + 12
    place = np.minimum(np.searchsorted(places, sought), len(places) - 1)
    near = np.where(places[place] == sought, density[place], 0.0)
    inside = sets.contains(frontier.label[rows], frontier.account[rows])
    near = np.maximum(near - inside * kernel[12], 0.0)
    total = count[frontier.label[rows]] - inside
    ratio = (near + 2 * background[at]) / (total + 2) / background[at]
    return np.asarray(np.clip(np.log2(ratio), -2.0, 3.0), dtype=float)


@dataclass(frozen=True)
class _Predictor:
    """What each set says of a further member's draws: arrays by set and kind code; ``eps`` by kind alone."""

    draws: FloatArray
    sigma: FloatArray
    fresh: FloatArray
    miss: FloatArray
    absent: FloatArray
    eps: FloatArray

    @classmethod
    def of(cls, held: Held) -> _Predictor:
        index, n_sets = held.index, held.sets.number
        n_kinds = len(index.kinds)
        shape = (n_sets, n_kinds)
        size = held.sets.size[:, None].astype(float)
        kind, cell_kind = index.kind[held.incidence], index.value_kind[held.cell_value]
        by_row, by_cell = held.label * n_kinds + kind, held.cell_label * n_kinds + cell_kind

        def tally(cells: IntArray, weights: FloatArray | None = None) -> FloatArray:
            return np.bincount(cells, weights=weights, minlength=n_sets * n_kinds).reshape(shape).astype(float)

        draws, distinct = tally(by_row), tally(by_cell)
        once = tally(by_cell[held.count == 1]) * (size > 1)
        twice = tally(by_cell[held.count == 2])
        prior = np.array([_PRIOR_DRAWS * (1 - k.m) for k in index.kinds])
        sigma = (once + prior) / (once + 2 * twice + _PRIOR_DRAWS)
        fresh = np.clip((_THETA + sigma * distinct) / (draws + _THETA), 0.02, 1.0)
        covered = tally(by_cell, index.holders[held.cell_value].astype(float)) / index.per_kind_incidences
        owner = unique_keys((held.label * index.n_accounts + index.account[held.incidence]) * n_kinds + kind)
        have = tally((owner // n_kinds // index.n_accounts) * n_kinds + owner % n_kinds)
        lacking = 1 - index.per_kind_accounts / index.n_accounts
        # The set's own rate is drawn towards the population's, so that two seeds do not decide what a ring lacks.
        gone = np.maximum((size - have + 4 * lacking + 0.1) / (size + 4.1), 1e-3)
        return cls(
            draws=draws,
            sigma=sigma,
            fresh=fresh,
            # A stranger misses too, the less the more of the population's draws the set's values cover.
            miss=np.minimum(np.log2(fresh / np.clip(1 - covered, 0.02, 1.0)), 0.0),
            absent=np.clip(np.log2(gone / np.maximum(lacking, 0.02)), -3, 0),
            eps=np.array([k.eps for k in index.kinds]),
        )


def cell_bits(held: Held, *, asking: int = 0) -> FloatArray:
    """The most that each cell could give one account, by cell; ``asking`` outsiders do not speak against it."""
    index, predict = held.index, _Predictor.of(held)
    label, kind = held.cell_label, index.value_kind[held.cell_value]
    outsiders = np.maximum(index.holders[held.cell_value] - held.count - asking, 0).astype(float)
    window = index.window[kind[held.cell]]
    timed = np.flatnonzero(window > 0)
    rows = held.incidence[timed]
    near = index.nearby[rows] - held.count[held.cell[timed]] - asking
    least = np.full(len(held.count), np.inf)
    np.minimum.at(least, held.cell[timed], np.maximum(near, 0.0))
    outsiders = np.minimum(outsiders, least)
    background = predict.eps[kind] + (outsiders + 0.5) / index.per_kind_incidences[kind]
    likely = np.maximum(held.count - predict.sigma[label, kind], 0.0) / (predict.draws[label, kind] + _THETA)
    bits = np.log2(likely / np.minimum(background, 1.0) + predict.fresh[label, kind])
    most: FloatArray = np.minimum(bits, np.array([k.cap for k in index.kinds])[kind])
    return most


def _alone(index: Incidence, who: IntArray, kind: IntArray, n_front: int) -> BoolArray:
    """Hits of kinds that ask for repeats, in accounts that have too few of them."""
    n_kinds = len(index.kinds)
    number = np.bincount(who * n_kinds + kind, minlength=n_front * n_kinds)
    need = np.array([k.min_shared for k in index.kinds])
    few: BoolArray = number[who * n_kinds + kind] < need[kind]
    return few


def _sharp(index: Incidence, kind: IntArray, bits: FloatArray) -> BoolArray:
    """Hits that are exclusive: a value made for one account, with bits near its kind's cap."""
    unique = np.array([k.regime == "unique" for k in index.kinds])[kind]
    sharp: BoolArray = unique & (bits >= AT_CAP * np.array([k.cap for k in index.kinds])[kind])
    return sharp


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
    sharp = _sharp(index, kind, bits)
    several = (
        np.bincount(who[sharp], minlength=n_front) >= 3
    )  # three exclusive values are not one coincidence: a stolen card is one card
    reasons = count_reasons(index.kinds, who, kind, value, bits, n_front, also=soft) + several
    acts = np.array([k.family in BEHAVIOUR for k in index.kinds])[kind] & (bits >= FAMILY_SPEAKS)
    behaviour = np.bincount(who[acts], minlength=n_front) > 0
    exclusive = np.bincount(who[sharp & together], minlength=n_front) > 0
    return families, reasons.astype(np.int64), exclusive, behaviour
