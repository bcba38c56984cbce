"""One look at the bytes of a CSV file: a fast engine is trusted only with records that are as the header says."""

from __future__ import annotations

import codecs
import contextlib
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Survey"]

_QUOTE, _NL, _CR = 34, 10, 13
_Bytes: TypeAlias = NDArray[np.uint8]
_Places: TypeAlias = NDArray[np.int64]


@dataclass(slots=True)
class Survey:
    """What one look at the bytes says; carried from piece to piece."""

    separator: int
    cells: int
    regular: bool = True
    in_quote: bool = False
    before: int = _NL
    cells_open: int = 0
    since_record: int = 0
    records: int = 0
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")())

    def take(self, piece: bytes) -> None:
        """Look at the next piece; once irregular, nothing more is asked."""
        if not self.regular:
            return
        try:
            self.decoder.decode(piece)
        except UnicodeDecodeError:
            self.regular = False
            return
        data = np.frombuffer(piece, dtype=np.uint8)
        lines = data == _NL
        separators = data == self.separator
        quotes = data == _QUOTE
        # Quotes inside a record may hold line ends; that a fast engine counts them as we do is not left to trust.
        if quotes.any():
            inside = (np.cumsum(quotes, dtype=np.int64) + self.in_quote) & 1
            if not self._quotes_stand_right(data, np.flatnonzero(quotes), inside):
                self.regular = False
                return
            if (lines & (inside == 1)).any():
                self.regular = False
                return
            separators &= inside == 0
            self.in_quote = bool(inside[-1])
        elif self.in_quote and lines.any():
            self.regular = False
            return
        elif self.in_quote:
            separators[:] = False
        self._count(data, np.flatnonzero(lines), np.flatnonzero(separators))
        self.before = int(data[-1])

    def _quotes_stand_right(self, data: _Bytes, at: _Places, inside: _Places) -> bool:
        opening = at[inside[at] == 1]
        closing = at[inside[at] == 0]
        before = np.where(opening > 0, data[opening - 1], self.before)
        if not np.isin(before, [self.separator, _NL, _QUOTE]).all():
            return False
        after = data[np.minimum(closing + 1, len(data) - 1)][closing + 1 < len(data)]
        if not np.isin(after, [self.separator, _NL, _CR, _QUOTE]).all():
            return False
        # A closing quote that ended the last piece must be followed rightly in this one.
        return not (self.before == _QUOTE and not self.in_quote and data[0] not in (self.separator, _NL, _CR, _QUOTE))

    def _count(self, data: _Bytes, ends: _Places, separators: _Places) -> None:
        if not len(ends):
            self.cells_open += len(separators)
            self.since_record += len(data)
            return
        upto = np.searchsorted(separators, ends)
        counts = np.diff(upto, prepend=0)
        counts[0] += self.cells_open
        lengths = np.diff(ends, prepend=-1)
        lengths[0] += self.since_record
        if (counts != self.cells - 1).any() or (lengths <= 1).any():
            self.regular = False
        returns = (data[np.maximum(ends - 1, 0)] == _CR) & (lengths == 2)
        if returns.any():
            self.regular = False
        self.records += len(ends)
        self.cells_open = len(separators) - int(upto[-1])
        self.since_record = len(data) - int(ends[-1]) - 1

    def close(self) -> None:
        """Judge what is left after the last line end."""
        if self.in_quote or (self.since_record and self.cells_open != self.cells - 1):
            self.regular = False
        self.records += self.since_record > 0
        with contextlib.suppress(UnicodeDecodeError):
            self.decoder.decode(b"", final=True)
            return
        self.regular = False
