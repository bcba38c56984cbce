"""One timeline: every event once, in one order, whatever order the rows came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ContractError, InputError, UnknownNameError
from toolkit.timeline.build import build_timeline, put_in_order

from ..conftest import START

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


def test_what_two_sources_saw_within_a_second_is_one_event(make_events: Make) -> None:
    """The first stands and says who saw it; what one source says twice happened twice; other content stands apart."""
    app = make_events([0, 0.4, 5], value=1.0)
    proxy = make_events([0.3, 0.9, 7], value=[1.0, 1.0, 1.0], source="proxy", event_id=["p0", "p1", "p2"])
    merged = build_timeline(app, proxy, dedup="near")
    assert merged.select("event_id", "sources").rows() == [
        ("e0", ["app", "proxy"]), ("e1", ["app", "proxy"]), ("e2", ["app"]), ("p2", ["proxy"]),
    ]  # fmt: skip
    assert build_timeline(app, proxy, dedup="near", near_s=2)["sources"].list.len().to_list() == [2, 2, 2]
    assert build_timeline(app, proxy.with_columns(value=pl.lit(2.0)), dedup="near").height == 6
    assert build_timeline(make_events([]), dedup="near").columns[-1] == "sources"


def test_the_window_is_closed_at_the_start_and_open_at_the_end(make_events: Make) -> None:
    rows = make_events([0, 1, 2, 3], account=["a", "a", "b", "a"])
    cut = build_timeline(
        rows, start=START + timedelta(seconds=1), end=START + timedelta(seconds=3), accounts=["a", "zz"]
    )
    assert cut["event_id"].to_list() == ["e1"]
    tokyo = (START + timedelta(seconds=1)).astimezone(ZoneInfo("Asia/Tokyo"))
    assert build_timeline(rows, start=tokyo, end=tokyo + timedelta(seconds=2))["event_id"].to_list() == ["e1", "e2"]
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
    with pytest.raises(InputError, match="near_s is -1"):
        build_timeline(rows, near_s=-1)
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


ROWS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc"), st.sampled_from(["chat", "login"])), max_size=14)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 3), st.integers(0, 99))
def test_near_rows_are_counted_once_and_none_is_lost(
    make_events: Make, rows: list[tuple[int, str, str]], near: int, seed: int
) -> None:
    """Rows kept and rows joined are the rows that came; done twice is done once; a plain loop agrees."""
    events = make_events(
        [float(t) for t, _, _ in rows], source=[s for _, s, _ in rows], event=[e for _, _, e in rows]
    ) if rows else make_events([])  # fmt: skip
    merged = build_timeline(events.sample(fraction=1, shuffle=True, seed=seed), dedup="near", near_s=near)
    assert merged["sources"].list.len().sum() == len(rows)
    assert merged.equals(put_in_order(merged))
    assert merged.equals(build_timeline(merged, dedup="near", near_s=near))
    plain: list[tuple[int, str, list[str]]] = []
    for t, source, _, event in sorted((t, s, i, e) for i, (t, s, e) in enumerate(rows)):
        free = [who for at, what, who in plain if what == event and t - at <= near and source not in who]
        free[0].append(source) if free else plain.append((t, event, [source]))
    assert merged["sources"].to_list() == [sorted(who) for _, _, who in plain]
