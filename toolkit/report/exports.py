"""Tables and the case as files: exact for machines, safe for spreadsheets, the same bytes every time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import ValidationError

from toolkit.errors import InputError, visible
from toolkit.model.case import Case

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "CASE_VERSION",
    "case_schema",
    "read_case",
    "safe_cell",
    "spreadsheet_safe",
    "write_case",
    "write_csv",
    "write_parquet",
    "write_tables",
]

CASE_VERSION = "1.2"
"""Minor: fields were added, and older files can still be read. Major: they cannot."""

_WRAPPER = frozenset({"version", "synthetic", "case"})

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
    """Write whatever a spreadsheet has no cell for as text, and make every text cell safe to open.

    Times with a zone are told in UTC (``2026-01-05T10:00:00.000000Z``), times without one end in no Z; durations are
    ISO 8601, bytes hexadecimal, records JSON. Numbers stay numbers.

    Parameters
    ----------
    frame : polars.DataFrame

    Returns
    -------
    polars.DataFrame
        The same rows and order of columns.

    Examples
    --------
    >>> spreadsheet_safe(pl.DataFrame({"id": ["+1"], "n": [-1], "kinds": [["a", "b"]]})).rows()
    [("'+1", -1, 'a; b')]
    """
    return pl.DataFrame([_cells(frame.get_column(name)).alias(safe_cell(name)) for name in frame.columns])


def _cells(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return column
    texts = _times(column) if dtype.is_temporal() else column.cast(pl.String) if isinstance(dtype, _NAMED) else column
    return pl.Series([None if v is None else safe_cell(_text(v)) for v in texts.to_list()], dtype=pl.String)


_NAMED = (pl.Categorical, pl.Enum)


def _times(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime):
        zone = column.dtype.time_zone
        moved = column.dt.convert_time_zone("UTC") if zone else column
        return moved.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if zone else ""))
    if column.dtype == pl.Time:
        return column.dt.strftime("%H:%M:%S%.6f")
    return column.dt.to_string("iso")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return _say_evidence(value) or json.dumps(value, ensure_ascii=False, sort_keys=True, default=_text)
    if isinstance(value, list | pl.Series):
        return "; ".join("" if item is None else _text(item) for item in value)
    return str(value)


def _say_evidence(row: Mapping[str, Any]) -> str:
    if not {"kind", "value", "bits", "holders"} <= row.keys() or row["bits"] is None:
        return ""
    return f"{row['kind']}={row['value']} ({row['bits']:.2f} bits, {row['holders']} holders)"


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

    Parameters
    ----------
    case : Case
    path : pathlib.Path
    synthetic : bool
        Whether the data are made up.

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


def read_case(path: str | Path) -> Case:
    """Read a case that :func:`write_case` wrote, with this version of the toolkit or an earlier one.

    Parameters
    ----------
    path : str or path
        ``case.json`` of a report.

    Returns
    -------
    Case
        Equal to the one that was written.

    Raises
    ------
    InputError
        If there is no such file, it is of another major version, or it does not keep to the schema (every fault is
        named).

    Examples
    --------
    >>> import tempfile
    >>> case = Case(case_id="C", seeds=["007"], purpose="p", analyst="k")
    >>> with tempfile.TemporaryDirectory() as d:
    ...     write_case(case, Path(d) / "case.json")
    ...     read_case(Path(d) / "case.json") == case
    True
    """
    where = Path(path)
    name = visible(where.name)
    try:
        record = json.loads(where.read_bytes())
    except OSError:
        raise InputError(f"no case in {name}: give the case.json of a report") from None
    except (ValueError, RecursionError) as error:
        said = visible(str(error).splitlines()[0], 200)
        raise InputError(f"{name} is not JSON ({said}): give the case.json of a report") from None
    if not isinstance(record, dict) or not {"version", "case"} <= record.keys():
        raise InputError(f"{name} is not a case: want {{version, synthetic, case}}; give the case.json of a report")
    version, ours = record["version"], CASE_VERSION.partition(".")[0]
    if not isinstance(version, str) or not re.fullmatch(rf"{ours}\.[0-9]+", version):
        raise InputError(
            f"{name} is of version {visible(version)!r}, and this toolkit reads {ours}.x: use the version that wrote it"
        )
    faults = [f"there is {visible(key)!r}, which no case has" for key in sorted(record.keys() - _WRAPPER)]
    if not isinstance(record.get("synthetic", False), bool):
        faults.append(f"synthetic is true or false, found {visible(record['synthetic'])!r}")
    try:
        json.dumps(record, ensure_ascii=False).encode()
        case = Case.model_validate(record["case"])
    except UnicodeEncodeError:
        faults.append("it holds half of a character (a lone surrogate), which no text file can hold")
    except ValidationError as error:
        faults += [_say_fault(fault) for fault in error.errors(include_url=False)]
    if faults:
        raise InputError("\n  - ".join([f"{name} does not keep to case.schema.json:", *faults]))
    return case


def _say_fault(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    return visible(f"{where or 'case'}: {fault['msg'].removeprefix('Value error, ')}", 300)


def case_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``case.json``, which is committed as ``assets/case.schema.json``.

    Returns
    -------
    dict
        JSON Schema, draft 2020-12. What a schema cannot say (that a window runs forward, that a ban asks for evidence)
        only :func:`read_case` checks.

    Examples
    --------
    >>> case_schema()["required"]
    ['case', 'synthetic', 'version']
    """
    model = Case.model_json_schema(ref_template="#/$defs/{model}")
    inner = model.pop("$defs")
    for part in (model, *inner.values()):
        # A docstring's examples are for whoever reads the code.
        part["description"] = part["description"].split("\n\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A case of the investigation toolkit",
        "type": "object",
        "additionalProperties": False,
        "required": sorted(_WRAPPER),
        "properties": {
            "version": {"type": "string", "pattern": rf"^{CASE_VERSION.partition('.')[0]}\.[0-9]+$"},
            "synthetic": {"type": "boolean"},
            "case": {"$ref": "#/$defs/Case"},
        },
        "$defs": {**inner, "Case": model},
    }
