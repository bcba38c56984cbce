"""Stolen keys: planted thefts and their owners, what is new and to whom, try-outs, and what owners are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.errors import InputError
from toolkit.linking.observations import find_observations
from toolkit.model.confidence import Rung
from toolkit.report.keys import (
    choose_keys,
    find_infrastructure,
    find_key_changes,
    find_overlaps,
    find_probes,
    take_calls,
)
from toolkit.report.notices import draft_notices, propose_for_keys
from toolkit.report.theft import find_behind, mark_calls, measure_theft, profile_keys
from toolkit.resources import bundled

START = datetime(2026, 1, 5, tzinfo=UTC)
TINY = bundled("data_samples") / "tiny"


def call(org: str, ip: str, days: list[float], *, tokens: int = 500, models: str = "m") -> list[dict[str, object]]:
    """Calls of an organisation with its only key, from an address, at some days since the start."""
    return [
        {
            "account_id": f"{org}-owner", "org": org, "api_key": f"{org}-key", "ip": ip, "user_agent": "sdk",
            "event_at": START + timedelta(days=day), "model": models[i % len(models)], "in_tok": tokens,
            "status": "ok", "cost_micros": 1_000_000, "source": "requests", "event_id": f"{org}{ip}{day}", "seq": 0,
        }
        for i, day in enumerate(days)
    ]  # fmt: skip


PROBE = [20.0, 20.001, 20.002]
OWN = [row for org in "abc" for row in call(org, f"home-{org}", [1.0, 5.0, 9.0, 13.0, 21.0])]
SWEEP = [row for org in "ab" for row in call(org, "thief", PROBE, tokens=4, models="xyz")]
THEFT = [row for org in "ab" for row in call(org, "thief", [20.0 + i / 10 for i in range(1, 30)])]


def look(rows: list[dict[str, object]], **asked: Any) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Calls that are marked, overlaps and the profile of every key."""
    calls = take_calls(pl.DataFrame(rows))
    seen = find_infrastructure(calls, find_observations(pl.DataFrame(rows).select("account_id", "ip", "event_at")))
    overlaps = find_overlaps(seen, None, keys=choose_keys(calls), **asked)
    marked = mark_calls(calls, overlaps)
    return marked, overlaps, profile_keys(marked, seen, find_probes(calls), keys=choose_keys(calls))


def verdicts_of(rows: list[dict[str, object]], **asked: Any) -> list[str]:
    """What is said of each shared value."""
    return sorted(look(rows, **asked)[1]["verdict"].to_list())


def test_a_server_that_is_new_to_two_organisations_is_followed() -> None:
    calls, overlaps, profile = look([*OWN, *SWEEP, *THEFT])
    assert overlaps.filter("followed").select("value", "orgs", "new_to").rows() == [("thief", 2, 2)]
    verdicts = dict(profile.select("api_key", "verdict").rows())
    assert verdicts == {"a-key": "stolen", "b-key": "stolen", "c-key": "clear"}
    # At most: the owner's own call of day 21 may be the thief's as well.
    assert measure_theft(calls, profile).rows()[0] == ("a", 1, 32, 32.0, 33, 33.0)


def test_what_explains_a_shared_server_is_said() -> None:
    rows = [*OWN, *SWEEP, *THEFT]
    vpn = pl.DataFrame({"ip": ["thief"], "kind": ["vpn"]})
    group = pl.DataFrame({"org_id": ["a", "b"], "billing_pm_id": ["one", "one"]})
    crowd = verdicts_of(rows, networks=vpn)
    assert crowd == ["network of strangers", "software"]
    assert verdicts_of(rows, orgs=group) == ["software"]  # one payer: not unrelated
    early = [row for org in "ab" for row in call(org, "old", [0.5, 6.0, 21.0])]
    assert verdicts_of([*OWN, *early]) == ["in use before", "software"]
    assert verdicts_of([*OWN, *early], new_infra_only=False) == ["shared", "software"]


def test_a_new_region_of_one_organisation_is_no_theft() -> None:
    profile = look([*OWN, *call("c", "new-region", [20.0, 21.0, 22.0])])[2]
    assert dict(profile.select("api_key", "new_addresses").rows())["c-key"] == 1
    assert set(profile["verdict"]) == {"clear"}


def test_try_outs_are_tiny_or_failed_calls_to_many_models_within_minutes() -> None:
    slow = call("c", "thief", [20.0, 20.5, 21.0], tokens=4, models="xyz")
    large = call("c", "thief", PROBE, tokens=400, models="xyz")
    found = find_probes(take_calls(pl.DataFrame([*SWEEP, *slow, *large])))
    assert found.select("api_key", "calls", "models").rows() == [("a-key", 3, 3), ("b-key", 3, 3)]
    with pytest.raises(InputError, match="min_models 1"):
        find_probes(take_calls(None), min_models=1)


def test_owners_are_told_and_thieves_are_watched() -> None:
    calls, overlaps, profile = look([*OWN, *SWEEP, *THEFT])
    people = {"account_id": ["thief", "neighbour", "a-owner"], "ip": "thief", "user_agent": ["sdk", "other", "sdk"]}
    behind = find_behind(calls, find_observations(pl.DataFrame(people)), overlaps)
    assert behind.select("account_id", "behind").rows() == [("thief", True), ("neighbour", False)]
    rungs = {action.account_id: action.rung for action in propose_for_keys(profile, behind)}
    assert rungs == {"a-owner": Rung.NOTIFY, "b-owner": Rung.NOTIFY, "thief": Rung.MONITOR, "neighbour": Rung.NONE}
    drafts = draft_notices(profile, measure_theft(calls, profile))
    assert drafts["org"].to_list() == ["a", "b"]
    text = drafts["notice"][0]
    assert "API key a-key: used from 2026-01-25 00:00 UTC" in text
    assert not any(word in text for word in ("b-key", "b-owner", "thief"))  # nothing of anybody else


def test_tables_do_not_depend_on_the_order_of_rows() -> None:
    rows = [*OWN, *SWEEP, *THEFT]
    shuffled = pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=3).to_dicts()
    for one, other in zip(look(rows)[1:], look(shuffled)[1:], strict=True):
        assert_frame_equal(one, other)
    changes = [find_key_changes(take_calls(pl.DataFrame(order))) for order in (rows, shuffled)]
    assert_frame_equal(*changes)
    assert {"a-key", "b-key"} <= set(changes[0]["api_key"])


def test_names_that_made_no_call_are_refused() -> None:
    calls = take_calls(pl.DataFrame(OWN))
    assert choose_keys(calls, ["a-key"], ["b"]) == ["a-key", "b-key"]
    with pytest.raises(InputError, match=r"2 keys of those named made no call .*: none, z\u27e8"):
        choose_keys(calls, ["none", "a-key", "z\u202e"])
    with pytest.raises(InputError, match="baseline_days is 0"):
        find_infrastructure(calls, pl.DataFrame(), baseline_days=0)


def test_planted_thefts_are_found_in_the_sample(run_cells: Callable[..., Any]) -> None:
    made = run_cells(template="key_theft_llmjacking")
    truth = pl.read_parquet(TINY / "truth" / "membership.parquet").filter(pl.col("ring") == "R5")
    role = {name: set(truth.filter(pl.col("role") == name)["account_id"]) for name in ("victim", "member")}
    stolen = made.names["profile"].filter(pl.col("verdict") == "stolen")
    assert set(stolen["owner"]) == role["victim"]  # planted 6, found 6, nobody else
    rungs = {action.account_id: action.rung for action in made.names["actions"]}
    assert {account for account, rung in rungs.items() if rung is Rung.NOTIFY} == role["victim"]
    assert {account for account, rung in rungs.items() if rung is Rung.MONITOR} == role["member"]
    assert made.names["answer"].startswith("6 keys of 6 unrelated organisations")
    assert made.names["overlaps"]["value"][0] not in made.page.split("Values behind")[0]


def test_one_key_leads_to_the_others(run_cells: Callable[..., Any]) -> None:
    every = run_cells(template="key_theft_llmjacking").names["doubted"]["api_key"]
    made = run_cells(template="key_theft_llmjacking", key_ids=[every[0]])
    assert set(made.names["doubted"]["api_key"]) == set(every)


def test_tables_of_text_say_the_same(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    for name in ("accounts", "api_keys", "orgs", "ip_intel", "requests"):
        table = pl.read_parquet(TINY / f"{name}.parquet").select(pl.exclude("scopes", "tools"))
        table.write_csv(tmp_path / f"{name}.csv")
    one, other = (run_cells(template="key_theft_llmjacking", data_uri=str(uri)).names for uri in (TINY, tmp_path))
    for name in ("profile", "loss", "probes"):
        assert_frame_equal(one[name], other[name])


def test_names_that_attack_stay_text(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    bad = "<script>alert(1)</script>"
    rows = pl.DataFrame([*OWN, *SWEEP, *THEFT]).with_columns(
        pl.format("{}{}", "org", pl.lit(bad)).alias("org_id"), key_id=pl.format("{}{}", "api_key", pl.lit(bad)),
        account_id=pl.format("{}{}", "account_id", pl.lit(bad)), ua_hash=pl.lit(bad), request_id="event_id",
    )  # fmt: skip
    rows.drop("org", "api_key", "user_agent", "source", "event_id", "seq").write_parquet(tmp_path / "requests.parquet")
    made = run_cells(template="key_theft_llmjacking", data_uri=str(tmp_path), redaction="none")
    assert made.names["profile"]["verdict"].to_list() == ["stolen", "stolen", "clear"]
    assert bad not in made.page


def test_without_calls_the_report_says_so(run_cells: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "accounts.csv").write_text("account_id,created_at\na,2026-01-05T00:00:00Z\n")
    bare = run_cells(template="key_theft_llmjacking", data_uri=str(tmp_path))
    assert [f.type for f in bare.names["findings"]] == ["null_result", "data_gap"]
    assert "No call in these data was made with an API key" in bare.page
