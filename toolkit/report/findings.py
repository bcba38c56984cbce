"""From tables to statements: each with its likelihood, its confidence, its evidence and what else could explain it.

Statements come from rows, never from judgement in a template: the same tables give the same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from toolkit.errors import visible
from toolkit.model.case import Finding
from toolkit.model.confidence import Confidence, Level, Likelihood
from toolkit.model.tables import Expansion, Findings, conform
from toolkit.report.known import KnownRings, draft_known
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words, say_family, say_fault

__all__ = [
    "bottom_line",
    "find_data_gaps",
    "find_linked_set",
    "find_ring_findings",
    "findings_table",
    "is_absent",
    "number_findings",
]

_HUBS_NAMED = 5
_LEADS = ("linked_set", "return_attempt", "infra_overlap_unrelated_orgs", "template_family", "null_result")
_NOT_ACTION = "do not action"
_RARE = 0.05
"""A count that chance reaches in fewer shuffles than this deserves a look."""
_FINDING = dict[str, object]


def is_absent() -> pl.Expr:
    """Return the rows of an expansion that stand for seeds without a single observation.

    Examples
    --------
    >>> rows = pl.DataFrame({"reason": ["seed does not occur in these data", "shares ip x"]})
    >>> rows.select(is_absent())["reason"].to_list()
    [True, False]
    """
    return pl.col("reason").str.starts_with("seed does not occur")


def find_ring_findings(
    expansion: pl.DataFrame,
    *,
    seeds: Sequence[str],
    hubs: pl.DataFrame,
    actions: pl.DataFrame,
    ledger: pl.DataFrame,
    quality: pl.DataFrame,
    missing_tables: Sequence[str] = (),
    chance: pl.DataFrame | None = None,
    window_s: float = 60.0,
    names: Names | None = None,
    known: KnownRings | None = None,
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
    actions : polars.DataFrame
        Contract ``Actions``: who is to be left alone.
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
    names : Names, optional
        What values are called; by default by themselves.
    known : KnownRings, optional
        The set beside the rings that the team knows.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ... in the order of the report.

    Examples
    --------
    >>> from toolkit.model.tables import Actions, Hubs, Ledger, Quality, empty
    >>> found = find_ring_findings(empty(Expansion), seeds=["a"], hubs=empty(Hubs), actions=empty(Actions),
    ...                            ledger=empty(Ledger), quality=empty(Quality))
    >>> [f.type for f in found]
    ['null_result']
    """
    rows = conform(expansion, Expansion)
    drafts: list[_FINDING] = []
    drafts += _linked_set(rows, seeds)
    drafts += draft_known(known) if known is not None else []
    drafts += _doubted_seeds(rows, seeds)
    drafts += _left_alone(actions, seeds)
    drafts += _explained_hubs(rows, hubs, names or Names("none"))
    if chance is not None:
        drafts += _synchrony(chance, window_s)
    drafts += _absent_seeds(rows, seeds)
    drafts += _gaps(ledger, quality, missing_tables)
    return number_findings(drafts)


def number_findings(drafts: Sequence[Mapping[str, object]], gaps: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """Number findings in the order of the report.

    Parameters
    ----------
    drafts : sequence of mapping
        Fields of :class:`toolkit.model.case.Finding`, but for the id.
    gaps : sequence of Finding
        Numbered elsewhere (:func:`find_data_gaps`), to stand last.

    Returns
    -------
    tuple of Finding
        F1, F2, ...

    Examples
    --------
    >>> said = {"type": "null_result", "statement": "Nothing.", "confidence": "high", "basis": "read whole"}
    >>> [finding.finding_id for finding in number_findings([said, said])]
    ['F1', 'F2']
    """
    told = [*drafts, *(gap.model_dump(exclude={"finding_id"}) for gap in gaps)]
    return tuple(Finding.model_validate({**draft, "finding_id": f"F{i}"}) for i, draft in enumerate(told, 1))


def find_linked_set(expansion: pl.DataFrame, seeds: Sequence[str]) -> Finding:
    """State who belongs with the seeds, or that nobody does: the first finding of a ring report.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.
    seeds : sequence of str
        As the escalation named them.

    Returns
    -------
    Finding
        ``linked_set`` or ``null_result``.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> find_linked_set(empty(Expansion), ["a"]).statement
    '0 of 1 seed occur in the data; there is nothing to follow.'
    """
    return Finding.model_validate({"finding_id": "F1", **_linked_set(conform(expansion, Expansion), seeds)[0]})


def find_data_gaps(
    ledger: pl.DataFrame, quality: pl.DataFrame, missing_tables: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """State what the data could not show, as every report has to.

    Parameters
    ----------
    ledger, quality : polars.DataFrame
        Contracts ``Ledger`` and ``Quality``.
    missing_tables : sequence of str
        Canonical tables that were not there.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ...

    Examples
    --------
    >>> from toolkit.model.tables import Ledger, Quality, empty
    >>> [f.type for f in find_data_gaps(empty(Ledger), empty(Quality), ["payments"])]
    ['data_gap']
    """
    drafts = _gaps(ledger, quality, missing_tables)
    return number_findings(drafts)


def bottom_line(findings: Sequence[Finding], actions: pl.DataFrame, seeds: Sequence[str] = ()) -> str:
    """Say in a few sentences what a policy lead must know.

    Parameters
    ----------
    findings : sequence of Finding
    actions : polars.DataFrame
        Contract ``Actions``.
    seeds : sequence of str
        Not counted among those who only look linked.

    Returns
    -------
    str

    Examples
    --------
    >>> from toolkit.model.tables import Actions, empty
    >>> bottom_line((), empty(Actions))
    'Nothing was found. No action is proposed.'
    """
    first = [f for f in findings if f.type in _LEADS][:1]
    said = first[0].statement if first else "Nothing was found."
    said += "".join(f" {f.statement}" for f in findings if f.type in ("seed_rejected", "known_ring"))
    counts = dict(actions.group_by("rung").len().sort("rung").iter_rows())
    proposed = [f"{rung} for {count_of(n, 'account')}" for rung, n in counts.items() if rung != _NOT_ACTION]
    spared = actions.filter((pl.col("rung") == _NOT_ACTION) & ~pl.col("account_id").is_in(list(seeds))).height
    said += f" Proposed: {join_words(proposed)}." if proposed else " No action is proposed."
    return said + (f" {count_of(spared, 'account')} to leave alone." if spared else "")


def findings_table(findings: Sequence[Finding]) -> pl.DataFrame:
    """Write findings as the contract ``Findings``, in the order given.

    Examples
    --------
    >>> findings_table([]).height
    0
    """
    schema = {name: column.dtype for name, column in Findings.columns().items()}
    return conform(pl.DataFrame([f.model_dump(mode="json") for f in findings], schema=schema), Findings)


_PLACE = 0.05
"""Share of the evidence under which values made for one person are as good as absent."""


def _linked_set(rows: pl.DataFrame, seeds: Sequence[str]) -> list[_FINDING]:
    known = sorted(set(seeds))
    is_seed = pl.col("account_id").is_in(known)
    joined = rows.filter(pl.col("included") & ~is_seed)
    present = rows.filter(is_seed & ~is_absent()).height
    kept = rows.filter(is_seed & pl.col("included")).height
    if joined.is_empty():
        occur = f"{present} of {count_of(len(known), 'seed')} {'occurs' if present == 1 else 'occur'} in the data"
        none = (
            "no other account shares more with them than chance explains" if present else "there is nothing to follow"
        )
        return [
            {
                "type": "null_result",
                "statement": f"{occur}; {none}.",
                "confidence": Confidence.MODERATE if present else Confidence.HIGH,
                "basis": "everything recorded was compared; a ring that shares nothing recorded here would be missed"
                if present
                else "looked up as exact text in every table",
                "accounts": tuple(known),
                "alternatives": ("the members share only what these tables do not record", "the seeds act alone")
                if present
                else ("a typing error", "the accounts lie outside these extracts"),
                "next_check": "widen the window, add tables (payments, prompts), or give more seeds"
                if present
                else "check the ids against the escalation",
            }
        ]
    levels = joined.get_column("level").to_list()
    families = sorted({f for fs in joined.get_column("families").to_list() for f in fs})
    typical = Level(sorted(levels)[len(levels) // 2])
    with_whom = "the seed" if kept == 1 else f"the {kept} seeds"
    counted = [f"{count_of(levels.count(v), 'account')} at {v}" for v in sorted(set(levels), reverse=True)]
    common: _FINDING = {
        "type": "linked_set",
        "level": typical,
        "accounts": tuple(sorted(joined.get_column("account_id").to_list())),
        "evidence_ids": ("expansion.parquet", "links.parquet"),
    }
    basis = f"{count_of(len(families), 'family', 'families')} of evidence ({join_words(counted)})"
    shared = join_words(say_family(f) for f in families)
    if _exclusive_share(joined) < _PLACE:
        return [
            {
                **common,
                "statement": f"{count_of(joined.height, 'further account')} and {with_whom} have {shared} in common"
                " beyond chance, but hardly anything made for one person (a device, a card, a phone): one place or"
                " occasion (a campus, an office, an event) would explain it.",
                "confidence": Confidence.LOW,
                "basis": f"{basis}; values made for one person give under {_PLACE:.0%} of it",
                "alternatives": ("one campus or office", "one course or event", "one operator who is careful"),
                "next_check": "look for a contract, a course or an event, and for a value made for one person",
            }
        ]
    estimates = joined.get_column("precision_estimate").drop_nulls()
    if estimates.is_empty():
        return [
            {
                **common,
                "statement": f"{count_of(joined.height, 'further account')} may belong with {with_whom}, with {shared}"
                " in common. They were reached by supposing that near misses belong, so no likelihood is given.",
                "confidence": Confidence.LOW,
                "basis": basis,
                "alternatives": ("another operator who uses the same vendor", "strangers"),
                "next_check": "give a second seed",
            }
        ]
    precision = float(str(estimates.min()))
    many = joined.height >= 3 and len(families) >= 3
    confidence = Confidence.LOW if not many else Confidence.HIGH if typical >= Level.L3 else Confidence.MODERATE
    likelihood = Likelihood.from_probability(precision)
    verb = "account is" if joined.height == 1 else "accounts are"
    return [
        {
            **common,
            "statement": f"{_as_said(likelihood)} that {joined.height:,} further {verb} run together with"
            f" {with_whom}: they share {shared}.",
            "likelihood": likelihood,
            "confidence": confidence,
            "basis": f"{basis}; if the seeds are right, {_in_percent(precision)} of the accounts found are expected to"
            " be right",
            "alternatives": ("customers of one vendor or reseller", "one organisation", "victims of the same theft"),
            "next_check": "read the evidence of the three weakest members",
        }
    ]


def _exclusive_share(rows: pl.DataFrame) -> float:
    """Share of the evidence that values made for one person give."""
    evidence = rows.select("evidence").explode("evidence").drop_nulls().unnest("evidence")
    whole = float(evidence.get_column("bits").sum())
    return float(evidence.filter(pl.col("regime") == "unique").get_column("bits").sum()) / whole if whole else 0.0


def _as_said(likelihood: Likelihood) -> str:
    """The word of the likelihood as a sentence begins with it."""
    if likelihood in (Likelihood.ALMOST_NO_CHANCE, Likelihood.ROUGHLY_EVEN):
        return f"There is {'' if likelihood is Likelihood.ALMOST_NO_CHANCE else 'a '}{likelihood.value}"
    return f"It is {likelihood.value}"


def _in_percent(share: float) -> str:
    """A share that never claims more than it knows."""
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def _doubted_seeds(rows: pl.DataFrame, seeds: Sequence[str]) -> list[_FINDING]:
    out = rows.filter(pl.col("account_id").is_in(list(seeds)) & ~pl.col("included") & ~is_absent())
    doubted = out.get_column("account_id").to_list()
    if not doubted:
        return []
    verb = "shares" if len(doubted) == 1 else "share"
    return [
        {
            "type": "seed_rejected",
            "statement": f"{'Seed' if len(doubted) == 1 else 'Seeds'} {join_words(visible(a) for a in doubted)} {verb}"
            " nothing with the other seeds beyond chance.",
            "confidence": Confidence.MODERATE,
            "basis": "each seed was expanded alone; what the others lead to does not include it",
            "accounts": tuple(doubted),
            "alternatives": ("a typing error in the escalation", "a victim whose account was taken over"),
            "next_check": "ask the reporter where this account came from",
        }
    ]


def _absent_seeds(rows: pl.DataFrame, seeds: Sequence[str]) -> list[_FINDING]:
    absent = rows.filter(pl.col("account_id").is_in(list(seeds)) & is_absent()).get_column("account_id").to_list()
    if not absent or len(absent) == len(set(seeds)):
        return []  # where none occurs, the first finding says so
    return [
        {
            "type": "data_gap",
            "statement": f"{len(absent)} of {len(set(seeds))} seeds {'does' if len(absent) == 1 else 'do'} not occur in"
            f" the data: {', '.join(visible(a) for a in absent)}.",
            "confidence": Confidence.HIGH,
            "basis": "looked up as exact text in every table",
            "accounts": tuple(absent),
            "alternatives": ("a typing error", "the account lies outside these extracts"),
            "next_check": "check the ids against the escalation",
        }
    ]


def _explained_hubs(rows: pl.DataFrame, hubs: pl.DataFrame, names: Names) -> list[_FINDING]:
    """Hubs that the set itself touches: these would have pulled strangers in."""
    touched = (
        rows.filter("included")
        .select(pl.col("evidence"))
        .explode("evidence")
        .drop_nulls("evidence")
        .unnest("evidence")
        .select("kind", "value")
        .unique()
    )
    met = hubs.join(touched, on=["kind", "value"]).filter(pl.col("verdict") != "background")
    met = met.sort(["holders", "kind", "value"], descending=[True, False, False])
    if met.is_empty():
        return []
    named = [
        f"{names.full(kind, value, 30)} ({count_of(holders, 'holder')})"
        for kind, value, holders in met.head(_HUBS_NAMED).select("kind", "value", "holders").iter_rows()
    ]
    if met.height > len(named):
        named.append(f"{met.height - len(named)} more")
    one = met.height == 1
    return [
        {
            "type": "hub_explained",
            "statement": f"{count_of(met.height, 'value')} that the set uses {'is' if one else 'are'} shared so widely"
            f" that {'it was' if one else 'they were'} not followed: {join_words(named)}.",
            "confidence": Confidence.HIGH,
            "basis": "holders counted over all accounts",
            "evidence_ids": ("hubs.parquet",),
            "next_check": "add nobody who meets the set at such a value alone",
        }
    ]


def _left_alone(actions: pl.DataFrame, seeds: Sequence[str]) -> list[_FINDING]:
    near = actions.filter((pl.col("rung") == _NOT_ACTION) & ~pl.col("account_id").is_in(list(seeds)))
    if near.is_empty():
        return []
    one = near.height == 1
    return [
        {
            "type": "hub_explained",
            "statement": f"{count_of(near.height, 'account')} {'looks' if one else 'look'} linked and"
            f" {'is' if one else 'are'} left out: what {'it shares' if one else 'they share'} has an innocent reading.",
            "confidence": Confidence.MODERATE,
            "basis": "scored like the members, without being counted among them",
            "accounts": tuple(sorted(near.get_column("account_id").to_list())),
            "evidence_ids": ("expansion.parquet", "actions.parquet"),
            "alternatives": ("a member who is careful", "a neighbour, a colleague, a victim"),
            "next_check": "none, unless something new turns up; they are on the do-not-action list",
        }
    ]


def _synchrony(chance: pl.DataFrame, window_s: float) -> list[_FINDING]:
    """Pairs that act on the same objects at the same time, beside what chance gives; one co-share is never evidence."""
    found: list[_FINDING] = []
    for row in chance.iter_rows(named=True):
        once = row["min_objects"] == 1
        signal = not once and row["p"] <= _RARE and row["observed"] > 0
        share = "an object" if once else f"at least {row['min_objects']} objects"
        verdict = (
            "more than chance gives; these repeats deserve a look"
            if signal
            else f"{'more' if row['p'] <= _RARE else 'no more'} than chance gives; one shared object is never evidence"
            if once
            else "no more than chance gives, so this is not evidence that anybody acts together"
        )
        found.append(
            {
                "type": "burst" if signal else "null_result",
                "statement": f"{count_of(row['observed'], 'pair')} of accounts share {share} within {window_s:g}"
                f" seconds, against {row['chance_mean']:,.0f} on average by chance: {verdict}.",
                "confidence": Confidence.MODERATE,
                "basis": "the same events with accounts shuffled within each hour; as many pairs as observed came up in"
                f" {100 * row['p']:.0f} % of the shuffles",
                "evidence_ids": ("synchrony.parquet",),
                "alternatives": ("many people share popular things in the same minutes",),
                "next_check": "look at the pairs with most repeats" if signal else "none",
            }
        )
    return found


def _gaps(ledger: pl.DataFrame, quality: pl.DataFrame, missing: Sequence[str]) -> list[_FINDING]:
    found: list[_FINDING] = []
    lost, rows = (int(ledger.get_column(name).sum()) for name in ("quarantined", "rows"))
    if lost:
        found.append(
            {
                "type": "data_gap",
                "statement": f"{lost:,} of {count_of(rows, 'row')} could not be used and {'is' if lost == 1 else 'are'}"
                " set aside.",
                "confidence": Confidence.HIGH,
                "basis": "for every file: used + duplicate + set aside = rows",
                "evidence_ids": ("ledger.parquet", "quarantine.parquet"),
                "next_check": "read the reasons in quarantine.csv",
            }
        )
    severe = quality.filter(pl.col("severity") == "high")
    if severe.height:
        kinds = [say_fault(kind) for kind in sorted(set(severe.get_column("kind").to_list()))]
        found.append(
            {
                "type": "data_gap",
                "statement": f"The record has faults that limit what may be read from it: {join_words(kinds)}.",
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
                "statement": f"Not there: {join_words(missing)}; what only"
                f" {'this table records' if len(missing) == 1 else 'these tables record'} was not looked at.",
                "confidence": Confidence.HIGH,
                "basis": "the folder was read whole",
                "next_check": "ask for the extracts",
            }
        )
    return found
