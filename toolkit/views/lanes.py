"""The parts that pictures of lanes over time are put together from: lanes, their cells, bands behind, rules across.

A lane is a row of a picture. Its name travels once, in a table of its own, and not with every mark: so ten thousand
marks stay under a megabyte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from toolkit.errors import UnknownNameError, need_columns, visible
from toolkit.timeline.build import keep_in_range
from toolkit.views.bins import Bins, count_bins, focus_on
from toolkit.views.theme import PALETTE, time_axis, time_tip
from toolkit.views.words import short_names

__all__ = [
    "ACTIVITY",
    "NAMED_LANES",
    "OVERVIEW_BINS",
    "RARE",
    "WIDE",
    "Lanes",
    "choose_phases",
    "draw_cells",
    "draw_gaps",
    "draw_notes",
    "draw_overview",
    "draw_phases",
    "drawable",
    "pick_lanes",
]

NAMED_LANES: Final = 60
"""With more lanes their names would overlap: they are in the tooltip and in the table."""
OVERVIEW_BINS: Final = 300
WIDE: Final = 640
ACTIVITY: Final = "activity"
RARE: Final[Mapping[str, tuple[str, str, str]]] = {
    "signup": ("sign-up", "triangle-up", PALETTE["green"]),
    "payment": ("payment", "circle", PALETTE["orange"]),
    "label": ("policy label", "cross", PALETTE["purple"]),
    "enforcement": ("enforcement", "diamond", PALETTE["red"]),
}
"""Rare events that a reader looks for, by the first word of the verb; everything else is activity."""
_PHASES: Final = {
    "created": PALETTE["green"], "dormant": "#D9D9D9", "steady": PALETTE["sky"], "busy": PALETTE["yellow"],
    "abuse": PALETTE["orange"], "enforced": PALETTE["red"], "silent": "#BDBDBD",
}  # fmt: skip
_SAME_SPOT: Final = 0.065
"""Notes closer than this share of the span share one label, or their numbers would overlap."""
_FADED: Final = 0.05
_MOST_PHASES: Final = 3_000
_HATCH: Final = alt.Gradient(  # type: ignore[no-untyped-call]  # altair leaves it untyped
    gradient="linear", x1=0, y1=0, x2=1, y2=1,
    stops=[
        alt.GradientStop(offset=(i + side) / 24, color="#999999" if i % 3 == 0 else "#99999922")
        for i in range(24) for side in (0, 0.999)
    ],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lanes:
    """Rows of a picture: what they are called, and where they stand."""

    names: Sequence[str]
    label: Mapping[str, str]

    @classmethod
    def of(cls, names: Sequence[str], stars: Iterable[str] = ()) -> Lanes:
        """Give each lane a short name, and a star to some."""
        starred = set(stars)
        short = short_names(names, 20)
        return cls(names, {lane: short[lane] + (" ★" if lane in starred else "") for lane in names})

    @property
    def named(self) -> bool:
        """Whether there is room for a name beside each lane."""
        return len(self.names) <= NAMED_LANES

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return len(self.names) * (17 if self.named else max(2, 1_200 // len(self.names)))

    def y(self) -> Any:
        """The axis of lanes, from top to bottom."""
        axis = alt.Axis() if self.named else alt.Axis(labels=False, ticks=False)
        domain = [self.label[lane] for lane in self.names]
        return alt.Y("lane:N", title=None, scale=alt.Scale(domain=domain), axis=axis)

    def code(self, rows: pl.DataFrame, column: str = "lane") -> pl.DataFrame:
        """Put the number of a lane in the place of its name: names travel once, not with every mark."""
        return rows.with_columns(
            pl.col(column).replace_strict(list(self.names), range(len(self.names)), return_dtype=pl.Int64).alias("l")
        ).drop(column)

    def named_chart(self, rows: pl.DataFrame) -> Any:
        """A chart whose rows get the names of their lanes back."""
        said = alt.LookupData(data=self._called(), key="l", fields=["lane"])
        return alt.Chart(rows).transform_lookup(lookup="l", from_=said)

    def ground(self) -> Any:
        """What cannot be seen behind each lane, so that a click beside a thin bar picks the lane too."""
        return alt.Chart(self._called()).mark_rect(opacity=0).encode(x=alt.value(0), x2=alt.value("width"), y=self.y())

    def _called(self) -> pl.DataFrame:
        label = [self.label[lane] for lane in self.names]
        return pl.DataFrame({"l": range(len(self.names)), "lane": label, "account": list(self.names)})


def pick_lanes(*, live: bool = False) -> tuple[list[Any], Any]:
    """A click on a lane picks it, Shift adds another, a double click lets go: the parameters, and what is picked.

    A saved page picks lanes through the selection's own store. In a live notebook Python answers each click with the
    numbers of the lanes that are picked everywhere (``told``; null: nothing was said yet), and those count.
    """
    picked = alt.selection_point(name="picked", fields=["l"], on="click", clear="dblclick")
    if not live:
        return [picked], picked
    clicked = "!length(data('picked_store')) || vlSelectionTest('picked_store', datum)"
    said = "!length(told) || indexof(told, datum.l) >= 0"
    return [picked, alt.param(name="told", value=None)], f"isArray(told) ? {said} : {clicked}"


def drawable(events: pl.DataFrame, by: str, *, focus: bool = True) -> tuple[pl.DataFrame, list[str]]:
    """Events at times that can be, where nearly all of them are; and what is said of the others."""
    need_columns(events.columns, ["event_at", "event"], "events")
    if by not in events.columns:
        raise UnknownNameError("column of events", by, events.columns)
    good = (keep_in_range(events) if "flags" in events.columns else events).filter(pl.col("event_at").is_not_null())
    lost = events.height - good.height
    said = [f"{lost:,} at impossible times left out"] if lost else []
    near, cut = focus_on(good) if focus else (good, "")
    return near, [*said, *([cut] if cut else [])]


def draw_cells(bins: Bins, lanes: Lanes, brush: Any, pick: Any) -> list[Any]:
    """Activity as bars, and the rare events as marks where the first of them was; lanes not picked fade."""
    cells = lanes.code(bins.cells)
    whats = cells.select("what").unique().sort("what").with_row_index("w").with_columns(pl.col("w").cast(pl.Int64))
    coded = cells.join(whats, on="what", maintain_order="left").drop("what")
    wide = f"each bar is {bins.said} wide"
    tips = [
        alt.Tooltip("lane:N", title="account"),
        alt.Tooltip("n:Q", title="events", format=",d"),
        alt.Tooltip("what:N", title="what"),
    ]

    def look_up(rows: pl.DataFrame) -> Any:
        said = alt.LookupData(data=whats, key="w", fields=["what"])
        return lanes.named_chart(rows).transform_lookup(lookup="w", from_=said)

    layers = []
    acts = coded.filter(pl.col("part") == ACTIVITY)
    if acts.height:
        bars = look_up(acts.select("l", "at", "end", "n", "w")).mark_bar(
            height=alt.RelativeBandSize(0.66), color=PALETTE["blue"], clip=True
        )
        shown = alt.Opacity("n:Q", scale=alt.Scale(type="symlog", range=[0.5, 1]), legend=None)
        # Lanes that are not picked fade and do not go: the axis of time stays where it is.
        shade = alt.condition(pick, shown, alt.value(_FADED))
        since = time_tip("at", "from", bins.width_ms)
        x = time_axis("at", wide, brush)
        layers.append(bars.encode(x=x, x2="end:T", y=lanes.y(), opacity=shade, tooltip=[since, *tips]))
    known = [(word, shape, colour) for word, shape, colour in RARE.values() if word in set(cells["part"].to_list())]
    if known:
        rare = coded.filter(pl.col("part") != ACTIVITY).select("l", pl.col("first").alias("at"), "n", "w", "part")
        words, shapes, colours = (list(each) for each in zip(*known, strict=True))
        marks = look_up(rare).mark_point(
            filled=True, opacity=1, size=55 if lanes.named else 16, stroke="white", strokeWidth=0.6, clip=True
        )
        at = time_tip("at", "first at")
        below = alt.Legend(title=None, orient="bottom")  # phases have theirs above: side by side they would not fit
        layers.append(
            marks.encode(
                x=time_axis("at", None if acts.height else wide, brush),
                y=lanes.y(),
                color=alt.Color("part:N", legend=below, scale=alt.Scale(domain=words, range=colours)),
                shape=alt.Shape("part:N", legend=below, scale=alt.Scale(domain=words, range=shapes)),
                opacity=alt.condition(pick, alt.value(1), alt.value(_FADED)),
                tooltip=[at, *tips],
            )
        )
    return layers


def choose_phases(phases: pl.DataFrame | None, names: Sequence[str], span: tuple[Any, Any]) -> pl.DataFrame | None:
    """Phases of these lanes' lives, cut to the time that is drawn; of very many the longest."""
    if phases is None:
        return None
    need_columns(phases.columns, ["account_id", "phase", "start_at", "end_at"], "phases")
    near = phases.select(
        "account_id", "phase",
        pl.max_horizontal("start_at", pl.lit(span[0])).dt.epoch("ms").alias("at"),
        pl.min_horizontal("end_at", pl.lit(span[1])).dt.epoch("ms").alias("end"),
    )  # fmt: skip
    near = near.filter(pl.col("account_id").is_in(list(names)) & (pl.col("at") < pl.col("end")))
    longest = near.with_columns(long=pl.col("at") - pl.col("end")).sort("long", "account_id", "at")
    return longest.drop("long").head(_MOST_PHASES).sort("account_id", "at")


def draw_phases(phases: pl.DataFrame | None, lanes: Lanes, brush: Any, pick: Any) -> list[Any]:
    """Phases as bands behind the lanes."""
    if phases is None or phases.is_empty():
        return []
    rows = lanes.code(phases, "account_id")
    met = set(rows["phase"].to_list())
    named = {name: name for name in _PHASES if name in met} | short_names(sorted(met - set(_PHASES)), 24)
    rows = rows.with_columns(pl.col("phase").replace_strict(named, return_dtype=pl.String))
    scale = alt.Scale(domain=list(named.values()), range=[_PHASES.get(name, PALETTE["grey"]) for name in named])
    bands = lanes.named_chart(rows).mark_bar(height=alt.RelativeBandSize(1), clip=True)
    return [
        bands.encode(
            x=time_axis("at", None, brush), x2="end:T", y=lanes.y(),
            opacity=alt.condition(pick, alt.value(0.3), alt.value(_FADED)),
            fill=alt.Fill("phase:N", title="phase", scale=scale),
            tooltip=[alt.Tooltip("lane:N", title="account"), alt.Tooltip("phase:N", title="phase")],
        )
    ]  # fmt: skip


def _label_notes(rows: pl.DataFrame, first_ms: int, last_ms: int) -> pl.DataFrame:
    """One label for notes that stand too close for one each ("3", "4–9"), no label beyond the edges."""
    apart = (last_ms - first_ms) * _SAME_SPOT
    groups: list[tuple[int, list[int]]] = []
    for at, number in rows.select("at", "number").rows():
        if not groups or at - groups[-1][0] >= apart:
            groups.append((at, []))
        groups[-1][1].append(number)
    inside = [round(min(max(at, first_ms + apart / 3), last_ms - apart / 3)) for at, _ in groups]
    said = [str(n[0]) if len(n) == 1 else f"{min(n)}–{max(n)}" for _, n in groups]
    return pl.DataFrame({"at": inside, "label": said}, schema={"at": pl.Int64, "label": pl.String})


def draw_gaps(gaps: pl.DataFrame | None, lanes: Lanes, span: tuple[Any, Any], *, by_source: bool) -> list[Any]:
    """Where a source was silent: hatched on its own row, or over all rows where rows are something else."""
    if gaps is None:
        return []
    need_columns(gaps.columns, ["kind", "source", "start_at", "end_at"], "gaps")
    silent = gaps.filter((pl.col("kind") == "source_silent") & (pl.col("start_at") < span[1]))
    rows = silent.select(
        "source", pl.col("start_at").dt.epoch("ms").alias("at"),
        pl.min_horizontal("end_at", pl.lit(span[1])).dt.epoch("ms").alias("end"),
        pl.Series("said", [visible(name, 60) for name in silent["source"]], dtype=pl.String),
    )  # fmt: skip
    rows = rows.filter(pl.col("source").is_in(list(lanes.names))) if by_source else rows
    if rows.is_empty():
        return []
    tips = [alt.Tooltip("said:N", title="silent"), time_tip("at", "from", 60_000)]
    chart = lanes.named_chart(lanes.code(rows, "source")) if by_source else alt.Chart(rows.drop("source"))
    marks = chart.mark_rect(fill=_HATCH, stroke=PALETTE["grey"], strokeWidth=0.5)
    where = {"y": lanes.y()} if by_source else {}
    return [marks.encode(x=time_axis("at", None), x2="end:T", tooltip=tips, **where)]


def draw_notes(notes: pl.DataFrame | None, span: tuple[Any, Any], brush: Any = None) -> tuple[list[Any], list[Any]]:
    """A rule for each key event in the time that is drawn, enforcement red and dashed; and the rules' numbers.

    The numbers stand above the lanes, where a brushed picture cuts them off: there they need a strip of their own.
    """
    if notes is None:
        return [], []
    need_columns(notes.columns, ["at", "rule", "text"], "notes")
    near = notes.with_row_index("number", offset=1).filter(pl.col("at").is_between(*span))
    if near.is_empty():
        return [], []
    rows = near.with_columns(pl.col("at").dt.epoch("ms")).sort("at", "number")
    labels = _label_notes(rows, *(int(end.timestamp() * 1_000) for end in span))
    lines = rows.select(
        "at", "number", pl.Series("said", [visible(text, 160) for text in rows["text"]], dtype=pl.String),
        pl.Series("why", [visible(text, 60) for text in rows["rule"]], dtype=pl.String), "rule",
    )  # fmt: skip
    tips = [
        alt.Tooltip("number:Q", title="no."),
        alt.Tooltip("why:N", title="why"),
        alt.Tooltip("said:N", title="what"),
    ]
    x = time_axis("at", None, brush)
    stops = pl.col("rule") == "enforcement"
    rules = [
        alt.Chart(some).mark_rule(color=colour, strokeDash=dash, strokeWidth=1.5, clip=True).encode(x=x, tooltip=tips)
        for some, colour, dash in (
            (lines.filter(~stops).drop("rule"), PALETTE["grey"], [1, 0]),
            (lines.filter(stops).drop("rule"), PALETTE["red"], [5, 3]),
        )
        if some.height
    ]
    numbers = alt.Chart(labels).mark_text(fontSize=10, fontWeight=600, baseline="bottom", dy=-3)
    if brush is None:
        return rules, [numbers.encode(x=x, y=alt.value(0), text="label:N")]
    # The strip reaches as far as the lanes do, or its numbers would not stand over their rules.
    ends = pl.DataFrame({"at": [int(end.timestamp() * 1_000) for end in span], "label": ["", ""]})
    strip = alt.Chart(pl.concat([labels, ends])).mark_text(fontSize=10, fontWeight=600, baseline="top")
    alone = alt.X("at:T", scale=alt.Scale(type="utc", domain=brush), axis=None)
    return rules, [strip.encode(x=alone, y=alt.value(0), text="label:N")]


def draw_overview(shown: pl.DataFrame, brush: Any) -> Any:
    """All activity of the lanes in one row of bars, to drag over; and how much of it is in what was dragged over."""
    bins = count_bins(shown, pl.lit("all"), most_bins=OVERVIEW_BINS)
    rows = bins.cells.select("at", "end", "n")
    bars = alt.Chart(rows).mark_rect(color=PALETTE["grey"]).encode(
        x=time_axis("at", None), x2="end:T", y2=alt.datum(0),
        y=alt.Y("n:Q", title=None, scale=alt.Scale(type="symlog"), axis=alt.Axis(tickCount=3, grid=False, format="~s")),
    )  # fmt: skip
    total = alt.Chart(rows).transform_filter(brush).transform_aggregate(total="sum(n)")
    corner: dict[str, Any] = {"align": "right", "baseline": "bottom", "fontSize": 11, "dy": -4}
    number = total.mark_text(**corner, dx=-84).encode(
        x=alt.value("width"), y=alt.value(0), text=alt.Text("total:Q", format=",d")
    )
    words = alt.Chart(pl.DataFrame({"said": ["events chosen"]})).mark_text(**corner)
    words = words.encode(x=alt.value("width"), y=alt.value(0), text="said:N")
    return alt.layer(bars.add_params(brush), number, words).properties(width=WIDE, height=46)
