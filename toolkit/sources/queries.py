"""A library of queries: SQL files that say what they are for, what they take and which columns they give.

::

    -- Accounts that were seen on an address, and when.
    -- parameter ip: str              the address
    -- parameter most: int = 1000     accounts, at most
    -- column account_id: str
    -- column first_at: datetime      first seen there
    select ...

Bundled ones ask the canonical tables; a team's own folder is found the same way, and wins where names are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, SourceError, UnknownNameError, nearest, visible
from toolkit.resources import find_files
from toolkit.sources.engines import find_parameters

__all__ = [
    "Query",
    "QueryColumn",
    "QueryParameter",
    "check_columns",
    "convert_values",
    "find_queries",
    "find_query",
    "parse_values",
]

_LINE: Final = re.compile(
    r"--\s*(?P<what>parameter|column)\s+(?P<name>\w+)\s*:\s*(?P<type>[\w\[\]]+)(?:\s*=\s*(?P<default>\"[^\"]*\"|\S+))?\s*(?P<help>.*)"
)
_TAKES: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "datetime": (datetime,),
    "list[str]": (list,), "list[int]": (list,),
}  # fmt: skip
_GIVES: Final[dict[str, Any]] = {
    "str": pl.String, "int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean, "datetime": pl.Datetime("us", "UTC"),
}  # fmt: skip
_LIMIT: Final = 1_000_000
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A value that a query takes: its name, type, default (``required`` = none) and what it is."""

    name: str
    type: str
    required: bool
    default: Any
    help: str


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """A column that a query gives."""

    name: str
    type: str
    help: str


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a library.

    Attributes
    ----------
    name : str
        File name without ending.
    path : pathlib.Path
    about : str
        The first comment.
    text : str
        The whole file: comments are SQL too.
    parameters, columns : tuple
        In the order of the file.
    limit : int
        Rows, at most.
    """

    name: str
    path: Path
    about: str
    text: str
    parameters: tuple[QueryParameter, ...]
    columns: tuple[QueryColumn, ...]
    limit: int = _LIMIT


def find_queries(folder: Path | None = None) -> dict[str, Query]:
    """List the queries that can be run.

    Parameters
    ----------
    folder : pathlib.Path, optional
        A team's own folder of ``.sql`` files; they win over bundled ones of the same name.

    Returns
    -------
    dict of str to Query
        Sorted by name.

    Raises
    ------
    InputError
        If there is no such folder.
    SourceError
        If files do not say what they take or give: every fault of every file.

    Examples
    --------
    >>> "holders_of_ip" in find_queries()
    True
    """
    faults: list[str] = []
    found = {name: _read(path, faults) for name, path in find_files("queries", ".sql", folder).items()}
    if faults:
        raise SourceError("queries do not say what they take and give", faults)
    return found


def find_query(name: str, folder: Path | None = None) -> Query:
    """Return one query by name.

    Raises
    ------
    UnknownNameError
        With the nearest right name.

    Examples
    --------
    >>> find_query("holder_of_ip")
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no query 'holder_of_ip': did you mean 'holders_of_ip'?
    """
    queries = find_queries(folder)
    if name not in queries:
        raise UnknownNameError("query", name, queries)
    return queries[name]


def convert_values(query: Query, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against what a query takes, and fill in defaults.

    Raises
    ------
    InputError
        Names every value that is missing, unknown or of another type.

    Examples
    --------
    >>> convert_values(find_query("holders_of_ip"), {"ip": 7})
    Traceback (most recent call last):
    toolkit.errors.InputError: query holders_of_ip: ip takes str, found int
    """
    taken = {parameter.name: parameter for parameter in query.parameters}
    faults = [f"no parameter {visible(name)!r}: {nearest(name, taken)}" for name in values if name not in taken]
    told: dict[str, Any] = {}
    for name, parameter in taken.items():
        value = values.get(name, _MISSING if parameter.required else parameter.default)
        if value is _MISSING:
            faults.append(f"{name} is missing: {parameter.help or parameter.type}")
        elif not _fits(value, parameter.type):
            faults.append(f"{name} takes {parameter.type}, found {type(value).__name__}")
        told[name] = value
    if faults:
        raise InputError(f"query {query.name}: " + "; ".join(faults))
    return told


def parse_values(query: Query, texts: Mapping[str, Any]) -> dict[str, Any]:
    """Read values from a command line by the types that a query declares.

    Parameters
    ----------
    query : Query
    texts : mapping of str to str or list of str
        A repeated name makes a list.

    Returns
    -------
    dict
        What cannot be read stays text, and :func:`convert_values` names it.

    Examples
    --------
    >>> parse_values(find_query("shared_ips"), {"accounts": "007", "most": "50"})
    {'accounts': ['007'], 'most': 50}
    """
    kinds = {parameter.name: parameter.type for parameter in query.parameters}
    return {name: _parsed(value, kinds.get(name, "str")) for name, value in texts.items()}


def _parsed(value: Any, kind: str) -> Any:
    if kind.startswith("list"):
        return [_parsed(one, kind[5:-1]) for one in (value if isinstance(value, list) else [value])]
    if not isinstance(value, str) or kind == "str":
        return value
    try:
        if kind == "datetime":
            return datetime.fromisoformat(value)
        return (
            {"true": True, "false": False}[value.lower()]
            if kind == "bool"
            else {"int": int, "float": float}[kind](value)
        )
    except (ValueError, KeyError):
        return value


def check_columns(query: Query, frame: pl.DataFrame) -> pl.DataFrame:
    """Bring an answer to the columns that a query promises.

    Parameters
    ----------
    query : Query
    frame : polars.DataFrame

    Returns
    -------
    polars.DataFrame
        The promised columns in that order; numbers widened, times in UTC microseconds.

    Raises
    ------
    SourceError
        If columns are missing, or of a type that cannot become the promised one without loss.
    """
    faults, columns = [], []
    for column in query.columns:
        if column.name not in frame.columns:
            faults.append(f"{column.name} is missing: {nearest(column.name, frame.columns)}")
            continue
        series, wanted = frame[column.name], _GIVES[column.type]
        if not _widens(series.dtype, wanted):
            faults.append(f"{column.name} is {series.dtype}, promised {column.type}")
            continue
        columns.append(series.cast(wanted))
    if faults:
        raise SourceError(f"query {query.name} does not give what it promises", faults)
    return pl.DataFrame(columns)


def _read(path: Path, faults: list[str]) -> Query:
    text = path.read_text(encoding="utf-8")
    head = [line.strip() for line in text.splitlines() if line.strip().startswith("--")]
    said = [match for line in head if (match := _LINE.fullmatch(line))]
    about = " ".join(
        line.lstrip("- ") for line in head[: next((i for i, x in enumerate(head) if _LINE.fullmatch(x)), len(head))]
    )
    parameters, columns = [], []
    for match in said:
        name, kind = match["name"], match["type"]
        known: Mapping[str, Any] = _TAKES if match["what"] == "parameter" else _GIVES
        if kind not in known:
            faults.append(f"{path.name}: {match['what']} {name} is a {visible(kind)}: {nearest(kind, known)}")
        elif match["what"] == "column":
            columns.append(QueryColumn(name, kind, match["help"].strip()))
        else:
            parameters.append(_parameter(path, match, faults))
    asked, listed = find_parameters(text), [parameter.name for parameter in parameters]
    unsaid = [name for name in asked if name not in listed]
    faults += [f"{path.name}: ${name} is in the text, and no line `-- parameter {name}: TYPE`" for name in unsaid]
    faults += [f"{path.name}: parameter {name} is not in the text" for name in listed if name not in asked]
    faults += [] if about else [f"{path.name}: the first line says what it is for: -- Accounts that ..."]
    faults += [] if columns else [f"{path.name}: no line says which columns it gives: -- column account_id: str"]
    return Query(path.stem, path, about, text, tuple(parameters), tuple(columns))


def _parameter(path: Path, match: re.Match[str], faults: list[str]) -> QueryParameter:
    default: Any = None
    if match["default"] is not None:
        try:
            default = json.loads(match["default"])
        except ValueError:
            faults.append(f"{path.name}: the default of {match['name']} is not JSON: {visible(match['default'])}")
        else:
            if not _fits(default, match["type"]):
                faults.append(f"{path.name}: the default of {match['name']} is no {match['type']}")
    return QueryParameter(match["name"], match["type"], match["default"] is None, default, match["help"].strip())


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    if kind.startswith("list"):
        return isinstance(value, list) and all(_fits(one, kind[5:-1]) for one in value)
    return isinstance(value, _TAKES[kind]) and not (isinstance(value, datetime) and value.tzinfo is None)


def _widens(found: pl.DataType, wanted: Any) -> bool:
    """Whether every value of one type is one of the other."""
    if found == wanted or found == pl.Null:
        return True
    if isinstance(found, pl.Datetime):
        return isinstance(wanted, pl.Datetime) and found.time_zone == "UTC" and found.time_unit != "ns"
    if wanted == pl.Int64:
        return (found.is_integer() and found not in (pl.UInt64, pl.Int128)) or _whole(found)
    return wanted == pl.Float64 and (found.is_float() or found.is_integer())


def _whole(found: pl.DataType) -> bool:
    """A sum of whole numbers is a decimal without places, in DuckDB; one that is too large fails to be cast, aloud."""
    return isinstance(found, pl.Decimal) and found.scale == 0
