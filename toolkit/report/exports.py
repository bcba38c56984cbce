"""Tables and the case as files: exact for machines, safe for spreadsheets, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.case import Case

__all__ = ["CASE_VERSION", "safe_cell", "spreadsheet_safe", "write_case", "write_csv", "write_parquet", "write_tables"]

CASE_VERSION = "1.0"

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Keep a spreadsheet from reading text as a formula: an apostrophe goes before it.

    Examples
    --------
    >>> safe_cell("=HYPERLINK(1)"), safe_cell("  @x"), safe_cell("ring")
    ("'=HYPERLINK(1)", "'  @x", 'ring')
    """
    return f"'{text}" if text.lstrip(" \u00a0\u200b\ufeff").startswith(_FORMULA) else text


def spreadsheet_safe(frame: pl.DataFrame) -> pl.DataFrame:
    """Flatten lists and times to text, and make every text cell safe to open.

    Examples
    --------
    >>> spreadsheet_safe(pl.DataFrame({"id": ["+1"], "n": [-1], "kinds": [["a", "b"]]})).rows()
    [("'+1", -1, 'a; b')]
    """
    columns = []
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.List):
            texts = [_flat(value) for value in frame.get_column(name).to_list()]
            columns.append(
                pl.Series(safe_cell(name), [None if t is None else safe_cell(t) for t in texts], dtype=pl.String)
            )
        elif dtype.is_temporal():
            columns.append(frame.get_column(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(safe_cell(name)))
        elif dtype == pl.String:
            values = frame.get_column(name).to_list()
            columns.append(
                pl.Series(safe_cell(name), [None if v is None else safe_cell(v) for v in values], dtype=pl.String)
            )
        else:
            columns.append(frame.get_column(name).alias(safe_cell(name)))
    return pl.DataFrame(columns)


def _flat(value: Any) -> str | None:
    if value is None:
        return None
    if value and isinstance(value[0], dict):
        return "; ".join(f"{v['kind']}={v['value']} ({v['bits']:.2f} bits, {v['holders']} holders)" for v in value)
    return "; ".join(str(item) for item in value)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a table exactly; the same frame gives the same bytes."""
    frame.write_parquet(path, compression="zstd", statistics=True)


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a table for spreadsheets: UTF-8 with a byte-order mark, every cell safe."""
    path.write_bytes(b"\xef\xbb\xbf" + spreadsheet_safe(frame).write_csv().encode())


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path, *, csv: bool = False) -> list[Path]:
    """Write tables as ``name.parquet`` (and ``name.csv``) into a folder, which is made.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        By file name without ending.
    folder : pathlib.Path
    csv : bool
        Write the spreadsheet-safe form too.

    Returns
    -------
    list of pathlib.Path
        In order of name.

    Raises
    ------
    InputError
        If a name would leave the folder, or the folder is a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as d:
    ...     [p.name for p in write_tables({"links": pl.DataFrame({"a": [1]})}, Path(d), csv=True)]
    ['links.parquet', 'links.csv']
    """
    wrong = [name for name in tables if not name.replace("_", "").isalnum()]
    if wrong:
        raise InputError(f"table names have letters, digits and '_': {', '.join(visible(name) for name in wrong)}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write tables to {visible(folder)}: it is a file; give a folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in sorted(tables):
        written.append(folder / f"{name}.parquet")
        write_parquet(tables[name], written[-1])
        if csv:
            written.append(folder / f"{name}.csv")
            write_csv(tables[name], written[-1])
    return written


def write_case(case: Case, path: Path, *, synthetic: bool = False) -> None:
    """Write the case as JSON: our lossless form, versioned, marked where the data are made up.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as d:
    ...     write_case(Case(case_id="C", seeds=["a"], purpose="p", analyst="k"), Path(d) / "case.json")
    ...     sorted(json.loads((Path(d) / "case.json").read_text()))
    ['case', 'synthetic', 'version']
    """
    record = {"version": CASE_VERSION, "synthetic": synthetic, "case": case.model_dump(mode="json")}
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
