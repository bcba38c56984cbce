"""Finds what ships beside the code: templates, queries, notebooks and samples.

In a checkout these are folders at the top; in an installed wheel they sit in ``toolkit/_bundled``. Nothing
else in the project knows which of the two it runs from.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import UnknownNameError

__all__ = ["BUNDLED", "bundled"]

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
