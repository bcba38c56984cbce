"""Runs that are killed, and disks that fail: whether the last good report, the case and its log are whole every time.

    python benchmarks/bench_durability.py DATA --kills 200 --faults 100

Kills: `toolkit report --case` and `toolkit report --out` get a SIGKILL, half of them at a moment drawn from the whole
run, half within a second of the time when the kernel has left its case and the report is being published. After each:
every file of the first good report is as it was (or, for --out, a whole report is in its place), `verify` is content,
and the chain of the log holds. At the end every case is run once more.

Faults: a small library between the programs and the C library makes one call that writes, syncs, renames or makes a
file or folder fail, in turn with ENOSPC and EIO; of all the calls of a run as many as asked for, evenly. After each: as
above, and whoever ran it was told, with exit code 1, unless a whole report came out. It is compiled here: needs `cc`.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from toolkit.model.provenance import sha256_file
from toolkit.report.cases import new_case, open_case_folder, run_case, verify_case
from toolkit.report.log import find_log_faults
from toolkit.report.verify import verify_report

TOOLKIT = Path(sys.executable).parent / "toolkit"
TEMPLATE = "ring_escalation"
SOURCE = Path(__file__).with_name("failing_disk.c")
LATEST_S = 300.0


@dataclass
class Bench:
    """A case and a report that have been run once, and how often what happened to them."""

    place: Path
    data: Path
    seeds: list[str]
    told: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        case = new_case("KILLED", TEMPLATE, data=self.data, seeds=self.seeds, into=self.place)
        began = time.perf_counter()
        self.first = run_case(case)
        self.took_s = time.perf_counter() - began
        self.case = case.path
        self.was = {path.name: sha256_file(path) for path in self.first.iterdir()}
        self.out = self.place / "out"
        shutil.copytree(self.first, self.out)

    def command(self, into: str) -> list[str]:
        """The command line of a run: of the case, or over the report."""
        if into == "case":
            return [str(TOOLKIT), "report", "--case", str(self.case)]
        seeds = [word for seed in self.seeds for word in ("-p", f"seed_accounts={seed}")]
        return [str(TOOLKIT), "report", TEMPLATE, "--data", str(self.data), "--out", str(self.out), *seeds]

    def look(self, what: str) -> None:
        """Count whatever is not as it has to be."""
        now = {path.name: sha256_file(path) for path in self.first.iterdir()}
        checks = {
            "the first report is not as it was": now != self.was,
            "the case is not whole": not verify_case(self.case).is_empty(),
            "the log does not hold": bool(find_log_faults(self.case)),
            "no whole report at --out": not self.out.is_dir() or not verify_report(self.out).is_empty(),
        }
        for fault, found in checks.items():
            self.told[fault] += found
            if found:
                print(f"  {what}: {fault}: {verify_case(self.case).rows()[:3]}", flush=True)


def kill_one(bench: Bench, into: str, rng: random.Random, late: bool) -> str:
    """Start a run and kill it; returns where it was."""
    under = bench.case / "runs" if into == "case" else bench.place
    process = subprocess.Popen(
        bench.command(into), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    if late:
        end = time.monotonic() + LATEST_S
        while process.poll() is None and not any(under.glob(".*.run-*/case.json")) and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 1.0))
    else:
        time.sleep(rng.uniform(0, bench.took_s))
    if process.poll() is not None:
        return "over before it was killed"
    where = "while publishing" if any(under.glob(".*.run-*/case.json")) else "while running"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return f"killed {where}"


def measure_kills(bench: Bench, kills: int, seed: int) -> Counter[str]:
    """Kill so many runs, one after the other."""
    rng, where = random.Random(seed), Counter[str]()  # noqa: S311 - a draw, not a secret
    for number in range(kills):
        into = ("case", "out")[number % 2]
        what = kill_one(bench, into, rng, late=number % 4 >= 2)
        where[what] += 1
        bench.look(f"kill {number} of --{into}, {what}")
    run_case(open_case_folder(bench.case))
    bench.look("the run after the last kill")
    left = [path for path in (bench.case / "runs").iterdir() if path.name.startswith(".")]
    bench.told["rests of killed runs left behind"] += len(left)
    return where


def compile_disk(folder: Path) -> Path:
    """Compile the failing disk."""
    library = folder / "failing_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def run_on(
    bench: Bench, library: Path, fails_at: int, code: int, into: str
) -> tuple[int, bool, subprocess.CompletedProcess[str]]:
    """Run with a disk that fails at one call: calls counted, whether one failed, and what the command said."""
    state = bench.place / "state"
    state.write_bytes(bytes(16))
    under = bench.case if into == "case" else bench.place
    disk: Mapping[str, str] = {
        "LD_PRELOAD": str(library), "DISK_UNDER": str(under), "DISK_STATE": str(state), "DISK_FAILS_AT": str(fails_at),
        "DISK_ERRNO": str(code), "DISK_LOG": str(bench.place / "failed"),
    }  # fmt: skip
    done = subprocess.run(
        bench.command(into), env={**os.environ, **disk}, capture_output=True, text=True, check=False, timeout=LATEST_S
    )
    calls, failed = struct.unpack("qq", state.read_bytes())
    return calls, bool(failed), done


def measure_faults(bench: Bench, library: Path, faults: int, part: int, parts: int) -> Counter[str]:
    """Let every so-manieth call of a run fail."""
    where = Counter[str]()
    for into in ("case", "out"):
        calls, _, done = run_on(bench, library, 0, 0, into)
        assert done.returncode == 0, done.stderr
        where[f"calls of a run of --{into}"] = calls
        chosen = sorted({round(1 + i * (calls - 1) / max(1, faults // 2 - 1)) for i in range(faults // 2)})
        for number in chosen[part::parts]:
            code = (errno.ENOSPC, errno.EIO)[number % 2]
            _, failed, done = run_on(bench, library, number, code, into)
            said = os.strerror(code) in done.stderr
            what = (
                "the run did not come so far" if not failed
                else "said so, exit 1" if done.returncode == 1 and said
                else "exit 1, in other words" if done.returncode == 1
                else "a whole report all the same" if done.returncode == 0
                else f"exit {done.returncode}"
            )  # fmt: skip
            where[what] += 1
            if (
                what == "exit 1, in other words"
                or done.returncode not in (0, 1)
                or "a fault in the toolkit" in done.stderr
            ):
                call = (bench.place / "failed").read_text().strip()
                print(f"  {call}, {os.strerror(code)}: {done.stderr.strip()[-400:]}", flush=True)
            bench.look(f"call {number} of --{into} failed")
    run_case(open_case_folder(bench.case))
    bench.look("the run after the last fault")
    return where


def find_seeds(data: Path) -> list[str]:
    """Three members of a planted ring."""
    truth = pl.read_parquet(data / "truth" / "membership.parquet").filter(pl.col("role") == "member")
    return truth.sort("ring", "account_id")["account_id"].head(3).to_list()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data, seeds = given.data.resolve(), find_seeds(given.data)
    with tempfile.TemporaryDirectory(prefix="tk-durability-") as place, ThreadPoolExecutor(given.jobs) as pool:
        folders = [Path(place) / f"{n}" for n in range(given.jobs)]
        benches = list(pool.map(lambda folder: Bench(folder, data, seeds), folders))
        print(f"a run takes {max(bench.took_s for bench in benches):.1f} s with {given.jobs} at once", flush=True)
        share = -(-given.kills // given.jobs)
        killed = pool.map(lambda n: measure_kills(benches[n], share, given.seed + n), range(given.jobs))
        print(f"{share * given.jobs} kills: {dict(sum(killed, Counter()))}")
        print(f"not as it has to be: {_any(benches) or 'nothing'}", flush=True)
        if given.faults:
            library = compile_disk(Path(place))
            failed = pool.map(
                lambda n: measure_faults(benches[n], library, given.faults, n, given.jobs), range(given.jobs)
            )
            for n, where in enumerate(failed):
                print(f"faults, part {n + 1} of {given.jobs}: {dict(where)}")
        found = _any(benches)
        print(f"not as it has to be: {found or 'nothing'}")
        sys.exit(1 if found else 0)


def _any(benches: list[Bench]) -> dict[str, int]:
    told = sum((bench.told for bench in benches), Counter[str]())
    return {fault: n for fault, n in told.items() if n}


if __name__ == "__main__":
    main()
