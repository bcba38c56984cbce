"""Blends: rings in which several shapes meet, of operators who rent, buy and hide.

Cells with thin seams, stocks and lines may lie inside one ring; lines, machines and cards are rented by the week, to
rivals too; accounts are bought when they are old; members hold much that is strangers' besides. The window is short,
the logging careless: one cell in seven is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.families.books import Book
from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import Ground, Town, pick_some
from toolkit.sources.samples.families.part import Part, hold
from toolkit.sources.samples.families.ring import Muster, Ring, draw_hands
from toolkit.sources.samples.plan import DAY

_WEEK = 7 * DAY
_LOST = 0.15  # of all cells
_KINDS = {
    "device": "cookie",
    "phone": "email_stem",
    "browser_fp": "tls_fp",
    "prompt_template": "object",
    "referral": "url",
}


def _book(name: str, columns: dict[str, str], pins: tuple[str, ...], again: float, extra: float = 0.0) -> Book:
    lost = dict.fromkeys(columns, _LOST)
    return Book(
        name, columns, pins, again, extra, account="uid", time="seen_at", row_id="row_id", missing=lost, doubled=0.01
    )


_BOOKS = (
    Book(
        "registrations",
        {"reg_ip": "ip", "stem": "email_stem", "landing": "url", "sim": "sim_slot"},
        once=True,
        account="uid",
        time="registered_at",
        row_id="uid",
        missing=dict.fromkeys(("reg_ip", "stem", "landing", "sim"), _LOST),
    ),
    _book(
        "visits", {"remote": "ip", "ck": "cookie", "ja": "tls_fp", "agent": "user_agent"}, ("ip", "cookie"), 0.6, 1.0
    ),
    _book("top_ups", {"instrument": "card", "bank": "card_bin"}, ("card",), 0.8),
    _book("payouts", {"payee": "counterparty"}, ("counterparty",), 1.0),
    _book("uploads", {"digest": "object"}, ("object",), 0.8),
)


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    yield _earn_and_phone(town, crowd)
    market = _open_market(town)
    farm = town.mint(town.stream("seller"), "device", 9)
    plans: tuple[tuple[int, Callable[[Ring], None], int], ...] = (
        (4, _one_flat, 3),
        (5, _one_flat, 4),
        (9, _split_earnings, 4),
        (14, _in_cells, 3),
        (21, lambda ring: _rent(ring, market), 4),
        (26, lambda ring: _buy_aged(ring, farm), 4),
        (31, _in_cells, 4),
        (36, lambda ring: _rent(ring, market), 4),
        (48, _split_earnings, 4),
        (57, lambda ring: _rent(ring, market), 5),
        (70, _hide_in_chaff, 4),
        (88, lambda ring: _buy_aged(ring, farm), 4),
        (120, _in_cells, 4),
        (220, _all_at_once, 4),
    )
    chosen = plans[1:13:3] if town.small else plans
    for usual, shape, difficulty in chosen:
        ring = muster.call(usual if usual < 6 else muster.size(usual), "blend", difficulty)
        shape(ring)
        yield ring.finish()


def _earn_and_phone(town: Town, crowd: Part) -> Part:
    """Honest earnings and SIMs: a payee of one's own, a popular one, or the household's; few SIMs are shared."""
    rng, acct = town.stream("earnings"), crowd.cast["acct"].to_numpy()
    n = len(acct)
    earners, popular, dialled = (pick_some(rng, n, share) for share in (0.22, 0.06, 0.6))
    homes = crowd.groups.filter(pl.col("kind") == "household")
    couples = homes.filter(pl.col("acct").is_in(acct[pick_some(rng, n, 0.2)].tolist()))
    mine = town.mint(rng, "counterparty", homes["group"].n_unique())
    place = couples["group"].rank("dense").cast(pl.Int64).to_numpy() - 1
    held = [
        hold(acct[earners], "counterparty", town.mint(rng, "counterparty", len(earners))),
        hold(acct[popular], "counterparty", town.draw_hub(rng, town.mint(rng, "counterparty", 12), len(popular), 0.7)),
        hold(couples["acct"], "counterparty", mine.gather(place)),
        hold(
            acct[dialled],
            "sim_slot",
            town.mint(rng, "sim_slot", n * 3 // 4).gather(rng.integers(0, n * 3 // 4, len(dialled))),
        ),
    ]
    return Part(holdings=pl.concat(held))


def _open_market(town: Town) -> dict[str, pl.Series]:
    """What one vendor rents out by the week; whoever pays has it, then somebody else."""
    rng = town.stream("market")
    return {
        "ip": town.draw_hosting(rng, 24),
        "device": town.mint(rng, "device", 30),
        "card": town.mint(rng, "card", 24),
    }


def _weeks(town: Town) -> Ints:
    return np.arange(-1, town.ground.days // 7 + 1) * _WEEK


def _one_flat(ring: Ring) -> None:
    """A handful, close together in one way for each pair."""
    ring.open_between(*_stretch(ring, 0.3)).dress("device", "card")
    ring.own("device", 0.7)
    for pair in range(ring.n):
        kind = ("device", "card", "counterparty")[pair % 3]
        ring.give([pair, (pair + 1) % ring.n], kind, ring.mint(kind, 1)[0], weight=1.5)
    _slip(ring)


def _stretch(ring: Ring, length: float) -> tuple[float, float]:
    first = float(ring.rng.uniform(0.0, 0.9 - length))
    return first, first + length


def _in_cells(ring: Ring) -> None:
    """Cells of four to seven that know one another; between one cell and the next there is a single liaison."""
    ring.open_between(*_stretch(ring, 0.5)).dress("card")
    ring.own("card", 0.3)
    cell = np.repeat(np.arange(ring.n), ring.rng.integers(4, 8, ring.n))[: ring.n]
    cells = int(cell.max()) + 1
    habit = ring.rng.integers(0, 3, cells)
    for number in range(cells):
        ours = np.flatnonzero(cell == number)
        for kind in (("device", "card"), ("counterparty", "sim_slot"), ("card", "prompt_template"))[habit[number]]:
            kept = ours[ring.rng.random(len(ours)) < 0.85]
            ring.give(kept, kind, ring.mint(kind, 1)[0], weight=30.0 if kind == "sim_slot" else 1.5)
    head = np.flatnonzero(np.diff(cell)) + 1  # the first of each cell answers to the last of the one before
    for kind in ("counterparty", "device"):
        values = ring.mint(kind, len(head))
        ring.give(head, kind, values, weight=1.5)
        ring.give(head - 1, kind, values, weight=1.5)
    _slip(ring)


def _rent(ring: Ring, market: dict[str, pl.Series]) -> None:
    """Everything is rented by the week from the vendor of rivals; only where the money goes is the ring's own."""
    ring.open_between(*_stretch(ring, 0.45)).dress("card", "device")
    ring.own("device", 0.35)
    for start in _weeks(ring.town).tolist():
        alive = np.flatnonzero((ring.created < start + _WEEK) & (ring.until > start))
        if not len(alive):
            continue
        for kind, values in market.items():
            lot = ring.rng.choice(len(values), 3 + ring.n // 16, replace=False)
            who = alive[ring.rng.random(len(alive)) < 0.6]
            rented = values.gather(lot[ring.rng.integers(0, len(lot), len(who))])
            ring.give(who, kind, rented, since=start, until=start + _WEEK - 1)
    _earn(ring, 3)
    _slip(ring)


def _earn(ring: Ring, each: int) -> None:
    """Payees are few, each for a handful of accounts, and every account has one or two."""
    payees = ring.mint("counterparty", max(ring.n // each, 2))
    who, what = draw_hands(ring.rng, ring.n, len(payees), 1, 2)
    ring.give(who, "counterparty", payees.gather(what), weight=1.2)


def _split_earnings(ring: Ring) -> None:
    """Money and papers: payees and files in common, machines never."""
    ring.open_between(*_stretch(ring, 0.6)).dress("prompt_template")
    _earn(ring, 2)
    files = ring.mint("prompt_template", 4 + ring.n // 3)
    who, what = draw_hands(ring.rng, ring.n, len(files), 2, 4)
    ring.give(who, "prompt_template", files.gather(what))
    _slip(ring)


def _buy_aged(ring: Ring, farm: pl.Series) -> None:
    """Old accounts of a seller who sells to rivals too: his machine was there first, the buyer's came much later."""
    bought = ring.rng.random(ring.n) < 0.75
    fresh = ring.town.horizon * ring.rng.uniform(0.1, 0.7, ring.n)
    aged = -ring.rng.uniform(2 * DAY, 200 * DAY, ring.n)
    sold = np.sort(fresh).astype(np.int64)
    created = np.where(bought, aged, sold).astype(np.int64)
    ring.open_accounts(created, np.minimum(sold + ring.rng.integers(6, 20, ring.n) * DAY, ring.town.horizon - 1))
    ring.dress("device", "card")
    old = np.flatnonzero(bought)
    ring.give(
        old, "device", farm.gather(ring.rng.integers(0, len(farm), len(old))), until=np.minimum(sold[old], 4 * DAY)
    )
    for kind, share, most in (("device", 0.5, 2), ("card", 0.6, 1), ("sim_slot", 0.4, 1)):
        values = ring.mint(kind, max(round(ring.n * share), 2))
        who, what = draw_hands(ring.rng, ring.n, len(values), 1, most)
        ring.give(who, kind, values.gather(what), since=-DAY if kind == "sim_slot" else sold[who])
    _earn(ring, 4)
    _slip(ring)


def _hide_in_chaff(ring: Ring) -> None:
    """Each member also holds a dozen things of strangers: lent lines, files that go round, payees of anybody."""
    ring.open_between(*_stretch(ring, 0.6)).dress("card")
    town, rng = ring.town, ring.rng
    crowd = np.repeat(np.arange(ring.n), rng.integers(6, 13, ring.n))
    ring.give(crowd, "ip", town.draw_homes(rng, len(crowd)), weight=0.4)
    readers = np.repeat(np.arange(ring.n), 3)
    ring.give(readers, "prompt_template", town.draw_hub(rng, town.virals, len(readers), 0.4))
    for kind, share in (("device", 0.45), ("card", 0.4)):
        values = ring.mint(kind, round(ring.n * share))
        who, what = draw_hands(rng, ring.n, len(values), 1, 2)
        ring.give(who, kind, values.gather(what))
    _earn(ring, 5)
    _slip(ring)


def _all_at_once(ring: Ring) -> None:
    """A third in cells, a third on stocks, a third passing things on; thin seams between the thirds."""
    ring.open_between(0.05, 0.85).dress("card")
    thirds = np.array_split(ring.rng.permutation(ring.n), 3)
    cells, stock, line = (np.sort(part) for part in thirds)
    for start in range(0, len(cells), 5):
        ours = cells[start : start + 5]
        for kind in ("card", "counterparty"):
            ring.give(ours, kind, ring.mint(kind, 1)[0])
    for kind, share in (("device", 0.5), ("card", 0.6)):
        values = ring.mint(kind, round(len(stock) * share))
        who, what = draw_hands(ring.rng, len(stock), len(values), 1, 2)
        ring.give(stock[who], kind, values.gather(what))
    for kind in ("device", "counterparty"):
        values = ring.mint(kind, len(line) - 1)
        ring.give(line[:-1], kind, values, weight=1.3)
        ring.give(line[1:], kind, values, weight=1.3)
    seams = (
        _pairs(ring.rng, cells, stock, 12)
        + _pairs(ring.rng, stock, line, 12)
        + _pairs(ring.rng, cells[::5], cells[2::5], 18)
    )
    for number, (a, b) in enumerate(seams):
        kind = ("device", "card", "counterparty")[number % 3]
        ring.give([a, b], kind, ring.mint(kind, 1)[0], weight=1.3)
    _slip(ring)


def _pairs(rng: Rng, left: Ints, right: Ints, n: int) -> list[tuple[int, int]]:
    return list(zip(rng.choice(left, n).tolist(), rng.choice(right, n).tolist(), strict=True))


def _slip(ring: Ring) -> None:
    """The mistakes: a file uploaded twice, one evening from the same line."""
    few = ring.rng.choice(ring.n, min(2 + ring.n // 15, ring.n), replace=False)
    ring.give(few, "ip", ring.town.draw_homes(ring.rng, 1)[0], weight=0.3)
    ring.give(few[:2], "prompt_template", ring.mint("prompt_template", 1)[0], weight=0.5)


FAMILY = Family(
    name="blend",
    about="Shapes mixed inside one ring: things rented by the week to rivals, bought accounts, chaff, empty cells.",
    letter="H",
    streams="holdout",
    plant=_plant,
    ground=Ground(
        people=7_800, days=34, opens=95, old=0.55, stay=22.0, households=0.3, flats=0.06, tablet=0.25, family_card=0.4,
        family_phone=0.0, lease_days=5.0, reuse=2.2, mobile=0.3, egresses=30, vpn=0.2, exits=160, phones=0.85,
        fingerprints=60, agents=140, writers=0.45, virals=40, promos=16, promo_share=0.5, campuses=4, students=90,
        orgs=48, staff=(2, 20), public_numbers=14, public_share=0.05, placeholders=0.02, clones=16, prefix="u",
    ),
    books=_BOOKS,
    kinds=_KINDS,
)  # fmt: skip
