"""Personas: what accounts of a set say of themselves, the zone their hours tell, and whether they write together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

from toolkit.errors import InputError
from toolkit.linking.inverted import build_turns
from toolkit.linking.schedules import ScheduleSettings, find_schedules
from toolkit.report.influence import texts_of
from toolkit.timeline.hours import find_active_hours
from toolkit.views.words import count_of

__all__ = [
    "describe_hours",
    "find_batches",
    "find_set_hours",
    "list_zones",
    "profile_personas",
    "say_zones",
    "weigh_batches",
]

_UTC: Final = pl.Datetime("us", "UTC")


def find_set_hours(events: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Say when a set of accounts is active, taken as one life: single personas do too little to tell.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    accounts : sequence of str
        The set.

    Returns
    -------
    polars.DataFrame
        As :func:`toolkit.timeline.hours.find_active_hours`; one row, or none. It holds if the set is one crew of one
        zone; of a mixture it says nothing.

    Examples
    --------
    >>> from toolkit.model.tables import Events, empty
    >>> find_set_hours(empty(Events), ["a"]).height
    0
    """
    mine = events.filter(pl.col("account_id").is_in(list(accounts)))
    return find_active_hours(mine.with_columns(crew=pl.lit("the set")), by="crew")


def profile_personas(
    standing: dict[str, str], texts: pl.DataFrame, events: pl.DataFrame, register: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Profile personas: what each says of itself, and what its hours and texts say.

    Parameters
    ----------
    standing : dict of str to str
        Account id to what it is here ("seed", "member", "candidate").
    texts : polars.DataFrame
        From :func:`toolkit.report.influence.take_texts`.
    events : polars.DataFrame
        Contract ``Events``.
    register : polars.DataFrame, optional
        Canonical ``accounts``: ``event_at`` (when each was made), ``tz_declared``.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``standing``, ``created_at``, ``claimed`` (offset of the declared zone in January, as
        "UTC-05:00"), ``zones`` (that its own hours are consistent with; empty where they tell none), ``zone_fits``
        (null where either is not known), ``texts``, ``narratives``, ``languages``. Order: standing as first named,
        account_id.

    Examples
    --------
    >>> from toolkit.model.tables import Events, empty
    >>> from toolkit.report.influence import take_texts
    >>> who = pl.DataFrame({"account_id": ["a"], "tz_declared": ["Etc/GMT+5"]})
    >>> profile_personas({"a": "seed"}, take_texts(None), empty(Events), who).select("claimed", "zone_fits").rows()
    [('UTC-05:00', None)]
    """
    rank = {word: i for i, word in enumerate(dict.fromkeys(standing.values()))}
    who = pl.DataFrame(list(standing.items()), schema={"account_id": pl.String, "standing": pl.String}, orient="row")
    mine = pl.col("account_id").is_in(list(standing))
    wrote = texts.filter(mine).group_by("account_id").agg(
        texts=pl.len().cast(pl.Int64), narratives=pl.col("narrative").drop_nulls().n_unique().cast(pl.Int64),
        languages=pl.col("lang").drop_nulls().unique().sort(),
    )  # fmt: skip
    hours = find_active_hours(events.filter(mine)).select("account_id", "zones")
    told = who.join(_claims(register), on="account_id", how="left")
    told = told.join(hours, on="account_id", how="left").join(wrote, on="account_id", how="left")
    zones = pl.col("zones").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    fits = pl.when((pl.col("zones").list.len() > 0) & pl.col("claimed").is_not_null())
    columns = (
        "account_id",
        "standing",
        "created_at",
        "claimed",
        "zones",
        "zone_fits",
        "texts",
        "narratives",
        "languages",
    )
    return (
        told.with_columns(
            pl.col("texts", "narratives").fill_null(0), zones=zones,
            zone_fits=fits.then(pl.col("zones").list.contains(pl.col("claimed"))),
        )
        .select(columns)
        .sort(pl.col("standing").replace_strict(rank, return_dtype=pl.Int64), "account_id")
    )  # fmt: skip


def _claims(register: pl.DataFrame | None) -> pl.DataFrame:
    """When each account was made, and the offset of the zone it declares."""
    schema: dict[str, pl.DataType | type[pl.DataType]] = {"account_id": pl.String, "created_at": _UTC}
    schema["claimed"] = pl.String
    if register is None:
        return pl.DataFrame(schema=schema)
    have = register.columns
    zone = pl.col("tz_declared") if "tz_declared" in have else pl.lit(None, pl.String)
    made = pl.col("event_at") if "event_at" in have else pl.lit(None, _UTC)
    rows = register.select("account_id", created_at=made, zone=zone)
    known = rows["zone"].drop_nulls().unique().to_list()
    said = {name: _offset(name) for name in known if name in available_timezones()}
    claimed = pl.col("zone").replace_strict(said, default=None, return_dtype=pl.String)
    return rows.with_columns(claimed=claimed).select(*schema).unique("account_id", keep="first", maintain_order=True)


def _offset(zone: str) -> str:
    """The offset of a zone in January, as the hours of an account are told."""
    apart = datetime(2026, 1, 15, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
    minutes = int(apart.total_seconds() // 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def find_batches(texts: pl.DataFrame, accounts: Sequence[str], *, within_s: float = 3_600.0) -> pl.DataFrame:
    """Find batches: narratives that several accounts of a set wrote within a short time.

    Parameters
    ----------
    texts : polars.DataFrame
        From :func:`toolkit.report.influence.take_texts`.
    accounts : sequence of str
        The set.
    within_s : float
        Seconds between two texts of one batch, at most.

    Returns
    -------
    polars.DataFrame
        ``start_at``, ``end_at``, ``accounts``, ``texts``, ``narratives`` (how many), ``languages`` (sorted). Order:
        start_at. Whether they are more than chance says :func:`weigh_batches`.

    Raises
    ------
    InputError
        If ``within_s`` is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, m, tzinfo=UTC) for m in (0, 20)]
    >>> rows = {"account_id": ["a", "b"], "event_at": at, "narrative": ["n", "m"], "lang": ["en", "ru"], "text": "x"}
    >>> find_batches(pl.DataFrame(rows), ["a", "b"]).select("accounts", "languages").rows()
    [(2, ['en', 'ru'])]
    """
    if not within_s > 0:
        raise InputError(f"within_s is {within_s}; want a positive number of seconds")
    mine = texts_of(texts, accounts).sort("event_at", "account_id", "narrative")
    late = (pl.col("event_at").diff() > pl.duration(seconds=within_s)).fill_null(value=False)
    runs = mine.with_columns(run=late.cum_sum()).group_by("run").agg(
        start_at=pl.col("event_at").min(), end_at=pl.col("event_at").max(),
        accounts=pl.col("account_id").n_unique().cast(pl.Int64), texts=pl.len().cast(pl.Int64),
        narratives=pl.col("narrative").n_unique().cast(pl.Int64), languages=pl.col("lang").drop_nulls().unique().sort(),
    )  # fmt: skip
    return runs.filter(pl.col("accounts") >= 2).drop("run").sort("start_at")


def weigh_batches(
    texts: pl.DataFrame, accounts: Sequence[str], *, within_s: float = 3_600.0, seed: int = 0
) -> pl.DataFrame:
    """Test whether a set writes its narratives together more than the hours it keeps explain.

    Parameters
    ----------
    texts : polars.DataFrame
        From :func:`toolkit.report.influence.take_texts`.
    accounts : sequence of str
        The set.
    within_s : float
        Seconds within which two accounts write together.
    seed : int
        Of the shuffles.

    Returns
    -------
    polars.DataFrame
        ``accounts``, ``turns``, ``together`` (pairs of turns), ``by_chance`` (mean of 199 shuffles that move each turn
        by up to six hours), ``p`` and ``speaks`` (three times chance, and p at most .05). Empty where fewer than four
        accounts wrote, or fewer than ten turns. Source: :func:`toolkit.linking.schedules.find_schedules`.

    Examples
    --------
    >>> from toolkit.report.influence import take_texts
    >>> weigh_batches(take_texts(None), ["a"]).height
    0
    """
    turns = build_turns(texts_of(texts, accounts))
    dials = ScheduleSettings(window_s=within_s, jitter_h=6.0, min_turns=10, seed=seed)
    members = pl.DataFrame(
        {"cluster_id": "the set", "account_id": list(accounts)}, schema_overrides={"account_id": pl.String}
    )
    found = find_schedules(turns, members, dials=dials)
    told = found.select("accounts", "turns", together="batches", by_chance="batches_null", p="batches_p")
    return told.with_columns(speaks=(pl.col("together") >= 3 * pl.col("by_chance")) & (pl.col("p") <= 0.05))


def list_zones(hours: pl.DataFrame) -> list[str]:
    """List the zones that the hours of a set fit, the likeliest first.

    Examples
    --------
    >>> list_zones(pl.DataFrame())
    []
    """
    return list(hours["zones"][0]) if hours.height else []


def say_zones(zones: Sequence[str]) -> str:
    """Return zones in words: a range where they are neighbours, the likeliest otherwise.

    Examples
    --------
    >>> say_zones(["UTC+06:00", "UTC+05:30"]), say_zones(["UTC+06:00", "UTC-05:00"])
    ('UTC+05:30 to UTC+06:00', '2 zones, the likeliest UTC+06:00')
    """
    offsets = sorted((1 if zone[3] == "+" else -1) * (60 * int(zone[4:6]) + int(zone[7:9])) for zone in zones)
    if offsets[-1] - offsets[0] > 30 * (len(offsets) - 1):
        return f"{count_of(len(zones), 'zone')}, the likeliest {zones[0]}"
    ends = [f"UTC{'-' if at < 0 else '+'}{abs(at) // 60:02d}:{abs(at) % 60:02d}" for at in (offsets[0], offsets[-1])]
    return " to ".join(dict.fromkeys(ends))


def describe_hours(hours: pl.DataFrame) -> str:
    """Say when the set as a whole is active, and which zones that fits.

    Parameters
    ----------
    hours : polars.DataFrame
        From :func:`toolkit.report.personas.find_set_hours`.

    Returns
    -------
    str

    Examples
    --------
    >>> rows = {"zones": [["UTC+06:00", "UTC+05:30"]], "from_hour": [1.0], "to_hour": [12.5], "n": [90], "days": [20]}
    >>> describe_hours(pl.DataFrame(rows))
    'Taken as one life, they act from 01:00 to 12:30 UTC (90 events on 20 days), which fits UTC+05:30 to UTC+06:00.'
    >>> describe_hours(pl.DataFrame())
    'Even taken as one life, they did too little to tell a zone.'
    """
    if not hours.height:
        return "Even taken as one life, they did too little to tell a zone."
    row = hours.row(0, named=True)
    ends = [f"{int(row[name]):02d}:{round(60 * (row[name] % 1)):02d}" for name in ("from_hour", "to_hour")]
    fits = f"which fits {say_zones(row['zones'])}" if row["zones"] else "which tells no zone"
    days = f"{count_of(int(row['n']), 'event')} on {count_of(int(row['days']), 'day')}"
    return f"Taken as one life, they act from {ends[0]} to {ends[1]} UTC ({days}), {fits}."
