"""A ring as what it held: the form in which a ring is kept, handed on, and compared with another.

The accounts of a closed ring are gone and never come back. What comes back is the operator, with a few of the values
the accounts were seen with. So a ring's *profile* is a card (how many accounts, from when to when, how much of each
kind) and a row per value that could ever speak for a return: placeholders, crowds and hubs are left out, because they
link nobody and are other people's data. The accounts' own ids are values too, of the kind ``account_id``.

Values may be replaced by a keyed HMAC-SHA256: equal values stay equal under one key, and nobody without the key can
try out the few million phone numbers that there are (a plain hash would let them).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import dataframely as dy
import polars as pl

from toolkit.errors import InputError, nearest
from toolkit.linking.regimes import infer_regime
from toolkit.model.tables import Observations, conform, empty
from toolkit.settings import INFERRED, KINDS, PLACEHOLDERS, Kind

__all__ = [
    "ACCOUNT",
    "Background",
    "RingCards",
    "RingValues",
    "Rings",
    "key_mark",
    "measure_background",
    "profile_rings",
    "protect_values",
    "settle_kinds",
]

ACCOUNT = Kind("account_id", "account", "unique", 0.5, 1e-3, 10.0, 1, sensitivity=2, corroborates=False)
"""The accounts themselves, as a kind. A shared account is one fact and may be one wrong member, so it is capped and is
never a reason beside others."""

MIN_KEY_BYTES = 16
"""Bytes of a key, at least: shorter ones can be tried out."""


class RingCards(dy.Schema):
    """A ring in numbers. Order: ring_id. Times are UTC; null = no time known.

    ``kinds`` has a row per kind in order of name: ``accounts`` of the ring that have any value of it, distinct
    ``values``, and ``draws`` (accounts x values). Everything is counted before hubs are left out.
    """

    ring_id = dy.String(min_length=1)
    members = dy.UInt32(min=1)
    first_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    last_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    kinds = dy.List(
        dy.Struct({"kind": dy.String(), "accounts": dy.UInt32(), "values": dy.UInt32(), "draws": dy.UInt32()})
    )


class RingValues(dy.Schema):
    """A value that a ring held. Order: ring_id, kind, value. Times are UTC.

    ``members`` of the ring held it, and ``holders_outside`` accounts that were in no ring when the profile was made.
    ``sensitivity`` is the kind's: 0 open to 3 special.
    """

    ring_id = dy.String(min_length=1)
    kind = dy.String(min_length=1)
    value = dy.String(min_length=1)
    members = dy.UInt32(min=1)
    holders_outside = dy.UInt32()
    first_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    last_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    sensitivity = dy.UInt8(max=3)


@dataclass(frozen=True)
class Rings:
    """Profiles of rings.

    Attributes
    ----------
    cards : polars.DataFrame
        Contract ``RingCards``.
    values : polars.DataFrame
        Contract ``RingValues``.
    key_id : str or None
        Which key the values are hidden under (:func:`key_mark`); None = they are as they were seen.
    """

    cards: pl.DataFrame
    values: pl.DataFrame
    key_id: str | None = None


@dataclass(frozen=True)
class Background:
    """How common values are among accounts that are in no ring.

    Attributes
    ----------
    holders : polars.DataFrame
        ``kind``, ``value``, ``holders`` (accounts, any time). Order: kind, value.
    kinds : polars.DataFrame
        ``kind``, ``accounts`` with any value of it, ``incidences`` (accounts x values). Order: kind.
    """

    holders: pl.DataFrame
    kinds: pl.DataFrame


def measure_background(observations: pl.DataFrame, *, without: Iterable[str] = ()) -> Background:
    """Count how many accounts hold each value.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``, of the whole population: rarity within two rings is no rarity.
    without : iterable of str
        Accounts that do not count as holders (the rings' own). They still count in the totals of ``kinds``.

    Returns
    -------
    Background

    Raises
    ------
    ContractError
        If the frame is not a table of observations.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "device": ["d", "d", "e"]})
    >>> found = measure_background(find_observations(frame), without=["a"])
    >>> found.holders.rows(), found.kinds.rows()
    ([('device', 'd', 1), ('device', 'e', 1)], [('device', 3, 3)])
    """
    rows = conform(observations, Observations).select("account_id", "kind", "value").unique()
    ours = pl.Series("account_id", sorted(set(without)), dtype=pl.String).to_frame()
    holders = rows.join(ours, on="account_id", how="anti").group_by("kind", "value").agg(holders=pl.len())
    kinds = rows.group_by("kind").agg(accounts=pl.col("account_id").n_unique(), incidences=pl.len())
    return Background(holders.sort("kind", "value"), kinds.sort("kind"))


def settle_kinds(background: Background, kinds: Mapping[str, Kind] = KINDS) -> dict[str, Kind]:
    """Return the settings of every kind that occurs; what nobody declared is told from who holds its values.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "device": ["d", "e"], "serial": ["1", "2"]})
    >>> found = settle_kinds(measure_background(find_observations(frame)))
    >>> {name: (kind.regime, kind.inferred) for name, kind in found.items() if name in ("device", "serial")}
    {'device': ('unique', False), 'serial': ('unique', True)}
    """
    settled = {**kinds, ACCOUNT.name: ACCOUNT}
    for name in background.kinds.get_column("kind").to_list():
        if name not in settled:
            holders = background.holders.filter(pl.col("kind") == name).get_column("holders").to_numpy()
            settled[name] = replace(INFERRED[infer_regime(holders)], name=name, family=name)
    return settled


def profile_rings(
    members: pl.DataFrame,
    observations: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    background: Background | None = None,
    max_sensitivity: int = 3,
) -> Rings:
    """Write down what rings held.

    Parameters
    ----------
    members : polars.DataFrame
        ``cluster_id``, ``account_id`` (contract ``Members`` fits). An account may be in several rings.
    observations : polars.DataFrame
        Contract ``Observations``; only the members' rows are kept.
    kinds : mapping of str to Kind
        Settings per kind.
    background : Background, optional
        Of the population without the rings' accounts; measured on ``observations`` by default, which then must be the
        whole population's.
    max_sensitivity : int
        Values of kinds above this (0 to 3) are left out.

    Returns
    -------
    Rings
        Values as they were seen. Left out are placeholders, kinds that describe a crowd (``max_holders`` 0), and values
        with more than ``max_holders`` holders outside.

    Raises
    ------
    InputError
        If ``members`` has no such columns or no rows.
    ContractError
        If ``observations`` is not a table of observations.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": ["a", "b", "c"], "device": ["d", "d", "unknown"], "country": ["X"] * 3})
    >>> members = pl.DataFrame({"cluster_id": ["ring", "ring"], "account_id": ["a", "b"]})
    >>> rings = profile_rings(members, find_observations(frame))
    >>> rings.values.select("ring_id", "kind", "value", "members", "holders_outside").rows()[2:]
    [('ring', 'device', 'd', 2, 0)]
    >>> rings.cards["members"].to_list()
    [2]
    """
    who = _who(members)
    rows = conform(observations, Observations)
    background = background or measure_background(rows, without=who.get_column("account_id"))
    settled = settle_kinds(background, kinds)
    theirs = (
        rows.join(who.select("account_id").unique(), on="account_id", how="semi")
        .group_by("account_id", "kind", "value")
        .agg(pl.col("first_at").min(), pl.col("last_at").max())
        .join(who, on="account_id")
    )
    cards = _cards(who, theirs)
    own = theirs.group_by("ring_id", "account_id").agg(pl.col("first_at").min(), pl.col("last_at").max())
    own = who.join(own, on=["ring_id", "account_id"], how="left").select(
        "ring_id",
        pl.lit(ACCOUNT.name).alias("kind"),
        pl.col("account_id").alias("value"),
        pl.lit(1, pl.UInt32).alias("members"),
        "first_at",
        "last_at",
    )
    held = theirs.group_by("ring_id", "kind", "value").agg(
        pl.len().cast(pl.UInt32).alias("members"), pl.col("first_at").min(), pl.col("last_at").max()
    )
    values = pl.concat([held, own]).join(background.holders, on=["kind", "value"], how="left")
    values = values.with_columns(pl.col("holders").fill_null(0).cast(pl.UInt32).alias("holders_outside"))
    limits = pl.DataFrame(
        {
            "kind": list(settled),
            "ceiling": [kind.max_holders for kind in settled.values()],
            "sensitivity": pl.Series([kind.sensitivity for kind in settled.values()], dtype=pl.UInt8),
        }
    )
    real = ~pl.col("value").str.strip_chars().str.to_lowercase().is_in(sorted(PLACEHOLDERS))
    values = values.join(limits, on="kind").filter(
        real,
        pl.col("ceiling") > 0,
        pl.col("holders_outside") <= pl.col("ceiling"),
        pl.col("sensitivity") <= max_sensitivity,
    )
    return Rings(cards, conform(values.sort("ring_id", "kind", "value"), RingValues))


def protect_values(values: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Replace values by HMAC-SHA256 under a key, as 64 hexadecimal digits.

    Parameters
    ----------
    values : polars.DataFrame
        With ``kind`` and ``value``. The kind is part of what is hashed: account 8 and device 8 stay apart.
    key : bytes
        16 bytes or more, the same for everybody who shares. Who has it can try out values.

    Returns
    -------
    polars.DataFrame
        The same rows, sorted by ``ring_id`` (where there is one), ``kind``, ``value``.

    Raises
    ------
    InputError
        If the key is too short.

    Examples
    --------
    >>> values = pl.DataFrame({"kind": ["phone"], "value": ["0"]})
    >>> protect_values(values, b"sixteen bytes ..")["value"][0][:16]
    '59bcabb0e552bc9e'
    """
    _check_key(key)
    hidden = [
        hmac.new(key, f"{kind}\x00{value}".encode(), hashlib.sha256).hexdigest()
        for kind, value in values.select("kind", "value").iter_rows()
    ]
    order = [name for name in ("ring_id", "kind", "value") if name in values.columns]
    return values.with_columns(pl.Series("value", hidden, dtype=pl.String)).sort(order)


def key_mark(key: bytes) -> str:
    """Return a short mark of a key, by which a wrong key is noticed; it tells nothing about the key.

    Raises
    ------
    InputError
        If the key is too short.

    Examples
    --------
    >>> key_mark(b"sixteen bytes ..") == key_mark(b"sixteen bytes ,,")
    False
    """
    _check_key(key)
    return hmac.new(key, b"mark of this key", hashlib.sha256).hexdigest()[:16]


def _check_key(key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise InputError(
            f"a key has {MIN_KEY_BYTES} bytes or more, found {len(key)}; make one with secrets.token_bytes(32)"
        )


def _who(members: pl.DataFrame) -> pl.DataFrame:
    """Ring and account, each pair once, sorted."""
    missing = [name for name in ("cluster_id", "account_id") if name not in members.columns]
    if missing:
        said = ", ".join(f"{name} ({nearest(name, members.columns)})" for name in missing)
        raise InputError(f"members of rings: columns missing: {said}")
    if members.is_empty():
        raise InputError("members of rings: 0 rows; name at least one ring (cluster_id) and account (account_id)")
    pairs = members.select(
        ring_id=pl.col("cluster_id").cast(pl.String), account_id=pl.col("account_id").cast(pl.String)
    )
    return pairs.unique().sort("ring_id", "account_id")


def _cards(who: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    sizes = who.group_by("ring_id").agg(pl.len().cast(pl.UInt32).alias("members"))
    times = theirs.group_by("ring_id").agg(pl.col("first_at").min(), pl.col("last_at").max())
    per_kind = (
        theirs.group_by("ring_id", "kind")
        .agg(
            pl.col("account_id").n_unique().cast(pl.UInt32).alias("accounts"),
            pl.col("value").n_unique().cast(pl.UInt32).alias("values"),
            pl.len().cast(pl.UInt32).alias("draws"),
        )
        .sort("ring_id", "kind")
        .group_by("ring_id", maintain_order=True)
        .agg(pl.struct("kind", "accounts", "values", "draws").alias("kinds"))
    )
    cards = sizes.join(times, on="ring_id", how="left").join(per_kind, on="ring_id", how="left")
    none = empty(RingCards).schema["kinds"]
    return conform(cards.with_columns(pl.col("kinds").fill_null(pl.lit([], none))).sort("ring_id"), RingCards)
