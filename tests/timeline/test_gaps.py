"""Gaps: planted silences are found where they are, rhythms are not silences, and numbers are counted exactly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.timeline.gaps import find_gaps, is_known

from ..conftest import START

Make = Callable[..., pl.DataFrame]
HOUR, DAY = 3_600.0, 86_400.0


def by_day(days: int, per_hour: float, seed: int) -> np.ndarray:
    """Poisson events that rest from midnight to eight and at weekends (a Monday is day 0)."""
    rng = np.random.default_rng(seed)
    hours = np.array([h for h in range(24 * days) if h % 24 >= 8 and h // 24 % 7 < 5])
    counts = rng.poisson(per_hour, len(hours))
    return np.sort(np.repeat(hours, counts) * HOUR + rng.uniform(0, HOUR, counts.sum()))


def without(at: np.ndarray, start: float, end: float) -> list[float]:
    return at[(at < start) | (at >= end)].tolist()


def hours(found: pl.DataFrame) -> list[tuple[float, float]]:
    """Start and end of each finding, in hours since the start."""
    return [
        ((a - START).total_seconds() / HOUR, (b - START).total_seconds() / HOUR)
        for a, b in found.select("start_at", "end_at").rows()
    ]


def test_nights_and_weekends_are_not_silences(make_events: Make) -> None:
    """Four weeks of office hours: nothing, until four hours of a Wednesday are cut out."""
    at = by_day(28, 20, 1)
    assert find_gaps(make_events(at.tolist())).height == 0
    start, end = 9 * DAY + 10 * HOUR, 9 * DAY + 14 * HOUR
    found = find_gaps(make_events(without(at, start, end)))
    assert hours(found) == [(pytest.approx(start / HOUR, abs=0.3), pytest.approx(end / HOUR, abs=0.3))]
    assert found.select("kind", "confidence", "n_found", "open").rows() == [("source_silent", "high", 0, False)]
    assert found["n_expected"][0] == pytest.approx(80, rel=0.25)


def test_noise_makes_no_silences(make_events: Make) -> None:
    """Fifty sources of chance alone, with sessions of five events at once in half of them."""
    rng = np.random.default_rng(5)
    parts = []
    for k in range(50):
        heads = rng.uniform(0, 20 * DAY, 400)
        at = np.repeat(heads, 5) + rng.uniform(0, 60, 2_000) if k % 2 else rng.uniform(0, 20 * DAY, 2_000)
        parts.append(make_events(np.sort(at).tolist(), source=f"s{k:02}"))
    assert find_gaps(pl.concat(parts)).height == 0


def test_a_source_that_never_comes_back(make_events: Make) -> None:
    """Open until half of the sources have ended; a lone event inside a silence does not part it."""
    steady = [60.0 * i for i in range(4_000)]
    stops = [60.0 * i for i in range(1_500)]
    broken = without(np.array(steady), 600 * 60, 1_200 * 60)
    events = pl.concat(
        [make_events(steady), make_events(stops, source="stops"), make_events([*broken, 900 * 60.0], source="broken")]
    )
    found = find_gaps(events).filter(pl.col("kind") == "source_silent")
    assert found.select("source", "open", "n_found").rows() == [("broken", False, 1), ("stops", True, 0)]
    assert found["end_at"][1] == START + timedelta(seconds=steady[-1])
    assert found.equals(
        find_gaps(events.sample(fraction=1, shuffle=True, seed=2)).filter(pl.col("kind") == "source_silent")
    )


def test_an_account_is_silent_only_while_its_source_speaks(make_events: Make) -> None:
    """One account leaves by itself, one falls silent with its source; the second is the source's fault."""
    at = by_day(28, 20, 3)
    outage = (9 * DAY, 12 * DAY)
    leaver = make_events(without(at, 16 * DAY, 19 * DAY), account="leaver")
    victim = make_events(without(by_day(28, 20, 4), *outage), account="victim", source="fragile")
    stayer = make_events(without(by_day(28, 20, 5), *outage), account="stayer", source="fragile")
    events = pl.concat([leaver, victim, stayer, make_events(at.tolist(), account="other")])
    assert find_gaps(events).filter(pl.col("kind") == "source_silent")["source"].to_list() == ["fragile"]
    found = find_gaps(events, by="account_id")
    assert found.select("account_id", "kind", "confidence").rows() == [("leaver", "account_silent", "high")]


def test_a_register_that_reaches_years_back_is_not_silent(make_events: Make) -> None:
    """Signups of three years beside a week of requests: the thin years before say nothing."""
    register = make_events([i * 13 * DAY for i in range(80)], source="accounts")
    requests = make_events([1_000 * DAY + 60 * i for i in range(10_500)])
    logins = make_events([1_000 * DAY + 90 * i for i in range(7_000)], source="auth")
    assert find_gaps(pl.concat([register, requests, logins])).height == 0


@given(st.sets(st.integers(0, 60), min_size=2, max_size=50))
def test_missing_numbers_are_exact(make_events: Make, kept: set[int]) -> None:
    """Counted one by one, the absent numbers of a file are those of its findings."""
    seq = sorted(kept)
    found = find_gaps(make_events([float(i) for i in seq], seq=seq, raw_ref="app.csv:1"))
    absent = set(range(seq[0], seq[-1])) - kept
    assert found["score"].sum() == len(absent)
    assert found.height <= 1 or len(absent) <= len(kept)
    assert set(found["kind"]) <= {"seq_missing"}


def test_what_a_silent_source_did_not_say_is_unknown(make_events: Make) -> None:
    at = without(np.arange(0, 3 * DAY, 60), DAY, 2 * DAY)
    events = pl.concat([make_events(at), make_events([DAY], source="bans")])
    day = [START + timedelta(days=d) for d in range(5)]
    assert [is_known(events, day[i], day[i + 1] - timedelta(minutes=5), "app") for i in range(4)] == [
        True,
        False,
        True,
        False,
    ]
    assert is_known(events, day[1], day[2], "bans")
    assert not is_known(events, day[0] - timedelta(days=1), day[0], "app")
    assert is_known(events, day[1], day[2], "app", gaps=find_gaps(events).clear())


def test_wrong_calls_are_answered_at_once(make_events: Make) -> None:
    rows = make_events([0.0, 1.0])
    with pytest.raises(UnknownNameError, match="did you mean 'source'"):
        find_gaps(rows, by="sources")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="alpha is 2; want a share; bin_s is 7"):
        find_gaps(rows, alpha=2, bin_s=7)
    with pytest.raises(InputError, match="before it starts"):
        is_known(rows, START, START, "app")
    with pytest.raises(UnknownNameError, match="source"):
        is_known(rows, START, START + timedelta(days=1), "proxy")
    assert find_gaps(rows.clear()).height == find_gaps(rows.clear(), by="account_id").height == 0
