"""From tables to a network that people know how to use: accounts, the values they share, and why.

A node is named by what it is and what it is called (``account:8``, ``device:8``), so that an account and a device of
one name are never one node. Nodes and edges are added in sorted order: what walks over the network comes out the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from toolkit.errors import InputError
from toolkit.model.tables import ROLES, Links, Members, Observations, conform

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["build_graph", "from_json", "to_json"]

_MEMBER: Final = ("cluster_id", "role", "band", "probability", "persistence")
_TIMES: Final = ("first_at", "last_at")


def build_graph(
    links: pl.DataFrame | None = None,
    observations: pl.DataFrame | None = None,
    members: pl.DataFrame | None = None,
    *,
    accounts: Iterable[str] | None = None,
) -> nx.Graph[str]:
    """Build a network of accounts and of the values that they were seen with.

    Parameters
    ----------
    links : polars.DataFrame, optional
        Contract ``Links``: edges between accounts.
    observations : polars.DataFrame, optional
        Contract ``Observations``: edges between an account and a value.
    members : polars.DataFrame, optional
        Contract ``Members``: what is known of an account's cluster. An account without a row has none; of several
        rows the one where it is a member counts, before one where it is a candidate or a victim.
    accounts : iterable of str, optional
        Keep these accounts, and the values seen with them; also those without any edge. Default: all in the tables.

    Returns
    -------
    networkx.Graph
        Nodes ``<type>:<name>``, with ``type`` ("account" or the kind of the value) and ``label`` (the name); accounts
        with a member row also ``cluster_id``, ``role``, ``band``, ``probability``, ``persistence``. Edges between
        accounts carry ``bits``, ``probability``, ``level``, ``families``, ``evidence`` (strongest first); edges to a
        value ``n``, ``first_at``, ``last_at``, ``source`` (several: joined by ", "). Nodes in order of key, edges in
        order of both their ends.

    Raises
    ------
    ContractError
        If a table does not keep its contract.

    Examples
    --------
    >>> seen = {"account_id": ["8", "9"], "kind": ["device", "device"], "value": ["8", "8"]}
    >>> seen |= {"first_at": [None, None], "last_at": [None, None], "n": [2, 1], "source": ["auth", "auth"]}
    >>> graph = build_graph(observations=pl.DataFrame(seen))
    >>> list(graph.nodes), graph.edges["account:8", "device:8"]["n"]
    (['account:8', 'account:9', 'device:8'], 2)
    """
    import networkx as nx

    pairs = conform(links, Links) if links is not None else None
    seen = conform(observations, Observations) if observations is not None else None
    known = conform(members, Members) if members is not None else None
    wanted = sorted(set(accounts)) if accounts is not None else []
    if accounts is not None:
        among = pl.col("account_id").is_in(wanted)
        both = pl.col("account_a").is_in(wanted) & pl.col("account_b").is_in(wanted)
        pairs = pairs.filter(both) if pairs is not None else None
        seen = seen.filter(among) if seen is not None else None
        known = known.filter(among) if known is not None else None

    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[tuple[str, str], dict[str, Any]] = {}
    for account in wanted:
        _account(nodes, account)
    if pairs is not None:
        for row in pairs.sort("account_a", "account_b").iter_rows(named=True):
            ends = (_account(nodes, row["account_a"]), _account(nodes, row["account_b"]))
            edges[ends] = {name: row[name] for name in ("bits", "probability", "level", "families", "evidence")}
    if seen is not None:
        for row in _once(seen).iter_rows(named=True):
            value = f"{row['kind']}:{row['value']}"
            nodes.setdefault(value, {"type": row["kind"], "label": row["value"]})
            about = {name: row[name] for name in ("n", *_TIMES, "source")}
            edges[(_account(nodes, row["account_id"]), value)] = about
    if known is not None:
        for row in known.sort("account_id", pl.col("role").cast(pl.Enum(ROLES)), "cluster_id").iter_rows(named=True):
            key = _account(nodes, row["account_id"])
            if "cluster_id" not in nodes[key]:
                nodes[key] |= {name: row[name] for name in _MEMBER}

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from((key, nodes[key]) for key in sorted(nodes))
    graph.add_edges_from((*ends, edges[ends]) for ends in sorted(edges))
    return graph


def _account(nodes: dict[str, dict[str, Any]], account: str) -> str:
    key = f"account:{account}"
    nodes.setdefault(key, {"type": "account", "label": account})
    return key


def _once(observations: pl.DataFrame) -> pl.DataFrame:
    """One row per account and value, over all sources. A kind called account would be taken for one."""
    clash = observations.filter(pl.col("kind") == "account")
    if clash.height:
        raise InputError(
            f"{clash.height} observations are of kind 'account', which names the accounts here: rename the kind"
        )
    return (
        observations.group_by("account_id", "kind", "value")
        .agg(
            pl.col("n").sum(),
            pl.min("first_at"),
            pl.max("last_at"),
            pl.col("source").unique().sort().str.join(", "),
        )
        .sort("account_id", "kind", "value")
    )


def to_json(graph: nx.Graph[str]) -> str:
    """Write a network as node-link JSON: sorted, so that the same network is the same text. Times are ISO 8601 UTC.

    Parameters
    ----------
    graph : networkx.Graph
        From :func:`build_graph`.

    Returns
    -------
    str
        ``{"nodes": [{"id": ..., ...}], "edges": [{"a": ..., "b": ..., ...}]}``, ASCII only. (The ends are not called
        ``source`` and ``target``, because an edge has a ``source``: the table it was seen in.)

    Examples
    --------
    >>> to_json(build_graph(accounts=["8"]))
    '{"nodes": [{"id": "account:8", "label": "8", "type": "account"}], "edges": []}'
    """
    nodes: list[dict[str, Any]] = [{"id": key, **_in_order(graph.nodes[key])} for key in sorted(graph.nodes)]
    ends = sorted((min(a, b, key=_account_first), max(a, b, key=_account_first)) for a, b in graph.edges)
    edges: list[dict[str, Any]] = [{"a": a, "b": b, **_in_order(graph.edges[a, b])} for a, b in ends]
    return json.dumps({"nodes": nodes, "edges": edges}, default=_iso, allow_nan=False)


def _in_order(about: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(about.items()))


def _account_first(key: str) -> tuple[bool, str]:
    return not key.startswith("account:"), key


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise InputError(f"a network holds {type(value).__name__}, which JSON cannot: use text, numbers and times")


def from_json(text: str) -> nx.Graph[str]:
    """Read a network that :func:`to_json` wrote.

    Parameters
    ----------
    text : str

    Returns
    -------
    networkx.Graph
        Equal to the one that was written, times included.

    Raises
    ------
    InputError
        If the text is not such a network.

    Examples
    --------
    >>> list(from_json(to_json(build_graph(accounts=["8"]))).nodes(data="label"))
    [('account:8', '8')]
    """
    import networkx as nx

    try:
        said = json.loads(text)
        nodes = [(str(n["id"]), {k: v for k, v in n.items() if k != "id"}) for n in said["nodes"]]
        edges = [(str(e["a"]), str(e["b"]), {k: v for k, v in e.items() if k not in ("a", "b")}) for e in said["edges"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("this is not a network that to_json wrote: want {nodes: [{id}], edges: [{a, b}]}") from error
    for *_, about in edges:
        for name in _TIMES:
            if isinstance(about.get(name), str):
                about[name] = datetime.fromisoformat(about[name])
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return graph
