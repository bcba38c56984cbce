"""Whether a report is still what was published: every file, the manifest, the record of the run, and its inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import ContractError, InputError, SourceError, visible
from toolkit.model.provenance import sha256_bytes, sha256_file
from toolkit.report.custody import UNHASHED
from toolkit.report.known import KNOWN_RINGS, fingerprint_registry

__all__ = ["FAULTS", "read_manifest", "verify_report"]

FAULTS: Final = {"part": pl.String, "name": pl.String, "fault": pl.String}


def verify_report(
    folder: Path, data: Path | None = None, *, mapping: Path | None = None, registry: Path | None = None
) -> pl.DataFrame:
    """Compare a report with its manifest, and its inputs too where the data are given.

    Parameters
    ----------
    folder : pathlib.Path
        With ``manifest.json``.
    data : pathlib.Path, optional
        What the report was made from: a folder, or one file.
    mapping : pathlib.Path, optional
        The mapping file, where it does not lie in ``data``.
    registry : pathlib.Path, optional
        The known rings that it was compared with.

    Returns
    -------
    polars.DataFrame
        ``part`` ("manifest", "run", "output", "input"), ``name`` and ``fault``: a row for everything that is not as it
        was. Order: part, name. Empty: all is whole.

    Raises
    ------
    InputError
        If there is no manifest in the folder.

    Examples
    --------
    >>> verify_report(Path("there/is/nothing/here"))
    Traceback (most recent call last):
    toolkit.errors.InputError: no manifest.json in here: give the folder of a report
    """
    found: list[tuple[str, str, str]] = []
    manifest = read_manifest(folder)
    if manifest is None:
        found.append(("manifest", "manifest.json", "cannot be read: it is not as it was written"))
    else:
        found += _check_own_words(folder, manifest)
        found += _check_outputs(folder, manifest)
        if data is not None:
            found += _check_inputs(manifest, data, mapping)
        if registry is not None:
            found += _check_registry(manifest, registry)
    return pl.DataFrame(found, schema=FAULTS, orient="row").sort("part", "name", "fault")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a report; None where its text was damaged.

    Raises
    ------
    InputError
        If there is none.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"no manifest.json in {visible(folder.name)}: give the folder of a report")
    try:
        manifest = json.loads(path.read_bytes())
        listed = [*manifest["inputs"], *manifest["outputs"]]
        named = all(isinstance(entry[name], str) for entry in listed for name in ("file", "sha256"))
        told = all(isinstance(manifest[name], dict) for name in ("template", "parameters", "packages"))
    except (ValueError, KeyError, TypeError):
        return None
    return manifest if named and told and isinstance(manifest.get("sha256"), str) else None


def _as_written(path: Path, value: Mapping[str, Any]) -> bool:
    """Whether a JSON file of ours holds this value, and not a byte more or less."""
    return path.read_bytes() == (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _check_own_words(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    body = {name: value for name, value in manifest.items() if name != "sha256"}
    digest = sha256_bytes(json.dumps(body, sort_keys=True, ensure_ascii=True).encode())
    if digest != manifest["sha256"] or not _as_written(folder / "manifest.json", manifest):
        yield "manifest", "manifest.json", "changed: it does not fit its own fingerprint"
    try:
        run = json.loads((folder / "run.json").read_bytes())
        body = {name: value for name, value in run.items() if name != "sha256"}
        whole = run["sha256"] == sha256_bytes(json.dumps(body, sort_keys=True).encode())
        if not whole or not _as_written(folder / "run.json", run):
            yield "run", "run.json", "changed: it does not fit its own fingerprint"
        elif run["manifest_sha256"] != manifest["sha256"]:
            yield "manifest", "manifest.json", "is not the one that this run wrote"
    except FileNotFoundError:
        yield "run", "run.json", "missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "run", "run.json", "cannot be read: it is not as it was written"


def _check_outputs(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    recorded = {str(entry["file"]): entry for entry in manifest["outputs"]}
    for name, entry in recorded.items():
        path = folder / name
        if not path.is_file():
            yield "output", name, "missing"
        elif sha256_file(path) != entry["sha256"]:
            yield "output", name, "changed"
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    for name in there - set(recorded) - UNHASHED:
        yield "output", name, "not in the manifest"


def _check_registry(manifest: Mapping[str, Any], registry: Path) -> Iterator[tuple[str, str, str]]:
    for name, digest in sorted((str(entry["file"]), str(entry["sha256"])) for entry in manifest["inputs"]):
        if not name.startswith(KNOWN_RINGS):
            continue
        try:
            same = fingerprint_registry(registry, int(name.removeprefix(KNOWN_RINGS))) == digest
        except (SourceError, ContractError, ValueError):
            yield "input", name, "cannot be read"
        else:
            if not same:
                yield "input", name, "changed"


def _check_inputs(manifest: Mapping[str, Any], data: Path, mapping: Path | None) -> Iterator[tuple[str, str, str]]:
    if not data.exists():
        raise InputError(f"nothing at {visible(data, 200)}: give the data that the report was made from")
    for name, digest in sorted({(str(entry["file"]), str(entry["sha256"])) for entry in manifest["inputs"]}):
        if name.startswith(KNOWN_RINGS):
            continue
        path = data / name if data.is_dir() else data
        if mapping is not None and name == mapping.name:
            path = mapping
        if not path.is_file():
            yield "input", name, "missing"
        elif sha256_file(path) != digest:
            yield "input", name, "changed"
