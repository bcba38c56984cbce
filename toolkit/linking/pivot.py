"""From accounts to the values they hold, from values to whoever holds them, and on: the two steps of every pivot.

Each step says what a reader needs to judge it: how rare a value is, how much more common it is among the accounts asked
about than among everybody else, and whether those others who hold it share anything more with them.

Sources: rarity as surprisal (Shannon 1948); lift against everybody else, with half a holder added, as for proportions
near zero (Agresti 2013, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError
from toolkit.model.tables import Observations, conform

__all__ = ["find_holders", "find_values", "keep_rows"]

_PAIR: Final = {"kind": pl.String, "value": pl.String}
_WIDEST: Final = 1_000
"""Holders of a value of whom it is asked what else they share: of more, nobody asks."""


def find_values(
    observations: pl.DataFrame,
    accounts: Iterable[str],
    *,
    kinds: Sequence[str] | None = None,
    hidden: Iterable[tuple[str, str]] = (),
    min_held: int = 1,
) -> pl.DataFrame:
    """Find what some accounts hold, and how telling it is.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : iterable of str
        Whose values. Accounts that are not in the observations hold nothing.
    kinds : sequence of str, optional
        Kinds to look at; by default all.
    hidden : iterable of (kind, value)
        Values to leave out.
    min_held : int
        Accounts of those asked about that must hold a value.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``; ``held``: of these accounts; ``holders``: of all; ``share`` of these accounts; ``bits``:
        binary logarithm of all accounts over holders; ``lift`` over everybody else; ``others``: holders besides these;
        ``others_tied``: of them, those who share another value with these accounts (null where there are more than
        1,000). Order: held descending, bits descending, kind, value.

    Raises
    ------
    InputError
        If ``min_held`` is not positive.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": list("abcd"), "device": ["x", "x", "x", "y"], "card": ["1", "1", "2", "2"]})
    >>> found = find_values(find_observations(frame), ["a", "b"])
    >>> found.select("kind", "value", "held", "holders", "others_tied").rows()
    [('card', '1', 2, 2, 0), ('device', 'x', 2, 3, 0)]
    """
    if min_held < 1:
        raise InputError(f"min_held is {min_held}; want 1 or more")
    seen = _pairs(observations)
    asked = sorted(set(accounts))
    everybody = seen["account_id"].n_unique()
    mine = seen.filter(pl.col("account_id").is_in(asked))
    if kinds is not None:
        mine = mine.filter(pl.col("kind").is_in(list(kinds)))
    left_out = pl.DataFrame(sorted(set(hidden)), schema=_PAIR, orient="row")
    held = mine.join(left_out, on=["kind", "value"], how="anti").group_by("kind", "value").agg(pl.len().alias("held"))
    held = held.filter(pl.col("held") >= min_held)
    holders = seen.join(held, on=["kind", "value"], how="semi").group_by("kind", "value").agg(pl.len().alias("holders"))
    n, rest = max(mine["account_id"].n_unique(), 1), max(everybody - len(asked), 0)
    others = pl.col("holders") - pl.col("held")
    table = held.join(holders, on=["kind", "value"]).with_columns(
        (pl.col("held") / n).round(6).alias("share"),
        (everybody / pl.col("holders")).log(2).round(6).alias("bits"),
        ((pl.col("held") / n) / ((others + 0.5) / (rest + 1))).round(6).alias("lift"),
        others.alias("others"),
    )
    tied = _tied(seen, asked, table)
    told = table.join(tied, on=["kind", "value"], how="left").with_columns(
        pl.when(pl.col("others") <= _WIDEST).then(pl.col("others_tied").fill_null(0)).alias("others_tied")
    )
    columns = ["kind", "value", "held", "holders", "share", "bits", "lift", "others", "others_tied"]
    counts = pl.col("held", "holders", "others", "others_tied").cast(pl.Int64)
    return told.select(columns).with_columns(counts).sort(
        ["held", "bits", "kind", "value"], descending=[True, True, False, False]
    )  # fmt: skip


def find_holders(observations: pl.DataFrame, values: Iterable[tuple[str, str]], *, min_values: int = 1) -> pl.DataFrame:
    """Find who holds some values.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    values : iterable of (kind, value)
        What to look for.
    min_values : int
        Of them an account must hold so many.

    Returns
    -------
    polars.DataFrame
        ``account_id``; ``held``: how many of the values; ``kinds`` (sorted); ``bits``: the rarest value of each kind,
        added up; ``first_at``, ``last_at``: when it was seen with any of them. Order: held descending, bits descending,
        account_id.

    Raises
    ------
    InputError
        If ``min_values`` is not positive.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": list("abcd"), "device": ["x", "x", "x", "y"], "card": ["1", "1", "2", "2"]})
    >>> find_holders(find_observations(frame), [("device", "x"), ("card", "1")]).select("account_id", "held").rows()
    [('a', 2), ('b', 2), ('c', 1)]
    """
    if min_values < 1:
        raise InputError(f"min_values is {min_values}; want 1 or more")
    wanted = pl.DataFrame(sorted(set(values)), schema=_PAIR, orient="row")
    seen = conform(observations, Observations)
    everybody = max(seen["account_id"].n_unique(), 1)
    near = seen.join(wanted, on=["kind", "value"], how="semi")
    once = near.group_by("account_id", "kind", "value").agg(pl.min("first_at"), pl.max("last_at"))
    rare = (everybody / pl.len().over("kind", "value")).log(2).alias("bits")
    by_kind = once.with_columns(rare).group_by("account_id", "kind").agg(
        pl.len().alias("held"), pl.max("bits"), pl.min("first_at"), pl.max("last_at")
    )  # fmt: skip
    found = by_kind.sort("account_id", "kind").group_by("account_id", maintain_order=True).agg(
        pl.sum("held").cast(pl.Int64), pl.col("kind").alias("kinds"), pl.sum("bits").round(6), pl.min("first_at"),
        pl.max("last_at"),
    )  # fmt: skip
    return found.filter(pl.col("held") >= min_values).sort(
        ["held", "bits", "account_id"], descending=[True, True, False]
    )


def keep_rows(rows: pl.DataFrame, keys: Iterable[Any]) -> pl.DataFrame:
    """Keep some rows of a pivot.

    Parameters
    ----------
    rows : polars.DataFrame
        From :func:`find_values` or :func:`find_holders`.
    keys : iterable of (kind, value), or of str
        Values, or account ids; those that are not there keep nothing.

    Returns
    -------
    polars.DataFrame
        These rows, in their order.

    Raises
    ------
    InputError
        If the rows are neither values nor accounts.

    Examples
    --------
    >>> keep_rows(pl.DataFrame({"account_id": ["a", "b"], "held": [2, 1]}), ["b"]).rows()
    [('b', 1)]
    """
    on = ["kind", "value"] if "value" in rows.columns else ["account_id"]
    if not set(on) <= set(rows.columns):
        raise InputError(f"these rows are of neither values nor accounts: they have {', '.join(rows.columns)}")
    wanted = [key if len(on) > 1 else (key,) for key in sorted(set(keys))]
    table = pl.DataFrame(wanted, schema=dict.fromkeys(on, pl.String), orient="row")
    return rows.join(table, on=on, how="semi", maintain_order="left")


def _pairs(observations: pl.DataFrame) -> pl.DataFrame:
    """Who holds what, once each."""
    return conform(observations, Observations).select("account_id", "kind", "value").unique()


def _tied(seen: pl.DataFrame, asked: list[str], table: pl.DataFrame) -> pl.DataFrame:
    """Of the other holders of each value, those who share something else with the accounts asked about."""
    near = table.filter(pl.col("others").is_between(1, _WIDEST)).select("kind", "value")
    among = pl.col("account_id").is_in(asked)
    outside = seen.join(near, on=["kind", "value"], how="semi").filter(~among)
    mine = seen.filter(among).select("kind", "value").unique()
    shared = seen.join(outside.select("account_id").unique(), on="account_id", how="semi")
    common = shared.join(mine, on=["kind", "value"], how="semi").group_by("account_id").agg(pl.len().alias("common"))
    # Every other holder shares the value itself; who shares two shares something else.
    more = outside.join(common.filter(pl.col("common") >= 2), on="account_id", how="semi")
    return more.group_by("kind", "value").agg(pl.len().alias("others_tied"))
