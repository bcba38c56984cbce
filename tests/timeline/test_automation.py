"""Automation: machines of five makes and a person, each called what it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.errors import UnknownNameError
from toolkit.timeline.automation import PARTS, find_automation

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0
LUCK = np.random.default_rng(7)

CLOCKWORK = np.arange(400) * 437.0 + LUCK.normal(0, 2, 400)
CRON = np.arange(600) * 900.0
OFFICE = np.array([d * DAY + 9 * 3_600 + i * 611.0 for d in range(28) if d % 7 < 5 for i in range(48)])
RETRIES = np.concatenate([d * DAY / 2 + np.arange(40) * 2.0 for d in range(8)])
PERSON = np.sort(
    np.concatenate([d * DAY + LUCK.uniform(8, 20) * 3_600 + LUCK.exponential(200, 12).cumsum() for d in range(20)])
)


@pytest.mark.parametrize(
    ("seconds", "reading", "confidence"),
    [
        (CLOCKWORK, "automation", "moderate"),
        (CRON, "schedule", "low"),
        (OFFICE, "office_hours", "low"),
        (RETRIES, "retries", "low"),
        (PERSON, "people", "low"),
    ],
    ids=["clockwork", "cron", "office", "retries", "person"],
)
def test_each_is_called_what_it_is(make_events: Make, seconds: np.ndarray, reading: str, confidence: str) -> None:
    """Only what nothing ordinary explains is called automation; START is a Monday."""
    found = find_automation(make_events(seconds.tolist()).sample(fraction=1, shuffle=True, seed=1))
    assert found.select("reading", "confidence").rows() == [(reading, confidence)]
    assert found["n"].item() == len(seconds)


def test_parts_say_what_they_see(make_events: Make) -> None:
    """Clockwork with a jitter of two seconds: narrow gaps, one period, no sleep, and no minute kept."""
    row = find_automation(make_events(CLOCKWORK.tolist())).row(0, named=True)
    assert row["regular"] > 0.9
    assert row["one_gap"] == pytest.approx(1.0, abs=0.01)
    assert row["on_the_clock"] < 0.1
    assert row["same_text"] is None
    assert row["score"] == pytest.approx(np.mean([row[p] for p in PARTS if row[p] is not None]), abs=1e-6)
    assert find_automation(make_events(CRON.tolist()))["on_the_clock"].item() == 1.0


@pytest.mark.parametrize("period", [3_600.0, 5_400.0, 43_200.0])
def test_a_period_is_found_in_noise(make_events: Make, period: float) -> None:
    """Every ``period``, with a tenth of it as jitter and a third as many events at random."""
    luck = np.random.default_rng(2)
    beats = np.arange(150) * period + luck.normal(0, period / 10, 150)
    seconds = np.sort(np.concatenate((beats, luck.uniform(0, 150 * period, 50))))
    row = find_automation(make_events((seconds - seconds[0]).tolist())).row(0, named=True)
    assert row["periodic"] > 0.99
    assert row["period_s"] == pytest.approx(period, rel=0.05)


def test_the_same_text_counts_where_it_is_told(make_events: Make) -> None:
    events = make_events(PERSON.tolist(), text=["buy now"] * 200 + [f"t{i}" for i in range(len(PERSON) - 200)])
    assert find_automation(events, content="text")["same_text"].item() == pytest.approx(200 / len(PERSON), abs=1e-6)


def test_people_score_low_and_few_are_not_judged(make_events: Make) -> None:
    """Of fifty lives none scores as a machine does; nineteen events are no rhythm."""
    luck = np.random.default_rng(3)
    lives = [
        np.concatenate([d * DAY + luck.uniform(7, 22) * 3_600 + luck.exponential(300, 6).cumsum() for d in range(12)])
        for _ in range(50)
    ]
    events = make_events(np.concatenate(lives).tolist(), account=[f"a{i:02}" for i in range(50) for _ in range(72)])
    found = find_automation(events)
    assert found.height == 50
    assert set(found["reading"]) == {"people"}
    assert find_automation(make_events(list(range(19)))).is_empty()
    with pytest.raises(UnknownNameError, match="did you mean 'event'"):
        find_automation(events, content="evnt")
