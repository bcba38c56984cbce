"""A report made once more, from its manifest: the same inputs and parameters give the same findings, or say why not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from toolkit.errors import InputError, visible
from toolkit.report.by_hand import read_by_hand
from toolkit.report.compare import Comparison, compare_reports
from toolkit.report.known import KNOWN_RINGS
from toolkit.report.run import run_report
from toolkit.report.verify import read_manifest

__all__ = ["rerun_report"]


def rerun_report(
    folder: Path,
    *,
    data: str | Path,
    mapping: str | Path | None = None,
    templates: Path | None = None,
    registry: Path | None = None,
    progress: bool = False,
) -> Comparison:
    """Run a report again and compare.

    Parameters
    ----------
    folder : pathlib.Path
        Of the report; it is not touched.
    data : str or path
        What it was made from; inputs that have changed since are among the differences.
    mapping, templates
        As for :func:`toolkit.report.run.run_report`.
    registry : pathlib.Path, optional
        The known rings that it was compared with; read up to where the report read them.
    progress : bool
        Draw a progress bar on standard error.

    Returns
    -------
    Comparison
        ``before``: as published; ``after``: as it came out now.

    Raises
    ------
    InputError
        If the folder holds no report, its manifest was damaged, or it was compared with known rings and no registry
        is given.
    TemplateError
        If the run fails.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"manifest.json in {visible(folder.name)} cannot be read: see `toolkit verify`")
    parameters = dict(manifest["parameters"])
    if any(str(entry["file"]).startswith(KNOWN_RINGS) for entry in manifest["inputs"]):
        if registry is None:
            raise InputError("this report was compared with the rings that a team knows: give --registry")
        parameters["registry_uri"] = str(registry)
    with tempfile.TemporaryDirectory(prefix="tk-again-") as place:
        again = run_report(
            str(manifest["template"]["name"]), data=data, out=Path(place) / f"{folder.name} again",
            parameters=parameters, mapping=mapping, templates=templates, progress=progress,
            by_hand=read_by_hand(folder),
        )  # fmt: skip
        return compare_reports(folder, again)
