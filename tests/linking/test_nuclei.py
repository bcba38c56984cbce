"""Where clusters start."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.incidence import build_incidence
from toolkit.linking.nuclei import find_nuclei
from toolkit.linking.score import propose, weigh

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]


def starts(observations: pl.DataFrame, seed: int = 0) -> list[set[str]]:
    index = build_incidence(observations)
    a, b, _ = propose(index)
    found = find_nuclei(index, weigh(index, a, b), ExpandSettings(), seed=seed)
    return [set(index.accounts.gather(found.members(label)).to_list()) for label in range(found.number)]


def drawn(name: str, n: int, each: int, stock: dict[str, int]) -> list[Row]:
    luck = np.random.default_rng(1)
    return [
        (f"{name}{i:02d}", kind, f"{name}-{kind}{value}")
        for i in range(n)
        for kind, size in stock.items()
        for value in luck.choice(size, each, replace=False)
    ]


RINGS = {
    "tight: four on one machine and card": drawn("t", 4, 1, {"device": 1, "card": 1}),
    "rare: thirty who share one thing or none": drawn("u", 30, 1, {"device": 12, "card": 12, "phone": 12}),
    "exclusive: thirty in two kinds that nobody declared": drawn("e", 30, 2, {"wallet": 8, "macro": 8}),
}


@pytest.mark.parametrize("name", RINGS)
def test_every_sort_of_ring_is_started_from(crowd: World, name: str) -> None:
    """Some start has four of the ring or more, and nobody else; and one is there under other seeds."""
    ring = {str(row[0]) for row in RINGS[name]}
    luck = np.random.default_rng(0)
    others: list[Row] = [
        (f"x{i:05d}", kind, f"{kind}{luck.integers(600)}") for i in range(1500) for kind in ("wallet", "macro")
    ]
    observations = crowd([*RINGS[name], *others])
    for seed in range(3):
        found = starts(observations, seed)
        assert max(len(start & ring) for start in found if start <= ring) >= 4


def test_strangers_start_nothing(crowd: World) -> None:
    """People who meet on browsers, networks and countries alone; pairs are too few."""
    assert starts(crowd([])) == []
    assert starts(crowd(drawn("t", 2, 1, {"device": 1, "card": 1}))) == []


def test_a_card_that_was_stolen_from_many_starts_nothing(crowd: World) -> None:
    """What the rare graph puts together falls apart when its members are asked whether they hold."""
    rows: list[Row] = [(f"x{i:05d}", "card", "stolen") for i in range(60)]
    assert starts(crowd(rows)) == []
