"""What differs between two timelines: two runs of one report, two exports, two sources.

Rows are paired before they are compared, the surest way first; the k-th of several equal rows goes to the k-th. How an
event was delivered (its source, place, arrival, flags) is not what it says, and is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import polars as pl

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.model.tables import Events, conform
from toolkit.timeline.build import put_in_order

__all__ = ["diff_timelines"]

_KEYS: Final = ("event_id", "content")
_DELIVERY: Final = ("source", "sources", "event_id", "seq", "ingested_at", "raw_ref", "flags", "precision")
_SHOWN: Final = ("event_at", "account_id", "event", "source", "event_id")


def diff_timelines(
    a: pl.DataFrame,
    b: pl.DataFrame,
    *,
    key: Literal["event_id", "content"] = "event_id",
    columns: Iterable[str] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Say what was added, removed, changed or moved on the way from ``a`` to ``b``.

    Parameters
    ----------
    a, b : polars.DataFrame
        Contract ``Events``, rows in any order.
    key : {"event_id", "content"}
        What makes two rows one event. ``event_id``: the id, with account and verb where an id stands several times.
        ``content``: all compared columns; then nothing is *changed*, and an event that has another time has *moved*.
    columns : iterable of str, optional
        What is compared beside the time; default is all that both have, but for how an event was delivered.

    Returns
    -------
    changes : polars.DataFrame
        ``change`` (*added*, *removed*, *changed*, *moved*), ``event_at``, ``account_id``, ``event``, ``source``,
        ``event_id`` (of ``a``, or of ``b`` where added), ``event_id_b`` (null where removed), ``dt_s`` (seconds that it
        is later in ``b``; null where there is no pair) and ``columns``, the sorted list of those that changed. Equal
        rows are left out. Order: event_at, source, event_id, change.
    coverage : polars.DataFrame
        By source: ``in_a``, ``in_b``, ``same`` (rows of ``a`` that ``b`` has unchanged), ``first_a``, ``last_a``,
        ``first_b``, ``last_b`` (UTC). A change that is only a window's shows here. Order: source.

    Raises
    ------
    UnknownNameError
        If there is no such key.
    InputError
        If a column to compare does not exist in both.
    ContractError
        If a frame does not hold events.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, 0, 0, s, tzinfo=UTC) for s in (1, 2, 3)]
    >>> rows = {"event_at": at, "account_id": "a", "event": "login", "source": "app", "event_id": ["x", "y", "z"]}
    >>> rows |= {"seq": [1, 2, 3], "ingested_at": None, "precision": "s", "flags": 0, "value": None, "raw_ref": ""}
    >>> old = pl.DataFrame(rows)
    >>> later = pl.when(pl.col("event_id") == "y").then(pl.col("event_at") + timedelta(seconds=9)).otherwise("event_at")
    >>> changes, coverage = diff_timelines(old, old.with_columns(event_at=later).filter(pl.col("event_id") != "x"))
    >>> changes.select("change", "event_id", "dt_s").rows()
    [('removed', 'x', None), ('moved', 'y', 9.0)]
    >>> coverage.select("in_a", "in_b", "same").rows()
    [(3, 2, 1)]
    """
    if key not in _KEYS:
        raise UnknownNameError("key of a difference", key, _KEYS)
    a, b = (put_in_order(conform(frame, Events, keep_extra=True)) for frame in (a, b))
    compared = _compared(a, b, columns)
    a, b = _same_types(a, b, compared)
    ways = [["event_id", "account_id", "event"], ["event_id"]]
    if key == "content":
        ways = [[*compared, "event_at"], compared]
    pairs = _pair(a, b, ways)
    met = _compare(a, b, pairs, compared)
    alone = [
        _alone(a, pairs["row_a"], "removed"),
        _alone(b, pairs["row_b"], "added").with_columns(pl.col("event_id").alias("event_id_b")),
    ]
    changes = pl.concat([met.filter(pl.col("change") != "same"), *alone])
    return changes.sort("event_at", "source", "event_id", "change", "event_id_b"), _cover(a, b, met)


def _compared(a: pl.DataFrame, b: pl.DataFrame, columns: Iterable[str] | None) -> list[str]:
    both = [name for name in a.columns if name in b.columns and name not in (*_DELIVERY, "event_at")]
    if columns is None:
        return both
    wanted = sorted(set(columns))
    missing = [
        f"{which} has no column {visible(name)!r}"
        for name in wanted
        for which, frame in (("a", a), ("b", b))
        if name not in frame.columns
    ]
    if missing:
        raise InputError("; ".join(missing))
    return [name for name in wanted if name != "event_at"]


def _same_types(a: pl.DataFrame, b: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns that one run read as numbers and the other as text are compared as text."""
    other = [pl.col(name).cast(pl.String) for name in columns if a.schema[name] != b.schema[name]]
    return a.with_columns(other).with_row_index("row"), b.with_columns(other).with_row_index("row")


def _pair(a: pl.DataFrame, b: pl.DataFrame, ways: list[list[str]]) -> pl.DataFrame:
    """Pair rows by each way in turn, among those that are still alone: ``row_a``, ``row_b``."""
    pairs = pl.DataFrame(schema={"row_a": pl.UInt32, "row_b": pl.UInt32})
    for way in ways:
        left, right = (
            frame.join(pairs, left_on="row", right_on=taken, how="anti", maintain_order="left").select(
                pl.col("row").alias(taken), *way, pl.int_range(pl.len()).over(way).alias("_kth")
            )
            for frame, taken in ((a, "row_a"), (b, "row_b"))
        )
        met = left.join(right, on=[*way, "_kth"], nulls_equal=True)
        pairs = pl.concat([pairs, met.select(pairs.columns)])
    return pairs


def _compare(a: pl.DataFrame, b: pl.DataFrame, pairs: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Each pair with what became of it: same, changed, moved."""
    left, right = a[pairs["row_a"]], b[pairs["row_b"]]
    side = left.select(*_SHOWN).with_columns(
        right["event_id"].alias("event_id_b"),
        ((right["event_at"] - left["event_at"]).dt.total_microseconds() / 1e6).alias("dt_s"),
    )
    names = sorted(columns)
    differs = pl.DataFrame([left[name].ne_missing(right[name]).alias(name) for name in names])
    changed = differs.select(
        pl.concat_list([pl.when(name).then(pl.lit(name)) for name in names]).list.drop_nulls().alias("columns")
    ) if names else pl.DataFrame({"columns": [[]] * side.height}, schema={"columns": pl.List(pl.String)})  # fmt: skip
    change = (
        pl.when(pl.col("columns").list.len() > 0).then(pl.lit("changed"))
        .when(pl.col("dt_s") != 0).then(pl.lit("moved")).otherwise(pl.lit("same"))
    )  # fmt: skip
    return side.hstack(changed).select(change.alias("change"), *_SHOWN, "event_id_b", "dt_s", "columns")


def _alone(frame: pl.DataFrame, paired: pl.Series, change: str) -> pl.DataFrame:
    rest = frame.filter(~pl.col("row").is_in(paired.implode()))
    return rest.select(
        pl.lit(change).alias("change"), *_SHOWN, pl.lit(None, pl.String).alias("event_id_b"),
        pl.lit(None, pl.Float64).alias("dt_s"), pl.lit([], pl.List(pl.String)).alias("columns"),
    )  # fmt: skip


def _cover(a: pl.DataFrame, b: pl.DataFrame, met: pl.DataFrame) -> pl.DataFrame:
    sides = [
        frame.group_by("source").agg(
            pl.len().alias(f"in_{name}"),
            pl.min("event_at").alias(f"first_{name}"),
            pl.max("event_at").alias(f"last_{name}"),
        )
        for name, frame in (("a", a), ("b", b))
    ]
    same = met.filter(pl.col("change") == "same").group_by("source").agg(pl.len().alias("same"))
    whole = sides[0].join(sides[1], on="source", how="full", coalesce=True).join(same, on="source", how="left")
    counts = [pl.col(name).fill_null(0) for name in ("in_a", "in_b", "same")]
    return whole.select("source", *counts, "first_a", "last_a", "first_b", "last_b").sort("source")
