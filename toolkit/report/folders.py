"""The folder of a report: written in private, put in place by a rename, never half done.

A run writes into a hidden folder beside the target and holds a lock in it. The finished folder takes the target's
place; a run that was killed leaves only its hidden folder, which the next run sweeps away.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import InputError, visible
from toolkit.report.custody import UNHASHED

try:
    import fcntl
except ImportError:  # not on Windows: there the age of a folder decides alone
    fcntl = None  # type: ignore[assignment]  # the absence of the module is looked at before each use

__all__ = ["check_target", "only_one", "private_folder", "put_in_place", "sync_folder", "write_whole"]

_LOCK = ".lock"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What systems answer that do not offer a call for this file; everything else is a fault of the disk."""
_LOCKLESS_S = 60.0
"""A private folder without a lock is between being made and being locked, or was about to be removed."""
_ABANDONED_S = 24 * 3600.0
"""Where locks cannot be asked, a private folder is taken for abandoned after a day."""


def check_target(target: Path) -> None:
    """Refuse a target that is a file, or that holds anything but a report of ours.

    Parameters
    ----------
    target : pathlib.Path
        Where a report shall be.

    Raises
    ------
    InputError
        Names what is in the way.

    Examples
    --------
    >>> check_target(Path("there/is/nothing/here"))
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"cannot publish a report at {visible(target, 200)}: it is a file; give a folder")
    there = sorted(path.name for path in target.iterdir())
    if not there:
        return
    try:
        manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
        ours = {str(entry["file"]) for entry in manifest["outputs"]} | UNHASHED
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{visible(target, 200)} holds files that are not a report ({visible(there[0])}): give a new folder, or"
            " empty this one"
        ) from None
    foreign = [name for name in there if name not in ours]
    if foreign:
        named = ", ".join(visible(name) for name in foreign[:3]) + (" and more" if len(foreign) > 3 else "")
        raise InputError(
            f"{visible(target, 200)} holds a report and other files ({named}), which a new report would remove:"
            " move them, or give a new folder"
        )


@contextlib.contextmanager
def private_folder(target: Path) -> Iterator[Path]:
    """Make the hidden folder that a run writes into; it is gone afterwards, unless it was put in place.

    Parameters
    ----------
    target : pathlib.Path
        Where the report shall be; its parents are made.

    Yields
    ------
    pathlib.Path
        An empty folder on the same file system, readable by its owner only.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as d, private_folder(Path(d) / "report") as folder:
    ...     folder.name.startswith(".report.run-")
    True
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.run-", dir=target.parent))
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, target: Path) -> None:
    """Let a finished folder take the target's place, and remove what was there.

    Parameters
    ----------
    folder : pathlib.Path
        From :func:`private_folder`.
    target : pathlib.Path
        Checked again: what appeared there during the run is not removed.

    Raises
    ------
    InputError
        As :func:`check_target`.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as d, private_folder(Path(d) / "report") as folder:
    ...     _ = (folder / "report.html").write_text("x")
    ...     put_in_place(folder, Path(d) / "report")
    ...     [p.name for p in (Path(d) / "report").iterdir()]
    ['report.html']
    """
    folder.chmod(0o755)
    sync_folder(folder)
    previous = _previous(target)
    with _one_at_a_time(target.parent):
        check_target(target)
        shutil.rmtree(previous, ignore_errors=True)
        (folder / _LOCK).unlink(missing_ok=True)
        if not target.exists():
            folder.rename(target)
        elif _exchange(folder, target):
            folder.rename(previous)
        else:
            target.rename(previous)
            try:
                folder.rename(target)
            except OSError:
                previous.rename(target)
                raise
        _sync(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Bring a folder of files to the disk.

    Raises
    ------
    OSError
        If the disk is full or broken: what was written may not be there.
    """
    for path in (*sorted(folder.iterdir()), folder):
        _sync(path)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders take each other's names at once, so that neither name is ever free; False = not on this system.

    Linux has renameat2(2) with RENAME_EXCHANGE, which Python does not offer.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))


@contextlib.contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Refuse to work where another process works already.

    Parameters
    ----------
    folder : pathlib.Path
        Which is there.
    what : str
        One word for the work.

    Raises
    ------
    InputError
        If another process does the same work in this folder.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as d, only_one(Path(d), "batch"):
    ...     with only_one(Path(d), "batch"):
    ...         pass
    Traceback (most recent call last):
    toolkit.errors.InputError: another batch works in ...
    """
    handle = os.open(folder / f".{what}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"another {what} works in {visible(folder.name)}: wait for it, or give another folder"
                ) from None
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a kill, never meets half of it.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that is there.
    data : bytes
        All of it.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as d:
    ...     write_whole(Path(d) / "a.txt", b"x")
    ...     [(p.name, p.read_text()) for p in Path(d).iterdir()]
    [('a.txt', 'x')]
    """
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _previous(target: Path) -> Path:
    return target.parent / f".{target.name}.previous"


def _sweep(target: Path) -> None:
    """Remove what killed runs of this target left; bring back a report that was set aside and never replaced."""
    with _one_at_a_time(target.parent):
        if _previous(target).is_dir() and not target.exists():
            _previous(target).rename(target)
    begins = f".{target.name}.run-"
    for folder in sorted(path for path in target.parent.iterdir() if path.name.startswith(begins) and path.is_dir()):
        if not folder.is_symlink() and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether the run that made a private folder is over: its lock is free, or nobody can tell and it is old."""
    lock = folder / _LOCK
    if fcntl is None or not lock.is_file():
        try:
            return time.time() - folder.stat().st_mtime > (_ABANDONED_S if fcntl is None else _LOCKLESS_S)
        except OSError:
            return False
    try:
        handle = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


@contextlib.contextmanager
def _one_at_a_time(parent: Path) -> Iterator[None]:
    """Hold the lock of a folder while names in it are exchanged."""
    if fcntl is None:
        yield
        return
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    """Bring a file or a folder to the disk, where the system can; a disk that cannot is an error."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # folders cannot be opened on Windows
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(handle)
