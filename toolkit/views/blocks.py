"""What a report is made of: typed blocks that carry data, never markup.

A template's cell ends in a block. In a live notebook the block shows itself as escaped HTML (or, for a chart, as the
Vega-Lite MIME type that JupyterLab draws itself). The report page reads the block's own MIME type and renders it
through the escape gate; anything else a cell prints is shown as plain text or left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from toolkit.errors import ContractError, nearest, visible
from toolkit.model.case import Finding
from toolkit.views.safe import defang, escape, lint_spec, no_math
from toolkit.views.words import count_of

__all__ = [
    "BLOCK_MIME",
    "CHART_MIME",
    "Block",
    "for_notebook",
    "format_cell",
    "show_card",
    "show_chart",
    "show_figures",
    "show_findings",
    "show_lead",
    "show_table",
    "show_text",
]

BLOCK_MIME = "application/vnd.investigation-toolkit.block+json"
CHART_MIME = "application/vnd.vegalite.v5+json"
"""What JupyterLab (4.2 to 4.6, at least) draws by itself; it does not know the number 6, and draws the same
specifications."""

_NOTEBOOK = {"width": 800, "height": 300}
"""Pixels of a chart that would be as large as its place."""

_SHORT, _NARROW, _LONG = 24, 44, 90
"""Characters: text up to the first stays on one line, and so do ids without a blank up to the second; text over the
third gets most of the width."""


@dataclass(frozen=True)
class Block:
    """One typed piece of a report.

    Attributes
    ----------
    kind : {"lead", "text", "figures", "card", "table", "chart", "graph", "findings"}
    payload : mapping
        JSON values only; text is raw and is escaped where it is rendered.
    """

    kind: str
    payload: Mapping[str, Any] = field(default_factory=dict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        del include, exclude  # the notebook's protocol; a block always gives all its forms
        bundle: dict[str, Any] = {
            BLOCK_MIME: {"kind": self.kind, **self.payload},
            "text/plain": self.as_text(),
        }
        if self.kind == "chart" or "still" in self.payload:
            bundle[CHART_MIME] = for_notebook(self.payload["spec" if self.kind == "chart" else "still"])
        else:
            bundle["text/html"] = no_math(self.as_html())
        return bundle

    def as_text(self) -> str:
        """Return the block as plain text; masked cells stay masked."""
        p = self.payload
        if self.kind == "table":
            head = " | ".join(visible(column["title"]) for column in p["columns"])
            rows = [
                " | ".join(_hidden(c, v, 40) for c, v in zip(p["columns"], row, strict=True)) for row in p["rows"][:20]
            ]
            return "\n".join([head, *rows])
        if self.kind in ("chart", "graph"):
            return f"[{self.kind}: {visible(p['caption'], 500)}]"
        if self.kind == "findings":
            return "\n".join(f"{f['finding_id']} {visible(f['statement'], 500)}" for f in p["findings"])
        if self.kind in ("card", "figures"):
            return "\n".join(": ".join(visible(part, 200) for part in item if part) for item in p["items"])
        return "\n".join(visible(line, 2_000) for line in p["paragraphs"])

    def as_html(self) -> str:
        """Return the block as escaped HTML for a live notebook."""
        p = self.payload
        if self.kind == "table":
            # A notebook sets every cell to the right: that is for numbers.
            left = ["" if c["format"] != "text" else ' style="text-align: left"' for c in p["columns"]]
            titles = [_html(column["title"]) for column in p["columns"]]
            head = "".join(f"<th{side}>{said}</th>" for said, side in zip(titles, left, strict=True))
            cells = [
                [_html(_hidden(c, v, 300), 330) for c, v in zip(p["columns"], row, strict=True)] for row in p["rows"]
            ]
            rows = "".join(
                f"<tr>{''.join(f'<td{side}>{cell}</td>' for cell, side in zip(row, left, strict=True))}</tr>"
                for row in cells
            )
            return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{_html(p['caption'])}</p>"
        if self.kind in ("card", "figures"):
            said = "".join(f"<dt>{_html(item[0])}</dt><dd>{_html(': '.join(item[1:]))}</dd>" for item in p["items"])
            return f"<dl>{said}</dl>"
        if self.kind == "graph":
            return f"<p>{_html(self.as_text())}</p>"
        if self.kind == "findings":
            return "".join(f"<p><b>{_html(f['finding_id'])}</b> {_html(f['statement'])}</p>" for f in p["findings"])
        return "".join(f"<p>{_html(line)}</p>" for line in p["paragraphs"])


def for_notebook(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked specification as a notebook is given it, under :data:`CHART_MIME`.

    The menu beside the chart saves it as a picture; the entry that takes the data to an editor on the web is left out.
    Sizes are numbers: JupyterLab draws a chart before its container has a size, and one of no width over and over. It
    stands on white, in a dark notebook too: its inks were chosen for that.

    Examples
    --------
    >>> for_notebook({"mark": "bar"})["usermeta"]["embedOptions"]["actions"]["editor"]
    False
    """
    menu = {"export": True, "source": False, "compiled": False, "editor": False}
    schema = "https://vega.github.io/schema/vega-lite/v5.json"  # its name: nothing is fetched
    sizes = {side: most for side, most in _NOTEBOOK.items() if spec.get(side) == "container"}
    config = dict(spec.get("config") or {})
    if config.get("background") == "transparent":
        config |= {"background": "white", "padding": 8}
    return {**spec, **sizes, "config": config, "$schema": schema, "usermeta": {"embedOptions": {"actions": menu}}}


def _html(text: str, limit: int = 2_000) -> str:
    return escape(defang(text), limit)


def _hidden(column: Mapping[str, Any], value: object, limit: int) -> str:
    return "[masked]" if column["mask"] and value != "" else visible(format_cell(value, column["format"]), limit)


def format_cell(value: object, form: str) -> str:
    """Write one cell for people.

    Parameters
    ----------
    value : object
        Text or a number.
    form : {"text", "count", "decimal", "tenths", "hundredths", "probability", "share"}
        How numbers are written; text is returned as it is.

    Returns
    -------
    str

    Examples
    --------
    >>> format_cell(17092296, "count"), format_cell(1.86038, "decimal"), format_cell(813500000.0, "decimal")
    ('17,092,296', '1.86', '813,500,000')
    >>> format_cell(0.9999, "probability"), format_cell(0.0002, "probability"), format_cell(0.0131, "share")
    ('> 0.99', '< 0.01', '1.3 %')
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if form == "probability" and not 0.005 <= value <= 0.99:
        return "> 0.99" if value > 0.99 else ("< 0.01" if value > 0 else "0")
    if form == "share":
        return "< 0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"
    if form == "tenths":
        return f"{value:.1f}"
    if form in ("hundredths", "probability"):
        return f"{value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"  # exact: a count over 2^53 is no float
    if form == "count" or abs(value) >= 1_000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.2g}"


def show_text(*paragraphs: str) -> Block:
    """Return paragraphs of plain text.

    Examples
    --------
    >>> show_text("1 < 2").as_html()
    '<p>1 &lt; 2</p>'
    """
    return Block("text", {"paragraphs": [str(p) for p in paragraphs]})


def show_lead(*paragraphs: str) -> Block:
    """Return the sentences that a hurried reader takes away.

    Examples
    --------
    >>> show_lead("Nothing was found.").as_text()
    'Nothing was found.'
    """
    return Block("lead", {"paragraphs": [str(p) for p in paragraphs]})


def show_figures(figures: Mapping[str, object | tuple[object, str]]) -> Block:
    """Return the few numbers that matter, large; each may bring a note.

    Examples
    --------
    >>> show_figures({"Seeds": ("2 of 3", "occur in the data"), "Actions": 4}).as_text()
    'Seeds: 2 of 3: occur in the data\\nActions: 4'
    """
    items = []
    for name, said in figures.items():
        value, note = said if isinstance(said, tuple) else (said, "")
        items.append([str(name), f"{value:,}" if isinstance(value, int) else str(value), str(note)])
    return Block("figures", {"items": items})


def show_card(items: Mapping[str, object]) -> Block:
    """Return a card: names and values.

    Examples
    --------
    >>> show_card({"Case": "ESC-1"}).as_text()
    'Case: ESC-1'
    """
    return Block("card", {"items": [[str(k), str(_plain(v))] for k, v in items.items()]})


def show_table(
    frame: pl.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    caption: str = "",
    limit: int = 200,
    mask: Sequence[str] = (),
    remove: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    empty: str = "No rows.",
) -> Block:
    """Return a table; says how many of how many rows are shown.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows in the order to show.
    columns : mapping of str to str, optional
        Column to title; all columns under their own names by default.
    caption : str
        What the table shows.
    limit : int
        Rows shown; the whole table lies beside the report.
    mask : sequence of str
        Columns the reader may see by intent: shown as masks.
    remove : sequence of str
        Columns the reader may not see: they never enter the output.
    links : mapping of str to str, optional
        Column to the column that holds the address of a file beside the page (blank = none); on a saved page it leads
        there, and anything that is no such address leads nowhere.
    empty : str
        What stands there when there are no rows.

    Returns
    -------
    Block

    Raises
    ------
    ContractError
        If a column does not exist.

    Examples
    --------
    >>> block = show_table(pl.DataFrame({"ip": ["x", "y"]}), limit=1, caption="Addresses")
    >>> block.payload["caption"], block.payload["rows"]
    ('Addresses (the first 1 of 2 rows)', [['x']])
    """
    titles = {name: name.replace("_", " ") for name in frame.columns} if columns is None else dict(columns)
    leads = dict(links or {})
    absent = [name for name in (*titles, *mask, *leads.values()) if name not in frame.columns]
    if absent:
        raise ContractError("; ".join(f"no column {name!r} to show: {nearest(name, frame.columns)}" for name in absent))
    kept = [name for name in titles if name not in remove]
    shown = frame.select(kept).head(limit)
    said = caption.rstrip(".")
    if frame.height > limit:
        said = f"{said} (the first {shown.height:,} of {count_of(frame.height, 'row')})".strip()
    left_out = [titles[name] for name in titles if name in remove]
    if left_out:
        said += f". Left out for this reader: {', '.join(left_out)}"
    rows = [[_plain(value) for value in row] for row in shown.iter_rows()]
    about = [
        {
            "name": name,
            "title": titles[name],
            "format": _format(name, shown.get_column(name)),
            "width": _width([row[i] for row in rows]),
            "mask": name in mask,
            **({"links": frame.get_column(leads[name]).head(limit).to_list()} if name in leads else {}),
        }
        for i, name in enumerate(kept)
    ]
    return Block("table", {"caption": said, "columns": about, "rows": rows, "empty": empty})


def _format(name: str, values: pl.Series) -> str:
    """How the numbers of a column are written: all alike, unless they are of very different sizes."""
    if not values.dtype.is_numeric():
        return "text"
    if values.dtype.is_integer():
        return "count"
    if name in ("probability", "p"):
        return "probability"
    if name.endswith("share"):
        return "share"
    largest = max((abs(value) for value in values.to_list() if value is not None and value == value), default=0.0)
    whole = all(value is None or value == value // 1 for value in values.to_list())
    return "decimal" if whole or largest >= 1_000 else "tenths" if largest >= 10 else "hundredths"


def _width(cells: Sequence[object]) -> str:
    """How a column of text is set: on one line, as prose, or as the prose that needs the room."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    longest = max(map(len, texts), default=0)
    blank = any(ch.isspace() for text in texts for ch in text)
    if longest <= _SHORT or (longest <= _NARROW and not blank):
        return "narrow"
    return "long" if longest > _LONG else "wide"


def show_chart(chart: Any, caption: str) -> Block:
    """Return an Altair chart, checked by :func:`toolkit.views.safe.lint_spec`.

    Parameters
    ----------
    chart : altair.TopLevelMixin
        Any Altair chart whose data are aggregated already.
    caption : str
        What it shows and what was left out; also its alternative text.

    Examples
    --------
    >>> import altair as alt
    >>> chart = alt.Chart(pl.DataFrame({"a": [1], "b": [2]})).mark_bar().encode(x="a:Q", y="b:Q")
    >>> show_chart(chart, "one bar").as_text()
    '[chart: one bar]'
    """
    spec = chart.to_dict()
    spec.pop("usermeta", None)
    spec["description"] = visible(caption, 500)  # Vega makes it the picture's name for those who cannot see it
    return Block("chart", {"spec": lint_spec(spec), "caption": caption})


def show_findings(findings: Sequence[Finding]) -> Block:
    """Return findings, each with its likelihood and confidence in their own places.

    Examples
    --------
    >>> show_findings([]).payload
    {'findings': []}
    """
    return Block("findings", {"findings": [finding.model_dump(mode="json") for finding in findings]})


def _plain(value: Any) -> Any:
    """A JSON value for a cell: numbers stay numbers, ids and everything else become text."""
    if value is None or isinstance(value, bool):
        return "" if value is None else ("yes" if value else "no")
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return round(value, 6) if value == value and abs(value) != float("inf") else str(value)
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d %H:%M:%S") + " UTC"
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item)) for item in value)
    return str(value)
