"""Estimating the prior and the repeat rates without labels, against worlds where both were planted."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.em import Agreements, Rates, estimate_rates, expected_partners, fit_mixture
from toolkit.linking.explain import explain_link
from toolkit.linking.incidence import build_incidence
from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts, propose, weigh
from toolkit.settings import KINDS, Kind

PLANTED = {"device": 0.8, "card": 0.35, "phone": 0.6}
POOL = Kind("place", "net", "pool", 0.4, 1e-5, 10.0, 60)
SETTINGS = {"org": KINDS["org"], **{name: replace(KINDS[name], eps=1e-6, m=0.5) for name in PLANTED}, "place": POOL}


def plant(pairs: int, n: int = 4000, missing: float = 0.2, seed: int = 1, **more: float) -> pl.DataFrame:
    """Accounts with a value per kind; the first ``2 pairs`` are operators' first and second accounts."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[str | None]] = {}
    for kind, m in {**PLANTED, **more}.items():
        pool = 400 if kind == "place" else 10**9
        value = rng.integers(pool, size=n)
        repeats = np.flatnonzero(rng.random(pairs) < m)
        value[2 * repeats + 1] = value[2 * repeats]
        absent = rng.random(n) < missing
        columns[kind] = [None if gone else str(v) for v, gone in zip(value, absent, strict=True)]
    return pl.DataFrame({"account_id": [f"a{i:05d}" for i in range(n)], **columns})


def estimate(frame: pl.DataFrame) -> Rates:
    index = build_incidence(find_observations(frame), SETTINGS)
    a, b, used = propose(index)
    return estimate_rates(index, weigh(index, a, b), used)


def realised(frame: pl.DataFrame, pairs: int) -> dict[str, float]:
    """How often the planted pairs that both have a kind agree on it: what came of the rates, luck included."""
    row = frame.head(2 * pairs).with_row_index("pair").with_columns(pl.col("pair") // 2)
    both = row.group_by("pair").agg(pl.exclude("account_id").drop_nulls())
    kinds = [c for c in both.columns if c != "pair"]
    return {
        k: both.filter(pl.col(k).list.len() == 2).select((pl.col(k).list.n_unique() == 1).mean()).item() for k in kinds
    }


@pytest.mark.parametrize("seed", range(5))
def test_planted_rates_are_found(seed: int) -> None:
    """600 pairs of one operator among 8 million: lam within 8 %, each m within .05 of what was realised."""
    frame = plant(600, seed=seed, place=0.7)
    found = estimate(frame)
    assert found.kept == {}
    assert found.lam == pytest.approx(600 / (4000 * 3999 / 2), rel=0.08)
    assert found.m == pytest.approx(realised(frame, 600), abs=0.05)


def test_pairs_that_share_nothing_are_counted() -> None:
    """With repeat rates of a third, most operators' pairs agree nowhere, and lam still counts them."""
    weak = {"device": 0.4, "card": 0.3, "phone": 0.3}
    found = estimate(plant(1000, missing=0.0, **weak))
    assert found.lam == pytest.approx(1000 / (4000 * 3999 / 2), rel=0.12)
    assert found.m == pytest.approx(weak, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_missing_is_not_disagreement(seed: int) -> None:
    """Half of all values gone leaves the rates where they were."""
    frame = plant(4000, n=10_000, missing=0.5, seed=seed)
    assert estimate(frame).m == pytest.approx(realised(frame, 4000), abs=0.05)


@pytest.mark.parametrize(("pairs", "told"), [(600, 600 * 2 / 4000), (0, 2.0)])
def test_links_stand_on_the_estimated_prior(pairs: int, told: float) -> None:
    """What a link says of itself is its bits and the prior: the data's own, or the usual one where they cannot tell."""
    frame = plant(pairs, seed=1, place=0.7)
    links = link_accounts(find_observations(frame), kinds=SETTINGS, min_probability=0, chance_draws=0)
    doubtful = links.filter(pl.col("probability").is_between(0.01, 0.99)).head(1)
    if pairs:
        prior = explain_link(links, *doubtful.row(0)[:2], n_accounts=4000).table["bits"][0]
        assert 3999 * 2**prior == pytest.approx(told, rel=0.1)
    index = build_incidence(find_observations(frame), SETTINGS)
    a, b, used = propose(index)
    partners, note = expected_partners(index, weigh(index, a, b), used)
    assert partners == pytest.approx(told, rel=0.1)
    assert ("estimated" in note) == bool(pairs)


def test_ties_that_accounts_name_do_not_teach() -> None:
    """A hundred employers of forty people each do not pass for four thousand linked accounts."""
    frame = plant(600, seed=2)
    fed = estimate(frame.with_columns(pl.Series("org", [f"o{i % 100}" for i in range(4000)])))
    assert fed.kept == {"org": "the accounts name this tie themselves"}
    assert fed.lam == pytest.approx(estimate(frame).lam, rel=1e-4)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (plant(0), "0 found"),
        (plant(5), "1 found"),
        (plant(500).select("account_id", "card"), "0 found"),
    ],
    ids=["strangers", "five pairs", "one kind"],
)
def test_what_the_data_cannot_tell_is_refused(frame: pl.DataFrame, why: str) -> None:
    """No rings, a handful, or one kind: the defaults stay, and the reason is said."""
    found = estimate(frame)
    assert why in found.kept["lam"]
    assert found.m == {name: kind.m for name, kind in SETTINGS.items() if name in frame.columns and name in found.m}


def test_derived_kinds_do_not_teach() -> None:
    """Co-membership copied from the truth changes no figure."""
    frame = plant(600, seed=2)
    ring = [f"r{i // 2}" if i < 1200 else f"s{i}" for i in range(4000)]
    plain, fed = estimate(frame), estimate(frame.with_columns(pl.Series("co_membership", ring)))
    assert fed.kept == {"co_membership": "derived from earlier links"}
    assert fed.lam == pytest.approx(plain.lam, rel=1e-4)
    assert {k: fed.m[k] for k in PLANTED} == pytest.approx({k: plain.m[k] for k in PLANTED}, abs=1e-4)


def test_row_order_changes_nothing() -> None:
    """Shuffled rows give the same rates, to the bit."""
    frame = plant(200)
    assert estimate(frame) == estimate(frame.sample(fraction=1, shuffle=True, seed=3))


@given(st.integers(2, 5), st.integers(0, 2**31))
def test_a_step_never_lowers_the_likelihood(fields: int, seed: int) -> None:
    """EM climbs: more steps never make the data less likely (all weights 1, every field proposes)."""
    rng = np.random.default_rng(seed)
    both = rng.random((60, fields)) < 0.8
    pair, field = np.nonzero(both & (rng.random(both.shape) < 0.5))
    rest = np.ones((1, fields), dtype=bool)
    a = Agreements(
        both, pair, field, np.ones(len(pair), dtype=np.int64), rng.uniform(1e-4, 0.5, len(pair)), rest,
        np.array([5000.0]), np.ones(fields), both.astype(float), rest.astype(float),
    )  # fmt: skip

    def likelihood(steps: int) -> float:
        f = fit_mixture(a, np.full((fields, 1), 0.5), 1e-2, max_iterations=steps)
        silent = np.log(1 - f.lam + f.lam * np.prod(f.m[:, 0])) * 5000
        return float(np.log(1 - f.lam + f.lam * 2**f.bits).sum() + silent)

    climbed = [likelihood(n) for n in (0, 1, 3, 10)]
    assert all(later >= before - 1e-6 for before, later in itertools.pairwise(climbed))
