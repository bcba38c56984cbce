"""What the timeline recovers of planted lives: waves, phases, returns after a ban, shifts, zones, look-alikes.

    python benchmarks/bench_recovery.py --worlds 5 --page docs/recovery.md

Worlds are the SYNTHETIC sample (``toolkit sample std --seed N``). The truth beside them is read here alone, after the
timeline has spoken. A ring's members are taken as given, as an investigator has them once the set has grown: what is
measured is what happened when, not who belongs. Errors are medians; hours are hours of time.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from pages import as_markdown, put_into
from worlds import find_world

import toolkit as tk

FARMED = {"R1": ("registration_burst", "burst_ends"), "R6": ("burst_starts", "burst_ends")}
"""Rings whose accounts are made in one go, and the planted beginning and end of it."""
HUMAN = ("auth_events", "requests", "content")


def main() -> None:
    """Measure every world and print, or write, the tables."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--worlds", type=int, default=5)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--page", type=Path)
    given = asked.parse_args()
    measured: dict[str, list[pl.DataFrame]] = {}
    for world in range(given.worlds):
        for name, rows in measure(find_world(given.cache, "std", world)).items():
            measured.setdefault(name, []).append(rows.with_columns(world=pl.lit(world)))
    tables = {name: sum_up(pl.concat(parts)) for name, parts in measured.items()}
    for name, table in tables.items():
        print(f"\n## {name}\n{as_markdown(table, 2)}")
        if given.page:
            put_into(given.page, name, as_markdown(table, 2))


def measure(folder: Path) -> dict[str, pl.DataFrame]:
    """Everything that is planted in one world against what the timeline says."""
    data = tk.read_data(folder)
    truth = {file.stem: pl.read_parquet(file) for file in sorted((folder / "truth").glob("*.parquet"))}
    lives = truth["membership"].filter(pl.col("role").is_in(["member", "creator"]))
    return {
        "waves": find_planted_waves(data.events, lives, truth["events"]),
        "phases": find_planted_phases(data.events, lives, truth["events"]),
        "returns": find_planted_returns(data.events, truth["bans"], lives),
        "shifts": find_planted_shifts(data.events, lives, truth["actors"]),
        "zones": find_planted_zones(data.events, folder, truth["membership"], truth["actors"]),
        "look-alikes": find_planted_machines(data.events),
    }


def sum_up(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each thing planted, medians over accounts and worlds."""
    keys = [column for column in ("ring", "planted", "who", "kind") if column in rows.columns]
    figures = [column for column in rows.columns if column not in (*keys, "world")]
    counts = [pl.sum(column) for column in figures if rows.schema[column].is_integer()]
    medians = [pl.median(column) for column in figures if rows.schema[column].is_float()]
    return rows.group_by(keys).agg(pl.col("world").n_unique().alias("worlds"), *counts, *medians).sort(keys)


def hours(later: datetime, earlier: datetime) -> float:
    """Hours from one time to another."""
    return (later - earlier) / timedelta(hours=1)


def find_planted_waves(events: pl.DataFrame, lives: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Sign-up waves of farmed rings, found among the ring's own accounts and among everybody's; and ban waves."""
    rows = []
    everybody = tk.find_waves(events, on=("signup",))
    for ring, (begins, ends) in FARMED.items():
        start, end = (
            planted.filter((pl.col("ring") == ring) & (pl.col("phase") == p))["at"][0] for p in (begins, ends)
        )
        members = lives.filter(pl.col("ring") == ring)["account_id"].to_list()
        theirs = events.filter(pl.col("account_id").is_in(members))
        own = theirs.filter(pl.col("event") == "signup")
        told = own.filter(pl.col("event_at").is_between(start, end + timedelta(hours=1)))["account_id"].to_list()
        for who, waves in (
            ("the ring's accounts", tk.find_waves(theirs, on=("signup",))),
            ("everybody", everybody),
        ):
            near = waves.filter((pl.col("start_at") < end) & (pl.col("end_at") > start))
            caught = set(near["accounts"].explode().to_list()) & set(told) if near.height else set()
            row = {"ring": ring, "planted": "sign-up wave", "who": who, "accounts": len(told), "in_waves": len(caught)}
            error = (
                [abs(hours(near["start_at"].min(), start)), abs(hours(near["end_at"].max(), end))]
                if near.height
                else [None, None]
            )
            rows.append(row | {"start_error_h": error[0], "end_error_h": error[1]})
    for ring in ("R1", "R3"):
        at = planted.filter((pl.col("ring") == ring) & (pl.col("phase") == "ban_wave"))["at"][0]
        members = lives.filter(pl.col("ring") == ring)["account_id"].to_list()
        theirs = events.filter(pl.col("account_id").is_in(members))
        bans = theirs.filter(pl.col("event") == "enforcement.ban")
        near = tk.find_waves(theirs, on=("enforcement.ban",)).sort("n", "start_at", descending=[True, False]).head(1)
        row = {"ring": ring, "planted": "ban wave", "who": "the ring's accounts", "accounts": bans.height}
        caught = int(near["n"].sum()) if near.height else 0
        error = abs(hours(near["start_at"][0], at)) if near.height else None
        rows.append(row | {"in_waves": caught, "start_error_h": error, "end_error_h": None})
    schema = {"accounts": pl.Int64, "in_waves": pl.Int64, "start_error_h": pl.Float64, "end_error_h": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=schema)


def find_planted_phases(events: pl.DataFrame, lives: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Beginnings and ends of rings' lives against the phases of their accounts."""
    rows = []

    def add(ring: str, phase: str, found: datetime | None) -> None:
        at = planted.filter((pl.col("ring") == ring) & (pl.col("phase") == phase))["at"].to_list()
        if at:
            error = None if found is None else abs(hours(found, at[0]))
            rows.append({"ring": ring, "planted": phase, "told": int(found is not None), "error_h": error})

    # Of all accounts: an account is silent while others go on, so the end of the data is everybody's.
    everybody = tk.find_phases(events)
    for ring in ("R1", "R2", "R3", "R4", "R8", "R9"):
        members = lives.filter(pl.col("ring") == ring)
        phases = everybody.filter(pl.col("account_id").is_in(members["account_id"].to_list()))
        # Creators were people before: an account whose life began long before the others' is not the ring's beginning.
        makers = members.filter(pl.col("role") == "creator")["account_id"].to_list()
        born = phases.filter((pl.col("phase") == "created") & ~pl.col("account_id").is_in(makers))["start_at"]
        woke = (
            phases.sort("account_id", "start_at")
            .with_columns(before=pl.col("phase").shift().over("account_id"))
            .filter((pl.col("before") == "dormant") & pl.col("phase").is_in(["steady", "busy", "abuse"]))
        )
        for phase in ("registration_starts", "registration_burst", "first_account", "creation_starts"):
            add(ring, phase, born.min())
        for phase in ("registration_ends", "last_account", "burst_ends"):
            add(ring, phase, born.max())
        if ring == "R9":
            add(ring, "first_batch", woke["start_at"].quantile(0.1, "nearest") if woke.height else None)
        quiet = phases.filter((pl.col("phase") == "silent") & pl.col("account_id").is_in(makers))
        add(ring, "creator_vanishes", quiet["start_at"].max() if quiet.height else None)
        enforced = phases.filter(pl.col("phase") == "enforced")["start_at"]
        add(ring, "ban_wave", enforced.median() if len(enforced) else None)
    return pl.DataFrame(rows, schema_overrides={"told": pl.Int64, "error_h": pl.Float64})


def find_planted_returns(events: pl.DataFrame, bans: pl.DataFrame, lives: pl.DataFrame) -> pl.DataFrame:
    """The account that came after a banned one, and how long after."""
    acted = events.filter(pl.col("event") == "enforcement.ban").select("account_id", at="event_at")
    acted = acted.join(bans, on="account_id").with_columns(action=pl.lit("ban"))
    signed = events.filter(pl.col("event") == "signup").group_by("account_id").agg(pl.min("event_at").alias("came_at"))
    true = acted.drop_nulls("next_account_id").join(signed, left_on="next_account_id", right_on="account_id")
    true = true.with_columns(delay=(pl.col("came_at") - pl.col("at")).dt.total_seconds() / 3_600)
    true = true.filter(pl.col("delay") > 0)
    whose = lives.unique("account_id", keep="first", maintain_order=True).select("account_id", "ring")
    # Two kinds of values in common: one is as often a household's, or its campus's.
    found = tk.measure_effect(events, acted, post_days=30).returns.filter(pl.col("confidence") == "moderate")
    said = found.select("account_id", "of_account", told=pl.col("delay_s") / 3_600)
    met = true.join(
        said, left_on=["next_account_id", "account_id"], right_on=["account_id", "of_account"], how="left"
    ).join(whose, on="account_id", how="left")
    # Of one operator, any later account is a return too; of anybody else, it is a stranger.
    pairs = said.join(whose, on="account_id", how="left").join(
        whose, left_on="of_account", right_on="account_id", how="left", suffix="_of"
    )
    strangers = pairs.filter(pl.col("ring").is_null() | (pl.col("ring") != pl.col("ring_of")).fill_null(value=True))
    by_ring = met.with_columns(pl.col("ring").fill_null("(nobody's)")).group_by("ring").agg(
        pl.len().cast(pl.Int64).alias("returns"), pl.col("told").count().cast(pl.Int64).alias("found"),
        pl.median("delay").alias("true_delay_h"),
        (pl.col("told") - pl.col("delay")).abs().median().alias("delay_error_h"),
    )  # fmt: skip
    every = pl.DataFrame(
        {"ring": ["all candidates"], "returns": [said.height], "found": [said.height - strangers.height]}
    )
    return pl.concat([by_ring, every], how="diagonal").sort("ring")


def find_planted_shifts(events: pl.DataFrame, lives: pl.DataFrame, actors: pl.DataFrame) -> pl.DataFrame:
    """The hours that a ring's operator works, of all accounts together."""
    rows = []
    planted = actors.filter(pl.col("shift").str.contains(r"^\d+-\d+ local$") & pl.col("tz_true").str.starts_with("UTC"))
    for ring, zone, shift in planted.select("ring", "tz_true", "shift").unique().sort("ring").rows():
        offset = float(zone[3:6]) + float(zone[7:9]) / 60 * (1 if zone[3] == "+" else -1)
        begin, end = ((float(hour) - offset) % 24 for hour in shift.split()[0].split("-"))
        members = lives.filter((pl.col("ring") == ring) & (pl.col("role") == "member"))["account_id"].to_list()
        mine = events.filter(pl.col("account_id").is_in(members) & pl.col("source").is_in(HUMAN))
        found = tk.find_active_hours(mine.with_columns(ring=pl.lit(ring)), by="ring")
        if found.is_empty():
            rows.append(
                {
                    "ring": ring,
                    "planted": f"{shift}, {zone}",
                    "start_error_h": None,
                    "end_error_h": None,
                    "told": 0,
                    "zone_told": 0,
                }
            )
            continue
        apart = [
            abs((found[column][0] - true + 12) % 24 - 12) for column, true in (("from_hour", begin), ("to_hour", end))
        ]
        told = {"told": 1, "zone_told": int(zone in found["zones"][0].to_list())}
        rows.append(
            {"ring": ring, "planted": f"{shift}, {zone}", "start_error_h": apart[0], "end_error_h": apart[1], **told}
        )
    return pl.DataFrame(rows, schema_overrides={"start_error_h": pl.Float64, "end_error_h": pl.Float64})


def find_planted_zones(
    events: pl.DataFrame, folder: Path, membership: pl.DataFrame, actors: pl.DataFrame
) -> pl.DataFrame:
    """Whether the zones that are named hold the true one, account by account."""
    found = tk.find_active_hours(events.filter(pl.col("source").is_in(HUMAN))).select("account_id", "zones", "n")
    declared = pl.read_parquet(folder / "accounts.parquet").select("account_id", "tz_declared").unique("account_id")
    # Etc/GMT-3 is three hours east: the sign is the other way round.
    east = -pl.col("tz_declared").str.extract(r"GMT([+-]\d+)").cast(pl.Int64)
    rings = membership.filter(pl.col("role") == "member").join(actors, on="actor_id").unique("account_id")
    told = found.join(declared, on="account_id", how="left").join(
        rings.select("account_id", "tz_true", pl.col("ring").alias("of")), on="account_id", how="left"
    )
    sign = pl.when(east < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    named = pl.format("UTC{}{}:00", sign, east.abs().cast(pl.String).str.zfill(2))
    hidden = pl.col("tz_true").str.starts_with("UTC").fill_null(value=False)
    told = told.with_columns(
        true=pl.when(hidden).then("tz_true").otherwise(named),
        who=pl.when(hidden).then(pl.lit("rings, where the operator sits")).otherwise(pl.lit("others, as declared")),
    )
    told = told.drop_nulls("true").with_columns(
        some=pl.col("zones").list.len() > 0, covered=pl.col("zones").list.contains(pl.col("true"))
    )
    return told.group_by("who").agg(
        pl.len().cast(pl.Int64).alias("judged"), pl.col("some").sum().cast(pl.Int64).alias("zones_named"),
        (pl.col("some") & pl.col("covered")).sum().cast(pl.Int64).alias("true_one_among_them"),
        pl.col("zones").list.len().filter(pl.col("some")).median().alias("zones_of_half_an_hour"),
    )  # fmt: skip


def find_planted_machines(events: pl.DataFrame, each: int = 40) -> pl.DataFrame:
    """Machines of four kinds, and lives of the world beside them: the harmless ones should be read as harmless."""
    rng = np.random.default_rng(0)
    begin = datetime(2026, 1, 12, tzinfo=UTC).timestamp()
    lives: dict[str, tuple[str, list[np.ndarray]]] = {
        "office tool": ("office_hours", [office(rng) for _ in range(each)]),
        "cron job": (
            "schedule",
            [np.arange(0, 14 * 86_400, int(rng.choice([300, 900, 3_600]))) + 0.0 for _ in range(each)],
        ),
        "client that retries": ("retries", [retries(rng) for _ in range(each)]),
        "script of its own": (
            "automation",
            [np.cumsum(rng.normal(p, p / 40, 800)) for p in rng.uniform(140, 900, each)],
        ),
    }
    ordinary = events.filter(pl.col("source").is_in(HUMAN))
    busy = ordinary.group_by("account_id").len().filter(pl.col("len") >= 60).sort("len", "account_id")["account_id"]
    some = ordinary.filter(pl.col("account_id").is_in(busy.sample(min(len(busy), 400), seed=0).to_list()))
    rows = []
    for kind, (wanted, times) in lives.items():
        at = np.concatenate(times) + begin
        who = np.repeat([f"{kind} {i}" for i in range(each)], [len(t) for t in times])
        made = pl.DataFrame(
            {"event_at": pl.Series((at * 1e6).astype(np.int64)).cast(pl.Datetime("us", "UTC")), "account_id": who}
        )
        made = made.with_columns(
            event=pl.lit("request"), source=pl.lit("requests"), seq=pl.int_range(pl.len()), flags=pl.lit(0, pl.UInt16),
            event_id=pl.format("m{}", pl.int_range(pl.len())), precision=pl.lit("us"), raw_ref=pl.lit(""),
        )  # fmt: skip
        read = tk.find_automation(made)["reading"].to_list()
        row = {"kind": kind, "planted": wanted, "accounts": each, "read_as_that": read.count(wanted)}
        rows.append(row | {"read_as_automation": read.count("automation")})
    read = tk.find_automation(some)["reading"].to_list()
    row = {
        "kind": "accounts of the world",
        "planted": "people",
        "accounts": len(read),
        "read_as_that": read.count("people"),
    }
    return pl.DataFrame([*rows, row | {"read_as_automation": read.count("automation")}])


def office(rng: np.random.Generator) -> np.ndarray:
    """Every few minutes on weekdays from nine to five, with a little jitter."""
    step = float(rng.choice([120, 300, 420]))
    day = np.arange(9 * 3_600, 17 * 3_600, step)
    return np.sort(
        np.concatenate([d * 86_400 + day for d in range(14) if d % 7 < 5]) + rng.normal(0, step / 60, len(day) * 10)
    )


def retries(rng: np.random.Generator) -> np.ndarray:
    """Now and then a call, and after each a dozen repeats, two seconds apart."""
    calls = np.sort(rng.uniform(0, 14 * 86_400, 60))
    return np.sort(np.concatenate([call + 2.0 * np.arange(12) for call in calls]))


if __name__ == "__main__":
    main()
