"""One execution of a template: in a private folder, checked, published whole or not at all.

papermill writes to its final path from the start and marks cells complete that never ran; so it gets a folder of its own,
and a run counts only when every code cell has run without error *and* the template's last cell has left its case
record. Then the page and the manifest are made, and the folder takes the place of the old one in a rename.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.errors import InputError, RunError, TemplateError, visible
from toolkit.model.provenance import sha256_file
from toolkit.report.custody import build_manifest
from toolkit.report.page import render_page
from toolkit.report.parameters import check_parameters
from toolkit.report.templates import Template, find_template

__all__ = ["run_report"]

CELL_TIMEOUT_S = 600
START_TIMEOUT_S = 60
_VOLATILE = ("out_dir", "data_uri", "mapping_uri")
"""Parameters that say where, not what: left out of the manifest and of the published notebook."""


def run_report(
    template: str,
    *,
    data: str | Path,
    out: str | Path,
    parameters: Mapping[str, Any] | None = None,
    mapping: str | Path | None = None,
    templates: Path | None = None,
    progress: bool = False,
) -> Path:
    """Run a template on data and publish the report folder.

    Parameters
    ----------
    template : str
        Name of a template; see ``toolkit templates``.
    data : str or path
        A folder of tables, one file, or a DuckDB file.
    out : str or path
        The report folder; an earlier report there is replaced only when this run succeeds.
    parameters : mapping, optional
        Of the template; checked before a kernel starts.
    mapping : str or path, optional
        Mapping file; ``mapping.yaml`` inside ``data`` otherwise.
    templates : path, optional
        A team's own folder of templates.
    progress : bool
        Draw a progress bar on standard error, a step per cell.

    Returns
    -------
    pathlib.Path
        ``out``, holding report.html, report.ipynb, case.json, manifest.json, run.json and the tables.

    Raises
    ------
    InputError
        For an unknown template, parameters that do not fit, or data that do not exist.
    TemplateError
        If a cell fails; the failed notebook lies beside ``out`` as ``NAME.failed.ipynb``.
    """
    found = find_template(template, templates)
    given = {**(parameters or {}), "data_uri": str(_existing(data))}
    if mapping is not None:
        given["mapping_uri"] = str(_existing(mapping))
    values = check_parameters(found.parameters, given)
    target = Path(out).resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"cannot publish a report at {visible(target)}: it is a file; give a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / "manifest.json").exists():
        raise InputError(f"{visible(target)} holds files that are not a report: give a new folder, or empty it")
    target.parent.mkdir(parents=True, exist_ok=True)
    private = Path(tempfile.mkdtemp(prefix=f".{target.name}.run-", dir=target.parent))
    try:
        started = datetime.now(UTC)
        notebook = _execute(found, {**values, "out_dir": str(private)}, private, target, progress)
        _publish(found, values, notebook, private, started)
        _swap(private, target)
    finally:
        shutil.rmtree(private, ignore_errors=True)
    return target


def _existing(path: str | Path) -> Path:
    where = Path(path)
    if not where.exists():
        raise InputError(f"nothing at {visible(where)}: give a folder of tables, a file, or a DuckDB file")
    return where.resolve()


def _execute(
    template: Template,
    values: dict[str, Any],
    private: Path,
    target: Path,
    progress: bool,
) -> dict[str, Any]:
    """Run the notebook and return it, cleaned of everything that differs from run to run."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    executed = private / "report.ipynb"
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    try:
        papermill.execute_notebook(
            _literal(template.path),
            _literal(executed),
            parameters=values,
            kernel_name="python3",
            progress_bar={"desc": template.name, "leave": False} if progress else False,
            log_output=False,
            start_timeout=START_TIMEOUT_S,
            execution_timeout=CELL_TIMEOUT_S,
            cwd=str(private),
        )
    except papermill.exceptions.PapermillExecutionError as error:
        kept = _keep_failed(executed, target)
        raise TemplateError(
            f"template {template.name!r} failed in cell {error.exec_count}: {error.ename}: {visible(error.evalue, 2_000)}\n"
            f"the failed notebook is {kept.name}",
            cell=error.exec_count,
            ename=error.ename,
            evalue=error.evalue,
        ) from None
    except (CellTimeoutError, DeadKernelError) as error:
        kept = _keep_failed(executed, target)
        raise TemplateError(f"template {template.name!r} stopped: {visible(error, 500)}; see {kept.name}") from None
    notebook: dict[str, Any] = json.loads(executed.read_text(encoding="utf-8"))
    unfinished = [
        number
        for number, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and cell.get("execution_count") is None
    ]
    if unfinished or not (private / "case.json").exists():
        kept = _keep_failed(executed, target)
        why = f"cells {unfinished} never ran" if unfinished else "its last cell did not leave case.json"
        raise TemplateError(f"template {template.name!r} ended early: {why}; see {kept.name}")
    return _cleaned(notebook)


def _literal(path: Path) -> str:
    """A path that papermill does not take for a format string."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _keep_failed(executed: Path, target: Path) -> Path:
    kept = target.parent / f"{target.name}.failed.ipynb"
    if executed.exists():
        os.replace(executed, kept)
    return kept


def _cleaned(notebook: dict[str, Any]) -> dict[str, Any]:
    """Drop times, counts, paths and the injected paths; what remains is the same on every run."""
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags", [])
        if "injected-parameters" in tags:
            continue  # the manifest holds the parameters, typed; this cell would hold the folders of one machine
        kept: dict[str, Any] = {
            "cell_type": cell["cell_type"],
            "id": f"cell-{number}",
            "metadata": {"tags": tags} if tags else {},
            "source": cell["source"],
        }
        if cell["cell_type"] == "code":
            outputs = [{k: v for k, v in o.items() if k != "execution_count"} for o in cell["outputs"]]
            for output in outputs:
                if output["output_type"] == "execute_result":
                    output["output_type"] = "display_data"
            kept |= {
                "execution_count": None,
                "outputs": [o for o in outputs if o["output_type"] != "stream" or o["name"] == "stdout"],
            }
        cells.append(kept)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _publish(
    template: Template, values: Mapping[str, Any], notebook: dict[str, Any], private: Path, started: datetime
) -> None:
    """Write the page, the notebook, the manifest and the run record into the private folder."""
    case = json.loads((private / "case.json").read_text(encoding="utf-8"))["case"]
    ledger_file = private / "ledger.parquet"
    if not ledger_file.exists():
        raise RunError(f"template {template.name!r} published no ledger: its last cell calls `publish_case`")
    ledger = pl.read_parquet(ledger_file)
    synthetic = bool(json.loads((private / "notes.json").read_text(encoding="utf-8"))["synthetic"])
    parameters = {k: v for k, v in values.items() if k not in _VOLATILE}
    digest = sha256_file(template.path)
    page = render_page(
        notebook,
        title=f"{case['case_id']}: {template.title}",
        tlp=case["tlp"],
        synthetic=synthetic,
        footer=f"Template {template.name} ({digest[:12]}). Inputs, parameters, versions and outputs with their sha256 are in manifest.json.",
    )
    (private / "report.html").write_text(page, encoding="utf-8")
    (private / "report.ipynb").write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    manifest = build_manifest(
        private, template={"name": template.name, "sha256": digest}, parameters=parameters, ledger=ledger
    )
    (private / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    run = {
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "manifest_sha256": manifest["sha256"],
    }
    (private / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def _swap(private: Path, target: Path) -> None:
    """Put the finished folder in place of the old one."""
    previous = target.parent / f".{target.name}.previous"
    shutil.rmtree(previous, ignore_errors=True)
    private.chmod(0o755)
    if target.exists():
        os.rename(target, previous)
    try:
        os.rename(private, target)
    except OSError:
        if previous.exists():
            os.rename(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)
