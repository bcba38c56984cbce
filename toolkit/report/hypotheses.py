"""Analysis of competing hypotheses: what each reading predicts, and what the tables show.

After Heuer 1999: a hypothesis is kept by what fails to contradict it, so the last column counts contradictions, not
support. The marks come from figures by fixed rules; a person may disagree, and the figures are there to disagree with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from toolkit.model.tables import Expansion, conform
from toolkit.settings import KINDS

__all__ = ["mark_readings", "weigh_hypotheses"]

_READINGS = (
    "one operator",
    "one vendor's customers",
    "one organisation or household",
    "a text that went round",
    "victims of one theft",
)

# For each test: what each reading expects when the figure is high ("+" consistent, "−" contradicts, "0" says nothing).
_HIGH = {
    "share a machine or card made for one person": ("+", "0", "+", "−", "0"),
    "agree in what they do (texts, timing)": ("+", "0", "0", "+", "−"),
    "are tied by three families or more": ("+", "−", "0", "−", "−"),
    "are tied through an organisation they belong to": ("0", "0", "+", "0", "0"),
}
_LOW = {
    "share a machine or card made for one person": ("0", "0", "0", "+", "0"),
    "agree in what they do (texts, timing)": ("0", "+", "+", "−", "+"),
    "are tied by three families or more": ("0", "+", "0", "+", "+"),
    "are tied through an organisation they belong to": ("0", "0", "−", "0", "0"),
}


def weigh_hypotheses(expansion: pl.DataFrame) -> pl.DataFrame:
    """Mark every reading of a set against what its members share.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.

    Returns
    -------
    polars.DataFrame
        A row per test: ``members_that``, ``share`` of the members (0 to 1), then a column per reading with ``+``
        (consistent), ``−`` (contradicts) or ``0`` (says nothing); the last row counts contradictions. Empty where
        nobody joined.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> weigh_hypotheses(empty(Expansion)).height
    0
    """
    members = conform(expansion, Expansion).filter(pl.col("included"))
    if not members.filter(pl.col("round") > 0).height:
        return mark_readings({}, _READINGS, _HIGH, _LOW)
    unique = [kind.name for kind in KINDS.values() if kind.regime == "unique"]
    families = pl.col("families")
    sharp = pl.col("evidence").list.eval(
        pl.element().struct.field("kind").is_in(unique) & (pl.element().struct.field("bits") >= 6)
    )
    figures = {
        "share a machine or card made for one person": members.select(sharp.list.any().mean()).item(),
        "agree in what they do (texts, timing)": members.select(
            (families.list.contains("text") | families.list.contains("behav")).mean()
        ).item(),
        "are tied by three families or more": members.select((families.list.len() >= 3).mean()).item(),
        "are tied through an organisation they belong to": members.select(families.list.contains("org").mean()).item(),
    }
    return mark_readings(figures, _READINGS, _HIGH, _LOW)


def mark_readings(
    figures: Mapping[str, float],
    readings: Sequence[str],
    high: Mapping[str, Sequence[str]],
    low: Mapping[str, Sequence[str]],
) -> pl.DataFrame:
    """Mark readings against figures: a share of a half or more counts as high.

    Parameters
    ----------
    figures : mapping of str to float
        Test to share (0 to 1).
    readings : sequence of str
        What could be the case.
    high, low : mapping of str to sequence of str
        Test to the mark of each reading where the share is high, or low.

    Returns
    -------
    polars.DataFrame
        As :func:`weigh_hypotheses`; empty without figures.

    Examples
    --------
    >>> mark_readings({"same text": 0.9}, ["one crew", "strangers"], {"same text": "+−"}, {"same text": "00"}).rows()
    [('same text', 0.9, '+', '−'), ('contradictions, in all', None, '0', '1')]
    """
    schema = {"members_that": pl.String, "share": pl.Float64, **dict.fromkeys(readings, pl.String)}
    if not figures:
        return pl.DataFrame(schema=schema)
    rows = [(test, round(share, 4), *(high if share >= 0.5 else low)[test]) for test, share in figures.items()]
    against = [str(sum(row[2 + i] == "−" for row in rows)) for i in range(len(readings))]
    return pl.DataFrame([*rows, ("contradictions, in all", None, *against)], schema=schema, orient="row")
