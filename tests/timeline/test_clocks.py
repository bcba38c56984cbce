"""Clocks: planted offsets and drifts come back; a claim of order is wider than the clocks allow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import TimeFlag
from toolkit.timeline.clocks import Offset, Rule, apply_offset, check_causality, measure_offset

from ..conftest import START

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0


def two_clocks(make_events: Make, ahead: float, drift: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three days of events, seen by two sources; b stands ahead, gains, and jitters by a tenth of a second."""
    rng = np.random.default_rng(4)
    seconds = np.sort(rng.uniform(0, 3 * DAY, 900)).round(3)
    seen = seconds + ahead + drift * seconds / DAY + rng.normal(0, 0.1, 900)
    a = make_events(seconds.tolist(), precision="us")
    return a, make_events(seen.tolist(), source="b", precision="us")


@pytest.mark.parametrize(("ahead", "drift"), [(0.0, 0.0), (-42.0, 0.0), (300.0, 5.0)])
def test_shared_ids_give_offset_and_drift(make_events: Make, ahead: float, drift: float) -> None:
    """Once applied, nothing is left to measure."""
    a, b = two_clocks(make_events, ahead, drift)
    found = measure_offset(a, b)
    middle = (found.at - START).total_seconds() / DAY
    assert found.offset_s == pytest.approx(ahead + drift * middle, abs=0.05)
    assert found.drift_s_per_day == pytest.approx(drift, abs=0.05)
    assert (found.drift_s_per_day == 0) == (drift == 0)
    assert found.spread_s == pytest.approx(0.196, abs=0.03)  # 95 of 100 of a normal jitter of 0.1 s
    set_right = measure_offset(a, apply_offset(b, "b", found))
    assert (set_right.offset_s, set_right.drift_s_per_day) == (pytest.approx(0, abs=0.01), 0)


def test_wrong_pairs_do_not_move_the_median(make_events: Make) -> None:
    """Ids that stand twice pair with nothing; a third of the others paired wrongly changes little."""
    a, b = two_clocks(make_events, 20.0)
    wrong = b.with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.col("event_at") + pl.duration(seconds=200))
        .otherwise("event_at")
    )
    assert measure_offset(a, wrong).offset_s == pytest.approx(20, abs=0.1)
    twice = pl.concat([a, a.with_columns(pl.col("event_at") + pl.duration(seconds=60))])
    with pytest.raises(InputError, match="no shift of the rhythms"):
        measure_offset(twice.filter(pl.col("seq") < 3), b.filter(pl.col("seq") > 800))


def test_without_shared_ids_the_rhythms_tell(make_events: Make) -> None:
    """The second way finds what the first finds, within a bin."""
    a, b = two_clocks(make_events, -77.3)
    nameless = b.with_columns(pl.format("b{}", "event_id").alias("event_id"))
    found = measure_offset(a, nameless)
    assert found.offset_s == pytest.approx(measure_offset(a, b).offset_s, abs=0.1)
    assert found.spread_s == 1.0
    assert found.how.startswith("no shared event_id: peak of the cross-correlation in bins of 1 s")


def test_wrong_calls_are_answered_at_once(make_events: Make) -> None:
    a, b = two_clocks(make_events, 700.0)
    with pytest.raises(InputError, match=r"900 ids are shared.*median is 700"):
        measure_offset(a, b)
    with pytest.raises(InputError, match=r"max_offset_s is 0.*a: no evnt_id \(did you mean 'event_id'.*b: no evnt_id"):
        measure_offset(a, b, on="evnt_id", max_offset_s=0)
    with pytest.raises(UnknownNameError, match="source among these events"):
        apply_offset(a, "ap", 1.0)
    with pytest.raises(InputError, match=r"no column 'key'.*spread app is -1"):
        check_causality(a, [Rule("x", by="key")], spread_s={"app": -1})


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), min_size=1, max_size=10), st.integers(-5, 5))
def test_a_shift_keeps_rows_and_order(make_events: Make, rows: list[tuple[int, str]], by: int) -> None:
    """Rows in, rows out; the order stays total; shifting back gives the times that were."""
    events = make_events([float(t) for t, _ in rows], source=[s for _, s in rows])
    source = rows[0][1]
    moved = apply_offset(events.sample(fraction=1, shuffle=True, seed=1), source, float(by))
    order = moved.select("event_at", "source", "seq", "event_id")
    assert order.equals(order.sort(pl.all()))
    assert ((moved["flags"] == TimeFlag.CLOCK_SHIFTED) == (moved["source"] == source)).all()
    back = apply_offset(moved, source, Offset(float(-by)))
    assert back.sort("event_id")["event_at"].equals(events.sort("event_id")["event_at"])


def test_causes_after_their_effects(make_events: Make) -> None:
    """Of four accounts two break a rule; one rests on an equal instant, one on the precision."""
    events = make_events(
        [0, 10, 0, 10, 5, 5, 0, 30],
        account=["late", "late", "fine", "fine", "tie", "tie", "coarse", "coarse"],
        event=["login", "auth.signup", "signup", "login", "login", "signup", "login", "signup"],
        source=["app", "app", "app", "app", "z", "app", "app", "app"],
        precision=["s"] * 6 + ["min"] * 2,
    )
    found = check_causality(events)
    assert found.select("account_id", "score", "confidence", "n").rows() == [("late", 9.0, "high", 1)]
    assert found["evidence_ids"].to_list() == [["e0", "e1"]]
    assert found.equals(check_causality(events.sample(fraction=1, shuffle=True, seed=3)))


def test_two_clocks_are_allowed_their_spread(make_events: Make) -> None:
    """Three seconds early is an error of one clock, and nothing where two clocks are two seconds uncertain each."""
    rows = make_events([0, 3], event=["login", "signup"], source=["app", "auth"])
    assert check_causality(rows)["confidence"].to_list() == ["moderate"]
    assert check_causality(rows, spread_s=2.0).height == 0
    assert check_causality(rows, spread_s={"app": 1.0, "auth": 1.0}).height == 0
    assert check_causality(rows.with_columns(source=pl.lit("app")), spread_s=9.0)["score"].to_list() == [2.0]
    assumed = rows.with_columns(flags=pl.lit(1, pl.UInt16))
    assert check_causality(assumed)["confidence"].to_list() == ["low"]


def test_a_key_is_made_before_it_is_used(make_events: Make) -> None:
    """By the key, whoever uses it; an appeal needs its ban; without a cause nothing is claimed."""
    events = make_events(
        [0, 60, 70, 80, 90, 5],
        event=["request", "key_create", "request", "appeal", "ban", "request"],
        account=["thief", "owner", "owner", "b", "b", "c"],
        api_key=["k1", "k1", "k1", None, None, "k2"],
    )
    found = check_causality(events)
    assert found.select("account_id", "value", "score").rows() == [("owner", "k1", 59.0), ("b", "b", 9.0)]
    assert found["start_at"][0] == START + timedelta(seconds=0)
    assert check_causality(events.clear()).height == 0
