"""When people come: hours of the day by shift, quieter weekends, sign-ups with spikes."""

from __future__ import annotations

import numpy as np

from toolkit.sources.samples.chance import Floats, Ints, Rng
from toolkit.sources.samples.plan import DAY, DAYS, HORIZON, HOUR, MINUTE

# Share of visits per local hour, midnight first. Each row sums to one after scaling.
_DAILY = [2.0, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 11, 11, 10, 10, 11, 13, 14, 12, 8, 4]
_OFFICE = [0.1] * 8 + [3, 10, 12, 12, 8, 10, 12, 12, 10, 8, 4] + [0.5] * 5
_EVENING = [6, 3, 1, 0.3, 0.2, 0.2, 0.5, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 6, 9, 12, 14, 14, 12, 9]
_FLAT = [1.0] * 24
_SHIFT = [0.1] * 9 + [12] * 10 + [0.1] * 5  # 09 to 19 sharp: a crew that clocks in
_SPLIT = [0.1] * 7 + [10] * 4 + [0.3] * 3 + [10] * 4 + [0.1] * 6  # two half-shifts with a long break
PROFILES: dict[str, list[float]] = {
    "daily": _DAILY,
    "office": _OFFICE,
    "evening": _EVENING,
    "flat": _FLAT,
    "shift": _SHIFT,
    "split": _SPLIT,
}
_CUMULATIVE = np.array([np.cumsum(np.array(row) / np.sum(row)) for row in PROFILES.values()])
PROFILE_INDEX = {name: place for place, name in enumerate(PROFILES)}
WEEKEND_KEPT = 0.6


def draw_hours(rng: Rng, profile: Ints) -> Floats:
    """Local times of day in hours, each from its row's profile."""
    u = rng.random(len(profile))
    hour = np.zeros(len(profile), dtype=np.float64)
    for place in np.unique(profile):
        mine = profile == place
        hour[mine] = np.searchsorted(_CUMULATIVE[place], u[mine], side="right").clip(0, 23)
    return hour + rng.random(len(profile))


def draw_visit_times(
    rng: Rng, start: Ints, until: Ints, counts: Ints, zone_minutes: Ints, profile: Ints
) -> tuple[Ints, Ints]:
    """When each account visits, as (row of the account, µs since the start of the window).

    ``start`` to ``until`` bounds each account's life. Days are drawn evenly (weekends partly moved to a weekday), hours
    by profile in the account's own zone.

    Examples
    --------
    >>> from toolkit.sources.samples.chance import open_stream
    >>> one = np.array([1])
    >>> who, at = draw_visit_times(open_stream(0, "doc"), 0 * one, DAY * one, 3 * one, 0 * one, 0 * one)
    >>> who.tolist(), bool((at < DAY).all())
    ([0, 0, 0], True)
    """
    who = np.repeat(np.arange(len(counts)), counts)
    begin = np.maximum(start, 0)[who]
    end = np.minimum(np.maximum(until[who], begin + 10 * MINUTE), HORIZON - 1)
    zone = zone_minutes[who] * MINUTE
    local = begin + zone + (rng.random(len(who)) * (end - begin)).astype(np.int64)
    day = local // DAY
    weekend = day % 7 >= 5
    moved = weekend & (rng.random(len(who)) > WEEKEND_KEPT)
    day = day - moved * rng.integers(2, 5, len(who))
    at = day * DAY + (draw_hours(rng, profile[who]) * HOUR).astype(np.int64) - zone
    # What the hour pushed out of the account's life goes back in by whole days, else anywhere inside it.
    at = np.where(at < begin, at + DAY * ((begin - at) // DAY + 1), at)
    at = np.where(at > end, at - DAY * ((at - end) // DAY + 1), at)
    outside = (at < begin) | (at > end)
    anywhere = begin + (rng.random(len(who)) * (end - begin)).astype(np.int64)
    at = np.where(outside, anywhere, at)
    order = np.lexsort((at, who))
    return who[order], at[order]


def draw_arrivals(rng: Rng, n: int, zone_minutes: Ints, profile: Ints) -> Ints:
    """Sign-up times of ordinary people: steady, rising a little, with two days on which the product went viral."""
    daily = np.linspace(0.8, 1.2, DAYS - 2)
    daily[[18, 19]] += (3.0, 1.5)
    daily[[41, 42]] += (4.0, 2.0)
    day = rng.choice(len(daily), n, p=daily / daily.sum()).astype(np.int64)
    at = day * DAY + (draw_hours(rng, profile) * HOUR).astype(np.int64) - zone_minutes * MINUTE
    return np.asarray(np.clip(at, 1, HORIZON - DAY))
