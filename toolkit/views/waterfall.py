"""Charts of evidence: what ties two accounts step by step, and what ties one account to its set.

Bits add up from the prior, and every bar stands where it counts; what a value gives less of, because it says what
another said already, is drawn pale beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from toolkit.errors import visible
from toolkit.views.names import Names
from toolkit.views.theme import PALETTE, Picture, style, title
from toolkit.views.words import count_of, part_of, say_family, told_apart

__all__ = ["draw_waterfall", "draw_why"]


def draw_waterfall(steps: pl.DataFrame, names: Names | None = None) -> Picture:
    """Draw what spoke for one link, step by step, and the probability that it comes to.

    A value that depends on a stronger one (two addresses, a card and its issuer) is counted in part: the solid bar is
    what counts, the pale one what the value would give alone.

    Parameters
    ----------
    steps : polars.DataFrame
        ``LinkExplanation.table``: step, kind, value, bits, total; with ``counted`` dependent values are drawn in part,
        and ``family``, ``holders``, ``window`` and ``regime`` are told by the tooltip.
    names : Names, optional
        What values are called; by default by themselves.

    Returns
    -------
    Picture
        ``table``: ``step`` (as it is called), ``start_bits``, ``end_bits``, ``alone_bits`` (where the bar would end if
        nothing else had said it), ``speaks`` ("for", "against" or "sum"), ``held_by``, ``weighed_as``, ``family``.
        Order: as given, the sum last.

    Examples
    --------
    >>> frame = pl.DataFrame({"step": ["prior", "value"], "kind": [None, "ip"], "value": [None, "192.0.2.1"],
    ...                       "bits": [-13.0, 9.0], "total": [-13.0, -4.0]})
    >>> drawn = draw_waterfall(frame)
    >>> drawn.note, drawn.table["step"].to_list()
    ('1 value', ['before any evidence', 'IP address 192.0.2.1', 'sum: 5.9 % likely'])
    """
    import altair as alt

    rungs = told_apart(_rungs(steps, names or Names("none")), "label")
    pale = rungs.filter(pl.col("whole") > pl.col("end") + 0.05)
    tips = [
        alt.Tooltip("label:N", title="step"),
        alt.Tooltip("said:N", title="bits"),
        alt.Tooltip("held:N", title="held by"),
        alt.Tooltip("chance:N", title="weighed as"),
        alt.Tooltip("family:N", title="speaks for"),
    ]
    base = alt.Chart(rungs).encode(y=alt.Y("label:N", sort=None, title=None), tooltip=tips)
    axis_title = ["bits: each one doubles the odds that one person runs both"]
    axis_title += ["pale: what a value would give alone, were it not for a stronger one"] if pale.height else []
    bars = base.mark_bar(height=13).encode(
        x=alt.X(
            "start:Q",
            title=axis_title,
            scale=alt.Scale(domain=_room(rungs), nice=False),
            axis=alt.Axis(tickCount=8, labelFlush=False),
        ),
        x2="end:Q",
        color=alt.Color(
            "speaks:N",
            title=None,
            legend=None,
            scale=alt.Scale(domain=["for", "against", "sum"], range=[PALETTE["blue"], PALETTE["red"], PALETTE["grey"]]),
        ),
    )
    alone = (
        alt.Chart(pale)
        .mark_bar(height=13, color=PALETTE["blue"], opacity=0.22)
        .encode(x="end:Q", x2="whole:Q", y=alt.Y("label:N", sort=None), tooltip=tips)
    )
    texts = base.mark_text(align="left", dx=5, fontSize=11, color="#444").encode(x="right:Q", text="said:N")
    layers = [bars, alone, texts] if pale.height else [bars, texts]
    values = steps.filter(pl.col("step") == "value").height
    note = count_of(values, "value") + (f", {pale.height} of them counted in part" if pale.height else "")
    chart = alt.layer(*layers).properties(
        width="container", height=21 * max(1, rungs.height), title=title("What ties the two", note)
    )
    table = rungs.select(
        pl.col("label").alias("step"), pl.col("start").alias("start_bits"), pl.col("end").alias("end_bits"),
        pl.col("whole").alias("alone_bits"), "speaks", pl.col("held").alias("held_by"),
        pl.col("chance").alias("weighed_as"), "family",
    )  # fmt: skip
    return Picture(style(chart), table, note)


def _room(rungs: pl.DataFrame) -> list[float]:
    """From the least to the highest bar, with room for what is said beside it."""
    ends = [0.0, *(end for row in rungs.select("start", "end", "whole").rows() for end in row)]
    return [min(ends), max(ends) + 0.16 * max(max(ends) - min(ends), 1.0)]


_WAYS: Mapping[str, str] = {"unique": "made for one account", "pool": "from a pool that many draw on"}
"""How the chance of holding a value by accident was computed, in words."""


def _rungs(steps: pl.DataFrame, call: Names) -> pl.DataFrame:
    """A row per bar of a waterfall: from where to where, and what is said of it."""
    words = {"prior": "before any evidence", "dependence": "counted twice, taken back"}
    rows, rungs, at = steps.to_dicts(), list[dict[str, Any]](), 0.0
    for row in rows:
        value = row["step"] == "value"
        bits = row["bits"]
        counted = bits if row.get("counted") is None else row["counted"]
        if row["step"] == "dependence" and abs(counted) < 0.05:
            continue  # each value was drawn as it counts: nothing is left to take back
        part = f"{counted:+.1f}" + (f" of {bits:.1f}" if value and f"{bits:.1f}" != f"{counted:.1f}" else "")
        rungs.append(
            {
                "label": call.full(row["kind"], row["value"], 26) if value else words[row["step"]],
                "start": at,
                "end": at + counted,
                "whole": at + bits if value else at + counted,
                "said": part,
                "speaks": "for" if counted >= 0 else "against",
                **_told_of(row),
            }
        )
        at += counted
    if rows:
        likely = rows[0]["step"] == "prior"
        label = "sum" + (f": {_percent(1 / (1 + 2 ** -max(-500.0, min(500.0, at))))} likely" if likely else "")
        rungs.append({"label": label, "start": 0.0, "end": at, "whole": at, "said": f"{at:+.1f}", "speaks": "sum"})
    text, number = ("label", "said", "speaks", "held", "chance", "family"), ("start", "end", "whole")
    schema = {**dict.fromkeys(text, pl.String), **dict.fromkeys(number, pl.Float64)}
    table = pl.DataFrame(rungs, schema=schema)
    return table.with_columns(pl.col("held", "chance", "family").fill_null(""), right=pl.max_horizontal(*number))


def _told_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a tooltip says of a shared value: who holds it, within which time, how chance was reckoned, its family."""
    holders, window, regime, family = (row.get(name) for name in ("holders", "window", "regime", "family"))
    held = "" if holders is None else "only these two" if holders == 2 else f"{holders:,} accounts"
    return {
        "held": held + (f", within {window:g} hours" if held and window is not None else ""),
        "chance": visible(_WAYS.get(regime or "", regime or ""), 60),
        "family": visible(say_family(family or ""), 60),
    }


def _percent(share: float) -> str:
    """A probability as a person says it, never surer than it can be shown."""
    if share >= 0.9995:
        return "over 99.9 %"
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def draw_why(evidence: pl.DataFrame, names: Names | None = None, limit: int = 12) -> Picture:
    """Draw what ties one account to the others: its strongest values, with their bits and who else holds them.

    Parameters
    ----------
    evidence : polars.DataFrame
        Rows of evidence: kind, value, bits, and where known holders, window and regime; one account's, as in
        ``ring.filter(pl.col("account_id") == one).select("evidence").explode("evidence").unnest("evidence")``.
    names : Names, optional
        What values are called; by default by themselves.
    limit : int
        Values drawn, strongest first.

    Returns
    -------
    Picture
        ``table``: ``value`` (as it is called), ``bits``, ``held_by``, ``weighed_as``. Order: bits
        descending, kind, value.

    Examples
    --------
    >>> frame = pl.DataFrame({"kind": ["card", "ip"], "value": ["k1", "192.0.2.1"], "bits": [12.5, 3.0],
    ...                       "holders": [4, 60]})
    >>> drawn = draw_why(frame, limit=1)
    >>> drawn.note, drawn.table.rows()
    ('the strongest 1 of 2 values', [('card k1', 12.5, '4 accounts', '')])
    """
    import altair as alt

    call = names or Names("none")
    bars = []
    for row in evidence.sort("bits", "kind", "value", descending=[True, False, False]).head(limit).to_dicts():
        told = _told_of(row)
        crowd = "" if row.get("holders") is None else f", {count_of(row['holders'], 'account')}"
        bars.append(
            {
                **told, "label": call.full(row["kind"], row["value"], 26), "bits": row["bits"],
                "said": f"{row['bits']:.1f} bits{crowd}",
                "held": "" if not crowd else told["held"].replace("only these two", "2 accounts"),
            }
        )  # fmt: skip
    schema = {**dict.fromkeys(("label", "said", "held", "chance"), pl.String), "bits": pl.Float64}
    rows = [{name: bar[name] for name in schema} for bar in bars]
    table = told_apart(pl.DataFrame(rows, schema=schema), "label")
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=None, title=None),
        x=alt.X(
            "bits:Q",
            title="bits that the value gives by itself",
            scale=alt.Scale(domain=[0, 1.45 * max([1.0, *table["bits"].to_list()])], nice=False),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="value"),
            alt.Tooltip("said:N", title="gives"),
            alt.Tooltip("held:N", title="held by"),
            alt.Tooltip("chance:N", title="weighed as"),
        ],
    )
    word = "the strongest " if table.height < evidence.height else ""
    note = f"{word}{part_of(table.height, evidence.height, 'value')}"
    chart = alt.layer(
        base.mark_bar(height=13, color=PALETTE["blue"]),
        base.mark_text(align="left", dx=5, fontSize=11, color="#444").encode(text="said:N"),
    ).properties(width="container", height=21 * max(1, table.height), title=title("What ties it to the others", note))
    plain = table.select(
        pl.col("label").alias("value"), "bits", pl.col("held").alias("held_by"), pl.col("chance").alias("weighed_as")
    )
    return Picture(style(chart), plain, note)
