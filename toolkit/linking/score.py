"""The score of a pair: bits for every shared value, added up so that nothing counts twice.

The thought, in order:

1. **Propose.** Values with few holders propose pairs, rarest first, until a budget is spent.
2. **Weigh.** A proposed pair is weighed on *everything* it shares, hubs included. A shared value v gives
   ``w = log2(((1 - m) u + m) / u)`` bits, where u is the chance that the second account holds v by accident:
   for *pool* kinds ``eps + max(K_i, K_j) (d_v - 1) / M`` (a busy account meets everybody), for *unique* kinds
   ``eps + (d_v - 2) / (N - 2)`` (a card is made for one person; eps is innocent sharing). Holders are counted
   within the kind's window, so an address that passes from hand to hand does not join its tenants.
3. **Corroborate.** A value whose holders share nothing *else* is suspect (a null device id, a public SMS number, a
   stolen card): its weight falls with its trust. A pair that another family supports keeps the full weight.
4. **Combine.** Within a kind the r-th best value counts rho^(r-1); the coarse kind gives way to the fine one (an
   ip swallows its country); within a family 1, 1/2, 1/4; families add. Then the prior.

Sources: Fellegi & Sunter 1969 (log2 likelihood ratios), the configuration null for activity, and the project's own
linking reference for saturation, families and corroboration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, find_within, ranges, run_starts, unique_keys
from toolkit.linking.combine import (
    AT_CAP,
    BEHAVIOUR,
    FAMILY_SPEAKS,
    TOGETHER_H,
    combine_bits,
    count_reasons,
    family_codes,
    family_names,
    swallowed,
)
from toolkit.linking.evidence import EVIDENCE_FIELDS, write_evidence
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.innocent import explain_innocently
from toolkit.linking.null import draw_chance, q_values
from toolkit.model.tables import EVIDENCE, Links, conform, empty
from toolkit.settings import CHANCE_DRAWS, KINDS, MAX_FDR, MAX_PAIRS, PRIOR_PARTNERS, Kind

__all__ = [
    "Shared",
    "bits_by_chance",
    "combine",
    "corroborate",
    "level_of",
    "link_accounts",
    "per_kind_numbers",
    "prior_bits",
    "probability",
    "propose",
    "weigh",
]

CORROBORATION_ROUNDS = 2
"""Trust of values and support of pairs feed one another; the second round settles it (a third moves nothing)."""


@dataclass(frozen=True)
class Shared:
    """Pairs and the values they share; one row per pair and value, ordered by pair, then value.

    ``a``, ``b`` are account codes by pair; ``pair``, ``value``, ``left``, ``right`` (the two incidences), ``holders``
    (within the window) and ``bits`` run by row; ``trust`` is by row too, 1 until :func:`corroborate` has spoken.
    """

    a: IntArray
    b: IntArray
    pair: IntArray
    value: IntArray
    left: IntArray
    right: IntArray
    holders: FloatArray
    bits: FloatArray
    trust: FloatArray


def propose(index: Incidence, max_pairs: int = MAX_PAIRS) -> tuple[IntArray, IntArray, BoolArray]:
    """Name the pairs worth weighing: accounts that meet on a value with few holders.

    Parameters
    ----------
    index : Incidence
    max_pairs : int
        Pairs proposed at most, counted with repeats; rarest values first.

    Returns
    -------
    a, b : int64 arrays
        Account codes, a < b, sorted, no pair twice.
    used : bool array
        By value code: whether the value proposed pairs.
    """
    holders = index.holders
    wanted = np.flatnonzero(index.proposes)
    wanted = wanted[np.lexsort((wanted, holders[wanted]))]
    cost = np.cumsum(holders[wanted] * (holders[wanted] - 1) // 2)
    wanted = wanted[: int(np.searchsorted(cost, max_pairs, side="right"))]
    used = np.zeros(index.n_values, dtype=bool)
    used[wanted] = True
    proposed = []
    for size in np.unique(holders[wanted]):  # values of one size are a matrix: all their pairs at once
        rows = index.value_start[wanted[holders[wanted] == size]][:, None] + np.arange(size)
        people = index.value_account[rows]
        i, j = np.triu_indices(size, 1)
        proposed.append((people[:, i] * index.n_accounts + people[:, j]).ravel())
    key = unique_keys(np.concatenate(proposed)) if proposed else np.empty(0, dtype=np.int64)
    return key // index.n_accounts, key % index.n_accounts, used


def weigh(index: Incidence, a: IntArray, b: IntArray) -> Shared:
    """Give bits to every value that each pair shares.

    Parameters
    ----------
    index : Incidence
    a, b : int64 arrays
        Account codes of the pairs.

    Returns
    -------
    Shared
        Only rows with positive bits: a value used too far apart in time says nothing.
    """
    of = per_kind_numbers(index)
    pair, left, right = _intersect(index, a, b)
    apart = np.maximum(index.first[left], index.first[right]) - np.minimum(index.last[left], index.last[right])
    meets = (apart <= index.window[index.kind[left]]) & ~index.placeholder[index.value[left]]
    meets &= _often_enough(index, of, pair, index.kind[left])
    pair, left, right = pair[meets], left[meets], right[meets]
    value, kind = index.value[left], index.kind[left]
    window = index.window[kind]
    low = np.maximum(index.first[left], index.first[right])
    high = np.minimum(index.last[left], index.last[right])
    holders = np.where(
        window > 0,
        index.count_between(value, np.minimum(low, high) - window, np.maximum(low, high) + window),
        index.holders[value],
    )
    activity = np.maximum(index.activity[left], index.activity[right])
    u = chance(of, kind, holders, activity, index)
    bits = np.log2(((1 - of.m[kind]) * u + of.m[kind]) / u)
    busiest = index.activity_share
    bits *= np.clip(np.minimum(busiest[left], busiest[right]) ** 0.25, 0.3, 1.0)
    bits = np.where(bits > 0, bits + _time_bits(index, of, kind, left, right), 0.0)
    bits = np.minimum(bits, of.cap[kind])
    keep = bits > 0
    keep &= ~swallowed(index.kinds, pair, kind, keep)
    rows = np.flatnonzero(keep)
    return Shared(a, b, pair[rows], value[rows], left[rows], right[rows], holders[rows], bits[rows], np.ones(len(rows)))


def corroborate(index: Incidence, shared: Shared) -> tuple[Shared, FloatArray]:
    """Lower the weight of values whose holders share nothing else.

    For each row, C is what the pair shares in *other* families; the row is corroborated with probability
    ``q = 1 / (1 + 2^(3 + log2(d - 1) - C))``, where log2(d - 1) pays for the d - 1 chances a hub gives. The trust of
    a value is the share of its holders with a corroborated partner (posterior mean under a uniform prior), and its
    bits become ``w (q + (1 - q) trust^2)``.

    Parameters
    ----------
    index : Incidence
    shared : Shared
        As :func:`weigh` returned it.

    Returns
    -------
    Shared
        With new ``bits`` and ``trust``.
    trust : float64 array
        By value code; 1 for a value no proposed pair shares.
    """
    trust = np.ones(index.n_values)
    if not len(shared.pair):
        return shared, trust
    kind = index.value_kind[shared.value]
    family = family_codes(index.kinds)[kind]
    bits = shared.bits
    crowd = np.log2(np.maximum(shared.holders - 1, 1.0))
    for _ in range(CORROBORATION_ROUNDS):
        per_family = _family_bits(index, shared, bits)
        elsewhere = per_family.sum(axis=1)[shared.pair] - per_family[shared.pair, family]
        q = 1 / (1 + 2 ** (3 + crowd - elsewhere))
        holder = np.concatenate((shared.left, shared.right))
        best = np.zeros(len(index.account))
        np.maximum.at(best, holder, np.concatenate((q, q)))
        seen = np.flatnonzero(np.bincount(holder, minlength=len(best)))
        seen_value = index.value[seen]
        total = np.bincount(seen_value, weights=best[seen], minlength=index.n_values)
        number = np.bincount(seen_value, minlength=index.n_values)
        trust = np.where(number > 0, (1 + total) / (2 + number), 1.0)
        bits = shared.bits * (q + (1 - q) * trust[shared.value] ** 2)
    return replace(shared, bits=bits, trust=trust[shared.value]), trust


def combine(index: Incidence, shared: Shared) -> tuple[FloatArray, FloatArray]:
    """Add up bits per pair so that dependent evidence does not count twice.

    Parameters
    ----------
    index : Incidence
    shared : Shared

    Returns
    -------
    bits : float64 array
        By pair.
    families : float64 array, shape (pairs, families)
        Bits each family gives, families in sorted order of name.
    """
    families = _family_bits(index, shared, shared.bits)
    return families.sum(axis=1), families


def prior_bits(n_accounts: int, partners: float = PRIOR_PARTNERS) -> float:
    """Log-odds in bits that two accounts drawn at random belong together.

    Examples
    --------
    >>> round(prior_bits(20_001), 2)
    -13.29
    """
    chance_of = min(0.5, partners / max(1, n_accounts - 1))
    return float(np.log2(chance_of / (1 - chance_of)))


def probability(bits: FloatArray) -> FloatArray:
    """Turn log-odds in bits into a probability.

    Examples
    --------
    >>> probability(np.array([0.0, 10.0])).round(3).tolist()
    [0.5, 0.999]
    """
    result: FloatArray = 1 / (1 + np.exp2(-np.clip(bits, -500, 500)))
    return result


def level_of(
    p: FloatArray, reasons: IntArray, exclusive: BoolArray, behaviour: BoolArray, *, probable: float = 0.5
) -> list[str]:
    """Say what each link rests on (see :class:`toolkit.model.confidence.Level`).

    Parameters
    ----------
    p : float64 array
        Probabilities.
    reasons : int64 array
        Independent families that speak.
    exclusive : bool array
        Whether a rare value made for one person is shared, at the same time, and no tie that the accounts name
        themselves (an employer, a promotion) explains it.
    behaviour : bool array
        Whether what the accounts *do* agrees (text, synchrony).
    probable : float
        Probability that L2 asks for.

    Returns
    -------
    list of str
        ``L0`` to ``L3``. L4 takes proof that no table holds; a person sets it.

    Examples
    --------
    >>> level_of(np.array([.99, .99, .2]), np.array([3, 2, 1]), np.array([True, False, False]),
    ...          np.array([True, False, False]))
    ['L3', 'L2', 'L1']
    """
    strong = (p >= 0.95) & (reasons >= 2) & exclusive & behaviour
    level = np.where(strong, 3, np.where((p >= probable) & (reasons >= 2), 2, np.where(p >= 0.01, 1, 0)))
    return [f"L{number}" for number in level]


def link_accounts(
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    min_probability: float = 0.01,
    max_pairs: int = MAX_PAIRS,
    partners: float | None = None,
    accounts: Sequence[str] | None = None,
    chance_draws: int = CHANCE_DRAWS,
) -> pl.DataFrame:
    """Link accounts that share more than chance explains, and say why.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind; a data set's own kinds are in ``Dataset.kinds``.
    min_probability : float
        Links below it are not returned.
    max_pairs : int
        Candidate pairs examined at most, rarest values first; the rest is in the hub table.
    partners : float, optional
        Expected linked partners per account: the prior. By default as :func:`toolkit.linking.em.expected_partners`
        estimates it.
    accounts : sequence of str, optional
        Only links among these are returned; everything is judged over everybody.
    chance_draws : int
        Shuffles behind ``q_value`` (:mod:`toolkit.linking.null`); 0 leaves it null. A pair that chance alone brings
        forth too often to be believed (q over 1 %) is at most L1, and its explanation says "not linked".

    Returns
    -------
    polars.DataFrame
        Contract ``Links``. ``bits`` is the evidence alone; ``probability`` includes the prior. Evidence is sorted,
        strongest first. Order: bits descending, account_a, account_b.

    Raises
    ------
    ContractError, InputError
        If the frame is not a table of observations, or empty.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [("a", "d", "k"), ("b", "d", "k")] + [(f"x{i:02}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> link_accounts(find_observations(frame)).select("account_a", "account_b", "level", "families").rows()
    [('a', 'b', 'L2', ['dev', 'pay'])]
    """
    from toolkit.linking.em import expected_partners  # which builds on this module

    index = build_incidence(observations, kinds)
    a, b, used = propose(index, max_pairs)
    plain = weigh(index, a, b)
    shared, _ = corroborate(index, plain)
    chance = bits_by_chance(index, max_pairs, chance_draws)
    partners = expected_partners(index, plain, used)[0] if partners is None else partners
    return links_table(index, shared, chance, min_probability=min_probability, partners=partners, accounts=accounts)


def bits_by_chance(index: Incidence, max_pairs: int = MAX_PAIRS, draws: int = CHANCE_DRAWS) -> list[FloatArray]:
    """Bits of the links that each shuffle of the data brings forth (:func:`toolkit.linking.null.draw_chance`)."""
    found = []
    for draw in range(draws):
        shuffled = draw_chance(index, draw)
        a, b, _ = propose(shuffled, max_pairs)
        bits, _ = combine(shuffled, corroborate(shuffled, weigh(shuffled, a, b))[0])
        found.append(bits[bits > 0])
    return found


def links_table(
    index: Incidence,
    shared: Shared,
    chance: list[FloatArray],
    *,
    min_probability: float,
    partners: float,
    accounts: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Write weighed pairs as the contract ``Links``; see :func:`link_accounts`."""
    bits, families = combine(index, shared)
    p = probability(bits + prior_bits(index.n_accounts, partners))
    wanted = (p >= min_probability) & (bits > 0)
    if accounts is not None:
        inside = np.zeros(index.n_accounts + 1, dtype=bool)  # the last place is for ids that do not occur
        inside[index.codes(list(accounts))] = True
        inside[-1] = False
        wanted &= inside[shared.a] & inside[shared.b]
    kept = np.flatnonzero(wanted)
    if not len(kept):
        return empty(Links)
    kind = index.value_kind[shared.value]
    unique = np.array([k.regime == "unique" for k in index.kinds])
    acts = np.array([k.family in BEHAVIOUR for k in index.kinds])
    at_cap = shared.bits >= AT_CAP * np.array([k.cap for k in index.kinds])[kind]
    together = _hours_apart(index, shared.left, shared.right) <= TOGETHER_H
    declared = _any_row(shared.pair, np.array([k.declared for k in index.kinds])[kind], len(bits))
    exclusive = _any_row(shared.pair, unique[kind] & at_cap & together, len(bits)) & ~declared
    behaviour = _any_row(shared.pair, acts[kind] & (shared.bits >= FAMILY_SPEAKS), len(bits))
    reasons = count_reasons(index.kinds, shared.pair, kind, shared.value, shared.bits, len(bits))
    # Where chance brings forth too much that is as strong, nothing is called linked, however likely it looks.
    q = q_values(bits[kept], chance, among=bits[bits > 0])
    believed = q <= MAX_FDR if chance else np.ones(len(kept), dtype=bool)
    levels = level_of(p[kept], reasons[kept], exclusive[kept], behaviour[kept])
    levels = [level if ok else min(level, "L1") for level, ok in zip(levels, believed.tolist(), strict=True)]
    names = family_names(index.kinds)
    # Families speak together in few ways: each is put into words once.
    ways, way = np.unique(families[kept] > 0, axis=0, return_inverse=True)
    way = way.ravel()  # numpy 2.0 gives it the shape of the rows
    spoken = [[names[f] for f in np.flatnonzero(row)] for row in ways]
    spoke = pl.DataFrame({"families": spoken}, schema={"families": pl.List(pl.String)})
    table = pl.DataFrame(
        {
            "row": kept,
            "account_a": index.accounts.gather(shared.a[kept]),
            "account_b": index.accounts.gather(shared.b[kept]),
            "bits": np.round(bits[kept], 6),
            "probability": np.round(p[kept], 9),
            "level": pl.Series(levels, dtype=pl.String),
            "q_value": np.round(q, 9) if chance else pl.Series([None] * len(kept), dtype=pl.Float64),
            "families": spoke.get_column("families").gather(way),
        }
    )
    table = table.join(_evidence(index, shared, kept), on="row", how="left")
    readings = explain_innocently(spoke)
    said = [
        readings[i] if ok else f"not linked: shuffled data give {share:.0%} as many pairs this strong; {readings[i]}"
        for i, share, ok in zip(way.tolist(), q.tolist(), believed.tolist(), strict=True)
    ]
    table = table.with_columns(pl.Series("innocent_explanation", said, dtype=pl.String))
    return conform(table.sort(["bits", "account_a", "account_b"], descending=[True, False, False]), Links)


def _evidence(index: Incidence, shared: Shared, pairs: IntArray) -> pl.DataFrame:
    """Return ``row`` and ``evidence`` (strongest first) of the given pairs."""
    wanted = np.zeros(len(shared.a), dtype=bool)
    wanted[pairs] = True
    rows = np.flatnonzero(wanted[shared.pair])
    return (
        write_evidence(index, shared.pair[rows], shared.value[rows], shared.bits[rows], shared.holders[rows])
        .group_by("row", maintain_order=True)
        .agg(pl.struct(EVIDENCE_FIELDS).alias("evidence"))
        .with_columns(pl.col("evidence").cast(EVIDENCE))
    )


@dataclass(frozen=True)
class PerKind:
    """The numbers of the kinds as arrays by kind code."""

    m: FloatArray
    eps: FloatArray
    cap: FloatArray
    unique: BoolArray
    half_life: FloatArray
    min_shared: IntArray


def per_kind_numbers(index: Incidence) -> PerKind:
    """Return the numbers of the index's kinds."""
    return PerKind(
        m=np.array([k.m for k in index.kinds]),
        eps=np.array([k.eps for k in index.kinds]),
        cap=np.array([k.cap for k in index.kinds]),
        unique=np.array([k.regime == "unique" for k in index.kinds]),
        half_life=np.array([k.half_life_h or np.nan for k in index.kinds]),
        min_shared=np.array([k.min_shared for k in index.kinds], dtype=np.int64),
    )


def chance(of: PerKind, kind: IntArray, holders: FloatArray, activity: FloatArray, index: Incidence) -> FloatArray:
    """Chance u that the second account holds the value by accident, in the regime of its kind."""
    pool = of.eps[kind] + activity * (holders - 1) / index.per_kind_incidences[kind]
    unique = of.eps[kind] + np.maximum(holders - 2, 0) / np.maximum(index.per_kind_accounts[kind] - 2, 1)
    result: FloatArray = np.minimum(1.0, np.where(of.unique[kind], unique, pool))
    return result


def value_bits(index: Incidence, values: IntArray) -> FloatArray:
    """Bits a shared value gives two accounts of ordinary activity, before time and corroboration."""
    kind = index.value_kind[values]
    of = per_kind_numbers(index)
    ordinary = (index.per_kind_incidences / np.maximum(index.per_kind_accounts, 1))[kind]
    u = chance(of, kind, np.maximum(index.holders[values], 2).astype(float), ordinary, index)
    bits: FloatArray = np.minimum(np.log2(((1 - of.m[kind]) * u + of.m[kind]) / u), of.cap[kind])
    return bits


def _intersect(index: Incidence, a: IntArray, b: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return (pair, incidence of a, incidence of b) for every value the two share, in order of pair and value."""
    value, start = index.shared_value, index.shared_start  # what one account holds alone is shared by none
    size = start[a + 1] - start[a]
    chunk = 2_000_000  # rows looked up at a time: bounds memory, not the result
    edges = np.concatenate(([0], np.cumsum(size)))
    found: list[tuple[IntArray, IntArray, IntArray]] = []
    begin = 0
    while begin < len(a):
        end = max(begin + 1, int(np.searchsorted(edges, edges[begin] + chunk, side="right")) - 1)
        pair = np.repeat(np.arange(begin, end), size[begin:end])
        left = ranges(start[a[begin:end]], start[a[begin:end] + 1])
        last = start[b[pair] + 1]
        right = find_within(value, start[b[pair]], last, value[left])
        hit = np.flatnonzero(right < last)
        hit = hit[value[right[hit]] == value[left[hit]]]
        found.append((pair[hit], index.shared[left[hit]], index.shared[right[hit]]))
        begin = end
    if not found:
        none = np.empty(0, dtype=np.int64)
        return none, none, none
    pair, left, right = (np.concatenate(part).astype(np.int64) for part in zip(*found, strict=True))
    return pair, left, right


def _hours_apart(index: Incidence, left: IntArray, right: IntArray) -> FloatArray:
    """Gap between the two uses of a value in hours: 0 = overlap, infinite where no time is known."""
    gap = np.maximum(index.use_first[left], index.use_first[right]) - np.minimum(
        index.use_last[left], index.use_last[right]
    )
    return np.where(np.isnan(gap), np.inf, np.maximum(gap, 0.0))


def _time_bits(index: Incidence, of: PerKind, kind: IntArray, left: IntArray, right: IntArray) -> FloatArray:
    """Bits for using the value close together in time; the window, where there is one, has already said its part."""
    half_life = of.half_life[kind]
    apart = _hours_apart(index, left, right)
    known = ~np.isnan(half_life) & np.isfinite(apart)
    span = np.where(index.window[kind] > 0, np.minimum(2 * index.window[kind], index.span_h), index.span_h)
    half = np.where(known, half_life, 1.0)
    span = np.maximum(span, 2 * half)  # data shorter than the habit cannot speak against it
    gain = np.log2(0.1 + 0.9 * (span / (2 * half)) * np.exp2(-np.where(known, apart, 0.0) / half))
    return np.where(known, np.clip(gain, -3.3, 5.0), 0.0)


def _often_enough(index: Incidence, of: PerKind, pair: IntArray, kind: IntArray) -> BoolArray:
    """Whether the pair shares as many values of the kind as the kind asks for."""
    start = run_starts(pair * len(index.kinds) + kind)  # rows are in order of pair and value, and so of kind
    count = np.diff(start, append=len(pair))
    enough: BoolArray = np.repeat(count, count) >= of.min_shared[kind]
    return enough


def _family_bits(index: Incidence, shared: Shared, bits: FloatArray) -> FloatArray:
    """Bits by pair and family."""
    return combine_bits(index.kinds, shared.pair, index.value_kind[shared.value], shared.value, bits, len(shared.a))


def _any_row(pair: IntArray, true: BoolArray, n_pairs: int) -> BoolArray:
    found = np.zeros(n_pairs, dtype=bool)
    found[pair[true]] = True
    return found
