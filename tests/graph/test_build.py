"""A network of typed nodes: an account and a device of one name are two things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import networkx as nx
import polars as pl
import pytest

from toolkit.errors import ContractError, InputError
from toolkit.graph.build import build_graph, from_json, to_json
from toolkit.model.tables import EVIDENCE, Observations, conform, empty
from toolkit.model.tables import UTC as UTC_TYPE

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)


def links(*pairs: tuple[str, str, float]) -> pl.DataFrame:
    evidence = [{"kind": "ip", "value": "::1", "bits": 5.0, "holders": 2, "window": None, "regime": "pool"}]
    rows = [
        {
            "account_a": a, "account_b": b, "bits": bits, "probability": 0.9, "q_value": None, "level": "L2",
            "families": ["net"], "evidence": evidence, "innocent_explanation": "none holds",
        }
        for a, b, bits in pairs
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"evidence": EVIDENCE, "q_value": pl.Float64})


def seen(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    said = [
        {
            "account_id": a,
            "kind": k,
            "value": v,
            "first_at": AT,
            "last_at": AT + timedelta(hours=i),
            "n": i + 1,
            "source": s,
        }
        for i, (a, k, v, s) in enumerate(rows)
    ]
    frame = pl.DataFrame(said, schema_overrides={"first_at": UTC_TYPE, "last_at": UTC_TYPE})
    return conform(frame, Observations)


MEMBERS = pl.DataFrame(
    {
        "cluster_id": ["c0", "c1", "c1"], "account_id": ["8", "8", "9"], "role": ["victim", "member", "candidate"],
        "band": ["weak", "confirmed", "weak"], "probability": [0.1, 0.99, 0.4], "persistence": [0.2, 1.0, None],
        "survives_leave_one_out": [None, True, None], "why": ["", "", ""],
    }
)  # fmt: skip


def test_everything_that_is_known_is_on_the_graph() -> None:
    graph = build_graph(
        links(("8", "9", 12.5)), seen(("8", "device", "8", "auth"), ("9", "device", "8", "auth")), MEMBERS
    )
    assert list(graph.nodes) == ["account:8", "account:9", "device:8"]
    assert graph.nodes["account:8"] == {
        "type": "account", "label": "8",
        "cluster_id": "c1", "role": "member", "band": "confirmed", "probability": 0.99, "persistence": 1.0,
    }  # fmt: skip
    assert graph.nodes["device:8"] == {"type": "device", "label": "8"}
    edge = graph.edges["account:8", "account:9"]
    assert (edge["bits"], edge["level"], edge["families"], edge["evidence"][0]["value"]) == (12.5, "L2", ["net"], "::1")
    assert graph.edges["account:9", "device:8"] == {
        "n": 2,
        "first_at": AT,
        "last_at": AT + timedelta(hours=1),
        "source": "auth",
    }


def test_a_value_seen_in_two_sources_is_one_edge() -> None:
    graph = build_graph(observations=seen(("8", "ip", "::1", "web"), ("8", "ip", "::1", "app")))
    assert graph.edges["account:8", "ip:::1"] == {
        "n": 3, "first_at": AT, "last_at": AT + timedelta(hours=1), "source": "app, web",
    }  # fmt: skip


def test_only_the_accounts_asked_for_and_those_without_any_edge() -> None:
    graph = build_graph(
        links(("8", "9", 1.0)), seen(("8", "ip", "x", "a"), ("9", "ip", "y", "a")), MEMBERS, accounts=["8", "seed"]
    )
    assert list(graph.nodes) == ["account:8", "account:seed", "ip:x"]
    assert list(graph.edges) == [("account:8", "ip:x")]


def test_the_order_of_rows_does_not_show() -> None:
    pairs = links(*((f"a{i}", f"b{i % 7}", float(i)) for i in range(30)))
    values = seen(*((f"a{i}", "ip", f"v{i % 5}", "auth") for i in range(30)))
    one, two = build_graph(pairs, values), build_graph(pairs.reverse(), values.sample(fraction=1, shuffle=True, seed=3))
    assert list(one.edges(data=True)) == list(two.edges(data=True))
    assert list(one.nodes) == list(two.nodes)
    assert to_json(one) == to_json(two)


def test_json_there_and_back() -> None:
    graph = build_graph(
        links(("8", "9", 12.5)), seen(("8", "ip", "</script>\u202e", "a"), ("9", "ip", "x", "a")), MEMBERS
    )
    text = to_json(graph)
    back = from_json(text)
    assert nx.utils.graphs_equal(graph, back)
    assert to_json(back) == text
    assert text.isascii()
    for wrong in ("", "[]", '{"nodes": [1], "edges": []}', "[" * 100_000):
        with pytest.raises(InputError, match="to_json"):
            from_json(wrong)


def test_nothing_gives_an_empty_graph_and_wrong_tables_are_refused() -> None:
    assert build_graph().number_of_nodes() == 0
    assert build_graph(observations=empty(Observations)).number_of_edges() == 0
    with pytest.raises(ContractError, match="columns missing"):
        build_graph(links=pl.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="rename the kind"):
        build_graph(observations=seen(("8", "account", "9", "x")))
