"""Returns after a ban: planted ones are found, rates are those of the definition, proposals keep to their floor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import toolkit as tk
from toolkit.errors import InputError
from toolkit.report.evasion import choose_bans, count_survivors, estimate_recidivism, list_shared, propose_for_returns
from toolkit.resources import bundled

START = datetime(2026, 1, 5, tzinfo=UTC)
TINY = bundled("data_samples") / "tiny"


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def test_bans_are_the_first_of_each_account() -> None:
    verbs = ["enforcement.ban", "enforcement.ban", "enforcement.suspend", "enforcement.warn"]
    rows = pl.DataFrame(
        {"account_id": ["a", "a", "b", "c"], "event_at": [day(3), day(1), day(20), day(2)], "event": verbs}
    )
    assert choose_bans(rows).select("account_id", "at").rows() == [("a", day(1)), ("b", day(20))]
    assert choose_bans(rows, lookback_days=5)["account_id"].to_list() == ["b"]
    assert choose_bans(rows, ["a"])["account_id"].to_list() == ["a"]
    with pytest.raises(InputError, match=r"2 accounts of those named were never banned in these data: c, z\u27e8"):
        choose_bans(rows, ["a", "c", "z\u202e"])


RETURNS = pl.DataFrame(
    {
        "account_id": ["x", "x", "y"], "of_account": ["a", "b", "a"], "delay_s": [3_600.0, 7_200.0, 36_000.0],
        "shared": [["ip=1=2", "card=c"], ["ip=1=2"], ["ip=9"]], "confidence": ["moderate", "low", "low"],
        "score": [9.0, 3.0, 3.0], "why": ["w1", "w2", "w3"],
    }
)  # fmt: skip


def test_what_survived_is_counted_by_candidates() -> None:
    shared = list_shared(RETURNS)
    assert shared.rows()[0] == ("x", "a", "card", "c")
    assert ("x", "a", "ip", "1=2") in shared.rows()
    assert count_survivors(shared, RETURNS).rows() == [("ip", 2, 2, 2, 1.0), ("card", 1, 1, 0, 0.5)]


def test_only_bans_whose_window_is_over_count() -> None:
    bans = pl.DataFrame({"account_id": ["a", "b", "c"], "at": [day(1), day(2), day(9.5)], "action": "ban"})
    rates = estimate_recidivism(bans, RETURNS, ends_at=day(10), window_h=24)
    assert rates.select("banned", "whole", "returned", "share", "median_h").rows() == [(3, 2, 2, 1.0, 1.5)]
    assert rates["share_low"][0] == pytest.approx(0.342, abs=1e-3)
    late = estimate_recidivism(bans, RETURNS, ends_at=day(1), window_h=24)
    assert late.select("whole", "share", "share_low", "share_high").rows() == [(0, None, 0.0, 1.0)]


def test_proposals_follow_the_best_tie_and_the_accounts_own_conduct() -> None:
    said = [(a.account_id, a.rung.value, a.level.value) for a in propose_for_returns(RETURNS)]
    assert said == [("x", "step-up verification", "L2"), ("y", "monitor", "L1")]
    assert propose_for_returns(RETURNS, {"x", "y"})[0].rung.value == "suspend"
    assert [a.rung.value for a in propose_for_returns(RETURNS, {"x", "y"})][1] == "monitor"


def test_planted_returns_are_found_in_the_sample(run_cells: Callable[..., Any]) -> None:
    """Well tied candidates are returns of a planted operator: each continues an account of the same ring."""
    made = run_cells(template="ban_evasion")
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet")
    ring: dict[str, set[str]] = {}
    for row in truth.to_dicts():
        ring.setdefault(row["account_id"], set()).add(str(row["ring"]))
    firm = made.names["firm"].select("account_id", "of_account").rows()
    same = [bool(ring.get(new, {new}) & ring.get(old, {old})) for new, old in firm]
    assert len(firm) >= 10
    assert sum(same) / len(same) >= 0.9
    assert [f.type for f in made.names["findings"]][:2] == ["return_attempt", "return_attempt"]
    assert "Came back" in made.page


def test_nothing_to_follow_is_said(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    data = tk.read_data(TINY)
    quiet = data.tables["auth_events"].select("account_id", "event_at", "ip", event="event")
    quiet.head(2_000).rename({"event_at": "created_at"}).write_parquet(tmp_path / "auth_events.parquet")
    made = run_cells(template="ban_evasion", data_uri=str(tmp_path))
    assert made.names["findings"][0].statement == "No ban lies in these data: there is nothing to follow."
    with pytest.raises(InputError, match="never banned"):
        run_cells(template="ban_evasion", banned_accounts=["nobody"])
