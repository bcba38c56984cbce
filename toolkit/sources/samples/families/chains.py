"""Chains and trees: each account hands something to the next, and to nobody else.

One edge is a referral code, one a machine, one a card. Whoever looks at pairs sees friends; only the path is long.
Friends refer friends here too, and a few promotion codes are used by hundreds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.families.books import Book
from toolkit.sources.samples.families.build import AUTH, BOOKS, Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import Part, hold, join_group
from toolkit.sources.samples.families.ring import Muster, Ring
from toolkit.sources.samples.plan import DAY

_CODES = Book(
    "referral_codes",
    {"code": "own_code"},
    pins=("own_code",),
    again=0.0,
    time="made_at",
    row_id="code_id",
    means={"own_code": "referral"},
)
# Size, shape, chances of a referral, a machine or a card on an edge, difficulty.
_RINGS = (
    (8, "chain", (0.2, 0.5, 0.3), 4),
    (9, "tree", (0.6, 0.3, 0.1), 3),
    (12, "batches", (0.3, 0.4, 0.3), 3),
    (14, "chain", (0.0, 0.6, 0.4), 4),
    (17, "tree", (0.5, 0.25, 0.25), 4),
    (20, "chain", (0.35, 0.35, 0.3), 4),
    (24, "batches", (0.1, 0.6, 0.3), 3),
    (29, "tree", (0.4, 0.4, 0.2), 4),
    (35, "chain", (0.1, 0.5, 0.4), 5),
    (42, "tree", (0.7, 0.2, 0.1), 4),
    (50, "batches", (0.3, 0.3, 0.4), 4),
    (58, "chain", (0.3, 0.4, 0.3), 4),
    (68, "tree", (0.3, 0.4, 0.3), 4),
    (80, "batches", (0.4, 0.4, 0.2), 3),
)
_KINDS = ("referral", "device", "card")
_PAST_THE_NEXT = 0.25  # of the machines and cards handed on: how many go one further
_TWICE = 0.25  # of the edges: how many hold by two things


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    yield _refer_friends(town, crowd)
    for usual, shape, odds, difficulty in _RINGS[1::3] if town.small else _RINGS:
        ring = muster.call(muster.size(usual), f"referral_{shape}", difficulty)
        first = ring.rng.uniform(0.02, 0.4)
        ring.open_between(first, first + ring.rng.uniform(0.2, 0.55))
        ring.dress("card", "referral")
        ring.own("card", 0.3)
        parent = _draw_parents(ring.rng, ring.n, shape)
        _hand_on(ring, parent, odds)
        _slip(ring)
        yield ring.finish()


def _draw_parents(rng: Rng, n: int, shape: str) -> Ints:
    """Who each account has its start from: the last one, any recent one, or the helper of its batch."""
    place = np.arange(n)
    if shape == "chain":
        return place - 1
    if shape == "tree":
        slots = np.repeat(place, rng.integers(1, 5, n))  # an account refers one to four
        return np.concatenate([[-1], slots[: n - 1]])
    width = int(rng.integers(4, 8))
    helper = place // width * width
    return np.where(place == helper, helper - 1, helper)


def _hand_on(ring: Ring, parent: Ints, odds: tuple[float, float, float]) -> None:
    """Each edge holds by one thing, some by two; what is handed on may go one further."""
    child = np.flatnonzero(parent >= 0)
    first = ring.rng.choice(3, len(child), p=odds)
    second = np.where(ring.rng.random(len(child)) < _TWICE, (first + ring.rng.integers(1, 3, len(child))) % 3, first)
    codes = ring.mint("referral", ring.n)
    for place, kind in enumerate(_KINDS):
        edge = child[(first == place) | (second == place)]
        if kind == "referral":
            referrers = np.unique(parent[edge])
            ring.give(referrers, "own_code", codes.gather(referrers))
            ring.give(edge, "referral", codes.gather(parent[edge]))
            continue
        values = ring.mint(kind, len(edge))
        started = ring.created[edge]
        ring.give(parent[edge], kind, values, until=started + 12 * DAY)
        ring.give(edge, kind, values, since=started, until=started + 5 * DAY, weight=1.5)
        further = np.flatnonzero((ring.rng.random(len(edge)) < _PAST_THE_NEXT) & (parent[parent[edge]] >= 0))
        ring.give(parent[parent[edge[further]]], kind, values.gather(further), weight=0.6)


def _slip(ring: Ring) -> None:
    """The mistake: the first and a much later account share one address for a day."""
    late = int(ring.rng.integers(ring.n // 2, ring.n))
    ring.give([0, late], "ip", ring.town.draw_homes(ring.rng, 1)[0], weight=0.4)


def _refer_friends(town: Town, crowd: Part) -> Part:
    """Honest chains of three to ten friends, and single pairs; each one's code is used by one or two others."""
    rng = town.stream("friends")
    fresh = crowd.cast.filter(pl.col("created") > 0).sort("created", "acct")["acct"].to_numpy()
    held, groups = [], []
    codes = iter(town.mint(rng, "referral", len(fresh)))
    chains = 12 if town.small else 110
    starts = np.sort(rng.choice(len(fresh) * 9 // 10, chains, replace=False))
    taken: set[int] = set()
    for number, start in enumerate(starts.tolist()):
        size = int(rng.choice([2, 3, 4, 6, 10], p=[0.4, 0.25, 0.2, 0.1, 0.05]))
        # A friend joins some sign-ups later than the one who told of it.
        steps = start + np.cumsum(rng.integers(1, 30, size)) - 1
        friends = [int(a) for a in fresh[steps[steps < len(fresh)]] if int(a) not in taken]
        taken.update(friends)
        for place in range(1, len(friends)):
            teller = friends[max(place - int(rng.integers(1, 3)), 0)]
            code = next(codes)
            held.append(hold([teller], "own_code", code))
            held.append(hold([friends[place]], "referral", code, weight=200.0))
        if len(friends) > 1:
            groups.append(join_group(friends, f"friends/{number}", "friends"))
    idle = rng.choice(fresh, len(fresh) // 4, replace=False)
    held.append(hold(idle, "own_code", town.mint(rng, "referral", len(idle))))
    return Part(holdings=pl.concat(held), groups=pl.concat(groups))


FAMILY = Family(
    name="chains",
    about="Rings in which each account hands a code, a machine or a card to the next and to nobody else.",
    letter="C",
    plant=_plant,
    ground=Ground(
        people=6_900, days=80, promos=7, promo_share=0.24, households=0.15, orgs=16, egresses=10, mobile=0.45,
        lease_days=9.0, reuse=1.8, recycled_phones=60, resold_devices=60, prefix="member",
    ),
    books=(*(replace(book, missing={"device_id": 0.01}) if book is AUTH else book for book in BOOKS), _CODES),
)  # fmt: skip
