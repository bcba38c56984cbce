"""From seeds outward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.expand import ExpandSettings, expand_from_seeds
from toolkit.linking.observations import find_observations, merge_observations

World = Callable[..., pl.DataFrame]


def _ring(n: int = 30) -> list[tuple[str, str, str]]:
    """Members draw from 3 devices, 4 cards and 5 phones; any two share one value or none as often as two."""
    stock = {"device": 3, "card": 4, "phone": 5}
    return [(f"r{i:02d}", kind, f"ring-{kind}{i % size}") for i in range(n) for kind, size in stock.items()]


def test_a_ring_is_found_from_three_seeds(strangers: World) -> None:
    """Everybody who draws from the ring's devices and cards joins, and no stranger does."""
    found = expand_from_seeds(strangers(_ring()), ["r00", "r03", "r04"])
    assert sorted(found.filter("included")["account_id"]) == [f"r{i:02d}" for i in range(30)]


def test_a_victim_with_one_ring_card_is_left_out(strangers: World) -> None:
    """A stolen card's owner shares one kind, and is on the list of near misses with the reason."""
    found = expand_from_seeds(strangers([*_ring(), ("x0001", "card", "ring-card0")]), ["r00", "r03", "r04"])
    victim = found.filter(pl.col("account_id") == "x0001").row(0, named=True)
    assert not victim["included"]
    assert "one independent kind only" in victim["reason"]


def test_a_wrong_seed_is_named(strangers: World) -> None:
    """A seed that shares nothing with the others is doubted, and its neighbours do not join."""
    found = expand_from_seeds(strangers(_ring()), ["r00", "r03", "r04", "x0007"])
    wrong = found.filter(pl.col("account_id") == "x0007").row(0, named=True)
    assert (wrong["included"], wrong["round"]) == (False, 0)
    assert "shares nothing with the others" in wrong["reason"]
    assert found["included"].sum() == 30


def test_seeds_that_do_not_occur_are_said(strangers: World) -> None:
    """Unknown seeds are rows of the answer, not errors."""
    found = expand_from_seeds(strangers(_ring()), ["nobody", "no one"])
    assert found.select("account_id", "included").rows() == [("no one", False), ("nobody", False)]
    assert set(found["reason"]) == {"seed does not occur in these data"}


def test_no_seed_is_an_error(strangers: World) -> None:
    """An expansion without a seed is refused in words."""
    with pytest.raises(InputError, match="at least one seed"):
        expand_from_seeds(strangers(_ring()), [])


def test_a_lonely_seed_finds_nobody(strangers: World) -> None:
    """One account, nothing shared: the answer is the seed alone, not a stack trace."""
    found = expand_from_seeds(strangers([]), ["x0003"])
    assert found.select("account_id", "included").rows() == [("x0003", True)]
    alone = find_observations(pl.DataFrame({"account_id": ["a"], "device": ["d"]}))
    assert expand_from_seeds(alone, ["a"])["included"].to_list() == [True]


def test_a_crowded_address_does_not_pull_a_campus_in(strangers: World) -> None:
    """Seeds behind a campus NAT do not bring the campus with them."""
    campus = [(f"s{i:03d}", "ip", "nat") for i in range(150)] + [(f"s{i:03d}", "device", f"own{i}") for i in range(150)]
    rows = _ring() + campus + [(f"r{i:02d}", "ip", "nat") for i in range(6)]
    found = expand_from_seeds(strangers(rows), ["r00", "r03", "r04"])
    assert not [a for a in found.filter("included")["account_id"] if a.startswith("s")]
    assert set(found.filter(pl.col("account_id").str.starts_with("s"))["level"]) <= {"L0", "L1"}


def test_shuffled_rows_give_the_same_table(strangers: World) -> None:
    """Ten orders of the same rows give one answer."""
    observations = strangers(_ring())
    first = expand_from_seeds(observations, ["r00", "r03", "r04"])
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(observations.height)
        assert expand_from_seeds(observations[order.tolist()], ["r04", "r00", "r03"]).equals(first)


def test_precision_estimates_fall_within_zero_and_one_and_seeds_have_none(strangers: World) -> None:
    """The estimate is given for those found, never for seeds."""
    found = expand_from_seeds(strangers(_ring()), ["r00", "r04"])
    assert found.filter(pl.col("round") == 0)["precision_estimate"].null_count() == 2
    assert found.filter(pl.col("included") & (pl.col("round") > 0))["precision_estimate"].is_between(0.8, 1).all()


def test_a_budget_is_kept(strangers: World) -> None:
    """One round admits at most half the set's size again, or two."""
    found = expand_from_seeds(strangers(_ring()), ["r00", "r04"], settings=ExpandSettings(max_rounds=1))
    assert found.filter(pl.col("included") & (pl.col("round") == 1)).height <= 2


def test_arriving_together_adds_but_is_no_reason(strangers: World) -> None:
    """Strangers who sign up in the ring's hour are not taken in."""
    hours = {f"r{i:02d}": 500.0 for i in range(30)} | {f"x{i:04d}": 500.0 for i in range(20)}
    found = expand_from_seeds(strangers(_ring(), hours=hours), ["r00", "r03", "r04"])
    assert not [a for a in found.filter("included")["account_id"] if a.startswith("x")]


def test_sources_of_one_observation_count_once() -> None:
    """A device that two tables report is one device."""
    row = {"kind": ["device"], "value": ["d"], "first_at": [None], "last_at": [None], "n": [1]}
    parts = [pl.DataFrame({"account_id": [a], **row, "source": [s]}) for a in "ab" for s in ("auth", "signup")]
    found = expand_from_seeds(merge_observations(parts), ["a"])
    assert found.filter(pl.col("account_id") == "b")["evidence"].list.len().to_list() in ([], [1])


@pytest.mark.parametrize("found", [True, False], ids=["a ring of ten", "nobody else"])
def test_a_seed_that_shares_nothing_with_what_the_others_found(crowd: World, found: bool) -> None:
    """Two seeds of one ring and a stranger: the stranger is a seed still, but not included; true seeds are."""
    kinds = {"device": 2, "card": 1, "phone": 1}
    ring = [(f"r{i}", kind, f"{kind}{i % n}") for i in range(10 if found else 3) for kind, n in kinds.items()]
    told = expand_from_seeds(crowd(ring), ["r0", "r2", "x00007"]).filter(pl.col("round") == 0)
    assert dict(told.select("account_id", "included").iter_rows()) == {"r0": True, "r2": True, "x00007": False}
    told = expand_from_seeds(crowd(ring), ["r0", "r1", "r2"]).filter(pl.col("round") == 0)
    assert told["included"].all()
