"""What every ring starts from: its accounts, dressed as anyone's, and a few moves that rings have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.draft import ACTORS, ROLES, table
from toolkit.sources.samples.families.ground import Town
from toolkit.sources.samples.families.part import Part, hold
from toolkit.sources.samples.families.people import enlist, settle


class Muster:
    """Gives rings their names and account numbers, in the order they are called."""

    def __init__(self, town: Town, letter: str) -> None:
        self.town = town
        self._letter = letter
        self._rings = 0
        self._next = town.ground.people

    def size(self, usual: int) -> int:
        """A ring's size in this world: small worlds have small rings, never fewer than it takes."""
        return max(min(usual, 6 + usual // 5), 6) if self.town.small else usual

    def call(self, size: int, kind: str, difficulty: int) -> Ring:
        """Call up a new ring."""
        self._rings += 1
        name = f"{self._letter}{100 + self._rings}"  # never R11, which the scorer takes for contagion
        base = self._next
        self._next += size
        return Ring(self.town, name, self._rings, base + np.arange(size, dtype=np.int64), kind, difficulty)


class Ring:
    """One ring in the making. Its parts are gathered by ``add`` and handed over by ``finish``."""

    def __init__(self, town: Town, name: str, number: int, acct: Ints, kind: str, difficulty: int) -> None:
        self.town, self.name, self.acct = town, name, acct
        self.actor = f"actor_{number:03d}"
        self.n = len(acct)
        self.rng = town.stream("ring", str(number))
        self._kind, self._difficulty = kind, difficulty
        self._cast: pl.DataFrame | None = None
        self._holdings: list[pl.DataFrame] = []
        self._roles: list[pl.DataFrame] = []
        self._zone = int(self.rng.choice([-300, 0, 60, 180, 330, 480]))

    @property
    def created(self) -> Ints:
        """When each account was opened, in µs from the start of the window."""
        return np.asarray(self._enlisted()["created"].to_numpy(), dtype=np.int64)

    @property
    def until(self) -> Ints:
        """When each account was last used."""
        return np.asarray(self._enlisted()["until"].to_numpy(), dtype=np.int64)

    def _enlisted(self) -> pl.DataFrame:
        if self._cast is None:
            raise RuntimeError("open the accounts of a ring first")
        return self._cast

    def open_accounts(self, created: ArrayLike, until: ArrayLike | None = None) -> Ring:
        """Open the accounts at these times; nine in ten keep the operator's hours."""
        at = np.clip(np.asarray(created, dtype=np.int64), -(2**50), self.town.horizon - 2)
        cast = enlist(self.town, self.rng, self.acct, at)
        zone = np.where(self.rng.random(self.n) < 0.9, self._zone, cast["zone"].to_numpy())
        last = np.maximum(cast["until"].to_numpy(), np.minimum(at + self.town.horizon // 8, self.town.horizon - 1))
        if until is not None:
            last = np.clip(np.asarray(until, dtype=np.int64), at + 1, self.town.horizon - 1)
        self._cast = cast.with_columns(
            zone=pl.Series(zone),
            until=pl.Series(last),
            actor=pl.lit(self.actor),
            ring=pl.lit(self.name),
            role=pl.lit("member"),
        )
        return self

    def open_between(self, first: float, last: float) -> Ring:
        """Open the accounts at any time between two shares of the window, in order."""
        at = self.town.horizon * np.sort(self.rng.uniform(first, last, self.n))
        return self.open_accounts(at.astype(np.int64))

    def dress(self, *without: str) -> Ring:
        """Give every account a home line, a browser and so on, as people have; ``without`` some kinds."""
        alone = np.arange(self.n, dtype=np.int64)
        return self.add(settle(self.town, self.rng, self._enlisted(), alone, frozenset(without)))

    def own(self, kind: str, share: float, **more: Any) -> Ring:
        """A share of the accounts has a value of its own."""
        some = np.flatnonzero(self.rng.random(self.n) < share)
        return self.add(hold(self.acct[some], kind, self.mint(kind, len(some)), **more))

    def give(self, who: ArrayLike, kind: str, values: pl.Series | list[str] | str, **more: Any) -> Ring:
        """The accounts at these places hold these values."""
        return self.add(hold(self.acct[np.asarray(who, dtype=np.int64)], kind, values, **more))

    def give_by(self, kind: str, place: Ints, **more: Any) -> Ring:
        """The accounts of one place hold one new value; servers, where the kind is ``ip``."""
        n = int(place.max()) + 1
        values = self.town.draw_hosting(self.rng, n) if kind == "ip" else self.mint(kind, n)
        return self.give(np.arange(self.n), kind, values.gather(place), **more)

    def add(self, holdings: pl.DataFrame) -> Ring:
        """Holdings of any account."""
        self._holdings.append(holdings)
        return self

    def touch(self, acct: ArrayLike, role: str, from_at: Any) -> Ring:
        """People who are no members but were touched by the ring."""
        who = np.asarray(acct, dtype=np.int64)
        rows = table(ROLES, len(who), acct=who, actor=self.actor, ring=self.name, role=role, from_at=from_at)
        self._roles.append(rows)
        return self

    def mint(self, kind: str, n: int) -> pl.Series:
        """New values of a kind."""
        return self.town.mint(self.rng, kind, n)

    def finish(self) -> Part:
        """The ring, with the truth about its operator."""
        sign = "+" if self._zone >= 0 else "-"
        zone = f"UTC{sign}{abs(self._zone) // 60:02d}:{abs(self._zone) % 60:02d}"
        facts = {"kind": self._kind, "ring": self.name, "difficulty": self._difficulty, "tz_true": zone}
        actors = table(ACTORS, 1, actor=self.actor, shift="daily", **facts)
        roles = pl.concat(self._roles) if self._roles else Part().roles
        return Part(self._enlisted(), pl.concat(self._holdings), roles=roles, actors=actors)


def draw_hands(rng: Rng, n: int, pool: int, low: int, high: int) -> tuple[Ints, Ints]:
    """Each of ``n`` draws ``low`` to ``high`` different things from a pool, as (who, what); nothing is left over.

    Examples
    --------
    >>> who, what = draw_hands(np.random.default_rng(0), 4, 3, 1, 2)
    >>> sorted(set(what.tolist())), len(set(zip(who.tolist(), what.tolist()))) == len(who)
    ([0, 1, 2], True)
    """
    counts = np.minimum(rng.integers(low, high + 1, n), pool)
    who = np.repeat(np.arange(n), counts)
    # Dealt like cards: shuffled decks one after the other, so that every thing is used before any is used up.
    decks = np.concatenate([rng.permutation(pool) for _ in range(len(who) // pool + 2)])[: len(who)]
    pairs = np.unique(np.stack([who, decks]), axis=1)
    return pairs[0].astype(np.int64), pairs[1].astype(np.int64)


def draw_blocks(rng: Rng, n: int, low: int, high: int) -> Ints:
    """Each of ``n`` in a block of ``low`` to ``high``, one block after the other; the last takes in too small a rest.

    Examples
    --------
    >>> draw_blocks(np.random.default_rng(0), 8, 3, 3).tolist()
    [0, 0, 0, 1, 1, 1, 1, 1]
    """
    place = np.repeat(np.arange(n, dtype=np.int64), rng.integers(low, high + 1, n))[:n]
    rest = place == place[-1]
    return np.where(rest & (rest.sum() < low) & (place > 0), place - 1, place)
