"""Cases on the disk: opened on pinned inputs, run, checked, run again, compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from toolkit import cli
from toolkit.errors import InputError, TemplateError
from toolkit.report.cases import CaseFolder, new_case, open_case_folder, run_case, verify_case
from toolkit.report.compare import compare_reports
from toolkit.report.folders import only_one
from toolkit.report.log import read_log
from toolkit.report.rerun import rerun_report
from toolkit.report.verify import verify_report

SEEDS = ["0012", "a'b\"c\\ü"]


def test_a_new_case_is_ready_to_run_by_hand(case: CaseFolder) -> None:
    """The notebook's parameters are the case's, exact; comments and types stay; every input is pinned."""
    book = json.loads(case.notebook.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    source = "".join(book["cells"][1]["source"])
    exec(source, names)  # noqa: S102 - our own template, in a test
    assert names["seed_accounts"] == SEEDS
    assert (names["case_id"], names["data_uri"], names["word"]) == ("ESC-1", str(case.data), "a")
    assert "seed_accounts: list = ['0012'," in source
    assert "# ids, as text" in source
    assert list(case.inputs) == ["accounts.csv"]
    assert [line["what"] for line in read_log(case.path)] == ["opened"]
    assert verify_case(case.path).is_empty()


def test_what_cannot_be_a_case_is_not_opened(case: CaseFolder, templates: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is a case ESC-1 in cases already"):
        new_case("ESC-1", "own", data=case.data, templates=templates, into=tmp_path / "cases")
    with pytest.raises(InputError, match="a case id has 1 to 64 letters"):
        new_case("../x", "own", data=case.data, templates=templates, into=tmp_path / "cases")
    with pytest.raises(InputError, match="nothing at"):
        new_case("ESC-2", "own", data=tmp_path / "none", templates=templates, into=tmp_path / "cases")
    assert [path.name for path in (tmp_path / "cases").iterdir()] == ["ESC-1"]
    with pytest.raises(InputError, match="no case in data"):
        open_case_folder(case.data)


def test_runs_are_kept_and_repeat_to_the_byte(case: CaseFolder) -> None:
    first = run_case(case)
    second = run_case(case, who="lee")
    assert [run.name for run in case.runs] == ["0001", "0002"]
    assert [(line["what"], line["who"]) for line in read_log(case.path)] == [
        ("opened", "kim"), ("began", "kim"), ("ran", "kim"), ("began", "lee"), ("ran", "lee"),
    ]  # fmt: skip
    told = compare_reports(first, second)
    assert (told.same, told.same_files) == (True, True)
    assert verify_case(case.path).is_empty()
    assert verify_report(first, case.data).is_empty()
    again = rerun_report(first, data=case.data, templates=case.templates)
    assert again.same_files
    assert "Every file is the same to the byte." in again.text


def test_one_run_of_a_case_at_a_time(case: CaseFolder) -> None:
    with only_one(case.path, "run"), pytest.raises(InputError, match="another run works in"):
        run_case(case)
    assert run_case(case).name == "0001"
    assert verify_case(case.path).is_empty()


def test_changed_inputs_are_named_and_taken_only_on_purpose(case: CaseFolder) -> None:
    first = run_case(case)
    with (case.data / "accounts.csv").open("a") as file:
        file.write("=c|d,2026-01-07T00:00:00Z\n")
    with pytest.raises(InputError, match=r"accounts\.csv changed.*--repin"):
        run_case(case)
    assert verify_case(case.path).rows() == [("input", "accounts.csv", "changed")]
    second = run_case(case, repin=True)
    case = open_case_folder(case.path)
    assert verify_case(case.path).is_empty()
    told = compare_reports(first, second)
    assert told.accounts.rows() == [("=c|d", "in", "", "L2"), ("=c|d", "proposed", "", "monitor")]
    assert told.findings.select("type", "change").rows() == [("linked_set", "changed")]
    assert told.about.select("part", "name").rows() == [("input", "accounts.csv")]
    assert "| =c\\|d | in |  | L2 |" in told.text
    back = compare_reports(second, first)
    assert back.accounts["change"].to_list() == ["out", "proposed"]


def test_a_failed_run_is_kept_in_the_log_and_hurts_nothing(tmp_path: Path, templates: Path, data: Path) -> None:
    case = new_case("F", "own", data=data, seeds=["a"], parameters={"breaks": True}, templates=templates, into=tmp_path)
    with pytest.raises(TemplateError, match="broken"):
        run_case(case)
    assert [line["what"] for line in read_log(case.path)] == ["opened", "began", "failed"]
    assert case.runs == []
    assert verify_case(case.path).is_empty()


def test_every_flipped_bit_is_named(case: CaseFolder) -> None:
    """500 of them, over inputs, settings, log, manifest, record of the run, page and tables."""
    run_case(case)
    files = [
        path
        for path in case.path.rglob("*")
        if path.is_file() and path.name not in ("notes.md", case.notebook.name, ".run.lock")
    ]
    files += [case.data / "accounts.csv"]
    assert len(files) > 8
    drawn = np.random.default_rng(3)
    for i in range(500):
        path = files[i % len(files)]
        whole = path.read_bytes()
        at = int(drawn.integers(len(whole)))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(drawn.integers(8))]) + whole[at + 1 :])
        faults = verify_case(case.path)
        assert any(name.endswith(path.name) for name in faults["name"]), (path.name, at, faults)
        path.write_bytes(whole)
    assert verify_case(case.path).is_empty()


def test_runs_and_files_that_appear_or_vanish_are_named(case: CaseFolder) -> None:
    first, second = run_case(case), run_case(case)
    (first / "extra.txt").write_text("x")
    (first / "ledger.csv").unlink()
    shutil.copytree(second, case.path / "runs" / "0007")
    shutil.rmtree(second)
    assert verify_case(case.path).rows() == [
        ("output", "0001/extra.txt", "not in the manifest"), ("output", "0001/ledger.csv", "missing"),
        ("run", "0002", "missing"), ("run", "0007", "not in the log"),
    ]  # fmt: skip


def test_the_commands(tmp_path: Path, templates: Path, data: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        told = CliRunner().invoke(cli.cli, [str(a) for a in arguments])
        return told.exit_code, told.output + (str(told.exception) if told.exception else "")

    into = ("--into", tmp_path / "cases", "--templates", templates)
    assert run("new", "K", "--template", "own", "--data", data, "--seed", "a", *into)[0] == 0
    case = tmp_path / "cases" / "K"
    assert "has no run yet" in run("rerun", case)[1]
    assert run("report", "--case", case)[0] == 0
    assert run("verify", case) == (0, "Everything is as it was written.\n")
    assert "give --data" in run("verify", case / "runs" / "0001")[1]
    assert run("rerun", case)[0] == 0
    assert run("compare", case / "runs/0001", case / "runs/0001", "--out", tmp_path / "c")[0] == 0
    assert (tmp_path / "c" / "comparison.md").read_text().startswith("# K: 0001 and 0001")
    (case / "runs" / "0001" / "report.html").write_text("x")
    code, said = run("verify", case)
    assert code != 0
    assert "output 0001/report.html: changed" in said
    assert run("report", "own", "--case", case)[0] == 2
    assert run("report", "own", "--repin")[0] == 2
