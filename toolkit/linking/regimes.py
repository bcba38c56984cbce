"""What an undeclared kind is taken for, told from who holds its values; and said so.

A company's own kinds (a wallet, a serial number, a plugin) carry the evidence that nobody wrote settings for. Three
shapes cover them, and the share of incidences that nobody else holds tells them apart:

* **unique**: most values have one holder (a serial number). Sharing one means something.
* **crowd**: most accounts stand on values with very many holders (a country, a plan). It scores, and never proposes.
* **pool**: in between (an address, a macro that is passed on).

Two kinds that say the same thing must not count twice. Where the holders of a value of the one nearly always agree on a
value of the other, and the other way round, they are one family; where only the one fixes the other, the other is
*nested in* it, as a country is in an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.linking.arrays import IntArray, ranges
from toolkit.settings import INFERRED, KINDS, Kind

if TYPE_CHECKING:
    from toolkit.linking.incidence import Incidence

__all__ = ["describe_inferred", "infer_kinds", "infer_regime"]

ALONE = 0.5
"""Share of a kind's incidences that nobody else holds, from which its values are made for one account each."""

CROWD_HOLDERS = 20
"""Holders of the value that half of all incidences stand on, from which a kind describes a crowd ..."""
CROWD_RARE = 0.1
"""... if no more than this share of them is on values with three holders or fewer."""

AGREE = 0.9
"""Share of a value's holders that agree on one value of another kind, on average, for the one to fix the other."""
SEEN = 10
"""Shared values of a kind that it takes to judge whether it fixes another."""
LARGEST = 200
"""Values with more holders are not looked at: on a crowd everything agrees with something."""


def infer_regime(holders: IntArray) -> str:
    """Name the shape of a kind from the number of holders of each of its values.

    Examples
    --------
    >>> infer_regime(np.array([1, 1, 1, 2])), infer_regime(np.array([2, 5, 7])), infer_regime(np.array([90, 400]))
    ('unique', 'pool', 'crowd')
    """
    if not len(holders):
        return "pool"
    total = float(holders.sum())
    if holders[holders == 1].sum() >= ALONE * total:
        return "unique"
    middle = float(np.median(np.repeat(holders, holders)))
    if middle >= CROWD_HOLDERS and holders[holders <= 3].sum() <= CROWD_RARE * total:
        return "crowd"
    return "pool"


def infer_kinds(index: Incidence, declared: Mapping[str, Kind] = KINDS) -> tuple[Kind, ...]:
    """Settings by kind code: the declared ones as they are, the others told from their values.

    Parameters
    ----------
    index : Incidence
        With any settings for its undeclared kinds; only holders and co-holders are read.
    declared : mapping of str to Kind

    Returns
    -------
    tuple of Kind

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> rows = {"account_id": [f"a{i}" for i in range(30)], "serial": [f"s{i // 2 if i < 4 else i}" for i in range(30)]}
    >>> index = build_incidence(find_observations(pl.DataFrame(rows)))
    >>> index.kinds[0].regime, index.kinds[0].inferred
    ('unique', True)
    """
    kinds = list(index.kinds)
    unknown = [code for code, kind in enumerate(kinds) if kind.name not in declared]
    for code in unknown:
        mine = (index.value_kind == code) & ~index.placeholder
        name = kinds[code].name
        kinds[code] = replace(INFERRED[infer_regime(index.holders[mine])], name=name, family=name)
    for code in unknown:
        for other in range(len(kinds)):
            if other == code or (other in unknown and other > code):
                continue
            kinds[code], kinds[other] = _relate(index, kinds, code, other, keep=other not in unknown)
    return tuple(kinds)


def _relate(index: Incidence, kinds: Sequence[Kind], one: int, two: int, *, keep: bool) -> tuple[Kind, Kind]:
    """Put two kinds into one family where they say the same; ``keep`` leaves the second as it was declared."""
    first, second = kinds[one], kinds[two]
    fixes, fixed = _fixes(index, one, two), _fixes(index, two, one)
    if fixes and fixed:
        return replace(first, family=second.family), second
    if fixed:  # the second is the finer one
        return replace(first, family=second.family, nested_in=second.name), second
    if fixes and not keep:
        return first, replace(second, family=first.family, nested_in=first.name)
    return first, second


def _fixes(index: Incidence, one: int, two: int) -> bool:
    """Whether the holders of a value of kind ``one`` nearly always agree on a value of kind ``two``."""
    shared = np.flatnonzero(
        (index.value_kind == one) & ~index.placeholder & (index.holders >= 2) & (index.holders <= LARGEST)
    )
    if len(shared) < SEEN:
        return False
    rows = index.by_value[ranges(index.value_start[shared], index.value_start[shared + 1])]
    account, of = index.account[rows], np.repeat(np.arange(len(shared)), index.holders[shared])
    begin, end = index.start[account], index.start[account + 1]
    theirs, owner = ranges(begin, end), np.repeat(of, end - begin)
    mine = (index.kind[theirs] == two) & ~index.placeholder[index.value[theirs]]
    cells, count = np.unique(owner[mine] * index.n_values + index.value[theirs[mine]], return_counts=True)
    best = np.zeros(len(shared))
    np.maximum.at(best, cells // index.n_values, count / index.holders[shared[cells // index.n_values]])
    busy = index.holders[cells % index.n_values].mean() if len(cells) else 0.0
    if busy > LARGEST:  # a crowd agrees with everybody: that is its size, not a tie
        return False
    return float(best.mean()) >= AGREE


def describe_inferred(index: Incidence) -> list[str]:
    """Say what each undeclared kind was taken for, and how to say otherwise; sorted by kind."""
    said = []
    for code, kind in enumerate(index.kinds):
        if not kind.inferred:
            continue
        holders = index.holders[(index.value_kind == code) & ~index.placeholder]
        alone = holders[holders == 1].sum() / max(int(holders.sum()), 1)
        shape = "crowd" if kind.max_holders == 0 else kind.regime
        nested = f", nested in {kind.nested_in}" if kind.nested_in else ""
        family = f", of one family with {kind.family}" if kind.family != kind.name and not kind.nested_in else ""
        said.append(
            f"nobody declared the kind {kind.name!r}: taken for {shape!r} ({alone:.0%} of its incidences are held by "
            f"one account alone{nested}{family}); declare it under `kinds` in the mapping to say otherwise"
        )
    return said
