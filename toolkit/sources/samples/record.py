"""From visits to the four logs, a block at a time.

A part (the crowd, one ring) is one block; a very large crowd is cut into several, each with its own streams. Only the
finished rows are kept, so a million accounts need the memory of their logs and of one block, not of every step at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from toolkit.sources.samples import logs, verdicts
from toolkit.sources.samples.chance import Ints
from toolkit.sources.samples.names import Names
from toolkit.sources.samples.plan import DAY, Plan
from toolkit.sources.samples.texts import Catalogue

BLOCK_ACCOUNTS = 100_000
_ORDER = {
    "auth_events": ("event_at", "session_id", "kind", "ingested_at"),
    "requests": ("event_at", "request_id"),
    "content": ("event_at", "request_id"),
    "labels": ("labelled_at", "label_id"),
}


@dataclass(frozen=True)
class Records:
    """The logs, and the little that other tables need to know about them."""

    tables: dict[str, pl.DataFrame]
    key_use: pl.DataFrame  # part, key, last
    spending: pl.DataFrame  # acct, week, tokens, last
    lies: pl.DataFrame  # session_id, why


def keep_records(
    visits: pl.DataFrame,
    devices: pl.DataFrame,
    bans: pl.DataFrame,
    vpn: pl.DataFrame,
    org_of: Ints,
    book: Catalogue,
    plan: Plan,
    names: Names,
) -> Records:
    """Write the logs of every visit of the window."""
    clocks = logs.clock_errors(names.seed, plan.accounts)
    harmful = [harm is not None for harm in verdicts.harms(book)]
    rows: dict[str, list[pl.DataFrame]] = {name: [] for name in (*_ORDER, "key_use", "spending", "lies")}
    for block in _cut_blocks(visits):
        seen = block.with_columns(logs.describe_clients(block, devices))
        seen = logs.identify_visits(seen, names.seed)
        calls = logs.expand_requests(seen, names.seed, bans)
        rows["auth_events"].append(logs.write_auth_events(seen, names, clocks, vpn, bans))
        rows["requests"].append(logs.write_requests(calls, names, clocks, org_of, harmful))
        rows["content"].append(logs.write_content(calls, names, clocks, book, plan))
        rows["labels"].append(verdicts.write_labels(calls, book, names))
        rows["key_use"].append(_sum_key_use(calls))
        rows["spending"].append(_sum_spending(calls))
        rows["lies"].append(seen.filter(pl.col("why").is_not_null()).select("session_id", "why"))
    tables = {name: pl.concat(rows.pop(name)).sort(*order) for name, order in _ORDER.items()}
    return Records(tables, *(pl.concat(rows[name]) for name in ("key_use", "spending", "lies")))


def _cut_blocks(visits: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Each part; the crowd in blocks of accounts, the first of which keeps the crowd's name."""
    block = pl.col("acct") // BLOCK_ACCOUNTS
    numbered = pl.format("{}/{}", "part", block)
    label = pl.when((pl.col("part") == "crowd") & (block > 0)).then(numbered).otherwise("part")
    labels = visits.select("acct", "part").select(label.alias("part")).to_series()
    for name in labels.unique(maintain_order=True).to_list():
        yield visits.filter(labels == name).with_columns(part=pl.lit(name))


def _sum_key_use(calls: pl.DataFrame) -> pl.DataFrame:
    used = calls.filter(pl.col("key").is_not_null())
    return used.group_by("part", "key").agg(last=pl.col("at").max()).sort("part", "key")


def _sum_spending(calls: pl.DataFrame) -> pl.DataFrame:
    tokens = (pl.col("in_tok") + pl.col("out_tok")).sum()
    weekly = calls.group_by("acct", week=pl.col("at") // (7 * DAY)).agg(tokens=tokens, last=pl.col("at").max())
    return weekly.sort("acct", "week")
