"""Where clusters start: groups that may be the heart of a ring. Many are proposed; the judge decides.

A start is only a guess: its members are judged like everybody else, and leave where they do not hold. So starts may be
generous, and they come from graphs that see different rings:

* **tight**: pairs that two independent families tie by more than ten bits. Sees rings whose members share much.
* **rare**: pairs that share a value made for one account each (a device, a card), whatever else. Every value gives each
  of its holders the same weight however many they are. Sees rings whose members draw from a common stock, where hardly
  any pair shares two things and only the whole is overwhelming.
* **exclusive**: the same with every kind that may be a reason of its own and has no window. Sees rings in kinds that
  nobody declared.

Each is cut into communities at several resolutions (:mod:`toolkit.linking.communities`): fine ones for small tight
groups, coarse ones for large sparse rings.
"""

from __future__ import annotations

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.belonging import ExpandSettings, score_accounts
from toolkit.linking.combine import count_reasons
from toolkit.linking.communities import find_communities
from toolkit.linking.grow import twin_sets
from toolkit.linking.incidence import Incidence
from toolkit.linking.score import Shared, combine
from toolkit.linking.sets import Sets

__all__ = ["find_nuclei"]

TIGHT_BITS = 10.0
TIGHT_GAMMA = 0.3
RARE_BITS, RARE_GAMMAS = 7.0, (0.1, 0.03, 0.01)
EXCLUSIVE_BITS, EXCLUSIVE_GAMMAS = 5.0, (0.03, 0.01)

SMALLEST = 3
"""Accounts that make a start."""

SAME = 0.9
"""Share of a start that a smaller one must hold for the two to be one guess."""

HOPELESS = 0.01
"""Members of a start with less than this probability leave it before it grows."""

LOOKS = 1
"""Times a start is looked over so; what chance puts together falls apart here, at little cost."""


def find_nuclei(index: Incidence, shared: Shared, dials: ExpandSettings, *, seed: int = 0) -> Sets:
    """Propose groups to start from.

    Parameters
    ----------
    index : Incidence
    shared : Shared
        Weighed pairs (:func:`toolkit.linking.score.weigh`), before corroboration.
    dials : ExpandSettings
        Of the judge that looks the starts over.
    seed : int
        Of the communities.

    Returns
    -------
    Sets
        Starts of three accounts or more; they may overlap.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import propose, weigh
    >>> rows = [(f"r{i}", f"d{i % 2}", f"c{i % 3}") for i in range(6)]
    >>> rows += [(f"x{i:03}", f"e{i}", f"k{i}") for i in range(500)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> a, b, _ = propose(index)
    >>> nuclei = find_nuclei(index, weigh(index, a, b), ExpandSettings())
    >>> nuclei.members(int(nuclei.size.argmax())).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    n_pairs = len(shared.a)
    kind = index.value_kind[shared.value]
    bits, _ = combine(index, shared)
    reasons = count_reasons(index.kinds, shared.pair, kind, shared.value, shared.bits, n_pairs)
    tight = np.where((reasons >= 2) & (bits > TIGHT_BITS), bits - TIGHT_BITS + 1, 0.0)
    unique = np.array([k.regime == "unique" for k in index.kinds])[kind]
    exclusive = np.array([k.corroborates and k.window_h is None for k in index.kinds])[kind]

    def spread(rows: BoolArray) -> FloatArray:
        weight = shared.bits[rows] / np.maximum(shared.holders[rows] - 1, 1)
        return np.bincount(shared.pair[rows], weights=weight, minlength=n_pairs).astype(float)

    graphs: list[tuple[FloatArray, tuple[float, ...]]] = [
        (tight, (TIGHT_GAMMA,)),
        (spread(unique & (shared.bits >= RARE_BITS)), RARE_GAMMAS),
        (spread(exclusive & (shared.bits >= EXCLUSIVE_BITS)), EXCLUSIVE_GAMMAS),
    ]
    label: list[IntArray] = []
    account: list[IntArray] = []
    number = 0
    for weight, gammas in graphs:
        for gamma in gammas:
            group = find_communities(shared.a, shared.b, weight, index.n_accounts, gamma=gamma, seed=seed)
            large = np.bincount(group) >= SMALLEST
            mine = np.flatnonzero(large[group])
            label.append(group[mine] + number)
            account.append(mine)
            number += len(large)
    found = Sets.of(np.concatenate(label), np.concatenate(account), number, index.n_accounts)
    found = found.pick(np.flatnonzero(found.size))  # most accounts are communities of their own, and no start
    found = found.only(~twin_sets(found, SAME)[found.label])
    for _ in range(LOOKS):
        scores = score_accounts(index, found, found, dials)
        found = found.only((scores.probability >= HOPELESS) & (scores.reasons >= 1))
        found = found.pick(np.flatnonzero(found.size >= SMALLEST))
    return found
