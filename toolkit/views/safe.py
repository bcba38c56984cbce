"""The one escape gate: every text and every chart that reaches a page passes through here.

All data are hostile. Text is made visible (hidden characters shown), then escaped; JSON inside a page cannot close its
script element; a chart specification may not name an address, an image, a link or an expression.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from toolkit.errors import ToolkitError, visible

__all__ = [
    "UnsafeChartError",
    "defang",
    "escape",
    "escape_markdown",
    "is_beside",
    "lint_spec",
    "no_math",
    "script_json",
]


class UnsafeChartError(ToolkitError):
    """A chart specification that could fetch, link or execute."""


def escape(text: object, limit: int = 2_000) -> str:
    """Make any value safe as HTML text or as a quoted attribute.

    Parameters
    ----------
    text : object
        Anything; None becomes an empty string.
    limit : int
        Characters kept.

    Returns
    -------
    str

    Examples
    --------
    >>> escape('<b onclick="x">\\u202e')
    '&lt;b onclick=&quot;x&quot;&gt;⟨U+202E⟩'
    """
    return "" if text is None else html.escape(visible(text, limit), quote=True)


def script_json(value: Any) -> str:
    """Write JSON that may stand inside ``<script type="application/json">``.

    Examples
    --------
    >>> script_json({"a": "</script><!--"})
    '{"a":"\\\\u003c/script\\\\u003e\\\\u003c!--"}'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def no_math(markup: str) -> str:
    """Keep a notebook from typesetting what stands between dollar signs: amounts and code, not formulas.

    Examples
    --------
    >>> no_math("<p>$5 and $6</p>")
    '<div class="mathjax_ignore tex2jax_ignore"><p>$5 and $6</p></div>'
    """
    return f'<div class="mathjax_ignore tex2jax_ignore">{markup}</div>'


def defang(text: str) -> str:
    """Break addresses so that no reader or program follows them by accident.

    Examples
    --------
    >>> defang("see https://evil.example/x")
    'see hxxps://evil[.]example/x'
    """
    return re.sub(
        r"(https?|ftp)://([^\s/]+)",
        lambda m: m.group(1).lower().replace("tt", "xx").replace("ftp", "fxp") + "://" + m.group(2).replace(".", "[.]"),
        text,
        flags=re.IGNORECASE,
    )


_MARKDOWN = str.maketrans({"&": "&amp;"} | {mark: f"\\{mark}" for mark in "\\`*_{}[]<>()#|!~$"})


def escape_markdown(text: object, limit: int = 300) -> str:
    """Make any value safe inside a line of Markdown: nothing in it is a mark, a link, a mention or a line of its own.

    Parameters
    ----------
    text : object
        Anything; None becomes an empty string.
    limit : int
        Characters kept.

    Returns
    -------
    str
        One line. Addresses are broken (``hxxps://a[.]b``, ``www[.]``, ``[@]``): many readers make links of bare ones.

    Examples
    --------
    >>> escape_markdown("- see **https://evil.example**\\n")
    '\\\\- see \\\\*\\\\*hxxps://evil\\\\[.\\\\]example\\\\*\\\\*⟨U+000A⟩'
    """
    if text is None:
        return ""
    shown = re.sub(r"www\.", "www[.]", defang(visible(text, limit)), flags=re.IGNORECASE).replace("@", "[@]")
    shown = shown.translate(_MARKDOWN)
    # Only at its beginning could it open a list, a rule or an underline.
    return re.sub(r"^(?=[-+]|=+$)|^(\d+)(?=[.])", r"\1\\", shown.strip(" "))


_FORBIDDEN_KEYS = {
    "url", "href", "src", "expr", "calculate", "labelExpr", "signal", "formatType", "usermeta", "element", "loader",
}  # fmt: skip
_OUTWARD = {"url", "href", "src", "element", "loader"}
"""Keys that reach out of the picture, whoever wrote it."""
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EVENTS = {"wheel![event.ctrlKey]", "click", "dblclick", "pointerover"}
"""What a selection may listen to; anything else could hold an expression."""


def is_beside(address: object) -> bool:
    """Whether an address is that of a file beside a page, or in a folder beside it: all that a page may link to.

    Examples
    --------
    >>> is_beside("CASE-1/runs/0001/report.html"), is_beside("//evil.example/x"), is_beside("../x"), is_beside("js:x")
    (True, False, False, False)
    """
    return (
        isinstance(address, str)
        and re.fullmatch(r"[A-Za-z0-9][\w-]*(\.\w+)*(/[A-Za-z0-9][\w-]*(\.\w+)*)*", address, re.ASCII) is not None
    )


def lint_spec(spec: dict[str, Any], *, expressions: bool = False) -> dict[str, Any]:
    """Refuse a Vega-Lite specification that could fetch, link, execute, or show times in the reader's zone.

    Parameters
    ----------
    spec : dict
        As ``altair.Chart.to_dict()`` returns it. Data values are not inspected: they are shown as text only.
    expressions : bool
        Whether Vega's own expressions may stand in it: for a chart that an analyst wrote and looks at in a notebook.
        What fetches or links is refused all the same.

    Returns
    -------
    dict
        The same object.

    Raises
    ------
    UnsafeChartError
        Names every place that is not allowed.

    Examples
    --------
    >>> lint_spec({"mark": "image"})
    Traceback (most recent call last):
    toolkit.views.safe.UnsafeChartError: this chart is not safe to draw: mark: an image mark fetches what data say
    """
    faults = list(_faults(spec, "", _OUTWARD if expressions else _FORBIDDEN_KEYS))
    if faults:
        raise UnsafeChartError("this chart is not safe to draw: " + "; ".join(faults))
    return spec


def _faults(node: Any, path: str, forbidden: set[str]) -> Iterator[str]:
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _faults(item, f"{path}[{number}]", forbidden)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        at = f"{path}.{key}".lstrip(".")
        if key == "datasets" or (key == "values" and path.endswith("data")):
            continue
        if key in forbidden:
            yield f"{at}: not allowed"
            continue
        yield from _fetching(key, value, at)
        if forbidden is _FORBIDDEN_KEYS:
            yield from _one_fault(key, value, at)
        yield from _faults(value, at, forbidden)


def _fetching(key: str, value: Any, at: str) -> Iterator[str]:
    """What fetches by itself, or on hover."""
    if key in ("mark", "type") and value == "image":
        yield f"{at}: an image mark fetches what data say"
    elif key == "title" and isinstance(value, str) and value.lower() == "image" and "tooltip" in at:
        yield f"{at}: a tooltip entry called 'image' fetches what data say"
    elif key == "field" and isinstance(value, str) and value.lower() == "image":
        yield f"{at}: rename column 'image': a tooltip would fetch what it says"
    elif key == "content" and value == "data":
        yield f"{at}: a tooltip names its fields"


def _one_fault(key: str, value: Any, at: str) -> Iterator[str]:
    """What else is wrong with one entry, apart from what lies inside it."""
    if key in ("filter", "test") and any(isinstance(part, str) for part in _predicates(value)):
        yield f"{at}: a condition is a predicate object, not an expression"
    elif key == "field" and isinstance(value, str) and not _FIELD.fullmatch(value):
        yield f"{at}: rename column {visible(value)!r} to letters, digits and '_'"
    elif key in ("on", "clear", "zoom", "translate") and isinstance(value, str) and value not in _EVENTS:
        yield f"{at}: listens to {', '.join(sorted(_EVENTS))}; found {visible(value)!r}"
    elif key == "sort" and isinstance(value, list):
        yield f"{at}: a list to sort by becomes an expression; give the scale a domain"
    elif key == "bind" and value not in ("scales", "legend"):
        yield f"{at}: binds to scales or to the legend only"
    elif key == "timeUnit" and not str(value["unit"] if isinstance(value, dict) else value).startswith("utc"):
        yield f"{at}: a time unit begins with 'utc', or it moves with the reader"
    elif key == "encoding" and isinstance(value, dict):
        yield from _naive_times(value, at)


def _predicates(value: Any) -> Iterator[Any]:
    """A condition and every condition that it is put together from."""
    if isinstance(value, list):
        for item in value:
            yield from _predicates(item)
    elif isinstance(value, dict) and (together := [k for k in ("and", "or", "not") if k in value]):
        for word in together:
            yield from _predicates(value[word])
    else:
        yield value


def _naive_times(encoding: dict[str, Any], path: str) -> Iterator[str]:
    for channel in ("x", "y"):
        axis = encoding.get(channel)
        if isinstance(axis, dict) and axis.get("type") == "temporal":
            scale = axis.get("scale")
            if not (isinstance(scale, dict) and scale.get("type") == "utc"):
                yield f"{path}.{channel}: a time axis needs scale type 'utc', or it moves with the reader"
