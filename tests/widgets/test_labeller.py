"""Labels by hand: nothing of the score on the screen, an order of one's own, and labels that outlive the notebook."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.labels import LABELS, estimate_precision
from toolkit.linking.observations import find_observations
from toolkit.widgets.labeller import Labeller

RIGHT, WRONG, OPEN = LABELS
BANDS = ["confirmed", "probable", "possible", "weak"]
NAMES = [f"acct_{i:02}" for i in range(40)]
MEMBERS = pl.DataFrame({"account_id": NAMES, "band": [BANDS[i % 4] for i in range(40)]}).with_columns(
    probability=pl.lit(0.123456), why=pl.lit("7.89 bits of device"), role=pl.lit("victim")
)
SEEN = find_observations(pl.DataFrame({"account_id": NAMES, "device": [f"d{i % 7}" for i in range(40)]}))


def make(reviewer: str = "kim", **more: Any) -> Labeller:
    return Labeller(MEMBERS, SEEN, **{"reviewer": reviewer, "n": 12, "least": 2, "seed": 4, **more})


def sitting(labeller: Labeller) -> list[str]:
    """The subjects in the order they come in, by going through them."""
    labeller.go(0)
    met = [labeller.subject["account_id"]]
    for _ in range(11):
        labeller.next()
        met.append(labeller.subject["account_id"])
    return met


def finish(labeller: Labeller, said: Mapping[str, str] | None = None) -> Labeller:
    """Label all: what is said of an account, else that it belongs."""
    labeller.go(0)
    for _ in range(labeller.sample.height):
        labeller.label((said or {}).get(labeller.subject["account_id"], RIGHT))
    return labeller


def states(widget: Any) -> Iterator[str]:
    """All that goes to the screen."""
    yield json.dumps({name: value for name, value in widget.get_state().items() if name[0] != "_"}, default=str)
    for child in getattr(widget, "children", ()):
        yield from states(child)


def button(labeller: Labeller, word: str) -> Any:
    def inside(widget: Any) -> Iterator[Any]:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from inside(child)

    return next(w for w in inside(labeller.view) if isinstance(w, widgets.Button) and w.description == word)


def test_nothing_on_the_screen_or_in_the_page_gives_the_method_away() -> None:
    """No band, no probability, no reason, no stratum: not in a widget, not in the code, not in what is saved."""
    told = SEEN.join(MEMBERS, on="account_id").with_columns(label=pl.lit("lee says it belongs"))
    labeller = Labeller(MEMBERS, told, reviewer="kim", n=12, least=2)
    _ = labeller.view
    for _ in range(12):
        screen = "".join(states(labeller.view)) + labeller.code
        screen += json.dumps(labeller._repr_mimebundle_()[0], default=str)
        for telling in (*BANDS, "0.123456", "7.89", "victim", "stratum", "weight", "lee says"):
            assert telling not in screen, telling
        assert labeller.subject["account_id"] in screen
        labeller.label(RIGHT)


def test_two_see_the_same_subjects_in_orders_of_their_own() -> None:
    kim, lee = make("kim"), make("lee")
    assert_frame_equal(kim.sample, lee.sample)
    assert sitting(kim) != sitting(lee)
    assert sorted(sitting(kim)) == sorted(sitting(lee)) == sorted(kim.sample["account_id"])
    assert sitting(make("kim")) == sitting(kim)


def test_the_buttons_label_and_lead() -> None:
    """A label goes on to the next; Back brings label and note again; given again, it replaces the earlier."""
    labeller = make()
    first = labeller.subject["account_id"]
    (head, about, seen, note, *_), note_of = labeller.view.children, lambda: labeller.view.children[3].value
    assert (head.children[1].value, about.value) == ("1 of 12, 0 labelled", f"account id {first}")
    assert seen.frame["account_id"].unique().to_list() == [first]
    button(labeller, "Back").click()
    assert labeller.place == 0
    note.value = " one device "
    button(labeller, RIGHT).click()
    assert (head.children[1].value, note_of()) == ("2 of 12, 1 labelled", "")
    assert seen.frame["account_id"].to_list() == [labeller.subject["account_id"]] != [first]
    button(labeller, "Back").click()
    assert (about.value, note_of()) == (f"account id {first}: {RIGHT}", "one device")
    note.value = "a café"
    button(labeller, WRONG).click()
    assert labeller.rows.rows() == [(first, WRONG, "a café", "kim")]
    for _ in range(20):
        button(labeller, "Next").click()
    assert head.children[1].value == "12 of 12, 1 labelled"
    assert labeller.view is labeller.view


def test_labels_outlive_the_notebook(tmp_path: Path) -> None:
    """Read from a file, they are gone on from, at the first subject without one; a colleague's are not taken."""
    before = make()
    order = sitting(before)
    before.go(0)
    for word in (RIGHT, OPEN):
        before.label(word, "seen")
    pl.concat([before.rows, finish(make("lee")).rows]).write_parquet(tmp_path / "labels.parquet")
    after = make(labels=pl.read_parquet(tmp_path / "labels.parquet"))
    assert_frame_equal(after.rows, before.rows)
    assert after.subject["account_id"] == order[2]
    assert finish(make(labels=finish(make()).rows)).rows["label"].to_list() == [RIGHT] * 12


def test_two_are_compared_when_both_are_done() -> None:
    kim, lee = make("kim"), make("lee")
    lee.label(RIGHT)
    with pytest.raises(InputError, match="kim has 12 of 12 to go; lee has 11 of 12 to go"):
        kim.compare(lee)
    a, b = sorted(kim.sample["account_id"])[:2]
    finish(kim, {a: WRONG})
    with pytest.raises(InputError, match="lee has 11 of 12 to go"):
        kim.compare(lee)
    finish(lee, {b: OPEN})
    agreement, disputes = kim.compare(lee)
    assert agreement.row(0)[:4] == ("kim", "lee", 12, round(10 / 12, 6))
    assert disputes.columns == ["account_id", "subject_id", "reviewers", "labels", "note"]
    assert disputes.select("account_id", "labels").rows() == [(a, [WRONG, RIGHT]), (b, [RIGHT, OPEN])]
    for theirs in (lee.rows, pl.concat([lee.rows, kim.rows])):
        assert_frame_equal(kim.compare(theirs)[1], disputes)
    total = estimate_precision(kim.sample, pl.concat([kim.rows, lee.rows])).row(-1, named=True)
    assert (total["positive"], total["disputed"]) == (10, 2)
    with pytest.raises(InputError, match="all labels are kim's"):
        kim.compare(kim)
    with pytest.raises(InputError, match=r"no subject .*x'"):
        kim.compare(finish(make("lee", seed=5)).rows.with_columns(pl.col("subject_id") + "x"))


def test_links_show_both_accounts_and_a_function_shows_what_it_gives() -> None:
    links = pl.DataFrame({"account_a": NAMES[:4], "account_b": NAMES[7:11], "level": ["L0", "L1", "L2", "L3"]})
    pairs = Labeller(links, SEEN, reviewer="kim", n=4, least=1)
    assert pairs.question == "Do these two belong together?"
    assert set(pairs.shown["account_id"]) == set(pairs.subject.values())
    asked: list[Mapping[str, str]] = []

    def look(subject: Mapping[str, str]) -> pl.DataFrame:
        asked.append(subject)
        return pl.DataFrame({"said": ["hello"], "score": [0.9]})

    values = pl.DataFrame({"value": ["v"], "kind": ["ip"]})
    labeller = Labeller(values, look, reviewer="kim", n=1, by="kind", key=["value"], vocabulary=("y", "n"))
    assert labeller.shown.rows() == [("hello",)]
    assert asked == [{"value": "v"}]
    labeller.label("n")
    assert labeller.rows["label"].to_list() == ["n"]
    assert "vocabulary=['y', 'n']" in labeller.code


def test_what_cannot_be_labelled_is_said() -> None:
    with pytest.raises(InputError, match="the reviewer has no name"):
        make(" ")
    with pytest.raises(InputError, match="evidence: no account_id"):
        Labeller(MEMBERS, pl.DataFrame({"account": ["a"]}), reviewer="kim")
    with pytest.raises(InputError, match="named by value, not by an account: give evidence as a function"):
        Labeller(pl.DataFrame({"value": ["v"], "kind": "ip"}), SEEN, reviewer="kim", n=1, by="kind", key=["value"])
    labeller = make()
    with pytest.raises(UnknownNameError, match="did you mean 'belongs'"):
        labeller.label("belong")
    assert labeller.rows.is_empty()
