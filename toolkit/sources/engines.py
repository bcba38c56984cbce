"""Where a query runs: frames and Parquet files in a locked DuckDB, a DuckDB file, a PostgreSQL server.

An engine is a small frozen record of *where*; every query opens its own connection and closes it, so that no state of
one reaches another. Values are bound, never written into the text. An engine only reads.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

import polars as pl

from toolkit.errors import InputError, SourceError, visible
from toolkit.sources.dataset import Dataset
from toolkit.sources.typed import NO_EXTENSIONS, quote_name

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["DuckDB", "Engine", "Estimate", "Postgres", "find_parameters", "open_engine"]

_BATCH: Final = 65_536
_EXPLAIN: Final = "EXPLAIN (FORMAT json) "
_MEMORY: Final = "4GB"
_START: Final = re.compile(r"(?<!\w)[eE]'|'|\"|--|/\*|(?<!\w)\$(?:[A-Za-z_]\w*)?\$|(?<!\w)\$(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an engine expects before it runs a query.

    Attributes
    ----------
    rows : int
        Of the answer.
    scanned : int
        Rows of the tables that would be read.
    """

    rows: int
    scanned: int


@runtime_checkable
class Engine(Protocol):
    """Runs one statement that reads."""

    @property
    def name(self) -> str:
        """What it is, in a word."""

    def run(self, text: str, parameters: Mapping[str, Any], *, limit: int, timeout_s: float) -> tuple[pa.Table, bool]:
        """Return at most ``limit`` rows, and whether there were more."""

    def estimate(self, text: str, parameters: Mapping[str, Any]) -> Estimate:
        """Return what running it would take."""

    def tables(self) -> tuple[str, ...]:
        """Return the names of its tables, sorted."""


def find_parameters(text: str) -> tuple[str, ...]:
    """Return the names of the parameters of a query, each once, in the order of the text.

    Examples
    --------
    >>> find_parameters("select '$no', \\"$no\\" from t -- $no\\nwhere a = $yes and b = $other and c = $yes")
    ('yes', 'other')
    """
    return tuple(dict.fromkeys(match["name"] for match in _find_places(text)))


def _positional(text: str, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The query with ``$1``, ``$2``, ... for its names, and the values in that order."""
    order = {name: number for number, name in enumerate(find_parameters(text), 1)}
    parts, last = [], 0
    for match in _find_places(text):
        parts += [text[last : match.start()], f"${order[match['name']]}"]
        last = match.end()
    return "".join([*parts, text[last:]]), [parameters[name] for name in order]


def _find_places(text: str) -> Iterator[re.Match[str]]:
    """Where parameters stand: outside quotes, dollar quotes and comments, which nest."""
    at = 0
    while (match := _START.search(text, at)) is not None:
        if match["name"]:
            yield match
        at = match.end() if match["name"] else _find_end(text, match)


def _find_end(text: str, start: re.Match[str]) -> int:
    """The end of what begins there; the end of the text where it is never closed."""
    opened, at = start[0].lower(), start.end()
    if opened == "/*":
        depth = 1
        for mark in re.finditer(r"/\*|\*/", text[at:]):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return at + mark.end()
        return len(text)
    if opened.startswith("$"):
        end = text.find(start[0], at)
        return len(text) if end < 0 else end + len(start[0])
    if opened == "--":
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    inside = {"'": r"(?:[^']|'')*'", '"': r'(?:[^"]|"")*"', "e'": r"(?:[^'\\]|\\.|'')*'"}[opened]
    closed = re.compile(inside, re.DOTALL).match(text, at)
    return len(text) if closed is None else closed.end()


def open_engine(data: object) -> Engine:
    """Return the engine for what a caller means by data.

    Parameters
    ----------
    data : Dataset, mapping of str to polars.DataFrame, path, str or Engine
        What :func:`~toolkit.sources.read.read_data` returned; frames by name; a folder of Parquet files, one Parquet
        file or a ``.duckdb`` file; the address of a database (``postgresql://...``); or an engine.

    Returns
    -------
    Engine

    Raises
    ------
    InputError
        If it is none of these, or the database is of a kind that is not known.
    SourceError
        If there is nothing at the path, or a folder holds tables that are not Parquet: read them first.

    Examples
    --------
    >>> open_engine({"t": pl.DataFrame({"a": [1]})}).tables()
    ('t',)
    """
    if isinstance(data, Engine):
        return data
    if isinstance(data, Dataset):
        return DuckDB(frames={**data.tables, **data.lookups})
    if isinstance(data, Mapping):
        return DuckDB(frames=dict(data))
    if not isinstance(data, str | Path):
        raise InputError(f"cannot query a {type(data).__name__}: give read data, frames by name, a path or an address")
    if "://" in str(data):
        scheme = urlsplit(str(data)).scheme
        if scheme not in ("postgresql", "postgres"):
            raise InputError(f"{visible(scheme)}:// is not known: postgresql:// is, and files are given by their path")
        return Postgres(str(data))
    return _at(Path(data))


def _at(path: Path) -> Engine:
    if path.is_file() and path.suffix == ".duckdb":
        return DuckDB(file=path.resolve())
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.is_file() else []
    if not path.exists():
        raise SourceError(f"nothing at {visible(path, 200)}: give a folder of Parquet files, a file, or an address")
    other = [f.name for f in files if f.suffix != ".parquet"]
    if path.is_dir():
        others = (".csv", ".tsv", ".ndjson", ".jsonl", ".gz", ".zst")
        other = [f.name for f in sorted(path.iterdir()) if f.suffix in others and f.name != "escalations.jsonl"]
    if other or not files:
        named = ", ".join(visible(name) for name in other[:3]) or "no Parquet file"
        raise SourceError(
            f"{visible(path.name)} holds {named}: read it with read_data and query what that returns, so that ids and"
            " times are exact"
        )
    return DuckDB(files={file.stem: file.resolve() for file in files})


@dataclass(frozen=True)
class DuckDB:
    """An embedded engine that reads what it was given and nothing else.

    No other file, no network, no extension, no change of settings: a query cannot leave. What does not fit into memory
    spills into a private folder, which is removed afterwards.

    Attributes
    ----------
    frames : mapping of str to polars.DataFrame
        Tables in memory.
    files : mapping of str to pathlib.Path
        Parquet files by table; they are scanned, not loaded.
    file : pathlib.Path or None
        A DuckDB file, opened for reading; its own tables.
    """

    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    file: Path | None = None

    @property
    def name(self) -> str:
        """The engine's name."""
        return "duckdb"

    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""
        if self.file is None:
            return tuple(sorted({*self.frames, *self.files}))
        with self._open() as connection:
            return tuple(sorted(row[0] for row in connection.execute("SHOW TABLES").fetchall()))

    def run(self, text: str, parameters: Mapping[str, Any], *, limit: int, timeout_s: float) -> tuple[pa.Table, bool]:
        """Run one statement that reads; see :class:`Engine`."""
        import duckdb

        with self._open() as connection:
            self._one_that_reads(connection, text)
            stop = threading.Timer(timeout_s, connection.interrupt)
            stop.start()
            try:
                reader = connection.sql(text, params=dict(parameters)).to_arrow_reader(_BATCH)
                return _take(reader, limit)
            except duckdb.InterruptException:
                raise SourceError(f"the query took longer than {timeout_s:g} s: narrow it, or allow more") from None
            except duckdb.CatalogException as error:
                said = _first_lines(error, 1)
                raise SourceError(
                    f"the query failed: {said} Its tables: {', '.join(map(visible, self.tables()))}"
                ) from None
            except duckdb.Error as error:
                raise SourceError(f"the query failed: {_first_lines(error)}") from None
            finally:
                stop.cancel()

    def estimate(self, text: str, parameters: Mapping[str, Any]) -> Estimate:
        """Return what the planner expects; DuckDB knows the sizes of its tables, and guesses the rest."""
        import json

        import duckdb

        with self._open() as connection:
            self._one_that_reads(connection, text)
            try:
                plan = connection.execute(_EXPLAIN + text, dict(parameters)).fetchall()[0][1]
            except duckdb.Error as error:
                raise SourceError(f"the query failed: {_first_lines(error)}") from None
        nodes = list(_walk(json.loads(plan)[0]))
        scans = [node for node in nodes if "SCAN" in str(node["name"]).upper() or "READ_" in str(node["name"]).upper()]
        return Estimate(_expected(nodes[0]) or _expected(nodes[min(1, len(nodes) - 1)]), sum(map(_expected, scans)))

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        with tempfile.TemporaryDirectory(prefix="tk-sql-") as spill:
            config: dict[str, Any] = {**NO_EXTENSIONS, "memory_limit": _MEMORY, "temp_directory": spill}
            try:
                place = ":memory:" if self.file is None else str(self.file)
                connection = duckdb.connect(place, read_only=self.file is not None, config=config)
            except duckdb.Error as error:
                raise SourceError(f"cannot be opened as a DuckDB file ({_first_lines(error)})") from None
            try:
                self._lock(connection)
                yield connection
            except duckdb.Error as error:
                raise SourceError(f"the tables cannot be read: {_first_lines(error)}") from None
            finally:
                connection.close()

    def _lock(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let the connection see its tables, and shut the door."""
        # A setting takes no bound value; these are paths of ours, quoted.
        connection.execute("SET allowed_paths = [" + ", ".join(map(_quote_text, self.files.values())) + "]")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for table, frame in sorted(self.frames.items()):
            connection.register(table, frame.to_arrow(compat_level=pl.CompatLevel.newest()))  # texts are not copied
        for table, path in sorted(self.files.items()):
            connection.from_parquet(str(path)).create_view(table)

    @staticmethod
    def _one_that_reads(connection: duckdb.DuckDBPyConnection, text: str) -> None:
        import duckdb

        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            raise SourceError(f"the query cannot be understood: {_first_lines(error)}") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(str(statement.type.name) for statement in statements) or "none"
            raise InputError(f"a query is one statement that reads (SELECT), found {kinds}")


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server, through ADBC: read-only transactions, columns that arrive as Arrow.

    Attributes
    ----------
    address : str
        ``postgresql://user@host/database``; a password belongs into ``~/.pgpass`` or ``PGPASSWORD``. It is not shown.
    """

    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """The engine's name."""
        return "postgresql"

    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables and views that a bare name finds, sorted."""
        text = "select table_name::text from information_schema.tables where table_schema = any(current_schemas(false))"
        found, _ = self.run(text, {}, limit=100_000, timeout_s=60)
        return tuple(sorted(found.column(0).to_pylist()))

    def run(self, text: str, parameters: Mapping[str, Any], *, limit: int, timeout_s: float) -> tuple[pa.Table, bool]:
        """Run one statement that reads; see :class:`Engine`."""
        numbered, values = _positional(text, parameters)
        with self._open(timeout_s) as cursor:
            cursor.execute(numbered, values or None)
            return _take(cursor.fetch_record_batch(), limit)

    def estimate(self, text: str, parameters: Mapping[str, Any]) -> Estimate:
        """Return what the planner expects, from the server's statistics."""
        import json

        numbered, values = _positional(text, parameters)
        with self._open(60.0) as cursor:
            cursor.execute(_EXPLAIN + numbered, values or None)
            plan = json.loads(cursor.fetch_arrow_table().column(0)[0].as_py())[0]["Plan"]
            nodes = list(_walk(plan, "Plans"))
            relations = sorted({node["Relation Name"] for node in nodes if "Relation Name" in node})
            cursor.execute(
                "select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class where relname = any($1)",
                [relations],
            )
            scanned = cursor.fetch_arrow_table().column(0)[0].as_py()
        return Estimate(int(plan["Plan Rows"]), int(scanned))

    def write_tables(self, names: Sequence[str], folder: Path, *, timeout_s: float) -> dict[str, int]:
        """Write whole tables as Parquet files, all as they were at one moment.

        Parameters
        ----------
        names : sequence of str
            Tables or views that a bare name finds.
        folder : pathlib.Path
            Which is there.
        timeout_s : float
            Seconds a table may take.

        Returns
        -------
        dict of str to int
            Rows by table. They are in the order in which the server keeps them.

        Raises
        ------
        SourceError
            If the server cannot be read; what was written until then is not whole.
        """
        import pyarrow.parquet as pq

        rows = {}
        with self._open(timeout_s) as cursor:
            cursor.execute("set synchronize_seqscans = off")  # else a large table may begin in its middle
            cursor.execute("begin transaction isolation level repeatable read, read only")
            for name in names:
                cursor.execute(_COLUMNS, [name])
                columns = cursor.fetch_arrow_table().to_pylist()
                chosen = ", ".join(
                    quote_name(one["name"]) + ("" if one["type"] in _NATIVE else "::text AS " + quote_name(one["name"]))
                    for one in columns
                )
                cursor.execute("SELECT " + chosen + " FROM " + quote_name(name))  # noqa: S608 - names, every one quoted
                reader = cursor.fetch_record_batch()
                rows[name] = 0
                with pq.ParquetWriter(folder / f"{name}.parquet", reader.schema, compression="zstd") as writer:
                    for batch in reader:
                        writer.write_batch(batch)
                        rows[name] += batch.num_rows
            cursor.execute("commit")
        return rows

    @contextmanager
    def _open(self, timeout_s: float) -> Iterator[Any]:
        try:
            from adbc_driver_manager import Error
            from adbc_driver_postgresql import dbapi
        except ModuleNotFoundError:
            raise InputError("PostgreSQL needs its driver: pip install 'investigation-toolkit[sql]'") from None
        try:
            connection = dbapi.connect(self.address, autocommit=True)
        except Error as error:
            said = _without_address(_first_lines(error), self.address)
            raise SourceError(f"the database cannot be reached: {said}") from None
        try:
            with connection, connection.cursor() as cursor:
                limit = f"{max(1.0, timeout_s * 1_000):.0f}ms"
                cursor.execute("set default_transaction_read_only = on")
                cursor.execute("select set_config('statement_timeout', $1, false)", [limit])
                cursor.execute("set timezone = 'UTC'")
                yield cursor
        except (Error, OSError) as error:  # while rows stream in, faults come through Arrow as OSError
            if "57014" in str(error) or "statement timeout" in str(error):
                raise SourceError(f"the query took longer than {timeout_s:g} s: narrow it, or allow more") from None
            raise SourceError(f"the query failed: {_without_address(_first_lines(error), self.address)}") from None


_NATIVE: Final = frozenset(
    {
        "text", "character varying", "smallint", "integer", "bigint", "real", "double precision", "boolean", "date",
        "timestamp without time zone", "timestamp with time zone", "bytea", "text[]", "bigint[]", "integer[]",
    }
)  # fmt: skip
"""Types that arrive as they are; every other one is asked for as text, which is exact."""
_COLUMNS: Final = """
select attname::text as name, format_type(atttypid, null)::text as type
from pg_attribute where attrelid = quote_ident($1)::regclass and attnum > 0 and not attisdropped order by attnum
"""


def _quote_text(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _take(reader: pa.RecordBatchReader, limit: int) -> tuple[pa.Table, bool]:
    """The first rows of a stream, and whether there were more."""
    import pyarrow as pa

    batches, rows = [], 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        if rows > limit:
            break
    return pa.Table.from_batches(batches, reader.schema).slice(0, limit), rows > limit


def _walk(node: Mapping[str, Any], below: str = "children") -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get(below, ()):
        yield from _walk(child, below)


def _expected(node: Mapping[str, Any]) -> int:
    said = node.get("extra_info", {}).get("Estimated Cardinality", 0)
    return int(str(said).lstrip("~") or 0)


def _first_lines(error: Exception, most: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return visible(" ".join(lines[:most]), 400)


def _without_address(text: str, address: str) -> str:
    """A driver may repeat the address, and with it a password."""
    password = urlsplit(address).password
    for secret in filter(None, (address, password)):
        text = text.replace(secret, "(address)")
    return text
