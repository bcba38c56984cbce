"""One run of a template: parameters checked, executed in a private folder, published whole or not at all.

papermill writes to its final path from the start, so it gets a folder of its own. When the notebook has run to its end,
the page and the manifest are made, and the folder takes the place of the old one in a rename.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.errors import InputError, RunError, visible
from toolkit.model.provenance import sha256_bytes, sha256_file
from toolkit.report.by_hand import BY_HAND_CELLS, ByHand, write_by_hand
from toolkit.report.custody import build_manifest
from toolkit.report.execute import clean_notebook, execute_template
from toolkit.report.folders import check_target, private_folder, put_in_place
from toolkit.report.known import KNOWN_RINGS, find_last_entry, fingerprint_registry
from toolkit.report.page import render_page
from toolkit.report.parameters import check_parameters
from toolkit.report.templates import Template, find_template
from toolkit.report.workload import find_escalations
from toolkit.sources.files import find_mapping
from toolkit.views.blocks import BLOCK_MIME

__all__ = ["resolve_data", "run_report"]


def _says_where(name: str) -> bool:
    """Whether a parameter says where, not what: it is left out of the manifest, which holds the fingerprint instead."""
    return name == "out_dir" or name.endswith("_uri")


def run_report(
    template: str,
    *,
    data: str | Path,
    out: str | Path,
    parameters: Mapping[str, Any] | None = None,
    mapping: str | Path | None = None,
    templates: Path | None = None,
    cell_timeout_s: int = 600,
    progress: bool = False,
    by_hand: ByHand | None = None,
) -> Path:
    """Run a template on data and publish the report folder.

    Parameters
    ----------
    template : str
        Name of a template; see ``toolkit templates``.
    data : str or path
        A folder of tables, one file, a glob, or a DuckDB file.
    out : str or path
        The report folder; an earlier report there is replaced only when this run succeeds.
    parameters : mapping, optional
        Of the template; checked before a kernel starts.
    mapping : str or path, optional
        Mapping file; ``mapping.yaml`` inside ``data`` otherwise.
    templates : path, optional
        A team's own folder of templates.
    cell_timeout_s : int
        Seconds a cell may take.
    progress : bool
        Draw a progress bar on standard error, a step per cell.
    by_hand : ByHand, optional
        What people added to the case: the report ends with it.

    Returns
    -------
    pathlib.Path
        ``out``, holding report.html, report.ipynb, brief.md, case.json, stix.json, graph.graphml (where there is a
        network), manifest.json, run.json and the tables.

    Raises
    ------
    InputError
        For an unknown template, parameters that do not fit, data that do not exist or cannot be read as said, or an
        ``out`` that holds anything but a report.
    TemplateError
        If a cell fails, or the run does not come to its end; the notebook then lies beside ``out`` as
        ``NAME.failed.ipynb``.
    """
    found = find_template(template, templates)
    given = {k: resolve_data(v) if _says_where(k) and v else v for k, v in (parameters or {}).items()}
    given["data_uri"] = resolve_data(data)
    if mapping is not None:
        given["mapping_uri"] = resolve_data(mapping)
    values = _pin_registry(check_parameters(found.parameters, given))
    target = Path(out).resolve()
    check_target(target)
    failed = target.parent / f"{target.name}.failed.ipynb"
    with private_folder(target) as folder:
        started = datetime.now(UTC)
        if by_hand:
            write_by_hand(by_hand, folder)
        notebook = execute_template(
            found,
            {**values, "out_dir": str(folder)},
            folder,
            failed,
            cell_timeout_s=cell_timeout_s,
            progress=progress,
            ends_with=BY_HAND_CELLS if by_hand else (),
        )
        _publish(found, values, notebook, folder, started)
        put_in_place(folder, target)
    failed.unlink(missing_ok=True)  # it spoke of an earlier run
    return target


def resolve_data(path: str | Path) -> str:
    """Return the absolute path of data that are there; the kernel runs in another folder.

    Raises
    ------
    InputError
        If nothing is there, or it is the address of a database.

    Examples
    --------
    >>> resolve_data("postgres://host/db")
    Traceback (most recent call last):
    toolkit.errors.InputError: postgres:// is a database, and lives on: `toolkit pull ADDRESS --out DIR` takes ...
    """
    text = str(path)
    if "://" in text:
        scheme = visible(text.split("://")[0])
        raise InputError(
            f"{scheme}:// is a database, and lives on: `toolkit pull ADDRESS --out DIR` takes its tables as they are"
            " now; give that folder, so that the report can be run again"
        )
    where = Path(path)
    if where.exists():
        return str(where.resolve())
    if glob.has_magic(text) and glob.glob(text):  # noqa: PTH207 - the same reading of a pattern as read_data's
        return str(where.absolute())
    raise InputError(f"nothing at {visible(text, 200)}: give a folder of tables, a file, or a DuckDB file")


def _publish(
    template: Template, values: Mapping[str, Any], notebook: dict[str, Any], folder: Path, started: datetime
) -> None:
    """Write the page, the notebook, the manifest and the run record into the private folder."""
    record = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    case = record["case"]
    ledger = folder / "ledger.parquet"
    if not ledger.exists():
        raise RunError(f"template {template.name!r} published no ledger: its last cell calls publish_case")
    cells = sum(cell["cell_type"] == "code" for cell in notebook["cells"])
    cleaned = clean_notebook(notebook)
    _name_reviewers(cleaned, case["findings"])
    digest = sha256_file(template.path)
    page = render_page(
        cleaned,
        title=f"{case['case_id']}: {template.title}",
        tlp=case["tlp"],
        synthetic=record["synthetic"],
        footer=f"Made from template {template.name} ({digest[:12]}). manifest.json holds the inputs, parameters,"
        " versions and outputs, each with its fingerprint.",
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    _write_json(folder / "report.ipynb", cleaned, indent=1)
    manifest = build_manifest(
        folder,
        template={"name": template.name, "sha256": digest},
        parameters={k: v for k, v in values.items() if not _says_where(k)},
        ledger=pl.read_parquet(ledger),
        extra_inputs=_other_inputs(values),
    )
    _write_json(folder / "manifest.json", manifest)
    run = {
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cells_executed": cells,
        "manifest_sha256": manifest["sha256"],
    }
    # It stands outside the manifest, since it tells the time; so it bears a fingerprint of its own.
    _write_json(folder / "run.json", {**run, "sha256": sha256_bytes(json.dumps(run, sort_keys=True).encode())})


def _name_reviewers(notebook: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> None:
    """Findings are shown before the case is published, and it is the case that knows who confirmed them."""
    signed = {finding["finding_id"]: finding["reviewer"] for finding in findings if finding["reviewer"]}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            for finding in output.get("data", {}).get(BLOCK_MIME, {}).get("findings", ()):
                finding["reviewer"] = signed.get(finding["finding_id"], "")


def _pin_registry(values: dict[str, Any]) -> dict[str, Any]:
    """Say up to which entry the known rings are read: a registry grows, and a rerun reads what this run read."""
    if not values.get("registry_uri") or values.get("registry_entry", 0) >= 0:
        return values
    return {**values, "registry_entry": find_last_entry(values["registry_uri"])}


def _other_inputs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is read besides the tables: the mapping, a list of escalations, the rings that are known."""
    files = [find_escalations(values["escalations_uri"], values["data_uri"])] if "escalations_uri" in values else []
    mapping = Path(values["mapping_uri"]) if values.get("mapping_uri") else find_mapping(Path(values["data_uri"]))
    told = [(file.name, sha256_file(file)) for file in (*files, mapping) if file is not None and file.is_file()]
    if values.get("registry_uri") and "registry_entry" in values:
        entry = int(values["registry_entry"])
        told.append((f"{KNOWN_RINGS}{entry}", fingerprint_registry(values["registry_uri"], entry)))
    return told


def _write_json(path: Path, value: Mapping[str, Any], indent: int = 2) -> None:
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
