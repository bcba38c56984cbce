"""Statements follow from rows, and say no more than the rows do."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from toolkit.model.case import FINDING_TYPES, Finding
from toolkit.model.tables import Actions, Expansion, Hubs, Ledger, Quality, conform, empty
from toolkit.report.findings import bottom_line, find_ring_findings
from toolkit.report.hypotheses import weigh_hypotheses
from toolkit.report.page import _HEADINGS
from toolkit.views.names import Names

SEEDS = ["s1", "s2", "s3"]
DEVICE = [{"kind": "device", "value": "d1", "bits": 9.0, "holders": 4, "window": None, "regime": "unique"}]
CAMPUS = [{"kind": "ip", "value": "192.0.2.1", "bits": 9.0, "holders": 4, "window": 72.0, "regime": "pool"}]


def _rows(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {
        "account_id": "a", "round": 0, "probability": 0.99, "precision_estimate": None, "included": True, "level": "L3",
        "families": ["dev", "net", "pay"], "reason": "shares", "evidence": DEVICE,
    }  # fmt: skip
    schema = {name: column.dtype for name, column in Expansion.columns().items()}
    return conform(pl.DataFrame([{**base, **row} for row in rows], schema=schema), Expansion)


def _find(expansion: pl.DataFrame, **more: Any) -> tuple[Finding, ...]:
    given = {
        "seeds": SEEDS,
        "hubs": empty(Hubs),
        "actions": empty(Actions),
        "ledger": empty(Ledger),
        "quality": empty(Quality),
    }
    return find_ring_findings(expansion, **{**given, **more})


def _seeds() -> list[dict[str, Any]]:
    return [{"account_id": seed} for seed in SEEDS]


@pytest.mark.parametrize(
    ("precision", "word"),
    [
        (0.97, "It is almost certain that"),
        (0.85, "It is very likely that"),
        (0.5, "There is a roughly even chance that"),
        (0.01, "There is almost no chance that"),
    ],
)
def test_the_word_is_that_of_the_precision(precision: float, word: str) -> None:
    joined = {"account_id": "j", "round": 1, "precision_estimate": precision}
    (first, *_) = _find(_rows(*_seeds(), joined))
    assert first.statement.startswith(word)
    assert "1 further account is run together with the 3 seeds" in first.statement


@pytest.mark.parametrize(
    ("n", "families", "level", "confidence"),
    [(1, ["dev", "net", "pay"], "L3", "low"), (4, ["dev"], "L3", "low"), (4, ["dev", "net", "pay"], "L2", "moderate"),
     (4, ["dev", "net", "pay"], "L3", "high")],
)  # fmt: skip
def test_confidence_is_the_basis_not_the_likelihood(n: int, families: list[str], level: str, confidence: str) -> None:
    joined = [
        {"account_id": f"j{i}", "round": 1, "precision_estimate": 0.99, "families": families, "level": level}
        for i in range(n)
    ]
    assert _find(_rows(*_seeds(), *joined))[0].confidence.value == confidence


def test_what_one_place_explains_is_not_called_a_ring() -> None:
    """Nothing made for one person in common: no likelihood is given, and the place is named."""
    joined = [{"account_id": f"j{i}", "round": 1, "precision_estimate": 0.99, "evidence": CAMPUS} for i in range(4)]
    (first, *_) = _find(_rows(*({**seed, "evidence": CAMPUS} for seed in _seeds()), *joined))
    assert first.likelihood is None
    assert first.confidence.value == "low"
    assert "one place or occasion" in first.statement


def test_doubted_and_absent_seeds_are_told_apart() -> None:
    rows = _rows(
        {"account_id": "s1"},
        {"account_id": "j", "round": 1, "precision_estimate": 0.99},
        {"account_id": "s2", "included": False, "reason": "seed shares nothing with the others beyond chance: check"},
        {"account_id": "s3", "included": False, "reason": "seed does not occur in these data"},
    )
    found = {f.type: f for f in _find(rows)}
    assert found["seed_rejected"].accounts == ("s2",)
    assert found["data_gap"].accounts == ("s3",)
    assert "together with the seed:" in found["linked_set"].statement
    assert "s2" in bottom_line(tuple(found.values()), empty(Actions))


def test_values_are_called_by_number() -> None:
    held = [{"kind": "ip", "value": "192.0.2.1", "bits": 1.0, "holders": 90, "window": None, "regime": "pool"}]
    hubs = pl.DataFrame(
        {"value": ["192.0.2.1"], "kind": ["ip"], "holders": [90], "verdict": ["capped"], "why": [""],
         "pairs_not_examined": [1], "bits": [1.0]}
    )  # fmt: skip
    hubs = conform(hubs, Hubs)
    found = _find(
        _rows({"account_id": "s1", "evidence": held}), hubs=hubs, names=Names("strict", {("ip", "192.0.2.1"): 3})
    )
    said = " ".join(f.statement for f in found)
    assert "IP address #3 (90 holders)" in said
    assert "192.0.2.1" not in said


@pytest.mark.parametrize(("observed", "p"), [(6206, 1.0), (6206, 0.01)])
def test_one_co_share_is_never_evidence(observed: int, p: float) -> None:
    """However rare by chance: a single shared object stays a null result."""
    chance = pl.DataFrame({"min_objects": [1, 2], "observed": [observed, 32], "chance_mean": [6300.0, 11.7],
                           "chance_max": [6342, 20], "p": [p, 0.01]})  # fmt: skip
    found = [f for f in _find(_rows(*_seeds()), chance=chance) if "seconds" in f.statement]
    assert [f.type for f in found] == ["null_result", "burst"]
    assert "one shared object is never evidence" in found[0].statement


def test_hypotheses_need_somebody_who_joined() -> None:
    assert weigh_hypotheses(_rows(*_seeds())).is_empty()
    weighed = weigh_hypotheses(_rows(*_seeds(), {"account_id": "j", "round": 1}))
    assert weighed.height == 5
    assert weighed["one operator"].to_list()[-1] == "0"


def test_every_type_that_is_made_has_a_heading() -> None:
    assert set(FINDING_TYPES) == set(_HEADINGS)
