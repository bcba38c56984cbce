"""What each API key shows: usage before and after, infrastructure that is new to its owner, probes, shared servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from toolkit.errors import InputError, need_columns, visible
from toolkit.timeline.changepoints import find_changepoints
from toolkit.views.words import count_of

__all__ = [
    "choose_keys",
    "find_infrastructure",
    "find_key_changes",
    "find_overlaps",
    "find_probes",
    "take_calls",
]

_UTC: Final = pl.Datetime("us", "UTC")
_CALLS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "event_at": _UTC, "account_id": pl.String, "event": pl.String, "source": pl.String, "event_id": pl.String,
    "seq": pl.Int64, "precision": pl.String, "flags": pl.UInt16, "raw_ref": pl.String, "api_key": pl.String,
    "org": pl.String, "ip": pl.String, "user_agent": pl.String, "model": pl.String, "status": pl.String,
    "tokens": pl.Int64, "cost": pl.Float64,
}  # fmt: skip
_MICROS: Final = 1_000_000
_TINY_TOKENS: Final = 16
"""Nothing useful can be asked and answered in so few tokens: a call that only wants to know whether the key works."""
_DAYS_BEFORE: Final = 3
"""Days with calls that an owner's record must show before anything can be called new to it."""
_CROWDS: Final = ("vpn", "tor", "mobile_cgnat", "campus")
"""Kinds of network (``ip_intel``) behind which unrelated people meet without knowing one another."""


def take_calls(requests: pl.DataFrame | None) -> pl.DataFrame:
    """Take the calls that were made with a key; of no table, none.

    Parameters
    ----------
    requests : polars.DataFrame or None
        Canonical ``requests``.

    Returns
    -------
    polars.DataFrame
        The columns of ``Events``, ``api_key``, ``org`` (the account where a call names none), ``ip``, ``user_agent``,
        ``model``, ``status``, ``tokens`` (in and out) and ``cost`` (currency units); null where the table has no such
        column. Order: as given.

    Raises
    ------
    InputError
        If there is no account or time.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> rows = {"account_id": ["a", "b"], "event_at": at, "api_key": ["k", None], "cost_micros": 2_500_000}
    >>> take_calls(pl.DataFrame(rows)).select("api_key", "org", "cost").rows()
    [('k', 'a', 2.5)]
    """
    if requests is None:
        return pl.DataFrame(schema=_CALLS)
    need_columns(requests.columns, ["account_id", "event_at"], "requests")
    have = set(requests.columns)
    # From a text file numbers come as text; what is no number is not known.
    parts = [pl.col(name).cast(pl.Int64, strict=False) for name in ("in_tok", "out_tok") if name in have]
    made = {
        "org": pl.coalesce([pl.col(name) for name in ("org", "account_id") if name in have]),
        "tokens": pl.sum_horizontal(parts, ignore_nulls=False) if parts else pl.lit(None),
        "cost": pl.col("cost_micros").cast(pl.Float64, strict=False) / _MICROS
        if "cost_micros" in have
        else pl.lit(None),
        "flags": pl.col("flags") if "flags" in have else pl.lit(0),
    }
    columns = [
        made.get(name, pl.col(name) if name in have else pl.lit(None)).cast(kind).alias(name)
        for name, kind in _CALLS.items()
    ]
    return requests.select(columns).drop_nulls(["api_key", "account_id", "event_at"])


def choose_keys(calls: pl.DataFrame, key_ids: Sequence[str] = (), org_ids: Sequence[str] = ()) -> list[str]:
    """Choose the keys to look at.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`take_calls`.
    key_ids, org_ids : sequence of str
        Keys, and organisations whose keys are meant; every key that made a call by default.

    Returns
    -------
    list of str
        Sorted.

    Raises
    ------
    InputError
        If a key or an organisation that was named made no call, naming each.

    Examples
    --------
    >>> calls = pl.DataFrame({"api_key": ["k2", "k1"], "org": ["o", "p"]})
    >>> choose_keys(calls), choose_keys(calls, org_ids=["o"])
    (['k1', 'k2'], ['k2'])
    """
    asked = {"api_key": ("key", key_ids), "org": ("organisation", org_ids)}
    for column, (word, ids) in asked.items():
        if never := sorted(set(ids) - set(calls[column].to_list())):
            said = ", ".join(visible(name, 60) for name in never[:10])
            raise InputError(
                f"{count_of(len(never), word)} of those named made no call with a key in these data: {said}; "
                "check the ids, or name none to look at every key"
            )
    if key_ids or org_ids:
        calls = calls.filter(pl.col("api_key").is_in(list(key_ids)) | pl.col("org").is_in(list(org_ids)))
    return calls["api_key"].unique().sort().to_list()


def find_infrastructure(calls: pl.DataFrame, observations: pl.DataFrame, *, baseline_days: int = 30) -> pl.DataFrame:
    """List where each key was used from, and what of it was new to the key's owner.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`take_calls`.
    observations : polars.DataFrame
        Contract ``Observations``: what an owner's accounts were seen with, in whatever table, is not new to it.
    baseline_days : int
        Days before a value's first use in which the owner's calls make the record that it is new to.

    Returns
    -------
    polars.DataFrame
        ``api_key``, ``org``, ``kind`` ("ip", "user_agent"), ``value``, ``first_at``, ``last_at``, ``calls``, ``cost``,
        ``days_before`` (days with calls of the organisation within the baseline, before anybody in it used the value)
        and ``new`` (null where these are fewer than three: nothing to be new to). Order: api_key, kind, value.

    Raises
    ------
    InputError
        If ``baseline_days`` is below 1.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (1, 2, 3, 9)]
    >>> rows = {"event_at": at, "account_id": "a", "api_key": "k", "org": "o", "ip": ["x", "x", "x", "y"]}
    >>> calls = take_calls(pl.DataFrame(rows))
    >>> nothing = pl.DataFrame(schema=dict.fromkeys(("account_id", "kind", "value"), pl.String) | {"first_at": _UTC})
    >>> find_infrastructure(calls, nothing).select("value", "days_before", "new").rows()
    [('x', 0, None), ('y', 3, True)]
    """
    if baseline_days < 1:
        raise InputError(f"baseline_days is {baseline_days}; want 1 or more")
    parts = [
        calls.select("event_at", "api_key", "org", "cost", pl.lit(kind).alias("kind"), value=kind).drop_nulls("value")
        for kind in ("ip", "user_agent")
    ]
    used = pl.concat(parts).group_by("api_key", "org", "kind", "value").agg(
        first_at=pl.col("event_at").min(), last_at=pl.col("event_at").max(), calls=pl.len().cast(pl.Int64),
        cost=pl.col("cost").sort().sum().round(6),
    )  # fmt: skip
    earliest = pl.concat([used.select("org", "kind", "value", "first_at"), _owned(calls, observations)])
    met = earliest.group_by("org", "kind", "value").agg(met_at=pl.col("first_at").min())
    used = used.join(met, on=["org", "kind", "value"])
    days = calls.select("org", day=pl.col("event_at").dt.truncate("1d")).unique()
    within = pl.col("day").is_between(pl.col("met_at") - pl.duration(days=baseline_days), "met_at", closed="left")
    # The day of the first use itself says nothing about what came before.
    earlier = within & (pl.col("day") < pl.col("met_at").dt.truncate("1d"))
    before = met.join(days, on="org").group_by("org", "kind", "value").agg(days_before=earlier.sum().cast(pl.Int64))
    new = pl.when(pl.col("days_before") >= _DAYS_BEFORE).then(pl.lit(value=True))
    known = pl.col("met_at") < pl.col("first_at")
    return (
        used.join(before, on=["org", "kind", "value"])
        .with_columns(new=pl.when(new.is_null() & known).then(pl.lit(value=False)).otherwise(new))
        .drop("met_at")
        .sort("api_key", "kind", "value")
    )


def _owned(calls: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """What accounts of each organisation were seen with, and since when."""
    stated = observations.filter(pl.col("kind") == "org").select("account_id", org="value")
    people = pl.concat([calls.select("account_id", "org"), stated]).unique()
    seen = observations.filter(pl.col("kind").is_in(["ip", "user_agent"])).drop_nulls("first_at")
    return seen.join(people, on="account_id").select("org", "kind", "value", "first_at")


def find_probes(calls: pl.DataFrame, *, within_s: float = 600.0, min_models: int = 3) -> pl.DataFrame:
    """Find where a key was tried out: failed or tiny calls to several models within minutes.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`take_calls`.
    within_s : float
        Seconds between two such calls of one run, at most.
    min_models : int
        Different models from which a run is a sweep.

    Returns
    -------
    polars.DataFrame
        ``api_key``, ``start_at``, ``end_at``, ``calls``, ``models``, ``failed``, ``addresses``. Order: start_at,
        api_key. Tiny: 16 tokens or fewer, asked and answered. An outage that fails calls to several models looks the
        same. Source: MITRE ATLAS case study AML.CS0030 (a key checker that sends invalid calls to every model).

    Raises
    ------
    InputError
        If a number is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 3, m, tzinfo=UTC) for m in (0, 1, 2, 50)]
    >>> rows = {"event_at": at, "account_id": "a", "api_key": "k", "model": [*"xyzx"], "in_tok": [4, 4, 4, 900]}
    >>> find_probes(take_calls(pl.DataFrame(rows))).select("calls", "models", "failed").rows()
    [(3, 3, 0)]
    """
    if within_s <= 0 or min_models < 2:
        raise InputError(
            f"within_s is {within_s} and min_models {min_models}; want a positive time and 2 models or more"
        )
    failed = pl.col("status").is_not_null() & (pl.col("status") != "ok")
    tried = calls.with_columns(failed=failed).filter((pl.col("tokens") <= _TINY_TOKENS) | pl.col("failed"))
    late = (pl.col("event_at").diff() > pl.duration(seconds=within_s)).fill_null(value=True).over("api_key")
    runs = tried.sort("api_key", "event_at").with_columns(run=late.cum_sum().over("api_key"))
    swept = runs.group_by("api_key", "run").agg(
        start_at=pl.col("event_at").min(), end_at=pl.col("event_at").max(), calls=pl.len().cast(pl.Int64),
        models=pl.col("model").drop_nulls().n_unique().cast(pl.Int64), failed=pl.col("failed").sum().cast(pl.Int64),
        addresses=pl.col("ip").drop_nulls().n_unique().cast(pl.Int64),
    )  # fmt: skip
    return swept.filter(pl.col("models") >= min_models).drop("run").sort("start_at", "api_key")


def find_key_changes(calls: pl.DataFrame, *, bin_s: float = 86_400.0) -> pl.DataFrame:
    """Find when the use of a key changed, and how cost and choice of models differ on either side.

    Parameters
    ----------
    calls : polars.DataFrame
        From :func:`take_calls`.
    bin_s : float
        Seconds per bin of :func:`toolkit.timeline.changepoints.find_changepoints`; a day by default, since most keys
        are used by jobs that run once a day.

    Returns
    -------
    polars.DataFrame
        ``api_key``, ``change_at``, ``score`` (twice the log likelihood gained), ``calls_before``, ``calls_after``,
        ``cost_before``, ``cost_after`` (all per day, in the stretches either side) and ``mix_moved`` (share of calls
        that went to other models, 0 to 1: half the sum of absolute differences of shares; null where a
        side has no call). Order: change_at, api_key.
        A job that runs every few days changes at each run: a change says something where foreign use begins.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> days = [*range(30), *(d for d in range(30, 40) for _ in range(20))]
    >>> at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d, hours=6) for d in days]
    >>> rows = {"event_at": at, "account_id": "a", "api_key": "k", "cost_micros": 1_000_000}
    >>> rows |= {"model": ["x"] * 30 + ["y"] * 200, "source": "requests", "seq": 0, "event_id": [*map(str, range(230))]}
    >>> find_key_changes(take_calls(pl.DataFrame(rows))).select(
    ...     "change_at", "calls_before", "cost_after", "mix_moved").rows()
    [(datetime.datetime(2026, 1, 31, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), 1.0, 20.0, 1.0)]
    """
    found = find_changepoints(calls, by="api_key", bin_s=bin_s).select(
        pl.col("change_at").cast(_UTC), "score", "rate_before", "rate_after", api_key="account_id"
    )
    edges = found.sort("api_key", "change_at").with_columns(
        number=pl.int_range(pl.len()),
        since=pl.col("change_at").shift(1).over("api_key"), until=pl.col("change_at").shift(-1).over("api_key"),
    )  # fmt: skip
    near = edges.select("api_key", "number", "change_at", "since", "until").join(calls, on="api_key")
    near = near.filter(
        (pl.col("event_at") >= pl.col("since").fill_null(pl.col("event_at")))
        & (pl.col("event_at") < pl.col("until").fill_null(pl.col("event_at") + pl.duration(days=1)))
    ).with_columns(after=pl.col("event_at") >= pl.col("change_at"))
    after = pl.col("after")
    each = near.group_by("number").agg(
        cost_before=pl.col("cost").filter(~after).sort().mean(), cost_after=pl.col("cost").filter(after).sort().mean()
    )
    mix = near.group_by("number", "after", pl.col("model").fill_null("")).agg(n=pl.len())
    mix = mix.with_columns(share=pl.col("n") / pl.col("n").sum().over("number", "after"))
    sides = mix.group_by("number", "model").agg(
        moved=(pl.col("share").filter("after").sum() - pl.col("share").filter(~after).sum()).abs()
    )
    moved = sides.group_by("number").agg(mix_moved=(pl.col("moved").sort().sum() / 2).round(6))
    # Where one side has no call there is no mix to have moved.
    moved = moved.join(mix.group_by("number").agg(sides=pl.col("after").n_unique()), on="number")
    moved = moved.select("number", mix_moved=pl.when(pl.col("sides") == 2).then("mix_moved"))
    told = edges.join(each, on="number", how="left").join(moved, on="number", how="left")
    per_day = {"calls_before": pl.col("rate_before") * 24, "calls_after": pl.col("rate_after") * 24}
    told = told.with_columns(**{name: rate.round(3) for name, rate in per_day.items()})
    cost = {
        f"cost_{side}": pl.when(pl.col(f"calls_{side}") > 0)
        .then(pl.col(f"cost_{side}") * pl.col(f"calls_{side}"))
        .otherwise(0.0)
        .round(6)
        for side in ("before", "after")
    }
    columns = (
        "api_key", "change_at", "score", "calls_before", "calls_after", "cost_before", "cost_after", "mix_moved",
    )  # fmt: skip
    return told.with_columns(**cost).select(columns).sort("change_at", "api_key")


def find_overlaps(
    infrastructure: pl.DataFrame,
    hubs: pl.DataFrame | None,
    *,
    keys: Sequence[str],
    orgs: pl.DataFrame | None = None,
    networks: pl.DataFrame | None = None,
    new_infra_only: bool = True,
    min_orgs: int = 2,
) -> pl.DataFrame:
    """Find infrastructure that keys of unrelated organisations were used from, and say what explains it.

    Parameters
    ----------
    infrastructure : polars.DataFrame
        From :func:`find_infrastructure`.
    hubs : polars.DataFrame or None
        Contract ``Hubs``: values shared so widely that meeting there means nothing.
    keys : sequence of str
        Only what one of these was used from is looked at.
    orgs : polars.DataFrame, optional
        Lookup ``orgs``: organisations with one ``billing_pm_id`` are related, and count once.
    networks : polars.DataFrame, optional
        Lookup ``ip_intel``: ``ip`` and ``kind``; unrelated people meet behind VPN exits, carriers' addresses, Tor and
        campuses.
    new_infra_only : bool
        Whether a value must be new to that many of the organisations.
    min_orgs : int
        Unrelated organisations from which a value is listed.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``, ``keys``, ``orgs`` (unrelated), ``new_to`` (of them), ``calls``, ``cost``, ``first_at``,
        ``last_at``, ``network`` (kind; null where not known), ``verdict`` and ``followed``. Verdicts: *shared* (nothing
        explains it; only addresses), *widely shared*, *network of strangers*, *software* (client versions: anybody may
        run them), *in use before*. Order: followed first, orgs descending, calls descending, kind, value.

    Raises
    ------
    InputError
        If ``min_orgs`` is below 2.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> rows = {"api_key": ["k", "l"], "org": ["o", "p"], "kind": "ip", "value": "192.0.2.1", "calls": 5, "cost": 1.0}
    >>> rows |= {"first_at": datetime(2026, 1, 5, tzinfo=UTC), "last_at": datetime(2026, 1, 6, tzinfo=UTC), "new": True}
    >>> find_overlaps(pl.DataFrame(rows), None, keys=["k"]).select("orgs", "calls", "verdict", "followed").rows()
    [(2, 10, 'shared', True)]
    """
    if min_orgs < 2:
        raise InputError(f"min_orgs is {min_orgs}; want 2 or more: one organisation overlaps with nobody")
    near = infrastructure.filter(pl.col("api_key").is_in(list(keys))).select("kind", "value").unique()
    used = infrastructure.join(near, on=["kind", "value"], how="semi").join(_payers(orgs), on="org", how="left")
    payer = pl.coalesce("payer", "org")
    table = used.group_by("kind", "value").agg(
        keys=pl.col("api_key").n_unique().cast(pl.Int64), orgs=payer.n_unique().cast(pl.Int64),
        new_to=payer.filter(pl.col("new").fill_null(value=False)).n_unique().cast(pl.Int64),
        calls=pl.col("calls").sum(), cost=pl.col("cost").sort().sum().round(6),
        first_at=pl.col("first_at").min(), last_at=pl.col("last_at").max(),
    ).filter(pl.col("orgs") >= min_orgs)  # fmt: skip
    known = hubs if hubs is not None else pl.DataFrame(schema=dict.fromkeys(("kind", "value", "verdict"), pl.String))
    wide = known.filter(pl.col("verdict") != "background").select("kind", "value", hub=pl.lit(value=True)).unique()
    table = table.join(wide, on=["kind", "value"], how="left")
    table = table.join(_network_kinds(networks), on=["kind", "value"], how="left")
    verdict = (
        pl.when(pl.col("kind") != "ip").then(pl.lit("software"))
        .when(pl.col("hub")).then(pl.lit("widely shared"))
        .when(pl.col("network").is_in(_CROWDS)).then(pl.lit("network of strangers"))
        .when((pl.col("new_to") < min_orgs) & new_infra_only).then(pl.lit("in use before"))
        .otherwise(pl.lit("shared"))
    )  # fmt: skip
    table = table.with_columns(verdict=verdict).drop("hub").with_columns(followed=pl.col("verdict") == "shared")
    return table.sort(["followed", "orgs", "calls", "kind", "value"], descending=[True, True, True, False, False])


def _payers(orgs: pl.DataFrame | None) -> pl.DataFrame:
    """Who pays for each organisation, where that is known."""
    if orgs is None or not {"org_id", "billing_pm_id"} <= set(orgs.columns):
        return pl.DataFrame(schema={"org": pl.String, "payer": pl.String})
    return orgs.group_by(org="org_id").agg(payer=pl.col("billing_pm_id").drop_nulls().sort().first())


def _network_kinds(networks: pl.DataFrame | None) -> pl.DataFrame:
    """The kind of network of each address; of several, one that strangers share goes first."""
    if networks is None or not {"ip", "kind"} <= set(networks.columns):
        return pl.DataFrame(schema={"kind": pl.String, "value": pl.String, "network": pl.String})
    crowd = pl.col("kind").sort_by(~pl.col("kind").is_in(_CROWDS), "kind").first()
    known = networks.drop_nulls(["ip", "kind"]).group_by(value="ip").agg(network=crowd)
    return known.with_columns(kind=pl.lit("ip"))
