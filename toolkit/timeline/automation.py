"""How machine-like an account's rhythm is, in named parts, and who else looks like that.

No single number says "bot": a cron job, a retry storm, an office integration and a key shared by a team all look like
one from some side. So each part is kept apart and has a name; the score is their mean; and where an ordinary machine
explains the rhythm, that is what the row says (``reading``), with low confidence. It is never a reason to act alone.

Parts, each from 0 (like people) to 1 (like clockwork):

* *regular*: gaps are symmetric and narrow (one less Bowley's skew, and one less their median deviation over the median,
  averaged: the beacon score of RITA);
* *one_gap*: share of gaps within a twentieth of the most usual one;
* *periodic*: one less the false-alarm chance of the strongest period (Rayleigh power, the first 2,000 events);
* *sleepless*: the longest daily quiet, less than three hours in 24;
* *on_the_clock*: seconds of the minute are few (one less their entropy);
* *same_text*: share of events with the account's most usual content, where there is a column for it.

Sources: RITA's beacon analysis; the Rayleigh periodogram (Mardia & Jupp 2000); Miller & Madow 1955 for the entropy.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import UnknownNameError
from toolkit.timeline.build import keep_in_range, put_in_order
from toolkit.timeline.coded import Ints, order_by_account
from toolkit.timeline.found import no_findings, span_of_each, write_findings

__all__ = ["PARTS", "find_automation"]

Floats = NDArray[np.float64]

PARTS: Final = ("regular", "one_gap", "periodic", "sleepless", "on_the_clock", "same_text")
READINGS: Final = ("automation", "schedule", "office_hours", "retries", "people")
_DAY_S: Final = 86_400.0
_SAMPLED: Final = 2_000
_SHORTEST_S: Final = 600.0
_CLOCKWORK: Final = 0.6
"""Score from which a rhythm is called a machine's."""
_RETRY_S: Final = 10.0


def find_automation(
    events: pl.DataFrame, *, by: str = "account_id", min_n: int = 20, content: str | None = None
) -> pl.DataFrame:
    """Score each account's rhythm, part by part.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order. Times that are out of range (flag), or of a day's precision, are left
        out.
    by : str
        Whose events are one rhythm.
    min_n : int
        Accounts with fewer events are not judged and not listed.
    content : str, optional
        Column that says what was sent, for *same_text*.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *automation*, a row per judged account from its first event to its last;
        ``score`` is the mean of the parts that could be measured. Columns of the parts (null: not measurable);
        ``period_s``: the strongest period; ``reading``: *automation*; *schedule* (a cron job: on full minutes);
        *office_hours* (regular, but on weekdays by day only); *retries* (quick repeats of one verb); *people*.
        ``confidence``: *moderate* for automation, *low* for everything that has an ordinary explanation. Order:
        start_at, account_id.

    Raises
    ------
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> at = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=437 * i) for i in range(600)]
    >>> rows = {"event_at": at, "account_id": "a", "event": "api_call", "source": "app", "raw_ref": "", "flags": 0}
    >>> rows |= {"event_id": [str(i) for i in range(600)], "seq": range(600), "precision": "s"}
    >>> found = find_automation(pl.DataFrame(rows))
    >>> found.select("regular", "one_gap", "sleepless", "reading").rows()
    [(1.0, 1.0, 1.0, 'automation')]
    """
    for name in (by, content):
        if name is not None and name not in events.columns:
            raise UnknownNameError("column of events", name, events.columns)
    ordered = put_in_order(keep_in_range(events).filter(pl.col("precision") != "day"))
    grouped = order_by_account(ordered, by)
    judged = np.flatnonzero(np.diff(grouped.start) >= min_n)
    if not len(judged):
        parts = dict.fromkeys(PARTS, pl.Float64)
        return no_findings(**parts, period_s=pl.Float64, reading=pl.String, n=pl.Int64)
    verb = ordered["event"].rank("dense").to_numpy()[grouped.row]
    texts = None if content is None else ordered[content].rank("dense").to_numpy()[grouped.row]
    rows = []
    for code in judged.tolist():
        mine = slice(int(grouped.start[code]), int(grouped.start[code + 1]))
        rows.append(_judge(grouped.at[mine], verb[mine], None if texts is None else texts[mine]))
    schema = {**dict.fromkeys(PARTS, pl.Float64), "period_s": pl.Float64, "reading": pl.String, "n": pl.Int64}
    table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        account_id=grouped.names.gather(judged), score=pl.mean_horizontal(*PARTS).fill_null(0.0).round(6)
    )
    table = table.with_columns(
        reading=pl.when(pl.col("score") >= _CLOCKWORK).then("reading").otherwise(pl.lit("people"))
    ).with_columns(
        confidence=pl.when(pl.col("reading") == "automation").then(pl.lit("moderate")).otherwise(pl.lit("low")),
        why=_say(),
    )
    params = {"by": by, "min_n": min_n, "content": content}
    return write_findings(
        table.join(span_of_each(ordered, by), on="account_id", maintain_order="left"), "automation", params
    )


def _say() -> pl.Expr:
    """The parts in words, and the ordinary explanation if there is one."""
    parts = pl.concat_str(
        [pl.format("{} {}", pl.lit(name.replace("_", " ")), pl.col(name).round(2)) for name in PARTS],
        separator=", ", ignore_nulls=True,
    )  # fmt: skip
    ordinary = {
        "automation": "nothing ordinary explains it that could be tested",
        "schedule": "it keeps to full minutes, as a cron job or an integration does",
        "office_hours": "it runs on weekdays by day only, as an office's own tool does",
        "retries": "most of it are quick repeats of one verb, as a client does that retries",
        "people": "as people are",
    }
    return pl.concat_str(parts, pl.lit(": "), pl.col("reading").replace_strict(ordinary, return_dtype=pl.String))


def _judge(at: Ints, verb: NDArray[np.generic], text: NDArray[np.generic] | None) -> tuple[float | str | None, ...]:
    """The parts of one account, its period, and what it looks like if it is a machine."""
    seconds = at / 1e6
    gaps = np.diff(seconds)
    regular, one_gap = _regularity(gaps), _one_gap(gaps)
    period, periodic = _period(seconds)
    sleepless = _sleepless(seconds)
    on_clock = _on_the_clock(seconds)
    same = None if text is None else round(float(np.unique(text, return_counts=True)[1].max() / len(text)), 6)
    reading = _read(seconds, gaps, verb, on_clock)
    return regular, one_gap, periodic, sleepless, on_clock, same, period, reading, len(at)


def _regularity(gaps: Floats) -> float | None:
    low, middle, high = np.quantile(gaps, [0.25, 0.5, 0.75])
    if middle <= 0:
        return None
    skew = abs(low + high - 2 * middle) / (high - low) if high > low else 0.0
    spread = float(np.median(np.abs(gaps - middle))) / middle
    return round(float(1 - min(skew, 1.0) + max(1 - spread, 0.0)) / 2, 6)


def _one_gap(gaps: Floats) -> float:
    """Share of gaps within a twentieth of the most usual one."""
    logs = np.sort(np.log(np.maximum(gaps, 0.5)))
    reach = np.searchsorted(logs, logs + 2 * np.log(1.05), side="right") - np.arange(len(logs))
    return round(float(reach.max() / len(logs)), 6)


def _period(seconds: Floats) -> tuple[float | None, float | None]:
    """The strongest period, from the mean gap to a third of what was seen, and one less its false-alarm chance."""
    some = seconds[:_SAMPLED] - seconds[0]
    span = float(some[-1])
    if span < _SHORTEST_S:
        return None, None
    n_bins = 1 << (8 * len(some)).bit_length()
    counts = np.bincount(np.minimum((some / span * n_bins).astype(np.int64), n_bins - 1), minlength=n_bins)
    power = np.abs(np.fft.rfft(counts, 2 * n_bins)) ** 2 / len(some)  # padded, so that no peak falls between two
    low, high = 6, 2 * len(some) + 2  # in halves of a turn per span: three turns, and one per mean gap
    best = low + int(np.argmax(power[low : high + 1]))
    # By chance the power of one frequency is exponential (Rayleigh); as many are independent as there are whole turns.
    false = -np.expm1((high - low) / 2 * np.log1p(-np.exp(-min(max(float(power[best]), 1e-9), 700.0))))
    return round(2 * span / best, 1), round(1 - float(false), 6)


def _sleepless(seconds: Floats) -> float | None:
    """One less the longest quiet of the day over three hours; needs three days."""
    if seconds[-1] - seconds[0] < 3 * _DAY_S:
        return None
    day = np.unique(seconds // 600 % 144)  # ten minutes of the day that were ever used
    quiet = np.diff(np.concatenate((day, [day[0] + 144]))).max() - 1
    return round(max(1 - float(quiet) / 18, 0.0), 6)


def _on_the_clock(seconds: Floats) -> float:
    """One less the entropy of the seconds of the minute, against what so many events by chance would show."""
    n = len(seconds)
    share = np.bincount((seconds % 60).astype(np.int64), minlength=60) / n
    share = share[share > 0]
    entropy = -float((share * np.log2(share)).sum()) + (len(share) - 1) / (2 * n * np.log(2))
    return round(float(np.clip(1 - entropy / np.log2(min(60, n)), 0.0, 1.0)), 6)


def _read(seconds: Floats, gaps: Floats, verb: NDArray[np.generic], on_clock: float) -> str:
    """What ordinary machine it could be."""
    day, hour = (seconds // _DAY_S + 3) % 7, seconds % _DAY_S / 3_600
    quick = (gaps < _RETRY_S) & (verb[1:] == verb[:-1])
    if quick.mean() > 0.7:
        return "retries"
    if on_clock > 0.8:
        return "schedule"
    week = seconds[-1] - seconds[0] >= 7 * _DAY_S
    if week and (day >= 5).mean() < 0.02 and np.ptp(np.sort(hour)[len(hour) // 50 : -(len(hour) // 50) or None]) < 13:
        return "office_hours"
    return "automation"
