"""The widgets in a real JupyterLab: what is done on the screen is in Python, and back; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NETWORK = """
import networkx as nx, toolkit as tk
from toolkit.widgets.graph_view import GraphView
graph = nx.Graph()
for i in range(12):
    graph.add_node(f"account:{i}", type="account", label=str(i))
for i in range(11):
    graph.add_node(f"ip:{i}", type="ip", label=str(i))
    graph.add_edges_from([(f"account:{i}", f"ip:{i}"), (f"account:{i + 1}", f"ip:{i}")])
view = GraphView(graph)
view
"""
PANEL = """
import polars as pl
from toolkit.linking.observations import find_observations
from toolkit.widgets.pivot_panel import PivotPanel
rows = {"account_id": list("abcd"), "card": ["1", "1", "2", "2"]}
rows["device"] = ["x", "x", "x", "<img src=x onerror=alert(1)>"]
panel = PivotPanel(find_observations(pl.DataFrame(rows)), ["c", "d"])
panel
"""


def test_a_box_on_the_screen_is_a_selection_in_python_and_back(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("network", NETWORK)
    lab.run()
    page = lab.page
    page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    box = page.locator(".tk-stage").bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_timeout(500)
    assert len(lab.ask("view.selection")) == 23
    lab.ask("[view.select(['3']), view.grow()][0]")
    page.wait_for_function("() => document.querySelector('.tk-foot').textContent.includes('3 selected')")
    page.locator(".tk-stage").focus()
    page.keyboard.press("h")
    page.wait_for_timeout(300)
    assert lab.ask("[view.hidden, view.selection]") == [["account:3", "ip:2", "ip:3"], []]
    assert lab.outside == []
    assert lab.errors == []


def test_the_network_is_still_drawn_when_the_theme_changes(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("theme", NETWORK)
    lab.run()
    page = lab.page
    page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    wide = "document.querySelector('.sigma-nodes').width"
    before = page.evaluate(wide)
    for theme, dark in (("JupyterLab Dark", 1), ("JupyterLab Light", 0)):
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        page.wait_for_timeout(2_500)
        assert page.locator(".tk-graph.tk-dark").count() == dark
        assert page.evaluate(wide) == before > 100


def test_a_panel_is_walked_by_mouse_and_shows_text_as_text(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("panel", PANEL)
    lab.run()
    page = lab.page
    page.wait_for_selector(".tk-rows tbody tr")
    assert "<img src=x" in page.locator(".tk-rows").inner_text()
    page.locator(".tk-rows tbody tr").filter(has_text="device").filter(has_text="x").last.click()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function("() => document.querySelector('.tk-rows').textContent.includes('account id')")
    assert "account_id" in lab.ask("panel.rows.columns")
    assert page.locator(".tk-rows img").count() == 0
    assert lab.outside == []


def test_a_saved_notebook_without_its_kernel_still_shows_a_table_and_a_picture(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("saved", NETWORK, "from toolkit.widgets.rows import Rows; Rows(view.table)")
    lab.run()
    lab.page.wait_for_selector(".tk-graph[data-ready=yes]", timeout=30_000)
    lab.save()
    text = lab.path.read_text("utf-8")
    assert "vnd.vegalite.v5+json" in text
    assert "account:11" in text


BRUSH = """
from datetime import datetime, timedelta, timezone
import polars as pl
from toolkit.widgets.panels import TimelineBrush
start = datetime(2026, 1, 5, tzinfo=timezone.utc)
n = 400
rows = {"event_at": [start + timedelta(minutes=7 * i) for i in range(n)], "account_id": [f"a{i % 5}" for i in range(n)]}
rows |= {"event": "chat", "source": "app", "event_id": [str(i) for i in range(n)], "seq": range(n), "precision": "s"}
rows |= {"flags": 0, "raw_ref": "", "ingested_at": None, "value": None}
brush = TimelineBrush(pl.DataFrame(rows, schema_overrides={"ingested_at": pl.Datetime("us", "UTC")}))
brush
"""


def test_dragging_over_the_activity_chooses_its_rows(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("brush", BRUSH)
    lab.run()
    page = lab.page
    page.wait_for_selector(".jp-OutputArea canvas, .jp-OutputArea svg.marks", timeout=30_000)
    page.wait_for_timeout(1_000)
    place = page.locator(".jp-OutputArea canvas, .jp-OutputArea svg.marks").first.bounding_box()
    y = place["y"] + 75
    page.mouse.move(place["x"] + 200, y)
    page.mouse.down()
    page.mouse.move(place["x"] + 400, y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1_500)
    assert 0 < lab.ask("brush.rows.height") < 400
    assert "datetime.fromisoformat" in lab.ask("brush.code")
    assert lab.outside == []


LABELLER = """
import polars as pl
from toolkit.linking.observations import find_observations
from toolkit.widgets.labeller import Labeller
names = [f"a{i}" for i in range(8)]
members = pl.DataFrame({"account_id": names, "band": ["confirmed", "weak"] * 4})
seen = find_observations(pl.DataFrame({"account_id": names, "device": "<img src=x onerror=alert(1)>"}))
kim = Labeller(members, seen, reviewer="kim", n=8, least=1)
"""


def test_labels_are_given_by_keyboard_and_stay_when_the_cell_is_run_again(open_lab: Callable[..., Any]) -> None:
    lab = open_lab("labels", LABELLER, "kim")
    lab.run()
    page = lab.page
    button = page.get_by_role("button", name="belongs", exact=True)
    button.wait_for(timeout=30_000)
    page.get_by_placeholder("why").fill("one device")
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("2 of 8, 1 labelled").wait_for()
    assert lab.ask("kim.rows.select('label', 'note').rows()") == [["belongs", "one device"]]
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_timeout(1_000)
    page.get_by_text("2 of 8, 1 labelled").last.wait_for()
    assert lab.ask("kim.rows.height") == 1
    assert "confirmed" not in page.locator(".jp-OutputArea").last.inner_text()
    assert page.locator(".jp-OutputArea img").count() == 0
    assert (lab.outside, lab.errors) == ([], [])
