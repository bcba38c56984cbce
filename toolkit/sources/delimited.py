"""CSV and TSV: every cell as the text that stood there, and a bad row costs only itself.

Two ways lead to the same table. First the bytes are looked over once, a few megabytes at a time, counting quotes,
separators and line ends with numpy. If every record has as many cells as the header, every quote opens and closes where
it may, and all of it is UTF-8, polars reads the file (as strings). Otherwise the records are cut one by one in Python,
which is some ten times slower and tells exactly which row is wrong and why: engines either stop at the first bad row
or drop its cells without a word.

A quote that never closes would swallow the rest of the file. So a record that does not come out right costs its first
line only, and reading goes on with the next line.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from toolkit.errors import SourceError, visible
from toolkit.settings import CAPS
from toolkit.sources.files import TableFile
from toolkit.sources.survey import Survey
from toolkit.sources.text import MAX_LINE, Fault, RawTable, fault_frame, read_chunks, read_lines, refuse_hopeless

__all__ = ["read_delimited"]

_BOM: Final = b"\xef\xbb\xbf"
_MAX_RECORD_LINES: Final = 100_000
_BATCH: Final = 50_000


def read_delimited(file: TableFile) -> RawTable:
    r"""Read a CSV or TSV file with a header; all columns are strings, blank cells are null.

    Parameters
    ----------
    file : TableFile

    Returns
    -------
    RawTable
        Reasons of rows set aside: ``ragged_row``, ``invalid_utf8``, ``unterminated_quote``, ``bad_quote``,
        ``cell_too_long``. Lines are physical lines of the file; blank lines are no rows.

    Raises
    ------
    SourceError
        If the file cannot be read, has no header, is not UTF-8 text, or is over a cap.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text('id,ip\n00123,::1\n7\n"8","a,b"\n')
    ...     raw = read_delimited(TableFile("a", path, "a.csv", "csv", ""))
    >>> raw.frame.rows(), raw.line.to_list(), raw.faults.row(0)[:2]
    ([('00123', '::1'), ('8', 'a,b')], [2, 4], (3, 'ragged_row'))
    """
    head = _read_head(file)
    notes = list(head.notes)
    with contextlib.ExitStack() as stack:
        path = file.path
        spool = None
        if file.packing:
            # Unpacked once into a private file that ends with this block; the caps are checked as it is written.
            handle, name = tempfile.mkstemp(suffix=".csv")
            spool = stack.enter_context(os.fdopen(handle, "wb"))
            path = Path(name)
            stack.callback(path.unlink, missing_ok=True)
        survey = _survey(file, head, spool)
        if spool is not None:
            spool.flush()
        plain = TableFile(file.table, path, file.name, file.kind, "")
        raw = _fast(plain, head) if survey.regular else None
        if raw is None or raw.rows != survey.records - head.lines:
            raw = _slow(plain, head)
    return RawTable(raw.frame, raw.line, raw.faults, (*notes, *raw.notes))


# ---------------------------------------------------------------- the header


@dataclass(frozen=True, slots=True)
class _Head:
    """The header: names, the separator, the line its last cell ends on, and its length in bytes."""

    names: tuple[str, ...]
    separator: str
    lines: int
    notes: tuple[str, ...]


def _read_head(file: TableFile) -> _Head:
    name = visible(file.name)
    lines = _decoded_head(file, name)
    text, used = "", 0
    for text in lines[:100]:
        used += 1
        if text.strip():
            break
    if not text.strip():
        raise SourceError(f"{name}: the file is empty: a table has a header line that names its columns")
    separator = "\t" if file.kind == "tsv" else ","
    notes: list[str] = []
    if separator not in text:
        other = max(";\t|", key=text.count)
        if text.count(other):
            separator = other
            notes.append(f"{file.name}: read with {other!r} between cells; the header has no comma")
    record = _Record(separator)
    try:
        record.take(text)
        while record.open is not None and used < len(lines):
            record.take(lines[used])
            used += 1
    except _BadQuoteError as error:
        raise SourceError(f"{name}: the header cannot be read ({error}): found {visible(text)!r}") from error
    if record.open is not None:
        raise SourceError(f"{name}: a quote opens in the header and is not closed: found {visible(text)!r}")
    cells = record.cells
    if len(cells) > CAPS.columns:
        raise SourceError(
            f"{name}: {len(cells):,} columns, the cap is {CAPS.columns:,}: turn columns into rows, or cut them"
        )
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        wanted = cell.strip() or f"column_{place}"
        unique, k = wanted, 1
        while unique in names:
            k += 1
            unique = f"{wanted} ({k})"
        if unique != wanted:
            notes.append(
                f"{file.name}: the header names {visible(wanted)!r} twice; column {place} is {visible(unique)!r}"
            )
        names.append(unique)
    return _Head(tuple(names), separator, used, tuple(notes))


def _decoded_head(file: TableFile, name: str) -> list[str]:
    lines: list[str] = []
    size = 0
    for line in read_lines(file):
        if not lines and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(f"{name}: this is UTF-16 text: save it as UTF-8")
        if b"\0" in line[:1000]:
            raise SourceError(
                f"{name}: has zero bytes where text is expected: it is UTF-16 or no text at all. Save it as UTF-8"
            )
        try:
            lines.append((line.removeprefix(_BOM) if not lines else line).decode("utf-8"))
        except UnicodeDecodeError as error:
            if any(text.strip() for text in lines):
                break
            raise SourceError(
                f"{name}: the header is not UTF-8 (byte {error.start + 1}): save the file as UTF-8"
            ) from error
        size += len(line)
        if len(lines) > 200 or size > 4 * CAPS.cell_chars:
            break
    if len(lines) == 1 and "\r" in lines[0]:
        raise SourceError(
            f"{name}: its lines end in a carriage return alone (old Macintosh): save it with ordinary line ends"
        )
    return lines


# ---------------------------------------------------------------- looking the bytes over


def _survey(file: TableFile, head: _Head, spool: object) -> Survey:
    survey = Survey(ord(head.separator), len(head.names))
    survey.regular = head.lines == 1 and len(head.names) > 1
    first = True
    for piece in read_chunks(file):
        if spool is not None:
            try:
                spool.write(piece)  # type: ignore[attr-defined] # a binary file
            except OSError as error:
                raise SourceError(
                    f"{visible(file.name)}: no room to unpack it ({error.strerror}): free space in "
                    f"{visible(tempfile.gettempdir())}"
                ) from error
        survey.take(piece.removeprefix(_BOM) if first else piece)
        first = False
    survey.close()
    return survey


# ---------------------------------------------------------------- two ways to read


def _fast(file: TableFile, head: _Head) -> RawTable | None:
    try:
        frame = pl.read_csv(
            file.path,
            has_header=False,
            skip_lines=1,
            new_columns=list(head.names),
            schema=dict.fromkeys(head.names, pl.String),
            separator=head.separator,
            quote_char='"',
            encoding="utf8",
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError:
        return None
    blank = [name for name in frame.columns if (frame[name] == "").any()]
    if blank:
        frame = frame.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in blank)
    line = pl.int_range(2, frame.height + 2, dtype=pl.Int64, eager=True).alias("line")
    return _without_long_cells(frame, line)


def _without_long_cells(frame: pl.DataFrame, line: pl.Series) -> RawTable:
    long = [name for name in frame.columns if _is_over(frame[name].str.len_bytes().max())]
    faults: list[Fault] = []
    bad = pl.repeat(value=False, n=frame.height, eager=True)
    for name in long:
        over = (frame[name].str.len_chars() > CAPS.cell_chars).fill_null(value=False) & ~bad
        for place in over.arg_true():
            cell = frame[name][place]
            said = f"{len(cell):,} characters, cap {CAPS.cell_chars:,}"
            faults.append(Fault(line[place], "cell_too_long", name, said, cell[:200]))
        bad |= over
    if not faults:
        return RawTable(frame, line, fault_frame([]))
    return RawTable(frame.filter(~bad), line.filter(~bad), fault_frame(sorted(faults, key=lambda f: f.line)))


def _is_over(size: object) -> bool:
    return isinstance(size, int) and size > CAPS.cell_chars


class _BadQuoteError(ValueError):
    """A quoted cell that ends and goes on: ``"ab"c``."""


@dataclass(slots=True)
class _Record:
    """A record taken a line at a time; ``open`` holds the pieces of a quoted cell that has not ended yet."""

    separator: str
    cells: list[str] = field(default_factory=list)
    open: list[str] | None = None

    def take(self, text: str) -> None:
        """Take one line (without its end). Each character is looked at once, however many lines a record has."""
        at, end = 0, len(text)
        while True:
            if self.open is None and text.startswith('"', at):
                self.open, at = [], at + 1
            if self.open is None:
                stop = text.find(self.separator, at)
                self.cells.append(text[at:].removesuffix("\r") if stop < 0 else text[at:stop])
                if stop < 0:
                    return
                at = stop + 1
                continue
            stop = text.find('"', at)
            if stop < 0:
                self.open.append(text[at:] + "\n")
                return
            if text.startswith('"', stop + 1):
                self.open.append(text[at : stop + 1])
                at = stop + 2
                continue
            self.cells.append("".join([*self.open, text[at:stop]]))
            self.open, at = None, stop + 1
            if at == end or text[at:] == "\r":
                return
            if text[at] != self.separator:
                raise _BadQuoteError(f"{text[at]!r} after a closing quote")
            at += 1


def _slow(file: TableFile, head: _Head) -> RawTable:
    rows: list[list[str]] = []
    frames: list[pl.DataFrame] = []
    lines: list[int] = []
    faults: list[Fault] = []
    for number, outcome in _records(file, head):
        if isinstance(outcome, Fault):
            faults.append(outcome)
            refuse_hopeless(file, faults, len(lines))
            continue
        rows.append(outcome)
        lines.append(number)
        if len(rows) == _BATCH:
            frames.append(_frame(rows, head))
            rows = []
    frame = pl.concat([*frames, _frame(rows, head)])
    return RawTable(frame, pl.Series("line", lines, dtype=pl.Int64), fault_frame(faults))


def _frame(rows: list[list[str]], head: _Head) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ([] for _ in head.names)
    frame = pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(head.names, columns, strict=True)])
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _records(file: TableFile, head: _Head) -> Iterator[tuple[int, list[str] | Fault]]:
    """Yield (line, cells or fault) for each record. ``waiting`` holds lines to be looked at again after a bad quote."""
    numbered = enumerate(read_lines(file, keep_returns=True), 1)
    waiting: list[tuple[int, bytes]] = []
    for _ in range(head.lines):
        next(numbered, None)
    while True:
        number, raw = waiting.pop() if waiting else next(numbered, (0, b""))
        if number == 0:
            return
        if not raw.strip(b" \r") or (head.separator != "\t" and not raw.strip()):
            continue
        if b'"' not in raw and not waiting:
            yield number, _plain_cells(number, raw, head)
            continue
        taken = [(number, raw)]
        record, damage, size = _Record(head.separator), "", 0
        try:
            while True:
                line = taken[-1][1]
                size += len(line) + 1
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError as error:
                    # The record is read on, so that what a broken cell holds is never taken for rows.
                    damage = damage or f"byte {error.start + 1}: {line[error.start : error.start + 8]!r}"
                    text = line.decode("utf-8", "replace")
                record.take(text)
                if record.open is None or size > MAX_LINE or len(taken) >= _MAX_RECORD_LINES:
                    break
                following = waiting.pop() if waiting else next(numbered, (0, b""))
                if following[0] == 0:
                    break
                taken.append(following)
        except _BadQuoteError as error:
            wrong = Fault(number, "bad_quote", "", str(error), _shown(raw))
        else:
            wrong = Fault(number, "unterminated_quote", "", "a quote opens and is not closed", _shown(raw))
            if record.open is None:
                yield number, _judge(number, record.cells, damage, raw, head)
                continue
        if len(taken) > 1:
            # What looked like a record of many lines is none: its first line is at fault, the rest is read again.
            waiting.extend(reversed(taken[1:]))
            wrong = Fault(number, "unterminated_quote", "", "a quote opens and is not closed", _shown(raw))
        yield number, wrong


def _plain_cells(number: int, raw: bytes, head: _Head) -> list[str] | Fault:
    """Most records hold no quote: they are one line, and cut at every separator."""
    try:
        cells = raw.decode("utf-8").removesuffix("\r").split(head.separator)
    except UnicodeDecodeError as error:
        return _judge(number, [], f"byte {error.start + 1}: {raw[error.start : error.start + 8]!r}", raw, head)
    return _judge(number, cells, "", raw, head)


def _shown(raw: bytes) -> str:
    return raw[:400].decode("utf-8", "backslashreplace")


def _judge(number: int, cells: list[str], damage: str, raw: bytes, head: _Head) -> list[str] | Fault:
    if damage:
        return Fault(number, "invalid_utf8", "", damage, _shown(raw))
    if len(cells) != len(head.names):
        return Fault(number, "ragged_row", "", f"{len(cells)} cells, the header has {len(head.names)}", _shown(raw))
    if max(map(len, cells)) <= CAPS.cell_chars:
        return cells
    for name, cell in zip(head.names, cells, strict=True):
        if len(cell) > CAPS.cell_chars:
            return Fault(
                number, "cell_too_long", name, f"{len(cell):,} characters, cap {CAPS.cell_chars:,}", cell[:200]
            )
    return cells
