"""Small files that unpack to large ones: refused in words, in seconds, with little memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import zstandard

from toolkit.errors import InputError, SourceError
from toolkit.settings import CAPS
from toolkit.sources.read import read_data

LOG = {"tables": {"log": {"account": "user", "time": "ts"}}}
MEASURE = """
import resource, sys, time
from toolkit.errors import SourceError
from toolkit.sources.read import read_data
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
try:
    read_data(sys.argv[1])
except SourceError as error:
    print(error)
print(time.monotonic() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def pack(path: Path, unit: bytes) -> None:
    """Write a compressed CSV whose second row has a cell of 2 GB. A packed piece, repeated, is the text repeated."""
    squeeze = gzip.compress if path.suffix == ".gz" else zstandard.compress
    piece = squeeze(unit * (2**26 // len(unit)))
    path.write_bytes(squeeze(b"account_id,event_at\na,") + piece * 32)


@pytest.mark.parametrize("name", ["auth_events.csv.gz", "auth_events.csv.zst", "auth_events.ndjson.gz"])
@pytest.mark.parametrize("unit", [b"0", b"0\n"])
def test_two_gigabytes_in_two_megabytes(tmp_path: Path, name: str, unit: bytes) -> None:
    """As one cell, and as a billion lines."""
    pack(tmp_path / name, unit)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    said, figures = done.stdout.strip().rsplit("\n", 1)
    seconds, megabytes = map(float, figures.split())
    assert "longer than" in said or "decompression bomb" in said or "of another kind" in said
    assert seconds < 20
    assert megabytes < 500


def test_a_long_cell_costs_its_row_only(tmp_path: Path) -> None:
    long = "x" * (CAPS.cell_chars + 1)
    for name in ("log.csv", "log.ndjson", "log.parquet"):
        folder = tmp_path / name
        folder.mkdir()
        rows = {"user": ["a", "b", "c"], "ts": ["1658689261"] * 3, "note": ["", long, ""]}
        if name == "log.csv":
            (folder / name).write_text(f"user,ts,note\na,1658689261,\nb,1658689261,{long}\nc,1658689261,\n")
        elif name == "log.ndjson":
            lines = [json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]
            (folder / name).write_text("\n".join(lines))
        else:
            pl.DataFrame(rows).write_parquet(folder / name)
        data = read_data(folder, LOG)
        assert data.events["account_id"].to_list() == ["a", "c"]
        assert data.quarantine["reason"].to_list() == ["cell_too_long"]
        assert data.ledger.select("rows", "accepted", "quarantined").row(0) == (3, 2, 1)


def test_a_dictionary_bomb_in_parquet(tmp_path: Path) -> None:
    """Two values, two thousand rows, and more text than the cap allows for so small a file."""
    big = pl.Series("note", ["x" * 900_000], dtype=pl.Categorical).new_from_index(0, 2_000)
    frame = pl.DataFrame({"user": ["a"] * 2_000, "ts": [1658689261] * 2_000}).with_columns(big)
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(SourceError, match="decompression bomb"):
        read_data(tmp_path, LOG)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"user":' + b"[" * 20_000 + b"]" * 20_000 + b',"ts":1}', "too_deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
        (b'{"user":"a","ts":1,' + b",".join(b'"k%d":1' % i for i in range(2_001)) + b"}", "too_many_columns"),
        (b'{"a.b":1,"a":{"b":2},"user":"a","ts":1}', "duplicate_key"),
    ],
)
def test_json_that_is_too_much(tmp_path: Path, line: bytes, reason: str) -> None:
    (tmp_path / "log.ndjson").write_bytes(b'{"user":"a","ts":1658689261}\n' + line + b'\n{"user":"b","ts":1658689261}')
    data = read_data(tmp_path, LOG)
    assert data.events["account_id"].to_list() == ["a", "b"]
    assert data.quarantine.select("line", "reason").rows() == [(2, reason)]


def test_too_many_columns_and_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = ",".join(f"c{i}" for i in range(CAPS.columns + 1))
    (tmp_path / "log.csv").write_text(f"{header}\n{header}\n")
    with pytest.raises(SourceError, match="columns, the cap is"):
        read_data(tmp_path, LOG)
    import toolkit.sources.files as files

    monkeypatch.setattr(files, "CAPS", type(CAPS)(file_bytes=100))
    with pytest.raises(SourceError, match="larger than 100 bytes"):
        read_data(tmp_path, LOG)


def test_a_quote_that_never_closes_is_read_past_in_linear_time(tmp_path: Path) -> None:
    """Every line opens a quote that the next one closes wrongly: each costs itself, and no more."""
    (tmp_path / "log.csv").write_text("user,ts\n" + 'a,"1658689261\n' * 20_000 + "b,1658689261\n")
    data = read_data(tmp_path, LOG)
    assert data.ledger["rows"].to_list() == [20_001]
    assert data.events["account_id"].to_list() == ["b"]


def test_a_gzip_of_many_members_is_one_file(tmp_path: Path) -> None:
    parts = [b"account_id,event_at\n", b"a,2026-01-05T10:00:00Z\n", b"b,2026-01-05T10:00:00Z\n"]
    (tmp_path / "auth_events.csv.gz").write_bytes(b"".join(gzip.compress(part) for part in parts))
    (tmp_path / "requests.csv.zst").write_bytes(b"".join(zstandard.compress(part) for part in parts))
    assert read_data(tmp_path).ledger["accepted"].to_list() == [2, 2]


def test_an_empty_mapping_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("")
    (tmp_path / "log.csv").write_text("a,b\n")
    with pytest.raises(InputError, match=r"no table in|no mapping"):
        read_data(tmp_path)
