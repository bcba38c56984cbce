"""Data that are observations already: the one table that linking reads, brought by the company itself."""

from __future__ import annotations

import polars as pl

from toolkit.model.tables import UTC, Observations, conform
from toolkit.sources.faults import Faults, fates
from toolkit.sources.ids import as_id, write_rows
from toolkit.sources.mapping import TimeColumn
from toolkit.sources.normalise import Normalised, first_time

__all__ = ["normalise_observations"]


def normalise_observations(table: str, raw: pl.DataFrame, places: pl.DataFrame) -> Normalised:
    """Read a table of observations: account_id, kind, value, and first_at, last_at, n, source where they are there.

    Parameters
    ----------
    table : str
        Its name; the ``source`` of rows that name none.
    raw, places : polars.DataFrame
        The rows, and ``file`` and ``line`` of each.

    Returns
    -------
    Normalised
        ``frame`` keeps the contract ``Observations``. Rows without account, kind or value are set aside, and rows with
        a time that is not blank and cannot be read.

    Examples
    --------
    >>> raw = pl.DataFrame({"account_id": ["a", "b"], "kind": ["ip", "ip"], "value": ["::1", None]})
    >>> out = normalise_observations("observations", raw, pl.DataFrame({"file": ["o", "o"], "line": [1, 2]}))
    >>> out.frame.rows(), out.quarantine["reason"].to_list()
    ([('a', 'ip', '::1', None, None, 1, 'observations')], ['kind_or_value_missing'])
    """
    faults = Faults(raw.height)
    ids: dict[str, pl.Series] = {}
    for name in ("account_id", "kind", "value"):
        ids[name], inexact = as_id(raw[name])
        faults.mark(inexact, "id_not_exact", name, raw[name])
    faults.mark(ids["account_id"].is_null(), "account_missing", "account_id", ids["account_id"])
    faults.mark(ids["kind"].is_null() | ids["value"].is_null(), "kind_or_value_missing", "value", ids["value"])
    times: dict[str, pl.Series] = {}
    for name in ("first_at", "last_at"):
        read = first_time((TimeColumn(column=name),), raw, None)
        bad = read["reason"].is_not_null() & (read["reason"] != "time_missing")
        faults.mark_reasons(read["reason"].set(~bad.fill_null(value=False), None), read["found_in"], read["found"])
        times[name] = read["at"].cast(UTC)
    count = pl.Series([1], dtype=pl.Int64).new_from_index(0, raw.height)
    if "n" in raw.columns:
        count = raw["n"].cast(pl.Int64, strict=False).fill_null(1).clip(1)
    source = pl.Series([table], dtype=pl.String).new_from_index(0, raw.height)
    if "source" in raw.columns:
        source = as_id(raw["source"])[0].fill_null(table)
    built = pl.DataFrame({**ids, **times, "n": count, "source": source})
    turned = pl.col("first_at") > pl.col("last_at")
    built = built.with_columns(
        pl.when(turned).then("last_at").otherwise("first_at").alias("first_at"),
        pl.when(turned).then("first_at").otherwise("last_at").alias("last_at"),
    )
    good = faults.reason.is_null()
    duplicate = good & ~write_rows(raw).is_first_distinct()
    accepted = built.filter(good & ~duplicate).sort(built.columns)
    flipped = built.filter(good).select(turned).to_series().sum()
    notes = (f"{table}: {flipped:,} rows end before they start",) if flipped else ()
    accepted = conform(accepted.sort("account_id", "kind", "value", "source", "first_at", "last_at", "n"), Observations)
    return Normalised(accepted, fates(places, good, duplicate), faults.rows(table, raw, places), notes)
