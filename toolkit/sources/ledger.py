"""Where every row went: the ledger, the reasons for setting rows aside, and both in words.

``accepted + duplicate + quarantined = rows in the file``, for every file, checked on every load. A quarantined row
keeps its file, line, reason and the start of its text, so that it can be found and mended at the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from toolkit.errors import SourceError, visible
from toolkit.model.provenance import Source
from toolkit.model.tables import UTC, Ledger, Quarantine, conform, empty
from toolkit.settings import CAPS

if TYPE_CHECKING:
    from toolkit.sources.dataset import Dataset

__all__ = ["REASONS", "build_ledger", "build_quarantine", "describe_ledger", "note_losses"]

REASONS: Final[dict[str, tuple[str, str]]] = {
    "account_missing": ("the account column is blank", "check the account column of the mapping, or the export"),
    "id_not_exact": ("an id is a number that may have been rounded", "export ids as text"),
    "time_missing": ("the time is blank", "name a second time column in the mapping: time: [a, b]"),
    "time_naive_no_zone": ("the time has no zone", "declare it: time: {column: ..., zone: UTC}; it is never guessed"),
    "time_without_year": ("the time has no year", "declare that of the first row: time: {column: ..., year: 2026}"),
    "time_unreadable": ("the time has no known shape", "declare it: time: {column: ..., format: ...}"),
    "time_unrepresentable": (
        "the time is outside the years 1 to 9999",
        "check the unit: time: {column: ..., unit: ms}",
    ),
    "after_as_of": ("the row arrived after as_of", "nothing: it was asked for"),
    "ragged_row": ("the row has another number of cells than the header", "quote cells that hold separators"),
    "invalid_utf8": ("the row is not UTF-8", "export as UTF-8"),
    "unterminated_quote": ("a quote opens and never closes", "double the quotes inside quoted cells"),
    "bad_quote": ("text follows a closing quote", "double the quotes inside quoted cells"),
    "cell_too_long": (f"a cell is longer than {CAPS.cell_chars:,} characters", "cut it at the source, or leave it out"),
    "bad_json": ("the line is not JSON", "write one JSON object per line"),
    "not_an_object": ("the line is JSON, but no object", "write one JSON object per line"),
    "duplicate_key": ("a key is written twice in one object", "rename one of the two at the source"),
    "too_deep": (f"more than {CAPS.depth} nested levels", "flatten it at the source"),
    "too_many_columns": (f"more than {CAPS.columns:,} columns", "turn keys into values at the source"),
    "kind_or_value_missing": ("an observation without kind or value", "check the export"),
}
"""Reason codes: what is wrong, and what to do."""

_QUARANTINE: Final = ("table", "file", "line", "reason", "column", "found", "raw")


def build_ledger(sources: Iterable[Source]) -> pl.DataFrame:
    """Return the ledger: a row per file and table, in order of table and file.

    Raises
    ------
    SourceError
        If a row of any file is not accounted for. This is a fault of the toolkit, never of the data.

    Examples
    --------
    >>> build_ledger([Source("auth", "auth.csv", 3, 2, 1, 0, 120, "ab")])["accepted"].to_list()
    [2]
    """
    rows = list(sources)
    lost = [
        f"{s.file}: {s.rows} rows, {s.accepted} + {s.duplicate} + {s.quarantined} found" for s in rows if not s.balanced
    ]
    if lost:
        raise SourceError("rows were lost while reading: please report this, it is a fault of the toolkit", lost)
    if not rows:
        return empty(Ledger)
    names = ("table", "file", "rows", "accepted", "duplicate", "quarantined", "bytes", "sha256")
    frame = pl.DataFrame({name: [getattr(source, name) for source in rows] for name in names}).with_columns(
        pl.Series(name, [getattr(source, name) or None for source in rows], dtype=pl.String)
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        .cast(UTC)
        for name in ("first_at", "last_at")
    )
    return conform(frame.sort("table", "file"), Ledger)


def build_quarantine(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put the rows that were set aside in one table, in order of table, file, line.

    Examples
    --------
    >>> build_quarantine([]).columns
    ['table', 'file', 'line', 'reason', 'column', 'found', 'raw']
    """
    kept = [part.select(_QUARANTINE) for part in parts if part.height]
    if not kept:
        return empty(Quarantine)
    return conform(pl.concat(kept).sort("table", "file", "line", "reason", "raw"), Quarantine)


def note_losses(ledger: pl.DataFrame, quarantine: pl.DataFrame) -> list[str]:
    """Say loudly which tables lost more rows than the cap, why, where first, and what to do.

    Examples
    --------
    >>> note_losses(empty(Ledger), empty(Quarantine))
    []
    """
    notes: list[str] = []
    totals = ledger.group_by("table").agg(pl.col("rows", "quarantined").sum()).sort("table")
    for table, rows, lost in totals.iter_rows():
        asked = quarantine.filter((pl.col("table") == table) & (pl.col("reason") == "after_as_of")).height
        if rows and (lost - asked) / rows > CAPS.quarantine_rate:
            reasons = _reasons(quarantine.filter((pl.col("table") == table) & (pl.col("reason") != "after_as_of")))
            said = "; ".join(
                f"{reason} {n:,} (first at {place}): {REASONS[reason][1]}" for reason, n, place, _ in reasons
            )
            share = 100 * (lost - asked) / rows
            notes.append(
                f"WARNING: {visible(table)}: {lost - asked:,} of {rows:,} rows ({share:.1f} %) were set aside, "
                "over the limit of "
                f"{100 * CAPS.quarantine_rate:g} %. {said}"
            )
    return notes


def _reasons(quarantine: pl.DataFrame) -> list[tuple[str, int, str, str]]:
    """(reason, rows, first place, what was found there), most frequent first."""
    grouped = (
        quarantine.group_by("reason", maintain_order=True)
        .agg(pl.len().alias("n"), pl.first("file"), pl.first("line"), pl.first("column"), pl.first("found"))
        .sort("n", "reason", descending=[True, False])
    )
    return [
        (reason, n, f"{visible(file)}:{line}", f"{visible(column)}={found!r}" if column else repr(found))
        for reason, n, file, line, column, found in grouped.iter_rows()
    ]


def describe_ledger(dataset: Dataset) -> str:
    r"""Say in plain text what was read and what was set aside: what ``toolkit check`` prints.

    Parameters
    ----------
    dataset : Dataset
        From :func:`~toolkit.sources.read.read_data`.

    Returns
    -------
    str
        A table (a line per file), the reasons with counts and first places, and the notes. Text from data is visible.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from toolkit.sources.read import read_data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "account_id,event_at,kind\na,2026-01-05T10:00:00Z,login\n"
    ...     _ = (Path(folder) / "auth_events.csv").write_text(text)
    ...     print(describe_ledger(read_data(folder)))
    table        file             rows  accepted  duplicate  quarantined  first                last
    auth_events  auth_events.csv     1         1          0            0  2026-01-05 10:00:00  2026-01-05 10:00:00
    <BLANKLINE>
    1 row(s) in 1 file(s): 1 accepted + 0 duplicate + 0 quarantined = 1
    """
    ledger = dataset.ledger
    head = ("table", "file", "rows", "accepted", "duplicate", "quarantined", "first", "last")
    body = [
        (visible(t), visible(f), *(f"{n:,}" for n in counts), _short(first), _short(last))
        for t, f, *counts, first, last in ledger.select(
            "table", "file", "rows", "accepted", "duplicate", "quarantined",
            pl.col("first_at").dt.to_string("%Y-%m-%d %H:%M:%S"), pl.col("last_at").dt.to_string("%Y-%m-%d %H:%M:%S"),
        ).iter_rows()
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(w) if 2 <= i <= 5 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *body]
    ]
    rows, accepted, duplicate, quarantined = (
        int(ledger[c].sum()) for c in ("rows", "accepted", "duplicate", "quarantined")
    )
    lines += [
        "",
        f"{rows:,} row(s) in {ledger.height} file(s): {accepted:,} accepted + {duplicate:,} duplicate + "
        f"{quarantined:,} "
        f"quarantined = {rows:,}",
    ]
    if dataset.quarantine.height:
        lines += ["", "set aside:"]
        for reason, n, place, found in _reasons(dataset.quarantine):
            what, todo = REASONS.get(reason, (reason, "look at the quarantine table"))
            lines.append(f"  {reason}: {n:,} row(s): {what}; first at {place}, found {found}. To do: {todo}")
    if dataset.notes:
        lines += ["", "notes:", *(f"  {visible(note, 600)}" for note in dataset.notes)]
    return "\n".join(lines)


def _short(text: str | None) -> str:
    return text or "-"
