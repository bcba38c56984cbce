"""Linking and clustering shuffled data, draw by draw: the yardstick of :mod:`toolkit.linking.null`, made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toolkit.linking.arrays import FloatArray, IntArray
from toolkit.linking.belonging import ExpandSettings, score_accounts
from toolkit.linking.incidence import Incidence
from toolkit.linking.null import Chance, draw_chance
from toolkit.linking.partition import find_clusters
from toolkit.linking.score import combine, corroborate, propose, weigh
from toolkit.settings import CHANCE_DRAWS, MAX_PAIRS

__all__ = ["BESIDE", "simulate_chance"]

BESIDE = 2_000_000
"""Incidences up to which shuffled data may be linked beside the data themselves: each takes the memory of a linking."""


def simulate_chance(
    index: Incidence,
    judge: ExpandSettings,
    *,
    draws: int = CHANCE_DRAWS,
    min_size: int = 3,
    seed: int = 0,
    rings: bool = True,
) -> Chance:
    """Link and cluster shuffled data exactly as the data themselves.

    Parameters
    ----------
    index : Incidence
    judge : ExpandSettings
    draws : int
        Shuffles.
    min_size : int
        Of a cluster.
    seed : int
    rings : bool
        Whether to cluster too; linking alone takes a fraction of the time.

    Returns
    -------
    Chance

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": list("abcd"), "card": ["x", "x", "y", "z"]})
    >>> simulate_chance(build_incidence(find_observations(frame)), ExpandSettings()).size.tolist()
    []
    """
    # A dealt value brings its own times along, so that everybody seems to have lived elsewhere before: do not ask.
    judge = replace(judge, own_life_h=float("inf"))

    def one(draw: int) -> tuple[FloatArray, IntArray, FloatArray]:
        shuffled = draw_chance(index, draw, seed=seed)
        a, b, _ = propose(shuffled, MAX_PAIRS)
        shared = weigh(shuffled, a, b)
        bits, _ = combine(shuffled, corroborate(shuffled, shared)[0])
        if not rings:
            return bits, np.empty(0, dtype=np.int64), np.empty(0)
        found = find_clusters(shuffled, shared, judge, min_size=min_size, seed=seed)
        scores = score_accounts(shuffled, found, found, judge)
        support = [float(np.median(scores.bits[found.label == label])) for label in range(found.number)]
        return bits, found.size, np.array(support, dtype=float)

    drawn = [one(draw) for draw in range(draws)]
    return Chance(
        [bits[bits > 0] for bits, _, _ in drawn],
        np.concatenate([np.empty(0, dtype=np.int64), *(size for _, size, _ in drawn)]),
        np.concatenate([np.empty(0), *(support for _, _, support in drawn)]),
        draws,
    )
