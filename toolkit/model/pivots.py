"""What was looked at by hand, kept with the case: a line of JSON for each pivot, never changed, only added to."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from toolkit.errors import InputError, visible
from toolkit.model.case import Pivot
from toolkit.model.provenance import sha256_bytes

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PIVOTS_FILE", "fingerprint_rows", "keep_pivot", "read_pivots"]

PIVOTS_FILE = "pivots.jsonl"


def fingerprint_rows(rows: pl.DataFrame) -> str:
    """Return the SHA-256 of rows: names of columns, values and order.

    Examples
    --------
    >>> import polars as pl
    >>> fingerprint_rows(pl.DataFrame({"n": [1]})) == fingerprint_rows(pl.DataFrame({"n": [2]}))
    False
    """
    return sha256_bytes((json.dumps(rows.columns) + "\n" + rows.write_ndjson()).encode())


def keep_pivot(folder: Path, rows: pl.DataFrame, code: str, *, widget: str, note: str = "", analyst: str = "") -> Pivot:
    """Add a pivot to a case.

    Parameters
    ----------
    folder : pathlib.Path
        Of the case; it must be there.
    rows : polars.DataFrame
        What the pivot gave; of them the number and the fingerprint are kept.
    code : str
        A cell that gives the same rows.
    widget : str
        What it was done in.
    note, analyst : str
        Why, and by whom.

    Returns
    -------
    Pivot
        As it was written, numbered P1, P2, ... in the order of the file.

    Raises
    ------
    InputError
        If there is no such folder, or a line of its file is broken.

    Examples
    --------
    >>> import tempfile, polars as pl
    >>> with tempfile.TemporaryDirectory() as case:
    ...     _ = keep_pivot(Path(case), pl.DataFrame({"n": [1]}), "rows = ...", widget="Rows", note="a shared card")
    ...     [(pivot.pivot_id, pivot.rows, pivot.note) for pivot in read_pivots(Path(case))]
    [('P1', 1, 'a shared card')]
    """
    kept = read_pivots(folder)
    pivot = Pivot(
        pivot_id=f"P{len(kept) + 1}", kept_at=datetime.now(UTC), analyst=analyst, widget=widget, code=code,
        rows=rows.height, sha256=fingerprint_rows(rows), note=note,
    )  # fmt: skip
    with (folder / PIVOTS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(pivot.model_dump(mode="json"), sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return pivot


def read_pivots(folder: Path) -> tuple[Pivot, ...]:
    """Read the pivots of a case, in the order in which they were made; none where none was kept.

    Raises
    ------
    InputError
        If there is no such folder, or lines are broken: all of them are named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as case:
    ...     read_pivots(Path(case))
    ()
    """
    if not folder.is_dir():
        raise InputError(f"there is no case folder {visible(folder, 200)}: make it first, or name another")
    path = folder / PIVOTS_FILE
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    kept, broken = [], []
    for number, line in enumerate(lines, 1):
        try:
            kept += [Pivot.model_validate_json(line)] if line else []
        except ValidationError:
            broken.append(number)
    if broken:
        said = ", ".join(map(str, broken))
        raise InputError(f"{PIVOTS_FILE}: no pivot in line {said}; mend or remove it: nothing was added or left out")
    return tuple(kept)
