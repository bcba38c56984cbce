"""One demo run for all tests, a browser that tells on a page, a run without a kernel, and strings that attack."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from toolkit.report.cases import CaseFolder, new_case
from toolkit.report.execute import clean_notebook
from toolkit.report.page import render_page
from toolkit.report.run import _publish
from toolkit.report.templates import find_template
from toolkit.resources import bundled

TINY = bundled("data_samples") / "tiny"
_PARAMETERS = """from typing import Literal

case_id: str = "C"  # the case
seed_accounts: list = []  # ids, as text
data_uri: str = ""
mapping_uri: str = ""
out_dir: str = ""
analyst: str = "kim"  # who
word: Literal["a", "b"] = "a"
breaks: bool = False"""
_BODY = """
import polars as pl
import toolkit as tk
from toolkit.model.case import Action, Finding
from toolkit.report.publish import open_case, publish_case
from toolkit.views.blocks import show_findings
data = tk.read_data(data_uri, mapping_uri or None)
if breaks:
    raise ValueError("broken")
accounts = data.tables["accounts"]["account_id"].to_list()
rows = pl.DataFrame({"account_id": accounts, "included": True, "level": "L2"})
found = Finding(finding_id="F1", type="linked_set", statement=f"{len(accounts)} accounts, {word}.", confidence="high",
                likelihood="likely", basis="counted")
acts = [Action(account_id=a, rung="monitor", level="L2", reasons=["x"], innocent_explanation="y") for a in accounts]
publish_case(open_case(case_id, seed_accounts, purpose="p", analyst=analyst), bottom_line="x", findings=[found],
             actions=acts, tables={"ledger": data.ledger, "expansion": rows}, out_dir=out_dir)
"""


@pytest.fixture(scope="session")
def seeds() -> list[str]:
    """The seeds of the first escalation of the sample."""
    first = json.loads((TINY / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return list(first["seed_accounts"])


def _demo(folder: Path, hash_seed: str) -> Path:
    done = subprocess.run(
        [Path(sys.executable).parent / "toolkit", "demo", "--out", folder],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `toolkit demo`, made in a process of its own."""
    return _demo(tmp_path_factory.mktemp("one") / "demo", "1")


@pytest.fixture(scope="session")
def demo_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same from another process, in another folder, with another order of hashes."""
    return _demo(tmp_path_factory.mktemp("two") / "a {folder}" / "demo", "2")


@pytest.fixture(scope="session")
def hostile() -> list[str]:
    """Strings of our own making that attack pages, spreadsheets and terminals; and one of 10,000 characters."""
    listed = json.loads((Path(__file__).parent / "hostile.json").read_text(encoding="utf-8"))
    return [*listed, "long" * 2_500]


@dataclass
class Look:
    """What a page did when it was opened."""

    page: Page
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    @property
    def pwned(self) -> list[int]:
        """Marks that executed strings have left."""
        return list(self.page.evaluate("window.__pwned"))


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Look]]:
    """Open a page from a file, with a hook for whatever executes and a log of whatever is fetched."""
    contexts = []

    def open_(page: str | Path, *, ready: bool = True, **context: Any) -> Look:
        path = page
        if isinstance(page, str):
            path = tmp_path / "page.html"
            path.write_text(page, encoding="utf-8")
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}))
        seen = Look(contexts[-1].new_page())
        seen.page.add_init_script("window.__pwned = []; window.alert = window.prompt = () => window.__pwned.push(0)")
        seen.page.on("requestfinished", lambda request: seen.requests.append(request.url))
        # What the page's own policy stopped has not left the browser; everything else has at least tried to.
        seen.page.on("requestfailed", lambda r: seen.requests.append(r.url) if r.failure != "csp" else None)
        # A software renderer complains of its own slowness: that is the machine's word, not the page's.
        seen.page.on("console", lambda m: seen.console.append(m.text) if "GL Driver Message" not in m.text else None)
        seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
        seen.page.goto(Path(path).resolve().as_uri())
        if ready:
            seen.page.wait_for_selector("html[data-ready]", timeout=60_000)
        else:
            seen.page.wait_for_timeout(250)
        seen.requests = [url for url in seen.requests if not url.startswith("file://")]
        return seen

    yield open_
    for context in contexts:
        context.close()


@dataclass
class ByHand:
    """A template that was run cell by cell in this process."""

    names: dict[str, Any]
    notebook: dict[str, Any]
    page: str

    @property
    def text(self) -> str:
        """Everything a reader could find: the page and the notebook."""
        return self.page + json.dumps(self.notebook, ensure_ascii=False)


@pytest.fixture
def run_cells() -> Callable[..., ByHand]:
    """Run the cells of a template without a kernel: the same cells, a tenth of the time."""

    def run(seed_accounts: Sequence[str] = (), template: str = "ring_escalation", **parameters: Any) -> ByHand:
        source = json.loads((bundled("templates") / f"{template}.ipynb").read_text(encoding="utf-8"))
        names: dict[str, Any] = {"__name__": "__main__"}
        cells = []
        for cell in source["cells"]:
            text = "".join(cell["source"])
            outputs = []
            if cell["cell_type"] == "code":
                shown, printed = _execute(text, names)
                if hasattr(shown, "_repr_mimebundle_"):
                    data = shown._repr_mimebundle_()
                    outputs.append(
                        {"output_type": "display_data", "data": json.loads(json.dumps(data)), "metadata": {}}
                    )
                if printed:
                    outputs.append({"output_type": "stream", "name": "stdout", "text": printed})
                if "parameters" in cell["metadata"].get("tags", []):
                    names |= {"seed_accounts": list(seed_accounts), "data_uri": str(TINY), **parameters}
            cells.append({**cell, "outputs": outputs})
        notebook = clean_notebook({"cells": cells})
        return ByHand(names, notebook, render_page(notebook, tlp=names["tlp"]))

    return run


@pytest.fixture
def publish_cells(run_cells: Callable[..., ByHand]) -> Callable[..., Path]:
    """Publish a template that was run by hand: the folder that a run leaves, without a kernel."""

    def publish(folder: Path, template: str, seeds: Sequence[str] = (), **parameters: Any) -> Path:
        folder.mkdir(parents=True)
        made = run_cells(seeds, template, out_dir=str(folder), **parameters)
        found = find_template(template)
        values = {parameter.name: made.names[parameter.name] for parameter in found.parameters}
        _publish(found, values, made.notebook, folder, datetime(2026, 1, 5, tzinfo=UTC))
        return folder

    return publish


def _execute(source: str, names: dict[str, Any]) -> tuple[Any, str]:
    """Run one cell as a notebook does: the value of its last expression is shown."""
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    asked = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    tree.body = tree.body[:-1] if asked else tree.body
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - our own template, in a test
        shown = eval(compile(asked, "cell", "eval"), names) if asked else None  # noqa: S307 - as above
    return shown, printed.getvalue()


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A team's own template, that counts accounts."""
    blank: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
    cells = [
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Own\n\nFor tests."},
        {**blank, "id": "p", "metadata": {"tags": ["parameters"]}, "source": _PARAMETERS},
        {**blank, "id": "b", "metadata": {}, "source": _BODY},
        {**blank, "id": "f", "metadata": {}, "source": "show_findings([found])"},
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    (tmp_path / "templates").mkdir()
    book = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "templates" / "own.ipynb").write_text(json.dumps(book))
    return tmp_path / "templates"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two accounts."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "accounts.csv").write_text(
        "account_id,created_at\n0012,2026-01-05T00:00:00Z\nb,2026-01-06T00:00:00Z\n"
    )
    return tmp_path / "data"


@pytest.fixture
def case(tmp_path: Path, templates: Path, data: Path) -> CaseFolder:
    """A case that is open and has not been run."""
    return new_case(
        "ESC-1", "own", data=data, seeds=["0012", "a'b\"c\\ü"], templates=templates, into=tmp_path / "cases"
    )
