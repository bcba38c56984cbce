"""What a component adds to a family's world: people, and what each of them holds from when to when.

A **holding** is the whole grammar: this account was on this device (ip, card, text...) between these times. Rings and
neighbours only ever write holdings; ``books`` turns them into the rows of a company's tables. Holdings with one
**bundle** number belong to one place or one hand (the office line and the office machine), so they meet in one row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from toolkit.sources.samples.draft import ACTORS, GROUPS, ROLES, Columns, empty, table

EVER = 2**60  # µs: before and after every window
# Bundle numbers. People's own things are 0, places have theirs below 7,000, from there on it is another's hand; from
# 8,000 on a hand that only has a key and never signs in.
OTHER_HANDS, KEY_HANDS = 7_000, 8_000

CAST: Columns = {
    "acct": pl.Int64,
    "created": pl.Int64,  # µs from the start of the window; negative: an older account
    "until": pl.Int64,  # nothing happens later
    "zone": pl.Int64,  # minutes east of Greenwich
    "actor": pl.String,
    "ring": pl.String,
    "role": pl.String,
}
HOLDINGS: Columns = {
    "acct": pl.Int64,
    "kind": pl.String,
    "value": pl.String,
    "since": pl.Int64,
    "until": pl.Int64,
    "weight": pl.Float64,  # how often it is used, next to others of its kind
    "bundle": pl.Int64,
    "why": pl.String,  # why it lies, if it does
}


@dataclass(frozen=True)
class Part:
    """What one component adds to the world."""

    cast: pl.DataFrame = field(default_factory=lambda: empty(CAST))
    holdings: pl.DataFrame = field(default_factory=lambda: empty(HOLDINGS))
    groups: pl.DataFrame = field(default_factory=lambda: empty(GROUPS))
    roles: pl.DataFrame = field(default_factory=lambda: empty(ROLES))
    actors: pl.DataFrame = field(default_factory=lambda: empty(ACTORS))


def stack_parts(parts: list[Part]) -> Part:
    """All components as one."""
    return Part(**{name: pl.concat([getattr(part, name) for part in parts]) for name in Part.__dataclass_fields__})


def hold(acct: ArrayLike, kind: str, value: pl.Series | list[str] | str, **more: Any) -> pl.DataFrame:
    """Each account holds the value beside it (or the one value), for ever unless ``since`` or ``until`` is given.

    Examples
    --------
    >>> hold([1, 2], "card", "c").select("acct", "kind", "value", "weight").rows()
    [(1, 'card', 'c', 1.0), (2, 'card', 'c', 1.0)]
    """
    who = np.asarray(acct, dtype=np.int64)
    usual: Columns = {"since": -EVER, "until": EVER, "weight": 1.0, "bundle": 0}
    return table(HOLDINGS, len(who), **{**usual, "acct": who, "kind": kind, "value": value, **more})


def join_group(acct: ArrayLike, group: str | list[str], kind: str) -> pl.DataFrame:
    """Put accounts in an honest group.

    Examples
    --------
    >>> join_group([7], "campus/0", "campus").rows()
    [(7, 'campus/0', 'campus')]
    """
    who = np.asarray(acct, dtype=np.int64)
    return table(GROUPS, len(who), acct=who, group=group, kind=kind)
