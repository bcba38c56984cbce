"""Rows by account: a counting sort gives what a full sort gives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UnknownNameError
from toolkit.timeline.coded import _stable_order, order_by_account


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=40))
def test_it_is_a_stable_sort_by_account_and_time(rows: list[tuple[str, int]]) -> None:
    """Ties keep the order they came in."""
    frame = pl.DataFrame(rows, schema={"account_id": pl.String, "event_at": pl.Int64}, orient="row")
    frame = frame.with_columns(pl.col("event_at").cast(pl.Datetime("us", "UTC")))
    found = order_by_account(frame)
    wanted = sorted(range(len(rows)), key=lambda i: (rows[i][0], rows[i][1], i))
    assert found.row.tolist() == wanted
    assert found.at.tolist() == [rows[i][1] for i in wanted]
    assert [found.names[int(c)] for c in found.code] == [rows[i][0] for i in wanted]
    before = [None, *wanted][: len(wanted)]
    gaps = [
        -1 if b is None or rows[b][0] != rows[i][0] else rows[i][1] - rows[b][1]
        for b, i in zip(before, wanted, strict=True)
    ]
    assert found.gap.tolist() == gaps


@pytest.mark.parametrize("n", [10, 70_000])
def test_few_and_many_accounts_are_counted_alike(n: int) -> None:
    code = np.random.default_rng(0).integers(0, n, 5_000).astype(np.uint32)
    assert np.array_equal(_stable_order(code, n), np.argsort(code, kind="stable"))


def test_a_wrong_key_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'account_id'"):
        order_by_account(pl.DataFrame({"account_id": ["a"], "event_at": [0]}), "acount_id")
