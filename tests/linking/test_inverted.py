"""One account with many people behind it; many accounts with one scheduler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.inverted import PersonaSettings, build_turns, control_fdr, find_many_people
from toolkit.linking.observations import find_observations, merge_observations
from toolkit.linking.schedules import (
    SCHEDULE_KINDS,
    find_handoffs,
    find_schedules,
    observe_batches,
    observe_handoffs,
)
from toolkit.linking.score import link_accounts
from toolkit.settings import KINDS

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TONGUES = ["en", "de", "fr", "es", "pt", "ja", "ko", "tr"]


def _person(rng: np.random.Generator, name: str, n: int = 60) -> list[dict[str, object]]:
    """Evenings, one language and now and then a second, one address."""
    wakes = rng.integers(0, 24)
    return [
        {"account_id": name, "event_at": MONDAY + timedelta(days=day % 30, hours=float(wakes + rng.normal(12, 3)) % 24),
         "lang": "en" if rng.random() < 0.9 else "de", "ip": f"ip-{name}", "user_agent": "ua"}
        for day in range(n)
    ]  # fmt: skip


def _relay(rng: np.random.Generator, name: str, n: int = 60) -> list[dict[str, object]]:
    """Any hour, any language."""
    return [
        {"account_id": name, "event_at": MONDAY + timedelta(hours=12.0 * k + float(rng.uniform(0, 24)) % 24),
         "lang": str(rng.choice(TONGUES)), "ip": f"exit-{k % 5}", "user_agent": "ua"}
        for k in range(n)
    ]  # fmt: skip


def _crowd(extra: list[dict[str, object]], people: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    rows = [row for i in range(people) for row in _person(rng, f"p{i:03d}")]
    return build_turns(pl.DataFrame(rows + extra))


def test_a_turn_is_a_session_or_a_run_without_a_pause() -> None:
    """Sessions are kept; where there is none, half an hour of silence ends a turn."""
    minutes = [0, 10, 50, 55, 5]
    frame = pl.DataFrame(
        {
            "account_id": ["a"] * 4 + ["b"],
            "event_at": [MONDAY + timedelta(minutes=m) for m in minutes],
            "session_id": [None, None, None, "s", None],
            "lang": [None, "de", "fr", "es", "en"],
        }
    )
    assert build_turns(frame).select("account_id", "n", "language").rows() == [
        ("a", 2, "de"),
        ("a", 1, "fr"),
        ("a", 1, "es"),
        ("b", 1, "en"),
    ]


def test_a_relay_is_named_and_nobody_else() -> None:
    """Eight languages at every hour are not one person; a hundred and twenty people are."""
    rng = np.random.default_rng(2)
    found = find_many_people(_crowd(_relay(rng, "relay")))
    assert found.filter("many_people")["account_id"].to_list() == ["relay"]
    row = found.row(0, named=True)
    assert row["reasons"] == 2
    assert "languages" in row["why"]
    assert "without a night" in row["why"]
    assert "script" in row["innocent_explanation"]


def test_one_strange_thing_is_not_many_people() -> None:
    """A translator has the languages and sleeps; a script never sleeps and has one language."""
    rng = np.random.default_rng(3)
    translator = [row | {"lang": str(rng.choice(TONGUES))} for row in _person(rng, "translator")]
    script = [row | {"lang": "en"} for row in _relay(rng, "script")]
    found = find_many_people(_crowd(translator + script))
    assert not found["many_people"].any()
    said = {name: (n, why) for name, n, why in found.select("account_id", "reasons", "innocent_explanation").rows()}
    assert said["translator"] == (1, "a translator, a language learner or a household")
    assert said["script"] == (1, "a script that runs round the clock, or shift work")


def test_a_household_on_one_account_shows_in_turns_at_one_time() -> None:
    """Turns that begin while another, from another address and machine, goes on."""
    rng = np.random.default_rng(4)
    both = []
    for row in _relay(rng, "two"):
        start = row["event_at"]
        for who, off in (("x", 0), ("y", 5)):
            for k in (0, 20):
                at = start + timedelta(minutes=off + k)  # type: ignore[operator]
                both.append(row | {"event_at": at, "ip": who, "user_agent": who, "session_id": f"{who}{start}"})
    people = [row | {"session_id": None} for i in range(120) for row in _person(rng, f"p{i}")]
    row = find_many_people(build_turns(pl.DataFrame(both + people))).filter(account_id="two").row(0, named=True)
    assert round(row["concurrent"], 1) == 0.5
    assert "while another, from elsewhere, is going on" in row["why"]


def test_an_office_is_said_to_be_one() -> None:
    """What is known to be an organisation's is judged alike, and its innocent reading says so first."""
    rng = np.random.default_rng(2)
    found = find_many_people(_crowd(_relay(rng, "relay")), orgs=["relay"])
    assert found["innocent_explanation"][0].startswith("an organisation's account")


def test_without_peers_nobody_is_judged() -> None:
    """Ninety-nine accounts are too few to say what is usual."""
    assert find_many_people(_crowd([], people=99)).is_empty()
    assert find_many_people(_crowd([], people=99), dials=PersonaSettings(peers=99)).height == 99


@pytest.mark.parametrize(("p", "q"), [([0.01, 0.04, 0.03], [0.03, 0.04, 0.04]), ([0.5, float("nan")], [0.5, None])])
def test_false_discoveries_are_counted_as_in_the_book(p: list[float], q: list[float | None]) -> None:
    """Benjamini-Hochberg by hand; what was not tested is not counted."""
    assert pl.Series(control_fdr(np.array(p)), nan_to_null=True).round(6).to_list() == q


# --- one scheduler ---


def _turns(rows: list[tuple[str, float]]) -> pl.DataFrame:
    """Turns of five minutes, by account and hour."""
    at = [MONDAY + timedelta(hours=hour) for _, hour in rows]
    frame = pl.DataFrame({"account_id": [name for name, _ in rows], "start_at": at})
    return frame.with_columns(end_at=pl.col("start_at") + timedelta(minutes=5))


def _people(number: int = 80) -> list[tuple[str, float]]:
    """Each as often as they like, over ten days."""
    rng = np.random.default_rng(5)
    busy = rng.lognormal(2.5, 0.8, number).astype(int) + 2
    ends = rng.uniform([0, 220], [20, 240], (number, 2))
    return [(f"p{i:03d}", float(h)) for i, n in enumerate(busy) for h in [*rng.uniform(0, 240, n), *ends[i]]]


def _members(**sets: list[str]) -> pl.DataFrame:
    rows = [(name, account) for name, accounts in sets.items() for account in accounts]
    return pl.DataFrame(rows, schema=["cluster_id", "account_id"], orient="row")


def test_even_batches_have_one_scheduler() -> None:
    """Twelve accounts start within a minute, every eight hours, each as often; people of the same days do not."""
    rng = np.random.default_rng(6)
    farm = [(f"f{i:02d}", 8 * k + float(rng.uniform(0, 1 / 60))) for k in range(30) for i in range(12)]
    sets = _members(farm=[f"f{i:02d}" for i in range(12)], crowd=[f"p{i:03d}" for i in range(12)])
    cards = pl.DataFrame({"account_id": [f"f{i:02d}" for i in range(12)], "value": ["c1"] * 6 + ["c2"] * 6})
    found = find_schedules(_turns(_people() + farm), sets, payers=cards)
    assert found.select("cluster_id", "scheduled", "reasons").rows() == [("farm", True, 2), ("crowd", False, 0)]
    assert found["accounts_per_payer"].to_list() == [6.0, None]
    assert "dealt out evenly" in found["why"][0]
    assert "start together" in found["why"][0]
    assert "one card pays for 6.0" in found["why"][0]


def _round_robin(accounts: list[str], turns: int = 40) -> list[tuple[str, float]]:
    """One after the other, at an even pace."""
    rng = np.random.default_rng(7)
    step = 239 / (turns * len(accounts))
    order = [(k, name) for k in range(turns) for name in accounts]
    return [(name, place * step + float(rng.uniform(0, step / 6))) for place, (_, name) in enumerate(order)]


def test_accounts_that_take_turns_have_one_scheduler() -> None:
    """A round robin is even in load and in pauses; moved by themselves, the trains are not."""
    names = [f"r{i}" for i in range(8)]
    found = find_schedules(_turns(_people() + _round_robin(names)), _members(relay=names)).row(0, named=True)
    assert (found["scheduled"], found["reasons"]) == (True, 2)
    assert found["relay"] < 0.3 < found["relay_null"]
    assert "they take turns" in found["why"]


def test_jobs_of_one_period_do_not_take_turns() -> None:
    """Eight jobs, each every six hours, each from a moment of its own: regular, even, and nobody deals."""
    rng = np.random.default_rng(8)
    jobs = [(f"j{i}", float(off) + 6 * k) for i, off in enumerate(rng.uniform(0, 6, 8)) for k in range(39)]
    found = find_schedules(_turns(_people() + jobs), _members(jobs=[f"j{i}" for i in range(8)])).row(0, named=True)
    assert found["relay_p"] > 0.05
    assert not found["scheduled"]


def test_turn_taking_is_pair_evidence() -> None:
    """Each account hands over to the next; pairs that do not follow one another are not written."""
    names = [f"r{i}" for i in range(8)]
    turns = _turns(_people() + _round_robin(names))
    found = find_handoffs(turns, [*names, "p001", "p002"])
    strong = found.filter(pl.col("bits") >= 6).select("account_a", "account_b").rows()
    assert sorted(strong) == sorted([*pairwise(names), ("r0", "r7")])
    assert found["bits"].max() == 12.0


def test_what_a_schedule_shows_can_be_linked() -> None:
    """Batches and hand-offs enter as observations; with a shared card they are the second family."""
    farm = [(f"f{i:02d}", 40 * k + 3 + 0.001 * i) for k in range(6) for i in range(12)]
    names = [f"r{i}" for i in range(8)]
    turns = _turns(_people(1000) + farm + _round_robin(names))
    batches = observe_batches(turns)
    common = batches.filter(pl.col("value").str.starts_with("batch"))
    often = common.group_by("account_id").len().filter(pl.col("len") >= 3)["account_id"].to_list()
    assert set(often) == {f"f{i:02d}" for i in range(12)}
    paid = {f"f{i:02d}": f"card{i // 4}" for i in range(12)} | {name: f"card-{name in 'r0 r1'}" for name in names[:4]}
    paid |= {f"p{i:03d}": f"own{i}" for i in range(1000)}
    cards = find_observations(pl.DataFrame({"account_id": list(paid), "card": list(paid.values())}))
    handoffs = observe_handoffs(find_handoffs(turns, names))
    kinds = {**KINDS, **SCHEDULE_KINDS}
    bits, families = {}, {}
    for said, observations in (("before", cards), ("after", merge_observations([cards, batches, handoffs]))):
        for a, b, number, spoke in (
            link_accounts(observations, kinds=kinds, min_probability=0.0)
            .select("account_a", "account_b", "bits", "families")
            .iter_rows()
        ):
            bits[said, a, b], families[said, a, b] = number, spoke
    for pair in (("f00", "f01"), ("r0", "r1")):
        assert families["before", *pair] == ["pay"]
        assert families["after", *pair] == ["behav", "pay"]
        assert bits["after", *pair] > bits["before", *pair] + 4


def test_one_busy_moment_is_no_batch_of_anybodys() -> None:
    """Everybody comes when the outage ends: one moment in common, where three are asked for."""
    crowd = _people()
    rush = [(f"p{i:03d}", 100.0) for i in range(60)]
    batches = observe_batches(_turns(crowd + rush))
    assert batches.filter(pl.col("value").str.starts_with("batch"))["value"].n_unique() == 1
    links = link_accounts(batches, kinds={**KINDS, **SCHEDULE_KINDS}, min_probability=0.0)
    assert links.is_empty()


def test_what_is_wrong_is_said() -> None:
    """Misspelt columns and a pause that is none."""
    with pytest.raises(InputError, match="no column 'account_id' in these events: did you mean 'acount_id'"):
        build_turns(pl.DataFrame({"acount_id": ["a"], "event_at": [MONDAY]}))
    with pytest.raises(InputError, match="positive number of minutes"):
        build_turns(pl.DataFrame({"account_id": ["a"], "event_at": [MONDAY]}), pause_min=0)
    with pytest.raises(InputError, match="turns: no start_at"):
        find_handoffs(pl.DataFrame({"account_id": ["a"], "start": [MONDAY]}), ["a"])
    with pytest.raises(InputError, match="members: no cluster_id"):
        find_schedules(_turns([("a", 0.0)]), pl.DataFrame({"account_id": ["a"]}))


_EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 500), st.sampled_from(["en", "de"])), max_size=60)


@settings(max_examples=40, deadline=None)
@given(_EVENTS, st.integers(0, 99))
def test_rows_in_any_order_give_the_same_bytes(events: list[tuple[str, int, str]], seed: int) -> None:
    """Shuffled events, the same turns, tests and pairs; every event is in one turn."""
    frame = pl.DataFrame(
        {
            "account_id": pl.Series([e[0] for e in events], dtype=pl.String),
            "event_at": pl.Series(
                [MONDAY + timedelta(minutes=7 * e[1]) for e in events], dtype=pl.Datetime("us", "UTC")
            ),
            "lang": pl.Series([e[2] for e in events], dtype=pl.String),
        }
    )
    mixed = frame.sample(fraction=1, shuffle=True, seed=seed)
    one, two = build_turns(frame), build_turns(mixed)
    assert one.equals(two)
    assert one["n"].sum() == len(events)
    dials = PersonaSettings(min_turns=3, peers=2)
    shuffled = two.sample(fraction=1, shuffle=True, seed=seed)
    assert find_many_people(one, dials=dials).equals(find_many_people(shuffled, dials=dials))
    assert find_handoffs(one, ["a", "b", "c"]).equals(find_handoffs(shuffled, ["a", "b", "c"]))
    assert observe_batches(one).equals(observe_batches(shuffled))
