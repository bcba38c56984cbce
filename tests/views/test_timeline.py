"""Pictures of what happened: small at any size, honest about what they leave out, and nothing hidden by an edge."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import TimeFlag
from toolkit.views.bins import MOST_CELLS, MOST_MARKS
from toolkit.views.blocks import show_chart
from toolkit.views.theme import Picture
from toolkit.views.timeline import draw_density, draw_sessions, draw_swimlanes, draw_synchrony

START = datetime(2026, 1, 5, tzinfo=UTC)


def _events(n: int, accounts: int, days: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    at = START.timestamp() * 1e6 + rng.integers(0, days * 86_400_000_000, n)
    verbs = np.array(["chat", "request", "signup", "payment.auth", "enforcement.ban"])
    return pl.DataFrame(
        {
            "event_at": pl.Series(at.astype(np.int64)).cast(pl.Datetime("us", "UTC")),
            "account_id": np.char.add("acct_", rng.integers(0, accounts, n).astype(str)),
            "event": verbs[rng.choice(5, n, p=[0.5, 0.4, 0.05, 0.04, 0.01])],
            "source": np.array(["app", "api"])[rng.integers(0, 2, n)],
        }
    )


def _marks(spec: dict[str, Any]) -> int:
    """Rows of the data that are drawn: those that are only looked up are no marks."""
    return sum(len(rows) for rows in spec["datasets"].values() if rows and "at" in rows[0])


@pytest.mark.parametrize("n", [200, 1_000_000])
@pytest.mark.parametrize(
    "draw",
    [
        lambda events: draw_swimlanes(events, overview=True),
        lambda events: draw_swimlanes(events, top=1_000, order="busiest"),
        lambda events: draw_density(events),
        lambda events: draw_density(events, by="account_id"),
    ],
    ids=["lanes", "thousand", "verbs", "accounts"],
)
def test_a_million_rows_are_no_larger_than_the_budget(draw: Callable[[pl.DataFrame], Picture], n: int) -> None:
    events = _events(n, accounts=min(n, 5_000))
    drawn = draw(events)
    spec = show_chart(drawn, "x").payload["spec"]
    assert _marks(spec) <= MOST_MARKS
    assert len(json.dumps(spec)) < 1_000_000
    assert drawn.table["n"].sum() <= n
    head = spec if "title" in spec else spec["vconcat"][0]
    assert " ".join(head["title"]["subtitle"]) == drawn.note


def test_lanes_keep_their_order_and_their_emptiness(make_events: Callable[..., pl.DataFrame]) -> None:
    """Rare events are marks of their own; an account without events keeps its lane; seeds bear a star."""
    events = make_events([0, 3_600, 0], account=["a", "a", "b"], event=["signup", "auth.login", "request"])
    drawn = draw_swimlanes(events, ["a", "b", "c"], seeds=["b"])
    spec = drawn.to_dict()
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["a", "b ★", "c"]
    assert drawn.table.select("lane", "n", "mark", "what").rows() == [
        ("a", 1, "sign-up", "signup"),
        ("a", 1, "activity", "auth.login"),
        ("b", 1, "activity", "request"),
    ]
    assert draw_swimlanes(events, top=1, order="busiest").note == (
        "2 of 3 events, the busiest 1 of 2 accounts, in bins of 10 seconds"
    )


def test_calls_that_cannot_be_drawn_are_refused(make_events: Callable[..., pl.DataFrame]) -> None:
    events = make_events([0])
    with pytest.raises(InputError, match="1 to 1,000 lanes can be drawn; found 1,001"):
        draw_swimlanes(events, top=1_001)
    with pytest.raises(InputError, match="none of the 1 lanes"):
        draw_swimlanes(events, ["z"])
    with pytest.raises(UnknownNameError, match="did you mean 'account_id'"):
        draw_swimlanes(events, by="acount_id")
    with pytest.raises(UnknownNameError, match="there are busiest, first_seen"):
        draw_swimlanes(events, order="busy")  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(InputError, match="no events to draw"):
        draw_density(events.head(0))


def test_what_is_left_out_is_said(make_events: Callable[..., pl.DataFrame]) -> None:
    """Impossible times, and a few rows of another year, do not flatten a picture; both are counted."""
    events = make_events([-400 * 86_400, *range(0, 30_000, 300)], flags=[0, int(TimeFlag.OUT_OF_RANGE), *[0] * 99])
    drawn = draw_swimlanes(events)
    assert "1 at impossible times left out" in drawn.note
    assert "1 earlier or later is left out of the picture" in drawn.note
    assert drawn.table["n"].sum() == 99


def test_phases_and_notes_stay_within_the_time_that_is_drawn(make_events: Callable[..., pl.DataFrame]) -> None:
    """Notes bear the numbers of their rows in the story; those too close share a label; enforcement is dashed."""
    events = make_events([0, 500_000, 1_000_000])
    at = [START + timedelta(seconds=s) for s in (-9, 5, 9, 900_000)]
    notes = pl.DataFrame({"at": at, "rule": ["first seen", "x", "enforcement", "last seen"], "text": list("pqrs")})
    phases = pl.DataFrame({"account_id": "a", "phase": "steady", "start_at": [at[0]], "end_at": [at[3]]})
    spec = draw_swimlanes(events, notes=notes, phases=phases).to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows]
    first = int(START.timestamp() * 1_000)
    assert [row["at"] for row in rows if row.get("phase") == "steady"] == [first]
    assert [row["label"] for row in rows if "label" in row] == ["2–3", "4"]
    dashed = [layer for layer in spec["layer"] if layer["mark"].get("strokeDash") == [5, 3]]
    assert [row["said"] for row in spec["datasets"][dashed[0]["data"]["name"]]] == ["r"]


def test_a_silent_source_is_hatched_on_its_row(make_events: Callable[..., pl.DataFrame]) -> None:
    events = make_events([0, 100, 200], source=["app", "api", "app"])
    gap = {"kind": "source_silent", "source": "api", "start_at": START, "end_at": START + timedelta(days=9)}
    gaps = pl.DataFrame([gap, gap | {"source": "gone"}])
    for by, silent in (("source", [(1, "api")]), ("event", [(None, "api"), (None, "gone")])):
        rows = [r for rows in draw_density(events, by=by, gaps=gaps).to_dict()["datasets"].values() for r in rows]
        assert sorted((row.get("l"), row["said"]) for row in rows if "said" in row) == silent
        assert max(row["end"] for row in rows if "said" in row) == int(START.timestamp() * 1_000) + 200_000


def test_too_many_sessions_become_fewer_bars() -> None:
    """What cannot be told apart is one bar, never a bar less; the last one says whether it was still open."""
    n = 9_000
    start = pl.Series([START + timedelta(minutes=2 * i) for i in range(n)])
    rows = {"account_id": ["a"] * n, "start_at": start, "n": [1] * n, "uncertain": [False] * n}
    sessions = pl.DataFrame(rows | {"closed": [True] * (n - 1) + [False]})
    drawn = draw_sessions(sessions.with_columns(end_at=pl.col("start_at") + timedelta(seconds=30)))
    assert drawn.table["sessions"].sum() == n
    assert drawn.table.height <= MOST_CELLS
    assert "sessions less than 2 minutes apart are one bar" in drawn.note
    assert drawn.table["closed"].to_list()[-1] is False


def test_pairs_are_drawn_strongest_first() -> None:
    at = [START + timedelta(seconds=s) for s in range(4)]
    events = pl.DataFrame({"account_id": list("abcd"), "event_at": at, "event": "share", "event_id": list("1234")})
    pairs = pl.DataFrame(
        {
            "account_a": ["a", "c"], "account_b": ["b", "d"], "objects": [2, 5], "q": [0.2, 0.01],
            "evidence_ids": [["1", "2"], ["3", "4"]],
        }
    )  # fmt: skip
    assert draw_synchrony(pairs, events).table["pair"].to_list() == ["c · d", "c · d", "a · b", "a · b"]
    assert draw_synchrony(pairs, events, top=1).note == (
        "the strongest 1 of 2 pairs; the first and the last ten acts of each"
    )
    with pytest.raises(InputError, match="no pair"):
        draw_synchrony(pairs, events.with_columns(event_id=pl.lit("z")))
