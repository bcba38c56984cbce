"""From tables to statements: each with its likelihood, its confidence, its evidence and what else could explain it.

Statements come from rows, never from judgement in a template: the same tables give the same sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from toolkit.errors import visible
from toolkit.model.case import Finding
from toolkit.model.confidence import Confidence, Level, Likelihood
from toolkit.model.tables import Expansion, Findings, conform

__all__ = ["bottom_line", "find_ring_findings", "findings_table"]

_HUBS_NAMED = 5


def find_ring_findings(
    expansion: pl.DataFrame,
    *,
    seeds: Sequence[str],
    hubs: pl.DataFrame,
    ledger: pl.DataFrame,
    quality: pl.DataFrame,
    missing_tables: Sequence[str] = (),
    chance: pl.DataFrame | None = None,
    window_s: float = 60.0,
) -> tuple[Finding, ...]:
    """State what an expansion found, what it did not, and what the data could not show.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.
    seeds : sequence of str
        As the escalation named them.
    hubs : polars.DataFrame
        Contract ``Hubs``.
    ledger : polars.DataFrame
        Contract ``Ledger``.
    quality : polars.DataFrame
        Contract ``Quality``.
    missing_tables : sequence of str
        Canonical tables that were not there.
    chance : polars.DataFrame, optional
        As :func:`toolkit.timeline.synchrony.count_chance_pairs` returns it.
    window_s : float
        The window behind ``chance``.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ... in the order of the report.

    Examples
    --------
    >>> from toolkit.model.tables import Hubs, Ledger, Quality, empty
    >>> found = find_ring_findings(empty(Expansion), seeds=["a"], hubs=empty(Hubs), ledger=empty(Ledger),
    ...                            quality=empty(Quality))
    >>> [f.type for f in found]
    ['null_result']
    """
    rows = conform(expansion, Expansion)
    drafts: list[dict[str, object]] = []
    drafts += _linked_set(rows, seeds)
    drafts += _rejected_seeds(rows, seeds)
    drafts += _explained_hubs(rows, hubs)
    drafts += _left_out(rows)
    if chance is not None:
        drafts += _synchrony(chance, window_s)
    drafts += _gaps(ledger, quality, missing_tables)
    return tuple(
        Finding.model_validate({"finding_id": f"F{number}", **draft}) for number, draft in enumerate(drafts, 1)
    )


def bottom_line(findings: Sequence[Finding], actions: pl.DataFrame) -> str:
    """Say in two or three sentences what a policy lead must know.

    Examples
    --------
    >>> bottom_line((), pl.DataFrame({"rung": []}, schema={"rung": pl.String}))
    'Nothing was found. No action is proposed.'
    """
    first = [f for f in findings if f.type in ("linked_set", "null_result")][:1]
    said = first[0].statement if first else "Nothing was found."
    doubted = [f for f in findings if f.type == "seed_rejected"]
    said += "".join(f" {f.statement}" for f in doubted)
    counts = dict(actions.group_by("rung").len().sort("rung").iter_rows())
    proposed = ", ".join(f"{rung} {n}" for rung, n in counts.items() if rung != "do not action")
    spared = counts.get("do not action", 0)
    said += f" Proposed: {proposed}." if proposed else " No action is proposed."
    return said + (f" {spared} look linked and should be left alone." if spared else "")


def findings_table(findings: Sequence[Finding]) -> pl.DataFrame:
    """Write findings as the contract ``Findings``, in the order given.

    Examples
    --------
    >>> findings_table([]).height
    0
    """
    schema = {name: column.dtype for name, column in Findings.columns().items()}
    return conform(pl.DataFrame([f.model_dump(mode="json") for f in findings], schema=schema), Findings)


def _linked_set(rows: pl.DataFrame, seeds: Sequence[str]) -> list[dict[str, object]]:
    known = set(seeds)
    joined = rows.filter(pl.col("included") & ~pl.col("account_id").is_in(sorted(known)))
    present = rows.filter(pl.col("account_id").is_in(sorted(known)) & (pl.col("reason") != _ABSENT)).height
    if joined.is_empty():
        return [
            {
                "type": "null_result",
                "statement": f"{present} of {len(known)} seeds occur in the data; no other account shares with them what chance"
                " would not explain.",
                "confidence": Confidence.MODERATE if present else Confidence.HIGH,
                "basis": "every mapped indicator was compared; a ring that shares nothing recorded here would be missed",
                "accounts": tuple(sorted(known)),
                "alternatives": ("the members share only what these tables do not record", "the seeds act alone"),
                "next_check": "widen the window, add tables (payments, prompts), or give more seeds",
            }
        ]
    precision = float(str(joined.get_column("precision_estimate").drop_nulls().min()))
    levels = joined.get_column("level").to_list()
    families = sorted({f for fs in joined.get_column("families").to_list() for f in fs})
    typical = Level(sorted(levels)[len(levels) // 2])
    enough = joined.height >= 3 and len(families) >= 3
    said = "account is" if joined.height == 1 else "accounts are"
    return [
        {
            "type": "linked_set",
            "statement": f"It is {Likelihood.from_probability(precision).value} that {joined.height} further {said}"
            f" run together with the {present} seeds: they share {', '.join(families)} evidence.",
            "likelihood": Likelihood.from_probability(precision),
            "confidence": Confidence.HIGH
            if enough and typical >= Level.L3
            else Confidence.MODERATE
            if enough
            else Confidence.LOW,
            "basis": f"{len(families)} families of evidence; estimated precision {precision:.3f}, given that the seeds are right;"
            f" levels {', '.join(f'{level} {levels.count(level)}' for level in sorted(set(levels)))}",
            "level": typical,
            "accounts": tuple(sorted(joined.get_column("account_id").to_list())),
            "evidence_ids": ("expansion.parquet", "links.parquet"),
            "alternatives": ("customers of one vendor or reseller", "one organisation", "victims of the same theft"),
            "next_check": "read the three weakest members' evidence, and one of each family",
        }
    ]


_ABSENT = "seed does not occur in these data"


def _rejected_seeds(rows: pl.DataFrame, seeds: Sequence[str]) -> list[dict[str, object]]:
    out = rows.filter(pl.col("account_id").is_in(list(seeds)) & ~pl.col("included"))
    absent = out.filter(pl.col("reason") == _ABSENT).get_column("account_id").to_list()
    doubted = out.filter(pl.col("reason") != _ABSENT).get_column("account_id").to_list()
    found: list[dict[str, object]] = []
    if doubted:
        named = ", ".join(visible(a) for a in doubted)
        found.append(
            {
                "type": "seed_rejected",
                "statement": f"Seed {named} shares nothing with the other seeds beyond chance.",
                "confidence": Confidence.MODERATE,
                "basis": "each seed was expanded alone; the set of the others does not find it",
                "accounts": tuple(doubted),
                "alternatives": ("a typing error in the escalation", "a victim whose account was taken over"),
                "next_check": "ask the reporter where this account came from",
            }
        )
    if absent:
        found.append(
            {
                "type": "data_gap",
                "statement": f"{len(absent)} of {len(set(seeds))} seeds do not occur in the data: "
                + ", ".join(visible(a) for a in absent)
                + ".",
                "confidence": Confidence.HIGH,
                "basis": "looked up as exact text in every table",
                "accounts": tuple(absent),
                "alternatives": ("a typing error", "the account lies outside these extracts"),
                "next_check": "check the ids against the escalation",
            }
        )
    return found


def _explained_hubs(rows: pl.DataFrame, hubs: pl.DataFrame) -> list[dict[str, object]]:
    """Hubs that the set itself touches: these would have pulled strangers in."""
    touched = (
        rows.filter("included")
        .select(pl.col("evidence"))
        .explode("evidence")
        .unnest("evidence")
        .select("kind", "value")
        .unique()
    )
    met = hubs.join(touched, on=["kind", "value"]).filter(pl.col("verdict") != "background")
    met = met.sort(["holders", "kind", "value"], descending=[True, False, False])
    if met.is_empty():
        return []
    named = "; ".join(
        f"{kind} {visible(value, 30)} ({holders} holders, {verdict})"
        for value, kind, holders, verdict in met.head(_HUBS_NAMED)
        .select("value", "kind", "holders", "verdict")
        .iter_rows()
    )
    return [
        {
            "type": "hub_explained",
            "statement": f"{met.height} values that the set uses are shared so widely that they were not followed: {named}.",
            "confidence": Confidence.HIGH,
            "basis": "holders counted over all accounts",
            "evidence_ids": ("hubs.parquet",),
            "next_check": "look for a second family before adding anybody who meets the set only there",
        }
    ]


def _left_out(rows: pl.DataFrame) -> list[dict[str, object]]:
    near = rows.filter(~pl.col("included") & (pl.col("round") > 0) & (pl.col("probability") >= 0.05))
    if near.is_empty():
        return []
    one = near.filter(pl.col("reason").str.contains("one independent kind")).height
    return [
        {
            "type": "hub_explained",
            "statement": f"{near.height} accounts look linked and are left out: {one} share one independent kind only,"
            f" {near.height - one} share too little in all.",
            "confidence": Confidence.MODERATE,
            "basis": "scored like the members, without being counted among them",
            "accounts": tuple(sorted(near.get_column("account_id").to_list())),
            "evidence_ids": ("expansion.parquet",),
            "alternatives": ("a member who is careful", "a neighbour, a colleague, a victim"),
            "next_check": "none, unless something new turns up; they are on the do-not-action list",
        }
    ]


def _synchrony(chance: pl.DataFrame, window_s: float) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for row in chance.iter_rows(named=True):
        once = row["min_objects"] == 1
        signal = not once and row["p"] <= 0.05 and row["observed"] > 0
        share = "one object" if once else f"at least {row['min_objects']} objects"
        verdict = (
            "more than chance gives; the repeats, not the single co-shares, deserve a look"
            if signal
            else "no more than chance gives, so this is not evidence that anybody acts together"
        )
        found.append(
            {
                "type": "burst" if signal else "null_result",
                "statement": f"{row['observed']:,} pairs of accounts share {share} within {window_s:g} seconds, against"
                f" {row['chance_mean']:,.0f} on average when accounts are shuffled within the hour: {verdict}.",
                "confidence": Confidence.MODERATE,
                "basis": f"permutation within the hour, p = {row['p']:.3f}",
                "evidence_ids": ("synchrony.parquet",),
                "alternatives": ("many people share popular things in the same minutes",),
                "next_check": "look at pairs with repeats only" if signal else "none",
            }
        )
    return found


def _gaps(ledger: pl.DataFrame, quality: pl.DataFrame, missing: Sequence[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    lost = int(ledger.get_column("quarantined").sum()) if ledger.height else 0
    if lost:
        found.append(
            {
                "type": "data_gap",
                "statement": f"{lost:,} of {int(ledger.get_column('rows').sum()):,} rows could not be used and are set aside with"
                " their reasons.",
                "confidence": Confidence.HIGH,
                "basis": "accepted + duplicate + quarantined = rows, for every file",
                "evidence_ids": ("ledger.parquet", "quarantine.parquet"),
                "next_check": "read the reasons in quarantine.parquet",
            }
        )
    severe = quality.filter(pl.col("severity") == "high")
    if severe.height:
        kinds = ", ".join(sorted(set(severe.get_column("kind").to_list())))
        found.append(
            {
                "type": "data_gap",
                "statement": f"The record has faults that limit what may be read from it: {kinds}.",
                "confidence": Confidence.MODERATE,
                "basis": "found by comparing times, order and rates within each source",
                "evidence_ids": ("quality.parquet",),
                "next_check": "ask the owners of the sources",
            }
        )
    if missing:
        found.append(
            {
                "type": "data_gap",
                "statement": f"These tables were not there: {', '.join(missing)}; what only they record was not looked at.",
                "confidence": Confidence.HIGH,
                "basis": "the folder was read whole",
                "next_check": "ask for the extracts",
            }
        )
    return found
