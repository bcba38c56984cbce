"""Around an event, and what sets a window apart: planted causes rank first, chance ranks nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, ks_2samp

from toolkit.errors import InputError, UnknownNameError
from toolkit.timeline.around import explain_window, show_around

from ..conftest import START

Make = Callable[..., pl.DataFrame]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_around_an_event_and_around_a_time(make_events: Make) -> None:
    """Both edges are inside; an id of two rows has two middles."""
    rows = make_events(
        [0, 5, 10, 10, 20, 31], event_id=["a", "b", "c", "c", "d", "e"], ip=["::1", "::2", "::1", "::1", "::1", "::1"]
    )
    found = show_around(rows, "c", before_s=5, after_s=10)
    assert found.select("event_id", "dt_s", "is_middle").rows() == [
        ("b", -5.0, False), ("c", 0.0, True), ("c", 0.0, True), ("d", 10.0, False),
    ]  # fmt: skip
    assert show_around(rows, "c", before_s=10, after_s=10, by="ip")["event_id"].to_list() == ["a", "c", "c", "d"]
    by_time = show_around(rows.sample(fraction=1, shuffle=True, seed=1), at(10), before_s=5, after_s=10)
    assert by_time.drop("is_middle").equals(found.drop("is_middle"))
    tokyo = at(10).astimezone(ZoneInfo("Asia/Tokyo"))
    assert show_around(rows, tokyo, before_s=5, after_s=10).drop("is_middle").equals(found.drop("is_middle"))


def test_a_window_may_be_told_in_any_zone(make_events: Make) -> None:
    rows = make_events(list(range(20)), ip=["::1"] * 10 + ["::2"] * 10)
    zone = ZoneInfo("Asia/Tokyo")
    told = explain_window(rows, at(0).astimezone(zone), at(10).astimezone(zone))
    assert told.equals(explain_window(rows, at(0), at(10)))
    assert not told.is_empty()


def test_wrong_calls_are_answered_at_once(make_events: Make) -> None:
    rows = make_events([0, 1], ip=[None, "::1"])
    with pytest.raises(InputError, match=r"before_s is -1.*no time zone.*a time has no ip"):
        show_around(rows, datetime(2026, 1, 5), before_s=-1, by="ip")
    with pytest.raises(InputError, match="event e0 has no ip"):
        show_around(rows, "e0", by="ip")
    with pytest.raises(UnknownNameError, match="no event 'x1'"):
        show_around(rows, "x1")
    with pytest.raises(InputError, match=r"before it starts.*max_fields is 0"):
        explain_window(rows, at(1), at(0), max_fields=0)
    with pytest.raises(InputError, match="holds no event"):
        explain_window(rows, at(5), at(9))
    with pytest.raises(InputError, match="holds every event"):
        explain_window(rows, at(0), at(9))


def test_what_was_planted_ranks_first(make_events: Make) -> None:
    """Half of the window's events come from one ip and are larger; country and device are chance alone."""
    rng = np.random.default_rng(2)
    n, inside = 3_000, slice(1_000, 1_300)
    ip = rng.choice(["::1", "::2", "::3"], n)
    ip[inside] = np.where(rng.random(300) < 0.5, "::9", ip[inside])
    value = rng.normal(0, 1, n)
    value[inside] += 1
    columns = {"ip": ip.tolist(), "value": value.tolist(), "country": rng.choice(["DE", "FR"], n).tolist()}
    events = make_events([float(i) for i in range(n)], device=rng.integers(0, 50, n).astype(str).tolist(), **columns)
    found = explain_window(events, at(1_000), at(1_300))
    assert found.select("field", "kind", "value").rows()[:2] == [("ip", "value", "::9"), ("value", "number", None)]
    assert (found["share_in"][0], found["share_out"][0]) == (pytest.approx(0.5, abs=0.08), 0.0)
    assert found["log_lift"][0] > 8
    assert found.filter(pl.col("field").is_in(["country", "device"]))["score"].max() == pytest.approx(0, abs=0.01)
    assert found["ks"][1] == pytest.approx(ks_2samp(value[inside], np.delete(value, np.r_[inside])).statistic, abs=1e-6)
    assert found.equals(explain_window(events.sample(fraction=1, shuffle=True, seed=3), at(1_000), at(1_300)))
    assert set(explain_window(events, at(1_000), at(1_300), max_fields=1)["field"]) == {"ip"}


def test_rare_values_are_counted_together(make_events: Make) -> None:
    """1,500 values that stand once: 1,000 are kept, and no event is lost."""
    events = make_events([float(i) for i in range(1_500)], ip=[f"::{i}" for i in range(1_499)] + [None])
    found = explain_window(events, at(0), at(100)).filter(pl.col("field") == "ip")
    assert found["kind"].value_counts().sort("kind").rows() == [("missing", 1), ("other", 1), ("value", 1_000)]
    assert (found["n_in"].sum(), found["n_out"].sum()) == (100, 1_400)
    assert found.filter(pl.col("kind") == "value")["n_in"].sum() == 100
    assert found.filter(pl.col("kind") == "other").select("n_out", "score").rows() == [(499, 0.0)]


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.booleans()), min_size=2, max_size=20))
def test_shares_and_intervals_are_those_of_the_definition(
    make_events: Make, rows: list[tuple[str | None, bool]]
) -> None:
    """Counted one by one, with the interval from the quantiles of the beta distribution."""
    if len({inside for _, inside in rows}) < 2:
        return
    events = make_events(
        [float(inside) for _, inside in rows], ip=pl.Series([v for v, _ in rows], dtype=pl.String).to_list()
    )
    found = explain_window(events.with_columns(pl.col("ip").cast(pl.String)), at(1), at(2)).filter(
        pl.col("field") == "ip"
    )
    counts = {side: Counter(v for v, inside in rows if inside is side) for side in (True, False)}
    n = counts[True].total()
    for row in found.iter_rows(named=True):
        k = counts[True][row["value"]]
        assert (row["n_in"], row["n_out"]) == (k, counts[False][row["value"]])
        low, high = beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
        assert row["share_in_low"] == pytest.approx(low if k else 0, abs=1e-6)
        assert row["share_in_high"] == pytest.approx(high if k < n else 1, abs=1e-6)
        assert row["share_in_low"] <= row["share_in"] <= row["share_in_high"]
