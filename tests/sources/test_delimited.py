"""CSV is read the same in both ways, and as Python's own csv module reads it where the file is sound."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.sources import delimited
from toolkit.sources.delimited import read_delimited
from toolkit.sources.files import TableFile

pieces = st.sampled_from(["a", "b", '"', ",", "é", "\n", "\r\n", " ", "00", "\u200b"])
cells = st.lists(pieces, max_size=4).map("".join)
tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6).map(lambda rows: (width, rows))
)


@settings(max_examples=200, deadline=None)
@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_sound_files_read_as_they_were_written(table: tuple[int, list[list[str]]], end: str, last_end: bool) -> None:
    """Quotes, separators and line ends inside cells come back; both ways of reading agree to the line."""
    width, rows = table
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows([[f"h{i}" for i in range(width)], *rows])
    content = text.getvalue() if last_end else text.getvalue().removesuffix(end)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(content.encode())
        file = TableFile("a", path, "a.csv", "csv", "")
        raw = read_delimited(file)
        slow = delimited._slow(file, delimited._read_head(file))
    assert raw.faults.height == 0
    assert raw.frame.rows() == [tuple(cell or None for cell in row) for row in rows]
    assert slow.frame.equals(raw.frame)
    assert slow.line.equals(raw.line)


def test_a_bad_record_never_turns_a_cell_into_rows(tmp_path: Path) -> None:
    """A cell that holds a line which looks like a row stays a cell, also where a byte is no text."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,note\n1,"x\n666,forged\n"\n2,"\xff\n667,forged\n"\n3,ok\n')
    raw = read_delimited(TableFile("a", path, "a.csv", "csv", ""))
    assert raw.frame["id"].to_list() == ["1", "3"]
    assert raw.faults.select("line", "reason").rows() == [(5, "invalid_utf8")]
    assert raw.line.to_list() == [2, 8]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\nid,note\n\n1,a\n   \n2,b\n\n")
    raw = read_delimited(TableFile("a", path, "a.csv", "csv", ""))
    assert raw.frame.rows() == [("1", "a"), ("2", "b")]
    assert raw.line.to_list() == [4, 6]
    assert raw.rows == 2
