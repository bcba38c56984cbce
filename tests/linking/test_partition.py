"""Every account in at most one cluster."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from toolkit.linking.belonging import ExpandSettings, score_accounts
from toolkit.linking.expand import expand_from_seeds
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.partition import find_clusters
from toolkit.linking.score import propose, weigh
from toolkit.linking.sets import Sets

World = Callable[..., pl.DataFrame]
DIALS = ExpandSettings()


def rings(sizes: dict[str, int], seed: int = 0) -> list[tuple[str | float, ...]]:
    """Rings that each draw from stocks of their own; one address for all."""
    luck = np.random.default_rng(seed)
    rows: list[tuple[str | float, ...]] = []
    for ring, n in sizes.items():
        for i in range(n):
            stock = [(kind, f"{ring}-{kind}{luck.integers(max(n // 6, 1))}") for kind in ("device", "card", "phone")]
            rows += [(f"{ring}{i:02d}", kind, value) for kind, value in [*stock, ("ip", "nat")]]
    return rows


def found(observations: pl.DataFrame, min_size: int = 3) -> tuple[Incidence, Sets]:
    index = build_incidence(observations)
    a, b, _ = propose(index)
    return index, find_clusters(index, weigh(index, a, b), DIALS, min_size=min_size)


def test_clusters_are_disjoint_ordered_and_hold(crowd: World) -> None:
    """Nobody twice; largest first, then by smallest account; judged again without itself, every member holds."""
    index, sets = found(crowd(rings({"a": 40, "b": 25, "c": 12, "d": 12, "e": 4})))
    assert len(np.unique(sets.account)) == len(sets.account)
    order = [(-int(size), int(sets.members(label)[0])) for label, size in enumerate(sets.size)]
    assert order == sorted(order)
    scores = score_accounts(index, sets, sets, DIALS)
    assert (scores.probability[scores.solid] >= DIALS.leave).all()
    assert scores.solid.all()
    homes = [{name[0] for name in index.accounts.gather(sets.members(label)).to_list()} for label in range(sets.number)]
    assert homes[:2] == [{"a"}, {"b"}]
    assert sorted(map(sorted, homes)) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_who_is_of_two_rings_is_placed_in_one(crowd: World) -> None:
    """Five accounts that hold as much of either ring are in one cluster each."""
    both = [
        (f"m{i}", kind, f"{ring}-{kind}0") for i in range(5) for ring in "ab" for kind in ("device", "card", "phone")
    ]
    index, sets = found(crowd([*rings({"a": 30, "b": 30}), *both]))
    assert {f"m{i}" for i in range(5)} <= set(index.accounts.gather(sets.account).to_list())
    assert len(np.unique(sets.account)) == len(sets.account)
    assert sets.number == 2


def test_smaller_groups_are_links(crowd: World) -> None:
    """`min_size` leaves clusters out and changes none of the others."""
    observations = crowd(rings({"a": 30, "b": 12, "c": 4}))
    _, all_of_them = found(observations, 3)
    _, large = found(observations, 5)
    assert all_of_them.size.tolist()[-1] == 4
    assert large.account.tolist() == all_of_them.only(all_of_them.size[all_of_them.label] >= 5).account.tolist()


def test_a_cluster_is_what_its_members_expand_to(crowd: World) -> None:
    """The same judge from either side: seeds of a cluster find the cluster."""
    observations = crowd(rings({"a": 30, "b": 12}))
    index, sets = found(observations)
    for label in range(sets.number):
        members = index.accounts.gather(sets.members(label)).to_list()
        expanded = expand_from_seeds(observations, members[:4])
        assert set(expanded.filter("included")["account_id"]) == set(members), label


def test_strangers_are_no_cluster(crowd: World) -> None:
    """Nothing in common, no sets, in arrays that the rest can work with."""
    _, sets = found(crowd([]))
    assert (sets.number, len(sets.account)) == (0, 0)
