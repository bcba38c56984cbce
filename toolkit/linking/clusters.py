"""From links to clusters that resist chaining, with a confidence for every member.

Leiden with the constant Potts model (CPM) on the bits above the threshold is correlation clustering: a cluster pays
gamma
bits for every pair inside it that has no evidence, so one shared card does not string two rings together. Members are
banded by how well they hold when evidence is taken away: *persistence* over draws that each drop a fifth of all
values, and *leave one out*, without the one value that ties them best.

Source: Traag, Van Dooren & Nesterov 2011 (CPM), Traag, Waltman & van Eck 2019 (Leiden); the implementation is
graspologic-native's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.errors import visible
from toolkit.linking.combine import combine_bits, family_codes
from toolkit.linking.incidence import BoolArray, FloatArray, IntArray, kind_of, ranges
from toolkit.linking.innocent import READINGS
from toolkit.model.tables import Clusters, Links, Members, conform, empty
from toolkit.settings import KINDS, Kind

__all__ = ["ClusterSettings", "cluster_accounts"]


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The dials of clustering, with their reasons.

    Attributes
    ----------
    min_probability : float
        Links under it do not join anybody.
    min_level : str
        Nor do links under this level: one kind of evidence never makes a cluster.
    gamma : float
        Bits charged per pair without evidence.
    min_size : int
        Smaller groups are links, not clusters.
    seed : int
        Of Leiden and of the value bootstrap.
    draws : int
        Value bootstraps behind ``persistence``.
    dropped : float
        Share of values each draw takes away.
    """

    min_probability: float = 0.5
    min_level: str = "L2"
    gamma: float = 0.3
    min_size: int = 3
    seed: int = 0
    draws: int = 20
    dropped: float = 0.2


@dataclass(frozen=True)
class _Net:
    """The strong links inside clusters, as arrays: accounts by code, evidence rows by link."""

    accounts: list[str]
    a: IntArray
    b: IntArray
    bits: FloatArray
    probability: FloatArray
    floor: float
    cluster: IntArray
    row_link: IntArray
    row_kind: IntArray
    row_value: IntArray
    row_bits: FloatArray
    values: pl.DataFrame
    kinds: tuple[Kind, ...]


def cluster_accounts(
    links: pl.DataFrame,
    observations: pl.DataFrame | None = None,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    settings: ClusterSettings | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Group linked accounts and say how firmly each one belongs.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``.
    observations : polars.DataFrame, optional
        Gives clusters their first and last activity.
    kinds : mapping of str to Kind
        Settings per kind, as used for the links.
    settings : ClusterSettings, optional
        Thresholds, gamma, seed.

    Returns
    -------
    members : polars.DataFrame
        Contract ``Members``. Order: cluster_id, probability descending, account_id.
    clusters : polars.DataFrame
        Contract ``Clusters``, largest first; ids ``C0001``, ... follow that order (then the smallest account id).

    Raises
    ------
    ContractError
        If the frame is not a table of links.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import link_accounts
    >>> rows = [("a", "d", "k"), ("b", "d", "k"), ("c", "d", "k")] + [(f"x{i}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> members, clusters = cluster_accounts(link_accounts(find_observations(frame)))
    >>> members["account_id"].to_list(), clusters["size"].to_list()
    (['a', 'b', 'c'], [3])
    """
    dials = settings or ClusterSettings()
    strong = conform(links, Links).filter(
        (pl.col("probability") >= dials.min_probability) & (pl.col("level") >= dials.min_level)
    )
    if strong.is_empty():
        return empty(Members), empty(Clusters)
    net = _cut(strong, dials, kinds)
    if not (net.cluster >= 0).any():
        return empty(Members), empty(Clusters)
    members = _members(net, dials)
    return members, _cards(net, members, observations)


def _cut(strong: pl.DataFrame, dials: ClusterSettings, kinds: Mapping[str, Kind]) -> _Net:
    """Code the links and cut them into clusters."""
    accounts = pl.concat([strong["account_a"], strong["account_b"]]).unique().sort()
    code = accounts.to_frame("account").with_row_index("code")
    a, b = (
        strong.select(pl.col(side).alias("account"))
        .join(code, on="account", how="left", maintain_order="left")
        .get_column("code")
        .cast(pl.Int64)
        .to_numpy()
        for side in ("account_a", "account_b")
    )
    bits = strong.get_column("bits").to_numpy()
    floor = float(bits.min())
    group = _leiden(a, b, bits - floor + 1.0, len(accounts), dials)
    sizes = np.bincount(group)
    smallest = np.full(len(sizes), len(accounts))
    np.minimum.at(smallest, group, np.arange(len(accounts)))
    order = np.lexsort((smallest, -sizes))
    order = order[sizes[order] >= dials.min_size]
    number = np.full(len(sizes), -1)
    number[order] = np.arange(len(order))
    rows = strong.select(pl.int_range(pl.len()).alias("link"), "evidence").explode("evidence").unnest("evidence")
    values = rows.select("kind", "value").unique().sort("kind", "value")
    coded = rows.join(values.with_row_index("v"), on=["kind", "value"], how="left", maintain_order="left")
    names = values.get_column("kind").unique().sort().to_list()
    kind_code = {name: i for i, name in enumerate(names)}
    return _Net(
        accounts=accounts.to_list(),
        a=a,
        b=b,
        bits=bits,
        probability=strong.get_column("probability").to_numpy(),
        floor=floor,
        cluster=number[group],
        row_link=coded.get_column("link").to_numpy(),
        row_kind=coded.get_column("kind").replace_strict(kind_code, return_dtype=pl.Int64).to_numpy(),
        row_value=coded.get_column("v").cast(pl.Int64).to_numpy(),
        row_bits=coded.get_column("bits").to_numpy(),
        values=values,
        kinds=tuple(kind_of(name, kinds) for name in names),
    )


def _leiden(a: IntArray, b: IntArray, weight: FloatArray, n: int, dials: ClusterSettings) -> IntArray:
    """Cut a graph with Leiden-CPM; returns a group per node."""
    from graspologic_native import leiden_csr
    from scipy.sparse import coo_array

    both = coo_array(
        (np.concatenate((weight, weight)), (np.concatenate((a, b)), np.concatenate((b, a)))), shape=(n, n)
    ).tocsr()
    both.sort_indices()
    _, group = leiden_csr(
        both.indptr.astype(np.int64),
        both.indices.astype(np.int32),
        both.data.astype(np.float64),
        n,
        resolution=dials.gamma,
        iterations=4,
        use_modularity=False,
        seed=dials.seed,
        trials=1,
    )
    return np.array([group[i] for i in range(n)], dtype=np.int64)


def _refit(net: _Net, link: IntArray, rows: IntArray, n_links: int) -> FloatArray:
    """Bits of each link from some evidence rows; ``link`` says which link each of them speaks for."""
    bits: FloatArray = combine_bits(
        net.kinds, link, net.row_kind[rows], net.row_value[rows], net.row_bits[rows], n_links
    ).sum(axis=1)
    return bits


def _persistence(net: _Net, dials: ClusterSettings) -> FloatArray:
    """Share of draws in which each account stays joined to the largest part of its cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(net.accounts)
    inside = np.flatnonzero((net.cluster[net.a] == net.cluster[net.b]) & (net.cluster[net.a] >= 0))
    stays = np.zeros(n)
    key = [f"{kind}\x1f{value}" for kind, value in net.values.iter_rows()]
    for draw in range(dials.draws):
        luck = np.array([_unit(f"{dials.seed}:{draw}:{name}") for name in key])
        left = np.flatnonzero(luck[net.row_value] >= dials.dropped)
        bits = _refit(net, net.row_link[left], left, len(net.a))
        kept = inside[bits[inside] >= net.floor - 1e-9]
        graph = coo_array((np.ones(len(kept)), (net.a[kept], net.b[kept])), shape=(n, n))
        _, part = connected_components(graph, directed=False)
        cell = np.where(net.cluster >= 0, net.cluster, 0) * (part.max() + 1) + part
        size = np.bincount(cell[net.cluster >= 0], minlength=int(cell.max()) + 1)
        largest = np.zeros(int(net.cluster.max()) + 1)
        np.maximum.at(largest, net.cluster[net.cluster >= 0], size[cell[net.cluster >= 0]])
        member = net.cluster >= 0
        stays[member] += (size[cell[member]] == largest[net.cluster[member]]) & (size[cell[member]] > 1)
    return stays / dials.draws


def _unit(text: str) -> float:
    """A number in [0, 1) that depends on nothing but the text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56


def _members(net: _Net, dials: ClusterSettings) -> pl.DataFrame:
    n = len(net.accounts)
    inside = (net.cluster[net.a] == net.cluster[net.b]) & (net.cluster[net.a] >= 0)
    links = np.flatnonzero(inside)
    persistence = _persistence(net, dials)
    # Every link twice, once for each end: its evidence speaks for that account.
    end = np.concatenate((net.a[links], net.b[links]))
    link = np.concatenate((links, links))
    best = np.zeros(n)
    np.maximum.at(best, end, net.probability[link])
    survives = _leave_one_out(net, end, link)
    why = _why(net, end, link)
    in_cluster = np.flatnonzero(net.cluster >= 0)
    kinds_spoken = _reasons_per_account(net, end, link)
    band = [
        "confirmed" if best[i] >= 0.99 and persistence[i] >= 0.9 and kinds_spoken[i] >= 2 and survives[i]
        else "probable" if best[i] >= 0.95 and persistence[i] >= 0.7
        else "possible" if best[i] >= 0.5
        else "weak"
        for i in in_cluster
    ]  # fmt: skip
    table = pl.DataFrame(
        {
            "cluster_id": [f"C{net.cluster[i] + 1:04d}" for i in in_cluster],
            "account_id": [net.accounts[i] for i in in_cluster],
            "band": band,
            "probability": np.round(best[in_cluster], 9),
            "persistence": np.round(persistence[in_cluster], 6),
            "survives_leave_one_out": survives[in_cluster],
            "why": [why[int(i)] for i in in_cluster],
        }
    )
    return conform(table.sort(["cluster_id", "probability", "account_id"], descending=[False, True, False]), Members)


def _leave_one_out(net: _Net, end: IntArray, link: IntArray) -> BoolArray:
    """Whether each account keeps a link in its cluster without the one value that ties it best."""
    n_values = net.values.height
    start = np.searchsorted(net.row_link, np.arange(len(net.a) + 1))
    size = start[link + 1] - start[link]
    row = ranges(start[link], start[link + 1])
    who, half = np.repeat(end, size), np.repeat(np.arange(len(link)), size)
    total = np.bincount(who * n_values + net.row_value[row], weights=net.row_bits[row], minlength=0)
    cells = np.flatnonzero(total)
    order = np.lexsort((cells % n_values, -total[cells], cells // n_values))
    first = np.unique(cells[order] // n_values, return_index=True)
    top = np.full(len(net.accounts), -1, dtype=np.int64)
    top[first[0]] = (cells[order] % n_values)[first[1]]
    others = net.row_value[row] != top[who]
    bits = _refit(net, half[others], row[others], len(link))
    survives = np.zeros(len(net.accounts), dtype=bool)
    np.logical_or.at(survives, end, bits >= net.floor - 1e-9)
    return survives


def _reasons_per_account(net: _Net, end: IntArray, link: IntArray) -> IntArray:
    """Independent families seen anywhere in the account's links."""
    codes = family_codes(net.kinds)
    counts = np.array([k.corroborates for k in net.kinds])[net.row_kind]
    family = codes[net.row_kind]
    has = np.zeros((len(net.a), int(codes.max()) + 1), dtype=bool)
    has[net.row_link[counts], family[counts]] = True
    seen = np.zeros((len(net.accounts), has.shape[1]), dtype=bool)
    np.logical_or.at(seen, end, has[link])
    return np.asarray(seen.sum(axis=1), dtype=np.int64)


def _why(net: _Net, end: IntArray, link: IntArray) -> dict[int, str]:
    """The three values that tie each account best, in words."""
    rows = (
        pl.DataFrame({"link": net.row_link, "v": net.row_value, "bits": net.row_bits})
        .join(pl.DataFrame({"link": link, "who": end}), on="link")
        .group_by("who", "v")
        .agg(pl.col("bits").max().round(1), pl.len().alias("partners"))
        .join(net.values.with_row_index("v").with_columns(pl.col("v").cast(pl.Int64)), on="v")
        .sort(["who", "bits", "partners", "kind", "value"], descending=[False, True, True, False, False])
    )
    said: dict[int, list[str]] = {}
    for who, bits, partners, kind, value in rows.select("who", "bits", "partners", "kind", "value").iter_rows():
        if len(said.setdefault(who, [])) < 3:
            said[who].append(f"{kind} {visible(value, 40)} with {partners} ({bits:.1f} bits)")
    return {who: "; ".join(parts) for who, parts in said.items()}


def _cards(net: _Net, members: pl.DataFrame, observations: pl.DataFrame | None) -> pl.DataFrame:
    """The ring card of each cluster."""
    home = net.cluster
    inside = np.flatnonzero((home[net.a] == home[net.b]) & (home[net.a] >= 0))
    across = np.flatnonzero((home[net.a] != home[net.b]) & (home[net.a] >= 0) & (home[net.b] >= 0))
    spans = _spans(members, observations)
    cards = []
    for c in range(int(home.max()) + 1):
        links = inside[home[net.a[inside]] == c]
        size = int((home == c).sum())
        rows = np.flatnonzero(np.isin(net.row_link, links))
        per_value = np.bincount(net.row_value[rows], weights=net.row_bits[rows], minlength=net.values.height)
        top = int(np.argmax(per_value))
        kind, value = net.values.row(top)
        families = sorted({net.kinds[k].family for k in np.unique(net.row_kind[rows])})
        first, last = spans.get(f"C{c + 1:04d}", (None, None))
        cards.append(
            {
                "cluster_id": f"C{c + 1:04d}",
                "size": size,
                "density": round(len(links) / (size * (size - 1) / 2), 6),
                "median_bits": round(float(np.median(net.bits[links])), 6) if len(links) else 0.0,
                "families": families,
                "top_kind": kind,
                "top_value": value,
                "top_value_share": round(float(per_value[top] / per_value.sum()), 6) if per_value.sum() else 0.0,
                "bridges": int(((home[net.a[across]] == c) | (home[net.b[across]] == c)).sum()),
                "first_at": first,
                "last_at": last,
                "ring_fdr": None,
                "innocent_explanation": _reading(families, float(per_value[top] / max(per_value.sum(), 1e-9)), kind),
            }
        )
    schema = {name: column.dtype for name, column in Clusters.columns().items()}
    return conform(pl.DataFrame(cards, schema=schema), Clusters)


def _spans(members: pl.DataFrame, observations: pl.DataFrame | None) -> dict[str, tuple[object, object]]:
    if observations is None:
        return {}
    seen = (
        observations.join(members.select("account_id", "cluster_id"), on="account_id")
        .group_by("cluster_id")
        .agg(pl.col("first_at").min(), pl.col("last_at").max())
    )
    return {row[0]: (row[1], row[2]) for row in seen.iter_rows()}


def _reading(families: list[str], share: float, kind: str) -> str:
    """The innocent reading of a whole cluster."""
    if set(families) <= {"net", "org", "reg"}:
        return "one organisation or campus: check whether it has a contract or a domain of its own"
    if set(families) <= {"net", "dev", "pay", "reg"} and "text" not in families:
        return (
            "a household or a small company shares machines, cards and a line; nothing here shows what the accounts do"
        )
    if share > 0.5:
        family = KINDS[kind].family if kind in KINDS else kind
        return f"rests mostly on one {kind}: {READINGS.get(family, 'a shared value')}"
    return "would need several shared things by chance at once; check for a common vendor or agency"
