"""An id is the same text in the file and in the frame, whatever the file is."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from toolkit.sources.read import read_data

TRICKY = [
    "00123",
    "9007199254740993",
    "12345678901234567890",
    "1e5",
    "-0",
    "NA",
    "null",
    " 7",
    "é\u200b",
    "123",
    "123.0",
]
MAPPING = {"tables": {"log": {"account": "user", "time": "ts", "event_id": "id", "indicators": {"device": "dev"}}}}


def check(data: Path, want: list[str]) -> None:
    events = read_data(data, MAPPING).events.sort("seq")
    assert events["account_id"].to_list() == want
    assert events["device"].to_list() == want


def test_csv(tmp_path: Path) -> None:
    rows = [f'"{v}",1658689261,{i},"{v}"' for i, v in enumerate(TRICKY)]
    (tmp_path / "log.csv").write_text("\n".join(["user,ts,id,dev", *rows]))
    check(tmp_path, TRICKY)


def test_csv_with_one_bad_row_keeps_all_others(tmp_path: Path) -> None:
    """The slow way, taken because of the bad row, reads the others as the fast way would."""
    rows = [f"{v},1658689261,{i},{v}" for i, v in enumerate(TRICKY)]
    (tmp_path / "log.csv").write_text("\n".join(["user,ts,id,dev", *rows, "one,two"]))
    check(tmp_path, TRICKY)


def test_ndjson_where_numbers_and_texts_mix(tmp_path: Path) -> None:
    numbers = ["123", "9007199254740993", "12345678901234567890", "1.0", "1e5"]
    lines = [f'{{"user": {v}, "ts": 1658689261, "id": {i}, "dev": {v}}}' for i, v in enumerate(numbers)]
    lines += [json.dumps({"user": v, "ts": "1658689261", "id": f"s{i}", "dev": v}) for i, v in enumerate(TRICKY)]
    (tmp_path / "log.ndjson").write_text("\n".join(lines))
    check(tmp_path, [*numbers, *TRICKY])


@pytest.mark.parametrize(
    ("column", "want"),
    [
        (pl.Series([9007199254740993, 7]), ["9007199254740993", "7"]),
        (pl.Series([7.0, 9007199254740991.0]), ["7", "9007199254740991"]),
        (pl.Series(["00123", "7"], dtype=pl.Categorical), ["00123", "7"]),
        (pl.Series([18446744073709551615, 1], dtype=pl.UInt64), ["18446744073709551615", "1"]),
    ],
)
def test_parquet(tmp_path: Path, column: pl.Series, want: list[str]) -> None:
    rows = pl.DataFrame({"user": column, "ts": [1658689261, 1658689262], "id": ["a", "b"], "dev": column})
    rows.write_parquet(tmp_path / "log.parquet")
    check(tmp_path, want)


def test_parquet_floats_that_may_be_rounded_are_set_aside(tmp_path: Path) -> None:
    """9007199254740993.0 was …992 or …993 before somebody made it a float: nobody can say, so nobody is accused."""
    users = [1.0, 1.5, 9007199254740993.0]
    pl.DataFrame({"user": users, "ts": [1658689261] * 3}).write_parquet(tmp_path / "log.parquet")
    data = read_data(tmp_path, {"tables": {"log": {"account": "user", "time": "ts"}}})
    assert data.events["account_id"].to_list() == ["1"]
    assert data.quarantine.select("line", "reason", "column", "found").rows() == [
        (2, "id_not_exact", "user", "1.5"),
        (3, "id_not_exact", "user", "9007199254740992.0"),
    ]


def test_duckdb(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as db:
        db.execute('create table log ("user" hugeint, ts bigint, id varchar, dev uuid)')
        big = "170141183460469231731687303715884105727"
        db.execute("insert into log values (?, 1658689261, 'a', '00000000-0000-4000-8000-000000000001')", [int(big)])
    events = read_data(tmp_path / "a.duckdb", MAPPING).events
    assert events.select("account_id", "device").row(0) == (big, "00000000-0000-4000-8000-000000000001")
