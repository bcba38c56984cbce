"""What a large case weighs on the way to the screen, and that nothing is lost on the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from toolkit.views.blocks import CHART_MIME
from toolkit.views.timeline import draw_swimlanes

MEGABYTE = 1_000_000
NETWORK = """
import networkx as nx, toolkit as tk
from toolkit.widgets.graph_view import GraphView
graph = nx.Graph()
for i in range(600):
    graph.add_node(f"account:{i:03d}", type="account", label=f"{'picked' if i < 500 else 'other'} {i:03d}")
    graph.add_node(f"ip:{i // 6}", type="ip", label=str(i // 6))
    graph.add_edge(f"account:{i:03d}", f"ip:{i // 6}", n=1)
view = GraphView(graph)
view
"""


def _spec_bytes(rows: int) -> int:
    rng = np.random.default_rng(1)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    at = pl.Series(np.sort(rng.integers(0, 30 * 86_400, rows))) * timedelta(seconds=1) + start
    accounts = pl.Series(rng.integers(0, 200, rows)).cast(pl.String)
    verbs = pl.Series(["chat", "login", "request"]).gather(rng.integers(0, 3, rows))
    events = pl.DataFrame({"event_at": at, "account_id": accounts, "event": verbs})
    return len(json.dumps(draw_swimlanes(events, overview=True)._repr_mimebundle_()[CHART_MIME]))


def test_a_million_events_weigh_what_a_hundred_thousand_do() -> None:
    few, many = _spec_bytes(100_000), _spec_bytes(1_000_000)
    assert abs(many - few) <= 0.1 * few
    assert many <= MEGABYTE


@pytest.mark.browser
@pytest.mark.slow
def test_five_hundred_nodes_picked_on_the_screen_are_those_in_python(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("many", NETWORK)
    lab.run()
    page = lab.page
    page.locator(".tk-graph").scroll_into_view_if_needed()
    page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    page.locator(".tk-bar input").fill("picked")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.tk-foot').textContent.includes('500 selected')")
    page.wait_for_timeout(1_000)
    assert lab.ask("view.accounts") == [f"{i:03d}" for i in range(500)]
