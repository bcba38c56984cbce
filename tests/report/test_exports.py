"""Tables as files: exact in Parquet, safe in a spreadsheet."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.model.tables import EVIDENCE
from toolkit.model.tables import UTC as UTC_TYPE
from toolkit.report.exports import safe_cell, spreadsheet_safe, write_csv, write_tables

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@given(st.text(max_size=20), st.sampled_from(["", " ", "  ", "\u00a0", "\ufeff", "\u200b "]), st.sampled_from(STARTS))
def test_no_cell_begins_a_formula(rest: str, blank: str, start: str) -> None:
    """What a spreadsheet takes for a formula stands behind an apostrophe; nothing else is changed."""
    assert safe_cell(blank + start + rest) == "'" + blank + start + rest
    assert safe_cell(f"a{start}{rest}") == f"a{start}{rest}"


def test_hostile_strings_in_a_csv(hostile: list[str], tmp_path: Path) -> None:
    """In cells, lists, column names and evidence; read back by the standard library."""
    evidence = [
        [{"kind": "=x", "value": text, "bits": 1.0, "holders": 2, "window": None, "regime": "pool"}] for text in hostile
    ]
    frame = pl.DataFrame(
        {"=cmd": hostile, "lists": [[text, text] for text in hostile], "evidence": pl.Series(evidence, dtype=EVIDENCE)}
    )
    write_csv(frame, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.reader(handle))
    assert len(rows) == len(hostile) + 1
    bad = [cell for row in rows for cell in row if cell.lstrip(" \u00a0\u200b\ufeff").startswith(STARTS)]
    assert bad == []
    assert [row[0] for row in rows[1:]] == [safe_cell(text) for text in hostile]


def test_parquet_is_exact(hostile: list[str], tmp_path: Path) -> None:
    """Ids, times, numbers and lists come back as they went in; the same frame gives the same bytes."""
    n = len(hostile)
    frame = pl.DataFrame(
        {
            "id": hostile,
            "at": pl.Series([datetime(2026, 1, 5, 1, 2, 3, 456789, tzinfo=UTC)] * n, dtype=UTC_TYPE),
            "x": [0.1 + i for i in range(n)],
            "n": [2**53 + 1] * n,
            "families": [["net", text] for text in hostile],
        }
    )
    write_tables({"t": frame}, tmp_path / "a")
    write_tables({"t": frame.clone()}, tmp_path / "b")
    assert_frame_equal(pl.read_parquet(tmp_path / "a" / "t.parquet"), frame)
    assert (tmp_path / "a" / "t.parquet").read_bytes() == (tmp_path / "b" / "t.parquet").read_bytes()


def test_numbers_and_blanks_are_left_alone() -> None:
    frame = pl.DataFrame({"n": [-1, None], "x": [-0.5, 1.0], "flag": [True, None], "empty": ["", None]})
    assert spreadsheet_safe(frame).rows() == [(-1, -0.5, True, ""), (None, 1.0, None, None)]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a b", "..", "<x>"])
def test_names_never_leave_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="letters, digits"):
        write_tables({name: pl.DataFrame()}, tmp_path)
