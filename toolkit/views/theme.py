"""One look for every picture: colours, type, time axes, and what a picture carries besides its drawing.

Colours are those of Okabe & Ito 2008, told apart by colour-blind readers; what a colour says is also said by shape,
place or order. Times are drawn in UTC: a chart that left the zone to the browser would move with its reader.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from toolkit.views.blocks import show_chart

__all__ = ["CATEGORIES", "PALETTE", "Picture", "pan_time", "style", "time_axis", "time_tip", "title"]

PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "grey": "#767676",
}
CATEGORIES = [PALETTE[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "grey")]


_TICKS: Final = {
    "year": "%Y", "quarter": "%b", "month": "%b", "week": "%b %d", "date": "%b %d", "day": "%b %d", "hours": "%H:%M",
    "minutes": "%H:%M", "seconds": "%H:%M:%S", "milliseconds": "%H:%M:%S.%L",
}  # fmt: skip
"""How ticks of time are written: by the clock of 24 hours, in UTC there is no noon."""


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """A chart with what it shows.

    Attributes
    ----------
    chart : altair chart
        Drawn from a few thousand marks at most.
    table : polars.DataFrame
        What was drawn, row by row, under plain names: to check a picture, or to read it without one.
    note : str
        Width of bins, how much was kept of how much; stands under the picture's title too.
    """

    chart: Any
    table: pl.DataFrame
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return the Vega-Lite specification."""
        spec: dict[str, Any] = self.chart.to_dict()
        return spec

    def to_json(self) -> str:
        """Return the Vega-Lite specification as text."""
        return json.dumps(self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return show_chart(self, self.note)._repr_mimebundle_(include, exclude)


def style(chart: Any, *, fit: bool = True, ground: str = "") -> Any:
    """Put the one theme on a finished chart: as wide as its place, quiet axes, the legend above.

    With ``fit=False`` it keeps its own size, on white: a picture in a document, or several charts side by side.
    ``ground`` is the colour behind it, if it should be another.
    """
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
    size: dict[str, Any] = {"type": "fit-x", "contains": "padding"} if fit else {"type": "pad"}
    behind = ground or ("transparent" if fit else "white")
    return (
        chart.properties(autosize=size)
        .configure(font=font, background=behind, padding=4 if behind == "transparent" else 12)
        .configure_view(stroke=None)
        .configure_title(
            anchor="start", fontSize=13, fontWeight=600, color="#555", subtitleFontSize=11, subtitleColor="#555",
            subtitlePadding=4, offset=8,
        )
        .configure_axis(
            gridColor="#8884", domainColor="#8888", tickColor="#8888", labelColor="#555", titleColor="#555",
            titleFontWeight="normal", labelFontSize=11, titleFontSize=11, labelLimit=230,
        )
        .configure_legend(
            labelColor="#555", titleColor="#555", titleFontWeight="normal", labelFontSize=12, titleFontSize=12,
            labelLimit=260, symbolOpacity=1, orient="top", direction="horizontal",
        )
        .configure_range(category=CATEGORIES)
    )  # fmt: skip


def title(text: str, note: str) -> Any:
    """What a picture is, and under it how it was made, in lines that a narrow page holds."""
    import altair as alt

    return alt.TitleParams(text=text, subtitle=textwrap.wrap(note, 96))


def time_axis(field: str, name: str | None = "", domain: Any = None) -> Any:
    """An axis of times in UTC, over the data or over a given domain (a brush); no name in a second layer."""
    import altair as alt

    scale = alt.Scale(type="utc") if domain is None else alt.Scale(type="utc", domain=domain)
    said = None if name is None else f"{name} (UTC)" if name else "UTC"
    axis = alt.Axis(tickCount=8, labelOverlap=True, labelFlush=True, format=_TICKS)
    return alt.X(f"{field}:T", scale=scale, title=said, axis=axis)


def pan_time() -> Any:
    """Dragging moves along the axis of time, Ctrl and the wheel zoom it."""
    import altair as alt

    return alt.selection_interval(encodings=["x"], bind="scales", name="pan", zoom="wheel![event.ctrlKey]")


def time_tip(field: str, said: str, width_ms: int = 0) -> Any:
    """A tooltip's line that tells a time in UTC, no finer than the bins."""
    import altair as alt

    unit: Any = "utcyearmonthdatehoursminutes" + ("seconds" if width_ms < 60_000 else "")
    return alt.Tooltip(f"{field}:T", title=f"{said} (UTC)", timeUnit=unit)
