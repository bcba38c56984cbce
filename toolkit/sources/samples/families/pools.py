"""Asset pools: rings whose members draw at random from common stocks of machines, cards, numbers and addresses.

Hardly any two members share two things; what gives the ring away is that *all* of them draw from one set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import Part
from toolkit.sources.samples.families.ring import Muster, Ring, draw_hands

_EVERYTHING = ("device", "card", "phone", "ip")
# Size, what is pooled, difficulty. The last two are rivals who buy their numbers from one vendor.
_RINGS = (
    (12, _EVERYTHING, 3),
    (14, ("device", "card", "ip"), 4),
    (18, ("device", "phone"), 4),
    (22, _EVERYTHING, 3),
    (28, ("card", "ip"), 4),
    (35, ("device", "card", "phone"), 3),
    (44, ("device", "ip"), 4),
    (55, _EVERYTHING, 3),
    (68, ("device", "card"), 4),
    (85, ("card", "phone", "ip"), 4),
    (105, _EVERYTHING, 3),
    (125, ("device", "card"), 5),
    (150, _EVERYTHING, 3),
    (30, ("device", "card"), 4),
    (46, ("device", "card", "ip"), 4),
)
_DRAWS = {"device": (1, 3), "card": (1, 2), "phone": (1, 1), "ip": (1, 3)}
_VENDOR = 24  # numbers


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    del crowd
    vendor = town.mint(town.stream("vendor"), "phone", _VENDOR // (3 if town.small else 1))
    for place, (usual, pooled, difficulty) in enumerate(_RINGS[-5:] if town.small else _RINGS):
        ring = muster.call(muster.size(usual), "asset_pool", difficulty)
        first = ring.rng.uniform(0.05, 0.5)
        ring.open_between(first, first + ring.rng.uniform(0.15, 0.45))
        rival = place >= (3 if town.small else len(_RINGS) - 2)
        kinds = (*pooled, "phone") if rival else pooled
        ring.dress(*(set(kinds) - {"ip"}))
        for kind in pooled:
            _draw_from_pool(ring, kind)
        if rival:
            ring.give(np.arange(ring.n), "phone", vendor.gather(ring.rng.integers(0, len(vendor), ring.n)))
        _slip(ring)
        yield ring.finish()


def _draw_from_pool(ring: Ring, kind: str) -> None:
    """One stock of a kind; its size is a share of the ring's that nobody outside knows. Some members add their own."""
    low, high = _DRAWS[kind]
    # Where the ring is large enough, a stock of which one pair in eight at most shares something.
    share = max(ring.rng.uniform(0.15, 1.0), ((low + high) / 2) ** 2 / (0.12 * ring.n))
    pool = max(round(ring.n * min(share, 1.0)), high + 1)
    values = ring.town.draw_homes(ring.rng, pool) if kind == "ip" else ring.mint(kind, pool)
    who, what = draw_hands(ring.rng, ring.n, pool, low, high)
    ring.give(who, kind, values.gather(what), weight=0.8)
    if kind in ("device", "card"):
        ring.own(kind, 0.5 if kind == "device" else 0.25)


def _slip(ring: Ring) -> None:
    """The mistake: a few members are opened from the operator's own line within an hour of one another."""
    few = np.sort(ring.rng.choice(ring.n, min(2 + ring.n // 25, ring.n), replace=False))
    ring.give(few, "ip", ring.town.draw_homes(ring.rng, 1)[0], since=ring.created[few], weight=0.3)


FAMILY = Family(
    name="pools",
    about="Rings that draw machines, cards, numbers and addresses at random from common stocks.",
    letter="P",
    plant=_plant,
    ground=Ground(people=6_600, days=60, households=0.18, egresses=14, exits=60),
)
