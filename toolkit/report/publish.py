"""The last cell of a template: what the run leaves beside its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.case import Action, Case, Finding
from toolkit.report.exports import write_case, write_tables
from toolkit.sources.read import Dataset
from toolkit.views.blocks import Block, show_text

__all__ = ["check_seeds", "find_missing_tables", "is_synthetic", "parse_time", "publish_case"]


def publish_case(
    case: Mapping[str, Any],
    *,
    findings: Sequence[Finding],
    actions: Sequence[Action],
    tables: Mapping[str, pl.DataFrame],
    out_dir: str,
    synthetic: bool = False,
) -> Block:
    """Write the case, its tables and its marks; a run without this cell does not count.

    Parameters
    ----------
    case : mapping
        Fields of :class:`toolkit.model.case.Case` without findings and actions.
    findings, actions : sequence
        In the order of the report.
    tables : mapping of str to polars.DataFrame
        ``ledger`` among them; each becomes ``name.parquet`` and a spreadsheet-safe ``name.csv``.
    out_dir : str
        The run's folder; empty in a notebook run by hand, which then writes nothing.
    synthetic : bool
        Whether the data are made up.

    Returns
    -------
    Block
        What was written, in a sentence.

    Raises
    ------
    InputError
        If there is no ledger among the tables.

    Examples
    --------
    >>> publish_case({"case_id": "C", "seeds": ["a"], "purpose": "p", "analyst": "k"}, findings=[], actions=[],
    ...              tables={"ledger": pl.DataFrame()}, out_dir="").as_text()
    'Run by hand: nothing was written. Give out_dir to write the case and its tables.'
    """
    if "ledger" not in tables:
        raise InputError("a case is published with its ledger: give tables={'ledger': data.ledger, ...}")
    record = Case(**case, findings=tuple(findings), actions=tuple(actions))
    if not out_dir:
        return show_text("Run by hand: nothing was written. Give out_dir to write the case and its tables.")
    folder = Path(out_dir)
    written = write_tables(tables, folder, csv=True)
    write_case(record, folder / "case.json", synthetic=synthetic)
    return show_text(
        f"{len(written) // 2} tables lie beside this page as Parquet (exact) and CSV (safe to open in a spreadsheet),"
        " with case.json and manifest.json."
    )


def check_seeds(seeds: Sequence[str]) -> list[str]:
    """Return the seeds, each once, in the order given.

    Raises
    ------
    InputError
        If there is none, or one is blank.

    Examples
    --------
    >>> check_seeds(["b", "a", "b"])
    ['b', 'a']
    """
    once = list(dict.fromkeys(seeds))
    if not once:
        raise InputError(
            "a ring escalation starts from accounts, and none was given: -p seed_accounts=ID, repeated for more"
        )
    if any(not seed.strip() for seed in once):
        raise InputError("one of the seed accounts is blank: give ids as exact text")
    return once


def is_synthetic(data_uri: str) -> bool:
    """Whether the data folder carries the mark of the sample generator.

    Examples
    --------
    >>> is_synthetic(".")
    False
    """
    where = Path(data_uri)
    return (where / "SYNTHETIC").exists() or (where.parent / "SYNTHETIC").exists()


def parse_time(text: str, name: str) -> datetime | None:
    """Read an ISO time with a zone from a parameter; empty text is None.

    Raises
    ------
    InputError
        If the text is not a time, or has no zone.

    Examples
    --------
    >>> parse_time("2026-01-05T10:00:00Z", "as_of").isoformat()
    '2026-01-05T10:00:00+00:00'
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name} takes a time like 2026-01-05T10:00:00Z, found {visible(text)!r}") from None
    if at.tzinfo is None:
        raise InputError(f"{name} needs a zone: write {visible(text)}Z for UTC")
    return at


_EXPECTED = ("accounts", "auth_events", "requests", "content", "payments", "enforcement", "labels")


def find_missing_tables(data: Dataset) -> tuple[str, ...]:
    """Name the canonical tables that a ring escalation would read and that are not there.

    A data set with a mapping of its own is taken as it is: nothing is missing from it by name.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> find_missing_tables(SimpleNamespace(tables={"auth_events": None, "requests": None}, observations=None))[:2]
    ('accounts', 'content')
    """
    present = set(data.tables)
    if data.observations is not None or not present & set(_EXPECTED):
        return ()
    return tuple(name for name in _EXPECTED if name not in present)
