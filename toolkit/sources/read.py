"""Reading data: from a folder, a file or a DuckDB file to tables that keep their contracts, and the books.

The order of steps: find the files, read them to exact columns, check the mapping against all of them at once, read each
table as its mapping says, close the books.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.errors import InputError, SourceError, visible
from toolkit.model.provenance import Source, sha256_file
from toolkit.sources.dataset import Dataset
from toolkit.sources.delimited import read_delimited
from toolkit.sources.files import Found, TableFile, find_mapping, find_tables
from toolkit.sources.ids import as_exact_text
from toolkit.sources.ledger import build_ledger, build_quarantine, note_losses
from toolkit.sources.mapping import Mapping, read_mapping
from toolkit.sources.meaning import find_known, find_meanings
from toolkit.sources.ndjson import read_ndjson
from toolkit.sources.normalise import Normalised, normalise_table
from toolkit.sources.observed import normalise_observations
from toolkit.sources.snapshot import pull_tables
from toolkit.sources.subjects import find_subjects
from toolkit.sources.text import RawTable
from toolkit.sources.typed import list_duckdb, read_duckdb, read_parquet

__all__ = ["Dataset", "read_data"]

Progress = Callable[[str], None]


def read_data(
    data: str | Path,
    mapping: str | Path | AbstractMapping[str, Any] | Mapping | None = None,
    *,
    as_of: datetime | None = None,
    whole: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    r"""Read a folder of tables, one file, a glob or a DuckDB file, and account for every row.

    Parameters
    ----------
    data : str or pathlib.Path
        A folder of Parquet, CSV, TSV or NDJSON files (text also as .gz or .zst) with an optional ``mapping.yaml``, one
        such file, a glob, one ``observations.parquet``, a ``.duckdb`` file, or the address of a database
        (``postgresql://user@host/database``), whose tables are taken as they are at one moment.
    mapping : path, dict or Mapping, optional
        What a company's own tables mean; default is the folder's ``mapping.yaml``. Canonical names need none.
    as_of : datetime, optional
        With a zone. Rows ingested (else: that happened) later are set aside, so that an earlier report can be re-run.
    whole : bool
        Without it, tables of events hold no more than linking asks for (``event_at``, ``account_id``, indicators), in
        no order: a fraction of the time and memory, and no ``events``.
    progress : callable, optional
        Called with a line of text per file read.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there is nothing there, or nothing says what the tables are.
    SourceError
        If a file cannot be read at all, or is over a cap.
    MappingError
        If the mapping does not fit the tables: all faults at once, with the nearest right name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "log.csv").write_text("user,ts,addr\n007,1658689261,::1\n008,,::1\n")
    ...     log = {"account": "user", "time": "ts", "indicators": {"ip": "addr"}}
    ...     data = read_data(folder, {"tables": {"log": log}})
    >>> data.events["account_id"].to_list(), data.quarantine.select("line", "reason").rows()
    (['007'], [(3, 'time_missing')])
    """
    if as_of is not None:
        if as_of.tzinfo is None:
            raise InputError(f"as_of has no time zone: {as_of}; give it one, for example 2026-01-05T00:00:00Z")
        as_of = as_of.astimezone(UTC)
    if "://" in str(data):
        with tempfile.TemporaryDirectory(prefix="tk-pull-") as place:
            pulled = pull_tables(str(data), Path(place) / "data", mapping)
            return read_data(pulled, mapping, as_of=as_of, whole=whole, progress=progress)
    root = Path(data)
    beside = find_mapping(root)
    chosen = mapping if mapping is not None else beside
    said = Mapping() if chosen is None else read_mapping(chosen)
    found = find_tables(root, said)
    files, notes = _open_databases(found, said)
    tell = progress or (lambda _: None)

    raws: dict[str, list[tuple[TableFile, RawTable]]] = {}
    for file in files:
        tell(f"reading {file.name}" + (f": {file.table}" if file.kind == "duckdb" else ""))
        raws.setdefault(file.table, []).append((file, _read(file)))
    meanings = find_meanings(raws, said, root, found.passed_over)
    notes += [f"{visible(name)}: passed over: {why}" for name, why in found.passed_over]

    tables: dict[str, pl.DataFrame] = {}
    lookups: dict[str, pl.DataFrame] = {}
    observations: pl.DataFrame | None = None
    sources: list[Source] = []
    set_aside: list[pl.DataFrame] = []
    stacked = {table: _stack(parts) for table, parts in raws.items()}
    for table, parts in sorted(raws.items()):
        tell(f"checking {table}")
        meaning, (rows, places) = meanings[table], stacked[table]
        if meaning is None:
            done = normalise_observations(table, rows, places)
            observations = done.frame
        else:
            if table not in said.tables:
                rows = find_subjects(table, rows, stacked["requests"][0] if "requests" in stacked else None)
            if not rows.height:  # a file of JSON lines without a good one has no columns either
                absent = [c for _, c in meaning.columns() if c not in rows.columns]
                rows = rows.with_columns(pl.lit(None, pl.String).alias(c) for c in dict.fromkeys(absent))
            done = normalise_table(table, meaning, rows, places, as_of, whole=whole)
            (lookups if meaning.lookup else tables)[table] = done.frame
        set_aside += [done.quarantine, *(_file_faults(table, file, raw) for file, raw in parts)]
        notes += [*(note for _, raw in parts for note in raw.notes), *done.notes]
        sources += _account(table, parts, done)

    ledger, quarantine = build_ledger(sources), build_quarantine(set_aside)
    if not any(frame.height for frame in tables.values()) and observations is None:
        notes.append("there are no events: every result will be empty")
    used = {name: meaning for name, meaning in sorted(meanings.items()) if meaning is not None}
    return Dataset(
        tables=tables,
        lookups=lookups,
        mapping=said.model_copy(update={"tables": used}),
        ledger=ledger,
        quarantine=quarantine,
        notes=(*note_losses(ledger, quarantine), *dict.fromkeys(notes)),
        sources=tuple(sorted(sources, key=lambda s: (s.table, s.file))),
        observations=observations,
    )


def _open_databases(found: Found, said: Mapping) -> tuple[list[TableFile], list[str]]:
    """Replace a DuckDB file by its tables: those that are mapped or canonical."""
    files: list[TableFile] = []
    notes: list[str] = []
    for file in found.files:
        if file.kind != "duckdb":
            files.append(file)
            continue
        names, views = list_duckdb(file)
        known = find_known(names, said, visible(file.name))
        notes += [f"{visible(n)}: passed over: no mapping says what this table holds" for n in names if n not in known]
        notes += [f"{visible(n)}: passed over: a view; make it a table to have it read" for n in views]
        files += [replace(file, table=n) for n in known]
    return files, notes


def _read(file: TableFile) -> RawTable:
    try:
        return _read_as_its_kind(file)
    except OSError as error:
        raise SourceError(f"{visible(file.name)}: cannot be read: {error.strerror or error}") from error


def _read_as_its_kind(file: TableFile) -> RawTable:
    if file.kind == "parquet":
        return read_parquet(file)
    if file.kind == "ndjson":
        return read_ndjson(file)
    if file.kind == "duckdb":
        return read_duckdb(file, file.table)
    return read_delimited(file)


def _stack(parts: list[tuple[TableFile, RawTable]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All files of a table as one, and where each row came from. A column that changes its type becomes text."""
    kinds: dict[str, set[pl.DataType]] = {}
    for _, raw in parts:
        for name, kind in raw.frame.schema.items():
            kinds.setdefault(name, set()).add(kind)
    frames: list[pl.DataFrame] = []
    for _, raw in parts:
        mixed = [name for name in raw.frame.columns if len(kinds[name] - {pl.Null()}) > 1]
        frames.append(raw.frame.with_columns(as_exact_text(raw.frame[name]) for name in mixed) if mixed else raw.frame)
    rows = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
    places = pl.concat(
        [
            pl.DataFrame(
                {"file": pl.Series([file.name], dtype=pl.String).new_from_index(0, raw.frame.height), "line": raw.line}
            )
            for file, raw in parts
        ]
    )
    return rows, places


def _file_faults(table: str, file: TableFile, raw: RawTable) -> pl.DataFrame:
    """Rows that were no rows, as the quarantine shows them."""
    return raw.faults.with_columns(pl.lit(table).alias("table"), pl.lit(file.name).alias("file"))


def _account(table: str, parts: list[tuple[TableFile, RawTable]], done: Normalised) -> list[Source]:
    """Close the books of one table: a record per file."""
    counts = {(f, fate): n for f, fate, n in done.places.group_by("file", "fate").len().iter_rows()}
    span: dict[str, tuple[str, str]] = {}
    if "event_at" in done.frame.columns and "raw_ref" in done.frame.columns and done.frame.height:
        of_file = pl.col("raw_ref").str.replace(r":[0-9]+$", "")
        shown = (
            done.frame.lazy()
            .group_by(of_file.alias("f"))
            .agg(pl.min("event_at").alias("a"), pl.max("event_at").alias("b"))
        )
        if len(parts) == 1:
            shown = done.frame.lazy().select(
                pl.lit(parts[0][0].name).alias("f"), pl.min("event_at").alias("a"), pl.max("event_at").alias("b")
            )
        for name, first, last in shown.collect().iter_rows():
            span[name] = (_iso(first), _iso(last))
    out = []
    for file, raw in parts:
        first, last = span.get(file.name, ("", ""))
        out.append(
            Source(
                table=table,
                file=file.name,
                rows=raw.rows,
                accepted=counts.get((file.name, "accepted"), 0),
                duplicate=counts.get((file.name, "duplicate"), 0),
                quarantined=counts.get((file.name, "quarantined"), 0) + raw.faults.height,
                bytes=file.path.stat().st_size,
                sha256=sha256_file(file.path),
                first_at=first,
                last_at=last,
            )
        )
    return out


def _iso(when: datetime | None) -> str:
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
