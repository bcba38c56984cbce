"""Cases, findings and actions are frozen, and hold what an appeal would ask for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from toolkit.model.case import Action, Case, Finding
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung

FINDING = {
    "finding_id": "F1",
    "type": "linked_set",
    "statement": "Ten accounts share a card.",
    "confidence": "high",
    "basis": "b",
}
ACTION = {"account_id": "a", "reasons": ["shares a card"], "innocent_explanation": "a family card"}


@given(st.floats(0, 1))
def test_likelihood_words_hold_their_numbers(p: float) -> None:
    """The word's ICD 203 range holds the probability, but for the outer hundredths."""
    low, high = Likelihood.from_probability(p).range
    assert low <= min(max(p, 0.01), 0.99) <= high


def test_the_seven_words_and_ranges_of_icd_203() -> None:
    """The ranges touch, and run from .01 to .99."""
    ranges = [word.range for word in Likelihood]
    assert (ranges[0][0], ranges[-1][1], len(ranges)) == (0.01, 0.99, 7)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))


def test_likelihood_and_confidence_never_share_a_sentence() -> None:
    """A statement that speaks of confidence is refused."""
    with pytest.raises(ValidationError, match="different axes"):
        Finding.model_validate({**FINDING, "statement": "Very likely, with high confidence."})


def test_records_are_frozen_and_know_their_fields() -> None:
    """Nothing is changed in place; a misspelt field is an error."""
    finding = Finding.model_validate(FINDING)
    with pytest.raises(ValidationError):
        finding.statement = "x"  # type: ignore[misc] # the point
    with pytest.raises(ValidationError, match="confidense"):
        Finding.model_validate({**FINDING, "confidense": "low"})
    assert finding.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("rung", "level", "own", "allowed"),
    [
        ("monitor", "L1", False, True),
        ("monitor", "L0", False, False),
        ("suspend", "L1", True, False),
        ("suspend", "L2", True, True),
        ("ban", "L2", False, False),
        ("ban", "L2", True, True),
        ("ban", "L3", False, True),
        ("do not action", "L0", False, True),
    ],
)
def test_every_rung_has_its_floor_of_evidence(rung: str, level: str, own: bool, allowed: bool) -> None:
    """A ban asks for L3, or L2 and the account's own violation; nobody is punished by proximity alone."""
    fields = {**ACTION, "rung": rung, "level": level, "own_violation": own}
    if allowed:
        assert Action.model_validate(fields).rung is Rung(rung)
    else:
        with pytest.raises(ValidationError, match="asks for"):
            Action.model_validate(fields)


@pytest.mark.parametrize("case_id", ["../x", "", "a b", "-x", "x" * 65, "ä"])
def test_case_ids_are_safe_names(case_id: str) -> None:
    """A case id can be a folder's name anywhere."""
    with pytest.raises(ValidationError, match="case id"):
        Case(case_id=case_id, seeds=("a",), purpose="p", analyst="k")


def test_levels_are_ordered_and_read_in_either_case() -> None:
    """L3 is more than L2; 'l2' is L2."""
    assert Level.L3 > Level.L2 >= Level.parse(" l2 ")
    assert [level.stix_confidence for level in Level] == [0, 30, 60, 85, 95]
