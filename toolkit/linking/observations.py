"""From any mapped table to the one table that linking reads: an account seen with a value.

Anything that yields ``(account_id, kind, value, first_at, last_at, n, source)`` can be linked; a user's own
function may add rows of a new kind, and declares the kind in the mapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.linking.coding import code_text, group_rows, hash_text, order_of
from toolkit.model.tables import UTC, Observations, conform, empty

if TYPE_CHECKING:
    from toolkit.sources.read import Dataset

__all__ = ["find_observations", "merge_observations"]

_KEY = ["account_id", "kind", "value", "source"]


def find_observations(data: Dataset | pl.DataFrame, *, kinds: Iterable[str] | None = None) -> pl.DataFrame:
    """Collect who was seen with what, from every mapped table.

    Parameters
    ----------
    data : Dataset or polars.DataFrame
        What :func:`toolkit.read_data` returned, or one frame with ``account_id``, optionally ``event_at`` and
        ``source``, and a column per indicator kind.
    kinds : iterable of str, optional
        Only these kinds; all that occur by default.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``, a row per account, kind, value and source. Nulls and empty strings are not
        observations. Order: account_id, kind, value, source.

    Raises
    ------
    InputError
        If the frame has no ``account_id`` or no column that could be an indicator, or a kind does not occur.

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "b"], "device": ["d1", "d1", None]})
    >>> find_observations(frame).select("account_id", "kind", "value", "n").rows()
    [('a', 'device', 'd1', 1), ('b', 'device', 'd1', 1)]
    """
    if isinstance(data, pl.DataFrame):
        parts = _from_frame(data)
    elif data.observations is not None:
        parts = [data.observations]
    else:
        parts = [
            _observe(frame, column, kind, table)
            for table, frame in sorted(data.tables.items())
            for kind, column in data.indicator_columns(table)
        ]
    found = merge_observations(parts)
    if kinds is None:
        return found
    wanted = sorted(set(kinds))
    present = found.get_column("kind").unique().to_list()
    absent = [kind for kind in wanted if kind not in present]
    if absent:
        raise InputError("; ".join(f"no observation of kind {kind!r}: {nearest(kind, present)}" for kind in absent))
    return found.filter(pl.col("kind").is_in(wanted))


def merge_observations(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Put observations from several places together, one row per account, kind, value and source.

    Parameters
    ----------
    parts : iterable of polars.DataFrame
        Frames that fit the contract ``Observations``.

    Returns
    -------
    polars.DataFrame
        Intervals united, counts summed. Order: account_id, kind, value, source.

    Examples
    --------
    >>> part = pl.DataFrame({"account_id": ["a"], "kind": ["ip"], "value": ["x"], "first_at": [None],
    ...                      "last_at": [None], "n": [2], "source": ["s"]})
    >>> merge_observations([part, part])["n"].to_list()
    [4]
    """
    frames = [conform(part, Observations) for part in parts if part.height]
    if not frames:
        return empty(Observations)
    return _in_order(pl.concat(frames))


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by account, kind, value and source, and make one of those that agree in all four."""
    coded = {name: code_text(rows.get_column(name)) for name in _KEY}
    order, start = order_of([(code, len(texts)) for code, texts in coded.values()])
    first = order[start]
    columns = {name: texts.gather(code[first]) for name, (code, texts) in coded.items()}
    counted = rows.select("first_at", "last_at", "n")
    if len(start) < len(order):
        group = np.repeat(np.arange(len(start)), np.diff(start, append=len(order)))
        counted = (
            counted.select(pl.all().gather(order))
            .with_columns(pl.Series("group", group))
            .group_by("group")
            .agg(pl.col("first_at").min(), pl.col("last_at").max(), pl.col("n").sum())
            .sort("group")
        )
    else:
        counted = counted.select(pl.all().gather(first))
    return pl.DataFrame(columns).hstack(counted.select("first_at", "last_at", "n")).select(list(Observations.columns()))


def _from_frame(frame: pl.DataFrame) -> list[pl.DataFrame]:
    if "account_id" not in frame.columns:
        raise InputError(f"a frame of observations needs 'account_id': {nearest('account_id', frame.columns)}")
    if {"kind", "value"} <= set(frame.columns):
        filled = frame.with_columns(
            pl.col("account_id").cast(pl.String),
            pl.col("value").cast(pl.String),
            *(pl.lit(None, UTC).alias(c) for c in ("first_at", "last_at") if c not in frame.columns),
            *([pl.lit(1, pl.Int64).alias("n")] if "n" not in frame.columns else []),
            *([pl.lit("frame").alias("source")] if "source" not in frame.columns else []),
        )
        return [filled.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))]
    indicators = [
        c for c in frame.columns if c not in ("account_id", "event_at", "source") and frame.schema[c] == pl.String
    ]
    if not indicators:
        raise InputError(
            "no text column beside 'account_id' could be an indicator: found "
            + (", ".join(f"{n} ({t})" for n, t in frame.schema.items() if n != "account_id") or "no other column")
            + "; name the columns by kind (ip, device, card, ...) and cast ids to strings"
        )
    source = "frame"
    return [_observe(frame, column, column, source) for column in indicators]


def _observe(frame: pl.DataFrame, column: str, kind: str, source: str) -> pl.DataFrame:
    """One indicator column of one table, as observations."""
    there = pl.col(column).is_not_null() & (pl.col(column) != "") & pl.col("account_id").is_not_null()
    at = pl.col("event_at") if "event_at" in frame.columns else pl.lit(None, UTC)
    rows = frame.lazy().filter(there).select("account_id", pl.col(column).alias("value"), at.alias("at")).collect()
    return _count(rows).select(
        "account_id", pl.lit(kind).alias("kind"), "value", "first_at", "last_at", "n", pl.lit(source).alias("source")
    )


def _count(rows: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of each account and value, and note the first and the last time."""
    key = [rows.get_column("account_id"), rows.get_column("value")]
    span = (
        pl.col("at").min().alias("first_at"),
        pl.col("at").max().alias("last_at"),
        pl.len().cast(pl.Int64).alias("n"),
    )
    grouped = group_rows(hash_text(key), hash_text(key, seed=1))
    if grouped is None:
        return rows.group_by("account_id", "value").agg(span)
    order, start = grouped
    group = pl.Series(np.repeat(np.arange(len(start)), np.diff(start, append=len(order)))).set_sorted()
    counted = rows.select(pl.col("at").gather(order)).with_columns(group.alias("group")).group_by("group").agg(span)
    first = order[start[counted.get_column("group").to_numpy()]]
    by_place = np.argsort(first)  # text that is picked in order of place is picked several times faster
    texts = rows.select(pl.col("account_id", "value").gather(first[by_place]))
    return texts.hstack(counted.drop("group").select(pl.all().gather(by_place)))
