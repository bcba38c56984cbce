"""Rings that a careless method loses, or welds together. One test per such row of the failure list (linking.md 2.6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.clusters import ClusterSettings, cluster_accounts
from toolkit.linking.expand import expand_from_seeds

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]


def clusters(observations: pl.DataFrame) -> list[set[str]]:
    """Members of each cluster, largest cluster first."""
    found, _ = cluster_accounts(observations, settings=ClusterSettings(chance_draws=0))
    groups = found.filter(pl.col("role") == "member").group_by("cluster_id").agg("account_id").sort("cluster_id")
    return [set(accounts) for accounts in groups["account_id"].to_list()]


def drawn(name: str, n: int, stock: dict[str, int], seed: int = 1) -> list[Row]:
    """Accounts that each draw one value per kind from the ring's stock."""
    luck = np.random.default_rng(seed)
    return [
        (f"{name}{i:04d}", kind, f"{name}-{kind}{luck.integers(size)}")
        for i in range(n)
        for kind, size in stock.items()
    ]


def _one_card(n: int) -> list[Row]:
    """One card; three of n / 3 rotating addresses each; one of six templates each; signed up over three weeks."""
    luck = np.random.default_rng(1)
    rows: list[Row] = []
    for i in range(n):
        day = luck.uniform(20, 40)
        held = [("card", "k"), ("prompt_template", f"t{luck.integers(6)}"), ("device", f"own{i}")]
        held += [("ip", f"e{address}") for address in luck.integers(n // 3, size=3)]
        rows += [(f"r{i:04d}", kind, value, day, day + 2) for kind, value in held]
    return rows


def test_ring_of_a_tenth_of_everybody(crowd: World) -> None:
    """500 on one card, with rotating addresses and six templates, among 5,000 others: one ring, nobody else."""
    rows = _one_card(500)
    assert clusters(crowd(rows, others=5000)) == [{str(row[0]) for row in rows}]


def test_ring_larger_than_its_own_rarity(crowd: World) -> None:
    """5,000 on one card with rotating addresses and six templates, among 20,000 others: their number is no alibi."""
    rows = _one_card(5000)
    ring = {str(row[0]) for row in rows}
    largest = clusters(crowd(rows, others=20_000))[0]
    assert len(largest & ring) >= 0.9 * len(ring)
    assert len(largest & ring) >= 0.99 * len(largest)


def test_ring_larger_than_its_own_rarity_from_seeds(crowd: World) -> None:
    """The same ring from 20 of its accounts."""
    rows = _one_card(5000)
    found = expand_from_seeds(crowd(rows, others=20_000), [f"r{i:04d}" for i in range(20)])
    assert found["included"].sum() >= 0.9 * 5000


STOCK = {"device": 5, "card": 6, "phone": 7}
TWO = [*drawn("p", 30, STOCK), *drawn("q", 30, STOCK, seed=2)]
NAT: list[Row] = [(name, "ip", "nat") for name in sorted({str(row[0]) for row in TWO})]
MULE: list[Row] = [("mule", kind, f"{ring}-{kind}{i}") for ring in "pq" for kind in STOCK for i in (0, 1)]


@pytest.mark.parametrize("bridge", [NAT, MULE, [*NAT, *MULE]], ids=["nat", "mule", "nat and mule"])
def test_one_helper_account_bridging_two_rings(crowd: World, bridge: list[Row]) -> None:
    """Two rings of 30 over one NAT, with a mule that holds six values of each, stay two; the mule is of one at most."""
    found = clusters(crowd([*TWO, *bridge]))
    assert sorted(sorted(group - {"mule"}) for group in found) == [
        [f"{ring}{i:04d}" for i in range(30)] for ring in "pq"
    ]


def test_one_helper_account_bridging_two_small_rings(crowd: World) -> None:
    """Two rings of twelve that share nothing but a mule, which holds eight values of each: eight such worlds."""
    stock = {"device": 2, "card": 2, "phone": 2, "ip": 2}
    mule: list[Row] = [("mule", kind, f"{ring}-{kind}{i}") for ring in "pq" for kind in stock for i in range(2)]
    for seed in range(8):
        found = clusters(
            crowd([*drawn("p", 12, stock, seed), *drawn("q", 12, stock, seed + 50), *mule], plain=["mule"])
        )
        assert sorted(sorted({name[0] for name in group - {"mule"}}) for group in found) == [["p"], ["q"]]


@pytest.mark.parametrize("bridge", [NAT, MULE], ids=["nat", "mule"])
def test_bridged_rings_are_called_related(crowd: World, bridge: list[Row]) -> None:
    """Two rings joined by one bridge are related, never merged."""
    _, cards = cluster_accounts(crowd([*TWO, *bridge]), settings=ClusterSettings(chance_draws=0))
    assert cards["related"].to_list() == [["C0002"], ["C0001"]]


def test_two_small_rings_on_one_number_stay_two(crowd: World) -> None:
    """Two rings of ten that share nothing but a phone number, which five of each hold: six such worlds."""
    stock = {"device": 2, "card": 3, "ip": 2}
    phone: list[Row] = [(f"{ring}{i:04d}", "phone", "+1555") for ring in "pq" for i in range(5)]
    for seed in range(6):
        found = clusters(crowd([*drawn("p", 10, stock, seed), *drawn("q", 10, stock, seed + 50), *phone]))
        assert sorted(sorted({name[0] for name in group}) for group in found) == [["p"], ["q"]]


@pytest.mark.parametrize("exits", [0, 2], ids=["apart", "on its exits"])
def test_resolution_limit(crowd: World, exits: int) -> None:
    """A ring of 4 beside one of 400, even on two of its exit addresses, is neither swallowed nor lost."""
    small = [(f"s{i}", kind, f"s-{kind}") for i in range(4) for kind in ("device", "card")]
    small += [(f"s{i}", "ip", f"b-ip{exit_}") for i in range(4) for exit_ in range(exits)]
    large = drawn("b", 400, {"device": 40, "card": 50, "ip": 60})
    assert clusters(crowd([*small, *large])) == [{f"b{i:04d}" for i in range(400)}, {f"s{i}" for i in range(4)}]
