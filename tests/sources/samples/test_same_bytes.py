"""A sample can be made again, to the byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from toolkit.sources.samples import generate_world, write_sample

COMMITTED = Path(__file__).parents[3] / "data_samples" / "tiny"
HASH_ONE = """
import hashlib, sys, tempfile
from pathlib import Path
from toolkit.sources.samples import write_sample
with tempfile.TemporaryDirectory() as folder:
    for file in sorted(write_sample(folder, "tiny", int(sys.argv[1])).rglob("*")):
        if file.is_file():
            print(file.relative_to(folder), hashlib.sha256(file.read_bytes()).hexdigest())
"""


def hash_files(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def hash_in_new_process(hash_seed: str, seed: int) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "POLARS_MAX_THREADS": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", HASH_ONE, str(seed)], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_same_seed_same_bytes():
    """Two processes with other string hashes and other numbers of threads write the same files."""
    assert hash_in_new_process("1", 3) == hash_in_new_process("2", 3)


def test_other_seed_other_bytes(tiny):
    """Another seed is another world, in every table that chance touches."""
    other = generate_world("tiny", seed=1)
    same = [name for name, frame in tiny.tables.items() if frame.equals(other.tables[name])]
    assert same == []


def test_committed_sample_is_what_the_generator_writes(tmp_path):
    """Nobody edited data_samples/tiny by hand, and the generator has not drifted from it."""
    assert hash_files(write_sample(tmp_path, "tiny", 0)) == hash_files(COMMITTED)


def test_readme_lists_the_hash_of_every_data_file():
    """The README is a manifest that a stranger can check."""
    readme = (COMMITTED / "README.md").read_text("utf-8")
    for name, digest in hash_files(COMMITTED).items():
        if name not in ("README.md", "SYNTHETIC"):
            assert f"`{name}` | `{digest}`" in readme


def test_committed_sample_is_small():
    """The committed sample stays under five megabytes."""
    assert sum(file.stat().st_size for file in COMMITTED.rglob("*") if file.is_file()) <= 5_000_000


def test_everything_says_synthetic(tiny):
    """No file can be mistaken for real data."""
    assert (COMMITTED / "SYNTHETIC").exists()
    assert "SYNTHETIC" in (COMMITTED / "README.md").read_text("utf-8").splitlines()[0]
    assert all(case["synthetic"] is True for case in tiny.escalations)
    for file in COMMITTED.rglob("*.parquet"):
        assert pl.read_parquet_metadata(file)["origin"] == "SYNTHETIC"


@pytest.mark.parametrize("knob", ["poison_rate", "chaff", "proxy_rotation", "leak_rate"])
def test_a_knob_leaves_the_crowd_alone(tiny, knob):
    """Turning a knob changes rings and poison; what untouched people did stays as it was, to the id."""
    turned = generate_world("tiny", seed=0, **{knob: 0.5})
    touched = [*tiny.truth["membership"]["account_id"], *turned.truth["membership"]["account_id"]]
    for name, columns in {"requests": ["request_id", "event_at", "in_tok"], "payments": ["txn_id", "amount"]}.items():
        before, after = (
            world.tables[name].filter(~pl.col("account_id").is_in(touched)).select(columns) for world in (tiny, turned)
        )
        assert len(before) > 0
        assert before.equals(after)
    assert not tiny.tables["auth_events"].equals(turned.tables["auth_events"])
