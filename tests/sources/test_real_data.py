"""Real data that nobody on this project wrote: the counts of its README, and every odd time fixture by name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import MappingError, SourceError
from toolkit.model.tables import TimeFlag
from toolkit.sources.ledger import describe_ledger
from toolkit.sources.read import read_data
from toolkit.sources.time import normalise_times


def table(account: str, time: object, **more: object) -> dict[str, object]:
    return {"tables": {"log": {"account": account, "time": time, **more}}}


# file, mapping, rows accepted, reasons of rows set aside
BY_TIMESTAMP = table("message", {"column": "timestamp"})
BY_DATETIME = table("message", "datetime")
EITHER = table("message", ["datetime", "timestamp"])
FIXTURES = [
    ("plaso_dynamic.log", table("display_name", "datetime", format="csv"), 20, []),
    ("plaso_dynamic_time_zone.log", table("display_name", "datetime", format="csv"), 20, []),
    ("ts_csv_datetime_last_column.csv", BY_DATETIME, 4, []),
    ("ts_csv_timestamp_as_datetime.csv", table("uid", "datetime"), 4, []),
    ("ts_csv_timestamp_no_datetime.csv", BY_TIMESTAMP, 3, []),
    ("ts_incorrect.csv", table("Source", "DT"), 0, ["time_naive_no_zone"]),
    ("ts_incorrect.csv", table("Source", {"column": "DT", "zone": "America/New_York"}), 1, []),
    ("ts_invalid_datetime.csv", BY_DATETIME, 0, ["time_naive_no_zone"] * 3 + ["time_unreadable"]),
    ("ts_large_field_event.jsonl", BY_DATETIME, 3, []),
    ("ts_mapping_limit_exceed.csv", BY_DATETIME, 1, []),
    ("ts_sigma_events.csv", BY_DATETIME, 4, []),
    ("ts_sigma_events.jsonl", BY_DATETIME, 5, []),
    ("ts_validate_date_events_missing_timestamp.csv", BY_DATETIME, 1, []),
    ("ts_validate_no_datetime_timestamps.csv", BY_DATETIME, 3, ["time_missing"] * 2),
    ("ts_validate_no_datetime_timestamps.csv", EITHER, 5, []),
    ("ts_validate_time_out_of_range.csv", BY_DATETIME, 2, []),
    ("ts_validate_time_precision.csv", BY_DATETIME, 2, []),
    ("ts_validate_time_precision_datetime.csv", BY_DATETIME, 1, []),
    ("ts_validate_time_precision_jsonl.jsonl", BY_DATETIME, 2, []),
    ("ts_validate_timestamp_conversion.csv", BY_DATETIME, 3, []),
]
REFUSED = [
    "plaso_apt_history.log", "plaso_iis10_edge_cases.log", "plaso_iis_without_date.log", "plaso_jira_access_months.log",
    "plaso_syslog", "plaso_vsftpd.log", "ts_README.md", "ts_mock_context_links.yaml",
]  # fmt: skip


@pytest.mark.parametrize(("name", "mapping", "accepted", "reasons"), FIXTURES)
def test_every_odd_time_loads_or_is_set_aside(
    real_data: Path, name: str, mapping: dict[str, object], accepted: int, reasons: list[str]
) -> None:
    data = read_data(real_data / "time_edge_cases" / name, mapping)
    assert data.ledger["accepted"].to_list() == [accepted]
    assert data.quarantine["reason"].to_list() == reasons
    assert describe_ledger(data)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_table_is_refused(real_data: Path, name: str) -> None:
    with pytest.raises(SourceError, match="is no table that can be read"):
        read_data(real_data / "time_edge_cases" / name)


def test_every_fixture_has_an_expected_outcome(real_data: Path) -> None:
    there = {path.name for path in (real_data / "time_edge_cases").iterdir()}
    assert there == {name for name, *_ in FIXTURES} | set(REFUSED)


def test_the_stated_truths(real_data: Path) -> None:
    """One second, written in seconds, milliseconds and microseconds; one list of events, written in two zones."""
    folder = real_data / "time_edge_cases"
    units = read_data(folder / "ts_csv_timestamp_no_datetime.csv", BY_TIMESTAMP).events
    assert units["event_at"].dt.to_string("%FT%T%.6f").to_list() == [
        "2022-07-24T19:01:01.000000", "2022-07-24T19:01:01.123000", "2022-07-24T19:01:01.123456",
    ]  # fmt: skip
    assert units["precision"].to_list() == ["s", "ms", "us"]
    both = [
        read_data(folder / name, table("display_name", "datetime", format="csv")).events["event_at"]
        for name in ("plaso_dynamic.log", "plaso_dynamic_time_zone.log")
    ]
    assert both[0].equals(both[1])
    converted = read_data(folder / "ts_validate_timestamp_conversion.csv", BY_TIMESTAMP).events
    assert "2012-03-14T04:17:38" in converted["event_at"].dt.to_string("%FT%T").to_list()
    wild = read_data(folder / "ts_validate_time_out_of_range.csv", BY_DATETIME).events
    assert wild["event_at"].dt.year().to_list() == [1601, 2227]
    assert wild["flags"].to_list() == [TimeFlag.OUT_OF_RANGE] * 2


LINES = [
    ("plaso_apt_history.log", r"^(?:Start|End)-Date: (\S+ +\S+)", 20, "2019-07-10T16:38:08"),
    ("plaso_iis10_edge_cases.log", r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ", 15, "2022-01-01T00:01:24"),
    ("plaso_jira_access_months.log", r"^(\[[^\]]+\])", 12, "2022-01-01T10:00:00"),
    ("plaso_syslog", r"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?)", 16, "2012-01-22T07:52:33"),
    ("plaso_vsftpd.log", r"^(.{24}) \[pid", 25, "2016-06-06T18:43:28"),
]


@pytest.mark.parametrize(("name", "pattern", "n", "first"), LINES)
def test_the_times_of_logs_that_are_no_tables(real_data: Path, name: str, pattern: str, n: int, first: str) -> None:
    """Their lines are not read, but each of their times can be: with its month's name, or without its year."""
    text = (real_data / "time_edge_cases" / name).read_text("utf-8")
    times = pl.Series(text.splitlines(), dtype=pl.String).str.extract(pattern).drop_nulls()
    out = normalise_times(times, zone="UTC", year=2012)
    assert (out.height, out["at"].null_count()) == (n, 0)
    assert out["at"].dt.to_string("%FT%T")[0] == first
    if name == "plaso_syslog":
        assert out["at"].dt.to_string("%FT%T").to_list()[6:] == [
            "2012-02-29T01:15:43", "2012-12-18T17:54:32", "2013-03-23T23:01:18", "2013-03-23T23:01:18",
            "2013-12-31T17:54:32", "2013-11-18T01:15:20", "2014-02-06T15:16:30", "2014-11-18T01:15:43",
            "2014-11-18T08:30:20", "2014-11-18T08:31:20",
        ]  # fmt: skip


def test_russian_tweets(real_data: Path) -> None:
    """35,125 rows, one of them twice; content ids repeat and are no event ids."""
    mapping = table(
        "account_id", {"column": "timestamp_share", "unit": "s"}, indicators={"object": "object_id"}, event="share"
    )
    data = read_data(real_data / "russian_coord_tweets.parquet", mapping)
    assert data.ledger.select("rows", "accepted", "duplicate", "quarantined").row(0) == (35_125, 35_124, 1, 0)
    events = data.events
    assert events["account_id"].n_unique() == 9_509
    assert (str(events["event_at"].min())[:10], str(events["event_at"].max())[:10]) == ("2021-01-17", "2021-08-30")
    assert events["object"].null_count() == 0


def test_cloudtrail(real_data: Path) -> None:
    """2,900 events in, 2,900 out, in one order; a misspelt column is answered."""
    folder = real_data / "cloudtrail_stratus"
    said = {"account": "principal", "time": "event_time", "event_id": "event_id", "event": {"column": "event_name"}}
    data = read_data(folder, {"tables": {"events": said | {"indicators": {"ip": "ip", "user_agent": "ua"}}}})
    assert data.ledger["rows"].to_list() == [2_900]
    assert data.events.height == 2_900
    order = data.events.select("event_at", "source", "seq", "event_id")
    assert order.equals(order.sort(pl.all()))
    with pytest.raises(MappingError, match="did you mean 'principal'"):
        read_data(folder, {"tables": {"events": said | {"account": "principle"}}})
