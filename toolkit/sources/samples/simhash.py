"""Charikar's simhash of texts: near-duplicates differ in few of 64 bits.

Every word votes +1 or -1 on every bit, by its own hash; the sign of the sum is the bit. The votes of all texts are
added up in blocks, so that a million texts do not need a million-by-64 table at once.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Ints

BLOCK = 100_000


def simhash_texts(texts: pl.Series) -> pl.Series:
    """The 64-bit simhash of each text, as 16 hexadecimal digits.

    Examples
    --------
    >>> near, same, far = simhash_texts(pl.Series(["a b c d e f", "a b c d e f", "u v w x y z"]))
    >>> near == same, near == far
    (True, False)
    """
    words = pl.DataFrame({"word": texts.str.split(" ")}).with_row_index("text").explode("word")
    distinct = words["word"].unique().sort()
    places = words["word"].replace_strict(distinct, pl.int_range(len(distinct), eager=True), return_dtype=pl.Int64)
    starts = words["text"].search_sorted(pl.int_range(len(texts), eager=True, dtype=pl.UInt32)).to_numpy()
    votes, place = _votes(distinct), places.to_numpy()
    blocks = [_sum_votes(votes, place, starts.astype(np.int64), low) for low in range(0, len(texts), BLOCK)]
    return pl.Series([row.hex() for block in blocks for row in block], dtype=pl.String)


def _votes(words: pl.Series) -> NDArray[np.int8]:
    digests = b"".join(hashlib.blake2b((word or "").encode(), digest_size=8).digest() for word in words.to_list())
    bits = np.unpackbits(np.frombuffer(digests, dtype=np.uint8).reshape(len(words), 8), axis=1)
    return bits.astype(np.int8) * 2 - 1


def _sum_votes(votes: NDArray[np.int8], place: Ints, starts: Ints, low: int) -> list[bytes]:
    mine = starts[low : low + BLOCK]
    end = starts[low + BLOCK] if low + BLOCK < len(starts) else len(place)
    sums = np.add.reduceat(votes[place[mine[0] : end]], mine - mine[0], axis=0, dtype=np.int16)
    packed = np.packbits(sums > 0, axis=1)
    return [row.tobytes() for row in packed]
