"""Reading times: whatever a source wrote, as an instant in UTC, with what had to be assumed to get there.

Each row is told by its own shape (a number, an ISO time, a month name), never by its neighbours, because one column
does hold seconds, milliseconds and ISO texts in real exports. The fields are cut out by one regular expression per
shape and turned into microseconds by integer arithmetic (civil calendar to day number), so that no parser's leniency,
locale or version takes part. A text without a zone is not read unless the mapping declares one: a guessed zone is a
wrong alibi.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import UTC as UTC_TYPE
from toolkit.model.tables import TimeFlag
from toolkit.sources.epochs import (
    TENTHS,
    UNITS,
    Unit,
    first_digits,
    read_decimals,
    read_odd_numbers,
    read_tenths,
    read_whole,
)
from toolkit.sources.zones import Rows, failed, find_zone, known, localise, within_years

__all__ = ["normalise_times"]


_Y2000 = 946_684_800_000_000
_Y2100 = 4_102_444_800_000_000
_DAY = 86_400_000_000

_ZONE = r"[ \t]*(Z|z|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
_ISO = (
    r"^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:(?:[Tt]|[ \t]+)([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,18}))?)?"
    + _ZONE
    + r")?$",
    r"^([0-9]{4})([0-9]{2})([0-9]{2})[Tt]([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:[.,]([0-9]{1,18}))?)?" + _ZONE + "$",
)
_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_CLOCK = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,18}))?"
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
# (pattern, the order in which its groups are: year month day hour minute second fraction zone)
_NAMED: Final = (
    (r"^\[?([0-9]{2})/(" + _NAMES + r")/([0-9]{4}):" + _CLOCK + _ZONE + r"\]?$", (3, 2, 1, 4, 5, 6, 7, 8)),
    (
        r"^" + _WEEKDAY + r"[ ]+(" + _NAMES + r")[ ]+([0-9]{1,2})[ ]+" + _CLOCK + _ZONE + r"[ ]+([0-9]{4})$",
        (8, 1, 2, 3, 4, 5, 6, 7),
    ),
    (
        r"^(?:" + _WEEKDAY + r",[ ]*)?([0-9]{1,2})[ ]+(" + _NAMES + r")[ ]+([0-9]{4})[ ]+" + _CLOCK + _ZONE + "$",
        (3, 2, 1, 4, 5, 6, 7, 8),
    ),
)  # fmt: skip
_YEARLESS: Final = r"^(" + _NAMES + r")[ ]+([0-9]{1,2})[ ]+" + _CLOCK + _ZONE + "$"
_HALF_YEAR_D: Final = 183
_FIELDS = ("year", "month", "day", "hour", "minute", "second", "fraction", "zone")
_PLAIN_NUMBER = r"^[+-]?[0-9]+$"
_ODD_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def normalise_times(
    texts: pl.Series,
    *,
    unit: Unit = "auto",
    zone: str | None = None,
    fmt: str | None = None,
    year: int | None = None,
    newest: datetime | None = None,
) -> pl.DataFrame:
    """Read a column of times as UTC instants, one output row per input row, in the input's order.

    Parameters
    ----------
    texts : polars.Series
        Strings as the source wrote them. Datetime, Date, integer and float columns of a typed source are taken too.
    unit : {"auto", "s", "ms", "us", "ns"}
        Unit of epoch numbers; ``auto`` tells it row by row from the magnitude and sets ``UNIT_GUESSED``.
    zone : str, optional
        IANA zone of times that carry none (``NAIVE_ASSUMED``). Without it such rows are not read. A wall-clock time
        that happened twice is taken as the first (``DST_FOLD``); one that never happened moves forward (``DST_GAP``).
    fmt : str, optional
        A format of Python's ``strptime``; texts that do not follow it are not read.
    year : int, optional
        Year of the first time that is written without one (syslog's "Jan 22 07:52:33"); where the calendar falls back
        by more than half a year the next one begins; a row of December in the January after is a late one
        (``YEAR_GUESSED``). Without it such rows are not read.
    newest : datetime, optional
        Latest time that is plausible, with a zone; default is the latest row between 2000 and 2100.

    Returns
    -------
    polars.DataFrame
        ``at`` Datetime(us, UTC), null where not read; ``precision`` (us, ms, s, min, day); ``flags`` UInt16, bits of
        :class:`~toolkit.model.tables.TimeFlag`; ``reason`` null where read, else ``time_missing``,
        ``time_naive_no_zone``, ``time_without_year``, ``time_unreadable`` or ``time_unrepresentable`` (outside the
        years 1 to 9999).
        Digits beyond the microsecond are cut off, downwards.

    Raises
    ------
    UnknownNameError
        For a zone or unit that does not exist.
    InputError
        For a ``newest`` without a zone.

    Examples
    --------
    >>> texts = pl.Series(["1658689261", "1658689261123", "2022-07-24T21:01:01+0200", "2022-07-24 19:01"])
    >>> out = normalise_times(texts)
    >>> out["at"].dt.to_string("%F %T").to_list()
    ['2022-07-24 19:01:01', '2022-07-24 19:01:01', '2022-07-24 19:01:01', None]
    >>> out["reason"].to_list()[-1], normalise_times(pl.Series(["2022-07-24 19:01"]), zone="Europe/Paris")["at"][0].hour
    ('time_naive_no_zone', 17)
    """
    if unit not in UNITS:
        raise UnknownNameError("unit of time", unit, UNITS)
    if newest is not None and newest.tzinfo is None:
        raise InputError(f"newest has no time zone: {newest}; give it one, for example datetime(..., tzinfo=UTC)")
    if year is not None and not 1 <= year <= 9_999:
        raise InputError(f"year is {year}; want one between 1 and 9999")
    if zone is not None:
        find_zone(zone)
    read = _by_type(texts, unit, zone, fmt, year)
    return _flag_range(read.sort("i"), newest).select(
        pl.col("us").cast(UTC_TYPE).alias("at"), "precision", "flags", "reason"
    )


def _by_type(texts: pl.Series, unit: Unit, zone: str | None, fmt: str | None, year: int | None) -> Rows:
    frame = pl.DataFrame({"i": pl.int_range(texts.len(), eager=True), "t": texts.alias("t")})
    missing = failed(frame.filter(pl.col("t").is_null()), "time_missing")
    there = frame.filter(pl.col("t").is_not_null())
    kind = texts.dtype
    if isinstance(kind, pl.Datetime):
        precision = "ms" if kind.time_unit == "ms" else "us"
        rows = there.select(
            "i", _whole_us(pl.col("t"), kind.time_unit).alias("us"), pl.lit(precision).alias("precision")
        )
        read = known(rows) if kind.time_zone else localise(rows, zone)
    elif kind == pl.Date:
        days = there.select(
            "i", (pl.col("t").to_physical().cast(pl.Int64) * _DAY).alias("us"), pl.lit("day").alias("precision")
        )
        read = localise(days, zone)
    elif kind.is_integer():
        read = read_whole(there.select("i", pl.col("t").cast(pl.Int128)), unit)
    elif kind.is_float():
        # Python's repr is the shortest text that is this float and no other; no engine's formatting takes part.
        as_text = [repr(v) for v in there["t"].cast(pl.Float64).to_list()]
        read = _by_shape(there.select("i", pl.Series("t", as_text, dtype=pl.String)), unit, zone, year)
    elif kind.is_nested() or kind in (pl.Binary, pl.Time, pl.Duration):
        read = failed(there, "time_unreadable")
    elif kind == pl.Null:
        read = failed(there, "time_missing")
    else:
        stripped = there.select("i", pl.col("t").cast(pl.String, strict=False).fill_null("?").str.strip_chars())
        blank = pl.col("t") == ""
        missing = pl.concat([missing, failed(stripped.filter(blank), "time_missing")])
        stripped = stripped.filter(~blank)
        read = _by_format(stripped, fmt, zone) if fmt else _by_shape(stripped, unit, zone, year)
    return pl.concat([missing, read])


def _whole_us(time: pl.Expr, unit: str) -> pl.Expr:
    physical = time.to_physical()
    return {"ms": physical * 1_000, "us": physical, "ns": physical.floordiv(1_000)}[unit]


def _by_shape(rows: pl.DataFrame, unit: Unit, zone: str | None, year: int | None) -> Rows:
    """Take each shape in turn; what no shape takes is unreadable."""
    done: list[Rows] = []

    def take(pattern: str, read: Callable[[pl.DataFrame], Rows]) -> None:
        nonlocal rows
        if not rows.height:
            return
        hit = rows["t"].str.contains(pattern)
        if hit.any():
            done.append(read(rows.filter(hit)))
            rows = rows.filter(~hit)

    order = tuple(range(1, 9))
    take(_ISO[0], lambda r: _calendar(r, _ISO[0], order, zone))
    take(_PLAIN_NUMBER, lambda r: read_decimals(r, unit))
    take(TENTHS, lambda r: read_tenths(r, unit))
    take(_ODD_NUMBER, lambda r: read_odd_numbers(r, unit))
    take(_ISO[1], lambda r: _calendar(r, _ISO[1], order, zone))
    for pattern, groups in _NAMED:
        take(pattern, partial(_calendar, pattern=pattern, order=groups, zone=zone))
    take(_YEARLESS, partial(_without_year, year=year, zone=zone))
    return pl.concat([*done, failed(rows, "time_unreadable")])


# ---------------------------------------------------------------- calendars


def _calendar(rows: pl.DataFrame, pattern: str, order: tuple[int, ...], zone: str | None) -> Rows:
    """Cut the fields out and count microseconds; ``order`` says which group is the year, the month, and so on."""
    cut = rows.select("i", pl.col("t").str.extract_groups(pattern).alias("g"))
    fields = cut.select("i", *(pl.col("g").struct.field(str(g)).alias(f) for f, g in zip(_FIELDS, order, strict=True)))
    if pattern not in _ISO:
        number = {name: f"{n:02}" for n, name in enumerate(_NAMES.split("|"), 1)}
        fields = fields.with_columns(pl.col("month").replace_strict(number, default=None, return_dtype=pl.String))
    parts = fields.with_columns(
        *(pl.col(f).cast(pl.Int64).fill_null(0) for f in ("year", "month", "day")),
        *(pl.col(f).cast(pl.Int64).fill_null(0).alias(f"{f}_n") for f in ("hour", "minute", "second")),
    )
    y, m, d = pl.col("year"), pl.col("month"), pl.col("day")
    leap = ((y % 4 == 0) & (y % 100 != 0)) | (y % 400 == 0)
    length = 30 + (m + (m > 7).cast(pl.Int64)) % 2 - (m == 2).cast(pl.Int64) * (2 - leap.cast(pl.Int64))
    exists = m.is_between(1, 12) & (d >= 1) & (d <= length)
    exists &= (pl.col("hour_n") < 24) & (pl.col("minute_n") < 60) & (pl.col("second_n") < 60)
    offset = pl.col("zone").str.replace_all(":", "")
    minutes = offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + offset.str.slice(3, 2).cast(
        pl.Int64, strict=False
    ).fill_null(0)
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    seconds = ((_day_number(y, m, d) * 24 + pl.col("hour_n")) * 60 + pl.col("minute_n")) * 60 + pl.col("second_n")
    n_digits = pl.col("fraction").str.len_bytes().fill_null(0)
    read = parts.select(
        "i",
        (seconds * 1_000_000 + first_digits("fraction", 6)).alias("local"),
        exists.alias("exists"),
        (y >= 1).alias("has_year"),
        pl.col("zone").is_null().alias("naive"),
        (sign * minutes).fill_null(0).alias("east"),
        pl.when(pl.col("hour").is_null()).then(pl.lit("day")).when(pl.col("second").is_null()).then(pl.lit("min"))
        .when(n_digits == 0).then(pl.lit("s")).when(n_digits <= 3).then(pl.lit("ms")).otherwise(pl.lit("us"))
        .alias("precision"),
    )  # fmt: skip
    unreadable = failed(read.filter(~pl.col("exists")), "time_unreadable")
    no_year = failed(read.filter(pl.col("exists") & ~pl.col("has_year")), "time_unrepresentable")
    read = read.filter(pl.col("exists") & pl.col("has_year"))
    zoned = read.filter(~pl.col("naive")).select(
        "i",
        (pl.col("local") - pl.col("east") * 60_000_000).alias("wide"),
        "precision",
        pl.lit(0, pl.UInt16).alias("flags"),
    )
    naive = read.filter(pl.col("naive")).select("i", pl.col("local").alias("us"), "precision")
    return pl.concat([unreadable, no_year, within_years(zoned), localise(naive, zone)])


def _without_year(rows: pl.DataFrame, year: int | None, zone: str | None) -> Rows:
    """Give each row the year that the order of the rows tells, and read it as if it had been written."""
    if year is None:
        return failed(rows, "time_without_year")
    rows = rows.sort("i")
    number = {name: n for n, name in enumerate(_NAMES.split("|"), 1)}
    cut = rows.select(pl.col("t").str.extract_groups(_YEARLESS).alias("g"))["g"].struct
    month, day = cut.field("1").replace_strict(number, return_dtype=pl.Int64), cut.field("2").cast(pl.Int64)
    step = (month * 31 + day).diff().fill_null(0).to_numpy()
    turns, turned = np.zeros(len(step), dtype=np.int64), 0
    for place in np.flatnonzero(np.abs(step) > _HALF_YEAR_D).tolist():
        if step[place] < 0:
            turns[place] = 1
        elif turned and month[place - 1] == 1 and month[place] == 12:
            turns[place] = -1
        turned += int(turns[place])
    dated = pl.DataFrame(
        {
            "i": rows["i"], "year": year + np.cumsum(turns), "month": month, "day": day,
            "clock": rows["t"].str.replace(r"^[A-Za-z]{3}[ ]+[0-9]{1,2}[ ]+", ""),
        }
    )  # fmt: skip
    texts = dated.select(
        "i",
        pl.format(
            "{}-{}-{} {}", pl.col("year").cast(pl.String).str.zfill(4), pl.col("month").cast(pl.String).str.zfill(2),
            pl.col("day").cast(pl.String).str.zfill(2), "clock",
        ).alias("t"),
    )  # fmt: skip
    read = _calendar(texts, _ISO[0], tuple(range(1, 9)), zone)
    guessed = pl.col("flags") | pl.lit(TimeFlag.YEAR_GUESSED.value, pl.UInt16)
    return read.with_columns(pl.when(pl.col("us").is_not_null()).then(guessed).otherwise("flags").alias("flags"))


def _day_number(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Days since 1970-01-01 in the Gregorian calendar (the year starts in March, so that leap days come last)."""
    y = year - (month <= 2).cast(pl.Int64)
    era = y.floordiv(400)
    of_era = y - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _by_format(rows: pl.DataFrame, fmt: str, zone: str | None) -> Rows:
    """A declared format, by Python's own strptime over the distinct texts."""
    precision = "us" if "%f" in fmt else "day"
    if precision == "day" and re.search(r"%[STcXrs]", fmt):
        precision = "s"
    elif precision == "day" and re.search(r"%[MR]", fmt):
        precision = "min"
    read: dict[str, tuple[int, bool]] = {}
    for text in rows["t"].unique():
        try:
            when = datetime.strptime(text, fmt)
            wall = when.replace(tzinfo=UTC) - (when.utcoffset() or timedelta())
        except (ValueError, OverflowError):
            continue
        read[text] = (_to_us(wall), when.tzinfo is not None)
    texts = pl.DataFrame(
        [(t, us, zoned) for t, (us, zoned) in read.items()],
        schema={"t": pl.String, "us": pl.Int64, "zoned": pl.Boolean},
        orient="row",
    )
    found = rows.join(texts, on="t", how="left", maintain_order="left").with_columns(
        pl.lit(precision).alias("precision")
    )
    zoned = known(found.filter(pl.col("zoned")).select("i", "us", "precision"))
    naive = localise(found.filter(~pl.col("zoned")).select("i", "us", "precision"), zone)
    return pl.concat([zoned, naive, failed(found.filter(pl.col("us").is_null()), "time_unreadable")])


def _flag_range(rows: Rows, newest: datetime | None) -> Rows:
    latest = _to_us(newest) if newest else rows.filter(pl.col("us").is_between(_Y2000, _Y2100))["us"].max()
    top = (int(latest) if isinstance(latest, int) else _Y2100) + _DAY
    odd = pl.col("us").is_not_null() & ~pl.col("us").is_between(_Y2000, top)
    flagged = pl.col("flags") | pl.lit(TimeFlag.OUT_OF_RANGE.value, pl.UInt16)
    return rows.with_columns(pl.when(odd).then(flagged).otherwise(pl.col("flags")).alias("flags"))


def _to_us(when: datetime) -> int:
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
