r"""A network as GraphML, for Gephi, yEd, Cytoscape and networkx, that comes back equal.

GraphML knows numbers, truth values and text. Times stand in it as ISO 8601, lists as JSON, so that other programs show
something readable; what is missing is left out. XML cannot hold control characters, so they are written ``\u0007``, and
a backslash as two. Text that would be taken for a time or a list begins with ``\s``, empty text is ``\e``. A mark on
the graph tells these files from others', which are read as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.graph.build import build_graph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["read_graphml", "write_graphml"]

_MARK: Final = "toolkit_graphml"
_VERSION: Final = "1"
_DEPTH: Final = 64
"""GraphML nests graph, node, data; whatever goes deeper wants to exhaust its reader."""
_HIDDEN: Final = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SHOWN: Final = re.compile(r"\\(?:u([0-9a-f]{4})|(.?))", re.DOTALL)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?([+-]\d\d:\d\d(:\d\d(\.\d{6})?)?)?"
)  # as datetime.isoformat writes it
_RESERVED: Final = ("node_default", "edge_default", _MARK)


def write_graphml(graph: nx.Graph[str] | pl.DataFrame, path: str | Path) -> None:
    """Write a network as GraphML: sorted, so that the same network is the same bytes.

    Parameters
    ----------
    graph : networkx.Graph or polars.DataFrame
        Nodes are strings; attributes are str, int, float, bool, datetime, None (left out) or lists of JSON values. A
        frame is links (contract ``Links``), of which the network is built.
    path : str or path

    Raises
    ------
    InputError
        If the network has parallel edges, a node or the name of an attribute is no string, or an attribute is of
        another type; the first is named.

    Examples
    --------
    >>> import tempfile
    >>> from toolkit.graph.build import build_graph
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_graphml(build_graph(accounts=["007"]), Path(folder) / "graph.graphml")
    ...     list(read_graphml(Path(folder) / "graph.graphml").nodes(data="label"))
    [('account:007', '007')]
    """
    import networkx as nx

    network = build_graph(graph) if isinstance(graph, pl.DataFrame) else graph
    if network.is_multigraph():
        raise InputError("a network with parallel edges does not come back equal: give a Graph or a DiGraph")
    clash = sorted(name for name in _RESERVED if name in network.graph)
    if clash:
        raise InputError(f"GraphML keeps {', '.join(clash)} for itself: rename these attributes of the graph")
    written: nx.Graph[str] = nx.DiGraph() if network.is_directed() else nx.Graph()
    written.graph |= {_MARK: _VERSION, **_encode(network.graph, "the graph")}
    for key in sorted(network.nodes, key=_as_node):
        written.add_node(_hide(key), **_encode(network.nodes[key], f"node {visible(key)}"))
    ends = network.edges if network.is_directed() else (sorted(pair) for pair in network.edges)
    for a, b in sorted((a, b) for a, b in ends):
        written.add_edge(_hide(a), _hide(b), **_encode(network.edges[a, b], f"edge {visible(a)} - {visible(b)}"))
    buffer = BytesIO()
    nx.write_graphml_xml(written, buffer, prettyprint=True)
    Path(path).write_bytes(buffer.getvalue())


def read_graphml(path: str | Path) -> nx.Graph[str]:
    """Read a network from GraphML.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    networkx.Graph
        Equal to what :func:`write_graphml` was given, but for attributes that were None. Another program's file as
        networkx reads it, with every node a string.

    Raises
    ------
    InputError
        If the file cannot be read, is no GraphML, or declares a document type: what that may hold (entities that
        multiply, files to be fetched) is never needed here.

    Examples
    --------
    >>> read_graphml("no.graphml")
    Traceback (most recent call last):
    toolkit.errors.InputError: no file no.graphml: give a GraphML file
    """
    import networkx as nx

    where = Path(path)
    name = visible(where.name)
    try:
        raw = where.read_bytes()
    except OSError:
        raise InputError(f"no file {name}: give a GraphML file") from None
    _refuse_bombs(raw, name)
    try:
        read: nx.Graph[str] = nx.read_graphml(BytesIO(raw), node_type=str)
        ours = read.graph.get(_MARK) == _VERSION
        if ours:
            nodes = [(_show(key), _decode(about)) for key, about in read.nodes(data=True)]
            edges = [(_show(a), _show(b), _decode(about)) for a, b, about in read.edges(data=True)]
            about_all = _decode(read.graph)
    except (nx.NetworkXException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = visible(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
        raise InputError(f"{name} is not GraphML that can be read: {said}") from None
    if not ours:
        for word in ("node_default", "edge_default"):
            read.graph.pop(word, None)
        return read
    network: nx.Graph[str] = nx.DiGraph() if read.is_directed() else nx.Graph()
    network.graph |= {key: value for key, value in about_all.items() if key not in _RESERVED}
    network.add_nodes_from(nodes)
    network.add_edges_from(edges)
    return network


def _refuse_bombs(raw: bytes, name: str) -> None:
    depth = 0

    def start(_tag: str, _about: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise InputError(f"{name} nests deeper than {_DEPTH} elements, which no GraphML does")

    def end(_tag: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_about: object) -> None:
        raise InputError(f"{name} declares a document type, which GraphML does not need: write it without DOCTYPE")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise InputError(f"{name} is not XML: {error}; give a GraphML file") from None


def _as_node(key: object) -> str:
    if not isinstance(key, str):
        raise InputError(
            f"node {visible(repr(key))} is no string, and GraphML would make one of it: name nodes by strings"
        )
    return key


def _encode(about: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {
        _hide(_as_name(name, where)): _write(about[name], f"{visible(name)} of {where}")
        for name in sorted(about, key=lambda name: _as_name(name, where))
        if about[name] is not None
    }


def _as_name(name: object, where: str) -> str:
    if not isinstance(name, str):
        raise InputError(f"attribute {visible(repr(name))} of {where} is no string: name attributes by strings")
    return name


def _write(value: object, where: str) -> object:
    if isinstance(value, str):
        looks_like_another = value.startswith("[") or _TIME.fullmatch(value)
        return f"\\s{_hide(value)}" if looks_like_another else _hide(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list) and _is_json(value):
        return json.dumps(value, sort_keys=True, allow_nan=False)
    raise InputError(
        f"{where} is {type(value).__name__}, which GraphML cannot bring back: give str, int, float, bool, datetime,"
        " or a list of JSON values"
    )


def _is_json(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor "not a number", which JSON does not know
    return value is None or isinstance(value, str | bool | int)


def _decode(about: Mapping[str, Any]) -> dict[str, Any]:
    return {_show(name): _read(value) if isinstance(value, str) else value for name, value in about.items()}


def _read(text: str) -> object:
    if text.startswith("\\s"):
        return _show(text[2:])
    if text.startswith("["):
        return json.loads(text)
    return datetime.fromisoformat(text) if _TIME.fullmatch(text) else _show(text)


def _hide(text: str) -> str:
    return _HIDDEN.sub(lambda m: "\\\\" if m[0] == "\\" else f"\\u{ord(m[0]):04x}", text) or "\\e"


def _show(text: str) -> str:
    return _SHOWN.sub(_one, text)


def _one(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in ("\\", "e"):
        raise ValueError(f"a backslash before {visible(match[2])!r}")
    return "" if match[2] == "e" else "\\"
