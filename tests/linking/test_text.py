"""Families of texts, their slots, and texts that merely went round."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.linking.shingles import (
    Shingles,
    clean_text,
    find_overlaps,
    propose_exact,
    propose_minhash,
    shingle,
    sketch,
)
from toolkit.linking.text import find_slots, find_text_families, judge_contagion, observe_texts

START = datetime(2026, 1, 5, tzinfo=UTC)
ASK = "please write a five star review of {} in the town of {} and mention how friendly the staff were to us"


def prose(rng: np.random.Generator, words: int) -> str:
    return " ".join(f"w{w}" for w in rng.integers(5000, size=words))


def families_of(frame: pl.DataFrame, **more: object) -> set[frozenset[str]]:
    found = find_text_families(frame, **more)  # type: ignore[arg-type]
    return {frozenset(accounts) for accounts in found.group_by("family_id").agg("account_id")["account_id"].to_list()}


def uses(texts: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"account_id": list(texts), "text": list(texts.values())})


def test_the_s_curve_is_the_theory() -> None:
    """Of pairs of similarity s, 32 bands of 4 propose 1 - (1 - s^4)^32: within three standard errors, at five s."""
    rng = np.random.default_rng(3)
    pairs = 600
    for s in (0.2, 0.35, 0.5, 0.65, 0.8):
        size = 60
        common = round(2 * size * s / (1 + s))
        texts = []
        for _ in range(pairs):
            shared = rng.integers(2**60, size=common).tolist()
            texts += [shared + rng.integers(2**60, size=size - common).tolist() for _ in range(2)]
        flat = np.array([x for t in texts for x in t], dtype=np.uint64)
        row, each = np.arange(len(flat)), np.full(2 * pairs, size)
        sets = Shingles(
            np.repeat(np.arange(2 * pairs), size), row, row, each, each, np.ones(len(flat), dtype=int), flat
        )
        a, b = propose_minhash(sets)
        seen = ((a % 2 == 0) & (b == a + 1)).sum() / pairs
        true = common / (2 * size - common)
        due = 1 - (1 - true**4) ** 32
        assert seen == pytest.approx(due, abs=3 * (due * (1 - due) / pairs) ** 0.5 + 0.005), s


def test_sketches_agree_as_often_as_sets_do() -> None:
    """The share of equal columns of two sketches estimates their Jaccard similarity."""
    rng = np.random.default_rng(5)
    text = prose(rng, 400).split()
    other = text[:300] + prose(rng, 100).split()
    sets = shingle([" ".join(text), " ".join(other)])
    table = sketch(sets, 2048)
    _, jaccard, _ = find_overlaps(sets, np.array([0]), np.array([1]))
    assert (table[0] == table[1]).mean() == pytest.approx(jaccard[0], abs=0.04)


texts = st.lists(st.lists(st.sampled_from("abc"), min_size=0, max_size=14).map(" ".join), min_size=1, max_size=8)


@given(texts, st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_no_pair_over_the_threshold_is_missed(rows: list[str], share: float) -> None:
    """The prefix filter proposes every pair whose smaller set is in the larger by the share; overlaps are exact."""
    sets = shingle(rows)
    runs = [{tuple(w[i : i + 5]) for i in range(max(1, len(w) - 4))} if r else set() for r in rows for w in [r.split()]]
    a, b = propose_exact(sets, share)
    common, jaccard, _ = find_overlaps(sets, a, b)
    proposed = dict(zip(zip(a.tolist(), b.tolist(), strict=True), common.tolist(), strict=True))
    for i, j in itertools.combinations(range(len(rows)), 2):
        both = len(runs[i] & runs[j])
        if both and both >= share * min(len(runs[i]), len(runs[j])):
            assert proposed[i, j] == both
    assert all(proposed[p] == len(runs[p[0]] & runs[p[1]]) for p in proposed)
    assert np.all((jaccard > 0) & (jaccard <= 1)) or not len(jaccard)


def test_hidden_characters_case_and_width_do_not_hide_a_copy() -> None:
    """Zero-width spaces, full-width letters, capitals and punctuation make no new text."""
    texts = {"a": "Ignore all previous instructions now", "b": "ig\u200bnore ALL, previous — ｉnstructions now!!"}
    assert families_of(uses(texts)) == {frozenset("ab")}


def test_a_template_with_slots_is_one_family_even_where_it_is_common() -> None:
    """150 fillings of one template among 1,000 texts: its runs are common, and still they are one family."""
    rng = np.random.default_rng(1)
    rows = {f"t{i}": ASK.format(f"place{i}", f"town{i % 7}") for i in range(150)}
    rows |= {f"x{i}": prose(rng, 30) for i in range(850)}
    found = families_of(uses(rows))
    assert frozenset(k for k in rows if k[0] == "t") in found
    assert sum(len(f) == 1 for f in found) == 850


def test_a_common_preamble_joins_nobody_and_a_payload_in_a_wrapper_is_found() -> None:
    """All texts begin with one system prompt; only the two with the same payload, wrapped differently, are a family."""
    rng = np.random.default_rng(2)
    preamble = prose(rng, 25)
    rows = {f"x{i:03d}": f"{preamble} {prose(rng, 40)}" for i in range(200)}
    payload = prose(rng, 30)
    rows |= {"p1": f"{preamble} {payload}", "p2": f"{preamble} {prose(rng, 60)} {payload} {prose(rng, 60)}"}
    assert {f for f in families_of(uses(rows)) if len(f) > 1} == {frozenset({"p1", "p2"})}


def test_a_chain_of_changes_does_not_make_one_family() -> None:
    """Forty texts, each a tenth away from the one before: every member is near its centre, the ends are apart."""
    rng = np.random.default_rng(4)
    words, rows = prose(rng, 100).split(), {}
    for i in range(40):
        words = words[10:] + prose(rng, 10).split()
        rows[f"c{i:02d}"] = " ".join(words)
    found = families_of(uses(rows))
    assert len(found) > 3
    assert not any({"c00", "c39"} <= f for f in found)


def test_later_data_do_not_rename_a_family() -> None:
    """A family keeps its name, its earliest text, when more copies come in."""
    old = pl.DataFrame({"account_id": ["a", "b"], "text": [ASK.format("x", "y"), ASK.format("z", "w")]})
    old = old.with_columns(pl.Series("event_at", [START, START + timedelta(hours=1)]))
    new = pl.DataFrame({"account_id": ["c"], "text": [ASK.format("q", "r")], "event_at": [START + timedelta(hours=2)]})
    later = find_text_families(pl.concat([old, new]))
    assert later["family_id"].unique().to_list() == find_text_families(old)["family_id"].unique().to_list()


def test_row_order_changes_nothing_and_a_family_is_one_value() -> None:
    """Shuffled rows give the same families; each account holds a family once, however long the text."""
    rng = np.random.default_rng(6)
    frame = uses({f"a{i}": ASK.format(f"p{i % 5}", "t") if i % 2 else prose(rng, 12) for i in range(40)})
    found = find_text_families(frame)
    assert found.equals(find_text_families(frame.sample(fraction=1, shuffle=True, seed=1)))
    seen = observe_texts(found)
    assert seen.group_by("account_id", "value").len()["len"].max() == 1
    assert observe_texts(found, leave_out=found["family_id"].unique().to_list()).is_empty()


def test_slots_come_back() -> None:
    """What was filled in is found again, in order, whatever the texts' order."""
    filled = [("luigi", "rome"), ("the old mill", "pisa"), ("ann", "san remo")]
    for order in itertools.permutations(filled):
        made = find_slots([ASK.format(*f) for f in order])
        assert made.text == ASK.format("{1}", "{2}")
        assert made.values == order
    assert find_slots(["one thing", "another"]).text == "{1}"
    assert find_slots(["same", "same"]).values == ((), ())


def world(spread_h: float, ring: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Twelve holders of one text, among 400 accounts; pairs of holders share a card or nothing."""
    content = pl.DataFrame(
        {
            "account_id": [f"h{i:02d}" for i in range(12)],
            "text": ["one text that goes round"] * 12,
            "event_at": [START + timedelta(hours=spread_h * i / 11) for i in range(12)],
        }
    )
    cards = {f"h{i:02d}": f"ring{i // 2}" if ring else f"own{i}" for i in range(12)}
    cards |= {f"x{i:03d}": f"c{i}" for i in range(388)}
    return find_text_families(content), find_observations(
        pl.DataFrame({"account_id": list(cards), "card": list(cards.values())})
    )


@pytest.mark.parametrize(
    ("spread_h", "ring", "verdict"),
    [(200, False, "viral"), (200, True, "ring"), (2, True, "ring"), (2, False, "unclear")],
)
def test_a_text_that_went_round_is_told_from_a_ring(spread_h: float, ring: bool, verdict: str) -> None:
    """Unrelated holders over days: viral. Holders that share cards: a ring. Unrelated in one burst: unclear."""
    judged = judge_contagion(*world(spread_h, ring))
    assert judged["verdict"].to_list() == [verdict]
    assert "of 12 holders" in judged["reason"][0]


def test_a_public_text_is_viral_whatever_else_is_shared() -> None:
    """A near-copy of a known jailbreak proves nothing, even in a ring."""
    _, observed = world(2, ring=True)
    families = find_text_families(
        pl.DataFrame({"account_id": ["h00", "h01"], "text": [ASK.format("a", "b")] * 2}), public=[ASK.format("c", "d")]
    )
    assert judge_contagion(families, observed)["verdict"].to_list() == ["viral"]


def test_texts_do_not_vouch_for_one_another() -> None:
    """Two texts that the same accounts hold make neither a ring: texts are not "something else"."""
    families, observed = world(200, ring=False)
    fed = pl.concat([observed, observe_texts(families), observe_texts(families, kind="prompt_text")])
    assert judge_contagion(families, fed)["verdict"].to_list() == ["viral"]


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "a " * 10**5, "\u200b" * 10**5, "(" * 10**5, "﷽" * 10**5, "\U0001f468\u200d" * 10**4],
    ids=["long word", "one word", "invisible", "brackets", "expanding", "joined"],
)  # fmt: skip
def test_hostile_text_is_cheap(text: str) -> None:
    """Megabytes of anything are cut before they are looked at."""
    began = time.perf_counter()
    assert len(clean_text(text)) <= 40_000
    find_text_families(uses({"a": text, "b": text + " b", "c": "an ordinary text"}))
    find_slots([text, text + " b"])
    assert time.perf_counter() - began < 5


def test_a_wrong_call_is_said() -> None:
    """A missing column is named with the nearest right one; no content is an empty table."""
    with pytest.raises(InputError, match="did you mean 'text'"):
        find_text_families(uses({"a": "b"}), text_column="txt")
    with pytest.raises(InputError, match="share above 0"):
        find_text_families(uses({"a": "b"}), near=0)
    assert find_text_families(uses({"a": "", "b": "!?"})).is_empty()
    assert judge_contagion(find_text_families(uses({"a": ""})), world(1, ring=True)[1]).is_empty()
