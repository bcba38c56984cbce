"""The pivot panel: its screen follows and leads, and what leads nowhere is said."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.errors import InputError, UnknownNameError
from toolkit.linking.observations import find_observations
from toolkit.widgets.pivot_panel import PivotPanel

HOSTILE = "x'); import os #\u202e"


@pytest.fixture(scope="module")
def observations() -> pl.DataFrame:
    rows = [(f"a{i}", f"d{i % 5}", f"c{i % 3}" if i % 4 else HOSTILE) for i in range(20)]
    return find_observations(pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row"))


def test_the_screen_follows_and_leads(observations: pl.DataFrame) -> None:
    """Buttons do what the calls do; a bread crumb for each step; Back takes one."""
    panel = PivotPanel(observations, ["a0"])
    crumbs, buttons, table, _ = panel.view.children
    table.selected = [0]
    kind, value = table.chosen.select("kind", "value").row(0)
    buttons.children[0].click()
    assert "account_id" in panel.rows.columns
    assert crumbs.value.count("›") == 1
    assert "find_holders" in panel.code
    assert table.note.endswith("rows")
    buttons.children[4].click()
    assert "value" in panel.rows.columns
    table.selected = [0]
    buttons.children[3].click()
    assert (kind, value) not in panel.rows.select("kind", "value").rows()
    assert panel.view is panel.view


def test_ways_that_do_not_lead_on_are_said(observations: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="none of 1 account is in the observations"):
        PivotPanel(observations, ["nobody"])
    with pytest.raises(UnknownNameError, match="to_accounts"):
        PivotPanel(observations, ["a0"]).to_values()
    with pytest.raises(InputError, match="none of 1 value is in the observations"):
        PivotPanel(observations, values=[("device", "none")])
    with pytest.raises(InputError, match="accounts or with values"):
        PivotPanel(observations)


def test_what_is_pinned_stays_whatever_is_hidden_or_isolated(observations: pl.DataFrame) -> None:
    panel = PivotPanel(observations, values=[("device", "d1")])
    assert panel.rows["account_id"].to_list() == ["a1", "a11", "a16", "a6"]
    panel.pin(["a6"])
    panel.isolate(["a1"])
    assert panel.rows["account_id"].to_list() == ["a1", "a6"]
    panel.to_values(["a2"])
    assert panel._now.asked == ("a2", "a6")
    panel.pin([("device", "d1")])
    panel.hide([("device", "d1"), ("device", "d2")])
    assert panel.rows.filter(kind="device")["value"].to_list() == ["d1"]
    for _ in range(6):
        panel.undo()
    assert panel.rows.height == 4
