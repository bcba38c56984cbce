"""One field of many records: its values, who holds them, and which values are near one another.

Values are few where records are many, so everything that compares texts happens once per value: which values share a
key is one product of a sparse 0/1 matrix with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from toolkit.linking.arrays import FloatArray, IntArray
from toolkit.linking.fuzzy import FieldType

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Column", "read_column"]

MAX_KEY_VALUES: Final = 200
"""A key that more values share ("street") makes none of them near."""


@dataclass(frozen=True)
class Column:
    """A field as arrays.

    Attributes
    ----------
    code : int64 array
        The value of each record; -1 if blank.
    count : float64 array
        Records of each value.
    near : tuple of csr_array
        For each level from 2 up, the 0/1 matrix of values that agree at this level and no better.
    """

    code: IntArray
    count: FloatArray
    near: tuple[csr_array, ...]

    @cached_property
    def mass(self) -> FloatArray:
        """By level from 1 up and value: other records that agree with it at this level."""
        return np.array([np.maximum(self.count - 1, 0), *(near @ self.count for near in self.near)])

    @cached_property
    def holders(self) -> FloatArray:
        """By value: records that agree with it exactly or nearly, its own included."""
        nearly: FloatArray = self.mass[1] if self.near else np.zeros(len(self.count))
        return self.count + nearly

    def reach(self, max_holders: int) -> float:
        """Share of the records whose value has no more holders than this."""
        total = float(self.count.sum())
        return float(self.count[self.holders <= max_holders].sum()) / total if total else 0.0

    def level(self, a: IntArray, b: IntArray) -> IntArray:
        """Level at which records agree: 1 exactly, 2 and up nearly; 0 = they differ, or one is blank."""
        left, right = self.code[a], self.code[b]
        both = (left >= 0) & (right >= 0)
        level = np.where(both & (left == right), 1, 0)
        for number, near in enumerate(self.near, 2):
            level[both] += number * near[left[both], right[both]].astype(np.int64)
        return level

    def chance(self, a: IntArray, b: IntArray, level: IntArray) -> FloatArray:
        """Chance that a stranger agrees at this level, with the one of the two with whom that is more common."""
        met = np.maximum(self.mass[level - 1, self.code[a]], self.mass[level - 1, self.code[b]])
        share: FloatArray = np.minimum(1.0, met / max(1.0, float(self.count.sum()) - 1))
        return share


def read_column(values: pl.Series, of: FieldType) -> Column:
    """Fold and code the values of a field, and find which are near one another.

    Parameters
    ----------
    values : polars.Series
        Text, one per record; null, blank and what folds to nothing are no value.
    of : FieldType
        How to fold and key them; see :data:`toolkit.linking.fuzzy.FIELD_TYPES`.

    Returns
    -------
    Column

    Examples
    --------
    >>> from toolkit.linking.fuzzy import FIELD_TYPES
    >>> column = read_column(pl.Series(["Anna", "anna", "ana", None, "bo"]), FIELD_TYPES["name"])
    >>> column.code.tolist(), column.level(np.array([0, 0, 0, 0]), np.array([1, 2, 3, 4])).tolist()
    ([1, 1, 0, -1, 2], [1, 2, 0, 0])
    """
    distinct = values.unique().drop_nulls()
    folded = pl.Series([of.fold(value) for value in distinct.to_list()], dtype=pl.String)
    meaning = folded.filter(folded != "").unique().sort()
    number = pl.DataFrame({"meaning": meaning}).with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    table = pl.DataFrame({"value": distinct, "meaning": folded}).join(number, on="meaning", how="left")
    held = values.alias("value").to_frame().join(table, on="value", how="left", maintain_order="left")
    code = held.get_column("code").fill_null(-1).to_numpy()
    near: list[csr_array] = []
    for keyer in of.keyers:
        touching = _share_a_key([list(keyer(value)) for value in meaning.to_list()])
        for finer in near:
            touching = touching - touching.multiply(finer)
        touching.eliminate_zeros()
        near.append(touching)
    return Column(code, np.bincount(code[code >= 0], minlength=len(meaning)).astype(float), tuple(near))


def _share_a_key(keys: list[list[str]]) -> csr_array:
    """Return the 0/1 matrix of different values that share a key."""
    from scipy.sparse import csr_array, diags_array

    value = np.repeat(np.arange(len(keys)), [len(k) for k in keys])
    flat = pl.Series([key for k in keys for key in k], dtype=pl.String)
    key = flat.rank("dense").cast(pl.Int64).to_numpy() - 1
    few = np.bincount(key, minlength=1) <= MAX_KEY_VALUES
    value, key = value[few[key]], key[few[key]]
    held = csr_array((np.ones(len(key)), (value, key)), shape=(len(keys), len(few)))
    together = held @ held.T
    together = csr_array(together - diags_array(together.diagonal()))
    together.eliminate_zeros()
    together.data[:] = 1.0
    together.sort_indices()
    return together
