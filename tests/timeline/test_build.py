"""One timeline: every event once, in one order, whatever order the rows came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ContractError, InputError, UnknownNameError
from toolkit.timeline.build import build_timeline, put_in_order

from .conftest import START

Make = Callable[..., pl.DataFrame]


def test_two_sources_become_one_order(make_events: Make) -> None:
    """Equal instants stand in order of source; a column that one source lacks is null there."""
    app = make_events([0, 2], ip=["::1", "::2"])
    proxy = make_events([1, 2], source="proxy", event_id=["p0", "p1"])
    merged = build_timeline(proxy, app)
    assert merged.select("source", "seq", "ip").rows() == [
        ("app", 0, "::1"), ("proxy", 0, None), ("app", 1, "::2"), ("proxy", 1, None),
    ]  # fmt: skip


def test_an_event_that_two_sources_report_is_one_event(make_events: Make) -> None:
    app, proxy = make_events([0, 2]), make_events([0, 2], source="proxy")
    assert build_timeline(app, proxy)["source"].to_list() == ["app", "app"]
    assert build_timeline(app, proxy, dedup="none").height == 4


def test_one_id_on_another_account_or_verb_is_another_event(make_events: Make) -> None:
    rows = make_events([0, 0, 0], event_id="r1", account=["a", "a", "b"], event=["request", "content", "request"])
    assert build_timeline(rows).height == 3


def test_content_duplicates_have_other_ids(make_events: Make) -> None:
    again = make_events([0, 0, 1], event_id=["1", "2", "3"])
    assert build_timeline(again).height == 3
    assert build_timeline(again, dedup="content").height == 2


def test_the_window_is_closed_at_the_start_and_open_at_the_end(make_events: Make) -> None:
    rows = make_events([0, 1, 2, 3], account=["a", "a", "b", "a"])
    cut = build_timeline(
        rows, start=START + timedelta(seconds=1), end=START + timedelta(seconds=3), accounts=["a", "zz"]
    )
    assert cut["event_id"].to_list() == ["e1"]
    assert build_timeline(rows, accounts=["nobody"]).height == 0
    assert build_timeline().height == 0


def test_wrong_calls_are_answered(make_events: Make) -> None:
    rows = make_events([0])
    with pytest.raises(InputError, match="no time zone"):
        build_timeline(rows, start=datetime(2026, 1, 5))
    with pytest.raises(InputError, match="before it starts"):
        build_timeline(rows, start=START, end=START)
    with pytest.raises(UnknownNameError, match="did you mean 'id'"):
        build_timeline(rows, dedup="ids")  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="event_at"):
        build_timeline(rows.drop("event_at"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 2)), max_size=12), st.randoms())
def test_the_order_is_total(make_events: Make, rows: list[tuple[int, str, int]], random: object) -> None:
    """Shuffled rows, full of ties, come out as the slow sort over every key puts them."""
    frame = make_events(
        [float(t) for t, _, _ in rows], source=[s for _, s, _ in rows], seq=[q for _, _, q in rows]
    ) if rows else make_events([])  # fmt: skip
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 99))  # type: ignore[attr-defined]
    slow = frame.sort("event_at", "source", "seq", "event_id", "raw_ref")
    assert put_in_order(shuffled).equals(slow)
    assert build_timeline(shuffled).equals(slow)
