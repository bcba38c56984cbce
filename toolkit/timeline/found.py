"""What a timeline function gives back: claims that a report can quote, check and run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import polars as pl

from toolkit.model.tables import TimelineFindings, conform, empty

__all__ = ["keep_ids", "no_findings", "span_of_each", "write_findings"]

_KEPT: Final = 10
"""Evidence ids kept from either end of a claim: enough to open it, whatever it spans."""


def keep_ids(ids: str = "event_id") -> pl.Expr:
    """Aggregate event ids, in order of time, to the first ten and the last ten.

    Examples
    --------
    >>> rows = pl.DataFrame({"who": "a", "event_id": [f"e{i:02}" for i in range(30)]})
    >>> rows.group_by("who").agg(keep_ids())["evidence_ids"][0].to_list()[9:11]
    ['e09', 'e20']
    """
    both = pl.concat([pl.col(ids).head(_KEPT), pl.col(ids).slice(_KEPT).tail(_KEPT)])
    return both.alias("evidence_ids")


def span_of_each(ordered: pl.DataFrame, by: str) -> pl.DataFrame:
    """From when to when each account was seen, and by which events: ``account_id``, ``start_at``, ``end_at``, evidence.

    Examples
    --------
    >>> rows = pl.DataFrame({"who": ["a", "b", "a"], "event_at": [1, 2, 3], "event_id": ["x", "y", "z"]})
    >>> span_of_each(rows, "who").rows()
    [('a', 1, 3, ['x', 'z']), ('b', 2, 2, ['y'])]
    """
    rows = ordered.select(pl.col(by).alias("account_id"), "event_at", "event_id")
    span = pl.min("event_at").alias("start_at"), pl.max("event_at").alias("end_at")
    return rows.group_by("account_id", maintain_order=True).agg(*span, keep_ids())


def no_findings(**columns: pl.DataType | type[pl.DataType]) -> pl.DataFrame:
    """The contract without rows, with a kind's own columns."""
    return empty(TimelineFindings).with_columns(
        [pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items()]
    )


def write_findings(rows: pl.DataFrame, kind: str, params: Mapping[str, object]) -> pl.DataFrame:
    """Check claims of one kind against the contract and put them in order.

    Parameters
    ----------
    rows : polars.DataFrame
        ``account_id``, ``start_at``, ``end_at``, ``score``, ``confidence``, ``evidence_ids``, ``why``, and columns of
        the kind's own.
    kind : str
        What is claimed: ``burst``, ``silence``.
    params : mapping
        What was asked for, JSON values; keys are sorted.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings``, then the further columns. Order: start_at, account_id, kind, end_at.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> row = {"account_id": "a", "start_at": at, "end_at": at, "score": 1.0, "confidence": "low", "why": "one event"}
    >>> found = write_findings(pl.DataFrame([row | {"evidence_ids": ["e1"]}]), "burst", {"gamma": 1})
    >>> found.select("kind", "params").rows()
    [('burst', '{"gamma": 1}')]
    """
    said = json.dumps(dict(params), sort_keys=True)
    whole = rows.with_columns(kind=pl.lit(kind), params=pl.lit(said))
    order = ["start_at", "account_id", "kind", "end_at", "why"]
    return conform(whole, TimelineFindings, keep_extra=True).sort(order, maintain_order=True)
