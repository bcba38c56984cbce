"""Pivots against a plain loop over sets."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.linking.pivot import find_holders, find_values

held = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["device", "card"]), st.sampled_from("xyz")), min_size=1
)


def _observe(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["account_id", "kind", "value"], orient="row")
    kinds = frame.partition_by("kind", as_dict=True)
    return pl.concat([find_observations(part.drop("kind").rename({"value": kind})) for (kind,), part in kinds.items()])


@given(held, st.sets(st.sampled_from("abcdef"), min_size=1))
def test_values_are_those_of_a_plain_loop(rows: list[tuple[str, str, str]], asked: set[str]) -> None:
    have = {who: {(k, v) for w, k, v in rows if w == who} for who in {w for w, _, _ in rows}}
    found = find_values(_observe(rows), asked)
    told = {
        (k, v): rest for k, v, *rest in found.select("kind", "value", "held", "holders", "bits", "others_tied").rows()
    }
    mine = set().union(*(have.get(who, set()) for who in asked))
    assert set(told) == mine
    for pair, (n, holders, bits, tied) in told.items():
        everybody = {who for who in have if pair in have[who]}
        assert (n, holders) == (len(everybody & asked), len(everybody))
        assert bits == pytest.approx(math.log2(len(have) / len(everybody)), abs=1e-5)
        assert tied == sum(len(have[who] & mine) >= 2 for who in everybody - asked)
    order = [(-n, -bits, *pair) for pair, (n, _, bits, _) in told.items()]
    assert order == sorted(order)


@given(held, st.sets(st.tuples(st.sampled_from(["device", "card"]), st.sampled_from("xyz")), min_size=1))
def test_holders_are_those_of_a_plain_loop(rows: list[tuple[str, str, str]], asked: set[tuple[str, str]]) -> None:
    found = find_holders(_observe(rows), asked)
    plain = {who: len({(k, v) for w, k, v in rows if w == who} & asked) for who in {w for w, _, _ in rows}}
    assert dict(found.select("account_id", "held").rows()) == {who: n for who, n in plain.items() if n}


def test_what_is_hidden_is_left_out_and_wrong_numbers_are_refused() -> None:
    rows = _observe([("a", "device", "x"), ("a", "card", "y"), ("b", "card", "y")])
    assert find_values(rows, ["a"], hidden=[("card", "y")])["value"].to_list() == ["x"]
    assert find_values(rows, ["a"], kinds=["card"])["value"].to_list() == ["y"]
    assert find_values(rows, ["nobody"]).is_empty()
    assert find_holders(rows, []).is_empty()
    with pytest.raises(InputError, match="min_held is 0"):
        find_values(rows, ["a"], min_held=0)
    with pytest.raises(InputError, match="min_values is 0"):
        find_holders(rows, [], min_values=0)
