"""What is wrong with each row of a table while it is read: the first thing, the column, what stood there."""

from __future__ import annotations

import polars as pl

from toolkit.errors import visible
from toolkit.sources.ids import as_exact_text

__all__ = ["Faults", "fates", "nulls"]


def nulls(n: int) -> pl.Series:
    """Return a column of n nulls, of strings.

    Examples
    --------
    >>> nulls(2).to_list()
    [None, None]
    """
    return pl.Series([None], dtype=pl.String).new_from_index(0, n)


def fates(places: pl.DataFrame, good: pl.Series, duplicate: pl.Series | None) -> pl.DataFrame:
    """Say what became of each row: ``file`` and ``fate``.

    Examples
    --------
    >>> fates(pl.DataFrame({"file": ["x", "x"]}), pl.Series([True, False]), None)["fate"].to_list()
    ['accepted', 'quarantined']
    """
    again = pl.repeat(value=False, n=good.len(), eager=True) if duplicate is None else duplicate
    fate = (
        pl.when(~pl.col("good")).then(pl.lit("quarantined"))
        .when("again").then(pl.lit("duplicate"))
        .otherwise(pl.lit("accepted"))
    )  # fmt: skip
    return places.select("file").hstack(pl.DataFrame({"good": good, "again": again}).select(fate.alias("fate")))


class Faults:
    """The first thing wrong with each row. It grows while one table is read, and ends with it."""

    def __init__(self, n: int) -> None:
        self.reason, self.column, self.found = nulls(n), nulls(n), nulls(n)

    def mark(self, bad: pl.Series, reason: str, column: str, values: pl.Series) -> None:
        """Set the reason of the bad rows that have none yet, and what was found in the column."""
        if not bad.any():
            return
        n = bad.len()
        said = pl.Series([reason], dtype=pl.String).new_from_index(0, n)
        named = pl.Series([column], dtype=pl.String).new_from_index(0, n)
        shown = pl.DataFrame({"v": values, "bad": bad}).filter("bad")["v"]
        text = [None if v is None else str(v) for v in shown.to_list()]
        full = nulls(n).scatter(bad.arg_true(), pl.Series(text, dtype=pl.String))
        self.mark_reasons(said.set(~bad, None), named, full)

    def mark_reasons(self, reason: pl.Series, column: pl.Series, found: pl.Series) -> None:
        """Set the reasons that are not null on rows that have none yet."""
        if reason.null_count() == reason.len():
            return
        frame = pl.DataFrame(
            {"old": self.reason, "new": reason, "oc": self.column, "nc": column, "of": self.found, "nf": found}
        )
        first = pl.col("old").is_null() & pl.col("new").is_not_null()
        out = frame.select(
            pl.when(first).then("new").otherwise("old").alias("reason"),
            pl.when(first).then("nc").otherwise("oc").alias("column"),
            pl.when(first).then("nf").otherwise("of").alias("found"),
        )
        self.reason, self.column, self.found = out["reason"], out["column"], out["found"]

    def rows(self, table: str, raw: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
        """Return the marked rows as the quarantine shows them."""
        bad = self.reason.is_not_null()
        marks = pl.DataFrame({"reason": self.reason, "column": self.column, "found": self.found}).filter(bad)
        cells = raw.filter(bad)
        line = pl.DataFrame([as_exact_text(column) for column in cells.iter_columns()]).select(
            pl.concat_str(pl.all().fill_null("").str.slice(0, 80), separator=",").str.slice(0, 200).alias("raw")
        )
        where = places.filter(bad).select("file", pl.col("line").cast(pl.Int64))
        out = where.hstack(marks).hstack(line)
        return out.select(
            pl.lit(table).alias("table"),
            "file",
            "line",
            "reason",
            pl.col("column").fill_null(""),
            show(pl.col("found").fill_null("")),
            show(pl.col("raw")),
        )


def show(text: pl.Expr) -> pl.Expr:
    """Make text from data visible where it needs it; most needs nothing, and is only cut."""
    hidden = text.str.contains(r"[\p{C}\x{2028}\x{2029}\x{3164}]")
    return (
        pl.when(hidden)
        .then(text.map_elements(lambda t: visible(t, 200), return_dtype=pl.String))
        .otherwise(text.str.slice(0, 200))
    )
