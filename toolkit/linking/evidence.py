"""Rows of evidence with their text back: what the arrays say, as a table people and other programs read."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.linking.arrays import FloatArray, IntArray
from toolkit.linking.incidence import Incidence

__all__ = ["EVIDENCE_FIELDS", "write_evidence"]

EVIDENCE_FIELDS = ("kind", "value", "bits", "holders", "window", "regime")
"""The fields of one row of evidence, in the order of the contract."""


def write_evidence(
    index: Incidence, row: IntArray, value: IntArray, bits: FloatArray, holders: FloatArray, **counts: FloatArray
) -> pl.DataFrame:
    """Write shared values with their bits, the strongest of each row first.

    Parameters
    ----------
    index : Incidence
    row : int64 array
        What each value speaks for: a pair, or an account.
    value : int64 array
        Value codes.
    bits, holders : float64 arrays
    **counts : float64 arrays
        Further whole numbers to carry along, by name.

    Returns
    -------
    polars.DataFrame
        ``row``, the fields of evidence, and the counts. Order: row, bits descending, kind, value.

    Examples
    --------
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> index = build_incidence(find_observations(pl.DataFrame({"account_id": ["a", "b"], "device": ["d", "d"]})))
    >>> one, two = np.array([0]), np.array([2.0])
    >>> write_evidence(index, one, one, np.array([9.5]), two).row(0)
    (0, 'device', 'd', 9.5, 2, None, 'unique')
    """
    kind = index.value_kind[value]
    window = np.array([k.window_h if k.window_h else np.nan for k in index.kinds])[kind]
    table = pl.DataFrame(
        {
            "row": row,
            "kind": index.values.get_column("kind").gather(value),
            "value": index.values.get_column("value").gather(value),
            "bits": np.round(bits, 6),
            "holders": holders.astype(np.uint32),
            "window": pl.Series(window, nan_to_null=True, dtype=pl.Float64),
            "regime": pl.Series([k.regime for k in index.kinds], dtype=pl.String).gather(kind),
            **{name: count.astype(np.uint32) for name, count in counts.items()},
        }
    )
    return table.sort(["row", "bits", "kind", "value"], descending=[False, True, False, False])
