"""Where a team keeps the rings it knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["choose_registry", "find_registry"]

_VARIABLE: Final = "TOOLKIT_REGISTRY"
_FOLDER: Final = "registry"


def choose_registry(case: Path, given: str | Path = "") -> Path:
    """Return where the known rings of a case are, or would be.

    Parameters
    ----------
    case : pathlib.Path
        Folder of the case.
    given : str or path
        What the caller says; it wins.

    Returns
    -------
    pathlib.Path
        ``given``, else what the environment variable ``TOOLKIT_REGISTRY`` says, else ``registry`` beside the case.

    Examples
    --------
    >>> choose_registry(Path("cases/ESC-1")).as_posix(), choose_registry(Path("cases/ESC-1"), "rings.duckdb").name
    ('cases/registry', 'rings.duckdb')
    """
    return Path(given or os.environ.get(_VARIABLE, "") or case.parent / _FOLDER)


def find_registry(case: Path, given: str | Path = "") -> Path | None:
    """Return the registry of a case if there is one; one that the caller names must be there.

    The first closing makes the registry: until then there is none, whatever ``TOOLKIT_REGISTRY`` says.

    Examples
    --------
    >>> find_registry(Path("no/cases/ESC-1")) is None
    True
    """
    place = choose_registry(case, given)
    return place if given or place.is_file() or (place / "rings").is_dir() else None
