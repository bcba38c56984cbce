"""Adding up evidence, against the same sums written plainly."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from toolkit.linking.combine import FAMILY_DAMPING, combine_bits, family_codes, family_names
from toolkit.settings import KINDS, SATURATION

SOME = [KINDS[name] for name in ("card", "card_bin", "country", "device", "ip", "user_agent")]


def combine_plainly(
    group: np.ndarray, kind: np.ndarray, value: np.ndarray, bits: np.ndarray, n_groups: int
) -> list[list[float]]:
    """The r-th best value of a kind, then the best, second and third kind of a family, in that order."""
    per_kind: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for g, k, v, b in zip(*(column.tolist() for column in (group, kind, value, bits)), strict=True):
        if b > 0:
            per_kind[g, k].append((-b, v))
    per_family: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for (g, k), rows in per_kind.items():
        total = 0.0
        for rank, (b, _) in enumerate(sorted(rows)):
            total += -b * SATURATION**rank
        per_family[g, int(family_codes(SOME)[k])].append((-min(total, SOME[k].cap), k))
    table = [[0.0] * len(family_names(SOME)) for _ in range(n_groups)]
    for (g, f), kinds in per_family.items():
        for weight, (b, _) in zip(FAMILY_DAMPING, sorted(kinds), strict=False):
            table[g][f] += -b * weight
    return table


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("most", [1, 4, 40])
def test_sums_are_those_of_the_plain_way_to_the_last_bit(most: int, *, shuffled: bool) -> None:
    """Rows in order and not, few and many a group, equal bits among them."""
    rng = np.random.default_rng([most, shuffled])
    group = np.repeat(np.arange(50), rng.integers(0, most + 1, 50))
    kind = rng.integers(0, len(SOME), len(group))
    value = kind * 100 + rng.integers(0, 100, len(group))
    order = rng.permutation(len(group)) if shuffled else np.lexsort((value, kind, group))
    group, kind, value = group[order], kind[order], value[order]
    bits = rng.choice([0.0, 0.7, 1.3, 2.9, 5.1], len(group))
    assert combine_bits(SOME, group, kind, value, bits, 50).tolist() == combine_plainly(group, kind, value, bits, 50)
