"""How big it is: what the accounts did and cost, from whichever tables can say."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from toolkit.sources.read import Dataset

__all__ = ["measure_impact"]

_SUMS = (
    ("requests", "in_tok", "input tokens", 1.0, ""),
    ("requests", "out_tok", "output tokens", 1.0, ""),
    ("requests", "cost_micros", "compute cost", 1e-6, "currency units of the requests table"),
)


def measure_impact(data: Dataset, accounts: Sequence[str]) -> pl.DataFrame:
    """Count what a set of accounts did, against everybody.

    Parameters
    ----------
    data : Dataset
        As read; tables that are missing are left out.
    accounts : sequence of str
        The set.

    Returns
    -------
    polars.DataFrame
        ``measure``, ``of_set``, ``of_all``, ``share`` (0 to 1), ``note``. Order: as a reader asks for it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from toolkit.sources.read import read_data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "account_id,event_at,kind\\na,2026-01-05T10:00:00Z,login\\n"
    ...     _ = (Path(folder) / "auth_events.csv").write_text(text)
    ...     data = read_data(folder)
    >>> measure_impact(data, ["a"]).row(0)
    ('accounts', 1.0, 1.0, 1.0, '')
    """
    inside = pl.col("account_id").is_in(sorted(set(accounts)))
    seen = data.observations if data.observations is not None else data.events
    everybody = seen.get_column("account_id").n_unique()
    rows: list[tuple[str, float, float, str]] = [("accounts", len(set(accounts)), everybody, "")]
    if data.observations is None:
        rows.append(("events", data.events.filter(inside).height, data.events.height, ""))
    for name in ("requests", "payments"):
        if name in data.tables:
            table = data.tables[name]
            rows.append((name, table.filter(inside).height, table.height, ""))
    for name, column, words, unit, note in _SUMS:
        counted = data.tables.get(name)
        if counted is not None and column in counted.columns and counted.schema[column].is_numeric():
            rows.append((words, _sum(counted.filter(inside), column) * unit, _sum(counted, column) * unit, note))
    credit = data.tables.get("credits")
    if credit is not None and "amount" in credit.columns and credit.schema["amount"].is_numeric():
        grants = credit.filter(pl.col("event") == "credit.grant")
        mine, whole = _sum(grants.filter(inside), "amount"), _sum(grants, "amount")
        rows.append(("credit granted", mine, whole, "in the unit of the credits table"))
    return pl.DataFrame(
        [
            (words, round(float(mine), 6), round(float(whole), 6), round(mine / whole, 6) if whole else None, note)
            for words, mine, whole, note in rows
        ],
        schema={
            "measure": pl.String,
            "of_set": pl.Float64,
            "of_all": pl.Float64,
            "share": pl.Float64,
            "note": pl.String,
        },
        orient="row",
    )


def _sum(table: pl.DataFrame, column: str) -> float:
    """Whole numbers are added up as such, so that the order of rows cannot show."""
    values = table.get_column(column)
    return float(values.sum()) if values.dtype.is_integer() else round(float(values.fill_nan(None).sum()), 6)
