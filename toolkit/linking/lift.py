"""What is rare about a set of accounts: each value's share among them against matched controls.

A value that looks suspicious may be common; only the comparison tells. Controls are accounts outside the set that
arrived in the same days, drawn with a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.model.tables import Observations, conform

__all__ = ["find_controls", "find_lift"]

_SCHEMA = {
    "kind": pl.String,
    "value": pl.String,
    "in_set": pl.Int64,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "in_controls": pl.Int64,
    "control_share": pl.Float64,
    "lift": pl.Float64,
    "lift_low": pl.Float64,
}


def find_controls(
    observations: pl.DataFrame, accounts: Sequence[str], *, ratio: int = 5, leave_out: Sequence[str] = (), seed: int = 0
) -> list[str]:
    """Draw accounts outside a set that arrived when its members did.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : sequence of str
        The set.
    ratio : int
        Controls per member.
    leave_out : sequence of str
        Accounts that may not serve as controls (near misses).
    seed : int
        Of the draw.

    Returns
    -------
    list of str
        Sorted; fewer than asked for where there are not enough.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "ip": ["x", "x", "y"]}))
    >>> find_controls(frame, ["a"], ratio=2)
    ['b', 'c']
    """
    barred = sorted({*accounts, *leave_out})
    arrived = (
        conform(observations, Observations)
        .group_by("account_id")
        .agg(pl.col("first_at").min().dt.truncate("3d").alias("wave"))
        .sort("account_id")
    )
    inside = pl.col("account_id").is_in(list(accounts))
    wanted = arrived.filter(inside).group_by("wave").len("members")
    pool = arrived.filter(~pl.col("account_id").is_in(barred))
    luck = np.random.default_rng(seed).random(pool.height)
    drawn = (
        pool.with_columns(pl.Series("luck", luck))
        .join(wanted, on="wave", nulls_equal=True)
        .sort("wave", "luck")
        .with_columns(pl.int_range(pl.len()).over("wave").alias("rank"))
        .filter(pl.col("rank") < pl.col("members") * ratio)
    )
    return sorted(drawn.get_column("account_id").to_list())


def find_lift(
    observations: pl.DataFrame, accounts: Sequence[str], controls: Sequence[str], *, limit: int = 25
) -> pl.DataFrame:
    """Compare how common each value is in a set and among controls.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts, controls : sequence of str
        The set, and whom it is compared with.
    limit : int
        Values returned at most.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``, ``in_set``, ``share`` with its 95 % Jeffreys interval (``low``, ``high``), ``in_controls``,
        ``control_share``, ``lift`` (share over control share, half a control added) and ``lift_low`` (from the
        interval's lower end). Values held by at least two of the set. Order: lift_low descending, kind, value.

    Raises
    ------
    InputError
        If the set or the controls are empty.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "ip": ["x", "x", "y"]}))
    >>> find_lift(frame, ["a", "b"], ["c"]).select("value", "in_set", "in_controls").rows()
    [('x', 2, 0)]
    """
    if not accounts or not controls:
        raise InputError(f"lift compares two groups; found {len(accounts)} accounts and {len(controls)} controls")
    from scipy.stats import beta

    def holders(group: Sequence[str], name: str) -> pl.DataFrame:
        mine = observations.filter(pl.col("account_id").is_in(list(group)))
        return mine.group_by("kind", "value").agg(pl.col("account_id").n_unique().cast(pl.Int64).alias(name))

    both = holders(accounts, "in_set").filter(pl.col("in_set") >= 2)
    both = both.join(holders(controls, "in_controls"), on=["kind", "value"], how="left").with_columns(
        pl.col("in_controls").fill_null(0)
    )
    if both.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    n, m = len(set(accounts)), len(set(controls))
    hits = both.get_column("in_set").to_numpy()
    control = (both.get_column("in_controls").to_numpy() + 0.5) / (m + 1)
    low = beta.ppf(0.025, hits + 0.5, n - hits + 0.5)
    high = np.where(hits == n, 1.0, beta.ppf(0.975, hits + 0.5, n - hits + 0.5))
    return (
        both.with_columns(
            pl.Series("share", np.round(hits / n, 6)),
            pl.Series("low", np.round(low, 6)),
            pl.Series("high", np.round(high, 6)),
            pl.Series("control_share", np.round(both.get_column("in_controls").to_numpy() / m, 6)),
            pl.Series("lift", np.round(hits / n / control, 3)),
            pl.Series("lift_low", np.round(low / control, 3)),
        )
        .sort(["lift_low", "kind", "value"], descending=[True, False, False])
        .head(limit)
        .select(list(_SCHEMA))
    )
