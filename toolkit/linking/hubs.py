"""Values that look like links and were not used as such: nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from toolkit.linking.arrays import BoolArray, FloatArray
from toolkit.linking.em import expected_partners
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.score import bits_by_chance, corroborate, links_table, propose, value_bits, weigh
from toolkit.model.tables import Hubs, conform
from toolkit.settings import CHANCE_DRAWS, KINDS, MAX_PAIRS, Kind

__all__ = ["find_hubs", "hubs_table", "link_with_hubs"]

SUSPECT_TRUST = 0.25
"""A value under this trust, with at least this many holders, is written down as uncorroborated."""
SUSPECT_HOLDERS = 4


def find_hubs(
    observations: pl.DataFrame, *, kinds: Mapping[str, Kind] = KINDS, max_pairs: int = MAX_PAIRS
) -> pl.DataFrame:
    """List the values that were capped, never real, or not borne out by anything else.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind.
    max_pairs : int
        The pair budget of the linking this table explains.

    Returns
    -------
    polars.DataFrame
        Contract ``Hubs``. ``bits`` is what the value would give a pair of ordinary activity. Order: holders descending,
        kind, value.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "device": ["unknown", "unknown"]})
    >>> find_hubs(find_observations(frame)).select("value", "holders", "verdict").rows()
    [('unknown', 2, 'placeholder')]
    """
    return link_with_hubs(observations, kinds=kinds, max_pairs=max_pairs, chance_draws=0)[1]


def link_with_hubs(
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    min_probability: float = 0.01,
    max_pairs: int = MAX_PAIRS,
    partners: float | None = None,
    accounts: Sequence[str] | None = None,
    chance_draws: int = CHANCE_DRAWS,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Link accounts and list the hubs in one pass; see :func:`link_accounts` and :func:`find_hubs`.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "device": ["d", "d"], "card": ["c", "c"]})
    >>> links, hubs = link_with_hubs(find_observations(frame))
    >>> links.height, hubs.height
    (1, 0)
    """
    index = build_incidence(observations, kinds)
    a, b, used = propose(index, max_pairs)
    plain = weigh(index, a, b)
    shared, trust = corroborate(index, plain)
    chance = bits_by_chance(index, max_pairs, chance_draws)
    partners = expected_partners(index, plain, used)[0] if partners is None else partners
    links = links_table(index, shared, chance, min_probability=min_probability, partners=partners, accounts=accounts)
    return links, hubs_table(index, used, trust)


def hubs_table(index: Incidence, used: BoolArray, trust: FloatArray) -> pl.DataFrame:
    """Write the contract ``Hubs``; see :func:`find_hubs`."""
    holders = index.holders
    proposes = np.array([k.max_holders for k in index.kinds])[index.value_kind]
    placeholder = index.placeholder & (holders >= 2)
    background = (proposes == 0) & (holders >= 2) & ~placeholder
    capped = (holders >= 2) & ~used & ~placeholder & ~background
    suspect = used & (trust < SUSPECT_TRUST) & (holders >= SUSPECT_HOLDERS)
    unique = np.array([k.regime == "unique" for k in index.kinds])[index.value_kind]
    suspect &= unique  # an ordinary busy address is not suspicious; a card or a device that joins strangers is
    background &= holders >= 0.01 * index.n_accounts
    rows = np.flatnonzero(placeholder | capped | suspect | background)
    verdict = np.select(
        [placeholder[rows], capped[rows], suspect[rows]],
        ["placeholder", "capped", "uncorroborated"],
        default="background",
    )
    cap = proposes[rows]
    why = [
        {
            "placeholder": "means 'no value'; never linked on",
            "capped": f"{h} holders, over the {c} that may propose pairs, or past the pair budget; "
            "still scores pairs that other values propose",
            "uncorroborated": f"its {h} holders share little else (trust {t:.2f}): a public number, a kiosk, "
            "a stolen or vendor-owned value; its bits are cut",
            "background": "this kind describes a crowd; it scores pairs, and never proposes them",
        }[str(v)]
        for v, h, c, t in zip(verdict, holders[rows], cap, trust[rows], strict=True)
    ]
    pairs = holders[rows] * (holders[rows] - 1) // 2
    table = pl.DataFrame(
        {
            "value": index.values.get_column("value").gather(rows),
            "kind": index.values.get_column("kind").gather(rows),
            "holders": holders[rows].astype(np.uint32),
            "verdict": pl.Series(verdict.tolist(), dtype=pl.String),
            "why": pl.Series(why, dtype=pl.String),
            "pairs_not_examined": np.where(verdict == "uncorroborated", 0, pairs).astype(np.int64),
            "bits": np.round(np.where(placeholder[rows], 0.0, value_bits(index, rows)), 3),
        }
    )
    return conform(table.sort(["holders", "kind", "value"], descending=[True, False, False]), Hubs)
