"""Text as numbers: every value of a column once, sorted, and by row which of them it is.

Text is slow to sort and to join, and most of it repeats. So rows are brought together by 64-bit hashes, and only what
is different is sorted as text. Two texts that share a hash are told apart by a second one; if that ever finds a pair,
the column is coded the slow way. The codes depend on the texts alone, not on the hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from toolkit.linking.arrays import IntArray, WordArray, run_starts

__all__ = ["code_text", "group_rows", "hash_text", "order_of"]


def code_text(column: pl.Series) -> tuple[IntArray, pl.Series]:
    """Code a column of text.

    Parameters
    ----------
    column : polars.Series
        String, without nulls.

    Returns
    -------
    code : int64 array
        By row.
    texts : polars.Series
        By code: sorted, each text once.

    Examples
    --------
    >>> code, texts = code_text(pl.Series(["b", "a", "b"]))
    >>> code.tolist(), texts.to_list()
    ([1, 0, 1], ['a', 'b'])
    """
    changes = (column != column.shift()).fill_null(value=True).to_numpy()
    head = np.flatnonzero(changes)  # where rows are in order, or of one kind, most repeat the one before
    code, texts = _code_by_hash(column.gather(head))
    return np.repeat(code, np.diff(head, append=len(column))), texts


def _code_by_hash(column: pl.Series) -> tuple[IntArray, pl.Series]:
    grouped = group_rows(hash_text([column]), hash_text([column], seed=1))
    if grouped is None:
        return _code_by_text(column)
    order, start = grouped
    texts = column.gather(np.sort(order[start])).sort()  # picked in order of place: several times faster
    place = np.argsort(hash_text([texts]))  # groups stand in order of their hash: so the n-th is the n-th of the texts'
    code = np.empty(len(column), dtype=np.int64)
    code[order] = np.repeat(place, np.diff(start, append=len(order)))
    return code, texts


def _code_by_text(column: pl.Series) -> tuple[IntArray, pl.Series]:
    """Code a column of text the plain way."""
    texts = column.unique().sort()
    coded = column.to_frame("t").join(
        texts.to_frame("t").with_row_index("code"), on="t", how="left", maintain_order="left"
    )
    return coded.get_column("code").cast(pl.Int64).to_numpy(), texts


def hash_text(columns: Sequence[pl.Series], *, seed: int = 0) -> WordArray:
    """Hash rows of text to 64-bit words; equal rows are equal, others nearly never.

    Examples
    --------
    >>> words = hash_text([pl.Series(["a", "a"]), pl.Series(["x", "y"])])
    >>> bool(words[0] == words[1])
    False
    """
    mixed = columns[0].hash(seed).to_numpy()
    for column in columns[1:]:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + column.hash(seed).to_numpy()
    return mixed


def group_rows(word: WordArray, proof: WordArray) -> tuple[IntArray, IntArray] | None:
    """Bring rows with equal words together: their order, and where each group starts; None if ``proof`` disagrees.

    Examples
    --------
    >>> word = np.array([7, 3, 7], dtype=np.uint64)
    >>> order, start = group_rows(word, word)
    >>> word[order].tolist(), start.tolist()
    ([3, 7, 7], [0, 1])
    """
    order = np.argsort(word)
    start = run_starts(word[order])
    if len(run_starts(proof[order])) != len(start):
        return None
    return order, start


def order_of(parts: Sequence[tuple[IntArray, int]]) -> tuple[IntArray, IntArray]:
    """Sort rows by several codes, the first one foremost, and say where rows with the same codes start.

    Parameters
    ----------
    parts : sequence of (int64 array, int)
        Codes by row, and how many codes there are.

    Returns
    -------
    order : int64 array
        Rows; the order of rows with the same codes may be any.
    start : int64 array
        Where each new combination begins in ``order``.

    Examples
    --------
    >>> order, start = order_of([(np.array([1, 0, 1]), 2), (np.array([0, 5, 0]), 6)])
    >>> sorted(order[:1].tolist()), start.tolist()
    ([1], [0, 1])
    """
    size = 1
    for _, number in parts:
        size *= max(number, 1)
    if size >= 2**63:  # too many for one number: bring all but the last together first
        head, first = order_of(parts[:-1])
        group = np.empty(len(head), dtype=np.int64)
        group[head] = np.repeat(np.arange(len(first)), np.diff(first, append=len(head)))
        return order_of([(group, len(first)), parts[-1]])
    key = parts[0][0]
    for code, number in parts[1:]:
        key = key * max(number, 1) + code
    order = np.arange(len(key)) if (key[1:] >= key[:-1]).all() else np.argsort(key)
    return order, run_starts(key[order])
