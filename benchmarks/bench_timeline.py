"""What timelines cost beside the least that must be done, and beside plain pandas, polars and DuckDB.

    python benchmarks/bench_timeline.py --rows 1000000 --repeat 5

Events are made on the spot (SYNTHETIC, seeded): three sources, twenty events an account, times to the microsecond.
Floors are measured in the same run, in turn with everything else: reading the three files and sorting their times for
merges; sorting unordered times for sessions and bursts. Printed are medians in milliseconds, and their ratios. Peers
answer the same question; that the answers agree is checked before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from toolkit.timeline.build import build_timeline
from toolkit.timeline.bursts import busy_gaps, find_bursts
from toolkit.timeline.coded import order_by_account
from toolkit.timeline.sessions import find_sessions
from toolkit.views.timeline import draw_density, draw_swimlanes

DAY_US = 86_400_000_000
GAP_S = 1_800.0


def make_events(rows: int, seed: int = 0) -> pl.DataFrame:
    """Events of three sources in order of time."""
    rng = np.random.default_rng(seed)
    accounts = max(rows // 20, 1)
    ids = pl.Series([f"acct_{i:010d}" for i in range(accounts)])
    at = np.sort(rng.integers(0, 30 * DAY_US, rows))
    drawn = {
        "event_at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
        "account_id": ids.gather(rng.integers(0, accounts, rows)),
        "event": pl.Series(["chat", "login", "request"]).gather(rng.integers(0, 3, rows)),
        "source": pl.Series(["api", "app", "auth"]).gather(rng.integers(0, 3, rows)),
        "event_id": pl.Series(np.arange(rows)).cast(pl.String),
        "seq": pl.Series(np.arange(rows)),
    }
    fixed = {"ingested_at": pl.lit(None, pl.Datetime("us", "UTC")), "precision": pl.lit("us"), "raw_ref": pl.lit("")}
    return pl.DataFrame(drawn).with_columns(
        **fixed, flags=pl.lit(0, pl.UInt16), value=pl.lit(None, pl.Float64)
    )  # fmt: skip


def main() -> None:
    """Print every table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--repeat", type=int, default=5)
    given = asked.parse_args()
    events = make_events(given.rows)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for source in ("api", "app", "auth"):
            files.append(Path(folder) / f"{source}.parquet")
            events.filter(pl.col("source") == source).write_parquet(files[-1], compression="zstd")
        show("merge of three sources", "scan + argsort", measure(merges(files), given.repeat))
    shuffled = events["event_at"].dt.epoch("us").to_numpy()[np.random.default_rng(1).permutation(given.rows)]
    show("sessions, 30 min", "argsort", measure(sessions(events, shuffled), given.repeat))
    show("bursts, all accounts", "argsort", measure(bursts(events, shuffled), given.repeat))
    show("pictures", "count by account and hour", measure(pictures(events), given.repeat))


def measure(steps: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median milliseconds of each step, all of them in turn."""
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeat):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            took[name].append(1_000 * (time.perf_counter() - began))
    return {name: statistics.median(times) for name, times in took.items()}


def show(title: str, floor: str, took: dict[str, float]) -> None:
    """Print one table, the floor first."""
    print(f"\n{title}")
    for name, ms in took.items():
        print(f"  {name:<44}{ms:>10.0f} ms {ms / took[floor]:>8.2f} x floor")


def merges(files: list[Path]) -> dict[str, Callable[[], object]]:
    """Three files into one timeline."""

    def read() -> list[pl.DataFrame]:
        return [pl.read_parquet(file) for file in files]

    def floor() -> None:
        np.argsort(pl.concat(read())["event_at"].to_physical().to_numpy(), kind="stable")

    named = {"files": [str(file) for file in files]}
    query = "select * from read_parquet($files) order by event_at"
    return {
        "scan + argsort": floor,
        "toolkit, total order": lambda: build_timeline(*read(), dedup="none"),
        "toolkit, total order, no event twice": lambda: build_timeline(*read()),
        "polars, by time only": lambda: pl.concat(read()).sort("event_at"),
        "polars, by time, source, seq": lambda: pl.concat(read()).sort("event_at", "source", "seq"),
        "duckdb, by time": lambda: duckdb.connect().sql(query, params=named).to_arrow_table(),
    }


def sessions(events: pl.DataFrame, shuffled: np.ndarray) -> dict[str, Callable[[], object]]:
    """Half an hour of nothing ends a session."""
    grouped = order_by_account(events)

    def coded() -> int:
        return int(((grouped.gap < 0) | (grouped.gap > GAP_S * 1e6)).sum())

    def from_strings() -> int:
        by = order_by_account(events)
        return int(((by.gap < 0) | (by.gap > GAP_S * 1e6)).sum())

    pause = pl.col("event_at").diff().over("account_id")
    frame = events.select("account_id", "event_at")

    def by_pandas() -> int:
        gap = frame.to_pandas().groupby("account_id", sort=False)["event_at"].diff()
        return int((gap.isna() | (gap.dt.total_seconds() > GAP_S)).sum())

    base = duckdb.connect()
    base.register("events", frame.to_arrow())
    lag = "lag(event_at) over (partition by account_id order by event_at)"
    query = f"select count(*) from (select event_at - {lag} as gap from events) where gap is null or gap > $gap"  # noqa: S608 - no value in it

    def by_duckdb() -> int:
        rows = base.execute(query, {"gap": timedelta(seconds=GAP_S)}).fetchall()
        return int(rows[0][0])

    steps: dict[str, Callable[[], object]] = {
        "argsort": lambda: np.argsort(shuffled, kind="stable"),
        "toolkit, coded accounts: session starts": coded,
        "toolkit, from strings: session starts": from_strings,
        "toolkit, find_sessions: rows and table": lambda: find_sessions(events, gap=GAP_S),
        "polars diff().over()": lambda: frame.select(pause.fill_null(pl.duration(days=9)) > pl.duration(seconds=GAP_S)),
        "pandas groupby.diff": by_pandas,
        "duckdb lag": by_duckdb,
    }
    found = find_sessions(events, gap=GAP_S)[1].height
    if not coded() == from_strings() == by_pandas() == by_duckdb() == found:
        raise SystemExit("sessions disagree: nothing was timed")
    return steps


def bursts(events: pl.DataFrame, shuffled: np.ndarray) -> dict[str, Callable[[], object]]:
    """Kleinberg's states over every account."""
    grouped = order_by_account(events)
    gap = np.maximum(grouped.gap, 1).astype(float)
    hour = pl.col("event_at").dt.truncate("1h")
    return {
        "argsort": lambda: np.argsort(shuffled, kind="stable"),
        "toolkit, busy_gaps on coded accounts": lambda: busy_gaps(gap, grouped.start, 3.0, 1.0),
        "toolkit, find_bursts: findings": lambda: find_bursts(events),
        "polars, counts by account and hour": lambda: events.group_by("account_id", hour).len(),
    }


def pictures(events: pl.DataFrame) -> dict[str, Callable[[], object]]:
    """Charts to their specification; what they weigh is printed first."""
    small = events.sample(10_000, seed=0).with_columns(account_id=pl.format("a{}", pl.int_range(pl.len()) % 1_000))
    hour = pl.col("event_at").dt.truncate("1h")
    steps: dict[str, Callable[[], object]] = {
        "count by account and hour": lambda: events.group_by("account_id", hour).len(),
        "40 lanes with an overview": lambda: draw_swimlanes(events, overview=True).to_dict(),
        "1,000 lanes, the busiest": lambda: draw_swimlanes(events, top=1_000, order="busiest").to_dict(),
        "1,000 lanes of 10,000 rows": lambda: draw_swimlanes(small, top=1_000).to_dict(),
        "density by verb": lambda: draw_density(events).to_dict(),
    }
    print()
    for name, step in list(steps.items())[1:]:
        print(f"  {name}: {len(json.dumps(step())) / 1_000:,.0f} kB of specification")
    return steps


if __name__ == "__main__":
    main()
