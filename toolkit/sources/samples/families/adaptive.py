"""Operators who learn: the next account keeps all of the last one's things but one, and soon nothing is the same.

For the rest they stay in crowds: busy exits, the carrier's addresses, the commonest browsers, everybody's texts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import Part
from toolkit.sources.samples.families.ring import Muster, Ring
from toolkit.sources.samples.plan import DAY

_THINGS = ("device", "card", "phone", "ip", "prompt_template")
# Size, which of the five they take from crowds instead, difficulty.
_RINGS: tuple[tuple[int, tuple[str, ...], int], ...] = (
    (6, (), 2),
    (8, ("prompt_template",), 3),
    (9, ("ip", "prompt_template"), 4),
    (11, ("ip",), 3),
    (13, ("ip", "prompt_template", "phone"), 5),
    (15, ("prompt_template",), 3),
    (18, ("ip", "prompt_template"), 4),
    (20, ("phone",), 3),
    (23, ("ip", "prompt_template"), 4),
    (26, ("ip",), 3),
    (30, ("phone", "ip"), 4),
    (34, ("prompt_template",), 3),
    (37, ("ip", "prompt_template", "phone"), 5),
    (40, ("ip", "prompt_template"), 4),
)


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    del crowd
    for usual, crowded, difficulty in _RINGS[2::3] if town.small else _RINGS:
        ring = muster.call(muster.size(usual), "adaptive", difficulty)
        _open_in_steps(ring)
        ring.dress("device", "card", "phone", "prompt_template", "browser_fp", "referral")
        generation = _vary_one_at_a_time(ring.rng, ring.n)
        for place, kind in enumerate(_THINGS):
            _wear(ring, kind, generation[:, place], crowded=kind in crowded)
        common = town.fingerprints[:6].gather(ring.rng.integers(0, 6, ring.n))
        ring.give(np.arange(ring.n), "browser_fp", common)
        _slip(ring, crowded)
        yield ring.finish()


def _open_in_steps(ring: Ring) -> None:
    """A new account every few days at most; the last two or three are still in use."""
    days = ring.town.ground.days
    steps = ring.rng.gamma(2.0, 1.0, ring.n)
    span = min(days * 0.8, 2.5 * ring.n) * DAY
    at = ring.rng.uniform(0, days * DAY - span - DAY) + np.cumsum(steps) / steps.sum() * span
    ring.open_accounts(
        at.astype(np.int64), (at + span / ring.n * ring.rng.uniform(1.5, 4, ring.n) + DAY).astype(np.int64)
    )


def _vary_one_at_a_time(rng: Rng, n: int) -> Ints:
    """For each account, the generation of each thing: one of them moves on per step, each in its turn."""
    turns = np.concatenate([rng.permutation(len(_THINGS)) for _ in range(n // len(_THINGS) + 1)])[: n - 1]
    moved = np.zeros((n, len(_THINGS)), dtype=np.int64)
    moved[np.arange(1, n), turns] = 1
    return np.cumsum(moved, axis=0)


def _wear(ring: Ring, kind: str, generation: Ints, *, crowded: bool) -> None:
    """The values of each generation: the ring's own, or from a crowd. An address set is two."""
    count, everyone = int(generation.max()) + 1, np.arange(ring.n)
    for _ in range(2 if kind == "ip" else 1):
        ring.give(everyone, kind, _stock(ring, kind, count, crowded).gather(generation), weight=1.4)


def _stock(ring: Ring, kind: str, n: int, crowded: bool) -> pl.Series:
    town, rng = ring.town, ring.rng
    if not crowded:
        return town.draw_homes(rng, n) if kind == "ip" else ring.mint(kind, n)
    if kind == "ip":
        return pl.concat([town.draw_exits(rng, n), town.draw_egresses(rng, n)]).gather(rng.permutation(2 * n)[:n])
    return town.draw_hub(rng, town.virals if kind == "prompt_template" else town.public_numbers, n, 0.5)


def _slip(ring: Ring, crowded: tuple[str, ...]) -> None:
    """The mistakes: an old machine is switched on again, or the operator forgets the tunnel."""
    slips = 1 + ring.n // 12 + len(crowded) // 2
    later = ring.rng.integers(ring.n // 2, ring.n, slips)
    earlier = later - ring.rng.integers(min(6, ring.n // 2), ring.n // 2 + 2, slips)
    relics = ring.mint("device", slips)
    for who in (later, np.maximum(earlier, 0)):
        ring.give(who, "device", relics, weight=0.5)
    ring.give(
        np.unique(ring.rng.integers(0, ring.n, 2 + slips)), "ip", ring.town.draw_homes(ring.rng, 1)[0], weight=0.3
    )


FAMILY = Family(
    name="adaptive",
    about="Operators who change one thing per account and stand in crowds for the rest.",
    letter="A",
    plant=_plant,
    ground=Ground(
        people=8_600, days=90, opens=10, mobile=0.5, egresses=8, vpn=0.25, exits=24, fingerprints=160, agents=40,
        virals=10, writers=0.5, public_numbers=16, public_share=0.06, households=0.2, campuses=3, students=140,
        prefix="a",
    ),
)  # fmt: skip
