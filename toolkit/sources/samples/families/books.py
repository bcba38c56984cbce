"""From holdings to the tables that a company would keep.

Every holding of a kind that a table *pins* leaves at least one row there, at a time when it is held; the row's other
columns are filled with what else the account held at that time, from the same bundle where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng, mint_ids, pick_strings, unit_hash
from toolkit.sources.samples.draft import BINS
from toolkit.sources.samples.families.ground import Town
from toolkit.sources.samples.families.part import KEY_HANDS
from toolkit.sources.samples.names import as_time
from toolkit.sources.samples.plan import DAY, HOUR, MINUTE
from toolkit.sources.samples.rhythm import PROFILE_INDEX, draw_hours

_SAME_BUNDLE = 14.0  # nats: what lies in one place is used in one place


@dataclass(frozen=True)
class Book:
    """One table that a company keeps."""

    name: str
    columns: dict[str, str]  # column: the kind it shows
    pins: tuple[str, ...] = ()  # kinds whose every holding leaves a row
    again: float = 0.4  # more rows per holding, on average
    extra: float = 0.0  # more rows per account, on average
    once: bool = False  # instead: one row per account, when it is opened
    verbs: tuple[str, ...] = ()
    verb: str = "kind"
    account: str = "account_id"
    time: str = "event_at"
    row_id: str = "event_id"
    missing: dict[str, float] = field(default_factory=dict)  # column: share of rows that lack it
    doubled: float = 0.0  # share of rows that were delivered twice
    broken: int = 0  # rows that lost their account
    amounts: str | None = None  # a column of amounts of money
    means: dict[str, str] = field(default_factory=dict)  # kinds that the mapping calls by another kind's name


@dataclass(frozen=True)
class Kept:
    """A table, and which of its rows lie."""

    rows: pl.DataFrame
    poison: pl.DataFrame  # table, row_key, why


def keep_book(book: Book, town: Town, cast: pl.DataFrame, holdings: pl.DataFrame, ids: pl.Series) -> Kept:
    """Write one table: ``ids`` are the names of the accounts by number."""
    rng = town.stream("book", book.name)
    kinds = sorted(set(book.columns.values()) - {"card_bin"})
    held = holdings.filter(pl.col("kind").is_in(kinds))
    if "api_key" not in kinds:
        held = held.filter(pl.col("bundle") < KEY_HANDS)
    rows = _open_rows(rng, cast) if book.once else _draw_rows(book, town, rng, cast, held)
    for kind in kinds:
        rows = _fill(rng, rows, held.filter(pl.col("kind") == kind), kind)
    rows = rows.sort("at", "acct", *kinds, nulls_last=True)
    n = len(rows)
    keys = ids.gather(rows["acct"]) if book.once else mint_ids(rng, book.name[:3], n, 18)
    shown: dict[str, Any] = {} if book.once else {book.row_id: keys}
    shown |= {book.account: ids.gather(rows["acct"]), book.time: as_time(rows["at"] + town.ground.opens * DAY)}
    if book.verbs:
        shown[book.verb] = pick_strings(list(book.verbs), rng.integers(0, len(book.verbs), n))
    if book.amounts:
        shown[book.amounts] = rng.integers(1, 40, n) * 500
    for column, kind in book.columns.items():
        values = _find_bins(rows["card"]) if kind == "card_bin" else rows[kind]
        lost = rng.random(n) < book.missing.get(column, 0.0)
        shown[column] = values.scatter(np.flatnonzero(lost), None) if lost.any() else values
    poison = pl.DataFrame({"table": [book.name] * n, "row_key": keys, "why": rows["why"]})
    return _damage(book, rng, Kept(pl.DataFrame(shown), poison.drop_nulls("why")))


def _open_rows(rng: Rng, cast: pl.DataFrame) -> pl.DataFrame:
    order = cast[rng.permutation(len(cast))]
    return order.select("acct", at="created", bundle=pl.lit(0, dtype=pl.Int64), why=pl.lit(None, dtype=pl.String))


def _draw_rows(book: Book, town: Town, rng: Rng, cast: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """When: for each pinned holding once or more while it is held, and now and then besides."""
    life = cast.select("acct", "zone", born=pl.col("created").clip(0, None), dies=pl.col("until"))
    pinned = held.filter(pl.col("kind").is_in(book.pins)).join(life, on="acct", how="inner", maintain_order="left")
    span = pinned.with_columns(
        first=pl.max_horizontal("since", "born"),
        last=pl.min_horizontal(pl.col("until"), pl.col("dies"), pl.lit(town.horizon - 1)),
    ).filter(pl.col("first") <= pl.col("last"))
    more = rng.poisson(book.again * span["weight"].clip(0.3, 1.5).to_numpy())
    took = span[np.repeat(np.arange(len(span)), 1 + np.minimum(more, 6))]
    took = took.select("acct", "zone", "bundle", "why", "first", "last", pin="kind", value="value")
    idle = np.repeat(np.arange(len(life)), np.minimum(rng.poisson(book.extra, len(life)), 12))
    besides = life[idle].select(
        "acct",
        "zone",
        bundle=pl.lit(0, dtype=pl.Int64),
        why=pl.lit(None, dtype=pl.String),
        first="born",
        last=pl.min_horizontal("dies", pl.lit(town.horizon - 1)),
        pin=pl.lit(None, dtype=pl.String),
        value=pl.lit(None, dtype=pl.String),
    ).filter(pl.col("first") <= pl.col("last"))  # fmt: skip
    rows = pl.concat([took, besides])
    at = _draw_times(rng, *(rows[name].to_numpy() for name in ("first", "last", "zone")))
    return rows.drop("first", "last", "zone").with_columns(at=pl.Series(at))


def _draw_times(rng: Rng, first: Ints, last: Ints, zone: Ints) -> Ints:
    """Any day between, at an hour when people of that zone are awake if that fits."""
    at = first + (rng.random(len(first)) * (last - first)).astype(np.int64)
    hours = draw_hours(rng, np.full(len(first), PROFILE_INDEX["daily"]))
    awake = at // DAY * DAY + (hours * HOUR).astype(np.int64) - zone * MINUTE
    return np.asarray(np.where((awake >= first) & (awake <= last), awake, at), dtype=np.int64)


def _fill(rng: Rng, rows: pl.DataFrame, held: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Which value of ``kind`` each row shows: its pinned one, else one held then, by weight, of its bundle first."""
    numbered = rows.with_row_index("row")
    asks = numbered.select("row", "acct", "at", "bundle")
    if "pin" in rows.columns:
        asks = numbered.filter(pl.col("pin").ne_missing(kind)).select("row", "acct", "at", "bundle")
    offers = held.select(
        "acct", "value", "since", "until", "weight", told="why", of="bundle"
    )  # fmt: skip
    found = asks.join(offers, on="acct", how="inner", maintain_order="left_right")
    found = found.filter(pl.col("since") <= pl.col("at"), pl.col("at") <= pl.col("until"))
    same = (found["of"] == found["bundle"]).cast(pl.Float64).to_numpy()
    liking = np.log(found["weight"].to_numpy()) + _SAME_BUNDLE * same + rng.gumbel(size=len(found))
    order = np.lexsort((-liking, found["row"].to_numpy()))
    best = found[order].unique("row", keep="first", maintain_order=True).select("row", "value", "told")
    filled = numbered.join(best.rename({"value": "shown"}), on="row", how="left", maintain_order="left")
    value, why = pl.col("shown"), pl.coalesce("why", "told")
    if "pin" in rows.columns:
        value = pl.when(pl.col("pin") == kind).then("value").otherwise("shown")
    return filled.with_columns(value.alias(kind), why.alias("why")).drop("row", "shown", "told")


def _find_bins(cards: pl.Series) -> pl.Series:
    """The bank of a card is a property of the card."""
    place = (unit_hash(cards, "bin") ** 2.2 * len(BINS)).astype(np.int64)
    return pick_strings(BINS, np.where(cards.is_null().to_numpy(), -1, np.minimum(place, len(BINS) - 1)))


def _damage(book: Book, rng: Rng, kept: Kept) -> Kept:
    """Deliver some rows twice; let some lose their account."""
    rows, n = kept.rows, len(kept.rows)
    lost = rng.choice(n, min(book.broken, n), replace=False)
    spare = rows[lost].with_columns(pl.lit(None, dtype=pl.String).alias(book.account))
    if not book.once and len(spare):
        spare = spare.with_columns(mint_ids(rng, book.name[:3], len(spare), 18).alias(book.row_id))
    twice = rows[np.flatnonzero(rng.random(n) < book.doubled)]
    key = book.account if book.once else book.row_id
    told = pl.DataFrame(
        {"table": [book.name] * len(spare), "row_key": spare[key], "why": ["row_without_account"] * len(spare)},
        schema={"table": pl.String, "row_key": pl.String, "why": pl.String},
    )
    rows = pl.concat([rows, twice, spare]).sort(book.time, key, book.account, nulls_last=True)
    return Kept(rows, pl.concat([kept.poison, told]))
