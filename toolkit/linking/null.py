"""What chance alone would give: the same data with the ties cut, and the false discovery rates that follow.

Within each kind, and among incidences that began at about the same time, the accounts are dealt out anew. Every account
keeps as many values of the kind, every value as many holders and its times, and everybody roughly keeps their calendar
(otherwise a dealt account would have lived all over the year, and chance would look poorer than it is); only *who meets
whom* is chance. Linking and clustering the shuffled data in the same way says how many pairs, and how many clusters of
which size, chance brings forth:

    FDR(t) = pairs at t bits or more in the shuffled data / the same in the data

and the q-value of a link is the least FDR at which it is still among the links. Thresholds that stand on it come from
the data at hand and never from labels. What the shuffle also breaks are honest ties (households, employers): it says
that a tie is no accident, not that it is no home. Source: the fixed-degree null of network backbones; Storey &
Tibshirani 2003 for q-values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from toolkit.linking.arrays import FloatArray, IntArray, first_of_each, rank_within
from toolkit.linking.incidence import Incidence

__all__ = ["Chance", "draw_chance", "q_values", "ring_fdr"]


TABLE = 1_000
"""Incidences of a kind, next to one another in time, among which accounts are dealt: few enough that everybody keeps
their calendar, many enough that a ring that came in a wave is not dealt to itself."""


def draw_chance(index: Incidence, draw: int, *, seed: int = 0) -> Incidence:
    """Deal the accounts of each kind out anew over its incidences, thousand by thousand in order of time.

    Parameters
    ----------
    index : Incidence
    draw : int
        Number of the draw; the same number gives the same shuffle.
    seed : int

    Returns
    -------
    Incidence
        An account that is dealt one value twice holds it once.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": list("abcd"), "card": ["x", "x", "y", "z"]})
    >>> shuffled = draw_chance(build_incidence(find_observations(frame)), 0)
    >>> sorted(shuffled.holders.tolist())
    [1, 1, 2]
    """
    rng = np.random.default_rng([seed, draw, 0x0C4A])
    account = index.account.copy()
    when = np.nan_to_num(index.use_first, nan=-1.0)
    order = np.lexsort((when, index.kind))
    rank = rank_within(index.kind[order])
    begin = np.flatnonzero(rank % TABLE == 0)
    size = np.diff(begin, append=len(order))
    lots = np.full((len(begin), TABLE), np.inf)
    lots[np.repeat(np.arange(len(begin)), size), rank % TABLE] = rng.random(len(order))
    seat = np.argsort(lots, axis=1, kind="stable") + begin[:, None]
    account[order] = account[order[seat[np.arange(TABLE) < size[:, None]]]]
    order = first_of_each(account * index.n_values + index.value, index.use_first)
    return replace(
        index,
        account=account[order],
        value=index.value[order],
        first=index.first[order],
        last=index.last[order],
        use_first=index.use_first[order],
        use_last=index.use_last[order],
        n=index.n[order],
    )


def q_values(observed: FloatArray, chance: list[FloatArray], *, among: FloatArray | None = None) -> FloatArray:
    """The least false discovery rate at which each score is still a discovery.

    Parameters
    ----------
    observed : float64 array
        Bits to ask about.
    chance : list of float64 array
        Bits of the links of each shuffle.
    among : float64 array, optional
        Bits of all links of the data, of which ``observed`` are some; they are all by default.

    Returns
    -------
    float64 array
        Between 0 and 1; falls as bits rise; 1 where there is no shuffle.

    Examples
    --------
    >>> q_values(np.array([1.0, 5.0, 9.0]), [np.array([1.0, 5.0]), np.array([2.0])]).round(3).tolist()
    [0.5, 0.25, 0.0]
    """
    if not len(observed) or not chance:
        return np.ones(len(observed))
    ladder = np.sort(observed if among is None else among)
    above = len(ladder) - np.searchsorted(ladder, ladder, side="left")
    null = np.sort(np.concatenate(chance))
    by_chance = (len(null) - np.searchsorted(null, ladder, side="left")) / len(chance)
    rate = np.minimum.accumulate(np.minimum(by_chance / above, 1.0))
    q: FloatArray = rate[np.minimum(np.searchsorted(ladder, observed, side="left"), len(ladder) - 1)]
    return q


@dataclass(frozen=True)
class Chance:
    """What the shuffles brought forth.

    ``bits`` of the links of each shuffle; ``size`` and ``support`` (median bits of the members) of all their clusters;
    ``draws``, how many shuffles there were.
    """

    bits: list[FloatArray]
    size: IntArray
    support: FloatArray
    draws: int


def ring_fdr(size: IntArray, support: FloatArray, chance: Chance) -> FloatArray:
    """Share of clusters at least as large and as well supported that chance alone would bring forth.

    Parameters
    ----------
    size : int64 array
        Accounts of each observed cluster.
    support : float64 array
        Median bits of its members.
    chance : Chance

    Returns
    -------
    float64 array
        One per cluster, between 0 and 1.

    Examples
    --------
    >>> chance = Chance([], np.array([3]), np.array([4.0]), 2)
    >>> ring_fdr(np.array([3, 20]), np.array([2.0, 9.0]), chance).tolist()
    [0.25, 0.0]
    """
    rate = np.ones(len(size))
    for i in range(len(size)):
        ours = int(((size >= size[i]) & (support >= support[i])).sum())
        theirs = int(((chance.size >= size[i]) & (chance.support >= support[i])).sum())
        rate[i] = min(1.0, theirs / max(chance.draws, 1) / ours) if chance.draws else 1.0
    return rate
