"""Why several accounts write the same: run together, one organisation, one place, or a text that went round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from toolkit.linking.text import find_ties, judge_contagion
from toolkit.settings import KINDS, Kind

__all__ = ["READINGS", "find_crews", "read_families"]

READINGS: Final = (
    "run together",
    "one organisation or promotion",
    "one place",
    "went round",
    "unclear",
    "one account",
)
"""Why several accounts have the same text, the gravest first."""
_MOST: Final = 0.8
"""Share of the holders from which one declared value explains a family."""
_HALF: Final = 0.5
"""Share of the holders that must be tied for a family to be run together."""
_FIFTH: Final = 0.2
"""Share of the smaller family's holders from which two families have one crew: a crew of many templates gives each
account some of them."""
_BOTH: Final = 3
"""Accounts with both from which that share is no accident."""


def read_families(
    families: pl.DataFrame, observations: pl.DataFrame, *, kinds: Mapping[str, Kind] = KINDS
) -> pl.DataFrame:
    """Say of each family why several accounts have it.

    Parameters
    ----------
    families : polars.DataFrame
        From :func:`toolkit.linking.text.find_text_families`.
    observations : polars.DataFrame
        Contract ``Observations``: everything else that is known of the accounts.
    kinds : mapping of str to Kind
        Settings per kind.

    Returns
    -------
    polars.DataFrame
        ``family_id``, ``accounts``, ``spread_h``, ``related`` (share of holders that share something rare with another
        holder), ``related_by_chance``, ``own`` (the same, of values made for one person: a device, a card, a phone),
        ``declared`` (largest share of holders that name one organisation or referral) and ``reading``, one of
        :data:`READINGS`. Order: reading as there, accounts descending, family_id.

        - ``run together``: half of the holders share values made for one person.
        - ``one organisation or promotion``: four in five declare the same one. A ring may do so too: it is a reading,
          no proof.
        - ``one place``: related, but by networks only: an office, a class, a stolen key behind one address.
        - ``went round``: no more related than chance (``viral`` of :func:`toolkit.linking.text.judge_contagion`).

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.text import find_text_families
    >>> families = find_text_families(pl.DataFrame({"account_id": list("abcd"), "text": ["one and the same"] * 4}))
    >>> cards = pl.DataFrame({"account_id": list("abcdefgh"), "card": ["k", "k", "l", "l", "m", "n", "o", "p"]})
    >>> read_families(families, find_observations(cards)).select("accounts", "own", "reading").rows()
    [(4, 1.0, 'run together')]
    """
    said = [kind.name for kind in kinds.values() if kind.declared]
    told = judge_contagion(families, observations, kinds=kinds)
    own = judge_contagion(families, observations.filter(pl.col("kind").is_in(_made_for_one(kinds))), kinds=kinds)
    holders = families.select("family_id", "account_id").unique()
    declared = (
        holders.join(
            observations.filter(pl.col("kind").is_in(said)).select("account_id", "kind", "value").unique(),
            on="account_id",
        )
        .group_by("family_id", "kind", "value")
        .agg(held=pl.len())
        .group_by("family_id")
        .agg(pl.col("held").max())
    )
    several = pl.col("accounts") > 1
    reading = (
        pl.when(~several)
        .then(pl.lit("one account"))
        .when(pl.col("declared") >= _MOST)
        .then(pl.lit("one organisation or promotion"))
        .when((pl.col("verdict") == "ring") & (pl.col("own") >= _HALF))
        .then(pl.lit("run together"))
        .when((pl.col("verdict") == "ring") & (pl.col("own") == 0))
        .then(pl.lit("one place"))
        .when(pl.col("verdict") == "viral")
        .then(pl.lit("went round"))
        .otherwise(pl.lit("unclear"))
    )
    table = (
        told.join(own.select("family_id", own="related"), on="family_id", how="left")
        .join(declared, on="family_id", how="left")
        .with_columns(declared=(pl.col("held").fill_null(0) / pl.col("accounts")).round(6))
        .with_columns(reading=reading)
    )
    columns = ["family_id", "accounts", "spread_h", "related", "related_by_chance", "own", "declared", "reading"]
    rank = pl.col("reading").replace_strict({name: i for i, name in enumerate(READINGS)}, return_dtype=pl.Int64)
    return table.sort(rank, "accounts", "family_id", descending=[False, True, False]).select(columns)


def find_crews(
    readings: pl.DataFrame,
    families: pl.DataFrame,
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    min_accounts: int = 8,
) -> pl.DataFrame:
    """Join families that the same accounts run: who holds several of them together is a crew.

    Parameters
    ----------
    readings, families : polars.DataFrame
        From :func:`read_families` and :func:`toolkit.linking.text.find_text_families`. Only families that are run
        together make a crew.
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind.
    min_accounts : int
        Holders from which a family counts.

    Returns
    -------
    polars.DataFrame
        ``crew`` ("crew 1", ...), ``account_id``, ``families`` (how many of the crew's), ``of`` (how many the crew has),
        ``family_ids`` (the account's), ``tied`` (shares something made for one person with another of the crew: who
        does not may have copied the text, or bought the account), ``uses``, ``first_at``, ``last_at``. Order: crews by
        accounts descending; families descending, account_id.
        Two families belong to one crew where a fifth of the smaller one's holders hold the other, and three at least.

    Examples
    --------
    >>> readings = pl.DataFrame({"family_id": ["f", "g"], "accounts": [3, 3], "reading": "run together"})
    >>> held = {"family_id": list("fffggg"), "account_id": list("abcabc"), "n": 1}
    >>> families = pl.DataFrame(held).with_columns(first_at=None, last_at=None)
    >>> from toolkit.model.tables import Observations, empty
    >>> crews = find_crews(readings, families, empty(Observations), min_accounts=2)
    >>> crews.select("account_id", "families", "of", "tied").row(0)
    ('a', 2, 2, False)
    """
    import networkx as nx

    run = readings.filter((pl.col("reading") == "run together") & (pl.col("accounts") >= min_accounts))
    held = families.join(run.select("family_id", "accounts"), on="family_id").group_by("family_id", "account_id").agg(
        pl.col("accounts").first(), uses=pl.col("n").sum(), first_at=pl.col("first_at").min(),
        last_at=pl.col("last_at").max(),
    )  # fmt: skip
    pairs = held.join(held, on="account_id", suffix="_b").filter(pl.col("family_id") < pl.col("family_id_b"))
    met = pairs.group_by("family_id", "family_id_b").agg(
        both=pl.len(), smaller=pl.min_horizontal("accounts", "accounts_b").first()
    )
    close = met.filter((pl.col("both") >= _BOTH) & (pl.col("both") >= _FIFTH * pl.col("smaller")))
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(run["family_id"].sort().to_list())
    graph.add_edges_from(close.select("family_id", "family_id_b").sort(pl.all()).rows())
    of = {family: min(part) for part in nx.connected_components(graph) for family in part}
    grouped = held.with_columns(root=pl.col("family_id").replace_strict(of, return_dtype=pl.String, default=None))
    table = grouped.with_columns(of=pl.col("family_id").n_unique().over("root").cast(pl.Int64)).group_by(
        "root", "account_id"
    ).agg(
        families=pl.len().cast(pl.Int64), family_ids=pl.col("family_id").sort(), of=pl.col("of").first(),
        uses=pl.col("uses").sum(),
        first_at=pl.col("first_at").min(), last_at=pl.col("last_at").max(),
    )  # fmt: skip
    size = table.group_by("root").agg(size=pl.len()).sort(["size", "root"], descending=[True, False])
    names = size.with_columns(crew=pl.format("crew {}", pl.int_range(1, pl.len() + 1)), place=pl.int_range(pl.len()))
    tied = _tied(table.select("root", "account_id"), observations, kinds)
    columns = ["crew", "account_id", "families", "of", "family_ids", "tied", "uses", "first_at", "last_at"]
    told = table.join(names, on="root").join(tied, on=["root", "account_id"], how="left")
    ordered = told.with_columns(pl.col("tied").fill_null(value=False)).sort(
        ["place", "families", "account_id"], descending=[False, True, False]
    )
    return ordered.select(columns)


def _tied(members: pl.DataFrame, observations: pl.DataFrame, kinds: Mapping[str, Kind]) -> pl.DataFrame:
    ties = find_ties(observations.filter(pl.col("kind").is_in(_made_for_one(kinds))), kinds=kinds)
    met = members.join(ties, on="account_id").join(members.rename({"account_id": "partner"}), on=["root", "partner"])
    return met.select("root", "account_id", tied=True).unique()


def _made_for_one(kinds: Mapping[str, Kind]) -> list[str]:
    return [kind.name for kind in kinds.values() if kind.regime == "unique"]
