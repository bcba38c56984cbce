"""Little or nothing in the data: an honest report, never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.sources.read import read_data

TINY = Path(__file__).parents[2] / "data_samples" / "tiny"
Run = Callable[..., Any]
LOGINS = "account_id,event_at,kind,ip,device_id\na,2026-01-05T10:00:00Z,login,10.1.1.1,d1\n"


def _types(done: Any) -> list[str]:
    return [finding.type for finding in done.names["findings"]]


def _no_dropped_output(done: Any) -> None:
    assert 'class="dropped"' not in done.page


def test_no_seed_is_a_wrong_call(run_cells: Run) -> None:
    with pytest.raises(InputError, match="starts from accounts, and none was given"):
        run_cells([])


def test_seeds_that_do_not_occur(run_cells: Run, tmp_path: Path) -> None:
    done = run_cells(["nobody", "no one", "none"], out_dir=str(tmp_path / "out"))
    assert "0 of 3 seeds occur" in done.page
    assert _types(done)[0] == "null_result"
    assert "is proposed" in done.names["answer"]
    _no_dropped_output(done)


def test_one_seed_of_three_occurs(run_cells: Run, seeds: list[str]) -> None:
    """A typing error does not spoil the case, and is said."""
    done = run_cells([seeds[0], seeds[1], "acct_TYPO"])
    assert "1 of 3 seeds does not occur in the data: acct_TYPO." in done.page
    assert "linked_set" in _types(done)
    assert "2 of 3" in done.page


def test_one_account(run_cells: Run, tmp_path: Path) -> None:
    (tmp_path / "auth_events.csv").write_text(LOGINS)
    done = run_cells(["a"], data_uri=str(tmp_path), out_dir=str(tmp_path / "out"))
    assert "1 of 1 seed occurs in the data" in done.page
    assert "There is nothing to compare." in done.page
    assert (tmp_path / "out" / "case.json").exists()
    _no_dropped_output(done)


def test_zero_events(run_cells: Run, tmp_path: Path) -> None:
    """Tables without a single row are refused in words: there is nothing to be honest about."""
    (tmp_path / "auth_events.csv").write_text(LOGINS.splitlines()[0] + "\n")
    with pytest.raises(InputError, match="nothing to link: 0 observations"):
        run_cells(["a"], data_uri=str(tmp_path))


def test_a_window_without_events(run_cells: Run, seeds: list[str]) -> None:
    done = run_cells(seeds, window_start="2030-01-01T00:00:00Z")
    assert "There are no events of these accounts in this window." in done.page
    assert "linked_set" in _types(done)


def test_observations_alone(run_cells: Run, seeds: list[str], tmp_path: Path) -> None:
    """Anything that yields observations can be reported on; there is no timeline then."""
    where = tmp_path / "observations.parquet"
    find_observations(read_data(TINY)).write_parquet(where)
    done = run_cells(seeds, data_uri=str(where))
    assert len(done.names["members"]) > 20
    assert "There are no events of these accounts in this window." in done.page
    assert "SYNTHETIC" not in done.page, "the file alone does not carry the mark"
    _no_dropped_output(done)


def test_missing_tables_are_a_finding(run_cells: Run, seeds: list[str], tmp_path: Path) -> None:
    (tmp_path / "auth_events.parquet").write_bytes((TINY / "auth_events.parquet").read_bytes())
    done = run_cells(seeds, data_uri=str(tmp_path))
    gaps = [f.statement for f in done.names["findings"] if f.type == "data_gap"]
    assert any("accounts, requests, content, payments, enforcement and labels" in gap for gap in gaps), gaps


def test_rows_set_aside_are_said(run_cells: Run, tmp_path: Path) -> None:
    (tmp_path / "auth_events.csv").write_text(LOGINS + "b,not a time,login,10.1.1.1,d1\n")
    done = run_cells(["a"], data_uri=str(tmp_path))
    assert "1 of 2 rows could not be used and is set aside." in done.page
    assert "the time has no known shape" in done.page


def test_as_of_hides_what_came_later(run_cells: Run, seeds: list[str]) -> None:
    whole = run_cells(seeds)
    early = run_cells(seeds, as_of="2026-01-20T00:00:00Z")
    assert early.names["data"].events["event_at"].max() < datetime(2026, 1, 20, 1, tzinfo=UTC)
    assert len(early.names["members"]) < len(whole.names["members"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("window_start", "yesterday", "window_start takes a time like"),
        ("as_of", "2026-01-05T00:00:00", "as_of needs a zone"),
        ("data_uri", "no/where", "no file or folder"),
    ],
)
def test_values_that_cannot_be(name: str, value: str, said: str, run_cells: Run, seeds: list[str]) -> None:
    with pytest.raises(InputError, match=said):
        run_cells(seeds, **{name: value})


def test_the_other_escalations(run_cells: Run) -> None:
    """Each escalation of the sample makes a report: the wrong seed, the innocent crowd, the resold accounts."""
    for line in (TINY / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[2:5]:
        case = json.loads(line)
        done = run_cells(case["seed_accounts"], case_id=case["case_id"])
        assert done.names["answer"]
        _no_dropped_output(done)
        actions = pl.DataFrame(done.names["proposed"])
        assert set(case["seed_accounts"]) <= set(done.names["expansion"]["account_id"])
        assert not set(actions.filter(pl.col("rung") == "do not action")["account_id"]) & set(done.names["joined"])
