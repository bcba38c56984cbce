"""Effects of actions: planted ones are measured, chance ones are not, and who came back is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.timeline.effect import measure_effect

from ..conftest import START

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def actions_on(*rows: tuple[str, float, str], **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["account_id", "day", "action"], orient="row")
    at = pl.lit(START) + pl.duration(seconds=pl.col("day") * DAY)
    return frame.with_columns(at.cast(pl.Datetime("us", "UTC")).alias("at"), **columns)


def world(make_events: Make, factor: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """60 accounts of ten clusters for 30 days; everybody doubles at day 15, and 20 are warned, which changes them."""
    rng = np.random.default_rng(seed)
    at, who = [], []
    for k in range(60):
        for start, rate in ((0, 2.0), (15, 4.0 * (factor if k < 20 else 1.0))):
            n = rng.poisson(15 * rate * rng.gamma(20, 1 / 20))
            at += rng.uniform(start * DAY, (start + 15) * DAY, n).tolist()
            who += [f"a{k:02}"] * n
    warned = actions_on(*((f"a{k:02}", 15.0, "warn") for k in range(20)))
    clusters = pl.Series("cluster_id", [f"c{k // 4}" for k in range(20)])
    return make_events(at, account=who), warned.with_columns(clusters)


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.0])
def test_the_planted_effect_is_measured_against_everybody_else(make_events: Make, factor: float) -> None:
    """Activity doubled for all: only what is beyond that is the action's, and 95 of 100 intervals hold it."""
    found = pl.concat([measure_effect(*world(make_events, factor, seed)).overall for seed in range(20)])
    assert found["ratio"].log().mean() == pytest.approx(np.log(factor), abs=0.05)
    held = (found["ratio_low"] < factor) & (factor < found["ratio_high"])
    assert held.sum() >= 17  # of 20; fewer come of 95 % in one of 400 runs
    assert found.select("n", "n_compared", "clusters").unique().row(0) == (20, 20, 5)
    assert factor == 1 or not ((found["ratio_low"] < 1) & (found["ratio_high"] > 1)).any()


def test_counts_are_those_of_a_plain_filter(make_events: Make) -> None:
    """Before is half open at the action, after is closed there; shuffled rows give the same."""
    events, warned = world(make_events, 0.5, 2)
    found = measure_effect(events, warned, pre_days=3, post_days=5)
    for row in found.actions.iter_rows(named=True):
        at = events.filter(pl.col("account_id") == row["account_id"])["event_at"]
        assert row["n_before"] == at.is_between(day(12), day(15), closed="left").sum()
        assert row["n_after"] == at.is_between(day(15), day(20), closed="left").sum()
    shuffled = measure_effect(
        events.sample(fraction=1, shuffle=True, seed=1), warned.reverse(), pre_days=3, post_days=5
    )
    assert shuffled.overall.equals(found.overall)
    assert shuffled.actions.drop("evidence_ids").equals(found.actions.drop("evidence_ids"))


def test_who_stops_who_goes_on_and_what_is_cut_off(make_events: Make) -> None:
    """One stops after two hours, one goes on, one is acted on at the end of the data, one is acted on twice."""
    days = np.arange(0, 30, 0.25) * DAY
    stops = [*days[days < 15 * DAY].tolist(), 15 * DAY + 7_200]
    parts = [make_events(stops, account="stops")]
    parts += [make_events(days.tolist(), account=who) for who in ("goes on", "late", "twice", "free")]
    bans = make_events([15 * DAY], account="stops", event="enforcement.ban", source="staff", event_id="ban")
    given = actions_on(
        ("stops", 15, "ban"), ("goes on", 15, "ban"), ("late", 29, "ban"), ("twice", 10, "ban"), ("twice", 12, "ban")
    )
    found = measure_effect(pl.concat([*parts, bans]), given)
    rows = {(r["account_id"], (r["start_at"] - START).days): r for r in found.actions.iter_rows(named=True)}
    assert (rows["stops", 15]["stop_s"], rows["stops", 15]["survived"], rows["stops", 15]["n_after"]) == (
        7_200,
        False,
        1,
    )
    assert (rows["goes on", 15]["stop_s"], rows["goes on", 15]["survived"]) == (None, True)
    assert [key for key, row in rows.items() if row["censored"]] == [("late", 29)]
    assert [key for key, row in rows.items() if row["overlaps"]] == [("twice", 10), ("twice", 12)]
    assert found.overall.select("n", "accounts", "n_censored", "n_survived").row(0) == (5, 4, 1, 4)
    assert "where the data end" in rows["late", 29]["why"]


def test_a_silent_source_makes_it_unknown(make_events: Make) -> None:
    """The account did not stop: nobody was listening. It is not counted among those that are compared."""
    days = np.arange(0, 40, 0.02) * DAY
    heard = days[(days < 20 * DAY) | (days > 26 * DAY)].tolist()
    events = pl.concat([make_events(heard, account=who) for who in ("a", "b", "c")])
    found = measure_effect(events, actions_on(("a", 20, "ban"), ("b", 3, "ban")), post_days=5)
    assert found.actions.select("account_id", "confidence").rows() == [("b", "moderate"), ("a", "unknown")]
    assert found.overall.select("n_unknown", "n_compared").row(0) == (1, 1)
    other = make_events(days.tolist(), account="other", source="web")
    told = measure_effect(pl.concat([events, other]), actions_on(("other", 20, "ban")), post_days=5).actions
    assert told.select("confidence", "n_controls").rows() == [("low", 0)]


def test_who_came_back(make_events: Make) -> None:
    """A signup in time that shares a device is named; one too early, too late, or of a value that many hold is not."""
    rows = [
        ("banned", 0, "signup", "d1", "DE"), ("banned", 9, "chat", "d2", "DE"),
        ("again", 11, "auth.signup", "d2", "DE"), ("again", 12, "chat", "d1", "DE"),
        ("before", 5, "signup", "d1", "DE"), ("late", 29, "signup", "d1", "DE"), ("stranger", 12, "signup", "d9", "DE"),
    ]  # fmt: skip
    events = make_events(
        [d * DAY for _, d, *_ in rows], account=[r[0] for r in rows], event=[r[2] for r in rows],
        device=[r[3] for r in rows], country=[r[4] for r in rows],
    )  # fmt: skip
    found = measure_effect(events, actions_on(("banned", 10, "ban")), max_holders=4).returns
    assert found.select("account_id", "of_account", "shared", "delay_s", "confidence").rows() == [
        ("again", "banned", ["device=d1", "device=d2"], DAY, "low")
    ]
    assert found["score"].to_list() == [pytest.approx(np.log2(5 / 2))]
    assert found["evidence_ids"].to_list() == [["e1", "e2"]]
    assert measure_effect(events, actions_on(("banned", 10, "ban")), indicators=["country"]).returns.height == 2


def test_wrong_calls_are_answered_at_once(make_events: Make) -> None:
    events = make_events([0, DAY])
    naive = (
        actions_on(("a", 1, "ban")).with_columns(pl.col("at").dt.replace_time_zone(None)).rename({"action": "acton"})
    )
    with pytest.raises(
        InputError, match=r"no action \(did you.*at is not a time with a zone.*pre_days is 0.*no indicator 'ip'"
    ):
        measure_effect(events, naive, pre_days=0, indicators=["ip"])
    nothing = measure_effect(events, actions_on(("a", 1, "ban")).clear())
    assert (nothing.actions.height, nothing.overall.height, nothing.returns.height) == (0, 0, 0)
    idle = measure_effect(events, actions_on(("a", 0.5, "ban")), activity=["none"]).actions
    assert idle.select("n_before", "n_after", "survived").rows() == [(0, 0, False)]
    unseen = measure_effect(events, actions_on(("nobody", 0.5, "ban"), ("a", 99, "ban")))
    assert unseen.actions.select("account_id", "n_after", "confidence").rows() == [
        ("nobody", 0, "low"),
        ("a", 0, "unknown"),
    ]
