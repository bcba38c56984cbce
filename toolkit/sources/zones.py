"""Wall clocks to instants: time zones, and how the reading of a time ends.

Rows in the middle of being read carry ``i`` (their place in the input), microseconds, a precision, flags and a reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

from toolkit.errors import UnknownNameError
from toolkit.model.tables import TimeFlag

__all__ = ["FIRST", "LAST", "Rows", "failed", "find_zone", "known", "localise", "within_years"]

FIRST: Final = -62_135_596_800_000_000  # 0001-01-01
LAST: Final = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999

Rows: TypeAlias = pl.DataFrame
"""Rows in the middle of being read: i, us, precision, flags, reason."""


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Parameters
    ----------
    name : str
        ``Europe/London``, ``UTC``. Abbreviations such as ``EST`` that mean several zones are not accepted everywhere.

    Returns
    -------
    zoneinfo.ZoneInfo

    Raises
    ------
    UnknownNameError
        With the nearest zone that exists.

    Examples
    --------
    >>> find_zone("Europe/Lodnon")
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no time zone 'Europe/Lodnon': did you mean 'Europe/London'?
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownNameError("time zone", name, available_timezones()) from None


def localise(rows: pl.DataFrame, zone: str | None) -> Rows:
    """Wall-clock microseconds to UTC. Folds take the first instant, gaps keep the offset from before the gap."""
    if zone is None:
        return failed(rows, "time_naive_no_zone")
    wall = pl.col("us").cast(pl.Datetime("us"))
    local = rows.with_columns(
        wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").to_physical().alias("first"),
        wall.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").to_physical().alias("second"),
    )
    # Compiled zone tables end: outside these years, and in gaps, the zone's own rules are asked, time by time.
    usual = pl.col("first").is_not_null() & pl.col("us").is_between(86_400_000_000, 2_114_380_800_000_000)
    rest = local.filter(~usual.fill_null(value=False))
    asked = _ask_zone(rest["us"].unique().to_list(), find_zone(zone))
    local = pl.concat(
        [
            local.filter(usual).select("i", pl.col("first").alias("wide"), "precision", _fold_flag().alias("flags")),
            rest.join(asked, on="us", how="left", maintain_order="left").select("i", "wide", "precision", "flags"),
        ]
    )
    return within_years(local)


def _fold_flag() -> pl.Expr:
    naive, fold = TimeFlag.NAIVE_ASSUMED.value, TimeFlag.DST_FOLD.value
    return pl.when(pl.col("first") != pl.col("second")).then(naive | fold).otherwise(naive).cast(pl.UInt16)


def _ask_zone(walls: list[int], zone: ZoneInfo) -> pl.DataFrame:
    out: list[tuple[int, int | None, int]] = []
    for us in sorted(walls):
        wall = datetime(1970, 1, 1) + timedelta(microseconds=us)
        first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
        flags = TimeFlag.NAIVE_ASSUMED
        at = us - round((first.utcoffset() or timedelta()).total_seconds() * 1_000_000)
        if first.utcoffset() != second.utcoffset():
            # In a gap the earlier reading comes out later on the clock; in a fold both readings keep the wall time.
            later = us - round((second.utcoffset() or timedelta()).total_seconds() * 1_000_000)
            flags |= TimeFlag.DST_GAP if at > later else TimeFlag.DST_FOLD
        out.append((us, at if FIRST <= at <= LAST else None, flags.value))
    return pl.DataFrame(out, schema={"us": pl.Int64, "wide": pl.Int64, "flags": pl.UInt16}, orient="row")


def known(rows: pl.DataFrame) -> Rows:
    """Rows whose microseconds (``us``) are UTC already, with nothing assumed."""
    return within_years(rows.select("i", pl.col("us").alias("wide"), "precision", pl.lit(0, pl.UInt16).alias("flags")))


def within_years(rows: pl.DataFrame) -> Rows:
    """Keep instants of the years 1 to 9999; the others cannot be told from nonsense, nor printed."""
    good = pl.col("wide").is_between(FIRST, LAST).fill_null(value=False)
    return rows.select(
        pl.col("i").cast(pl.Int64),
        pl.when(good).then(pl.col("wide")).cast(pl.Int64).alias("us"),
        pl.when(good).then(pl.col("precision")).alias("precision"),
        pl.when(good).then(pl.col("flags")).otherwise(0).cast(pl.UInt16).alias("flags"),
        pl.when(~good).then(pl.lit("time_unrepresentable")).alias("reason"),
    )


def failed(rows: pl.DataFrame, reason: str) -> Rows:
    """Rows that could not be read, and why."""
    return rows.select(
        pl.col("i").cast(pl.Int64),
        pl.lit(None, pl.Int64).alias("us"),
        pl.lit(None, pl.String).alias("precision"),
        pl.lit(0, pl.UInt16).alias("flags"),
        pl.lit(reason).alias("reason"),
    )
