"""Linking tidy person records: one row per record, where differing counts against as agreeing counts for.

Accounts with many values are scored by what they share (:mod:`toolkit.linking.score`); what they do not share says
little. A record has *one* surname and one birth date, so here every field speaks:

1. **Compare.** Values of a field agree exactly, nearly (one typo), loosely (sound, words), or differ; see
   :mod:`toolkit.linking.fuzzy`. The chance u that a stranger agrees as well with *this* value is counted: the
   records that hold it, or that hold something as near. A common surname therefore proves less than a rare one.
2. **Propose.** Records that agree exactly or nearly on a field, where few others do.
3. **Learn.** EM over the proposed pairs, and the count of all others, gives the prior and how often one person's
   records agree at each level (:mod:`toolkit.linking.em`); u stays as counted. No labels.
4. **Weigh.** An agreement gives ``log2(m_0 + m_l / u)`` bits, a difference ``log2(m_0)``, a blank nothing.

Sources: Fellegi & Sunter 1969; Winkler 1989 (frequency-dependent chances).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.errors import InputError
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.columns import Column, read_column
from toolkit.linking.em import Agreements, Mixture, count_rest, fit_mixture
from toolkit.linking.fuzzy import require_text, type_of
from toolkit.linking.score import probability
from toolkit.settings import MAX_PAIRS

__all__ = ["Comparison", "compare_records", "group_records", "link_records"]

LEVELS = ("differs", "exact", "near", "loose")
MAX_HOLDERS = 30
"""Records that agree on a value, exactly or nearly, and still propose one another."""
START = (0.6, 0.1, 0.05)
"""Where EM starts: how often records of one person agree exactly, nearly, loosely."""


@dataclass(frozen=True)
class Comparison:
    """Records compared: ``a``, ``b`` are rows of ``accounts``, one per proposed pair, a < b."""

    accounts: pl.Series
    fields: tuple[str, ...]
    a: IntArray
    b: IntArray
    agreements: Agreements

    def fit(self) -> Mixture:
        """Learn the prior and the rates of agreement; see :func:`toolkit.linking.em.fit_mixture`."""
        start = min(0.5, 1 / max(1, len(self.accounts) - 1))
        return fit_mixture(self.agreements, np.tile(START, (len(self.fields), 1)), start, imagined=2.0)


def compare_records(
    frame: pl.DataFrame,
    fields: Mapping[str, str],
    *,
    id_column: str = "account_id",
    max_holders: int = MAX_HOLDERS,
    max_pairs: int = MAX_PAIRS,
) -> Comparison:
    """Propose pairs of records and compare them field by field.

    Parameters
    ----------
    frame, fields, id_column, max_holders, max_pairs
        As for :func:`link_records`.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["1", "2", "3"], "name": ["anna", "ana", "bo"]})
    >>> found = compare_records(frame, {"name": "name"})
    >>> found.a.tolist(), found.b.tolist(), found.agreements.level.tolist()
    ([0], [1], [2])
    """
    require_text(frame, [id_column, *fields])
    if not fields:
        raise InputError("records are compared on fields: name at least one, with its type")
    rows = frame.select(id_column, *fields).sort(id_column, *fields, nulls_last=True)
    accounts = rows.get_column(id_column)
    if accounts.null_count() or accounts.n_unique() < len(accounts):
        raise InputError(
            f"column {id_column!r} is blank or repeated: {len(accounts)} rows, {accounts.drop_nulls().n_unique()} ids;"
            " a record is one row (accounts with many values are linked by link_accounts)"
        )
    columns = [read_column(rows.get_column(name), type_of(kind)) for name, kind in fields.items()]
    a, b, holders = _propose(columns, max_holders, max_pairs)
    levels = np.stack([column.level(a, b) for column in columns], axis=1)
    pair, field = np.nonzero(levels)
    level = levels[pair, field]
    u = np.empty(len(pair))
    for number, column in enumerate(columns):
        at = np.flatnonzero(field == number)
        u[at] = column.chance(a[pair[at]], b[pair[at]], level[at])
    holds = np.stack([column.code >= 0 for column in columns], axis=1)
    reach = np.array([column.reach(holders) for column in columns])
    rest_both, rest = count_rest(holds & (reach > 0), a, b)
    both = holds[a] & holds[b]
    agreements = Agreements(
        both, pair, field, level, u, rest_both, rest, reach, both.astype(float), rest_both.astype(float)
    )
    return Comparison(accounts, tuple(fields), a, b, agreements)


def link_records(
    frame: pl.DataFrame,
    fields: Mapping[str, str],
    *,
    id_column: str = "account_id",
    min_probability: float = 0.5,
    max_holders: int = MAX_HOLDERS,
    max_pairs: int = MAX_PAIRS,
) -> pl.DataFrame:
    """Link person records that are of one person, without labels, and say why.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per record: an id and a text column per field; null or blank = not known.
    fields : mapping of str to str
        Column to field type: a name of :data:`toolkit.linking.fuzzy.FIELD_TYPES` (``name``, ``date``, ``address``,
        ``number``, ``identifier``, ``email``, ``phone``, ``code``).
    id_column : str
        The column of ids.
    min_probability : float
        Links below it are not returned.
    max_holders : int
        A value on which more records agree, exactly or nearly, proposes no pair.
    max_pairs : int
        Proposed pairs at most, counted once per field; ``max_holders`` is halved until they fit.

    Returns
    -------
    polars.DataFrame
        ``account_a`` < ``account_b``, ``bits`` (all fields, without the prior), ``probability`` (with the learned
        prior), ``evidence``: a list of ``field``, ``agreement`` (exact, near, loose, differs) and ``bits``, for each
        field that both have, from the strongest for to the strongest against. Order: bits descending, account_a,
        account_b.

    Raises
    ------
    InputError
        If a column is missing or not text, ids are blank or repeated, or no field is named.
    UnknownNameError
        If a field type does not exist.

    Notes
    -----
    Source: Fellegi & Sunter 1969; chances counted per value; EM as in :func:`toolkit.linking.em.fit_mixture`.

    Examples
    --------
    >>> some = range(80)
    >>> frame = pl.DataFrame({"account_id": [f"r{i:02d}" for i in some], "name": [f"{i:b}lind{i}" for i in some],
    ...                       "born": [f"19{i:02d}0312" for i in some], "phone": [f"{77777 * i:07d}" for i in some]})
    >>> twin = pl.DataFrame({"account_id": ["twin"], "name": ["111lnd7"], "born": ["1907-03-12"], "phone": ["0544439"]})
    >>> found = link_records(pl.concat([frame, twin]), {"name": "name", "born": "date", "phone": "phone"})
    >>> found.select("account_a", "account_b").rows(), [e["agreement"] for e in found["evidence"][0]]
    ([('r07', 'twin')], ['exact', 'exact', 'near'])
    """
    compared = compare_records(frame, fields, id_column=id_column, max_holders=max_holders, max_pairs=max_pairs)
    mixture = compared.fit()
    p = probability(mixture.bits + np.log2(mixture.lam / (1 - mixture.lam)))
    kept = np.flatnonzero(p >= min_probability)
    evidence = _write_evidence(compared, mixture, kept)
    return (
        pl.DataFrame(
            {
                "row": kept,
                "account_a": compared.accounts.gather(compared.a[kept]),
                "account_b": compared.accounts.gather(compared.b[kept]),
                "bits": np.round(mixture.bits[kept], 6),
                "probability": np.round(p[kept], 9),
            }
        )
        .join(evidence, on="row", how="left")
        .drop("row")
        .sort(["bits", "account_a", "account_b"], descending=[True, False, False])
    )


def group_records(links: pl.DataFrame, *, min_probability: float = 0.5) -> pl.DataFrame:
    """Put linked records into groups, one group a person.

    Parameters
    ----------
    links : polars.DataFrame
        As :func:`link_records` returned them.
    min_probability : float
        Links below it do not join.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``group_id`` (the smallest id in the group). Records without a link are not listed. Order:
        group_id, account_id.

    Examples
    --------
    >>> links = pl.DataFrame({"account_a": ["a", "b"], "account_b": ["b", "c"], "probability": [0.9, 0.8]})
    >>> group_records(links).rows()
    [('a', 'a'), ('b', 'a'), ('c', 'a')]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = links.filter(pl.col("probability") >= min_probability)
    names = pl.concat([kept.get_column("account_a"), kept.get_column("account_b")]).unique().sort().alias("account_id")
    a, b = (np.asarray(names.search_sorted(kept.get_column(side))) for side in ("account_a", "account_b"))
    n = len(names)
    _, group = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    table = pl.DataFrame({"account_id": names, "group": group})
    return table.select("account_id", pl.col("account_id").min().over("group").alias("group_id")).sort(
        "group_id", "account_id"
    )


def _propose(columns: list[Column], max_holders: int, max_pairs: int) -> tuple[IntArray, IntArray, int]:
    """Pairs of records that agree exactly or nearly on a value with few holders; the number of holders that fitted."""
    from scipy.sparse import csr_array, diags_array, triu

    def cost(holders: int) -> float:
        return sum(float((c.count * h)[h <= holders].sum()) for c in columns for h in [c.holders]) / 2

    while max_holders > 2 and cost(max_holders) > max_pairs:
        max_holders //= 2
    n = len(columns[0].code)
    met = csr_array((n, n), dtype=np.float32)
    for column in columns:
        few = (column.holders <= max_holders).astype(np.float32)
        record = np.flatnonzero(column.code >= 0)
        held = csr_array(
            (np.ones(len(record), dtype=np.float32), (record, column.code[record])), shape=(n, len(few))
        ) @ diags_array(few)
        met = met + held @ held.T
        if column.near:
            met = met + held @ column.near[0].astype(np.float32) @ held.T
    found = triu(met, k=1, format="coo")
    order = np.lexsort((found.col, found.row))
    order = order[found.data[order] > 0]
    return found.row[order].astype(np.int64), found.col[order].astype(np.int64), max_holders


def _write_evidence(compared: Comparison, mixture: Mixture, kept: IntArray) -> pl.DataFrame:
    """Return ``row`` and ``evidence`` of the given pairs."""
    of = compared.agreements
    level = np.zeros(of.both.shape, dtype=np.int64)
    level[of.pair, of.field] = of.level
    bits: FloatArray = np.log2(mixture.m[:, 0])[None, :] * np.ones((len(of.both), 1))
    bits[of.pair, of.field] = np.log2(mixture.m[of.field, 0] + mixture.m[of.field, of.level] / of.u)
    said: BoolArray = of.both[kept]
    pair, field = np.nonzero(said)
    row = kept[pair]
    table = pl.DataFrame(
        {
            "row": row,
            "field": pl.Series(compared.fields, dtype=pl.String).gather(field),
            "agreement": pl.Series(LEVELS, dtype=pl.String).gather(level[row, field]),
            "bits": np.round(bits[row, field], 6),
        }
    ).sort(["row", "bits", "field"], descending=[False, True, False])
    return table.group_by("row", maintain_order=True).agg(pl.struct("field", "agreement", "bits").alias("evidence"))
