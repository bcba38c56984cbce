"""Clusters as tables: who belongs together, how firmly, what else would explain it.

The sets come from :mod:`toolkit.linking.partition`. Here every member is banded by how well it holds when evidence is
taken away (*persistence* over draws that each drop a fifth of all values; *leave one out*, without its best value and
without its best family), every cluster is read against ordinary life (:mod:`toolkit.linking.structures`) and against
chance (:mod:`toolkit.linking.null`), and whoever stands just outside is named with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from toolkit.errors import visible
from toolkit.linking.arrays import BoolArray, FloatArray, IntArray, first_of_each, run_starts, scramble
from toolkit.linking.belonging import ExpandSettings, Scores, cell_bits, find_frontier, score_accounts
from toolkit.linking.chance import BESIDE, simulate_chance
from toolkit.linking.combine import combine_bits, count_reasons, family_names
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.innocent import READINGS
from toolkit.linking.null import Chance, ring_fdr
from toolkit.linking.partition import find_clusters
from toolkit.linking.score import Shared, probability, propose, weigh
from toolkit.linking.sets import Held, Sets, hold
from toolkit.linking.structures import Structure, read_structures
from toolkit.model.tables import Clusters, Members, conform, empty
from toolkit.settings import CHANCE_DRAWS, KINDS, MAX_FDR, MAX_PAIRS, Kind

__all__ = ["ClusterSettings", "cluster_accounts", "cluster_index"]

EXACT_SIZE = 1_000
"""Accounts up to which the tied pairs of a cluster are listed; beyond, values are counted."""

TIE_BITS = 4.0
"""Bits from which a value held in two clusters makes them *related*."""

MULE_VALUES = 3
"""Strong values of another cluster in one account's hands from which the two clusters are related."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The dials of clustering, with their reasons.

    Attributes
    ----------
    judge : ExpandSettings
        Who belongs: the same judge as for an expansion.
    min_size : int
        Smaller groups are links, not clusters.
    seed : int
        Of the communities, the value bootstrap and the shuffles.
    draws : int
        Value bootstraps behind ``persistence``.
    dropped : float
        Share of values each draw takes away.
    chance_draws : int
        Shuffles behind ``ring_fdr``; 0 leaves it null and bands nobody down for it.
    """

    judge: ExpandSettings = field(default_factory=ExpandSettings)
    min_size: int = 3
    seed: int = 0
    draws: int = 20
    dropped: float = 0.2
    chance_draws: int = CHANCE_DRAWS

    def chance(self, index: Incidence) -> Callable[[], Chance]:
        """Shuffle, link and cluster as these settings say, beside whatever comes next; call for what it brought."""
        beside = ThreadPoolExecutor(max_workers=1)
        drawn = beside.submit(
            simulate_chance, index, self.judge, draws=self.chance_draws, min_size=self.min_size, seed=self.seed
        )  # fmt: skip
        beside.shutdown(wait=len(index.account) > BESIDE)
        return drawn.result


def cluster_accounts(
    observations: pl.DataFrame, *, kinds: Mapping[str, Kind] = KINDS, settings: ClusterSettings | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Group accounts that belong together and say how firmly each one does.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    kinds : mapping of str to Kind
        Settings per kind; a kind that is not in it is told from its values.
    settings : ClusterSettings, optional

    Returns
    -------
    members : polars.DataFrame
        Contract ``Members``. ``role`` is *member*, *candidate* (likely, but under the bar; in one cluster at most) or
        *victim* (shares the cluster's values, but lived on its own before). Order: cluster_id, role (member first),
        probability descending, account_id.
    clusters : polars.DataFrame
        Contract ``Clusters``, largest first; ids ``C0001``, ... follow that order (then the smallest account id).

    Raises
    ------
    ContractError, InputError
        If the frame is not a table of observations, or empty.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> rows = [(name, "d", "k") for name in "abcd"] + [(f"x{i}", f"e{i}", f"l{i}") for i in range(99)]
    >>> frame = pl.DataFrame(rows, schema=["account_id", "device", "card"], orient="row")
    >>> members, clusters = cluster_accounts(find_observations(frame))
    >>> members["account_id"].to_list(), clusters["size"].to_list()
    (['a', 'b', 'c', 'd'], [4])
    """
    index = build_incidence(observations, kinds)
    a, b, _ = propose(index, MAX_PAIRS)
    dials = settings or ClusterSettings()
    chance = dials.chance(index) if dials.chance_draws else None
    return cluster_index(index, weigh(index, a, b), chance, dials)


def cluster_index(
    index: Incidence, shared: Shared, chance: Callable[[], Chance] | None, dials: ClusterSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cluster accounts that are coded and weighed already; see :func:`cluster_accounts`."""
    judge = dials.judge
    sets = find_clusters(index, shared, judge, min_size=dials.min_size, seed=dials.seed)
    if not len(sets.account):
        return empty(Members), empty(Clusters)
    scores = score_accounts(index, sets, find_frontier(index, sets, judge), judge)
    inside = sets.contains(scores.frontier.label, scores.account)
    support = np.array(
        [float(np.median(scores.bits[inside & (scores.frontier.label == c)])) for c in range(sets.number)]
    )
    fdr = np.full(sets.number, np.nan) if chance is None else ring_fdr(sets.size, support, chance())
    structures = read_structures(index, sets)
    members = _members(index, sets, scores, structures, fdr, dials)
    return members, _cards(index, sets, scores, structures, support, fdr)


def _members(
    index: Incidence, sets: Sets, scores: Scores, structures: list[Structure], fdr: FloatArray, dials: ClusterSettings
) -> pl.DataFrame:
    label, account = scores.frontier.label, scores.account
    inside = sets.contains(label, account)
    placed = np.isin(account, sets.account)
    # An account outside stands beside one cluster only: where its evidence is strongest.
    outside = np.flatnonzero(~inside & ~placed & (scores.probability >= dials.judge.leave) & scores.reasoned)
    outside = outside[first_of_each(account[outside], label[outside], -scores.bits[outside])]
    rows = np.concatenate((np.flatnonzero(inside), outside))
    role = np.where(inside[rows], "member", np.where(scores.own_life[rows], "victim", "candidate"))
    persistence = np.full(len(label), np.nan)
    persistence[inside] = _persistence(index, sets, dials)
    survives = _leave_one_out(index, scores, dials.judge)
    # Where most of the evidence is of kinds nobody declared, no ordinary life can be told from a ring.
    strange = _strange(index, sets, scores)
    honest = np.array([s.reading != "ring" or s.open_question for s in structures]) | strange
    by_chance = fdr > MAX_FDR
    why = _why(index, scores, rows)
    bands = []
    for i, row in enumerate(rows):
        p, c = scores.probability[row], label[row]
        plain = role[i] == "member" and not honest[c] and not by_chance[c]
        lasts = persistence[row]
        bands.append(
            "weak" if role[i] != "member" or by_chance[c]
            else "confirmed" if plain and p >= 0.99 and lasts >= 0.9 and survives[row] and scores.reasons[row] >= 2
            else "probable" if plain and p >= 0.95 and lasts >= 0.7
            else "possible"
        )  # fmt: skip
    table = pl.DataFrame(
        {
            "cluster_id": [_name(c) for c in label[rows]],
            "account_id": index.accounts.gather(account[rows]),
            "band": pl.Series(bands, dtype=pl.String),
            "probability": np.round(scores.probability[rows], 9),
            "persistence": pl.Series(np.round(persistence[rows], 6), nan_to_null=True, dtype=pl.Float64),
            "survives_leave_one_out": survives[rows],
            "why": [why.get(int(row), "") for row in rows],
            "role": pl.Series(role.tolist(), dtype=pl.String),
        }
    )
    order = table.select(pl.col("role").replace_strict({"member": 0, "candidate": 1, "victim": 2})).to_series()
    table = table.with_columns(order.alias("rank"))
    return conform(
        table.sort(["cluster_id", "rank", "probability", "account_id"], descending=[False, False, True, False]), Members
    )


def _strange(index: Incidence, sets: Sets, scores: Scores) -> BoolArray:
    """Whether half of each cluster's evidence, or more, is of kinds that nobody declared."""
    inferred = np.array([k.inferred for k in index.kinds])[index.kind[scores.hit_incidence]]
    label = scores.frontier.label[scores.hit_row]
    mine = sets.contains(label, scores.account[scores.hit_row])
    total, unknown = (
        np.bincount(label[rows], weights=scores.hit_bits[rows], minlength=sets.number)
        for rows in (mine, mine & inferred)
    )
    strange: BoolArray = unknown >= 0.5 * np.maximum(total, 1e-9)
    return strange


def _persistence(index: Incidence, sets: Sets, dials: ClusterSettings) -> FloatArray:
    """Share of draws, each without a fifth of all values, in which each member still holds."""
    held = hold(index, sets)
    shared = np.unique(held.cell_value[held.count >= 2])
    names = index.values[shared.tolist()].iter_rows()
    word = np.array([_word(f"{kind}\x1f{value}") for kind, value in names], dtype=np.uint64)
    stays = np.zeros(len(sets.account))
    for draw in range(dials.draws):
        salt = np.uint64((dials.seed << 20) + draw)
        luck = (scramble(word ^ scramble(np.array([salt]))) >> np.uint64(11)).astype(float) / 2**53
        dropped = np.zeros(index.n_values, dtype=bool)
        dropped[shared] = luck < dials.dropped
        scores = score_accounts(index, sets, sets, dials.judge, without=dropped)
        stays += (scores.probability >= dials.judge.leave) & (scores.reasons >= 2)
    return stays / max(dials.draws, 1)


def _word(text: str) -> int:
    """A 64-bit number that depends on nothing but the text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _leave_one_out(index: Incidence, scores: Scores, judge: ExpandSettings) -> BoolArray:
    """Whether each account still holds without the value, and without the family, that ties it best."""
    n_rows = len(scores.account)
    rest = scores.bits - scores.families.sum(axis=1)
    first = first_of_each(scores.hit_row, scores.hit_incidence, -scores.hit_bits)
    bits = scores.hit_bits.copy()
    bits[first] = 0.0
    value = index.value[scores.hit_incidence]
    kind = index.value_kind[value]
    left = np.minimum(combine_bits(index.kinds, scores.hit_row, kind, value, bits, n_rows), judge.family_cap)
    without_value = probability(left.sum(axis=1) + rest) >= judge.leave
    without_family = probability(scores.bits - scores.families.max(axis=1, initial=0.0)) >= 0.05
    still = count_reasons(index.kinds, scores.hit_row, kind, value, bits, n_rows) >= 1
    survives: BoolArray = without_value & without_family & still
    return survives


def _why(index: Incidence, scores: Scores, rows: IntArray) -> dict[int, str]:
    """The three values that tie each account best, in words."""
    wanted = np.zeros(len(scores.account), dtype=bool)
    wanted[rows] = True
    hits = np.flatnonzero(wanted[scores.hit_row] & (scores.hit_bits >= 1.0))
    hits = hits[np.lexsort((index.value[scores.hit_incidence[hits]], -scores.hit_bits[hits], scores.hit_row[hits]))]
    said: dict[int, list[str]] = {}
    best: list[int] = []
    for hit in hits.tolist():
        of = said.setdefault(int(scores.hit_row[hit]), [])
        if len(of) < 3:
            of.append("")
            best.append(hit)
    values = index.values[index.value[scores.hit_incidence[best]].tolist()]
    texts: dict[int, list[str]] = {}
    for hit, (kind, value) in zip(best, values.iter_rows(), strict=True):
        members, holders = int(scores.hit_members[hit]), int(scores.hit_holders[hit])
        crowd = max(holders - members - 1, 0)
        texts.setdefault(int(scores.hit_row[hit]), []).append(
            f"{kind} {visible(value, 40)} with {members} of it and {crowd} outside ({scores.hit_bits[hit]:.1f} bits)"
        )
    return {
        row: ("lived on values of its own before: " if scores.own_life[row] else "") + "; ".join(parts)
        for row, parts in texts.items()
    }


def _cards(
    index: Incidence,
    sets: Sets,
    scores: Scores,
    structures: list[Structure],
    support: FloatArray,
    fdr: FloatArray,
) -> pl.DataFrame:
    """The ring card of each cluster."""
    inside = sets.contains(scores.frontier.label, scores.account)
    held = hold(index, sets)
    bits = np.maximum(cell_bits(held), 0.0)
    tied = _count_tied_pairs(held, bits)
    related = _related(held, bits)
    names = family_names(index.kinds)
    mine = inside[scores.hit_row]
    label = scores.frontier.label[scores.hit_row]
    spans = _spans(index, sets)
    cards = []
    for c in range(sets.number):
        rows = mine & (label == c)
        value = index.value[scores.hit_incidence[rows]]
        weight = np.bincount(value, weights=scores.hit_bits[rows])
        top = int(np.argmax(weight)) if len(weight) else 0
        kind, text = index.values.row(top)
        spoke = scores.families[inside & (scores.frontier.label == c)].max(axis=0, initial=0.0) >= 1.0
        size = int(sets.size[c])
        families = [names[f] for f in np.flatnonzero(spoke)]
        readings = [READINGS.get(f, f"a value of kind '{f}' that many people have") for f in families]
        structure = structures[c]
        first, last = spans[c]
        cards.append(
            {
                "cluster_id": _name(c),
                "size": size,
                "density": round(min(1.0, tied[c] / (size * (size - 1) / 2)), 6),
                "median_bits": round(float(support[c]), 6),
                "families": families,
                "top_kind": kind,
                "top_value": text,
                "top_value_share": round(float(weight.max() / weight.sum()), 6) if weight.sum() else 0.0,
                "bridges": len(related[c]),
                "first_at": first,
                "last_at": last,
                "ring_fdr": None if np.isnan(fdr[c]) else round(float(fdr[c]), 6),
                "innocent_explanation": (
                    f"would need all at once: {'; '.join(readings)}"
                    if structure.reading == "ring"
                    else f"not ruled out: {structure.reading}: {structure.why}"
                ),
                "reading": structure.reading,
                "reading_why": structure.why,
                "related": [_name(other) for other in sorted(related[c])],
            }
        )
    return conform(pl.DataFrame(cards, schema_overrides={"related": pl.List(pl.String)}), Clusters)


def _count_tied_pairs(held: Held, bits: FloatArray) -> FloatArray:
    """Pairs inside each cluster that share some value of weight; over ``EXACT_SIZE`` accounts, at most that many."""
    from scipy.sparse import csr_array

    sets, count = held.sets, held.count
    heavy = (bits >= 1.0) & (count >= 2)
    pairs = np.bincount(
        held.cell_label[heavy], weights=(count * (count - 1) / 2)[heavy], minlength=sets.number
    )  # fmt: skip
    rows = np.flatnonzero(heavy[held.cell] & (sets.size[held.label] <= EXACT_SIZE))
    table = csr_array((np.ones(len(rows)), (held.row[rows], held.cell[rows])), shape=(len(sets.key), len(count)))
    both = (table @ table.T).tocoo()
    distinct = np.bincount(sets.label[both.row[both.row < both.col]], minlength=sets.number)
    return np.asarray(np.where(sets.size <= EXACT_SIZE, distinct, pairs), dtype=float)


def _related(held: Held, bits: FloatArray) -> list[set[int]]:
    """For each cluster, the others tied to it: related, never merged.

    Both hold a value that is strong in each, or one account of either holds several strong values of the other: a mule.
    """
    related: list[set[int]] = [set() for _ in range(held.sets.number)]
    strong = np.flatnonzero(bits >= TIE_BITS)
    order = strong[np.lexsort((held.cell_label[strong], held.cell_value[strong]))]
    start = run_starts(held.cell_value[order])
    for begin, end in zip(start, [*start[1:], len(order)], strict=True):
        owners = held.cell_label[order[begin:end]].tolist()
        for owner in owners:
            related[owner].update(other for other in owners if other != owner)
    for mine, other in _mules(held, strong):
        related[mine].add(other)
        related[other].add(mine)
    return related


def _mules(held: Held, strong: IntArray) -> list[tuple[int, int]]:
    """Clusters of accounts, and the others of which one of those holds several strong values."""
    table = pl.DataFrame(
        {"value": held.cell_value[held.cell], "label": held.label, "account": held.index.account[held.incidence]}
    )
    theirs = pl.DataFrame({"value": held.cell_value[strong], "other": held.cell_label[strong]})
    met = table.join(theirs, on="value").filter(pl.col("label") != pl.col("other"))
    several = met.group_by("label", "account", "other").len().filter(pl.col("len") >= MULE_VALUES)
    return several.select("label", "other").unique().sort("label", "other").rows()


def _spans(index: Incidence, sets: Sets) -> list[tuple[datetime | None, datetime | None]]:
    """First and last time that members of each cluster were seen."""
    begin, end = index.start[sets.account], index.start[sets.account + 1]
    seen: list[tuple[datetime | None, datetime | None]] = []
    for c in range(sets.number):
        rows = np.concatenate(
            [np.arange(b, e) for b, e in zip(begin[sets.label == c], end[sets.label == c], strict=True)]
        )
        first, last = index.use_first[rows], index.use_last[rows]
        known = first[~np.isnan(first)], last[~np.isnan(last)]
        seen.append((index.at(known[0].min()), index.at(known[1].max())) if len(known[0]) else (None, None))
    return seen


def _name(cluster: int | np.int64) -> str:
    return f"C{int(cluster) + 1:04d}"
