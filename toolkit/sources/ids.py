"""Ids as exact text, and a row's own fingerprint.

An id is text from the first byte to the picture. Typed sources (Parquet, a database) may hold it as a number; whole
numbers become their digits, and a float only where it is whole and small enough that nothing was rounded before we
saw it (below 2^53). Everything else is refused by row: ``…992`` and ``…993`` as floats are the same account.
"""

from __future__ import annotations

import hashlib
import json

import polars as pl

__all__ = ["as_exact_text", "as_id", "hash_rows", "write_rows"]

_EXACT_FLOAT = 2.0**53


def as_exact_text(column: pl.Series) -> pl.Series:
    """Write every value of a column as text, one spelling per value, on any engine version; null stays null.

    Whole numbers are digits, floats Python's shortest round-trip form, times microseconds since 1970, nested values
    JSON with sorted keys.

    Examples
    --------
    >>> as_exact_text(pl.Series([1.0, 0.1, None])).to_list()
    ['1.0', '0.1', None]
    """
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind.is_integer() or isinstance(kind, (pl.Categorical, pl.Enum, pl.Decimal)):
        return column.cast(pl.String)
    if isinstance(kind, (pl.Datetime, pl.Duration)) or kind in (pl.Date, pl.Time):
        return column.to_physical().cast(pl.String)
    if kind == pl.Boolean:
        return (
            column.to_frame("v")
            .select(pl.when("v").then(pl.lit("true")).when(~pl.col("v")).then(pl.lit("false")).alias(column.name))
            .to_series()
        )
    if kind.is_float():
        values = column.cast(pl.Float64) + 0.0  # one zero, not two
        distinct = values.unique().drop_nulls()
        spelt = pl.Series([repr(v) for v in distinct.to_list()], dtype=pl.String)
        return values.replace_strict(distinct, spelt, default=None, return_dtype=pl.String).alias(column.name)
    if kind == pl.Binary:
        written = [None if v is None else v.hex() for v in column.to_list()]
    elif kind == pl.Null:
        return pl.Series(column.name, [None] * column.len(), dtype=pl.String)
    else:
        write = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode
        written = [None if v is None else "[]" if v == [] else write(v) for v in column.to_list()]
    return pl.Series(column.name, written, dtype=pl.String)


def as_id(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Write a column of ids as text, and say which rows could not be: numbers that may have been rounded.

    Parameters
    ----------
    column : polars.Series
        Any type. Blank text is no id and comes back null; other text is never changed, not even trimmed.

    Returns
    -------
    ids : polars.Series
        String; null where there is no id or it is not exact.
    inexact : polars.Series
        Boolean, never null.

    Examples
    --------
    >>> ids, inexact = as_id(pl.Series("user", [1.0, 1.5, 9007199254740993.0, None]))
    >>> ids.to_list(), inexact.to_list()
    (['1', None, None, None], [False, True, True, False])
    >>> as_id(pl.Series("user", ["00123", " "]))[0].to_list()
    ['00123', None]
    """
    kind = column.dtype
    if kind.is_float():
        wide = column.cast(pl.Float64)
        exact = (wide.is_finite() & (wide == wide.floor()) & (wide.abs() < _EXACT_FLOAT)).fill_null(value=False)
        frame = pl.DataFrame({"v": wide, "ok": exact})
        ids = frame.select(pl.when("ok").then(pl.col("v")).cast(pl.Int64, strict=False).cast(pl.String))["v"]
        return ids.alias(column.name), (wide.is_not_null() & ~exact).alias(column.name)
    text = as_exact_text(column)
    blank = text.str.strip_chars() == ""
    if blank.any():
        text = text.to_frame().select(pl.when(~blank).then(pl.first()).alias(column.name))[column.name]
    return text, pl.repeat(value=False, n=column.len(), eager=True, dtype=pl.Boolean)


def write_rows(rows: pl.DataFrame) -> pl.Series:
    """Write each row as one text that no other row can have: ``name=length:value;`` for every value that is not null.

    Columns are written in the order of their names, so that their order in the file, and columns that are empty
    throughout, make no difference.

    Examples
    --------
    >>> write_rows(pl.DataFrame({"b": ["x", None], "a": [1, 2]})).to_list()
    ['a=1:1;b=1:x;', 'a=1:2;']
    """
    parts: list[pl.Expr] = []
    exact: list[pl.Series] = []
    for name in sorted(rows.columns):
        column = as_exact_text(rows[name]).alias(str(len(exact)))
        if column.null_count() < column.len():
            value = pl.col(column.name)
            label = name.replace("\\", "\\\\").replace("=", "\\=").replace(";", "\\;")
            cell = [pl.lit(label + "="), value.str.len_bytes().cast(pl.String), pl.lit(":"), value, pl.lit(";")]
            # A null anywhere makes the inner text null, and so leaves the column out.
            parts += [pl.concat_str(cell)] if column.null_count() else cell
            exact.append(column)
    if not parts:
        return pl.Series("row", [""] * rows.height, dtype=pl.String)
    return pl.DataFrame(exact).select(pl.concat_str(parts, ignore_nulls=True).alias("row"))["row"]


def hash_rows(table: str, rows: pl.DataFrame) -> pl.Series:
    """Give each row an id made of its table and its values alone: not of its place, nor of any engine's version.

    Parameters
    ----------
    table : str
        Name of the table; the same values in two tables are two rows.
    rows : polars.DataFrame
        The columns that make the row what it is (leave the ingest time out).

    Returns
    -------
    polars.Series
        String, ``row_`` and 24 hexadecimal digits of BLAKE2b.

    Examples
    --------
    >>> hash_rows("auth", pl.DataFrame({"user": ["a", "a", "b"]})).n_unique()
    2
    """
    seed = hashlib.blake2b(table.encode() + b"\0", digest_size=12)

    def digest(text: str) -> str:
        state = seed.copy()
        state.update(text.encode())
        return "row_" + state.hexdigest()

    return pl.Series("event_id", [digest(text) for text in write_rows(rows).to_list()], dtype=pl.String)
