"""Crews that break in: most of the linked accounts are their victims, and only the cash-out accounts are their own.

A victim has weeks of life on its own machines; from some day on there is another hand on it. Keys are stolen and called
from the crew's servers; cards are stolen, and then the owner shares nothing with the crew but the card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints
from toolkit.sources.samples.families.books import Book
from toolkit.sources.samples.families.build import BOOKS, REQUESTS, Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import KEY_HANDS, OTHER_HANDS, Part, hold
from toolkit.sources.samples.families.ring import Muster, Ring, draw_hands
from toolkit.sources.samples.plan import DAY

_CREDITS = Book(
    "credits",
    {"referrer": "counterparty"},
    pins=("counterparty",),
    again=0.6,
    verbs=("gift", "transfer"),
    row_id="entry_id",
    amounts="amount",
)
# Own accounts; victims of break-ins, of stolen keys, of stolen cards; difficulty.
_CREWS = (
    (4, 8, 0, 0, 3),
    (5, 0, 12, 3, 4),
    (6, 14, 0, 4, 3),
    (7, 6, 6, 0, 3),
    (9, 22, 0, 6, 3),
    (10, 0, 20, 0, 4),
    (12, 12, 8, 8, 4),
    (14, 0, 0, 16, 4),
    (16, 26, 0, 5, 3),
    (20, 16, 14, 10, 4),
)
_HERE_BY, _HIT_FROM, _HIT_TO = 0.15, 0.45, 0.75  # shares of the window: victims join before, crews come between


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    yield _trade(town, crowd)
    free = _settled(town, crowd)
    for number, (own, entered, keys, cards, difficulty) in enumerate(_CREWS[3:7] if town.small else _CREWS):
        ring = muster.call(own, "takeover_crew", difficulty)
        day = ring.rng.uniform(0.35, 0.6)
        ring.open_between(day - 0.1, day + 0.25)
        ring.dress("card", "device")
        ring.own("device", 0.4)
        machines, servers = ring.mint("device", 2 + own // 5), town.draw_hosting(ring.rng, 3 + own // 4)
        agent = ring.mint("user_agent", 1)[0]
        _equip(ring, machines, servers, agent)
        share = 3 if town.small else 1
        victims = free.filter(pl.col("until") > (day + 0.2) * town.horizon)
        entered, keys, cards = (-(-count // share) for count in (entered, keys, cards))
        taken = [
            _break_in(ring, _some(ring, victims, entered), machines, servers, agent, OTHER_HANDS + 1 + number),
            _use_keys(ring, _some(ring, victims, keys, "api_key"), servers, agent, KEY_HANDS + number),
            _use_cards(ring, _some(ring, victims, cards, "card")),
        ]
        free = free.filter(~pl.col("acct").is_in(np.concatenate(taken).tolist()))
        yield ring.finish()


def _settled(town: Town, crowd: Part) -> pl.DataFrame:
    """Accounts that were here before, with a card or a key if they have one that is nobody else's."""
    people = crowd.cast.filter(pl.col("created") < _HERE_BY * town.horizon)
    for kind in ("card", "api_key"):
        sole = crowd.holdings.filter(pl.col("kind") == kind).filter(pl.col("value").is_unique())
        sole = sole.unique("acct", keep="first", maintain_order=True).select("acct", pl.col("value").alias(kind))
        people = people.join(sole, on="acct", how="left", maintain_order="left")
    return people.sort("acct")


def _some(ring: Ring, people: pl.DataFrame, n: int, having: str = "acct") -> pl.DataFrame:
    able = people.filter(pl.col(having).is_not_null())
    return able[ring.rng.permutation(len(able))[:n]]


def _equip(ring: Ring, machines: pl.Series, servers: pl.Series, agent: str) -> None:
    """The crew's own accounts: a few machines, a few servers, one client, and where the money goes."""
    for kind, values, most in (("device", machines, 2), ("ip", servers, 2)):
        who, what = draw_hands(ring.rng, ring.n, len(values), 1, most)
        ring.give(who, kind, values.gather(what), weight=1.5)
    ring.give(np.flatnonzero(ring.rng.random(ring.n) < 0.6), "user_agent", agent)
    payees = ring.mint("counterparty", 1 + ring.n // 8)
    cashing = np.flatnonzero(ring.rng.random(ring.n) < 0.7)
    ring.give(cashing, "counterparty", payees.gather(ring.rng.integers(0, len(payees), len(cashing))))


def _dates(ring: Ring, victims: pl.DataFrame) -> Ints:
    """From when the crew is there: after weeks of the owner's own use, before the account falls silent."""
    day = ring.town.horizon * ring.rng.uniform(_HIT_FROM, _HIT_TO, len(victims))
    latest = victims["until"].to_numpy() - DAY
    return np.asarray(np.minimum(np.maximum(day, 0), latest), dtype=np.int64)


def _break_in(
    ring: Ring, victims: pl.DataFrame, machines: pl.Series, servers: pl.Series, agent: str, bundle: int
) -> Ints:
    """A day or five on the crew's machine and line; what the owner has, the owner keeps."""
    who, since = victims["acct"].to_numpy(), _dates(ring, victims)
    hand = {"since": since, "until": since + ring.rng.integers(DAY, 5 * DAY, len(who)), "bundle": bundle}
    why = "takeover"
    ring.add(hold(who, "device", machines.gather(ring.rng.integers(0, len(machines), len(who))), why=why, **hand))
    ring.add(hold(who, "ip", servers.gather(ring.rng.integers(0, len(servers), len(who))), why=why, **hand))
    ring.add(hold(who, "user_agent", agent, why=why, **hand))
    ring.touch(who, "victim", since)
    return who


def _use_keys(ring: Ring, victims: pl.DataFrame, servers: pl.Series, agent: str, bundle: int) -> Ints:
    """The key goes on working for its owner; besides, it is called from the crew's servers with the crew's client."""
    who, since = victims["acct"].to_numpy(), _dates(ring, victims)
    hand = {"bundle": bundle, "why": "stolen_key"}
    twice = np.repeat(np.arange(len(who)), 2)
    called = servers.gather(ring.rng.integers(0, len(servers), len(twice)))
    ring.add(hold(who[twice], "api_key", victims["api_key"].gather(twice), since=since[twice], **hand))
    ring.add(hold(who[twice], "ip", called, since=since[twice], **hand))
    ring.add(hold(who, "user_agent", agent, since=since, **hand))
    ring.touch(who, "victim", since)
    return who


def _use_cards(ring: Ring, owners: pl.DataFrame) -> Ints:
    """The crew's accounts pay with other people's cards, each card on one account or two."""
    who, since = owners["acct"].to_numpy(), _dates(ring, owners)
    for _ in range(2):
        thief = ring.rng.integers(0, ring.n, len(who))
        ring.give(thief, "card", owners["card"], since=np.maximum(since, ring.created[thief]),
                  why="stolen_card_of_customer")  # fmt: skip
    ring.touch(who, "victim", since)
    return who


def _trade(town: Town, crowd: Part) -> Part:
    """Honest people send credits to a few popular payees, and to one another."""
    rng = town.stream("trade")
    popular, own = town.mint(rng, "counterparty", 25), town.ground.people // 12
    acct = crowd.cast["acct"].to_numpy()
    payers = rng.choice(acct, town.ground.people // 8, replace=False)
    friends = rng.choice(acct, (own, 2))
    payees = town.mint(rng, "counterparty", own)
    held = [hold(payers, "counterparty", town.draw_hub(rng, popular, len(payers)))]
    held += [
        hold(friends[:, 0], "counterparty", payees),
        hold(friends[: own // 3, 1], "counterparty", payees[: own // 3]),
    ]
    lone = rng.choice(acct, town.ground.people // 8, replace=False)
    held.append(hold(lone, "api_key", town.mint(rng, "api_key", len(lone))))
    return Part(holdings=pl.concat(held))


FAMILY = Family(
    name="crews",
    about="Break-ins and stolen keys: the linked accounts are mostly victims, and few are the crew's own.",
    letter="V",
    plant=_plant,
    ground=Ground(
        people=8_000, days=70, old=0.6, stay=70.0, households=0.22, orgs=36, staff=(5, 70), takeovers=6,
        stolen_cards=8, cards=0.55, exits=90, vpn=0.15, egresses=20, prefix="cust",
    ),
    books=(*(replace(book, again=3.0) if book is REQUESTS else book for book in BOOKS), _CREDITS),
)  # fmt: skip
