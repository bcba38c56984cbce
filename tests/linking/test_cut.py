"""Cutting off what only a thread holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.cut import cut_sets
from toolkit.linking.incidence import build_incidence
from toolkit.linking.sets import Sets, one_set

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]


def parts(observations: pl.DataFrame, *prefixes: str) -> list[set[str]]:
    """What is left of one set of all accounts whose names start so, largest part first."""
    index = build_incidence(observations)
    names = index.accounts.to_list()
    whole = [i for i, name in enumerate(names) if name.startswith(prefixes)]
    cut = cut_sets(index, one_set(np.array(whole), index.n_accounts))
    groups = [{names[i] for i in cut.members(label).tolist()} for label in range(cut.number)]
    assert sum(len(group) for group in groups) == len(whole)  # nobody is lost, nobody is twice
    return sorted(groups, key=lambda group: (-len(group), min(group, default="")))


def accounts(name: str, n: int) -> set[str]:
    return {f"{name}{i:02d}" for i in range(n)}


def drawn(name: str, n: int, stock: dict[str, int], seed: int = 1) -> list[Row]:
    """Accounts that each draw one value per kind from a stock."""
    luck = np.random.default_rng(seed)
    return [(f"{name}{i:02d}", kind, f"{name}-{kind}{luck.integers(s)}") for i in range(n) for kind, s in stock.items()]


STOCK = {"device": 4, "card": 5, "ip": 6}


def test_a_household_on_a_public_number_is_cut_off(crowd: World) -> None:
    """A family of three with its own tablet and card came in over one phone number that the ring used, too."""
    family: list[Row] = [(f"f{i:02d}", kind, f"f-{kind}") for i in range(3) for kind in ("device", "card", "ip")]
    public: list[Row] = [(name, "phone", "+1555") for name in ("f00", "r00", "r05", "r09")]
    assert parts(crowd([*drawn("r", 20, STOCK), *family, *public]), "r", "f") == [accounts("r", 20), accounts("f", 3)]


@pytest.mark.parametrize("ties", [1, 2])
def test_a_mule_does_not_weld(crowd: World, ties: int) -> None:
    """One account with values of both rings: two parts, whatever it holds; it goes with one of them."""
    mule: list[Row] = [("m", kind, f"{ring}-{kind}{i}") for ring in "pq" for kind in STOCK for i in range(ties)]
    found = parts(crowd([*drawn("p", 30, STOCK), *drawn("q", 30, STOCK, seed=2), *mule]), "p", "q", "m")
    assert [group - {"m"} for group in found] in ([accounts(a, 30), accounts(b, 30)] for a, b in ("pq", "qp"))


def numbers(luck: np.random.Generator, sold: int, each: int) -> list[Row]:
    """What both rings of 30 buy from one vendor."""
    both = sorted(accounts("p", 30) | accounts("q", 30))
    return [(name, "phone", f"v{number}") for name in both for number in luck.choice(sold, each, replace=False)]


def test_a_vendor_family_does_not_weld(crowd: World) -> None:
    """Two rings of 30 that buy their numbers from one vendor: one family ties them, so they are two; four worlds."""
    for seed in range(4):
        luck = np.random.default_rng(3 + seed)
        own: list[Row] = [
            (name, kind, f"{name[0]}-{kind}{value}")
            for name in sorted(accounts("p", 30) | accounts("q", 30))
            for kind in ("device", "card", "ip")
            for value in luck.choice(12, 2, replace=False)
        ]
        found = parts(crowd([*own, *numbers(luck, 40, 5)]), "p", "q")
        assert found == [accounts("p", 30), accounts("q", 30)]


def test_a_vendor_family_does_not_weld_rings_of_few_values(crowd: World) -> None:
    """The same with rings of 15 values each, and three of the vendor's twenty numbers; three worlds."""
    rings = [*drawn("p", 30, STOCK), *drawn("q", 30, STOCK, seed=2)]
    for seed in range(3, 6):
        found = parts(crowd([*rings, *numbers(np.random.default_rng(seed), 20, 3)]), "p", "q")
        assert found == [accounts("p", 30), accounts("q", 30)]


def test_one_ring_stays_whole(crowd: World) -> None:
    """A ring of 30 whose members share little pairwise is not cut, nor is one of four."""
    sparse = {"device": 10, "card": 10, "ip": 10, "phone": 10}
    assert parts(crowd(drawn("r", 30, sparse)), "r") == [accounts("r", 30)]
    assert parts(crowd(drawn("r", 4, {"device": 1, "card": 2})), "r") == [accounts("r", 4)]


def test_sets_are_cut_one_by_one(crowd: World) -> None:
    """Each set's parts keep or follow its label; cutting two sets at once is cutting each."""
    joined: list[Row] = [
        (f"{ring}{i:02d}", "phone", f"{pair}-number") for pair in ("ab", "cd") for ring in pair for i in range(2)
    ]
    rows = [
        row for seed, ring in enumerate("abcd") for row in drawn(ring, 10, {"device": 2, "card": 3, "ip": 2}, seed=seed)
    ]
    index = build_incidence(crowd([*rows, *joined]))
    names = index.accounts.to_list()
    pairs = [np.array([i for i, name in enumerate(names) if name.startswith(two)]) for two in (("a", "b"), ("c", "d"))]
    both = Sets.of(np.repeat([0, 1], 20), np.concatenate(pairs), 2, index.n_accounts)
    cut = cut_sets(index, both)
    together = {frozenset(cut.members(label).tolist()) for label in range(cut.number) if cut.size[label]}
    alone = set()
    for pair in pairs:
        one = cut_sets(index, one_set(pair, index.n_accounts))
        alone |= {frozenset(one.members(label).tolist()) for label in range(one.number)}
    assert together == alone
    assert sorted(len(group) for group in together) == [10, 10, 10, 10]
    assert set(cut.members(0).tolist()) <= set(pairs[0].tolist())
    assert set(cut.members(1).tolist()) <= set(pairs[1].tolist())


def test_a_ring_that_is_half_of_everybody_stays_whole(crowd: World) -> None:
    """2,000 on one card and six templates, over rotating addresses, among 2,000 others."""
    luck = np.random.default_rng(1)
    rows: list[Row] = []
    for i in range(2000):
        held = [("card", "k"), ("prompt_template", f"t{luck.integers(6)}")]
        held += [("ip", f"e{address}") for address in luck.integers(666, size=3)]
        rows += [(f"r{i:04d}", kind, value) for kind, value in held]
    assert len(parts(crowd(rows, others=2000), "r")) == 1
