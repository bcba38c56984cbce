"""What scores turned out to mean, on rings that the fit had not seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from toolkit.errors import InputError, SourceError
from toolkit.linking.calibration import (
    calibrate_links,
    calibrate_scores,
    read_calibration,
    wilson_interval,
    write_calibration,
)


def _planted(too_sure: float, rows: int = 6000, rings: int = 150) -> tuple[NDArray, NDArray, list[str]]:
    """Scores that claim so many bits too many."""
    rng = np.random.default_rng(7)
    bits = rng.uniform(-9, 9, rows)
    return bits, rng.random(rows) < 1 / (1 + 2 ** -(bits - too_sure)), [f"r{i % rings}" for i in range(rows)]


def test_a_planted_miscalibration_is_repaired() -> None:
    """Four bits too sure: the probabilities that come out are right, on rings held out."""
    bits, held, rings = _planted(4.0)
    found = calibrate_scores(bits, held, rings)
    assert found.ece_before > 0.15
    assert found.ece < 0.02
    assert found.brier < found.brier_before
    asked = np.array([0.0, 4.0, 8.0])
    assert np.allclose(found.apply(asked), 1 / (1 + 2 ** -(asked - 4)), atol=0.06)
    assert found.table["observed"].is_sorted()


def test_a_right_score_is_left_alone() -> None:
    """Nothing planted, nothing found: the calibration changes the error by next to nothing."""
    found = calibrate_scores(*_planted(0.0))
    assert abs(found.brier - found.brier_before) < 0.003
    assert max(found.ece, found.ece_before) < 0.02


def test_folds_that_split_a_ring_are_refused() -> None:
    """Rows of one ring in two folds would teach and test."""
    bits, held, rings = _planted(0.0, rows=300, rings=30)
    whole = [int(name[1:]) % 5 for name in rings]
    assert calibrate_scores(bits, held, rings, folds=whole).folds == 5
    whole[0] = (whole[0] + 1) % 5  # one row of r0 moves
    with pytest.raises(InputError, match="these folds split 1 groups, 'r0' for one"):
        calibrate_scores(bits, held, rings, folds=whole)


def test_learning_by_heart_does_not_pass() -> None:
    """Each ring has its own score, and half of the rings are innocent: only a fit that saw the ring could know."""
    rng = np.random.default_rng(3)
    rings = np.repeat(np.arange(60), 50)
    good = rng.random(60) < 0.5
    found = calibrate_scores(rings / 10.0, good[rings], [f"r{i}" for i in rings])
    assert found.brier > 0.2  # a coin; rows dealt at random instead of rings would give next to 0


def _links(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["account_a", "account_b", "bits"], orient="row")
    return frame.with_columns(
        probability=pl.lit(0.5), q_value=pl.lit(None, pl.Float64), level=pl.lit("L2"),
        families=pl.lit([], pl.List(pl.String)),
        evidence=pl.lit([], pl.List(pl.Struct({"kind": pl.String, "value": pl.String, "bits": pl.Float64,
                                               "holders": pl.UInt32, "window": pl.Float64, "regime": pl.String}))),
        innocent_explanation=pl.lit(""),
    )  # fmt: skip


def test_links_are_judged_by_whose_accounts_they_join() -> None:
    """Within a ring right; between rings, or to an innocent, wrong; an account nobody labelled says nothing."""
    rows, labels = [], []
    for ring in range(12):
        accounts = [f"r{ring:02d}{i}" for i in "abc"]
        labels += [(account, f"ring{ring}") for account in accounts]
        rows += [(accounts[0], accounts[1], 20.0), (accounts[1], accounts[2], 18.0), (accounts[2], "zz", 19.0)]
        labels.append((f"i{ring:02d}", None))
        rows.append((f"i{ring:02d}", accounts[0], 3.0))
        if ring:
            rows.append((f"r{ring - 1:02d}a", accounts[0], 4.0))
    frame = pl.DataFrame(labels, schema=["account_id", "ring"], orient="row")
    found = calibrate_links(_links(rows), frame, budget=24)
    assert (found.rows, found.positives, found.groups) == (24 + 12 + 11, 24, 24)
    assert (found.budget_precision, found.budget_groups) == (1.0, 12)
    assert found.apply([3.0, 20.0]).round(2).tolist() == [0.02, 0.98]  # off 0 and 1 by half a row
    again = calibrate_links(_links(rows[::-1]), frame.reverse(), budget=24)
    assert again == found


def test_a_ring_in_two_groups_is_refused() -> None:
    """Groups may be wider than rings, never narrower."""
    rows = {"account_id": ["a", "b"], "ring": ["r", "r"]}
    with pytest.raises(InputError, match="ring 'r' is in several groups"):
        calibrate_links(_links([("a", "b", 1.0)]), pl.DataFrame({**rows, "group": ["g", "h"]}))
    with pytest.raises(InputError, match="account 'a' has two labels"):
        calibrate_links(
            _links([("a", "b", 1.0)]), pl.DataFrame({"account_id": ["a", "a", "b"], "ring": ["r", "s", "r"]})
        )


def test_one_huge_ring_is_one_ring() -> None:
    """At 2 bits a thousand links of one ring are right and forty of small rings wrong: the weights say who rules."""
    bits = [2.0] * 1040 + [9.0] * 40
    held = [True] * 1000 + [False] * 40 + [True] * 40
    rings = ["huge"] * 1000 + [f"s{i}" for i in range(40)] + [f"t{i}" for i in range(40)]
    assert calibrate_scores(bits, held, rings).apply(2.0) > 0.9
    assert calibrate_scores(bits, held, rings, weigh_groups=True).apply(2.0) < 0.1


def test_the_budget_counts_ties_in_proportion() -> None:
    """Ten rows tie at the top, half of them right: a budget of four has two."""
    bits = [5.0] * 10 + [0.0] * 10
    held = [True, False] * 5 + [False] * 10
    found = calibrate_scores(bits, held, [f"r{i}" for i in range(20)], budget=4)
    assert (found.budget, found.budget_precision) == (4, 0.5)
    assert (round(found.budget_low, 3), round(found.budget_high, 3)) == (0.15, 0.85)


def test_what_was_saved_is_what_is_read(tmp_path: Path) -> None:
    """JSON there and back, the same bytes twice; a curve that falls is refused."""
    found = calibrate_scores(*_planted(2.0, rows=500, rings=50))
    write_calibration(found, tmp_path / "a.json")
    assert read_calibration(tmp_path / "a.json") == found
    write_calibration(read_calibration(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    said = json.loads((tmp_path / "a.json").read_text())
    for broken in ({**said, "probability": said["probability"][::-1]}, {**said, "format": 9}, {"format": 1}, []):
        (tmp_path / "c.json").write_text(json.dumps(broken))
        with pytest.raises(SourceError, match="does not fit"):
            read_calibration(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("bits", "held", "groups", "said"),
    [
        ([1.0, float("nan")], [True, False], ["a", "b"], "NaN"),
        ([1.0, 2.0], [True], ["a", "b"], "differ in length"),
        ([1.0, 2.0], [True, True], ["a", "b"], "all 2 rows are right"),
        ([1.0, 2.0], [True, False], ["a", "b"], "2 groups are too few"),
        ([1.0, 2.0], [True, False], ["a", None], "needs the name of its group"),
    ],
)
def test_what_is_wrong_is_said(bits: list, held: list, groups: list, said: str) -> None:
    """Every fault before anything is fitted."""
    with pytest.raises(InputError, match=said):
        calibrate_scores(bits, held, groups)


_ROWS = st.lists(st.tuples(st.integers(-5, 5), st.booleans(), st.integers(0, 14)), min_size=30, max_size=80)


@settings(max_examples=50, deadline=None)
@given(_ROWS, st.integers(-6, 6))
def test_the_curve_rises_and_does_not_depend_on_the_order(rows: list, asked: int) -> None:
    """Higher bits never mean less; rows in another order give the same record."""
    rows = [*rows, *((0, i % 2 == 0, i) for i in range(15))]
    bits, held, rings = (list(part) for part in zip(*rows, strict=True))
    found = calibrate_scores(bits, held, [f"r{i}" for i in rings])
    assert 0 < found.apply(asked) <= found.apply(asked + 1) < 1
    assert calibrate_scores(bits[::-1], held[::-1], [f"r{i}" for i in rings[::-1]]) == found


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_holds_the_share(good: int, bad: int) -> None:
    """The interval lies in [0, 1], around the share that was seen."""
    low, high = wilson_interval(good, good + bad)
    share = good / (good + bad) if good + bad else 0.5
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
