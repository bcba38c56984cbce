"""What linking found, drawn: each card, value, link and threshold where it counts, as small for many as for few."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError, UnknownNameError
from toolkit.settings import KINDS
from toolkit.views.bins import MOST_MARKS
from toolkit.views.blocks import show_chart
from toolkit.views.cards import draw_clusters
from toolkit.views.curves import draw_precision_recall, draw_volume
from toolkit.views.evidence import draw_frontier, draw_hubs, draw_links
from toolkit.views.names import name_values
from toolkit.views.theme import Picture

START = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "</script><script>window.__pwned=1</script>\x1b[31m\u202e"
CARD = {
    "cluster_id": "C1", "size": 4, "density": 1.0, "median_bits": 20.0, "families": ["dev", "pay"], "top_kind": "ip",
    "top_value": "192.0.2.1", "first_at": START, "last_at": START, "ring_fdr": 0.0, "reading": "ring",
    "reading_why": "nothing ordinary explains it",
}  # fmt: skip
HUB = {
    "kind": "ip", "value": "192.0.2.1", "holders": 900, "verdict": "capped", "why": "900 holders", "bits": 2.0,
    "pairs_not_examined": 404_550,
}  # fmt: skip


def _frame(first: dict[str, Any], *others: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([first, *(first | other for other in others)], infer_schema_length=None)


def _expansion(*rows: tuple[str, int, float, bool]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["account_id", "round", "probability", "included"], orient="row")
    return frame.with_columns(level=pl.lit("L2"))


def _curve(*rows: tuple[float, float | None, float, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["threshold", "precision", "recall", "n"], orient="row")


def _texts(drawn: Picture) -> list[str]:
    rows = [row for rows in drawn.to_dict()["datasets"].values() for row in rows]
    return [text for row in rows for text in row.values() if isinstance(text, str)]


def _large(n: int) -> dict[str, Callable[[], Picture]]:
    """Each picture of n rows, numbers from one seed."""
    rng = np.random.default_rng(11)
    ids = np.char.add("acct_0123456789ABCDEFGHJK", np.arange(n).astype(str))
    share = rng.beta(0.4, 0.4, n)
    at = pl.Series(START.timestamp() * 1e6 + rng.integers(0, 10**13, n)).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    cards = pl.select(pl.lit(ids).alias("cluster_id"), pl.lit(rng.integers(2, 999, n)).alias("size"))
    cards = cards.with_columns(first_at=at, last_at=at + timedelta(days=3), families=pl.lit(["dev", "net", "pay"]))
    cards = cards.with_columns(pl.lit(value).alias(name) for name, value in CARD.items() if name not in cards.columns)
    hubs = pl.DataFrame({"value": ids, "holders": rng.integers(2, 10**6, n)})
    hubs = hubs.with_columns(pl.lit(value).alias(name) for name, value in HUB.items() if name not in hubs.columns)
    levels = np.array(["L0", "L1", "L2", "L3"])[rng.integers(0, 4, n)]
    links = pl.DataFrame({"level": levels, "bits": rng.gamma(3, 5, n), "probability": share})
    grown = pl.DataFrame({"account_id": ids, "round": rng.integers(0, 12, n), "probability": share, "level": levels})
    curve = pl.DataFrame({"threshold": share, "precision": 1 - share / 2, "recall": share, "n": range(n)})
    curve = curve.with_columns(precision_low=pl.col("precision") * 0.9, precision_high=pl.col("precision"))
    verbs = np.char.add("verb", rng.integers(0, 90, n).astype(str))
    events = pl.DataFrame({"event_at": at, "event": verbs, "source": "app"})
    return {
        "clusters": lambda: draw_clusters(cards, top=60),
        "hubs": lambda: draw_hubs(hubs, top=60),
        "links": lambda: draw_links(links, bins=200),
        "frontier": lambda: draw_frontier(grown.with_columns(included=pl.col("probability") > 0.5), threshold=0.5),
        "curve": lambda: draw_precision_recall(curve, chosen=0.5, prevalence=0.1),
        "volume": lambda: draw_volume(events, by="event"),
    }


@pytest.mark.parametrize("name", ["clusters", "hubs", "links", "frontier", "curve", "volume"])
def test_many_rows_are_no_larger_than_the_budget(name: str) -> None:
    drawn = _large(200_000)[name]()
    spec = show_chart(drawn, "x").payload["spec"]
    assert sum(len(rows) for rows in spec["datasets"].values()) <= MOST_MARKS
    assert len(json.dumps(spec)) < 1_000_000
    assert " ".join(spec["title"]["subtitle"]) == drawn.note
    assert _large(2_000)[name]().to_json() == _large(2_000)[name]().to_json()


def test_cards_stand_in_the_order_that_was_asked_for() -> None:
    """Largest, or fewest false discoveries first; what was not drawn from a null comes last."""
    cards = _frame(CARD, {"cluster_id": "C2", "size": 9, "ring_fdr": None}, {"cluster_id": "C3", "size": 3})
    assert draw_clusters(cards).table["cluster_id"].to_list() == ["C2", "C1", "C3"]
    surest = draw_clusters(cards, order="surest", top=2)
    assert surest.table["cluster_id"].to_list() == ["C1", "C3"]
    assert surest.note == "the surest 2 of 3 clusters: 3 ring"
    assert "not drawn" in _texts(draw_clusters(cards))


def test_a_reading_is_told_by_word_and_shape() -> None:
    drawn = draw_clusters(_frame(CARD, {"cluster_id": "C2", "reading": "household"}))
    assert {"C1 · ring", "C2 · household"} <= set(_texts(drawn))
    marks = drawn.to_dict()["hconcat"][0]["layer"][1]["encoding"]
    assert marks["shape"]["scale"] == {"domain": ["ring", "household"], "range": ["circle", "square"]}
    assert marks["color"]["scale"]["domain"] == ["ring", "household"]


def test_one_old_cluster_does_not_flatten_the_others() -> None:
    """Times are cut to where nearly all of them are; who reaches beyond is counted, and keeps its row."""
    near = [{"cluster_id": f"D{i:02}", "first_at": START + timedelta(days=i)} for i in range(39)]
    late = {"last_at": START + timedelta(days=40)}
    old = {"cluster_id": "OLD", "first_at": START - timedelta(days=4_000)}
    drawn = draw_clusters(_frame(CARD | late, *near, old), top=60)
    assert "1 reaches beyond the time that is drawn" in drawn.note
    assert drawn.table.height == 41
    timeless = draw_clusters(_frame(CARD | {"first_at": None, "last_at": None}))
    assert len(timeless.to_dict()["hconcat"]) == len(drawn.to_dict()["hconcat"]) - 1


def test_the_largest_hubs_are_drawn_and_all_are_counted() -> None:
    """Values of persons are numbers; a verdict nobody knows is drawn as "other" and named in the tooltip."""
    hubs = _frame(
        HUB, {"kind": "asn", "value": "64500", "holders": 7_000, "verdict": "background"}, {"value": "192.0.2.2"},
        {"value": "192.0.2.3", "holders": 5, "verdict": "new"},
    )  # fmt: skip
    drawn = draw_hubs(hubs, name_values(hubs, kinds=KINDS), top=3)
    assert drawn.table["value"].to_list() == ["network operator 64500", "IP address #1", "IP address #2"]
    assert drawn.note == "the largest 3 of 4 values; of all: 2 capped, 1 background, 1 other"
    assert "192.0.2" not in drawn.to_json()
    assert "new" in draw_hubs(hubs).table["verdict"].to_list()
    assert _frame(HUB | {"holders": 0}).pipe(draw_hubs).table["holders"].to_list() == [0]


def test_two_long_values_are_never_one_row() -> None:
    hubs = _frame(HUB, {"value": "v" * 500 + "a" + "v" * 500}, {"value": "v" * 500 + "b" + "v" * 500})
    assert draw_hubs(hubs).table["value"].n_unique() == 3


def test_links_are_counted_once_and_levels_begin_where_they_begin() -> None:
    links = pl.DataFrame(
        {"level": ["L1", "L1", "L2", "L3"], "bits": [-0.5, 4.5, 11.2, 40.0], "probability": [0.01, 0.2, 0.6, 1.0]}
    )
    drawn = draw_links(links)
    assert drawn.table.rows() == [
        ("L3", 40.0, 41.0, 1), ("L2", 11.0, 12.0, 1), ("L1", -1.0, 0.0, 1), ("L1", 4.0, 5.0, 1),
    ]  # fmt: skip
    heads = [strip["title"]["text"] for strip in drawn.to_dict()["vconcat"]]
    assert heads[1] == "L2: 1 link, from 11.2 bits and probability 0.60"


def test_who_joined_stands_left_and_who_did_not_right() -> None:
    rows = [("s", 0, 1.0, True), ("a", 1, 0.9, True), ("b", 1, 0.2, False), ("c", 2, 0.1, False)]
    drawn = draw_frontier(_expansion(*rows), threshold=0.5)
    assert drawn.table.select("account_id", "who").rows() == [
        ("s", "seed"), ("a", "included"), ("b", "left out"), ("c", "left out"),
    ]  # fmt: skip
    points = [row for rows in drawn.to_dict()["datasets"].values() for row in rows if "who" in row]
    assert {row["account"]: row["x"] > row["round"] for row in points} == {"s": False, "a": False, "b": True, "c": True}
    assert "included from 0.5" in _texts(drawn)


def test_of_a_great_many_every_round_and_side_keeps_some() -> None:
    crowd = [(f"x{i:05}", 1, i / 20_000, False) for i in range(20_000)]
    drawn = draw_frontier(_expansion(("s", 0, 1.0, True), ("only", 1, 0.99, True), *crowd))
    assert drawn.table.height <= 5_000
    assert {"s", "only"} <= set(drawn.table["account_id"])
    assert drawn.note == (
        "20,002 accounts considered: 1 seed, 1 included, 20,000 left out; one in 5 is drawn, spread evenly over "
        "probabilities"
    )


def test_the_chosen_threshold_is_the_lowest_that_is_high_enough() -> None:
    curve = _curve((0.5, 0.7, 0.9, 90), (0.9, 1.0, 0.3, 20), (0.7, 0.8, 0.6, 50), (0.99, None, 0.0, 0))
    drawn = draw_precision_recall(curve, chosen=0.6, prevalence=0.05)
    assert drawn.table.select("threshold", "chosen").rows() == [(0.9, False), (0.7, True), (0.5, False)]
    assert "0.7: precision 80.0%, recall 60.0%, 50 flagged" in _texts(drawn)
    assert "1 threshold without precision left out" in drawn.note
    assert not draw_precision_recall(curve).table["chosen"].any()


def test_parts_are_stacked_without_overlap_and_the_rest_is_one(make_events: Callable[..., pl.DataFrame]) -> None:
    events = make_events([0, 1, 2, 3, 4, 7_200], source=["a", "a", "a", "b", "c", "b"])
    drawn = draw_volume(events, every=timedelta(hours=1), top=2)
    assert drawn.table.select("part", "events").rows() == [("a", 3), ("b", 1), ("1 other", 1), ("b", 1)]
    rows = [row for rows in drawn.to_dict()["datasets"].values() for row in rows]
    assert [(row["bottom"], row["top"]) for row in rows] == [(0, 3), (3, 4), (4, 5), (0, 1)]
    same = draw_volume(make_events([0, 1, 2], source=["1 other", "1 other", "z"]), top=1)
    assert same.table["part"].unique().sort().to_list() == ["1 other", "1 others"]


def test_what_is_left_out_of_the_volume_is_said(make_events: Callable[..., pl.DataFrame]) -> None:
    drawn = draw_volume(make_events([-400 * 86_400, *range(0, 30_000, 300)]))
    assert drawn.note.startswith("100 of 101 events, bins of 5 minutes")
    assert "1 earlier or later is left out of the picture" in drawn.note


def test_hostile_text_is_shown_and_never_run(make_events: Callable[..., pl.DataFrame]) -> None:
    """What would close the script, paint the terminal or turn the line is made visible, in every picture."""
    words = dict.fromkeys(("cluster_id", "reading", "reading_why", "top_kind", "top_value"), HOSTILE)
    pictures = [
        draw_clusters(_frame(CARD | words | {"families": [HOSTILE, "dev"]})),
        draw_hubs(_frame(HUB | dict.fromkeys(("kind", "value", "verdict", "why"), HOSTILE))),
        draw_frontier(_expansion((HOSTILE, 0, 1.0, True)).with_columns(level=pl.lit(HOSTILE))),
        draw_volume(make_events([0, 1], source=[HOSTILE, "app"])),
    ]
    for drawn in pictures:
        said = [*_texts(drawn), drawn.note, json.dumps(show_chart(drawn, "x").payload["spec"], ensure_ascii=False)]
        assert any("⟨U+202E⟩" in text for text in said)
        assert not [text for text in said if "\x1b" in text or "\u202e" in text]
    with pytest.raises(UnknownNameError, match="no level"):
        draw_links(pl.DataFrame({"level": [HOSTILE], "bits": [1.0], "probability": [1.0]}))
    with pytest.raises(InputError, match="shares lie between 0 and 1; found others in recall"):
        draw_precision_recall(_curve((0.5, 0.5, 7.0, 1)))


def test_calls_that_cannot_be_drawn_are_refused(make_events: Callable[..., pl.DataFrame]) -> None:
    cards, hubs, events = _frame(CARD), _frame(HUB), make_events([0])
    links = pl.DataFrame({"level": ["L1"], "bits": [1.0], "probability": [0.1]})
    grown, curve = _expansion(("s", 0, 1.0, True)), _curve((0.5, 0.5, 0.5, 1))
    refused: list[tuple[str, Callable[[], Picture]]] = [
        ("there are no clusters", lambda: draw_clusters(cards.head(0))),
        ("1 to 60 clusters can be read; found top=61", lambda: draw_clusters(cards, top=61)),
        ("did you mean 'largest'", lambda: draw_clusters(cards, order="larges")),  # type: ignore[arg-type]  # the test
        ("there are no values", lambda: draw_hubs(hubs.head(0))),
        ("1 to 60 values", lambda: draw_hubs(hubs, top=0)),
        ("no holders", lambda: draw_hubs(hubs.drop("holders"))),
        ("there are no links", lambda: draw_links(links.head(0))),
        ("10 to 200 bins", lambda: draw_links(links, bins=500)),
        ("nobody was considered", lambda: draw_frontier(grown.head(0))),
        ("a threshold is a probability", lambda: draw_frontier(grown, threshold=5)),
        ("1 to 100 rounds", lambda: draw_frontier(_expansion(*((f"a{i}", i, 1.0, True) for i in range(101))))),
        ("there is no threshold", lambda: draw_precision_recall(curve.head(0))),
        ("found chosen=0.9", lambda: draw_precision_recall(curve, chosen=0.9)),
        ("no precision_high", lambda: draw_precision_recall(curve.with_columns(precision_low=0.1))),
        ("others in prevalence", lambda: draw_precision_recall(curve, prevalence=2)),
        ("there are no events", lambda: draw_volume(events.head(0))),
        ("1 to 6 parts", lambda: draw_volume(events, top=7)),
        ("a millisecond wide", lambda: draw_volume(events, every=timedelta(0))),
        ("did you mean 'source'", lambda: draw_volume(events, by="sorce")),
    ]
    for words, call in refused:
        with pytest.raises(InputError, match=words):
            call()
