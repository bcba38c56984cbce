"""The log of a case: what was done, when and by whom; each line holds the fingerprint of the one before.

A line that is changed, taken out or put in breaks the chain at its place. What the chain cannot show is that its last
lines were cut off: the runs they spoke of are then found without a line.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from toolkit.errors import InputError
from toolkit.model.provenance import sha256_bytes

try:
    import fcntl
except ImportError:  # not on Windows: there one process at a time writes
    fcntl = None  # type: ignore[assignment]  # the absence of the module is looked at before each use

__all__ = ["LOG_FILE", "append_entry", "find_log_faults", "read_log"]

LOG_FILE: Final = "log.jsonl"
_FIRST: Final = "0" * 64


def append_entry(folder: Path, what: str, *, who: str = "", **about: Any) -> dict[str, Any]:
    """Add a line to the log of a case; it is on the disk when this returns.

    Parameters
    ----------
    folder : pathlib.Path
        Of the case.
    what : str
        One word of what was done: "opened", "ran", "closed".
    who : str
        By whom.
    **about
        JSON values.

    Returns
    -------
    dict
        The line: ``n`` (from 1), ``at`` (UTC), ``who``, ``what``, ``about``, ``previous`` and ``sha256``.

    Raises
    ------
    InputError
        If the log is broken: nothing is added to a chain that does not hold.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as case:
    ...     _ = append_entry(Path(case), "opened", who="kim")
    ...     append_entry(Path(case), "ran", run="0001")["n"]
    2
    """
    path = folder / LOG_FILE
    with _locked(path) as handle:
        whole = _read_all(handle)
        lines, torn = _split(whole)
        if faults := _faults(lines):
            raise InputError(f"nothing was added to {LOG_FILE}: {faults[0]}; see `toolkit verify`")
        if torn:  # a write that was cut short by a full disk or a kill: it never counted
            os.ftruncate(handle, len(whole) - len(torn))
        said = {"who": who, "what": what, "about": dict(about)} | ({"torn": len(torn)} if torn else {})
        last = json.loads(lines[-1])["sha256"] if lines else _FIRST
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = _sealed({"n": len(lines) + 1, "at": at, **said, "previous": last})
        end = os.lseek(handle, 0, os.SEEK_END)
        try:
            _write_all(handle, _line(entry))
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, end)
            raise
    return entry


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the log of a case, oldest line first; a last line that was cut short never counted.

    Raises
    ------
    InputError
        If the chain does not hold; says where.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as case:
    ...     _ = append_entry(Path(case), "opened")
    ...     [(line["n"], line["what"]) for line in read_log(Path(case))]
    [(1, 'opened')]
    """
    lines = _lines(folder)
    if faults := _faults(lines):
        raise InputError(f"{LOG_FILE}: {'; '.join(faults)}")
    return [json.loads(line) for line in lines]


def find_log_faults(folder: Path) -> list[str]:
    """Say what is wrong with the log of a case: every line that is not as it was written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as case:
    ...     _ = append_entry(Path(case), "opened", who="kim")
    ...     path = Path(case) / LOG_FILE
    ...     _ = path.write_text(path.read_text().replace("kim", "lee"))
    ...     find_log_faults(Path(case))
    ['line 1 is not as it was written']
    """
    return _faults(_lines(folder))


def _lines(folder: Path) -> list[bytes]:
    path = folder / LOG_FILE
    return _split(path.read_bytes())[0] if path.exists() else []


def _split(whole: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, and what stands behind the last line's end."""
    *lines, torn = whole.split(b"\n")
    return lines, torn


def _faults(lines: list[bytes]) -> list[str]:
    faults, last = [], _FIRST
    for number, line in enumerate(lines, 1):
        try:
            entry: Mapping[str, Any] = json.loads(line)
            body = {name: value for name, value in entry.items() if name != "sha256"}
            whole = _line(_sealed(body)) == line + b"\n"
            follows = entry["previous"] == last and entry["n"] == number
            last = entry["sha256"]
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = follows = False
            last = ""
        if not whole:
            faults.append(f"line {number} is not as it was written")
        elif not follows:
            faults.append(f"line {number} does not follow the one before it")
    return faults


def _sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "sha256": sha256_bytes(_line(body))}


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=True).encode() + b"\n"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _read_all(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
