"""An influence operation put together: readings that compete, actor to impact, the breakout scale, steps, findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from toolkit.errors import InputError
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung
from toolkit.report.hypotheses import mark_readings
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words

__all__ = [
    "describe_breakout",
    "describe_narratives",
    "describe_operation",
    "describe_personas",
    "find_influence_findings",
    "propose_for_personas",
    "weigh_attribution",
]

_DRAFT = dict[str, object]
_READINGS: Final = ("one crew", "supporters of one cause", "an agency's customers", "a text that went round")
_HIGH: Final = {
    "use two or more of the rare narratives": ("+", "+", "+", "−"),
    "write in two languages or more": ("+", "−", "+", "0"),
    "claim a zone that the set's hours do not fit": ("+", "−", "0", "−"),
    "took part in a batch": ("+", "−", "+", "−"),
}
_LOW: Final = {
    "use two or more of the rare narratives": ("−", "0", "0", "+"),
    "write in two languages or more": ("0", "+", "0", "0"),
    "claim a zone that the set's hours do not fit": ("0", "+", "0", "+"),
    "took part in a batch": ("−", "+", "0", "+"),
}
_BREAKOUT: Final = (
    "one platform, and nobody outside the community that it began in",
    "several platforms without spreading on any, or spreading on a single one",
    "several platforms, and spreading on each",
    "taken up by media outside social platforms",
    "amplified by people of wide reach",
    "a response of policy, or a call to violence",
)


def weigh_attribution(
    personas: pl.DataFrame, narratives: pl.DataFrame, texts: pl.DataFrame, hours: pl.DataFrame, batches: pl.DataFrame
) -> pl.DataFrame:
    """Mark readings of the set against what its personas show: analysis of competing hypotheses.

    Parameters
    ----------
    personas, hours, batches : polars.DataFrame
        From :mod:`toolkit.report.personas`.
    narratives, texts : polars.DataFrame
        From :mod:`toolkit.report.influence`.

    Returns
    -------
    polars.DataFrame
        As :func:`toolkit.report.hypotheses.mark_readings`; empty where nobody of the set wrote anything. A reading is
        kept by what fails to contradict it. Whether the texts were paid for, or by whom, no table can say.

    Examples
    --------
    >>> none = pl.DataFrame(schema={"account_id": pl.String, "texts": pl.Int64})
    >>> weigh_attribution(none, none, none, none, none).height
    0
    """
    wrote = personas.filter(pl.col("texts") > 0)
    if wrote.is_empty():
        return mark_readings({}, _READINGS, _HIGH, _LOW)
    mine = texts.filter(pl.col("account_id").is_in(wrote["account_id"].implode()))
    rare = mine.filter(pl.col("narrative").is_in(narratives.filter("rare")["narrative"].implode()))
    held = rare.group_by("account_id").agg(n=pl.col("narrative").n_unique()).filter(pl.col("n") >= 2).height
    spans = batches.select(batch_from="start_at", batch_to="end_at")
    within = mine.drop_nulls("narrative").join_where(
        spans, pl.col("event_at") >= pl.col("batch_from"), pl.col("event_at") <= pl.col("batch_to")
    )
    figures = {
        "use two or more of the rare narratives": held / wrote.height,
        "write in two languages or more": wrote.filter(pl.col("languages").list.len() >= 2).height / wrote.height,
        "took part in a batch": within["account_id"].n_unique() / wrote.height,
    }
    known = personas.drop_nulls("claimed")
    if known.height and _zones(hours):
        off = known.filter(~pl.col("claimed").is_in(_zones(hours))).height
        figures["claim a zone that the set's hours do not fit"] = off / known.height
    return mark_readings(figures, _READINGS, _HIGH, _LOW)


def _zones(hours: pl.DataFrame) -> list[str]:
    """The zones that the hours of the whole set are consistent with."""
    return list(hours["zones"][0]) if hours.height else []


def describe_narratives(narratives: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return the narratives for people: each by its name, and its languages in a line.

    Parameters
    ----------
    narratives : polars.DataFrame
        From :func:`toolkit.report.influence.find_narratives`.
    names : Names

    Returns
    -------
    polars.DataFrame
        The same, in its order.

    Examples
    --------
    >>> rows = pl.DataFrame({"narrative": ["tpl_1"], "languages": [["en", "ru"]]})
    >>> describe_narratives(rows, Names("none")).rows()
    [('tpl_1', 'en, ru')]
    """
    said = [names.short("prompt_template", value) for value in narratives["narrative"].to_list()]
    return narratives.with_columns(pl.Series("narrative", said, dtype=pl.String), pl.col("languages").list.join(", "))


def describe_personas(personas: pl.DataFrame) -> pl.DataFrame:
    """Return the personas for people: languages in a line, and what their own hours say of the zone they claim.

    Parameters
    ----------
    personas : polars.DataFrame
        From :func:`toolkit.report.personas.profile_personas`.

    Returns
    -------
    polars.DataFrame
        The same, with ``own_hours``, in its order.

    Examples
    --------
    >>> describe_personas(pl.DataFrame({"zones": [["UTC+06:00"]], "zone_fits": [False], "languages": [["en"]]})).rows()
    [(['UTC+06:00'], False, 'en', 'others: UTC+06:00')]
    """
    fits = pl.col("zone_fits")
    said = (
        pl.when(pl.col("zones").list.len() == 0).then(pl.lit("cannot tell"))
        .when(fits).then(pl.lit("the claim"))
        .when(~fits).then(pl.format("others: {}", pl.col("zones").list.first()))
        .otherwise(pl.col("zones").list.first())
    )  # fmt: skip
    return personas.with_columns(pl.col("languages").list.join(", "), own_hours=said)


def describe_breakout(breakout: int) -> str:
    """Say what a category of the breakout scale means; the analyst gives it, no table can.

    Parameters
    ----------
    breakout : int
        1 to 6.

    Returns
    -------
    str
        Source: Nimmo 2020, "The breakout scale: measuring the impact of influence operations", Brookings.

    Raises
    ------
    InputError
        If there is no such category.

    Examples
    --------
    >>> describe_breakout(1)
    'Category 1 of 6, as the analyst gives it: one platform, and nobody outside the community that it began in.'
    """
    if not 1 <= breakout <= len(_BREAKOUT):
        raise InputError(f"breakout is {breakout}; want a category of the breakout scale, 1 to {len(_BREAKOUT)}")
    return f"Category {breakout} of {len(_BREAKOUT)}, as the analyst gives it: {_BREAKOUT[breakout - 1]}."


def describe_operation(
    personas: pl.DataFrame, narratives: pl.DataFrame, hours: pl.DataFrame, batches: pl.DataFrame, breakout: int
) -> pl.DataFrame:
    """Put the operation together: actor, behaviour, content, impact.

    Parameters
    ----------
    personas, hours, batches : polars.DataFrame
        From :mod:`toolkit.report.personas`.
    narratives : polars.DataFrame
        From :func:`toolkit.report.influence.find_narratives`.
    breakout : int
        Category of the breakout scale.

    Returns
    -------
    polars.DataFrame
        ``aspect``, ``what``: actor, behaviour, content, impact. Source of the order: François 2019, "Actors, behaviors,
        content: a disinformation ABC".

    Raises
    ------
    InputError
        If there is no such category.

    Examples
    --------
    >>> personas = pl.DataFrame({"claimed": ["UTC-05:00"], "texts": [3], "languages": [["en"]]})
    >>> used = pl.DataFrame({"of_set": [1], "rare": [True]})
    >>> describe_operation(personas, used, pl.DataFrame(), pl.DataFrame(), 1)["what"].to_list()[:2]
    ['1 account; claims UTC-05:00; the hours of the set tell no zone', 'the set wrote in 0 batches']
    """
    claims = personas["claimed"].drop_nulls().unique().sort().to_list()
    said = f"claims {join_words(claims[:3])}" + (f" and {len(claims) - 3} more" if len(claims) > 3 else "")
    zones = _zones(hours)
    fit = f"the hours of the set fit {_say_zones(zones)}" if zones else "the hours of the set tell no zone"
    tongues = personas["languages"].explode().drop_nulls().unique().sort().to_list()
    used = narratives.filter(pl.col("of_set") > 0)
    rows = [
        ("actor", "; ".join([count_of(personas.height, "account"), said if claims else "no zone is claimed", fit])),
        ("behaviour", f"the set wrote in {count_of(batches.height, 'batch', 'batches')}"),
        ("content", f"{count_of(int(personas['texts'].sum()), 'text')}, {count_of(used.height, 'narrative')}, "
         f"{used.filter('rare').height:,} of them rare; languages: {join_words(tongues) or 'not recorded'}"),
        ("impact", describe_breakout(breakout)),
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={"aspect": pl.String, "what": pl.String}, orient="row")


def _say_zones(zones: Sequence[str]) -> str:
    """The zones in order of their offset: at most three by name."""
    ordered = sorted(
        zones, key=lambda zone: (zone[3] == "+", int(zone[4:6] + zone[7:9]) * (1 if zone[3] == "+" else -1))
    )
    return join_words(ordered) if len(ordered) <= 3 else f"{len(ordered)} zones, the likeliest {zones[0]}"


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
    return tuple(Finding.model_validate({"finding_id": f"F{i}", **draft}) for i, draft in enumerate(drafts, 1))


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
        "next_check": "run again with the further accounts as seeds",
    }]  # fmt: skip


def _claims(personas: pl.DataFrame, hours: pl.DataFrame) -> list[_DRAFT]:
    known, zones = personas.drop_nulls("claimed"), _zones(hours)
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
        f"{count_of(known.height, 'account')} claim a zone that its hours do not fit: they fit {_say_zones(zones)}.",
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
    if indicators.is_empty():
        return [{
            "type": "null_result", "confidence": Confidence.MODERATE,
            "statement": "The texts name no web address, domain, handle or platform.",
            "basis": "looked for in every text of the set; pictures and tools were not", "next_check": "none",
        }]  # fmt: skip
    return [{
        "type": "coverage_gap", "confidence": Confidence.MODERATE,
        "statement": f"The texts name {count_of(indicators.height, 'place')} elsewhere; what happens there is not in "
        "these data.",
        "basis": "found in the texts, broken up here", "evidence_ids": ("indicators.parquet",),
        "next_check": "share them with the platforms concerned",
    }]  # fmt: skip
