"""Cells run again and again: nothing piles up in the kernel, and nothing that a reader did is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MADE = """
from datetime import UTC, datetime, timedelta
import networkx as nx, polars as pl, toolkit as tk
from toolkit.linking.observations import find_observations
from toolkit.widgets.graph_view import GraphView
from toolkit.widgets.panels import TimelineBrush
from toolkit.widgets.pivot_panel import PivotPanel
from toolkit.widgets.rows import Rows
graph = nx.Graph()
for i in range(12):
    graph.add_node(f"account:{i}", type="account", label=str(i))
for i in range(11):
    graph.add_node(f"ip:{i}", type="ip", label=str(i))
    graph.add_edges_from([(f"account:{i}", f"ip:{i}"), (f"account:{i + 1}", f"ip:{i}")])
view = GraphView(graph)
held = {"account_id": list("abcd"), "device": ["x", "x", "x", "y"], "card": ["1", "1", "2", "2"]}
panel = PivotPanel(find_observations(pl.DataFrame(held)), ["c", "d"])
at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=7 * i) for i in range(400)]
events = {"event_at": at, "account_id": [f"a{i % 5}" for i in range(400)], "event": "chat", "source": "app"}
events |= {"event_id": [str(i) for i in range(400)], "seq": range(400), "precision": "s", "flags": 0, "raw_ref": ""}
events |= {"ingested_at": None, "value": None}
brush = TimelineBrush(pl.DataFrame(events, schema_overrides={"ingested_at": pl.Datetime("us", "UTC")}))
rows = Rows(pl.DataFrame({"account_id": list("abc"), "email": list("xyz")}), mask=["email"])

def weigh():
    \"\"\"Comms of the kernel, and all that listens to its widgets.\"\"\"
    from comm import get_comm_manager
    from ipywidgets.widgets.widget import _instances
    observers = sum(len(f) for w in _instances.values() for n in w._trait_notifiers.values() for f in n.values())
    heard = sum(len(w._msg_callbacks.callbacks) for w in _instances.values())
    return [len(get_comm_manager().comms), len(_instances), observers, heard]

def state():
    \"\"\"What a reader has done.\"\"\"
    window = [str(brush.rows["event_at"].min()), brush.rows.height]
    return [view.selection, view.hidden, panel.code, panel.rows.height, window, rows.selected, len(rows.revealed)]
"""
ACT = """[view.select(["3"]), view.hide(), view.select(["5"]), view.grow(), panel.to_accounts([("device", "x")]),
 panel.to_values(), brush.choose(at[10], at[90]), setattr(rows, "selected", [1]), rows.reveal(0, "email")][0]"""


def run_cells(lab: Any, rounds: int) -> None:
    """Run every cell but the first, so many times."""
    for _ in range(rounds):
        lab.page.evaluate(
            """async () => {
                const book = window.jupyterapp.shell.currentWidget.content;
                for (let i = 1; i < book.widgets.length; i++) {
                    book.activeCellIndex = i;
                    await window.jupyterapp.commands.execute('notebook:run-cell');
                }
            }"""
        )
    lab.page.wait_for_timeout(1_500)


def test_fifty_runs_pile_nothing_up_and_lose_nothing(open_lab: Callable[..., Any]) -> None:
    """Comms, widgets, observers and message handlers stay as many; selection, trail, window and looks stay."""
    lab = open_lab("again", MADE, "view", "panel", "brush", "rows")
    lab.run()
    run_cells(lab, 1)
    lab.ask(ACT)
    before, did = lab.ask("weigh()"), lab.ask("state()")
    assert did[:2] == [["account:5", "ip:4", "ip:5"], ["account:3"]]
    assert did[4][1] == 80
    assert did[5:] == [[1], 1]
    run_cells(lab, 50)
    assert lab.ask("weigh()") == before
    assert lab.ask("state()") == did
    page = lab.page
    page.locator(".tk-graph").last.scroll_into_view_if_needed()
    page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    assert page.locator(".tk-graph").count() == 1
    assert page.locator(".tk-foot").inner_text().startswith("22 nodes, 20 edges, 3 selected, 1 not shown")
    assert page.locator("tr[aria-selected=true]").count() == 1
    assert lab.errors == []
