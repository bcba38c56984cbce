"""The score of a pair."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.incidence import build_incidence
from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts, propose, weigh

World = Callable[..., pl.DataFrame]


def test_a_rare_card_and_device_make_a_link_and_one_card_does_not(strangers: World) -> None:
    """Two independent kinds are a probable link; one kind that nothing else bears out, however rare, is never one."""
    two = strangers([("a", "card", "k"), ("b", "card", "k"), ("a", "device", "d"), ("b", "device", "d")])
    one = strangers([("a", "card", "k"), ("b", "card", "k")])
    assert link_accounts(two).select("account_a", "account_b", "level").rows() == [("a", "b", "L2")]
    assert link_accounts(one, min_probability=0)["level"].to_list() == ["L0"]


def test_a_hub_says_little(strangers: World) -> None:
    """Bits of a shared address fall as its holders grow."""
    few = strangers([(f"a{i}", "ip", "hub") for i in range(2)])
    many = strangers([(f"a{i}", "ip", "hub") for i in range(50)])
    bits = [
        float(weigh(build_incidence(o), np.array([0]), np.array([1])).bits.sum())
        for o in (few, many)
    ]  # fmt: skip
    assert bits[0] > 2 * bits[1] > 0


def test_a_recycled_address_joins_nobody(strangers: World) -> None:
    """Two tenants of one address, weeks apart, are not linked by it."""
    rows = [("a", "ip", "n"), ("b", "ip", "n"), ("a", "card", "k"), ("b", "card", "k")]
    near = link_accounts(strangers(rows, hours={"a": 0, "b": 5}))
    apart = link_accounts(strangers(rows, hours={"a": 0, "b": 24 * 20}))
    assert near["families"].to_list() == [["net", "pay"]]
    assert apart.is_empty()


def test_placeholders_link_nobody(strangers: World) -> None:
    """'unknown' and the null device id are no values."""
    nulls = ["unknown", "00000000-0000-0000-0000-000000000000", "127.0.0.1", "NULL "]
    rows = [(a, "device", v) for v in nulls for a in "ab"]
    assert link_accounts(strangers(rows)).is_empty()


def test_one_co_share_is_worth_nothing_and_repeats_count(strangers: World) -> None:
    """Objects acted on together count from the second one on."""
    once = strangers([("a", "object", "o1"), ("b", "object", "o1")])
    twice = strangers([(x, "object", o) for x in "ab" for o in ("o1", "o2")])
    assert weigh(build_incidence(once), np.array([0]), np.array([1])).bits.sum() == 0
    assert weigh(build_incidence(twice), np.array([0]), np.array([1])).bits.sum() > 0


def test_the_account_8_is_not_the_device_8() -> None:
    """An account and a value with the same text never meet."""
    frame = pl.DataFrame({"account_id": ["8", "9", "7"], "device": ["9", "8", "7"]})
    assert link_accounts(find_observations(frame)).is_empty()


def test_bits_of_a_card_by_hand(strangers: World) -> None:
    """log2(((1 - m) u + m) / u) with u = eps + (d - 2) / (N - 2): 2000 strangers and 3 holders of one card."""
    shared = weigh(build_incidence(strangers([(x, "card", "k") for x in "abc"])), np.array([0]), np.array([1]))
    u = 1e-4 + 1 / 2001
    assert shared.bits[0] == pytest.approx(math.log2((0.4 * u + 0.6) / u), abs=0.1)


cells = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), min_size=2, max_size=30)


@given(cells)
def test_proposed_pairs_are_those_that_meet(rows: list[tuple[str, str]]) -> None:
    """The vectorised proposal names the pairs that a double loop over holders names."""
    index = build_incidence(find_observations(pl.DataFrame(rows, schema=["account_id", "device"], orient="row")))
    a, b, _ = propose(index)
    holders = {v: sorted({x for x, w in rows if w == v}) for _, v in rows}
    expected = {pair for people in holders.values() for pair in itertools.combinations(people, 2)}
    names = index.accounts.to_list()
    assert {(names[i], names[j]) for i, j in zip(a, b, strict=True)} == expected


@given(cells, st.randoms(use_true_random=False))
def test_row_order_changes_nothing(rows: list[tuple[str, str]], luck: object) -> None:
    """Shuffled input rows give the same links, to the bit."""
    shuffled = list(rows)
    luck.shuffle(shuffled)  # type: ignore[attr-defined] # a Random
    one, two = (
        link_accounts(
            find_observations(pl.DataFrame(r, schema=["account_id", "device"], orient="row")), min_probability=0
        )
        for r in (rows, shuffled)
    )
    assert one.equals(two)


def test_linking_some_accounts_gives_their_rows_of_the_whole(strangers: World) -> None:
    """`accounts=` narrows what is returned, and changes no figure."""
    rows = [(x, kind, "v") for x in "abcd" for kind in ("card", "device")]
    whole = link_accounts(strangers(rows))
    some = link_accounts(strangers(rows), accounts=["b", "a", "nobody"])
    assert some.equals(whole.filter((pl.col("account_a") == "a") & (pl.col("account_b") == "b")))
    assert some.height == 1
