"""What made a report, so that it can be proved: inputs, parameters, code and outputs, each by its fingerprint.

Nothing in the manifest depends on the clock, the machine or the folder: the same inputs and parameters under the same
versions give the same manifest. When it ran is in ``run.json``, which the manifest does not cover.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.model.provenance import sha256_bytes, sha256_file

__all__ = ["MANIFEST_VERSION", "UNHASHED", "build_manifest", "package_versions"]

MANIFEST_VERSION = "1.0"

UNHASHED = frozenset({"manifest.json", "run.json", "report.pdf"})
"""Files the manifest does not cover: itself, the record of when the run happened, and a print, which holds its time."""

_PACKAGES = (
    "polars",
    "numpy",
    "scipy",
    "duckdb",
    "dataframely",
    "graspologic-native",
    "networkx",
    "altair",
    "vl-convert-python",
    "papermill",
    "stix2",
)


def package_versions() -> dict[str, str]:
    """Return the versions that a result depends on.

    Examples
    --------
    >>> sorted(package_versions())[:2]
    ['altair', 'dataframely']
    """
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        **versions,
        "investigation-toolkit": metadata.version("investigation-toolkit"),
        "python": platform.python_version(),
    }


def build_manifest(
    folder: Path,
    *,
    template: Mapping[str, str],
    parameters: Mapping[str, Any],
    ledger: pl.DataFrame,
    extra_inputs: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Describe a finished run.

    Parameters
    ----------
    folder : pathlib.Path
        Holds the outputs.
    template : mapping
        ``name`` and ``sha256``.
    parameters : mapping
        As given to the template, without paths.
    ledger : polars.DataFrame
        Contract ``Ledger``: every input file.
    extra_inputs : sequence of (name, sha256)
        A mapping file, for one.

    Returns
    -------
    dict
        JSON values, keys in a fixed order.

    Examples
    --------
    >>> import tempfile
    >>> from toolkit.model.tables import Ledger, empty
    >>> with tempfile.TemporaryDirectory() as d:
    ...     _ = (Path(d) / "a.txt").write_text("x")
    ...     made = build_manifest(Path(d), template={"name": "t"}, parameters={}, ledger=empty(Ledger))
    >>> made["outputs"][0]["file"]
    'a.txt'
    """
    inputs = [
        {k: row[k] for k in ("table", "file", "rows", "accepted", "duplicate", "quarantined", "bytes", "sha256")}
        for row in ledger.sort("table", "file").iter_rows(named=True)
    ]
    inputs += [{"file": name, "sha256": digest} for name, digest in sorted(extra_inputs)]
    outputs = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in UNHASHED and not path.name.startswith(".")
    ]
    body = {
        "version": MANIFEST_VERSION,
        "template": dict(template),
        "parameters": dict(parameters),
        "packages": package_versions(),
        "inputs": inputs,
        "outputs": outputs,
    }
    digest = sha256_bytes(json.dumps(body, sort_keys=True, ensure_ascii=True).encode())
    return {**body, "sha256": digest}
