"""Keys under which differently typed values meet."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.fuzzy import (
    FIELD_TYPES,
    declare_kinds,
    fold_date,
    fold_email,
    fold_phone,
    fold_words,
    list_typo_keys,
    observe_people,
)
from toolkit.linking.observations import merge_observations
from toolkit.linking.score import link_accounts
from toolkit.settings import KINDS

words = st.text("abcde", min_size=3, max_size=9)


def meet(of: str, one: str, two: str) -> int:
    """Level at which two values agree: 1 exact, 2 near, 3 loose, 0 not at all."""
    kind = FIELD_TYPES[of]
    a, b = kind.fold(one), kind.fold(two)
    if a == b:
        return 1
    return next((n for n, keyer in enumerate(kind.keyers, 2) if set(keyer(a)) & set(keyer(b))), 0)


@given(words, st.integers(0, 8), st.sampled_from("abcdexyz"), st.sampled_from(["drop", "add", "change", "swap"]))
def test_one_typo_always_shares_a_key(word: str, at: int, letter: str, typo: str) -> None:
    """Dropping, adding or changing a letter, or swapping neighbours, leaves a common key."""
    at %= len(word)
    made = {
        "drop": word[:at] + word[at + 1 :],
        "add": word[:at] + letter + word[at:],
        "change": word[:at] + letter + word[at + 1 :],
        "swap": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[typo]
    if len(made) >= 3:
        assert set(list_typo_keys(word)) & set(list_typo_keys(made))


@given(words, words)
def test_a_shared_key_means_at_most_two_edits(one: str, two: str) -> None:
    """Values that meet differ by at most one letter taken out of each."""
    if set(list_typo_keys(one)) & set(list_typo_keys(two)):
        assert one == two or any(
            one[:i] + one[i + 1 :] in {two, *(two[:j] + two[j + 1 :] for j in range(len(two)))} for i in range(len(one))
        ) or one in list_typo_keys(two)  # fmt: skip


@pytest.mark.parametrize(
    ("of", "one", "two", "level"),
    [
        ("email", "J.Doe+a@GMail.com", "jdoe@googlemail.com", 1),
        ("email", "jdoe@gmail.com", "jdoo@gmail.com", 2),
        ("email", "j.doe@x.org", "jdoe@y.net", 3),
        ("name", "O'Hara", "ohara", 1),
        ("name", "Müller", "muler", 2),
        ("name", "catherine", "kathryn", 0),
        ("name", "philips", "phyllipps", 3),
        ("date", "1980-03-12", "12/03/1980", 1),
        ("date", "1980-03-12", "1980-12-03", 2),
        ("date", "19800312", "19800321", 2),
        ("date", "19800312", "19910505", 0),
        ("address", "12 Pridham St", "12 pridhamst", 2),
        ("address", "delmar park lodge", "the lodge", 3),
        ("phone", "+61 412 345 678", "0412345678", 1),
        ("phone", "0412345678", "0412345687", 2),
    ],
)
def test_values_meet_at_their_level(of: str, one: str, two: str, level: int) -> None:
    """Exact, near, loose, not at all."""
    assert meet(of, one, two) == level


@given(st.text(max_size=300))
def test_any_text_folds_quickly_to_something_short(text: str) -> None:
    """Hostile text neither fails nor grows, and folding twice is folding once."""
    for fold in (fold_words, fold_email, fold_phone):
        assert len(fold(text)) <= 128 * 18
    assert fold_words(fold_words(text)[:128]) == fold_words(text)[:128].strip()
    assert fold_date(text) == "" or fold_date(text).isdecimal()


def test_fuzzy_fields_are_observations_that_link() -> None:
    """Two accounts with one typo in the name and one in the phone are linked; exact agreement is not counted twice."""
    rows = [(f"x{i:03d}", f"name{i * 37:05d}", f"04{i * 7919 + 10000000}") for i in range(500)]
    rows += [("a", "Marta Lindqvist", "0412 345 678"), ("b", "Matra Lindqvist", "+61 412 345 687")]
    fields = {"name": "name", "mobile": "phone"}
    frame = pl.DataFrame(rows, schema=["account_id", "name", "mobile"], orient="row")
    found = observe_people(frame, fields)
    links = link_accounts(merge_observations([found]), kinds={**KINDS, **declare_kinds(fields)}, min_probability=0)
    best = links.filter((pl.col("account_a") == "a") & (pl.col("account_b") == "b")).row(0, named=True)
    assert best["families"] == ["name", "reg"]
    assert {e["kind"] for e in best["evidence"]} == {"name_near", "mobile_near"}


def test_row_order_changes_nothing_and_blanks_are_nothing() -> None:
    """Shuffled rows give the same table; null, blank and unreadable values give none."""
    frame = pl.DataFrame({"account_id": list("abcd"), "phone": ["0412345678", None, "", "x"]})
    found = observe_people(frame, {"phone": "phone"})
    assert found.equals(observe_people(frame.reverse(), {"phone": "phone"}))
    assert found["account_id"].unique().to_list() == ["a"]


def test_a_wrong_call_is_said() -> None:
    """A misspelt column or type gets the nearest right one; numbers are not guessed into text."""
    frame = pl.DataFrame({"account_id": ["a"], "phone": [412345678]})
    with pytest.raises(InputError, match="did you mean 'phone'"):
        observe_people(frame, {"phon": "phone"})
    with pytest.raises(InputError, match="cast it before"):
        observe_people(frame, {"phone": "phone"})
    with pytest.raises(InputError, match="did you mean 'phone'"):
        declare_kinds({"phone": "fone"})
