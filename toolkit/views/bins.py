"""Events counted into bins of time before they are drawn, so that a picture is as small for a million rows as for ten.

Widths are those people say: seconds, minutes, hours, days, weeks from Monday. The narrowest that keeps within the
budget of marks is taken; rows are counted once, and the counts put together where the bins must be wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.tables import UTC

__all__ = ["MOST_CELLS", "MOST_MARKS", "Bins", "count_bins", "focus_on", "read_ms", "say_width"]

MOST_MARKS: Final = 10_000
"""Marks in one picture at most: what a browser draws at once, and under a megabyte of specification."""
MOST_CELLS: Final = 5_000
"""Cells of one layer at most: Altair refuses more rows in a table, and a lookup costs a pass over each."""

_SECOND: Final = 1_000
_DAY: Final = 86_400 * _SECOND
_WIDTHS: Final = (
    1, 10, 100, *(_SECOND * s for s in (1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200)),
    *(_DAY * d for d in (1, 2, 7, 14, 28, 91, 364)),
)  # fmt: skip
_MONDAY: Final = 4 * _DAY
"""1970 began on a Thursday; weeks begin on Mondays."""
_SAID_VERBS: Final = 6
"""Verbs named in one bin; of more it is said how many."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Events counted by lane and bin.

    Attributes
    ----------
    width_ms : int
        Width of every bin.
    cells : polars.DataFrame
        ``lane``, ``part``, ``at``, ``end``, ``first`` (of its events; all in milliseconds since 1970, UTC), ``n`` and
        ``what`` (verbs, visible). Order: lane, at, part.
    """

    width_ms: int
    cells: pl.DataFrame

    @property
    def said(self) -> str:
        """The width in words."""
        return say_width(self.width_ms)


def count_bins(
    events: pl.DataFrame,
    lane: str | pl.Expr,
    *,
    part: pl.Expr | None = None,
    most_bins: int = 720,
    most_cells: int = MOST_CELLS,
    at_least_ms: int = 1,
) -> Bins:
    """Count events by lane in the narrowest bins that keep within the budget.

    Parameters
    ----------
    events : polars.DataFrame
        ``event_at``, ``event`` and the lane's column, rows in any order.
    lane : str or polars.Expr
        Column whose values are rows of the picture.
    part : polars.Expr, optional
        What is counted apart within a lane; by default all is one part, called "".
    most_bins, most_cells : int
        Bins across the whole span, and cells with something in them, at most. Bins of a year are never widened.

    at_least_ms : int
        No bin is narrower.

    Returns
    -------
    Bins

    Raises
    ------
    InputError
        If there are no events.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, 7, tzinfo=UTC) for h in (1, 1, 9)]
    >>> frame = pl.DataFrame({"event_at": at, "event": ["chat", "login", "chat"], "who": ["a", "a", "b"]})
    >>> bins = count_bins(frame, "who", most_bins=10)
    >>> bins.said, bins.cells.select("lane", "n", "what").rows()
    ('1 hour', [('a', 2, 'chat, login'), ('b', 1, 'chat')])
    """
    if events.is_empty():
        raise InputError("there are no events to draw: widen the window, or name other accounts")
    at = pl.col("event_at").dt.epoch("ms") - _MONDAY
    span = events.select(at.max() - at.min()).item()
    fits = (i for i, width in enumerate(_WIDTHS) if width >= at_least_ms and span // width + 2 <= most_bins)
    place = next(fits, len(_WIDTHS) - 1)
    counted = (
        events.lazy()
        .select(
            (pl.col(lane) if isinstance(lane, str) else lane).cast(pl.String).alias("lane"),
            (pl.lit("") if part is None else part).alias("part"),
            pl.col("event").cast(pl.String),
            at.alias("first"),
            (at // _WIDTHS[place]).alias("bin"),
        )
        .group_by("lane", "part", "bin", "event")
        .agg(pl.len().cast(pl.Int64).alias("n"), pl.min("first"))
        .collect()
    )
    base = _WIDTHS[place]
    for width in (w for w in _WIDTHS if w >= base and w % base == 0):
        wider = (pl.col("bin") // (width // base)).alias("bin")
        if counted.select(pl.struct("lane", "part", wider).n_unique()).item() <= most_cells:
            break
    counted = counted.group_by("lane", "part", wider, "event").agg(pl.sum("n"), pl.min("first"))
    start = pl.col("bin") * width + _MONDAY
    cells = (
        counted.sort("lane", "bin", "part", "event")
        .group_by("lane", "bin", "part", maintain_order=True)
        .agg(pl.sum("n"), pl.min("first"), pl.col("event").head(_SAID_VERBS).alias("verbs"), pl.len().alias("kinds"))
        .select(
            "lane", "part", start.alias("at"), (start + width).alias("end"), pl.col("first") + _MONDAY, "n",
            _name_verbs(),
        )
    )  # fmt: skip
    return Bins(width, cells)


def _name_verbs() -> pl.Expr:
    """The verbs of a cell as one visible text; only so many different ones are made visible."""
    more = pl.col("kinds").cast(pl.Int64) - _SAID_VERBS
    said = pl.col("verbs").cast(pl.List(pl.String)).list.join(", ")
    said = pl.when(more > 0).then(pl.format("{} and {} more", said, more)).otherwise(said)
    return said.map_batches(_make_visible, return_dtype=pl.String).alias("what")


def _make_visible(texts: pl.Series) -> pl.Series:
    distinct = texts.unique().to_list()
    return texts.replace_strict(distinct, [visible(text, 160) for text in distinct], return_dtype=pl.String)


def focus_on(frame: pl.DataFrame, column: str = "event_at") -> tuple[pl.DataFrame, str]:
    """Cut a frame to the time that holds nearly all of it, so that one old row does not flatten a picture.

    Parameters
    ----------
    frame : polars.DataFrame
        With a column of times.
    column : str
        Which one.

    Returns
    -------
    frame : polars.DataFrame
        Rows between the 2nd and the 98th of 100, and half that span around it; all rows where that leaves out little
        time.
    said : str
        What was left out, for the note; empty where nothing was.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = [datetime(2020, 1, 1, tzinfo=UTC)] + [datetime(2026, 1, 1 + d % 20, tzinfo=UTC) for d in range(99)]
    >>> rows, said = focus_on(pl.DataFrame({"event_at": at}))
    >>> rows.height, said
    (99, '1 earlier or later is left out of the picture')
    """
    times = frame.get_column(column).drop_nulls()
    if len(times) < 20:
        return frame, ""
    low, high = (times.quantile(q, "nearest") for q in (0.02, 0.98))
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return frame, ""
    margin = max((high - low) / 2, timedelta(hours=1))
    inside = frame.filter(pl.col(column).is_between(low - margin, high + margin))
    whole, kept = (f.select(pl.col(column).max() - pl.col(column).min()).item() for f in (frame, inside))
    left_out = frame.height - inside.height
    if not left_out or kept * 1.5 > whole:
        return frame, ""
    return inside, f"{left_out:,} earlier or later {'is' if left_out == 1 else 'are'} left out of the picture"


def read_ms(column: str) -> pl.Expr:
    """Milliseconds since 1970 as a time in UTC.

    Examples
    --------
    >>> pl.select(at=pl.lit(0)).select(read_ms("at"))["at"][0].isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return pl.from_epoch(pl.col(column), "ms").cast(UTC)


def say_width(ms: int) -> str:
    """Say a length of time in words.

    Examples
    --------
    >>> say_width(1_800_000), say_width(3_600_000), say_width(604_800_000), say_width(10)
    ('30 minutes', '1 hour', '1 week', '10 milliseconds')
    """
    for size, word in ((7 * _DAY, "week"), (_DAY, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")):
        if ms >= size and ms % size == 0:
            return f"{ms // size:,} {word}" + ("" if ms == size else "s")
    return f"{ms:,} millisecond" + ("" if ms == 1 else "s")
