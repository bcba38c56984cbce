"""What two rings share, in bits: the arithmetic behind :mod:`toolkit.linking.match`.

The thought. Ring y held some values; ring x, with n draws of the kind, held value v too. Two stories tell of that:

* **one operator**: with probability m (the kind's) x draws from y's stock, and then meets v in one of its n draws with
  chance ``1 - (1 - q)^n``, q being v's share of y's draws. One of 400 rotating addresses is little, one of four
  devices is much, and a large x was bound to meet what it met.
* **two operators**: x met v by accident, ``1 - (1 - u)^n`` with u = eps + the share of the population's draws that
  outsiders make on v; *or* both bought from one vendor. How often that happens is told by the other rings: the share of
  them that hold v, and with how many of them x and y share anything of the kind, rings that belong together left out.

The bits of v are log2 of the one over the other, less what the gap in time costs. Which rings belong together is
what is being asked, so it goes in two rounds: first nobody does, then those that the first round says.

Sources: Fellegi & Sunter 1969 for the ratio; the vendor term is the project's own, after its linking reference (a value
is as good as what its other holders say about it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from toolkit.linking.arrays import BoolArray, FloatArray, IntArray
from toolkit.linking.combine import combine_bits, count_reasons, swallowed
from toolkit.linking.profiles import ACCOUNT, Background, Rings
from toolkit.linking.score import probability
from toolkit.settings import Kind

__all__ = ["LOOKED_BEFORE", "RingPairs", "pair_rings", "weigh_rings"]

ROUNDS = 2
LOOKED_BEFORE = 10.0
"""Rings, and links of rings, that are taken to have been looked at before and to show no vendor: with three rings at
hand, one that holds a value does not make a third of all rings hold it."""
RELATED = 0.5
"""Probability from which two rings with two independent reasons count as one operator's when a third is judged."""


@dataclass(frozen=True)
class RingPairs:
    """Pairs of rings and the values they share.

    By pair: ``x``, ``y`` (ring codes; new rings come first, then known ones; y is the older), ``bits``, ``plain``
    (bits if no other ring were there), ``p``, ``plain_p``, ``reasons``, ``families`` (pairs x families). By row, in
    order of pair, kind and value: ``pair``, ``kind`` (code), ``value`` (code), ``held_x``, ``held_y`` (members),
    ``outside`` (holders in neither), ``others`` (rings that hold it and belong to neither), ``rate`` (of sharing
    anything of the kind through a vendor), ``row_bits``, ``row_plain``.
    """

    kinds: tuple[Kind, ...]
    names: pl.DataFrame
    x: IntArray
    y: IntArray
    bits: FloatArray
    plain: FloatArray
    p: FloatArray
    plain_p: FloatArray
    reasons: IntArray
    families: FloatArray
    pair: IntArray
    kind: IntArray
    value: IntArray
    held_x: IntArray
    held_y: IntArray
    outside: IntArray
    others: IntArray
    rate: FloatArray
    row_bits: FloatArray
    row_plain: FloatArray


@dataclass(frozen=True)
class _Met:
    """Shared values before they are weighed: as in :class:`RingPairs`, with draws and hours apart by row."""

    kinds: tuple[Kind, ...]
    names: pl.DataFrame
    n_rings: int
    x: IntArray
    y: IntArray
    pair: IntArray
    kind: IntArray
    value: IntArray
    held_x: IntArray
    held_y: IntArray
    outside: IntArray
    draws_x: FloatArray
    draws_y: FloatArray
    apart_h: FloatArray
    population: FloatArray
    holder_value: IntArray
    holder_ring: IntArray


def pair_rings(new: Rings, known: Rings, background: Background, kinds: Mapping[str, Kind]) -> _Met:
    """List what any two rings share, new and known alike.

    Parameters
    ----------
    new, known : Rings
        With values that can be compared: both as seen, or both under one key.
    background : Background
        Of the present population.
    kinds : mapping of str to Kind
        Settings of every kind that occurs; others are left out.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.profiles import measure_background, profile_rings, settle_kinds
    >>> seen = find_observations(pl.DataFrame({"account_id": ["a", "b"], "device": ["d", "d"]}))
    >>> one, two = (profile_rings(pl.DataFrame({"cluster_id": [i], "account_id": [i]}), seen) for i in "ab")
    >>> met = pair_rings(one, two, measure_background(seen, without=["a", "b"]), settle_kinds(measure_background(seen)))
    >>> met.x.tolist(), met.y.tolist(), met.names["value"].gather(met.value).to_list()
    ([0], [1], ['d'])
    """
    cards = pl.concat([new.cards, known.cards]).with_row_index("ring")
    n_new = new.cards.height
    held = pl.concat(
        [
            values.join(
                part.select("ring_id", pl.col("ring").cast(pl.Int64)), on="ring_id"
            ).select("ring", "kind", "value", "members", "holders_outside", "first_at", "last_at")
            for values, part in ((new.values, cards[:n_new]), (known.values, cards[n_new:]))
        ]
    ).filter(pl.col("kind").is_in(sorted(kinds)))  # fmt: skip
    names = held.select("kind", "value").unique().sort("kind", "value")
    held = held.join(names.with_row_index("v"), on=["kind", "value"]).sort("v", "ring")
    older = cards.select(
        pl.col("ring").cast(pl.Int64), is_new=pl.col("ring") < n_new, began=pl.col("first_at").fill_null(_NEVER)
    )
    both = (
        held.join(held, on="v", suffix="_2")
        .filter(pl.col("ring") < pl.col("ring_2"))
        .join(older, on="ring")
        .join(older.rename({"ring": "ring_2", "is_new": "is_new_2", "began": "began_2"}), on="ring_2")
    )
    # x is the one that might be a return: the new one of a new and a known, else the one that began later.
    turn = (pl.col("is_new") == pl.col("is_new_2")) & (pl.col("began") < pl.col("began_2"))
    sides = {"ring": ("x", "y"), "members": ("held_x", "held_y"), "first_at": ("fx", "fy"), "last_at": ("lx", "ly")}
    both = both.with_columns(
        *(pl.when(turn).then(f"{c}_2").otherwise(c).alias(left) for c, (left, _) in sides.items()),
        *(pl.when(turn).then(c).otherwise(f"{c}_2").alias(right) for c, (_, right) in sides.items()),
        outside=pl.max_horizontal("holders_outside", "holders_outside_2"),
        apart=pl.max_horizontal("first_at", "first_at_2") - pl.min_horizontal("last_at", "last_at_2"),
        timed=pl.all_horizontal(pl.col("first_at", "first_at_2", "last_at", "last_at_2").is_not_null()),
    )
    draws = (
        cards.select(pl.col("ring").cast(pl.Int64), "kinds")
        .explode("kinds", empty_as_null=False)
        .unnest("kinds")
        .select("ring", "kind", "draws")
    )
    itself = cards.select(pl.col("ring").cast(pl.Int64), pl.lit(ACCOUNT.name).alias("kind"), draws=pl.col("members"))
    draws = pl.concat([draws, itself])
    both = both.join(draws.rename({"ring": "x", "draws": "draws_x"}), on=["x", "kind"], how="left")
    both = both.join(draws.rename({"ring": "y", "draws": "draws_y"}), on=["y", "kind"], how="left")
    both = both.sort("x", "y", "v")
    listed = names.get_column("kind").unique().sort().to_list()
    code = {name: number for number, name in enumerate(listed)}
    x, y = both.get_column("x").to_numpy(), both.get_column("y").to_numpy()
    key, pair = np.unique(x * cards.height + y, return_inverse=True)
    hours = both.get_column("apart").dt.total_microseconds().cast(pl.Float64).fill_null(np.nan).to_numpy() / 3.6e9
    sums = {name: (accounts, draws_all) for name, accounts, draws_all in background.kinds.iter_rows()}
    settled = tuple(kinds[name] for name in listed)
    return _Met(
        kinds=settled,
        names=names,
        n_rings=cards.height,
        x=key // max(cards.height, 1),
        y=key % max(cards.height, 1),
        pair=pair.astype(np.int64),
        kind=np.array([code[name] for name in both.get_column("kind").to_list()], dtype=np.int64),
        value=both.get_column("v").cast(pl.Int64).to_numpy(),
        held_x=both.get_column("held_x").cast(pl.Int64).to_numpy(),
        held_y=both.get_column("held_y").cast(pl.Int64).to_numpy(),
        outside=both.get_column("outside").cast(pl.Int64).to_numpy(),
        draws_x=both.get_column("draws_x").fill_null(1).cast(pl.Float64).to_numpy(),
        draws_y=both.get_column("draws_y").fill_null(1).cast(pl.Float64).to_numpy(),
        apart_h=np.where(both.get_column("timed").to_numpy(), np.maximum(hours, 0.0), np.nan),
        # Accounts for kinds made for one person, draws for the others; a kind the population lacks has one of each.
        population=np.array([float(sums.get(k.name, (1, 1))[k.regime == "pool"]) for k in settled]),
        holder_value=held.get_column("v").cast(pl.Int64).to_numpy(),
        holder_ring=held.get_column("ring").to_numpy(),
    )


_NEVER = pl.lit(0).cast(pl.Datetime("us", "UTC"))


def weigh_rings(met: _Met, prior: float, vendor: BoolArray) -> RingPairs:
    """Give bits to every shared value and add them up.

    Parameters
    ----------
    met
        As :func:`pair_rings` returned it.
    prior : float
        Log-odds in bits that a new ring is a given known one.
    vendor : bool array
        By value code: values known to be sold or public; they give nothing.

    Returns
    -------
    RingPairs
    """
    n_pairs, kind = len(met.x), met.kind
    of = {name: np.array([getattr(k, name) for k in met.kinds], dtype=float) for name in ("m", "eps", "cap")}
    need = np.array([k.min_shared for k in met.kinds], dtype=np.int64)
    q = np.minimum(met.held_y / met.draws_y, 1.0)
    drawn = np.maximum(met.draws_x, met.held_x)
    likely = of["m"][kind] * -np.expm1(drawn * np.log1p(-np.minimum(q, 1 - 1e-12)))
    once = np.minimum(of["eps"][kind] + met.outside / met.population[kind], 1 - 1e-12)
    accident = -np.expm1(drawn * np.log1p(-once))
    late, in_time = _time_bits(met)
    _, cell, count = np.unique(met.pair * len(met.kinds) + kind, return_inverse=True, return_counts=True)
    counts = in_time & (count[cell] >= need[kind]) & ~vendor[met.value]

    def bits_of(chance: FloatArray) -> FloatArray:
        bits = np.log2((likely + (1 - likely) * chance) / chance)
        bits = np.clip(bits + late, 0.0, of["cap"][kind])
        bits = np.where(counts, bits, 0.0)
        bits[swallowed(met.kinds, met.pair, kind, bits > 0)] = 0.0
        return bits

    def add(bits: FloatArray) -> tuple[FloatArray, IntArray]:
        families = combine_bits(met.kinds, met.pair, kind, met.value, bits, n_pairs)
        return families, count_reasons(met.kinds, met.pair, kind, met.value, bits, n_pairs)

    plain = bits_of(accident)
    related = np.zeros((met.n_rings, met.n_rings), dtype=bool)
    for _ in range(ROUNDS):
        others = _count_others(met, related)
        rate = _vendor_rate(met, related, plain > 0)
        sold = others / (max(met.n_rings - 2, 0) + LOOKED_BEFORE)
        bits = bits_of(1 - (1 - accident) * (1 - sold) * (1 - rate))
        families, reasons = add(bits)
        p = probability(families.sum(axis=1) + prior)
        one = (p >= RELATED) & (reasons >= 2)
        related[met.x[one], met.y[one]] = related[met.y[one], met.x[one]] = True
    plain_families, _ = add(plain)
    return RingPairs(
        kinds=met.kinds, names=met.names, x=met.x, y=met.y,
        bits=families.sum(axis=1), plain=plain_families.sum(axis=1),
        p=p, plain_p=probability(plain_families.sum(axis=1) + prior), reasons=reasons, families=families,
        pair=met.pair, kind=kind, value=met.value, held_x=met.held_x, held_y=met.held_y,
        outside=met.outside, others=others, rate=rate, row_bits=bits, row_plain=plain,
    )  # fmt: skip


def _time_bits(met: _Met) -> tuple[FloatArray, BoolArray]:
    """Bits lost to the gap between the two rings' use of a value, and whether the gap lets the value speak at all.

    Unlike two accounts, two rings gain nothing by using a value at one time: they use it for weeks, and on a promotion
    everybody does.
    """
    half = np.array([k.half_life_h or np.nan for k in met.kinds])[met.kind]
    window = np.array([k.window_h or np.nan for k in met.kinds])[met.kind]
    speaks = np.isnan(met.apart_h) | np.isnan(window) | (met.apart_h <= window)
    known = ~np.isnan(half) & ~np.isnan(met.apart_h)
    gaps = np.where(known, met.apart_h, 0.0) / np.where(known, half, 1.0)
    return np.log2(0.1 + 0.9 * np.exp2(-gaps)), speaks


def _count_others(met: _Met, related: BoolArray) -> IntArray:
    """By row: rings that hold the value too and belong with neither of the two."""
    holding = np.bincount(met.holder_value, minlength=met.names.height)
    others: IntArray = holding[met.value] - 2
    start = np.concatenate(([0], np.cumsum(holding)))
    akin = np.flatnonzero(related.any(axis=1))
    near = np.isin(met.x, akin) | np.isin(met.y, akin)
    for row in np.flatnonzero((others > 0) & near[met.pair]):
        v, x, y = met.value[row], met.x[met.pair[row]], met.y[met.pair[row]]
        holders = met.holder_ring[start[v] : start[v + 1]]
        theirs = (related[x, holders] | related[y, holders]) & (holders != x) & (holders != y)
        others[row] -= int(theirs.sum())
    return others


def _vendor_rate(met: _Met, related: BoolArray, speaks: BoolArray) -> FloatArray:
    """By row: how many values of the kind x and y would share if the kind's sharers met at random.

    Each ring keeps the number of other rings, not its own operator's, with which it shares anything of the kind (the
    configuration null: a ring that shares numbers with five rivals buys them). Where only one side has such partners,
    half of them speak.
    """
    n_kinds = max(len(met.kinds), 1)
    cells = np.unique((met.pair * n_kinds + met.kind)[speaks])
    pair, kind = cells // n_kinds, cells % n_kinds
    strangers = ~related[met.x, met.y]
    pair, kind = pair[strangers[pair]], kind[strangers[pair]]
    partners = np.bincount(met.x[pair] * n_kinds + kind, minlength=met.n_rings * n_kinds)
    partners += np.bincount(met.y[pair] * n_kinds + kind, minlength=met.n_rings * n_kinds)
    links = np.bincount(kind, minlength=n_kinds)
    mine = (strangers[met.pair] & speaks).astype(np.int64)
    dx = np.maximum(partners[met.x[met.pair] * n_kinds + met.kind] - mine, 0)
    dy = np.maximum(partners[met.y[met.pair] * n_kinds + met.kind] - mine, 0)
    ends = 2 * np.maximum(links[met.kind] - mine, 0)
    rate: FloatArray = np.minimum((dx * dy + (dx + dy) / 2) / (ends + LOOKED_BEFORE), 1.0)
    return rate
