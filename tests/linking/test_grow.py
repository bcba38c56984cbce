"""Growing sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.grow import grow_sets, swallowed_sets
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.sets import Sets, one_set

World = Callable[..., pl.DataFrame]
DIALS = ExpandSettings()

STOCK = (("device", 3), ("card", 4), ("phone", 5))
RINGS: list[tuple[str | float, ...]] = [
    (f"{ring}{i:02d}", kind, f"{ring}-{kind}{(i * step + i // size) % size}")
    for ring in "pqr"
    for i in range(24)
    for step, (kind, size) in enumerate(STOCK, 1)
]


def names(index: Incidence, sets: Sets, label: int = 0) -> set[str]:
    return set(index.accounts.gather(sets.members(label)).to_list())


def test_side_by_side_is_as_alone(crowd: World) -> None:
    """Starts in three rings and across: grown together or one by one, the same sets in the same rounds."""
    index = build_incidence(crowd(RINGS))
    luck = np.random.default_rng(2)
    starts = [
        index.codes([f"{ring}{i:02d}" for i in luck.choice(24, 4, replace=False)]) for ring in "pqr" for _ in range(3)
    ]
    starts += [luck.choice(index.n_accounts, 4, replace=False) for _ in range(6)]
    label = np.repeat(np.arange(len(starts)), 4)
    together = Sets.of(label, np.concatenate(starts), len(starts), index.n_accounts)
    grown = grow_sets(index, together, DIALS, grace=1)
    for one in range(len(starts)):
        alone = grow_sets(index, together.pick(np.array([one])), DIALS, grace=1)
        rows = grown.sets.label == one
        assert grown.sets.account[rows].tolist() == alone.sets.account.tolist()
        assert grown.joined[rows].tolist() == alone.joined.tolist()
        assert grown.rounds[one] == alone.rounds[0]
    assert [names(index, grown.sets, 3 * i) for i in range(3)] == [{f"{r}{i:02d}" for i in range(24)} for r in "pqr"]


def test_the_fixed_stay_and_the_rest_must_hold(crowd: World) -> None:
    """A stranger among the seeds stays only where it is said to; without that it leaves."""
    index = build_incidence(crowd(RINGS))
    seeds = one_set(index.codes(["p00", "p03", "p04", "x00005"]), index.n_accounts)
    ring = {f"p{i:02d}" for i in range(24)}
    assert names(index, grow_sets(index, seeds, DIALS, fixed=seeds).sets) == ring | {"x00005"}
    assert names(index, grow_sets(index, seeds, DIALS, grace=1).sets) == ring


def test_a_round_admits_half_as_many_again_or_two(crowd: World) -> None:
    """Stopped after each round in turn, the set has grown by no more than that; newcomers are marked with the round."""
    index = build_incidence(crowd(RINGS))
    start = one_set(index.codes(["p00", "p03", "p04", "p09"]), index.n_accounts)
    size, before = [4], set(start.account.tolist())
    for rounds in range(1, 8):
        grown = grow_sets(index, start, ExpandSettings(max_rounds=rounds), grace=1)
        new = set(grown.sets.account.tolist()) - before
        assert len(new) <= max(2, size[-1] // 2)
        assert set(grown.joined[np.isin(grown.sets.account, list(new))].tolist()) <= {rounds}
        before = set(grown.sets.account.tolist())
        size.append(len(before))
    assert size[-2:] == [24, 24]


def test_of_two_starts_in_one_ring_one_is_left(crowd: World) -> None:
    """With `absorb`, a set that comes to lie within a larger one gives up; one in another ring does not."""
    index = build_incidence(crowd(RINGS))
    starts = [[f"p{i:02d}" for i in range(6)], [f"p{i:02d}" for i in range(8, 13)], [f"q{i:02d}" for i in range(6)]]
    label = np.repeat(np.arange(3), [len(start) for start in starts])
    codes = np.concatenate([index.codes(start) for start in starts])
    grown = grow_sets(index, Sets.of(label, codes, 3, index.n_accounts), DIALS, grace=1, absorb=True)
    assert sorted(grown.sets.size[:2].tolist()) == [0, 24]
    assert grown.sets.size[2] == 24


@given(st.lists(st.sets(st.integers(0, 9), max_size=8), min_size=1, max_size=6), st.sampled_from([0.5, 0.9]))
def test_swallowed_sets_by_hand(groups: list[set[int]], share: float) -> None:
    """Largest first (the earlier one on a tie): a set goes when a larger one that stands holds its share of it."""
    label = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    account = np.array([a for group in groups for a in group], dtype=np.int64)
    standing: list[int] = []
    expected = [False] * len(groups)
    for i in sorted(range(len(groups)), key=lambda i: (-len(groups[i]), i)):
        common = [len(groups[i] & groups[j]) for j in standing]
        expected[i] = any(n and n >= share * len(groups[i]) for n in common)
        if not expected[i]:
            standing.append(i)
    assert swallowed_sets(Sets.of(label, account, len(groups), 10), share).tolist() == expected
