"""One timeline from many tables: every event once, in one total order.

The order is event_at, source, seq, event_id. Events of one instant from different sources are concurrent: the order
between them is fixed, so that a re-run gives the same bytes, and claims nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import polars as pl

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import Events, TimeFlag, conform, empty

__all__ = ["build_timeline", "in_utc", "keep_in_range", "put_in_order", "window_faults"]

Dedup = Literal["id", "content", "near", "none"]
_DEDUP: Final = ("id", "content", "near", "none")
# What may differ between two deliveries of one thing that happened.
_DELIVERY: Final = ("source", "event_id", "seq", "ingested_at", "raw_ref", "flags", "precision")
_FLAT: Final = {"keep_nulls": False, "empty_as_null": False}


def build_timeline(
    *frames: pl.DataFrame,
    accounts: Iterable[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    dedup: Dedup = "id",
    near_s: float = 1.0,
) -> pl.DataFrame:
    """Merge frames of events into one timeline.

    Parameters
    ----------
    *frames : polars.DataFrame
        Contract ``Events``, with any further columns; a column that one frame lacks is null in its rows.
    accounts : iterable of str, optional
        Keep these accounts only. An account without events is an answer, not an error.
    start, end : datetime, optional
        With a zone; ``start`` <= event_at < ``end``.
    dedup : {"id", "content", "near", "none"}
        ``id``: rows with equal event_id, account and verb are one event, whichever source brought them. ``content``:
        rows equal in everything but how they were delivered are one. ``near``: the same, but the times may differ by
        ``near_s``, and each row is of another source: what one source says twice happened twice. The row that stands
        first in the order is kept.
    near_s : float
        Seconds between the row that is kept and another that is the same event, at most (inclusive).

    Returns
    -------
    polars.DataFrame
        Contract ``Events``, further columns after its own; ``near`` adds ``sources``, the sorted list of who saw the
        event. Order: event_at, source, seq, event_id.

    Raises
    ------
    UnknownNameError
        If there is no such way to find duplicates.
    InputError
        If a bound has no zone, the window ends before it starts, or ``near_s`` is negative.
    ContractError
        If a frame does not hold events.

    Examples
    --------
    >>> from datetime import UTC
    >>> def event(source, second, id):
    ...     at = datetime(2026, 1, 5, 0, 0, second, tzinfo=UTC)
    ...     row = {"event_at": at, "account_id": "a", "event": "login", "source": source, "event_id": id, "seq": 1}
    ...     row |= {"ingested_at": None, "precision": "s", "flags": 0, "value": None, "raw_ref": ""}
    ...     return pl.DataFrame(row)
    >>> merged = build_timeline(event("proxy", 3, "e2"), event("app", 3, "e1"), event("app", 5, "e2"))
    >>> merged.select("source", "event_id").rows()
    [('app', 'e1'), ('proxy', 'e2')]
    """
    if dedup not in _DEDUP:
        raise UnknownNameError("way to find duplicates", dedup, _DEDUP)
    for name, bound in (("start", start), ("end", end)):
        if bound is not None and bound.tzinfo is None:
            raise InputError(f"{name} has no time zone: {bound}; give it one, for example 2026-01-05T00:00:00Z")
    if not (math.isfinite(near_s) and near_s >= 0):
        raise InputError(f"near_s is {near_s}; want 0 or more seconds")
    if start is not None and end is not None and end <= start:
        raise InputError(f"the window ends ({end}) before it starts ({start}): swap them")
    parts = [conform(frame, Events, keep_extra=True) for frame in frames]
    whole = pl.concat(parts, how="diagonal_relaxed") if parts else empty(Events)
    keep = pl.lit(value=True)
    if start is not None:
        keep &= pl.col("event_at") >= in_utc(start)
    if end is not None:
        keep &= pl.col("event_at") < in_utc(end)
    if accounts is not None:
        keep &= pl.col("account_id").is_in(sorted(set(accounts)))
    ordered = put_in_order(whole.filter(keep))
    if dedup == "none":
        return ordered
    if dedup == "near":
        return _join_near(ordered, int(near_s * 1e6))
    same = ["event_id", "account_id", "event"]
    if dedup == "content":
        same = [name for name in ordered.columns if name not in _DELIVERY]
    # Most ids stand once: only rows whose id is seen again are compared.
    if dedup == "id" and not ordered["event_id"].is_duplicated().any():
        return ordered
    return ordered.filter(ordered.select(pl.struct(same).is_first_distinct()).to_series())


def put_in_order(events: pl.DataFrame) -> pl.DataFrame:
    """Sort events into their total order, the same for every order of the rows that come in.

    Parameters
    ----------
    events : polars.DataFrame
        Has the columns of ``Events``.

    Returns
    -------
    polars.DataFrame
        Order: event_at, source, seq, event_id, then raw_ref, account_id and event (which only broken data need).

    Examples
    --------
    >>> rows = {"event_at": [1, 1], "source": ["b", "a"], "seq": [1, 1], "event_id": ["x", "y"], "raw_ref": ["", ""]}
    >>> put_in_order(pl.DataFrame({**rows, "account_id": ["u", "u"], "event": ["e", "e"]}))["source"].to_list()
    ['a', 'b']
    """
    if events.height < 2:
        return events
    order = events["event_at"].arg_sort()
    asked = ["event_at"]
    for further in (["source", "seq"], ["event_id", "raw_ref", "account_id", "event"]):
        tied = _tied(events.select(asked)[order])
        if not tied.any():
            break
        asked += further
        # Only rows that are tied are asked for the longer key; sorted by it, they fill the places that they had.
        rows = order.filter(tied)
        settled = rows.gather(events.select(asked)[rows].select(pl.arg_sort_by(asked)).to_series())
        order = order.scatter(tied.arg_true(), settled)
    return events[order]


def _tied(ordered: pl.DataFrame) -> pl.Series:
    """Rows that are equal to the row before or after them in every column."""
    alike = pl.all_horizontal(pl.all() == pl.all().shift(1)).fill_null(value=False)
    return ordered.select(alike | alike.shift(-1, fill_value=False)).to_series()


def window_faults(start: datetime, end: datetime) -> list[str]:
    """What is wrong with the bounds of a window: a bound without a zone, or an end that is not after the start.

    Examples
    --------
    >>> window_faults(datetime(2026, 1, 5), datetime(2026, 1, 5))
    ['start has no time zone: 2026-01-05 00:00:00', 'end has no time zone: 2026-01-05 00:00:00']
    """
    faults = [f"{name} has no time zone: {at}" for name, at in (("start", start), ("end", end)) if at.tzinfo is None]
    return faults or ([f"the window ends ({end}) before it starts ({start})"] if end <= start else [])


def in_utc(at: datetime) -> datetime:
    """Tell a time in UTC, as the tables do: polars compares times of one zone only.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> in_utc(datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Asia/Tokyo"))).isoformat()
    '2026-01-05T00:00:00+00:00'
    """
    return at.astimezone(UTC)


def keep_in_range(events: pl.DataFrame) -> pl.DataFrame:
    """Leave out rows whose time is out of range (flag): they are kept in data, and no rhythm or order rests on them.

    Examples
    --------
    >>> keep_in_range(pl.DataFrame({"event_id": ["a", "b", "c"], "flags": [0, 16, 17]}))["event_id"].to_list()
    ['a']
    """
    return events.filter(pl.col("flags").cast(pl.UInt16) & TimeFlag.OUT_OF_RANGE.value == 0)


def _join_near(ordered: pl.DataFrame, near_us: int) -> pl.DataFrame:
    """Make rows of different sources one where their content is equal and their times are near.

    A row joins the first row that stands, is near, and was not seen by its source; a source's k-th of several goes to
    another source's k-th.
    """
    seen = pl.col("sources") if "sources" in ordered.columns else pl.concat_list("source")
    content = [name for name in ordered.columns if name not in (*_DELIVERY, "event_at", "sources")]
    rows = ordered.with_row_index("_row").with_columns(seen.fill_null(pl.concat_list("source")).alias("sources"))
    several = rows.filter(pl.struct(content).is_duplicated())
    groups = several.group_by(content, maintain_order=True).agg(
        "_row", "sources", pl.col("event_at").dt.epoch("us").alias("_at")
    )
    joined: dict[int, int] = {}
    for places, sources, times in groups.select("_row", "sources", "_at").iter_rows():
        joined |= _join_group(places, sources, times, near_us)
    if not joined:
        return rows.drop("_row")
    into = pl.col("_row").replace(list(joined), list(joined.values()))
    who = rows.group_by(into.alias("_row")).agg(pl.col("sources").list.explode(**_FLAT).unique().sort())
    return rows.drop("sources").join(who, on="_row", maintain_order="left").drop("_row")


def _join_group(rows: list[int], sources: list[list[str]], at: list[int], near_us: int) -> dict[int, int]:
    """Say of rows of one content, in order of time, which row each joins; rows that stand are not named."""
    standing: list[tuple[int, int, set[str]]] = []
    joined: dict[int, int] = {}
    for row, names, time in zip(rows, sources, at, strict=True):
        standing = [one for one in standing if time - one[1] <= near_us]
        host = next((one for one in standing if one[2].isdisjoint(names)), None)
        if host is None:
            standing.append((row, time, set(names)))
        else:
            host[2].update(names)
            joined[row] = host[0]
    return joined
