"""Change points: when an account's rate changed for good, and how surely in time.

Events are counted in bins; the counts are cut into stretches of one Poisson rate each so that the cost (minus twice the
log likelihood) and a penalty per cut are least. The cut sequence is exact: PELT, which drops a start that can never win
again. For thousands of accounts :mod:`toolkit.timeline.bursts` is the tool; this one is for a case.

Source: Killick, Fearnhead & Eckley 2012. The penalty is 3 ln(bins): Bayes' criterion with half as much again.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.model.tables import UTC
from toolkit.timeline.build import keep_in_range, put_in_order
from toolkit.timeline.coded import Ints, order_by_account
from toolkit.timeline.found import no_findings, write_findings

__all__ = ["cut_counts", "find_changepoints"]

Floats = NDArray[np.float64]

_MOST_BINS: Final = 20_000
_LIKELY: Final = 2.0
"""Drop of the log likelihood within which a cut may as well stand elsewhere: the interval that is given."""


def find_changepoints(
    events: pl.DataFrame, *, by: str | None = "account_id", bin_s: float = 3_600.0, min_n: int = 20
) -> pl.DataFrame:
    """Find when rates changed.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag) are left out.
    by : str, optional
        Whose rate; None for all events as one stream.
    bin_s : float
        Seconds per bin. Bins begin at whole multiples of it since 1970.
    min_n : int
        Streams with fewer events are not judged.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *changepoint*; ``account_id`` is the value of ``by`` (empty for all).
        ``change_at``: the edge between two bins; ``start_at`` to ``end_at``: where the edge may as well stand.
        ``rate_before``, ``rate_after``: events per hour in the stretches either side. ``score``: twice the log
        likelihood that the cut gains over one rate for both. ``evidence_ids``: the last event before and the first
        after. Order: start_at, account_id.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InputError
        If a bin is no positive number, or there are more than 20,000 of them.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> minutes = [*range(0, 6_000, 60), *range(6_000, 12_000, 6)]
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in minutes]
    >>> rows = {"event_at": at, "account_id": "a", "event": "chat", "source": "app", "raw_ref": "", "flags": 0}
    >>> rows |= {"event_id": [str(m) for m in minutes], "seq": minutes, "precision": "s"}
    >>> find_changepoints(pl.DataFrame(rows)).select("rate_before", "rate_after").rows()
    [(1.0, 10.0)]
    """
    if not bin_s > 0:
        raise InputError(f"bin_s is {bin_s}; want a positive number of seconds")
    good = keep_in_range(events)
    ordered = put_in_order(good if by else good.with_columns(_all=pl.lit("")))
    grouped = order_by_account(ordered, by or "_all")
    width = max(round(bin_s * 1e6), 1)
    found: list[dict[str, object]] = []
    for code in np.flatnonzero(np.diff(grouped.start) >= min_n).tolist():
        mine = slice(int(grouped.start[code]), int(grouped.start[code + 1]))
        at = grouped.at[mine]
        first = int(at[0] // width)
        bins = int(at[-1] // width) - first + 1
        if bins > _MOST_BINS:
            longer = (at[-1] - at[0]) / _MOST_BINS / 1e6
            raise InputError(f"{bins:,} bins of {bin_s:g} s are too many; give bin_s of {longer:.0f} or more")
        counts = np.bincount(at // width - first, minlength=bins)
        ids = ordered["event_id"].gather(grouped.row[mine])
        for cut in _describe(counts, cut_counts(counts), bin_s):
            edge = (first + cut["cut"]) * width
            place = int(np.searchsorted(at, edge))
            around = [ids[i] for i in (place - 1, place) if 0 <= i < len(at)]
            low, high = ((first + cut[side]) * width for side in ("low", "high"))
            found.append(
                {
                    "account_id": grouped.names[code], "start_at": low, "end_at": high, "change_at": edge,
                    "evidence_ids": around, **{k: cut[k] for k in ("score", "rate_before", "rate_after")},
                }
            )  # fmt: skip
    if not found:
        return no_findings(change_at=UTC, rate_before=pl.Float64, rate_after=pl.Float64)
    table = pl.DataFrame(found).with_columns(
        pl.col("start_at", "end_at", "change_at").cast(UTC),
        confidence=pl.when(pl.col("score") >= 30).then(pl.lit("high")).otherwise(pl.lit("moderate")),
        why=pl.format("from {} to {} events an hour", pl.col("rate_before").round(2), pl.col("rate_after").round(2)),
    )
    return write_findings(table, "changepoint", {"by": by, "bin_s": bin_s, "min_n": min_n})


def cut_counts(counts: Ints, penalty: float | None = None) -> Ints:
    """Cut counts into stretches of one Poisson rate: the exact least of cost and penalty.

    Parameters
    ----------
    counts : int64 array
        Events per bin.
    penalty : float, optional
        Of each cut; by default 3 ln(bins).

    Returns
    -------
    int64 array
        The first bin of every stretch but the first, in order.

    Examples
    --------
    >>> cut_counts(np.array([1, 0, 1, 1, 0, 9, 8, 9, 10, 9])).tolist()
    [5]
    """
    n = len(counts)
    beta = 3 * np.log(max(n, 2)) if penalty is None else penalty
    total = np.concatenate(([0], np.cumsum(counts))).astype(float)
    best = np.full(n + 1, np.inf)
    best[0] = -beta
    before = np.zeros(n + 1, dtype=np.int64)
    alive = np.zeros(1, dtype=np.int64)
    for end in range(1, n + 1):
        cost = best[alive] + _cost(total, alive, end)
        at = int(np.argmin(cost))
        best[end], before[end] = cost[at] + beta, alive[at]
        alive = np.append(alive[cost <= best[end]], end)
    cuts = []
    while (n := int(before[n])) > 0:
        cuts.append(n)
    return np.array(cuts[::-1], dtype=np.int64)


def _cost(total: Floats, start: Ints, end: int) -> Floats:
    """Minus twice the log likelihood of one Poisson rate from each start to the end, without what never changes."""
    events, bins = total[end] - total[start], end - start
    return np.asarray(2 * events * (1 - np.log(np.maximum(events, 1e-300) / bins)))


def _describe(counts: Ints, cuts: Ints, bin_s: float) -> list[dict[str, float]]:
    """Each cut with its neighbours' rates, what it gains, and the bins in which it may as well stand."""
    total = np.concatenate(([0], np.cumsum(counts))).astype(float)
    edges = np.concatenate(([0], cuts, [len(counts)]))
    told = []
    for left, cut, right in zip(edges[:-2].tolist(), edges[1:-1].tolist(), edges[2:].tolist(), strict=True):
        places = np.arange(left + 1, right)
        whole = float(_cost(total, np.array([left]), right)[0])
        parted = np.array(
            [_cost(total, np.array([left]), p)[0] + _cost(total, np.array([p]), right)[0] for p in places]
        )
        near = places[parted <= parted[cut - left - 1] + 2 * _LIKELY]
        hours = bin_s / 3_600
        told.append(
            {
                "cut": cut, "low": int(near.min()), "high": int(near.max()),
                "score": round(whole - float(parted[cut - left - 1]), 6),
                "rate_before": round((total[cut] - total[left]) / (cut - left) / hours, 6),
                "rate_after": round((total[right] - total[cut]) / (right - cut) / hours, 6),
            }
        )  # fmt: skip
    return told
