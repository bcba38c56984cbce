"""Finds what ships beside the code: templates, queries, notebooks and samples.

In a checkout these are folders at the top; in an installed wheel they sit in ``toolkit/_bundled``. Nothing
else in the project knows which of the two it runs from.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InputError, UnknownNameError, visible

__all__ = ["BUNDLED", "bundled", "find_files"]

BUNDLED = ("templates", "queries", "notebooks", "data_samples")
"""Folders that travel in the wheel."""

_PACKAGE = Path(__file__).resolve().parent


def bundled(folder: str) -> Path:
    """Return the path of a bundled folder.

    Parameters
    ----------
    folder : {"templates", "queries", "notebooks", "data_samples"}
        Which one.

    Returns
    -------
    pathlib.Path
        An existing directory. Read only: an installed wheel may belong to another user.

    Raises
    ------
    UnknownNameError
        If there is no such folder in this installation.

    Examples
    --------
    >>> bundled("templates").is_dir()
    True
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        if folder in BUNDLED and (root / folder).is_dir():
            return root / folder
    raise UnknownNameError("bundled folder", folder, BUNDLED)


def find_files(folder: str, ending: str, own: Path | None = None) -> dict[str, Path]:
    """List the files of a bundled folder and of a team's own, by name without ending.

    Parameters
    ----------
    folder : str
        As for :func:`bundled`.
    ending : str
        ``.sql``, for one.
    own : pathlib.Path, optional
        A team's own folder; its files win over bundled ones of the same name.

    Returns
    -------
    dict of str to pathlib.Path
        Sorted by name.

    Raises
    ------
    InputError
        If there is no such folder of the team's.

    Examples
    --------
    >>> "ring_escalation" in find_files("templates", ".ipynb")
    True
    """
    if own is not None and not own.is_dir():
        raise InputError(f"no folder of {folder} at {visible(own)}: give a folder that holds {ending} files")
    places = [bundled(folder), *([own] if own is not None else [])]
    found = {path.stem: path for place in places for path in sorted(place.glob(f"*{ending}"))}
    return {name: found[name] for name in sorted(found)}
