"""Pictures of habits and of change: the hours of a week and their zones, and activity before and after enforcement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from zoneinfo import available_timezones

import altair as alt
import numpy as np
import polars as pl

from toolkit.errors import InputError, UnknownNameError, need_columns
from toolkit.views.lanes import WIDE, drawable
from toolkit.views.theme import PALETTE, Picture, style, title
from toolkit.views.words import count_of

__all__ = ["draw_effect", "draw_hours"]

_DAY_US: Final = 86_400_000_000
_WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def draw_hours(events: pl.DataFrame, *, zone: str = "UTC", active_hours: pl.DataFrame | None = None) -> Picture:
    """Draw the hours of the week in which events happened, in a zone of the reader's choice.

    Parameters
    ----------
    events : polars.DataFrame
        With ``event_at`` (UTC).
    zone : str
        A name of the zone database ("Europe/Berlin"); the hours are those of its clocks, summer time included.
    active_hours : polars.DataFrame, optional
        From :func:`toolkit.timeline.hours.find_active_hours`: below the hours stands, for each zone, the share of the
        judged accounts whose hours are consistent with it.

    Returns
    -------
    Picture
        ``table``: ``day`` (Mon first), ``hour``, ``n``; every hour of the week. Order: day, hour.

    Raises
    ------
    InputError
        If there are no events.
    UnknownNameError
        If there is no such zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> drawn = draw_hours(pl.DataFrame({"event_at": [datetime(2026, 1, 5, 23, tzinfo=UTC)]}), zone="Europe/Berlin")
    >>> drawn.table.filter(pl.col("n") > 0).rows()
    [('Tue', 0, 1)]
    """
    good, lost = drawable(events.with_columns(event=pl.lit("")), "event", focus=False)
    if good.is_empty():
        raise InputError("there are no events to draw: widen the window, or name other accounts")
    if zone not in available_timezones():
        raise UnknownNameError("time zone", zone, sorted(available_timezones()))
    local = pl.col("event_at").dt.convert_time_zone(zone)
    counted = good.group_by(local.dt.weekday().alias("weekday"), local.dt.hour().alias("hour")).len("n")
    week = pl.DataFrame({"weekday": range(1, 8)}, schema={"weekday": pl.Int8}).join(
        pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8}), how="cross"
    )
    cells = week.join(counted, on=["weekday", "hour"], how="left", maintain_order="left").select(
        pl.col("weekday").replace_strict(dict(enumerate(_WEEK, 1)), return_dtype=pl.String).alias("day"), "hour",
        pl.col("n").fill_null(0).cast(pl.Int64),
    )  # fmt: skip
    note = "; ".join([f"{count_of(good.height, 'event')} by hour of the week, clocks of {zone}", *lost])
    grid = alt.Chart(cells).mark_rect(stroke="#8883", strokeWidth=0.5).encode(
        x=alt.X("hour:O", title=f"hour of day ({zone})", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("day:O", title=None, scale=alt.Scale(domain=list(_WEEK))),
        color=alt.Color("n:Q", title="events", scale=alt.Scale(scheme="blues", domainMin=0)),
        tooltip=[
            alt.Tooltip("day:N", title="day"), alt.Tooltip("hour:O", title=f"hour ({zone})"),
            alt.Tooltip("n:Q", title="events", format=",d"),
        ],
    )  # fmt: skip
    judged = _judged(active_hours)
    if judged is None:
        chart = grid.properties(width="container", height=150, title=title("Hours of the week", note))
        return Picture(style(chart), cells, note)
    note += f"; zones as {count_of(judged.height, 'account')} allow them"
    above = grid.properties(width=WIDE, height=150, title=title("Hours of the week", note))
    both = alt.vconcat(above, _zone_strip(judged), spacing=12).resolve_scale(color="independent")
    return Picture(style(both, fit=False, ground="transparent"), cells, note)


def _judged(active_hours: pl.DataFrame | None) -> pl.DataFrame | None:
    """Accounts whose hours say something of zones."""
    if active_hours is None:
        return None
    need_columns(active_hours.columns, ["zones"], "active_hours")
    some = active_hours.filter(pl.col("zones").list.len() > 0)
    return some if some.height else None


def _zone_strip(judged: pl.DataFrame) -> Any:
    """For each zone of half an hour, how many of the judged accounts allow it."""
    every = [f"UTC{'-' if half < 0 else '+'}{abs(half) // 2:02}:{abs(half) % 2 * 30:02}" for half in range(-23, 25)]
    counted = judged.select(pl.col("zones").explode()).group_by("zones").len("n")
    rows = pl.DataFrame({"zone": every}).join(
        counted, left_on="zone", right_on="zones", how="left", maintain_order="left"
    )
    rows = rows.select("zone", (pl.col("n").fill_null(0) / judged.height).round(4).alias("share"))
    return alt.Chart(rows).mark_bar(color=PALETTE["blue"]).encode(
        x=alt.X("zone:O", title="zones their hours are consistent with", scale=alt.Scale(domain=every),
                axis=alt.Axis(labelAngle=0, values=every[5::6])),
        y=alt.Y("share:Q", title="accounts", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=3)),
        tooltip=[alt.Tooltip("zone:N", title="zone"), alt.Tooltip("share:Q", title="accounts it fits", format=".0%")],
    ).properties(width=WIDE, height=60)  # fmt: skip


def draw_effect(
    events: pl.DataFrame,
    actions: pl.DataFrame,
    *,
    controls: Iterable[str] | None = None,
    pre_days: int = 14,
    post_days: int = 14,
) -> Picture:
    """Draw activity before and after enforcement, every account laid so that its action is at zero.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Events of enforcement are not activity.
    actions : polars.DataFrame
        ``account_id`` and ``at`` (with a zone); an account's first action counts.
    controls : iterable of str, optional
        Accounts left alone, laid at the same times; by default everybody without an action. Accounts with an action
        are never used.
    pre_days, post_days : int
        Days before and after.

    Returns
    -------
    Picture
        ``table``: ``who`` ("acted on", "controls"), ``day`` (0 begins with the action), ``per_account`` (mean events of
        an account in that day) and ``accounts`` (actions whose day the data cover). Order: who, day. A day that the
        data cover for no action is not there.

    Raises
    ------
    InputError
        If there is nothing to draw, a column is missing or a number does not fit.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> day = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in range(20)]
    >>> who = ["banned"] * 10 + ["other"] * 20
    >>> events = pl.DataFrame({"account_id": who, "event_at": [*day[:10], *day], "event": "chat"})
    >>> ban = pl.DataFrame({"account_id": ["banned"], "at": [day[10]]})
    >>> drawn = draw_effect(events, ban, pre_days=2, post_days=2)
    >>> drawn.table.select("who", "day", "per_account").rows()[:4]
    [('acted on', -2, 1.0), ('acted on', -1, 1.0), ('acted on', 0, 0.0), ('acted on', 1, 0.0)]
    """
    need_columns(actions.columns, ["account_id", "at"], "actions")
    if pre_days < 1 or post_days < 1:
        raise InputError(f"want a day or more on either side; found pre_days={pre_days}, post_days={post_days}")
    good, lost = drawable(events, "account_id")
    given = actions.sort("at", "account_id").unique("account_id", keep="first", maintain_order=True)
    acts = good.filter(~pl.col("event").cast(pl.String).str.starts_with("enforcement"))
    if given.is_empty() or acts.is_empty():
        raise InputError("there are no actions, or no events around them: nothing can be laid at zero")
    days = pl.Series("day", range(-pre_days, post_days), dtype=pl.Int64)
    laid = given.select("account_id", "at").join(days.to_frame(), how="cross")
    begin = pl.col("at") + pl.duration(days="day")
    # A day counts only where the data cover all of it: half a day is not a quiet day.
    last = good["event_at"].max()
    covered = laid.filter((begin >= good["event_at"].min()) & (begin + pl.duration(days=1) <= last))
    if covered.is_empty():
        raise InputError("the data cover no whole day around any action: give events of a longer time")
    left_alone = acts.filter(~pl.col("account_id").is_in(given["account_id"].to_list()))
    if controls is not None:
        left_alone = left_alone.filter(pl.col("account_id").is_in(list(controls)))
    parts = [_own_days(acts, covered).with_columns(who=pl.lit("acted on"))]
    others = left_alone["account_id"].n_unique()
    if others:
        parts.append(_others_days(left_alone, covered).with_columns(who=pl.lit("controls")))
    table = pl.concat(parts).select("who", "day", "per_account", "accounts").sort("who", "day")
    said = [
        f"{count_of(given.height, 'account')} acted on, {count_of(others, 'control')}; mean events per account and day"
    ]
    if covered.height < laid.height:
        said.append("days that the data do not cover are left out, account by account")
    note = "; ".join([*said, *lost])
    domain, colours, shapes = ["acted on", "controls"], [PALETTE["blue"], PALETTE["orange"]], ["circle", "diamond"]
    mean = alt.Chart(table).encode(
        x=alt.X(
            "day:Q", title="days since the action", scale=alt.Scale(domain=[-pre_days, post_days]),
            axis=alt.Axis(tickMinStep=1),
        ),
        y=alt.Y("per_account:Q", title="events per account and day", scale=alt.Scale(domainMin=0)),
        color=alt.Color("who:N", title=None, scale=alt.Scale(domain=domain, range=colours)),
        tooltip=[
            alt.Tooltip("who:N", title="who"), alt.Tooltip("day:Q", title="day"),
            alt.Tooltip("per_account:Q", title="events per account", format=".2f"),
            alt.Tooltip("accounts:Q", title="actions covered"),
        ],
    )  # fmt: skip
    lines = mean.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("who:N", legend=None, scale=alt.Scale(domain=domain, range=[[1, 0], [6, 3]]))
    )
    points = mean.mark_point(filled=True, opacity=1, size=70).encode(
        shape=alt.Shape("who:N", title=None, scale=alt.Scale(domain=domain, range=shapes))
    )
    zero = alt.Chart(pl.DataFrame({"day": [0]})).mark_rule(color=PALETTE["red"], strokeDash=[5, 3], strokeWidth=1.5)
    chart = alt.layer(zero.encode(x="day:Q"), lines, points)
    return Picture(
        style(chart.properties(width="container", height=220, title=title("Before and after the action", note))),
        table,
        note,
    )


def _own_days(acts: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """Mean events of the accounts that were acted on, in each day around their own action."""
    first = covered.select("account_id", "at").unique()
    since = (pl.col("event_at") - pl.col("at")).dt.total_microseconds() // _DAY_US
    counted = acts.join(first, on="account_id").group_by("account_id", since.alias("day")).agg(pl.len().alias("n"))
    whole = covered.select("account_id", "day").join(counted, on=["account_id", "day"], how="left")
    return _mean(whole.select("day", pl.col("n").fill_null(0).cast(pl.Float64)))


def _others_days(acts: pl.DataFrame, covered: pl.DataFrame) -> pl.DataFrame:
    """Mean events of everybody else, in the same days around the same actions."""
    at = np.sort(acts["event_at"].dt.epoch("us").to_numpy())
    begin = covered["at"].dt.epoch("us").to_numpy() + covered["day"].to_numpy() * _DAY_US
    n = np.searchsorted(at, begin + _DAY_US) - np.searchsorted(at, begin)
    return _mean(covered.select("day").with_columns(n=pl.Series(n / acts["account_id"].n_unique())))


def _mean(days: pl.DataFrame) -> pl.DataFrame:
    n = pl.col("n")
    # Sums of whole numbers, or sorted first: the mean does not hang on the order of rows.
    mean = (n.sort().sum() / pl.len()).round(6)
    return days.group_by("day").agg(mean.alias("per_account"), pl.len().cast(pl.Int64).alias("accounts"))
