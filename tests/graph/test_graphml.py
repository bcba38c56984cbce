"""GraphML there and back: equal, the same bytes, and nothing in a file is expanded or fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.graph.build import build_graph
from toolkit.graph.graphml import read_graphml, write_graphml
from toolkit.model.tables import EVIDENCE

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
HOSTILE = json.loads((Path(__file__).parents[1] / "report" / "hostile.json").read_text(encoding="utf-8"))

TEXT = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    [
        "007",
        "7",
        "",
        " ",
        "\t\n\r",
        "\\",
        "\\s",
        "\\e",
        "\\u0007",
        "[1]",
        "True",
        "nan",
        AT.isoformat(),
        "\ud800",
        "\x00",
    ]
)
ZONES = st.just(UTC) | st.integers(-1_439, 1_439).map(lambda m: timezone(timedelta(minutes=m)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
VALUES = (
    TEXT | st.integers() | st.floats(allow_nan=False) | st.booleans()
    | st.datetimes() | st.datetimes(timezones=ZONES) | st.lists(JSON, max_size=3)
)  # fmt: skip
ABOUT = st.dictionaries(TEXT.filter(lambda name: not name.endswith("_default")), VALUES, max_size=3)


def there_and_back(graph: nx.Graph[str]) -> nx.Graph[str]:
    with TemporaryDirectory() as folder:
        write_graphml(graph, Path(folder) / "g.graphml")
        nx.read_graphml(Path(folder) / "g.graphml")
        return read_graphml(Path(folder) / "g.graphml")


def types(graph: nx.Graph[str]) -> list[Any]:
    """What equality does not tell: 1, 1.0 and True are equal."""
    return [
        (sorted(about), [type(about[name]) for name in sorted(about)])
        for about in (graph.graph, *(graph.nodes[n] for n in sorted(graph)))
    ]


@given(st.dictionaries(TEXT, ABOUT, max_size=4), ABOUT, st.booleans(), st.data())
@example({"007": {"a": 1}, "7": {"a": "1"}, " 7": {"a": 1.0}, "A": {"a": True}}, {}, False, None)
def test_there_and_back(nodes: dict[str, Any], about: dict[str, Any], directed: bool, data: Any) -> None:
    """Any strings, any types, several types under one name."""
    graph: nx.Graph[str] = nx.DiGraph() if directed else nx.Graph()
    graph.graph |= about
    graph.add_nodes_from(nodes.items())
    for _ in range(min(3, len(nodes)) if data is not None else 0):
        a, b = (data.draw(st.sampled_from(sorted(nodes))) for _ in "ab")
        graph.add_edges_from([(a, b, data.draw(ABOUT))])
    back = there_and_back(graph)
    assert type(back) is type(graph)
    assert nx.utils.graphs_equal(graph, back)
    assert types(graph) == types(back)


def full_graph() -> nx.Graph[str]:
    evidence = [{"kind": "ip", "value": "::1", "bits": 5.0, "holders": 2, "window": None, "regime": "pool"}]
    links = pl.DataFrame(
        {
            "account_a": ["007"], "account_b": ["7"], "bits": [5.5], "probability": [0.9], "q_value": [None],
            "level": ["L2"], "families": [["net"]], "evidence": pl.Series([evidence], dtype=EVIDENCE),
            "innocent_explanation": [""],
        },
        schema_overrides={"q_value": pl.Float64},
    )  # fmt: skip
    seen = pl.DataFrame(
        {
            "account_id": ["007"] * len(HOSTILE), "kind": ["url"] * len(HOSTILE), "value": HOSTILE,
            "first_at": AT, "last_at": AT, "n": 1, "source": "web",
        }
    )  # fmt: skip
    return build_graph(links, seen.with_columns(pl.col("first_at", "last_at").cast(pl.Datetime("us", "UTC"))))


def test_our_own_network(tmp_path: Path) -> None:
    """Evidence, families, times and hostile values; other programs see the same nodes and readable attributes."""
    graph = full_graph()
    write_graphml(graph, tmp_path / "one.graphml")
    assert nx.utils.graphs_equal(read_graphml(tmp_path / "one.graphml"), graph)
    theirs = nx.read_graphml(tmp_path / "one.graphml")
    assert (theirs.number_of_nodes(), theirs.number_of_edges()) == (graph.number_of_nodes(), graph.number_of_edges())
    edge = theirs.edges["account:007", "account:7"]
    assert (edge["bits"], json.loads(edge["families"])) == (5.5, ["net"])
    assert "q_value" not in edge
    mixed: nx.Graph[str] = nx.Graph()
    mixed.add_edges_from((b, a, d) for a, b, d in reversed(list(graph.edges(data=True))))
    mixed.add_nodes_from(reversed(list(graph.nodes(data=True))))
    write_graphml(mixed, tmp_path / "two.graphml")
    assert (tmp_path / "one.graphml").read_bytes() == (tmp_path / "two.graphml").read_bytes()


def test_what_is_missing_is_left_out() -> None:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("a", gone=None, kept=0)
    assert there_and_back(graph).nodes["a"] == {"kept": 0}


def test_nothing_is_a_network_too(tmp_path: Path) -> None:
    assert there_and_back(nx.Graph()).number_of_nodes() == 0
    write_graphml(full_graph(), str(tmp_path / "g.graphml"))
    with pytest.raises(InputError, match="columns missing"):
        write_graphml(pl.DataFrame({"a": [1]}), tmp_path / "g.graphml")


def _graph(key: object = "a", **about: object) -> nx.Graph[Any]:
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_node(key, **about)
    return graph


REFUSED: dict[str, Callable[[], nx.Graph[Any]]] = {
    "node 7 is no string": lambda: _graph(7),
    "x of node a is tuple": lambda: _graph(x=(1,)),
    "x of node a is set": lambda: _graph(x={1}),
    "x of node a is list": lambda: _graph(x=[(1,)]),
    "x of node a is list, which": lambda: _graph(x=[float("inf")]),
    "attribute 1 of node a is no string": lambda: _named_by(1),
    "parallel edges": nx.MultiGraph,
    "keeps node_default": lambda: nx.Graph(node_default={}),
}


def _named_by(name: object) -> nx.Graph[Any]:
    graph = _graph()
    graph.nodes["a"][name] = "x"  # type: ignore[index] # what is tried
    return graph


@pytest.mark.parametrize("said", REFUSED)
def test_what_would_not_come_back_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        write_graphml(REFUSED[said](), tmp_path / "g.graphml")
    assert not (tmp_path / "g.graphml").exists()


HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
BAD = {
    "a bomb": (f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>{HEAD}<graph><node id="&l9;"/></graph></graphml>', "DOCTYPE"),
    "a file": (f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>{HEAD}<graph/></graphml>', "DOCTYPE"),
    "an address": (f'<!DOCTYPE x SYSTEM "https://evil.invalid/x.dtd">{HEAD}<graph/></graphml>', "DOCTYPE"),
    "a well": ("<a>" * 100_000, "nests deeper"),
    "no XML": ("nodes", "is not XML"),
    "nothing": ("", "is not XML"),
    "another XML": ("<a/>", "is not GraphML"),
    "a key that is not there": (
        f'{HEAD}<graph><node id="a"><data key="d0">1</data></node></graph></graphml>',
        "no key",
    ),
    "a word for a number": (
        f'{HEAD}<key id="d" for="node" attr.name="n" attr.type="int"/><graph><node id="a"><data key="d">x</data></node>'
        "</graph></graphml>",
        "is not GraphML",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_refused(what: str, tmp_path: Path) -> None:
    text, said = BAD[what]
    (tmp_path / "g.graphml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_graphml(tmp_path / "g.graphml")


def test_another_program_s_file_is_read_as_it_is(tmp_path: Path) -> None:
    """Backslashes and brackets mean nothing there."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edge("007", "C:\\new", label="[1]", at="2026-01-05T10:00:00")
    nx.write_graphml_xml(graph, tmp_path / "g.graphml")
    assert nx.utils.graphs_equal(read_graphml(tmp_path / "g.graphml"), graph)
