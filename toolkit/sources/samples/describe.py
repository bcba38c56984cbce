"""The marginals of a world, as a page of Markdown: what a realism check would ask first."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from toolkit.sources.samples.world import World

QUANTILES = (0.5, 0.9, 0.99, 1.0)


def describe_world(world: World) -> str:
    """Count what is in a world: rows, accounts per value, values per account, gaps, poison, roles.

    Parameters
    ----------
    world
        As :func:`generate_world` gives it.

    Returns
    -------
    str
        Markdown tables, the same text for the same world.

    Examples
    --------
    >>> from toolkit.sources.samples.world import generate_world
    >>> print(describe_world(generate_world("tiny")).splitlines()[0])
    | table | rows |
    """
    tables = world.tables
    rows = _markdown(("table", "rows"), ((name, f"{len(frame):,}") for name, frame in tables.items()))
    degrees = [_degree_row(kind, pairs) for kind, pairs in account_values(tables).items()]
    head = ("accounts per value", "values", "accounts", "p50", "p90", "p99", "max", "top share", "held by 2+")
    per_value = _markdown(head, degrees)
    wide = [_spread_row(kind, pairs) for kind, pairs in account_values(tables).items()]
    per_account = _markdown(("values per account", "p50", "p90", "p99", "max"), wide)
    sections = [rows, per_value, per_account, _gaps(tables["auth_events"]), _poison(world), _roles(world)]
    return "\n".join(sections)


def account_values(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The distinct (account, value) pairs per kind of identifier.

    Examples
    --------
    >>> from toolkit.sources.samples.world import generate_world
    >>> list(account_values(generate_world("tiny").tables))
    ['ip', 'device', 'browser_fp', 'card', 'phone', 'email_norm', 'template']
    """
    sources = {
        "ip": ("auth_events", "ip"),
        "device": ("auth_events", "device_id"),
        "browser_fp": ("auth_events", "browser_fp"),
        "card": ("payments", "card_fp"),
        "phone": ("accounts", "phone_hmac"),
        "email_norm": ("accounts", "email_norm_hmac"),
        "template": ("content", "template_id"),
    }
    return {
        kind: tables[table].select("account_id", value=column).drop_nulls().unique()
        for kind, (table, column) in sources.items()
    }


def _degree_row(kind: str, pairs: pl.DataFrame) -> tuple[str, ...]:
    degree = pairs.group_by("value").len()["len"]
    accounts = pairs["account_id"].n_unique()
    top = degree.sort().to_list()[-1] if len(degree) else 0
    shared = f"{int((degree >= 2).sum()) / max(len(degree), 1):.1%}"
    return (kind, f"{len(degree):,}", f"{accounts:,}", *_quantiles(degree), f"{top / max(accounts, 1):.1%}", shared)


def _spread_row(kind: str, pairs: pl.DataFrame) -> tuple[str, ...]:
    return (kind, *_quantiles(pairs.group_by("account_id").len()["len"]))


def _quantiles(numbers: pl.Series) -> tuple[str, ...]:
    return tuple(f"{numbers.quantile(q, 'nearest') or 0:,.0f}" for q in QUANTILES)


def _gaps(auth: pl.DataFrame) -> str:
    visits = auth.filter(pl.col("kind").is_in(["signup", "login"])).unique("session_id").sort("account_id", "event_at")
    hours = visits.select(gap=pl.col("event_at").diff().over("account_id").dt.total_seconds() / 3600)[
        "gap"
    ].drop_nulls()
    cells = [f"{hours.quantile(q, 'nearest') or 0:,.1f}" for q in (0.1, 0.5, 0.9, 0.99)]
    return _markdown(("hours between sessions", "p10", "p50", "p90", "p99"), [("all accounts", *cells)])


def _poison(world: World) -> str:
    counts = world.truth["poison"].group_by("table", "why").len().sort("table", "why")
    return _markdown(("poisoned table", "why", "rows"), ((t, w, f"{n:,}") for t, w, n in counts.iter_rows()))


def _roles(world: World) -> str:
    membership = world.truth["membership"]
    counts = membership.group_by("ring", "role").agg(pl.col("account_id").n_unique(), pl.col("actor_id").n_unique())
    ordered = counts.sort(pl.col("ring").str.slice(1).cast(pl.Int64), "role")
    ring = _markdown(
        ("ring", "role", "accounts", "actors"), ((r, o, f"{n:,}", f"{a:,}") for r, o, n, a in ordered.iter_rows())
    )
    groups = world.truth["groups"].group_by("kind").agg(pl.col("account_id").n_unique(), pl.col("group_id").n_unique())
    legit = _markdown(
        ("innocent group", "accounts", "groups"),
        ((k, f"{n:,}", f"{g:,}") for k, n, g in groups.sort("kind").iter_rows()),
    )
    return f"{ring}\n{legit}"


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])
