"""Which files make which table.

A table is one file, a folder of parts, or the files of a glob. A file says what it is by its name (``auth.csv.gz`` is
table ``auth``, text, compressed) or by what the mapping declares; nothing is sniffed, because a file that is guessed to
be a log is half-read without a word. What is not a table is named, so that a reader sees what was passed over.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from toolkit.errors import InputError, MappingError, SourceError, nearest, visible
from toolkit.settings import CAPS
from toolkit.sources.canonical import CANONICAL, LOOKUPS
from toolkit.sources.mapping import Mapping

__all__ = ["ACCEPTED", "Found", "TableFile", "find_mapping", "find_tables"]

Kind = Literal["csv", "tsv", "ndjson", "parquet", "duckdb"]
Packing = Literal["", "gz", "zst"]

_KINDS: Final[dict[str, Kind]] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json-lines": "ndjson",
    ".duckdb": "duckdb",
}
ACCEPTED: Final = ".parquet .csv .tsv .ndjson .jsonl .json-lines (text also as .gz or .zst), or one .duckdb file"
_NEVER: Final = ("mapping.yaml", "mapping.yml", "escalations.jsonl", "synthetic", "readme", "readme.*", "manifest.json")
_NEVER_FOLDERS: Final = ("truth",)


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of one table.

    Attributes
    ----------
    table : str
    path : pathlib.Path
    name : str
        Relative to the data folder; what records and messages show.
    kind : {"csv", "tsv", "ndjson", "parquet", "duckdb"}
    packing : {"", "gz", "zst"}
    """

    table: str
    path: Path
    name: str
    kind: Kind
    packing: Packing


@dataclass(frozen=True, slots=True)
class Found:
    """The files of every table in order of table and name, and the names that were passed over, with the reason."""

    files: tuple[TableFile, ...]
    passed_over: tuple[tuple[str, str], ...]


def find_mapping(data: Path) -> Path | None:
    """Return the ``mapping.yaml`` of a data folder, if there is one.

    Examples
    --------
    >>> find_mapping(Path("/nonexistent")) is None
    True
    """
    for name in ("mapping.yaml", "mapping.yml"):
        if data.is_dir() and (data / name).is_file():
            return data / name
    return None


def find_tables(data: Path, mapping: Mapping) -> Found:
    """Find the files that make the tables of a folder, of a file or of a glob.

    Parameters
    ----------
    data : pathlib.Path
        A folder, one file, or a path whose last part is a glob (``logs/*.csv``).
    mapping : Mapping
        Its ``file`` and ``format`` decide where a name does not.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        If there is nothing at the path.
    SourceError
        If one file is of a kind that is not read, is over the cap, or two files claim to be the whole of one table.
    MappingError
        If the mapping names tables that no file makes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("accounts.csv", "requests.ndjson.gz", "README"):
    ...         _ = (Path(folder) / name).write_text("")
    ...     found = find_tables(Path(folder), Mapping())
    >>> [(f.table, f.kind, f.packing) for f in found.files], found.passed_over
    ([('accounts', 'csv', ''), ('requests', 'ndjson', 'gz')], ())
    """
    if data.is_dir():
        found = _in_folder(data, mapping)
    elif data.is_file():
        found = Found((_single(data, mapping),), ())
    elif any(mark in data.name for mark in "*?["):
        found = _in_glob(data, mapping)
    else:
        beside = [p.name for p in data.parent.iterdir()] if data.parent.is_dir() else []
        where = (
            nearest(data.name, beside) if beside else f"the folder {visible(data.parent.name)!r} does not exist either"
        )
        raise InputError(f"there is no file or folder {visible(data.name)!r}: {where}")
    big = [f for f in found.files if f.path.stat().st_size > CAPS.file_bytes]
    if big:
        raise SourceError(
            f"{len(big)} file(s) are larger than {CAPS.file_bytes:,} bytes: split them, or convert them to "
            "Parquet parts",
            [f"{visible(f.name)}: {f.path.stat().st_size:,} bytes" for f in big],
        )
    return found


def _what(path: Path, declared: str | None) -> tuple[str, Kind, Packing] | None:
    """(stem, kind, packing) of a file by its name, or by what the mapping declares; None if it is no table."""
    name = path.name
    packing: Packing = "gz" if name.lower().endswith(".gz") else "zst" if name.lower().endswith(".zst") else ""
    if packing:
        name = name[: -len(packing) - 1]
    stem, dot, ending = name.rpartition(".")
    kind = _KINDS.get(f".{ending.lower()}") if dot and stem else None
    if declared and (kind is None or kind != "duckdb"):
        chosen: Kind = "tsv" if declared == "csv" and kind == "tsv" else declared  # type: ignore[assignment] # a Format is a Kind
        return (stem if kind else name.split(".")[0]), chosen, packing
    if kind is None or (packing and kind in ("parquet", "duckdb")):
        return None
    return stem, kind, packing


def _text(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 are written out, because a column cannot hold them."""
    return name.encode("utf-8", "backslashreplace").decode()


def _refusal(path: Path) -> SourceError:
    ending = "".join(path.suffixes[-2:]) or "no ending"
    return SourceError(
        f"{visible(path.name)}: a file with {visible(ending)} is no table that can be read. Accepted are {ACCEPTED}. "
        "If it is such a table under another name, say so in the mapping (format: csv, ndjson or parquet); "
        "a free-form log must be turned into columns first"
    )


def _single(path: Path, mapping: Mapping) -> TableFile:
    stem = path.name.split(".")[0]
    by_glob = [t for t, m in mapping.tables.items() if m.file and fnmatch.fnmatchcase(path.name, Path(m.file).name)]
    only = next(iter(mapping.tables)) if len(mapping.tables) == 1 else None
    what = _what(path, None)
    stem = what[0] if what else stem
    table = stem if stem in mapping.tables else by_glob[0] if by_glob else only or stem
    declared = mapping.tables[table].format if table in mapping.tables else None
    what = _what(path, declared)
    if what is None:
        raise _refusal(path)
    if table not in mapping.tables and mapping.tables and what[1] != "duckdb" and table not in {**CANONICAL, **LOOKUPS}:
        raise MappingError(
            f"{visible(path.name)}: the mapping has no table {visible(table)!r}: {nearest(table, mapping.tables)}. "
            "Name the table after the file, or say file: in it"
        )
    return TableFile(_text(table), path, _text(path.name), what[1], what[2])


def _is_passed(path: Path) -> bool:
    name = path.name.lower()
    if path.is_dir():
        return name.startswith(".") or name in _NEVER_FOLDERS
    return name.startswith(".") or any(fnmatch.fnmatchcase(name, pattern) for pattern in _NEVER)


def _in_folder(root: Path, mapping: Mapping) -> Found:
    faults: list[str] = []
    passed: list[tuple[str, str]] = []
    claimed: dict[Path, str] = {}
    for table, said in mapping.tables.items():
        if said.file is None:
            continue
        pattern = Path(said.file)
        if pattern.is_absolute() or ".." in pattern.parts:
            faults.append(f"{visible(table)}: file: {visible(said.file)!r} leaves the data folder")
            continue
        hits = sorted(p for p in root.glob(said.file) if p.is_file())
        if not hits:
            names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
            faults.append(f"{visible(table)}: no file {visible(said.file)!r}: {nearest(said.file, names)}")
        faults += [
            f"{visible(hit.name)}: claimed by {visible(claimed[hit])} and by {visible(table)}"
            for hit in hits
            if claimed.setdefault(hit, table) != table
        ]
    files: list[TableFile] = []
    for path, table in claimed.items():
        what = _what(path, mapping.tables[table].format)
        if what is None or what[1] == "duckdb":
            faults.append(str(_refusal(path)))
        else:
            files.append(TableFile(table, path, _text(path.relative_to(root).as_posix()), what[1], what[2]))

    for path in sorted(root.iterdir()):
        if path in claimed or _is_passed(path):
            continue
        parts = sorted(p for p in path.iterdir() if p.is_file() and not _is_passed(p)) if path.is_dir() else [path]
        for part in parts:
            if part in claimed:
                continue
            stem = path.name if path.is_dir() else None
            declared_as = stem or (_what(part, None) or (part.name.split(".")[0],))[0]
            said_here = mapping.tables.get(declared_as)
            what = _what(part, said_here.format if said_here else None)
            name = _text(part.relative_to(root).as_posix())
            table = stem or (what[0] if what else "")
            known = table in mapping.tables or table in CANONICAL or table in LOOKUPS or table == "observations"
            if what is None or what[1] == "duckdb":
                why = "open it by itself" if what else "not a kind of table that is read"
                passed.append((name, why))
            elif not known or (said_here is not None and said_here.file is not None):
                passed.append((name, f"no mapping says what table {visible(table)!r} holds"))
            else:
                files.append(TableFile(table, part, name, what[1], what[2]))
    faults += _doubles(files)
    have = {f.table for f in files}
    stems = sorted({name.split(".")[0] for name, _ in passed} | have)
    faults += [
        f"{visible(t)}: no file makes this table: {nearest(t, stems)}"
        for t, said in mapping.tables.items()
        if t not in have and said.file is None
    ]
    if faults:
        raise MappingError(f"the files of {visible(root.name)!r} and the mapping do not fit:", faults)
    return Found(tuple(sorted(files, key=lambda f: (f.table, f.name))), tuple(passed))


def _doubles(files: list[TableFile]) -> list[str]:
    """Tables that two files beside one another both claim to be: the same rows twice, most likely."""
    beside: dict[str, list[str]] = {}
    for file in files:
        if "/" not in file.name:
            beside.setdefault(file.table, []).append(file.name)
    return [
        f"{visible(table)}: made by {', '.join(visible(n) for n in names)}: keep one, or say file: in the mapping"
        for table, names in beside.items()
        if len({name.split(".")[0] for name in names}) == 1 and len(names) > 1
    ]


def _in_glob(pattern: Path, mapping: Mapping) -> Found:
    hits = sorted(p for p in pattern.parent.glob(pattern.name) if p.is_file() and not _is_passed(p))
    if not hits:
        raise InputError(f"no file matches {visible(pattern.name)!r} in {visible(pattern.parent.name)!r}")
    only = next(iter(mapping.tables)) if len(mapping.tables) == 1 else None
    files: list[TableFile] = []
    passed: list[tuple[str, str]] = []
    for path in hits:
        declared = mapping.tables[only].format if only else None
        what = _what(path, declared)
        if what is None or what[1] == "duckdb":
            passed.append((path.name, "not a kind of table that is read"))
            continue
        table = only or what[0]
        if table in mapping.tables or table in CANONICAL or table in LOOKUPS:
            files.append(TableFile(table, path, _text(path.name), what[1], what[2]))
        else:
            passed.append((path.name, f"no mapping says what table {visible(table)!r} holds"))
    return Found(tuple(sorted(files, key=lambda f: (f.table, f.name))), tuple(passed))
