"""Adding up evidence so that nothing counts twice: the one place where bits become a sum.

Used alike for pairs, for members of a cluster and for an account against a set: whatever is judged is a *group* of
evidence rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, ranges, rank_within, run_starts
from toolkit.settings import KINDS, SATURATION, Kind

__all__ = [
    "AT_CAP",
    "BEHAVIOUR",
    "FAMILY_SPEAKS",
    "TOGETHER_H",
    "combine_bits",
    "count_reasons",
    "family_codes",
    "family_names",
    "swallowed",
]

FAMILY_DAMPING = (1.0, 0.5, 0.25)
"""What the best, second and third kind of one family count: they fail together."""

FAMILY_SPEAKS = 2.5
"""Bits a family must give to count as an independent reason."""

AT_CAP = 0.75
"""Share of its kind's cap from which a value counts as exclusive."""

TOGETHER_H = 72.0
"""Two uses of one value within so many hours are "at the same time"."""

BEHAVIOUR = ("text", "behav")
"""Families that say what accounts do, not what they hold."""


def combine_bits(
    kinds: Sequence[Kind], group: IntArray, kind: IntArray, value: IntArray, bits: FloatArray, n_groups: int
) -> FloatArray:
    """Sum evidence rows per group and family.

    Within a kind the r-th best value counts rho^(r-1), up to the kind's cap; within a family the best, second and third
    kind count 1, 1/2, 1/4.

    Parameters
    ----------
    kinds : sequence of Kind
        By kind code.
    group, kind, value : int64 arrays
        Of each row: what it speaks for, its kind code, and its value code (the value only breaks ties).
    bits : float64 array
        Of each row, not negative.
    n_groups : int
        Groups are 0 to n_groups - 1.

    Returns
    -------
    float64 array, shape (n_groups, families)
        Families in sorted order of name. Sums run in a fixed order: the same rows give the same bytes.

    Examples
    --------
    >>> ip = KINDS["ip"]
    >>> zero = np.zeros(2, dtype=np.int64)
    >>> combine_bits([ip], zero, zero, np.array([0, 1]), np.array([4.0, 2.0]), 1).tolist()
    [[5.0]]
    """
    n_kinds = len(kinds)
    family = family_codes(kinds)
    n_families = int(family.max()) + 1 if n_kinds else 0
    speaks = bits > 0  # what gives nothing changes no sum; most rows of a wide frontier give nothing
    if not speaks.all():
        group, kind, value, bits = group[speaks], kind[speaks], value[speaks], bits[speaks]
    cell = group * n_kinds + kind
    if not _in_order(cell, value):
        order = np.lexsort((value, cell))
        cell, bits = cell[order], bits[order]
    start = run_starts(cell)
    cells, size = cell[start], np.diff(start, append=len(cell))
    per_kind = np.minimum(_saturate(bits, start, size), np.array([k.cap for k in kinds])[cells % n_kinds])
    total = np.zeros((n_groups, n_families))
    _damp(total, cells // n_kinds, family[cells % n_kinds], per_kind)
    return total


def _in_order(cell: IntArray, value: IntArray) -> BoolArray:
    """Whether rows stand in order of cell and value; where they come from an index they do."""
    ahead = cell[1:] - cell[:-1]
    ordered: BoolArray = ((ahead > 0) | ((ahead == 0) & (value[1:] >= value[:-1]))).all()
    return ordered


def _saturate(bits: FloatArray, start: IntArray, size: IntArray) -> FloatArray:
    """Sum each cell, the r-th best row by rho^(r-1), the earlier of equals first; most cells are one row."""
    several = size > 1
    if not several.any():
        return bits
    total = bits[start]
    rows = ranges(start[several], start[several] + size[several])
    cell = np.repeat(np.arange(int(several.sum())), size[several])
    best = bits[rows[np.lexsort((-bits[rows], cell))]]
    total[several] = np.bincount(cell, weights=best * SATURATION ** rank_within(cell))
    return total


def _damp(total: FloatArray, group: IntArray, family: IntArray, per_kind: FloatArray) -> None:
    """Sum cells by group (sorted) and family, the best, second and third by the damping; most families are one cell."""
    total[group, family] = per_kind
    start = run_starts(group)
    size = np.diff(start, append=len(group))
    rows = np.flatnonzero(np.repeat(size > 1, size))
    target = np.repeat(np.arange(int((size > 1).sum())), size[size > 1]) * total.shape[1] + family[rows]
    often = np.bincount(target)[target] > 1
    rows, target = rows[often], target[often]
    order = np.lexsort((rows, -per_kind[rows], target))
    rows, rank = rows[order], rank_within(target[order])
    weight = np.array([*FAMILY_DAMPING, 0.0])[np.minimum(rank, len(FAMILY_DAMPING))]
    total[group[rows], family[rows]] = 0.0
    np.add.at(total, (group[rows], family[rows]), per_kind[rows] * weight)


def count_reasons(
    kinds: Sequence[Kind],
    group: IntArray,
    kind: IntArray,
    value: IntArray,
    bits: FloatArray,
    n_groups: int,
    also: BoolArray | None = None,
) -> IntArray:
    """Count the families that speak for each group, by kinds that may count as a reason of their own.

    Rows marked in ``also`` count whatever their kind.

    Examples
    --------
    >>> kinds = [KINDS["card"], KINDS["country"]]
    >>> rows = np.array([0, 0]), np.array([0, 1]), np.array([0, 1]), np.array([9.0, 9.0])
    >>> count_reasons(kinds, *rows, 1).tolist()
    [1]
    """
    counts = np.array([k.corroborates for k in kinds], dtype=bool)[kind]
    counts = counts if also is None else counts | also
    solid = combine_bits(kinds, group, kind, value, np.where(counts, bits, 0.0), n_groups)
    reasons: IntArray = (solid >= FAMILY_SPEAKS).sum(axis=1)
    return reasons


def family_names(kinds: Sequence[Kind]) -> list[str]:
    """Return the families of some kinds, sorted."""
    return sorted({kind.family for kind in kinds})


def family_codes(kinds: Sequence[Kind]) -> IntArray:
    """Return the family code of each kind."""
    names = family_names(kinds)
    return np.array([names.index(kind.family) for kind in kinds], dtype=np.int64)


def swallowed(kinds: Sequence[Kind], group: IntArray, kind: IntArray, speaks: BoolArray) -> BoolArray:
    """Mark rows of a coarse kind in groups where the finer kind it is nested in speaks (an ip swallows its country).

    Examples
    --------
    >>> kinds = [KINDS["card"], KINDS["card_bin"]]
    >>> swallowed(kinds, np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([True, True, True])).tolist()
    [False, True, False]
    """
    code = {k.name: i for i, k in enumerate(kinds)}
    gone = np.zeros(len(group), dtype=bool)
    for coarse, settings in enumerate(kinds):
        finer = settings.nested_in
        while finer is not None:
            if finer in code:
                gone |= (kind == coarse) & np.isin(group, group[speaks & (kind == code[finer])])
            known = kinds[code[finer]] if finer in code else KINDS.get(finer)
            finer = known.nested_in if known else None
    return gone
