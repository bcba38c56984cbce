"""No row is lost: accepted + duplicate + quarantined = rows in the file, whatever the file holds."""

from __future__ import annotations

import gzip
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import SourceError
from toolkit.model.provenance import Source
from toolkit.sources.ledger import build_ledger, describe_ledger
from toolkit.sources.read import Dataset, read_data

LOG = {"tables": {"log": {"account": "user", "time": "ts", "ingested": "got", "indicators": {"ip": "ip"}}}}
plain = [b"a", b"b", b"007", b"", b" ", b"1658689261", b"2022-07-24T19:01:01Z", b"2022-07-24 19:01", b"9" * 40]
odd = [b"\xff", b"\xc3\xa9", b'"', b'""', b'"x,y"', b'"x\ny"', b'"open', b'close"', b"a\rb"]
cell = st.sampled_from([*plain, *odd])
good = st.sampled_from([b"a,1658689261,,::1", b"b,1658689262,1658689300,::1", b"b,1658689262,1658689400,::1"])
line = st.lists(cell, min_size=1, max_size=5).map(b",".join) | good
hostile_csv = st.lists(line, max_size=12).flatmap(
    lambda rows: st.sampled_from([b"\n", b"\r\n"]).map(lambda end: end.join([b"user,ts,got,ip", *rows]))
)
value = st.sampled_from(["a", 7, 1.5, None, True, [], {"k": 1}, "2022-07-24T19:01:01Z", 1658689261])
record = st.fixed_dictionaries({"user": value, "ts": value}, optional={"ip": value, "got": value})
bad_line = st.sampled_from(
    [b"{", b"[1]", b'{"user":1,"user":2}', b"nonsense", b"", b'{"user":"\xff"}', b'{"user":"\\ud800"}']
)
hostile_ndjson = st.lists(record.map(lambda r: json.dumps(r).encode()) | bad_line, max_size=12).map(b"\n".join)


def balanced(data: Dataset) -> None:
    book = data.ledger.row(0, named=True)
    assert book["accepted"] + book["duplicate"] + book["quarantined"] == book["rows"]
    assert data.tables["log"].height == book["accepted"]
    assert data.quarantine.height == book["quarantined"]
    assert data.quarantine["line"].is_unique().all()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(hostile_csv)
def test_csv_books_balance(content: bytes) -> None:
    """Ragged rows, bytes that are no text, open quotes, duplicates and bad times: every row is somewhere, once."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.csv").write_bytes(content)
        balanced(read_data(folder, LOG))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(hostile_ndjson)
def test_ndjson_books_balance(content: bytes) -> None:
    lines = sum(1 for part in content.split(b"\n") if part.strip())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.ndjson").write_bytes(content)
        data = read_data(folder, LOG | {"tables": {"log": LOG["tables"]["log"] | {"lenient": True}}})
        balanced(data)
        assert data.ledger["rows"].to_list() == [lines]


def test_each_bad_row_has_its_reason_and_line(tmp_path: Path) -> None:
    rows = [
        b"user,ts,got,ip",
        b"a,1658689261,,::1",
        b"b,1658689261",
        b"\xff,1658689261,,::1",
        b'"multi\nline",1658689261,,::1',
        b",1658689261,,::1",
        b"c,2022-07-24 19:01,,::1",
        b"a,1658689261,,::1",
        b'd,"x"y,,::1',
        b'e,1658689261,"never closed,::1',
        b"f,soon,,::1",
    ]
    (tmp_path / "log.csv").write_bytes(b"\n".join(rows))
    data = read_data(tmp_path, LOG)
    assert data.quarantine.select("line", "reason").rows() == [
        (3, "ragged_row"),
        (4, "invalid_utf8"),
        (7, "account_missing"),
        (8, "time_naive_no_zone"),
        (10, "bad_quote"),
        (11, "unterminated_quote"),
        (12, "time_unreadable"),
    ]
    assert data.events.select("account_id", "raw_ref").rows() == [("a", "log.csv:2"), ("multi\nline", "log.csv:5")]
    assert data.ledger.select("rows", "accepted", "duplicate", "quarantined").row(0) == (10, 2, 1, 7)
    assert "WARNING" in data.notes[0]


def test_the_first_to_arrive_of_equal_rows_is_accepted(tmp_path: Path) -> None:
    rows = ["user,ts,got,ip", "a,1658689261,1658689400,::1", "a,1658689261,1658689300,::1", "a,1658689261,,::1"]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    data = read_data(tmp_path, LOG)
    assert data.events["raw_ref"].to_list() == ["log.csv:3"]
    assert data.ledger["duplicate"].to_list() == [2]


def test_what_was_known_at_a_time(tmp_path: Path) -> None:
    """as_of goes by the ingest time, and by the event's own time where there is none."""
    rows = ["user,ts,got,ip", "a,1658689261,1658689300,::1", "b,1658689261,1658699999,::1", "c,1658699999,,::1"]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    data = read_data(tmp_path, LOG, as_of=datetime.fromtimestamp(1658689400, UTC))
    assert data.events["account_id"].to_list() == ["a"]
    assert data.quarantine["reason"].to_list() == ["after_as_of"] * 2
    assert not [note for note in data.notes if "WARNING" in note]


def test_one_event_id_on_two_different_rows_keeps_both(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,ts,id\na,1658689261,7\nb,1658689261,7\n")
    data = read_data(tmp_path, {"tables": {"log": {"account": "user", "time": "ts", "event_id": "id"}}})
    assert data.events["account_id"].to_list() == ["a", "b"]
    assert any("different content" in note for note in data.notes)


def test_a_row_keeps_its_id_wherever_it_stands(tmp_path: Path) -> None:
    """Ids made from content do not move with the row, the file, its packing or its other columns' order."""
    rows = ["a,1658689261,::1", "b,1658689262,::2", "c,1658689263,"]
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    (tmp_path / "1" / "log.csv").write_text("\n".join(["user,ts,ip", *rows]))
    turned = ["ip,ts,user", *(",".join(reversed(r.split(","))) for r in reversed(rows))]
    (tmp_path / "2" / "log.csv.gz").write_bytes(gzip.compress("\n".join(turned).encode()))
    mapping = {"tables": {"log": {"account": "user", "time": "ts", "indicators": {"ip": "ip"}}}}
    one, two = (read_data(tmp_path / n, mapping).events for n in "12")
    columns = ["event_at", "account_id", "event_id", "ip"]
    assert one.select(columns).equals(two.select(columns))


def test_shuffled_rows_give_the_same_table(tmp_path: Path) -> None:
    rows = [f"u{i % 7},{1658689261 + i % 5},::{i % 3},{i}" for i in range(60)]
    frames = []
    for n, order in enumerate((range(60), range(59, -1, -1), [(i * 7) % 60 for i in range(60)])):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "log.csv").write_text("\n".join(["user,ts,ip,id", *(rows[i] for i in order)]))
        mapping = {"tables": {"log": {"account": "user", "time": "ts", "event_id": "id", "indicators": {"ip": "ip"}}}}
        frames.append(read_data(tmp_path / str(n), mapping).events.drop("seq", "raw_ref").sort("event_at", "event_id"))
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_a_lost_row_is_never_passed_over() -> None:
    with pytest.raises(SourceError, match="rows were lost"):
        build_ledger([Source("log", "log.csv", 3, 1, 1, 0, 9, "")])


def test_the_ledger_in_words_shows_hostile_text_as_text(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,ts\na,\x1b[2J\u202e\n")
    said = describe_ledger(read_data(tmp_path, {"tables": {"log": {"account": "user", "time": "ts"}}}))
    assert "\x1b" not in said
    assert "⟨U+001B⟩[2J⟨U+202E⟩" in said
    assert "1 row(s) in 1 file(s): 0 accepted + 0 duplicate + 1 quarantined = 1" in said


def test_a_file_without_rows_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,ts,got,ip\n")
    data = read_data(tmp_path, LOG)
    assert data.events.height == 0
    assert data.ledger["rows"].to_list() == [0]
    assert any("no events" in note for note in data.notes)
    assert isinstance(data.events, pl.DataFrame)
