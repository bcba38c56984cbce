"""Hours in the reader's zone, and activity laid at the day of the action, against plain counting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.views.rhythm import draw_effect, draw_hours

START = datetime(2026, 1, 5, tzinfo=UTC)


@given(st.lists(st.integers(0, 400 * 86_400), min_size=1), st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))
def test_hours_are_those_of_the_clock_on_the_wall(seconds: list[int], zone: str) -> None:
    """Summer time included; every hour of the week is there."""
    at = [START + timedelta(seconds=s) for s in seconds]
    table = draw_hours(pl.DataFrame({"event_at": at}), zone=zone).table
    assert table.height == 7 * 24
    plain = [(a.astimezone(ZoneInfo(zone)).strftime("%a"), a.astimezone(ZoneInfo(zone)).hour) for a in at]
    assert all(n == plain.count((day, hour)) for day, hour, n in table.rows())


def test_zones_stand_below_the_hours() -> None:
    hours = pl.DataFrame({"zones": [["UTC+01:00", "UTC+01:30"], ["UTC+01:00"], []]})
    drawn = draw_hours(pl.DataFrame({"event_at": [START]}), active_hours=hours)
    shares = {
        row["zone"]: row["share"] for rows in drawn.to_dict()["datasets"].values() for row in rows if "zone" in row
    }
    assert (shares["UTC+01:00"], shares["UTC+01:30"], shares["UTC-05:00"], len(shares)) == (1.0, 0.5, 0.0, 48)
    assert drawn.note.endswith("zones as 2 accounts allow them")
    with pytest.raises(UnknownNameError, match="did you mean 'Europe/Berlin'"):
        draw_hours(pl.DataFrame({"event_at": [START]}), zone="Europe/Berln")
    with pytest.raises(InputError, match="no events"):
        draw_hours(pl.DataFrame({"event_at": [START]}).head(0))


@pytest.mark.parametrize(("own", "others"), [(4, 2), (0, 1)])
def test_every_account_lies_at_its_own_action(make_events: Callable[..., pl.DataFrame], own: int, others: int) -> None:
    """Accounts act so often a day until their action; controls go on. The action itself is no activity."""
    acted = {"a": 10, "b": 13}
    seconds = [(w, d * 86_400 + i) for w, last in acted.items() for d in range(last) for i in range(own)]
    seconds += [(w, d * 86_400 + i) for w in "yz" for d in range(25) for i in range(others)]
    seconds += [(w, d * 86_400) for w, d in acted.items()]
    verbs = ["chat"] * (len(seconds) - 2) + ["enforcement.ban"] * 2
    events = make_events([s for _, s in seconds], account=[w for w, _ in seconds], event=verbs)
    actions = pl.DataFrame({"account_id": list(acted), "at": [START + timedelta(days=d) for d in acted.values()]})
    table = draw_effect(events, actions, pre_days=3, post_days=3).table
    assert table.rows() == [("acted on", d, float(own) if d < 0 else 0.0, 2) for d in range(-3, 3)] + [
        ("controls", d, float(others), 2) for d in range(-3, 3)
    ]


def test_days_outside_the_data_are_not_quiet_days(make_events: Callable[..., pl.DataFrame]) -> None:
    events = make_events([86_400 * d for d in range(6)], account=["a", "b"] * 3)
    actions = pl.DataFrame({"account_id": ["a"], "at": [START + timedelta(days=3)]})
    drawn = draw_effect(events, actions, pre_days=9, post_days=9)
    assert drawn.table["day"].unique().sort().to_list() == [-3, -2, -1, 0, 1]
    assert "days that the data do not cover are left out" in drawn.note
    with pytest.raises(InputError, match="no whole day"):
        draw_effect(events, actions.with_columns(pl.col("at") + timedelta(days=99)))
