"""Each template run again and again: whether every file comes out the same, and how long a run takes.

    python benchmarks/bench_repeat.py DATA --runs 10

Each run is a process of its own, with another seed of hashes and another number of threads (1, 2, 4 in turn). Printed
for each template: how many different manifests there were (want 1: a manifest holds the fingerprint of every table, of
the findings and of the page), and the seconds of a run (want under 60), the slowest and the median. DATA is the
SYNTHETIC sample (``data_samples/tiny``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from pages import as_markdown

from toolkit.report.templates import find_templates

THREADS = (1, 2, 4)


def run_once(template: str, data: Path, seeds: list[str], out: Path, number: int) -> float:
    """Run a template in a process of its own; returns the seconds."""
    given = {"account_deep_dive": [f"account_id={seeds[0]}"]}.get(template, [f"seed_accounts={seed}" for seed in seeds])
    names = {parameter.name for parameter in find_templates()[template].parameters}
    words = [word for pair in given if pair.split("=")[0] in names for word in ("-p", pair)]
    command = [Path(sys.executable).parent / "toolkit", "report", template, "--data", data, "--out", out, *words]
    with_ = {"PYTHONHASHSEED": str(number), "POLARS_MAX_THREADS": str(THREADS[number % len(THREADS)])}
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, **with_}, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Run all and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("data", type=Path)
    asked.add_argument("--runs", type=int, default=10)
    given = asked.parse_args()
    first = (given.data / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[0]
    seeds = list(json.loads(first)["seed_accounts"])
    rows = []
    with tempfile.TemporaryDirectory(prefix="tk-repeat-") as place:
        for template in find_templates():
            took, manifests = [], set()
            for number in range(given.runs):
                out = Path(place) / f"{template}-{number}"
                took.append(run_once(template, given.data.resolve(), seeds, out, number))
                manifests.add(json.loads((out / "manifest.json").read_bytes())["sha256"])
            rows.append((template, given.runs, len(manifests), statistics.median(took), max(took)))
            print(f"{template}: {len(manifests)} different, {statistics.median(took):.1f} s", flush=True)
    columns = ("template", "runs", "different manifests", "median s", "slowest s")
    print(as_markdown(pl.DataFrame(rows, schema=list(columns), orient="row"), 1))
    sys.exit(0 if all(row[2] == 1 for row in rows) else 1)


if __name__ == "__main__":
    main()
