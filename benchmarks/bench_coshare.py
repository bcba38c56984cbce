"""Who shares the same thing at the same time: a real sample, this toolkit beside coordination-network-toolkit.

    python benchmarks/bench_coshare.py --runs 5

The sample (35,125 shares, CooRTweet, MIT) is ``russian_coord_tweets.parquet`` in ``TOOLKIT_REAL_DATA`` (default
``../shared/data``). The peer is in the extra ``bench``; ``--peers PYTHON`` names an interpreter that has it, if not
this one. Without it, a plain double loop stands in, and the table says so. For windows of 10 s and 60 s, each method
runs in a fresh process, in turn; the account pairs are compared one by one. Times are medians: of finding the pairs in
shares that are loaded (for the peer: in its database, filled and closed), and of everything from the file to the pairs.
The peer uses as many processes as there are cores. Beside each of our counts stands what chance gives: twenty shuffles
of accounts within the hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from toolkit.timeline.synchrony import count_chance_pairs, find_synchrony

SAMPLE = Path(os.environ.get("TOOLKIT_REAL_DATA", "../shared/data")) / "russian_coord_tweets.parquet"
EXPECTED = {10: 1092, 60: 6206}

# Runs where the peer is: fills its database, closes it, asks for the network, prints the pairs' file and the seconds.
PEER = """
import csv, json, os, sqlite3, sys, time
from coordination_network_toolkit.compute_networks import compute_co_retweet_parallel
from coordination_network_toolkit.preprocess import preprocess_data
if __name__ == "__main__":
    source, out, window = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began = time.perf_counter()
    with open(source) as lines:
        shares = list(csv.reader(lines))
    database = out + ".db"
    preprocess_data(database, ((n, a, a, o, None, "", t, []) for n, (a, o, t) in enumerate(shares)))
    loaded = time.perf_counter()
    sys.stdout = sys.stderr
    compute_co_retweet_parallel(database, window, n_threads=os.cpu_count())
    done = time.perf_counter()
    pairs = sqlite3.connect(database).execute("select user_1, user_2 from co_retweet_network where user_1 < user_2")
    with open(out, "w", newline="") as lines:
        csv.writer(lines).writerows(pairs)
    print(json.dumps({"finding": done - loaded, "everything": time.perf_counter() - began}), file=sys.__stdout__)
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=5)
    asked.add_argument("--peers", default=sys.executable, help="a python that has coordination_network_toolkit")
    asked.add_argument("--ours", nargs=2, metavar=("OUT", "SECONDS"), help="run our side (used by the bench)")
    given = asked.parse_args()
    if given.ours:
        run_ours(Path(given.ours[0]), int(given.ours[1]))
        return
    if not SAMPLE.exists():
        sys.exit(f"no {SAMPLE}: set TOOLKIT_REAL_DATA to the folder of real data")
    shares = read_shares()
    there = subprocess.run([given.peers, "-c", "import coordination_network_toolkit"], capture_output=True, check=False)
    peer = "coordination-network-toolkit" if there.returncode == 0 else "a plain double loop (the peer is not here)"
    print(f"{shares.height:,} shares by {shares['account_id'].n_unique():,} accounts; beside {peer}\n")
    print("| window | pairs | theirs | only one has | finding s | theirs | ratio | file to pairs s | theirs | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "shares.csv"
        shares.select("account_id", "object", pl.col("event_at").dt.epoch("s")).write_csv(table, include_header=False)
        for window in EXPECTED:
            compare(Path(folder), table, window, given.runs, None if there.returncode else given.peers)
    print("\nBeside chance: pairs with so many common objects, and in twenty shuffles of accounts within the hour")
    print("| window | objects | observed | chance mean | chance max |\n|---|---|---|---|---|")
    began = time.perf_counter()
    for window in EXPECTED:
        found = count_chance_pairs(shares, window_s=window, min_objects=(1, 2, 3), draws=20)
        for row in found.select("min_objects", "observed", "chance_mean", "chance_max").iter_rows():
            print(f"| {window} s | " + " | ".join(f"{x:g}" for x in row) + " |")
    print(f"\nThe shuffles took {time.perf_counter() - began:.2f} s")


def compare(folder: Path, table: Path, window: int, runs: int, peer: str | None) -> None:
    """Run both sides in turn and print a row of the table; stop if the pairs differ."""
    ours_out, peer_out = folder / f"ours{window}.csv", folder / f"peer{window}.csv"
    took: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(runs + 1):  # the first round warms the disk
        ours = run([sys.executable, __file__, "--ours", str(ours_out), str(window)])
        if peer is None:
            theirs = run_plain(peer_out, window)
        else:
            for old in folder.glob(f"{peer_out.name}.db*"):
                old.unlink()
            theirs = run([peer, "-c", PEER, str(table), str(peer_out), str(window)])
        took += [(ours, theirs)] if number else []
    one, two = ({tuple(line.split(",")) for line in out.read_text().split()} for out in (ours_out, peer_out))
    cells = [f"{window} s", f"{len(one):,}", f"{len(two):,}", str(len(one ^ two))]
    for name in ("finding", "everything"):
        a, b = (np.array([side[name] for side in sides]) for sides in zip(*took, strict=True))
        cells += [f"{np.median(a):.3f}", f"{np.median(b):.3f}", f"{np.median(b / a):.1f}x"]
    print("| " + " | ".join(cells) + " |")
    if one != two or len(one) != EXPECTED[window]:
        sys.exit(f"the pairs differ, or are not the {EXPECTED[window]:,} expected")


def read_shares() -> pl.DataFrame:
    return pl.read_parquet(SAMPLE).select(
        pl.col("account_id").cast(pl.String),
        pl.col("object_id").cast(pl.String).alias("object"),
        pl.from_epoch(pl.col("timestamp_share").cast(pl.Int64), "s").dt.replace_time_zone("UTC").alias("event_at"),
    )


def run_ours(out: Path, window: int) -> None:
    """One side of the bench, in its own process: nothing is warm but the disk."""
    began = time.perf_counter()
    shares = read_shares()
    loaded = time.perf_counter()
    found = find_synchrony(shares, window_s=window)
    done = time.perf_counter()
    found.select("account_a", "account_b").write_csv(out, include_header=False)
    print(json.dumps({"finding": done - loaded, "everything": time.perf_counter() - began}))


def run_plain(out: Path, window: int) -> dict[str, float]:
    """The stand-in: for each share, the later ones of its object, in order of time."""
    began = time.perf_counter()
    of: dict[str, list[tuple[int, str]]] = {}
    for account, thing, at in read_shares().with_columns(pl.col("event_at").dt.epoch("s")).iter_rows():
        of.setdefault(thing, []).append((at, account))
    loaded = time.perf_counter()

    def meet() -> Iterator[tuple[str, str]]:
        for shares in of.values():
            shares.sort()
            for i, (at, account) in enumerate(shares):
                for later, other in shares[i + 1 :]:
                    if later - at > window:
                        break
                    if other != account:
                        yield min(account, other), max(account, other)

    pairs = sorted(set(meet()))
    done = time.perf_counter()
    out.write_text("".join(f"{a},{b}\n" for a, b in pairs))
    return {"finding": done - loaded, "everything": time.perf_counter() - began}


def run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return took


if __name__ == "__main__":
    main()
