"""Everybody at once: links, clusters and hubs of one set of observations, in one pass over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from toolkit.linking.clusters import ClusterSettings, cluster_index
from toolkit.linking.em import expected_partners
from toolkit.linking.hubs import hubs_table
from toolkit.linking.incidence import build_incidence
from toolkit.linking.regimes import describe_inferred
from toolkit.linking.score import corroborate, links_table, propose, weigh
from toolkit.settings import KINDS, MAX_PAIRS, Kind

__all__ = ["Network", "build_network"]


@dataclass(frozen=True)
class Network:
    """Tables of one linking: contracts ``Links``, ``Members``, ``Clusters``, ``Hubs``; and notes for the reader."""

    links: pl.DataFrame
    members: pl.DataFrame
    clusters: pl.DataFrame
    hubs: pl.DataFrame
    notes: list[str]


def build_network(
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    settings: ClusterSettings | None = None,
    min_probability: float = 0.01,
    progress: Callable[[str], None] | None = None,
) -> Network:
    """Link and cluster all accounts, against one null drawn from the data.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind; a kind that is not in it is told from its values, and ``notes`` says so.
    settings : ClusterSettings, optional
    min_probability : float
        Links below it are not returned.
    progress : callable, optional
        Called with a line of text before each long step.

    Returns
    -------
    Network

    Raises
    ------
    ContractError, InputError
        If the frame is not a table of observations, or empty.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [(name, "d", "k") for name in "abcd"] + [(f"x{i}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> network = build_network(find_observations(frame))
    >>> network.links.height, network.clusters["size"].to_list()
    (6, [4])
    """
    dials = settings or ClusterSettings()
    say = progress or (lambda _: None)
    index = build_incidence(observations, kinds)
    a, b, used = propose(index, MAX_PAIRS)
    say(f"{len(a):,} pairs of accounts to weigh")
    plain = weigh(index, a, b)
    chance = dials.chance(index) if dials.chance_draws else None
    say("weighed; clustering, and shuffled data beside")
    shared, trust = corroborate(index, plain)
    partners, prior = expected_partners(index, plain, used)
    members, clusters = cluster_index(index, plain, chance, dials)
    by_chance = chance().bits if chance else []
    links = links_table(index, shared, by_chance, min_probability=min_probability, partners=partners)
    return Network(links, members, clusters, hubs_table(index, used, trust), [prior, *describe_inferred(index)])
