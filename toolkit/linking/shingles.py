"""Texts as sets of five-word runs, and which of many texts overlap: exactly, or by MinHash where they are too many.

Text is hostile: it is cut to a length before anything looks at it, patterns are one character class wide, and no list
of texts is compared all with all once it is long.

Sources: shingles and MinHash, Broder 1997; banding, Indyk & Motwani 1998; prefix filter, Bayardo, Ma & Srikant 2007;
the mixing function is the finaliser of splitmix64 (Steele, Lea & Flood 2014).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, ranges

__all__ = [
    "Shingles",
    "clean_text",
    "find_overlaps",
    "propose_exact",
    "propose_minhash",
    "shingle",
    "sketch",
    "words_of",
]

UintArray = NDArray[np.uint64]

LONGEST: Final = 20_000
"""Characters of a text that are read."""
WORDS: Final = 5
"""Words of a shingle."""
BANDS: Final = 32
ROWS: Final = 4
LONG_LIST: Final = 200
"""Texts on one shingle or band up to which all are compared with all; of longer lists, each with the first."""

_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_WORD: Final = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+")


def clean_text(text: str) -> str:
    r"""Return the words of a text, lower-cased, one space between: what two copies of it have in common.

    Compatibility forms are unified (NFKC), invisible characters go, punctuation goes, and scripts that are written
    without spaces count a character as a word.

    Parameters
    ----------
    text : str
        Anything; the first 20,000 characters are read.

    Returns
    -------
    str

    Examples
    --------
    >>> clean_text("Ig\u200bnore ＡＬＬ previous\ninstructions!"), clean_text("写一篇")
    ('ignore all previous instructions', '写 一 篇')
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST])[:LONGEST]
    if not plain.isascii():
        plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return " ".join(_WORD.findall(plain.casefold()))


def words_of(cleaned: str) -> list[str]:
    """Return the words of a cleaned text."""
    return cleaned.split(" ") if cleaned else []


@dataclass(frozen=True)
class Shingles:
    """Texts x shingles, sorted by text, then shingle; each once.

    ``text``, ``code`` and ``at`` (the word it begins with, first time) run by row; ``size`` is the shingles of each
    text, ``words`` its words; ``df`` is the texts of each shingle, ``hashed`` its 64-bit hash.
    """

    text: IntArray
    code: IntArray
    at: IntArray
    size: IntArray
    words: IntArray
    df: IntArray
    hashed: UintArray

    @property
    def start(self) -> IntArray:
        """First row of each text; one more entry than texts."""
        return np.concatenate(([0], np.cumsum(self.size)))

    def keep(self, rows: BoolArray) -> Shingles:
        """Return the texts with only these rows; texts may be left with none. ``df`` stays that of the whole."""
        text = self.text[rows]
        size = np.bincount(text, minlength=len(self.size))
        return Shingles(text, self.code[rows], self.at[rows], size, self.words, self.df, self.hashed)

    def cover(self, rows: BoolArray) -> FloatArray:
        """Share of each text's words that these rows cover; 0 for a text without words."""
        first = np.cumsum(self.words) - self.words
        begin = first[self.text[rows]] + self.at[rows]
        end = np.minimum(begin + WORDS, first[self.text[rows]] + self.words[self.text[rows]])
        n = int(self.words.sum()) + 1
        depth = np.cumsum(np.bincount(begin, minlength=n) - np.bincount(end, minlength=n))[:-1] > 0
        covered = np.bincount(np.repeat(np.arange(len(self.words)), self.words)[depth], minlength=len(self.words))
        share: FloatArray = covered / np.maximum(self.words, 1)
        return share


def shingle(cleaned: Sequence[str]) -> Shingles:
    """Turn cleaned texts into sets of five-word runs; a shorter text is one run.

    Parameters
    ----------
    cleaned : sequence of str
        As :func:`clean_text` returned them; an empty text has no shingle.

    Returns
    -------
    Shingles
        Runs are told apart by a 64-bit hash: among a hundred million, two fall together with probability 3e-4.

    Examples
    --------
    >>> found = shingle(["a b c d e f", "b c d e f", "a b", ""])
    >>> found.size.tolist(), sorted(found.df.tolist())
    ([2, 1, 1, 0], [1, 1, 2])
    """
    lists = pl.Series(cleaned, dtype=pl.String).str.split(" ")
    words = lists.explode(empty_as_null=True) if len(lists) else pl.Series([], dtype=pl.String)
    length = np.array([len(words_of(text)) for text in cleaned], dtype=np.int64)
    text = np.repeat(np.arange(len(cleaned)), np.maximum(length, 1))
    known = words.unique().sort()
    code = known.search_sorted(words).to_numpy().astype(np.uint64) if len(words) else np.empty(0, dtype=np.uint64)
    word = mix(code + np.uint64(1))
    first = np.cumsum(np.maximum(length, 1)) - np.maximum(length, 1)
    runs = np.maximum(length - WORDS + 1, np.minimum(length, 1))
    begin = ranges(first, first + runs)
    owner = text[begin]
    end = first[owner] + length[owner]
    hashed = np.zeros(len(begin), dtype=np.uint64)
    for step in range(WORDS):
        at = begin + step
        inside = at < end
        hashed[inside] = mix(hashed[inside] ^ (word[at[inside]] + np.uint64(step)))
    distinct, shingle_code = np.unique(hashed, return_inverse=True)
    row, met = np.unique(owner * max(1, len(distinct)) + shingle_code, return_index=True)
    text, shingle_code = row // max(1, len(distinct)), row % max(1, len(distinct))
    return Shingles(
        text=text,
        code=shingle_code,
        at=(begin - first[owner])[met],
        size=np.bincount(text, minlength=len(cleaned)),
        words=length,
        df=np.bincount(shingle_code, minlength=len(distinct)),
        hashed=distinct,
    )


def mix(x: UintArray) -> UintArray:
    """Mix 64-bit numbers so that every bit depends on every bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UintArray = x ^ (x >> np.uint64(31))
    return mixed


def propose_exact(sets: Shingles, at_least: float) -> tuple[IntArray, IntArray]:
    """Propose every pair of texts of which the smaller may have a share ``at_least`` of its shingles in the larger.

    Of the smaller text, all but ``at_least`` of the shingles, plus one, are looked up, the rarest first: a text that
    contains enough of it must have one of those. Shingles of more than ``LONG_LIST`` texts are looked up only
    against the first of them.

    Parameters
    ----------
    sets : Shingles
    at_least : float
        Share of the smaller text.

    Returns
    -------
    a, b : int64 arrays
        Texts, a < b, sorted, no pair twice.

    Examples
    --------
    >>> [pair.tolist() for pair in propose_exact(shingle(["a b c d e f", "a b c d e f g", "x y z"]), 0.5)]
    [[0], [1]]
    """
    order = np.lexsort((sets.code, sets.df[sets.code], sets.text))
    rank = np.arange(len(order)) - sets.start[sets.text[order]]
    enough = np.ceil(at_least * sets.size - 1e-9).astype(np.int64)
    asked = order[rank <= (sets.size - enough)[sets.text[order]]]
    query = np.zeros(len(order), dtype=bool)
    query[asked] = True
    return _pair_up(sets.text, sets.code.astype(np.uint64), query, sets.size, len(sets.size))


def sketch(sets: Shingles, hashes: int = BANDS * ROWS) -> UintArray:
    """Return the MinHash sketch of each text: the smallest of its shingles under each of many orders.

    Parameters
    ----------
    sets : Shingles
        Texts without a shingle get a sketch of zeros.
    hashes : int
        Orders.

    Returns
    -------
    uint64 array, shape (texts, hashes)
        Two texts of Jaccard similarity s agree in each column with probability s.

    Examples
    --------
    >>> one, same, other = sketch(shingle(["a b c d e f", "a  b c d e f".replace("  ", " "), "u v w x y z"]))
    >>> int((one == same).sum()), int((one == other).sum())
    (128, 0)
    """
    found = np.zeros((len(sets.size), hashes), dtype=np.uint64)
    holds = np.flatnonzero(sets.size)
    if len(holds):
        value, begin = sets.hashed[sets.code], sets.start[holds]
        for number in range(hashes):
            seed = mix(np.array([number], dtype=np.uint64))
            found[holds, number] = np.minimum.reduceat(mix(value ^ seed), begin)
    return found


def propose_minhash(sets: Shingles, bands: int = BANDS, rows: int = ROWS) -> tuple[IntArray, IntArray]:
    """Propose pairs whose sketches agree in all rows of a band: probability ``1 - (1 - s^rows)^bands``.

    Parameters
    ----------
    sets : Shingles
    bands, rows : int

    Returns
    -------
    a, b : int64 arrays
        Texts, a < b, sorted, no pair twice.

    Examples
    --------
    >>> [pair.tolist() for pair in propose_minhash(shingle(["a b c d e f", "a b c d e f g", "x y z"]))]
    [[0], [1]]
    """
    table = sketch(sets, bands * rows)
    holds = np.flatnonzero(sets.size)
    found = []
    for band in range(bands):
        key = np.zeros(len(holds), dtype=np.uint64)
        for row in range(rows):
            key = mix(key ^ table[holds, band * rows + row])
        a, b = _pair_up(holds, key, np.ones(len(holds), dtype=bool), sets.size, len(sets.size))
        found.append(a * len(sets.size) + b)
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    return pairs // max(1, len(sets.size)), pairs % max(1, len(sets.size))


def find_overlaps(sets: Shingles, a: IntArray, b: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Count the shingles that pairs of texts have in common.

    Parameters
    ----------
    sets : Shingles
    a, b : int64 arrays
        Pairs of texts.

    Returns
    -------
    common : int64 array
        Shingles of both.
    jaccard : float64 array
        Over the shingles of either.
    containment : float64 array
        Over the shingles of the smaller.

    Examples
    --------
    >>> sets = shingle(["a b c d e f", "a b c d e f g"])
    >>> [x.round(3).tolist() for x in find_overlaps(sets, np.array([0]), np.array([1]))]
    [[2], [0.667], [1.0]]
    """
    small, large = np.where(sets.size[a] <= sets.size[b], a, b), np.where(sets.size[a] <= sets.size[b], b, a)
    n_codes = max(1, len(sets.df))
    key = sets.text * n_codes + sets.code
    common = np.zeros(len(a), dtype=np.int64)
    edges = np.concatenate(([0], np.cumsum(sets.size[small])))
    begin = 0
    while begin < len(a):  # a few million look-ups at a time: bounds memory, not the result
        end = max(begin + 1, int(np.searchsorted(edges, edges[begin] + 4_000_000, side="right")) - 1)
        pair = np.repeat(np.arange(begin, end), sets.size[small[begin:end]])
        row = ranges(sets.start[small[begin:end]], sets.start[small[begin:end] + 1])
        sought = large[pair] * n_codes + sets.code[row]
        hit = key[np.minimum(np.searchsorted(key, sought), len(key) - 1)] == sought
        common[begin:end] = np.bincount(pair[hit] - begin, minlength=end - begin)
        begin = end
    either = sets.size[a] + sets.size[b] - common
    return common, common / np.maximum(either, 1), common / np.maximum(sets.size[small], 1)


def _pair_up(
    text: IntArray, key: UintArray, query: BoolArray, size: IntArray, n_texts: int
) -> tuple[IntArray, IntArray]:
    """Pairs of texts on one key, of which the smaller asks; of long lists, each with the first."""
    order = np.lexsort((text, key))
    text, key, query = text[order], key[order], query[order]
    new = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else np.empty(0, dtype=np.int64)
    length = np.diff(np.append(new, len(key)))
    found = []
    for number in np.unique(length[(length >= 2) & (length <= LONG_LIST)]):
        rows = new[length == number][:, None] + np.arange(number)
        i, j = np.triu_indices(int(number), 1)
        for part in np.array_split(rows, 1 + rows.shape[0] * len(i) // 4_000_000):
            found += [_asking(text, query, size, part[:, i].ravel(), part[:, j].ravel(), n_texts)]
    for begin, number in zip(new[length > LONG_LIST], length[length > LONG_LIST], strict=True):
        others = np.arange(begin + 1, begin + number)
        found += [_asking(text, query, size, np.full(len(others), begin), others, n_texts)]
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    return pairs // max(1, n_texts), pairs % max(1, n_texts)


def _asking(text: IntArray, query: BoolArray, size: IntArray, i: IntArray, j: IntArray, n_texts: int) -> IntArray:
    """Pairs as one number each, where the smaller of the two asks."""
    first = size[text[i]] <= size[text[j]]
    same = size[text[i]] == size[text[j]]
    asks = np.where(first, query[i], query[j]) | (same & query[j])
    pairs: IntArray = np.unique(text[i][asks] * n_texts + text[j][asks])
    return pairs
