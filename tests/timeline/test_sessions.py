"""Sessions: the source's id wins, else the valley between short and long pauses, else half an hour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.timeline.sessions import find_gap, find_sessions

Make = Callable[..., pl.DataFrame]


def adjusted_rand(a: Sequence[object], b: Sequence[object]) -> float:
    """How well two partitions agree: 1 is the same, 0 is what chance gives (Hubert and Arabie 1985)."""
    pairs = [sum(math.comb(n, 2) for n in Counter(side).values()) for side in (a, b, list(zip(a, b, strict=True)))]
    chance = pairs[0] * pairs[1] / math.comb(len(a), 2)
    return (pairs[2] - chance) / ((pairs[0] + pairs[1]) / 2 - chance)


def cut_slowly(rows: list[tuple[str, float]], gap: float) -> dict[str, list[list[float]]]:
    """The same, one account and one event at a time."""
    out: dict[str, list[list[float]]] = {}
    for account, at in sorted(rows):
        runs = out.setdefault(account, [])
        if not runs or at - runs[-1][-1] > gap:
            runs.append([])
        runs[-1].append(at)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40).map(float)), min_size=1, max_size=40),
    st.integers(1, 9),
)
def test_cut_as_the_slow_way_cuts(make_events: Make, rows: list[tuple[str, float]], gap: int) -> None:
    events = make_events([at for _, at in rows], account=[account for account, _ in rows])
    cut, sessions = find_sessions(events, gap=float(gap))
    slow = cut_slowly(rows, gap)
    want = {f"{account}#{k}": len(run) for account, runs in slow.items() for k, run in enumerate(runs, 1)}
    assert dict(sessions.select("session_id", "n").iter_rows()) == want
    assert dict(cut.group_by("session_id").len().iter_rows()) == want


def test_a_pause_as_long_as_the_gap_does_not_end_a_session(make_events: Make) -> None:
    _, sessions = find_sessions(make_events([0, 60, 121]), gap=60)
    assert sessions.select("n", "max_gap_s").rows() == [(2, 60.0), (1, 0.0)]


def test_an_id_of_the_source_wins_and_rows_without_one_are_cut_by_gap(make_events: Make) -> None:
    """Interleaved sessions of one account are told apart by their ids alone."""
    keys = ["s1", "s2", "s1", "s2", None, " "]
    cut, sessions = find_sessions(make_events([0, 1, 2, 3, 4, 9_000], key=keys), session_key="key")
    assert cut["session_id"].to_list() == ["s1", "s2", "s1", "s2", "a#1", "a#2"]
    assert sessions["how"].str.slice(0, 10).to_list() == ["id of the ", "id of the ", "gap 1800 s", "gap 1800 s"]


def test_an_id_that_two_accounts_share_is_two_sessions(make_events: Make) -> None:
    cut, _ = find_sessions(make_events([0, 1, 2], account=["a", "b", "b"], session_id=["s", "s", "t"]))
    assert cut["session_id"].to_list() == ["a/s", "b/s", "t"]


def test_the_valley(make_events: Make) -> None:
    """Pauses of seconds and of hours: the gap lies between them, and is said with its reason."""
    pauses = ([2.0, 5.0, 3.0] * 10 + [20_000.0]) * 4
    at = list(np.cumsum([0.0, *pauses]))
    cut, sessions = find_sessions(make_events([float(t) for t in at]))
    assert cut["session_id"].n_unique() == 5
    assert "valley of 124 gaps" in sessions["how"][0]


def test_no_valley_means_half_an_hour() -> None:
    rng = np.random.default_rng(1)
    assert "no valley" in find_gap(10 ** rng.normal(2, 1, 4_000)).how
    assert "are equal" in find_gap(np.full(80, 5.0)).how
    assert "only 3 gaps" in find_gap(np.ones(3)).how


def test_cohorts_have_gaps_of_their_own(make_events: Make) -> None:
    fast = list(np.cumsum(([1.0] * 20 + [100.0]) * 5))
    slow = list(np.cumsum(([100.0] * 20 + [50_000.0]) * 5))
    plan = ["robot"] * len(fast) + ["human"] * len(slow)
    events = make_events([float(t) for t in fast + slow], account=plan, plan=plan)
    _, sessions = find_sessions(events, cohort="plan")
    assert dict(sessions.group_by("account_id").len().iter_rows()) == {"robot": 6, "human": 6}


def test_a_session_near_the_end_of_the_data_is_open(make_events: Make) -> None:
    _, sessions = find_sessions(make_events([0, 10, 5_000], account=["a", "b", "a"]), gap=1_800)
    assert dict(sessions.select("session_id", "closed").iter_rows()) == {"a#1": True, "b#1": True, "a#2": False}


def test_a_session_beside_a_silence_of_its_source_is_uncertain(make_events: Make) -> None:
    at = [60.0 * i + 36_000 * (i > 100) for i in range(200)]
    accounts = ["early" if i < 20 else "a" for i in range(200)]
    _, sessions = find_sessions(make_events(at, account=accounts), gap=1_800)
    assert dict(sessions.select("session_id", "uncertain").iter_rows()) == {"early#1": False, "a#1": True, "a#2": True}


def test_wrong_calls_are_answered(make_events: Make) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'event_id'"):
        find_sessions(make_events([0]), session_key="evnt_id")
    with pytest.raises(InputError, match="positive"):
        find_sessions(make_events([0]), gap=0)


def test_nothing_in_nothing_out(make_events: Make) -> None:
    cut, sessions = find_sessions(make_events([]))
    assert (cut.height, sessions.height) == (0, 0)
    assert "session_id" in cut.columns


def test_cloudtrail_runs(real_data: Path, make_events: Make) -> None:
    """2,900 in, 2,900 out; shuffled input, same output; the true runs are found again without tuning."""
    raw = pl.read_parquet(real_data / "cloudtrail_stratus" / "events.parquet")
    n = raw.height
    events = make_events(
        [0.0] * n,
        account=raw["principal"].to_list(),
        event=raw["event_name"].to_list(),
        event_id=raw["event_id"].to_list(),
        run=raw["ua"].str.extract(r"stratus-red-team_([0-9a-f-]{36})").to_list(),
    ).with_columns(
        raw["event_time"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC").alias("event_at")
    )
    cut, sessions = find_sessions(events)
    assert n == cut.height == 2_900
    order = cut.select("event_at", "source", "seq", "event_id")
    assert order.equals(order.sort(pl.all()))
    again, sessions_again = find_sessions(events.sample(fraction=1, shuffle=True, seed=7))
    assert again.equals(cut)
    assert sessions_again.equals(sessions)
    known = cut.filter(pl.col("run").is_not_null())
    score = adjusted_rand(known["run"].to_list(), known["session_id"].to_list())
    print(f"adjusted Rand {score:.3f}; {sessions['how'][0]}")
    assert known.height == 1_146
    assert score >= 0.84
    told, _ = find_sessions(known.drop("session_id"), session_key="run")
    # A session is one account's; two of the runs act under two names each.
    assert adjusted_rand(told.select("account_id", "run").rows(), told["session_id"].to_list()) == 1.0
    assert adjusted_rand(told["run"].to_list(), told["session_id"].to_list()) > 0.99
