"""Payments: planted testers and the owners of their cards, shares against the definition, credit added up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from scipy.stats import binomtest

from toolkit.errors import ContractError, InputError
from toolkit.report.payments import (
    chart_declines,
    find_owners,
    measure_credit,
    profile_cards,
    profile_payers,
    propose_for_payments,
    take_payments,
)
from toolkit.resources import bundled

START = datetime(2026, 1, 5, tzinfo=UTC)
TINY = bundled("data_samples") / "tiny"


def pay(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    """Payments: account, card, result, days since the start."""
    at = [START + timedelta(days=d) for *_, d in rows]
    columns = zip(*rows, strict=True)
    return pl.DataFrame(dict(zip(("account_id", "card", "result"), columns, strict=False))).with_columns(
        pl.Series("event_at", at)
    )


TESTER = [("t", f"c{i}", "declined", 3.0) for i in range(8)]
CROWD = [(f"u{i}", f"k{i}", "succeeded" if i % 20 else "declined", i % 9) for i in range(200)]
AGENCY = [("agency", f"m{i}", "succeeded", 4.0) for i in range(9)]


def test_a_tester_is_told_from_an_agency_and_from_bad_luck() -> None:
    unlucky = [("poor", "p1", "declined", 1.0)] * 6
    told = profile_payers(pay(*TESTER, *CROWD, *AGENCY, *unlucky))
    assert told.filter("tester")["account_id"].to_list() == ["t"]
    assert told.row(0, named=True)["busiest_hour"] == 8
    one = {row["account_id"]: row for row in told.to_dicts()}
    usual = told.filter(pl.col("cards") < 4)
    rate = (usual["declined"].sum() + 0.5) / (usual["attempts"].sum() + 1)
    assert 2.0 ** -one["t"]["bits"] == pytest.approx(binomtest(8, 8, rate, alternative="greater").pvalue, rel=1e-2)
    assert one["agency"]["bits"] == 0
    with pytest.raises(InputError, match="min_cards is 1"):
        profile_payers(pay(*TESTER), min_cards=1)


def test_owners_paid_with_the_card_and_are_told_not_punished() -> None:
    rows = pay(*TESTER, *CROWD, ("owner", "c1", "succeeded", 0.0), ("other", "c2", "declined", 0.0))
    owners = find_owners(rows, ["t"])
    assert owners.select("account_id", "cards", "paid", "since").rows() == [("owner", 1, 1, START)]
    rungs = {a.account_id: a.rung.value for a in propose_for_payments(profile_payers(rows), owners)}
    assert rungs == {"t": "rate-limit or credit hold", "owner": "notify and rotate"}
    assert profile_cards(rows).select("value", "accounts").rows() == [("c1", 2), ("c2", 2)]


def test_only_days_beyond_chance_stand_out() -> None:
    calm = [(f"u{i}", "k", "declined" if i % 25 == 0 else "succeeded", i % 29) for i in range(900)]
    storm = [(f"s{i}", "k", "declined" if i % 2 else "succeeded", 12.5) for i in range(20)]
    days = chart_declines(pay(*calm, *storm))
    assert days.filter("out")["day_at"].to_list() == [START + timedelta(days=12)]
    assert chart_declines(pay(*calm)).filter("out").is_empty()


def test_credit_is_added_up_by_its_first_grant() -> None:
    rows = [
        ("a", 0, "grant", 5, "W"),
        ("a", 1, "spend", -5, None),
        ("b", 0, "grant", 5, "W"),
        ("b", 50, "spend", -5, None),
    ]
    table = pl.DataFrame(rows, schema=["account_id", "h", "kind", "amount", "promo"], orient="row").with_columns(
        pl.col("amount") * 1_000_000, event_at=pl.lit(START) + pl.duration(hours=pl.col("h"))
    )
    assert measure_credit(table, ["b"]).rows() == [("W", 2, 10.0, 10.0, 0.5, 1, 5.0, 5.0)]


def test_planted_testers_are_found_in_the_sample(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    made = run_cells(template="payment_fraud_free_tier")
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet").filter(pl.col("ring") == "R6")
    ring = set(truth.filter(pl.col("role") == "member")["account_id"])
    testers = set(made.names["testers"])
    assert len(testers & ring) / len(testers) >= 0.95
    assert len(testers & ring) / len(ring) >= 0.85
    victims = set(truth.filter(pl.col("role") == "victim")["account_id"])
    assert len(set(made.names["owners"]["account_id"]) & victims) >= 3
    assert not testers & set(made.names["owners"]["account_id"])
    (tmp_path / "accounts.csv").write_text("account_id,created_at\na,2026-01-05T00:00:00Z\n")
    bare = run_cells(template="payment_fraud_free_tier", data_uri=str(tmp_path))
    assert bare.names["findings"][0].type == "null_result"
    assert "There is no table of credits." in bare.text


def test_a_table_that_holds_no_cards_is_refused() -> None:
    assert take_payments(None).is_empty()
    with pytest.raises((InputError, ContractError), match="card"):
        take_payments(pl.DataFrame({"account_id": ["a"], "event_at": [START], "result": ["x"]}))
