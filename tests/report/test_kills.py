"""Runs that are killed at any moment: the case stays whole, and what was published before the end is not lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from toolkit.model.provenance import sha256_file
from toolkit.report import cases
from toolkit.report.cases import CaseFolder, find_current_run, open_case_folder, pin_inputs, run_case, verify_case
from toolkit.report.folders import private_folder
from toolkit.report.log import read_log
from toolkit.report.templates import find_template

TOOLKIT = Path(sys.executable).parent / "toolkit"


def test_killed_runs_hurt_nothing(case: CaseFolder) -> None:
    """At random moments of the run, and twice just when it is being published."""
    began = time.monotonic()
    first = run_case(case)
    took = time.monotonic() - began
    was = {path.name: sha256_file(path) for path in first.iterdir()}
    rng = random.Random(4)  # noqa: S311 - a draw, not a secret
    for number in range(6):
        command = [TOOLKIT, "report", "--case", case.path]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        if number < 4:
            time.sleep(rng.uniform(0, took))
        else:
            while run.poll() is None and not any(case.path.glob("runs/.*/report.html")):
                time.sleep(0.002)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        assert {path.name: sha256_file(path) for path in first.iterdir()} == was
        assert verify_case(case.path).rows() == []
    last = run_case(open_case_folder(case.path))
    assert verify_case(case.path).rows() == []
    assert [path.name for path in last.parent.iterdir() if path.name.startswith(".")] == []


def test_a_run_that_was_published_and_not_logged_is_taken_up(case: CaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the rename and the line of the log."""
    append = cases.append_entry

    def die(folder: Path, what: str, **about: Any) -> Any:
        if what == "ran":
            raise KeyboardInterrupt
        return append(folder, what, **about)

    with monkeypatch.context() as patch:
        patch.setattr(cases, "append_entry", die)
        with pytest.raises(KeyboardInterrupt):
            run_case(case)
    assert [line["what"] for line in read_log(case.path)] == ["opened", "began"]
    assert verify_case(case.path).rows() == []
    current = find_current_run(case, find_template("own", case.templates), pin_inputs(case.data))
    assert current == case.path / "runs" / "0001"
    assert [line["what"] for line in read_log(case.path)] == ["opened", "began", "ran"]
    assert run_case(case).name == "0002"

    shutil.copytree(case.path / "runs/0002", case.path / "runs/0003")  # nobody has begun this one
    assert verify_case(case.path).rows() == [("run", "0003", "not in the log")]
    assert run_case(case).name == "0004"
    assert verify_case(case.path).rows() == [("run", "0003", "not in the log")]


def test_a_folder_whose_lock_is_gone_is_swept_once_it_is_not_young(tmp_path: Path) -> None:
    """Killed when the lock was taken out, a moment before the folder got its name."""
    left = tmp_path / ".out.run-left"
    left.mkdir()
    os.utime(left, (time.time() - 61,) * 2)
    with private_folder(tmp_path / "out"):
        assert not left.exists()
