"""Words that have a colour and a shape of their own, and rows that have room for a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from toolkit.errors import InputError
from toolkit.views.lanes import NAMED_LANES
from toolkit.views.theme import PALETTE

__all__ = ["ROW", "Looks", "check_top"]

ROW: Final = 19
"""Pixels from one named row to the next."""
_OTHER: Final = ("other", "stroke", PALETTE["grey"])


@dataclass(frozen=True, slots=True)
class Looks:
    """How a few known words are drawn; any other word is drawn as "other".

    Attributes
    ----------
    of : mapping of str to (str, str)
        Word to shape and colour, in the order of the legend.

    Examples
    --------
    >>> looks = Looks({"ring": ("circle", "#D55E00"), "household": ("square", "#56B4E9")})
    >>> looks.count(pl.Series(["household", "ring", "household", "<b>"]))
    '2 household, 1 other, 1 ring'
    """

    of: Mapping[str, tuple[str, str]]

    @property
    def words(self) -> list[str]:
        """The words, in the order of the legend."""
        return list(self.of)

    def known(self, column: str) -> pl.Expr:
        """The word of a column if it is known, or "other"."""
        return pl.col(column).replace_strict(self.words, self.words, default=_OTHER[0], return_dtype=pl.String)

    def legend(self, column: str, words: pl.Series) -> tuple[Any, Any]:
        """Colour and shape of the words that are there, with one legend for both."""
        met = set(words.to_list())
        domain, shapes, colours = (
            list(each) for each in zip(*(look for look in self._all() if look[0] in met), strict=True)
        )
        return (
            alt.Color(f"{column}:N", title=None, scale=alt.Scale(domain=domain, range=colours)),
            alt.Shape(f"{column}:N", title=None, scale=alt.Scale(domain=domain, range=shapes)),
        )

    def count(self, words: pl.Series) -> str:
        """Say how many there are of each word, the commonest first."""
        known = pl.DataFrame({"word": words.cast(pl.String)}).select(self.known("word"))
        counted = known.group_by("word").len("n").sort(["n", "word"], descending=[True, False])
        return ", ".join(f"{n:,} {word}" for word, n in counted.rows())

    def _all(self) -> Iterator[tuple[str, str, str]]:
        yield from ((word, *look) for word, look in self.of.items())
        yield _OTHER


def check_top(top: int, rows: pl.DataFrame, one: str) -> None:
    """Refuse no rows, and more than names can stand beside.

    Raises
    ------
    InputError
    """
    if rows.is_empty():
        raise InputError(f"there are no {one}s to draw")
    if not 1 <= top <= NAMED_LANES:
        raise InputError(f"1 to {NAMED_LANES} {one}s can be read; found top={top}")
