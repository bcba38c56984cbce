"""Waves of creation: many accounts or keys made at once, and what those of one wave have in common.

A wave is a burst of creations over all accounts (the exact scan of :mod:`toolkit.timeline.bursts`, against the rhythm
of the week where there are weeks). A product that goes viral makes waves too. So each wave says which values its
accounts share, and how many would share them by chance if as many were drawn from all that were made: a wave of a ring
has its device or its card; a viral day has nothing that is not everybody's.

Source: the hypergeometric chance of a value's holders among the drawn, Bonferroni over the values that were looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.model.tables import Events
from toolkit.timeline.build import keep_in_range
from toolkit.timeline.bursts import find_bursts
from toolkit.timeline.found import no_findings, write_findings

__all__ = ["WIDTHS_S", "find_waves"]

WIDTHS_S: Final = (600.0, 3_600.0, 21_600.0, 86_400.0)
_MOST_VALUES: Final = 5
_ALPHA: Final = 0.01


def find_waves(
    events: pl.DataFrame,
    *,
    on: Sequence[str] = ("signup", "key_create"),
    window_s: float | Sequence[float] = WIDTHS_S,
    min_n: int = 5,
    max_fdr: float = 0.01,
    weekly: bool = True,
) -> pl.DataFrame:
    """Find waves of creation and what their accounts have in common.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, indicator columns (ip, device, ...) after its own. Rows in any order.
    on : sequence of str
        Verbs of creation; each is one stream.
    window_s : float or sequence of float
        Widths of the scan, in seconds: ten minutes, an hour, six hours and a day by default. Each has its part of
        ``max_fdr``; of waves that overlap, the least likely by chance is kept.
    min_n : int
        Creations of a wave at least.
    max_fdr : float
        As in :func:`toolkit.timeline.bursts.find_bursts`. The data speak from the first event to the last, of whatever
        verb: give a ring's later acts too, and its sign-ups stand out against the days without any.
    weekly : bool
        Whether the hours of the week that are busy for everybody are taken out first.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *wave*, ``account_id`` empty. ``verb``; ``n``: creations; ``accounts``:
        who, sorted; ``common``: up to five values that more of them hold than chance gives, the least likely first
        (column, value, held, expected, p; p after Bonferroni). ``score``: minus the decimal logarithm of the wave's
        adjusted p. ``confidence``: *moderate* where something is in common, else *low*: a launch, a newsletter, a viral
        day. Order: start_at, verb.

    Raises
    ------
    InputError
        If no verb of creation is named, or a number does not fit.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> hours = [float(h) for h in range(300)] + [100 + i / 3600 for i in range(12)]
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=h) for h in hours]
    >>> rows = {"event_at": at, "account_id": [f"a{i:03}" for i in range(312)], "event": "signup", "source": "app"}
    >>> rows |= {"event_id": [f"e{i}" for i in range(312)], "seq": 0, "flags": 0, "precision": "s", "raw_ref": ""}
    >>> rows |= {"device": [f"d{i}" for i in range(300)] + ["same"] * 12}
    >>> found = find_waves(pl.DataFrame(rows))
    >>> found["n"].item(), found["common"].item()[0]["value"], found["confidence"].item()
    (13, 'same', 'moderate')
    """
    if not on:
        raise InputError("name at least one verb of creation, for example on=('signup',)")
    widths = (window_s,) if isinstance(window_s, (int, float)) else tuple(window_s)
    if not widths:
        raise InputError("name at least one width of the scan, for example window_s=3600")
    good = keep_in_range(events)
    span = good.select(first=pl.min("event_at"), last=pl.max("event_at")).rows()[0] if good.height else None
    params = {"window_s": list(widths), "min_n": min_n, "max_fdr": max_fdr, "weekly": weekly}
    found = []
    for verb in on:
        made = good.filter(pl.col("event") == verb)
        scans = [
            find_bursts(
                made, by=None, method="scan", window_s=width, min_n=min_n, max_fdr=max_fdr / len(widths), weekly=weekly,
                span=span,
            )
            for width in widths
        ]  # fmt: skip
        found.append(_describe(made, _least_likely(pl.concat(scans)), {"verb": verb, **params}))
    whole = pl.concat([wave for wave in found if wave.height]) if any(wave.height for wave in found) else _nothing()
    return whole.sort("start_at", "verb")


def _nothing() -> pl.DataFrame:
    common = pl.List(
        pl.Struct({"column": pl.String, "value": pl.String, "held": pl.Int64, "expected": pl.Float64, "p": pl.Float64})
    )
    return no_findings(verb=pl.String, n=pl.UInt32, accounts=pl.List(pl.String), common=common)


def _least_likely(bursts: pl.DataFrame) -> pl.DataFrame:
    """Of bursts that overlap, the one that chance explains least; of equals the earliest and the longest."""
    ranked = bursts.sort(["score", "start_at", "end_at"], descending=[True, False, True])
    kept: list[int] = []
    times = ranked.select("start_at", "end_at").rows()
    for place, (begin, end) in enumerate(times):
        if all(end < times[other][0] or begin > times[other][1] for other in kept):
            kept.append(place)
    return ranked[kept].sort("start_at")


def _describe(made: pl.DataFrame, bursts: pl.DataFrame, params: dict[str, object]) -> pl.DataFrame:
    """Waves with what their accounts have in common."""
    if bursts.is_empty():
        return _nothing()
    verb = params["verb"]
    columns = [name for name in made.columns if name not in Events.columns() and made[name].dtype == pl.String]
    held, rows = _holdings(made, columns), []
    for begin, end in bursts.select("start_at", "end_at").iter_rows():
        inside = made.filter(pl.col("event_at").is_between(begin, end))
        common = _in_common(held, made["account_id"].n_unique(), inside["account_id"].unique())
        rows.append({"accounts": inside["account_id"].unique().sort().to_list(), "common": common, "verb": verb})
    told = pl.DataFrame(rows, schema={name: _nothing().schema[name] for name in ("accounts", "common", "verb")})
    some = pl.col("common").list.len() > 0
    first = pl.col("common").list.first().struct
    table = bursts.drop("kind", "params", "why", "confidence", "times_rate").hstack(told).with_columns(
        confidence=pl.when(some).then(pl.lit("moderate")).otherwise(pl.lit("low")),
        why=pl.when(some)
        .then(
            pl.format(
                "{} of verb {}; {} of them hold {} {}, where chance gives {}",
                "n", "verb", first.field("held"), first.field("column"), first.field("value"),
                first.field("expected").round(2),
            )
        )
        .otherwise(pl.format("{} of verb {}, with nothing in common that chance does not give", "n", "verb")),
    )  # fmt: skip
    return write_findings(table, "wave", params).select(_nothing().columns)


def _holdings(made: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Each account with each value that it was made with, and how many accounts hold that value."""
    pairs = made.select("account_id", *columns).unpivot(columns, index="account_id", variable_name="column")
    whole = pairs.drop_nulls("value").unique()
    return whole.with_columns(holders=pl.len().over("column", "value"))


def _in_common(held: pl.DataFrame, everybody: int, inside: pl.Series) -> list[dict[str, object]]:
    """Values that more accounts of the wave hold than as many drawn from all would."""
    from scipy.stats import hypergeom

    drawn = len(inside)
    theirs = held.filter(pl.col("account_id").is_in(inside.implode()))
    counted = theirs.group_by("column", "value").agg(pl.len().alias("held"), pl.first("holders"))
    values = counted.filter(pl.col("held") >= 2)
    p = hypergeom.sf(values["held"].to_numpy() - 1, everybody, values["holders"].to_numpy(), drawn)
    expected = values["holders"].to_numpy() * drawn / everybody
    table = values.with_columns(
        pl.col("held").cast(pl.Int64),
        p=pl.Series(np.round(np.minimum(p * max(values.height, 1), 1.0), 12)),
        expected=pl.Series(np.round(expected, 6)),
    )
    best = table.filter(pl.col("p") <= _ALPHA).sort(
        ["p", "held", "column", "value"], descending=[False, True, False, False]
    )
    return best.head(_MOST_VALUES).select("column", "value", "held", "expected", "p").to_dicts()
