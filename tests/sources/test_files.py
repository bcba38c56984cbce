"""Which files make which table; what is no table is named; what cannot be read is refused in words."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import polars as pl
import pytest
import zstandard

from toolkit.errors import InputError, MappingError, SourceError
from toolkit.sources.read import read_data

ROWS = "account_id,event_at,kind,ip\na,2026-01-05T10:00:00Z,login,::1\nb,2026-01-05T11:00:00Z,login,::1\n"
LINES = '{"account_id": "a", "event_at": "2026-01-05T10:00:00Z", "kind": "login", "ip": "::1"}\n'
LINES += '{"account_id": "b", "event_at": "2026-01-05T11:00:00Z", "kind": "login", "ip": "::1"}\n'


def write(path: Path) -> Path:
    """Write the same two rows in the format that the name says."""
    name = path.name
    text = LINES if "json" in name else ROWS.replace(",", "\t") if ".tsv" in name else ROWS
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith(".zst"):
        path.write_bytes(zstandard.compress(text.encode()))
    elif name.endswith(".parquet"):
        pl.read_csv(ROWS.encode(), infer_schema=False).write_parquet(path)
    elif name.endswith(".duckdb"):
        with duckdb.connect(str(path)) as db:
            db.execute("create table auth_events (account_id text, event_at timestamptz, kind text, ip text)")
            db.execute("insert into auth_events values ('a', '2026-01-05 10:00:00+00', 'login', '::1')")
            db.execute("insert into auth_events values ('b', '2026-01-05 11:00:00+00', 'login', '::1')")
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "auth_events.csv", "auth_events.tsv", "auth_events.ndjson", "auth_events.jsonl", "auth_events.json-lines",
        "auth_events.parquet", "auth_events.csv.gz", "auth_events.tsv.zst", "auth_events.ndjson.gz",
        "auth_events.jsonl.zst", "auth_events.duckdb",
    ],
)  # fmt: skip
def test_every_format_gives_the_same_events(tmp_path: Path, name: str) -> None:
    data = read_data(write(tmp_path / name))
    assert data.events.select("account_id", "event", "ip").rows() == [
        ("a", "auth.login", "::1"),
        ("b", "auth.login", "::1"),
    ]
    assert data.events["event_at"].dt.hour().to_list() == [10, 11]
    assert data.ledger.select("table", "file", "rows", "accepted").row(0) == ("auth_events", name, 2, 2)
    assert len(data.sources[0].sha256) == 64


def test_a_folder_of_parts_and_a_glob_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "auth_events").mkdir()
    write(tmp_path / "auth_events" / "part-0.csv")
    (tmp_path / "auth_events" / "part-1.ndjson").write_text(LINES.replace('"a"', '"c"'))
    data = read_data(tmp_path)
    assert data.ledger["file"].to_list() == ["auth_events/part-0.csv", "auth_events/part-1.ndjson"]
    assert data.ledger["duplicate"].to_list() == [0, 1]  # b is in both parts, equal in every column
    said = {"account": "account_id", "time": "event_at", "file": "auth_events/part-*"}
    assert read_data(tmp_path, {"tables": {"logins": said}}).events["account_id"].to_list() == ["c", "a", "b"]
    only = read_data(str(tmp_path / "auth_events" / "*.csv"), {"tables": {"x": said | {"file": None}}})
    assert only.events["source"].to_list() == ["x", "x"]


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    write(tmp_path / "auth_events.csv")
    for name in ("README.md", "SYNTHETIC", ".hidden.csv", "escalations.jsonl", "notes.txt", "other.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    (tmp_path / "truth").mkdir()
    write(tmp_path / "truth" / "accounts.csv")
    data = read_data(tmp_path)
    assert list(data.tables) == ["auth_events"]
    told = "\n".join(data.notes)
    assert "notes.txt" in told
    assert "other.csv" in told
    assert "truth" not in told
    assert "escalations" not in told


@pytest.mark.parametrize("name", ["plaso_syslog", "server.log", "links.yaml", "table.xlsx", "dump.parquet.gz"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Jan 22 07:52:33 host client: x\n")
    with pytest.raises(SourceError, match=r"Accepted are \.parquet \.csv") as caught:
        read_data(tmp_path / name)
    assert "format: csv" in str(caught.value)


def test_a_declared_format_is_taken_at_its_word(tmp_path: Path) -> None:
    (tmp_path / "dynamic.log").write_text("datetime,who\n2012-01-22T07:52:33+00:00,root\n")
    said = {"tables": {"log": {"account": "who", "time": "datetime", "format": "csv"}}}
    assert read_data(tmp_path / "dynamic.log", said).events["account_id"].to_list() == ["root"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("accounts.parquet", b"", "empty"),
        ("accounts.parquet", b"PAR1 and no more", "cut short"),
        ("accounts.parquet", b"a,b\n1,2\n", "not a Parquet file"),
        ("accounts.csv", b"", "header"),
        ("accounts.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("accounts.csv", b"a,b\r1,2\r", "carriage return"),
        ("accounts.csv.gz", gzip.compress(ROWS.encode(), mtime=0)[:-9], "cut short"),
        ("accounts.csv.gz", b"plain text", "cannot be read"),
        ("accounts.ndjson.zst", zstandard.compress(LINES.encode())[:-5], "cut short"),
        ("accounts.duckdb", b"no database at all", "DuckDB"),
    ],
)
def test_broken_files_are_refused_in_words(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=told):
        read_data(tmp_path / name if name.endswith("duckdb") else tmp_path)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "accounts.parquet").read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "accounts.parquet").write_bytes(whole[:cut])
        with pytest.raises(SourceError):
            read_data(tmp_path)


def test_a_flipped_bit_is_found_where_pages_have_checksums(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"account_id": [f"acct_{i:05}" for i in range(2000)], "created_at": list(range(1658689261, 1658691261))}
    path = tmp_path / "accounts.parquet"
    pq.write_table(pa.table(rows), path, write_page_checksum=True, compression="none", use_dictionary=False)
    assert read_data(tmp_path).events.height == 2000
    broken = bytearray(path.read_bytes())
    broken[broken.index(b"acct_01000") + 7] ^= 1
    path.write_bytes(broken)
    with pytest.raises(SourceError, match="damaged"):
        read_data(tmp_path)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table in"):
        read_data(tmp_path)
    write(tmp_path / "auth_events.csv")
    with pytest.raises(InputError, match="did you mean"):
        read_data(tmp_path / "auth_event.csv")
    with pytest.raises(InputError, match="mysql:// is not known"):
        read_data("mysql://host/db")
    with pytest.raises(SourceError, match="the database cannot be reached"):
        read_data("postgres://127.0.0.1:1/db")
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MappingError, match="no mapping says what it holds"):
        read_data(tmp_path / "mine.csv")


def test_two_files_that_both_claim_a_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "auth_events.csv")
    write(tmp_path / "auth_events.parquet")
    with pytest.raises(MappingError, match="keep one"):
        read_data(tmp_path)


def test_a_mapping_cannot_leave_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "auth_events.csv")
    for path in ("../*.csv", "/etc/*"):
        with pytest.raises(MappingError, match="leaves the data folder"):
            read_data(tmp_path, {"tables": {"x": {"account": "a", "file": path}}})


def test_duckdb_names_are_quoted_and_views_not_run(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as db:
        db.execute('create table "log""; drop table x; --" ("us""er" text, ts bigint)')
        db.execute('insert into "log""; drop table x; --" values (\'a\', 1658689261)')
        db.execute("create view peek as select * from read_text('/etc/hostname')")
    said = {"tables": {'log"; drop table x; --': {"account": 'us"er', "time": "ts"}}}
    data = read_data(tmp_path / "a.duckdb", said)
    assert data.events["account_id"].to_list() == ["a"]
    assert any("a view" in note for note in data.notes)


def test_a_file_of_observations_goes_to_linking_as_it_is(tmp_path: Path) -> None:
    rows = {"account_id": ["b", "a", "a"], "kind": ["ip"] * 3, "value": ["::1", "::1", None], "n": [2, 1, 1]}
    pl.DataFrame(rows).write_parquet(tmp_path / "observations.parquet")
    for data in (read_data(tmp_path / "observations.parquet"), read_data(tmp_path)):
        assert data.observations is not None
        assert data.observations.select("account_id", "value", "n").rows() == [("a", "::1", 1), ("b", "::1", 2)]
        assert data.quarantine["reason"].to_list() == ["kind_or_value_missing"]


def test_semicolons_double_headers_and_marks_of_order(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbfuser;ts;ip;ip;\r\na;1658689261;::1;::2;x\r\n")
    said = {"account": "user", "time": "ts", "indicators": {"ip": ["ip", "ip (2)"]}}
    data = read_data(tmp_path, {"tables": {"log": said}})
    assert data.events.select("account_id", "ip", "ip.2").row(0) == ("a", "::1", "::2")
    assert data.tables["log"]["column_5"].to_list() == ["x"]
    assert any("';'" in note for note in data.notes)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    write(tmp_path / "auth_events.csv")
    read_data(tmp_path, progress=told.append)
    assert told == ["reading auth_events.csv", "checking auth_events"]
