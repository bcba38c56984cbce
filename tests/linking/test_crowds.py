"""Crowds: a ring on one value that more accounts hold than a value may have to propose pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.crowds import find_crowds
from toolkit.linking.incidence import build_incidence

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]


def ring(n: int) -> list[Row]:
    """One card for all, and a device for each ten."""
    return [(f"r{i:04d}", kind, value) for i in range(n) for kind, value in (("card", "k"), ("device", f"d{i // 10}"))]


def strangers(n: int, kind: str) -> list[Row]:
    """One value for all and nothing else in common: a null id, a public number."""
    return [(f"s{i:04d}", k, v) for i in range(n) for k, v in ((kind, "null"), ("cookie", f"own{i}"))]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (ring(600), [600]),
        (ring(150), []),  # few enough to propose pairs
        (strangers(600, "device"), []),
        (strangers(600, "phone"), []),
        ([*strangers(600, "device"), *strangers(600, "phone"), *strangers(600, "card")], []),
        ([*ring(600), *strangers(900, "phone")], [600]),
    ],
    ids=["ring", "small ring", "null device", "public number", "a client without ids", "both"],
)
def test_only_those_who_share_something_else_too(crowd: World, rows: list[Row], found: list[int]) -> None:
    index = build_incidence(crowd(rows, others=2000))
    assert find_crowds(index, ExpandSettings()).size.tolist() == found


def test_only_values_of_those_asked_about(crowd: World) -> None:
    index = build_incidence(crowd(ring(600), others=2000))
    inside, outside = index.codes(["r0000"]), index.codes([index.accounts[index.n_accounts - 1]])
    assert find_crowds(index, ExpandSettings(), among=np.asarray(inside)).size.tolist() == [600]
    assert find_crowds(index, ExpandSettings(), among=np.asarray(outside)).size.tolist() == []
