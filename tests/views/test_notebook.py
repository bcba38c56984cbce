"""In a notebook that has imported the toolkit nothing in a chart or a plan can run, fetch or link."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import altair as alt
import polars as pl
import pytest
from IPython.core.interactiveshell import InteractiveShell

from toolkit.views.blocks import CHART_MIME, show_chart
from toolkit.views.notebook import register

ATTACK = "</script><script>alert(1)</script>"


@pytest.fixture
def shell() -> InteractiveShell:
    shell = InteractiveShell()
    register(shell)
    return shell


def test_a_chart_goes_out_as_data_and_never_as_markup(shell: InteractiveShell) -> None:
    chart = alt.Chart(pl.DataFrame({"a": [ATTACK]}), title=ATTACK).mark_bar().encode(x="a:N")
    for shown in (chart, chart + chart, chart | chart):
        data, _ = shell.display_formatter.format(shown)
        assert set(data) == {"application/vnd.vegalite.v5+json", "text/plain"}
        assert ATTACK in json.dumps(data["application/vnd.vegalite.v5+json"])


@pytest.mark.parametrize(
    "chart",
    [
        alt.Chart("https://evil.example/x.json").mark_point(),
        alt.Chart(pl.DataFrame({"u": ["https://evil.example/x.png"]})).mark_image().encode(url="u:N"),
        alt.Chart(pl.DataFrame({"u": ["https://evil.example"]})).mark_point().encode(href="u:N"),
        alt.Chart(pl.DataFrame({"image": ["https://evil.example"]})).mark_point().encode(tooltip="image:N"),
    ],
    ids=["data", "image", "link", "tooltip"],
)
def test_a_chart_that_reaches_out_is_told_about_instead(shell: InteractiveShell, chart: alt.Chart) -> None:
    data, _ = shell.display_formatter.format(chart)
    assert set(data) == {"text/plain"}
    assert data["text/plain"].startswith("Not drawn: this chart is not safe to draw")


def test_an_analysts_own_expressions_are_drawn(shell: InteractiveShell) -> None:
    chart = alt.Chart(pl.DataFrame({"a": [1]})).transform_calculate(b="datum.a * 2").mark_point().encode(x="b:Q")
    assert "application/vnd.vegalite.v5+json" in shell.display_formatter.format(chart)[0]


def test_plans_are_escaped(shell: InteractiveShell) -> None:
    frame = pl.LazyFrame({"name": ["x"]})
    for plan in (pl.col("name") == ATTACK, frame.filter(pl.col("name") == ATTACK)):
        data, _ = shell.display_formatter.format(plan)
        assert "<script>" not in data["text/html"]
        assert "&lt;script&gt;" in data["text/html"]


def test_importing_the_toolkit_is_enough() -> None:
    """In a notebook; and nowhere else does anything happen."""
    cell = (
        "from IPython.core.interactiveshell import InteractiveShell as S\n"
        "s = S.instance(); import toolkit, polars as pl\n"
        "print('<script>' in s.display_formatter.format(pl.col('<script>'))[0]['text/html'])"
    )
    told = subprocess.run([sys.executable, "-c", cell], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
    quiet = "import sys, toolkit; print('IPython' in sys.modules, 'toolkit.views.notebook' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", quiet], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False False"


def test_no_widget_of_ours_takes_markup() -> None:
    room = Path(__file__).resolve().parents[2] / "toolkit" / "widgets"
    source = "".join(path.read_text("utf-8") for path in [*room.glob("*.py"), *room.glob("assets/*.js")])
    assert re.findall(r"widgets\.HTML|HTMLMath|allow_html|innerHTML|insertAdjacentHTML", source) == []


def test_a_chart_in_a_notebook_has_a_width_of_its_own() -> None:
    """As wide as its container, JupyterLab 4.6 would draw it for ever; a page still may stretch it."""
    drawn = show_chart(
        alt.Chart(alt.Data(values=[{"a": 1}])).mark_bar().encode(x="a:Q").properties(width="container"), "a chart"
    )
    spec = drawn._repr_mimebundle_()[CHART_MIME]
    assert spec["width"] == 800
    assert drawn.payload["spec"]["width"] == "container"
