"""Blocks and charts: what they show, what they keep apart, and that they compute nothing of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import networkx as nx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import ContractError, UnknownNameError
from toolkit.graph.layout import find_layout
from toolkit.graph.select import select_for_picture
from toolkit.model.tables import Expansion, Observations, conform
from toolkit.settings import KINDS
from toolkit.views.blocks import format_cell, show_chart, show_table
from toolkit.views.charts import draw_arrivals, draw_expansion, draw_lift
from toolkit.views.graph import draw_graph
from toolkit.views.names import name_values
from toolkit.views.rhythm import draw_hours
from toolkit.views.waterfall import draw_waterfall
from toolkit.views.words import count_of, short_names

START = datetime(2026, 1, 5, tzinfo=UTC)


def _rows(chart: Any) -> list[dict[str, Any]]:
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


@given(st.sets(st.text(max_size=60), max_size=30), st.integers(4, 30))
def test_short_names_stay_apart(names: set[str], width: int) -> None:
    short = short_names(names, width)
    assert set(short) == names
    assert len(set(short.values())) == len(names)


def test_a_table_says_what_it_leaves_out() -> None:
    frame = pl.DataFrame({"id": [f"a{i}" for i in range(9)], "ip": ["x"] * 9})
    block = show_table(frame, caption="Accounts.", limit=4, remove=["ip"])
    assert block.payload["caption"] == "Accounts (the first 4 of 9 rows). Left out for this reader: ip"
    assert [column["name"] for column in block.payload["columns"]] == ["id"]
    with pytest.raises(ContractError, match="did you mean 'ip'"):
        show_table(frame, columns={"ipp": "address"})
    with pytest.raises(ContractError, match="did you mean 'ip'"):
        show_table(frame, mask=["ipp"])


def test_masked_cells_stay_masked_outside_the_page() -> None:
    block = show_table(pl.DataFrame({"ip": ["192.0.2.1", None]}), mask=["ip"])
    assert "192.0.2.1" not in block.as_html() + block.as_text()
    assert block.as_html().count("[masked]") == 1


def test_ids_are_never_numbers() -> None:
    """2^53 + 1, leading zeros and exponents come through as they are."""
    ids = ["9007199254740993", "0012", "1e5"]
    block = show_table(pl.DataFrame({"id": ids, "n": [2**53 + 1, 2, 3]}))
    assert [row[0] for row in block.payload["rows"]] == ids
    assert block.payload["rows"][0][1] == 2**53 + 1
    assert "9,007,199,254,740,993" in block.as_html()


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [(0.0, "probability", "0"), (0.004, "probability", "< 0.01"), (0.5, "probability", "0.50"),
     (1.0, "probability", "> 0.99"), (0.0001, "share", "< 0.1 %"), (0.0, "share", "0.0 %"), (1.0, "share", "100.0 %"),
     (25.2, "tenths", "25.2"), (29.0, "tenths", "29.0"),
     (0.0012345, "decimal", "0.0012"), ("text", "count", "text"), (-1234, "count", "-1,234")],
)  # fmt: skip
def test_numbers_for_people(value: object, form: str, said: str) -> None:
    assert format_cell(value, form) == said


def test_a_chart_names_what_it_shows() -> None:
    """Readers who cannot see the picture get its caption."""
    block = show_chart(draw_hours(pl.DataFrame({"event_at": [START]})), "Hours of 1 event.")
    assert block.payload["spec"]["description"] == "Hours of 1 event."


def test_arrivals_stack_without_overlap() -> None:
    frame = pl.DataFrame({"account_id": list("abc"), "first_at": [START] * 3, "group": ["in", "in", "out"]})
    drawn = draw_arrivals(frame)
    assert drawn.table.select("group", "accounts").rows() == [("in", 2), ("out", 1)]
    assert sorted((row["bottom"], row["top"]) for row in _rows(drawn)) == [(0, 2), (2, 3)]


def test_expansion_counts_up_and_bears_a_missing_estimate() -> None:
    frame = pl.DataFrame(
        {"round": [0, 1, 1, 2], "included": [True, True, True, False], "precision_estimate": [None] * 4}
    )
    rows = _rows(draw_expansion(frame))
    assert [(row["name"], row["accounts"]) for row in rows] == [("seeds", 1), ("round 1", 3)]


def test_personal_values_are_numbers_in_every_chart() -> None:
    values = pl.DataFrame({"kind": ["ip", "asn"], "value": ["192.0.2.1", "64500"]})
    names = name_values(values, kinds=KINDS)
    lift = values.with_columns(
        in_set=2, share=0.5, low=0.2, high=0.8, in_controls=0, control_share=0.0, lift=9.0, lift_low=4.0
    )
    steps = values.with_columns(step=pl.lit("value"), bits=pl.lit(3.0), total=pl.Series([3.0, 6.0]))
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("account:a", type="account", label="a")
    for kind, value in values.rows():
        graph.add_node(f"{kind}:{value}", type=kind, label=value)
        graph.add_edge("account:a", f"{kind}:{value}", n=1)
    charts = (draw_lift(lift, names), draw_waterfall(steps, names), draw_graph(graph, find_layout(graph), names=names))
    for chart in charts:
        said = chart.to_json()
        assert "192.0.2.1" not in said
        assert "IP address #1" in said
        assert "64500" in said
    with pytest.raises(UnknownNameError, match="did you mean 'strict'"):
        name_values(values, kinds=KINDS, redaction="strct")


def test_the_network_marks_seeds_and_keeps_kinds_apart() -> None:
    """An account and a device of one name are two nodes; seeds are diamonds with their names."""
    graph: nx.Graph[str] = nx.Graph()
    for account in ("8", "9"):
        graph.add_node(f"account:{account}", type="account", label=account)
        graph.add_edge(f"account:{account}", "device:8", n=2, first_at=START, last_at=START)
    graph.nodes["device:8"].update(type="device", label="8")
    spec = draw_graph(graph, find_layout(graph), roles={"8": "seed"}).to_dict()
    nodes = [row for rows in spec["datasets"].values() for row in rows if "degree" in row]
    assert sorted((row["group"], row["name"]) for row in nodes) == [
        ("device", "device 8"),
        ("member", "9"),
        ("seed", "8"),
    ]
    assert {row["shown"] for row in nodes if row["group"] == "seed"} == {"8"}
    edges = [row for rows in spec["datasets"].values() for row in rows if "why" in row]
    assert {row["why"] for row in edges} == {"seen 2 times, 2026-01-05 00:00 UTC"}


def test_the_picture_holds_the_strongest_ties() -> None:
    """At most four edges an account, no value that ties nobody, crowd kinds only where nothing else is there."""
    kinds = ["device", "card", "email", "ip", "phone", "user_agent"]
    evidence = [
        {"kind": kind, "value": f"{kind}-1", "bits": 9.0 - i, "holders": 3, "window": None, "regime": "pool"}
        for i, kind in enumerate(kinds)
    ]
    lonely = [{"kind": "device", "value": "own", "bits": 20.0, "holders": 1, "window": None, "regime": "pool"}]
    base = {"round": 1, "probability": 0.9, "precision_estimate": 0.9, "included": True, "level": "L3"}
    base |= {"families": ["dev"], "reason": "x"}
    rows = [
        {"account_id": account, **base, "evidence": evidence + (lonely if account == "a" else [])} for account in "abc"
    ]
    schema = {name: column.dtype for name, column in Expansion.columns().items()}
    expansion = conform(pl.DataFrame(rows, schema=schema), Expansion)
    seen = [(a, k, f"{k}-1") for a in "abcz" for k in kinds] + [("a", "device", "own")]
    frame = pl.DataFrame(seen, schema=["account_id", "kind", "value"], orient="row")
    times = pl.lit(None, pl.Datetime("us", "UTC"))
    frame = frame.with_columns(first_at=times, last_at=times, n=pl.lit(1), source=pl.lit("s"))
    drawn = select_for_picture(expansion, conform(frame.sort("account_id", "kind", "value"), Observations))
    assert drawn.group_by("account_id").len().sort("account_id").rows() == [("a", 4), ("b", 4), ("c", 4)]
    assert set(drawn["kind"]) == {"device", "card", "email", "ip"}
    assert "own" not in drawn["value"].to_list()


def test_numbers_with_their_nouns() -> None:
    assert [count_of(n, "account") for n in (0, 1, 2)] == ["0 accounts", "1 account", "2 accounts"]
