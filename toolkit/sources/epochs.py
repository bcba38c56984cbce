"""Epoch numbers to microseconds: the unit is declared, or told row by row from the magnitude."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias

import polars as pl

from toolkit.model.tables import TimeFlag
from toolkit.sources.zones import FIRST, LAST, Rows, within_years

__all__ = ["TENTHS", "UNITS", "Unit", "first_digits", "read_decimals", "read_odd_numbers", "read_tenths", "read_whole"]

Unit: TypeAlias = Literal["auto", "s", "ms", "us", "ns"]
UNITS: Final[tuple[Unit, ...]] = ("auto", "s", "ms", "us", "ns")
TENTHS: Final = r"^\+?([0-9]+)\.([0-9]*)$"

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Up to these magnitudes a number is seconds, milliseconds, microseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
_BANDS: Final = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))


def read_decimals(rows: pl.DataFrame, unit: Unit) -> Rows:
    """Read texts of digits (column ``t``)."""
    return read_whole(rows.select("i", pl.col("t").str.strip_prefix("+").cast(pl.Int128, strict=False)), unit)


def read_whole(rows: pl.DataFrame, unit: Unit) -> Rows:
    """Read whole numbers (column ``t``, Int128; null where there were too many digits)."""
    return _scale(rows.select("i", "t", pl.lit("").alias("digits")), unit)


def read_tenths(rows: pl.DataFrame, unit: Unit) -> Rows:
    """Read texts of digits with a decimal point (column ``t``)."""
    groups = pl.col("t").str.extract_groups(TENTHS)
    return _scale(
        rows.select(
            "i",
            groups.struct.field("1").cast(pl.Int128, strict=False).alias("t"),
            groups.struct.field("2").alias("digits"),
        ),
        unit,
    )


def _scale(rows: pl.DataFrame, unit: Unit) -> Rows:
    """Scale to microseconds: the whole part ``t`` (null: too many digits) and the ``digits`` after it."""
    named = rows.with_columns(_unit_of(pl.col("t"), unit).alias("unit"))
    # floor(t * 1e6 / per) + the fraction's digits that still count in microseconds
    whole = (
        pl.when(unit=pl.lit("s")).then(pl.col("t") * 1_000_000)
        .when(unit=pl.lit("ms")).then(pl.col("t") * 1_000)
        .when(unit=pl.lit("us")).then(pl.col("t"))
        .otherwise(pl.col("t").floordiv(1_000))
    )  # fmt: skip
    places = pl.when(unit=pl.lit("s")).then(6).when(unit=pl.lit("ms")).then(3).otherwise(0)
    small = pl.col("t").abs() < 10**22  # keeps the product inside 128 bits
    n_digits = pl.col("digits").str.len_bytes()
    tail = (
        pl.when(unit=pl.lit("s"))
        .then(first_digits("digits", 6))
        .when(unit=pl.lit("ms"))
        .then(first_digits("digits", 3))
        .otherwise(0)
    )
    precision = (
        pl.when((unit_is := pl.col("unit")) == "s")
        .then(pl.when(n_digits == 0).then(pl.lit("s")).when(n_digits <= 3).then(pl.lit("ms")).otherwise(pl.lit("us")))
        .when((unit_is == "ms") & ((n_digits == 0) | (places == 0)))
        .then(pl.lit("ms"))
        .otherwise(pl.lit("us"))
    )
    out = named.select(
        "i",
        pl.when(small).then(whole + tail.cast(pl.Int128)).alias("wide"),
        precision.alias("precision"),
        pl.lit(TimeFlag.UNIT_GUESSED.value if unit == "auto" else 0, pl.UInt16).alias("flags"),
    )
    return within_years(out)


def _unit_of(number: pl.Expr, unit: Unit) -> pl.Expr:
    if unit != "auto":
        return pl.lit(unit)
    size = number.abs()
    (s, _), (ms, _), (us, _) = _BANDS
    return (
        pl.when(size < s).then(pl.lit("s")).when(size < ms).then(pl.lit("ms")).when(size < us).then(pl.lit("us"))
        .otherwise(pl.lit("ns"))
    )  # fmt: skip


def first_digits(column: str, places: int) -> pl.Expr:
    """First digits of a fraction as a number: "5" at six places is 500000."""
    return pl.col(column).fill_null("").str.slice(0, places).str.pad_end(places, "0").cast(pl.Int64)


def read_odd_numbers(rows: pl.DataFrame, unit: Unit) -> Rows:
    """Negative fractions and powers of ten: rare, so by decimal arithmetic, a value at a time."""
    out: list[tuple[int, int | None, str]] = []
    for i, text in rows.iter_rows():
        number = _decimal(text)
        if number is None:
            out.append((i, None, "s"))
            continue
        of = unit if unit != "auto" else next((u for top, u in _BANDS if abs(int(number)) < top), "ns")
        digits = max(0, -int(number.normalize().as_tuple().exponent)) if number else 0
        precision = of if of in ("s", "ms") else "us"
        if of == "s" and digits:
            precision = "ms" if digits <= 3 else "us"
        if of == "ms" and digits:
            precision = "us"
        out.append((i, int((number * 1_000_000 / _PER_SECOND[of]).to_integral_value("ROUND_FLOOR")), precision))
    frame = pl.DataFrame(
        [(i, None if us is None or not FIRST <= us <= LAST else us, p) for i, us, p in out],
        schema={"i": pl.Int64, "wide": pl.Int64, "precision": pl.String},
        orient="row",
    )
    flag = TimeFlag.UNIT_GUESSED.value if unit == "auto" else 0
    return within_years(frame.with_columns(pl.lit(flag, pl.UInt16).alias("flags")))


def _decimal(text: str) -> Decimal | None:
    """The number, or None where its size alone says that it is no time."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimals hold
        return None
    if not number.is_finite() or number.adjusted() > 21:
        return None
    return Decimal(0) if number.adjusted() < -30 else number
