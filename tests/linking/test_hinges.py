"""Hinges: one account that is all that joins two groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.hinges import cut_hinges, find_chains
from toolkit.linking.incidence import build_incidence
from toolkit.linking.sets import one_set

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]
TWO = ("device", "card")


def pieces(observations: pl.DataFrame, *prefixes: str) -> list[str]:
    """One set of all accounts whose names start so, after the cut: a word of sorted initials per piece."""
    index = build_incidence(observations)
    names = index.accounts.to_list()
    whole = [i for i, name in enumerate(names) if name.startswith(prefixes)]
    cut = cut_hinges(index, one_set(np.array(whole), index.n_accounts), ExpandSettings())
    assert sorted(cut.account.tolist()) == whole  # nobody is lost, nobody is twice
    return sorted("".join(sorted(names[i][0] for i in cut.members(label).tolist())) for label in range(cut.number))


def drawn(name: str, n: int, stock: int, seed: int) -> list[Row]:
    """Accounts that each draw one value per kind from the ring's stock."""
    luck = np.random.default_rng(seed)
    kinds = ("device", "card", "phone")
    return [(f"{name}{i:02d}", kind, f"{name}-{kind}{luck.integers(stock)}") for i in range(n) for kind in kinds]


@pytest.mark.parametrize("ties", [1, 2, 3])
def test_a_mule_joins_nobody(crowd: World, ties: int) -> None:
    """It holds up to nine values of each ring, and goes with the larger."""
    held = [
        ("m", kind, f"{ring}-{kind}{i}") for ring in "pq" for kind in ("device", "card", "phone") for i in range(ties)
    ]
    rows: list[Row] = [*drawn("p", 20, 3, 1), *drawn("q", 12, 3, 2), *held]
    assert pieces(crowd(rows), "p", "q", "m") == ["m" + "p" * 20, "q" * 12]


def test_a_victim_does_not_bring_its_household(crowd: World) -> None:
    """Four at home with one tablet, card and address; one of them shares the crew's device and its address."""
    home: list[Row] = [(f"h{i}", kind, f"home-{kind}") for i in range(4) for kind in ("device", "card", "ip")]
    crew: list[Row] = [(f"c{i}", kind, f"crew-{kind}") for i in range(5) for kind in ("device", "card", "ip")]
    taken: list[Row] = [("h0", "device", "crew-device"), ("h0", "ip", "crew-ip")]
    assert pieces(crowd([*home, *crew, *taken]), "h", "c") == ["ccccch", "hhh"]


def test_what_would_not_stand_alone_is_not_a_side(crowd: World) -> None:
    """A star: everybody shares one thing with the middle and nothing with anybody else."""
    star: list[Row] = [("m", "device", f"d{i}") for i in range(8)] + [(f"s{i}", "device", f"d{i}") for i in range(8)]
    assert pieces(crowd(star), "m", "s") == ["m" + "s" * 8]


def test_a_ring_with_two_ways_round_has_no_hinge(crowd: World) -> None:
    """Twelve in a circle, each with one device and one card in common with the next."""
    circle: list[Row] = [
        (f"r{(i + j) % 12:02d}", kind, f"{kind}{i}") for i in range(12) for j in (0, 1) for kind in ("device", "card")
    ]
    assert pieces(crowd(circle), "r") == ["r" * 12]


def chain(name: str, n: int) -> list[Row]:
    """Each shares a machine and a card with the next, and nothing with anybody else."""
    return [(f"{name}{i + k:02d}", kind, f"{name}-{kind}{i}") for i in range(n - 1) for k in (0, 1) for kind in TWO]


@pytest.mark.parametrize(
    ("rows", "chained"),
    [
        ([*chain("p", 14)], True),
        ([*chain("p", 14), ("p03", "phone", "n1"), ("p05", "phone", "n1")], True),  # one that closes a loop of three
        ([*chain("p", 5)], False),  # too short to say
        ([*drawn("p", 14, 3, 1)], False),
        ([*drawn("p", 14, 3, 1), *drawn("q", 12, 3, 2), ("p00", "device", "q-device0")], False),
    ],
)
def test_a_chain_is_known(crowd: World, rows: list[Row], chained: bool) -> None:
    index = build_incidence(crowd(rows))
    whole = [i for i, name in enumerate(index.accounts.to_list()) if name.startswith(("p", "q"))]
    assert find_chains(index, one_set(np.array(whole), index.n_accounts)).tolist() == [chained]
