"""A batch of escalations, poisoned ones among them, killed half way and taken up again, beside papermill one by one.

    python benchmarks/bench_batch.py DATA --cases 200 --jobs 2 --alone 5

DATA is a sample world with its truth (``toolkit sample std --out DATA``): each escalation names three members of a
planted ring. Five are poisoned: no seeds, a parameter that is none, one of the wrong type, an id that cannot be, and a
kernel that is killed from outside while it runs. The batch gets a SIGKILL when half of its cases are over, and is then
taken up again. Printed: what became of the cases, how many finished reports were made again (want 0), the wall time of
both parts against that of papermill's own command line, run one by one on some of the cases and scaled up, and what the
toolkit adds to papermill on one case. The data are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import papermill
import polars as pl
import psutil

from toolkit.report.run import run_report
from toolkit.report.verify import verify_report
from toolkit.resources import bundled

TEMPLATE = "ring_escalation"
DOOMED = "CASE-DIES"


def write_queue(data: Path, cases: int, seed: int) -> list[dict[str, object]]:
    """Escalations of three members of a ring each, and five that cannot come to anything."""
    truth = pl.read_parquet(data / "truth" / "membership.parquet").filter(pl.col("role") == "member")
    rings = truth.group_by("ring").agg(pl.col("account_id").sort()).filter(pl.col("account_id").list.len() >= 3)
    by_ring = dict(rings.sort("ring").iter_rows())
    rng = random.Random(seed)  # noqa: S311 - a draw, not a secret
    queue: list[dict[str, object]] = []
    for number in range(cases - 5):
        ring = rng.choice(sorted(by_ring))
        chosen = rng.sample(by_ring[ring], 3)
        queue.append({"case_id": f"CASE-{number:04}", "seed_accounts": chosen, "severity": f"SEV{number % 4}"})
    some = by_ring[min(by_ring)][:3]
    queue += [
        {"case_id": "CASE-NOBODY", "prose": "please look into this"},
        {"case_id": "CASE-NAME", "seed_accounts": some, "parameters": {"max_round": 3}},
        {"case_id": "CASE-TYPE", "seed_accounts": some, "parameters": {"max_rounds": "many"}},
        {"case_id": "../CASE-PATH", "seed_accounts": some},
        {"case_id": DOOMED, "seed_accounts": some[:2], "severity": "SEV0"},
    ]
    return queue


def kill_kernel_of(folder: Path, stop: threading.Event) -> None:
    """Kill the kernel of the doomed case whenever it runs."""
    while not stop.wait(0.05):
        for process in psutil.process_iter(["cmdline", "cwd"]):
            where = process.info["cwd"] or ""
            if f"/{folder.name}/{DOOMED}/" in where and "ipykernel_launcher" in " ".join(process.info["cmdline"] or []):
                process.kill()


def start_batch(queue: Path, data: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    """The command itself, as a session of its own."""
    command = [
        Path(sys.executable).parent / "toolkit",
        "batch",
        queue,
        "--data",
        data,
        "--out",
        out,
        "--jobs",
        str(jobs),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finished(out: Path) -> dict[str, int]:
    """Reports whose run is in the log of their case, with the time at which they were written."""
    logs = out.glob("*/log.jsonl")
    over = [log.parent for log in logs if '"ran"' in log.read_text(encoding="utf-8")]
    return {case.name: max(path.stat().st_mtime_ns for path in case.glob("runs/0*/report.html")) for case in over}


def run_twice(queue: Path, data: Path, out: Path, jobs: int, half: int) -> tuple[float, dict[str, int], dict[str, int]]:
    """Run, kill half way, run again: seconds of both, what was finished before, what is finished now."""
    began = time.perf_counter()
    process = start_batch(queue, data, out, jobs)
    while process.poll() is None and len(finished(out)) < half:
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(out)
    start_batch(queue, data, out, jobs).wait()
    return time.perf_counter() - began, before, finished(out)


def run_alone(queue: list[dict[str, object]], data: Path, folder: Path, n: int) -> float:
    """Median seconds of papermill's own command line on some of the cases, one by one."""
    taken = []
    for one in queue[:n]:
        out = folder / str(one["case_id"])
        out.mkdir()
        said = {
            "seed_accounts": one["seed_accounts"],
            "data_uri": str(data),
            "out_dir": str(out),
            "case_id": one["case_id"],
        }
        (out / "parameters.yaml").write_text(json.dumps(said))
        command = [Path(sys.executable).parent / "papermill", bundled("templates") / f"{TEMPLATE}.ipynb"]
        command += [out / "report.ipynb", "-f", out / "parameters.yaml", "-k", "python3", "--no-progress-bar"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure_share(seeds: object, data: Path, folder: Path, rounds: int) -> tuple[float, float]:
    """Median seconds of one report by papermill alone, and by the toolkit, in turns within this process."""
    alone, ours = [], []
    for number in range(rounds):
        said = {"seed_accounts": seeds, "data_uri": str(data), "out_dir": str(folder / f"bare{number}")}
        Path(said["out_dir"]).mkdir()  # type: ignore[arg-type] # a text
        began = time.perf_counter()
        papermill.execute_notebook(
            str(bundled("templates") / f"{TEMPLATE}.ipynb"), str(folder / f"bare{number}.ipynb"), parameters=said,
            kernel_name="python3", progress_bar=False,
        )  # fmt: skip
        alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        run_report(TEMPLATE, data=data, out=folder / f"ours{number}", parameters={"seed_accounts": seeds})
        ours.append(time.perf_counter() - began)
    return statistics.median(alone), statistics.median(ours)


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--alone", type=int, default=5, help="cases that papermill runs alone")
    parser.add_argument("--rounds", type=int, default=3, help="of the toolkit's share")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tk-batch-") as place:
        folder, data = Path(place), given.data.resolve()
        queue = write_queue(data, given.cases, given.seed)
        (folder / "queue.jsonl").write_text("\n".join(map(json.dumps, queue)))
        stop = threading.Event()
        threading.Thread(target=kill_kernel_of, args=(folder / "out", stop), daemon=True).start()
        seconds, before, now = run_twice(folder / "queue.jsonl", data, folder / "out", given.jobs, given.cases // 2)
        stop.set()
        told = json.loads((folder / "out" / "batch.json").read_bytes())["cases"]
        again = sum(now[case] != at for case, at in before.items())
        whole = sum(verify_report(path).is_empty() for path in (folder / "out").glob("*/runs/0???"))
        states = Counter(case["status"] for case in told)
        print(f"{len(told)} escalations, {given.jobs} at once: {dict(sorted(states.items()))}")
        for case in told:
            if case["status"] == "failed":
                print(f"  {case['case_id']}: {case['why'][:140]}")
        print(f"killed with {len(before)} finished; made again: {again}; whole reports: {whole} of {len(now)}")
        one = run_alone(queue, data, folder, given.alone)
        ran = states["done"] + states["up to date"]
        row = f"{one * ran:,.0f} s: {one * ran / seconds:.2f} times"
        print(f"batch {seconds:,.0f} s; papermill one by one {one:.1f} s each, {row}")
        bare, ours = measure_share(queue[0]["seed_accounts"], data, folder, given.rounds)
        print(f"one report: papermill alone {bare:.1f} s, toolkit {ours:.1f} s: {100 * (ours / bare - 1):+.0f} %")


if __name__ == "__main__":
    main()
