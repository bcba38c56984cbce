"""How often accounts of one operator repeat a value, and how often two accounts have one operator, without labels.

Every pair of accounts is either *matched* (probability lam) or two strangers. A matched pair repeats the value of
field k at agreement level l with probability ``m_kl``; otherwise (``m_k0``) it is, for this field, like two strangers,
who agree by the chance ``u``. So an agreement multiplies the odds by ``m_k0 + m_kl / u``, both having the field and
not agreeing by ``m_k0``, and a field that one of the two lacks by 1. Expectation-maximisation (EM) finds the lam and m
under which the data are most likely.

``u`` is given, row by row, from the activity of accounts and values, and is never learned: EM that may move u
explains a busy address as a ring. Pairs nobody proposed are counted too: they agree on nothing that proposes, and
there are so many of them that lam is wrong by orders of magnitude without them.

Sources: Fellegi & Sunter 1969; Dempster, Laird & Rubin 1977; the project's linking reference, section 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, rank_within
from toolkit.linking.combine import FAMILY_DAMPING, family_codes
from toolkit.linking.incidence import Incidence
from toolkit.linking.score import Shared, chance, per_kind_numbers
from toolkit.settings import KINDS, PRIOR_PARTNERS, Kind

__all__ = [
    "DERIVED",
    "Agreements",
    "Mixture",
    "Rates",
    "count_rest",
    "estimate_rates",
    "expected_partners",
    "fit_mixture",
]

DERIVED = frozenset({"cluster", "co_membership", "ring"})
"""Kinds made from earlier links: they rank, they never teach."""

MIN_MATCHES = 20.0
"""Expected matched pairs below which a rate is noise."""

CLOSE = 1e-6
"""Relative change of lam, and change of any m, at which EM has converged."""

FLOOR = 1e-3
"""No rate is taken for certain: m stays this far from 0 and 1."""


@dataclass(frozen=True)
class Agreements:
    """What pairs agree on, field by field.

    Attributes
    ----------
    both : bool array, shape (pairs, fields)
        Whether both of the pair have the field at all.
    pair, field, level : int64 arrays
        One row per pair and field that agree; levels count from 1. At most one row per pair and field.
    u : float64 array
        By row: the chance that two strangers agree like this.
    rest_both : bool array, shape (groups, fields)
        The same as ``both`` for pairs that nobody proposed, in groups.
    rest : float64 array
        Pairs in each group.
    reach : float64 array
        By field: the share of true agreements that would have proposed the pair; 0 where the field proposes nothing.
    weight, rest_weight : float64 arrays, shaped as ``both``, ``rest_both``
        How much the field counts when a pair is judged: 1, or less where fields fail together.
    """

    both: BoolArray
    pair: IntArray
    field: IntArray
    level: IntArray
    u: FloatArray
    rest_both: BoolArray
    rest: FloatArray
    reach: FloatArray
    weight: FloatArray
    rest_weight: FloatArray

    @property
    def total(self) -> float:
        """All pairs, proposed or not."""
        return float(len(self.both) + self.rest.sum())


@dataclass(frozen=True)
class Mixture:
    """What :func:`fit_mixture` found.

    Attributes
    ----------
    lam : float
        Probability that a random pair is matched.
    m : float64 array, shape (fields, levels + 1)
        ``m[k, l]`` for l >= 1; ``m[k, 0]`` is the probability of repeating nothing. Rows sum to 1.
    iterations : int
    converged : bool
    matches : float
        Expected matched pairs.
    support : float64 array
        By field: expected matched pairs that both have it.
    bits : float64 array
        By proposed pair: evidence in bits, without the prior.
    """

    lam: float
    m: FloatArray
    iterations: int
    converged: bool
    matches: float
    support: FloatArray
    bits: FloatArray


@dataclass(frozen=True)
class Rates:
    """The prior and the repeat rates of a data set; see :func:`estimate_rates`.

    Attributes
    ----------
    lam : float
        Probability that a random pair of accounts belongs together.
    m : dict of str to float
        By kind: P(the same operator's second account also holds the value).
    iterations : int
        EM steps taken.
    matches : float
        Expected matched pairs among all pairs.
    kept : dict of str to str
        What was not estimated (``"lam"`` or a kind), and why; its value above is the default.
    """

    lam: float
    m: dict[str, float]
    iterations: int
    matches: float
    kept: dict[str, str]

    def apply(self, kinds: Sequence[Kind]) -> dict[str, Kind]:
        """Return the kinds with their estimated m, by name.

        Examples
        --------
        >>> from toolkit.settings import KINDS
        >>> Rates(1e-4, {"card": 0.8}, 9, 40.0, {}).apply([KINDS["card"]])["card"].m
        0.8
        """
        return {kind.name: replace(kind, m=self.m.get(kind.name, kind.m)) for kind in kinds}


def estimate_rates(
    index: Incidence,
    shared: Shared,
    used: BoolArray,
    *,
    lam: float | None = None,
    derived: Collection[str] = DERIVED,
    min_matches: float = MIN_MATCHES,
    max_iterations: int = 500,
) -> Rates:
    """Estimate the prior of a pair and the m of each kind from the data alone.

    Parameters
    ----------
    index : Incidence
        Who holds what.
    shared : Shared
        Proposed pairs and what they share, as :func:`toolkit.linking.score.weigh` returned it, before corroboration.
    used : bool array
        By value code: whether the value proposed pairs; as :func:`toolkit.linking.score.propose` returned it.
    lam : float, optional
        Where EM starts, and what stays where the data cannot tell; by default the usual partners over N - 1.
    derived : collection of str
        Kinds that are themselves results of linking; they are left out, and so are ties that accounts name themselves
        (``Kind.declared``): an employer explains them better than an operator.
    min_matches : float
        Expected matched pairs that an estimate asks for.
    max_iterations : int
        EM steps at most.

    Returns
    -------
    Rates
        Defaults stay, with the reason in ``kept``, where too few pairs agree on two kinds, EM did not converge or
        expected matches are too few. A kind is judged by its rarest shared value, at the chance that *any* of the
        less active account's values would meet. The m of a coarse kind (ip_prefix) speaks of pairs that do not share
        the finer one. Within a family the second and third kind count half and a quarter when a pair is judged, as in
        the score.

    Notes
    -----
    Source: Fellegi & Sunter 1969 with u fixed; the chance of :func:`toolkit.linking.score.chance`. Innocent groups that
    share several kinds (households) look matched to any method without labels: lam counts them. A ring of a thousand
    has half a million pairs, and m speaks of pairs: where one ring is that large, the rates are those of that ring.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import propose, weigh
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "device": ["d1", "d1", "d2"], "card": ["x", "x", "y"]})
    >>> index = build_incidence(find_observations(frame))
    >>> a, b, used = propose(index)
    >>> rates = estimate_rates(index, weigh(index, a, b), used)
    >>> rates.m["card"], rates.kept["lam"]
    (0.6, 'too few pairs agree on two kinds: 1 found, 20 needed')
    """
    n = index.n_accounts
    start = min(0.5, PRIOR_PARTNERS / max(1, n - 1)) if lam is None else lam
    default = {kind.name: kind.m for kind in index.kinds}
    learn = np.array([kind.name not in derived and not kind.declared for kind in index.kinds], dtype=bool)
    agreements = _agreements(index, shared, used, learn)
    twice = int((np.bincount(agreements.pair, minlength=1) >= 2).sum())
    if twice < min_matches:  # single agreements alone fit any lam: halve the m's, double the pairs
        why = f"too few pairs agree on two kinds: {twice} found, {min_matches:g} needed"
        return Rates(start, default, 0, 0.0, dict.fromkeys(["lam", *default], why))
    mixture = fit_mixture(
        agreements, np.array([[kind.m] for kind in index.kinds]), start, max_iterations=max_iterations
    )
    why = ""
    if not mixture.converged:
        why = f"EM did not settle in {max_iterations} steps"
    elif mixture.matches < min_matches:
        why = f"too few matched pairs: {mixture.matches:.1f} expected, {min_matches:g} needed"
    if why:
        return Rates(start, default, mixture.iterations, mixture.matches, dict.fromkeys(["lam", *default], why))
    found, kept = dict(default), {}
    for code, kind in enumerate(index.kinds):
        if not learn[code]:
            kept[kind.name] = "the accounts name this tie themselves" if kind.declared else "derived from earlier links"
        elif mixture.support[code] < min_matches:
            kept[kind.name] = f"too few matched pairs have it: {mixture.support[code]:.1f} expected"
        else:
            found[kind.name] = float(mixture.m[code, 1])
    return Rates(mixture.lam, found, mixture.iterations, mixture.matches, kept)


def expected_partners(index: Incidence, shared: Shared, used: BoolArray) -> tuple[float, str]:
    """Estimate how many others an account belongs together with: the prior of every pair, and a line that says so.

    Parameters
    ----------
    index, shared, used
        As for :func:`estimate_rates`.

    Returns
    -------
    partners : float
        The estimate, or :data:`toolkit.settings.PRIOR_PARTNERS` where the data cannot tell.
    note : str

    Notes
    -----
    Measured on SYNTHETIC ``std`` worlds: 9.5 and 9.7 where the truth is 9.7. Families whose rings share little pairwise
    read .4 to .9 where the truth is 3 to 10: what agrees nowhere is not seen, and ends as a prior that is too careful.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import propose, weigh
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "device": ["d1", "d1"], "card": ["x", "x"]})
    >>> index = build_incidence(find_observations(frame))
    >>> a, b, used = propose(index)
    >>> expected_partners(index, weigh(index, a, b), used)[0]
    2.0
    """
    rates = estimate_rates(index, shared, used)
    if "lam" in rates.kept:
        return PRIOR_PARTNERS, f"prior: {PRIOR_PARTNERS:g} partners per account, the default; {rates.kept['lam']}"
    partners = rates.lam * max(1, index.n_accounts - 1)
    return partners, f"prior: {partners:.2g} partners per account, estimated from what pairs agree on"


def fit_mixture(
    agreements: Agreements,
    m: FloatArray,
    lam: float,
    *,
    imagined: float = 0.0,
    max_iterations: int = 500,
    close: float = CLOSE,
) -> Mixture:
    """Run EM over agreements with the chances fixed.

    Parameters
    ----------
    agreements : Agreements
    m : float64 array, shape (fields, levels)
        Where to start: the probability of repeating at each level; rows sum to less than 1.
    lam : float
        Where to start.
    imagined : float
        Matched pairs that are imagined to agree as ``m`` says: they keep small data from certainty.
    max_iterations : int
        Steps at most.
    close : float
        Relative change of lam, and change of any m, that counts as none.

    Returns
    -------
    Mixture
        Fields that no pair both has keep their m.

    Examples
    --------
    >>> both, rest = np.ones((100, 2), dtype=bool), np.ones((1, 2), dtype=bool)
    >>> pair, field = np.r_[:90, 10:100], np.repeat([0, 1], 90)  # ten pairs agree on one field only, ten on the other
    >>> rows = Agreements(both, pair, field, np.ones(180, dtype=int), np.full(180, 1e-5), rest, np.array([99_900.0]),
    ...                   np.ones(2), np.ones((100, 2)), np.ones((1, 2)))
    >>> found = fit_mixture(rows, np.full((2, 1), 0.5), 1e-4)
    >>> round(found.lam, 4), found.m[:, 1].round(2).tolist()
    (0.001, [0.9, 0.9])
    """
    a, like, number = _once(agreements)
    alike = _group(a)
    full = np.concatenate([1 - m.sum(axis=1, keepdims=True), m], axis=1)
    step = 0
    converged = False
    while step < max_iterations and not converged:
        step += 1
        r, r_rest, _, true = _expect(a, alike, full, lam)
        r *= number
        cell = np.bincount(
            a.field * full.shape[1] + a.level, weights=r[a.pair] * true, minlength=full.size
        ).reshape(full.shape)  # fmt: skip
        silent = (r_rest[:, None] * a.rest_both).sum(axis=0) * (a.reach > 0)
        repeated = 1 - full[:, 0]
        unseen = silent * repeated * (1 - a.reach) / (1 - repeated * a.reach)
        told = cell[:, 1:] + (unseen / repeated)[:, None] * full[:, 1:] + imagined * m
        seen = _support(a, alike, r, r_rest) + imagined
        new = full.copy()
        known = seen > 0
        share = np.maximum(told[known] / seen[known, None], 1e-12)
        new[known, 0] = np.clip(1 - share.sum(axis=1), FLOOR, 1 - FLOOR)
        new[known, 1:] = share * ((1 - new[known, 0]) / share.sum(axis=1))[:, None]
        now = min(0.5, max(float(r.sum() + r_rest.sum()) / max(1.0, agreements.total), 1e-300))
        converged = abs(now - lam) <= close * lam and bool(np.all(np.abs(new - full) <= close))
        lam, full = now, new
    r, r_rest, logs, _ = _expect(a, alike, full, lam)
    r *= number
    matches = float(r.sum() + r_rest.sum())
    return Mixture(lam, full, step, converged, matches, _support(a, alike, r, r_rest), logs[like] / np.log(2))


@dataclass(frozen=True)
class _Alike:
    """Proposed pairs grouped by the fields both have: sums run over few groups, in one order, whatever the threads."""

    of: IntArray
    both: FloatArray
    weight: FloatArray
    row_weight: FloatArray


def _once(a: Agreements) -> tuple[Agreements, IntArray, FloatArray]:
    """Pairs that agree on the same in the same way, once; which of these each pair is, and how many each stands for.

    Most pairs meet on one value, and chance knows few numbers: millions of pairs are thousands, and EM goes over them
    hundreds of times.
    """
    _, how = np.unique(a.u, return_inverse=True)
    how = how * (int(a.level.max(initial=0)) + 1) + a.level + 1
    agrees = []
    for field in range(a.both.shape[1]):
        rows = a.field == field
        column = np.zeros(len(a.both), dtype=np.int64)
        column[a.pair[rows]] = how[rows]
        agrees.append(column)
    code, first = _number([*agrees, *a.both.T, *a.weight.T])
    rows = np.zeros(len(code), dtype=bool)
    rows[first] = True
    rows = rows[a.pair]
    once = replace(
        a, both=a.both[first], weight=a.weight[first],
        pair=code[a.pair[rows]], field=a.field[rows], level=a.level[rows], u=a.u[rows],
    )  # fmt: skip
    return once, code, np.bincount(code).astype(float)


def _number(columns: Sequence[NDArray[Any]]) -> tuple[IntArray, IntArray]:
    """Number the rows of some columns, the same where all columns are the same; and a row of each number."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        levels = np.unique(column)
        if len(levels) > 1:
            key = code * len(levels) + np.searchsorted(levels, column)
            code = np.unique(key, return_inverse=True)[1]
    row = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.int64)
    row[code] = np.arange(len(code))
    return code, row


def _group(a: Agreements) -> _Alike:
    code, first = _number([*a.both.T, *a.weight.T])
    return _Alike(code, a.both[first].astype(float), a.weight[first], a.weight[a.pair, a.field])


def _expect(a: Agreements, alike: _Alike, m: FloatArray, lam: float) -> tuple[FloatArray, ...]:
    """Expected matches by proposed pair and by group of the rest; log odds ratios; P(a row's agreement is true)."""
    prior = np.log(lam) - np.log1p(-lam)
    none = m[:, 0]
    repeat = m[a.field, a.level] / a.u
    gain = alike.row_weight * np.log1p(repeat / none[a.field])
    logs = (alike.weight * np.log(none)).sum(axis=1)[alike.of]
    logs += np.bincount(a.pair, weights=gain, minlength=len(a.both))
    r = 1 / (1 + np.exp(-np.clip(prior + logs, -700, 700)))
    silent = prior + (a.rest_weight * np.log(1 - (1 - none) * a.reach)).sum(axis=1)
    r_rest = a.rest / (1 + np.exp(-np.clip(silent, -700, 700)))
    return r, r_rest, logs, repeat / (repeat + none[a.field])


def _support(a: Agreements, alike: _Alike, r: FloatArray, r_rest: FloatArray) -> FloatArray:
    """Expected matched pairs that both have each field, as far as they can show an agreement."""
    proposed = np.bincount(alike.of, weights=r, minlength=len(alike.both))
    silent = (r_rest[:, None] * a.rest_both).sum(axis=0) * (a.reach > 0)
    support: FloatArray = (proposed[:, None] * alike.both).sum(axis=0) + silent
    return support


def _agreements(index: Incidence, shared: Shared, used: BoolArray, learn: BoolArray) -> Agreements:
    """Write what pairs share as one agreement per pair and kind."""
    n_kinds = len(index.kinds)
    kind = index.value_kind[shared.value]
    left, right = index.activity[shared.left], index.activity[shared.right]
    u = chance(per_kind_numbers(index), kind, shared.holders, np.maximum(left, right), index)
    u = np.minimum(1.0, u * np.minimum(left, right))  # so many values, so many chances to meet one
    order = np.lexsort((shared.value, u, kind, shared.pair))
    order = order[learn[kind[order]]]
    best = order[rank_within(shared.pair[order] * n_kinds + kind[order]) == 0]
    holds = np.zeros((index.n_accounts, n_kinds), dtype=bool)
    holds[index.account, index.kind] = True
    holds &= learn
    both = holds[shared.a] & holds[shared.b]
    for coarse, settings in enumerate(index.kinds):  # a coarse kind that gave way to a finer one is not a disagreement
        finer = _finer(settings, index.kinds)
        both[shared.pair[best[np.isin(kind[best], finer)]], coarse] = False
    own = np.zeros_like(both)
    own[shared.pair[best], kind[best]] = True
    both |= own
    able = used | (index.holders == 1)  # a value of one holder would have proposed, had a second one come
    able &= np.array([k.max_holders >= 2 for k in index.kinds])[index.value_kind] & learn[index.value_kind]
    proposing = np.bincount(index.value_kind[able], weights=index.holders[able], minlength=n_kinds)
    reach = proposing / np.maximum(index.per_kind_incidences, 1)
    rest_both, rest = count_rest(holds & (reach > 0), shared.a, shared.b)
    strength = np.full(both.shape, np.inf)
    strength[shared.pair[best], kind[best]] = u[best]
    return Agreements(
        both=both,
        pair=shared.pair[best],
        field=kind[best],
        level=np.ones(len(best), dtype=np.int64),
        u=u[best],
        rest_both=rest_both,
        rest=rest,
        reach=reach,
        weight=_damp(index.kinds, both, strength),
        rest_weight=_damp(index.kinds, rest_both, np.full(rest_both.shape, np.inf)),
    )


def _finer(kind: Kind, kinds: Sequence[Kind]) -> list[int]:
    """Codes of the kinds that this one is nested in, however deep."""
    above = {**{k.name: k.nested_in for k in KINDS.values()}, **{k.name: k.nested_in for k in kinds}}
    names = []
    name = kind.nested_in
    while name is not None and name not in names:
        names.append(name)
        name = above.get(name)
    return [code for code, k in enumerate(kinds) if k.name in names]


def count_rest(holds: BoolArray, a: IntArray, b: IntArray) -> tuple[BoolArray, FloatArray]:
    """Count the pairs that were not proposed by the fields both have.

    Parameters
    ----------
    holds : bool array, shape (accounts, fields)
        Who has what.
    a, b : int64 arrays
        The pairs that were proposed.

    Returns
    -------
    both : bool array, shape (groups, fields)
    number : float64 array
        Pairs in each group; together with the proposed pairs they are all pairs.

    Examples
    --------
    >>> holds = np.array([[True, True], [True, False], [True, True]])
    >>> both, number = count_rest(holds, np.array([0]), np.array([2]))
    >>> both.tolist(), number.tolist()
    ([[True, False], [True, True]], [2.0, 0.0])
    """
    patterns, own, size = np.unique(holds, axis=0, return_inverse=True, return_counts=True)
    together: dict[bytes, float] = {}
    for i in range(len(patterns)):
        number = size[i:].astype(float) * size[i]
        number[0] = size[i] * (size[i] - 1) / 2
        for mask, count in zip(patterns[i:] & patterns[i], number, strict=True):
            together[mask.tobytes()] = together.get(mask.tobytes(), 0.0) + float(count)
    own = own.ravel()
    met, count_met = np.unique(own[a] * len(patterns) + own[b], return_counts=True)
    for mask, count in zip(patterns[met // len(patterns)] & patterns[met % len(patterns)], count_met, strict=True):
        together[mask.tobytes()] -= float(count)
    masks = sorted(together)
    rows = np.frombuffer(b"".join(masks), dtype=bool).reshape(len(masks), holds.shape[1])
    return rows, np.array([together[mask] for mask in masks])


def _damp(kinds: Sequence[Kind], both: BoolArray, u: FloatArray) -> FloatArray:
    """Weights 1, 1/2, 1/4 within a family, the rarest agreement first; 0 where a kind is missing."""
    family = family_codes(kinds)
    weight = np.zeros(both.shape)
    steps = np.array([*FAMILY_DAMPING, 0.0])
    for code in np.unique(family):
        members = np.flatnonzero(family == code)
        order = np.argsort(np.where(both[:, members], u[:, members], np.nan), axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        weight[:, members] = np.where(both[:, members], steps[np.minimum(rank, len(FAMILY_DAMPING))], 0.0)
    return weight
