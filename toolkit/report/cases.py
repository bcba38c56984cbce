"""The folder of a case: its notebook, what it was opened with, the pivots, the notes, the log, and every run.

::

    ESC-1042/
      settings.json     template, data, parameters, and the fingerprint of every input
      ESC-1042.ipynb    the template with the parameters filled in, to be worked in by hand
      notes.md          open questions, for whoever takes over
      pivots.jsonl      looks by hand that were kept (:mod:`toolkit.model.pivots`)
      log.jsonl         what was done, when and by whom (:mod:`toolkit.report.log`)
      runs/0001/        reports, each whole; never changed again
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.model.provenance import sha256_bytes, sha256_file
from toolkit.report.by_hand import NOTES_FILE, gather_by_hand
from toolkit.report.folders import only_one, private_folder, sync_folder, write_whole
from toolkit.report.log import LOG_FILE, append_entry, find_log_faults, read_log
from toolkit.report.parameters import check_parameters
from toolkit.report.publish import open_case
from toolkit.report.registries import find_registry
from toolkit.report.run import resolve_data, run_report
from toolkit.report.templates import Template, find_template
from toolkit.report.verify import FAULTS, read_manifest, verify_report
from toolkit.sources.files import find_mapping, find_tables
from toolkit.sources.mapping import read_mapping

__all__ = [
    "SETTINGS_FILE",
    "CaseFolder",
    "choose_run",
    "find_changes",
    "find_current_run",
    "new_case",
    "open_case_folder",
    "pin_inputs",
    "run_case",
    "verify_case",
]

SETTINGS_FILE: Final = "settings.json"
_VERSION: Final = "1.0"
_SEALS: Final = (("sha256", "run_sha256"), ("manifest_sha256", "manifest_sha256"))
"""Fingerprints of a run, as it bears them and as the log keeps them."""
_NOTES: Final = """# {case_id}

## Open questions

-

## Notes

-
"""


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """A case on the disk.

    Attributes
    ----------
    path : pathlib.Path
    case_id, template : str
    data, mapping : pathlib.Path
        What it reads; ``mapping`` None: the one in ``data``, or none.
    parameters : mapping
        Of the template, every one of them, without paths.
    inputs : mapping of str to str
        Name of each input file to its SHA-256 when the case was opened, or pinned anew.
    templates : pathlib.Path or None
        A team's own folder of templates.
    """

    path: Path
    case_id: str
    template: str
    data: Path
    mapping: Path | None
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    templates: Path | None = None

    @property
    def notebook(self) -> Path:
        """The notebook to work in."""
        return self.path / f"{self.case_id}.ipynb"

    @property
    def runs(self) -> list[Path]:
        """Reports of this case, oldest first."""
        return _runs(self.path)


def new_case(
    case_id: str,
    template: str,
    *,
    data: str | Path,
    seeds: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    mapping: str | Path | None = None,
    templates: Path | None = None,
    into: str | Path = ".",
) -> CaseFolder:
    """Open a case: a folder with a notebook that is ready to run.

    Parameters
    ----------
    case_id : str
        1 to 64 letters, digits, ``_`` or ``-``; the folder's name.
    template : str
        See ``toolkit templates``.
    data : str or path
        A folder of tables, one file, a glob, or a DuckDB file. It is not copied: its files are pinned by hash.
    seeds : sequence of str
        Account ids; the template's ``seed_accounts``.
    parameters : mapping, optional
        Others of the template.
    mapping : str or path, optional
        Mapping file; ``mapping.yaml`` inside ``data`` otherwise.
    templates : path, optional
        A team's own folder of templates.
    into : str or path
        The folder of cases.

    Returns
    -------
    CaseFolder

    Raises
    ------
    InputError
        If there is such a case already, the id cannot be one, or the data or parameters do not fit.
    """
    found = find_template(template, templates)
    given = {**(parameters or {}), "case_id": case_id, **({"seed_accounts": list(seeds)} if seeds else {})}
    given["data_uri"] = resolve_data(data)
    if mapping is not None:
        given["mapping_uri"] = resolve_data(mapping)
    values = check_parameters(found.parameters, given)
    # The same check that the run will make: a case that cannot run is not opened.
    seen = open_case(case_id, values.get("seed_accounts", ()), need_seeds=False, purpose="new", analyst="new")
    target = Path(into).resolve() / seen.case_id
    if target.exists():
        raise InputError(f"there is a case {case_id} in {visible(target.parent.name)} already: give another id")
    inputs = pin_inputs(values["data_uri"], values.get("mapping_uri"))
    filled = _with_registry(target, values)
    kept = {name: value for name, value in values.items() if name not in ("data_uri", "mapping_uri", "out_dir")}
    settings = {
        "version": _VERSION,
        "case_id": case_id,
        "template": template,
        "template_sha256": sha256_file(found.path),
        "templates": str(templates.resolve()) if templates is not None else "",
        "data": values["data_uri"],
        "mapping": values.get("mapping_uri", ""),
        "parameters": kept,
        "inputs": inputs,
    }
    with private_folder(target) as folder:
        (folder / "runs").mkdir()
        (folder / f"{case_id}.ipynb").write_text(_fill_in(found, filled), encoding="utf-8")
        (folder / NOTES_FILE).write_text(_NOTES.format(case_id=case_id), encoding="utf-8")
        _write_settings(folder, settings)
        append_entry(folder, "opened", who=str(kept.get("analyst", "")), settings_sha256=_digest(folder))
        (folder / ".lock").unlink(missing_ok=True)
        folder.chmod(0o755)
        sync_folder(folder)
        folder.rename(target)
    return open_case_folder(target)


def open_case_folder(path: str | Path) -> CaseFolder:
    """Read the folder of a case.

    Raises
    ------
    InputError
        If it is none, or what it was opened with cannot be read.

    Examples
    --------
    >>> open_case_folder("no/case")
    Traceback (most recent call last):
    toolkit.errors.InputError: no case in case: `toolkit new CASE_ID --template T --data DATA` opens one
    """
    folder = Path(path)
    try:
        told = json.loads((folder / SETTINGS_FILE).read_bytes())
        return CaseFolder(
            folder.resolve(),
            str(told["case_id"]),
            str(told["template"]),
            Path(told["data"]),
            Path(told["mapping"]) if told["mapping"] else None,
            dict(told["parameters"]),
            dict(told["inputs"]),
            Path(told["templates"]) if told["templates"] else None,
        )
    except FileNotFoundError:
        raise InputError(
            f"no case in {visible(folder.name)}: `toolkit new CASE_ID --template T --data DATA` opens one"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        said = visible(str(error).splitlines()[0], 200)
        raise InputError(
            f"{SETTINGS_FILE} of {visible(folder.name)} cannot be read: {said}; see `toolkit verify`"
        ) from None


def choose_run(case: CaseFolder, name: str = "") -> Path:
    """Return a run of a case by its number; the last one otherwise.

    Raises
    ------
    InputError
        If it has none yet.
    UnknownNameError
        If it has no such run.
    """
    runs = {run.name: run for run in case.runs}
    if not runs:
        raise InputError(f"{case.case_id} has no run yet: `toolkit report --case {visible(case.path.name, 200)}`")
    wanted = name.zfill(4) if name else max(runs)
    if wanted not in runs:
        raise UnknownNameError(f"run of {case.case_id}", name, runs)
    return runs[wanted]


def run_case(
    case: CaseFolder, *, repin: bool = False, who: str = "", cell_timeout_s: int = 600, progress: bool = False
) -> Path:
    """Run a case's template on its pinned inputs; the report is kept as its next run.

    Parameters
    ----------
    case : CaseFolder
    repin : bool
        Take the inputs as they are now; that they were changed is kept in the log.
    who : str
        Who runs it; the case's analyst otherwise.
    cell_timeout_s : int
        Seconds a cell may take.
    progress : bool
        Draw a progress bar on standard error.

    Returns
    -------
    pathlib.Path
        The folder of the report, ``runs/0001`` for the first.

    Raises
    ------
    InputError
        If inputs are not what they were (every one is named), the log is broken, or another run of the case goes on.
    TemplateError
        If the run fails; it is kept in the log, and earlier runs stay as they are.
    """
    with only_one(case.path, "run"):
        return _run_next(case, repin=repin, who=who, cell_timeout_s=cell_timeout_s, progress=progress)


def _run_next(case: CaseFolder, *, repin: bool, who: str, cell_timeout_s: int, progress: bool) -> Path:
    """The run itself, while no other one is made of this case."""
    analyst = who or str(case.parameters.get("analyst", ""))
    now = pin_inputs(case.data, case.mapping)
    changed = _changed(case.inputs, now)
    if changed and not repin:
        said = "; ".join(f"{visible(name)} {fault}" for name, fault in changed.items())
        raise InputError(
            f"inputs of {case.case_id} are not what they were when it was opened: {said}. To take them as they are "
            "now, and have that kept in the log: --repin"
        )
    read_log(case.path)
    if changed:
        settings = json.loads((case.path / SETTINGS_FILE).read_bytes()) | {"inputs": now}
        _write_settings(case.path, settings)
        append_entry(case.path, "repinned", who=analyst, changed=changed, settings_sha256=_digest(case.path))
    _adopt(case, analyst)
    number = max([0, *(int(run.name) for run in case.runs)]) + 1
    out = case.path / "runs" / f"{number:04}"
    append_entry(case.path, "began", who=analyst, run=out.name)
    try:
        run_report(
            case.template, data=case.data, out=out, parameters=_with_registry(case.path, case.parameters),
            mapping=case.mapping,
            templates=case.templates, cell_timeout_s=cell_timeout_s, progress=progress,
            by_hand=gather_by_hand(case.path),
        )  # fmt: skip
    except Exception as error:
        append_entry(case.path, "failed", who=analyst, run=out.name, why=visible(str(error), 500))
        raise
    _log_run(case, out, analyst)
    return out


def _log_run(case: CaseFolder, run: Path, who: str) -> None:
    """Write into the log that a run came to its end, with its fingerprints."""
    record = json.loads((run / "run.json").read_bytes())
    seals = {in_log: record[part] for part, in_log in _SEALS}
    append_entry(case.path, "ran", who=who, run=run.name, **seals)


def _adopt(case: CaseFolder, who: str) -> None:
    """Take up a run that was published and whose process ended before the log could say so."""
    for name in _unfinished(read_log(case.path)):
        run = case.path / "runs" / name
        if run.is_dir() and verify_report(run).is_empty():
            _log_run(case, run, who)


def _unfinished(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs that the log says were begun, and not that they came to their end."""
    begun = {entry["about"]["run"] for entry in entries if entry["what"] == "began"}
    return sorted(begun - {entry["about"]["run"] for entry in entries if entry["what"] == "ran"})


def _with_registry(case: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a template that compares with known rings, with the team's registry where none is named."""
    if values.get("registry_uri") != "":
        return dict(values)
    place = find_registry(case)
    return {**values, "registry_uri": resolve_data(place) if place is not None else ""}


def pin_inputs(data: str | Path, mapping: str | Path | None = None) -> dict[str, str]:
    """Return the fingerprint of every file that would be read.

    Parameters
    ----------
    data : str or path
        A folder of tables, one file, a glob, or a DuckDB file.
    mapping : str or path, optional
        Mapping file; ``mapping.yaml`` inside ``data`` otherwise.

    Returns
    -------
    dict of str to str
        File name to SHA-256; the mapping is among them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "accounts.csv").write_text("account_id")
    ...     list(pin_inputs(folder))
    ['accounts.csv']
    """
    where = Path(data)
    given = Path(mapping) if mapping else find_mapping(where)
    said = read_mapping(given) if given is not None else read_mapping({})
    pins = {file.name: sha256_file(file.path) for file in find_tables(where, said).files}
    return pins | ({given.name: sha256_file(given)} if given is not None else {})


def find_changes(case: CaseFolder) -> dict[str, str]:
    """Return the inputs that are not what they were when the case was opened, or pinned anew.

    Returns
    -------
    dict of str to str
        File name to "changed", "missing" or "new". Order: name.
    """
    return _changed(case.inputs, pin_inputs(case.data, case.mapping))


def find_current_run(case: CaseFolder, template: Template, inputs: Mapping[str, str]) -> Path | None:
    """Return the report that a new run would only repeat.

    Parameters
    ----------
    case : CaseFolder
    template : Template
        As it is now.
    inputs : mapping of str to str
        From :func:`pin_inputs`: as they are now.

    Returns
    -------
    pathlib.Path or None
        The last run, if the log says that it came to its end, on these inputs, by this template.
    """
    with only_one(case.path, "run"):
        _adopt(case, str(case.parameters.get("analyst", "")))
    entries = [entry for entry in read_log(case.path) if entry["what"] in ("ran", "failed")]
    if not entries or entries[-1]["what"] != "ran" or dict(case.inputs) != dict(inputs):
        return None
    report = case.path / "runs" / str(entries[-1]["about"]["run"])
    manifest = read_manifest(report)
    same = manifest is not None and manifest["template"]["sha256"] == sha256_file(template.path)
    return report if same else None


def verify_case(path: str | Path, *, registry: str | Path | None = None) -> pl.DataFrame:
    """Check a case whole: its log, what it was opened with, its inputs and every run.

    Parameters
    ----------
    path : str or path
        Of the case.
    registry : str or path, optional
        The known rings that its runs were compared with; as :func:`find_registry` finds them otherwise.

    Returns
    -------
    polars.DataFrame
        As :func:`toolkit.report.verify.verify_report` returns it, with ``part`` "log", "settings", "input", "run" or
        "output"; names of files of a run begin with its number. Empty: all is whole. Inputs are looked at only where
        the settings, which say where they lie, are whole.

    Raises
    ------
    InputError
        If there is no such folder.

    Examples
    --------
    >>> verify_case("no/case")
    Traceback (most recent call last):
    toolkit.errors.InputError: no folder case: give the folder of a case
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"no folder {visible(folder.name)}: give the folder of a case")
    found = [("log", LOG_FILE, fault) for fault in find_log_faults(folder)]
    runs = _runs(folder)
    if not found:
        entries = read_log(folder)
        pinned = [entry["about"]["settings_sha256"] for entry in entries if "settings_sha256" in entry["about"]]
        if pinned and (folder / SETTINGS_FILE).is_file() and pinned[-1] == _digest(folder):
            case = open_case_folder(folder)
            found += [("input", name, fault) for name, fault in find_changes(case).items()]
        else:
            found.append(("settings", SETTINGS_FILE, "changed: the inputs were not looked at"))
        found += _check_runs(runs, entries)
    parts = [pl.DataFrame(found, schema=FAULTS, orient="row")]
    known = find_registry(folder.resolve(), registry or "")
    for run in runs:
        checked = verify_report(run, registry=known)
        parts.append(checked.with_columns(name=pl.lit(f"{run.name}/") + pl.col("name")))
    return pl.concat(parts).sort("part", "name", "fault")


def _check_runs(runs: Sequence[Path], entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """What the log says of runs, against what is there."""
    logged = {entry["about"]["run"]: entry["about"] for entry in entries if entry["what"] == "ran"}
    there = {run.name: run for run in runs}
    found = [("run", name, "missing") for name in logged.keys() - there.keys()]
    # One that was begun, and is whole, was published by a process that ended before it could say so.
    found += [("run", name, "not in the log") for name in there.keys() - logged.keys() - set(_unfinished(entries))]
    for name in logged.keys() & there.keys():
        try:
            record = json.loads((there[name] / "run.json").read_bytes())
            same = all(record[part] == logged[name][in_log] for part, in_log in _SEALS)
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        found += [] if same else [("run", name, "is not the one that the log speaks of")]
    return found


def _runs(folder: Path) -> list[Path]:
    runs = folder / "runs"
    return sorted(run for run in runs.iterdir() if run.name.isdigit()) if runs.is_dir() else []


def _changed(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Inputs that are not what they were, by name."""
    told = {name: "changed" for name in was.keys() & now.keys() if was[name] != now[name]}
    told |= dict.fromkeys(was.keys() - now.keys(), "missing") | dict.fromkeys(now.keys() - was.keys(), "new")
    return {name: told[name] for name in sorted(told)}


def _write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    write_whole(folder / SETTINGS_FILE, text.encode())


def _digest(folder: Path) -> str:
    return sha256_bytes((folder / SETTINGS_FILE).read_bytes())


def _fill_in(template: Template, values: Mapping[str, Any]) -> str:
    """The template as a notebook, its parameters cell saying what this case was opened with."""
    notebook = json.loads(template.path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            cell["source"] = _say_parameters("".join(cell["source"]), values)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _say_parameters(source: str, values: Mapping[str, Any]) -> str:
    """The parameters cell with other defaults; comments, types and imports stay."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name, first, last = node.target.id, node.lineno - 1, (node.end_lineno or node.lineno) - 1
            tail = lines[last].encode()[node.value.end_col_offset :].decode()
            head = lines[first].encode()[: node.value.col_offset].decode() if node.value.lineno - 1 == first else ""
            head = head or f"{name}: {ast.unparse(node.annotation)} = "
            lines[first : last + 1] = [f"{head}{values[name]!r}{tail}"]
    return "\n".join(lines)
