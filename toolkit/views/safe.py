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

__all__ = ["UnsafeChartError", "defang", "escape", "lint_spec", "script_json"]


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


def defang(text: str) -> str:
    """Break addresses so that no reader or program follows them by accident.

    Examples
    --------
    >>> defang("see https://evil.example/x")
    'see hxxps://evil[.]example/x'
    """
    return re.sub(
        r"\b(https?|ftp)://([^\s/]+)",
        lambda m: m.group(1).replace("tt", "xx").replace("ftp", "fxp") + "://" + m.group(2).replace(".", "[.]"),
        text,
    )


_FORBIDDEN_KEYS = {"url", "href", "expr", "calculate", "labelExpr", "format_type", "src", "usermeta"}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def lint_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Refuse a Vega-Lite specification that could fetch, link, execute, or show times in the reader's zone.

    Parameters
    ----------
    spec : dict
        As ``altair.Chart.to_dict()`` returns it. Data values are not inspected: they are shown as text only.

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
    faults = list(_faults(spec, ""))
    if faults:
        raise UnsafeChartError("this chart is not safe to draw: " + "; ".join(faults))
    return spec


def _faults(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _faults(item, f"{path}[{number}]")
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        at = f"{path}.{key}".lstrip(".")
        if key in ("datasets", "values"):
            continue
        if key in _FORBIDDEN_KEYS:
            yield f"{at}: not allowed"
        elif key in ("mark", "type") and (
            value == "image" or (isinstance(value, dict) and value.get("type") == "image")
        ):
            yield f"{at}: an image mark fetches what data say"
        elif key == "filter" and isinstance(value, str):
            yield f"{at}: a filter is a predicate object, not an expression"
        elif key == "field" and isinstance(value, str) and (not _FIELD.fullmatch(value) or value == "image"):
            yield f"{at}: rename column {visible(value)!r} to letters, digits and '_'"
        elif key == "encoding" and isinstance(value, dict):
            yield from _naive_times(value, at)
            yield from _faults(value, at)
        else:
            yield from _faults(value, at)


def _naive_times(encoding: dict[str, Any], path: str) -> Iterator[str]:
    for channel in ("x", "y"):
        axis = encoding.get(channel)
        if isinstance(axis, dict) and axis.get("type") == "temporal":
            scale = axis.get("scale")
            if not (isinstance(scale, dict) and scale.get("type") == "utc"):
                yield f"{path}.{channel}: a time axis needs scale type 'utc', or it moves with the reader"
