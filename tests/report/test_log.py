"""The log of a case: a chain that shows every change, and outlives kills and full disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.errors import InputError
from toolkit.report import log
from toolkit.report.log import LOG_FILE, append_entry, find_log_faults, read_log


@pytest.fixture
def case(tmp_path: Path) -> Path:
    for n in range(5):
        append_entry(tmp_path, "ran", who="kim\n", run=f"{n:04}", note="ü\u202e</script>")
    return tmp_path


def test_any_flipped_bit_is_found_at_its_line(case: Path) -> None:
    path = case / LOG_FILE
    whole = path.read_bytes()
    drawn = np.random.default_rng(1)
    for _ in range(500):
        at, bit = int(drawn.integers(len(whole) - 1)), int(drawn.integers(8))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        line = whole[:at].count(b"\n") + 1
        assert any(fault.startswith(f"line {line} ") for fault in find_log_faults(case)), (at, bit)
    path.write_bytes(whole)
    assert find_log_faults(case) == []


@pytest.mark.parametrize("order", [[0, 2, 3, 4], [1, 0, 2, 3, 4], [0, 1, 1, 2, 3, 4], [1, 2, 3, 4]])
def test_lines_taken_out_put_in_or_exchanged_are_found(case: Path, order: list[int]) -> None:
    path = case / LOG_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))
    assert "does not follow" in find_log_faults(case)[0]
    with pytest.raises(InputError, match=r"nothing was added to log\.jsonl: line"):
        append_entry(case, "ran")
    with pytest.raises(InputError, match="does not follow"):
        read_log(case)


def test_a_line_that_was_cut_short_never_counted(case: Path) -> None:
    path = case / LOG_FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"about": {"run": "00')
    assert len(read_log(case)) == 5
    entry = append_entry(case, "ran")
    assert (entry["n"], entry["torn"]) == (6, 21)
    assert find_log_faults(case) == []


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_leaves_the_log_as_it_was(case: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    before = (case / LOG_FILE).read_bytes()
    write = os.write

    def full(handle: int, data: bytes = b"") -> int:
        if fails == "write" and len(data) > 10:
            return write(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log.os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        append_entry(case, "ran")
    monkeypatch.undo()
    assert (case / LOG_FILE).read_bytes() == before
    assert append_entry(case, "ran")["n"] == 6


WRITER = """
import sys
from pathlib import Path
from toolkit.report.log import append_entry
print("ready", flush=True)
while True:
    append_entry(Path(sys.argv[1]), "ran", text="x" * 2_000)
"""


def test_two_writers_and_kills_leave_a_chain_that_holds(tmp_path: Path) -> None:
    command: list[Any] = [sys.executable, "-c", WRITER, tmp_path]
    drawn = np.random.default_rng(2)
    for _ in range(5):
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(drawn.uniform(0.01, 0.1))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        entry = append_entry(tmp_path, "looked")
        numbers = [line["n"] for line in read_log(tmp_path)]
        assert numbers == list(range(1, entry["n"] + 1))
    assert len({json.dumps(line["sha256"]) for line in read_log(tmp_path)}) == entry["n"]
