"""A mapping: which column of a company's own tables is the account, the time, the verb, the indicators.

It is a record, read from YAML or written in Python; it holds no data and opens no file. What it says about a table is
checked against that table's columns by :func:`find_faults`, all faults at once, each with the nearest right name.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as AbstractMapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from toolkit.errors import MappingError, UnknownNameError, nearest, visible
from toolkit.model.tables import Events
from toolkit.settings import KINDS, UNDECLARED, Kind
from toolkit.sources.epochs import UNITS, Unit
from toolkit.sources.mapping_text import read_yaml_file
from toolkit.sources.zones import find_zone

__all__ = [
    "ContentColumns",
    "EventColumn",
    "LabelColumns",
    "Mapping",
    "TableMapping",
    "TimeColumn",
    "find_faults",
    "read_mapping",
]

Format = Literal["csv", "ndjson", "parquet"]
_RESERVED = frozenset({*Events.columns(), "text", "label", "score", "session_id"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeColumn(_Record):
    """A column of times, and how it is written.

    Attributes
    ----------
    column : str
    unit : {"auto", "s", "ms", "us", "ns"}
        Of epoch numbers.
    zone : str or None
        IANA zone of times written without one; None leaves such rows unread.
    format : str or None
        A ``strptime`` format, where the shape is none that is known.
    year : int or None
        Year of a file's first time that is written without one; None leaves such rows unread.

    Examples
    --------
    >>> TimeColumn(column="ts", unit="ms", zone="Europe/London").unit
    'ms'
    """

    column: str
    unit: Unit = "auto"
    zone: str | None = None
    format: str | None = None
    year: int | None = Field(default=None, ge=1, le=9_999)

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                find_zone(zone)
            except UnknownNameError as error:
                raise ValueError(str(error)) from None
        return zone


class EventColumn(_Record):
    """The verb of a row: a prefix and the value of a column, or one constant for the whole table.

    Examples
    --------
    >>> EventColumn(column="action", prefix="auth.").prefix
    'auth.'
    """

    column: str | None = None
    prefix: str = ""
    constant: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> EventColumn:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give a column, or a constant, and not both")
        return self


class ContentColumns(_Record):
    """The column that holds text, and how sensitive it is (0 open, 1 internal, 2 personal, 3 special)."""

    text: str
    sensitivity: int = Field(default=3, ge=0, le=3)


class LabelColumns(_Record):
    """The column that holds a label, and the column of its score."""

    column: str
    score: str | None = None


class Lookup(_Record):
    """A table about things, not accounts (ip_intel, devices, orgs): the column that names the thing."""

    key: str


def _times(value: Any) -> Any:
    """One name, one record or a list of either: the first that is not blank wins, row by row."""
    many = value if isinstance(value, (list, tuple)) else [value]
    return tuple({"column": item} if isinstance(item, str) else item for item in many)


def _columns_by_kind(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {kind: tuple(v) if isinstance(v, (list, tuple)) else (v,) for kind, v in value.items()}


def _or_record(field: str) -> BeforeValidator:
    return BeforeValidator(lambda value: {field: value} if isinstance(value, str) else value)


Times = Annotated[tuple[TimeColumn, ...], BeforeValidator(_times)]


class TableMapping(_Record):
    """What one table's columns mean.

    Attributes
    ----------
    account : str or None
        Column of the account id. Required unless ``lookup`` is given.
    time : tuple of TimeColumn
        When it happened; the first that is not blank wins. A table without one gives observations, not events.
    ingested : tuple of TimeColumn
        When the row arrived.
    event : EventColumn or None
        The verb; default is the table's name.
    event_id : str or None
        Column of the source's own id; default is a fingerprint of the row.
    indicators : dict of str to tuple of str
        Kind to column(s). A second column of one kind is named ``ip.2``.
    content : ContentColumns or None
    label : LabelColumns or None
    value : str or None
        A column of numbers (an amount).
    lookup : Lookup or None
        Set for tables about things; then no account and no time are asked for.
    format : {"csv", "ndjson", "parquet"} or None
        What the file is, where its name does not say so.
    file : str or None
        File, or glob relative to the data folder, where it is not named like the table.
    lenient : bool
        Columns that the file does not have are left out instead of refused. The canonical tables are lenient.

    Examples
    --------
    >>> table = TableMapping(account="user_id", time="created_at", event="login", indicators={"ip": "client_ip"})
    >>> table.time[0].column, table.event.constant, table.indicators
    ('created_at', 'login', {'ip': ('client_ip',)})
    """

    account: str | None = None
    time: Times = ()
    ingested: Times = ()
    event: Annotated[EventColumn | None, _or_record("constant")] = None
    event_id: str | None = None
    indicators: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_columns_by_kind)] = Field(default_factory=dict)
    content: Annotated[ContentColumns | None, _or_record("text")] = None
    label: Annotated[LabelColumns | None, _or_record("column")] = None
    value: str | None = None
    lookup: Annotated[Lookup | None, _or_record("key")] = None
    format: Format | None = None
    file: str | None = None
    lenient: bool = False

    @field_validator("indicators")
    @classmethod
    def _kinds_are_no_other_columns(cls, indicators: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        taken = sorted(kind for kind in indicators if kind in _RESERVED or not kind.strip())
        if taken:
            raise ValueError(
                f"{', '.join(visible(k) for k in taken)}: not a name for a kind: every table has such a column"
            )
        return indicators

    @model_validator(mode="after")
    def _is_about_something(self) -> TableMapping:
        if self.account is None and self.lookup is None:
            raise ValueError(
                "name the account column (account: ...), or the key of a table without accounts (lookup: ...)"
            )
        return self

    def columns(self) -> tuple[tuple[str, str], ...]:
        """Return every column the mapping names, as (where in the mapping, column).

        Examples
        --------
        >>> TableMapping(account="u", time="t", indicators={"ip": ["a", "b"]}).columns()
        (('account', 'u'), ('time', 't'), ('indicators.ip', 'a'), ('indicators.ip', 'b'))
        """
        named: list[tuple[str, str | None]] = [("account", self.account)]
        named += [("time", t.column) for t in self.time] + [("ingested", t.column) for t in self.ingested]
        named += [("event.column", self.event.column if self.event else None), ("event_id", self.event_id)]
        named += [(f"indicators.{kind}", column) for kind, columns in self.indicators.items() for column in columns]
        named += [("content.text", self.content.text if self.content else None), ("value", self.value)]
        named += [("label.column", self.label.column), ("label.score", self.label.score)] if self.label else []
        named += [("lookup.key", self.lookup.key if self.lookup else None)]
        return tuple((where, column) for where, column in named if column is not None)


class Mapping(_Record):
    """A mapping of a company's tables, and its own indicator kinds.

    Attributes
    ----------
    tables : dict of str to TableMapping
    kinds : dict of str to settings.Kind
        Kinds of the company's own; what is not said is taken from :data:`toolkit.settings.UNDECLARED`, or from the
        standard kind of that name.

    Examples
    --------
    >>> said = {"tables": {"auth": {"account": "u", "time": "t"}}, "kinds": {"badge": {"m": "0.6"}}}
    >>> m = Mapping.model_validate(said)
    >>> m.kinds["badge"].regime, m.kinds["badge"].m
    ('pool', 0.6)
    """

    tables: dict[str, TableMapping] = Field(default_factory=dict)
    kinds: Annotated[dict[str, Kind], BeforeValidator(lambda value: _own_kinds(value))] = Field(default_factory=dict)


def _own_kinds(value: Any) -> Any:
    """Turn ``{badge: {m: 0.6}}`` into kinds, by hand: the record in settings is a plain dataclass."""
    if not isinstance(value, dict):
        raise ValueError("kinds are written name: {family: ..., regime: ..., m: ...}")  # noqa: TRY004 - pydantic gathers ValueErrors
    out: dict[str, Kind] = {}
    faults: list[str] = []
    known = {field.name: field.type for field in fields(Kind) if field.name != "name"}
    for name, said in value.items():
        if isinstance(said, Kind):
            out[name] = said
            continue
        if not isinstance(said, dict):
            faults.append(f"kinds.{visible(name)}: found {visible(said)!r}, want fields such as m: 0.5")
            continue
        changes: dict[str, Any] = {"name": name}
        for field, text in said.items():
            if field not in known:
                faults.append(f"kinds.{visible(name)}: no field {visible(field)!r}: {nearest(field, known)}")
                continue
            try:
                changes[field] = _kind_field(field, str(known[field]), text)
            except ValueError as error:
                faults.append(f"kinds.{visible(name)}.{field}: found {visible(text)!r}: {error}")
        if not faults:
            out[name] = replace(KINDS.get(name, UNDECLARED), **changes)
    if faults:
        raise ValueError("; ".join(faults))
    return out


def _kind_field(field: str, kind: str, text: Any) -> Any:
    if field == "regime":
        if text not in ("pool", "unique"):
            raise ValueError(nearest(str(text), ["pool", "unique"]))
        return text
    if "bool" in kind:
        words = {"true": True, "yes": True, "false": False, "no": False}
        if str(text).lower() not in words:
            raise ValueError("want true or false")
        return words[str(text).lower()]
    if kind.startswith("str"):
        if not str(text).strip():
            raise ValueError("want a name")
        return str(text)
    if "None" in kind and str(text).lower() in ("", "none", "null", "~"):
        return None
    if kind.startswith("int"):
        number = int(text)
        if number < 0 or (field == "sensitivity" and number > 3):
            raise ValueError("want a whole number from 0" + (" to 3" if field == "sensitivity" else ""))
        return number
    number_f = float(text)
    top = 1.0 if field in ("m", "eps") else float("inf")
    if not 0.0 < number_f <= top or number_f == float("inf"):
        raise ValueError("want a number above 0" + (" and at most 1" if top == 1.0 else ""))
    return number_f


def read_mapping(source: str | Path | AbstractMapping[str, Any] | Mapping) -> Mapping:
    """Read a mapping from a YAML file, a dict or a mapping itself.

    Parameters
    ----------
    source : str, pathlib.Path, dict or Mapping
        A path, or the content. Every scalar of a YAML file is text until a field asks for a number.

    Returns
    -------
    Mapping

    Raises
    ------
    MappingError
        If the file cannot be read, or does not say what a mapping says: every fault, with the nearest right name.

    Examples
    --------
    >>> read_mapping({"tables": {"auth": {"acount": "user"}}})
    Traceback (most recent call last):
    toolkit.errors.MappingError: the mapping does not hold:
      - tables.auth: no field 'acount': did you mean 'account'?
    """
    if isinstance(source, Mapping):
        return source
    if isinstance(source, (str, Path)):
        said: Any = read_yaml_file(Path(source))
        name = Path(source).name
    else:
        said, name = dict(source), "the mapping"
    if not isinstance(said, dict):
        raise MappingError(f"{name}: found {type(said).__name__}, want 'tables:' with a table per line below it")
    try:
        return Mapping.model_validate(said)
    except ValidationError as error:
        raise MappingError(f"{name} does not hold:", _words(error)) from None


_FIELDS: dict[str, tuple[str, ...]] = {
    "": tuple(Mapping.model_fields),
    "tables": tuple(TableMapping.model_fields),
    "time": tuple(TimeColumn.model_fields),
    "ingested": tuple(TimeColumn.model_fields),
    "event": tuple(EventColumn.model_fields),
    "content": tuple(ContentColumns.model_fields),
    "label": tuple(LabelColumns.model_fields),
    "lookup": tuple(Lookup.model_fields),
}


def _words(error: ValidationError) -> list[str]:
    """Pydantic's faults in words; an unknown field is answered with the nearest one that exists."""
    faults: list[str] = []
    unknown = {fault["loc"][:-1] for fault in error.errors() if fault["type"] == "extra_forbidden"}
    for fault in error.errors():
        where = fault["loc"]
        place = ".".join(visible(part) for part in where) or "mapping"
        if fault["type"] == "extra_forbidden":
            known = _FIELDS.get(_record_at(where[:-1]), ())
            above = ".".join(visible(part) for part in where[:-1]) or "mapping"
            faults.append(f"{above}: no field {visible(where[-1])!r}: {nearest(str(where[-1]), known)}")
        elif fault["type"] == "literal_error":
            options = UNITS if where[-1] == "unit" else get_args(Format)
            faults.append(f"{place}: found {visible(fault['input'])!r}: {nearest(str(fault['input']), options)}")
        elif fault["type"] == "value_error":
            # A missing account beside a misspelt one is one fault, not two.
            if where not in unknown:
                faults.append(f"{place}: {str(fault['ctx']['error']) if 'ctx' in fault else fault['msg']}")
        else:
            faults.append(f"{place}: {fault['msg'].lower()}, found {visible(fault.get('input'), 40)!r}")
    return faults


def _record_at(where: tuple[int | str, ...]) -> str:
    if not where:
        return ""
    if where[0] == "tables":
        return "tables" if len(where) <= 2 else str(where[2])
    return str(where[0])


def find_faults(table: str, mapping: TableMapping, columns: Iterable[str]) -> list[str]:
    """List what a table's mapping says that the table does not have.

    Parameters
    ----------
    table : str
    mapping : TableMapping
    columns : iterable of str
        The columns of the table's files.

    Returns
    -------
    list of str
        A sentence per fault, with the nearest column; empty if all is well. A lenient mapping has no such faults.

    Examples
    --------
    >>> find_faults("auth", TableMapping(account="usr_id", time="ts"), ["user_id", "ts"])
    ["auth: account names the column 'usr_id', which is not there: did you mean 'user_id'?"]
    """
    have = set(columns)
    faults = [
        f"{visible(table)}: {where} names the column {visible(column)!r}, which is not there: {nearest(column, have)}"
        for where, column in mapping.columns()
        if column not in have and not mapping.lenient
    ]
    constant = mapping.event.constant if mapping.event else None
    if constant in have and not mapping.lenient:
        faults.append(
            f"{visible(table)}: event is the constant {visible(constant)!r}, which is also a column: write "
            f"event: {{column: {visible(constant)}}} for the column's values; rename the constant if it is meant"
        )
    return faults
