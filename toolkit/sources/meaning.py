"""What each table that was found means: the user's mapping, the canonical one, or observations; checked all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import InputError, MappingError, nearest, visible
from toolkit.sources.canonical import CANONICAL, LOOKUPS, OBSERVATION_COLUMNS
from toolkit.sources.files import ACCEPTED, TableFile
from toolkit.sources.mapping import Mapping, TableMapping, find_faults
from toolkit.sources.text import RawTable

__all__ = ["find_known", "find_meanings", "trim"]


def find_known(names: Sequence[str], said: Mapping, what: str) -> list[str]:
    """Of the tables of a database, those that are mapped or canonical, in the order given.

    Parameters
    ----------
    names : sequence of str
        The tables that it has.
    said : Mapping
        The user's.
    what : str
        What the database is called in a message.

    Raises
    ------
    MappingError
        If the mapping names tables that are not there: all of them, with the nearest right name.
    InputError
        If none of the tables is known.
    """
    missing = [table for table in said.tables if table not in names]
    if missing:
        raise MappingError(
            f"{what} and the mapping do not fit:",
            [f"{visible(table)}: no such table: {nearest(table, names)}" for table in missing],
        )
    known = [n for n in names if n in said.tables or n in CANONICAL or n in LOOKUPS or n == "observations"]
    if not known:
        raise InputError(
            f"{what}: no mapping says what its tables hold: {', '.join(visible(n) for n in names) or 'it has none'}. "
            "Write a mapping that names them, or give them canonical names"
        )
    return known


def find_meanings(
    raws: dict[str, list[tuple[TableFile, RawTable]]],
    said: Mapping,
    root: Path,
    passed_over: tuple[tuple[str, str], ...],
) -> dict[str, TableMapping | None]:
    """The mapping of every table, checked against its columns; None for a table of observations."""
    meanings: dict[str, TableMapping | None] = {}
    faults: list[str] = []
    for table, parts in sorted(raws.items()):
        columns = list(dict.fromkeys(c for _, raw in parts for c in raw.frame.columns))
        empty_file = not any(raw.frame.height for _, raw in parts)
        if table in said.tables:
            meanings[table] = trim(said.tables[table], columns)
            # A file of JSON lines without one good line has no columns that a mapping could be wrong about.
            faults += (
                [] if empty_file and parts[0][0].kind == "ndjson" else find_faults(table, said.tables[table], columns)
            )
            continue
        if set(OBSERVATION_COLUMNS) <= set(columns) and table not in CANONICAL and table not in LOOKUPS:
            meanings[table] = None
            continue
        meaning = CANONICAL.get(table) or LOOKUPS.get(table)
        if meaning is None:
            faults.append(
                f"{visible(table)}: no mapping says what it holds; its columns are "
                f"{', '.join(visible(c) for c in columns[:20])}. "
                "Write, for example, tables: {" + visible(table) + ": {account: ..., time: ..., indicators: {ip: ...}}}"
            )
            continue
        if table == "labels" and "subject_type" in columns and "account_id" not in columns:
            meaning = meaning.model_copy(update={"account": "account_id"})
            columns.append("account_id")
        if table == "content" and "account_id" not in columns and "request_id" in columns:
            columns += ["account_id", "event_at"]
        if meaning.account is not None and meaning.account not in columns and not (empty_file and not columns):
            faults.append(
                f"{visible(table)}: a canonical table of this name has the account in {meaning.account!r}, "
                "which is not there: "
                f"{nearest(meaning.account, columns)} If the columns are your own, map them"
            )
        meanings[table] = trim(meaning, columns)
    if faults:
        raise MappingError("the mapping and the tables do not fit:", faults)
    if not raws:
        there = ", ".join(visible(name) for name, _ in passed_over[:12]) or "nothing"
        raise InputError(
            f"no table in {visible(root.name)!r}: found {there}. Tables with canonical names "
            f"({', '.join(sorted(CANONICAL))}) "
            f"need no mapping; others are named in a mapping.yaml. Files that are read: {ACCEPTED}"
        )
    return meanings


def trim(meaning: TableMapping, columns: list[str]) -> TableMapping:
    """Leave out what a lenient mapping names and the file does not have."""
    if not meaning.lenient:
        return meaning
    have = set(columns)
    kinds = {kind: tuple(c for c in named if c in have) for kind, named in meaning.indicators.items()}
    label = meaning.label
    if label is not None and label.score not in have:
        label = label.model_copy(update={"score": None})
    return meaning.model_copy(
        update={
            "time": tuple(t for t in meaning.time if t.column in have) or meaning.time[:1],
            "ingested": tuple(t for t in meaning.ingested if t.column in have),
            "event_id": meaning.event_id if meaning.event_id in have else None,
            "indicators": {kind: named for kind, named in kinds.items() if named},
            "content": meaning.content if meaning.content and meaning.content.text in have else None,
            "label": label if label and label.column in have else None,
            "value": meaning.value if meaning.value in have else None,
        }
    )
