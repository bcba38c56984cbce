"""Notes, kept looks and verdicts: into the log, into the next run, never into a copy for others."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.pivots import keep_pivot
from toolkit.report.audience import share_report
from toolkit.report.by_hand import BY_HAND_FILE, gather_by_hand, read_by_hand, review_case, show_notes
from toolkit.report.cases import CaseFolder, run_case, verify_case
from toolkit.report.exports import read_case
from toolkit.report.log import LOG_FILE, read_log
from toolkit.report.rerun import rerun_report

NOTE = "Whose card is it? <b>ask</b> the bank; canary-4417"


def test_the_next_run_holds_what_people_added(case: CaseFolder, tmp_path: Path) -> None:
    first = run_case(case)
    assert not (first / BY_HAND_FILE).exists()  # nobody has added anything: blank notes are none
    case.path.joinpath("notes.md").write_text(f"# ESC-1\n\n## Open questions\n\n- {NOTE}\n\n## Notes\n\n-\n")
    keep_pivot(case.path, pl.DataFrame({"n": [1, 2]}), "rows = seen", widget="Rows", note="a shared card")
    review_case(case.path, first, "F1", "confirmed", reviewer="lee")
    review_case(case.path, first, "0012", "disputed", reviewer="lee", note="a test account")

    second = run_case(case)
    record = read_case(second / "case.json")
    assert [(f.finding_id, f.reviewer) for f in record.findings] == [("F1", "lee")]
    assert {a.account_id: a.reviewer for a in record.actions}["0012"] == ""
    assert [(p.pivot_id, p.rows, p.note) for p in record.pivots] == [("P1", 2, "a shared card")]
    page = (second / "report.html").read_text(encoding="utf-8")
    assert "Whose card is it? &lt;b&gt;ask&lt;/b&gt; the bank" in page
    assert "a test account" in page
    assert "Notes</p>" not in page  # a heading over nothing
    assert page.count("<dt>Confirmed by</dt><dd>lee</dd>") == 1
    assert list(second.glob(".*")) == []  # the longer template was for the run alone
    assert verify_case(case.path).rows() == []

    case.path.joinpath("notes.md").write_text("something else")
    assert rerun_report(second, data=case.data, templates=case.templates).same_files
    copy = share_report(second, "public", tmp_path / "copy", tlp="CLEAR")
    assert not any(b"canary-4417" in path.read_bytes() for path in copy.rglob("*") if path.is_file())


def test_a_verdict_holds_for_the_words_it_was_given_on(case: CaseFolder) -> None:
    first = run_case(case)
    review_case(case.path, first, "F1", "confirmed", reviewer="lee")
    said = json.loads((first / "case.json").read_text())
    # Another run, other words: as if the data had changed.
    accounts = case.data / "accounts.csv"
    accounts.write_text(accounts.read_text() + "new,2026-01-05T00:00:00Z\n")
    second = run_case(case, repin=True)
    record = read_case(second / "case.json")
    assert record.findings[0].statement != said["case"]["findings"][0]["statement"]
    assert record.findings[0].reviewer == ""
    assert "no longer" in (second / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_a_review(case: CaseFolder) -> None:
    run = run_case(case)
    with pytest.raises(UnknownNameError, match="no verdict 'confirmd': did you mean 'confirmed'"):
        review_case(case.path, run, "F1", "confirmd", reviewer="lee")
    with pytest.raises(UnknownNameError, match="F2"):
        review_case(case.path, run, "F2", "confirmed", reviewer="lee")
    with pytest.raises(InputError, match="disputed needs a reason"):
        review_case(case.path, run, "F1", "disputed", reviewer="lee")
    with pytest.raises(InputError, match="somebody else reviews it"):
        review_case(case.path, run, "F1", "confirmed", reviewer=" Kim ")
    assert [entry["what"] for entry in read_log(case.path)] == ["opened", "began", "ran"]


def test_a_review_that_was_changed_is_found(case: CaseFolder) -> None:
    review_case(case.path, run_case(case), "F1", "disputed", reviewer="lee", note="a campus")
    log = case.path / LOG_FILE
    log.write_text(log.read_text().replace("disputed", "confirmed"))
    assert "log" in verify_case(case.path)["part"].to_list()
    with pytest.raises(InputError, match=r"log\.jsonl: line 4"):
        gather_by_hand(case.path)


def test_long_notes_are_cut_on_the_page_alone(tmp_path: Path) -> None:
    notes = "- " + "x" * 30_000
    (tmp_path / BY_HAND_FILE).write_text(json.dumps({"notes": notes}))
    assert read_by_hand(tmp_path).notes == notes
    assert show_notes(tmp_path).as_text().endswith("… and 10,002 characters more, in case.json")
    (tmp_path / BY_HAND_FILE).write_text("{")
    with pytest.raises(InputError, match=r"by_hand\.json cannot be read"):
        read_by_hand(tmp_path)
