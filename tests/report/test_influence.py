"""Influence operations: planted personas, the zone they claim and the one they keep, batches, traces elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.linking.recommend import propose_actions
from toolkit.model.confidence import Rung
from toolkit.model.tables import Expansion, empty
from toolkit.report.attribution import describe_breakout, weigh_attribution
from toolkit.report.influence import find_candidates, find_indicators, find_narratives, take_texts
from toolkit.report.operation import propose_for_personas
from toolkit.report.personas import find_batches, find_set_hours, profile_personas, weigh_batches
from toolkit.resources import bundled

START = datetime(2026, 1, 5, tzinfo=UTC)
TINY = bundled("data_samples") / "tiny"


def write(*rows: tuple[str, str | None, str, float], text: str = "vote") -> pl.DataFrame:
    """Texts: account, narrative, language, hours since the start."""
    at = [START + timedelta(hours=row[3]) for row in rows]
    names = ("account_id", "prompt_template", "lang")
    table = pl.DataFrame([row[:3] for row in rows], schema=dict.fromkeys(names, pl.String), orient="row")
    return take_texts(table.with_columns(pl.Series("event_at", at, dtype=pl.Datetime("us", "UTC")), text=pl.lit(text)))


CREW = write(
    ("a", "n1", "en", 1), ("b", "n2", "ru", 1.5), ("a", "n2", "ru", 30), ("b", "n1", "en", 30.2), ("c", "n1", "en", 60)
)  # fmt: skip
VIRAL = [(f"u{i}", "all", "en", 2.0 + i) for i in range(40)]


def test_who_uses_two_rare_narratives_is_a_candidate_and_a_text_that_went_round_ties_nobody() -> None:
    texts = pl.concat([CREW, write(*VIRAL, ("a", "all", "en", 3))])
    used = find_narratives(texts, ["a"])
    told = used.select("narrative", "of_set", "in_all", "rare").rows()
    assert told == [("all", 1, 41, False), ("n1", 1, 3, True), ("n2", 1, 2, True)]
    found = find_candidates(texts, used, ["a"])
    assert found.select("account_id", "shared", "firm").rows() == [("b", 2, True), ("c", 1, False)]
    rungs = {action.account_id: action.rung for action in propose_for_personas((), found)}
    assert rungs == {"b": Rung.MONITOR, "c": Rung.NONE}
    assert propose_for_personas(propose_actions(empty(Expansion)), found.head(0)) == ()
    with pytest.raises(InputError, match="max_holders is 1"):
        find_narratives(texts, ["a"], max_holders=1)


def test_what_the_escalation_names_is_found_by_id_and_by_word() -> None:
    texts = pl.concat([CREW, write(("x", "n9", "fr", 5), text="The Bridge")])
    assert find_narratives(texts, [], ["n2"])["narrative"].to_list() == ["n2"]
    assert find_narratives(texts, [], ["the bridge", " "])["narrative"].to_list() == ["n9"]


def test_without_templates_near_identical_texts_are_one_narrative() -> None:
    said = ["We all want the old bridge back, today!", "we all want the old bridge back today", "Good morning"]
    texts = take_texts(pl.DataFrame({"account_id": [*"abc"], "event_at": START, "text": said}))
    assert find_narratives(texts, ["a"]).select("of_set", "in_all").rows() == [(1, 2)]
    assert take_texts(None).is_empty()


def test_the_hours_of_the_set_contradict_the_zone_it_claims() -> None:
    hours = [(day * 24 + hour, f"p{(day + hour) % 4}") for day in range(20) for hour in (2, 3, 4, 9, 10, 11, 12)]
    acts = {"event_at": [START + timedelta(hours=h) for h, _ in hours], "account_id": [who for _, who in hours]}
    acts |= {"event_id": [str(h) for h, _ in hours], "event": "chat", "source": "app", "raw_ref": "", "flags": 0}
    events = pl.DataFrame(acts).with_columns(seq=pl.int_range(len(hours)), precision=pl.lit("s"))
    who = pl.DataFrame({"account_id": ["p0", "p1"], "tz_declared": ["Etc/GMT+5", "Nowhere"], "event_at": START})
    told = profile_personas({"p0": "seed", "p1": "candidate"}, CREW, events, who)
    assert told.select("account_id", "claimed").rows() == [("p0", "UTC-05:00"), ("p1", None)]
    zones = find_set_hours(events, ["p0", "p1", "p2", "p3"])["zones"][0]
    assert "UTC+06:00" in zones
    assert "UTC-05:00" not in zones


def test_batches_are_held_against_chance() -> None:
    batches = [(f"p{(d + k) % 5}", f"n{k}", "en", d * 24 + d % 9 + k / 9) for d in range(20) for k in range(3)]
    texts, crew = write(*batches), [f"p{i}" for i in range(5)]
    assert find_batches(texts, crew)["accounts"].to_list() == [3] * 20
    told = weigh_batches(texts, crew).row(0, named=True)
    assert (told["together"], told["speaks"]) == (60.0, True)
    apart = write(*[(who, name, lang, hour * 7.7) for hour, (who, name, lang, _) in enumerate(batches)])
    assert find_batches(apart, crew).is_empty()
    assert not weigh_batches(apart, crew)["speaks"][0]
    with pytest.raises(InputError, match="within_s is 0"):
        find_batches(texts, crew, within_s=0)


def test_places_elsewhere_are_broken_up_and_no_mail_is_told() -> None:
    text = "see https://evil.example/x or news.example, @lone_voice, me@mail.example, notes.txt <script> on Chatter"
    found = find_indicators(write(("a", "n", "en", 1), text=text), ["a"], ["chatter", "Other"])
    assert found.select("kind", "indicator").rows() == [
        ("domain", "news[.]example"), ("handle", "@lone_voice"), ("platform", "chatter"),
        ("web address", "hxxps://evil[.]example"),
    ]  # fmt: skip


def test_tables_do_not_depend_on_the_order_of_rows() -> None:
    shuffled = CREW.sample(fraction=1.0, shuffle=True, seed=5)
    one, other = (
        (find_narratives(t, ["a"]), find_batches(t, ["a", "b"]), weigh_batches(t, [*"abc"])) for t in (CREW, shuffled)
    )
    for left, right in zip(one, other, strict=True):
        assert_frame_equal(left, right)


def test_a_category_that_is_none_is_refused() -> None:
    assert describe_breakout(6).startswith("Category 6 of 6, as the analyst gives it")
    with pytest.raises(InputError, match="breakout is 7"):
        describe_breakout(7)


def planted() -> list[str]:
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet")
    return truth.filter((pl.col("ring") == "R9") & (pl.col("role") == "member"))["account_id"].sort().to_list()


def test_planted_personas_are_found_in_the_sample(run_cells: Callable[..., Any]) -> None:
    crew = planted()
    made = run_cells(crew[::3], template="influence_op", breakout=2)
    near = set(made.names["candidates"]["account_id"])
    assert near <= set(crew)  # whoever uses the narratives is of the crew
    assert len(near | set(crew[::3])) >= 7  # of 8
    assert set(made.names["firm"]) <= near
    assert "UTC+06:00" in made.names["hours"]["zones"][0]  # the true one
    assert set(made.names["profile"]["claimed"]) == {"UTC-05:00"}
    said = [finding.statement for finding in made.names["findings"]]
    assert any("works elsewhere than it claims" in statement for statement in said)
    assert "Category 2 of 6" in made.page
    assert made.names["together"]["together"][0] >= 2
    weighed = weigh_attribution(*(made.names[n] for n in ("profile", "used", "texts", "hours", "batches", "together")))
    assert weighed["one crew"][-1] == "0"


def test_texts_that_attack_stay_text(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    bad = "<script>alert(1)</script>"
    rows = CREW.select("account_id", "event_at", "lang", template_id=pl.format("{}{}", "narrative", pl.lit(bad)))
    rows = rows.with_columns(
        text=pl.lit(f"@handle news.example {bad}"), lang=pl.lit(bad), request_id=pl.int_range(pl.len()).cast(pl.String)
    )
    rows.write_parquet(tmp_path / "content.parquet")
    made = run_cells(["a"], template="influence_op", data_uri=str(tmp_path), platforms=[bad], redaction="none")
    assert made.names["firm"] == ["b"]
    assert "news[.]example" in made.page
    assert bad not in made.page


def test_without_texts_the_report_says_so(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "accounts.csv").write_text("account_id,created_at\na,2026-01-05T00:00:00Z\n")
    bare = run_cells(["a"], template="influence_op", data_uri=str(tmp_path))
    assert bare.names["findings"][0].type == "null_result"
    assert bare.names["findings"][-1].type == "data_gap"
    with pytest.raises(InputError, match="breakout is 0"):
        run_cells(["a"], template="influence_op", breakout=0)
