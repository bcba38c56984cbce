"""Times: the vectorised reader against a slow one that reads one text at a time, and the truths of the fixtures."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import TimeFlag
from toolkit.sources.time import normalise_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MONTHS = {name: n for n, name in enumerate(NAMES, 1)}
ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)? *(Z|[+-]\d\d(?::?\d\d)?)?)?")
CLF = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})")


def normalise_one(text: str | None, unit: str, zone: str | None) -> tuple[int | None, int, str | None]:
    """(microseconds, flags, reason) of one text, in plain Python."""
    if text is None or not text.strip():
        return None, 0, "time_missing"
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text, re.ASCII):
        number = Decimal(text)
        if abs(number) >= 10**22:
            return None, 0, "time_unrepresentable"
        bands = (("s", 10**11), ("ms", 10**14), ("us", 10**17), ("ns", 10**30))
        of = unit if unit != "auto" else next(u for u, top in bands if abs(int(number)) < top)
        scale = {"s": 10**6, "ms": 10**3, "us": 1, "ns": Decimal("0.001")}[of]
        us = int((number * scale).to_integral_value("ROUND_FLOOR"))
        if not -62_135_596_800_000_000 <= us <= 253_402_300_799_999_999:
            return None, 0, "time_unrepresentable"
        return us, TimeFlag.UNIT_GUESSED if unit == "auto" else 0, None
    if hit := CLF.fullmatch(text):
        d, m, y, hh, mm, ss, offset = hit.groups()
        fields, fraction = (int(y), MONTHS.get(m, 0), int(d), int(hh), int(mm), int(ss)), ""
    elif hit := ISO.fullmatch(text):
        *head, fraction, offset = hit.groups()
        fields = tuple(int(f or 0) for f in head)
        fraction = fraction or ""
    else:
        return None, 0, "time_unreadable"
    try:
        wall = datetime(*fields) + timedelta(microseconds=int((fraction + "000000")[:6]))
    except ValueError:
        return None, 0, "time_unrepresentable" if fields[0] == 0 else "time_unreadable"
    if offset:
        digits = offset.replace(":", "").lstrip("+-Z").ljust(4, "0")
        east = (-1 if offset[0] == "-" else 1) * (int(digits[:2]) * 60 + int(digits[2:]))
        us = (wall.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) - east * 60_000_000
        inside = -62_135_596_800_000_000 <= us <= 253_402_300_799_999_999
        return (us, 0, None) if inside else (None, 0, "time_unrepresentable")
    if zone is None:
        return None, 0, "time_naive_no_zone"
    flags = TimeFlag.NAIVE_ASSUMED
    first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    us = (wall.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    us -= first.utcoffset() // timedelta(microseconds=1)
    if first.utcoffset() != second.utcoffset():
        back = first.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        flags |= TimeFlag.DST_FOLD if back == wall else TimeFlag.DST_GAP
    if not -62_135_596_800_000_000 <= us <= 253_402_300_799_999_999:
        return None, 0, "time_unrepresentable"
    return us, flags, None


ZONES = ["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
walls = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
recent = st.datetimes(datetime(1995, 1, 1), datetime(2036, 12, 30))
# Hours around the changes of clocks, where one reading in two hours is a fold or a gap.
folds = st.builds(
    lambda day, minute: day + timedelta(minutes=minute),
    st.sampled_from([datetime(2021, 10, 31), datetime(2021, 3, 28), datetime(2021, 11, 7), datetime(2021, 3, 14)]),
    st.integers(0, 240),
)
offsets = st.sampled_from(["", "", "Z", "+00:00", "+0000", "+01", "-0930", "+05:45", "-23:59"])
iso = st.builds(
    lambda wall, sep, fraction, offset: (
        wall.strftime("%Y-%m-%d").rjust(10, "0") + f"{sep}{wall:%H:%M:%S}{fraction}{offset}"
    ),
    walls | recent | folds,
    st.sampled_from(["T", " ", "  "]),
    st.sampled_from(["", ".5", ".123", ".123456", ".999999999"]),
    offsets,
)
clf = st.builds(lambda w: w.strftime("%d/") + list(MONTHS)[w.month - 1] + w.strftime("/%Y:%H:%M:%S +0100"), recent)
numbers = st.integers(-(10**12), 10**20).map(str) | st.sampled_from(["1e9", "-1.5", "1658689261.123456789", "0", "+7"])
odd = st.sampled_from(
    [None, "", "  ", "0000-01-01T00:00:00Z", "2021-02-29", "2024-13-01 00:00", "2024-02-29", "NaN", "٣٣"]
)
texts = st.lists(iso | clf | numbers | odd, min_size=10, max_size=30)


@settings(max_examples=1000, deadline=None)
@given(texts, st.sampled_from(["auto", "s", "ms", "us", "ns"]), st.sampled_from([None, *ZONES]))
def test_every_row_reads_as_it_would_alone(column: list[str | None], unit: str, zone: str | None) -> None:
    """Mixed units, zones, folds and rubbish in one column read as the slow reader reads each of them.

    A thousand columns of ten rows and more: each row comes out, read or with its reason.
    """
    out = normalise_times(pl.Series(column, dtype=pl.String), unit=unit, zone=zone)  # type: ignore[arg-type]
    want = [normalise_one(text, unit, zone) for text in column]
    assert out["at"].to_physical().to_list() == [us for us, _, _ in want]
    without_range = [flags & ~TimeFlag.OUT_OF_RANGE for flags in out["flags"].to_list()]
    assert without_range == [flags for _, flags, _ in want]
    assert out["reason"].to_list() == [reason for _, _, reason in want]
    assert (out["at"].is_not_null() != out["reason"].is_not_null()).all()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1331698658000000", "2012-03-14 04:17:38.000000"),
        ("1658689261", "2022-07-24 19:01:01.000000"),
        ("1658689261123", "2022-07-24 19:01:01.123000"),
        ("1658689261123456", "2022-07-24 19:01:01.123456"),
        ("2022-07-24T19:01:01+0000", "2022-07-24 19:01:01.000000"),
        ("2012-01-22T08:52:33+01:00", "2012-01-22 07:52:33.000000"),
        ("2026-07-02T17:47:57.955519754+00:00", "2026-07-02 17:47:57.955519"),
        ("01/Jan/2022:10:00:00 +0000", "2022-01-01 10:00:00.000000"),
        ("1601-01-01T00:00:00Z", "1601-01-01 00:00:00.000000"),
    ],
)
def test_known_times(text: str, at: str) -> None:
    out = normalise_times(pl.Series([text]))
    assert out["at"].dt.to_string("%Y-%m-%d %H:%M:%S%.6f").to_list() == [at]


def test_a_time_without_a_zone_is_not_read_until_one_is_declared() -> None:
    text = pl.Series(["Mon Jun  6 18:43:28 2016", "2017-09-24 19:01:01"])
    assert normalise_times(text)["reason"].to_list() == ["time_naive_no_zone"] * 2
    read = normalise_times(text, zone="Europe/Paris")
    assert read["at"].dt.hour().to_list() == [16, 17]
    assert read["flags"].to_list() == [TimeFlag.NAIVE_ASSUMED] * 2


def test_clocks_that_change() -> None:
    """London 2021: 01:30 on 31 October happened twice, 01:30 on 28 March never."""
    read = normalise_times(pl.Series(["2021-10-31 01:30:00", "2021-03-28 01:30:00"]), zone="Europe/London")
    assert read["at"].dt.to_string("%F %R").to_list() == ["2021-10-31 00:30", "2021-03-28 01:30"]
    flags = [TimeFlag.NAIVE_ASSUMED | TimeFlag.DST_FOLD, TimeFlag.NAIVE_ASSUMED | TimeFlag.DST_GAP]
    assert read["flags"].to_list() == flags


def test_typed_columns() -> None:
    """What a Parquet file holds: UTC instants, naive ones, dates, floats."""
    utc = pl.Series([datetime(2026, 1, 5, tzinfo=UTC), None])
    assert normalise_times(utc)["at"].to_list() == utc.to_list()
    naive = pl.Series([datetime(2026, 1, 5, 10)])
    assert normalise_times(naive)["reason"].to_list() == ["time_naive_no_zone"]
    assert normalise_times(naive.dt.date(), zone="UTC")["precision"].to_list() == ["day"]
    assert normalise_times(pl.Series([1623900000.25]))["at"].dt.microsecond().to_list() == [250_000]
    nano = pl.Series([1658689261_123456789]).cast(pl.Datetime("ns", "Europe/Paris"))
    assert normalise_times(nano)["at"].to_physical().to_list() == [1658689261_123456]


def test_what_lies_outside_the_data_is_kept_and_flagged() -> None:
    out = normalise_times(pl.Series(["2024-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "2227-12-31T23:01:01+00:00"]))
    assert out["at"].null_count() == 0
    assert out["flags"].to_list() == [0, TimeFlag.OUT_OF_RANGE, TimeFlag.OUT_OF_RANGE]
    late = normalise_times(pl.Series(["2024-01-03T00:00:01Z"]), newest=datetime(2024, 1, 2, tzinfo=UTC))
    assert late["flags"].to_list() == [TimeFlag.OUT_OF_RANGE]


def test_a_declared_format_reads_that_and_nothing_else() -> None:
    out = normalise_times(pl.Series(["24.07.2022 19:01", "2022-07-24T19:01:01Z"]), fmt="%d.%m.%Y %H:%M", zone="UTC")
    assert out["precision"].to_list() == ["min", None]
    assert out["reason"].to_list() == [None, "time_unreadable"]


def test_wrong_calls_are_answered() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'Europe/London'"):
        normalise_times(pl.Series(["x"]), zone="Europe/Lodnon")
    with pytest.raises(UnknownNameError, match="unit of time"):
        normalise_times(pl.Series(["x"]), unit="sec")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no time zone"):
        normalise_times(pl.Series(["x"]), newest=datetime(2024, 1, 1))


def test_nothing_comes_in_nothing_goes_out() -> None:
    assert normalise_times(pl.Series([], dtype=pl.String)).height == 0
    assert normalise_times(pl.Series([None, None]))["reason"].to_list() == ["time_missing"] * 2


def test_a_log_without_years_turns_with_its_own_order() -> None:
    """The years of plaso's syslog fixture: a leap day in 2012, March after December, November after it, a late line."""
    texts = [
        "Jan 22 07:52:33", "Feb 29 01:15:43", "MMM 22 07:54:32", "Dec 18 17:54:32", "Mar 23 23:01:18.123",
        "Dec 31 17:54:32", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:03",
    ]  # fmt: skip
    out = normalise_times(pl.Series(texts), year=2012, zone="UTC")
    assert out["at"].dt.to_string("%F %T%.3f").to_list() == [
        "2012-01-22 07:52:33.000", "2012-02-29 01:15:43.000", None, "2012-12-18 17:54:32.000",
        "2013-03-23 23:01:18.123", "2013-12-31 17:54:32.000", "2014-01-01 00:00:01.000", "2013-12-31 23:59:59.000",
        "2014-01-01 00:00:03.000",
    ]  # fmt: skip
    told = TimeFlag.YEAR_GUESSED | TimeFlag.NAIVE_ASSUMED
    assert set(out.filter(pl.col("at").is_not_null())["flags"].to_list()) == {int(told)}
    assert normalise_times(pl.Series(texts[:1]))["reason"].to_list() == ["time_without_year"]
    assert normalise_times(pl.Series(["Feb 29 01:00:00"]), year=2013, zone="UTC")["reason"].item() == "time_unreadable"
    with pytest.raises(InputError, match="year is 0"):
        normalise_times(pl.Series(texts), year=0)
