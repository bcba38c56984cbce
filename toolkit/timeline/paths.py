"""Paths: what accounts do first, next and after that, and which beginnings are more usual among some than others.

Repeats of one verb are one step, so that forty requests in a row do not hide what came next. Each account's first steps
are its path; paths are counted, and for every one of them it is said how much more usual it is among the accounts in
question than among the rest. What stands out here is what :mod:`toolkit.timeline.sequence` is then asked for.

Source: variants of process mining (van der Aalst 2016); the interval of a rate is Jeffreys'.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.timeline.build import put_in_order
from toolkit.timeline.coded import code_accounts, order_by_account

__all__ = ["find_paths"]


def find_paths(
    events: pl.DataFrame,
    *,
    among: Iterable[str] | None = None,
    by: str = "account_id",
    depth: int = 8,
    min_accounts: int = 2,
) -> pl.DataFrame:
    """Count the paths that accounts begin with, shorter beginnings included.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order.
    among : iterable of str, optional
        The accounts in question; without them every account is one of them, and there is no lift.
    by : str
        Whose path.
    depth : int
        Steps at most; a path of three steps is counted at one, two and three.
    min_accounts : int
        Accounts in question that begin so, at least.

    Returns
    -------
    polars.DataFrame
        ``path`` (verbs), ``steps``, ``accounts`` and ``others`` that begin so, ``share`` and ``share_others``, ``lift``
        (binary logarithm of their ratio, half an account added to each side; null without others), ``low`` and ``high``
        (95 % of ``share``, Jeffreys' interval), ``example``: the first account that does, by id. Order: lift (or
        accounts) descending, accounts descending, steps, path.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InputError
        If a number is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> verbs = ["signup", "key_create", "api_call", "api_call"] * 2 + ["signup", "chat"] * 3
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in range(14)]
    >>> rows = {"event_at": at, "account_id": list("aaaabbbbccddee"), "event": verbs, "source": "app", "seq": 0}
    >>> rows |= {"event_id": [str(i) for i in range(14)], "raw_ref": ""}
    >>> found = find_paths(pl.DataFrame(rows), among=["a", "b"])
    >>> found.select("path", "accounts", "others").rows()[0]
    (['signup', 'key_create'], 2, 0)
    """
    asked_for = (("depth", depth), ("min_accounts", min_accounts))
    faults = [f"{name} is {number}; want 1 or more" for name, number in asked_for if number < 1]
    if faults:
        raise InputError("; ".join(faults))
    ordered = put_in_order(events)
    grouped = order_by_account(ordered, by)
    verbs, code = code_accounts(ordered["event"])
    code, account = code[grouped.row], grouped.code
    new = np.ones(len(code), dtype=bool)
    new[1:] = (code[1:] != code[:-1]) | (account[1:] != account[:-1])
    steps = pl.DataFrame({"account": account[new], "verb": verbs.gather(code[new])})
    first = steps.group_by("account", maintain_order=True).agg(pl.col("verb").head(depth))
    whole = grouped.names.to_frame("name").with_row_index("account").with_columns(pl.col("account").cast(pl.Int64))
    asked = None if among is None else sorted(set(among))
    told = first.join(whole, on="account").with_columns(
        ours=pl.lit(value=True) if asked is None else pl.col("name").is_in(asked)
    )
    n, m = int(told["ours"].sum()), int((~told["ours"]).sum())
    beginnings = pl.concat(
        [
            told.filter(pl.col("verb").list.len() >= k).select("name", "ours", path=pl.col("verb").list.head(k))
            for k in range(1, depth + 1)
        ]
    )
    counted = (
        beginnings.group_by("path")
        .agg(
            pl.col("ours").sum().cast(pl.Int64).alias("accounts"),
            (~pl.col("ours")).sum().cast(pl.Int64).alias("others"),
            pl.col("name").filter("ours").min().alias("example"),
        )
        .filter(pl.col("accounts") >= min_accounts)
    )
    return _weigh(counted, n, m)


def _weigh(counted: pl.DataFrame, n: int, m: int) -> pl.DataFrame:
    """Shares, lift and the interval, the most telling first."""
    from scipy.stats import beta

    k = counted["accounts"].to_numpy()
    rate, rest = (pl.col("accounts") + 0.5) / (n + 1), (pl.col("others") + 0.5) / (m + 1)
    table = counted.with_columns(
        steps=pl.col("path").list.len().cast(pl.Int64),
        share=(pl.col("accounts") / max(n, 1)).round(6),
        share_others=(pl.col("others") / m).round(6) if m else pl.lit(None, dtype=pl.Float64),
        lift=(rate / rest).log(2).round(6) if m else pl.lit(None, dtype=pl.Float64),
        low=pl.Series(np.round(np.where(k > 0, beta.ppf(0.025, k + 0.5, n - k + 0.5), 0.0), 6)),
        high=pl.Series(np.round(np.where(k < n, beta.ppf(0.975, k + 0.5, n - k + 0.5), 1.0), 6)),
    )
    wanted = ["path", "steps", "accounts", "others", "share", "share_others", "lift", "low", "high", "example"]
    order = [pl.col("lift").fill_null(0.0), pl.col("accounts"), pl.col("steps"), pl.col("path").list.join("\x00")]
    return table.sort(order, descending=[True, True, False, False]).select(wanted)
