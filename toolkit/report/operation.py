"""An influence operation: what is said of the set, and what is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from toolkit.linking.expand import expand_from_seeds
from toolkit.linking.hubs import link_with_hubs
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung
from toolkit.model.tables import Expansion, Hubs, Links, empty
from toolkit.report.findings import number_findings
from toolkit.report.personas import list_zones, say_zones
from toolkit.settings import KINDS, Kind
from toolkit.views.words import count_of

__all__ = ["expand_set", "find_influence_findings", "propose_for_personas"]

_DRAFT = dict[str, object]


def expand_set(
    observations: pl.DataFrame, seeds: Sequence[str], *, kinds: Mapping[str, Kind] = KINDS
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Expand from seeds, and link whoever belongs; where nothing was observed, nobody does.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    seeds : sequence of str
    kinds : mapping of str to Kind
        Settings per kind.

    Returns
    -------
    tuple of polars.DataFrame
        Contracts ``Expansion``, ``Links`` and ``Hubs``, each in its order.

    Examples
    --------
    >>> from toolkit.model.tables import Observations
    >>> [table.height for table in expand_set(empty(Observations), ["a"])]
    [0, 0, 0]
    """
    if observations.is_empty():
        return empty(Expansion), empty(Links), empty(Hubs)
    expansion = expand_from_seeds(observations, seeds, kinds=kinds)
    members = expansion.filter("included")["account_id"].to_list()
    return expansion, *link_with_hubs(observations, kinds=kinds, accounts=members)


def propose_for_personas(base: Sequence[Action], candidates: pl.DataFrame) -> tuple[Action, ...]:
    """Propose steps: for the set as the expansion does, for further users of its narratives a watch.

    Parameters
    ----------
    base : sequence of Action
        From :func:`toolkit.linking.recommend.propose_actions`.
    candidates : polars.DataFrame
        From :func:`toolkit.report.influence.find_candidates`.

    Returns
    -------
    tuple of Action
        Those of the expansion first, then candidates by account_id: two narratives are watched, one is left alone.

    Examples
    --------
    >>> rows = pl.DataFrame({"account_id": ["x", "y"], "shared": [2, 1], "firm": [True, False]})
    >>> [(action.account_id, action.rung.value) for action in propose_for_personas((), rows)]
    [('x', 'monitor'), ('y', 'do not action')]
    """
    held = {row["account_id"]: row for row in candidates.sort("account_id").to_dicts()}
    # What the narratives add outweighs the expansion's "leave alone", and nothing else of it.
    kept = [
        action for action in base if action.rung is not Rung.NONE or not held.get(action.account_id, {}).get("firm")
    ]
    have = {action.account_id for action in kept}
    made = [
        Action(
            account_id=account, rung=Rung.MONITOR if row["firm"] else Rung.NONE, level=Level.L1,
            reasons=(f"uses {count_of(row['shared'], 'rare narrative')} of the set",),
            innocent_explanation="somebody who shares the cause, or a text that went round",
        )
        for account, row in held.items()
        if account not in have
    ]  # fmt: skip
    return (*kept, *made)


def find_influence_findings(
    around: Sequence[Finding],
    *,
    personas: pl.DataFrame,
    narratives: pl.DataFrame,
    candidates: pl.DataFrame,
    hours: pl.DataFrame,
    together: pl.DataFrame,
    indicators: pl.DataFrame,
    asked: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """State what the set writes, beside what the expansion found.

    Parameters
    ----------
    around : sequence of Finding
        From :func:`toolkit.report.findings.find_ring_findings`.
    personas, hours, together : polars.DataFrame
        From :mod:`toolkit.report.personas`.
    narratives, candidates, indicators : polars.DataFrame
        From :mod:`toolkit.report.influence`.
    asked : sequence of str
        Narratives that the escalation names.

    Returns
    -------
    tuple of Finding
        Numbered anew; gaps in the data stay last.

    Examples
    --------
    >>> from toolkit.report.influence import find_candidates, find_indicators, find_narratives, take_texts
    >>> texts, none = take_texts(None), pl.DataFrame(schema={"claimed": pl.String})
    >>> used = find_narratives(texts, [])
    >>> said = find_influence_findings(
    ...     (), personas=none, narratives=used, candidates=find_candidates(texts, used, []), hours=pl.DataFrame(),
    ...     together=pl.DataFrame(), indicators=find_indicators(texts, []))
    >>> said[0].type, said[-1].type
    ('null_result', 'data_gap')
    """
    drafts = [
        *_narratives(narratives, candidates), *_claims(personas, hours), *_together(together),
        *_asked(narratives, asked), *_traces(indicators),
    ]  # fmt: skip
    rest = [finding.model_dump(exclude={"finding_id"}) for finding in around]
    drafts[1:1] = [draft for draft in rest if draft["type"] != "data_gap"]
    drafts += [
        {
            "type": "data_gap",
            "statement": "Nothing here records what was posted elsewhere: the lag from writing to posting, and the "
            "reach, cannot be measured.",
            "confidence": Confidence.HIGH, "basis": "no table holds posts", "next_check": "ask the platforms",
        },
        *(draft for draft in rest if draft["type"] == "data_gap"),
    ]  # fmt: skip
    return number_findings(drafts)


def _narratives(narratives: pl.DataFrame, candidates: pl.DataFrame) -> list[_DRAFT]:
    shared = narratives.filter(pl.col("rare") & (pl.col("in_all") >= 2) & (pl.col("of_set") > 0))
    if shared.is_empty():
        return [{
            "type": "null_result", "confidence": Confidence.MODERATE,
            "statement": "The accounts use no rare narrative that any other account uses too.",
            "basis": "templates, or families of near-identical text; a paraphrase of every text is missed",
            "next_check": "read a sample of the texts",
        }]  # fmt: skip
    firm = candidates.filter("firm")
    tongues = shared["languages"].explode().drop_nulls().n_unique()
    once = candidates.height - firm.height
    said = f"{count_of(shared.height, 'rare narrative')} in {count_of(tongues, 'language')} "
    said += f"{'is' if shared.height == 1 else 'are'} shared; "
    said += count_of(firm.height, "further account uses", "further accounts use")
    said += f" two or more of them, and {once:,} one only."
    return [{
        "type": "template_family", "statement": said, "confidence": Confidence.MODERATE, "level": Level.L1,
        "basis": "a narrative counts as rare if at most 30 accounts use it; one alone may have gone round",
        "accounts": tuple(firm["account_id"].sort().to_list()),
        "evidence_ids": ("narratives.parquet", "candidates.parquet"),
        "alternatives": ("supporters of one cause", "an agency's customers", "a text that went round"),
        "next_check": "read their texts, and give those that belong as seeds",
    }]  # fmt: skip


def _claims(personas: pl.DataFrame, hours: pl.DataFrame) -> list[_DRAFT]:
    known, zones = personas.drop_nulls("claimed"), list_zones(hours)
    if known.is_empty() or not zones:
        return [{
            "type": "null_result", "confidence": Confidence.LOW,
            "statement": "Whether the accounts live where they say cannot be told.",
            "basis": "no zone is declared, or the hours of the set fit every zone", "next_check": "widen the window",
        }]  # fmt: skip
    off = known.filter(~pl.col("claimed").is_in(zones))
    common: _DRAFT = {
        "evidence_ids": ("hours.parquet", "personas.parquet"), "confidence": Confidence.MODERATE,
        "basis": f"the hours of the set as one life: {int(hours['n'][0]):,} events on {int(hours['days'][0]):,} days",
    }  # fmt: skip
    if 2 * off.height <= known.height:
        return [{
            **common, "type": "null_result",
            "statement": f"{known.height - off.height:,} of {count_of(known.height, 'account')} claim a zone that the "
            "hours of the set fit.",
            "next_check": "none",
        }]  # fmt: skip
    return [{
        **common, "type": "linked_set", "likelihood": Likelihood.LIKELY, "level": Level.L1,
        "statement": f"It is {Likelihood.LIKELY.value} that the set works elsewhere than it claims: {off.height:,} of "
        f"{count_of(known.height, 'account')} claim a zone that its hours do not fit: they fit {say_zones(zones)}.",
        "accounts": tuple(off["account_id"].sort().to_list()),
        "alternatives": ("night workers", "people abroad", "several crews in several zones"),
        "next_check": "hold single accounts with many events against the set",
    }]  # fmt: skip


def _together(together: pl.DataFrame) -> list[_DRAFT]:
    if together.is_empty():
        return [{
            "type": "null_result", "confidence": Confidence.HIGH, "basis": "four accounts and ten turns are asked for",
            "statement": "Too few accounts of the set wrote too few texts to tell whether they write together.",
            "next_check": "run again with the further accounts as seeds",
        }]  # fmt: skip
    row = together.row(0, named=True)
    said = f"{count_of(int(row['together']), 'pair')} of turns of different accounts lie within the hour, against "
    said += f"{row['by_chance']:,.1f} by chance"
    return [{
        "type": "burst" if row["speaks"] else "null_result",
        "statement": f"{said}: {'they write together' if row['speaks'] else 'that is no sign of batches'}.",
        "confidence": Confidence.MODERATE, "evidence_ids": ("batches.parquet",),
        "basis": f"199 shuffles that move each turn by up to six hours; p = {row['p']:.2g}",
        "alternatives": ("an event that everybody writes about",), "next_check": "read the batches side by side",
    }]  # fmt: skip


def _asked(narratives: pl.DataFrame, asked: Sequence[str]) -> list[_DRAFT]:
    if not asked:
        return []
    found = narratives.filter("asked")
    return [{
        "type": "template_family" if found.height else "null_result",
        "statement": f"What the escalation names occurs in {count_of(found.height, 'narrative')}, "
        f"{found.filter(pl.col('of_set') > 0).height:,} of them used by the set.",
        "confidence": Confidence.MODERATE, "basis": "looked up as ids and as words, letters alike in either case",
        "evidence_ids": ("narratives.parquet",), "next_check": "look for other words of the same",
    }]  # fmt: skip


def _traces(indicators: pl.DataFrame) -> list[_DRAFT]:
    if indicators.filter("rare").is_empty():
        common = f", and {count_of(indicators.height, 'place')} that many others name too" if indicators.height else ""
        return [{
            "type": "null_result", "confidence": Confidence.MODERATE,
            "statement": f"The texts name no rare web address, domain, handle or platform{common}.",
            "basis": "looked for in every text of the set; pictures and tools were not", "next_check": "none",
        }]  # fmt: skip
    return [{
        "type": "coverage_gap", "confidence": Confidence.MODERATE,
        "statement": f"The texts name {count_of(indicators.filter('rare').height, 'place')} elsewhere that few others "
        "name; what happens there is not in these data.",
        "basis": "found in the texts, broken up here", "evidence_ids": ("indicators.parquet",),
        "next_check": "share them with the platforms concerned",
    }]  # fmt: skip
