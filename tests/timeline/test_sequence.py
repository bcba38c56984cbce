"""Sequences against a plain automaton, and every way that one can end."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.timeline.sequence import Step, find_sequences

Make = Callable[..., pl.DataFrame]
ABC = ["a", "b", "c"]


def walk(rows: list[tuple[str, str, int]], steps: list[str], within: int) -> set[tuple[str, ...]]:
    """EQL's rule, an event at a time: a state keeps the latest path that reached it; an event serves one path."""
    waiting: dict[tuple[str, int], list[tuple[str, int]]] = {}
    found = set()
    for number, (account, verb, at) in enumerate(rows):
        for place in reversed(range(len(steps))):
            if verb != steps[place]:
                continue
            path = [] if place == 0 else waiting.pop((account, place - 1), None)
            if path is None or (path and at - path[0][1] > within):
                continue
            path = [*path, (str(number), at)]
            if place == len(steps) - 1:
                found.add(tuple(name for name, _ in path))
            else:
                waiting[account, place] = path
            break
    return found


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("abc"), st.integers(1, 5)), max_size=25),
    st.sampled_from([["a", "b"], ["a", "b", "c"], ["b", "a", "c"]]),
    st.integers(1, 30),
)
def test_matches_are_those_of_a_plain_automaton(
    make_events: Make, rows: list[tuple[str, str, int]], steps: list[str], within: int
) -> None:
    at, timed = 0, []
    for account, verb, pause in rows:
        at += pause
        timed.append((account, verb, at))
    columns = [list(column) for column in zip(*timed, strict=True)] if timed else [[], [], []]
    events = make_events(columns[2], account=columns[0], event=columns[1], event_id=[str(i) for i in range(len(timed))])
    found = find_sequences(events.sample(fraction=1, shuffle=True, seed=0), steps, within_s=within)
    matched = found.filter(pl.col("status") == "match")["evidence_ids"].to_list()
    assert {tuple(ids) for ids in matched} == walk(timed, steps, within)


@pytest.mark.parametrize(
    ("seconds", "verbs", "asked", "told"),
    [
        ([0, 5, 9], ["a", "b", "c"], {}, [("match", 3)]),
        ([0, 5, 99], ["a", "b", "x"], {}, [("broken", 2)]),  # too late
        ([0, 5, 6], ["a", "b", "x"], {}, [("open", 2)]),  # the window is not over
        ([0, 5, 6, 99], ["a", "b", "ban", "c"], {"until": "ban"}, [("broken", 2)]),
        ([0, 5, 6, 7], ["a", "b", "x", "c"], {"strict": True}, [("open", 2)]),
        ([0, 5, 6, 7], ["a", "x", "b", "c"], {"absent": {0: "x"}}, [("broken", 1)]),
        ([0, 5, 6, 7], ["a", "b", "x", "c"], {"absent": {0: "x"}}, [("match", 3)]),
        (
            [0, 1, 2, 3, 4],
            ["a", "a", "b", "a", "c"],
            {},
            [("match", 3), ("open", 1)],
        ),  # the third waits
        ([0, 1, 2, 50, 51, 52], ["a", "b", "c", "a", "b", "c"], {}, [("match", 3), ("match", 3)]),
    ],
)
def test_how_a_sequence_ends(
    make_events: Make, seconds: list[float], verbs: list[str], asked: dict[str, object], told: list[tuple[str, int]]
) -> None:
    found = find_sequences(make_events(seconds, event=verbs), ABC, within_s=20, **asked)
    assert found.select("status", "steps").rows() == told


@pytest.mark.parametrize(
    ("seconds", "verbs", "told"),
    [
        ([0, 5, 99], ["signup", "verify", "x"], "broken"),
        ([0, 5, 99], ["signup", "x", "x"], "match"),
        ([0, 5, 6], ["signup", "x", "x"], "open"),  # it may still come
    ],
)
def test_what_must_not_come_at_the_end(make_events: Make, seconds: list[float], verbs: list[str], told: str) -> None:
    """A sign-up that is never verified can be told only when the window is over."""
    found = find_sequences(make_events(seconds, event=verbs), ["signup"], within_s=20, absent={0: "verify"})
    assert found["status"].to_list() == [told]


@pytest.mark.parametrize("absent", [None, {0: "verify"}])
def test_a_silent_source_makes_it_unknown(make_events: Make, absent: dict[int, str] | None) -> None:
    """The source says something every minute, falls silent for a day, and goes on: what did not come is not known."""
    steps = ["signup"] if absent else ["signup", "login"]
    seconds = [*range(0, 6_000, 60), *range(92_400, 98_400, 60)]
    events = make_events(seconds, account="other", event_id=[f"o{i}" for i in range(200)])
    one = make_events([5_940], event="signup", event_id=["s"])
    found = find_sequences(pl.concat([events, one]), steps, within_s=3_600, absent=absent)
    assert found.select("account_id", "status", "confidence").rows() == [("a", "unknown", "unknown")]
    fine = find_sequences(pl.concat([events, one]), steps, within_s=30, absent=absent)
    assert fine["status"].to_list() != ["match"]


@pytest.mark.parametrize(("sources", "told"), [(["app", "proxy"], ["match"]), (["app", "app"], [])])
def test_events_of_one_instant(make_events: Make, sources: list[str], told: list[str]) -> None:
    """From two sources they have no order, and fit either way; from one source the order is the source's own."""
    events = make_events([0, 0], event=["b", "a"], source=sources)
    found = find_sequences(events, ["a", "b"], within_s=5).filter(pl.col("status") == "match")
    assert found["status"].to_list() == told
    assert found["order"].to_list() == ["concurrent"] * len(told)


def test_a_step_may_be_any_condition(make_events: Make) -> None:
    events = make_events([0, 5], event=["payment", "chat"], value=[500.0, None])
    large = Step("large payment", (pl.col("event") == "payment") & (pl.col("value") > 100))
    found = find_sequences(events, [large, "chat"], within_s=60)
    assert found.select("status", "evidence_ids").rows() == [("match", ["e0", "e1"])]
    assert '"large payment"' in found["params"].item()


def test_faults_are_said_all_at_once(make_events: Make) -> None:
    with pytest.raises(InputError, match=r"found 1; within_s is 0; want a positive number of seconds"):
        find_sequences(make_events([0]), ["a"], within_s=0)
    assert find_sequences(make_events([]), ABC, within_s=5).is_empty()
