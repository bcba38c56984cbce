"""Network, timeline and table in a real JupyterLab: who is picked in one of them is picked in all, and in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINKED = """
from datetime import datetime, timedelta, timezone
import ipywidgets, networkx as nx, polars as pl
from toolkit.widgets.graph_view import GraphView
from toolkit.widgets.linked import link_views
from toolkit.widgets.panels import TimelineBrush
from toolkit.widgets.rows import Rows
graph = nx.Graph()
for i in range(6):
    graph.add_node(f"account:a{i}", type="account", label=f"a{i}")
    graph.add_node(f"ip:{i // 3}", type="ip", label=str(i // 3))
    graph.add_edge(f"account:a{i}", f"ip:{i // 3}")
start = datetime(2026, 1, 5, tzinfo=timezone.utc)
n = 240
rows = {"event_at": [start + timedelta(minutes=7 * i) for i in range(n)], "account_id": [f"a{i % 6}" for i in range(n)]}
rows |= {"event": "chat", "source": "app", "event_id": [str(i) for i in range(n)], "seq": range(n), "precision": "s"}
rows |= {"flags": 0, "raw_ref": "", "ingested_at": None, "value": None}
brush = TimelineBrush(pl.DataFrame(rows, schema_overrides={"ingested_at": pl.Datetime("us", "UTC")}))
view = GraphView(graph)
table = Rows(pl.DataFrame({"account_id": [f"a{i}" for i in range(6)], "n": range(6)}))
link_views(view, brush, table)
ipywidgets.VBox([view, table, brush.view])
"""
SHOWN = "[view.accounts, sorted(set(brush.rows['account_id'])), table.frame['account_id'].to_list()]"
ALL = [f"a{i}" for i in range(6)]


def test_a_pick_goes_round(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("linked", LINKED)
    lab.run()
    page = lab.page
    page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    lanes = page.locator(".jp-OutputArea canvas.marks, .jp-OutputArea svg.marks").first
    lanes.wait_for(timeout=30_000)

    # A value of the network and one more hop: its three accounts.
    lab.ask("setattr(view, 'selection', ['ip:0'])")
    page.get_by_role("button", name="+1 hop").click()
    page.wait_for_timeout(500)
    assert lab.ask(SHOWN) == [["a0", "a1", "a2"]] * 3
    assert lab.ask("brush._chart.params.told") == [0, 1, 2]
    assert page.locator(".tk-rows-note").first.inner_text() == "3 of 6 rows"

    # A row of the table, by the keyboard: one account.
    page.locator(".tk-rows tbody tr").nth(1).press("Enter")
    page.wait_for_timeout(500)
    assert lab.ask(SHOWN) == [["a1"], ["a1"], ["a0", "a1", "a2"]]
    page.wait_for_function("() => document.querySelector('.tk-foot').textContent.includes('1 selected')")

    # A click on a lane of the timeline.
    lab.ask("setattr(table, 'selected', [])")
    page.wait_for_timeout(500)
    assert lab.ask(SHOWN) == [[], ALL, ALL]
    lanes.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    place = lanes.bounding_box()
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] - 66)
    page.wait_for_timeout(700)
    picked, *rest = lab.ask(SHOWN)
    assert len(picked) == 1
    assert rest == [picked, picked]
    assert lab.ask("view.selection") == [f"account:{picked[0]}"]
    assert (lab.outside, lab.errors) == ([], [])


def test_the_code_of_what_is_selected_can_be_read(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("code", LINKED)
    lab.run()
    lab.page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    lab.ask("view.select(['a4'])")
    lab.page.get_by_role("button", name="Code", exact=True).click()
    assert "rows = list_nodes(graph=graph, nodes=['account:a4'])" in lab.page.locator(".tk-side pre").inner_text()
    lab.page.locator(".tk-code summary").click()
    assert (
        "rows = build_timeline(events, dedup='none', accounts=['a4'])" in lab.page.locator(".tk-code pre").inner_text()
    )
