"""A database as files: one moment of it, exact, whole or not at all; and everything else reads what was taken."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import toolkit as tk
from toolkit import cli
from toolkit.errors import InputError, MappingError, SourceError
from toolkit.resources import bundled
from toolkit.sources.engines import Postgres
from toolkit.sources.snapshot import pull_tables

from .conftest import Server

TINY = bundled("data_samples") / "tiny"
LOGINS = {"tables": {"logins": {"account": "who", "time": "at", "event": "login", "indicators": {"ip": "addr"}}}}


@pytest.fixture
def logins(database: Server) -> Server:
    database.run('create table logins (who numeric, at timestamptz, addr inet, note json, "odd "" name" text)')
    database.run(
        "insert into logins values (9007199254740993, '2026-01-05 10:00+02', '10.0.0.1', '{\"a\": 1}', 'x'),"
        " (7, null, '2001:db8::1', null, null)"
    )
    return database


def test_tables_come_out_exact_and_are_read_as_files(logins: Server, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(json.dumps(LOGINS))
    folder = pull_tables(logins.address, tmp_path / "data", tmp_path / "m.yaml")
    assert sorted(path.name for path in folder.iterdir()) == ["logins.parquet", "manifest.json", "mapping.yaml"]
    rows = pl.read_parquet(folder / "logins.parquet")
    assert rows["who"].to_list() == ["9007199254740993", "7"]
    assert rows["addr"].to_list() == ["10.0.0.1/32", "2001:db8::1/128"] or rows["addr"].to_list() == [
        "10.0.0.1",
        "2001:db8::1",
    ]
    assert rows.columns[-1] == 'odd " name'
    data = tk.read_data(folder)
    assert data.ledger.select("rows", "accepted", "quarantined").row(0) == (2, 1, 1)
    again = tk.read_data(logins.address, LOGINS)
    assert again.events.equals(data.events)
    told = json.loads((folder / "manifest.json").read_text())
    assert [(one["table"], one["rows"]) for one in told["tables"]] == [("logins", 2)]
    assert "tk" not in told["database"].split("@")[-1].split("/")[0]


def test_the_sample_gives_the_same_links_from_a_server(database: Server, tmp_path: Path) -> None:
    for name in ("accounts", "auth_events", "payments"):
        database.load(name, pl.read_parquet(TINY / f"{name}.parquet"))
    (tmp_path / "files").mkdir()
    for name in ("accounts", "auth_events", "payments"):
        (tmp_path / "files" / f"{name}.parquet").write_bytes((TINY / f"{name}.parquet").read_bytes())
    pulled = pull_tables(database.address, tmp_path / "pulled", {"tables": {}})
    one, other = (tk.find_observations(tk.read_data(folder)) for folder in (tmp_path / "files", pulled))
    assert one.equals(other)


def test_all_tables_are_of_one_moment(database: Server, tmp_path: Path) -> None:
    """Rows that arrive between two tables are in neither."""
    for name in ("accounts", "requests"):
        rows = pl.DataFrame({"account_id": [str(i) for i in range(200_000)], "event_at": [0] * 200_000})
        database.load(name, rows.cast({"event_at": pl.Datetime("us", "UTC")}))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            database.run("insert into accounts values ('new', now())")
            database.run("insert into requests values ('new', now())")
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.1)
        (tmp_path / "x").mkdir()
        rows = Postgres(database.address).write_tables(["accounts", "requests"], tmp_path / "x", timeout_s=60)
    finally:
        stop.set()
        writer.join()
    assert rows["accounts"] - rows["requests"] in (0, 1)  # 1: between the two inserts


def test_what_fails_leaves_nothing(logins: Server, tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="lgins: no such table: did you mean 'logins'"):
        pull_tables(logins.address, tmp_path / "a", {"tables": {"lgins": LOGINS["tables"]["logins"]}})
    logins.run("create or replace view slow as select 'a' as who, pg_sleep(20)::text as note")
    with pytest.raises(SourceError, match="took longer than"):
        pull_tables(logins.address, tmp_path / "a", {"tables": {"slow": {"account": "who"}}}, timeout_s=0.3)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="is there already"):
        pull_tables(logins.address, tmp_path / "b", LOGINS)
    with pytest.raises(InputError, match="is no address of a database"):
        pull_tables(str(TINY), tmp_path / "c")


def test_the_command(logins: Server, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(json.dumps(LOGINS))
    words = ["pull", logins.address, "--out", str(tmp_path / "data"), "--mapping", str(tmp_path / "m.yaml")]
    done = CliRunner().invoke(cli.cli, words, catch_exceptions=False)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, str(tmp_path / "data"))
    assert CliRunner().invoke(cli.cli, ["check", str(tmp_path / "data")], catch_exceptions=False).exit_code == 0
