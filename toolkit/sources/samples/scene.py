"""What every ring is given to play with, and the steps that rings have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Ints, Rng, open_stream
from toolkit.sources.samples.draft import ACTORS, PHASES, ROLES, make_cast, table
from toolkit.sources.samples.internet import COUNTRY_WEIGHTS, Internet
from toolkit.sources.samples.plan import Knobs, Plan
from toolkit.sources.samples.rhythm import PROFILE_INDEX, draw_visit_times
from toolkit.sources.samples.texts import Catalogue

# Numbers rented out by one SMS farm to whoever pays: rival rings hold the same ones.
FARM_NUMBERS = 14


@dataclass(frozen=True)
class Scene:
    """One copy of one ring: its first account number and the world around it."""

    plan: Plan
    knobs: Knobs
    net: Internet
    book: Catalogue
    seed: int
    ring: str
    copy: int
    base: int

    @property
    def part(self) -> str:
        """The ring's name among its copies: R1, R1.2, R1.3..."""
        return self.ring if self.copy == 0 else f"{self.ring}.{self.copy + 1}"

    @property
    def actor(self) -> str:
        """The operator behind the ring."""
        return f"actor_{self.part.lower().replace('.', '_')}"

    def stream(self, *name: str) -> Rng:
        """Open one of the ring's own streams of random numbers."""
        return open_stream(self.seed, "ring", self.part, *name)

    def templates(self, owner: str | None = None) -> Ints:
        """Places of the ring's templates in the catalogue."""
        return self.book.of(owner or self.part)

    def mistakes(self, usual: int) -> int:
        """How many slips the operator makes."""
        return round(usual * self.knobs.leak_rate)

    def chaff_share(self, usual: float) -> float:
        """Share of ordinary requests mixed in, never quite all."""
        return min(usual * self.knobs.chaff, 0.95)

    def pool_size(self, usual: int) -> int:
        """How many addresses the ring rotates over."""
        return max(round(usual * self.knobs.proxy_rotation), 1)

    def farm_numbers(self) -> pl.Series:
        """The SMS farm's numbers: the same for every ring of this copy."""
        rng = open_stream(self.seed, "vendor", "sms", str(self.copy))
        return "+999" + pl.Series(rng.integers(10**11, 10**12, FARM_NUMBERS)).cast(pl.String)

    def cast(self, rng: Rng, created: Ints, **values: Any) -> pl.DataFrame:
        """The ring's accounts, dressed as anyone's."""
        n = len(created)
        country = values.pop("country", None)
        if country is None:
            country = draw_countries(rng, n)
        acct = values.pop("acct", np.arange(self.base, self.base + n, dtype=np.int64))
        fixed = {"actor": self.actor, "ring": self.ring, "role": "member"} | values
        return make_cast(rng, acct, created, country, **fixed)

    def describe(
        self, kind: str, difficulty: int, zone_hours: float, shift: str, actor: str | None = None
    ) -> pl.DataFrame:
        """The truth about the operator."""
        sign = "+" if zone_hours >= 0 else "-"
        zone = f"UTC{sign}{abs(int(zone_hours)):02d}:00"
        who = actor or self.actor
        return table(ACTORS, 1, actor=who, kind=kind, ring=self.ring, difficulty=difficulty, tz_true=zone, shift=shift)

    def phases(self, **at: int) -> pl.DataFrame:
        """What happened when, by name of the phase."""
        return table(PHASES, len(at), phase=list(at), at=list(at.values()), ring=self.part)

    def roles(self, acct: Ints, role: str, from_at: Ints | int = 0) -> pl.DataFrame:
        """People who are not members but were touched by the ring."""
        return table(ROLES, len(acct), acct=acct, actor=self.actor, ring=self.ring, role=role, from_at=from_at)


def draw_countries(rng: Rng, n: int, only: int | None = None) -> Ints:
    """Countries as the crowd has them; or a few of the larger ones, which a ring then shares with very many."""
    if only is None:
        return rng.choice(len(COUNTRY_WEIGHTS), n, p=COUNTRY_WEIGHTS).astype(np.int64)
    chosen = rng.choice(12, only, replace=False)
    return np.asarray(chosen[rng.integers(0, only, n)], dtype=np.int64)


def come_and_go(
    rng: Rng, cast: pl.DataFrame, counts: Ints, profile: str, zone_minutes: int | None = None
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """The sign-up and the later visits of each row of the cast: (row, time, is it the sign-up).

    ``zone_minutes`` is where the operator sits, when that is not where the accounts say they are.
    """
    n = len(cast)
    zone = cast["zone"].to_numpy() if zone_minutes is None else np.full(n, zone_minutes, dtype=np.int64)
    created = cast["created"].to_numpy()
    hours = np.full(n, PROFILE_INDEX[profile], dtype=np.int64)
    who, at = draw_visit_times(rng, created, cast["until"].to_numpy(), counts, zone, hours)
    row = np.concatenate([np.arange(n), who])
    first = np.arange(len(row)) < n
    return row, np.concatenate([created, at]), first


def blend(rng: Rng, mostly: pl.Series, sometimes: pl.Series, share: float) -> pl.Series:
    """``mostly``, but ``sometimes`` in this share of rows."""
    mask = pl.Series(rng.random(len(mostly)) < share)
    return pl.select(pl.when(mask).then(sometimes).otherwise(mostly)).to_series()


def swap(values: pl.Series, rows: Ints, new: pl.Series | str) -> pl.Series:
    """``values`` with these rows replaced."""
    if len(rows) == 0:
        return values
    fresh = new.to_list() if isinstance(new, pl.Series) else [new] * len(rows)
    return values.clone().scatter(rows, fresh)
