"""Key events: rules by weight, pins that never fall out, and text that cannot mark anything up."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.timeline.bursts import find_bursts
from toolkit.timeline.phases import find_phases
from toolkit.timeline.story import annotate, find_key_events, tell_story

Make = Callable[..., pl.DataFrame]
HOUR = 3_600.0


def life(make_events: Make) -> pl.DataFrame:
    """Signup, four days of hourly chat, a burst on the third day, a ban at the end; somebody else beside it."""
    seconds = [0.0, *[h * HOUR for h in range(1, 96)], *[60.2 * HOUR + s for s in range(40)], 97 * HOUR]
    verbs = ["signup", *["chat"] * 135, "enforcement.ban"]
    other = make_events([5.0, 90 * HOUR], account="b", event_id=["b0", "b1"])
    return pl.concat([make_events(seconds, event=verbs), other])


def test_rules_choose_and_time_orders(make_events: Make) -> None:
    events = life(make_events)
    key = find_key_events(events, find_bursts(events), find_phases(events), accounts=["a"])
    rules = key["rule"].to_list()
    assert {"first seen", "enforcement", "burst", "phase"} <= set(rules)
    assert key["at"].is_sorted()
    assert key["event_id"].filter(key["event_id"] != "").is_unique().all()  # an event is told once
    assert set(key["account_id"]) == {"a"}
    burst = key.filter(pl.col("rule") == "burst").row(0, named=True)
    assert (burst["source"], burst["precision"], burst["confidence"]) == ("app", "s", "high")


@pytest.mark.parametrize("limit", [1, 3, 25])
def test_pins_never_fall_out(make_events: Make, limit: int) -> None:
    """Two notes stay whatever the limit, and the rest shares what is left."""
    notes = pl.DataFrame({"event_id": ["e7", "e9", "e7"], "note": ["look here", "and here", "again"]})
    noted = annotate(life(make_events), notes)
    key = find_key_events(noted, limit=limit)
    assert key.filter(pl.col("rule") == "note")["text"].to_list() == ["chat: look here; again", "chat: and here"]
    assert key.height == min(max(limit, 2), 2 + 4)  # first and last of b, first of a, and the ban


def test_one_rule_does_not_crowd_out_the_others(make_events: Make) -> None:
    """Forty accounts, each seen first once: the bans still have their place."""
    many = make_events(list(range(40)), account=[f"x{i:02}" for i in range(40)], event_id=[f"x{i}" for i in range(40)])
    bans = make_events([50, 51], account=["x00", "x01"], event="enforcement.ban", event_id=["y0", "y1"])
    key = find_key_events(pl.concat([many, bans]), limit=10)
    assert key.filter(pl.col("rule") == "enforcement").height == 2
    assert key.height == 10


def test_a_source_that_fell_silent_is_told(make_events: Make) -> None:
    seconds = [*range(0, 6_000, 60), *range(92_400, 98_400, 60)]
    silence = find_key_events(make_events(seconds)).filter(pl.col("rule") == "silence").row(0, named=True)
    assert (silence["event_id"], silence["text"]) == ("", "app said nothing for 24.0 hours")


def test_hostile_words_stay_words(make_events: Make) -> None:
    """Markdown, markup and hidden characters in ids, verbs and notes come out as text."""
    events = make_events([0, 1], account="`a`<b>", event=["[x](http://evil)", "chat"], event_id=["e`1", "e2\u202e"])
    noted = annotate(events, pl.DataFrame({"event_id": ["e2\u202e"], "note": ["<script>*!"]}))
    told = tell_story(find_key_events(noted))
    assert "\u202e" not in told
    assert r"\<script\>\*\!" in told
    assert r"\[x\](http://evil)" in told
    assert told.count("`") % 2 == 0


def test_faults_are_said(make_events: Make) -> None:
    with pytest.raises(InputError, match="2 notes are about events that are not in this timeline: nope, other"):
        annotate(make_events([0]), pl.DataFrame({"event_id": ["other", "nope", "e0"], "note": ["x", "y", "z"]}))
    with pytest.raises(InputError, match="want 1 or more"):
        find_key_events(make_events([0]), limit=0)
    assert find_key_events(make_events([])).is_empty()
