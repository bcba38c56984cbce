"""Why two accounts are linked: sentences a reader outside the team can follow, and the table behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.combine import FAMILY_DAMPING
from toolkit.linking.score import prior_bits
from toolkit.model.confidence import Level
from toolkit.model.tables import Links, conform
from toolkit.settings import KINDS, SATURATION, Kind

__all__ = ["LinkExplanation", "explain_link", "set_aside"]

SURE = 1e-6
"""From here to certainty, what rounding left of a probability no longer tells its prior."""


_ASIDE: Final = pl.List(pl.Struct(dict.fromkeys(("kind", "value", "reason"), pl.String)))


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    """One link, taken apart.

    Attributes
    ----------
    sentences : tuple of str
        What is shared, how much it counts, what it adds up to, and the innocent reading.
    table : polars.DataFrame
        A waterfall: ``step`` (prior, then each shared value, then what dependence takes back), ``kind``, ``value``,
        ``bits``, ``holders``, ``window``, ``regime``, the running ``total``, and ``family`` and ``counted``: what the
        value gives beside those it depends on. Both ``bits`` and ``counted`` add up to the link's log-odds.
    """

    sentences: tuple[str, ...]
    table: pl.DataFrame

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def explain_link(
    links: pl.DataFrame,
    account_a: str,
    account_b: str,
    *,
    n_accounts: int | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> LinkExplanation:
    """Take one link apart into what spoke for it.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``.
    account_a, account_b : str
        The two accounts, in either order.
    n_accounts : int, optional
        Accounts in the data; adds the prior as the first step of the waterfall. It is read off the links' own
        probabilities; where all of them are certain, it is that of the usual partners.
    kinds : mapping of str to Kind
        The settings that the links were made with: they say which values depend on which. A value of a kind that is
        not among them counts in full, and the step *dependence* makes up for it.

    Returns
    -------
    LinkExplanation

    Raises
    ------
    InputError
        If the two accounts are the same.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import link_accounts
    >>> rows = [("a", "d", "k"), ("b", "d", "k")] + [(f"x{i:02}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> links = link_accounts(find_observations(frame))
    >>> print(explain_link(links, "b", "a").sentences[0])
    a and b are linked at level L2 (probable: at least two independent kinds agree).
    >>> explain_link(links, "a", "x00").sentences
    ('There is no link between a and x00: they share nothing that chance would not explain.',)
    """
    if account_a == account_b:
        raise InputError(f"a link has two ends; both are {visible(account_a)!r}")
    first, second = sorted((account_a, account_b))
    row = conform(links, Links).filter((pl.col("account_a") == first) & (pl.col("account_b") == second))
    a, b = visible(first), visible(second)
    if row.is_empty():
        return LinkExplanation(
            (f"There is no link between {a} and {b}: they share nothing that chance would not explain.",),
            _steps([], None, 0.0, kinds),
        )
    link = row.row(0, named=True)
    level = Level(link["level"])
    said = [f"{a} and {b} are linked at level {level.value} ({level.meaning})."]
    said += [_one_value(item) for item in link["evidence"]]
    said.append(f"Together {link['bits']:.1f} bits, dependent evidence counted once.")
    said.append(f"Innocent reading: {link['innocent_explanation']}.")
    prior = None if n_accounts is None else _prior_of(links, n_accounts)
    return LinkExplanation(tuple(said), _steps(link["evidence"], prior, link["bits"], kinds))


def set_aside(
    links: pl.DataFrame, reasons: Iterable[Mapping[str, str]], *, kinds: Mapping[str, Kind] = KINDS
) -> pl.DataFrame:
    """Weigh links again without evidence that somebody has explained away, and keep the reason beside them.

    What is left is an upper bound: a value that was borne out by the one set aside keeps the trust that gave it. To
    know more, link again without the observation.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``.
    reasons : iterable of mapping
        ``account_a``, ``account_b`` (in either order), ``kind``, ``value`` and ``reason``: a campus, a resold phone.
    kinds : mapping of str to Kind
        As they were linked with.

    Returns
    -------
    polars.DataFrame
        The links in their order. Where evidence was set aside: ``evidence`` without it, ``bits`` less what it counted
        for beside the rest, ``probability`` from them. ``set_aside``: what was, and why (list of struct: kind, value,
        reason; empty elsewhere).

    Raises
    ------
    InputError
        If a reason is empty, or names a link or a value that is not there; all of them.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import link_accounts
    >>> rows = [{"account_id": a, "device": "d", "card": "c"} for a in "ab"]
    >>> rows += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}"} for i in range(400)]
    >>> links = link_accounts(find_observations(pl.DataFrame(rows)))
    >>> why = {"account_a": "b", "account_b": "a", "kind": "device", "value": "d", "reason": "a kiosk"}
    >>> less = set_aside(links, [why])
    >>> less["set_aside"][0].to_list(), less["bits"][0] < links["bits"][0]
    ([{'kind': 'device', 'value': 'd', 'reason': 'a kiosk'}], True)
    """
    given: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    faults = []
    for said in reasons:
        pair = (min(said["account_a"], said["account_b"]), max(said["account_a"], said["account_b"]))
        if not said["reason"].strip():
            faults.append(f"no reason for {said['kind']} {visible(said['value'])}")
        given.setdefault(pair, {})[said["kind"], said["value"]] = said["reason"].strip()
    rows, met = [], set()
    for row in links.iter_rows(named=True):
        pair = (row["account_a"], row["account_b"])
        rows.append(_without(row, given.get(pair, {}), kinds))
        met |= {(pair, (e["kind"], e["value"])) for e in row["evidence"]}
    faults += [
        f"{visible(a)} and {visible(b)} share no {kind} {visible(value)}"
        for (a, b), values in given.items()
        for kind, value in values
        if ((a, b), (kind, value)) not in met
    ]
    if faults:
        raise InputError("; ".join(faults))
    return pl.DataFrame(rows, schema=dict(links.schema) | {"set_aside": _ASIDE})


def _without(row: dict[str, Any], gone: Mapping[tuple[str, str], str], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """One link without some of its evidence: its prior stays, what the evidence counted for goes."""
    told = [{"kind": kind, "value": value, "reason": reason} for (kind, value), reason in sorted(gone.items())]
    if not gone:
        return row | {"set_aside": []}
    rest = [item for item in row["evidence"] if (item["kind"], item["value"]) not in gone]
    lost = sum(_counted(row["evidence"], kinds)) - sum(_counted(rest, kinds))
    p = min(max(float(row["probability"]), 1e-15), 1 - 1e-15)
    odds = math.log2(p / (1 - p)) - lost
    probability = round(1 / (1 + 2.0 ** -max(min(odds, 300.0), -300.0)), 6)
    return row | {
        "evidence": rest, "bits": round(row["bits"] - lost, 6), "probability": probability, "set_aside": told,
    }  # fmt: skip


def _prior_of(links: pl.DataFrame, n_accounts: int) -> float:
    """The prior that all links of a table have in common: of the least certain one, where rounding takes least."""
    told = (
        links.filter(pl.col("probability") < 1 - SURE)
        .sort((pl.col("probability") - 0.5).abs(), maintain_order=True)
        .head(1)
    )
    for bits, p in told.select("bits", "probability").iter_rows():
        return math.log2(p / (1 - p)) - float(bits)
    return prior_bits(n_accounts)


def _one_value(item: dict[str, object]) -> str:
    within = f" within {item['window']:.0f} hours" if item["window"] is not None else ""
    only = "only these two" if item["holders"] == 2 else f"{item['holders']} accounts"
    return (
        f"Both were seen with {item['kind']} {visible(item['value'])}, held by {only}{within}: {item['bits']:.1f} bits."
    )


def _steps(
    evidence: list[dict[str, object]], prior: float | None, bits: float, kinds: Mapping[str, Kind]
) -> pl.DataFrame:
    """The waterfall: prior, values, what dependence takes back."""
    rows: list[dict[str, object]] = []
    total = counted = 0.0
    if prior is not None:
        total = counted = prior
        rows.append({"step": "prior", "bits": round(prior, 6), "counted": round(prior, 6), "total": round(total, 6)})
    for item, share in zip(evidence, _counted(evidence, kinds), strict=True):
        total += float(str(item["bits"]))
        counted += share
        family = _family(str(item["kind"]), kinds)
        rows.append({"step": "value", **item, "family": family, "counted": round(share, 6), "total": round(total, 6)})
    if evidence:
        sought = bits + (prior or 0.0)
        rows.append(
            {
                "step": "dependence", "bits": round(sought - total, 6), "counted": round(sought - counted, 6),
                "total": round(sought, 6),
            }
        )  # fmt: skip
    schema = {
        "step": pl.String, "kind": pl.String, "value": pl.String, "bits": pl.Float64, "holders": pl.UInt32,
        "window": pl.Float64, "regime": pl.String, "total": pl.Float64, "family": pl.String, "counted": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def _family(kind: str, kinds: Mapping[str, Kind]) -> str:
    return kinds[kind].family if kind in kinds else kind


def _counted(evidence: Sequence[Mapping[str, object]], kinds: Mapping[str, Kind]) -> list[float]:
    """What each value gives beside the others: :func:`toolkit.linking.combine.combine_bits`, shared out over rows."""
    places: dict[str, list[int]] = {}
    for place in sorted(range(len(evidence)), key=lambda i: -float(str(evidence[i]["bits"]))):
        places.setdefault(str(evidence[place]["kind"]), []).append(place)
    share = [0.0] * len(evidence)
    sums: dict[str, list[tuple[float, str]]] = {}
    for kind, rows in places.items():
        for rank, place in enumerate(rows):
            share[place] = float(str(evidence[place]["bits"])) * (SATURATION**rank if kind in kinds else 1.0)
        total = sum(share[place] for place in rows)
        room = min(1.0, kinds[kind].cap / total) if kind in kinds and total > 0 else 1.0
        for place in rows:
            share[place] *= room
        sums.setdefault(_family(kind, kinds), []).append((total * room, kind))
    for of_family in sums.values():
        ranked = sorted(of_family, key=lambda pair: (-pair[0], pair[1]))
        for rank, (_, kind) in enumerate(ranked):
            weight = FAMILY_DAMPING[rank] if rank < len(FAMILY_DAMPING) else 0.0
            for place in places[kind]:
                share[place] *= weight
    return share
