"""Accounts side by side against plain counting; verdicts that stay, and reviewers who differ."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.observations import find_observations
from toolkit.linking.review import compare_accounts, record_verdicts, state_verdicts

CLUSTERS = pl.DataFrame({"cluster_id": ["C1", "C2"], "size": [5, 3]})


def say(cluster: str, verdict: str, reviewer: str = "kim", note: str = "seen") -> dict[str, str]:
    return {"cluster_id": cluster, "verdict": verdict, "note": note, "reviewer": reviewer}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), min_size=1))
def test_side_by_side_is_a_plain_count(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(rows, schema=["account_id", "device"], orient="row")
    table = compare_accounts(find_observations(frame), ["a", "b"])
    plain = {
        value: (
            len({w for w, v in rows if v == value} & {"a", "b"}), len({w for w, v in rows if v == value}),
            rows.count(("a", value)), rows.count(("b", value)),
        )
        for w, value in rows if w in "ab"
    }  # fmt: skip
    assert {value: tuple(rest) for _, value, *rest in table.rows()} == plain


@pytest.mark.parametrize("accounts", [["a"], ["a", "a"], list("abcdefghi")])
def test_too_few_or_too_many_are_refused(accounts: list[str]) -> None:
    with pytest.raises(InputError, match="2 to 8 different accounts"):
        compare_accounts(find_observations(pl.DataFrame({"account_id": ["a"], "ip": ["x"]})), accounts)


def test_the_last_word_of_each_reviewer_counts_and_differences_are_said() -> None:
    told = record_verdicts(
        CLUSTERS, [say("C1", "unsure"), say("C1", "confirmed"), say("C1", "rejected", "lee", "a class")]
    )
    assert told.row(0, named=True) == {
        "cluster_id": "C1", "size": 5, "verdict": "disputed", "note": "kim: seen; lee: a class",
        "reviewers": ["kim", "lee"],
    }  # fmt: skip
    assert told["verdict"].to_list() == ["disputed", None]
    again = record_verdicts(told, [say("C2", "confirmed", note="")])
    assert again.select("verdict", "note").rows() == [(None, None), ("confirmed", "")]


def test_what_does_not_hold_is_refused() -> None:
    with pytest.raises(InputError, match="a rejection needs its reason; none for C1, C2"):
        record_verdicts(CLUSTERS, [say("C1", "rejected", note=" "), say("C2", "rejected", note="")])
    with pytest.raises(UnknownNameError, match="did you mean 'C1'"):
        record_verdicts(CLUSTERS, [say("C11", "confirmed")])
    with pytest.raises(UnknownNameError, match="did you mean 'confirmed'"):
        record_verdicts(CLUSTERS, [say("C1", "confirm")])


def test_verdicts_become_findings() -> None:
    """Two who agree are surer than one; who was not judged is not spoken of; a note may say what it likes."""
    clusters = pl.DataFrame({"cluster_id": ["C1", "C2", "C3", "C4"]})
    members = pl.DataFrame({"cluster_id": ["C1", "C1"], "account_id": ["b", "a"]})
    said = [
        say("C1", "confirmed"),
        say("C1", "confirmed", "lee"),
        say("C2", "rejected", note="high confidence: a class"),
    ]
    said += [say("C3", "confirmed"), say("C3", "rejected", "lee")]
    found = state_verdicts(record_verdicts(clusters, said), members)
    assert [(f.finding_id, f.type, f.confidence.value, f.accounts) for f in found] == [
        ("F1", "linked_set", "high", ("a", "b")), ("F2", "null_result", "moderate", ()), ("F3", "data_gap", "low", ()),
    ]  # fmt: skip
    assert found[0].basis == "judged by kim and lee; kim: seen; lee: seen"
    assert found[2].next_check == "a third reviewer"
