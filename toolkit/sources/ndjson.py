"""One JSON object per line, every value as the text that stood there.

Numbers keep their source text, so that ``00123`` beside ``123``, 2^53 + 1 and twenty-digit ids come through as they are
(engines that infer a type round them). Nested objects become dotted columns, lists stay JSON text. A bad line costs
that line and no other.
"""

from __future__ import annotations

import json
from typing import Any, Final

import polars as pl

from toolkit.settings import CAPS
from toolkit.sources.files import TableFile
from toolkit.sources.text import Fault, RawTable, fault_frame, read_lines, refuse_hopeless

__all__ = ["read_ndjson"]


_BATCH: Final = 50_000


class _Number(str):
    """The digits of a number, told apart from a string only where a list is written back as JSON."""

    __slots__ = ()


class _Broken(ValueError):  # noqa: N818 - carries a reason code, never leaves this file
    def __init__(self, reason: str, column: str = "", found: str = "") -> None:
        self.reason, self.column, self.found = reason, column, found
        super().__init__(reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                raise _Broken("duplicate_key", key, str(value))
            seen.add(key)
    return out


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def read_ndjson(file: TableFile) -> RawTable:
    r"""Read a file of JSON lines; all columns are strings, in order of first appearance.

    Parameters
    ----------
    file : TableFile

    Returns
    -------
    RawTable
        Reasons of rows set aside: ``bad_json``, ``not_an_object``, ``duplicate_key``, ``too_deep``, ``invalid_utf8``,
        ``cell_too_long``, ``too_many_columns``. Blank lines are no rows.

    Raises
    ------
    SourceError
        If the file cannot be read, or is over a cap.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.ndjson"
    ...     _ = path.write_text('{"id": 9007199254740993, "at": {"ip": "::1"}}\n{"id": "00123"}\nnot json\n')
    ...     raw = read_ndjson(TableFile("a", path, "a.ndjson", "ndjson", ""))
    >>> raw.frame.to_dict(as_series=False), raw.faults["line"].to_list()
    ({'id': ['9007199254740993', '00123'], 'at.ip': ['::1', None]}, [3])
    """
    rows: list[dict[str, str | None]] = []
    frames: list[pl.DataFrame] = []
    lines: list[int] = []
    faults: list[Fault] = []
    columns: dict[str, None] = {}
    for number, raw in enumerate(read_lines(file), 1):
        if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
            raw = raw[3:]
        if not raw.strip():
            continue
        try:
            row = _row(raw)
            new = [] if row.keys() <= columns.keys() else [name for name in row if name not in columns]
            if len(columns) + len(new) > CAPS.columns:
                raise _Broken("too_many_columns", new[0], f"{len(columns) + len(new):,} columns, cap {CAPS.columns:,}")
        except _Broken as broken:
            text = raw[:400].decode("utf-8", "backslashreplace")
            faults.append(Fault(number, broken.reason, broken.column, broken.found or text, text))
            refuse_hopeless(file, faults, len(lines))
            continue
        if new:
            columns.update(dict.fromkeys(new))
        rows.append(row)
        lines.append(number)
        if len(rows) == _BATCH:
            frames.append(_frame(rows, columns))
            rows = []
    frame = pl.concat([*frames, _frame(rows, columns)], how="diagonal")
    if columns:
        frame = frame.select(list(columns))
    notes: tuple[str, ...] = ()
    if faults and not lines and faults[0].raw.lstrip().startswith("["):
        notes = (f"{file.name} looks like one JSON array; write one object per line (jq -c '.[]')",)
    return RawTable(frame, pl.Series("line", lines, dtype=pl.Int64), fault_frame(faults), notes)


def _frame(rows: list[dict[str, str | None]], columns: dict[str, None]) -> pl.DataFrame:
    known = [pl.Series(name, [row.get(name) for row in rows], dtype=pl.String) for name in columns]
    return pl.DataFrame(known or [pl.Series("(no columns)", [None] * len(rows), dtype=pl.String)])


def _row(raw: bytes) -> dict[str, str | None]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Broken("invalid_utf8", "", f"byte {error.start + 1}: {raw[error.start : error.start + 8]!r}") from None
    try:
        said = _DECODER.decode(text)
    except RecursionError:
        raise _Broken("too_deep") from None
    except json.JSONDecodeError as error:
        raise _Broken("bad_json", "", f"{error.msg} at character {error.pos + 1}") from None
    if not isinstance(said, dict):
        raise _Broken("not_an_object")
    row: dict[str, str | None] = {}
    _flatten(said, "", row, 1)
    if "\\u" in text:  # an escape may name half of a surrogate pair, which is no text at all
        for name, value in row.items():
            try:
                name.encode()
                (value or "").encode()
            except UnicodeEncodeError:
                raise _Broken("invalid_utf8", ascii(name), "half of a surrogate pair") from None
    return row


def _flatten(value: dict[str, Any], prefix: str, row: dict[str, str | None], depth: int) -> None:
    if depth > CAPS.depth:
        raise _Broken("too_deep", prefix[:80], f"more than {CAPS.depth} levels")
    for key, item in value.items():
        name = prefix + key
        kind = type(item)
        cell: str | None
        if kind is str:
            cell = item or None
        elif kind is _Number:
            cell = str.__str__(item)
        elif item is None:
            cell = None
        elif kind is bool:
            cell = "true" if item else "false"
        elif kind is dict and item:
            _flatten(item, name + ".", row, depth + 1)
            continue
        else:
            cell = _json(item, depth + 1)
        if cell is not None and len(cell) > CAPS.cell_chars:
            raise _Broken("cell_too_long", name, f"{len(cell):,} characters, cap {CAPS.cell_chars:,}")
        if name in row:
            raise _Broken("duplicate_key", name, cell or "")
        row[name or "(no name)"] = cell


def _json(value: Any, depth: int) -> str:
    if depth > CAPS.depth:
        raise _Broken("too_deep", "", f"more than {CAPS.depth} levels")
    if isinstance(value, _Number):
        return str.__str__(value)
    if isinstance(value, list):
        return "[" + ",".join(_json(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)}:{_json(item, depth + 1)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    return json.dumps(value, ensure_ascii=False)
