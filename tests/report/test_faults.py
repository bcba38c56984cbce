"""A full or broken disk at every call in turn: a clear error, the last good report, and the next run works."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from toolkit.report import folders, run
from toolkit.report.cases import CaseFolder, open_case_folder, run_case, verify_case
from toolkit.report.log import find_log_faults, read_log
from toolkit.report.run import run_report
from toolkit.report.verify import verify_report

CALLS = ((os, "fsync"), (os, "write"), (os, "rename"), (os, "replace"), (os, "mkdir"), (folders, "_exchange"))
MADE_LATER = ("manifest.json", "run.json", "report.html")


class Disk:
    """Fails the n-th call that changes something, and no other; text is written by half before it fails."""

    def __init__(self, fails_at: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.fails_at, self.code = fails_at, code
        for module, name in CALLS:
            monkeypatch.setattr(module, name, self._guard(name, getattr(module, name)))
        for name in ("write_text", "write_bytes"):
            monkeypatch.setattr(pathlib.Path, name, self._guard(name, getattr(pathlib.Path, name)))

    def _guard(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            if name == "mkdir" and Path(args[0]).is_dir():  # nothing would change, and whoever asks knows that
                return real(*args, **how)
            self.calls.append(name)
            if len(self.calls) != self.fails_at:
                return real(*args, **how)
            if name.startswith("write"):
                real(args[0], args[1][: len(args[1]) // 2], *args[2:], **how)
            raise OSError(self.code, os.strerror(self.code))

        return call

    @property
    def failed(self) -> bool:
        return len(self.calls) >= self.fails_at


def without_a_kernel(made: Path) -> Callable[..., dict[str, Any]]:
    """What a kernel leaves, copied from a run that has been made: the faults are those of the publication."""

    def execute(_template: object, _values: Mapping[str, Any], folder: Path, *_: Any, **__: Any) -> dict[str, Any]:
        for path in made.iterdir():
            if path.name not in MADE_LATER:
                (folder / path.name).open("wb").write(path.read_bytes())
        notebook: dict[str, Any] = json.loads((made / "report.ipynb").read_bytes())
        return notebook

    return execute


def error_of(call: Callable[[], object]) -> OSError | None:
    try:
        call()
    except OSError as error:
        return error
    return None


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_call_of_a_case_s_run_may_fail(
    case: CaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    first = run_case(case)
    was, kept = bytes_of(first), tmp_path / "kept"
    shutil.copytree(case.path, kept)
    monkeypatch.setattr(run, "execute_template", without_a_kernel(kept / "runs/0001"))
    seen: set[str] = set()
    for number in range(1, 200):
        shutil.rmtree(case.path)
        shutil.copytree(kept, case.path)
        with monkeypatch.context() as patch:
            disk = Disk(number, code, patch)
            told = error_of(lambda: run_case(case))
        if not disk.failed:
            break
        seen.add(disk.calls[number - 1])
        assert told is not None, f"{disk.calls[number - 1]} failed and nobody said so"
        assert told.errno == code
        assert bytes_of(case.path / "runs/0001") == was
        assert find_log_faults(case.path) == []
        assert verify_case(case.path).rows() == [], (number, disk.calls[number - 1])
        again = run_case(open_case_folder(case.path))
        assert verify_report(again).is_empty()
        assert [path.name for path in (case.path / "runs").iterdir() if path.name.startswith(".")] == []
        assert {entry["about"]["run"] for entry in read_log(case.path) if entry["what"] == "ran"} == {
            path.name for path in (case.path / "runs").iterdir()
        }
    else:
        pytest.fail("the run never came to its end")
    assert {"fsync", "write", "rename", "mkdir", "write_text"} <= seen


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_call_may_fail_where_a_report_is_replaced(
    case: CaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    given: dict[str, Any] = {"data": case.data, "templates": case.templates, "parameters": {"seed_accounts": ["b"]}}
    out = run_report("own", out=tmp_path / "out", **given)
    was, kept = bytes_of(out), tmp_path / "kept"
    shutil.copytree(out, kept)
    monkeypatch.setattr(run, "execute_template", without_a_kernel(kept))
    seen: set[str] = set()
    for number in range(1, 200):
        with monkeypatch.context() as patch:
            disk = Disk(number, code, patch)
            told = error_of(lambda: run_report("own", out=out, **given))
        if not disk.failed:
            break
        seen.add(disk.calls[number - 1])
        assert told is not None, f"{disk.calls[number - 1]} failed and nobody said so"
        assert told.errno == code
        assert out.is_dir(), disk.calls[number - 1]
        assert verify_report(out).is_empty()
        assert bytes_of(out).keys() == was.keys()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out.run-")] == []
    else:
        pytest.fail("the run never came to its end")
    assert {"fsync", "rename", "mkdir", "write_text", "_exchange"} <= seen
