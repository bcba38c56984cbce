"""Evidence found elsewhere, as observations: pairs that any detector names, and clusters of earlier cases.

Observations are the one contract of evidence. A detector that finds groups writes a row per account with the group as
value; one that finds pairs (numbers in sequence, acts at the same moment, your own) writes a value that only the two
hold. What it may count is the kind's: pass ``kinds={**data.kinds, **DERIVED_KINDS}``, or your own
:class:`~toolkit.settings.Kind`, to whatever links. Clusters of earlier cases are derived from the same accounts: they
rank, are no reason of their own, and never feed the estimates of :mod:`toolkit.linking.em`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from toolkit.errors import need_columns
from toolkit.model.tables import Observations, conform
from toolkit.settings import Kind

__all__ = ["DERIVED_KINDS", "observe_memberships", "observe_pairs"]

DERIVED_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("sequence", "reg", "unique", 0.4, 1e-4, 5.0, 2, None, nested_in="email_stem", sensitivity=2),
            Kind("synchrony", "behav", "unique", 0.4, 1e-4, 12.0, 2, None),
            Kind("co_membership", "reg", "pool", 0.3, 1e-3, 6.0, 300, None, corroborates=False),
        )
    }
)
"""Settings of what is derived here: priors, as in :mod:`toolkit.settings`."""


def observe_pairs(
    pairs: pl.DataFrame, kind: str, *, min_bits: float | None = None, source: str = "pairs"
) -> pl.DataFrame:
    """Write pairs of accounts as observations, a value a pair.

    Parameters
    ----------
    pairs : polars.DataFrame
        ``account_a``, ``account_b``; ``first_at``, ``last_at`` (UTC) and ``n`` if known; ``bits`` if asked for.
    kind : str
        Of the observations. Give it settings, or its regime is told from its values.
    min_bits : float, optional
        Pairs with less in ``bits`` are not written. How much a pair then counts is the kind's.
    source : str
        Where the rows come from.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``. Order: account_id, kind, value.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> pairs = pl.DataFrame({"account_a": ["a", "a"], "account_b": ["b", "c"], "bits": [9.0, 1.0]})
    >>> observe_pairs(pairs, "synchrony", min_bits=3).select("account_id", "kind", "value").rows()
    [('a', 'synchrony', 'a and b'), ('b', 'synchrony', 'a and b')]
    """
    asked = ("account_a", "account_b") if min_bits is None else ("account_a", "account_b", "bits")
    need_columns(pairs.columns, asked, "pairs")
    strong = pairs if min_bits is None else pairs.filter(pl.col("bits") >= min_bits)
    strong = strong.with_columns(pl.format("{} and {}", "account_a", "account_b").alias("value"))
    both = [strong.rename({side: "account_id"}) for side in ("account_a", "account_b")]
    return _observe(pl.concat(part.select(pl.exclude("account_a", "account_b")) for part in both), kind, source)


def observe_memberships(members: pl.DataFrame, *, source: str) -> pl.DataFrame:
    """Write who stood in one cluster in an earlier case as observations of the kind ``co_membership``.

    Parameters
    ----------
    members : polars.DataFrame
        Contract ``Members``, or any table with ``account_id`` and ``cluster_id``. Only rows of the role *member* count.
    source : str
        The case. It is part of the value: C0001 of one case is not C0001 of another.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``. Order: account_id, kind, value.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> members = pl.DataFrame({"account_id": ["a", "b"], "cluster_id": ["C0001", "C0001"]})
    >>> observe_memberships(members, source="ESC-7").select("account_id", "value").rows()
    [('a', 'ESC-7/C0001'), ('b', 'ESC-7/C0001')]
    """
    need_columns(members.columns, ("account_id", "cluster_id"), "members")
    firm = members.filter(pl.col("role") == "member") if "role" in members.columns else members
    rows = firm.select("account_id", value=pl.format("{}/{}", pl.lit(source), "cluster_id"))
    return _observe(rows, "co_membership", source)


def _observe(rows: pl.DataFrame, kind: str, source: str) -> pl.DataFrame:
    """Fill in what the contract asks for and the rows do not say."""
    unknown = {"first_at": pl.lit(None, pl.Datetime("us", "UTC")), "last_at": pl.lit(None, pl.Datetime("us", "UTC"))}
    missing = {**unknown, "n": pl.lit(1, pl.Int64)}
    table = rows.with_columns(**{name: value for name, value in missing.items() if name not in rows.columns})
    table = table.select(
        "account_id", pl.lit(kind).alias("kind"), "value", "first_at", "last_at", pl.col("n").cast(pl.Int64),
        pl.lit(source).alias("source"),
    )  # fmt: skip
    return conform(table.unique().sort("account_id", "kind", "value"), Observations)
