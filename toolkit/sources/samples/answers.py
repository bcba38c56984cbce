"""The truth tables: who is behind what. Written beside a sample, read by the scorer alone."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.draft import Draft
from toolkit.sources.samples.names import Names, as_time
from toolkit.sources.samples.plan import HORIZON
from toolkit.sources.samples.texts import Catalogue

PLACEHOLDER_WHY = "placeholder_device"
LARGEST_PAIRED = 64  # members; larger groups are listed in ``groups`` only


def write_truth(
    draft: Draft, bans: pl.DataFrame, lies: dict[str, pl.DataFrame], book: Catalogue, names: Names
) -> dict[str, pl.DataFrame]:
    """Every truth table of a world."""
    groups = _groups(draft, names)
    return {
        "actors": draft.actors.unique("actor", keep="first").rename({"actor": "actor_id"}).sort("actor_id"),
        "membership": _membership(draft, bans, names),
        "groups": groups,
        "linked_but_legit": _legit_pairs(groups),
        "poison": _poison(draft, lies, names),
        "bans": _bans(bans, names),
        "templates": _templates(book),
        "events": draft.phases.with_columns(at=as_time(draft.phases["at"])).sort("at", "ring", "phase"),
    }


def _membership(draft: Draft, bans: pl.DataFrame, names: Names) -> pl.DataFrame:
    ends = bans.filter(pl.col("reversed").is_null()).select("acct", banned="at")
    ours = draft.cast.filter(pl.col("ring").is_not_null()).join(ends, on="acct", how="left", maintain_order="left")
    members = ours.select("acct", "actor", "ring", "role", from_at="created", to_at=pl.coalesce("banned", "until"))
    touched = draft.roles.with_columns(to_at=pl.lit(HORIZON, dtype=pl.Int64))
    rows = pl.concat([members, touched.select(members.columns)]).unique(
        ["acct", "actor", "role"], keep="first", maintain_order=True
    )
    return pl.DataFrame(
        {
            "account_id": names.account(rows["acct"]),
            "actor_id": rows["actor"],
            "ring": rows["ring"],
            "role": rows["role"],
            "from_at": as_time(rows["from_at"]),
            "to_at": as_time(rows["to_at"]),
        }
    ).sort("ring", "actor_id", "role", "account_id")


def _groups(draft: Draft, names: Names) -> pl.DataFrame:
    rows = draft.groups
    ids = pl.Series("group", rows["group"])
    return (
        pl.DataFrame({"account_id": names.account(rows["acct"]), "group_id": ids, "kind": rows["kind"]})
        .unique()
        .sort("kind", "group_id", "account_id")
    )


def _legit_pairs(groups: pl.DataFrame) -> pl.DataFrame:
    size = pl.len().over("group_id")
    small = groups.filter(pl.col("kind") != "cgnat", size <= LARGEST_PAIRED)
    pairs = small.join(small, on="group_id", suffix="_b").filter(pl.col("account_id") < pl.col("account_id_b"))
    return (
        pairs.select(account_a="account_id", account_b="account_id_b", reason="kind")
        .unique()
        .sort("account_a", "account_b", "reason")
    )


def _poison(draft: Draft, lies: dict[str, pl.DataFrame], names: Names) -> pl.DataFrame:
    """Which row of which table lies, and why; ``lies`` are those of the logs, by the key of their rows."""
    told = {"accounts": pl.DataFrame({"key": names.account(draft.cast["acct"]), "why": draft.cast["why"]}), **lies}
    told["devices"] = draft.devices.select("device", "why")
    frames = []
    for table, rows in told.items():
        keyed = pl.DataFrame({"row_key": rows[:, 0], "why": rows[:, 1]}).drop_nulls()
        frames.append(keyed.select(pl.lit(table).alias("table"), "row_key", "why"))
    poison = pl.concat(frames)
    if poison.filter(pl.col("table") == "auth_events", pl.col("why") == PLACEHOLDER_WHY).is_empty():
        poison = poison.filter(pl.col("why") != PLACEHOLDER_WHY)  # nobody sent it, so no device row has it
    return poison.unique().sort("table", "row_key", "why")


def _bans(bans: pl.DataFrame, names: Names) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "account_id": names.account(bans["acct"]),
            "correct": bans["correct"],
            "next_account_id": names.account(bans["next"]),
        }
    ).sort("account_id")


def _templates(book: Catalogue) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "template_id": book.ids,
            "owner": pl.Series([t.owner for t in book.templates], dtype=pl.String),
            "benign": pl.Series(np.array([t.benign for t in book.templates], dtype=bool)),
        }
    ).sort("template_id")
