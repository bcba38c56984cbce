"""Typed sources: Parquet files and the tables of a DuckDB file. Columns keep their types; ids become text later.

Parquet can hold a few values many times over, so its size on disk says little: what the text columns would take as
text is counted before any of them is written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import SourceError, nearest, visible
from toolkit.settings import CAPS
from toolkit.sources.files import TableFile
from toolkit.sources.text import Fault, RawTable, fault_frame

__all__ = ["NO_EXTENSIONS", "list_duckdb", "quote_name", "read_duckdb", "read_parquet"]

NO_EXTENSIONS: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Settings of every DuckDB of ours: code is not fetched, nor loaded because a query would like it."""
_JUDGE_FROM: Final = 2**30
# Types that do not survive the way into a frame exactly; DuckDB writes them as text itself.
_AS_TEXT: Final = (
    "HUGEINT",
    "UHUGEINT",
    "UUID",
    "ENUM",
    "INTERVAL",
    "STRUCT",
    "MAP",
    "UNION",
    "BIT",
    "VARINT",
    "BIGNUM",
    "TIME",
)


def read_parquet(file: TableFile) -> RawTable:
    """Read a Parquet file.

    Parameters
    ----------
    file : TableFile

    Returns
    -------
    RawTable
        Native types; categories and enumerations as strings. Rows with a cell over the cap are set aside.

    Raises
    ------
    SourceError
        If it is empty, cut short, damaged, or over a cap.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.parquet"
    ...     _ = path.write_bytes(b"PAR1")
    ...     read_parquet(TableFile("a", path, "a.parquet", "parquet", ""))
    Traceback (most recent call last):
    toolkit.errors.SourceError: a.parquet: not a whole Parquet file (4 bytes): it is cut short; fetch or write it again
    """
    name, size = visible(file.name), file.path.stat().st_size
    if size == 0:
        raise SourceError(
            f"{name}: the file is empty (0 bytes): a Parquet file without rows still has a footer; write it again"
        )
    with file.path.open("rb") as handle:
        start = handle.read(4)
        handle.seek(max(size - 4, 0))
        end = handle.read(4)
    if start != b"PAR1":
        raise SourceError(
            f"{name}: not a Parquet file: it begins with {start!r}; if it is text, declare format: csv or ndjson"
        )
    if end != b"PAR1" or size < 12:
        raise SourceError(
            f"{name}: not a whole Parquet file ({size:,} bytes): it is cut short; fetch or write it again"
        )
    try:
        schema = pl.read_parquet_schema(file.path)
        if len(schema) > CAPS.columns:
            raise SourceError(f"{name}: {len(schema):,} columns, the cap is {CAPS.columns:,}: cut them")
        frame = pl.read_parquet(file.path, use_pyarrow=False, hive_partitioning=False, glob=False)
        _verify_checksums(file.path, frame)
        return _plain(frame, name, size)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, _ChecksumError) as error:
        said = visible(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
        raise SourceError(
            f"{name}: cannot be read as Parquet ({said}): it is damaged; fetch or write it again"
        ) from error


class _ChecksumError(Exception):
    """A page does not match the checksum it was written with."""


def _verify_checksums(path: Path, frame: pl.DataFrame) -> None:
    """Verify page checksums where the writer can have left some; polars skips them and reads flipped bits as data."""
    import pyarrow.parquet as pq

    if "parquet-cpp-arrow" not in (pq.read_metadata(path).created_by or "") or _text_bytes(frame) > _JUDGE_FROM:
        return
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as whole:
            for _ in whole.iter_batches():
                pass
    except Exception as error:  # pyarrow raises its own, and OSError
        raise _ChecksumError(str(error)) from error


def _text_bytes(frame: pl.DataFrame) -> int:
    """Bytes that all text columns take when every cell is written out."""
    total = 0
    for column in frame.iter_columns():
        if isinstance(column.dtype, (pl.Categorical, pl.Enum)):
            counted = column.value_counts(sort=False)
            lengths = counted[column.name].cast(pl.String).str.len_bytes().cast(pl.Int64)
            total += int((lengths * counted["count"].cast(pl.Int64)).sum() or 0)
        elif column.dtype == pl.String:
            total += int(column.str.len_bytes().cast(pl.Int64).sum() or 0)
    return total


def _plain(frame: pl.DataFrame, name: str, size: int) -> RawTable:
    logical = _text_bytes(frame)
    if logical > CAPS.unpacked_bytes or (logical > _JUDGE_FROM and logical / size > CAPS.ratio):
        raise SourceError(
            f"{name}: {size:,} bytes on disk hold {logical:,} bytes of text, over {CAPS.ratio:.0f} to 1: this "
            "looks like a "
            "decompression bomb. If it is honest data, split it into smaller files"
        )
    frame = frame.with_columns(
        pl.col(c.name).cast(pl.String) for c in frame.iter_columns() if isinstance(c.dtype, (pl.Categorical, pl.Enum))
    )
    line = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias("line")
    return _set_long_aside(frame, line)


def _set_long_aside(frame: pl.DataFrame, line: pl.Series) -> RawTable:
    bad = pl.repeat(value=False, n=frame.height, eager=True)
    faults: list[Fault] = []
    for column in frame.iter_columns():
        if column.dtype != pl.String or (longest := column.str.len_bytes().max()) is None:
            continue
        if not isinstance(longest, int) or longest <= CAPS.cell_chars:
            continue
        over = (column.str.len_chars() > CAPS.cell_chars).fill_null(value=False) & ~bad
        for place in over.arg_true():
            found = f"{len(column[place]):,} characters, cap {CAPS.cell_chars:,}"
            faults.append(Fault(line[place], "cell_too_long", column.name, found, column[place][:200]))
        bad |= over
    if not faults:
        return RawTable(frame, line, fault_frame([]))
    return RawTable(frame.filter(~bad), line.filter(~bad), fault_frame(sorted(faults, key=lambda f: f.line)))


# ---------------------------------------------------------------- DuckDB


def quote_name(name: str) -> str:
    """Quote an identifier for SQL: the only way a name enters a statement.

    Examples
    --------
    >>> quote_name('a"b; drop')
    '"a""b; drop"'
    """
    if "\0" in name:
        raise SourceError(f"a name with a zero byte cannot be used in SQL: {visible(name)!r}")
    return '"' + name.replace('"', '""') + '"'


def _open(file: TableFile) -> Any:
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": "false",
        **NO_EXTENSIONS,
    }
    try:
        connection = duckdb.connect(str(file.path), read_only=True, config=settings)
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        said = visible(str(error).splitlines()[0], 160)
        raise SourceError(
            f"{visible(file.name)}: cannot be opened as a DuckDB file ({said}): is another program writing to it?"
        ) from error
    return connection


def list_duckdb(file: TableFile) -> tuple[list[str], list[str]]:
    """Return the tables and the views of a DuckDB file, by name. Views are named, not read: a view is SQL, and so code.

    Raises
    ------
    SourceError
        If it cannot be opened.
    """
    with _open(file) as connection:
        rows = connection.execute(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main' ORDER BY "
            "table_name"
        ).fetchall()
    tables = [name for name, kind in rows if kind == "BASE TABLE"]
    return tables, [name for name, kind in rows if kind != "BASE TABLE"]


def read_duckdb(file: TableFile, table: str) -> RawTable:
    """Read one table of a DuckDB file, rows in the order they were inserted.

    Parameters
    ----------
    file : TableFile
    table : str

    Returns
    -------
    RawTable
        Native types; 128-bit integers, UUIDs, enumerations and nested values as text.

    Raises
    ------
    SourceError
        If there is no such table, or it cannot be read.

    Examples
    --------
    >>> import duckdb, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.duckdb"
    ...     with duckdb.connect(str(path)) as db:
    ...         _ = db.execute("create table auth as select 170141183460469231731687303715884105727::hugeint as id")
    ...     read_duckdb(TableFile("auth", path, "a.duckdb", "duckdb", ""), "auth").frame["id"][0]
    '170141183460469231731687303715884105727'
    """
    import duckdb

    tables, _ = list_duckdb(file)
    if table not in tables:
        raise SourceError(f"{visible(file.name)}: no table {visible(table)!r}: {nearest(table, tables)}")
    with _open(file) as connection:
        try:
            columns = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'main' AND table_name = ? ORDER BY ordinal_position",
                [table],
            ).fetchall()
            if len(columns) > CAPS.columns:
                raise SourceError(f"{visible(table)}: {len(columns):,} columns, the cap is {CAPS.columns:,}: cut them")
            chosen = ", ".join(
                f"CAST({quote_name(name)} AS VARCHAR) AS {quote_name(name)}" if _needs_text(kind) else quote_name(name)
                for name, kind in columns
            )
            statement = "SELECT " + chosen + " FROM " + quote_name(table)  # noqa: S608 - every name is quoted by quote_name
            frame = pl.DataFrame(pl.from_arrow(connection.sql(statement).to_arrow_table()))
        except duckdb.Error as error:
            raise SourceError(
                f"{visible(file.name)}: table {visible(table)!r} cannot be read: {visible(str(error), 200)}"
            ) from error
    return _plain(frame, f"{visible(file.name)}:{visible(table)}", file.path.stat().st_size)


def _needs_text(kind: str) -> bool:
    upper = kind.upper()
    return (upper.startswith(_AS_TEXT) and not upper.startswith("TIMESTAMP")) or upper.endswith("]")
