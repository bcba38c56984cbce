"""Panels over one table each: without a screen, by their buttons, and by their code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts
from toolkit.widgets.panels import AsOf, ClusterReview, CompareAccounts, HubExplorer, LinkInspector, TimelineBrush

START = datetime(2026, 1, 5, tzinfo=UTC)
Run = Callable[..., pl.DataFrame]
SEEN = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "ip": ["x", "x", "y'; drop"]}))
HUBS = pl.DataFrame({"kind": ["ip", "ip"], "value": ["x", "y'; drop"], "holders": [2, 1]})


def test_a_brush_is_a_window_of_time(make_events: Callable[..., pl.DataFrame], run: Run) -> None:
    """From its beginning up to, and without, its end; nothing brushed is everything; the code gives the same rows."""
    events = make_events([0, 60, 120, 180])
    brush = TimelineBrush(events)
    assert brush.rows.height == 4
    brush.choose(START + timedelta(seconds=60), START + timedelta(seconds=180))
    assert brush.rows["event_id"].to_list() == ["e1", "e2"]
    assert_frame_equal(run(brush.code, events=events), brush.rows)
    ms = int(START.timestamp() * 1_000)
    _ = brush.view
    brush._brushed(SimpleNamespace(new=SimpleNamespace(value={"at": [ms + 100_000, ms + 130_000]})))
    assert brush.rows["event_id"].to_list() == ["e2"]
    brush._brushed(SimpleNamespace(new=SimpleNamespace(value={})))
    assert brush.rows.height == 4
    with pytest.raises(InputError, match="start has no time zone"):
        brush.choose(datetime(2026, 1, 5), None)


def test_shared_values_open_into_their_holders_and_back(run: Run) -> None:
    explorer = HubExplorer(HUBS, SEEN)
    controls, table, _ = explorer.view.children
    table.selected = [0]
    controls.children[0].click()
    assert explorer.rows["account_id"].to_list() == ["a", "b"]
    assert_frame_equal(run(explorer.code, hubs=HUBS, observations=SEEN), explorer.rows)
    controls.children[1].click()
    assert_frame_equal(explorer.rows, HUBS)
    assert_frame_equal(run(explorer.code, hubs=HUBS, observations=SEEN), HUBS)


def test_accounts_side_by_side(run: Run) -> None:
    panel = CompareAccounts(SEEN, ["a", "c"])
    panel.compare(["a", "b"])
    assert panel.rows["shared"].to_list() == [2]
    assert_frame_equal(run(panel.code, observations=SEEN), panel.rows)


def test_a_verdict_is_kept_with_its_reason(run: Run) -> None:
    clusters = pl.DataFrame({"cluster_id": ["C1", "C2"]})
    review = ClusterReview(clusters, reviewer="kim")
    controls, table, _ = review.view.children
    note, confirm, reject, _ = controls.children
    table.selected = [1]
    reject.click()
    assert review.verdicts == []
    assert note.placeholder == "a rejection needs its reason"
    note.value = "a lab class"
    reject.click()
    table.selected = [0]
    confirm.click()
    assert review.rows["verdict"].to_list() == ["confirmed", "rejected"]
    assert_frame_equal(run(review.code, clusters=clusters), review.rows)
    with pytest.raises(InputError, match="needs its reason"):
        review.judge(["C1"], "rejected")
    with pytest.raises(UnknownNameError):
        review.judge(["C9"], "confirmed")
    assert len(review.verdicts) == 2


LINKED = [{"account_id": a, "device": "d", "card": "c"} for a in "ab"]
LINKED += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}"} for i in range(400)]


def test_evidence_is_explained_away_with_its_reason(run: Run) -> None:
    """The link is weighed again without it, its prior stays, and the code gives the same rows."""
    links = link_accounts(find_observations(pl.DataFrame(LINKED)))
    inspector = LinkInspector(links)
    controls, table, picture, _ = inspector.view.children
    assert picture.layout.display == "none"
    why, open_, explain, back = controls.children
    table.selected = [0]
    open_.click()
    assert inspector.rows["kind"].to_list() == ["card", "device"]
    assert picture.layout.display == ""
    assert "card c" in json.dumps(picture.spec)
    table.selected = [1]
    explain.click()
    assert inspector.reasons == []
    assert why.placeholder == "a reason is needed"
    why.value = "a kiosk"
    explain.click()
    assert inspector.rows.select("kind", "set_aside").rows() == [("card", ""), ("device", "a kiosk")]
    assert_frame_equal(run(inspector.code, links=links), inspector.rows)
    back.click()
    assert inspector.rows["bits"][0] < links["bits"][0]
    assert inspector.rows["probability"][0] < links["probability"][0]
    assert_frame_equal(run(inspector.code, links=links), inspector.rows)


def test_what_is_not_there_cannot_be_explained_away() -> None:
    inspector = LinkInspector(link_accounts(find_observations(pl.DataFrame(LINKED))))
    with pytest.raises(InputError, match="no link is open"):
        inspector.explain_away("device", "d", "a kiosk")
    inspector.open("b", "a")
    with pytest.raises(InputError, match="a and b share no device z"):
        inspector.explain_away("device", "z", "a kiosk")
    with pytest.raises(InputError, match="no reason for device d"):
        inspector.explain_away("device", "d", " ")
    with pytest.raises(InputError, match="are not among these links"):
        inspector.open("a", "zz")
    assert inspector.reasons == []


def test_the_slider_goes_back_in_time(make_events: Callable[..., pl.DataFrame], run: Run) -> None:
    events = make_events([0, 10, 20])
    late = pl.Series([START + timedelta(hours=h) for h in (1, 2, 5)], dtype=pl.Datetime("us", "UTC"))
    slider = AsOf(events.with_columns(ingested_at=late))
    assert slider.rows.height == 3
    slider.view.children[0].value = START + timedelta(hours=2)
    assert slider.rows["event_id"].to_list() == ["e0", "e1"]
    assert_frame_equal(run(slider.code, events=events.with_columns(ingested_at=late)), slider.rows)
    with pytest.raises(InputError, match="no row says when it arrived"):
        AsOf(events)
