"""The same rows give the same files, whatever their order, the process or the number of threads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from toolkit.resources import bundled

TABLES = ["accounts", "auth_events", "payments", "content"]


@pytest.mark.slow
def test_ten_runs_of_link_on_shuffled_rows_are_one(tmp_path: Path) -> None:
    """`toolkit link`, ten fresh processes, other hash seeds, one to four threads, shuffled rows: identical bytes."""
    seen = set()
    for run in range(10):
        data = tmp_path / f"data{run}"
        data.mkdir()
        for name in TABLES:
            table = pl.read_parquet(bundled("data_samples") / "tiny" / f"{name}.parquet")
            order = np.random.default_rng(run).permutation(table.height).tolist()
            table[order].write_parquet(data / f"{name}.parquet")
        out = tmp_path / f"out{run}"
        env = {**os.environ, "PYTHONHASHSEED": str(run), "POLARS_MAX_THREADS": str(1 + run % 4)}
        command = [Path(sys.executable).parent / "toolkit", "link", str(data), "--out", str(out)]
        subprocess.run(command, env=env, check=True, capture_output=True)
        seen.add(tuple((p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in sorted(out.iterdir())))
    assert len(seen) == 1
    assert [name for name, _ in next(iter(seen))] == [
        "clusters.parquet", "hubs.parquet", "links.parquet", "members.parquet", "observations.parquet",
    ]  # fmt: skip
