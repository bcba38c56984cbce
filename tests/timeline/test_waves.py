"""Waves of creation: a ring's has something in common, a viral day has not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.timeline.waves import find_waves

Make = Callable[..., pl.DataFrame]
DAY = 86_400.0


def signups(make_events: Make, *waves: tuple[float, int, str | None], seed: int = 0) -> pl.DataFrame:
    """Two thousand sign-ups over thirty days, and waves: day, how many in five minutes, a device if they share one."""
    luck = np.random.default_rng(seed)
    seconds = luck.uniform(0, 30 * DAY, 2_000).tolist()
    devices: list[str | None] = [f"d{i}" for i in range(2_000)]
    for day, n, device in waves:
        seconds += (day * DAY + luck.uniform(0, 300, n)).tolist()
        devices += [device or f"w{day}-{i}" for i in range(n)]
    accounts = [f"a{i:05}" for i in range(len(seconds))]
    countries = luck.choice(["us", "de", "in"], len(seconds)).tolist()
    return make_events(seconds, account=accounts, event="signup", device=devices, country=countries)


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_and_a_viral_minute(make_events: Make, seed: int) -> None:
    events = signups(make_events, (10, 40, "farm"), (20, 60, None), seed=seed)
    found = find_waves(events.sample(fraction=1, shuffle=True, seed=seed), weekly=False)
    assert found["confidence"].to_list() == ["moderate", "low"]
    ring, viral = found["common"].to_list()
    assert [(row["column"], row["value"], row["held"]) for row in ring] == [("device", "farm", 40)]
    assert viral == []
    assert found["n"].to_list() == pytest.approx([40, 60], abs=3)
    assert set(found["accounts"][0]) >= {f"a{i:05}" for i in range(2_000, 2_040)}


def test_a_steady_stream_has_none(make_events: Make) -> None:
    assert find_waves(signups(make_events)).is_empty()
    assert find_waves(make_events([])).is_empty()


def test_keys_and_accounts_are_two_streams(make_events: Make) -> None:
    keys = signups(make_events, (5, 40, "farm"), seed=1).with_columns(event=pl.lit("key_create"))
    both = pl.concat([keys, signups(make_events, seed=2).with_columns(event_id=pl.format("s{}", "event_id"))])
    assert find_waves(both, weekly=False)["verb"].to_list() == ["key_create"]
    with pytest.raises(InputError, match="at least one verb"):
        find_waves(both, on=())
