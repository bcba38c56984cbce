"""Panels over one table each: without a screen, by their buttons, and by their code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.observations import find_observations
from toolkit.widgets.panels import ClusterReview, CompareAccounts, HubExplorer, TimelineBrush

START = datetime(2026, 1, 5, tzinfo=UTC)
SEEN = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "ip": ["x", "x", "y'; drop"]}))
HUBS = pl.DataFrame({"kind": ["ip", "ip"], "value": ["x", "y'; drop"], "holders": [2, 1]})


def run(code: str, **given: object) -> Any:
    names: dict[str, Any] = dict(given)
    exec(compile(code, "<cell>", "exec"), names)  # noqa: S102 - that it runs is what is tested
    return names["rows"]


def test_a_brush_is_a_window_of_time(make_events: Callable[..., pl.DataFrame]) -> None:
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


def test_shared_values_open_into_their_holders_and_back() -> None:
    explorer = HubExplorer(HUBS, SEEN)
    controls, table, _ = explorer.view.children
    table.selected = [0]
    controls.children[0].click()
    assert explorer.rows["account_id"].to_list() == ["a", "b"]
    assert_frame_equal(run(explorer.code, hubs=HUBS, observations=SEEN), explorer.rows)
    controls.children[1].click()
    assert_frame_equal(explorer.rows, HUBS)
    assert_frame_equal(run(explorer.code, hubs=HUBS, observations=SEEN), HUBS)


def test_accounts_side_by_side() -> None:
    panel = CompareAccounts(SEEN, ["a", "c"])
    panel.compare(["a", "b"])
    assert panel.rows["shared"].to_list() == [2]
    assert_frame_equal(run(panel.code, observations=SEEN), panel.rows)


def test_a_verdict_is_kept_with_its_reason() -> None:
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
