"""What pictures cost in a real JupyterLab: seconds until drawn, CPU of the page by step, and bytes.

    python benchmarks/bench_views.py --rounds 5

A lab and Debian's chromium are started; each row is a cell of a notebook of its own, run by hand as a reader would.
"ready" is from the cell's run to the picture's being there. "CPU by step" is that of the page's own process
(``/proc/<pid>/stat``; the process that stands for a graphics card is not in it) for a camera that zooms in and out, 30
steps a round. "to Python" is from the click to the kernel's hearing, both by the clock of this machine. The data are
SYNTHETIC.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

GRAPH = """
import time, networkx as nx, numpy as np, toolkit as tk
from toolkit.widgets.graph_view import GraphView
from toolkit.views.network import draw_network
def make(nodes, seed=0):
    rng, graph = np.random.default_rng(seed), nx.Graph()
    accounts = nodes * 2 // 3
    for i in range(accounts):
        graph.add_node(f"account:{{i:06d}}", type="account", label=f"acct {{i:06d}}", cluster_id=f"C{{i // 25:05d}}")
    for i in range(nodes - accounts):
        graph.add_node(f"ip:{{i}}", type="ip", label=str(i))
    values = nodes - accounts
    for i in range(accounts):
        for value in (i // 2, i // 2 + int(rng.integers(1, 12))):
            graph.add_edge(f"account:{{i:06d}}", f"ip:{{value % values}}", n=1)
    return graph
graph = make({nodes})
"""
SHOW = """
view = GraphView(graph, most_nodes={most})
heard = []
view.observe(lambda change: heard.append([time.time(), len(change["new"])]), "selection")
view
"""
TIMELINE = """
from datetime import UTC, datetime, timedelta
import numpy as np, polars as pl, toolkit as tk
from toolkit.views.timeline import draw_swimlanes
def make(rows, seed=0):
    rng = np.random.default_rng(seed)
    seconds = pl.Series(np.sort(rng.integers(0, 30 * 86_400, rows)))
    at = seconds * timedelta(seconds=1) + datetime(2026, 1, 5, tzinfo=UTC)
    verbs = pl.Series(["chat", "login", "request"]).gather(rng.integers(0, 3, rows))
    accounts = pl.Series(rng.integers(0, 200, rows)).cast(pl.String)
    return pl.DataFrame({{"event_at": at, "account_id": accounts, "event": verbs}})
events = make({rows})
"""
READY = "() => document.querySelector('.tk-graph[data-ready=yes]')"
DRAWN = "() => document.querySelector('canvas.marks, svg.marks')"
ZOOM = """async (steps) => {
    const stage = document.querySelector('.tk-stage');
    stage.focus();
    for (let i = 0; i < steps; i++) {
        stage.dispatchEvent(new KeyboardEvent('keydown', { key: i % 30 < 15 ? '+' : '-', bubbles: true }));
        await new Promise(requestAnimationFrame);
        await new Promise((done) => setTimeout(done));
    }
}"""
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--only", choices=["graph", "timeline", "fold"], default=None)
    given = asked.parse_args()
    with ExitStack() as stack:
        open_ = stack.enter_context(lab())
        if given.only in (None, "graph"):
            graphs(open_, given.rounds)
        if given.only in (None, "timeline"):
            timelines(open_, given.rounds)
        if given.only in (None, "fold"):
            fold(open_)


@contextmanager
def lab() -> Any:
    """The lab that the tests of widgets use."""
    place = Path(__file__).resolve().parents[1] / "tests" / "widgets" / "conftest.py"
    spec = importlib.util.spec_from_file_location("labs", place)
    assert spec is not None
    assert spec.loader is not None
    labs = sys.modules["labs"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(labs)
    quiet = ["--no-sandbox", "--disable-background-networking", "--enable-unsafe-swiftshader"]
    with tempfile.TemporaryDirectory() as folder, labs.serve(Path(folder)) as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=quiet)
        yield labs.lab_opener(server, chromium)
        chromium.close()


def run_cell(book: Any, place: int, until: str) -> float:
    """Run one cell; seconds until something is there."""
    page = book.page
    began = time.perf_counter()
    page.evaluate(
        """(i) => {
            window.jupyterapp.shell.currentWidget.content.activeCellIndex = i;
            window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        place,
    )
    page.wait_for_function(until, timeout=180_000, polling=20)
    return time.perf_counter() - began


def prepare(book: Any, name: str) -> None:
    """Run the first cell, which makes the data."""
    run_cell(book, 0, "() => document.querySelector('.jp-InputPrompt').textContent.includes('[1]')")
    assert book.ask(f"{name} is not None")


def renderer(book: Any) -> int:
    """The process of the page: the renderer that has used most CPU while it was kept busy."""

    def cpu_of() -> dict[int, int]:
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if b"--type=renderer" in (entry / "cmdline").read_bytes():
                    found[int(entry.name)] = ticks(int(entry.name))
            except OSError:
                continue
        return found

    before = cpu_of()
    book.page.evaluate("() => { const end = Date.now() + 700; while (Date.now() < end); }")
    after = cpu_of()
    return max(after, key=lambda pid: after[pid] - before.get(pid, 0))


def ticks(pid: int) -> int:
    """CPU of a process so far, user and system."""
    parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(parts[11]) + int(parts[12])


def graphs(open_: Callable[..., Any], rounds: int) -> None:
    """Graphs of 1,000 and 10,000 nodes, every node drawn."""
    print("| nodes | ready, s | CPU by zoom step, ms | 500 picked: to Python, ms |\n|---|---|---|---|", flush=True)
    for nodes in (1_000, 10_000):
        book = open_(f"graph{nodes}", GRAPH.format(nodes=nodes), SHOW.format(most=20_000))
        prepare(book, "graph")
        ready = run_cell(book, 1, READY)
        page = book.page
        page.wait_for_timeout(2_000)
        pid, steps = renderer(book), []
        for _ in range(rounds):
            before = ticks(pid)
            page.evaluate(ZOOM, 30)
            steps.append(1_000 * (ticks(pid) - before) / TICK / 30)
        took = [pick(book) for _ in range(rounds)]
        print(
            f"| {nodes:,} | {ready:.1f} | {statistics.median(steps):.1f} | {statistics.median(took):.0f} |", flush=True
        )
        page.close()


def pick(book: Any) -> float:
    """Milliseconds from Enter in the search to the kernel's hearing of what was found."""
    page = book.page
    page.locator(".tk-bar input").fill("acct 000")  # 666 of 1,000 nodes, 1,000 of 10,000
    began = page.evaluate(
        """() => {
            const input = document.querySelector('.tk-bar input');
            const now = Date.now();
            input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
            return now;
        }"""
    )
    page.wait_for_timeout(3_000)
    heard = book.ask("heard")[-1]
    assert heard[1] >= 500, heard
    book.ask("view.select([])")
    page.wait_for_timeout(500)
    return float(1_000 * heard[0] - began)


def timelines(open_: Callable[..., Any], rounds: int) -> None:
    """Activity of many events: bytes, and seconds until drawn."""
    print("\n| events | specification, kB | drawn, s |\n|---|---|---|", flush=True)
    for rows in (100_000, 1_000_000):
        cells = ["draw_swimlanes(events, overview=True)"] * rounds
        book = open_(f"timeline{rows}", TIMELINE.format(rows=rows), *cells)
        prepare(book, "events")
        some = "document.querySelectorAll('canvas.marks, svg.marks').length"
        took = [run_cell(book, i, f"() => {some} >= {i}") for i in range(1, rounds + 1)]
        size = book.ask("len(__import__('json').dumps(draw_swimlanes(events, overview=True).to_dict()))")
        print(f"| {rows:,} | {size / 1_000:,.0f} | {statistics.median(took):.1f} |", flush=True)
        book.page.close()


def fold(open_: Callable[..., Any]) -> None:
    """A network of 100,000 accounts, folded into its clusters."""
    print("\n| accounts | nodes shown | Python, s | ready, s | payload, kB |\n|---|---|---|---|---|", flush=True)
    book = open_("fold", GRAPH.format(nodes=150_000), SHOW.format(most=2_000))
    prepare(book, "graph")
    ready = run_cell(book, 1, READY)
    seconds = book.ask("[time.perf_counter(), draw_network(graph), time.perf_counter()][::2]")
    shown, size = book.ask("[int(view.picture.table['drawn'].sum()), len(__import__('json').dumps(view.picture.data))]")
    print(f"| 100,000 | {shown:,} | {seconds[1] - seconds[0]:.1f} | {ready:.1f} | {size / 1_000:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
