"""Hostile data in every widget and picture, in the lab: nothing runs, nothing is fetched; saved and untrusted too.

A control shows that the hook and the log of requests work there: the same strings, as markup, run and fetch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REPORT = Path(__file__).resolve().parents[1] / "report"
CONTROL = """
from IPython.display import HTML, display
display(HTML('<script>window.__pwned.push("script")</script><p>control</p>'))
display(HTML('<img src="https://evil.invalid/control.png" onerror="window.__pwned.push(4)">'))
"""
DATA = f"""
import json, runpy
from datetime import UTC, datetime, timedelta
import altair as alt, networkx as nx, polars as pl
import toolkit as tk
from IPython.display import display
hostile = json.loads(open({str(REPORT / "hostile.json")!r}, encoding="utf-8").read())
hostile += [r"$\\href{{https://evil.invalid/61}}{{x}}$", r"$$\\href{{javascript:window.__pwned.push(62)}}{{x}}$$"]
pictures = runpy.run_path({str(REPORT / "test_hostile.py")!r})["hostile_charts"](hostile)
ids = [text for text in hostile if text.strip()]
"""
PICTURES = "for picture in pictures:\n    display(picture)"
OWN = """
mine = alt.Chart(pl.DataFrame({"a": hostile, "n": range(len(hostile))}), title=hostile[1])
mine = mine.mark_bar().encode(x=alt.X("n:Q", title=hostile[0]), y="a:N", tooltip="a:N")
display(mine, mine | mine, alt.Chart("https://evil.invalid/data.json").mark_bar())
display(alt.Chart(pl.DataFrame({"image": ["https://evil.invalid/i.png"]})).mark_point().encode(tooltip="image:N"))
"""
BLOCKS = """
from toolkit.views.blocks import show_card, show_figures, show_lead, show_table, show_text
table = pl.DataFrame({"value": hostile})
display(show_text(*hostile), show_lead(*hostile), show_card(dict(zip(hostile, hostile))))
display(show_figures({text: (text, text) for text in hostile}), show_table(table, columns={"value": hostile[1]}))
display(show_table(table, mask=["value"], caption=" ".join(hostile[:50])))
"""
POLARS = """
wide = pl.DataFrame({text: [text] for text in hostile})
with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=9_000):
    display(table, table["value"], wide, pl.DataFrame({"l": [hostile], "s": [{text: text for text in hostile}]}))
for text in hostile:
    display(pl.col("value") == text, table.lazy().filter(pl.col("value") == text))
display(wide.lazy().select(pl.all()))
"""
MADE = """
from toolkit.linking.observations import find_observations
from toolkit.linking.score import link_accounts
rows = [{"account_id": a, "device": ids[i // 3], "card": ids[i // 3 - 1]} for i, a in enumerate(ids)]
rows += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}"} for i in range(400)]
plain = find_observations(pl.DataFrame(rows))
links = link_accounts(plain)
seen = plain.with_columns(kind=pl.when(pl.col("value").is_in(ids)).then("value").otherwise("kind"))
at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=i) for i in range(len(ids))]
events = pl.DataFrame({"event_at": at, "account_id": ids, "event": ids, "source": ids, "event_id": ids})
events = events.with_columns(
    seq=pl.int_range(pl.len()), precision=pl.lit("s"), flags=0, raw_ref=pl.col("event"),
    ingested_at=pl.col("event_at"), value=pl.lit(None, pl.Float64),
)
graph = nx.Graph()
for i, text in enumerate(ids):
    graph.add_node(f"account:{text}", type="account", label=text, band="confirmed", cluster_id=text)
    graph.add_node(f"ip:{text}", type=text if i % 9 == 0 else "ip", label=text)
    graph.add_edge(f"account:{text}", f"ip:{text}", n=2)
    graph.add_edge(f"account:{text}", f"ip:{ids[0]}", n=1)
"""
WIDGETS = [
    "from toolkit.widgets.pivot_panel import PivotPanel\npanel = PivotPanel(seen, ids); panel.to_accounts(); panel",
    "from toolkit.widgets.rows import Rows\nRows(table, columns={'value': hostile[0]})",
    "masked = Rows(table, mask=['value']); masked",
    "from toolkit.views.network import draw_network\ndraw_network(graph)",
    "from toolkit.widgets.graph_view import GraphView\nview = GraphView(graph); view.select(ids[:1]); view",
    "from toolkit.widgets.panels import *\nbrush = TimelineBrush(events); brush",
    "hubs = pl.DataFrame({'kind': ids, 'value': ids, 'holders': 2})\n"
    "explorer = HubExplorer(hubs, seen); explorer.open(list(zip(ids, ids))); explorer",
    "for i in range(0, len(ids), 8): display(CompareAccounts(seen, ids[i : i + 8]))",
    "review = ClusterReview(pl.DataFrame({'cluster_id': ids}), reviewer=ids[0])\n"
    "for i in ids: review.judge([i], 'rejected', i)\nreview",
    "inspector = LinkInspector(links); display(inspector); inspector.open(*links.row(0)[:2])\n"
    "for kind, value in inspector.rows.select('kind', 'value').rows(): inspector.explain_away(kind, value, ids[1])",
    "AsOf(events)",
    "from toolkit.widgets.labeller import Labeller\n"
    "some = pl.DataFrame({'account_id': sorted(set(ids)), 'band': 'weak'})\n"
    "labeller = Labeller(some, seen, reviewer=ids[0], question=ids[1]); labeller.label('belongs', ids[2]); labeller",
    "try: view.select([ids[0]])\nexcept Exception as error: print(error)\n"
    "try: view.select([''.join(ids[:20])])\nexcept Exception: get_ipython().showtraceback()",
]
CELLS = [DATA, PICTURES, OWN, BLOCKS, POLARS, MADE, *WIDGETS]
INJECTED = ", ".join(
    f".jp-OutputArea-output {what}"
    for what in (
        "img:not([src^='data:image/png'])", "iframe", "object", "embed", "video", "audio", "base", "math", "template",
        "form:not(.vega-bindings:empty)", "link", "script", "meta", "svg image", "svg script", "svg foreignObject",
        "[onerror]", "[onload]", "[onfocus]", "[onmouseover]", "[ontoggle]", "a[href*='evil']:not(.jp-RenderedText a)",
        "a[href^='javascript']",
        "mjx-container", ".MathJax",
    )
)  # fmt: skip


def injected(lab: Any) -> list[str]:
    """Elements in outputs that are nobody's but the data's.

    Addresses in printed text are made links by the lab itself, whoever prints them; they wait for a click.
    """
    told = "e => `${e.outerHTML.slice(0, 200)} in ${e.closest('.jp-Cell').innerText.slice(0, 80)}`"
    return list(lab.page.locator(INJECTED).evaluate_all(f"all => all.map({told})"))


def look_around(lab: Any) -> None:
    """Bring every output before the eyes, and move over every picture, so that tooltips show."""
    places = lab.page.locator(".jp-OutputArea-output")
    for i in range(places.count()):
        places.nth(i).evaluate("e => e.scrollIntoView({block: 'center'})")
        lab.page.wait_for_timeout(60)
    pictures = lab.page.locator(".vega-embed canvas, .tk-stage")
    for i in range(pictures.count()):
        pictures.nth(i).evaluate("e => e.scrollIntoView({block: 'center'})")
        box = pictures.nth(i).bounding_box()
        for share in range(1, 8):
            lab.page.mouse.move(box["x"] + box["width"] * share / 8, box["y"] + min(box["height"], 700) * share / 8)


def test_the_control_runs_and_fetches_in_the_lab(open_lab: Callable[..., Any]) -> None:
    """Markup of a trusted notebook runs: the hook and the log tell."""
    lab = open_lab("control", CONTROL)
    lab.run()
    lab.page.wait_for_timeout(1_500)
    assert set(lab.executed) == {"script", 4}
    assert set(lab.outside) == {"https://evil.invalid/control.png"}
    assert len(injected(lab)) >= 2


def test_hostile_data_do_nothing_in_any_widget_or_picture(open_lab: Callable[..., Any]) -> None:
    """Shown, walked, revealed and hovered: 0 executions, 0 requests, no element of the data's making."""
    lab = open_lab("hostile", *CELLS)
    lab.run()
    page = lab.page
    look_around(lab)
    shown = page.locator(".tk-rows button").filter(has_text="show")
    for _ in range(shown.count()):
        shown.first.click()
        page.wait_for_timeout(20)
    page.wait_for_timeout(500)
    assert lab.ask("len(masked.revealed)") == lab.ask("table.filter(pl.col('value') != '').height")
    for word in ("Go on", "Holders", "Open", "Hide"):
        page.get_by_role("button", name=word, exact=True).first.click()
    for opened in page.locator(".tk-code summary").all():
        opened.click()
    page.get_by_role("button", name="Code", exact=True).first.click()
    page.wait_for_timeout(1_000)
    assert page.locator("canvas.marks, svg.marks").count() == 25, "20 charts, 2 of an analyst's, network, brush, link"
    assert page.locator(".tk-rows").count() >= 10
    assert page.locator(".jp-OutputArea-output.jp-mod-error, [data-mime-type*='stderr']").count() <= 1
    assert (lab.executed, lab.outside, injected(lab)) == ([], [], [])


def distrust(book: Path) -> Path:
    """The same notebook from somebody else: a signature that this lab does not know, a kernel that it does not have."""
    nodes = nbformat.read(book, as_version=4)
    nodes.metadata["kernelspec"] = {"name": "elsewhere", "display_name": "Elsewhere", "language": "python"}
    for cell in nodes.cells:
        cell.metadata.pop("trusted", None)
    there = book.with_name(f"{book.stem}-theirs.ipynb")
    nbformat.write(nodes, there)
    return there


def test_a_saved_notebook_of_somebody_else_shows_tables_and_pictures_and_runs_nothing(
    open_lab: Callable[..., Any], tmp_path: Path
) -> None:
    """Untrusted, without a kernel: charts, tables and a still network are drawn by the lab itself."""
    first = open_lab("kept", CONTROL, *CELLS)
    first.run()
    first.page.wait_for_timeout(3_000)
    assert first.executed, "trusted, the control runs"
    first.save()
    assert "window.__pwned.push" in json.dumps(nbformat.read(first.path, as_version=4).cells[0].outputs)
    first.page.close()
    lab = open_lab(distrust(first.path).stem, kernel=False)
    lab.page.wait_for_selector(".vega-embed canvas", timeout=60_000)
    look_around(lab)
    book = "window.jupyterapp.shell.currentWidget.context"
    outputs = f"[...{book}.model.cells].filter(cell => cell.outputs.length)"
    assert lab.page.evaluate(f"{outputs}.length") >= len(WIDGETS)
    assert lab.page.evaluate(f"{outputs}.filter(cell => cell.trusted).length") == 0
    assert lab.page.evaluate(f"{book}.sessionContext.hasNoKernel") is True
    lab.page.screenshot(path=tmp_path / "untrusted.png")
    cells = lab.page.locator(".jp-CodeCell")
    assert cells.nth(2).locator(".vega-embed canvas").count() == 20, "the lab draws the charts"
    for i, cell in enumerate(WIDGETS[:-1], len(CELLS) - len(WIDGETS) + 1):
        shown = cells.nth(i).locator(".jp-OutputArea-output")
        still = ".vega-embed canvas" if "GraphView" in cell or "draw_network" in cell else "table tr"
        assert shown.locator(still).count() >= 1, cell
    assert lab.executed == []
    # The lab cleans the control's picture, but fetches it: that is the lab's, and nothing of ours is like it.
    assert set(lab.outside) <= {"https://evil.invalid/control.png"}
    assert [found for found in injected(lab) if "control.png" not in found] == []
