"""The scorer against answers worked out by hand, and against a second method that lists every pair."""

from __future__ import annotations

from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.sources.samples.score import read_truth, score_expansion, score_links, score_members

# Ring X is a, b, c; ring Y is d, e. f was taken over by X. g and h are a household; h and i sit behind one carrier.
# j and k copied one text. z is nobody in particular.
MEMBERSHIP = [
    ("a", "X", "R1", "creator"), ("b", "X", "R1", "member"), ("c", "X", "R1", "member"),
    ("d", "Y", "R2", "member"), ("e", "Y", "R2", "member"),
    ("f", "X", "R1", "victim"),
    ("j", "J", "R11", "member"), ("k", "K", "R11", "member"),
]  # fmt: skip
GROUPS = [("g", "home1", "household"), ("h", "home1", "household"), ("h", "nat1", "cgnat"), ("i", "nat1", "cgnat")]


def make_truth(membership: list[tuple[str, ...]], groups: list[tuple[str, ...]]) -> dict[str, pl.DataFrame]:
    people = dict.fromkeys(["account_id", "actor_id", "ring", "role"], pl.String)
    legit = dict.fromkeys(["account_id", "group_id", "kind"], pl.String)
    return {
        "membership": pl.DataFrame(membership, schema=people, orient="row"),
        "groups": pl.DataFrame(groups, schema=legit, orient="row"),
    }


TRUTH = make_truth(MEMBERSHIP, GROUPS)


def make_links(*pairs: tuple[str, str, float, str]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=["account_a", "account_b", "probability", "level"], orient="row")


def make_members(**clusters: str) -> pl.DataFrame:
    rows = [(name, account) for name, accounts in clusters.items() for account in accounts]
    return pl.DataFrame(rows, schema={"cluster_id": pl.String, "account_id": pl.String}, orient="row")


def test_links_by_hand():
    """Two right links of four possible, one household left out, a victim, a rival, a stranger and a copier wrong."""
    links = make_links(
        ("a", "b", 0.99, "L3"), ("d", "e", 0.9, "L3"),  # right
        ("g", "h", 0.95, "L3"),  # a household: neither right nor wrong
        ("a", "f", 0.8, "L2"),  # a victim
        ("c", "d", 0.7, "L2"),  # two rings
        ("h", "i", 0.6, "L1"),  # strangers behind one carrier
        ("j", "k", 0.6, "L1"),  # contagion
        ("a", "c", 0.4, "L0"),  # too weak to be a claim
    )  # fmt: skip
    scores = score_links(links, TRUTH)
    assert scores.pairs == {"true": 2, "legit": 1, "rival": 1, "contagion": 1, "innocent": 2}
    assert (scores.precision, scores.recall) == (2 / 6, 2 / 4)
    assert scores.innocents.rows() == [
        ("L1", "cgnat", 1), ("L1", "contagion", 2), ("L1", "household", 1), ("L2", "victim", 1),
    ]  # fmt: skip
    assert scores.levels.select("level", "links", "true", "legit", "false").rows() == [
        ("L1", 2, 0, 0, 2), ("L2", 2, 0, 0, 2), ("L3", 3, 2, 1, 0),
    ]  # fmt: skip
    assert scores.rings.select("actor_id", "members", "linked", "pairs", "found").rows() == [
        ("X", 3, 2, 3, 1), ("Y", 2, 2, 1, 1),
    ]  # fmt: skip


def test_members_by_hand():
    """One ring with its victim inside, one ring split between a household's cluster and nowhere."""
    scores = score_members(make_members(one="abf", two="cdgh"), TRUTH)
    assert scores.pairs == {"true": 1, "legit": 1, "rival": 1, "contagion": 0, "innocent": 6}
    assert (scores.pair_precision, scores.pair_recall) == (1 / 8, 1 / 4)
    assert scores.b3_precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 4 + 1 / 4 + 1) / 5)
    assert scores.b3_recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 5)
    assert (scores.clusters, scores.largest, scores.innocents_in_rings) == (2, 4, 1)
    assert scores.innocents.rows() == [("victim", "all", 1)]
    assert scores.purity == 3 / 4
    assert scores.rings.select("actor_id", "best_cluster", "found", "recall", "precision").rows() == [
        ("X", "one", 2, 2 / 3, 2 / 3), ("Y", "two", 1, 1 / 2, 1 / 4),
    ]  # fmt: skip


def test_weak_members_are_no_claim():
    """A row of the band "weak" counts as if it were not there."""
    members = make_members(one="abc").with_columns(band=pl.Series(["confirmed", "probable", "weak"]))
    assert score_members(members, TRUTH).pairs["true"] == 1
    assert score_members(members, TRUTH, bands=["confirmed", "probable", "weak"]).pairs["true"] == 3


def test_expansion_by_hand():
    """From seed a: b is right, f a victim, c right; the tool stopped after f and thought itself .9 precise."""
    walk = pl.DataFrame(
        {
            "account_id": ["a", "b", "f", "c", "d"],
            "round": [0, 1, 1, 2, 2],
            "probability": [1.0, 0.9, 0.8, 0.7, 0.6],
            "precision_estimate": [1.0, 0.99, 0.9, 0.8, 0.7],
            "included": [True, True, True, False, False],
        }
    )
    scores = score_expansion(walk, TRUTH, ["a"])
    assert (scores.actor_id, scores.ring, scores.targets) == ("X", "R1", 2)
    assert (scores.recall_at_95, scores.reviewed_for_80) == (0.5, 3)
    assert (scores.included, scores.precision, scores.recall, scores.rounds) == (2, 0.5, 0.5, 1)
    assert scores.precision_error == pytest.approx(0.4)
    assert scores.wrong.rows() == [("victim", 1)]


def test_ties_cannot_help():
    """Accounts of equal probability are walked together: no lucky order among them."""
    walk = pl.DataFrame({"account_id": ["b", "z"], "probability": [0.9, 0.9]})
    assert score_expansion(walk, TRUTH, ["a"]).recall_at_95 == 0.0


def test_benign_seeds_have_nothing_to_find():
    """Seeds of no ring: recall is undefined, and everyone included was included in error."""
    walk = pl.DataFrame({"account_id": ["h", "j"], "probability": [0.9, 0.8]})
    scores = score_expansion(walk, TRUTH, ["g"])
    assert (scores.actor_id, scores.recall, scores.precision) == (None, None, 0.0)
    assert scores.wrong.rows() == [("contagion", 1), ("household", 1)]


def test_copiers_are_no_ring():
    """R11: a seed among the copiers leads nowhere, and finding the others is an error."""
    assert score_expansion(pl.DataFrame({"account_id": ["k"], "probability": [0.9]}), TRUTH, ["j"]).ring is None


def test_empty_tables_score():
    """Nothing claimed: no precision, no recall lost to an error."""
    links = score_links(
        make_links().cast({"probability": pl.Float64, "account_a": pl.String, "account_b": pl.String}), TRUTH
    )
    members = score_members(make_members(), TRUTH)
    assert (links.precision, links.recall) == (None, 0.0)
    assert (members.pair_precision, members.pair_recall, members.b3_precision) == (None, 0.0, 1.0)


def test_missing_columns_are_named(tmp_path):
    """A frame that is not a table of links is refused with the columns it lacks; so is a folder without truth."""
    with pytest.raises(InputError, match="account_b, probability"):
        score_links(pl.DataFrame({"account_a": ["a"]}), TRUTH)
    with pytest.raises(InputError, match="no truth tables"):
        read_truth(tmp_path)


# -- a second method, slow and plain -----------------------------------------------------------------------------------

ACCOUNTS = "abcdefghijkl"
actors = st.fixed_dictionaries({account: st.sampled_from([None, None, "X", "Y", "R11"]) for account in ACCOUNTS})
groups = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from("mno")), max_size=14)
clusters = st.fixed_dictionaries({account: st.sampled_from([None, "1", "2", "3"]) for account in ACCOUNTS})


def truth_from(actor_of: dict[str, str | None], group_rows: list[tuple[str, str]]) -> dict[str, pl.DataFrame]:
    membership = [
        (account, f"solo-{account}" if actor == "R11" else actor, actor if actor == "R11" else "R1", "member")
        for account, actor in actor_of.items()
        if actor
    ]
    # group "o" is a carrier's address: its members are strangers
    return make_truth(
        membership, [(account, group, "cgnat" if group == "o" else "org") for account, group in group_rows]
    )


def judge(a: str, b: str, actor_of: dict[str, str | None], group_rows: list[tuple[str, str]]) -> str:
    side = actor_of[a], actor_of[b]
    if side[0] == side[1] and side[0] in ("X", "Y"):
        return "true"
    if any((a, group) in group_rows and (b, group) in group_rows for group in "mn"):
        return "legit"
    if all(actor in ("X", "Y") for actor in side):
        return "rival"
    return "contagion" if side == ("R11", "R11") else "innocent"


def tally(pairs: list[tuple[str, str]], *world: object) -> dict[str, int]:
    verdicts = [judge(a, b, *world) for a, b in pairs]  # type: ignore[arg-type]
    return {verdict: verdicts.count(verdict) for verdict in ("true", "legit", "rival", "contagion", "innocent")}


@settings(max_examples=60, deadline=None)
@given(actors, groups, clusters)
def test_cluster_pairs_agree_with_a_list_of_pairs(actor_of, group_rows, cluster_of):
    """Counting by units gives what listing every pair gives; so does B-cubed, account by account."""
    truth = truth_from(actor_of, group_rows)
    members = make_members(**{name: [x for x in ACCOUNTS if cluster_of[x] == name] for name in "123"})
    scores = score_members(members, truth)
    together = [(a, b) for a, b in combinations(ACCOUNTS, 2) if cluster_of[a] and cluster_of[a] == cluster_of[b]]
    assert scores.pairs == tally(together, actor_of, group_rows)

    ring = [account for account in ACCOUNTS if actor_of[account] in ("X", "Y")]
    precision, recall = [], []
    for account in ring:
        cluster = [x for x in ACCOUNTS if cluster_of[account] and cluster_of[x] == cluster_of[account]] or [account]
        right = [x for x in cluster if actor_of[x] == actor_of[account]]
        precision.append(len(right) / len(cluster))
        recall.append(len(right) / len([x for x in ACCOUNTS if actor_of[x] == actor_of[account]]))
    if ring:
        assert scores.b3_precision == pytest.approx(sum(precision) / len(ring))
        assert scores.b3_recall == pytest.approx(sum(recall) / len(ring))


@settings(max_examples=60, deadline=None)
@given(actors, groups, st.sets(st.sampled_from(list(combinations(ACCOUNTS, 2))), max_size=20))
def test_links_agree_with_a_list_of_pairs(actor_of, group_rows, linked):
    """The verdict of every link, worked out one by one."""
    links = make_links(*[(a, b, 0.9, "L3") for a, b in sorted(linked)])
    links = links.cast({"account_a": pl.String, "account_b": pl.String, "probability": pl.Float64, "level": pl.String})
    scores = score_links(links, truth_from(actor_of, group_rows))
    assert scores.pairs == tally(sorted(linked), actor_of, group_rows)
    possible = sum(judge(a, b, actor_of, group_rows) == "true" for a, b in combinations(ACCOUNTS, 2))
    assert scores.recall == (scores.pairs["true"] / possible if possible else None)


@settings(max_examples=60, deadline=None)
@given(actors, st.permutations(ACCOUNTS), st.integers(0, 12))
def test_expansion_agrees_with_a_walk(actor_of, order, stop):
    """Recall at precision .95 and accounts reviewed, by walking the list."""
    actor_of = {**actor_of, "a": "X"}
    walked = [account for account in order if account != "a"]
    walk = pl.DataFrame(
        {
            "account_id": walked,
            "probability": [1 - k / 20 for k in range(11)],
            "included": [k < stop for k in range(11)],
        }
    )
    scores = score_expansion(walk, truth_from(actor_of, []), ["a"])
    right = [actor_of[account] == "X" for account in walked]
    best = max([sum(right[:k]) for k in range(12) if sum(right[:k]) >= 0.95 * k])
    assert scores.targets == sum(right)
    assert scores.recall_at_95 == (best / sum(right) if any(right) else None)
    assert scores.precision == (sum(right[:stop]) / len(right[:stop]) if stop else None)


def test_a_perfect_clustering_of_a_sample_scores_one(tiny):
    """The truth itself, handed in as an answer, is perfect and hurts nobody."""
    ring = tiny.truth["membership"].filter(pl.col("role").is_in(["member", "creator"]), pl.col("ring") != "R11")
    scores = score_members(ring.select(cluster_id="actor_id", account_id="account_id"), tiny.truth)
    assert (scores.b3_f1, scores.pair_precision, scores.pair_recall, scores.innocents_in_rings) == (1, 1, 1, 0)


def test_linking_everyone_is_useless(tiny):
    """One cluster of the whole world has recall 1 and next to no precision; nothing of size n squared is built."""
    everyone = tiny.tables["accounts"].select(account_id="account_id", cluster_id=pl.lit("all"))
    scores = score_members(everyone, tiny.truth)
    assert scores.pair_recall == 1
    assert scores.pair_precision < 0.01
    assert sum(scores.pairs.values()) == 2000 * 1999 // 2
