"""What chance alone would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.chance import simulate_chance
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.null import Chance, draw_chance, q_values, ring_fdr
from toolkit.linking.observations import find_observations

World = Callable[..., pl.DataFrame]
scores = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.5, 4.0, 7.25, 9.0]), max_size=12)


def tallies(index: Incidence) -> tuple[Counter[tuple[int, int]], Counter[int]]:
    """Values per account and kind, holders per value."""
    account, kind, value = index.account.tolist(), index.kind.tolist(), index.value.tolist()
    return Counter(zip(account, kind, strict=True)), Counter(value)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["ip", "card"]), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(0, 3),
)
def test_a_shuffle_keeps_what_everybody_has(rows: list[tuple[int, str, int]], draw: int) -> None:
    """Per account and kind as many values, per value as many holders, but for a value dealt twice to one account."""
    table = [(f"a{account}", kind, f"v{value}") for account, kind, value in rows]
    index = build_incidence(
        find_observations(pl.DataFrame(table, schema=["account_id", "kind", "value"], orient="row"))
    )  # fmt: skip
    shuffled = draw_chance(index, draw)
    (had, held), (has, holds) = tallies(index), tallies(shuffled)
    lost = len(index.account) - len(shuffled.account)
    assert not has - had
    assert not holds - held
    assert sum((had - has).values()) == sum((held - holds).values()) == lost
    key = shuffled.account * index.n_values + shuffled.value
    assert (np.diff(key) > 0).all()  # sorted, nothing twice


def test_nothing_is_lost_where_nothing_can_be_dealt_twice(crowd: World) -> None:
    """In a world of 1,500 people next to nothing is dealt twice; times stay with the value, ties are cut."""
    rows = [(f"r{i}", kind, f"{kind}-{i // 5}") for i in range(50) for kind in ("device", "card")]
    index = build_incidence(crowd(rows))
    shuffled = draw_chance(index, 0)
    assert len(index.account) - len(shuffled.account) <= 0.01 * len(index.account)
    same = set(zip(index.value.tolist(), index.use_first.tolist(), strict=True))
    assert set(zip(shuffled.value.tolist(), shuffled.use_first.tolist(), strict=True)) <= same
    ties = [set(zip(i.account.tolist(), i.value.tolist(), strict=True)) for i in (index, shuffled)]
    assert len(ties[0] & ties[1]) < 0.1 * len(ties[0])  # but for the crowds, where many hold what many are dealt


def test_draws_differ_and_a_draw_does_not() -> None:
    """The number of the draw and the seed make the shuffle, nothing else does."""
    frame = pl.DataFrame({"account_id": [f"a{i:03d}" for i in range(200)], "card": [f"c{i // 2}" for i in range(200)]})
    index = build_incidence(find_observations(frame))
    dealt = [draw_chance(index, draw, seed=seed).value.tobytes() for draw, seed in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert dealt[0] == dealt[1]
    assert len(set(dealt)) == 3


@given(scores, st.lists(scores, max_size=4), scores)
def test_q_values_against_a_loop(observed: list[float], chance: list[list[float]], more: list[float]) -> None:
    """The least share, over all thresholds at or under the score, of shuffled links over links."""
    everything = observed + more

    def naive(score: float) -> float:
        rates = [
            min(1.0, sum(x >= t for draw in chance for x in draw) / len(chance) / sum(x >= t for x in everything))
            for t in everything
            if t <= score
        ]
        return min(rates)

    found = q_values(np.array(observed), [np.array(draw) for draw in chance], among=np.array(everything)).tolist()
    expected = [naive(score) if chance else 1.0 for score in observed]
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


@given(
    st.lists(st.tuples(st.integers(3, 9), st.integers(0, 9)), max_size=8),
    st.lists(st.tuples(st.integers(3, 9), st.integers(0, 9)), max_size=8),
    st.integers(0, 4),
)
def test_ring_fdr_against_a_loop(ours: list[tuple[int, int]], theirs: list[tuple[int, int]], draws: int) -> None:
    """Shuffled clusters as large and as well supported, per draw, over ours that are."""
    found = np.array(ours, dtype=np.int64).reshape(-1, 2)
    shuffled = np.array(theirs, dtype=np.int64).reshape(-1, 2)
    chance = Chance([], shuffled[:, 0], shuffled[:, 1].astype(float), draws)

    def as_good(rings: list[tuple[int, int]], than: tuple[int, int]) -> int:
        return sum(ring[0] >= than[0] and ring[1] >= than[1] for ring in rings)

    expected = [min(1.0, as_good(theirs, ring) / draws / as_good(ours, ring)) if draws else 1.0 for ring in ours]
    assert np.allclose(ring_fdr(found[:, 0], found[:, 1].astype(float), chance), expected, rtol=0, atol=1e-12)


def test_chance_has_no_rings_where_strangers_share_nothing(crowd: World) -> None:
    """A ring of 30 in the data is none in the shuffles; three draws give three lists of bits, the same each time."""
    rows = [(f"r{i:02d}", kind, f"{kind}{i % 4}") for i in range(30) for kind in ("device", "card", "ip")]
    index = build_incidence(crowd(rows, others=500))
    one, two = (simulate_chance(index, ExpandSettings(), draws=3) for _ in range(2))
    assert (one.draws, len(one.bits), one.size.tolist()) == (3, 3, [])
    assert [a.tobytes() for a in one.bits] == [b.tobytes() for b in two.bits]
