"""The code of a widget, to read and to copy."""

from __future__ import annotations

from importlib.resources import files

import anywidget
import traitlets

__all__ = ["CodeBox"]


class CodeBox(anywidget.AnyWidget):
    """A folded box with code in it, and a button that copies it.

    Attributes
    ----------
    code : str
        What it shows, as text.

    Examples
    --------
    >>> CodeBox(code="rows = find_values(observations, ['a'])").code
    "rows = find_values(observations, ['a'])"
    """

    _esm = (files("toolkit.widgets") / "assets" / "code.js").read_text(encoding="utf-8")
    code = traitlets.Unicode("").tag(sync=True)
