"""The last veil: plain account numbers become opaque ids, µs become UTC times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from toolkit.sources.samples.chance import Ints, mint_ids, open_stream, pick_strings
from toolkit.sources.samples.plan import START

_EPOCH = int(START.timestamp()) * 1_000_000


@dataclass(frozen=True)
class Names:
    """The ids of one world, by account and organisation number."""

    seed: int
    accounts: pl.Series
    orgs: pl.Series

    def account(self, numbers: pl.Series | Ints) -> pl.Series:
        """Account ids; a missing number stays missing."""
        return pick_strings(self.accounts, _places(numbers))

    def org(self, numbers: pl.Series | Ints) -> pl.Series:
        """Organisation ids; a missing number stays missing."""
        return pick_strings(self.orgs, _places(numbers))


def _places(numbers: pl.Series | Ints) -> Any:
    return numbers.fill_null(-1).to_numpy() if isinstance(numbers, pl.Series) else numbers


def name_world(seed: int, accounts: int, orgs: int) -> Names:
    """Give every account and organisation an id that says nothing about it.

    Examples
    --------
    >>> names = name_world(0, 3, 1)
    >>> names.account(pl.Series([2, None]))[0] == names.accounts[2]
    True
    """
    return Names(
        seed,
        mint_ids(open_stream(seed, "names", "accounts"), "acct", accounts, 24),
        mint_ids(open_stream(seed, "names", "orgs"), "org", orgs, 15),
    )


def as_time(micros: pl.Series | Ints, precision: int = 1000) -> pl.Series:
    """Times from µs since the start of the window, cut to milliseconds as log servers write them.

    Examples
    --------
    >>> as_time(pl.Series([1_500]))[0].isoformat()
    '2026-01-05T00:00:00.001000+00:00'
    """
    series = micros if isinstance(micros, pl.Series) else pl.Series(micros)
    cut = series.cast(pl.Int64) // precision * precision + _EPOCH
    return cut.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
