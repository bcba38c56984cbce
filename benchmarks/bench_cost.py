"""What `toolkit link` costs beside a plain scan of the same columns.

    python benchmarks/bench_cost.py --events 10000000 --repeat 3

The events are made on the spot (SYNTHETIC, seeded): a tenth as many accounts as events, most of them on devices, cards
and addresses of their own; addresses and user agents that many meet on, drawn by rank (Zipf); households; and planted
rings that draw from a common stock. They are written as the canonical tables ``auth_events`` and ``payments``. Then, in
fresh processes and in turn: polars reads the columns that linking needs, and `toolkit link` does everything from those
files to its tables (observations, pairs, scores, shuffled data, clusters, bootstraps). Printed for both, as medians:
CPU seconds (user and system; imports of polars are outside), wall seconds, peak memory; and the ratio. With
``--stages`` every line that `toolkit link` says is printed with the CPU seconds spent until then.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

NEEDED = {
    "auth_events": ["account_id", "event_at", "kind", "ip", "device_id", "ua_hash"],
    "payments": ["account_id", "event_at", "kind", "txn_id", "card_fp"],
}
"""By table: the columns that linking needs, and those that make a row what it is."""

PAYMENTS = 0.1
"""Share of the events that are payments."""

RING_SIZE, RINGS_PER_ACCOUNTS = 12, 2_000
"""Accounts of a planted ring, and accounts per ring."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--events", type=int, default=1_000_000)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--stages", action="store_true", help="print what each stage of linking costs")
    asked.add_argument("--keep", type=Path, help="a folder for the events, used again where it has them")
    asked.add_argument("--side", nargs=2, metavar=("SIDE", "FOLDER"), help="run one side (used by the bench)")
    given = asked.parse_args()
    if given.side:
        side, folder = given.side
        print(json.dumps(measure(side, Path(folder))))
        return
    with tempfile.TemporaryDirectory() as spare:
        folder = given.keep or Path(spare)
        if not (folder / "payments.parquet").exists():
            write_events(folder, given.events, np.random.default_rng([given.seed, given.events]))
        compare(folder, given.repeat, stages=given.stages)


def compare(folder: Path, repeat: int, *, stages: bool) -> None:
    """Run both sides in turn and print the table."""
    took: dict[str, list[dict[str, float]]] = {"scan": [], "link": []}
    for _ in range(repeat):
        for side, runs in took.items():
            runs.append(run(side, folder, stages=stages and side == "link"))
    print("| | CPU s | wall s | peak GB |\n|---|---|---|---|")
    middle = {
        side: {name: statistics.median(one[name] for one in runs) for name in ("cpu", "wall", "peak")}
        for side, runs in took.items()
    }
    for side, of in middle.items():
        print(f"| {side} | {of['cpu']:.2f} | {of['wall']:.2f} | {of['peak']:.2f} |")
    print(f"\nratio of CPU seconds: {middle['link']['cpu'] / middle['scan']['cpu']:.1f}")


def run(side: str, folder: Path, *, stages: bool) -> dict[str, float]:
    """One side in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
    if stages:
        print(done.stderr)
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return took


def measure(side: str, folder: Path) -> dict[str, float]:
    """CPU and wall seconds of one side, and the greatest memory its process had, in GB."""
    cpu, wall = spent(), time.perf_counter()
    if side == "scan":
        scan(folder)
    else:
        link(folder, cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"cpu": spent() - cpu, "wall": time.perf_counter() - wall, "peak": peak}


def scan(folder: Path) -> None:
    """Read the columns that linking needs, and nothing else."""
    for table, columns in NEEDED.items():
        pl.read_parquet(folder / f"{table}.parquet", columns=columns)


def link(folder: Path, began: float) -> None:
    """Run the whole command; each line it says carries the CPU seconds until then."""
    from toolkit import cli

    def say(text: str) -> None:
        print(f"{spent() - began:8.1f} s  {text}", file=sys.stderr)

    cli._say = say
    with tempfile.TemporaryDirectory() as out:
        cli.cli.main(["link", str(folder), "--out", out], standalone_mode=False)


def spent() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- the events


def write_events(folder: Path, n: int, rng: np.random.Generator) -> None:
    """Write ``auth_events.parquet`` and ``payments.parquet`` with so many rows in all."""
    folder.mkdir(parents=True, exist_ok=True)
    n_accounts, n_payments = n // 10, int(PAYMENTS * n)
    stock = draw_ring_stock(n_accounts, rng)
    write_auth(folder, draw_accounts(n - n_payments, n_accounts, rng), stock, rng)
    write_payments(folder, draw_accounts(n_payments, n_accounts, rng), stock, rng)


def draw_accounts(n: int, n_accounts: int, rng: np.random.Generator) -> IntArray:
    """An account per event; a busy one has several times the events of a quiet one."""
    rate = rng.gamma(1.5, size=n_accounts)
    return rng.choice(n_accounts, size=n, p=rate / rate.sum())


def draw_ring_stock(n_accounts: int, rng: np.random.Generator) -> IntArray:
    """By account: the ring whose stock it draws from, or -1."""
    ring = np.full(n_accounts, -1, dtype=np.int64)
    number = max(1, n_accounts // RINGS_PER_ACCOUNTS)
    members = rng.choice(n_accounts, size=number * RING_SIZE, replace=False)
    ring[members] = np.repeat(np.arange(number), RING_SIZE)
    return ring


def write_auth(folder: Path, account: IntArray, ring: IntArray, rng: np.random.Generator) -> None:
    """Logins: a device and an address of one's own, of the household, of the ring, or one that many meet on."""
    n, n_accounts = len(account), len(ring)
    household = np.where(rng.random(n_accounts) < 0.1, np.arange(n_accounts) // 2 * 2, np.arange(n_accounts))
    luck, mine = rng.random(n), ring[account]
    device = 2 * household[account] + (rng.random(n) < 0.15)  # a first device, now and then a second
    shared = (mine >= 0) & (luck < 0.7)
    device = np.where(shared, 3 * n_accounts + 3 * mine + rng.integers(0, 3, n), device)
    address = 4 * household[account] + rng.integers(0, 4, n) // 3  # mostly the one at home
    address = np.where(rng.random(n) < 0.25, 5 * n_accounts + draw_by_rank(n, n_accounts // 10, rng), address)
    address = np.where(shared & (luck < 0.4), 6 * n_accounts + 4 * mine + rng.integers(0, 4, n), address)
    agent = draw_by_rank(n, 300, rng)[account % n]  # an account keeps its browser
    rows = pl.DataFrame(
        {
            "account_id": name("acct", account, 10),
            "event_at": draw_times(n, rng),
            "kind": pl.Series(["login", "refresh", "logout"]).gather(rng.integers(0, 3, n)),
            "ip": write_addresses(address),
            "device_id": name("dev", device, 12),
            "ua_hash": name("ua", agent, 6),
        }
    )
    rows.sort("event_at", maintain_order=True).write_parquet(folder / "auth_events.parquet")


def write_payments(folder: Path, account: IntArray, ring: IntArray, rng: np.random.Generator) -> None:
    """Payments: mostly a card of one's own; a ring passes a few around."""
    n, n_accounts = len(account), len(ring)
    mine = ring[account]
    card = np.where((mine >= 0) & (rng.random(n) < 0.7), n_accounts + 3 * mine + rng.integers(0, 3, n), account)
    rows = pl.DataFrame(
        {
            "account_id": name("acct", account, 10),
            "event_at": draw_times(n, rng),
            "kind": pl.Series(["authorised", "declined"]).gather((rng.random(n) < 0.1).astype(np.int64)),
            "txn_id": name("txn", np.arange(n), 10),
            "card_fp": name("card", card, 12),
        }
    )
    rows.sort("event_at", maintain_order=True).write_parquet(folder / "payments.parquet")


def draw_by_rank(n: int, number: int, rng: np.random.Generator) -> IntArray:
    """Draw from so many values with chances that fall with their rank (Zipf)."""
    weight = 1 / np.arange(1, number + 1)
    return np.searchsorted(np.cumsum(weight / weight.sum()), rng.random(n)).clip(0, number - 1)


def draw_times(n: int, rng: np.random.Generator) -> pl.Series:
    """Sixty days of whole seconds, as text reads them: microseconds in UTC."""
    start = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
    at = start + rng.integers(0, 60 * 86_400, n)
    return pl.Series(at * 1_000_000).cast(pl.Datetime("us", "UTC"))


def name(prefix: str, number: IntArray, width: int) -> pl.Series:
    """Write numbers as ids of one width, in no telling order."""
    mixed = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(24)
    return pl.select(pl.lit(f"{prefix}_") + pl.Series(mixed).cast(pl.String).str.zfill(width + 2)).to_series()


def write_addresses(number: IntArray) -> pl.Series:
    """Write numbers as addresses from 240.0.0.0 on: reserved, so nobody's."""
    parts = [pl.Series((number >> shift) & 255) for shift in (24, 16, 8, 0)]
    parts[0] += 240
    return pl.select(pl.concat_str(parts, separator=".")).to_series()


if __name__ == "__main__":
    main()
