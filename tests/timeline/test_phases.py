"""Phases: lives that were planted, ends that meet, and what a silent source hides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import UnknownNameError
from toolkit.timeline.phases import Lifecycle, find_phases, time_to_phase

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0


def live(*stretches: tuple[float, float, float], seed: int = 0) -> list[float]:
    """Seconds of acts: from day, to day, acts a day."""
    luck = np.random.default_rng(seed)
    return [s for a, b, rate in stretches for s in luck.uniform(a * DAY, b * DAY, round((b - a) * rate)).tolist()]


def told(events: pl.DataFrame, account: str = "a") -> list[str]:
    return find_phases(events).filter(pl.col("account_id") == account)["phase"].to_list()


BACKGROUND = np.arange(0, 60 * DAY, 1_800).tolist()  # somebody else, so that the source is known to be there


def with_others(make_events: Make, seconds: list[float], verbs: list[str]) -> pl.DataFrame:
    n = len(BACKGROUND)
    return make_events(
        [*BACKGROUND, *seconds], account=["other"] * n + ["a"] * len(seconds), event=["chat"] * n + verbs
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_life(make_events: Make, seed: int) -> None:
    """Born on day 1, steady from day 10, busy from 25 with a label of phishing on day 33, banned on day 35."""
    acts = live((10, 25, 6), (25, 35, 60), seed=seed)
    events = with_others(make_events, [DAY, *acts, 33 * DAY, 35 * DAY], [
        "signup", *["request"] * len(acts), "label.phishing", "enforcement.ban"])  # fmt: skip
    found = find_phases(events.sample(fraction=1, shuffle=True, seed=seed)).filter(pl.col("account_id") == "a")
    assert found["phase"].to_list() == ["created", "steady", "abuse", "enforced"]
    zero = events["event_at"].min()
    days = [(at - zero).total_seconds() / DAY for at in found["start_at"]]
    assert days == pytest.approx([1, 10, 25, 35], abs=1.1)
    assert found["confidence"].to_list() == ["high"] * 4
    assert "inferred" not in found["cause"].to_list()


def test_dormant_and_silent(make_events: Make) -> None:
    """Twelve days of nothing between two steady stretches are dormant; twenty at the end are silence."""
    acts = live((1, 12, 6), (24, 40, 6))
    phases = told(with_others(make_events, [0, *acts], ["signup", *["chat"] * len(acts)]))
    assert phases == ["created", "steady", "dormant", "steady", "silent"]


def test_a_weekend_is_no_dormancy(make_events: Make) -> None:
    acts = [s for week in range(8) for s in live((week * 7, week * 7 + 5, 8), seed=week)]
    assert told(with_others(make_events, acts, ["chat"] * len(acts)))[:2] == ["steady"]


def test_a_reversed_ban_lets_life_go_on(make_events: Make) -> None:
    acts = live((1, 20, 6), (30, 58, 6))
    events = with_others(make_events, [0, *acts, 20 * DAY, 29 * DAY], [
        "signup", *["chat"] * len(acts), "enforcement.ban", "enforcement.reinstate"])  # fmt: skip
    assert told(events) == ["created", "steady", "enforced", "dormant", "steady"] or told(events) == [
        "created", "steady", "enforced", "steady"]  # fmt: skip


def test_what_began_before_the_data_says_so(make_events: Make) -> None:
    acts = live((0, 50, 6))
    first = find_phases(with_others(make_events, acts, ["chat"] * len(acts))).filter(pl.col("account_id") == "a")
    assert first.select("phase", "confidence").row(0) == ("steady", "low")
    assert "before the data" in first["why"][0]


def test_a_silent_source_hides_dormancy(make_events: Make) -> None:
    """Nobody is seen for ten days: whether the account slept is not known."""
    seconds = [s for s in [*BACKGROUND, *live((0, 60, 6))] if not 20 * DAY < s < 32 * DAY]
    n = sum(s in set(BACKGROUND) for s in seconds)
    events = make_events(seconds, account=["other"] * n + ["a"] * (len(seconds) - n))
    dormant = find_phases(events).filter((pl.col("account_id") == "a") & (pl.col("phase") == "dormant"))
    assert dormant["confidence"].to_list() == ["unknown"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 60 * 24),
            st.sampled_from("ab"),
            st.sampled_from(["signup", "chat", "label.spam", "enforcement.ban", "enforcement.reinstate"]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_phases_follow_one_another(make_events: Make, rows: list[tuple[int, str, str]]) -> None:
    """Whatever comes: from one phase to the next without gap or overlap, and every act is counted once."""
    hours, accounts, verbs = (list(column) for column in zip(*rows, strict=True))
    events = make_events([h * 3_600.0 for h in hours], account=accounts, event=verbs)
    found = find_phases(events)
    for _, life in found.group_by("account_id"):
        edges = life.sort("start_at", "end_at").select("start_at", "end_at").rows()
        assert all(a[1] == b[0] for a, b in pairwise(edges))
    acts = sum(verb == "chat" for verb in verbs)
    assert found["n"].sum() <= acts
    assert set(found["account_id"]) == set(accounts)


def test_time_to_abuse_is_censored(make_events: Make) -> None:
    """Four accounts: abuse after 5, 10 and 20 days, and one that was clean when the data ended, on day 12."""
    rows = []
    for name, days, abused in (("a", 5, True), ("b", 10, True), ("c", 20, True), ("d", 12, False)):
        begin = datetime(2026, 1, 5, tzinfo=UTC)
        there = begin + timedelta(days=days)
        rows.append({"account_id": name, "phase": "created", "start_at": begin, "end_at": there})
        if abused:
            rows.append({"account_id": name, "phase": "abuse", "start_at": there, "end_at": there})
    curve = time_to_phase(pl.DataFrame(rows), "abuse")
    assert curve.rows() == [(5.0, 4, 1, 0.75), (10.0, 3, 1, 0.5), (20.0, 1, 1, 0.0)]


def test_other_words_and_faults(make_events: Make) -> None:
    events = make_events([0, DAY, 2 * DAY], event=["opened", "chat", "closed_by_us"])
    rules = Lifecycle(created=("opened",), enforced=("closed_by_us",))
    assert find_phases(events, rules)["phase"].to_list() == ["created", "steady", "enforced"]
    assert find_phases(make_events([])).is_empty()
    with pytest.raises(UnknownNameError, match="did you mean 'abuse'"):
        time_to_phase(find_phases(events), "abus")
