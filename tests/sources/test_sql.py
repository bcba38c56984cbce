"""Questions in SQL: bound values, exact columns, a locked door, a log; DuckDB and a real PostgreSQL give the same."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import toolkit as tk
from toolkit.errors import InputError, SourceError
from toolkit.model.provenance import sha256_bytes
from toolkit.resources import bundled
from toolkit.sources.engines import find_parameters
from toolkit.sources.sql import open_database, query

from .conftest import Server

TINY = bundled("data_samples") / "tiny"
HOSTILE = ["'; drop table t; --", '" or 1=1', "$id", "\\'", "x\x00y", "€", "007"]
ROWS = pl.DataFrame(
    {
        "account_id": ["007", "7", "x'y", "9007199254740993"],
        "big": [9007199254740993, -1, None, 2**62],
        "seen_at": [datetime(2026, 1, 5, tzinfo=UTC), None, datetime(1969, 7, 20, 1, 2, 3, 456789, tzinfo=UTC), None],
        "ok": [True, False, None, True],
        "x": [0.1, None, -0.0, 1e300],
    }
)


@pytest.fixture
def both(postgres: Server) -> list[Any]:
    """The same rows in a frame and on a server."""
    postgres.load("rows", ROWS)
    return [open_database({"rows": ROWS}), open_database(postgres.address)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("select * from rows order by account_id collate \"C\"", {}),
        ("select big, seen_at from rows where account_id = $id", {"id": "007"}),
        ("select account_id from rows where account_id = any($ids) order by big", {"ids": ["7", "007", "none"]}),
        ("select big from rows where seen_at < $t and ok = $yes", {"t": datetime(2026, 6, 1, tzinfo=UTC), "yes": True}),
        ("select account_id from rows where big > $n order by 1", {"n": 2**53}),
        ("select x from rows where x > $x or account_id = '$not' -- $neither", {"x": 0.05}),
        ("select cast(seen_at as date) as day from rows where cast(seen_at as date) = $d", {"d": date(2026, 1, 5)}),
    ],
)  # fmt: skip
def test_both_engines_answer_alike(both: list[Any], text: str, values: dict[str, Any]) -> None:
    one, other = (database.query(text, **values) for database in both)
    assert one.height
    assert_frame_equal(one, other)
    logs = [database.log.drop("engine", "took_s").rows() for database in both]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("value", HOSTILE[:4] + HOSTILE[5:])
def test_values_are_values(both: list[Any], value: str) -> None:
    for database in both:
        assert database.query("select $v::text as v, count(*) as n from rows", v=value).row(0) == (value, 4)
        assert database.query("select account_id from rows where account_id = $v", v=value).height == (value == "007")


@given(st.lists(st.sampled_from(["'", '"', "$a", "--", "\n", "/*", "*/", "$$", "x", "\\", "e'"]), max_size=9))
@settings(max_examples=300, deadline=None)
def test_parameters_are_found_where_duckdb_finds_them(parts: list[str]) -> None:
    """Whatever stands in quotes and comments: where the text is one that DuckDB takes, both see the same parameters."""
    text = "select 1 " + " ".join(parts)
    try:
        (statement,) = duckdb.connect().extract_statements(text)
    except (duckdb.Error, ValueError):
        return
    assert set(find_parameters(text)) == set(statement.named_parameters)


def test_what_does_not_fit_is_named_at_once(both: list[Any]) -> None:
    for database in both:
        with pytest.raises(InputError, match=r"no value for \$two; no \$tow in .*'two'.*no time zone"):
            database.query("select $one, $two", one=datetime(2026, 1, 1), tow=1)
        with pytest.raises(InputError, match=r"\$one is a dict"):
            database.query("select $one", one={"a": 1})


@pytest.mark.parametrize(
    "text",
    [
        "create table x as select 1",
        "select 1; select 2",
        "drop table rows",
        "insert into rows (account_id) values ('x')",
        "",
    ],
)
def test_a_query_only_reads(both: list[Any], text: str) -> None:
    for database in both:
        with pytest.raises((InputError, SourceError)):
            database.query(text)
        assert database.query("select count(*)::bigint as n from rows").item() == 4


def test_a_query_cannot_leave(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "other.parquet").write_bytes((TINY / "orgs.parquet").read_bytes())
    for database in (open_database({"rows": ROWS}), open_database(TINY / "accounts.parquet"), open_database(TINY)):
        for text in (
            f"select * from read_csv('{tmp_path}/secret.csv')",  # noqa: S608 - that is what must not work
            f"select * from '{tmp_path}/other.parquet'",  # noqa: S608 - as above
            "select * from read_text('/etc/hostname')",
            "select * from glob('/*')",
            "select * from read_parquet('http://127.0.0.1:9/x.parquet')",
            "select getenv('HOME')",
        ):
            with pytest.raises(SourceError):
                database.query(text)


def test_a_long_answer_is_never_cut_without_a_word(both: list[Any]) -> None:
    for database in both:
        with pytest.raises(SourceError, match="more than 2 rows: narrow the query"):
            database.ask("select * from rows", {}, limit=2)
        assert database.log.height == 0
        assert database.ask("select * from rows", {}, limit=2, truncate=True).height == 2
        assert database.ask("select * from rows", {}, limit=4).height == 4
        assert database.log["truncated"].to_list() == [True, False]


def test_a_slow_query_is_stopped(both: list[Any]) -> None:
    texts = ("select sum(a.range * b.range) from range(1000000) a, range(1000000) b", "select pg_sleep(30)")
    for database, text in zip(both, texts, strict=True):
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"took longer than 0\.5 s"):
            database.ask(text, {}, timeout_s=0.5)
        assert time.monotonic() - began < 10


def test_types_that_polars_does_not_have_are_named(both: list[Any]) -> None:
    for database in both:
        with pytest.raises(SourceError, match=r"(?s)cast them in the query.*wait: .*interval"):
            database.query("select interval '1 day' as wait, 1 as n")
    server = both[1]
    with pytest.raises(SourceError, match="address"):
        server.query("select '10.0.0.1'::inet as address")
    told = server.query(
        "select 12345678901234567890.12345::numeric as n, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as u"
    )
    assert told.row(0) == ("12345678901234567890.12345", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    assert (
        both[0].query("select 170141183460469231731687303715884105::hugeint as h").item()
        == 170141183460469231731687303715884105
    )


def test_the_log_is_a_record(both: list[Any]) -> None:
    database = both[0]
    database.query("select account_id from rows where account_id = $id", id="007")
    (line,) = database.log.rows(named=True)
    text, told = "select account_id from rows where account_id = $id", '{"id": "007"}'
    assert (line["text"], line["parameters"], line["rows"]) == (text, told, 1)
    assert line["sha256"] == sha256_bytes(f"{text}\0{told}".encode())
    again = open_database({"rows": ROWS.sample(fraction=1, shuffle=True, seed=1)})
    again.query(text, id="007")
    assert again.log["answer_sha256"].to_list() == [line["answer_sha256"]]
    with pytest.raises(SourceError, match="the query failed"):
        database.query("select nothing from rows")
    assert database.log.height == 1  # what failed gave no answer
    with pytest.raises(SourceError, match=r"row.* does not exist! Its tables: rows"):
        database.query("select * from row")


def test_previews_run_nothing(both: list[Any], postgres: Server) -> None:
    postgres.run("analyze rows")
    for database in both:
        told = database.preview("select * from rows where account_id = $id", id="007")
        assert told.scanned == 4
        assert 0 <= told.rows <= 4
        assert database.log.height == 0
        with pytest.raises((InputError, SourceError)):
            database.preview("drop table rows")
    assert open_database(TINY).preview("select * from accounts").scanned == 2000


def test_a_server_that_dies_midway_is_said(postgres: Server) -> None:
    """The answer is whole or there is none."""
    database = open_database(postgres.address)
    text = "select i, pg_sleep(0.001) from generate_series(1, 20000) i"

    def kill() -> None:
        time.sleep(1.0)
        postgres.run(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where query like '%generate_series%' and pid <> pg_backend_pid()"
        )

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SourceError, match=r"terminat|closed the connection|server"):
        database.query(text)
    killer.join()
    assert database.log.height == 0
    assert database.query("select 1 as n").item() == 1


def test_an_address_is_not_told(postgres: Server) -> None:
    database = open_database("postgresql://kim:hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(SourceError) as told:
        database.query("select 1")
    assert "hunter2" not in f"{told.value} {database!r}"


def test_what_can_be_asked(tmp_path: Path) -> None:
    data = tk.read_data(TINY)
    files, read = open_database(TINY), open_database(data)
    assert set(files.tables()) <= set(read.tables())
    text = "select ip, count(distinct account_id) as n from auth_events group by ip order by ip"
    assert files.query(text).rows() == read.query(text).rows()
    with duckdb.connect(str(tmp_path / "a.duckdb")) as db:
        db.execute("create table t as select '007' as id")
    assert open_database(tmp_path / "a.duckdb").tables() == ("t",)
    assert query("select id from t", on=tmp_path / "a.duckdb").item() == "007"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "auth.csv").write_text("id\n007\n")
    with pytest.raises(SourceError, match="read it with read_data and query what that returns"):
        open_database(tmp_path / "logs")
    with pytest.raises(SourceError, match="nothing at"):
        open_database(tmp_path / "none")
    with pytest.raises(InputError, match="mysql:// is not known"):
        open_database("mysql://x/y")
    with pytest.raises(InputError, match="cannot query a int"):
        open_database(7)


def test_a_table_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """A Parquet file that was replaced or cut short between two queries, or under one, gives an error, not half."""
    path = tmp_path / "t.parquet"
    pl.DataFrame({"n": range(500_000)}).write_parquet(path)
    database = open_database(path)
    assert database.query("select count(*)::bigint as n from t").item() == 500_000
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(SourceError, match=r"cannot be read|query failed"):
        database.query("select sum(n)::bigint as n from t")
