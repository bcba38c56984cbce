"""Is this ring the operator of one we closed? New rings against known ones, and who only bought from the same vendor.

Accounts are matched as sets: what the ring draws its devices, cards, numbers and texts from, against what the closed
ring drew them from (the arithmetic is in :mod:`toolkit.linking.ringpairs`). Three things keep rivals apart:

* **the population** says how common a value is among accounts of no ring;
* **the other rings** say what is sold: a number that otherwise unrelated rings hold too, or a kind that ring pairs here
  often share, tells of a vendor, and its bits fall to what that is worth;
* **one family is never enough**: an SMS service sells numbers, a proxy sells addresses. A match asks for two
  independent families, and for more than one account of the new ring to carry them: a single account may have changed
  hands.

The gap between the two rings' activity is reported and not scored, because no base rate for it is known: a return after
a year is as much a return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dataframely as dy
import numpy as np
import polars as pl

from toolkit.errors import InputError, nearest, visible
from toolkit.linking.arrays import BoolArray, IntArray
from toolkit.linking.combine import AT_CAP, BEHAVIOUR, FAMILY_SPEAKS, family_names
from toolkit.linking.innocent import READINGS
from toolkit.linking.profiles import (
    ACCOUNT,
    Background,
    RingCards,
    Rings,
    RingValues,
    key_mark,
    measure_background,
    profile_rings,
    protect_values,
    settle_kinds,
)
from toolkit.linking.ringpairs import RingPairs, pair_rings, weigh_rings
from toolkit.linking.score import level_of
from toolkit.model.tables import LEVELS, conform, empty
from toolkit.settings import KINDS, Kind

__all__ = ["VERDICTS", "MatchSettings", "Matches", "explain_match", "match_clusters"]

VERDICTS = ("same ring", "same operator", "one account", "one family", "shared vendor", "chance")
"""What a pair of rings is taken for, surest first; :func:`match_clusters` says when."""


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """The dials of a match, with their reasons.

    Attributes
    ----------
    return_rate : float
        How often a new ring is the work of an operator whose ring is known. One in five: public takedown reports
        treat returns as routine and give no rate, so this is a judgement; put your own recidivism figure here.
    known_rings : int or None
        Rings among which that operator is looked for; None = as many as are given. With ``return_rate`` it makes the
        prior of a pair: ``return_rate / known_rings``. Give the registry's size when only part of it is compared.
    accept : float
        Probability from which a pair is called a match.
    min_probability : float
        Pairs below it are not worth naming, unless a vendor explains what they share.
    outsiders : int
        A value with so many holders outside, and more than inside, is named as one that others have.
    """

    return_rate: float = 0.2
    known_rings: int | None = None
    accept: float = 0.8
    min_probability: float = 0.01
    outsiders: int = 5

    def prior_bits(self, known: int) -> float:
        """Log-odds in bits that a new ring is one given known ring.

        Examples
        --------
        >>> round(MatchSettings().prior_bits(20), 2)
        -6.63
        """
        chance = min(max(self.return_rate / max(self.known_rings or known, 1), 1e-9), 0.5)
        return float(np.log2(chance / (1 - chance)))


class Matches(dy.Schema):
    """New ring against known ring. Order: probability descending, cluster_id, ring_id.

    ``bits`` is the evidence alone, the prior is in ``probability``. ``carriers`` are accounts of the new ring that hold
    what is shared. ``templates_known_share`` is the share of the new ring's own prompt templates that the known ring
    used, ``templates_new_share`` the share of the known ring's that the new one uses; null = that side has none.
    ``gap_days`` runs from the known ring's last activity to the new one's first; negative = they overlap. ``evidence``
    is strongest first: ``holders`` are accounts outside both rings, ``rings`` the other rings that hold the value and
    belong to neither. ``vendors`` are the shared values that others hold too, with the reason.
    """

    cluster_id = dy.String(min_length=1)
    ring_id = dy.String(min_length=1)
    verdict = dy.String(check={"known": lambda c: c.is_in(VERDICTS)})
    probability = dy.Float64(min=0.0, max=1.0)
    bits = dy.Float64()
    level = dy.String(check={"known": lambda c: c.is_in(LEVELS)})
    families = dy.List(dy.String())
    carriers = dy.UInt32()
    shared_accounts = dy.List(dy.String())
    templates_known_share = dy.Float64(nullable=True)
    templates_new_share = dy.Float64(nullable=True)
    gap_days = dy.Float64(nullable=True)
    evidence = dy.List(
        dy.Struct(
            {
                "kind": dy.String(),
                "value": dy.String(),
                "bits": dy.Float64(),
                "holders": dy.UInt32(),
                "window": dy.Float64(nullable=True),
                "regime": dy.String(),
                "members_new": dy.UInt32(),
                "members_known": dy.UInt32(),
                "rings": dy.UInt32(),
            }
        )
    )
    vendors = dy.List(dy.Struct({"kind": dy.String(), "value": dy.String(), "why": dy.String()}))
    innocent_explanation = dy.String()


def match_clusters(
    members: pl.DataFrame,
    observations: pl.DataFrame,
    known: Rings,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    background: Background | None = None,
    public: pl.DataFrame | None = None,
    key: bytes | None = None,
    dials: MatchSettings | None = None,
) -> pl.DataFrame:
    """Compare new rings with known ones.

    Parameters
    ----------
    members : polars.DataFrame
        The new rings: ``cluster_id``, ``account_id`` (contract ``Members`` fits).
    observations : polars.DataFrame
        Contract ``Observations``, of the present population; times in UTC.
    known : Rings
        From :func:`~toolkit.linking.profiles.profile_rings` on the old data, or from a registry.
    kinds : mapping of str to Kind
        Settings per kind; ``Dataset.kinds`` has a data set's own.
    background : Background, optional
        How common values are. By default counted in ``observations``, accounts of any of the rings left out; give it
        when ``observations`` holds the new rings alone.
    public : polars.DataFrame, optional
        Values known to be anybody's: ``kind``, ``value``, ``why`` ("a public SMS number"). They give no bits.
    key : bytes, optional
        The key under which the known rings' values are hidden.
    dials : MatchSettings, optional

    Returns
    -------
    polars.DataFrame
        Contract ``Matches``, a row per pair worth naming. ``verdict`` is the first that fits:

        * *same ring*: half of the smaller one's accounts are the other's too;
        * *same operator*: probability of ``accept``, two independent families, two accounts (or the only one) carry it;
        * *one account*: the same, but one account of several carries it;
        * *shared vendor*: without the other rings and the public values it would have been ``accept``, or two families;
          with them it is not;
        * *one family*: more likely than not, and a single family says so;
        * *chance*: the rest.

    Raises
    ------
    InputError
        If members are missing, the key is missing or another one, or ``public`` lacks a column.
    ContractError
        If a table breaks its contract.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> march = find_observations(pl.DataFrame({"account_id": ["a", "b"], "device": ["d", "d"], "card": ["c1", "c2"]}))
    >>> known = profile_rings(pl.DataFrame({"cluster_id": ["R-7", "R-7"], "account_id": ["a", "b"]}), march)
    >>> crowd = [f"p{i}" for i in range(500)]
    >>> june = find_observations(pl.DataFrame({"account_id": ["x", "y", *crowd], "device": ["d", "e", *crowd],
    ...                                        "card": ["c1", "c2", *crowd]}))
    >>> new = pl.DataFrame({"cluster_id": ["c0001", "c0001"], "account_id": ["x", "y"]})
    >>> match_clusters(new, june, known).select("cluster_id", "ring_id", "verdict", "families").rows()
    [('c0001', 'R-7', 'same operator', ['dev', 'pay'])]
    """
    dials = dials or MatchSettings()
    known, seen = _checked(known, key), _Names(key if known.key_id else None)
    if known.cards.is_empty():
        return empty(Matches)
    theirs = known.values.filter(pl.col("kind") == ACCOUNT.name)
    accounts = seen.hide(pl.DataFrame({"kind": ACCOUNT.name, "value": observations["account_id"].unique().sort()}))
    ours = accounts.join(theirs.select("value").unique(), on="value", how="semi").get_column("raw").to_list()
    if background is None:
        background = measure_background(observations, without={*members["account_id"].to_list(), *ours})
    settled = settle_kinds(background, kinds)
    new = profile_rings(members, observations, kinds=settled, background=background)
    fresh = members.filter(~pl.col("account_id").is_in(ours))
    # An account of both rings says so once, as an account; what it held is not said again.
    values = new.values.filter(pl.col("kind") == ACCOUNT.name)
    if fresh.height:
        rest = profile_rings(fresh, observations, kinds=settled, background=background).values
        values = pl.concat([values, rest.filter(pl.col("kind") != ACCOUNT.name)])
    hidden = seen.hide(values)
    new = Rings(new.cards, hidden.drop("raw").sort("ring_id", "kind", "value"), known.key_id)
    met = pair_rings(new, known, background, settled)
    sold = _sold(met.names, public, seen)
    pairs = weigh_rings(met, dials.prior_bits(known.cards.height), sold["why"].is_not_null().to_numpy())
    return _write(pairs, new, known, hidden, sold, _who(fresh, members, observations), dials)


def explain_match(matches: pl.DataFrame, cluster_id: str, ring_id: str) -> tuple[str, ...]:
    """Say in sentences what a match rests on.

    Parameters
    ----------
    matches : polars.DataFrame
        Contract ``Matches``.
    cluster_id, ring_id : str
        The new ring and the known one.

    Returns
    -------
    tuple of str
        Verdict, each shared value, what is discounted and why, texts, times, the innocent reading. Values are shown
        with hidden characters made visible; mask kinds of high sensitivity before they leave the team.

    Raises
    ------
    ContractError
        If the frame is not a table of matches.

    Examples
    --------
    >>> explain_match(empty(Matches), "c0001", "R-7")
    ('Nothing ties c0001 to R-7: they share no value that chance or a vendor would not explain.',)
    """
    row = conform(matches, Matches).filter((pl.col("cluster_id") == cluster_id) & (pl.col("ring_id") == ring_id))
    one, other = visible(cluster_id), visible(ring_id)
    if row.is_empty():
        return (f"Nothing ties {one} to {other}: they share no value that chance or a vendor would not explain.",)
    match = row.row(0, named=True)
    said = [_VERDICT_SAYS[match["verdict"]].format(new=one, known=other, p=match["probability"])]
    if match["shared_accounts"]:
        listed = ", ".join(visible(account) for account in match["shared_accounts"][:5])
        said.append(f"{len(match['shared_accounts'])} accounts are in both: {listed}.")
    for item in match["evidence"][:8]:
        outside = "nobody outside" if item["holders"] == 0 else f"{item['holders']} accounts outside"
        said.append(
            f"{item['members_new']} accounts of {one} and {item['members_known']} of {other} were seen with "
            f"{item['kind']} {visible(item['value'])}, and {outside}: {item['bits']:.1f} bits."
        )
    if len(match["evidence"]) > 8:
        said.append(f"{len(match['evidence']) - 8} more shared values are in the table.")
    said += [f"{item['kind']} {visible(item['value'])} is discounted: {item['why']}." for item in match["vendors"][:5]]
    if match["templates_known_share"] is not None and match["templates_new_share"] is not None:
        said.append(
            f"{match['templates_known_share']:.0%} of the prompt templates of {one} were used by {other}, and "
            f"{match['templates_new_share']:.0%} the other way round."
        )
    if match["gap_days"] is not None:
        gap = match["gap_days"]
        said.append(
            f"{one} began {gap:.1f} days after {other} was last active."
            if gap >= 0
            else f"Both were active during {-gap:.1f} days: so would a rival or a partner be."
        )
    said.append(f"Together {match['bits']:.1f} bits, dependent evidence counted once.")
    said.append(f"Innocent reading: {match['innocent_explanation']}.")
    return tuple(said)


_VERDICT_SAYS = {
    "same ring": "{new} and {known} are one ring: most accounts of the smaller are in both.",
    "same operator": "{new} looks like the operator of {known} (probability {p:.2f}).",
    "one account": "One account ties {new} to {known}; the rings as a whole are not shown to be one operator's.",
    "one family": "{new} and {known} share one kind of thing (probability {p:.2f}); a vendor would explain that too.",
    "shared vendor": "{new} and {known} bought from one vendor, or met on something public; no more is shown.",
    "chance": "Chance explains what {new} and {known} share (probability {p:.2f} that they are one operator's).",
}


class _Names:
    """Values as they were seen, and as the known rings have them."""

    def __init__(self, key: bytes | None) -> None:
        self.key = key

    def hide(self, values: pl.DataFrame) -> pl.DataFrame:
        """Add ``raw``, the value as it was seen, and make ``value`` comparable."""
        raw = values.with_columns(raw=pl.col("value"))
        return raw if self.key is None else protect_values(raw, self.key)


def _checked(known: Rings, key: bytes | None) -> Rings:
    if known.key_id is not None and key is None:
        raise InputError("the known rings' values are hidden under a key: pass the same `key`")
    if known.key_id is not None and key is not None and key_mark(key) != known.key_id:
        raise InputError("the known rings' values are hidden under another key than the one given: nothing would match")
    return Rings(conform(known.cards, RingCards), conform(known.values, RingValues), known.key_id)


def _sold(names: pl.DataFrame, public: pl.DataFrame | None, seen: _Names) -> pl.DataFrame:
    """By value code, why a value is anybody's; null where nobody said so."""
    if public is None:
        return names.with_columns(why=pl.lit(None, pl.String))
    missing = [name for name in ("kind", "value", "why") if name not in public.columns]
    if missing:
        raise InputError("public values: " + "; ".join(f"no {m}: {nearest(m, public.columns)}" for m in missing))
    said = seen.hide(public.select("kind", "value", "why")).sort("kind", "value", "why")
    said = said.unique(["kind", "value"], keep="first", maintain_order=True).select("kind", "value", "why")
    return names.join(said, on=["kind", "value"], how="left", maintain_order="left")


def _who(fresh: pl.DataFrame, members: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """Which account of which new ring holds what: ring_id, account_id, kind, raw."""
    held = observations.select("account_id", "kind", raw="value").unique()
    held = fresh.select("account_id", ring_id="cluster_id").unique().join(held, on="account_id")
    itself = members.select("account_id", ring_id="cluster_id", kind=pl.lit(ACCOUNT.name), raw="account_id").unique()
    return pl.concat([held.select(itself.columns), itself])


def _write(
    pairs: RingPairs, new: Rings, known: Rings, hidden: pl.DataFrame, sold: pl.DataFrame, who: pl.DataFrame,
    dials: MatchSettings,
) -> pl.DataFrame:  # fmt: skip
    n_new = new.cards.height
    wanted = np.flatnonzero((pairs.x < n_new) & (pairs.y >= n_new))
    rows = _rows(pairs, new, hidden, sold, wanted, dials)
    if rows.is_empty():
        return empty(Matches)
    speaks = rows.filter(pl.col("bits") > 0)
    carried = speaks.join(who, on=["ring_id", "kind", "raw"]).group_by("pair")
    carriers = carried.agg(carriers=pl.col("account_id").n_unique().cast(pl.UInt32))
    shared = rows.filter(pl.col("kind") == ACCOUNT.name).sort("pair", "raw").group_by("pair", maintain_order=True)
    fields = ["kind", "value", "bits", "holders", "window", "regime", "members_new", "members_known", "rings"]
    told = speaks.filter(pl.col("kind") != ACCOUNT.name).with_columns(pl.col("raw").alias("value"))
    told = told.sort(["pair", "bits", "kind", "value"], descending=[False, True, False, False])
    seller = rows.filter(pl.col("why").is_not_null()).with_columns(pl.col("raw").alias("value"))
    seller = seller.sort("pair", "kind", "value")
    cards = pl.concat([new.cards, known.cards])
    x, y = pairs.x[wanted], pairs.y[wanted]
    names = family_names(pairs.kinds)
    table = pl.DataFrame(
        {
            "pair": wanted,
            "cluster_id": cards.get_column("ring_id").gather(x),
            "ring_id": cards.get_column("ring_id").gather(y),
            "probability": np.round(pairs.p[wanted], 9),
            "plain": pairs.plain_p[wanted],
            "bits": np.round(pairs.bits[wanted], 6),
            "reasons": pairs.reasons[wanted],
            "families": pl.Series(
                [[names[f] for f in np.flatnonzero(row >= FAMILY_SPEAKS)] for row in pairs.families[wanted]],
                dtype=pl.List(pl.String),
            ),
            "smaller": np.minimum(*(cards.get_column("members").gather(side).to_numpy() for side in (x, y))),
            "size": cards.get_column("members").gather(x),
            "gap_days": (
                cards.get_column("first_at").gather(x) - cards.get_column("last_at").gather(y)
            ).dt.total_microseconds()
            / 8.64e10,
        }
    )
    parts = [
        carriers,
        shared.agg(shared_accounts=pl.col("raw")),
        told.group_by("pair", maintain_order=True).agg(evidence=pl.struct(fields)),
        seller.group_by("pair", maintain_order=True).agg(vendors=pl.struct("kind", "value", "why")),
        _templates(pairs, new, known, wanted),
    ]
    for part in parts:
        table = table.join(part, on="pair", how="left", maintain_order="left")
    blank = empty(Matches)
    table = table.with_columns(
        pl.col("carriers").fill_null(0),
        *(pl.col(c).fill_null(pl.lit([], blank.schema[c])) for c in ("shared_accounts", "evidence", "vendors")),
        level=pl.Series(_levels(pairs, wanted, table), dtype=pl.String),
    )
    table = table.with_columns(verdict=_verdict(dials))
    named = (pl.col("verdict") != "chance") | (pl.col("probability") >= dials.min_probability)
    table = table.filter(named)
    table = table.with_columns(innocent_explanation=pl.Series(_innocent(table), dtype=pl.String))
    return conform(table.sort(["probability", "cluster_id", "ring_id"], descending=[True, False, False]), Matches)


def _rows(
    pairs: RingPairs, new: Rings, hidden: pl.DataFrame, sold: pl.DataFrame, wanted: IntArray, dials: MatchSettings
) -> pl.DataFrame:
    """The shared values of the wanted pairs, readable."""
    keep = np.flatnonzero(np.isin(pairs.pair, wanted))
    kind = pairs.kind[keep]
    window = np.array([k.window_h or np.nan for k in pairs.kinds])[kind]
    table = pl.DataFrame(
        {
            "pair": pairs.pair[keep],
            "ring_id": new.cards.get_column("ring_id").gather(pairs.x[pairs.pair[keep]]),
            "kind": pl.Series([k.name for k in pairs.kinds], dtype=pl.String).gather(kind),
            "value": pairs.names.get_column("value").gather(pairs.value[keep]),
            "bits": np.round(pairs.row_bits[keep], 6),
            "plain": pairs.row_plain[keep],
            "holders": pairs.outside[keep].astype(np.uint32),
            "window": pl.Series(window, nan_to_null=True, dtype=pl.Float64),
            "regime": pl.Series([k.regime for k in pairs.kinds], dtype=pl.String).gather(kind),
            "members_new": pairs.held_x[keep].astype(np.uint32),
            "members_known": pairs.held_y[keep].astype(np.uint32),
            "rings": pairs.others[keep].astype(np.uint32),
            "rate": pairs.rate[keep],
            "public": sold.get_column("why").gather(pairs.value[keep]),
        }
    )
    table = table.join(hidden.select("ring_id", "kind", "value", "raw").unique(), on=["ring_id", "kind", "value"])
    inside = pl.col("members_new") + pl.col("members_known")
    crowd = (pl.col("holders") >= dials.outsiders) & (pl.col("holders") > inside)
    common = (pl.col("rate") > 0) & (pl.col("plain") - pl.col("bits") >= FAMILY_SPEAKS)
    why = (
        pl.when(pl.col("kind") == ACCOUNT.name)
        .then(pl.lit(None, pl.String))
        .when(pl.col("public").is_not_null())
        .then(pl.col("public"))
        .when(pl.col("rings") > 0)
        .then(pl.format("{} other rings hold it that share little else: a vendor's", "rings"))
        .when(crowd)
        .then(pl.format("{} accounts outside the rings hold it: public, or sold to many", "holders"))
        .when(common)
        .then(pl.format("unrelated rings here often share values of the kind {}: one vendor sells many", "kind"))
    )
    return table.with_columns(why=why).sort("pair", "kind", "value")


def _levels(pairs: RingPairs, wanted: IntArray, table: pl.DataFrame) -> list[str]:
    n = len(pairs.x)
    unique = np.array([k.regime == "unique" and not k.declared and k is not ACCOUNT for k in pairs.kinds])
    acts = np.array([k.family in BEHAVIOUR for k in pairs.kinds])
    sharp = unique[pairs.kind] & (pairs.row_bits >= AT_CAP * np.array([k.cap for k in pairs.kinds])[pairs.kind])

    def any_row(true: BoolArray) -> BoolArray:
        found: BoolArray = np.bincount(pairs.pair[true], minlength=n) > 0
        return found

    several = (table["carriers"].fill_null(0) >= 2).to_numpy()
    behaviour = any_row(acts[pairs.kind] & (pairs.row_bits >= FAMILY_SPEAKS))[wanted]
    return level_of(pairs.p[wanted], pairs.reasons[wanted], any_row(sharp)[wanted] & several, behaviour)


def _verdict(dials: MatchSettings) -> pl.Expr:
    sure, two = pl.col("probability") >= dials.accept, pl.col("reasons") >= 2
    carried = pl.col("carriers") >= pl.min_horizontal(pl.lit(2), pl.col("size"))
    bought = (pl.col("vendors").list.len() > 0) & (pl.col("probability") < 0.5)
    return (
        pl.when(pl.col("shared_accounts").list.len() * 2 >= pl.col("smaller"))
        .then(pl.lit("same ring"))
        .when(sure & two & carried)
        .then(pl.lit("same operator"))
        .when(sure & two)
        .then(pl.lit("one account"))
        .when(bought & (pl.col("plain") >= 0.5))
        .then(pl.lit("shared vendor"))
        .when(pl.col("probability") >= 0.5)
        .then(pl.lit("one family"))
        .otherwise(pl.lit("chance"))
    )


def _innocent(table: pl.DataFrame) -> list[str]:
    """The ordinary story behind each pair."""
    said = []
    for families, vendors, verdict in table.select("families", "vendors", "verdict").iter_rows():
        parts = []
        if vendors:
            listed = sorted({item["kind"] for item in vendors})
            parts.append(f"a common vendor or a public value ({', '.join(listed)}), found and discounted")
        if verdict == "one account":
            parts.append("the account that carries it changed hands, was taken over, or does not belong to the ring")
        readings = READINGS | {ACCOUNT.family: "accounts that were sold on, or taken over, in between"}
        left = [readings.get(family, f"a value of kind '{family}' that others have") for family in families]
        if len(left) > 1:
            parts.append("what is left would need all at once: " + "; ".join(left))
        elif left:
            parts.append(f"not ruled out: {left[0]}")
        said.append(". ".join(parts) if parts else "nothing is shared beyond chance")
    return said


def _templates(pairs: RingPairs, new: Rings, known: Rings, wanted: IntArray) -> pl.DataFrame:
    """Containment of prompt templates, both ways; crowds' templates are in neither profile."""
    mine = new.values.filter(pl.col("kind") == "prompt_template").select("ring_id", "value")
    theirs = known.values.filter(pl.col("kind") == "prompt_template").select("ring_id", "value")
    number = [dict(part.group_by("ring_id").len().iter_rows()) for part in (mine, theirs)]
    both = mine.join(theirs, on="value", suffix="_known").group_by("ring_id", "ring_id_known").len()
    shared = {(one, other): count for one, other, count in both.iter_rows()}
    ids = pl.concat([new.cards, known.cards]).get_column("ring_id")
    found = []
    for pair in wanted.tolist():
        one, other = ids[int(pairs.x[pair])], ids[int(pairs.y[pair])]
        count = shared.get((one, other), 0)
        share = [count / part[ring] if ring in part else None for part, ring in zip(number, (one, other), strict=True)]
        found.append((pair, *share))
    schema = {"pair": pl.Int64, "templates_known_share": pl.Float64, "templates_new_share": pl.Float64}
    return pl.DataFrame(found, schema=schema, orient="row")
