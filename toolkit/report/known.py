"""Whether the team has met these people before: a set of accounts beside the rings that were closed."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from toolkit.errors import visible
from toolkit.linking.match import Matches, match_clusters
from toolkit.linking.profiles import Rings
from toolkit.linking.registry import RegistryRings, list_rings, read_registry
from toolkit.model.confidence import Confidence, Level, Likelihood
from toolkit.model.provenance import sha256_bytes
from toolkit.model.tables import conform, empty
from toolkit.report.pseudonyms import read_key
from toolkit.settings import KINDS, Kind
from toolkit.views.blocks import Block, show_table, show_text
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words, say_family, say_kind

__all__ = [
    "KNOWN_RINGS",
    "KnownRings",
    "describe_known",
    "draft_known",
    "find_last_entry",
    "fingerprint_registry",
    "match_known",
    "read_registry_key",
    "show_known",
]

KNOWN_RINGS: Final = "known rings to entry "
"""What the manifest calls a registry among the inputs, before the number of its last entry."""
KEY_VARIABLE: Final = "TOOLKIT_REGISTRY_KEY"
_SHARED: Final = 4
"""Values that a row of the table names."""
_TOLD: Final = 3
"""Rings that get a finding of their own; the table has all."""


@dataclass(frozen=True, slots=True)
class KnownRings:
    """A set of accounts beside the rings that a registry knows.

    Attributes
    ----------
    matches : polars.DataFrame
        Contract ``Matches``; ``cluster_id`` is the case. Order: probability descending, ring_id.
    rings : polars.DataFrame
        Contract ``RegistryRings``: all that it was compared with. Order: ring_id.
    entry : int
        The last entry of the registry that was read; -1 = no registry was given.
    """

    matches: pl.DataFrame
    rings: pl.DataFrame
    entry: int


def read_registry_key() -> bytes | None:
    """Read the key under which the values of the registry are hidden; None where none is used.

    The environment variable ``TOOLKIT_REGISTRY_KEY`` names its file: a key is no parameter of a report.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no key.

    Examples
    --------
    >>> read_registry_key() is None
    True
    """
    path = os.environ.get(KEY_VARIABLE, "")
    return read_key(path) if path else None


def find_last_entry(registry: str | Path) -> int:
    """Return the number of the last entry of a registry; 0 = it is empty.

    Raises
    ------
    SourceError
        If there is no registry.
    """
    return int(list_rings(registry).get_column("entry").max() or 0)  # type: ignore[arg-type] # Int64


def fingerprint_registry(registry: str | Path, entry: int) -> str:
    """Return the SHA-256 of what a registry said up to an entry: it only grows, so that this stays.

    Raises
    ------
    SourceError
        If there is no registry, or it cannot be read.
    """
    log = list_rings(registry).filter(pl.col("entry") <= entry)
    values = read_registry(registry, upto=entry).values
    return sha256_bytes((log.write_ndjson() + values.write_ndjson()).encode())


def match_known(
    case_id: str,
    accounts: Sequence[str],
    observations: pl.DataFrame,
    registry: str | Path,
    *,
    entry: int = -1,
    kinds: Mapping[str, Kind] = KINDS,
) -> KnownRings:
    """Compare a set of accounts with the rings that a team has closed.

    Parameters
    ----------
    case_id : str
        What the set is called; rings that were closed in this very case are left out.
    accounts : sequence of str
        The set.
    observations : polars.DataFrame
        Contract ``Observations``, of the whole population; times in UTC.
    registry : str or path
        A folder or ``.duckdb`` file (:mod:`toolkit.linking.registry`); empty = none.
    entry : int
        Read it up to this entry; -1 = all of it.
    kinds : mapping of str to Kind
        Settings per kind.

    Returns
    -------
    KnownRings

    Raises
    ------
    SourceError
        If there is no such registry, or it cannot be read.
    InputError
        If its values are hidden, and the key is missing or another one.

    Examples
    --------
    >>> from toolkit.model.tables import Observations
    >>> match_known("ESC-1", ["a"], empty(Observations), "").entry
    -1
    """
    if not str(registry):
        return KnownRings(empty(Matches), empty(RegistryRings), -1)
    read = read_registry(registry, upto=None if entry < 0 else entry)
    rings = read.rings.filter(pl.col("case_id") != case_id)
    if rings.is_empty() or not accounts:
        return KnownRings(empty(Matches), conform(rings, RegistryRings), read.entry)
    ours = pl.col("ring_id").is_in(rings["ring_id"].implode())
    kept = Rings(read.profiles.cards.filter(ours), read.profiles.values.filter(ours), read.key_id)
    members = pl.DataFrame({"cluster_id": case_id, "account_id": list(accounts)}, schema_overrides=_IDS)
    found = match_clusters(members, observations, kept, kinds=kinds, key=read_registry_key() if kept.key_id else None)
    # Accounts that are in both have a column of their own; as values they would be called by numbers.
    values = pl.col("evidence").list.filter(pl.element().struct.field("kind") != "account_id")
    return KnownRings(conform(found.with_columns(values), Matches), conform(rings, RegistryRings), read.entry)


_IDS = {"account_id": pl.String}


def describe_known(known: KnownRings, names: Names) -> pl.DataFrame:
    """Return the rings that come near the set, for people.

    Parameters
    ----------
    known : KnownRings
    names : Names
        What values are called.

    Returns
    -------
    polars.DataFrame
        ``ring``, ``closed`` (in which case, when), ``about``, ``reading``, ``shared``, ``innocent``. Order: as in
        ``matches``; readings that are only chance are left out.

    Examples
    --------
    >>> describe_known(KnownRings(empty(Matches), empty(RegistryRings), 0), Names("none")).columns[:3]
    ['ring', 'closed', 'about']
    """
    about = {row["ring_id"]: row for row in known.rings.iter_rows(named=True)}
    rows = []
    for row in known.matches.filter(pl.col("verdict") != "chance").iter_rows(named=True):
        ring, shown = about[row["ring_id"]], row["evidence"][:_SHARED]
        shared = [f"{count_of(len(row['shared_accounts']), 'account')} in both"] if row["shared_accounts"] else []
        shared += [names.full(one["kind"], one["value"]) for one in shown]
        more = len(row["evidence"]) - len(shown)
        likelihood = Likelihood.from_probability(row["probability"]).value
        rows.append(
            (
                row["ring_id"], f"{ring['closed_at']:%Y-%m-%d}, case {ring['case_id']}", ring["label"],
                f"{row['verdict']}: {likelihood}", "; ".join([*shared, *([f"and {more} more"] if more > 0 else [])]),
                row["innocent_explanation"],
            )
        )  # fmt: skip
    columns = ("ring", "closed", "about", "reading", "shared", "innocent")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def show_known(known: KnownRings, names: Names) -> Block:
    """Show the known rings that come near the set, or why there are none.

    Examples
    --------
    >>> show_known(KnownRings(empty(Matches), empty(RegistryRings), -1), Names("none")).as_text()
    'No registry of known rings was given: the set was compared with none.'
    """
    if known.entry < 0:
        return show_text("No registry of known rings was given: the set was compared with none.")
    if known.rings.is_empty():
        return show_text("No ring is known yet.")
    compared = count_of(known.rings.height, "known ring")
    return show_table(
        describe_known(known, names),
        columns={
            "ring": "ring", "closed": "closed", "about": "about", "reading": "reading", "shared": "what both hold",
            "innocent": "what else it could be",
        },
        caption=f"Of {compared} (entry {known.entry} of the registry), those that come near",
        empty=f"Of {compared} (entry {known.entry} of the registry), none comes near.",
    )  # fmt: skip


def draft_known(known: KnownRings) -> list[dict[str, object]]:
    """State which known rings a set is, or is run by the people of, or only buys where they buy.

    Parameters
    ----------
    known : KnownRings

    Returns
    -------
    list of dict
        Fields of findings, without ids: ``known_ring`` and ``shared_vendor_not_actor``; ``null_result`` where rings
        were looked at and none is near.

    Examples
    --------
    >>> draft_known(KnownRings(empty(Matches), empty(RegistryRings), 0))
    []
    """
    about = {row["ring_id"]: row for row in known.rings.iter_rows(named=True)}
    told = known.matches.filter(pl.col("verdict").is_in(list(_STATED)))
    drafts = [_draft(row, about[row["ring_id"]]) for row in told.head(_TOLD).iter_rows(named=True)]
    if told.is_empty() and known.rings.height:
        drafts.append(
            {
                "type": "null_result",
                "statement": f"Of {count_of(known.rings.height, 'ring')} that the team knows, none shares enough with"
                " this set to be the same people.",
                "confidence": Confidence.MODERATE,
                "basis": "compared by accounts and by every value that both hold; who changed everything is not found",
                "evidence_ids": ("known_rings.parquet",),
            }
        )  # fmt: skip
    return drafts


_STATED: Final = {
    "same ring": "known_ring",
    "same operator": "known_ring",
    "one account": "known_ring",
    "shared vendor": "shared_vendor_not_actor",
}
"""Verdicts that are worth a finding, and its type."""


def _draft(row: Mapping[str, object], ring: Mapping[str, object]) -> dict[str, object]:
    name = (
        f"ring {_one_word(row['ring_id'])}, closed in case {_one_word(ring['case_id'])} on {ring['closed_at']:%Y-%m-%d}"
    )
    likelihood = Likelihood.from_probability(float(str(row["probability"])))
    shared = _counted(row)
    back = row["shared_accounts"] if isinstance(row["shared_accounts"], list) else []
    said = {
        "same ring": f"{count_of(len(back), 'account')} of this set belonged to {name}: it is the same ring.",
        "same operator": f"It is {likelihood.value} that whoever ran {name}, runs this set too: both hold {shared}.",
        "one account": f"One account of this set holds what {name}, held ({shared}); the others share nothing with it.",
        "shared vendor": f"This set and {name}, bought from the same vendor; nothing else ties them.",
    }[str(row["verdict"])]
    level = Level(str(row["level"]))
    observed = row["verdict"] in ("same ring", "shared vendor")
    about = f" ({visible(ring['label'])})" if ring["label"] else ""
    families = [say_family(family) for family in row["families"]] if isinstance(row["families"], list) else []
    return {
        "type": _STATED[str(row["verdict"])],
        "statement": said,
        "likelihood": None if observed else likelihood,
        "confidence": Confidence.HIGH if row["verdict"] == "same ring" else
        Confidence.MODERATE if level >= Level.L3 else Confidence.LOW,
        "basis": f"{join_words(families) or 'accounts'} on both sides, set against how common each value is here",
        "level": level,
        "accounts": tuple(back),
        "evidence_ids": ("known_rings.parquet",),
        "alternatives": (str(row["innocent_explanation"]),),
        "next_check": f"Read case {_one_word(ring['case_id'])} first{about}: what that ring did, what was decided.",
    }  # fmt: skip


def _one_word(name: object) -> str:
    """A name that somebody gave: in a sentence of ours it is one word and says nothing else."""
    return re.sub(r"\s+", "_", visible(name))


def _counted(row: Mapping[str, object]) -> str:
    rows = row["evidence"] if isinstance(row["evidence"], list) else []
    kinds = Counter(one["kind"] for one in rows)
    return join_words(count_of(n, say_kind(kind)) for kind, n in kinds.items()) or "the same accounts"
