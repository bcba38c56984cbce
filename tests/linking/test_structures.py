"""Clusters read against ordinary life."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.linking.incidence import build_incidence
from toolkit.linking.sets import Sets, one_set
from toolkit.linking.structures import Structure, read_structures

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]


def group(
    n: int, shared: dict[str, str], own: tuple[str, ...], first: float, last: float, apart: float = 0.0
) -> list[Row]:
    """Accounts with shared values and things of their own, each coming some days after the one before."""
    return [
        (f"g{i:02d}", kind, value, first + i * apart, last + i * apart)
        for i in range(n)
        for kind, value in [*shared.items(), *((kind, f"g{i}-{kind}") for kind in own)]
    ]


def read(observations: pl.DataFrame) -> Structure:
    index = build_incidence(observations)
    members = [i for i, name in enumerate(index.accounts.to_list()) if name.startswith("g")]
    return read_structures(index, one_set(np.array(members), index.n_accounts))[0]


PLANTED = {
    "a family on one address": ("household", group(4, {"ip": "home", "device": "tablet"}, ("phone",), 5, 45)),
    "flatmates": ("household", group(5, {"ip": "flat", "card": "joint"}, ("device", "phone"), 5, 45)),
    "colleagues": ("organisation", group(20, {"org": "acme", "ip": "office"}, ("device",), 5, 45)),
    "a team with one key": ("organisation", group(12, {"ip": "hq", "api_key": "k"}, ("device", "phone"), 5, 45, 1)),
    "a shop's customers": ("reseller", group(15, {"card": "shop"}, ("device", "phone", "ip"), 5, 9, 2)),
    "a conference": ("occasion", group(20, {"ip": "venue", "referral": "booth"}, ("device", "phone"), 20, 20.5)),
    "a farm": ("ring", group(20, {"device": "d", "card": "k", "ip": "exit"}, ("phone",), 20, 22, 0.5)),
    "four who write alike": ("ring", group(4, {"ip": "exit", "device": "d", "prompt_template": "t"}, (), 5, 45)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_readings(crowd: World, name: str) -> None:
    """Each kind of life is read as what it is, and says what it rests on."""
    expected, rows = PLANTED[name]
    found = read(crowd(rows))
    assert found.reading == expected
    assert ("%" in found.why) == (expected != "ring")


@pytest.mark.parametrize(("n", "reading"), [(8, "household"), (9, "ring")])
def test_nine_are_no_household(crowd: World, n: int, reading: str) -> None:
    """One steady address and one machine: a home up to eight accounts."""
    assert read(crowd(group(n, {"ip": "home", "device": "d", "card": "c"}, (), 5, 45))).reading == reading


@pytest.mark.parametrize(("days", "reading"), [(40, "household"), (1, "ring")])
def test_a_home_is_steady_and_an_exit_is_not(crowd: World, days: int, reading: str) -> None:
    """Four on one address and machine for weeks, or for a day."""
    assert read(crowd(group(4, {"ip": "home", "device": "d", "card": "c"}, (), 5, 5 + days))).reading == reading


@pytest.mark.parametrize(("n", "question"), [(12, True), (17, False)])
def test_a_small_ring_on_machines_of_their_own_stays_a_question(crowd: World, n: int, question: bool) -> None:
    """People with machines of their own may live in a place we cannot see, as long as they are few."""
    found = read(crowd(group(n, {"phone": "p", "email": "e"}, ("device",), 5, 9, 2)))
    assert (found.reading, found.open_question) == ("ring", question)


def test_every_cluster_is_read_by_itself(crowd: World) -> None:
    """Two clusters at once are read as each alone."""
    _, family = PLANTED["a family on one address"]
    _, farm = PLANTED["a farm"]
    index = build_incidence(crowd([*family, *((f"h{row[0]}", *row[1:]) for row in farm)]))
    names = index.accounts.to_list()
    codes = [[i for i, name in enumerate(names) if name.startswith(first)] for first in ("g", "h")]
    both = Sets.of(np.repeat([0, 1], [4, 20]), np.concatenate(codes), 2, index.n_accounts)
    assert [found.reading for found in read_structures(index, both)] == ["household", "ring"]
