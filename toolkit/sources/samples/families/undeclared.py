"""Everything that tells is in kinds that nobody declared: a company's own columns, and the ip.

``wallet`` and ``hw_serial`` are made for one person each; a ``shipping_hash`` is a home; a ``voice_print`` meets
strangers about as often as a loose fingerprint does; ``workspace`` is an employer; ``plugin_id`` has two dozen values.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toolkit.sources.samples.families.books import Book
from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import Part, hold
from toolkit.sources.samples.families.ring import Muster, Ring, draw_hands

# What the common ground calls a kind, and what this company does.
_KINDS = {
    "device": "hw_serial",
    "card": "wallet",
    "phone": "shipping_hash",
    "browser_fp": "plugin_id",
    "org": "workspace",
    "prompt_template": "macro_hash",
    "referral": "voucher",
}
_PROFILES = Book(
    "profiles",
    {"postal": "shipping_hash", "voice": "voice_print", "ws": "workspace", "coupon": "voucher"},
    once=True,
    account="pid",
    time="joined",
    row_id="pid",
)
_LAUNCHES = Book(
    "launches",
    {"addr": "ip", "serial": "hw_serial", "plugin": "plugin_id"},
    pins=("ip", "hw_serial"),
    extra=1.0,
    verbs=("open", "resume"),
    verb="what",
    account="pid",
    time="ts",
    row_id="launch",
    missing={"serial": 0.03, "plugin": 0.05},
    doubled=0.002,
    broken=3,
)
_ORDERS = Book(
    "orders",
    {"wallet_ref": "wallet"},
    pins=("wallet",),
    again=0.6,
    account="pid",
    time="ts",
    row_id="order_no",
    amounts="cents",
)
_MACROS = Book(
    "macros", {"digest": "macro_hash"}, pins=("macro_hash",), again=0.8, account="pid", time="ts", row_id="run"
)  # fmt: skip

# Size, shape of each kind, difficulty.
_RINGS = (
    (6, {"device": "all", "phone": "all"}, 2),
    (8, {"card": "chain", "voice_print": "all"}, 4),
    (11, {"device": "pool", "card": "pool"}, 3),
    (14, {"phone": "few", "device": "chain"}, 3),
    (17, {"device": "few", "voice_print": "few"}, 3),
    (21, {"card": "few", "prompt_template": "few"}, 3),
    (26, {"device": "pool", "voice_print": "few", "ip": "pool"}, 3),
    (32, {"phone": "pool", "card": "pool"}, 4),
    (38, {"device": "chain", "card": "chain"}, 4),
    (45, {"card": "few", "ip": "few"}, 3),
    (54, {"device": "pool", "phone": "pool", "prompt_template": "few"}, 3),
    (64, {"voice_print": "few", "card": "pool"}, 4),
    (76, {"device": "few", "card": "pool"}, 3),
    (90, {"device": "pool", "ip": "pool", "voice_print": "few"}, 4),
)
_VOICES_PER_PERSON = 1 / 5  # distinct voice prints per account: about five strangers sound alike


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    yield _record_voices(town, crowd)
    for usual, shapes, difficulty in _RINGS[2::2][:4] if town.small else _RINGS:
        ring = muster.call(muster.size(usual), "mixed", difficulty)
        first = ring.rng.uniform(0.02, 0.6)
        ring.open_between(first, first + ring.rng.uniform(0.1, 0.35))
        ring.dress(*(set(shapes) - {"ip", "device", "voice_print"}))
        for kind, shape in shapes.items():
            _share(ring, kind, shape)
        if "voice_print" not in shapes:
            ring.own("voice_print", 0.8)
        yield ring.finish()


def _record_voices(town: Town, crowd: Part) -> Part:
    """Most people have spoken; the print is coarse, so strangers collide."""
    rng = town.stream("voices")
    who = crowd.cast["acct"].to_numpy()[rng.random(len(crowd.cast)) < 0.8]
    prints = town.mint(rng, "voice_print", max(round(len(crowd.cast) * _VOICES_PER_PERSON), 2))
    return Part(holdings=hold(who, "voice_print", prints.gather(rng.integers(0, len(prints), len(who)))))


def _share(ring: Ring, kind: str, shape: str) -> None:
    """All on one value, a few for all, random draws from a stock, or each with the next."""
    n, rng = ring.n, ring.rng
    size = {"all": 1, "few": 2 + n // 16, "pool": max(round(n * rng.uniform(0.3, 0.8)), 3), "chain": n - 1}[shape]
    values = ring.town.draw_homes(rng, size) if kind == "ip" else ring.mint(kind, size)
    if shape == "chain":
        first = np.arange(n - 1)
        who, what = np.concatenate([first, first + 1]), np.concatenate([first, first])
        if kind in ("phone", "voice_print"):  # an account has one: every second pair shares
            who, what = np.arange(n), np.arange(n) // 2
    else:
        single = kind in ("phone", "voice_print")
        who, what = draw_hands(rng, n, size, 1, 1 if single else 2)
    kept = rng.random(len(who)) < (1.0 if shape == "chain" else 0.92)
    ring.give(who[kept], kind, values.gather(what[kept]), weight=1.2)


FAMILY = Family(
    name="undeclared",
    about="The kinds that tell are the company's own, and nobody said how they behave.",
    letter="U",
    plant=_plant,
    ground=Ground(
        people=7_400, days=45, opens=20, fingerprints=24, households=0.25, family_phone=0.7, phones=0.8, mobile=0.25,
        exits=40, vpn=0.18, orgs=30, writers=0.4, virals=22, prefix="p",
    ),
    books=(_PROFILES, _LAUNCHES, _ORDERS, _MACROS),
    kinds=_KINDS,
)  # fmt: skip
