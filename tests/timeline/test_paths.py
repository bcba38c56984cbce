"""Paths: counted as a loop counts them; what stands out comes first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import groupby

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.timeline.paths import find_paths

Make = Callable[..., pl.DataFrame]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=30), st.integers(1, 4))
def test_beginnings_are_those_of_a_loop(make_events: Make, rows: list[tuple[str, str]], depth: int) -> None:
    events = make_events(list(range(len(rows))), account=[a for a, _ in rows], event=[v for _, v in rows])
    want: Counter[tuple[str, ...]] = Counter()
    for account in "abc":
        steps = [verb for verb, _ in groupby(v for a, v in rows if a == account)][:depth]
        want.update(tuple(steps[:k]) for k in range(1, len(steps) + 1))
    found = find_paths(events.sample(fraction=1, shuffle=True, seed=1), depth=depth, min_accounts=1)
    assert {tuple(path): n for path, n in found.select("path", "accounts").rows()} == want
    assert found["lift"].null_count() == found.height  # nobody to compare with


def test_what_a_ring_does_comes_first(make_events: Make) -> None:
    """Ten of a ring create a key before anything else; ninety others chat, and two of them create a key first too."""
    verbs, accounts = [], []
    for i in range(100):
        steps = ["signup", "key_create", "request"] if i < 12 else ["signup", "chat", "chat", "request"]
        verbs += steps
        accounts += [f"a{i:02}"] * len(steps)
    found = find_paths(
        make_events(list(range(len(verbs))), account=accounts, event=verbs), among=[f"a{i:02}" for i in range(10)]
    )
    top = found.row(0, named=True)
    assert (top["path"], top["accounts"], top["others"]) == (["signup", "key_create"], 10, 2)
    assert top["low"] < top["share"] == 1.0 == top["high"]
    assert top["lift"] == pytest.approx(math.log2((10.5 / 11) / (2.5 / 91)), abs=1e-6)
    assert found.filter(pl.col("steps") == 1)["lift"].item() == pytest.approx(0, abs=0.1)  # everybody signs up


def test_faults_are_said(make_events: Make) -> None:
    with pytest.raises(InputError, match="depth is 0; want 1 or more; min_accounts is 0"):
        find_paths(make_events([0]), depth=0, min_accounts=0)
    assert find_paths(make_events([])).is_empty()
