"""What a report is made of: typed blocks that carry data, never markup.

A template's cell ends in a block. In a live notebook the block shows itself as escaped HTML (or, for a chart, as the
Vega-Lite MIME type that JupyterLab draws itself). The report page reads the block's own MIME type and renders it through the
escape gate; anything else a cell prints is shown as plain text or left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from toolkit.errors import ContractError, nearest, visible
from toolkit.model.case import Finding
from toolkit.views.safe import escape, lint_spec

__all__ = ["BLOCK_MIME", "Block", "show_card", "show_chart", "show_findings", "show_table", "show_text"]

BLOCK_MIME = "application/vnd.investigation-toolkit.block+json"


@dataclass(frozen=True)
class Block:
    """One typed piece of a report.

    Attributes
    ----------
    kind : {"text", "card", "table", "chart", "findings"}
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
        if self.kind == "chart":
            bundle["application/vnd.vegalite.v6+json"] = self.payload["spec"]
        else:
            bundle["text/html"] = self.as_html()
        return bundle

    def as_text(self) -> str:
        """Return the block as plain text."""
        p = self.payload
        if self.kind == "table":
            head = " | ".join(column["title"] for column in p["columns"])
            return "\n".join([head, *(" | ".join(visible(cell, 40) for cell in row) for row in p["rows"][:20])])
        if self.kind == "chart":
            return f"[chart: {p['caption']}]"
        if self.kind == "findings":
            return "\n".join(f"{f['finding_id']} {visible(f['statement'], 500)}" for f in p["findings"])
        if self.kind == "card":
            return "\n".join(f"{visible(k)}: {visible(v, 200)}" for k, v in p["items"])
        return "\n".join(visible(line, 2_000) for line in p["paragraphs"])

    def as_html(self) -> str:
        """Return the block as escaped HTML for a live notebook."""
        p = self.payload
        if self.kind == "table":
            head = "".join(f"<th>{escape(column['title'])}</th>" for column in p["columns"])
            rows = "".join("<tr>" + "".join(f"<td>{_cell(c, v)}</td>" for c, v in zip(p["columns"], row, strict=True)) + "</tr>" for row in p["rows"])  # fmt: skip
            return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{escape(p['caption'])}</p>"
        if self.kind == "card":
            return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in p["items"]) + "</dl>"
        if self.kind == "findings":
            return "".join(f"<p><b>{escape(f['finding_id'])}</b> {escape(f['statement'])}</p>" for f in p["findings"])
        return "".join(f"<p>{escape(line)}</p>" for line in p["paragraphs"])


def _cell(column: Mapping[str, Any], value: object) -> str:
    return "[masked]" if column["mask"] else escape(value, 300)


def show_text(*paragraphs: str) -> Block:
    """Return paragraphs of plain text.

    Examples
    --------
    >>> show_text("1 < 2").as_html()
    '<p>1 &lt; 2</p>'
    """
    return Block("text", {"paragraphs": [str(p) for p in paragraphs]})


def show_card(items: Mapping[str, object]) -> Block:
    """Return a header card: names and values.

    Examples
    --------
    >>> show_card({"Case": "ESC-1"}).as_text()
    'Case: ESC-1'
    """
    return Block("card", {"items": [[str(k), _plain(v)] for k, v in items.items()]})


def show_table(
    frame: pl.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    caption: str = "",
    limit: int = 200,
    mask: Sequence[str] = (),
    remove: Sequence[str] = (),
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

    Returns
    -------
    Block

    Raises
    ------
    ContractError
        If a column does not exist.

    Examples
    --------
    >>> block = show_table(pl.DataFrame({"ip": ["x", "y"]}), limit=1, caption="addresses")
    >>> block.payload["caption"], block.payload["rows"]
    ('addresses (1 of 2 rows)', [['x']])
    """
    titles = {name: name.replace("_", " ") for name in frame.columns} if columns is None else dict(columns)
    absent = [name for name in titles if name not in frame.columns]
    if absent:
        raise ContractError("; ".join(f"no column {name!r} to show: {nearest(name, frame.columns)}" for name in absent))
    kept = [name for name in titles if name not in remove]
    shown = frame.select(kept).head(limit)
    said = caption if frame.height <= limit else f"{caption} ({shown.height:,} of {frame.height:,} rows)".strip()
    left_out = [titles[name] for name in titles if name in remove]
    if left_out:
        said += f" Left out for this reader: {', '.join(left_out)}."
    return Block(
        "table",
        {
            "caption": said,
            "columns": [
                {"name": n, "title": titles[n], "number": shown.schema[n].is_numeric(), "mask": n in mask} for n in kept
            ],
            "rows": [[_plain(value) for value in row] for row in shown.iter_rows()],
        },
    )


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
        return round(value, 4) if value == value and abs(value) != float("inf") else str(value)
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d %H:%M:%S") + " UTC"
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item)) for item in value)
    return str(value)
