"""Sixty and more people with three to five accounts each, among very many households of the same size.

Half come back after each ban; half run their accounts side by side. Each account keeps each of the person's things by
the toss of a coin, so two accounts of one person may share everything or next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Floats, Rng
from toolkit.sources.samples.families.build import Family
from toolkit.sources.samples.families.ground import Ground, Town
from toolkit.sources.samples.families.part import Part
from toolkit.sources.samples.families.ring import Muster, Ring
from toolkit.sources.samples.plan import DAY, HOUR

_RINGS, _TINY_RINGS = 72, 14
_THINGS = ("device", "card", "phone", "ip", "prompt_template", "browser_fp")
_STRONG = 3  # the first three tie a person to a thing
_GHOSTS = 4  # of the people: at most one strong thing is ever kept (difficulty 5)


def _plant(town: Town, muster: Muster, crowd: Part) -> Iterator[Part]:
    del crowd
    count = _TINY_RINGS if town.small else _RINGS
    for number in range(count):
        ghost = number < _GHOSTS * count // _RINGS
        size = 3 + int(town.stream("size", str(number)).choice(3, p=[0.4, 0.35, 0.25]))
        evader = number % 2 == 0
        ring = muster.call(size, "ban_evader" if evader else "sock_puppets", 5 if ghost else 3 + number % 2)
        _open_in_turn(ring) if evader else ring.open_between(*_months(ring.rng))
        ring.dress("device", "card", "phone", "prompt_template")
        _keep_or_renew(ring, _toss(ring.rng, size, ghost))
        yield ring.finish()


def _months(rng: Rng) -> tuple[float, float]:
    first = float(rng.uniform(0.0, 0.5))
    return first, first + float(rng.uniform(0.02, 0.4))


def _open_in_turn(ring: Ring) -> None:
    """The next account is opened hours to days after the last one was closed."""
    lives = ring.rng.uniform(2 * DAY, 9 * DAY, ring.n)
    waits = ring.rng.uniform(5 * HOUR, 6 * DAY, ring.n)
    length = (lives + waits).sum()
    opens = ring.rng.uniform(0, max(ring.town.horizon - length, DAY)) + np.cumsum(waits + lives) - lives
    squeezed = opens * min(1.0, (ring.town.horizon - DAY) / (opens[-1] + lives[-1]))
    ring.open_accounts(squeezed.astype(np.int64), (squeezed + lives).astype(np.int64))


def _toss(rng: Rng, size: int, ghost: bool) -> NDArray[np.bool_]:
    """Who keeps what; thrown again until every account has a strong thing in common with another."""
    while True:
        kept = rng.random((size, len(_THINGS))) < rng.uniform(0.4, 0.7, len(_THINGS))
        strong: Floats = kept[:, :_STRONG].astype(np.float64)
        together = strong @ strong.T
        np.fill_diagonal(together, 0)
        if ghost:
            kept[:, 1:_STRONG] = False
            return kept
        if bool((together.max(axis=1) > 0).all()) and together.sum() >= 2 * (size - 1):
            return kept


def _keep_or_renew(ring: Ring, kept: NDArray[np.bool_]) -> None:
    has = dict(zip(_THINGS, (1.0, 0.6, 0.75, 0.0, 0.3, 0.0), strict=True))  # of those who renew: how many get a new one
    for place, kind in enumerate(_THINGS):
        who, others = np.flatnonzero(kept[:, place]), np.flatnonzero(~kept[:, place])
        value = ring.town.draw_homes(ring.rng, 1) if kind == "ip" else ring.mint(kind, 1)
        if kind == "browser_fp":
            value = ring.town.draw_hub(ring.rng, ring.town.fingerprints, 1)
        ring.give(who, kind, value[0], weight=1.5)
        anew = others[ring.rng.random(len(others)) < has[kind]]
        ring.give(anew, kind, ring.mint(kind, len(anew)))


FAMILY = Family(
    name="tinies",
    about="People with three to five accounts each, among many households, flats and offices of the same size.",
    letter="T",
    plant=_plant,
    ground=Ground(
        people=8_200, days=75, households=0.46, flats=0.1, tablet=0.4, family_card=0.35, lease_days=20.0, orgs=40,
        staff=(3, 18), campuses=1, egresses=24, mobile=0.42, vpn=0.08, old=0.5, stay=45.0, prefix="user",
    ),
)  # fmt: skip
