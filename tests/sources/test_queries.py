"""The library of queries: what a file says it takes and gives is held, on files and on a server alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from toolkit import cli
from toolkit.errors import InputError, SourceError, UnknownNameError
from toolkit.resources import bundled
from toolkit.sources.queries import find_queries, find_query
from toolkit.sources.sql import Database, open_database

from .conftest import Server

TINY = bundled("data_samples") / "tiny"
SEEN = pl.read_parquet(TINY / "auth_events.parquet").drop_nulls("ip")
BUSY = SEEN.group_by("ip").agg(pl.col("account_id").n_unique()).sort("account_id", "ip")["ip"][-1]
SOME = sorted(SEEN.filter(ip=BUSY)["account_id"].unique())[:40]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tiny_server(postgres: Server) -> Database:
    """The canonical tables of the sample on a server; lists of text, which it would not take as they are, as text."""
    for path in sorted(TINY.glob("*.parquet")):
        frame = pl.read_parquet(path)
        postgres.load(path.stem, frame.with_columns(pl.selectors.list().cast(pl.List(pl.String)).list.join(",")))
    return open_database(postgres.address)


def values_of(name: str) -> dict[str, Any]:
    """Values that every bundled query has an answer for."""
    told: dict[str, Any] = {
        "ip": BUSY, "accounts": SOME, "start": START, "before": START + timedelta(days=365),
    }  # fmt: skip
    return {one.name: told[one.name] for one in find_query(name).parameters if one.required}


@pytest.mark.parametrize("name", sorted(find_queries()))
def test_each_bundled_query_answers_alike_on_files_and_on_a_server(name: str, tiny_server: Database) -> None:
    files = open_database(TINY)
    one, other = (database.run(name, **values_of(name)) for database in (files, tiny_server))
    assert_frame_equal(one, other)
    assert one.columns == [column.name for column in find_query(name).columns]
    assert files.log["name"].to_list() == [name]
    if name != "actions_on_accounts":
        assert one.height


def test_a_bundled_query_against_polars() -> None:
    told = open_database(TINY).run("holders_of_ip", ip=BUSY)
    at = pl.col("event_at")
    expected = (
        SEEN.filter(ip=BUSY)
        .group_by("account_id")
        .agg(at.min().alias("first_at"), at.max().alias("last_at"), pl.len().cast(pl.Int64).alias("n"))
        .sort("first_at", "account_id")
    )
    assert_frame_equal(told, expected)


def write(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.sql").write_text(text)
    return folder


def test_a_team_s_own_query_wins(tmp_path: Path) -> None:
    own = '-- Ours.\n-- parameter ip: str = "x"  the address\n-- column account_id: str\nselect $ip as account_id\n'
    database = open_database({"t": pl.DataFrame({"a": [1]})}, queries=write(tmp_path, "holders_of_ip", own))
    assert database.run("holders_of_ip").rows() == [("x",)]
    assert find_queries(tmp_path)["holders_of_ip"].about == "Ours."
    assert find_queries(tmp_path)["shared_ips"].about.startswith("Addresses that at least two")
    with pytest.raises(UnknownNameError, match="no query 'shared_ip': did you mean 'shared_ips'"):
        database.run("shared_ip")
    with pytest.raises(InputError, match="no folder of queries"):
        find_queries(tmp_path / "none")


def test_files_that_do_not_say_what_they_take_are_refused_with_every_fault(tmp_path: Path) -> None:
    write(tmp_path, "a", "-- parameter x: string\n-- parameter y: int = three\nselect $x, $z\n")
    write(tmp_path, "b", '-- Something.\n-- parameter n: int = "3"\n-- column c: text\nselect $n as c\n')
    with pytest.raises(SourceError) as told:
        find_queries(tmp_path)
    said = str(told.value)
    for fault in (
        "a.sql: parameter x is a string: did you mean 'str'", "a.sql: the default of y is not JSON",
        "a.sql: $z is in the text", "a.sql: parameter y is not in the text",
        "a.sql: the first line says what it is for",
        "a.sql: no line says which columns it gives", "b.sql: the default of n is no int", "b.sql: column c is a text",
    ):  # fmt: skip
        assert fault in said, fault


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "ip is missing: the address, as exact text"),
        ({"ip": 7}, "ip takes str, found int"),
        ({"ip": "x", "pi": "y"}, "no parameter 'pi'.*ip"),
        ({"ip": ["x"]}, "ip takes str, found list"),
    ],
)
def test_values_are_checked_before_anything_is_asked(values: dict[str, Any], fault: str) -> None:
    database = open_database(TINY)
    with pytest.raises(InputError, match=f"query holders_of_ip: .*{fault}"):
        database.run("holders_of_ip", **values)
    assert database.log.height == 0


def test_an_answer_that_breaks_its_promise_is_refused(tmp_path: Path) -> None:
    own = "-- Ours.\n-- column id: str\n-- column n: int\nselect 1 as id, 1.5::double as n\n"
    with pytest.raises(SourceError, match=r"(?s)what it promises.*id is Int32, promised str.*n is Float64"):
        open_database({}, queries=write(tmp_path, "own", own)).run("own")
    other = "-- Ours.\n-- column id: str\nselect 'x' as di\n"
    with pytest.raises(SourceError, match=r"id is missing: .*di"):
        open_database({}, queries=write(tmp_path, "own", other)).run("own")


def test_the_commands(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli.cli, ["queries"])
    assert told.exit_code == 0
    assert "shared_ips\n  Addresses that at least two of some accounts used" in told.output
    assert "-p most: int = 1000  addresses with more holders are left out" in told.output
    command = ["query", "shared_ips", "--data", str(TINY), "-p", f"accounts={SOME[0]}", "-p", f"accounts={SOME[1]}"]
    told = CliRunner().invoke(cli.cli, [*command, "-p", "most=5000"])
    assert told.exit_code == 0
    assert told.output.splitlines()[0] == "ip\tof_these\tholders\tfirst_at\tlast_at"
    assert any(line.startswith(f"{BUSY}\t2\t") for line in told.output.splitlines())
    CliRunner().invoke(
        cli.cli, [*command, "-p", "most=5000", "--out", str(tmp_path / "a.parquet")], catch_exceptions=False
    )
    assert pl.read_parquet(tmp_path / "a.parquet")["of_these"].to_list()[-1] == 2
    with pytest.raises(InputError, match="most takes int, found str"):
        CliRunner().invoke(cli.cli, [*command, "-p", "most=many"], catch_exceptions=False)
