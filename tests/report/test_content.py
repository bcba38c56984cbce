"""Content at scale: families described and counted by hand, samples by chance, planted crews found in the sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.crews import read_families
from toolkit.linking.text import find_text_families
from toolkit.model.tables import Observations, empty
from toolkit.report.content import describe_families, propose_for_content, sample_texts, take_texts
from toolkit.resources import bundled

TINY = bundled("data_samples") / "tiny"
ASK = "write a five star review of the place called {} and mention the friendly staff"


def texts() -> pl.DataFrame:
    """Three accounts with one template, and one who writes for himself."""
    said = [("a", "luigi"), ("a", "mario"), ("b", "ann"), ("c", "ann")]
    rows = [(who, ASK.format(name), f"r{i}", "en", "user") for i, (who, name) in enumerate(said)]
    rows += [("d", "what is the capital of france", "r9", "fr", "user"), ("a", "Rome", "r0", "en", "assistant")]
    return pl.DataFrame(rows, schema=["account_id", "text", "request_id", "lang", "role"], orient="row")


def described(**more: Any) -> dict[str, Any]:
    taken = take_texts(texts())
    families = find_text_families(taken)
    readings = read_families(families, empty(Observations))
    return describe_families(readings, families, taken, min_accounts=2, **more).to_dicts()[0]


def test_a_family_is_counted_with_what_became_of_it() -> None:
    requests = pl.DataFrame({"request_id": ["r0", "r1", "r2", "r3"], "refusal": [True, False, False, None]})
    labels = pl.DataFrame(
        {
            "subject_id": ["r0", "r1", "r2"],
            "label": ["spam", "spam", "scam"],
            "score": [0.9, 0.2, None],
            "threshold": 0.5,
        }
    )
    one = described(requests=requests, labels=labels)
    assert (one["name"], one["accounts"], one["texts"], one["uses"], one["langs"]) == ("family 1", 3, 3, 4, ["en"])
    assert (one["refused"], one["labelled"], one["label"]) == (0.333333, 0.5, "scam")  # one each: by name
    assert (one["template"], one["slots"]) == (ASK.format("{1}"), 1)
    bare = described(slots=False)
    assert (bare["refused"], bare["labelled"], bare["template"]) == (None, None, "")


def test_samples_are_drawn_by_chance_and_alike_for_any_order_of_rows() -> None:
    taken = take_texts(texts())
    families = find_text_families(taken)
    named = pl.DataFrame({"family_id": families["family_id"].unique(), "name": "f"})
    drawn = [
        sample_texts(rows, families, named, per_family=2, seed=3).sort("text").rows()
        for rows in (taken, taken.reverse(), taken.sample(fraction=1, shuffle=True, seed=1))
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 3  # two of three, and the only one
    assert {sample_texts(taken, families, named, per_family=1, seed=s)["text"].sort()[1] for s in range(9)} > {"x"} - {
        "x"
    }


def test_texts_of_a_language_or_none() -> None:
    assert take_texts(texts(), ["fr"])["account_id"].to_list() == ["d"]
    assert "Rome" not in take_texts(texts())["text"].to_list()  # what the model answered
    with pytest.raises(InputError, match="no text is in eo; languages found: en, fr"):
        take_texts(texts(), ["eo"])
    with pytest.raises(InputError, match="min_accounts is 1"):
        describe_families(pl.DataFrame(), pl.DataFrame(), texts(), min_accounts=1)


def test_a_text_alone_is_watched_and_only_an_own_violation_suspended() -> None:
    crews = pl.DataFrame({"crew": "crew 1", "account_id": list("abcd"), "families": 2, "of": 3, "uses": 9})
    crews = crews.with_columns(tied=pl.Series([True, True, False, False]))
    rungs = {action.account_id: action.rung.value for action in propose_for_content(crews, {"b", "d"})}
    assert rungs == {"a": "rate-limit or credit hold", "b": "suspend", "c": "monitor", "d": "monitor"}


def test_planted_crews_are_found_in_the_sample(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    made = run_cells(template="scaled_content")
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet").filter(pl.col("role").is_in(["member", "creator"]))
    crews = made.names["crews"].join(truth.select("account_id", "ring").unique(), on="account_id", how="left")
    assert crews["ring"].is_not_null().mean() >= 0.95
    pure = crews.group_by("crew").agg(pl.col("ring").drop_nulls().n_unique(), pl.len())
    assert (pure["ring"] == 1).all()
    found = crews.group_by("ring").agg(found=pl.col("account_id").n_unique()).drop_nulls()
    share = found.join(truth.group_by("ring").agg(of=pl.col("account_id").n_unique()), on="ring")
    whole = share.filter(pl.col("found") >= 0.7 * pl.col("of"))["ring"].to_list()
    assert {"R1", "R2", "R3", "R4", "R8"} <= set(whole)
    (tmp_path / "accounts.csv").write_text("account_id,created_at\na,2026-01-05T00:00:00Z\n")
    bare = run_cells(template="scaled_content", data_uri=str(tmp_path))
    assert bare.names["findings"][0].type == "null_result"
    hidden = run_cells(template="scaled_content", redaction="strict").text
    assert "TEMPLATE" not in hidden
