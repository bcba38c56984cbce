"""Tables of a database as files: one moment of it, so that everything after reads the same rows.

A database goes on living while an investigation lasts. What a report rests on is therefore taken out of it once, in one
transaction that sees one moment, into Parquet files that can be hashed, kept and read again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping as AbstractMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from toolkit.errors import InputError, visible
from toolkit.model.provenance import sha256_file
from toolkit.sources.engines import Postgres, open_engine
from toolkit.sources.mapping import Mapping, read_mapping
from toolkit.sources.meaning import find_known

__all__ = ["pull_tables"]

RECORD: Final = "manifest.json"


def pull_tables(
    address: str,
    out: str | Path,
    mapping: str | Path | AbstractMapping[str, Any] | Mapping | None = None,
    *,
    timeout_s: float = 3_600.0,
) -> Path:
    """Take the tables that a mapping names, and canonical ones, out of a database into a folder of Parquet files.

    Parameters
    ----------
    address : str
        ``postgresql://user@host/database``; its password belongs into ``~/.pgpass``.
    out : str or path
        A folder that is not there yet.
    mapping : path, dict or Mapping, optional
        What a company's own tables mean; a file of it is copied beside the tables. Canonical names need none.
    timeout_s : float
        Seconds a table may take.

    Returns
    -------
    pathlib.Path
        ``out``: a Parquet file per table, ``mapping.yaml`` where one was given, and ``manifest.json``: from where,
        when, rows and SHA-256 of each table. Types that Parquet does not have (numeric, inet, json, ...) are text.

    Raises
    ------
    InputError
        If ``out`` is there already, it is no such address, or none of its tables is known.
    MappingError
        If the mapping names tables that the database does not have: all of them, with the nearest right name.
    SourceError
        If the database cannot be read. Nothing is left behind then.
    """
    target = Path(out)
    if target.exists():
        raise InputError(
            f"{visible(target, 200)} is there already: a snapshot is never mixed with another; give a new name"
        )
    engine = open_engine(address)
    if not isinstance(engine, Postgres):
        raise InputError(f"{visible(address, 200)} is no address of a database: give postgresql://user@host/database")
    said = Mapping() if mapping is None else read_mapping(mapping)
    tables = find_known(engine.tables(), said, "the database")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.pull-", dir=target.parent))
    try:
        rows = engine.write_tables(tables, folder, timeout_s=timeout_s)
        if isinstance(mapping, str | Path):
            shutil.copyfile(mapping, folder / "mapping.yaml")
        place = urlsplit(address)
        told = {
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "database": f"{place.scheme}://{place.hostname or ''}{place.path}",
            "tables": [{"table": table, "rows": rows[table], "sha256": _digest(folder, table)} for table in tables],
        }
        (folder / RECORD).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        folder.chmod(0o755)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _digest(folder: Path, table: str) -> str:
    return sha256_file(folder / f"{table}.parquet")
