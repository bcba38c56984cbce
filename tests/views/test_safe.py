"""The escape gate: text, JSON and chart specifications, by rule and by force."""

from __future__ import annotations

import html
import json
from typing import Any

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.views.blocks import show_chart
from toolkit.views.safe import UnsafeChartError, defang, escape, lint_spec, script_json

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "data by address": ({"data": {"url": "https://evil.invalid/x.csv"}}, "url"),
    "lookup by address": ({"transform": [{"lookup": "a", "from": {"data": {"url": "x"}}}]}, "url"),
    "image mark": ({"mark": "image"}, "image"),
    "image mark, long": ({"mark": {"type": "image"}}, "image"),
    "image in a layer": ({"layer": [{"mark": {"type": "image"}}]}, "image"),
    "link": ({"encoding": {"href": {"field": "a"}}}, "href"),
    "link of a mark": ({"mark": {"type": "bar", "href": "javascript:1"}}, "href"),
    "expression": ({"params": [{"name": "p", "expr": "1"}]}, "expr"),
    "value by expression": ({"encoding": {"x": {"value": {"expr": "1"}}}}, "expr"),
    "signal": ({"config": {"axis": {"labelColor": {"signal": "1"}}}}, "signal"),
    "calculate": ({"transform": [{"calculate": "1", "as": "b"}]}, "calculate"),
    "label expression": ({"encoding": {"x": {"axis": {"labelExpr": "1"}}}}, "labelExpr"),
    "filter by text": ({"transform": [{"filter": "datum.a == 'x'"}]}, "predicate"),
    "filter by text, inside": ({"transform": [{"filter": {"and": [{"field": "a", "equal": 1}, "1"]}}]}, "predicate"),
    "filter by text, deeper": ({"transform": [{"filter": {"not": {"or": ["1"]}}}]}, "predicate"),
    "condition by text": ({"encoding": {"color": {"condition": {"test": "1", "value": "red"}}}}, "predicate"),
    "own event": ({"params": [{"select": {"type": "point", "on": "click[window.x]"}}]}, "listens"),
    "wheel without a key": ({"params": [{"select": {"type": "interval", "zoom": "wheel!"}}]}, "listens"),
    "bound to an element": ({"params": [{"bind": {"input": "range", "element": "#x"}}]}, "binds"),
    "embed options": ({"usermeta": {"embedOptions": {"actions": True}}}, "usermeta"),
    "custom format": ({"encoding": {"x": {"axis": {"formatType": "mine"}}}}, "formatType"),
    "field called image": ({"encoding": {"tooltip": [{"field": "image"}]}}, "rename"),
    "tooltip called image": ({"encoding": {"tooltip": [{"field": "a", "title": "Image"}]}}, "fetches"),
    "tooltip of everything": ({"mark": {"type": "bar", "tooltip": {"content": "data"}}}, "names its fields"),
    "field with a dot": ({"encoding": {"x": {"field": "a.b"}}}, "rename"),
    "field with brackets": ({"encoding": {"x": {"field": "a[0]"}}}, "rename"),
    "field that is code": ({"encoding": {"x": {"field": "a'];alert(1)"}}}, "rename"),
    "time of the reader": ({"encoding": {"x": {"field": "a", "type": "temporal"}}}, "utc"),
    "unit of the reader": ({"encoding": {"x": {"field": "a", "timeUnit": "yearmonth"}}}, "utc"),
    "sorted by a list": ({"encoding": {"x": {"field": "a", "sort": ["b", "a"]}}}, "domain"),
}


@pytest.mark.parametrize("case", BAD)
def test_unsafe_specifications_are_refused(case: str) -> None:
    spec, said = BAD[case]
    with pytest.raises(UnsafeChartError, match=said):
        lint_spec(spec)


def test_every_fault_is_named_with_its_place() -> None:
    spec = {"layer": [{"mark": "image"}, {"data": {"url": "x"}, "encoding": {"href": {"field": "a"}}}]}
    with pytest.raises(UnsafeChartError) as error:
        lint_spec(spec)
    for place in ("layer[0].mark", "layer[1].data.url", "layer[1].encoding.href"):
        assert place in str(error.value)


def test_data_are_data_whatever_they_hold() -> None:
    """A column may be called href and hold an address: it is drawn as text or not at all."""
    rows = [{"href": "https://evil.invalid", "url": "javascript:1", "expr": "1"}]
    spec = {"data": {"values": rows}, "datasets": {"d": rows}, "mark": "bar", "encoding": {"x": {"field": "n"}}}
    assert lint_spec(spec) is spec


@pytest.mark.parametrize(
    "build",
    [
        lambda c: c.encode(href="a:N"),
        lambda c: c.transform_calculate(b="datum.a + 1"),
        lambda c: c.transform_filter("datum.a == 'x'"),
        lambda c: c.mark_image(),
        lambda c: c.encode(tooltip="image:N"),
        lambda c: c.properties(data="https://evil.invalid/x.csv"),
        lambda c: c.encode(x="a:T"),
    ],
)
def test_what_altair_writes_is_caught(build: Any) -> None:
    """The linter knows the shapes that altair really gives."""
    chart = alt.Chart(pl.DataFrame({"a": ["x"], "image": ["y"]})).mark_bar()
    with pytest.raises(UnsafeChartError):
        show_chart(build(chart), "caption")


@given(st.text())
def test_escaped_text_is_the_text_and_nothing_else(text: str) -> None:
    """Nothing is left that could open an element or end an attribute; without hidden characters nothing is lost."""
    safe = escape(text, limit=10_000)
    assert not set("<>\"'") & set(safe)
    if text.isprintable():
        assert html.unescape(safe) == text


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_a_page_is_the_same_json(value: Any) -> None:
    """It cannot end its element, and reads back as it was."""
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


@given(st.text(alphabet="htps:/.aevil[]x ", max_size=40))
def test_no_address_survives(text: str) -> None:
    said = defang(text)
    assert "http://" not in said.split()
    assert defang(said) == said


def test_not_a_number_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))
