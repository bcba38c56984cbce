"""What an enforcement action changed: activity before and after, who went on, and who came back.

Activity falls after an action even where the action did nothing, because actions are taken at the height of activity.
So each account is compared with others that were as active in the same days and were left alone, and the difference of
the two differences is what the action is credited with. Accounts of one cluster act as one, and a control that serves
many actions errs in all of them: the interval is drawn by whole clusters and whole controls. A window that the data do
not cover to its end, or in which a source was silent, is said to be so.

Sources: Bertrand, Duflo & Mullainathan 2004 for differences in differences with a bootstrap by blocks; Rubin 1981 for
drawing by weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, column_faults, visible
from toolkit.model.tables import UTC, Events
from toolkit.timeline.build import keep_in_range, put_in_order
from toolkit.timeline.coded import Ints, order_by_account
from toolkit.timeline.found import no_findings, write_findings
from toolkit.timeline.gaps import find_gaps

__all__ = ["Effect", "measure_effect"]

Floats = NDArray[np.float64]

_DAY_US: Final = 86_400_000_000
_CONTROLS: Final = 10
_POOL: Final = 2_000
_DRAWS: Final = 999
_OWN: Final = {
    "action": pl.String, "n_before": pl.Int64, "n_after": pl.Int64, "days_before": pl.Float64, "days_after": pl.Float64,
    "stop_s": pl.Float64, "survived": pl.Boolean, "censored": pl.Boolean, "overlaps": pl.Boolean,
    "change": pl.Float64, "control_change": pl.Float64, "n_controls": pl.Int64,
}  # fmt: skip
_HELD: Final[dict[str, pl.DataType]] = {
    "account_id": pl.String(), "kind": pl.String(), "value": pl.String(), "event_at": UTC, "event_id": pl.String(),
}  # fmt: skip
_OVERALL: Final = pl.Schema({
    "action": pl.String, "n": pl.Int64, "accounts": pl.Int64, "n_censored": pl.Int64, "n_unknown": pl.Int64,
    "n_survived": pl.Int64, "median_stop_s": pl.Float64, "n_compared": pl.Int64, "clusters": pl.Int64,
    "ratio": pl.Float64, "ratio_low": pl.Float64, "ratio_high": pl.Float64,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Effect:
    """What actions changed.

    Attributes
    ----------
    actions : polars.DataFrame
        Contract ``TimelineFindings`` of kind *action_effect*, one for each action.
    overall : polars.DataFrame
        One row for each kind of action.
    returns : polars.DataFrame
        Contract ``TimelineFindings`` of kind *re_registration*: accounts that may be an old one again.
    """

    actions: pl.DataFrame
    overall: pl.DataFrame
    returns: pl.DataFrame


def measure_effect(
    events: pl.DataFrame,
    actions: pl.DataFrame,
    *,
    controls: Iterable[str] | None = None,
    pre_days: float = 14.0,
    post_days: float = 14.0,
    activity: Iterable[str] | None = None,
    indicators: Iterable[str] | None = None,
    max_holders: int = 10,
    seed: int = 0,
) -> Effect:
    """Measure what actions changed.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events`` with indicator columns, rows in any order. Times that are out of range (flag) are left out.
    actions : polars.DataFrame
        ``account_id``, ``at`` (with a zone), ``action``, and ``cluster_id`` where accounts act together (null, or no
        such column: each account by itself).
    controls : iterable of str, optional
        Accounts to compare with; default is every account without an action. Accounts with an action are never used.
        Of more than 2,000 so many are drawn.
    pre_days, post_days : float
        Days before and after an action.
    activity : iterable of str, optional
        Verbs that are an account's own doing; default is all but those that are actions (``enforcement.ban``).
    indicators : iterable of str, optional
        Columns by which an account is known again; default is every text column beyond the contract.
    max_holders : int
        A value that more accounts hold is nobody's own.
    seed : int
        Of the draws.

    Returns
    -------
    Effect
        ``actions``, from the action (``start_at``) to the end of what is seen of its window (``end_at``). ``score``:
        natural logarithm of activity after over before, minus the mean of the same for up to ten controls that were
        as active before (without controls: minus nothing). ``change``, ``control_change``: the two; ``n_before``,
        ``n_after``, ``days_before``, ``days_after``: events and the days that the data cover. ``survived``: acted in
        the second half of what is covered; ``stop_s``: seconds from the action to the last event, null for those.
        ``censored``: the data end within the window; ``overlaps``: another action of that account is within it.
        ``confidence``: *unknown* where a source of the account's was silent (no control is taken from those whose
        source was) or nothing is covered; else *high* with ten events before, three controls, no censoring and no
        overlap; *moderate* with three events and a control; *low*.

        ``overall``, by ``action``: counts; ``median_stop_s`` (null where half survived); ``ratio``, how many times as
        active as by their controls, with its 95 % interval ``ratio_low``, ``ratio_high`` (null with fewer than two
        clusters; Student's, from 999 draws); over the ``n_compared`` that have controls and are not unknown. Order:
        action.

        ``returns``: ``account_id`` signed up (``end_at``) within ``post_days`` after the action (``start_at``) on
        ``of_account`` and shares values with it (``shared``, sorted), ``delay_s`` later. ``score``: bits, the sum over
        kinds of the binary logarithm of accounts over holders. ``confidence``: *moderate* with two kinds, else *low*.

    Raises
    ------
    InputError
        If a column is missing or a number does not fit; all at once.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> day = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in range(40)]
    >>> both = {"banned": day[:21], "other": day}
    >>> rows = [{"event_at": at, "account_id": who, "event_id": f"{who} {at}"} for who in both for at in both[who]]
    >>> events = pl.DataFrame(rows).with_columns(event=pl.lit("chat"), source=pl.lit("app"), seq=1, raw_ref=pl.lit(""))
    >>> ban = pl.DataFrame({"account_id": ["banned"], "at": [day[20]], "action": ["ban"]})
    >>> found = measure_effect(events.with_columns(flags=0, ingested_at=None, precision=pl.lit("s")), ban)
    >>> found.actions.select("n_before", "n_after", "survived", "stop_s").rows()
    [(14, 1, False, 0.0)]
    >>> found.overall.select("n", "n_survived", "n_compared", "ratio").rows()
    [(1, 0, 1, 0.103448)]
    """
    wanted = _check(events, actions, pre_days, post_days, max_holders, indicators)
    good = put_in_order(keep_in_range(events))
    given = _order_actions(actions)
    params: dict[str, object] = {"pre_days": pre_days, "post_days": post_days, "max_holders": max_holders, "seed": seed}
    params["controls"] = "all others" if controls is None else "as given"
    if good.is_empty() or given.is_empty():
        none = no_findings(of_account=pl.String, shared=pl.List(pl.String), delay_s=pl.Float64)
        return Effect(no_findings(**_OWN), pl.DataFrame(schema=_OVERALL), none)
    acts = good.filter(_is_activity(given, activity))
    counter = _Counter(acts, good)
    pool = _draw_pool(counter, given, controls, seed)
    counted = _compare(counter, given, pool, _find_silent(good, counter), (pre_days, post_days))
    counted = counted.hstack(_last_events(acts, counted))
    table = write_findings(_describe(counted), "action_effect", params)
    returns = _find_returns(good, given, wanted, post_days, max_holders)
    return Effect(table, _sum_up(counted, seed), write_findings(returns, "re_registration", params))


def _check(
    events: pl.DataFrame, actions: pl.DataFrame, pre_days: float, post_days: float, max_holders: int,
    indicators: Iterable[str] | None,
) -> list[str]:  # fmt: skip
    """Columns to know an account by; or every fault of the call."""
    faults = []
    for what, frame, names in (
        ("events", events, ("event_at", "account_id", "event", "source", "event_id", "flags")),
        ("actions", actions, ("account_id", "at", "action")),
    ):
        faults += column_faults(frame.columns, names, what)
    if "at" in actions.columns and not (
        isinstance(actions.schema["at"], pl.Datetime) and actions.schema["at"].time_zone
    ):
        faults.append("actions: at is not a time with a zone: parse it, for example with dt.replace_time_zone('UTC')")
    for name, number in (("pre_days", pre_days), ("post_days", post_days)):
        if not 0 < number < 36_500:
            faults.append(f"{name} is {number}; want a positive number of days")
    if max_holders < 2:
        faults.append(f"max_holders is {max_holders}; want 2 or more")
    faults += [f"events: no indicator {visible(name)!r}" for name in indicators or () if name not in events.columns]
    if faults:
        raise InputError("; ".join(faults))
    if indicators is not None:
        return sorted(set(indicators))
    text = (pl.String, pl.Categorical)
    return sorted(n for n, dtype in events.schema.items() if n not in Events.columns() and dtype in text)


def _order_actions(actions: pl.DataFrame) -> pl.DataFrame:
    cluster = pl.col("cluster_id").cast(pl.String) if "cluster_id" in actions.columns else pl.lit(None, pl.String)
    slim = actions.select(
        "account_id", pl.col("at").dt.convert_time_zone("UTC").cast(UTC), "action",
        pl.coalesce(cluster, "account_id").alias("cluster"),
    )  # fmt: skip
    ordered = slim.drop_nulls().sort("at", "account_id", "action", "cluster")
    return ordered.unique(["account_id", "at", "action"], keep="first", maintain_order=True)


def _is_activity(given: pl.DataFrame, activity: Iterable[str] | None) -> pl.Expr:
    if activity is not None:
        return pl.col("event").is_in(sorted(set(activity)))
    verbs = given["action"].unique().sort()
    return ~pl.col("event").str.replace(r"^.*\.", "").is_in(verbs.implode())


class _Counter:
    """Counts events of accounts in windows, by two binary searches each."""

    def __init__(self, acts: pl.DataFrame, good: pl.DataFrame) -> None:
        grouped = order_by_account(acts)
        times = good["event_at"].dt.epoch("us")
        self.names = grouped.names
        self.begin, self.end = int(times[0]), int(times[-1])
        self._span = self.end - self.begin + 2
        self._axis = grouped.code * self._span + (grouped.at - self.begin)
        self.first = grouped.at[grouped.start[:-1]]

    def code(self, accounts: pl.Series) -> Ints:
        """Places of accounts among the names; -1 where an account never acted."""
        place = pl.int_range(len(self.names), eager=True)
        return accounts.replace_strict(self.names, place, default=-1, return_dtype=pl.Int64).to_numpy()

    def count(self, code: Ints, since: Ints | int, until: Ints | int) -> Ints:
        """Events at ``since`` or later and before ``until``."""
        inside = [np.clip(np.asarray(at) - self.begin, 0, self._span - 1) for at in (since, until)]
        low, high = (np.searchsorted(self._axis, code * self._span + at) for at in inside)
        return np.where(code >= 0, high - low, 0)


@dataclass(frozen=True, slots=True)
class _Silence:
    """When a source was silent, in microseconds, and the codes of the accounts that it speaks of."""

    since: int
    until: int
    accounts: Ints


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of all actions, in microseconds, cut to what the data cover."""

    code: Ints
    since: Ints
    at: Ints
    until: Ints
    days: Floats
    """Days covered: before in the first row, after in the second."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether something is covered on both sides."""
        return np.asarray((self.days > 0).all(axis=0))


def _find_silent(good: pl.DataFrame, counter: _Counter) -> list[_Silence]:
    uses = good.select("account_id", "source").unique()
    spans = find_gaps(good).filter(pl.col("kind") == "source_silent").select("source", "start_at", "end_at")
    us = spans.with_columns(pl.col("start_at", "end_at").dt.epoch("us"))
    return [
        _Silence(since, until, counter.code(uses.filter(pl.col("source") == source)["account_id"]))
        for source, since, until in us.iter_rows()
    ]


def _compare(
    counter: _Counter, given: pl.DataFrame, pool: Ints, silent: list[_Silence], days: tuple[float, float]
) -> pl.DataFrame:
    """Each action with its counts, the days that are covered, and what became of its controls."""
    at = given["at"].dt.epoch("us").to_numpy()
    code = counter.code(given["account_id"])
    since = np.maximum(at - int(days[0] * _DAY_US), counter.begin)
    wished = at + int(days[1] * _DAY_US)
    until = np.minimum(wished, counter.end + 1)
    covered = np.maximum(np.stack((at - since, until - at)), 0) / _DAY_US
    windows = _Windows(code, since, at, np.maximum(until, at), covered)
    before, after = counter.count(code, since, at), counter.count(code, at, windows.until)
    middle = at + (windows.until - at) // 2
    alike, against, hidden = _match_controls(counter, windows, before, pool, silent)
    return given.with_columns(
        pl.Series("end_at", windows.until).cast(UTC),
        pl.Series("n_before", before), pl.Series("n_after", after),
        pl.Series("days_before", covered[0].round(6)), pl.Series("days_after", covered[1].round(6)),
        pl.Series("survived", counter.count(code, middle, windows.until) > 0),
        pl.Series("censored", until < wished),
        pl.Series("seen", windows.seen), pl.Series("hidden", hidden | ~windows.seen),
        pl.Series("change", np.where(windows.seen, _log_ratio(before, after, covered), np.nan).round(6)).fill_nan(None),
        pl.Series("alike", alike, dtype=pl.List(pl.Int64)),
        pl.Series("against", against, dtype=pl.List(pl.Float64)),
    ).with_columns(
        _overlap(days),
        pl.col("against").list.mean().round(6).alias("control_change"),
        pl.col("alike").list.len().cast(pl.Int64).alias("n_controls"),
    )  # fmt: skip


def _match_controls(
    counter: _Counter, windows: _Windows, before: Ints, pool: Ints, silent: list[_Silence]
) -> tuple[list[list[int]], list[list[float]], NDArray[np.bool_]]:
    """For each action the accounts that were as active, their changes, and whether a silence hides its own account."""
    alike: list[list[int]] = [[] for _ in before]
    against: list[list[float]] = [[] for _ in before]
    hidden = np.zeros(len(before), dtype=bool)
    for i in np.flatnonzero(windows.seen).tolist():
        since, at, until = (int(edge[i]) for edge in (windows.since, windows.at, windows.until))
        there = pool[counter.first[pool] < at]
        for silence in silent:
            if silence.since < until and silence.until > since:
                hidden[i] |= bool((silence.accounts == windows.code[i]).any())
                there = there[~np.isin(there, silence.accounts)]
        far = np.abs(np.log1p(counter.count(there, since, at)) - np.log1p(before[i]))
        nearest = there[np.argsort(far, kind="stable")[:_CONTROLS]]
        was, became = counter.count(nearest, since, at), counter.count(nearest, at, until)
        alike[i] = nearest.tolist()
        against[i] = _log_ratio(was, became, windows.days[:, i : i + 1]).tolist()
    return alike, against, hidden


def _log_ratio(before: Ints, after: Ints, days: Floats) -> Floats:
    """Logarithm of the rate after over the rate before; half an event on either side keeps it finite."""
    days = np.maximum(days, 1e-9)
    ratio: Floats = np.log((after + 0.5) / days[1]) - np.log((before + 0.5) / days[0])
    return ratio


def _draw_pool(counter: _Counter, given: pl.DataFrame, controls: Iterable[str] | None, seed: int) -> Ints:
    acted_on = given["account_id"].unique().implode()
    names = counter.names if controls is None else pl.Series(sorted(set(controls)), dtype=pl.String)
    free = counter.code(names.filter(~names.is_in(acted_on)))
    free = free[free >= 0]
    if len(free) > _POOL:
        free = np.sort(np.random.default_rng(seed).choice(free, _POOL, replace=False))
    return free


def _overlap(days: tuple[float, float]) -> pl.Expr:
    """Whether another action of the account is within the window of this one; rows are in order of time."""
    before = (pl.col("at") - pl.col("at").shift(1)).over("account_id") <= pl.duration(seconds=days[0] * 86_400)
    after = (pl.col("at").shift(-1) - pl.col("at")).over("account_id") <= pl.duration(seconds=days[1] * 86_400)
    return (before.fill_null(value=False) | after.fill_null(value=False)).alias("overlaps")


def _last_events(acts: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """The last event before each action and the last within its window: time of the second, ids of both."""
    slim = acts.select("account_id", "event_id", pl.col("event_at"))
    rows = counted.select("account_id", "at", "end_at", "n_before", "n_after").with_row_index("row")

    def last(until: str, n: str) -> pl.DataFrame:
        bound = rows.with_columns(pl.col(until) - pl.duration(microseconds=1)).sort(until)
        met = bound.join_asof(
            slim, left_on=until, right_on="event_at", by="account_id", coalesce=False, check_sortedness=False
        )
        there = pl.when(pl.col(n) > 0)
        return met.sort("row").select(
            there.then("event_at").alias("event_at"), there.then("event_id").alias("event_id")
        )

    before, after = last("at", "n_before"), last("end_at", "n_after")
    ids = pl.DataFrame({"a": before["event_id"], "b": after["event_id"]})
    return pl.DataFrame({"last_at": after["event_at"]}).with_columns(
        ids.select(pl.concat_list("a", "b").list.drop_nulls().alias("evidence_ids")).to_series()
    )


def _describe(counted: pl.DataFrame) -> pl.DataFrame:
    sure = (pl.col("n_before") >= 10) & (pl.col("n_controls") >= 3) & ~pl.col("censored") & ~pl.col("overlaps")
    fair = (pl.col("n_before") >= 3) & (pl.col("n_controls") >= 1)
    confidence = (
        pl.when("hidden").then(pl.lit("unknown")).when(sure).then(pl.lit("high"))
        .when(fair).then(pl.lit("moderate")).otherwise(pl.lit("low"))
    )  # fmt: skip
    score = pl.col("change").fill_null(0.0) - pl.col("control_change").fill_null(0.0)
    stop = (pl.col("last_at").fill_null(pl.col("at")) - pl.col("at")).dt.total_microseconds() / 1e6
    end = pl.when("censored").then(pl.lit(", where the data end")).otherwise(pl.lit(""))
    why = pl.format(
        "{} events in {} days before {}, {} in {} days after{}; {} controls: {} times as active as they",
        "n_before", pl.col("days_before").round(1), "action", "n_after", pl.col("days_after").round(1), end,
        "n_controls", score.exp().round(2),
    )  # fmt: skip
    return counted.with_columns(
        pl.when(~pl.col("survived") & pl.col("seen")).then(stop).alias("stop_s"),
        pl.when("seen").then("survived").alias("survived"),
    ).select(
        "account_id", pl.col("at").alias("start_at"), "end_at", score.round(6).alias("score"),
        confidence.alias("confidence"), "evidence_ids", why.alias("why"), *_OWN,
    )  # fmt: skip


def _sum_up(counted: pl.DataFrame, seed: int) -> pl.DataFrame:
    rows = []
    for number, (name, part) in enumerate(sorted(counted.partition_by("action", as_dict=True).items())):
        seen = part.filter("seen")
        fine = seen.filter(~pl.col("hidden") & pl.col("control_change").is_not_null())
        ratio = _draw_clusters(fine, np.random.default_rng([seed, number]))
        stop = (seen["last_at"].fill_null(seen["at"]) - seen["at"]).dt.total_microseconds() / 1e6
        stops = np.where(seen["survived"].to_numpy(), np.inf, stop.to_numpy())
        middle = float(np.quantile(stops, 0.5, method="higher")) if len(stops) else np.inf
        rows.append((
            name[0], part.height, part["account_id"].n_unique(), int(part["censored"].sum()),
            int(part["hidden"].sum()), int(seen["survived"].sum()), middle if np.isfinite(middle) else None,
            fine.height, fine["cluster"].n_unique(), *ratio,
        ))  # fmt: skip
    return pl.DataFrame(rows, schema=_OVERALL, orient="row")


def _draw_clusters(fine: pl.DataFrame, rng: np.random.Generator) -> tuple[float | None, float | None, float | None]:
    """Mean difference of differences as a ratio, and its interval when clusters and controls are weighted by chance."""
    if fine.is_empty():
        return None, None, None
    mean = float((fine["change"] - fine["control_change"]).sum()) / fine.height
    clusters = fine["cluster"].n_unique()
    if clusters < 2:
        return round(float(np.exp(mean)), 6), None, None
    from scipy.stats import t

    cluster = fine["cluster"].rank("dense").cast(pl.Int64).to_numpy() - 1
    flat = fine.select(pl.int_range(pl.len()).alias("row"), "alike", "against").explode("alike", "against")
    row, change = flat["row"].to_numpy(), flat["against"].to_numpy()
    control = flat["alike"].rank("dense").cast(pl.Int64).to_numpy() - 1
    own = fine["change"].to_numpy()
    drawn = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        weight = rng.exponential(size=int(control.max()) + 1)[control]
        against = np.bincount(row, weight * change) / np.bincount(row, weight)
        drawn[draw] = np.average(own - against, weights=rng.exponential(size=clusters)[cluster])
    # Few clusters know little of how much clusters differ.
    reach = float(t.ppf(0.975, clusters - 1) * np.sqrt(clusters / (clusters - 1)) * drawn.std())
    ratio, low, high = np.exp([mean, mean - reach, mean + reach]).round(6).tolist()
    return ratio, low, high


def _find_returns(
    good: pl.DataFrame, given: pl.DataFrame, indicators: list[str], post_days: float, max_holders: int
) -> pl.DataFrame:
    """Accounts that signed up soon after an action and hold a value of the account that it hit."""
    is_signup = pl.col("event").str.replace(r"^.*\.", "") == "signup"
    signups = good.filter(is_signup).unique("account_id", keep="first", maintain_order=True)
    signups = signups.select("account_id", pl.col("event_at").alias("end_at"), pl.col("event_id").alias("signup_id"))
    held = _hold(good, indicators, max_holders)
    old = given.join(held, on="account_id").filter(pl.col("first_at") <= pl.col("at"))
    new = signups.join(held, on="account_id")
    pairs = old.join(new, on=["kind", "value"], suffix="_new").filter(
        (pl.col("account_id") != pl.col("account_id_new"))
        & (pl.col("end_at") > pl.col("at"))
        & (pl.col("end_at") <= pl.col("at") + pl.duration(seconds=post_days * 86_400))
    )
    bits = (good["account_id"].n_unique() / pl.col("holders")).log(2)
    found = (
        pairs.with_columns(bits.alias("bits"))
        .sort("bits", "kind", "value", descending=[True, False, False])
        .group_by("account_id_new", "account_id", "at", "action", maintain_order=True)
        .agg(
            pl.first("end_at", "signup_id", "first_id"),
            pl.format("{}={}", "kind", "value").unique().sort().alias("shared"),
            # Several values of one kind are one reason: an address and the next one of the same phone.
            pl.col("bits").filter(pl.col("kind").is_first_distinct()).sum().round(6).alias("score"),
            pl.col("kind").n_unique().alias("kinds"),
        )
    )
    delay = (pl.col("end_at") - pl.col("at")).dt.total_microseconds() / 1e6
    moderate = pl.when(pl.col("kinds") >= 2).then(pl.lit("moderate")).otherwise(pl.lit("low"))
    return found.select(
        pl.col("account_id_new").alias("account_id"), pl.col("at").alias("start_at"), "end_at", "score",
        moderate.alias("confidence"), pl.concat_list("first_id", "signup_id").alias("evidence_ids"),
        pl.format(
            "signed up {} h after {} of {}, and shares {}",
            (delay / 3_600).round(1), "action", "account_id", pl.col("shared").list.head(3).list.join(", "),
        ).alias("why"),
        pl.col("account_id").alias("of_account"), "shared", delay.alias("delay_s"),
    )  # fmt: skip


def _hold(good: pl.DataFrame, indicators: list[str], max_holders: int) -> pl.DataFrame:
    """Who holds which value since when, of values that few hold: ``account_id``, ``kind``, ``value``, ``holders``."""
    seen = ("event_at", "event_id")
    parts = [
        good.select("account_id", pl.lit(kind).alias("kind"), pl.col(kind).cast(pl.String).alias("value"), *seen)
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .unique(["account_id", "value"], keep="first", maintain_order=True)
        for kind in indicators
    ]  # fmt: skip
    held = pl.concat([pl.DataFrame(schema=_HELD), *parts]).rename({"event_at": "first_at", "event_id": "first_id"})
    holders = pl.len().over("kind", "value")
    return held.with_columns(holders.alias("holders")).filter(pl.col("holders").is_between(2, max_holders))
