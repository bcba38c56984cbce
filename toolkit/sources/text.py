"""Text files as a stream of bytes that cannot grow without limit.

Compressed text is unpacked a piece at a time, and the caps are checked as it goes: bytes out, the ratio of bytes out to
bytes on disk, the longest line. A 2 MB file that unpacks to a 2 GB cell stops early, in words, with little memory used.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from toolkit.errors import SourceError, visible
from toolkit.settings import CAPS
from toolkit.sources.files import TableFile

__all__ = ["CHUNK", "MAX_LINE", "Fault", "RawTable", "fault_frame", "read_chunks", "read_lines", "refuse_hopeless"]

CHUNK: Final = 4 * 2**20
MAX_LINE: Final = 64 * CAPS.cell_chars
"""Bytes between two line ends, at most: beyond that a file is no table of rows."""
_RATIO_FROM: Final = 64 * 2**20
_HOPELESS: Final = 100_000
_ZST_STEP: Final = 2048
_ZST_WINDOW: Final = 2**27


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that was set aside while reading: where, why, and what was found there."""

    line: int
    reason: str
    column: str
    found: str
    raw: str


@dataclass(frozen=True, slots=True)
class RawTable:
    """A file as read: the rows that are rows, the line of each, and the rows that were set aside.

    Attributes
    ----------
    frame : polars.DataFrame
        Every column of the source under its own name. From text all are strings; blank is null.
    line : polars.Series
        Int64, the line each row starts on (from 1); in typed sources the row's number, from 1.
    faults : polars.DataFrame
        line, reason, column, found, raw.
    notes : tuple of str
    """

    frame: pl.DataFrame
    line: pl.Series
    faults: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in the file, those set aside included."""
        return self.frame.height + self.faults.height


def refuse_hopeless(file: TableFile, faults: list[Fault], rows: int) -> None:
    """Refuse a file of which hardly a row is one, instead of writing a quarantine as long as the file.

    Raises
    ------
    SourceError
        After 100,000 rows were set aside and fewer than one in ten was kept.

    Examples
    --------
    >>> refuse_hopeless(TableFile("a", Path("a.csv"), "a.csv", "csv", ""), [], 0)
    """
    if len(faults) >= _HOPELESS and rows * 10 < len(faults):
        first = faults[0]
        raise SourceError(
            f"{visible(file.name)}: {len(faults):,} of its first {len(faults) + rows:,} rows are not rows of such a "
            f"table (line {first.line}: {first.reason}, found {visible(first.found)!r}): is it of another kind, or "
            "written with other separators? Nothing was read from it"
        )


def fault_frame(faults: list[Fault]) -> pl.DataFrame:
    """Put faults in a frame, text cut and made visible.

    Examples
    --------
    >>> fault_frame([Fault(3, "ragged_row", "", "2 cells", "a,b")]).row(0)
    (3, 'ragged_row', '', '2 cells', 'a,b')
    """
    rows = [(f.line, f.reason, visible(f.column), visible(f.found), visible(f.raw, 200)) for f in faults]
    kinds = {"line": pl.Int64, "reason": pl.String, "column": pl.String, "found": pl.String, "raw": pl.String}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def read_chunks(file: TableFile) -> Iterator[bytes]:
    r"""Yield a file's bytes, unpacked, in pieces of a few megabytes; refuse it when a cap is passed.

    Raises
    ------
    SourceError
        If the file cannot be read or unpacked, is cut short, or is over a cap.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv.gz"
    ...     _ = path.write_bytes(gzip.compress(b"id\n1\n"))
    ...     b"".join(read_chunks(TableFile("a", path, "a.csv.gz", "csv", "gz")))
    b'id\n1\n'
    """
    name, size, out, since_line = visible(file.name), max(file.path.stat().st_size, 1), 0, 0
    pieces = {"": _plain, "gz": _gunzip, "zst": _unzst}[file.packing](file.path)
    try:
        for piece in pieces:
            out += len(piece)
            if out > CAPS.unpacked_bytes:
                raise SourceError(
                    f"{name}: unpacks to more than {CAPS.unpacked_bytes:,} bytes: split it, or convert it to Parquet"
                )
            if file.packing and out > _RATIO_FROM and out / size > CAPS.ratio:
                raise SourceError(
                    f"{name}: {size:,} bytes on disk unpack to more than {out:,}, over {CAPS.ratio:.0f} to 1: "
                    "this looks like a "
                    "decompression bomb and was not read further. If it is honest data, unpack it by hand and "
                    "give the unpacked file"
                )
            last = piece.rfind(b"\n")
            since_line = len(piece) - last - 1 if last >= 0 else since_line + len(piece)
            if since_line > MAX_LINE:
                raise SourceError(
                    f"{name}: a line is longer than {MAX_LINE:,} bytes; rows of a table are not. "
                    "Is it text with one row per line? Nothing was read from it"
                )
            yield piece
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise SourceError(
            f"{name}: cannot be read to its end ({visible(said)}): is it cut short? Fetch it again"
        ) from error


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while piece := handle.read(CHUNK):
            yield piece


def _gunzip(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as handle:
        while piece := handle.read(CHUNK):
            yield piece


def _unzst(path: Path) -> Iterator[bytes]:
    """Small steps: two kilobytes of compressed bytes hold at most some 500 blocks of 128 kB."""
    import zstandard

    unpack = zstandard.ZstdDecompressor(max_window_size=_ZST_WINDOW).decompressobj()
    open_frame, out, held = False, bytearray(), b""
    try:
        with path.open("rb") as handle:
            while held or (held := handle.read(_ZST_STEP)):
                if not open_frame:
                    unpack = zstandard.ZstdDecompressor(max_window_size=_ZST_WINDOW).decompressobj()
                    open_frame = True
                out += unpack.decompress(held)
                held = unpack.unused_data if unpack.eof else b""
                open_frame = not unpack.eof
                while len(out) >= CHUNK:
                    yield bytes(out[:CHUNK])
                    del out[:CHUNK]
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
    if open_frame:
        raise EOFError("the last frame does not end")
    if out:
        yield bytes(out)


def read_lines(file: TableFile, *, keep_returns: bool = False) -> Iterator[bytes]:
    r"""Yield the lines of a file without their line ends, under the caps of :func:`read_chunks`.

    A carriage return before the line end goes too, unless ``keep_returns``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.ndjson"
    ...     _ = path.write_bytes(b"{}\r\n\n[]")
    ...     list(read_lines(TableFile("a", path, "a.ndjson", "ndjson", "")))
    [b'{}', b'', b'[]']
    """
    held: list[bytes] = []
    for piece in read_chunks(file):
        lines = piece.split(b"\n")
        if len(lines) == 1:
            held.append(piece)
            continue
        lines[0] = b"".join([*held, lines[0]])
        held = [lines.pop()]
        for line in lines:
            yield line[:-1] if line.endswith(b"\r") and not keep_returns else line
    last = b"".join(held)
    if last:
        yield last[:-1] if last.endswith(b"\r") and not keep_returns else last
