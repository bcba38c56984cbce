"""Crowds: everybody on one value that is made for one account, supposed to be a ring and then judged.

A card with five thousand holders proposes no pairs: there would be twelve million, and most such values are poison (a
null device id, a public phone number). So a ring of thousands hides behind its own size. But it can be asked in one
step: suppose that all holders belong. If they draw on common stock they hold by the other things they share; if they
are strangers on a placeholder, nobody does.
"""

from __future__ import annotations

import numpy as np

from toolkit.linking.arrays import IntArray, ranges
from toolkit.linking.belonging import ExpandSettings, score_accounts
from toolkit.linking.incidence import Incidence
from toolkit.linking.sets import Sets, hold, one_set

__all__ = ["find_crowds"]

LOOKS = 3
"""Times a crowd is looked over; whoever does not hold leaves."""

NEARLY_ALL = 0.9
"""Share of a crowd that holds a value which tells nobody in it from anybody."""

REMAINS = 0.5
"""Share of a crowd that must hold for it to be one."""

MOST_ACCOUNTS = 2_000_000
"""Accounts in all crowds together that are looked at, smallest crowds first."""


def find_crowds(index: Incidence, dials: ExpandSettings, among: IntArray | None = None) -> Sets:
    """Find the sets of holders that hold together, of values with too many holders to propose pairs.

    Parameters
    ----------
    index : Incidence
    dials : ExpandSettings
        Of the judge.
    among : int64 array, optional
        Ask only about values that one of these accounts has.

    Returns
    -------
    Sets
        What is left of each crowd of which half or more holds.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.linking.incidence import build_incidence
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [(f"r{i:03}", "k", f"d{i % 40}") for i in range(250)]
    >>> rows += [(f"x{i:04}", "null", f"e{i}") for i in range(2000)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "card", "device"], orient="row")
    >>> index = build_incidence(find_observations(frame))
    >>> find_crowds(index, ExpandSettings()).size.tolist()
    [250]
    """
    ceiling = np.array([kind.max_holders for kind in index.kinds])[index.value_kind]
    made_for_one = np.array([kind.regime == "unique" and kind.corroborates for kind in index.kinds])[index.value_kind]
    wide = made_for_one & (index.holders > ceiling) & ~index.placeholder
    if among is not None:
        theirs = np.zeros(index.n_values, dtype=bool)
        theirs[index.value[ranges(index.start[among], index.start[among + 1])]] = True
        wide &= theirs
    values = np.flatnonzero(wide)
    values = values[np.lexsort((values, index.holders[values]))]
    values = values[np.cumsum(index.holders[values]) <= MOST_ACCOUNTS]
    start = index.value_start
    crowds = [_look_over(index, index.value_account[start[value] : start[value + 1]], dials) for value in values]
    left = [crowd for crowd in crowds if len(crowd)]
    label = np.repeat(np.arange(len(left)), [len(crowd) for crowd in left])
    return Sets.of(label, np.concatenate([np.empty(0, dtype=np.int64), *left]), len(left), index.n_accounts)


def _look_over(index: Incidence, crowd: IntArray, dials: ExpandSettings) -> IntArray:
    """Let whoever does not hold leave; nobody is left where the half of a crowd does not hold.

    Values that nearly all of the crowd hold are one fact: a client that sends three null ids sends them together. So
    everybody must have one more reason, among the values that only some of the crowd hold.
    """
    left = one_set(crowd, index.n_accounts)
    for _ in range(LOOKS):
        held = hold(index, left)
        everywhere = np.zeros(index.n_values, dtype=bool)
        everywhere[held.cell_value[held.count >= NEARLY_ALL * len(left.account)]] = True
        scores = score_accounts(index, left, left, dials)
        apart = score_accounts(index, left, left, dials, without=everywhere)
        left = left.only(scores.holds(dials) & (apart.reasons >= 1))
        if len(left.account) < REMAINS * len(crowd):
            return left.account[:0]
    return left.account
