"""Pictures of what linking found: links by level, values that many hold, the edge of an expansion.

Each function takes a table of a contract and returns a :class:`~toolkit.views.theme.Picture`. Values appear under the
names of :class:`toolkit.views.names.Names`; text from data is made visible and shortened before it is drawn. What a
colour says a shape or a label says too, so that every picture can be read in grey.
"""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import polars as pl

from toolkit.errors import InputError, need_columns, visible
from toolkit.model.confidence import Level
from toolkit.views.bins import MOST_CELLS
from toolkit.views.lanes import WIDE
from toolkit.views.looks import ROW, Looks, check_top
from toolkit.views.names import Names
from toolkit.views.theme import PALETTE, Picture, style, title
from toolkit.views.words import count_of, part_of, short_names, told_apart

__all__ = ["draw_frontier", "draw_hubs", "draw_links"]

_VERDICTS: Final = Looks(
    {
        "uncorroborated": ("triangle-up", PALETTE["red"]),
        "capped": ("circle", PALETTE["blue"]),
        "background": ("square", PALETTE["sky"]),
        "placeholder": ("cross", PALETTE["grey"]),
    }
)
_MOST_ROUNDS: Final = 100
_BIT_WIDTHS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def draw_hubs(hubs: pl.DataFrame, names: Names | None = None, *, top: int = 25) -> Picture:
    """Draw the values that many hold, and what was made of each: how many accounts, on a scale of logarithms.

    Parameters
    ----------
    hubs : polars.DataFrame
        Contract ``Hubs``, rows in any order. To see one verdict alone, give its rows only.
    names : Names, optional
        What values are called; by default by themselves.
    top : int
        Values at most, those with the most holders; up to 60.

    Returns
    -------
    Picture
        ``table``: ``value`` (as it is called), ``holders``, ``verdict``, ``bits``, ``pairs_not_examined``, ``why``.
        Order: holders descending, kind, value.

    Raises
    ------
    InputError
        If there are no values, a column is missing or too many rows are asked for.

    Examples
    --------
    >>> row = {"kind": "ip", "value": "192.0.2.1", "holders": 900, "verdict": "capped", "why": "too many hold it",
    ...        "pairs_not_examined": 404_550, "bits": 2.0}
    >>> drawn = draw_hubs(pl.DataFrame([row, row | {"value": "192.0.2.2", "holders": 70}]), top=1)
    >>> drawn.note, drawn.table.select("value", "holders").rows()
    ('the largest 1 of 2 values; of all: 2 capped', [('IP address 192.0.2.1', 900)])
    """
    wanted = ["kind", "value", "holders", "verdict", "why", "pairs_not_examined", "bits"]
    need_columns(hubs.columns, wanted, "hubs")
    check_top(top, hubs, "value")
    call = names or Names("none")
    best = hubs.sort(["holders", "kind", "value"], descending=[True, False, False]).head(top)
    called = [call.full(kind, value, 200) for kind, value in best.select("kind", "value").rows()]
    label = short_names(called, 28)
    table = told_apart(pl.DataFrame({"value": [label[each] for each in called]}), "value").hstack(
        best.select(
            "holders",
            pl.Series("verdict", [visible(said, 40) for said in best["verdict"]], dtype=pl.String),
            "bits",
            "pairs_not_examined",
            pl.Series("why", [visible(said, 200) for said in best["why"]], dtype=pl.String),
        )
    )
    word = "the largest " if best.height < hubs.height else ""
    note = f"{word}{part_of(best.height, hubs.height, 'value')}; of all: {_VERDICTS.count(hubs['verdict'])}"
    # A scale of logarithms has no zero.
    rows = table.with_columns(_VERDICTS.known("verdict").alias("as"), pl.col("holders").clip(1).alias("at"))
    most = max(10, *rows["at"].to_list())
    x = alt.X(
        "at:Q", title="accounts that hold it (each step is ten times as many)",
        scale=alt.Scale(type="log", domain=[1, 2 * most], nice=False),
        axis=alt.Axis(format="~s", values=[10**power for power in range(8)]),
    )  # fmt: skip
    y = alt.Y("value:N", title=None, scale=alt.Scale(domain=rows["value"].to_list()))
    tips = [
        alt.Tooltip("value:N", title="value"), alt.Tooltip("holders:Q", title="held by", format=",d"),
        alt.Tooltip("verdict:N", title="verdict"), alt.Tooltip("why:N", title="why"),
        alt.Tooltip("bits:Q", title="bits it still gives", format=".1f"),
        alt.Tooltip("pairs_not_examined:Q", title="pairs not examined", format=",d"),
    ]  # fmt: skip
    colour, shape = _VERDICTS.legend("as", rows["as"])
    base = alt.Chart(rows).encode(y=y, x=x, tooltip=tips)
    chart = alt.layer(
        base.mark_rule(color=PALETTE["grey"], strokeWidth=1).encode(x2=alt.datum(1)),
        base.mark_point(filled=True, opacity=1, size=80, strokeWidth=0.6).encode(color=colour, shape=shape),
        base.mark_text(align="left", dx=9, fontSize=11).encode(text=alt.Text("holders:Q", format=",d")),
    ).properties(width="container", height=ROW * rows.height, title=title("Values that many hold", note))
    return Picture(style(chart), table, note)


def draw_links(links: pl.DataFrame, *, bins: int = 60) -> Picture:
    """Draw how strong links are, a strip for each level, and the bits at which each level begins.

    A level asks for more than bits (independent families, a low q-value), so levels overlap.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``, rows in any order.
    bins : int
        Bins at most across all strips, 10 to 200.

    Returns
    -------
    Picture
        ``table``: ``level``, ``from_bits``, ``to_bits``, ``links``. Order: level from the surest, from_bits.

    Raises
    ------
    InputError
        If there are no links, a column is missing or the number of bins does not fit.
    UnknownNameError
        If there is no such level.

    Examples
    --------
    >>> frame = pl.DataFrame({"level": ["L1", "L2", "L2"], "bits": [4.2, 11.5, 19.0], "probability": [0.1, 0.9, 1.0]})
    >>> drawn = draw_links(frame, bins=20)
    >>> drawn.note, drawn.table.rows()[0]
    ('3 links, 2 of them at L2 or above; bins of 1 bit; each strip has its own scale', ('L2', 11.0, 12.0, 1))
    """
    need_columns(links.columns, ["level", "bits", "probability"], "links")
    if not 10 <= bins <= 200:
        raise InputError(f"10 to 200 bins can be read; found bins={bins}")
    good = links.filter(pl.col("bits").is_finite())
    if good.is_empty():
        raise InputError("there are no links to draw: lower min_probability, or give more observations")
    low, high = (float(end) for end in good.select(pl.col("bits").min(), pl.col("bits").max().alias("high")).row(0))
    fits = (width for width in _BIT_WIDTHS if (high - low) / width + 2 <= bins)
    width = next(fits, 10.0 * max(1, -(-(high - low) // (10 * (bins - 2)))))
    place = (pl.col("bits") // width).cast(pl.Int64)
    table = (
        good.group_by(pl.col("level").cast(pl.String), place.alias("bin"))
        .agg(pl.len().cast(pl.Int64).alias("links"))
        .sort("level", "bin", descending=[True, False])
        .select(
            "level", (pl.col("bin") * width).round(6).alias("from_bits"),
            ((pl.col("bin") + 1) * width).round(6).alias("to_bits"), "links",
        )
    )  # fmt: skip
    starts = good.group_by(pl.col("level").cast(pl.String)).agg(
        pl.min("bits").alias("least"), pl.min("probability").alias("likely"), pl.len().alias("all")
    )
    sure = good.filter(pl.col("level").cast(pl.String) >= "L2").height
    said = f"{count_of(good.height, 'link')}, {sure:,} of them at L2 or above"
    note = f"{said}; bins of {width:g} {'bit' if width == 1 else 'bits'}; each strip has its own scale"
    domain = [min(0.0, low // width * width), (high // width + 1) * width]
    strips = [(Level.parse(level), *rest) for level, *rest in starts.sort("level", descending=True).rows()]
    panels = [
        _strip(
            table.filter(pl.col("level") == level.value),
            _head(level, *begin),
            begin[0],
            domain,
            last=level == strips[-1][0],
        )
        for level, *begin in strips
    ]
    chart = alt.vconcat(*panels, spacing=10).properties(title=title("Links by level", note))
    return Picture(style(chart, fit=False, ground="transparent"), table, note)


def _head(level: Level, least: float, likely: float, number: int) -> Any:
    """What a level is, how many links it has and where it begins."""
    said = f"{level.value}: {count_of(number, 'link')}, from {least:.1f} bits and probability {likely:.2f}"
    return alt.TitleParams(
        text=said, subtitle=level.meaning, fontSize=11, subtitleFontSize=11, subtitlePadding=2, offset=4, frame="group"
    )


def _strip(cells: pl.DataFrame, head: Any, least: float, domain: list[float], *, last: bool) -> Any:
    """The links of one level: how many of how many bits, and where the level begins."""
    x = alt.X(
        "from_bits:Q", scale=alt.Scale(domain=domain, nice=False), title="bits of evidence" if last else None,
        axis=alt.Axis(labels=last, ticks=last, tickCount=8),
    )  # fmt: skip
    bars = alt.Chart(cells).mark_rect(color=PALETTE["blue"], stroke="#8886", strokeWidth=0.5).encode(
        x=x, x2="to_bits:Q", y2=alt.datum(0),
        y=alt.Y("links:Q", title="links", axis=alt.Axis(tickCount=3, format=",d", tickMinStep=1)),
        tooltip=[
            alt.Tooltip("level:N", title="level"), alt.Tooltip("from_bits:Q", title="bits from"),
            alt.Tooltip("to_bits:Q", title="to"), alt.Tooltip("links:Q", title="links", format=",d"),
        ],
    )  # fmt: skip
    begin = alt.Chart(pl.DataFrame({"from_bits": [least]})).mark_rule(
        color=PALETTE["red"], strokeDash=[5, 3], strokeWidth=1.5
    )
    return alt.layer(bars, begin.encode(x=x)).properties(width=WIDE, height=64, title=head)


def draw_frontier(expansion: pl.DataFrame, *, threshold: float | None = None) -> Picture:
    """Draw who was considered in each round and how likely they were: who joined, and who was left out.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``, rows in any order.
    threshold : float, optional
        The probability at which an account is included (``ExpandSettings.include``): a dashed line.

    Returns
    -------
    Picture
        ``table``: ``round``, ``account_id``, ``probability``, ``level``, ``who`` ("seed", "included" or "left out");
        the accounts that are drawn. Order: round, who, probability descending, account_id.

    Raises
    ------
    InputError
        If nobody was considered, a column is missing or a number does not fit.

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["s", "a", "b"], "round": [0, 1, 1], "probability": [1.0, 0.97, 0.4],
    ...                       "included": [True, True, False], "level": ["L3", "L2", "L1"]})
    >>> drawn = draw_frontier(frame, threshold=0.5)
    >>> drawn.note
    '3 accounts considered: 1 seed, 1 included, 1 left out'
    """
    need_columns(expansion.columns, ["account_id", "round", "probability", "included", "level"], "expansion")
    if expansion.is_empty():
        raise InputError("nobody was considered: there is no frontier to draw")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"a threshold is a probability, 0 to 1; found threshold={threshold}")
    seed = (pl.col("round") == 0) & pl.col("included")
    who = pl.when(seed).then(pl.lit("seed")).when("included").then(pl.lit("included")).otherwise(pl.lit("left out"))
    everybody = expansion.select("round", "account_id", "probability", "level", who.alias("who"))
    table, thinned = _thin(
        everybody.sort(["round", "who", "probability", "account_id"], descending=[False, False, True, False])
    )
    counts = [everybody.filter(pl.col("who") == word).height for word in _SIDES.words]
    said = f"{count_of(everybody.height, 'account')} considered: "
    said += ", ".join(
        (count_of(n, "seed") if w == "seed" else f"{n:,} {w}") for n, w in zip(counts, _SIDES.words, strict=True) if n
    )
    note = said + (f"; {thinned}" if thinned else "")
    chart = _frontier(table, threshold).properties(
        width="container", height=_HIGH, title=title("Who was considered, round by round", note)
    )
    return Picture(style(chart), table, note)


_SIDES: Final = Looks(
    {
        "seed": ("diamond", PALETTE["orange"]),
        "included": ("circle", PALETTE["blue"]),
        "left out": ("cross", PALETTE["grey"]),
    }
)
_KNOTS: Final = (0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1)
_HIGH: Final = 264
_GOLDEN: Final = 0.6180339887498949


def _thin(rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Every so-many-th account of each round and side, so that a picture stays small and its shape the same."""
    rounds = rows["round"].n_unique()
    if rounds > _MOST_ROUNDS:
        raise InputError(f"1 to {_MOST_ROUNDS} rounds can be read; found {rounds:,}")
    if rows.height <= MOST_CELLS:
        return rows, ""
    step = -(-rows.height // (MOST_CELLS - rounds * len(_SIDES.words)))
    kept = rows.filter(pl.int_range(pl.len()).over("round", "who") % step == 0)
    return kept, f"one in {step:,} is drawn, spread evenly over probabilities"


def _odds_axis() -> Any:
    """Probabilities, with as much room from 0.9 to 0.99 as from 0.5 to 0.9: most accounts are near 0 or near 1."""
    steps = len(_KNOTS) - 1
    scale = alt.Scale(domain=list(_KNOTS), range=[_HIGH - _HIGH * i // steps for i in range(steps + 1)])
    return alt.Y(
        "probability:Q",
        title="probability of belonging",
        scale=scale,
        axis=alt.Axis(values=list(_KNOTS), tickCount=len(_KNOTS), format=".3~g", labelOverlap=False),
    )


def _frontier(table: pl.DataFrame, threshold: float | None) -> Any:
    """Points spread beside their round: who joined to the left of it, who was left out to the right."""
    # Multiples of the golden ratio spread evenly however many there are, and are the same on every machine.
    spread = (pl.int_range(pl.len()).over("round", "who") * _GOLDEN) % 1.0
    side = pl.when(pl.col("who") == "left out").then(0.06 + 0.34 * spread).otherwise(-0.06 - 0.34 * spread)
    label = short_names(table["account_id"], 20)
    rows = table.select(
        (pl.col("round") + side).round(3).alias("x"), pl.col("round"), pl.col("probability").round(4), "who",
        pl.Series("level", [visible(level, 12) for level in table["level"]], dtype=pl.String),
        pl.col("account_id").replace_strict(label, return_dtype=pl.String).alias("account"),
    )  # fmt: skip
    last = int(rows["round"].max() or 0)  # type: ignore[arg-type]  # whole numbers, by the contract
    x = alt.X(
        "x:Q", title="round (0: the seeds); who joined stands left of it, who was left out right",
        scale=alt.Scale(domain=[-0.5, last + 0.5], nice=False),
        axis=alt.Axis(values=list(range(0, last + 1, 1 + last // 20)), format="d", grid=False),
    )  # fmt: skip
    colour, shape = _SIDES.legend("who", rows["who"])
    points = alt.Chart(rows).mark_point(filled=True, opacity=0.8, size=50, strokeWidth=0.4).encode(
        x=x, color=colour, shape=shape,
        y=_odds_axis(),
        tooltip=[
            alt.Tooltip("account:N", title="account"), alt.Tooltip("round:Q", title="round"),
            alt.Tooltip("probability:Q", title="probability", format=".3f"), alt.Tooltip("level:N", title="level"),
            alt.Tooltip("who:N", title="who"),
        ],
    )  # fmt: skip
    if threshold is None:
        return points
    bar = alt.Chart(pl.DataFrame({"probability": [threshold], "said": [f"included from {threshold:g}"]}))
    line = bar.mark_rule(color=PALETTE["red"], strokeDash=[5, 3], strokeWidth=1.5).encode(y="probability:Q")
    text = bar.mark_text(align="right", baseline="bottom", dy=-3, fontSize=11).encode(
        x=alt.value("width"), y="probability:Q", text="said:N"
    )
    return alt.layer(points, line, text)
