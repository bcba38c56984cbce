"""Tables as files: exact in Parquet, safe in a spreadsheet."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.model.abuse import ABUSE_TYPES
from toolkit.model.case import FINDING_TYPES, Action, Case, Finding
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung
from toolkit.model.tables import EVIDENCE
from toolkit.model.tables import UTC as UTC_TYPE
from toolkit.report.exports import (
    case_schema,
    read_case,
    safe_cell,
    spreadsheet_safe,
    write_case,
    write_csv,
    write_tables,
)

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


def test_every_type_has_a_cell() -> None:
    """Dates, times, durations, records, bytes and decimals; what begins like a formula is kept from being one."""
    frame = pl.DataFrame(
        {
            "date": [date(2026, 1, 5)],
            "time": [time(1, 2, 3, 4)],
            "zoned": pl.Series([datetime(2026, 1, 5, 1, tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo"),
            "naive": [datetime(2026, 1, 5, 1)],
            "late": [timedelta(hours=-1, seconds=30)],
            "record": [{"kind": "=x", "n": date(2026, 1, 5)}],
            "bytes": [b"\x00=1"],
            "price": [Decimal("-1.10")],
            "enum": pl.Series(["=1+1"], dtype=pl.Enum(["=1+1"])),
            "days": [[date(2026, 1, 5), None]],
            "pair": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
            "none": [None],
        }
    )
    assert spreadsheet_safe(frame).row(0, named=True) == {
        "date": "2026-01-05", "time": "01:02:03.000004", "zoned": "2026-01-05T01:00:00.000000Z",
        "naive": "2026-01-05T01:00:00.000000", "late": "'-PT59M30S", "record": '{"kind": "=x", "n": "2026-01-05"}',
        "bytes": "003d31", "price": Decimal("-1.10"), "enum": "'=1+1", "days": "2026-01-05; ", "pair": "1; 2",
        "none": None,
    }  # fmt: skip
    nothing = frame.clear()
    assert spreadsheet_safe(nothing).columns == frame.columns
    missing = pl.DataFrame({name: [None] for name in frame.columns}, schema=frame.schema)
    assert spreadsheet_safe(missing).row(0) == (None,) * frame.width


# ---------------------------------------------------------------- the case

TEXT = st.text(max_size=12)
WORDS = TEXT.filter(str.strip)
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
REFRESH = (
    'python -c "import json, toolkit.report.exports as e; print(json.dumps(e.case_schema(), indent=2, sort_keys=True))"'
    " > toolkit/report/assets/case.schema.json"
)
LISTS = st.lists(TEXT, max_size=3).map(tuple)
FINDINGS = st.builds(
    Finding,
    finding_id=st.integers(1, 99).map("F{}".format), type=st.sampled_from(FINDING_TYPES),
    statement=WORDS.filter(lambda s: "confidence" not in s.lower()), likelihood=st.none() | st.sampled_from(Likelihood),
    confidence=st.sampled_from(Confidence), basis=WORDS, level=st.none() | st.sampled_from(Level),
    accounts=LISTS, evidence_ids=LISTS, alternatives=LISTS, next_check=TEXT,
)  # fmt: skip
ACTIONS = st.builds(
    Action,
    account_id=WORDS, rung=st.sampled_from(Rung), level=st.just(Level.L4),
    reasons=st.lists(TEXT, min_size=1, max_size=2), innocent_explanation=WORDS,
    own_violation=st.booleans(), wave=st.integers(1, 9), reviewer=TEXT, policy=TEXT,
)  # fmt: skip
CASES = st.builds(
    Case,
    case_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True), seeds=LISTS, purpose=WORDS, analyst=WORDS,
    tlp=st.sampled_from(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]), as_of=st.none() | TIMES,
    bottom_line=TEXT, findings=st.lists(FINDINGS, max_size=3), actions=st.lists(ACTIONS, max_size=3),
    abuse_types=st.lists(st.sampled_from(sorted(ABUSE_TYPES)), max_size=2),
)  # fmt: skip
SCHEMA = json.loads((files("toolkit.report") / "assets" / "case.schema.json").read_text(encoding="utf-8"))


@given(CASES, st.booleans())
def test_a_case_comes_back_as_it_was(case: Case, synthetic: bool) -> None:
    """Written, valid by the schema, read: equal."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        write_case(case, path, synthetic=synthetic)
        jsonschema.validate(json.loads(path.read_bytes()), SCHEMA, jsonschema.Draft202012Validator)
        assert read_case(path) == case


def test_hostile_strings_in_a_case(hostile: list[str], tmp_path: Path) -> None:
    case = Case(case_id="C", seeds=hostile, purpose="p", analyst="k", bottom_line="\u2028".join(hostile))
    write_case(case, tmp_path / "case.json")
    assert read_case(tmp_path / "case.json") == case


def test_the_schema_is_current() -> None:
    assert case_schema() == SCHEMA, f"the model has changed; refresh the schema: {REFRESH}"


def test_older_cases_can_be_read(tmp_path: Path) -> None:
    """Version 1.0 knew neither policies nor kinds of abuse."""
    case = Case(case_id="C", seeds=["a"], purpose="p", analyst="k")
    write_case(case, tmp_path / "case.json")
    record = json.loads((tmp_path / "case.json").read_bytes())
    del record["case"]["abuse_types"]
    (tmp_path / "case.json").write_text(json.dumps(record | {"version": "1.0"}))
    assert read_case(tmp_path / "case.json") == case


WRONG = {
    "": "is not JSON",
    "[" * 100_000: "is not JSON",
    "[]": "is not a case",
    '{"version": "1.1"}': "is not a case",
    '{"version": "2.0", "synthetic": false, "case": {}}': "of version '2.0', and this toolkit reads 1.x",
    '{"version": 1, "synthetic": false, "case": {}}': "of version '1'",
    '{"version": "1.1", "synthetic": false, "case": 7}': "case:",
    '{"version": "1.1", "synthetic": false, "case": {"seeds": ["\\ud800"]}}': "half of a character",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_cases_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(text)
    with pytest.raises(InputError, match=WRONG[text]):
        read_case(tmp_path / "case.json")


def test_all_faults_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no case in none\.json"):
        read_case(tmp_path / "none.json")
    case = {"case_id": "a/b", "seeds": [7], "purpose": "", "analyst": "k", "abuse_types": ["jailbreak"], "x\u202e": 1}
    record = {"version": "1.1", "synthetic": "yes", "case": case, "more": 1}
    (tmp_path / "case.json").write_text(json.dumps(record))
    with pytest.raises(InputError) as error:
        read_case(tmp_path / "case.json")
    said = str(error.value)
    for part in ("'more'", "synthetic is true or false", "case_id: ", "seeds.0: ", "purpose: ", "x⟨U+202E⟩: "):
        assert part in said, part
    assert "did you mean 'jailbreak_ring'" in said
