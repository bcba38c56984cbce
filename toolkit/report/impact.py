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
    ...     _ = (Path(folder) / "auth_events.csv").write_text("account_id,event_at,kind\\na,2026-01-05T10:00:00Z,login\\n")
    ...     data = read_data(folder)
    >>> measure_impact(data, ["a"]).row(0)
    ('accounts', 1.0, 1.0, 1.0, '')
    """
    events = data.events
    inside = pl.col("account_id").is_in(list(accounts))
    rows: list[tuple[str, float, float, str]] = [
        ("accounts", float(len(set(accounts))), float(events.get_column("account_id").n_unique()), "with any event"),
        ("events", float(events.filter(inside).height), float(events.height), ""),
    ]
    if not events.height:
        rows = [("accounts", float(len(set(accounts))), float(len(set(accounts))), "no events were read")]
    for name in ("requests", "payments"):
        if name in data.tables:
            table = data.tables[name]
            rows.append((name, float(table.filter(inside).height), float(table.height), ""))
    for name, column, words, unit, note in _SUMS:
        table = data.tables.get(name)
        if table is not None and column in table.columns and table.schema[column].is_numeric():
            mine, whole = (
                float(f.get_column(column).cast(pl.Int64).sum()) * unit for f in (table.filter(inside), table)
            )
            rows.append((words, round(mine, 6), round(whole, 6), note))
    table = data.tables.get("credits")
    if table is not None and "amount" in table.columns and table.schema["amount"].is_numeric():
        grants = table.filter(pl.col("event") == "credit.grant")
        mine, whole = (float(f.get_column("amount").cast(pl.Int64).sum()) for f in (grants.filter(inside), grants))
        rows.append(("credit granted", mine, whole, "in the unit of the credits table"))
    rows = [
        (words, mine, whole, "" if words == "accounts" and events.height else note) for words, mine, whole, note in rows
    ]
    return pl.DataFrame(
        [(words, mine, whole, round(mine / whole, 6) if whole else None, note) for words, mine, whole, note in rows],
        schema={
            "measure": pl.String,
            "of_set": pl.Float64,
            "of_all": pl.Float64,
            "share": pl.Float64,
            "note": pl.String,
        },
        orient="row",
    )
