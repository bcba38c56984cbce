"""Clusters that an ordinary life explains: a household, an organisation, a reseller, an occasion.

People who live or work together share addresses, machines and cards, and linking them is right; to act on it would not
be. Each reading is tried on every cluster, the plainest first, and says what it rests on:

* **organisation**: the accounts name the same employer, or work over one steady address on machines of their own with
  one company's card or key;
* **household**: a few people at one address for days on end, who write nothing alike;
* **reseller**: one card pays for most, and hardly anybody shares a machine;
* **occasion**: most came within one day over one address or promotion, on machines of their own.

What none of them explains is read as a ring. A reading is an explanation to be ruled out, not an acquittal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Held, Sets, hold

__all__ = ["Structure", "read_structures"]

MOST = 0.6
"""Share of a cluster that must stand on one value for the value to describe it."""

HOUSEHOLD = 8
"""Accounts beyond which nobody is called a household."""

SMALL = 16
"""Accounts up to which a cluster of people with machines of their own might be a place that we cannot see."""

STEADY_H = 5 * 24.0
"""Hours over which half of the holders use an address for it to be a home or an office and not an exit."""

OWN_MACHINES = 0.6
"""Share of a cluster that has a machine nobody else in it uses, from which its people have machines of their own."""


@dataclass(frozen=True)
class Structure:
    """What a cluster may be instead of a ring, and what speaks for it.

    ``open_question``: it is read as a ring, but is small and its people have machines of their own, so that a home we
    cannot see would explain it as well.
    """

    reading: str
    why: str
    open_question: bool = False


def read_structures(index: Incidence, sets: Sets) -> list[Structure]:
    """Read every cluster.

    Parameters
    ----------
    index : Incidence
    sets : Sets
        Clusters.

    Returns
    -------
    list of Structure
        One per cluster, in order.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.sets import one_set
    >>> rows = {"account_id": list("abcd"), "org": ["acme"] * 4, "device": list("wxyz")}
    >>> index = build_incidence(find_observations(pl.DataFrame(rows)))
    >>> read_structures(index, one_set(np.arange(4), 4))[0].reading
    'organisation'
    """
    look = _Look.of(hold(index, sets))
    return [look.read(label) for label in range(sets.number)]


@dataclass(frozen=True)
class _Look:
    """What the readings ask of each cluster, by cluster."""

    size: IntArray
    employer: FloatArray
    promotion: FloatArray
    steady: FloatArray
    address: FloatArray
    payer: FloatArray
    key: FloatArray
    own_machine: FloatArray
    text: FloatArray
    one_day: FloatArray

    @classmethod
    def of(cls, held: Held) -> _Look:
        index, sets = held.index, held.sets
        kinds = index.kinds
        kind = index.value_kind[held.cell_value]

        def which(test: list[bool]) -> BoolArray:
            return np.array(test, dtype=bool)[kind]

        size = sets.size
        share = held.count / np.maximum(size[held.cell_label], 1)
        net = which([k.family == "net" and k.corroborates for k in kinds])
        # Where no kind is known for a machine, whatever is made for one account stands in for it.
        machines = any(k.family == "dev" and k.regime == "unique" for k in kinds)
        machine = which([k.regime == "unique" and (k.family == "dev" if machines else k.inferred) for k in kinds])
        return cls(
            size=size,
            employer=_most(held, share, which([k.declared and k.name == "org" for k in kinds])),
            promotion=_most(held, share, which([k.declared and k.name != "org" for k in kinds])),
            steady=_most(held, share, net & _steady(held)),
            address=_most(held, share, net),
            payer=_most(held, share, which([k.family == "pay" and k.regime == "unique" for k in kinds])),
            key=_most(held, share, which([k.family == "key" for k in kinds])),
            own_machine=_own(held, machine),
            text=_most(held, share, which([k.family in ("text", "behav") and k.corroborates for k in kinds])),
            one_day=_one_day(index, sets),
        )

    def read(self, label: int) -> Structure:
        """Try the readings on one cluster."""
        size, own = int(self.size[label]), self.own_machine[label] >= OWN_MACHINES
        steady, text, payer = self.steady[label], self.text[label], self.payer[label]
        place = max(self.address[label], self.promotion[label])
        if self.employer[label] >= (0.25 if own else 0.5):
            return Structure("organisation", f"{self.employer[label]:.0%} name the same employer")
        if own and size >= HOUSEHOLD and self.one_day[label] >= MOST and place >= MOST:
            return Structure("occasion", f"{self.one_day[label]:.0%} came within one day, on machines of their own")
        if own and size > HOUSEHOLD and steady >= MOST and max(payer, self.key[label]) >= 0.5:
            return Structure("organisation", f"{steady:.0%} work over one steady address, on machines of their own")
        if size > 4 and payer >= MOST and self.own_machine[label] >= 0.8 and steady < MOST:
            return Structure("reseller", f"one card pays for {payer:.0%}; hardly a machine is shared")
        if size <= HOUSEHOLD and steady >= (0.5 if own else MOST) and text < MOST:
            return Structure("household", f"{steady:.0%} of {size} use one address for days on end")
        if size <= HOUSEHOLD and own and self.address[label] >= MOST and text < 1:
            return Structure(
                "household", f"{self.address[label]:.0%} of {size} share an address, on machines of their own"
            )
        return Structure("ring", "no household, employer, reseller or occasion explains it", own and size <= SMALL)


def _most(held: Held, share: FloatArray, which: BoolArray) -> FloatArray:
    """The greatest share of each cluster that one of the given cells covers."""
    best = np.zeros(held.sets.number)
    np.maximum.at(best, held.cell_label[which], share[which])
    return best


def _steady(held: Held) -> BoolArray:
    """Whether half of the holders of each cell use it over days."""
    index = held.index
    long = (index.use_last[held.incidence] - index.use_first[held.incidence]) >= STEADY_H
    users = np.bincount(held.cell, weights=long.astype(float), minlength=len(held.count))
    steady: BoolArray = users >= 0.5 * held.count
    return steady


def _own(held: Held, which: BoolArray) -> FloatArray:
    """Share of each cluster's accounts that hold one of the given cells alone."""
    index, sets = held.index, held.sets
    alone = which[held.cell] & (held.count[held.cell] == 1)
    rows = np.unique(held.label[alone] * index.n_accounts + index.account[held.incidence[alone]])
    has = np.bincount(rows // index.n_accounts, minlength=sets.number)
    return np.asarray(has / np.maximum(sets.size, 1), dtype=float)


def _one_day(index: Incidence, sets: Sets) -> FloatArray:
    """The greatest share of each cluster that arrived within 24 hours."""
    at = index.arrival[sets.account]
    order = np.lexsort((at, sets.label))
    label, at = sets.label[order], at[order]
    known = ~np.isnan(at)
    key = label[known] * 1e9 + at[known]
    within = np.searchsorted(key, key + 24.0, side="right") - np.arange(len(key))
    best = np.zeros(sets.number)
    np.maximum.at(best, label[known], within)
    return np.asarray(best / np.maximum(sets.size, 1), dtype=float)
