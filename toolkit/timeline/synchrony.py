"""Who acts on the same object at the same time, and how much of it chance alone would give.

One co-action in a window is worth nothing: with busy objects and busy hours, strangers coincide. So the count is
always given beside what the same events give when accounts are shuffled within the hour; only repeats are a signal.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, nearest

__all__ = ["count_chance_pairs", "find_synchrony"]


def find_synchrony(events: pl.DataFrame, *, object_column: str = "object", window_s: float = 60.0) -> pl.DataFrame:
    """Find pairs of accounts that act on the same object within a window.

    Parameters
    ----------
    events : polars.DataFrame
        ``account_id``, ``event_at`` (UTC) and the object's column.
    object_column : str
        What is acted on: a shared url, a post, a prompt template.
    window_s : float
        Seconds between the two actions, at most (inclusive).

    Returns
    -------
    polars.DataFrame
        ``account_a`` < ``account_b``, ``objects`` (distinct objects acted on together), ``first_at``, ``last_at`` (of
        the earlier action). Order: objects descending, account_a, account_b.

    Raises
    ------
    InputError
        If the column does not exist or the window is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, 0, s, tzinfo=UTC) for s in (0, 30, 59)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "event_at": at, "object": ["x", "x", "y"]})
    >>> find_synchrony(frame).select("account_a", "account_b", "objects").rows()
    [('a', 'b', 1)]
    """
    if object_column not in events.columns:
        raise InputError(f"no column {object_column!r} in these events: {nearest(object_column, events.columns)}")
    if not window_s > 0:
        raise InputError(f"a window is a positive number of seconds, found {window_s}")
    rows = events.filter(pl.col(object_column).is_not_null() & pl.col("event_at").is_not_null())
    if rows.is_empty():
        none = np.empty(0, dtype=np.int64)
        return _as_table(none, none, none, none, pl.Series([], dtype=pl.String))
    accounts = rows.get_column("account_id").unique().sort()
    coded = (
        rows.select(
            pl.col("account_id").replace_strict(accounts, pl.int_range(len(accounts), eager=True)).alias("account"),
            pl.col(object_column).rank("dense").cast(pl.Int64).alias("object"),
            pl.col("event_at").cast(pl.Int64).alias("at"),
        )
        .unique()
        .sort("object", "at", "account")
    )
    object_code, at, account = (coded.get_column(c).to_numpy() for c in ("object", "at", "account"))
    first, second = _within(object_code, at, int(window_s * 1e6))
    a = np.minimum(account[first], account[second])
    b = np.maximum(account[first], account[second])
    apart = a != b
    return _as_table(a[apart], b[apart], object_code[first[apart]], at[first[apart]], accounts)


def count_chance_pairs(
    events: pl.DataFrame,
    *,
    object_column: str = "object",
    window_s: float = 60.0,
    min_objects: tuple[int, ...] = (1, 2),
    draws: int = 99,
    seed: int = 0,
) -> pl.DataFrame:
    """Count the pairs that chance gives: the same events, accounts shuffled within each hour.

    Parameters
    ----------
    events, object_column, window_s
        As for :func:`find_synchrony`.
    min_objects : tuple of int
        Count pairs with at least so many distinct objects.
    draws : int
        Shuffles.
    seed : int
        Of the shuffles.

    Returns
    -------
    polars.DataFrame
        ``min_objects``, ``observed``, ``chance_mean``, ``chance_max``, ``p`` (share of draws that reach the observed
        count, one added to both). Order: min_objects.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, 0, s, tzinfo=UTC) for s in (0, 30, 59)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "event_at": at, "object": ["x", "x", "y"]})
    >>> count_chance_pairs(frame, draws=3)["observed"].to_list()
    [1, 0]
    """
    observed = find_synchrony(events, object_column=object_column, window_s=window_s)
    rows = events.select("account_id", "event_at", object_column).sort("event_at", "account_id", object_column)
    hour = rows.get_column("event_at").dt.truncate("1h").cast(pl.Int64).to_numpy()
    counts = np.zeros((draws, len(min_objects)))
    for draw in range(draws):
        luck = np.random.default_rng([seed, draw]).random(rows.height)
        order = np.lexsort((luck, hour))  # rows are in time order, so hours stay in place and accounts move within them
        shuffled = rows.with_columns(rows.get_column("account_id").gather(order))
        found = find_synchrony(shuffled, object_column=object_column, window_s=window_s)
        counts[draw] = [(found.get_column("objects") >= floor).sum() for floor in min_objects]
    seen = [int((observed.get_column("objects") >= floor).sum()) for floor in min_objects]
    return pl.DataFrame(
        {
            "min_objects": list(min_objects),
            "observed": seen,
            "chance_mean": np.round(counts.mean(axis=0), 3).tolist(),
            "chance_max": counts.max(axis=0).astype(int).tolist(),
            "p": np.round((1 + (counts >= np.array(seen)).sum(axis=0)) / (1 + draws), 6).tolist(),
        }
    )


def _within(
    group: NDArray[np.int64], at: NDArray[np.int64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of rows of one group at most a window apart; rows are sorted by group, then time."""
    span = int(at.max() - at.min()) + window + 1
    axis = (group - group.min()) * span + (at - at.min())
    end = np.searchsorted(axis, axis + window, side="right")
    number = end - np.arange(len(axis)) - 1
    first = np.repeat(np.arange(len(axis)), number)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(number) - number, number)
    return first, first + 1 + offset


def _as_table(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    objects: NDArray[np.int64],
    at: NDArray[np.int64],
    accounts: pl.Series,
) -> pl.DataFrame:
    names = accounts.to_frame("name").with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    return (
        pl.DataFrame({"a": a, "b": b, "object": objects, "at": at})
        .group_by("a", "b")
        .agg(
            pl.col("object").n_unique().cast(pl.Int64).alias("objects"),
            pl.col("at").min().cast(pl.Datetime("us", "UTC")).alias("first_at"),
            pl.col("at").max().cast(pl.Datetime("us", "UTC")).alias("last_at"),
        )
        .join(names.rename({"name": "account_a"}), left_on="a", right_on="code")
        .join(names.rename({"name": "account_b"}), left_on="b", right_on="code")
        .select("account_a", "account_b", "objects", "first_at", "last_at")
        .sort(["objects", "account_a", "account_b"], descending=[True, False, False])
    )
