"""Code run in a notebook of its own; a JupyterLab, and a browser in front of it that tells what it fetched."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Run a cell where nothing is known but what it is given: ``run(panel.code, events=events)`` gives its rows."""

    def run_(code: str, **given: object) -> Any:
        names: dict[str, Any] = dict(given)
        exec(compile(code, "<cell>", "exec"), names)  # noqa: S102 - that it runs is what is tested
        return names["rows"]

    return run_


@dataclass
class Lab:
    """An open notebook."""

    page: Page
    path: Path
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def executed(self) -> list[Any]:
        """What hostile strings have run: they push onto ``window.__pwned``, or open a dialog."""
        return [*self.page.evaluate("window.__pwned"), *self.dialogs]

    def run(self) -> None:
        """Run every cell, and wait for the last."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status === 'idle'"
            " && [...document.querySelectorAll('.jp-InputPrompt')].every(p => !p.textContent.includes('*'))",
            timeout=90_000,
        )

    def ask(self, code: str) -> Any:
        """What Python says: the JSON value of an expression in the notebook's kernel."""
        told = self.page.evaluate(
            """async (code) => {
                const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
                const future = kernel.requestExecute({ code, store_history: false });
                let text = "";
                future.onIOPub = (m) => { text += m.content.text ?? m.content.evalue ?? ""; };
                await future.done;
                return text;
            }""",
            f"import json; print(json.dumps({code}))",
        )
        return json.loads(told)

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_timeout(1_500)


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, Path]]:
    """JupyterLab, without a password, on this machine alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {
        name: str(root / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    settings = root / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (root / "work").mkdir()
    lab = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
            "--IdentityProvider.token=", f"--ServerApp.root_dir={root / 'work'}", "--LabApp.expose_app_in_browser=True",
            f"--LabApp.user_settings_dir={root / 'settings'}", "--ServerApp.disable_check_xsrf=True",
        ],
        env={**os.environ, **places, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/api", timeout=1)  # noqa: S310 - our own server
            break
        except OSError:
            time.sleep(0.5)
    else:
        lab.kill()
        pytest.fail("JupyterLab did not start within a minute")
    yield url, root / "work"
    lab.terminate()
    lab.wait(timeout=20)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """One lab for all tests."""
    with serve(tmp_path_factory.mktemp("lab")) as served:
        yield served


def lab_opener(server: tuple[str, Path], browser: Browser) -> Callable[..., Lab]:
    """What opens notebooks of a lab in a browser."""
    url, root = server

    def open_(name: str, *cells: str, kernel: bool = True) -> Lab:
        path = root / f"{name}.ipynb"
        if cells:
            book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
            book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
            nbformat.write(book, path)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        lab = Lab(page, path)
        page.on(
            "request",
            lambda r: lab.outside.append(r.url) if not r.url.startswith((url, "data:", "blob:")) else None,
        )
        page.add_init_script("window.__pwned = []")
        page.on("dialog", lambda shown: (lab.dialogs.append(shown.message), shown.dismiss()))
        page.on("pageerror", lambda error: lab.errors.append(str(error)))
        if not kernel:
            page.route(
                re.compile("/api/(sessions|kernels)"),
                lambda route: route.continue_() if route.request.method == "GET" else route.abort(),
            )
        page.goto(f"{url}/lab/tree/{name}.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        if not kernel:  # the lab asks which one to start, and starts one whatever is said: here it cannot
            page.wait_for_selector(".jp-Dialog", timeout=60_000)
            for _ in range(20):  # "No Kernel", and then that none could be started
                for place in (-2, -1):
                    page.evaluate("i => [...document.querySelectorAll('.jp-Dialog-button')].at(i)?.click()", place)
                    page.wait_for_timeout(300)
            assert page.locator(".jp-Dialog").count() == 0
            return lab
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )
        return lab

    return open_


@pytest.fixture
def open_lab(server: tuple[str, Path], browser: Browser) -> Iterator[Callable[..., Lab]]:
    """Open a notebook of some cells in the lab, or one that is there already."""
    opened: list[Lab] = []

    def open_(*cells: str, **how: bool) -> Lab:
        opened.append(lab_opener(server, browser)(*cells, **how))
        return opened[-1]

    yield open_
    for lab in opened:
        lab.page.close()
