"""Chooses what a picture of a network can hold: the values that tie a set best, and who holds them."""

from __future__ import annotations

import polars as pl

from toolkit.model.tables import Expansion, Observations, conform

__all__ = ["select_for_picture"]


def select_for_picture(
    expansion: pl.DataFrame, observations: pl.DataFrame, *, max_accounts: int = 120, max_values: int = 40
) -> pl.DataFrame:
    """Keep the observations that a readable picture of an expansion needs.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.
    observations : polars.DataFrame
        Contract ``Observations``.
    max_accounts : int
        Included accounts drawn: seeds first, then by round and probability.
    max_values : int
        Values drawn: those that give the most bits over all included accounts, and that at least two of them hold.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``; every seed is in the picture if it holds one of the values. Order: that of the contract.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> select_for_picture(empty(Expansion), empty(Observations)).height
    0
    """
    inside = conform(expansion, Expansion).filter("included").head(max_accounts)
    values = (
        inside.select("account_id", "evidence")
        .explode("evidence")
        .drop_nulls("evidence")
        .unnest("evidence")
        .group_by("kind", "value")
        .agg(pl.col("bits").sum().round(6), pl.len().alias("accounts"))
        .filter(pl.col("accounts") >= 2)
        .sort(["bits", "kind", "value"], descending=[True, False, False])
        .head(max_values)
    )
    return (
        conform(observations, Observations)
        .join(values.select("kind", "value"), on=["kind", "value"], how="semi", maintain_order="left")
        .join(inside.select("account_id"), on="account_id", how="semi", maintain_order="left")
    )
