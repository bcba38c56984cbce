"""Finds templates and says what each one is for and takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.report.parameters import Parameter, read_parameters
from toolkit.resources import find_files

__all__ = ["Template", "find_template", "find_templates"]


@dataclass(frozen=True, slots=True)
class Template:
    """A parameterized notebook.

    Attributes
    ----------
    name : str
        File name without ending.
    path : pathlib.Path
    title, purpose : str
        From the notebook's first cell.
    parameters : tuple of Parameter
    """

    name: str
    path: Path
    title: str
    purpose: str
    parameters: tuple[Parameter, ...]


def find_templates(folder: Path | None = None) -> dict[str, Template]:
    """List the templates that can be run.

    Parameters
    ----------
    folder : pathlib.Path, optional
        A team's own folder; its templates win over bundled ones of the same name.

    Returns
    -------
    dict of str to Template
        Sorted by name.

    Raises
    ------
    InputError
        If the folder does not exist, or a notebook in it has no parameters cell.

    Examples
    --------
    >>> "ring_escalation" in find_templates()
    True
    """
    return {name: _read(name, path) for name, path in find_files("templates", ".ipynb", folder).items()}


def find_template(name: str, folder: Path | None = None) -> Template:
    """Return one template by name.

    Raises
    ------
    UnknownNameError
        With the nearest right name.

    Examples
    --------
    >>> find_template("ring_esclation")
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no template 'ring_esclation': did you mean 'ring_escalation'?
    """
    templates = find_templates(folder)
    if name not in templates:
        raise UnknownNameError("template", name, templates)
    return templates[name]


def _read(name: str, path: Path) -> Template:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells: list[dict[str, Any]] = notebook["cells"]
    tagged = [c for c in cells if c["cell_type"] == "code" and "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise InputError(
            f"template {visible(name)!r} needs exactly one code cell tagged 'parameters', found {len(tagged)}"
        )
    intro = _text(cells[0]).splitlines() if cells[0]["cell_type"] == "markdown" else []
    title = next((line.removeprefix("# ").strip() for line in intro if line.startswith("# ")), name)
    purpose = next((line.strip() for line in intro if line.strip() and not line.startswith("#")), "")
    return Template(name, path, title, purpose, read_parameters(_text(tagged[0])))


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
