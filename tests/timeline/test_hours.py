"""Active hours: planted zones are among those named, one zone is never named, machines have none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.timeline.hours import WAYS_OF_LIVING, _busiest, find_active_hours

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0


def live(way: str, offset_h: float, days: int, a_day: int, seed: int) -> list[float]:
    """Seconds (UTC) at which somebody of that zone who lives that way acts."""
    luck = np.random.default_rng(seed)
    half_hour = luck.choice(48, days * a_day, p=WAYS_OF_LIVING[way])
    return [
        float(s)
        for s in np.repeat(np.arange(days), a_day) * DAY
        + (half_hour + luck.random(days * a_day)) * 1_800
        - offset_h * 3_600
        + 2 * DAY
    ]


@pytest.mark.parametrize("way", WAYS_OF_LIVING)
@pytest.mark.parametrize(
    ("offset", "name"), [(0, "UTC+00:00"), (5.5, "UTC+05:30"), (-8, "UTC-08:00"), (12, "UTC+12:00")]
)
def test_a_planted_zone_is_among_those_named(make_events: Make, way: str, offset: float, name: str) -> None:
    found = find_active_hours(make_events(live(way, offset, 30, 12, seed=3)))
    zones = found["zones"].item().to_list()
    assert name in zones
    assert 3 <= len(zones) <= 24
    assert found["confidence"].item() != "high"  # an hour profile is never that


def test_the_sets_hold_the_truth_as_often_as_they_say(make_events: Make) -> None:
    """A hundred lives of any way in any zone: four fifths and more are covered."""
    luck = np.random.default_rng(0)
    seconds, accounts, truth = [], [], {}
    for number in range(100):
        offset = int(luck.integers(-11, 13))
        way = list(WAYS_OF_LIVING)[int(luck.integers(3))]
        mine = live(way, offset, 14, 4, seed=number)
        seconds += mine
        accounts += [f"a{number}"] * len(mine)
        truth[f"a{number}"] = f"UTC{'-' if offset < 0 else '+'}{abs(offset):02d}:00"
    found = find_active_hours(make_events(seconds, account=accounts)).filter(pl.col("zones").list.len() > 0)
    covered = [truth[a] in zones for a, zones in found.select("account_id", "zones").rows()]
    assert len(covered) > 60
    assert np.mean(covered) >= 0.8


def test_machines_have_no_zone(make_events: Make) -> None:
    """Every ten minutes, day and night, for two weeks."""
    found = find_active_hours(make_events(np.arange(0, 14 * DAY, 600).tolist()))
    assert found.select("confidence", "score").rows() == [("unknown", 0.0)]
    assert found["zones"].item().is_empty()
    assert "no inference" in found["why"].item()


def test_too_little_is_not_judged(make_events: Make) -> None:
    """Six days, or twenty-nine events, are no life."""
    six_days = make_events(live("all day", 0, 6, 20, seed=1))
    few = make_events(live("all day", 0, 29, 1, seed=1))
    assert find_active_hours(six_days).is_empty()
    assert find_active_hours(few).is_empty()
    assert find_active_hours(make_events([])).is_empty()


def test_one_evening_is_one_fact(make_events: Make) -> None:
    """A thousand requests within one half hour weigh as one: they move no zone."""
    seconds = live("all day", 2, 20, 8, seed=5)
    night = (10 * DAY + 2 * 3_600 + np.linspace(0, 1_700, 1_000)).tolist()
    plain, loud = (find_active_hours(make_events(s))["zones"].item().to_list() for s in (seconds, seconds + night))
    assert len(set(plain) ^ set(loud)) <= 2


def test_hours_may_pass_midnight(make_events: Make) -> None:
    """From 22 to 2 h UTC, every day."""
    seconds = [d * DAY + h * 3_600 for d in range(10) for h in (22, 23, 24, 25)]
    found = find_active_hours(make_events(seconds, event_id=[f"e{i}" for i in range(40)]), belief=1.0)
    assert found.select("from_hour", "to_hour").rows() == [(22.0, 1.5)]


@given(st.lists(st.integers(0, 9), min_size=48, max_size=48).filter(any))
def test_the_busy_stretch_is_the_one_of_a_plain_search(profile: list[int]) -> None:
    """Every stretch tried one by one, its two rates put into Poisson's likelihood."""

    def likely(first: int, long: int) -> float:
        inside = sum(profile[(first + i) % 48] for i in range(long))
        outside = sum(profile) - inside
        if inside / long <= outside / (48 - long):
            return -math.inf
        return sum(n * math.log(n / span) for n, span in ((inside, long), (outside, 48 - long)) if n)

    begin, end = _busiest(np.array([profile]))
    found = likely(int(2 * begin[0]), int(2 * (end[0] - begin[0])) % 48 or 48) if len(set(profile)) > 1 else 0.0
    best = max(likely(first, long) for first in range(48) for long in range(1, 48))
    assert len(set(profile)) == 1 or found == pytest.approx(best, abs=1e-6)


def test_a_shift_stands_out_of_what_else_goes_on(make_events: Make) -> None:
    """A third of the activity lies anywhere in the day; the shift from 16 to 23 h is told all the same."""
    luck = np.random.default_rng(4)
    shift = [d * DAY + s for d in range(30) for s in luck.uniform(16 * 3_600, 23 * 3_600, 12)]
    found = find_active_hours(make_events(shift + luck.uniform(0, 30 * DAY, 180).tolist()))
    begin, end = found.select("from_hour", "to_hour").row(0)
    assert abs(begin - 16) <= 0.5
    assert abs(end - 23) <= 0.5
