"""Bursts: the automaton against a plain Viterbi, the scan against every window, and planted ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.timeline.bursts import benjamini_hochberg, busy_gaps, find_bursts, walk_between

Make = Callable[..., pl.DataFrame]
HOUR, DAY = 3_600.0, 86_400.0
GAPS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30)


def cost_of(gaps: list[float], busy: list[bool], s: float, gamma: float) -> float:
    """What a sequence of states costs, from the definition."""
    mean, up, state, total = sum(gaps) / len(gaps), max(gamma * math.log(len(gaps)), 1e-9), False, 0.0
    for gap, now in zip(gaps, busy, strict=True):
        rate = (s if now else 1.0) / mean
        total += rate * gap - math.log(rate) + (up if now and not state else 0.0)
        state = now
    return total


def cheapest(gaps: list[float], s: float, gamma: float) -> float:
    """Viterbi over two states, a gap at a time."""
    mean, up = sum(gaps) / len(gaps), max(gamma * math.log(len(gaps)), 1e-9)
    calm, busy = 0.0, math.inf
    for gap in gaps:
        at = [rate * gap / mean - math.log(rate / mean) for rate in (1.0, s)]
        calm, busy = at[0] + min(calm, busy), at[1] + min(busy, calm + up)
    return min(calm, busy)


@given(st.lists(GAPS, min_size=1, max_size=6), st.sampled_from([1.5, 2.0, 3.0]), st.sampled_from([0.3, 1.0, 2.0]))
def test_states_are_the_cheapest_there_are(accounts: list[list[float]], s: float, gamma: float) -> None:
    """Many accounts walked side by side cost each what a plain Viterbi finds for it alone."""
    start = np.concatenate(([0], np.cumsum([len(gaps) + 1 for gaps in accounts])))
    flat = np.array([x for gaps in accounts for x in (0.0, *gaps)])
    busy, _ = busy_gaps(flat, start, s, gamma)
    for gaps, begin in zip(accounts, start, strict=False):
        states = busy[begin + 1 : begin + 1 + len(gaps)].tolist()
        assert cost_of(gaps, states, s, gamma) == pytest.approx(cheapest(gaps, s, gamma), abs=1e-6)


@given(st.lists(st.floats(-3, 3), max_size=300))
def test_a_walk_cut_into_stretches_is_the_walk(steps: list[float]) -> None:
    x, plain = 1.0, []
    for step in steps:
        x = min(max(x + step, 0.0), 1.0)
        plain.append(x)
    assert walk_between(np.array(steps)).tolist() == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("method", ["kleinberg", "scan"])
def test_a_planted_burst_is_found_and_nothing_else(make_events: Make, method: str) -> None:
    """Forty events in 40 s on the tenth day of a month of random ones; an account without any beside it."""
    luck = np.random.default_rng(4)
    calm, other = (np.sort(luck.uniform(0, 30 * DAY, 300)) for _ in range(2))
    planted = 10 * DAY + np.arange(40)
    seconds = [*calm, *planted, *other]
    events = make_events(seconds, account=["a"] * 340 + ["b"] * 300)
    found = find_bursts(events.sample(fraction=1, shuffle=True, seed=1), method=method)
    assert found["account_id"].to_list() == ["a"]
    took = (found["end_at"] - found["start_at"]).dt.total_seconds().item()
    assert 39 <= found["n"].item() - 1 <= 42
    assert 38 <= took <= {"kleinberg": 2 * HOUR, "scan": 120}[method]  # near neighbours come in
    assert found["evidence_ids"].list.len().item() == 20
    assert found["confidence"].item() == "high"


def test_noise_has_few_bursts(make_events: Make) -> None:
    """Two hundred accounts that act at random: the scan, whose rate of false discoveries is held, names none."""
    luck = np.random.default_rng(0)
    events = make_events(luck.uniform(0, 30 * DAY, 20_000).tolist(), account=[f"a{i % 200}" for i in range(20_000)])
    assert find_bursts(events, method="scan", window_s=HOUR).is_empty()


def test_a_monday_is_not_a_burst(make_events: Make) -> None:
    """Eight weeks in which everybody works from nine to ten on Mondays only, and hardly at all else."""
    luck = np.random.default_rng(1)
    at = [w * 7 * DAY + 9 * HOUR + s for w in range(8) for s in luck.uniform(0, HOUR, 60)]
    at += luck.uniform(0, 56 * DAY, 60).tolist()
    events = make_events(at, account=[f"a{i % 4}" for i in range(len(at))])
    assert find_bursts(events).height >= 16
    assert find_bursts(events, weekly=True).height <= 2


def test_events_of_one_instant_are_no_fault(make_events: Make) -> None:
    """Zero gaps count as half a tick of the clock that wrote them."""
    seconds = [*np.arange(0, 50 * HOUR, HOUR), *[60 * HOUR] * 10, *np.arange(70 * HOUR, 90 * HOUR, HOUR)]
    found = find_bursts(make_events(seconds))
    assert found.select("n", "start_at", "end_at").row(0)[0] == 10
    assert found["start_at"].item() == found["end_at"].item()


def test_all_as_one_stream(make_events: Make) -> None:
    """Thirty accounts that sign up within a minute are a burst of nobody's own, but of all."""
    luck = np.random.default_rng(2)
    seconds = [*luck.uniform(0, 30 * DAY, 500), *(5 * DAY + luck.uniform(0, 60, 30))]
    events = make_events(seconds, account=[f"a{i}" for i in range(530)], event="signup")
    assert find_bursts(events, method="scan").is_empty()
    found = find_bursts(events, by=None, method="scan")
    assert found.select("account_id").rows() == [("",)]
    assert 28 <= found["n"].item() <= 31


def test_shuffled_rows_give_the_same(make_events: Make) -> None:
    luck = np.random.default_rng(3)
    events = make_events(luck.exponential(50, 2_000).cumsum().round().tolist(), account=["a", "b"] * 1_000)
    first = find_bursts(events, s=2, gamma=0.2)
    assert first.height
    assert first.equals(find_bursts(events.sample(fraction=1, shuffle=True, seed=9), s=2, gamma=0.2))


def test_no_events_no_bursts(make_events: Make) -> None:
    assert find_bursts(make_events([])).is_empty()
    assert find_bursts(make_events([]), method="scan", by=None).is_empty()


@pytest.mark.parametrize(
    ("asked", "fault", "said"),
    [
        ({"method": "klein"}, UnknownNameError, "did you mean 'kleinberg'"),
        ({"by": "acount_id"}, UnknownNameError, "did you mean 'account_id'"),
        ({"s": 1.0, "min_n": 1}, InputError, "s is 1.0; want more than 1; min_n is 1; want 2 or more"),
    ],
)
def test_faults_are_said(make_events: Make, asked: dict[str, object], fault: type[Exception], said: str) -> None:
    with pytest.raises(fault, match=said):
        find_bursts(make_events([0, 1]), **asked)


def test_false_discoveries_are_held() -> None:
    """By hand: p sorted .01, .02, .03, .5 of four."""
    assert benjamini_hochberg(np.array([0.5, 0.03, 0.01, 0.02])).round(6).tolist() == [0.5, 0.04, 0.04, 0.04]
