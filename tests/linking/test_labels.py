"""Samples that show every stratum and give none away; what labels say, against plain counting and planted truths."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import binomtest

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.labels import (
    BLIND,
    LABELS,
    blind_subjects,
    collect_labels,
    estimate_precision,
    measure_agreement,
    record_labels,
    sample_subjects,
)
from toolkit.model.tables import Clusters, Expansion, Links, Members, Observations

RIGHT, WRONG, OPEN = LABELS


def population(**sizes: int) -> pl.DataFrame:
    rows = [(f"{band}-{i}", band, 0.5) for band, size in sizes.items() for i in range(size)]
    return pl.DataFrame(rows, schema=["account_id", "band", "probability"], orient="row")


def say(subject: str, label: str, reviewer: str = "kim", note: str = "") -> dict[str, str]:
    return {"subject_id": subject, "label": label, "note": note, "reviewer": reviewer}


def drawn(**counts: tuple[int, int]) -> pl.DataFrame:
    """A sample by hand: name of a stratum to its size and how many of it were drawn."""
    rows = [(f"{name}{i}", name, size) for name, (size, n) in counts.items() for i in range(n)]
    return pl.DataFrame(rows, schema=["subject_id", "stratum", "stratum_size"], orient="row")


# ---------------------------------------------------------------- drawing


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 60), min_size=1), st.integers(1, 150), st.integers(1, 4),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_stratum_is_drawn_and_the_weights_add_up(
    sizes: dict[str, int], n: int, least: int, luck: random.Random
) -> None:
    """Whatever the order of the rows: the same subjects, each stratum, and weights that stand for everybody."""
    frame = population(**sizes)
    if n < min(needed := sum(min(size, least) for size in sizes.values()), frame.height):
        with pytest.raises(InputError, match=f"{least} of each of {len(sizes)} strata of band are {needed}"):
            sample_subjects(frame, n, least=least)
        return
    sample = sample_subjects(frame, n, least=least, seed=3)
    places = list(range(frame.height))
    luck.shuffle(places)
    assert_frame_equal(sample_subjects(frame[places], n, least=least, seed=3), sample)
    assert sample.height == sample["subject_id"].n_unique() == min(n, frame.height)
    counts = dict(sample["stratum"].value_counts().rows())
    assert all(counts[name] >= min(size, least) for name, size in sizes.items())
    for name, size, of_it, weight, asked in sample.select(pl.col("^stratum.*$"), "weight", "n_asked").rows():
        assert (size, of_it, asked) == (sizes[name], counts[name], n)
        assert weight == size / of_it
    assert math.isclose(sample["weight"].sum(), frame.height)


def test_each_is_drawn_as_often_as_its_weight_says() -> None:
    """Over many seeds, one of 30 of which 6 are drawn is in a fifth of the samples, wherever it stands."""
    frame = population(high=10, low=30)
    met = dict.fromkeys(frame["account_id"], 0)
    for seed in range(600):
        sample = sample_subjects(frame, 8, least=2, seed=seed)
        for name in sample["subject_id"]:
            met[name] += 1
    assert dict(sample.select("stratum", "stratum_sampled").unique().rows()) == {"high": 2, "low": 6}
    # 600 draws at 1/5: the standard deviation is 9.8; 4.5 of them for the worst of 40.
    assert all(abs(count - 120) < 45 for count in met.values()), met


def test_the_order_says_nothing_of_the_stratum() -> None:
    """Where one of two strata is drawn whole and the other thinly, the middle place of each is the middle."""
    places: dict[str, list[int]] = {"high": [], "low": []}
    for seed in range(60):
        sample = sample_subjects(population(high=10, low=400), 20, least=10, seed=seed)
        for frame in (sample, sample.join(blind_subjects(sample, reviewer="kim", seed=seed), on="subject_id")):
            for place, name in enumerate(frame["stratum"]):
                places[name].append(place)
    for name, found in places.items():
        assert abs(sum(found) / len(found) - 9.5) < 0.8, name


def test_strata_and_keys_are_those_of_the_table() -> None:
    """Links by level and pair, members by band in their cluster, expansions by who was included."""
    links = pl.DataFrame({"account_a": ['a"', "a"], "account_b": ["b, c", "c"], "level": ["L0", "L4"]})
    sample = sample_subjects(links, 2).sort("stratum")
    assert sample["stratum"].to_list() == ["L0", "L4"]
    assert [json.loads(name) for name in sample["subject_id"]] == [['a"', "b, c"], ["a", "c"]]
    members = pl.DataFrame({"cluster_id": ["C1", "C2"], "account_id": ["v", "v"], "band": ["weak", "weak"]})
    assert sorted(sample_subjects(members, 2)["subject_id"]) == ['["C1", "v"]', '["C2", "v"]']
    expansion = pl.DataFrame({"account_id": ["a", "b"], "included": [True, False]})
    assert sorted(sample_subjects(expansion, 2)["stratum"]) == ["false", "true"]
    named = pl.DataFrame({"subject_id": ["x"], "kind": ["ip"]})
    assert sample_subjects(named, 1, by="kind", key=["subject_id"])["subject_id"].to_list() == ["x"]


def test_all_that_keeps_a_sample_from_being_drawn_is_said_at_once() -> None:
    frame = pl.DataFrame({"account_id": [1, 1, 2], "band": ["weak", None, "weak"]})
    with pytest.raises(
        InputError, match=r"n is 0; want 1 .*account_id is Int64; ids are text.*band is null in 1 rows.*1 rows name a"
    ):
        sample_subjects(frame, 0)
    with pytest.raises(InputError, match=r"no band \(did you mean 'bandd'"):
        sample_subjects(pl.DataFrame({"account_id": ["a"], "bandd": ["weak"]}), 1, by="band")
    with pytest.raises(InputError, match="no subjects to draw from"):
        sample_subjects(population(weak=1).clear(), 1)


def test_a_labeller_sees_the_same_subjects_in_an_order_of_their_own() -> None:
    sample = sample_subjects(population(high=20, low=20), 30)
    told = sample.join(population(high=20, low=20), on="account_id").with_columns(country=pl.lit("NZ"))
    kim, lee = (blind_subjects(told, reviewer=name) for name in ("kim", "lee"))
    assert kim.columns == ["account_id", "subject_id", "country"]
    assert kim["subject_id"].to_list() != lee["subject_id"].to_list() != sample["subject_id"].to_list()
    assert_frame_equal(kim.sort("subject_id"), lee.sort("subject_id"))
    assert_frame_equal(blind_subjects(told.reverse(), reviewer="kim"), kim)


# ---------------------------------------------------------------- labels


def test_the_last_word_counts_and_differences_are_said() -> None:
    sample = pl.DataFrame({"subject_id": ["a", "b", "c", "d"], "stratum": "x"})
    said = [
        say("a", OPEN), say("a", RIGHT, note="one device"), say("a", WRONG, "lee", "a café"), say("b", RIGHT, "lee"),
        say("b", RIGHT), say("c", OPEN, "lee"),
    ]  # fmt: skip
    told = record_labels(sample, said)
    assert told.select(pl.exclude("subject_id", "stratum")).rows() == [
        (None, "disputed", "kim: one device; lee: a café", ["kim", "lee"], [RIGHT, WRONG]),
        (RIGHT, "agreed", "", ["kim", "lee"], [RIGHT, RIGHT]),
        (OPEN, "single", "", ["lee"], [OPEN]),
        (None, None, None, None, None),
    ]
    assert_frame_equal(record_labels(told, collect_labels(sample, said)), told)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([say("z", RIGHT), say("a", "belong")], "no subject 'z'.*no label 'belong': did you mean 'belongs'"),
        ([say("a", RIGHT, " "), {"subject_id": "a"}], "1 of 2 labels have no label; 2 of 2 labels have no reviewer"),
        ([say(f"z{i}", RIGHT) for i in range(9)], "and 4 more subjects"),
        (pl.DataFrame({"subject_id": [1], "label": [RIGHT], "reviewer": ["kim"]}), "labels are text: subject_id is"),
        (pl.DataFrame({"subject_id": ["a"], "label": [RIGHT]}), "labels: no reviewer"),
    ],
)
def test_labels_that_do_not_hold_are_refused(rows: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        collect_labels(pl.DataFrame({"subject_id": ["a", "b"]}), rows)


def test_a_table_of_labels_survives_a_file(tmp_path: Any) -> None:
    """Text in, the same text out, through CSV too; no labels are a table as well."""
    sample = pl.DataFrame({"subject_id": ['["a", "b"]', "007"]})
    table = collect_labels(sample, [say('["a", "b"]', RIGHT, note='a "café"\nby night'), say("007", WRONG)])
    table.write_csv(tmp_path / "labels.csv")
    again = pl.read_csv(tmp_path / "labels.csv", infer_schema=False)
    assert_frame_equal(collect_labels(sample, again), table)
    assert_frame_equal(collect_labels(sample, []), table.clear())


# ---------------------------------------------------------------- agreement


def agreement(first: str, second: str) -> dict[str, Any]:
    words = {"y": RIGHT, "n": WRONG, "?": OPEN}
    rows = [say(str(i), words[w], r) for r, told in (("kim", first), ("lee", second)) for i, w in enumerate(told)]
    return measure_agreement(rows).row(0, named=True)


def test_agreement_is_that_of_the_textbooks() -> None:
    """Worked by hand: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; and one where nearly all is yes."""
    even = agreement("y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15)
    # Observed 35/50; Cohen's chance .5 x .6 + .5 x .4 = .5; Gwet's over three labels (.55 x .45 + .45 x .55) / 2.
    assert (even["both"], even["agreed"], even["kappa"], even["prevalence"]) == (50, 0.7, 0.4, 0.55)
    assert even["ac1"] == round((0.7 - 0.2475) / (1 - 0.2475), 6)
    skewed = agreement("y" * 48 + "yn", "y" * 48 + "ny")
    # Observed .96; Cohen's chance .98^2 + .02^2 = .9608, so kappa is below 0; Gwet's is .02 x .98.
    assert skewed["kappa"] == round((0.96 - 0.9608) / (1 - 0.9608), 6) < 0
    assert skewed["ac1"] == round((0.96 - 0.0196) / (1 - 0.0196), 6) > 0.95


def test_what_cannot_be_measured_is_null() -> None:
    """Kappa where one label is all there is; agreement of two who share no subject; of one reviewer, no row at all."""
    assert (agreement("yyy", "yyy")["kappa"], agreement("yyy", "yyy")["ac1"]) == (None, 1.0)
    apart = measure_agreement([say("a", RIGHT), say("b", RIGHT, "lee"), say("a", RIGHT, "ann")])
    assert apart.select("reviewer_a", "reviewer_b", "both", "agreed").rows() == [
        ("ann", "kim", 1, 1.0), ("ann", "lee", 0, None), ("kim", "lee", 0, None)
    ]  # fmt: skip
    assert measure_agreement([say("a", RIGHT)]).is_empty()


# ---------------------------------------------------------------- precision


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_stratum_has_the_interval_of_wilson(right: int, wrong: int) -> None:
    """Of a stratum far larger than what was drawn, scipy gives the same ends; none in n still has an upper end."""
    if not right + wrong:
        return
    sample = drawn(x=(10**9, right + wrong))
    said = [say(name, RIGHT if i < right else WRONG) for i, name in enumerate(sample["subject_id"])]
    row = estimate_precision(sample, said).row(0, named=True)
    ends = binomtest(right, right + wrong).proportion_ci(method="wilson")
    assert row["precision"] == round(right / (right + wrong), 6)
    assert math.isclose(row["low"], ends.low, abs_tol=2e-6)
    assert math.isclose(row["high"], ends.high, abs_tol=2e-6)
    assert row["high"] > 0


def test_the_total_is_each_label_times_its_weight() -> None:
    """Horvitz and Thompson in a plain loop, with each stratum's own weight."""
    sample = sample_subjects(population(high=50, low=500), 40, least=10)
    luck = random.Random(5)  # noqa: S311 - a draw, not a secret
    said = {name: luck.random() < (0.9 if name.startswith("high") else 0.1) for name in sample["subject_id"]}
    found = estimate_precision(sample, [say(name, RIGHT if yes else WRONG) for name, yes in said.items()])
    total = sum(weight for name, weight in sample.select("subject_id", "weight").rows() if said[name])
    assert found["stratum"].to_list() == ["high", "low", None]
    assert found["precision"][2] == round(total / 550, 6)
    high = estimate_precision(
        sample, [say(name, RIGHT if yes else WRONG) for name, yes in said.items()], strata=["high"]
    )
    assert high.row(2)[1:] == high.row(0)[1:]


SHAPES = {
    "rare below": ({"high": (300, 0.96), "mid": (900, 0.7), "low": (2800, 0.03)}, 80),
    "all and none": ({"high": (60, 1.0), "low": (400, 0.0)}, 40),
    "one stratum": ({"only": (2000, 0.9)}, 30),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_covers_a_planted_truth(shape: str) -> None:
    """Of 300 samples of a population whose truth is known, at least 93 % of the intervals hold it, with no bias."""
    strata, n = SHAPES[shape]
    frame = population(**{name: size for name, (size, _) in strata.items()})
    truth = {f"{name}-{i}": i < round(size * share) for name, (size, share) in strata.items() for i in range(size)}
    real = sum(truth.values()) / len(truth)
    held, middles, widths = 0, [], []
    for seed in range(300):
        sample = sample_subjects(frame, n, seed=seed)
        said = [say(name, RIGHT if truth[name] else WRONG) for name in sample["subject_id"]]
        total = estimate_precision(sample, said).row(-1, named=True)
        held += total["low"] - 1e-6 <= real <= total["high"] + 1e-6
        middles.append(total["precision"])
        widths.append(total["high"] - total["low"])
    assert held / 300 >= 0.93
    assert abs(sum(middles) / 300 - real) < 0.01
    assert sum(widths) / 300 < 0.25


def test_what_is_open_is_counted_and_bounds_the_estimate() -> None:
    """Of ten: six right, one wrong, one disputed, one that cannot be told, one without a label."""
    sample = drawn(x=(10**9, 10))
    said = [say(f"x{i}", RIGHT) for i in range(6)] + [say("x6", WRONG), say("x7", RIGHT), say("x7", WRONG, "lee")]
    row = estimate_precision(sample, [*said, say("x8", OPEN)]).row(0, named=True)
    names = ("sampled", "positive", "negative", "disputed", "undecided", "unlabelled")
    assert [row[name] for name in names] == [10, 6, 1, 1, 1, 1]
    assert (row["precision"], row["worst"], row["best"]) == (round(6 / 7, 6), round(6 / 9, 6), round(8 / 9, 6))
    ends = [binomtest(k, 9).proportion_ci(method="wilson") for k in (6, 8)]
    assert (row["worst_low"], row["best_high"]) == (round(ends[0].low, 6), round(ends[1].high, 6))


def test_a_stratum_without_labels_is_said_not_guessed() -> None:
    """Its row is null, the total has no estimate, and its bounds leave all of it open."""
    sample = drawn(high=(100, 4), low=(300, 4))
    said = [say(f"high{i}", RIGHT) for i in range(4)]
    found = estimate_precision(sample, said)
    assert found.select("stratum", "unlabelled", "precision", "low", "worst", "best").rows() == [
        ("high", 0, 1.0, found["low"][0], 1.0, 1.0), ("low", 4, None, None, None, None),
        (None, 4, None, None, 0.25, 1.0),
    ]  # fmt: skip
    assert estimate_precision(sample, said, strata=["high"])["precision"][2] == 1.0
    assert estimate_precision(sample, []).row(2)[-4:] == (0.0, 0.0, 1.0, 1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'high'"):
        estimate_precision(sample, said, strata=["hihg"])
    with pytest.raises(InputError, match="strata is empty: name some of high, low"):
        estimate_precision(sample, said, strata=[])


def test_what_was_looked_at_whole_is_known() -> None:
    """No interval reaches beyond what the labels leave possible: of six of which five are right, at least 5/6."""
    said = [say(f"x{i}", RIGHT) for i in range(5)]
    assert estimate_precision(drawn(x=(6, 5)), said).row(0)[-6:-4] == (round(5 / 6, 6), 1.0)
    whole = estimate_precision(drawn(x=(6, 6)), [*said, say("x5", WRONG)]).row(0, named=True)
    assert whole["low"] == whole["high"] == whole["precision"] == round(5 / 6, 6)


def test_tables_keep_no_score_that_a_labeller_would_see() -> None:
    """Every column of a table of links, members, clusters and expansions is either hidden or no verdict."""
    plain = {
        "account_a", "account_b", "account_id", "cluster_id", "size", "density", "bridges", "first_at", "last_at",
        "top_kind", "top_value", "top_value_share", "related",
    }  # fmt: skip
    for table in (Links, Members, Expansion, Clusters):
        assert set(table.column_names()) - set(BLIND) <= plain, table
    assert set(Observations.column_names()).isdisjoint(BLIND)
