"""How accounts were named and when they signed up: stems, sequences, sign-up gaps.

Whoever makes many accounts makes up their names by a rule: ``mila.rose17``, ``mila.rose18``; ``qx7k2vw9@...``. The rule
shows as a *stem* (digits become ``#``, random-looking runs ``*``, the rest stays), and as numbers that follow one
another. A stem is an ordinary value: it links like any other, its common forms (``anna#``) vanish by their holders, and
the gap between sign-ups counts through the kind's half-life. That the numbers are close is evidence of a *pair*.

Source: the project's linking reference 2.2 (registration patterns).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.linking.arrays import FloatArray, IntArray, ranges
from toolkit.model.tables import UTC, Observations, conform
from toolkit.settings import KINDS

__all__ = ["find_sequences", "observe_stems", "stem_of"]

LONGEST: Final = 64
"""Characters of a name that are read: longer local parts do not exist."""
SEQUENCE_CAP: Final = 5.0
"""Bits that numbers close to one another may give: people number their second accounts too."""
DIGITS: Final = (1, 9)
"""Digits of a number that can be a sequence; longer ones are ids or phone numbers."""
_PART: Final = re.compile(r"[^\W_]+|[\W_]+")
_RUN: Final = re.compile(r"\d+|[^\W\d_]+")
_VOWELS: Final = frozenset("aeiouyàáâäåãæèéêëìíîïòóôöõøœùúûüý")


def stem_of(name: str) -> str | None:
    """Return the rule that a name seems to follow.

    Parameters
    ----------
    name : str
        A user name or an e-mail address, of which the part before the @ is read, without its +tag.

    Returns
    -------
    str or None
        The name in lower case, digits as ``#``, random-looking runs as ``*``. None if no letter stays: the shape of a
        random name belongs to nobody.

    Examples
    --------
    >>> stem_of("Mila.Rose17@mail.example"), stem_of("ann_8f3k2xq9z"), stem_of("xkqzwvtr"), stem_of("x7k2q9")
    ('mila.rose#', 'ann_*', None, None)
    """
    parts = [_stem_part(part) for part in _PART.findall(_local(name))]
    return "".join(parts) if any(c.isalpha() for part in parts for c in part) else None


def observe_stems(frame: pl.DataFrame, *, name_column: str = "email", source: str = "registration") -> pl.DataFrame:
    """Write stems of names as observations of kind ``email_stem``.

    Parameters
    ----------
    frame : polars.DataFrame
        ``account_id``, the name or address, and ``created_at`` (UTC) if known.
    name_column : str
        The column of names.
    source : str
        What the rows say they come from.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``: seen from the first to the last sign-up under that stem, so that the kind's half-life
        counts the sign-up gap. Order: account_id, kind, value, source.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "email": ["mila.r17@x.org", "Mila.R18@y.org", None]})
    >>> observe_stems(frame).select("account_id", "kind", "value").rows()
    [('a', 'email_stem', 'mila.r#'), ('b', 'email_stem', 'mila.r#')]
    """
    rows = (
        _named(frame, name_column)
        .drop_nulls("stem")
        .group_by("account_id", pl.col("stem").alias("value"))
        .agg(
            pl.lit("email_stem").alias("kind"),
            pl.col("created_at").min().alias("first_at"),
            pl.col("created_at").max().alias("last_at"),
            pl.len().cast(pl.Int64).alias("n"),
            pl.lit(source).alias("source"),
        )
    )
    return conform(rows.sort("account_id", "value"), Observations)


def find_sequences(
    frame: pl.DataFrame, *, name_column: str = "email", max_holders: int = KINDS["email_stem"].max_holders
) -> pl.DataFrame:
    """Find pairs of accounts whose names are one stem with numbers close to one another.

    Parameters
    ----------
    frame : polars.DataFrame
        As for :func:`observe_stems`.
    name_column : str
        The column of names.
    max_holders : int
        Stems with more accounts are common and give no pairs.

    Returns
    -------
    polars.DataFrame
        ``account_a`` < ``account_b``, ``stem``, ``gap`` (between the numbers), ``range`` (numbers of that many digits),
        ``bits``, ``signup_gap_h`` (hours between the sign-ups; null = not known). Pairs of at least one bit. ``bits``
        is evidence *beside* the shared stem, of the same family. Order: bits descending, account_a, account_b, stem.

    Raises
    ------
    InputError
        If a column is missing.

    Notes
    -----
    ``log2(range / (2 gap + 1))``, capped at 5, and at most what the numbers of all accounts allow: years and 123 are
    close to one another by habit, so the bits are bounded by ``-log2`` of the share of other stems' numbers of that
    length which are as close. Only names with one number count.

    Examples
    --------
    >>> others = [f"{letter}om{1000 + 999 * i}" for i, letter in enumerate("bcdfghjkl")]
    >>> names = ["mila.r1701", "mila.r1702", "mila.r9000", *others]
    >>> found = find_sequences(pl.DataFrame({"account_id": [f"a{i:02d}" for i in range(12)], "email": names}))
    >>> found.select("account_a", "account_b", "gap", "bits").row(0)
    ('a00', 'a01', 1, 3.321928)
    """
    numbered = (
        _named(frame, name_column)
        .drop_nulls("stem")
        .filter(pl.col("digits").list.len() == 1)
        .with_columns(pl.col("digits").list.first())
        .with_columns(pl.col("digits").str.len_chars().cast(pl.Int64).alias("width"))
        .filter(pl.col("width").is_between(*DIGITS))
        .with_columns(pl.col("digits").cast(pl.Int64).alias("number"))
        .group_by("account_id", "stem", "width", "number")
        .agg(pl.col("created_at").min())
        .sort("stem", "width", "number", "account_id")
        .with_columns(
            pl.struct("stem", "width").rle_id().cast(pl.Int64).alias("group"),
            pl.col("account_id").n_unique().over("stem").alias("holders"),
        )
    )
    width, number, group, holders = (numbered.get_column(c).to_numpy() for c in ("width", "number", "group", "holders"))
    first, second = _pairs_within(group, np.where(holders <= max_holders, holders, 0))
    gap = np.abs(number[second] - number[first])
    span = 10.0 ** width[first]
    bits = np.minimum(np.log2(span / (2 * gap + 1)), _habit_bits(width, number, group, first, gap))
    bits = np.minimum(bits, SEQUENCE_CAP)
    names = numbered.get_column("account_id")
    at = numbered.get_column("created_at")
    table = pl.DataFrame(
        {
            "one": names.gather(first),
            "two": names.gather(second),
            "stem": numbered.get_column("stem").gather(first),
            "gap": gap,
            "range": span.astype(np.int64),
            "bits": np.round(bits, 6),
            "signup_gap_h": (at.gather(second) - at.gather(first)).dt.total_seconds().abs() / 3600,
        }
    )
    return (
        table.filter((pl.col("bits") >= 1) & (pl.col("one") != pl.col("two")))
        .select(
            pl.min_horizontal("one", "two").alias("account_a"),
            pl.max_horizontal("one", "two").alias("account_b"),
            *table.columns[2:],
        )
        .sort(["bits", "account_a", "account_b", "stem", "gap"], descending=[True, False, False, False, False])
        .unique(["account_a", "account_b", "stem"], keep="first", maintain_order=True)
    )


def _local(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name[:LONGEST]).casefold().strip()
    return plain.split("@", 1)[0].split("+", 1)[0][:LONGEST]


def _stem_part(part: str) -> str:
    """Stem of one run of letters and digits; separators stay."""
    runs = _RUN.findall(part)
    if len(runs) >= 4 and len(part) >= 5:  # letters and digits by turns: nobody's name
        return "*"
    return "".join("#" if run.isdigit() else "*" if _looks_random(run) else run for run in runs) if runs else part


def _looks_random(run: str) -> bool:
    """Whether nobody could say the letters: five consonants in a row, or hardly a vowel among many."""
    if len(run) < 5:
        return False
    vowels = [c in _VOWELS for c in run]
    stops = [-1, *(i for i, vowel in enumerate(vowels) if vowel), len(run)]
    longest = max(after - before - 1 for before, after in pairwise(stops))
    return longest >= 5 or (len(run) >= 10 and sum(vowels) < 0.2 * len(run))


def _named(frame: pl.DataFrame, name_column: str) -> pl.DataFrame:
    """Account, sign-up, stem and numbers of every name."""
    for column in ("account_id", name_column):
        if column not in frame.columns:
            raise InputError(f"no column {column!r} in this frame: {nearest(column, frame.columns)}")
    at = pl.col("created_at").cast(UTC) if "created_at" in frame.columns else pl.lit(None, UTC)
    rows = frame.select("account_id", pl.col(name_column).alias("name"), at.alias("created_at")).drop_nulls("name")
    distinct = rows.get_column("name").unique().sort()
    said = [[run for run in _RUN.findall(_local(name)) if run.isdecimal() and run.isascii()] for name in distinct]
    names = pl.DataFrame(
        {
            "name": distinct,
            "stem": pl.Series([stem_of(name) for name in distinct], dtype=pl.String),
            "digits": pl.Series(said, dtype=pl.List(pl.String)),
        }
    )
    return rows.join(names, on="name")


def _pairs_within(group: IntArray, holders: IntArray) -> tuple[IntArray, IntArray]:
    """Pairs of rows of one group, where it has holders that count; rows are sorted by group."""
    rows = np.flatnonzero(holders >= 2)
    end = np.searchsorted(group, group[rows], side="right")
    first = np.repeat(rows, end - rows - 1)
    return first, ranges(rows + 1, end)


def _habit_bits(width: IntArray, number: IntArray, group: IntArray, first: IntArray, gap: IntArray) -> FloatArray:
    """Bits of numbers that close, were one drawn from the numbers of other stems; one is added to both counts."""
    stride = 4 * 10 ** DIGITS[1]
    axis = np.sort(width * stride + number)
    own = np.sort(group * stride + number)

    def count(sorted_axis: IntArray, key: IntArray) -> IntArray:
        centre = key[first] * stride + number[first]
        close = np.searchsorted(sorted_axis, centre + gap, side="right") - np.searchsorted(sorted_axis, centre - gap)
        return close.astype(np.int64)

    of_width = np.bincount(width, minlength=DIGITS[1] + 1)[width[first]]
    of_group = np.bincount(group, minlength=1)[group[first]]
    close = count(axis, width) - count(own, group)
    share: FloatArray = (1 + close) / (1 + of_width - of_group)
    return -np.log2(np.minimum(share, 1.0))
