"""Names made by a rule: stems, numbers in sequence, sign-ups close together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.observations import merge_observations
from toolkit.linking.registration import SEQUENCE_CAP, find_sequences, observe_stems, stem_of
from toolkit.linking.score import link_accounts

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("mila.rose17", "mila.rose#"),
        ("Mila.Rose2041+news@mail.example", "mila.rose#"),
        ("ＭＩＬＡ.rose１７", "mila.rose#"),
        ("support_xkqzwvtr", "support_*"),
        ("team-8f3k2xq9z", "team-*"),
        ("jürgen.müller1", "jürgen.müller#"),
        ("schwartz", "schwartz"),
        ("2pac99", "#pac#"),
        ("x7k2q9", None),
        ("xkqzwvtrpl", None),
        ("12345678", None),
        ("", None),
        ("@", None),
    ],
)
def test_stems(name: str, stem: str | None) -> None:
    """Digits become #, random-looking runs *, names stay; a name of which nothing stays has no stem."""
    assert stem_of(name) == stem


@given(st.text(max_size=200))
def test_any_text_has_a_stem_or_none(name: str) -> None:
    """Hostile names neither fail nor grow, and no digit stays."""
    stem = stem_of(name)
    assert stem is None or (len(stem) <= 64 and not any(c.isdecimal() for c in stem))


def signups(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["account_id", "email", "hour"], orient="row")
    at = [START + timedelta(hours=h) for h in frame["hour"].to_list()]
    return frame.drop("hour").with_columns(pl.Series("created_at", at))


def crowd(n: int = 400) -> list[tuple[str, str, float]]:
    """Accounts of many stems, with numbers of four digits anywhere."""
    rng = np.random.default_rng(1)
    return [(f"x{i:03d}", f"per{'abcdefghij'[i % 10]}{'aeiou'[i % 5]}{chr(97 + i // 16)}{n}", i) for i, n in
            enumerate(rng.integers(1000, 10_000, n).tolist())]  # fmt: skip


def test_numbers_in_sequence_give_the_bits_of_the_formula() -> None:
    """log2(10^4 / (2 * 40 + 1)) = 6.9 is capped at 5; far numbers give little or nothing."""
    found = find_sequences(signups([*crowd(), ("a", "mila.r4001", 0), ("b", "mila.r4041", 3), ("c", "mila.r7900", 9)]))
    mila = found.filter(pl.col("stem") == "mila.r#")
    assert mila.select("account_a", "account_b", "gap", "range", "bits", "signup_gap_h").row(0) == (
        "a", "b", 40, 10_000, SEQUENCE_CAP, 3.0,
    )  # fmt: skip
    wide = find_sequences(signups([*crowd(), ("a", "mila.r4001", 0), ("b", "mila.r4500", 3)]))
    assert wide.filter(pl.col("stem") == "mila.r#")["bits"][0] == pytest.approx(np.log2(10_000 / 999), abs=0.3)


def test_years_of_birth_are_no_sequence() -> None:
    """Two names ending in years a year apart give little where everybody's do."""
    everybody = [(f"x{i:03d}", f"{'abcdefgh'[i % 8]}u{chr(97 + i // 20)}a{1970 + i * 13 % 35}", i) for i in range(400)]
    found = find_sequences(signups([*everybody, ("a", "mila.r1988", 0), ("b", "mila.r1989", 0)]))
    years = found.filter(pl.col("stem") == "mila.r#")
    assert years.is_empty() or years["bits"][0] < 4


def test_common_stems_give_no_pairs() -> None:
    """A stem that 301 accounts share proposes nothing."""
    frame = signups([*crowd(), *((f"a{i:03d}", f"anna{i + 1000}", float(i)) for i in range(301))])
    assert "anna#" not in find_sequences(frame)["stem"]
    assert "anna#" in find_sequences(frame, max_holders=301)["stem"]


def test_stems_are_observations_and_count_the_gap_between_sign_ups() -> None:
    """The same stem minutes apart gives more bits than months apart."""

    def bits(hours: float) -> float:
        frame = signups([*((a, e, h + 4000 * (i % 2)) for i, (a, e, h) in enumerate(crowd())),
                         ("a", "mila.r1", 0), ("b", "mila.r77", hours)])  # fmt: skip
        links = link_accounts(merge_observations([observe_stems(frame)]), min_probability=0)
        return float(links.filter(pl.col("account_a") == "a")["bits"].item())

    assert bits(0.1) > 1.5 * bits(3000)


def test_row_order_changes_nothing_and_blanks_are_left_out() -> None:
    """Shuffled rows give the same tables; a frame without names gives none."""
    frame = signups([*crowd(), ("a", "mila.r4001", 0), ("b", "mila.r4002", 3)])
    shuffled = frame.sample(fraction=1, shuffle=True, seed=2)
    assert find_sequences(frame).equals(find_sequences(shuffled))
    assert observe_stems(frame).equals(observe_stems(shuffled))
    none = pl.DataFrame({"account_id": ["a"], "email": [None]}, schema_overrides={"email": pl.String})
    assert observe_stems(none).is_empty()
    assert find_sequences(none).is_empty()


def test_a_wrong_column_is_named() -> None:
    """A misspelt column gets the nearest right name."""
    with pytest.raises(InputError, match="did you mean 'email'"):
        observe_stems(signups([("a", "b", 0)]), name_column="mail")
