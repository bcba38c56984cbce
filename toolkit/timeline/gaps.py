"""Gaps: where a source stopped delivering, where an account stopped acting, and which numbers are missing.

Every stream is judged by its own rhythm: the median of the same hour over weeks, which one bad week does not move, or
over days where there is no second week, or a flat rate where there is no third day. A run of bins that hold almost
nothing has a Poisson chance, in units of the stream's own clumping (events that come five at a time count as one), and
over all runs of all streams the rate of false discoveries is held, every bin counting as a test.

A silent source is a fault of the data; a silent account is something that an account did. Only what a source said
while it spoke is evidence of absence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError, UnknownNameError
from toolkit.model.tables import UTC
from toolkit.timeline.build import in_utc, keep_in_range, put_in_order, window_faults
from toolkit.timeline.bursts import benjamini_hochberg
from toolkit.timeline.coded import ByAccount, order_by_account
from toolkit.timeline.found import no_findings, write_findings

__all__ = ["find_gaps", "is_known"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BY: Final = ("source", "account_id")
_MIN_EVENTS: Final = 50
_S: Final = 1_000_000
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_BINS_S: Final = (60, 300, 900, _HOUR_S, 4 * _HOUR_S, _DAY_S)
_PER_BIN: Final = 5.0
_MOST_BINS: Final = 200_000
_LOW: Final = 0.2
_PERIODS: Final = ((7 * _DAY_S, 2, "hour of the week", "high"), (_DAY_S, 3, "hour of the day", "moderate"))
_OWN: Final = {"source": pl.String, "n_expected": pl.Float64, "n_found": pl.Int64, "open": pl.Boolean}


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of low bins of one stream: the rows either side (-1: none after), the chance, and what was expected."""

    before: Ints
    after: Ints
    p: Floats
    n_expected: Floats
    n_found: Ints
    bins: int
    rhythm: str
    confidence: str


def find_gaps(
    events: pl.DataFrame,
    *,
    by: Literal["source", "account_id"] = "source",
    bin_s: int | Literal["auto"] = "auto",
    alpha: float = 1e-3,
) -> pl.DataFrame:
    """Find where a source, or an account, fell silent against its own rhythm.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag) are left out.
    by : {"source", "account_id"}
        Whose silence.
    bin_s : int or "auto"
        Seconds of a bin, a whole part of a day; ``auto`` takes for each stream the finest of 1, 5, 15 minutes, 1, 4, 24
        hours that holds five events on average.
    alpha : float
        Share of false ones among the silences, at most.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings``. Kinds by source: *source_silent*, and *seq_missing*, numbers that are absent
        between a file's first and last (one finding for the file where more are absent than present: then rows were
        selected); ``account_id`` is empty. By account: *account_silent*, while the source of most of its events spoke.
        From the last event before (``start_at``) to the first after (``end_at``). ``score``: minus the decimal
        logarithm of the adjusted p; for numbers, how many are absent. Own columns: ``source``, ``n_expected``,
        ``n_found``, ``open`` (the silence lasts until the data end). ``confidence``: *high* by the hours of a week,
        *moderate* by those of a day, *low* by a flat rate (a night looks like a silence), *unknown* for an account
        whose source was itself silent for a part. Streams with fewer than 50 events are not judged, nor is what was
        before a stream's first event, or before half of the sources began. Rows that reading set aside (the ledger
        counts them) are absent numbers too. Order: start_at, account_id, kind, end_at.

    Raises
    ------
    UnknownNameError, InputError
        If a name or a number does not fit.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in range(3_000) if not 900 <= m < 1_300]
    >>> rows = {"event_at": at, "account_id": "a", "event": "e", "source": "app", "raw_ref": "", "flags": 0}
    >>> rows |= {"event_id": [str(t) for t in at], "seq": range(len(at)), "precision": "s"}
    >>> find_gaps(pl.DataFrame(rows)).select("kind", "source", "n_found", "why").rows()
    [('source_silent', 'app', 0, 'silent for 6.7 h: 0 events where 338 were expected (flat rate)')]
    """
    if by not in _BY:
        raise UnknownNameError("kind of silence", by, _BY)
    faults = [] if 0 < alpha < 1 else [f"alpha is {alpha}; want a share"]
    if bin_s != "auto" and not (isinstance(bin_s, int) and bin_s > 0 and _DAY_S % bin_s == 0):
        faults.append(f"bin_s is {bin_s!r}; want 'auto' or a whole part of a day in seconds (60, 900, 3600)")
    if faults:
        raise InputError("; ".join(faults))
    params: dict[str, object] = {"by": by, "bin_s": bin_s, "alpha": alpha}
    good = put_in_order(keep_in_range(events))
    spoken = _since_half_began(good)
    silent = _find_silences(spoken, "source", bin_s, alpha)
    if by == "source":
        parts = [_write(silent, "source_silent", params), _write(_missing_numbers(good), "seq_missing", params)]
    else:
        accounts = _find_silences(spoken, "account_id", bin_s, alpha)
        parts = [_write(_while_source_spoke(accounts, silent), "account_silent", params)]
    return pl.concat(parts).sort("start_at", "account_id", "kind", "end_at", "source", "why")


def is_known(
    events: pl.DataFrame, start: datetime, end: datetime, source: str, *, gaps: pl.DataFrame | None = None
) -> bool:
    """Say whether a source spoke in a window, so that nothing found there means that nothing happened.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    start, end : datetime
        With a zone; ``start`` <= event_at < ``end``.
    source : str
        Who would have reported it.
    gaps : polars.DataFrame, optional
        From :func:`find_gaps`, so that many windows cost one search.

    Returns
    -------
    bool
        False where the source was silent in a part of the window, or the window reaches before its first event or past
        the last event of any source: the answer is *unknown* there. A source with fewer than 50 events speaks too
        seldom to be judged; it is known wherever the data are.

    Raises
    ------
    UnknownNameError
        If no event is of that source.
    InputError
        If a bound has no zone, or the window ends before it starts.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in range(3_000) if not 900 <= m < 1_300]
    >>> rows = {"event_at": at, "account_id": "a", "event": "e", "source": "app", "raw_ref": "", "flags": 0}
    >>> events = pl.DataFrame(rows | {"event_id": [str(t) for t in at], "seq": range(len(at)), "precision": "s"})
    >>> [is_known(events, at[0] + timedelta(hours=h), at[0] + timedelta(hours=h + 1), "app") for h in (3, 18, 30)]
    [True, False, True]
    """
    if faults := window_faults(start, end):
        raise InputError("; ".join(faults))
    start, end = in_utc(start), in_utc(end)
    known = events["source"].unique().to_list()
    if source not in known:
        raise UnknownNameError("source among these events", source, known)
    good = keep_in_range(events)
    mine = good.filter(pl.col("source") == source)
    speaker = mine if mine.height >= _MIN_EVENTS else good
    within = (speaker["event_at"] <= start).any() and (good["event_at"] >= end).any()
    found = find_gaps(events) if gaps is None else gaps
    touched = (pl.col("kind") == "source_silent") & (pl.col("source") == source)
    touched &= (pl.col("start_at") < end) & (pl.col("end_at") > start)
    return bool(within) and found.filter(touched).is_empty()


def _find_silences(ordered: pl.DataFrame, by: str, bin_s: int | Literal["auto"], alpha: float) -> pl.DataFrame:
    """Silences that stand, with the times and ids of the events either side."""
    grouped = order_by_account(ordered, by)
    size = np.diff(grouped.start)
    judged = np.flatnonzero(size >= _MIN_EVENTS)
    main = _main_source(ordered, grouped, by)
    ends = _ends(ordered, main, by)
    runs = [
        _find_runs(grouped.at[grouped.start[k] : grouped.start[k + 1]], int(ends[k]), bin_s) for k in judged.tolist()
    ]
    table = _stack(judged, runs)
    untested = np.ones(sum(run.bins for run in runs) - table.height)
    q = benjamini_hochberg(np.concatenate((table["p"].to_numpy(), untested)))[: table.height]
    kept = table.with_columns(q=q).filter(pl.col("q") <= alpha)
    if kept.is_empty():
        return pl.DataFrame()
    stream = kept["stream"].to_numpy()
    is_open = kept["after"].to_numpy() < 0
    before = grouped.start[stream] + kept["before"].to_numpy()
    after = np.where(is_open, before, grouped.start[stream] + kept["after"].to_numpy())
    ids = [ordered["event_id"].gather(grouped.row[place]) for place in (before, after)]
    sides = kept.with_columns(
        grouped.names.gather(stream).alias(by),
        main.gather(stream).alias("main_source"),
        pl.Series("start", grouped.at[before]),
        pl.Series("end", np.where(is_open, ends[stream], grouped.at[after])),
        pl.Series("open", is_open),
        pl.struct(ids[0].alias("a"), ids[1].alias("b")).alias("ids"),
    )
    return _describe(_merge(sides, by), by)


def _stack(judged: Ints, runs: list[_Runs]) -> pl.DataFrame:
    """The runs of all streams, one row each."""
    size = [len(run.p) for run in runs]
    columns = {
        name: np.concatenate([getattr(run, name) for run in runs] or [np.empty(0)])
        for name in ("before", "after", "p", "n_expected", "n_found")
    }
    said = {name: np.repeat([getattr(run, name) for run in runs], size) for name in ("rhythm", "confidence")}
    return pl.DataFrame({"stream": np.repeat(judged, size), **columns, **said})


def _since_half_began(ordered: pl.DataFrame) -> pl.DataFrame:
    """Leave out what was before half of the sources began: the thin past of a register is no silence."""
    first = ordered.group_by("source").agg(pl.min("event_at"), pl.len()).filter(pl.col("len") >= _MIN_EVENTS)
    begins = first["event_at"].sort()
    return ordered.filter(pl.col("event_at") >= begins[(len(begins) - 1) // 2]) if len(begins) else ordered


def _main_source(ordered: pl.DataFrame, grouped: ByAccount, by: str) -> pl.Series:
    """The source of most events of each stream, the first by name among equals."""
    if by == "source":
        return grouped.names
    most = ordered.group_by(by, "source").len().sort(by, "len", "source", descending=[False, True, False])
    return most.unique(by, keep="first", maintain_order=True)["source"]


def _ends(ordered: pl.DataFrame, main: pl.Series, by: str) -> Ints:
    """Until when each stream could have spoken, in microseconds.

    A source: until half of the sources have ended, so that a register that was exported later makes no other silent. An
    account: until its main source ends.
    """
    last = ordered.group_by("source").agg(pl.max("event_at").dt.epoch("us").alias("end"), pl.len())
    end = (
        main.replace_strict(last["source"], last["end"], return_dtype=pl.Int64).to_numpy() if len(main) else np.empty(0)
    )
    loud = last.filter(pl.col("len") >= _MIN_EVENTS)["end"].sort()
    if by == "source" and len(loud):
        return np.maximum(end, int(loud[len(loud) // 2]))
    return end.astype(np.int64)


def _find_runs(at: Ints, end: int, bin_s: int | Literal["auto"]) -> _Runs:
    """Runs of low bins of one stream, from its first event to ``end``."""
    from scipy.special import gammaincc

    width = _choose_bin(len(at), (end - int(at[0])) / _S, bin_s) * _S
    first = int(at[0]) // width
    bins = end // width - first + 1
    count = np.bincount(at // width - first, minlength=bins)[:bins]
    lived = np.ones(bins)
    lived[0] -= (int(at[0]) % width) / width
    lived[-1] -= 1 - (end % width + 1) / width
    expected, rhythm, confidence = _expect(count, lived, first, width // _S)
    clump = _clumping(count, expected)
    low = count <= _LOW * expected
    edges = np.diff(np.concatenate(([False], low, [False])).astype(np.int8))
    begin, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    sums = np.concatenate(([0.0], np.cumsum(expected)))
    wanted = sums[stop] - sums[begin]
    found = np.concatenate(([0], np.cumsum(count)))
    held = found[stop] - found[begin]
    p = gammaincc(held / clump + 1, wanted / clump)  # a Poisson tail, of clumps
    before = np.maximum(found[begin] - 1, 0)
    after = np.where(found[stop] < len(at), found[stop], -1)
    return _Runs(before, after, p, wanted, held, int(bins), rhythm, confidence)


def _choose_bin(n: int, span_s: float, bin_s: int | Literal["auto"]) -> int:
    if bin_s != "auto":
        return bin_s
    fine = max(_PER_BIN * span_s / n, span_s / _MOST_BINS)
    return next((width for width in _BINS_S if width >= fine), _BINS_S[-1])


def _expect(count: Ints, lived: Floats, first: int, width_s: int) -> tuple[Floats, str, str]:
    """Events to be expected in each bin, by the finest rhythm that the data can show and that explains half of them."""
    slot_s = _HOUR_S if _HOUR_S % width_s == 0 else width_s
    slot = (first + np.arange(len(count))) * width_s // slot_s
    origin = int(slot[0])
    for period_s, least, said, confidence in _PERIODS:
        per_period = period_s // slot_s
        if lived.sum() * width_s < least * period_s:
            continue
        lead = origin % per_period  # slots of the first period that are before the data
        rows = -(-(lead + int(slot[-1]) - origin + 1) // per_period)
        place = slot - origin + lead
        held = np.bincount(place, count, rows * per_period)
        could = np.bincount(place, lived, rows * per_period)
        rate = np.where(could > 0, held / np.where(could > 0, could, 1), np.nan).reshape(rows, per_period)
        expected = np.nanmedian(rate, axis=0)[place % per_period] * lived
        if expected.sum() >= count.sum() / 2:
            return expected, said, confidence
    return lived * count.sum() / lived.sum(), "flat rate", "low"


def _clumping(count: Ints, expected: Floats) -> float:
    """How many events come as one: variance over mean, 1 for a Poisson stream.

    From bins above their expectation only, and by their median, so that neither silences nor one burst are in it.
    """
    above = (count > expected) & (expected >= 1)
    if not above.any():
        return 1.0
    z = (count[above] - expected[above] - 0.5) / np.sqrt(expected[above])  # half a step, as counts are whole
    return max(1.0, float(np.median(z) / 0.6745) ** 2)


def _merge(sides: pl.DataFrame, by: str) -> pl.DataFrame:
    """Silences that share the lone event between them are one."""
    ordered = sides.sort(by, "start", "end")
    new = (pl.col(by) != pl.col(by).shift(1)) | (pl.col("start") > pl.col("end").shift(1))
    ids = pl.concat([pl.col("ids").struct.field("a"), pl.col("ids").struct.field("b")])
    lone = pl.len() - 1
    whole = ordered.with_columns(new.fill_null(value=True).cum_sum().alias("run"))
    return whole.group_by("run", maintain_order=True).agg(
        pl.first(by, "main_source", "rhythm", "confidence"), pl.min("start", "q"), pl.max("end"), pl.any("open"),
        pl.sum("n_expected").round(1), pl.sum("n_found") + lone, ids.unique(maintain_order=True).alias("evidence_ids"),
    )  # fmt: skip


def _describe(silences: pl.DataFrame, by: str) -> pl.DataFrame:
    """The columns that findings want."""
    hours = (pl.col("end") - pl.col("start")) / (_HOUR_S * _S)
    return silences.select(
        (pl.lit("") if by == "source" else pl.col(by)).alias("account_id"),
        pl.col("start").cast(UTC).alias("start_at"),
        pl.col("end").cast(UTC).alias("end_at"),
        (-pl.max_horizontal("q", pl.lit(1e-300)).log10()).round(6).alias("score"),
        "confidence",
        "evidence_ids",
        pl.format(
            "silent for {} h: {} events where {} were expected ({})",
            hours.round(1), "n_found", pl.col("n_expected").round(0).cast(pl.Int64), "rhythm",
        ).alias("why"),
        pl.col("main_source").alias("source"), "n_expected", "n_found", "open",
    )  # fmt: skip


def _while_source_spoke(accounts: pl.DataFrame, silent: pl.DataFrame) -> pl.DataFrame:
    """Leave out silences that are their source's own for the greater part; a smaller part makes them unknown."""
    if accounts.is_empty() or silent.is_empty():
        return accounts
    numbered = accounts.with_row_index("row")
    spans = silent.select("source", pl.col("start_at").alias("from_at"), pl.col("end_at").alias("to_at"))
    both = pl.min_horizontal("end_at", "to_at") - pl.max_horizontal("start_at", "from_at")
    covered = (
        numbered.join(spans, on="source")
        .with_columns((both / (pl.col("end_at") - pl.col("start_at"))).clip(lower_bound=0).alias("share"))
        .group_by("row").agg(pl.sum("share"))
    )  # fmt: skip
    hidden = numbered.join(covered, on="row", how="left", maintain_order="left").with_columns(
        pl.col("share").fill_null(0.0)
    )
    unsure = pl.when(pl.col("share") > 0).then(pl.lit("unknown")).otherwise("confidence").alias("confidence")
    return hidden.filter(pl.col("share") < 0.5).with_columns(unsure).drop("row", "share")


def _missing_numbers(ordered: pl.DataFrame) -> pl.DataFrame:
    """Numbers that are absent between a file's first and last; each run, or the file once where rows were selected."""
    rows = ordered.select(
        "source", "seq", "event_at", "event_id", pl.col("raw_ref").str.replace(r":[0-9]+$", "").alias("file")
    ).unique(["source", "file", "seq"], keep="first", maintain_order=True)  # fmt: skip
    file = ["source", "file"]
    steps = rows.sort(*file, "seq").with_columns(
        (pl.col("seq") - pl.col("seq").shift(1) - 1).over(file).alias("absent"),
        pl.col("event_at", "event_id", "seq").shift(1).over(file).name.suffix("_before"),
        pl.len().over(file).alias("present"),
    )
    gaps = steps.filter(pl.col("absent") > 0).with_columns(
        pl.min_horizontal("event_at", "event_at_before").alias("start_at"),
        pl.max_horizontal("event_at", "event_at_before").alias("end_at"),
        (pl.col("absent").sum().over(file) > pl.col("present")).alias("selected"),
    )
    return pl.concat([_each_run(gaps.filter(~pl.col("selected"))), _whole_files(gaps.filter("selected"))])


def _each_run(gaps: pl.DataFrame) -> pl.DataFrame:
    early = pl.col("event_at_before") <= pl.col("event_at")
    ids = pl.when(early).then(pl.concat_list("event_id_before", "event_id"))
    why = pl.format("{} numbers are absent between {} and {}", "absent", "seq_before", "seq")
    return _numbers(gaps, pl.col("absent"), "high", ids.otherwise(pl.concat_list("event_id", "event_id_before")), why)


def _whole_files(gaps: pl.DataFrame) -> pl.DataFrame:
    files = gaps.group_by("source", "file").agg(
        pl.min("start_at"), pl.max("end_at"), pl.sum("absent"), pl.first("present"),
        pl.concat([pl.col("event_id_before").first(), pl.col("event_id").last()]).alias("ids"),
    )  # fmt: skip
    why = pl.format("{} numbers are absent where {} are present: rows were selected", "absent", "present")
    return _numbers(files, pl.col("absent"), "low", pl.col("ids"), why)


def _numbers(rows: pl.DataFrame, absent: pl.Expr, confidence: str, ids: pl.Expr, why: pl.Expr) -> pl.DataFrame:
    return rows.select(
        pl.lit("").alias("account_id"), "start_at", "end_at", absent.cast(pl.Float64).alias("score"),
        pl.lit(confidence).alias("confidence"), ids.alias("evidence_ids"), why.alias("why"), "source",
        absent.cast(pl.Float64).alias("n_expected"), pl.lit(0, pl.Int64).alias("n_found"),
        pl.lit(value=False).alias("open"),
    )  # fmt: skip


def _write(rows: pl.DataFrame, kind: str, params: dict[str, object]) -> pl.DataFrame:
    return write_findings(rows, kind, params) if rows.height else no_findings(**_OWN)
