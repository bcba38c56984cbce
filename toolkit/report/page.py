"""From an executed notebook to one offline page.

The exporter walks the cells and renders what it knows: our typed blocks, static prose, code folded away, plain text.
Any other HTML is left out, and the page says so. Scripts are inlined and named by hash in the content-security policy;
nothing on the page can fetch, and Vega runs in its interpreter, so nothing can evaluate.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from toolkit.errors import visible
from toolkit.views.blocks import BLOCK_MIME, format_cell
from toolkit.views.safe import defang, escape, is_beside, lint_spec, script_json

__all__ = ["Section", "read_sections", "render_page"]


@dataclass
class Section:
    """A heading of level 2 and everything under it."""

    title: str
    anchor: str
    parts: list[dict[str, Any]] = field(default_factory=list)


def read_sections(notebook: Mapping[str, Any]) -> tuple[str, list[Section]]:
    """Read the title and the sections of an executed notebook.

    Parameters
    ----------
    notebook : mapping
        nbformat 4.

    Returns
    -------
    title : str
        The first heading of level 1.
    sections : list of Section
        In order; what stands before the first heading of level 2 is a section of its own only if it shows something.

    Examples
    --------
    >>> cells = [{"cell_type": "markdown", "source": "# T\\n## One\\nHello"}]
    >>> title, sections = read_sections({"cells": cells})
    >>> title, [s.title for s in sections], sections[0].parts[0]["blocks"]
    ('T', ['One'], [{'kind': 'paragraph', 'text': 'Hello'}])
    """
    title, sections = "", [Section("", "top")]
    for cell in notebook["cells"]:
        source = _joined(cell["source"])
        if cell["cell_type"] == "markdown":
            for level, text, body in _headings(source):
                if level == 1:
                    title = title or text
                elif level == 2:
                    sections.append(Section(text, _anchor(text, sections)))
                blocks = _prose(body)
                if blocks:
                    sections[-1].parts.append({"kind": "prose", "blocks": blocks})
        elif cell["cell_type"] == "code":
            tags = cell.get("metadata", {}).get("tags", [])
            if source.strip() and "injected-parameters" not in tags:
                sections[-1].parts.append({"kind": "code", "source": source})
            sections[-1].parts += [part for output in cell.get("outputs", []) for part in _output(output)]
    kept = [s for s in sections if s.title or any(p["kind"] not in ("code", "prose") for p in s.parts)]
    return title, kept


def render_page(
    notebook: Mapping[str, Any], *, title: str = "", tlp: str = "AMBER", footer: str = "", synthetic: bool = False
) -> str:
    """Render an executed notebook as one offline HTML page.

    Parameters
    ----------
    notebook : mapping
        nbformat 4, executed.
    title : str
        Replaces the notebook's own title.
    tlp : str
        Traffic light protocol word of the hand-over.
    footer : str
        What made this page.
    synthetic : bool
        Whether the data are made up; the page then says so at the top.

    Returns
    -------
    str
        The same notebook gives the same bytes.

    Examples
    --------
    >>> page = render_page({"cells": [{"cell_type": "markdown", "source": "# T\\n## S\\n<script>x"}]})
    >>> "<script>x" in page, "&lt;script&gt;x" in page
    (False, True)
    """
    own_title, sections = read_sections(notebook)
    specs: list[dict[str, str]] = []
    graphs: list[dict[str, str]] = []

    def keep_spec(spec: dict[str, Any]) -> str:
        name = f"chart-{len(specs) + 1}"
        specs.append({"id": name, "json": _trusted(script_json(lint_spec(spec)))})
        return name

    for part in (part for section in sections for part in section.parts):
        if part["kind"] == "chart":
            part["id"] = keep_spec(part["spec"])
        elif part["kind"] == "graph":
            part["id"] = f"graph-{len(graphs) + 1}"
            part["still_id"] = keep_spec(part["still"]) if part.get("still") else ""
            graphs.append({"id": part["id"], "json": _trusted(script_json(part["data"]))})
        elif part["kind"] == "table":
            part["about"] = next(
                (i for i, c in enumerate(part["columns"]) if c["name"] in _ACCOUNT and not c["mask"]), None
            )
    scripts = [_vega_bundle(), _asset("toolkit.views", "vega-interpreter.min.js")] if specs else []
    scripts += [_asset("toolkit.views", "graph-view.min.js")] if graphs else []
    scripts.append(_asset("toolkit.report", "page.js"))
    csp = "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(_hash(script) for script in scripts),
            "style-src 'unsafe-inline'",
            "img-src data:",
            "form-action 'none'",
            "base-uri 'none'",
        ]
    )
    return str(
        _template().render(
            csp=_trusted(csp),
            css=_trusted(_asset("toolkit.report", "page.css")),
            title=title or own_title or "Report",
            tlp=tlp,
            footer=footer,
            synthetic=synthetic,
            sections=sections,
            code=any(part["kind"] == "code" for section in sections for part in section.parts),
            masks=any(_is_masked(part) for section in sections for part in section.parts),
            specs=specs,
            graphs=graphs,
            scripts=[_trusted(script) for script in scripts],
        )
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data"] = _data
    environment.tests["beside"] = is_beside
    environment.filters["cell"] = lambda value, form: _data(format_cell(value, form))
    environment.filters["heading"] = lambda kind: _HEADINGS.get(kind, kind.replace("_", " "))
    return environment.from_string(_asset("toolkit.report", "page.html.j2"))


_ACCOUNT = ("account", "account_id")
"""Columns that say whom a row is about: it is shown with the others of whoever is picked in the network."""

_HEADINGS = {
    "linked_set": "Who belongs",
    "seed_rejected": "A seed in doubt",
    "hub_explained": "Looks like a link, and is not one",
    "burst": "Acting together",
    "data_gap": "Gap in the data",
    "identifier_survived_ban": "What survived the ban",
    "return_attempt": "Came back",
    "template_family": "One template",
    "tempo_automation": "A machine's rhythm",
    "persona_multiplicity": "Several people",
    "loss_estimate": "Loss",
    "victim": "Victim",
    "prevalence": "How often",
    "shared_vendor_not_actor": "One vendor, not one actor",
    "known_ring": "A ring the team knows",
    "infra_overlap_unrelated_orgs": "One infrastructure, unrelated organisations",
    "detector_gap": "Not detected",
    "coverage_gap": "Not covered",
    "drift": "Drift",
    "null_result": "Looked for, not found",
}
"""Types of findings as a reader calls them."""


def _is_masked(part: Mapping[str, Any]) -> bool:
    return part["kind"] == "table" and bool(part["rows"]) and any(column["mask"] for column in part["columns"])


def _data(value: object) -> Any:
    """Text from data: addresses broken, hidden characters shown, then escaped."""
    return _trusted(escape(defang(value) if isinstance(value, str) else value))


def _trusted(text: str) -> Any:
    """Mark text as markup: only our own assets, and what the escape gate has returned."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - the one place; every caller passes a bundled asset or escaped text


@cache
def _asset(package: str, name: str) -> str:
    text = (files(package) / "assets" / name).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script") if name.endswith(".js") else text


@cache
def _vega_bundle() -> str:
    import vl_convert

    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # the stub asks for what the code does not
    return str(bundle).replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(script: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def _joined(source: str | Sequence[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _anchor(text: str, before: Sequence[Section]) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    taken = {section.anchor for section in before}
    return next(name for name in (stem, *(f"{stem}-{i}" for i in range(2, 999))) if name not in taken)


def _headings(source: str) -> list[tuple[int, str, str]]:
    """Cut markdown at headings of level 1 and 2: (level, heading, what follows); level 0 is what stands before any."""
    found: list[tuple[int, str, list[str]]] = [(0, "", [])]
    for line in source.splitlines():
        match = re.fullmatch(r"(#{1,2})\s+(.+?)\s*#*", line)
        if match:
            found.append((len(match[1]), _plain_markdown(match[2]), []))
        else:
            found[-1][2].append(line)
    return [(level, text, "\n".join(body)) for level, text, body in found]


def _prose(text: str) -> list[dict[str, Any]]:
    """Read the little markdown that templates use: paragraphs, lists, headings of level 3. Links become their text."""
    blocks: list[dict[str, Any]] = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        lines = [line for line in chunk.splitlines() if line.strip()]
        if not lines:
            continue
        if all(re.match(r"\s*[-*] ", line) for line in lines):
            blocks.append({"kind": "list", "items": [_plain_markdown(re.sub(r"^\s*[-*] ", "", li)) for li in lines]})
        elif lines[0].startswith("### "):
            blocks.append({"kind": "heading", "text": _plain_markdown(lines[0][4:])})
            blocks += _prose("\n".join(lines[1:]))
        else:
            blocks.append({"kind": "paragraph", "text": _plain_markdown(" ".join(line.strip() for line in lines))})
    return blocks


def _plain_markdown(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text).replace("*", "")


def _output(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Render one output of a cell, or say that it was left out."""
    kind = output.get("output_type")
    if kind in ("display_data", "execute_result"):
        data = output.get("data", {})
        if BLOCK_MIME in data:
            return [dict(data[BLOCK_MIME])]
        if "text/plain" in data and not set(data) - {"text/plain"}:
            return [{"kind": "plain", "text": _joined(data["text/plain"])}]
        shown = ", ".join(sorted(visible(name) for name in data))
        return [
            {"kind": "dropped", "text": f"An output was left out: a report shows typed blocks only (found {shown})."}
        ]
    if kind == "stream" and output.get("name") == "stdout":
        return [{"kind": "plain", "text": _joined(output["text"])}]
    return []
