"""The dossier of one account: peers against plain counting, conduct as findings, the template on the sample."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.report.dossier import find_account_findings, find_peers, measure_peers

START = datetime(2026, 1, 5, tzinfo=UTC)
acts = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 400_000), st.sampled_from("xyz")), min_size=1)


@given(acts)
def test_peers_are_counted_as_by_hand(rows: list[tuple[str, int, str]]) -> None:
    at = [START + timedelta(seconds=s) for _, s, _ in rows]
    events = pl.DataFrame({"account_id": [a for a, _, _ in rows], "event_at": at})
    seen = pl.DataFrame({"account_id": [a for a, _, _ in rows], "kind": "ip", "value": [v for _, _, v in rows]})
    told = {row["measure"]: row for row in measure_peers(events, seen, "a", ["b", "c", "d"]).to_dicts()}
    days = {who: len({t.date() for (a, _, _), t in zip(rows, at, strict=True) if a == who}) for who in "abcd"}
    values = {who: len({v for a, _, v in rows if a == who}) for who in "abcd"}
    for name, count in (("days with an event", days), ("IP address: different values", values)):
        own, *others = count.values()
        assert told[name]["account"] == own
        assert told[name]["median"] == statistics.median(others)
        assert told[name]["share_more"] == sum(n > own for n in others) / 3
        assert told[name]["share_as_much"] == sum(n == own for n in others) / 3


def test_peers_came_at_the_same_time() -> None:
    first = [START, START + timedelta(days=1), START - timedelta(hours=2), START + timedelta(hours=2), None]
    seen = pl.DataFrame(
        {"account_id": list("abcde"), "first_at": first}, schema_overrides={"first_at": pl.Datetime("us", "UTC")}
    )
    assert find_peers(seen, "a", 3) == ["c", "d", "b"]
    assert find_peers(seen, "e", 3) == []
    assert measure_peers(seen, seen, "e", []).is_empty()


RHYTHM: dict[str, object] = {"reading": "automation", "n": 90, "regular": 0.9, "periodic": 0.1, "sleepless": None}
PEOPLE: dict[str, object] = {
    "many_people": True, "why": "5 languages", "turns": 80, "peers": 400, "q": 0.01, "innocent_explanation": "a class",
}  # fmt: skip


def test_conduct_becomes_findings() -> None:
    found = find_account_findings((), account="a", rhythm=RHYTHM, people=PEOPLE)
    assert [f.type for f in found] == ["tempo_automation", "persona_multiplicity"]
    assert found[0].statement == "The account acts at a machine's rhythm: regular."
    assert found[1].alternatives == ("a class",)
    calm = find_account_findings(
        (), account="a", rhythm={**RHYTHM, "reading": "retries"}, people={**PEOPLE, "many_people": False}
    )
    assert [f.type for f in calm] == ["null_result", "null_result"]
    assert "as a client that retries does" in calm[0].statement


def test_the_template_on_the_sample(run_cells: Callable[..., Any], seeds: list[str]) -> None:
    """A member of a planted ring has the ring near it; whoever does not occur is said not to; data keep their masks."""
    made = run_cells(template="account_deep_dive", account_id=seeds[0])
    types = [f.type for f in made.names["findings"]]
    assert types[0] == "linked_set"
    assert types.count("null_result") == 2
    assert set(seeds) <= set(made.names["members"])
    assert made.names["beside"]["account"][0] == made.names["events"].height
    gone = run_cells(template="account_deep_dive", account_id="nobody")
    assert gone.names["findings"][0].type == "null_result"
    assert "there is nobody to compare with" in gone.text
    with pytest.raises(InputError, match="blank"):
        run_cells(template="account_deep_dive", account_id=" ")
