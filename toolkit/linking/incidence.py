"""The index of who holds what, as arrays: the ground that scores, clusters and expansion stand on.

An *incidence* is an account and a value it was seen with, once, however many tables said so. Accounts and
values get integer codes in sorted order, so the same rows in any order give the same codes; the text comes
back only at the end. Times are hours since the first observation; a kind without a window lives at time zero,
which makes "holders within the window" one computation for every kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, find_within, run_starts
from toolkit.linking.coding import code_text, order_of
from toolkit.linking.regimes import infer_kinds
from toolkit.model.tables import Observations, conform
from toolkit.settings import KINDS, PLACEHOLDERS, UNDECLARED, Kind

__all__ = ["AXIS_STRIDE_H", "Incidence", "build_incidence"]

AXIS_STRIDE_H = 2.0**21
"""Hours between two values on the one time axis all values share (238 years: no window reaches across)."""


@dataclass(frozen=True)
class Incidence:
    """Accounts x values, as sorted arrays.

    Attributes
    ----------
    accounts : polars.Series
        Account ids by account code.
    values : polars.DataFrame
        ``kind``, ``value`` by value code.
    kinds : tuple of Kind
        By kind code.
    account, value : int64 arrays
        Of each incidence, sorted by account, then value. Values are sorted by kind, so kinds are in order too.
    first, last : float64 arrays
        Hours since the origin; both zero where the kind has no window or no time is known.
    use_first, use_last : float64 arrays
        The same for every kind, NaN where no time is known: the time term reads these.
    n : int64 array
        How often the account was seen with the value.
    value_kind : int64 array
        Kind code by value code.
    placeholder : bool array
        By value code: whether the value means "no value".
    span_h : float
        Hours from the first to the last observation; at least 1.
    origin : datetime or None
        When the clock starts (UTC).
    """

    accounts: pl.Series
    values: pl.DataFrame
    kinds: tuple[Kind, ...]
    account: IntArray
    value: IntArray
    first: FloatArray
    last: FloatArray
    use_first: FloatArray
    use_last: FloatArray
    n: IntArray
    value_kind: IntArray
    placeholder: BoolArray
    span_h: float
    origin: datetime | None

    def at(self, hours: float) -> datetime | None:
        """Return the time (UTC) that a number of hours on the incidence clock stands for."""
        return None if self.origin is None else self.origin + timedelta(microseconds=round(hours * 3.6e9))

    @property
    def n_accounts(self) -> int:
        """Accounts with at least one value."""
        return len(self.accounts)

    @property
    def n_values(self) -> int:
        """Distinct (kind, value)."""
        return self.values.height

    @cached_property
    def kind(self) -> IntArray:
        """Kind code of each incidence."""
        return self.value_kind[self.value]

    @cached_property
    def holders(self) -> IntArray:
        """Accounts per value, at any time: d_v."""
        return np.bincount(self.value, minlength=self.n_values).astype(np.int64)

    @cached_property
    def proposes(self) -> BoolArray:
        """By value code: whether its holders may be paired: two or more, no more than its kind allows."""
        ceiling = np.array([kind.max_holders for kind in self.kinds])[self.value_kind]
        return (self.holders >= 2) & (self.holders <= ceiling) & ~self.placeholder

    @cached_property
    def per_kind_incidences(self) -> FloatArray:
        """Incidences per kind: M_k."""
        return np.bincount(self.kind, minlength=len(self.kinds)).astype(float)

    @cached_property
    def _cells(self) -> tuple[IntArray, IntArray]:
        """Accounts and kinds that occur together, as one number, and how often: incidences stand in that order."""
        key = self.account * len(self.kinds) + self.kind
        start = run_starts(key)
        return key[start], np.diff(start, append=len(key))

    @cached_property
    def activity(self) -> FloatArray:
        """Values of the same kind that the incidence's account holds: K_i, per incidence."""
        _, counts = self._cells
        return np.repeat(counts.astype(float), counts)

    @cached_property
    def activity_share(self) -> FloatArray:
        """Share of its account's activity in the kind that falls on each incidence."""
        _, counts = self._cells
        cell = np.repeat(np.arange(len(counts)), counts)
        share: FloatArray = self.n / np.bincount(cell, weights=self.n.astype(float))[cell]
        return share

    @cached_property
    def per_kind_accounts(self) -> FloatArray:
        """Accounts with any value of the kind: N_k."""
        return np.bincount(self._cells[0] % len(self.kinds), minlength=len(self.kinds)).astype(float)

    @cached_property
    def draws(self) -> NDArray[np.int32]:
        """Values that are not placeholders, by account and kind."""
        real = ~self.placeholder[self.value]
        cell = self.account[real] * len(self.kinds) + self.kind[real]
        count = np.bincount(cell, minlength=self.n_accounts * len(self.kinds)).astype(np.int32)
        return count.reshape(self.n_accounts, len(self.kinds))

    @cached_property
    def arrival(self) -> FloatArray:
        """Hours from the origin to each account's first observation; NaN where no time is known."""
        first = np.full(self.n_accounts, np.inf)
        known = ~np.isnan(self.use_first)
        np.minimum.at(first, self.account[known], self.use_first[known])
        return np.where(np.isinf(first), np.nan, first)

    @cached_property
    def start(self) -> IntArray:
        """First incidence of each account; one more entry than accounts."""
        return np.searchsorted(self.account, np.arange(self.n_accounts + 1)).astype(np.int64)

    @cached_property
    def shared(self) -> IntArray:
        """Incidences of values that another account holds too, in order; placeholders are among them."""
        return np.flatnonzero(self.holders[self.value] > 1)

    @cached_property
    def shared_value(self) -> IntArray:
        """Their values."""
        return self.value[self.shared]

    @cached_property
    def shared_start(self) -> IntArray:
        """First position in ``shared`` of each account; one more entry than accounts."""
        return np.searchsorted(self.shared, self.start).astype(np.int64)

    @cached_property
    def by_value(self) -> IntArray:
        """Incidences ordered by value, then account."""
        place = max(len(self.value) - 1, 1).bit_length()  # value and place in one number: no two are equal
        key = np.sort(self.value << place | np.arange(len(self.value)))
        return key & ((1 << place) - 1)

    @cached_property
    def value_account(self) -> IntArray:
        """Account codes in the order of ``by_value``: the holders of one value stand side by side."""
        return self.account[self.by_value]

    @cached_property
    def value_first(self) -> FloatArray:
        """``first`` in the order of ``by_value``."""
        return self.first[self.by_value]

    @cached_property
    def value_last(self) -> FloatArray:
        """``last`` in the order of ``by_value``."""
        return self.last[self.by_value]

    @cached_property
    def value_start(self) -> IntArray:
        """First position in ``by_value`` of each value; one more entry than values."""
        return np.concatenate(([0], np.cumsum(self.holders)))

    @cached_property
    def window(self) -> FloatArray:
        """Window of each kind in hours; zero where time does not matter (all incidences then meet at zero)."""
        return np.array([kind.window_h or 0.0 for kind in self.kinds])

    @cached_property
    def _axis(self) -> tuple[FloatArray, FloatArray]:
        """Starts and ends of all incidences on the one axis of values and time, sorted."""
        return np.sort(self.value * AXIS_STRIDE_H + self.first), np.sort(self.value * AXIS_STRIDE_H + self.last)

    def count_between(
        self, value: IntArray, low: FloatArray, high: FloatArray, among: IntArray | None = None
    ) -> FloatArray:
        """Count holders of a value whose interval touches [low, high].

        Parameters
        ----------
        value : int64 array
            Value codes to ask about.
        low, high : float64 arrays
            Hours on the incidence clock, already widened by the window.
        among : int64 array, optional
            Only these incidences count; all by default.

        Returns
        -------
        float64 array
            One count per question.
        """
        low, high = value * AXIS_STRIDE_H + low, value * AXIS_STRIDE_H + high
        if among is None:
            starts, ends = self._axis
            begin, end = self.value_start[value], self.value_start[value + 1]  # of both, sorted by value first
            beyond: FloatArray = np.nextafter(high, np.inf)  # the first that is not less than this is greater than high
            began = find_within(starts, begin, end, beyond)
            over = find_within(ends, begin, end, low)
        else:
            began = np.searchsorted(np.sort(self.value[among] * AXIS_STRIDE_H + self.first[among]), high, side="right")
            over = np.searchsorted(np.sort(self.value[among] * AXIS_STRIDE_H + self.last[among]), low, side="left")
        return (began - over).astype(float)

    @cached_property
    def nearby(self) -> FloatArray:
        """Holders of each incidence's value whose interval touches its own, widened by the kind's window."""
        near = self.holders[self.value].astype(float)
        rows = self.shared[self.window[self.kind[self.shared]] > 0]  # of the others there is one holder: itself
        window = self.window[self.kind[rows]]
        near[rows] = self.count_between(self.value[rows], self.first[rows] - window, self.last[rows] + window)
        return near

    def find(self, account: IntArray, value: IntArray) -> IntArray:
        """Return the incidence of each (account, value); they must exist."""
        key = self.account * self.n_values + self.value
        return np.searchsorted(key, account * self.n_values + value).astype(np.int64)

    def codes(self, accounts: list[str]) -> IntArray:
        """Return the codes of account ids; -1 for those that do not occur."""
        if not len(self.accounts):
            return np.full(len(accounts), -1, dtype=np.int64)
        found = np.asarray(self.accounts.search_sorted(pl.Series(accounts, dtype=pl.String)), dtype=np.int64)
        found = np.minimum(found, len(self.accounts) - 1)
        same = (self.accounts.gather(found) == pl.Series(accounts, dtype=pl.String)).to_numpy()
        return np.where(same, found, -1).astype(np.int64)


def build_incidence(observations: pl.DataFrame, kinds: Mapping[str, Kind] = KINDS) -> Incidence:
    """Code observations into an :class:`Incidence`.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind.

    Returns
    -------
    Incidence

    Raises
    ------
    ContractError
        If the frame is not a table of observations.
    InputError
        If it has no rows.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "device": ["d1", "d1"]})
    >>> index = build_incidence(find_observations(frame))
    >>> index.n_accounts, index.holders.tolist()
    (2, [2])
    """
    rows = conform(observations, Observations)
    if rows.is_empty():
        raise InputError(
            "there is nothing to link: 0 observations; check the mapping's indicators with `toolkit check`"
        )
    origin = rows.get_column("first_at").min()
    account, accounts = code_text(rows.get_column("account_id"))
    kind, kind_names = code_text(rows.get_column("kind"))
    text, texts = code_text(rows.get_column("value"))
    held, first = order_of([(kind, len(kind_names)), (text, len(texts))])
    number = np.empty(len(held), dtype=np.int64)
    number[held] = np.repeat(np.arange(len(first)), np.diff(first, append=len(held)))
    values = pl.DataFrame({"kind": kind_names.gather(kind[held[first]]), "value": texts.gather(text[held[first]])})
    value_kind = kind[held[first]]
    order, start = order_of([(account, len(accounts)), (number, len(first))])
    names = kind_names.to_list()
    settings = tuple(kinds.get(name) or replace(UNDECLARED, name=name, family=name) for name in names)
    value = number[order[start]]
    use_first, use_last = (
        reach.reduceat(_hours(rows.get_column(name), origin)[order], start)
        for name, reach in (("first_at", np.fmin), ("last_at", np.fmax))
    )
    windowed = np.array([kind.window_h is not None for kind in settings])[value_kind[value]] & ~np.isnan(use_first)
    known = use_last[~np.isnan(use_last)]
    index = Incidence(
        accounts=accounts,
        values=values,
        kinds=settings,
        account=account[order[start]],
        value=value,
        first=np.where(windowed, use_first, 0.0),
        last=np.where(windowed, use_last, 0.0),
        use_first=use_first,
        use_last=use_last,
        n=np.add.reduceat(rows.get_column("n").to_numpy()[order], start),
        value_kind=value_kind,
        placeholder=values.get_column("value")
        .str.strip_chars()
        .str.to_lowercase()
        .is_in(sorted(PLACEHOLDERS))
        .to_numpy(),
        span_h=max(1.0, float(known.max()) if len(known) else 1.0),
        origin=origin if isinstance(origin, datetime) else None,
    )
    return replace(index, kinds=infer_kinds(index, kinds))


def _hours(at: pl.Series, origin: object) -> FloatArray:
    """Hours from the origin; NaN where no time is known."""
    if origin is None:
        return np.full(len(at), np.nan)
    since = (pl.col("at") - pl.lit(origin, dtype=at.dtype)).dt.total_microseconds().truediv(3.6e9)
    return at.to_frame("at").select(since.fill_null(float("nan"))).to_series().to_numpy()
