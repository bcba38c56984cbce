"""Which keys somebody else uses, who may be behind it, what it cost, and how the organisations hang together."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from toolkit.errors import need_columns
from toolkit.linking.pivot import find_holders
from toolkit.model.tables import Observations, conform
from toolkit.sources.time import normalise_times

__all__ = ["find_behind", "mark_calls", "match_changes", "measure_theft", "profile_keys", "tie_orgs"]


def mark_calls(calls: pl.DataFrame, overlaps: pl.DataFrame) -> pl.DataFrame:
    """Say of each call whether it came from infrastructure that unrelated organisations share.

    Parameters
    ----------
    calls, overlaps : polars.DataFrame
        From :func:`toolkit.report.keys.take_calls` and :func:`toolkit.report.keys.find_overlaps`.

    Returns
    -------
    polars.DataFrame
        ``calls`` with ``foreign`` and ``place`` (the same in words), in their order.

    Examples
    --------
    >>> calls = pl.DataFrame({"api_key": ["k", "k"], "ip": ["x", None]})
    >>> shared = pl.DataFrame({"kind": ["ip"], "value": ["x"], "followed": [True]})
    >>> mark_calls(calls, shared)["place"].to_list()
    ['shared servers', 'elsewhere']
    """
    followed = overlaps.filter(pl.col("followed") & (pl.col("kind") == "ip"))["value"].to_list()
    foreign = pl.col("ip").is_in(followed).fill_null(value=False)
    words = pl.when("foreign").then(pl.lit("shared servers")).otherwise(pl.lit("elsewhere"))
    return calls.with_columns(foreign=foreign).with_columns(place=words)


def profile_keys(
    calls: pl.DataFrame,
    infrastructure: pl.DataFrame,
    probes: pl.DataFrame,
    *,
    keys: Sequence[str],
    register: pl.DataFrame | None = None,
    baseline_days: int = 30,
) -> pl.DataFrame:
    """Profile keys: their use before and after foreign infrastructure, what speaks for theft, and the verdict.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`mark_calls`.
    infrastructure, probes : polars.DataFrame
        From :func:`toolkit.report.keys.find_infrastructure` and :func:`toolkit.report.keys.find_probes`.
    keys : sequence of str
        The keys that were asked about; any other key that was used from the same servers is added.
    register : polars.DataFrame, optional
        Canonical ``api_keys``: ``key_id`` or ``api_key``, ``leaked_flag``, ``leaked_src``, ``revoked_at``.
    baseline_days : int
        Days before the first foreign call that make the usage before.

    Returns
    -------
    polars.DataFrame
        ``api_key``, ``org``, ``owner`` (account), ``calls``, ``cost``, ``models``, ``addresses``, ``new_addresses``,
        ``shared_addresses``, ``sweeps``, ``foreign_calls``, ``foreign_cost``, ``first_foreign_at``,
        ``last_foreign_at``, ``calls_before`` and ``calls_after`` (per day, before and from the first foreign call to
        the last one; null without), ``leaked``, ``leaked_src``, ``revoked_at`` and ``verdict``. *stolen*: used from
        shared servers, and tried out or seen leaked. *suspect*: shared servers alone, or tried out and used from new
        addresses. *exposed*: seen leaked only. *clear*: none. Order: verdict as listed, foreign_calls descending,
        api_key.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from toolkit.report.keys import find_infrastructure, find_probes, take_calls
    >>> rows = {"event_at": [datetime(2026, 1, 5, tzinfo=UTC)], "account_id": "a", "api_key": "k", "ip": "x"}
    >>> nothing = pl.DataFrame(schema=dict.fromkeys(("account_id", "kind", "value"), pl.String) | {"first_at": pl.Date})
    >>> calls = take_calls(pl.DataFrame(rows))
    >>> shared = pl.DataFrame({"kind": ["ip"], "value": ["x"], "followed": [True]})
    >>> seen = find_infrastructure(calls, nothing.cast({"first_at": pl.Datetime("us", "UTC")}))
    >>> profile_keys(mark_calls(calls, shared), seen, find_probes(calls), keys=["k"]).select(
    ...     "owner", "foreign_calls", "shared_addresses", "verdict").rows()
    [('a', 1, 1, 'suspect')]
    """
    need_columns(calls.columns, ["api_key", "foreign", "cost"], "calls")
    reached = calls.filter(pl.col("foreign") | pl.col("api_key").is_in(list(keys)))["api_key"].unique()
    mine = calls.filter(pl.col("api_key").is_in(reached.implode()))
    told = mine.group_by("api_key").agg(
        org=pl.col("org").sort().first(), owner=pl.col("account_id").sort().first(), calls=pl.len().cast(pl.Int64),
        cost=pl.col("cost").sort().sum().round(6), models=pl.col("model").drop_nulls().n_unique().cast(pl.Int64),
        addresses=pl.col("ip").drop_nulls().n_unique().cast(pl.Int64),
        shared_addresses=pl.col("ip").filter("foreign").n_unique().cast(pl.Int64),
        foreign_calls=pl.col("foreign").sum().cast(pl.Int64),
        foreign_cost=pl.col("cost").filter("foreign").sort().sum().round(6),
        first_foreign_at=pl.col("event_at").filter("foreign").min(),
        last_foreign_at=pl.col("event_at").filter("foreign").max(),
    )  # fmt: skip
    new = infrastructure.filter((pl.col("kind") == "ip") & pl.col("new").fill_null(value=False))
    counts = [
        new.group_by("api_key").agg(new_addresses=pl.len().cast(pl.Int64)),
        probes.group_by("api_key").agg(sweeps=pl.len().cast(pl.Int64)),
    ]
    for table in (*counts, _usage(mine, told, baseline_days), _register(register)):
        told = told.join(table, on="api_key", how="left")
    told = told.with_columns(pl.col("new_addresses", "sweeps").fill_null(0), pl.col("leaked").fill_null(value=False))
    shared, tried, leaked = pl.col("foreign_calls") > 0, pl.col("sweeps") > 0, pl.col("leaked")
    verdict = (
        pl.when(shared & (tried | leaked)).then(pl.lit("stolen"))
        .when(shared | (tried & (pl.col("new_addresses") > 0))).then(pl.lit("suspect"))
        .when(leaked).then(pl.lit("exposed"))
        .otherwise(pl.lit("clear"))
    )  # fmt: skip
    columns = (
        "api_key", "org", "owner", "calls", "cost", "models", "addresses", "new_addresses", "shared_addresses",
        "sweeps", "foreign_calls", "foreign_cost", "first_foreign_at", "last_foreign_at", "calls_before",
        "calls_after", "leaked", "leaked_src", "revoked_at", "verdict",
    )  # fmt: skip
    rank = pl.col("verdict").replace_strict({"stolen": 0, "suspect": 1, "exposed": 2, "clear": 3})
    told = told.with_columns(verdict=verdict).select(columns)
    return told.sort([rank, "foreign_calls", "api_key"], descending=[False, True, False])


def _usage(calls: pl.DataFrame, told: pl.DataFrame, days: int) -> pl.DataFrame:
    """Calls per day before the first foreign call, and from it to the last one, whoever made them."""
    spans = calls.join(told.select("api_key", "first_foreign_at", "last_foreign_at"), on="api_key")
    since = pl.col("event_at").min().dt.truncate("1d")
    at, first, last = pl.col("event_at"), pl.col("first_foreign_at"), pl.col("last_foreign_at")
    counted = spans.group_by("api_key").agg(
        since=since, first=first.first(), last=last.first(),
        before=((at < first) & (at >= first - pl.duration(days=days))).sum(), after=at.is_between(first, last).sum(),
    )  # fmt: skip
    day = 86_400.0
    length = (pl.col("first") - pl.col("since")).dt.total_seconds() / day
    lived = pl.min_horizontal(length, pl.lit(float(days)))
    lasted = pl.max_horizontal((pl.col("last") - pl.col("first")).dt.total_seconds() / day, pl.lit(1.0))
    return counted.select(
        "api_key",
        calls_before=pl.when(pl.col("before") > 0).then(pl.col("before") / lived).round(2),
        calls_after=pl.when(pl.col("first").is_not_null()).then(pl.col("after") / lasted).round(2),
    )


def _register(register: pl.DataFrame | None) -> pl.DataFrame:
    """What the product knows of each key: whether it was seen leaked, and where, and when it was revoked.

    From a text file all of it comes as text.
    """
    table = pl.DataFrame(schema={"api_key": pl.String}) if register is None else register
    name = "key_id" if "key_id" in table.columns else "api_key"
    need_columns(table.columns, [name], "api_keys")
    missing = [c for c in ("leaked_flag", "leaked_src", "revoked_at") if c not in table.columns]
    table = table.with_columns(pl.lit(None, pl.String).alias(c) for c in missing)
    leaked = pl.col("leaked_flag").cast(pl.String).str.to_lowercase().is_in(["true", "1", "yes"])
    known = table.select(
        pl.col(name).alias("api_key"), leaked=leaked, leaked_src=pl.col("leaked_src").cast(pl.String),
        revoked_at=normalise_times(table["revoked_at"])["at"],
    )  # fmt: skip
    return known.drop_nulls("api_key").group_by("api_key").agg(
        leaked=pl.col("leaked").any(), leaked_src=pl.col("leaked_src").drop_nulls().sort().first(),
        revoked_at=pl.col("revoked_at").min(),
    )  # fmt: skip


def match_changes(changes: pl.DataFrame, profile: pl.DataFrame, *, within_days: int = 2) -> pl.DataFrame:
    """Keep the rises in use that fall together with the first foreign call.

    Parameters
    ----------
    changes, profile : polars.DataFrame
        From :func:`toolkit.report.keys.find_key_changes` and :func:`profile_keys`.
    within_days : int
        Days between the change and the first foreign call, at most.

    Returns
    -------
    polars.DataFrame
        ``changes`` with ``first_foreign_at``. Order: change_at, api_key.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (2, 9)]
    >>> changes = pl.DataFrame({"api_key": "k", "change_at": at, "calls_before": 1.0, "calls_after": 9.0})
    >>> keys = pl.DataFrame({"api_key": ["k"], "first_foreign_at": [at[1]]})
    >>> match_changes(changes, keys)["change_at"].to_list() == [at[1]]
    True
    """
    met = changes.join(profile.select("api_key", "first_foreign_at").drop_nulls(), on="api_key")
    near = (pl.col("change_at") - pl.col("first_foreign_at")).abs() <= pl.duration(days=within_days)
    return met.filter(near & (pl.col("calls_after") > pl.col("calls_before"))).sort("change_at", "api_key")


def find_behind(calls: pl.DataFrame, observations: pl.DataFrame, overlaps: pl.DataFrame) -> pl.DataFrame:
    """Find accounts outside the owners' organisations that were seen on the shared servers.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`mark_calls`: the owners, and everybody in their organisations, are victims and left out.
    observations : polars.DataFrame
        Contract ``Observations``.
    overlaps : polars.DataFrame
        From :func:`toolkit.report.keys.find_overlaps`.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``addresses`` (shared servers it was seen on), ``clients`` (client versions of the foreign calls
        that it runs too), ``first_at``, ``last_at`` and ``behind``: two servers or more, or a server and the client. A
        single one is a fact that a neighbour at the same host shares. Order: behind first, addresses descending,
        clients descending, account_id.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> seen = find_observations(pl.DataFrame({"account_id": ["t", "n", "t"], "ip": ["x", "x", "y"]}))
    >>> shared = pl.DataFrame({"kind": ["ip", "ip"], "value": ["x", "y"], "followed": [True, True]})
    >>> calls = pl.DataFrame({"account_id": ["o"], "org": ["o"], "user_agent": ["u"], "foreign": [True]})
    >>> find_behind(calls, seen, shared).select("account_id", "addresses", "behind").rows()
    [('t', 2, True), ('n', 1, False)]
    """
    foreign = calls.filter("foreign")
    inside = observations.filter((pl.col("kind") == "org") & pl.col("value").is_in(calls["org"].unique().implode()))
    spared = {*calls["account_id"].to_list(), *inside["account_id"].to_list()}
    servers = [("ip", value) for value in overlaps.filter(pl.col("followed"))["value"].to_list()]
    clients = [("user_agent", value) for value in foreign["user_agent"].drop_nulls().unique().to_list()]
    held = find_holders(observations, servers).filter(~pl.col("account_id").is_in(sorted(spared)))
    run = find_holders(observations, clients).select("account_id", clients=pl.col("held"))
    told = held.join(run, on="account_id", how="left").with_columns(pl.col("clients").fill_null(0))
    behind = (pl.col("held") >= 2) | (pl.col("clients") > 0)
    told = told.select(
        "account_id", pl.col("held").alias("addresses"), "clients", "first_at", "last_at", behind.alias("behind")
    )
    order = ["behind", "addresses", "clients", "account_id"]
    return told.sort(order, descending=[True, True, True, False])


def measure_theft(calls: pl.DataFrame, profile: pl.DataFrame) -> pl.DataFrame:
    """Measure what foreign use of keys cost each organisation, at least and at most.

    Parameters
    ----------
    calls, profile : polars.DataFrame
        From :func:`mark_calls` and :func:`profile_keys`.

    Returns
    -------
    polars.DataFrame
        ``org``, ``keys``, ``calls_low`` and ``cost_low`` (calls from shared servers), ``calls_high`` and ``cost_high``
        (every call from the first of these on: as if none was the owner's own). Cost in currency units. Order:
        cost_low descending, org.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (1, 2, 3)]
    >>> calls = pl.DataFrame({"api_key": "k", "event_at": at, "cost": 1.0, "foreign": [False, True, False]})
    >>> keys = pl.DataFrame({"api_key": ["k"], "org": ["o"], "first_foreign_at": [at[1]]})
    >>> measure_theft(calls, keys).rows()
    [('o', 1, 1, 1.0, 2, 2.0)]
    """
    used = calls.select("api_key", "event_at", "cost", "foreign").join(
        profile.drop_nulls("first_foreign_at").select("api_key", "org", "first_foreign_at"), on="api_key"
    )
    since = pl.col("event_at") >= pl.col("first_foreign_at")
    return used.group_by("org").agg(
        keys=pl.col("api_key").n_unique().cast(pl.Int64),
        calls_low=pl.col("foreign").sum().cast(pl.Int64),
        cost_low=pl.col("cost").filter("foreign").sort().sum().round(6),
        calls_high=since.sum().cast(pl.Int64),
        cost_high=pl.col("cost").filter(since).sort().sum().round(6),
    ).sort(["cost_low", "org"], descending=[True, False])  # fmt: skip


def tie_orgs(
    infrastructure: pl.DataFrame, observations: pl.DataFrame, overlaps: pl.DataFrame, behind: pl.DataFrame
) -> pl.DataFrame:
    """Tie organisations, and the accounts that may be behind, to the servers they meet at: rows for a network.

    Parameters
    ----------
    infrastructure, overlaps : polars.DataFrame
        From :func:`toolkit.report.keys.find_infrastructure` and :func:`toolkit.report.keys.find_overlaps`.
    observations : polars.DataFrame
        Contract ``Observations``.
    behind : polars.DataFrame
        From :func:`find_behind`.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``; ``account_id`` is an organisation or an account. Only servers that are followed.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from toolkit.model.tables import empty
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> used = {"org": ["o"], "kind": ["ip"], "value": ["x"], "first_at": [at], "last_at": [at], "calls": [2]}
    >>> shared = pl.DataFrame({"kind": ["ip"], "value": ["x"], "followed": [True]})
    >>> nobody = pl.DataFrame(schema={"account_id": pl.String, "behind": pl.Boolean})
    >>> tie_orgs(pl.DataFrame(used), empty(Observations), shared, nobody).select("account_id", "value", "n").rows()
    [('o', 'x', 2)]
    """
    followed = overlaps.filter("followed").select("kind", "value")
    span = {"first_at": pl.col("first_at").min(), "last_at": pl.col("last_at").max()}
    orgs = infrastructure.join(followed, on=["kind", "value"], how="semi").group_by(
        "kind", "value", account_id="org"
    ).agg(**span, n=pl.col("calls").sum(), source=pl.lit("requests"))  # fmt: skip
    people = observations.join(followed, on=["kind", "value"], how="semi").join(
        behind.filter("behind"), on="account_id", how="semi"
    )
    names = Observations.column_names()
    tied = pl.concat([orgs.select(names), people.select(names)])
    return conform(tied.sort("account_id", "kind", "value", "source"), Observations)
