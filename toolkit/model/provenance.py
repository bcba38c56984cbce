"""What was read, when it was from, how much of it, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "sha256_bytes", "sha256_file"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file (or table of a database) that was read.

    Attributes
    ----------
    table : str
        The table it belongs to.
    file : str
        Name relative to the data folder; never an absolute path, so that records can be shared.
    rows : int
        Rows in the file, before anything was set aside.
    accepted, duplicate, quarantined : int
        Where each of them went; they sum to ``rows``.
    bytes : int
        Size on disk.
    sha256 : str
        Of the bytes on disk.
    first_at, last_at : str
        First and last ``event_at`` in ISO 8601 UTC, empty where there are none.

    Examples
    --------
    >>> Source("auth", "auth.csv", 3, 2, 1, 0, 120, "ab", "", "").balanced
    True
    """

    table: str
    file: str
    rows: int
    accepted: int
    duplicate: int
    quarantined: int
    bytes: int
    sha256: str
    first_at: str = ""
    last_at: str = ""

    @property
    def balanced(self) -> bool:
        """Whether every row of the file is accounted for."""
        return self.accepted + self.duplicate + self.quarantined == self.rows


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hex.

    Examples
    --------
    >>> sha256_bytes(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex, without holding it in memory.

    Parameters
    ----------
    path : pathlib.Path
        A readable file.

    Returns
    -------
    str

    Examples
    --------
    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as d:
    ...     _ = (Path(d) / "x").write_bytes(b"")
    ...     sha256_file(Path(d) / "x")[:8]
    'e3b0c442'
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
