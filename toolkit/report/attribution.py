"""An influence operation put together: readings that compete, actor to impact, the breakout scale."""

from __future__ import annotations

from typing import Final

import polars as pl

from toolkit.errors import InputError
from toolkit.report.hypotheses import mark_readings
from toolkit.report.personas import list_zones, say_zones
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words

__all__ = [
    "describe_breakout",
    "describe_narratives",
    "describe_operation",
    "describe_personas",
    "weigh_attribution",
]

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
    personas: pl.DataFrame,
    narratives: pl.DataFrame,
    texts: pl.DataFrame,
    hours: pl.DataFrame,
    batches: pl.DataFrame,
    together: pl.DataFrame,
) -> pl.DataFrame:
    """Mark readings of the set against what its personas show: analysis of competing hypotheses.

    Parameters
    ----------
    personas, hours, batches, together : polars.DataFrame
        From :mod:`toolkit.report.personas`. Batches count only where they are more than chance gives.
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
    >>> weigh_attribution(none, none, none, none, none, none).height
    0
    """
    wrote = personas.filter(pl.col("texts") > 0)
    if wrote.is_empty():
        return mark_readings({}, _READINGS, _HIGH, _LOW)
    mine = texts.filter(pl.col("account_id").is_in(wrote["account_id"].implode()))
    rare = mine.filter(pl.col("narrative").is_in(narratives.filter("rare")["narrative"].implode()))
    held = rare.group_by("account_id").agg(n=pl.col("narrative").n_unique()).filter(pl.col("n") >= 2).height
    figures = {
        "use two or more of the rare narratives": held / wrote.height,
        "write in two languages or more": wrote.filter(pl.col("languages").list.len() >= 2).height / wrote.height,
    }
    if together.height and together["speaks"][0]:
        spans = batches.select(batch_from="start_at", batch_to="end_at")
        within = mine.drop_nulls("narrative").join_where(
            spans, pl.col("event_at") >= pl.col("batch_from"), pl.col("event_at") <= pl.col("batch_to")
        )
        figures["took part in a batch"] = within["account_id"].n_unique() / wrote.height
    known = personas.drop_nulls("claimed")
    if known.height and list_zones(hours):
        off = known.filter(~pl.col("claimed").is_in(list_zones(hours))).height
        figures["claim a zone that the set's hours do not fit"] = off / known.height
    return mark_readings(figures, _READINGS, _HIGH, _LOW)


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
        The same, with ``own_hours`` and ``made_on`` (UTC, as text), in its order.

    Examples
    --------
    >>> row = {"zones": [["UTC+06:00"]], "zone_fits": [False], "languages": [["en"]], "created_at": [None]}
    >>> table = pl.DataFrame(row, schema_overrides={"created_at": pl.Datetime("us", "UTC")})
    >>> describe_personas(table).select("languages", "own_hours").rows()
    [('en', 'UTC+06:00')]
    """
    fits = pl.col("zone_fits")
    said = (
        pl.when(pl.col("zones").list.len() == 0).then(pl.lit("cannot tell"))
        .when(fits).then(pl.lit("the claim"))
        .otherwise(pl.col("zones").list.first())
    )  # fmt: skip
    made = pl.col("created_at").dt.strftime("%Y-%m-%d")
    return personas.with_columns(made.alias("made_on"), pl.col("languages").list.join(", "), own_hours=said)


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
    personas: pl.DataFrame, narratives: pl.DataFrame, hours: pl.DataFrame, batches: pl.DataFrame, impact: str
) -> pl.DataFrame:
    """Put the operation together: actor, behaviour, content, impact.

    Parameters
    ----------
    personas, hours, batches : polars.DataFrame
        From :mod:`toolkit.report.personas`.
    narratives : polars.DataFrame
        From :func:`toolkit.report.influence.find_narratives`.
    impact : str
        From :func:`describe_breakout`.

    Returns
    -------
    polars.DataFrame
        ``aspect``, ``what``: actor, behaviour, content, impact. Source of the order: François 2019, "Actors, behaviors,
        content: a disinformation ABC".

    Examples
    --------
    >>> personas = pl.DataFrame({"claimed": ["UTC-05:00"], "texts": [3], "languages": [["en"]]})
    >>> used = pl.DataFrame({"of_set": [1], "rare": [True]})
    >>> describe_operation(personas, used, pl.DataFrame(), pl.DataFrame(), "none")["what"].to_list()[:2]
    ['1 account; claims UTC-05:00; the hours of the set tell no zone', 'the set wrote in 0 batches']
    """
    claims = personas["claimed"].drop_nulls().unique().sort().to_list()
    said = f"claims {join_words(claims[:3])}" + (f" and {len(claims) - 3} more" if len(claims) > 3 else "")
    zones = list_zones(hours)
    fit = f"the hours of the set fit {say_zones(zones)}" if zones else "the hours of the set tell no zone"
    tongues = personas["languages"].explode().drop_nulls().unique().sort().to_list()
    used = narratives.filter(pl.col("of_set") > 0)
    rows = [
        ("actor", "; ".join([count_of(personas.height, "account"), said if claims else "no zone is claimed", fit])),
        ("behaviour", f"the set wrote in {count_of(batches.height, 'batch', 'batches')}"),
        ("content", f"{count_of(int(personas['texts'].sum()), 'text')}, {count_of(used.height, 'narrative')}, "
         f"{used.filter('rare').height:,} of them rare; languages: {join_words(tongues) or 'not recorded'}"),
        ("impact", impact),
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={"aspect": pl.String, "what": pl.String}, orient="row")
