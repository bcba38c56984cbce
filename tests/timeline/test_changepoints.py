"""Change points: exact against every way to cut, planted ones within the interval that is given."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.timeline.changepoints import cut_counts, find_changepoints

Make = Callable[..., pl.DataFrame]
HOUR = 3_600.0


def cost_of(counts: list[int], cuts: tuple[int, ...], penalty: float) -> float:
    """Minus twice the Poisson log likelihood of the stretches, and the penalty per cut, from the definition."""
    total = penalty * len(cuts)
    for left, right in zip((0, *cuts), (*cuts, len(counts)), strict=True):
        events = sum(counts[left:right])
        if events:
            total += 2 * events * (1 - np.log(events / (right - left)))
    return total


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.sampled_from([0.5, 2.0, 6.0]))
def test_no_way_to_cut_costs_less(counts: list[int], penalty: float) -> None:
    ways = [c for k in range(len(counts)) for c in combinations(range(1, len(counts)), k)]
    least = min(cost_of(counts, cuts, penalty) for cuts in ways)
    found = tuple(cut_counts(np.array(counts), penalty).tolist())
    assert cost_of(counts, found, penalty) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_planted_changes_are_inside_their_intervals(make_events: Make, seed: int) -> None:
    """A fortnight at 1 an hour, a week at 6, a fortnight at 2."""
    luck = np.random.default_rng(seed)
    seconds, begin, edges = [], 0.0, [336.0, 504.0]
    for hours, rate in ((336, 1), (168, 6), (336, 2)):
        seconds += (begin + luck.uniform(0, hours, luck.poisson(hours * rate))).tolist()
        begin += hours
    events = make_events([s * HOUR for s in seconds])
    found = find_changepoints(events.sample(fraction=1, shuffle=True, seed=seed))
    zero = events["event_at"].min().replace(minute=0, second=0, microsecond=0)
    assert found.height == 2
    for (low, high), edge in zip(found.select("start_at", "end_at").rows(), edges, strict=True):
        assert (low - zero).total_seconds() / HOUR - 3 <= edge <= (high - zero).total_seconds() / HOUR + 3
    assert found["rate_before"].to_list() == pytest.approx([1, 6], rel=0.2)


def test_a_steady_rate_has_none(make_events: Make) -> None:
    luck = np.random.default_rng(0)
    events = make_events(luck.uniform(0, 60 * 24 * HOUR, 8_000).tolist(), account=[f"a{i % 8}" for i in range(8_000)])
    assert find_changepoints(events).height <= 1
    assert find_changepoints(make_events([])).is_empty()


def test_faults_are_said(make_events: Make) -> None:
    with pytest.raises(InputError, match="give bin_s of 50 or more"):
        find_changepoints(make_events(np.linspace(0, 1e6, 30).tolist()), bin_s=1)
    with pytest.raises(InputError, match="want a positive number"):
        find_changepoints(make_events([0]), bin_s=0)
