"""A queue of escalations looked over in one sitting: which are one ring, which first, which are late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.expand import ExpandSettings, expand_from_seeds
from toolkit.model.case import Finding
from toolkit.model.confidence import Confidence, Likelihood
from toolkit.model.tables import UTC
from toolkit.report.findings import find_linked_set, is_absent, number_findings
from toolkit.report.intake import SEVERITIES, Escalation
from toolkit.report.triage import find_covered, group_by_ring, measure_liveness, score_priority
from toolkit.settings import KINDS, Kind
from toolkit.views.words import count_of, join_words

__all__ = ["DUE_SHARE", "describe_load", "find_escalations", "find_queue_findings", "look_over", "say_queue"]

DUE_SHARE: Final = dict(zip(SEVERITIES, (0.0, 0.125, 1.0, 10.0), strict=True))
"""Part of the time to answer that a severity is given: SEV0 at once, SEV1 an eighth, SEV3 ten times as much."""
_COLUMNS: Final[dict[str, Any]] = {
    "case_id": pl.String, "reporter": pl.String, "severity": pl.String, "priority": pl.Float64, "live": pl.Float64,
    "seeds": pl.Int64, "present": pl.Int64, "accounts": pl.Int64, "likelihood": pl.String, "confidence": pl.String,
    "statement": pl.String, "ring": pl.String,
    "covered_by": pl.String, "received_at": UTC, "due_at": UTC, "late": pl.Boolean, "notes": pl.String,
    "fault": pl.String, "members": pl.List(pl.String),
}  # fmt: skip
_FOUND: Final = ("present", "accounts", "likelihood", "confidence", "statement", "members")


def find_escalations(escalations_uri: str, data_uri: str) -> Path:
    """Find the file of escalations: the one that is named, or ``escalations.jsonl`` beside the tables.

    Raises
    ------
    InputError
        If neither is there.

    Examples
    --------
    >>> find_escalations("", "data_samples/tiny").name
    'escalations.jsonl'
    """
    where = Path(data_uri)
    file = (
        Path(escalations_uri) if escalations_uri else (where if where.is_dir() else where.parent) / "escalations.jsonl"
    )
    if not file.is_file():
        raise InputError(f"no file of escalations at {visible(file.name)}: -p escalations_uri=FILE")
    return file


def look_over(
    queue: Sequence[Escalation],
    observations: pl.DataFrame,
    events: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    settings: ExpandSettings | None = None,
    sla_minutes: int = 240,
    now: datetime | None = None,
) -> pl.DataFrame:
    """Expand each escalation from its seeds, and order the queue.

    Parameters
    ----------
    queue : sequence of Escalation
        With their seeds found (:func:`toolkit.report.intake.find_seeds`).
    observations, events : polars.DataFrame
        Contracts ``Observations`` and ``Events``.
    kinds : mapping of str to Kind
        Settings per kind.
    settings : ExpandSettings, optional
        Of the expansions.
    sla_minutes : int
        Minutes to answer a SEV2; others by :data:`DUE_SHARE`.
    now : datetime, optional
        UTC; by default the last event of all.

    Returns
    -------
    polars.DataFrame
        ``case_id``, ``reporter``, ``severity``, ``priority``, ``live``, ``seeds``, ``present`` (seeds that occur in the
        data), ``accounts`` (found besides the seeds), ``likelihood`` (that they belong; null = not told),
        ``confidence``, ``statement`` (as the ring template states it), ``ring`` (the first case by priority that found
        the same one; null = nothing found), ``covered_by`` (a case with the same seeds and more), ``received_at``,
        ``due_at``, ``late``, ``notes``, ``fault``, ``members`` (those found and the seeds kept). Order: priority
        descending, then as escalated; those with a fault last.

    Examples
    --------
    >>> from toolkit.model.tables import Events, Observations, empty
    >>> look_over([Escalation("A", fault="no account")], empty(Observations), empty(Events))["fault"].to_list()
    ['no account']
    """
    covered = find_covered([one for one in queue if not one.fault])
    ends = now if now is not None else events["event_at"].max()
    rows: dict[str, dict[str, Any]] = {}
    for one in queue:
        due = one.received_at + timedelta(minutes=sla_minutes * DUE_SHARE[one.severity]) if one.received_at else None
        rows[one.case_id] = {
            "case_id": one.case_id, "reporter": one.reporter, "severity": one.severity, "seeds": len(one.seeds),
            "received_at": one.received_at, "due_at": due, "notes": "; ".join(one.notes), "fault": one.fault,
            "late": due is not None and isinstance(ends, datetime) and due < ends,
            "live": measure_liveness(events, one.seeds, now=now), "covered_by": covered.get(one.case_id),
        }  # fmt: skip
        if not one.fault and one.case_id not in covered:
            rows[one.case_id] |= _expand(one, observations, kinds, settings)
    for case, lead in covered.items():
        rows[case] |= {name: rows[lead][name] for name in _FOUND}
    for one in queue:
        if not one.fault:
            row = rows[one.case_id]
            row["priority"] = score_priority(
                one.severity, live=row["live"], accounts=row["accounts"], found=row["accounts"] > 0,
                likelihood=Likelihood(row["likelihood"]) if row["likelihood"] else None,
            )  # fmt: skip
    table = pl.DataFrame(list(rows.values()), schema=_COLUMNS).with_row_index("place")
    table = table.sort(["priority", "severity", "place"], descending=[True, False, False], nulls_last=True).drop(
        "place"
    )
    found = table.filter(pl.col("accounts") > 0)
    rings = group_by_ring(dict(zip(found["case_id"].to_list(), found["members"].to_list(), strict=True)))
    return table.with_columns(ring=pl.col("case_id").replace_strict(rings, default=None, return_dtype=pl.String))


def _expand(
    one: Escalation, observations: pl.DataFrame, kinds: Mapping[str, Kind], settings: ExpandSettings | None
) -> dict[str, Any]:
    told = expand_from_seeds(observations, list(one.seeds), kinds=kinds, settings=settings or ExpandSettings())
    stated = find_linked_set(told, one.seeds)
    return {
        "present": told.filter(pl.col("account_id").is_in(list(one.seeds)) & ~is_absent()).height,
        "accounts": len(stated.accounts) if stated.type == "linked_set" else 0,
        "likelihood": stated.likelihood,
        "confidence": stated.confidence,
        "statement": stated.statement,
        "members": told.filter("included")["account_id"].sort().to_list(),
    }


def describe_load(table: pl.DataFrame) -> pl.DataFrame:
    """Count the queue by severity and reporter.

    Parameters
    ----------
    table : polars.DataFrame
        From :func:`look_over`.

    Returns
    -------
    polars.DataFrame
        ``severity``, ``reporter``, ``escalations``, ``late``, ``faulty``, ``nothing_found``. Order: severity, reporter.

    Examples
    --------
    >>> row = {"severity": "SEV1", "reporter": "finance", "late": True, "fault": "", "accounts": 0}
    >>> describe_load(pl.DataFrame([row])).rows()
    [('SEV1', 'finance', 1, 1, 0, 1)]
    """
    return table.group_by("severity", "reporter").agg(
        escalations=pl.len().cast(pl.Int64), late=pl.col("late").sum().cast(pl.Int64),
        faulty=(pl.col("fault") != "").sum().cast(pl.Int64),
        nothing_found=((pl.col("accounts") == 0) & (pl.col("fault") == "")).sum().cast(pl.Int64),
    ).sort("severity", "reporter")  # fmt: skip


def find_queue_findings(table: pl.DataFrame, gaps: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """State what a queue holds.

    Parameters
    ----------
    table : polars.DataFrame
        From :func:`look_over`.
    gaps : sequence of Finding
        Gaps in the data, to stand last.

    Returns
    -------
    tuple of Finding
        One for each ring that several cases found, what was found nothing for, what could not be worked on; numbered.

    Examples
    --------
    >>> from toolkit.model.tables import Events, Observations, empty
    >>> table = look_over([Escalation("A", fault="no account")], empty(Observations), empty(Events))
    >>> [finding.type for finding in find_queue_findings(table)]
    ['data_gap']
    """
    drafts: list[dict[str, Any]] = []
    for (ring,), rows in table.drop_nulls("ring").group_by("ring", maintain_order=True):
        first, cases = rows.row(0, named=True), rows["case_id"].to_list()
        same = f"; {join_words(cases[1:])} found the same ring" if len(cases) > 1 else ""
        drafts.append({
            "type": "linked_set", "statement": f"{ring}{same}. {first['statement']}", "likelihood": first["likelihood"],
            "confidence": first["confidence"], "basis": "expanded from its own seeds alone",
            "accounts": tuple(rows["members"].explode().unique().sort().to_list()), "evidence_ids": ("queue.parquet",),
            "alternatives": ("two rings that share a vendor",) if same else (),
            "next_check": f"run the ring template on {ring}",
        })  # fmt: skip
    nothing = table.filter((pl.col("fault") == "") & (pl.col("accounts") == 0))
    if nothing.height:
        drafts.append({
            "type": "null_result", "statement": f"Nothing beyond the seeds was found for "
            f"{join_words(nothing['case_id'].to_list())}.", "confidence": Confidence.MODERATE,
            "basis": "everything recorded was compared", "evidence_ids": ("queue.parquet",),
            "next_check": "ask the reporter for more accounts",
        })  # fmt: skip
    faulty = table.filter(pl.col("fault") != "")
    if faulty.height:
        drafts.append({
            "type": "data_gap", "statement": f"{count_of(faulty.height, 'escalation')} cannot be worked on as "
            f"{'it is' if faulty.height == 1 else 'they are'}: {join_words(faulty['case_id'].to_list())}.",
            "confidence": Confidence.HIGH, "basis": "no account is named, or the line cannot be read",
            "evidence_ids": ("queue.parquet",), "next_check": "ask the reporter; the reasons stand beside each",
        })  # fmt: skip
    if not drafts:
        drafts.append({
            "type": "null_result", "statement": "There is no escalation in the queue.", "confidence": Confidence.HIGH,
            "basis": "the file was read whole", "next_check": "none",
        })  # fmt: skip
    return number_findings(drafts, gaps)


def say_queue(findings: Sequence[Finding]) -> str:
    """Say what comes first, and what cannot be worked on: in the words of the findings.

    Parameters
    ----------
    findings : sequence of Finding
        From :func:`find_queue_findings`.

    Returns
    -------
    str

    Examples
    --------
    >>> from toolkit.model.tables import Events, Observations, empty
    >>> table = look_over([Escalation("A", fault="no account")], empty(Observations), empty(Events))
    >>> say_queue(find_queue_findings(table))
    '1 escalation cannot be worked on as it is: A.'
    """
    rings = [f for f in findings if f.type == "linked_set"]
    rest = [f for f in findings if f.type != "linked_set" and "queue.parquet" in f.evidence_ids]
    said = [f"Most urgent: {rings[0].statement}"] if rings else [f.statement for f in findings[:1] if f not in rest]
    return " ".join([*said, *(f.statement for f in rest)])
