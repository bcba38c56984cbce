"""Closed rings come back: planted in one month, found in another; taken back; read as they were; kept from others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from toolkit import cli
from toolkit.errors import InputError, SourceError
from toolkit.linking.observations import find_observations
from toolkit.linking.registry import add_ring, list_rings, read_registry
from toolkit.report.audience import share_report
from toolkit.report.by_hand import review_case
from toolkit.report.cases import CaseFolder, choose_run, new_case, open_case_folder, run_case, verify_case
from toolkit.report.closing import close_case, list_ring, reopen_case
from toolkit.report.compare import compare_reports
from toolkit.report.findings import number_findings
from toolkit.report.known import describe_known, draft_known, fingerprint_registry, match_known, show_known
from toolkit.report.registries import find_registry
from toolkit.report.rerun import rerun_report
from toolkit.report.verify import read_manifest
from toolkit.views.names import Names

from .conftest import TINY

CROWD = [f"p{i}" for i in range(500)]


def world(**held: list[str]) -> pl.DataFrame:
    """Two accounts x and y with these values, among 500 others who have values of their own."""
    return find_observations(
        pl.DataFrame({"account_id": ["x", "y", *CROWD], **{k: v + CROWD for k, v in held.items()}})
    )


def close(place: Path, name: str, accounts: list[str], seen: pl.DataFrame) -> int:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return add_ring(place, name, accounts, seen, case_id=f"C-{name}", closed_at=at, label="card testing")


def test_the_same_people_are_known_again_and_others_are_not(tmp_path: Path) -> None:
    march = world(device=["d", "d"], phone=["t1", "t2"])
    close(tmp_path, "R-7", ["a", "b"], march.with_columns(pl.col("account_id").replace({"x": "a", "y": "b"})))
    june = world(device=["d", "e"], phone=["t1", "t2"])
    again = match_known("ESC-2", ["x", "y"], june, tmp_path)
    assert again.matches.select("cluster_id", "ring_id", "verdict").rows() == [("ESC-2", "R-7", "same operator")]
    (said,) = draft_known(again)
    assert said["type"] == "known_ring"
    assert "closed in case C-R-7 on 2026-03-02, runs this set too" in str(said["statement"])
    assert "(card testing)" in str(said["next_check"])
    assert "1 device and 2 phones" in str(said["statement"]) or "2 phones and 1 device" in str(said["statement"])
    shown = describe_known(again, Names("none")).row(0, named=True)
    assert (shown["ring"], shown["closed"]) == ("R-7", "2026-03-02, case C-R-7")

    others = match_known("ESC-3", ["p1", "p2"], june, tmp_path)
    assert [(draft["type"], str(draft["statement"])[:30]) for draft in draft_known(others)] == [
        ("null_result", "Of 1 ring that the team knows,")
    ]


def test_the_same_accounts_are_the_same_ring_and_a_case_does_not_meet_itself(tmp_path: Path) -> None:
    seen = world(device=["d", "d"], card=["c1", "c2"])
    close(tmp_path, "R-7", ["x", "y"], seen)
    found = match_known("ESC-2", ["x", "y"], seen, tmp_path)
    (said,) = draft_known(found)
    assert (said["accounts"], said["likelihood"]) == (("x", "y"), None)
    assert str(said["statement"]).startswith("2 accounts of this set belonged to ring R-7")
    assert match_known("C-R-7", ["x", "y"], seen, tmp_path).rings.height == 0


def test_names_that_people_gave_say_nothing_else(tmp_path: Path, hostile: list[str]) -> None:
    """A ring's name or label is data: it can neither break a report nor speak in it."""
    seen = world(device=["d", "d"], card=["c1", "c2"])
    at = datetime(2026, 3, 2, tzinfo=UTC)
    for number, name in enumerate([*hostile[:40], "of high confidence"]):
        place = tmp_path / f"{number}"
        add_ring(place, name, ["x", "y"], seen, case_id=name, closed_at=at, label=name)
        known = match_known("ESC-2", ["x", "y"], seen, place)
        (found,) = number_findings(draft_known(known))
        assert found.type == "known_ring"
        page = show_known(known, Names("none")).as_html()
        assert "<script" not in page
        assert "<img" not in page


def test_a_registry_is_read_as_it_was_at_an_entry(tmp_path: Path) -> None:
    seen = world(device=["d", "d"])
    close(tmp_path, "R-1", ["x", "y"], seen)
    before = fingerprint_registry(tmp_path, 1)
    close(tmp_path, "R-2", ["p1", "p2"], seen)
    assert match_known("E", ["x"], seen, tmp_path, entry=1).rings["ring_id"].to_list() == ["R-1"]
    assert match_known("E", ["x"], seen, tmp_path, entry=0).rings.height == 0
    assert (fingerprint_registry(tmp_path, 1), match_known("E", ["x"], seen, tmp_path).entry) == (before, 2)
    assert match_known("E", ["x"], seen, "").entry == -1
    with pytest.raises(SourceError, match="no registry"):
        match_known("E", ["x"], seen, tmp_path / "nowhere")
    none = match_known("E", ["x"], seen, tmp_path, entry=0)
    assert "No ring is known yet." in show_known(none, Names("none")).as_text()


def test_the_first_closing_makes_the_registry(
    case: CaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that was named and is still empty stops nothing; with a key, nothing stands there in the clear."""
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("TOOLKIT_REGISTRY", str(tmp_path / "team" / "rings"))
    monkeypatch.setenv("TOOLKIT_REGISTRY_KEY", str(tmp_path / "key"))
    run_case(case)
    assert find_registry(case.path) is None
    assert close_case(case)["about"]["hidden"]
    assert find_registry(case.path) == tmp_path / "team" / "rings"
    held = pl.read_parquet(tmp_path / "team" / "rings" / "values" / "000001.parquet")
    assert not {"0012", "b"} & set(held["value"])
    seen = find_observations(pl.DataFrame({"account_id": ["0012", "b", *CROWD], "device": ["d", "d", *CROWD]}))
    assert match_known("E", ["0012", "b"], seen, tmp_path / "team" / "rings").matches["verdict"].to_list() == [
        "same ring"
    ]
    monkeypatch.delenv("TOOLKIT_REGISTRY_KEY")
    with pytest.raises(InputError, match="key"):
        match_known("E", ["0012", "b"], seen, tmp_path / "team" / "rings")


def test_closing_writes_down_whom_a_run_would_act_on(case: CaseFolder) -> None:
    with pytest.raises(InputError, match="has no run yet"):
        close_case(case)
    run = run_case(case)
    review_case(case.path, run, "b", "disputed", reviewer="lee", note="a test account")
    assert list_ring(case, run) == ["0012"]
    entry = close_case(case, label="spring", who="lee")
    assert (entry["what"], entry["who"], entry["about"]["accounts"], entry["about"]["entry"]) == ("closed", "lee", 1, 1)
    registry = case.path.parent / "registry"
    assert list_rings(registry).select("ring_id", "members", "case_id", "label").rows() == [
        ("ESC-1", 1, "ESC-1", "spring")
    ]
    assert reopen_case(case, why="overturned on appeal")["about"]["ring_id"] == "ESC-1"
    assert read_registry(registry).rings.height == 0
    with pytest.raises(InputError, match="is not closed"):
        reopen_case(case, why="again")
    assert verify_case(case.path).rows() == []

    (case.data / "accounts.csv").write_text("account_id\nz\n")
    with pytest.raises(InputError, match=r"accounts\.csv changed; run it again first"):
        close_case(case)
    (run / "actions.csv").write_text("x") if (run / "actions.csv").exists() else (run / "brief.md").write_text("x")
    with pytest.raises(InputError, match="run 0001 of ESC-1 is not as it was written"):
        close_case(case)


def test_a_ring_that_was_closed_is_met_again_in_a_report(tmp_path: Path, seeds: list[str]) -> None:
    """Two escalations about one ring, a day apart; what the second says does not change when the registry grows."""
    toolkit = CliRunner()

    def run(*words: object) -> str:
        done = toolkit.invoke(cli.cli, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    cases = tmp_path / "cases"
    first = new_case("ESC-1", "ring_escalation", data=TINY, seeds=seeds[:1], into=cases)
    run_case(first)
    run("close", first.path, "--label", "canary-spring", "--ring", "CANARY-7")
    second = new_case("ESC-2", "ring_escalation", data=TINY, seeds=seeds[1:3], into=cases)
    report = run_case(second)
    assert "belonged to ring CANARY-7, closed in case ESC-1" in (report / "brief.md").read_text()
    assert pl.read_parquet(report / "known_rings.parquet")["verdict"].to_list() == ["same ring"]
    manifest = read_manifest(report)
    assert manifest is not None
    assert manifest["parameters"]["registry_entry"] == 1
    assert "registry_uri" not in manifest["parameters"]
    assert "CANARY-7" in run("rings", cases / "registry")

    run("reopen", first.path, "--why", "a mistake")
    again = rerun_report(report, data=TINY, registry=cases / "registry")
    assert again.same_files
    with pytest.raises(InputError, match="give --registry"):
        rerun_report(report, data=TINY)
    assert verify_case(second.path).rows() == []

    for audience, tlp, told in (("policy", "", True), ("peer", "GREEN", False), ("public", "CLEAR", False)):
        copy = share_report(report, audience, tmp_path / audience, key=b"k" * 32, tlp=tlp)
        text = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
        assert (b"CANARY-7" in text, b"canary-spring" in text) == (told, told), audience

    assert compare_reports(report, run_case(open_case_folder(second.path))).text.count("known") >= 1
    value = cases / "registry" / "values" / "000001.parquet"
    value.write_bytes(value.read_bytes()[:-20] + b"0" * 20)
    assert ("input", "0001/known rings to entry 1", "cannot be read") in verify_case(second.path).rows()
    assert choose_run(second, "1").name == "0001"
