"""The innocent: who lives with whom, on which lines, with what of their own. Rings dress in the same clothes."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.draft import MAIL_DOMAINS, MAIL_WEIGHTS, table
from toolkit.sources.samples.families.ground import Town, pick_some
from toolkit.sources.samples.families.part import CAST, EVER, Part, hold, join_group
from toolkit.sources.samples.families.places import burst_of_signups
from toolkit.sources.samples.plan import DAY, HOUR
from toolkit.sources.samples.rhythm import PROFILE_INDEX, draw_hours

_LEASES = 12
_ZONES = np.array([-480, -300, -180, 0, 60, 60, 120, 180, 330, 480, 540])


def draw_arrivals(town: Town, rng: Rng, n: int) -> Ints:
    """Sign-ups of ordinary people: some before the window, the rest over it with two crowded days."""
    days = town.ground.days
    daily = np.ones(days - 1)
    daily[[days // 4, (3 * days) // 5]] += (4.0, 2.5)
    day = rng.choice(days - 1, n, p=daily / daily.sum()).astype(np.int64)
    old = rng.random(n) < town.ground.old
    day = np.where(old, -rng.integers(1, 300, n), day)
    hours = draw_hours(rng, np.full(n, PROFILE_INDEX["daily"]))
    return np.asarray(day * DAY + (hours * HOUR).astype(np.int64), dtype=np.int64)


def enlist(town: Town, rng: Rng, acct: Ints, created: Ints) -> pl.DataFrame:
    """The cast rows of ordinary accounts."""
    n = len(acct)
    stay = rng.exponential(town.ground.stay, n) + 0.5 + 30.0 * (rng.random(n) < 0.25)
    until = np.minimum(np.maximum(created, 0) + (stay * DAY).astype(np.int64), town.horizon - 1)
    return table(CAST, n, acct=acct, created=created, until=until, zone=_ZONES[rng.integers(0, len(_ZONES), n)])


def populate(town: Town) -> Part:
    """Everyone who lives here, in households, flats or alone."""
    rng, n = town.stream("people"), town.ground.people
    created = draw_arrivals(town, rng, n)
    guests, at = burst_of_signups(town)
    created[guests] = at
    cast = enlist(town, rng, np.arange(n, dtype=np.int64), created)
    home, sort = _draw_homes(town, rng, n)
    shared, groups = _share_at_home(town, town.stream("homes"), home, sort)
    return Part(cast, pl.concat([settle(town, town.stream("settle"), cast, home), shared]), groups)


def _draw_homes(town: Town, rng: Rng, n: int) -> tuple[Ints, Ints]:
    """Each person's home, and its sort: 0 alone, 1 household, 2 flat."""
    sizes: list[Ints] = []
    sorts: list[Ints] = []
    for code, share, low, weights in (
        (1, town.ground.households, 2, [0.42, 0.28, 0.2, 0.1]),
        (2, town.ground.flats, 3, [0.4, 0.3, 0.2, 0.1]),
    ):
        count = round(n * share / (low + 1))
        sizes.append(low + rng.choice(4, count, p=weights))
        sorts.append(np.full(count, code))
    alone = n - int(sum(part.sum() for part in sizes))
    size: Ints = np.concatenate([*sizes, np.ones(alone, dtype=np.int64)])
    sort_of: Ints = np.concatenate([*sorts, np.zeros(alone, dtype=np.int64)])
    order = rng.permutation(n)
    home: Ints = np.empty(n, dtype=np.int64)
    sort: Ints = np.empty(n, dtype=np.int64)
    home[order], sort[order] = np.repeat(np.arange(len(size)), size), np.repeat(sort_of, size)
    return home, sort


def _share_at_home(town: Town, rng: Rng, home: Ints, sort: Ints) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A household may have one tablet, one card, one phone that several use."""
    ground, family = town.ground, np.flatnonzero(sort == 1)
    homes = int(home.max()) + 1
    shared = []
    for kind, share, joins in (
        ("device", ground.tablet, 0.85),
        ("card", ground.family_card, 0.75),
        ("phone", ground.family_phone, 0.75),
    ):
        has = rng.random(homes) < share
        values = town.mint(rng, kind, homes)
        who = family[has[home[family]] & (rng.random(len(family)) < joins)]
        # A phone that the family shares is the one an account is opened with.
        shared.append(hold(who, kind, values.gather(home[who]), weight=50.0 if kind == "phone" else 0.6))
    names = [f"household/{h}" for h in home[family]]
    flatmates = np.flatnonzero(sort == 2)
    groups = [join_group(family, names, "household")]
    groups.append(join_group(flatmates, [f"flat/{h}" for h in home[flatmates]], "flatshare"))
    return pl.concat(shared), pl.concat(groups)


def settle(town: Town, rng: Rng, cast: pl.DataFrame, home: Ints, without: frozenset[str] = frozenset()) -> pl.DataFrame:
    """What an account has of its own: lines, machines, a card, a phone, texts; ``without`` leaves kinds out."""
    ground, n = town.ground, len(cast)
    acct = cast["acct"].to_numpy()
    mobile, tunnel = pick_some(rng, n, ground.mobile), pick_some(rng, n, ground.vpn)
    mobile, tunnel = (
        np.repeat(mobile, rng.integers(1, 4, len(mobile))),
        np.repeat(tunnel, rng.integers(1, 3, len(tunnel))),
    )
    own = [
        _lease_lines(town, rng, acct, home),
        hold(acct[mobile], "ip", town.draw_egresses(rng, len(mobile)), weight=0.7),
        hold(acct[tunnel], "ip", town.draw_exits(rng, len(tunnel)), weight=0.5),
        hold(acct, "browser_fp", town.draw_hub(rng, town.fingerprints, n)),
        hold(acct, "user_agent", town.draw_hub(rng, town.agents, n)),
        hold(acct, "email_domain", pl.Series(MAIL_DOMAINS).gather(rng.choice(len(MAIL_DOMAINS), n, p=MAIL_WEIGHTS))),
        _own(town, rng, acct, "device", 1.0),
        _own(town, rng, acct, "device", ground.second_device, weight=0.5),
        _own(town, rng, acct, "card", ground.cards),
        _phones(town, rng, acct),
        _texts(town, rng, acct),
        hold(
            acct[(some := pick_some(rng, n, ground.promo_share))],
            "referral",
            town.draw_hub(rng, town.promos, len(some)),
        ),
    ]
    return pl.concat(own).filter(~pl.col("kind").is_in(sorted(without)))


def _own(town: Town, rng: Rng, acct: Ints, kind: str, share: float, weight: float = 1.0) -> pl.DataFrame:
    some = pick_some(rng, len(acct), share)
    return hold(acct[some], kind, town.mint(rng, kind, len(some)), weight=weight)


def _phones(town: Town, rng: Rng, acct: Ints) -> pl.DataFrame:
    """A number of one's own; or one that a public web page lends to anybody."""
    public = rng.random(len(acct)) < town.ground.public_share
    lent = acct[public]
    return pl.concat(
        [
            _own(town, rng, acct[~public], "phone", town.ground.phones),
            hold(lent, "phone", town.draw_hub(rng, town.public_numbers, len(lent), 0.6), why="public_number"),
        ]
    )


def _texts(town: Town, rng: Rng, acct: Ints) -> pl.DataFrame:
    """A text of one's own, and texts that everybody passes on."""
    writers = acct[pick_some(rng, len(acct), town.ground.writers)]
    readers = np.repeat(writers, rng.integers(0, 3, len(writers)))
    return pl.concat(
        [
            _own(town, rng, writers, "prompt_template", 0.5),
            hold(readers, "prompt_template", town.draw_hub(rng, town.virals, len(readers), 0.8)),
        ]
    )


def _lease_lines(town: Town, rng: Rng, acct: Ints, home: Ints) -> pl.DataFrame:
    """The addresses of each home, one lease after the other; a provider gives a free one to the next who asks."""
    lines = int(home.max()) + 1 if len(home) else 0
    ends = np.cumsum(rng.exponential(town.ground.lease_days * DAY, (lines, _LEASES)), axis=1).astype(np.int64)
    starts = np.concatenate([np.full((lines, 1), -EVER), ends[:, :-1]], axis=1)
    ends[:, -1] = EVER
    place = rng.integers(0, len(town.homes), (lines, _LEASES))
    who, lease = np.repeat(np.arange(len(acct)), _LEASES), np.tile(np.arange(_LEASES), len(acct))
    held = starts[home[who], lease] < town.horizon
    who, lease = who[held], lease[held]
    line = home[who]
    addresses = town.homes.gather(place[line, lease])
    return hold(acct[who], "ip", addresses, since=starts[line, lease], until=ends[line, lease])
