"""Questions in SQL: values bound, every query written down, and nothing cut off without a word.

::

    db = tk.open_database("postgresql://analyst@warehouse/logs")   # or read data, frames, Parquet, a .duckdb file
    logins = db.query("select account_id, ip from logins where ip = $ip", ip="192.0.2.7")
    db.preview("select * from logins")                             # rows expected, rows to be scanned
    db.log                                                         # text, values, rows and fingerprint of each
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from toolkit.errors import InputError, SourceError, nearest, visible
from toolkit.model.pivots import fingerprint_rows
from toolkit.model.provenance import sha256_bytes
from toolkit.model.tables import Queries, conform
from toolkit.sources.engines import Engine, Estimate, find_parameters, open_engine
from toolkit.sources.queries import Query, check_columns, convert_values, find_query

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database", "open_database", "query"]

LIMIT: Final = 1_000_000
TIMEOUT_S: Final = 300.0
_PLAIN = (str, int, float, bool, datetime, date)


def open_database(data: object, *, queries: Path | None = None) -> Database:
    """Open what is to be asked in SQL.

    Parameters
    ----------
    data : Dataset, mapping of str to polars.DataFrame, path, str or Engine
        What :func:`~toolkit.sources.read.read_data` returned; frames by name; a folder of Parquet files, one such file
        or a ``.duckdb`` file; the address of a database, ``postgresql://user@host/database`` (its password belongs
        into ``~/.pgpass``).
    queries : pathlib.Path, optional
        A team's own folder of queries; they win over bundled ones of the same name.

    Returns
    -------
    Database

    Raises
    ------
    InputError, SourceError
        If it is nothing that can be asked.

    Examples
    --------
    >>> open_database({"logins": pl.DataFrame({"account_id": ["007"]})}).tables()
    ('logins',)
    """
    return Database(open_engine(data), queries)


def query(
    text: str,
    params: Mapping[str, Any] | None = None,
    *,
    on: object,
    limit: int = LIMIT,
    timeout_s: float = TIMEOUT_S,
) -> pl.DataFrame:
    """Ask one question; see :meth:`Database.query`, which also keeps a log.

    Parameters
    ----------
    text : str
        One SELECT, in the engine's dialect; ``$name`` stands for a value.
    params : mapping, optional
        The values.
    on : object
        As for :func:`open_database`.
    limit : int
        Rows, at most: an answer with more is an error, for nobody would see what is missing.
    timeout_s : float
        Seconds, at most.

    Returns
    -------
    polars.DataFrame

    Examples
    --------
    >>> logins = pl.DataFrame({"account_id": ["007", "7"], "ip": ["192.0.2.1", "192.0.2.2"]})
    >>> query("select ip from logins where account_id = $id", {"id": "007"}, on={"logins": logins})["ip"].to_list()
    ['192.0.2.1']
    """
    return open_database(on).ask(text, params or {}, limit=limit, timeout_s=timeout_s)


@dataclass
class Database:
    """Something that can be asked in SQL, and the log of what it was asked.

    Attributes
    ----------
    engine : Engine
    queries : pathlib.Path or None
        A team's own folder of queries.
    """

    engine: Engine
    queries: Path | None = None
    _asked: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""
        return self.engine.tables()

    def query(self, text: str, /, **values: Any) -> pl.DataFrame:
        """Ask a question; ``$name`` in the text stands for the value of that name.

        Parameters
        ----------
        text : str
            One SELECT, in the engine's dialect.
        **values
            Text, whole numbers, numbers, booleans, times with a zone, dates, None, or a list of one of these. They are
            bound, never written into the text.

        Returns
        -------
        polars.DataFrame
            In the order of the query: without ORDER BY an engine promises none. Times with a zone are UTC; decimals of
            PostgreSQL and UUIDs are text.

        Raises
        ------
        InputError
            If values are missing, unknown or of another type (all of them are named), or it is not one SELECT.
        SourceError
            If the query fails, takes too long, gives more than a million rows, or a column of a type that polars does
            not have.

        Examples
        --------
        >>> db = open_database({"t": pl.DataFrame({"id": ["a", "b"], "n": [1, 2]})})
        >>> db.query("select sum(n)::bigint as n from t where id = any($ids)", ids=["a", "b"]).item()
        3
        >>> db.log.select("n", "rows", "parameters").row(0)
        (1, 1, '{"ids": ["a", "b"]}')
        """
        return self.ask(text, values)

    def ask(
        self,
        text: str,
        values: Mapping[str, Any],
        *,
        limit: int = LIMIT,
        timeout_s: float = TIMEOUT_S,
        truncate: bool = False,
        name: str = "",
    ) -> pl.DataFrame:
        """Ask a question with the values in a mapping; for the rest see :meth:`query`.

        Parameters
        ----------
        text : str
        values : mapping of str to object
        limit : int
            Rows, at most.
        timeout_s : float
            Seconds, at most.
        truncate : bool
            Take the first ``limit`` rows of a longer answer; the log and the report say so. Otherwise it is an error.
        name : str
            What the log calls the query.

        Returns
        -------
        polars.DataFrame

        Raises
        ------
        InputError, SourceError
            As :meth:`query`.
        """
        _check_values(text, values)
        began = time.perf_counter()
        table, more = self.engine.run(text, values, limit=limit, timeout_s=timeout_s)
        if more and not truncate:
            raise SourceError(
                f"the answer has more than {limit:,} rows: narrow the query, raise the limit, or say truncate=True"
            )
        frame = _as_frame(table)
        told = json.dumps({key: _plain(value) for key, value in sorted(values.items())}, ensure_ascii=False)
        self._asked.append(
            {
                "n": len(self._asked) + 1, "name": name, "engine": self.engine.name, "text": text, "parameters": told,
                "rows": frame.height, "truncated": more, "took_s": round(time.perf_counter() - began, 6),
                "sha256": sha256_bytes(f"{text}\0{told}".encode()), "answer_sha256": fingerprint_rows(frame),
            }
        )  # fmt: skip
        return frame

    def run(self, name: str, **values: Any) -> pl.DataFrame:
        """Run a query of the library; ``toolkit queries`` lists them with what they take.

        Parameters
        ----------
        name : str
            Of a query in the team's folder, or a bundled one.
        **values
            Its parameters; the types are checked, defaults filled in.

        Returns
        -------
        polars.DataFrame
            The columns that the query promises, in that order.

        Raises
        ------
        UnknownNameError
            If there is no such query.
        InputError, SourceError
            As :meth:`query`; also if the answer breaks the query's contract.

        Examples
        --------
        >>> from toolkit.resources import bundled
        >>> db = open_database(bundled("data_samples") / "tiny")
        >>> db.run("holders_of_ip", ip="203.0.113.77").columns
        ['account_id', 'first_at', 'last_at', 'n']
        """
        found: Query = find_query(name, self.queries)
        frame = self.ask(found.text, convert_values(found, values), limit=found.limit, name=name)
        return check_columns(found, frame)

    def preview(self, text: str, /, **values: Any) -> Estimate:
        """Return how many rows a query would give and scan, as the engine's planner expects; nothing is run.

        Raises
        ------
        InputError, SourceError
            As :meth:`query`.

        Examples
        --------
        >>> db = open_database({"t": pl.DataFrame({"n": range(1000)})})
        >>> db.preview("select * from t").rows
        1000
        """
        _check_values(text, values)
        return self.engine.estimate(text, values)

    @property
    def log(self) -> pl.DataFrame:
        """What was asked until now: contract ``Queries``, in the order of asking."""
        schema = {name: column.dtype for name, column in Queries.columns().items()}
        return conform(pl.DataFrame(self._asked, schema=schema, orient="row"), Queries)


def _check_values(text: str, values: Mapping[str, Any]) -> None:
    asked = find_parameters(text)
    faults = [f"no value for ${name}" for name in asked if name not in values]
    faults += [f"no ${visible(name)} in the query: {nearest(name, asked)}" for name in values if name not in asked]
    for name, value in values.items():
        listed = value if isinstance(value, list) else [value]
        wrong = {type(one).__name__ for one in listed if one is not None and not isinstance(one, _PLAIN)}
        faults += [
            f"${visible(name)} is a {kind}: text, numbers, booleans, times and lists can be bound"
            for kind in sorted(wrong)
        ]
        faults += [
            f"${visible(name)} has no time zone: {one.isoformat()}"
            for one in listed
            if isinstance(one, datetime) and one.tzinfo is None
        ]
    if faults:
        raise InputError("the query does not fit its values: " + "; ".join(faults))


def _plain(value: Any) -> Any:
    """A bound value as JSON has it."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _as_frame(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as polars, each column exact or refused."""
    import pyarrow as pa

    columns, faults = [], []
    for place, column in enumerate(table.schema):
        data, kind = table.column(place), column.type
        if isinstance(kind, pa.BaseExtensionType):
            data, kind = data.cast(kind.storage_type), kind.storage_type
            if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16:
                columns.append(pl.Series(column.name, [_uuid(one) for one in data.to_pylist()], dtype=pl.String))
                continue
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                faults.append(f"{visible(column.name)}: {visible(str(column.type), 80)}")
                continue
        try:
            series = pl.Series(column.name, pl.from_arrow(pa.table({"c": data})).to_series())  # type: ignore[union-attr] # a table becomes a frame
        except (pl.exceptions.PolarsError, pa.ArrowException):
            faults.append(f"{visible(column.name)}: {visible(str(column.type), 80)}")
            continue
        if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone not in (None, "UTC"):
            series = series.dt.convert_time_zone("UTC")
        columns.append(series)
    if faults:
        raise SourceError("columns of types that polars does not have: cast them in the query, to text for one", faults)
    return pl.DataFrame(columns)


def _uuid(value: bytes | None) -> str | None:
    from uuid import UUID

    return None if value is None else str(UUID(bytes=value))
