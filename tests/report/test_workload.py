"""A queue looked over: the planted rings are told apart, the campus is not called one, and the late are late."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.report.intake import read_escalations
from toolkit.report.workload import describe_load, find_escalations
from toolkit.resources import bundled

TINY = bundled("data_samples") / "tiny"


def test_the_queue_of_the_sample_is_told_apart(run_cells: Callable[..., Any]) -> None:
    made = run_cells(template="batch_triage", as_of="2026-03-01T12:20:00Z")
    queue = made.names["queue"].sort("case_id")
    rings = dict(queue.select("case_id", "ring").iter_rows())
    assert rings["CASE-0001"] == rings["CASE-0002"]  # "same thing as yesterday??"
    assert len(set(rings.values())) == 5
    campus = queue.row(4, named=True)  # "classic farm pattern", says the monitor
    assert (campus["likelihood"], campus["confidence"]) == (None, "low")
    assert "one place or occasion" in campus["statement"]
    assert queue.row(5, named=True)["late"] is False  # received twenty minutes ago
    assert queue.filter("late").height == 5
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet").filter(pl.col("role").is_in(["member", "creator"]))
    for case, ring in {"CASE-0001": "R1", "CASE-0003": "R3", "CASE-0006": "R8"}.items():
        members = queue.filter(pl.col("case_id") == case)["members"][0].to_list()
        assert truth.filter(pl.col("account_id").is_in(members) & (pl.col("ring") == ring)).height / len(members) >= 0.9


def test_a_queue_with_faults_is_worked_on_nevertheless(run_cells: Callable[..., Any], tmp_path: Path) -> None:
    first = (TINY / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[0]
    lines = [first, "{broken", json.dumps({"case_id": "X", "seed_accounts": ["nobody"]}), json.dumps({"prose": "help"})]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    made = run_cells(template="batch_triage", escalations_uri=str(tmp_path / "q.jsonl"))
    types = [finding.type for finding in made.names["findings"]]
    assert types[:3] == ["linked_set", "null_result", "data_gap"]
    assert "LINE-0002 and LINE-0004" in made.names["findings"][2].statement
    load = made.names["load"]
    assert load.select(pl.col("escalations", "faulty", "nothing_found").sum()).row(0) == (4, 2, 1)
    hidden = run_cells(template="batch_triage", redaction="strict").text
    assert "Finance pinged us" not in hidden


def test_escalations_lie_beside_the_tables_or_where_one_says(tmp_path: Path) -> None:
    assert find_escalations("", str(TINY)) == TINY / "escalations.jsonl"
    with pytest.raises(InputError, match="-p escalations_uri=FILE"):
        find_escalations("", str(tmp_path))
    assert len(read_escalations(TINY / "escalations.jsonl")) == 6


def test_load_is_counted_by_severity_and_reporter() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {"severity": "SEV1", "reporter": "a", "late": True, "fault": "", "accounts": 3, "received_at": at},
        {"severity": "SEV1", "reporter": "a", "late": False, "fault": "no id", "accounts": None, "received_at": at},
        {"severity": "SEV0", "reporter": "b", "late": False, "fault": "", "accounts": 0, "received_at": at},
    ]
    assert describe_load(pl.DataFrame(rows)).rows() == [("SEV0", "b", 1, 0, 0, 1), ("SEV1", "a", 2, 1, 1, 0)]
