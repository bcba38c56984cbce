"""Text as numbers: the same codes as the plain way gives, whatever the order, and where a hash deceives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit.linking import coding
from toolkit.linking.coding import code_text, order_of


@pytest.mark.parametrize("texts", [["b", "a", "b", "", "ä", "a"], ["a"] * 4, ["a", "a", "b"], []])
def test_codes_are_those_of_the_sorted_texts(texts: list[str]) -> None:
    """The n-th text in order has the code n."""
    code, names = code_text(pl.Series(texts, dtype=pl.String))
    assert names.to_list() == sorted(set(texts))
    assert [names[place] for place in code.tolist()] == texts


def test_two_texts_of_one_hash_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first hash cannot tell texts apart, the second one says so, and the texts themselves decide."""
    honest = coding.hash_text

    def deceive(columns: list[pl.Series], *, seed: int = 0) -> np.ndarray:
        words = honest(columns, seed=seed)
        return words if seed else np.zeros_like(words)

    monkeypatch.setattr(coding, "hash_text", deceive)
    code, names = code_text(pl.Series(["b", "a", "b"]))
    assert (code.tolist(), names.to_list()) == ([1, 0, 1], ["a", "b"])


@pytest.mark.parametrize("number", [4, 2**40])
def test_rows_are_ordered_as_by_a_plain_sort(number: int) -> None:
    """Also where three codes do not fit into one number."""
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 4, 200) for _ in range(3)]
    order, start = order_of([(code, number) for code in codes])
    rows = list(zip(*(code[order].tolist() for code in codes), strict=True))
    assert rows == sorted(zip(*(code.tolist() for code in codes), strict=True))
    assert [rows[place] for place in start.tolist()] == sorted(set(rows))
