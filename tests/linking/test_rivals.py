"""Rivals who rent from one vendor stay apart where one kind keeps them apart; one ring stays one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.observations import find_observations
from toolkit.linking.rivals import cut_rivals
from toolkit.linking.sets import one_set

SIZE = 20


def _index(payees: list[list[str]], seed: int) -> tuple[Incidence, np.ndarray]:
    """Rings that all draw three devices of ten, and two payees of their own stock each; a crowd of strangers."""
    rng = np.random.default_rng(seed)
    rows = [
        {"account_id": f"r{ring}_{i:02}", "device": f"d{d}", "payee": payee}
        for ring, stock in enumerate(payees)
        for i in range(SIZE)
        for d, payee in zip(rng.choice(10, 2, replace=False), rng.choice(stock, 2, replace=False), strict=True)
    ]
    rows += [{"account_id": f"x{i:04}", "device": f"e{i}", "payee": f"q{i}"} for i in range(1_000)]
    index = build_incidence(find_observations(pl.DataFrame(rows)))
    return index, np.flatnonzero(np.array([name.startswith("r") for name in index.accounts.to_list()]))


def _stock(ring: int, n: int = 8) -> list[str]:
    return [f"p{ring}_{k}" for k in range(n)]


@pytest.mark.parametrize("rings", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_rivals_with_one_vendor_are_apart(rings: int, seed: int) -> None:
    index, members = _index([_stock(ring) for ring in range(rings)], seed)
    cut = cut_rivals(index, one_set(members, index.n_accounts))
    found = {frozenset(index.accounts.gather(cut.members(label)).str.head(2)) for label in range(cut.number)}
    assert found == {frozenset({f"r{ring}"}) for ring in range(rings)}


@pytest.mark.parametrize("seed", range(8))
def test_one_ring_stays_one(seed: int) -> None:
    """The same accounts, devices and number of payees, but the payees are anybody's."""
    index, members = _index([_stock(0, 24)] * 3, seed)
    assert cut_rivals(index, one_set(members, index.n_accounts)).number == 1


@pytest.mark.parametrize("seed", range(4))
def test_pairs_with_a_payee_each_are_no_rivals(seed: int) -> None:
    """A kind whose values are too few-handed to meet says nothing: chance would not tie its holders either."""
    index, members = _index([_stock(0)], seed)
    rows = index.accounts.gather(members).to_list()
    frame = pl.DataFrame(
        [{"account_id": a, "device": f"d{i % 4}", "payee": f"t{i // 3}"} for i, a in enumerate(rows)]
        + [{"account_id": f"x{i:04}", "device": f"e{i}", "payee": f"q{i}"} for i in range(1_000)]
    )
    index = build_incidence(find_observations(frame))
    assert cut_rivals(index, one_set(np.arange(SIZE), index.n_accounts)).number == 1
