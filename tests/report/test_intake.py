"""Escalations as people write them: what is read, what is said to be assumed, what is refused and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.report.intake import SEVERITIES, Escalation, find_seeds, read_escalations
from toolkit.report.triage import find_covered, group_by_ring

KNOWN = ["arn:aws:iam::1:user/bert-jan", "acct_8F3K2M9Q", "acct_8F3K2M9R", "acct_77777777", "u1", "007"]


def read(folder: Path, name: str, text: str) -> list[Escalation]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_escalations(folder / name)


@pytest.mark.parametrize(
    ("prose", "seeds", "note"),
    [
        ("look at acct_8F3K2M9Q, (u1) and 007!", ("acct_8F3K2M9Q", "u1", "007"), ""),
        ("ACCT_8f3k2m9q burned its credit", ("acct_8F3K2M9Q",), "'ACCT_8f3k2m9q' read as acct_8F3K2M9Q"),
        ("acct_7777777 might be mistyped", ("acct_77777777",), "'acct_7777777' read as acct_77777777"),
        (
            "have a look at Bert-Jan",
            ("arn:aws:iam::1:user/bert-jan",),
            "'Bert-Jan' read as arn:aws:iam::1:user/bert-jan",
        ),
        ("acct_8F3K2M9X may be either of two", (), ""),  # Q or R: nobody guesses
        ("accountant_of_the_year", (), ""),
    ],
)
def test_prose_names_accounts(prose: str, seeds: tuple[str, ...], note: str) -> None:
    (one,) = find_seeds([Escalation("E", prose=prose)], KNOWN)
    assert one.seeds == seeds
    assert (note in one.notes) if note else not one.notes
    assert bool(one.fault) == (not seeds)


def test_listed_seeds_are_taken_as_they_stand(tmp_path: Path) -> None:
    told = read(tmp_path, "q.jsonl", json.dumps({"case_id": "A", "seed_accounts": ["acct_7777777"], "prose": "u1"}))
    (one,) = find_seeds(told, KNOWN)
    assert one.seeds == ("acct_7777777",)  # not replaced, and nothing added from the prose
    assert one.notes[1:] == ("acct_7777777 does not occur in the data", "was acct_77777777 meant?")


def test_a_faulty_line_does_not_stop_the_others(tmp_path: Path) -> None:
    good = {"case_id": "A", "seed_accounts": ["u1"], "severity": "sev 1", "received_at": "2026-01-05T10:00:00+02:00"}
    lines = [
        json.dumps(good),
        "{not json",
        "[1]",
        json.dumps({"case_id": "../x", "seed_accounts": [7], "received_at": "yesterday", "prose": 3}),
        json.dumps(good),  # the very same once more
        json.dumps(good | {"seed_accounts": ["007"]}),
        json.dumps({"seed_accounts": "u1; 007", "severity": "very", "parameters": {"seed": 1}}),
    ]
    told = read(tmp_path, "q.jsonl", "\n".join(lines))
    assert [(one.case_id, bool(one.fault)) for one in told] == [
        ("A", False), ("LINE-0002", True), ("LINE-0003", True),
        ("LINE-0004", True), ("A-2", True), ("LINE-0007", False),
    ]  # fmt: skip
    assert (told[0].severity, told[0].received_at) == ("SEV1", datetime(2026, 1, 5, 8, tzinfo=UTC))
    assert all(word in told[3].fault for word in ("case_id '../x'", "seed_accounts", "received_at", "prose"))
    assert told[5].seeds == ("u1", "007")
    assert told[5].notes == ("severity is not said (found 'very'): taken as SEV2",)


def test_tables_and_prose_are_read_too(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "q.csv", 'case_id,seed_accounts,severity\nA,"u1, 007",SEV0\n')
    assert (one.seeds, one.severity) == (("u1", "007"), "SEV0")
    assert [one.prose for one in read(tmp_path, "q.txt", "first\nstill\n\n\nsecond")] == ["first\nstill", "second"]
    assert [one.case_id for one in read(tmp_path, "q.json", '[{"case_id": "A"}, {"case_id": "B"}]')] == ["A", "B"]
    with pytest.raises(InputError, match="holds no escalation"):
        read(tmp_path, "empty.jsonl", "\n\n")
    with pytest.raises(InputError, match="no file none"):
        read_escalations(tmp_path / "none.jsonl")


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_file_is_read_or_refused_in_words(raw: bytes) -> None:
    import tempfile

    for ending in (".jsonl", ".json", ".csv", ".txt"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / f"q{ending}").write_bytes(raw)
            try:
                told = find_seeds(read_escalations(Path(folder) / f"q{ending}"), KNOWN)
            except InputError:
                continue
            assert len({one.case_id for one in told}) == len(told)
            assert all(one.severity in SEVERITIES for one in told)


@given(st.dictionaries(st.text("ABCDEF", min_size=1, max_size=2), st.lists(st.sampled_from("12345678"), unique=True)))
def test_groups_join_what_overlaps_and_nothing_else(members: dict[str, list[str]]) -> None:
    group = group_by_ring(members)
    close = {
        (a, b)
        for a in members for b in members
        if (both := len(set(members[a]) & set(members[b]))) >= 2 and 2 * both >= min(len(members[a]), len(members[b]))
    }  # fmt: skip
    assert all(group[a] == group[b] for a, b in close)
    for case, lead in group.items():  # every other member is reached through overlaps
        reached, more = {lead}, {lead}
        while more:
            more = {b for a, b in close if a in reached} - reached
            reached |= more
        assert case in reached
        assert list(members).index(lead) <= list(members).index(case)


def test_covered_cases_share_parameters() -> None:
    queue = [
        Escalation("A", ("1",), parameters={"x": 1}),
        Escalation("B", ("1", "2")),
        Escalation("C", ("2",), severity="SEV0"),
        Escalation("D", ("1", "2"), severity="SEV1"),
    ]
    assert find_covered(queue) == {"B": "D", "C": "D"}
