"""Who acts on the same object at the same time, and how much of it chance alone would give.

One co-action in a window is worth nothing: with busy objects and busy hours, strangers coincide. So the count is
always given beside what the same events give when accounts are shuffled within the hour; only repeats are a signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.model.tables import UTC, TimelineFindings
from toolkit.timeline.coded import Ints, code_accounts
from toolkit.timeline.found import keep_ids, no_findings, write_findings

__all__ = ["count_chance_pairs", "find_synchrony", "weigh_synchrony"]


def find_synchrony(events: pl.DataFrame, *, object_column: str = "object", window_s: float = 60.0) -> pl.DataFrame:
    """Find pairs of accounts that act on the same object within a window.

    Parameters
    ----------
    events : polars.DataFrame
        ``account_id``, ``event_at`` (UTC) and the object's column.
    object_column : str
        What is acted on: a shared url, a post, a prompt template.
    window_s : float
        Seconds between the two actions, at most (inclusive).

    Returns
    -------
    polars.DataFrame
        ``account_a`` < ``account_b``, ``objects`` (distinct objects acted on together), ``first_at``, ``last_at`` (of
        the earlier action). Order: objects descending, account_a, account_b.

    Raises
    ------
    InputError
        If the column does not exist or the window is not positive.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, 0, s, tzinfo=UTC) for s in (0, 30, 59)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "event_at": at, "object": ["x", "x", "y"]})
    >>> find_synchrony(frame).select("account_a", "account_b", "objects").rows()
    [('a', 'b', 1)]
    """
    met = _Met.of(events, object_column, window_s)
    a, b = met.pairs(met.account)
    apart = a != b
    return _as_table(a[apart], b[apart], met.object[met.first[apart]], met.at[met.first[apart]], met.names)


def weigh_synchrony(
    events: pl.DataFrame,
    *,
    object_column: str = "object",
    window_s: float = 60.0,
    min_shared: int = 2,
    draws: int = 200,
    block_s: float = 3_600.0,
    max_fan: int = 500,
    seed: int = 0,
) -> pl.DataFrame:
    """Weigh each pair that acts together again and again against what shuffled accounts give it.

    Parameters
    ----------
    events, object_column, window_s
        As for :func:`find_synchrony`; with ``event_id`` the evidence is named.
    min_shared : int
        Distinct objects from which a pair is weighed; one co-action is worth nothing.
    draws : int
        Shuffles; no p is under one in ``draws`` + 1.
    block_s : float
        Accounts are shuffled within blocks of so many seconds: everybody keeps how much they do, and roughly when.
    max_fan : int
        An object on which more accounts act is everybody's: it counts one over the logarithm of how many times over it
        is, in ``score`` alone, and ``why`` says so.
    seed : int

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *synchrony*, ``account_id`` empty: ``account_a`` < ``account_b``;
        ``objects``; ``expected``: their mean over the shuffles; ``p``: share of shuffles that reach them; ``q``: pairs
        that shuffles give with so many objects or more, over those there are; ``leader``: who is first on two thirds of
        the objects or more, else empty. ``score``: objects, crowded ones counted down. ``confidence``: *high* at q of
        1 % or less, *moderate* at 5 %, else *low*. Order: start_at, account_a, account_b.

    Raises
    ------
    InputError
        As :func:`find_synchrony`; or if a number does not fit.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=9 * (i // 2), seconds=i % 2) for i in range(40)]
    >>> objects = [f"o{i // 2}" for i in range(40)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b"] * 20, "event_at": at, "object": objects})
    >>> others = frame.with_columns(account_id=pl.format("x{}", pl.int_range(40)), object=pl.format("p{}", "object"))
    >>> found = weigh_synchrony(pl.concat([frame, others]), draws=99)
    >>> found.select("account_a", "account_b", "objects", "q", "leader").rows()
    [('a', 'b', 20, 0.0, 'a')]
    """
    faults = [
        f"{name} is {found}; want {least} or more"
        for name, found, least in (("min_shared", min_shared, 1), ("draws", draws, 1), ("max_fan", max_fan, 2))
        if found < least
    ]
    if not block_s > 0:
        faults.append(f"block_s is {block_s}; want a positive number of seconds")
    if faults:
        raise InputError("; ".join(faults))
    params: dict[str, object] = {"object_column": object_column, "window_s": window_s, "min_shared": min_shared}
    params |= {"draws": draws, "block_s": block_s, "max_fan": max_fan, "seed": seed}
    met = _Met.of(events, object_column, window_s)
    keys, counts = met.count(met.account)
    asked = keys[counts >= min_shared]
    if not len(asked):
        kept = {"account_a": pl.String, "account_b": pl.String, "leader": pl.String, "objects": pl.Int64}
        return no_findings(**kept, expected=pl.Float64, p=pl.Float64, q=pl.Float64)
    observed = counts[counts >= min_shared]
    reached, total = np.zeros(len(asked)), np.zeros(len(asked))
    by_chance = np.zeros(int(observed.max()) + 1)
    for draw in range(draws):
        drawn, number = met.count(met.shuffled(block_s, [seed, draw]))
        by_chance += np.bincount(np.minimum(number, len(by_chance) - 1), minlength=len(by_chance))
        place = np.minimum(np.searchsorted(drawn, asked), max(len(drawn) - 1, 0))
        again = np.where(drawn[place] == asked, number[place], 0) if len(drawn) else np.zeros(len(asked))
        reached += again >= observed
        total += again
    p = np.round((1 + reached) / (1 + draws), 9)
    # Pairs were chosen by what they share, so their own p's cannot tell the rate of false ones: all pairs' counts can.
    as_many = np.cumsum(by_chance[::-1])[::-1] / draws
    ours = np.cumsum(np.bincount(observed, minlength=len(by_chance))[::-1])[::-1]
    rate = np.minimum.accumulate(np.minimum(as_many / np.maximum(ours, 1), 1.0))
    weighed = pl.DataFrame(
        {"key": asked, "expected": np.round(total / draws, 6), "p": p, "q": np.round(rate[observed], 9)}
    )
    return _tell(met, weighed, events, max_fan, params)


def count_chance_pairs(
    events: pl.DataFrame,
    *,
    object_column: str = "object",
    window_s: float = 60.0,
    min_objects: tuple[int, ...] = (1, 2),
    draws: int = 99,
    seed: int = 0,
) -> pl.DataFrame:
    """Count the pairs that chance gives: the same events, accounts shuffled within each hour.

    Parameters
    ----------
    events, object_column, window_s
        As for :func:`find_synchrony`.
    min_objects : tuple of int
        Count pairs with at least so many distinct objects.
    draws : int
        Shuffles.
    seed : int
        Of the shuffles.

    Returns
    -------
    polars.DataFrame
        ``min_objects``, ``observed``, ``chance_mean``, ``chance_max``, ``p`` (share of draws that reach the observed
        count, one added to both). Order: min_objects.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, 9, 0, s, tzinfo=UTC) for s in (0, 30, 59)]
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "event_at": at, "object": ["x", "x", "y"]})
    >>> count_chance_pairs(frame, draws=3)["observed"].to_list()
    [1, 0]
    """
    met = _Met.of(events, object_column, window_s)
    observed = met.count(met.account)[1]
    counts = np.zeros((draws, len(min_objects)))
    for draw in range(draws):
        found = met.count(met.shuffled(3_600.0, [seed, draw]))[1]
        counts[draw] = [(found >= floor).sum() for floor in min_objects]
    seen = [int((observed >= floor).sum()) for floor in min_objects]
    return pl.DataFrame(
        {
            "min_objects": list(min_objects),
            "observed": seen,
            "chance_mean": np.round(counts.mean(axis=0), 3).tolist(),
            "chance_max": counts.max(axis=0).astype(int).tolist(),
            "p": np.round((1 + (counts >= np.array(seen)).sum(axis=0)) / (1 + draws), 6).tolist(),
        }
    )


@dataclass(frozen=True)
class _Met:
    """Actions by object and time, and which two of them are at most a window apart.

    Shuffling accounts moves no action, so the pairs of actions are found once, and each shuffle only says anew whose
    they are.
    """

    names: pl.Series
    object: Ints
    at: Ints
    account: Ints
    first: Ints
    second: Ints

    @classmethod
    def of(cls, events: pl.DataFrame, object_column: str, window_s: float) -> _Met:
        if object_column not in events.columns:
            raise InputError(f"no column {object_column!r} in these events: {nearest(object_column, events.columns)}")
        if not window_s > 0:
            raise InputError(f"a window is a positive number of seconds, found {window_s}")
        rows = events.filter(pl.col(object_column).is_not_null() & pl.col("event_at").is_not_null())
        names, code = code_accounts(rows["account_id"])
        coded = (
            rows.select(
                pl.Series("account", code.astype(np.int64)),
                pl.col(object_column).rank("dense").cast(pl.Int64).alias("object"),
                pl.col("event_at").dt.epoch("us").alias("at"),
            )
            .unique()
            .sort("object", "at", "account")
        )
        thing, at, account = (coded[name].to_numpy() for name in ("object", "at", "account"))
        return cls(names, thing, at, account, *_within(thing, at, int(window_s * 1e6)))

    def pairs(self, account: Ints) -> tuple[Ints, Ints]:
        """The two accounts of each pair of actions, the smaller code first."""
        left, right = account[self.first], account[self.second]
        return np.minimum(left, right), np.maximum(left, right)

    def count(self, account: Ints) -> tuple[Ints, Ints]:
        """Pairs of accounts (one number each, sorted) and the distinct objects on which they met."""
        a, b = self.pairs(account)
        apart = np.flatnonzero(a != b)
        key, thing = a[apart] * len(self.names) + b[apart], self.object[self.first[apart]]
        order = np.lexsort((thing, key))
        key, thing = key[order], thing[order]
        new = np.ones(len(key), dtype=bool)
        new[1:] = (key[1:] != key[:-1]) | (thing[1:] != thing[:-1])
        keys, counts = np.unique(key[new], return_counts=True)
        return keys, counts

    def shuffled(self, block_s: float, seed: list[int]) -> Ints:
        """The accounts, shuffled within each block of time."""
        block = self.at // round(block_s * 1e6)
        order = np.lexsort((np.random.default_rng(seed).random(len(block)), block))
        account = np.empty_like(self.account)
        account[np.argsort(block, kind="stable")] = self.account[order]
        return account


def _tell(
    met: _Met, weighed: pl.DataFrame, events: pl.DataFrame, max_fan: int, params: dict[str, object]
) -> pl.DataFrame:
    """Write weighed pairs: on what they met, who was first, and which events say so."""
    a, b = met.pairs(met.account)
    fan = np.bincount(met.object, minlength=int(met.object.max()) + 1)
    rows = pl.DataFrame(
        {
            "key": a * len(met.names) + b, "a": a, "b": b, "object": met.object[met.first], "at": met.at[met.first],
            "end": met.at[met.second], "ahead": met.account[met.first],
        }
    ).filter(pl.col("a") != pl.col("b"))  # fmt: skip
    once = rows.join(weighed.select("key"), on="key", how="semi").sort("key", "object", "at", "end")
    once = once.unique(["key", "object"], keep="first", maintain_order=True)
    crowd = pl.Series(fan[once["object"].to_numpy()])
    counted = 1 / np.log2(np.maximum(crowd.to_numpy() / max_fan, 1.0) + 1)
    pairs = (
        once.with_columns(counted=pl.Series(counted), crowded=crowd > max_fan)
        .group_by("key", maintain_order=True)
        .agg(
            pl.first("a", "b"), pl.min("at").alias("start_at"), pl.max("end").alias("end_at"),
            pl.len().cast(pl.Int64).alias("objects"), pl.sum("counted").round(6).alias("score"),
            (pl.col("ahead") == pl.col("a")).mean().alias("a_first"), pl.sum("crowded"),
        )
        .join(weighed, on="key", maintain_order="left")
    )  # fmt: skip
    named = pairs.with_columns(
        pl.col("start_at", "end_at").cast(UTC),
        account_id=pl.lit(""),
        account_a=met.names.gather(pairs["a"]),
        account_b=met.names.gather(pairs["b"]),
        confidence=pl.when(pl.col("q") <= 0.01)
        .then(pl.lit("high"))
        .when(pl.col("q") <= 0.05)
        .then(pl.lit("moderate"))
        .otherwise(pl.lit("low")),
    )
    by_b = pl.when(pl.col("a_first") <= 1 / 3).then("account_b").otherwise(pl.lit(""))
    ahead = pl.when(pl.col("a_first") >= 2 / 3).then("account_a").otherwise(by_b)
    told = named.with_columns(
        leader=ahead,
        evidence_ids=_name_evidence(events, str(params["object_column"]), met, once, pairs["key"]),
        why=pl.concat_str(
            pl.format("{} objects within the window, where shuffled accounts meet on {}", "objects", "expected"),
            pl.when(pl.col("crowded") > 0)
            .then(pl.format("; {} of them are everybody's and count less", "crowded"))
            .otherwise(pl.lit("")),
        ),
    )
    ordered = write_findings(told.drop("key", "a", "b", "a_first", "crowded"), "synchrony", params)
    own = ["account_a", "account_b", "leader", "objects", "expected", "p", "q"]
    return ordered.select(*TimelineFindings.columns(), *own).sort("start_at", "account_a", "account_b")


def _name_evidence(
    events: pl.DataFrame, object_column: str, met: _Met, once: pl.DataFrame, keys: pl.Series
) -> pl.Series:
    """Ids of the events by which each pair met, where events have ids."""
    if "event_id" not in events.columns:
        return pl.Series([[]] * len(keys), dtype=pl.List(pl.String))
    rows = events.filter(pl.col(object_column).is_not_null() & pl.col("event_at").is_not_null()).select(
        pl.col("account_id").alias("name"), pl.col(object_column).rank("dense").cast(pl.Int64).alias("object"),
        pl.col("event_at").dt.epoch("us").alias("when"), "event_id",
    )  # fmt: skip
    names = met.names.to_frame("name").with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    coded = rows.join(names, on="name").sort("event_id").unique(["object", "when", "code"], keep="first")
    first = once.select("key", "object", when="at", code="ahead")
    behind = pl.when(pl.col("ahead") == pl.col("a")).then("b").otherwise("a")
    both = pl.concat([first, once.select("key", "object", when="end", code=behind)])
    met_by = both.join(coded, on=["object", "when", "code"]).sort("key", "when", "event_id")
    ids = met_by.group_by("key", maintain_order=True).agg(keep_ids())
    return keys.to_frame("key").join(ids, on="key", how="left", maintain_order="left")["evidence_ids"]


def _within(group: Ints, at: Ints, window: int) -> tuple[Ints, Ints]:
    """Pairs of rows of one group at most a window apart; rows are sorted by group, then time."""
    if not len(at):
        return group, group
    span = int(at.max() - at.min()) + window + 1
    axis = (group - group.min()) * span + (at - at.min())
    end = np.searchsorted(axis, axis + window, side="right")
    number = end - np.arange(len(axis)) - 1
    first = np.repeat(np.arange(len(axis)), number)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(number) - number, number)
    return first, first + 1 + offset


def _as_table(
    a: Ints,
    b: Ints,
    objects: Ints,
    at: Ints,
    accounts: pl.Series,
) -> pl.DataFrame:
    names = accounts.to_frame("name").with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    return (
        pl.DataFrame({"a": a, "b": b, "object": objects, "at": at})
        .group_by("a", "b")
        .agg(
            pl.col("object").n_unique().cast(pl.Int64).alias("objects"),
            pl.col("at").min().cast(UTC).alias("first_at"),
            pl.col("at").max().cast(UTC).alias("last_at"),
        )
        .join(names.rename({"name": "account_a"}), left_on="a", right_on="code")
        .join(names.rename({"name": "account_b"}), left_on="b", right_on="code")
        .select("account_a", "account_b", "objects", "first_at", "last_at")
        .sort(["objects", "account_a", "account_b"], descending=[True, False, False])
    )
