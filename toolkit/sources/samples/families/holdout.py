"""The family that stays shut: nobody who works on a method reads this file or looks at its results before the end.

Many trades in one town, each with a way of sharing of its own; some stay apart in all but two kinds, some meet only
over time. The town has internet cafés, student projects and help desks, whose honest people share as much. Most rings
can be found by a careful reader of the tables; those of difficulty 5 are at the limit of what can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.families.books import Book
from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import TINY_SHARE, Ground, Town, pick_some
from toolkit.sources.samples.families.part import Part, hold, join_group
from toolkit.sources.samples.families.ring import Muster, Ring, draw_blocks, draw_hands
from toolkit.sources.samples.plan import DAY

_WEEK = 7 * DAY
_CAFE = 6_500  # bundle numbers
# Honest groups: what they may have in common, how many of them do, and how many of their people use it.
_IN_COMMON = (
    ("household", "email", 0.3, 0.8), ("household", "payer", 0.3, 0.8), ("org", "email", 0.5, 0.5),
    ("org", "payer", 0.4, 0.4), ("org", "url", 0.4, 0.3), ("agency", "url", 1.0, 0.7), ("reseller", "payer", 1.0, 0.6),
    ("friends", "url", 0.8, 0.9), ("friends", "api_key", 0.7, 0.7), ("friends", "device", 0.4, 0.6),
)  # fmt: skip


def _book(name: str, columns: dict[str, str], again: float, extra: float = 0.0, *, once: bool = False) -> Book:
    """A table of this company; a cell in twenty is empty."""
    pins = tuple(kind for kind in columns.values() if kind not in ("card_bin", "user_agent"))
    key, lost = "member" if once else "entry", dict.fromkeys(columns, 0.05)
    return Book(name, columns, pins, again, extra, once, account="member", time="at", row_id=key, missing=lost)


_JOIN = {"from_ip": "ip", "recovery": "email", "msisdn": "phone", "mail_host": "email_domain", "invite": "referral"}
_BOOKS = (
    _book("joins", _JOIN, 0.0, once=True),
    _book("visits", {"ip": "ip", "install": "device", "canvas": "browser_fp", "client": "user_agent"}, 0.3, 0.6),
    _book("recoveries", {"mailbox": "email", "number": "phone"}, 0.2),
    _book("bills", {"method": "card", "bank": "card_bin", "payer": "payer"}, 0.5),
    _book("seats", {"team": "org"}, 0.3),
    _book("calls", {"key": "api_key", "endpoint": "url"}, 0.8),
    _book("saved", {"script": "prompt_template"}, 0.5),
)


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    yield from _live_here(town, crowd)
    plans: tuple[tuple[int, Callable[[Ring], None], int], ...] = (
        (3, _replace, 3), (5, _sublet_seats, 4), (9, _work_in_shifts, 3), (14, _stay_in_crowds, 5),
        (20, _rack_handsets, 3), (28, _resell_keys, 4), (37, _replace, 4), (49, _wear_profiles, 4),
        (58, _sublet_seats, 4), (66, _stay_in_crowds, 5), (77, _sponsor, 4), (96, _sell_accounts, 4),
        (118, _handle_personas, 4), (240, _come_in_waves, 4),
    )  # fmt: skip
    for usual, shape, difficulty in plans[1::3] if town.small else plans:
        ring = muster.call(usual if usual < 6 else muster.size(usual), "trade", difficulty)
        shape(ring)
        yield ring.finish()


def _live_here(town: Town, crowd: Part) -> Iterator[Part]:
    """Honest mailboxes, payers, endpoints and seats; project teams, and cafés where strangers sit."""
    rng, acct, few = town.stream("habits"), crowd.cast["acct"].to_numpy(), TINY_SHARE if town.small else 1.0
    team = draw_blocks(rng, round(270 * few), 3, 6)
    projects = join_group(rng.choice(acct, len(team), replace=False), [f"friends/{t}" for t in team], "friends")
    yield from (_open_cafe(town, rng, acct, number) for number in range(round(14 * few)))
    held = []
    for kind, own, common, values, why in (
        ("email", 0.75, 0.03, _public(town, "email"), {"why": "public_mailbox"}),
        ("payer", 0.35, 0.03, _public(town, "payer"), {}),
        ("payer", 0.0, 0.03, _public(town, "payer", 1), {"why": "placeholder_payer"}),
        ("url", 0.08, 0.1, town.mint(rng, "url", 14), {}),
        ("ip", 0.0, 0.03, town.hosting, {}),
        ("prompt_template", 0.0, 0.06, _public(town, "prompt_template"), {}),
    ):
        mine, others = acct[pick_some(rng, len(acct), own)], acct[pick_some(rng, len(acct), common)]
        held.append(hold(mine, kind, town.mint(rng, kind, len(mine))))
        held.append(hold(others, kind, town.draw_hub(rng, values, len(others), 0.6), **why))
    for sort, kind, odds, joins in _IN_COMMON:
        ours = pl.concat([crowd.groups, projects]).filter(pl.col("kind") == sort)
        place = ours["group"].rank("dense").cast(pl.Int64).to_numpy() - 1
        kept = (rng.random(int(place.max()) + 1) < odds)[place] & (rng.random(len(place)) < joins)
        values = town.mint(rng, kind, int(place.max()) + 1)
        held.append(hold(ours["acct"].to_numpy()[kept], kind, values.gather(place[kept])))
    yield Part(holdings=pl.concat(held), groups=projects)


def _public(town: Town, kind: str, n: int = 16) -> pl.Series:
    """What anybody may use: open mailboxes, a payment processor's merchants (alone: its guest), scripts for sale."""
    return town.mint(town.stream("public", kind, str(n)), kind, n)


def _open_cafe(town: Town, rng: Rng, acct: Ints, number: int) -> Part:
    who = rng.choice(acct, int(rng.integers(15, 45)), replace=False)
    machines, place = town.mint(rng, "device", int(rng.integers(3, 6))), _CAFE + number
    held = [
        hold(who, "ip", town.offices[len(town.offices) - 1 - number], bundle=place),
        hold(who, "device", machines.gather(rng.integers(0, len(machines), len(who))), bundle=place, weight=0.6),
    ]
    return Part(holdings=pl.concat(held), groups=join_group(who, f"kiosk/cafe-{number}", "kiosk"))


def _start(ring: Ring, length: float, *without: str) -> None:
    """Open the accounts over a share of the window and dress them; what they share is not also their own."""
    first = float(ring.rng.uniform(0.0, 0.92 - length))
    ring.open_between(first, first + length)
    _wear(ring, *without)


def _wear(ring: Ring, *without: str) -> None:
    """Clothes, mailboxes and payers as people have; a few use what rivals use too."""
    ring.dress(*without)
    for kind, own in (("email", 0.6), ("payer", 0.25)):
        ring.own(kind, own if kind not in without else 0.15)
        some = pick_some(ring.rng, ring.n, 0.08)
        ring.give(some, kind, ring.town.draw_hub(ring.rng, _public(ring.town, kind), len(some)), weight=0.5)


def _replace(ring: Ring) -> None:
    """Seats of an office: the next account after a ban has the same mailbox; neighbours share machines."""
    seats = max(round(ring.n / 7), 1)
    seat, turn = np.arange(ring.n) % seats, np.arange(ring.n) // seats
    span = 0.85 * ring.town.horizon / (int(turn.max()) + 1)
    opened = ring.town.horizon * ring.rng.uniform(0, 0.1) + (turn + ring.rng.uniform(0, 0.3, ring.n)) * span
    ring.open_accounts(opened.astype(np.int64), (opened + ring.rng.uniform(0.4, 0.65, ring.n) * span).astype(np.int64))
    _wear(ring, "device", "card")
    ring.give_by("email", seat, weight=1.5)
    ring.give_by("device", seat // 2 * ring.n + turn // 3)
    ring.give_by("payer", (seat + 1) // 2 * ring.n + turn // 2)
    ring.own("device", 0.4)


def _sublet_seats(ring: Ring) -> None:
    """Team plans cut into seats: each account sits in two teams that overlap; some seats are let to honest people."""
    _start(ring, 0.5, "card")
    place, teams = np.arange(ring.n), ring.mint("org", ring.n)
    for number in (place // 4, (place + 2) // 4 + ring.n // 2):
        ring.give(place, "org", teams.gather(number))
    ring.give_by("card", draw_blocks(ring.rng, ring.n, 2, 4))
    ring.give_by("email", (place + 1) // 6, weight=0.5)
    _let(ring, "org", teams.gather(place // 4), ring.n // 3)


def _let(ring: Ring, kind: str, values: pl.Series, n: int) -> None:
    """Honest customers, who believe that they bought a licence."""
    who = ring.rng.choice(ring.town.ground.people, n, replace=False)
    ring.add(hold(who, kind, values.gather(ring.rng.integers(0, len(values), n))))
    ring.touch(who, "bystander", int(np.median(ring.created)))


def _work_in_shifts(ring: Ring) -> None:
    """A hall of writers: every week another desk, morning and evening; the text goes to the client's endpoint."""
    _start(ring, 0.35, "device")
    ring.own("device", 0.3)
    desks = ring.mint("device", max(ring.n // 3, 2))
    for start in range(0, ring.town.horizon, _WEEK):
        alive = np.flatnonzero((ring.created < start + _WEEK) & (ring.until > start))
        desk = ring.rng.permutation(len(alive)) % len(desks)
        ring.give(alive, "device", desks.gather(desk), since=start, until=start + _WEEK - 1)
    for kind in ("url", "prompt_template"):
        ring.give_by(kind, ring.rng.permutation(draw_blocks(ring.rng, ring.n, 4, 6)))


def _stay_in_crowds(ring: Ring) -> None:
    """At the limit: tunnels, open mailboxes, merchants of many, bought scripts; a machine seldom comes twice."""
    _start(ring, 0.6, "device", "card", "email", "payer", "phone")
    town, rng, everyone = ring.town, ring.rng, np.arange(ring.n)
    ring.give(everyone, "ip", town.draw_exits(rng, ring.n), weight=3.0)
    for kind in ("email", "payer", "prompt_template"):
        ring.give(everyone, kind, town.draw_hub(rng, _public(town, kind), ring.n, 0.4))
    ring.own("device", 0.8)
    for kind, share in (("device", 0.7), ("card", 0.4)):
        some = rng.permutation(np.flatnonzero(rng.random(ring.n) < share))
        ring.give(some, kind, ring.mint(kind, len(some) // 3 + 1).gather(np.arange(len(some)) // 3))


def _rack_handsets(ring: Ring) -> None:
    """A farm: one bank of SIMs to a rack of handsets, one payer to a column across the racks."""
    _start(ring, 0.3, "phone")
    wide = max(round(ring.n**0.5), 2)
    ring.give_by("phone", np.minimum(np.arange(ring.n) // wide, ring.n // wide - 1), weight=20.0)
    ring.give_by("payer", np.arange(ring.n) % wide)
    twice = np.flatnonzero(ring.rng.random(ring.n // 2) < 0.4) * 2
    handsets = ring.mint("device", len(twice))
    ring.give(twice, "device", handsets).give(twice + 1, "device", handsets)


def _resell_keys(ring: Ring) -> None:
    """Keys for sale: a server in front of each shelf, status pages for several; customers call the same keys."""
    _start(ring, 0.45)
    ring.give_by("ip", draw_blocks(ring.rng, ring.n, 5, 8), weight=1.5)
    who, what = draw_hands(ring.rng, ring.n, max(ring.n // 4, 2), 1, 2)
    ring.give(who, "url", ring.mint("url", ring.n).gather(what))
    keys = ring.mint("api_key", ring.n // 3 + 1)
    ring.give(np.arange(ring.n), "api_key", keys.gather(np.arange(ring.n) // 3))
    _let(ring, "api_key", keys, ring.n)


def _wear_profiles(ring: Ring) -> None:
    """All is fresh but two: the profiles of a disguising browser, and rented servers."""
    _start(ring, 0.4, "browser_fp", "card")
    for _ in range(2):
        ring.give_by("ip", ring.rng.permutation(draw_blocks(ring.rng, ring.n, 3, 6)), weight=0.8)
    ring.give_by("browser_fp", ring.rng.permutation(draw_blocks(ring.rng, ring.n, 3, 5)))


def _sponsor(ring: Ring) -> None:
    """A close core; every other account has one sponsor's card and another's mailbox, and knows no more of the ring."""
    _start(ring, 0.55, "card", "email")
    rng, core = ring.rng, max(ring.n // 5, 3)
    inner, rim = np.arange(core), np.arange(core, ring.n)
    who, what = draw_hands(rng, core, max(core // 3, 2), 2, 2)
    ring.give(who, "device", ring.mint("device", core).gather(what)).give(inner, "payer", ring.mint("payer", 1)[0])
    first = rng.permutation(len(rim)) % core
    second = (first + rng.integers(1, core, len(rim))) % core
    for kind, sponsor in (("card", first), ("email", second)):
        values = ring.mint(kind, core)
        ring.give(inner, kind, values)
        ring.give(rim, kind, values.gather(sponsor))


def _sell_accounts(ring: Ring) -> None:
    """A shop: opened in batches on one machine, warmed in other company with one card, then sold and left alone."""
    batch = draw_blocks(ring.rng, ring.n, 3, 9)
    day = np.sort(ring.rng.uniform(0.05, 0.75, int(batch.max()) + 1))[batch]
    opened = (day * ring.town.horizon + ring.rng.uniform(0, DAY, ring.n)).astype(np.int64)
    ring.open_accounts(opened, opened + ring.rng.integers(9, 20, ring.n) * DAY)
    _wear(ring, "card")
    ring.give_by("device", batch, until=opened + 2 * DAY)
    warm = np.empty(ring.n, dtype=np.int64)  # with some of the batches before and after
    warm[np.argsort(np.arange(ring.n) + ring.rng.uniform(0, 18, ring.n))] = draw_blocks(ring.rng, ring.n, 4, 12)
    for kind in ("card", "ip"):
        ring.give_by(kind, warm, since=opened + DAY, until=opened + 8 * DAY)


def _handle_personas(ring: Ring) -> None:
    """Romance: a handler's personas have one mailbox, a supervisor's handlers one payer; the scripts are bought."""
    _start(ring, 0.5, "email")
    handler = draw_blocks(ring.rng, ring.n, 6, 9)
    ring.give_by("email", handler, weight=2.0)
    ring.give_by("payer", handler // 4)
    bought = ring.town.draw_hub(ring.rng, _public(ring.town, "prompt_template"), ring.n, 0.5)
    ring.give(np.arange(ring.n), "prompt_template", bought)
    heads = np.flatnonzero(np.diff(handler, prepend=-1))
    ring.give(heads, "device", ring.mint("device", ring.n).gather(handler[heads] // 4))
    ring.give(heads, "url", ring.mint("url", 1)[0])


def _come_in_waves(ring: Ring) -> None:
    """Free tiers by the hundred: each week's accounts on that week's machines and SIMs, with some of the last one's."""
    _start(ring, 0.75, "device", "phone")
    week = (ring.created - ring.created.min()) // _WEEK
    deep = max(ring.n // (4 * (int(week.max()) + 1)), 3)
    for kind, times, late in (("device", 2, 0.3), ("phone", 1, 0.1)):
        values = ring.mint(kind, deep * (int(week.max()) + 1))
        for _ in range(times):
            of = np.maximum(week - (ring.rng.random(ring.n) < late), 0)
            ring.give(np.arange(ring.n), kind, values.gather(of * deep + ring.rng.integers(0, deep, ring.n)))
    ring.own("device", 0.5)


FAMILY = Family(
    name="holdout",
    about="Rings of many trades, each with its own way of sharing, in a town of cafés, projects and help desks.",
    letter="Y",
    plant=_plant,
    ground=Ground(
        people=7_300, days=75, opens=40, old=0.25, stay=45.0, households=0.24, flats=0.1, family_phone=0.1,
        lease_days=21.0, mobile=0.6, egresses=12, vpn=0.08, exits=40, second_device=0.25, cards=0.3, phones=0.85,
        fingerprints=900, agents=60, writers=0.25, campuses=3, students=110, orgs=34, staff=(3, 60), resellers=6,
        agencies=5, hackathon=140, lab=60, public_share=0.05, placeholders=0.02, clones=30, stolen_cards=24, prefix="m",
    ),
    books=_BOOKS,
    streams="holdout/second",
)  # fmt: skip
