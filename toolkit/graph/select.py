"""Chooses what a picture of a network can hold: the values that tie a set best, and who holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import polars as pl

from toolkit.model.tables import Expansion, Observations, conform
from toolkit.settings import KINDS, Kind

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["list_nodes", "select_for_picture"]


def select_for_picture(
    expansion: pl.DataFrame,
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    max_accounts: int = 80,
    max_values: int = 24,
    per_account: int = 4,
) -> pl.DataFrame:
    """Keep the observations that a readable picture of an expansion needs.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Kinds that describe a crowd (a browser version) are drawn only where nothing better ties the set.
    max_accounts : int
        Included accounts drawn: seeds first, then by round and probability.
    max_values : int
        Values drawn: those that give the most bits over all included accounts, and that at least two of them hold.
    per_account : int
        Edges per account: its strongest values among those drawn.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``, in its order. A seed that holds none of the values is not in the picture.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> select_for_picture(empty(Expansion), empty(Observations)).height
    0
    """
    inside = conform(expansion, Expansion).filter("included").head(max_accounts)
    evidence = (
        inside.select("account_id", pl.col("evidence"))
        .explode("evidence")
        .drop_nulls("evidence")
        .unnest("evidence")
        .select("account_id", "kind", "value", "bits")
    )
    telling = [kind.name for kind in kinds.values() if kind.corroborates]
    if evidence.filter(pl.col("kind").is_in(telling)).height:
        evidence = evidence.filter(pl.col("kind").is_in(telling))
    values = (
        evidence.group_by("kind", "value")
        .agg(pl.col("bits").sum().round(6), pl.len().alias("accounts"))
        .filter(pl.col("accounts") >= 2)
        .sort(["bits", "kind", "value"], descending=[True, False, False])
        .head(max_values)
        .select("kind", "value")
    )
    edges = (
        evidence.join(values, on=["kind", "value"], how="semi")
        .sort(["account_id", "bits", "kind", "value"], descending=[False, True, False, False])
        .group_by("account_id", maintain_order=True)
        .head(per_account)
        .filter(pl.len().over("kind", "value") >= 2)  # a value that is left with one account ties nobody
        .select("account_id", "kind", "value")
    )
    return conform(observations, Observations).join(
        edges, on=["account_id", "kind", "value"], how="semi", maintain_order="left"
    )


def list_nodes(graph: nx.Graph[str], nodes: Iterable[str]) -> pl.DataFrame:
    """List some nodes of a network.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it.
    nodes : iterable of str
        Their keys ("account:a", "ip:x"); those that are not in the network are left out.

    Returns
    -------
    polars.DataFrame
        ``type``, ``label``, ``degree`` (Int64: edges in the network). Order: type, label.

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> g.add_node("account:a", type="account", label="a"); g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edge("account:a", "ip:x")
    >>> list_nodes(g, ["ip:x", "account:a", "account:zz"]).rows()
    [('account', 'a', 1), ('ip', 'x', 1)]
    """
    here = [(graph.nodes[node], graph.degree[node]) for node in set(nodes) if node in graph]
    rows = [(str(about["type"]), str(about["label"]), int(degree)) for about, degree in here]
    schema = {"type": pl.String, "label": pl.String, "degree": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("type", "label")
