"""Is this ring one that we know? And who only bought from the same vendor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.match import MatchSettings, explain_match, match_clusters
from toolkit.linking.observations import find_observations
from toolkit.linking.profiles import Rings, key_mark, profile_rings, protect_values

World = Callable[..., pl.DataFrame]
MARCH, JUNE = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
KEY = b"a key of more than sixteen bytes"

# A ring per letter; what each of its accounts holds: kind, value.
Ring = dict[str, list[list[tuple[str, str]]]]
FARM = [[("device", "d1"), ("card", "c1")], [("device", "d1"), ("card", "c2")], [("device", "d2"), ("card", "c2")]]


def _seen(rings: Ring, at: datetime, others: int = 3000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Observations of some rings among strangers, and who is in which ring."""
    rows = [
        (f"{ring}{i}@{at:%b}", kind, value)
        for ring, accounts in rings.items()
        for i, held in enumerate(accounts)
        for kind, value in held
    ]
    rows += [(f"x{i}", kind, f"{kind}-{i}") for i in range(others) for kind in ("device", "card", "phone")]
    frame = pl.DataFrame(rows, schema=["account_id", "kind", "value"], orient="row")
    frame = frame.with_columns(first_at=pl.lit(at), last_at=pl.lit(at + timedelta(days=3)))
    members = [(ring, f"{ring}{i}@{at:%b}") for ring, accounts in rings.items() for i in range(len(accounts))]
    return find_observations(frame), pl.DataFrame(members, schema=["cluster_id", "account_id"], orient="row")


def _match(known: Ring, new: Ring, **said: object) -> pl.DataFrame:
    then, old = _seen(known, MARCH)
    now, fresh = _seen(new, JUNE)
    return match_clusters(fresh, now, profile_rings(old, then), **said)  # type: ignore[arg-type]


def _verdicts(matches: pl.DataFrame) -> dict[tuple[str, str], str]:
    return {(new, known): verdict for new, known, verdict in matches.select("cluster_id", "ring_id", "verdict").rows()}


def test_an_operator_who_returns_with_a_machine_and_a_card_is_known() -> None:
    """New accounts, two of the old things of two kinds: the operator of the ring closed in March."""
    matches = _match({"march": FARM}, {"june": [[("device", "d1"), ("card", "new")], [("card", "c2")]]})
    row = matches.row(0, named=True)
    assert (row["verdict"], row["families"], row["carriers"]) == ("same operator", ["dev", "pay"], 2)
    assert [(item["kind"], item["value"]) for item in row["evidence"]] == [("card", "c2"), ("device", "d1")]
    assert row["gap_days"] == 89.0  # 4 March to 1 June
    said = explain_match(matches, "june", "march")
    assert said[0].startswith("june looks like the operator of march")
    assert any("1 accounts of june and 2 of march were seen with card c2, and nobody outside" in line for line in said)


def test_rivals_who_share_a_vendor_are_told_apart() -> None:
    """Four rings rent numbers and a proxy exit from one service; beyond that each has its own machines."""

    def customer(name: str) -> list[list[tuple[str, str]]]:
        rented = [[("phone", f"sms{i}"), ("counterparty", "proxy-shop")] for i in range(4)]
        return [[*held, ("device", f"{name}-{i // 2}")] for i, held in enumerate(rented)]

    known = {name: customer(name) for name in ("anna", "bert", "carl")}
    matches = _match(known, {"dora": customer("dora")})
    assert set(_verdicts(matches).values()) == {"shared vendor"}
    vendors = {(item["kind"], item["value"]) for item in matches["vendors"][0]}
    assert ("phone", "sms0") in vendors
    assert "2 other rings hold it that share little else" in matches["vendors"][0][0]["why"]
    # The same things between two rings, and nobody else has them: one operator.
    assert _verdicts(_match({"anna": customer("anna")}, {"dora": customer("dora")})) == {
        ("dora", "anna"): "same operator"
    }


def test_a_returning_operator_is_known_among_a_vendors_customers() -> None:
    """What the vendor sold is discounted; the machine and the card that only these two had are not."""
    numbers = [[("phone", f"sms{i}")] for i in range(3)]
    known: Ring = {name: [*numbers, [("device", f"{name}-d")]] for name in ("anna", "bert")}
    known["carl"] = [*numbers, *FARM]
    matches = _match(known, {"dora": [*numbers, *FARM]})
    assert _verdicts(matches)["dora", "carl"] == "same operator"
    assert _verdicts(matches).get(("dora", "anna"), "chance") in ("shared vendor", "chance")


def test_one_account_that_changed_hands_does_not_join_two_rings() -> None:
    """Everything shared hangs on one account of five: it may have been sold."""
    own = [[("device", f"own{i}"), ("card", f"own{i}")] for i in range(4)]
    matches = _match({"march": FARM}, {"june": [*own, [("device", "d1"), ("card", "c2")]]})
    assert _verdicts(matches) == {("june", "march"): "one account"}
    assert "changed hands" in matches["innocent_explanation"][0]


def test_one_family_is_not_enough() -> None:
    """Two machines of the old ring are one kind of thing: likely, and no match."""
    matches = _match({"march": FARM}, {"june": [[("device", "d1")], [("device", "d2")]]})
    assert _verdicts(matches) == {("june", "march"): "one family"}


def test_a_value_of_many_others_says_nothing() -> None:
    """A number that fifty strangers had is public, and is named."""
    crowd: Ring = {f"stranger{i}": [[("phone", "p")]] for i in range(50)}
    then, old = _seen({"march": [[("phone", "p"), ("device", "d")]] * 2}, MARCH)
    now, _ = _seen({**crowd, "june": [[("phone", "p"), ("device", "d")]] * 2}, JUNE)
    new = pl.DataFrame({"cluster_id": "june", "account_id": ["june0@Jun", "june1@Jun"]})
    match = match_clusters(new, now, profile_rings(old, then)).row(0, named=True)
    phone = next(item for item in match["evidence"] if item["kind"] == "phone")
    assert phone["holders"] == 50
    assert phone["bits"] < 5
    assert match["vendors"] == [
        {"kind": "phone", "value": "p", "why": "50 accounts outside the rings hold it: public, or sold to many"}
    ]


def test_public_values_are_named_and_count_nothing() -> None:
    """What an analyst knows to be anybody's is discounted by name."""
    public = pl.DataFrame({"kind": ["card"], "value": ["c2"], "why": ["a card that was in the news"]})
    new = {"june": [[("device", "d1")], [("card", "c2")]]}
    assert _verdicts(_match({"march": FARM}, new)) == {("june", "march"): "same operator"}
    matches = _match({"march": FARM}, new, public=public)
    assert _verdicts(matches) == {("june", "march"): "one family"}
    assert matches["vendors"][0].to_list() == [{"kind": "card", "value": "c2", "why": "a card that was in the news"}]


def test_the_same_accounts_are_the_same_ring() -> None:
    """Accounts in both are said once, as accounts; what they held is not counted again."""
    seen, members = _seen({"r": FARM}, MARCH)
    renamed = members.with_columns(cluster_id=pl.lit("again"))
    match = match_clusters(renamed, seen, profile_rings(members, seen)).row(0, named=True)
    assert match["verdict"] == "same ring"
    assert match["shared_accounts"] == ["r0@Mar", "r1@Mar", "r2@Mar"]
    assert match["evidence"] == []


def test_hidden_values_match_the_same() -> None:
    """A registry that shows no value gives the same answer to who has the key, and none to others."""
    then, old = _seen({"march": FARM, "other": [[("device", "o")]] * 3}, MARCH)
    now, new = _seen({"june": [[("device", "d1"), ("card", "new")], [("card", "c2")]]}, JUNE)
    known = profile_rings(old, then)
    hidden = Rings(known.cards, protect_values(known.values, KEY), key_mark(KEY))
    assert "d1" not in hidden.values["value"].to_list()
    assert match_clusters(new, now, hidden, key=KEY).equals(match_clusters(new, now, known))
    with pytest.raises(InputError, match="pass the same `key`"):
        match_clusters(new, now, hidden)
    with pytest.raises(InputError, match="another key"):
        match_clusters(new, now, hidden, key=KEY[::-1])


def test_templates_are_compared_both_ways() -> None:
    """Half of what the new ring sends was the old one's; a third of the old one's came back."""
    old = [[("prompt_template", f"t{i}") for i in range(3)]] * 2
    new = [[("prompt_template", "t0"), ("prompt_template", "fresh")]] * 2
    match = _match({"march": old}, {"june": new}).row(0, named=True)
    assert (match["templates_known_share"], round(match["templates_new_share"], 3)) == (0.5, 0.333)


def test_the_prior_is_a_parameter() -> None:
    """The same evidence among a thousand known rings is worth less."""
    new = {"june": [[("device", "d1"), ("card", "new")], [("card", "c2")]]}
    few, many = (
        _match({"march": FARM}, new, dials=MatchSettings(known_rings=n, min_probability=0.0)).row(0, named=True)
        for n in (2, 1000)
    )
    assert few["bits"] == many["bits"]
    assert few["probability"] > many["probability"]


def test_what_is_wrong_is_said() -> None:
    """Missing columns and an empty list of members, with what to do."""
    seen, members = _seen({"r": FARM}, MARCH, others=5)
    known = profile_rings(members, seen)
    with pytest.raises(InputError, match=r"cluster_id \(did you mean 'cluster'"):
        profile_rings(members.rename({"cluster_id": "cluster"}), seen)
    with pytest.raises(InputError, match="0 rows"):
        profile_rings(members.clear(), seen)
    with pytest.raises(InputError, match="no why"):
        match_clusters(members, seen, known, public=pl.DataFrame({"kind": ["ip"], "value": ["x"]}))


_LIFE = st.lists(st.tuples(st.sampled_from(["device", "card", "phone"]), st.sampled_from("abcdef")), max_size=4)
_RINGS = st.lists(st.lists(_LIFE, min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(_RINGS, _RINGS, st.randoms(use_true_random=False))
def test_rows_in_any_order_give_the_same_matches(known: list, new: list, luck: object) -> None:
    """Shuffled rows, the same bytes; every probability is one."""
    then, old = _seen({f"k{i}": ring for i, ring in enumerate(known)}, MARCH, others=40)
    now, fresh = _seen({f"n{i}": ring for i, ring in enumerate(new)}, JUNE, others=40)
    first = match_clusters(fresh, now, profile_rings(old, then))
    seed = luck.randrange(1000)  # type: ignore[attr-defined]
    mixed = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (fresh, now, old, then)]
    second = match_clusters(mixed[0], mixed[1], profile_rings(mixed[2], mixed[3]))
    assert second.equals(first)
    assert first["probability"].is_between(0, 1).all()
