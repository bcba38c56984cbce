"""What is wrong or missing in a timeline, said before anything is read out of it.

Silence is judged per source against that source's own rhythm, because a source that stopped delivering looks exactly
like accounts that stopped acting. Rows whose time is out of range are kept in the data and left out of the rhythm.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from toolkit.model.tables import UTC, Quality, TimeFlag, conform, empty
from toolkit.timeline.build import keep_in_range
from toolkit.timeline.coded import order_by_account

__all__ = ["find_quality_issues", "find_silences"]

_MIN_EVENTS: Final = 50
_TIMES_TYPICAL: Final = 20.0
_FLOOR_S: Final = 1_800.0
_LATE_S: Final = 3_600.0
_MOST_PER_SOURCE: Final = 20
_SEVERITY: Final = ("high", "medium", "low")

_FLAGS: Final[tuple[tuple[TimeFlag, str, str, str], ...]] = (
    (TimeFlag.OUT_OF_RANGE, "time_out_of_range", "medium", "before 2000, or later than the data can be"),
    (TimeFlag.NAIVE_ASSUMED, "zone_assumed", "low", "the text has no zone; the mapping declares one"),
    (TimeFlag.DST_FOLD, "dst_fold", "medium", "the wall-clock time happened twice; the first was taken"),
    (TimeFlag.DST_GAP, "dst_gap", "medium", "the wall-clock time never happened; it was moved forward"),
    (TimeFlag.UNIT_GUESSED, "unit_guessed", "low", "the unit of an epoch number was told by its magnitude"),
    (TimeFlag.CLOCK_SHIFTED, "clock_shifted", "medium", "a measured clock offset was applied"),
    (TimeFlag.YEAR_GUESSED, "year_guessed", "medium", "the text has no year"),
)  # fmt: skip


def find_quality_issues(events: pl.DataFrame) -> pl.DataFrame:
    """List what is wrong or missing in events: a row per kind of issue and source.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``; the rows' order does not matter.

    Returns
    -------
    polars.DataFrame
        Contract ``Quality``. Kinds: ``no_events``; ``duplicate_ids``; ``inversions`` (neighbours in file order whose
        times run backwards); ``late_arrival`` (more than an hour) and ``ingested_before_event``; ``rounded_to_second``,
        ``rounded_to_minute``, ``rounded_to_hour``; ``source_silent``, ``source_starts_late``, ``source_ends_early``;
        and one kind per assumption made while reading times. ``n`` counts events (for silences: those that are missing
        if the source had kept its rhythm). Order: severity (high first), kind, source, start_at.

    Examples
    --------
    >>> from toolkit.model.tables import Events
    >>> find_quality_issues(empty(Events)).select("kind", "severity").rows()
    [('no_events', 'high')]
    """
    if not events.height:
        return _issues(pl.DataFrame([_row("no_events", "", 0, "high", "the tables hold no event in this window")]))
    slim = events.select(
        "event_at", "source", "event_id", "seq", "ingested_at", "flags", "precision",
        pl.col("raw_ref").str.replace(r":[0-9]+$", "").alias("file"),
    )  # fmt: skip
    parts = [_duplicates(slim), _inversions(slim), *_lateness(slim), *_flagged(slim), *_rounding(slim), _silent(slim)]
    return _issues(pl.concat([part for part in parts if part.height], how="diagonal_relaxed") if any(
        part.height for part in parts
    ) else empty(Quality))  # fmt: skip


def find_silences(events: pl.DataFrame) -> pl.DataFrame:
    """Find when a whole source fell silent, against its own rhythm.

    A gap between two neighbouring events of a source is a silence where it is longer than 20 times the source's typical
    long gap (the 99th of 100), and than half an hour. Sources with fewer than 50 events are not judged.

    Parameters
    ----------
    events : polars.DataFrame
        Has event_at, source, flags.

    Returns
    -------
    polars.DataFrame
        source, start_at, end_at (the events either side), gap_s, typical_s (the 99th of 100 gaps), median_s, events.
        The 20 longest per source; order: source, start_at.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m + 600 * (m > 100)) for m in range(200)]
    >>> rows = pl.DataFrame({"event_at": at, "source": ["app"] * 200, "flags": [0] * 200})
    >>> find_silences(rows).select("source", "gap_s", "typical_s").rows()
    [('app', 36060.0, 60.0)]
    """
    gaps = _gaps(events)
    opens, closes = _window(gaps)
    typical = (
        gaps.group_by("source")
        .agg(
            pl.col("gap_s").quantile(0.99, "lower").alias("typical_s"),
            pl.col("gap_s").median().alias("median_s"),
            (pl.len() + 1).alias("events"),
        )
        .filter(pl.col("events") >= _MIN_EVENTS)
    )
    longest = pl.col("gap_s").rank("ordinal", descending=True).over("source", order_by=["gap_s", "start_at"])
    return (
        gaps.filter((pl.col("end_at") > opens) & (pl.col("start_at") < closes))
        .join(typical, on="source", how="inner")
        .filter(pl.col("gap_s") > pl.max_horizontal(pl.col("typical_s") * _TIMES_TYPICAL, pl.lit(_FLOOR_S)))
        .filter(longest <= _MOST_PER_SOURCE)
        .select("source", "start_at", "end_at", "gap_s", "typical_s", "median_s", "events")
        .sort("source", "start_at")
    )


def _window(gaps: pl.DataFrame) -> tuple[pl.Expr, pl.Expr]:
    """From when until when the data speak: when half of the sources have begun, until half of them have ended.

    A register that reaches years back (accounts, keys) makes no other source late, and its own thin past no silence.
    """
    spans = gaps.group_by("source").agg(pl.min("start_at"), pl.max("end_at"), pl.len().alias("n"))
    ends = spans.filter(pl.col("n") >= _MIN_EVENTS - 1)
    opens = ends["start_at"].sort().to_list()
    closes = ends["end_at"].sort().to_list()
    if not opens:
        return pl.lit(None, UTC), pl.lit(None, UTC)
    return pl.lit(opens[(len(opens) - 1) // 2], UTC), pl.lit(closes[len(closes) // 2], UTC)


def _gaps(events: pl.DataFrame) -> pl.DataFrame:
    """Every two neighbouring events of a source. Order: source, start_at."""
    grouped = order_by_account(keep_in_range(events), "source")
    after = np.flatnonzero(grouped.gap >= 0)
    return pl.DataFrame(
        {
            "source": grouped.names.gather(grouped.code[after]),
            "start_at": pl.Series(grouped.at[after - 1], dtype=pl.Int64).cast(UTC),
            "end_at": pl.Series(grouped.at[after], dtype=pl.Int64).cast(UTC),
            "gap_s": grouped.gap[after] / 1e6,
        }
    )


def _issues(rows: pl.DataFrame) -> pl.DataFrame:
    checked = conform(rows, Quality)
    rank = pl.col("severity").replace_strict(list(_SEVERITY), [0, 1, 2], return_dtype=pl.Int8)
    return checked.sort(rank, "kind", "source", "start_at", "end_at")


def _row(kind: str, source: str, n: int, severity: str, how: str) -> dict[str, object]:
    return {
        "kind": kind,
        "source": source,
        "start_at": None,
        "end_at": None,
        "n": n,
        "severity": severity,
        "how_found": how,
    }


def _table(rows: pl.DataFrame, kind: str, severity: pl.Expr | str, how: pl.Expr) -> pl.DataFrame:
    return rows.select(
        pl.lit(kind).alias("kind"),
        "source",
        pl.col("first").alias("start_at"),
        pl.col("last").alias("end_at"),
        pl.col("n").cast(pl.Int64),
        (pl.lit(severity) if isinstance(severity, str) else severity).alias("severity"),
        how.alias("how_found"),
    )


_SPAN: Final = (pl.min("event_at").alias("first"), pl.max("event_at").alias("last"), pl.len().alias("n"))


def _percent(share: pl.Expr) -> pl.Expr:
    return (share * 100).round(1).cast(pl.String)


def _duplicates(events: pl.DataFrame) -> pl.DataFrame:
    again = events.filter(pl.struct("source", "event_id").is_duplicated())
    rows = again.group_by("source").agg(*_SPAN, pl.col("event_id").n_unique().alias("ids"))
    how = pl.format("{} rows share {} event ids", "n", "ids")
    return _table(
        rows.with_columns(pl.col("n") - pl.col("ids")), "duplicate_ids", "medium", how.str.replace("rows", "more rows")
    )


def _inversions(events: pl.DataFrame) -> pl.DataFrame:
    """Neighbours in file order whose times run backwards: normal in delivered files, and a warning about ``seq``."""
    same = (pl.col("file") == pl.col("file").shift(1)) & (pl.col("source") == pl.col("source").shift(1))
    rows = events.sort("source", "file", "seq").with_columns(
        (same & (pl.col("event_at") < pl.col("event_at").shift(1))).alias("back")
    )
    found = rows.filter("back").group_by("source").agg(*_SPAN)
    total = events.group_by("source").agg(pl.len().alias("all"))
    joined = found.join(total, on="source")
    how = pl.format(
        "{} of {} rows stand before an earlier one in their file ({} %)",
        "n",
        "all",
        _percent(pl.col("n") / pl.col("all")),
    )
    return _table(joined, "inversions", "low", how)


def _lateness(events: pl.DataFrame) -> list[pl.DataFrame]:
    late = (pl.col("ingested_at") - pl.col("event_at")).dt.total_microseconds() / 1e6
    known = events.filter(pl.col("ingested_at").is_not_null()).with_columns(late.alias("s"))
    quantiles = [
        pl.col("s").quantile(q / 100, "higher").round(0).cast(pl.Int64).cast(pl.String).alias(f"p{q}")
        for q in (50, 95, 99)
    ]
    all_rows = known.group_by("source").agg(pl.len().alias("all"), *quantiles)
    after = known.filter(pl.col("s") > _LATE_S).group_by("source").agg(*_SPAN).join(all_rows, on="source")
    before = known.filter(pl.col("s") < -1).group_by("source").agg(*_SPAN).join(all_rows, on="source")
    how = pl.format(
        "{} of {} rows ({} %) arrived more than an hour late; lateness in seconds: p50 {}, p95 {}, p99 {}",
        "n", "all", _percent(pl.col("n") / pl.col("all")), "p50", "p95", "p99",
    )  # fmt: skip
    severity = pl.when(pl.col("n") > 0.05 * pl.col("all")).then(pl.lit("medium")).otherwise(pl.lit("low"))
    early = pl.format("{} of {} rows were ingested before they happened: one of the two clocks is wrong", "n", "all")
    return [
        _table(after, "late_arrival", severity, how),
        _table(before, "ingested_before_event", "medium", early),
    ]


def _flagged(events: pl.DataFrame) -> list[pl.DataFrame]:
    out = []
    total = events.group_by("source").agg(pl.len().alias("all"))
    for flag, kind, severity, meaning in _FLAGS:
        hit = events.filter((pl.col("flags") & flag.value) != 0)
        if hit.height:
            rows = hit.group_by("source").agg(*_SPAN).join(total, on="source")
            out.append(_table(rows, kind, severity, pl.format("{} of {} rows: " + meaning, "n", "all")))
    return out


def _rounding(events: pl.DataFrame) -> list[pl.DataFrame]:
    """Times that fall on whole seconds, minutes or hours more often than time does: a coarser clock than it looks."""
    us = pl.col("event_at").to_physical()
    fine = pl.col("precision").is_in(["us", "ms"])
    looks = events.with_columns(
        (fine & (us % 1_000_000 == 0)).alias("second"),
        (us % 60_000_000 == 0).alias("minute"),
        (us % 3_600_000_000 == 0).alias("hour"),
        fine.alias("fine"),
    )
    out = []
    for unit, share, base in (("second", 0.5, "fine"), ("minute", 0.2, None), ("hour", 0.05, None)):
        whole = pl.len() if base is None else pl.col(base).sum()
        counts = looks.group_by("source").agg(whole.alias("all"), pl.col(unit).sum().alias("n"))
        odd = counts.filter((pl.col("all") >= _MIN_EVENTS) & (pl.col("n") > share * pl.col("all")))
        if odd.height:
            spans = looks.filter(unit).group_by("source").agg(*_SPAN[:2]).join(odd, on="source")
            how = pl.format(
                "{} of {} times ({} %) fall on the whole " + unit, "n", "all", _percent(pl.col("n") / pl.col("all"))
            )
            out.append(_table(spans, f"rounded_to_{unit}", "low" if unit == "second" else "medium", how))
    return out


def _silent(events: pl.DataFrame) -> pl.DataFrame:
    silences = find_silences(events)
    gaps = _gaps(events)
    rhythm = gaps.group_by("source").agg(
        pl.min("start_at"), pl.max("end_at"), pl.col("gap_s").quantile(0.99, "lower").alias("typical_s"),
        pl.col("gap_s").median().alias("median_s"), (pl.len() + 1).alias("events"),
    ).filter(pl.col("events") >= _MIN_EVENTS)  # fmt: skip
    limit = pl.max_horizontal(pl.col("typical_s") * _TIMES_TYPICAL, pl.lit(_FLOOR_S))
    opens, closes = _window(gaps)
    edges = rhythm.with_columns(opens.alias("open"), closes.alias("close"))
    late = edges.filter((pl.col("start_at") - pl.col("open")).dt.total_seconds() > limit)
    early = edges.filter((pl.col("close") - pl.col("end_at")).dt.total_seconds() > limit)

    def say(rows: pl.DataFrame, kind: str, start: str, end: str) -> pl.DataFrame:
        gap = (pl.col(end) - pl.col(start)).dt.total_seconds()
        missing = gap.cast(pl.Float64) / pl.max_horizontal("median_s", pl.lit(1e-6))
        return rows.select(
            pl.lit(kind).alias("kind"),
            "source",
            pl.col(start).alias("start_at"),
            pl.col(end).alias("end_at"),
            missing.clip(0, 2**53).cast(pl.Int64).alias("n"),
            pl.when(gap > 86_400).then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity"),
            pl.format(
                "nothing for {} s, where 99 of 100 gaps are at most {} s: what accounts did then is unknown",
                gap, pl.col("typical_s").round(1),
            ).alias("how_found"),
        )  # fmt: skip

    return pl.concat(
        [
            say(silences, "source_silent", "start_at", "end_at"),
            say(late.rename({"start_at": "began"}), "source_starts_late", "open", "began"),
            say(early, "source_ends_early", "end_at", "close"),
        ]
    )
