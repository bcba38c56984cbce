"""A cell that is run again: what was done in its widgets goes on in the new ones, and the old ones are closed.

A notebook's cells are run over and over. A widget that a cell makes anew would have forgotten what was done in it, and
the one before would stay open for good. So a widget asks here, once it is made, for the widget of its own class that
the same cell made at the same place when it ran before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

__all__ = ["Resumable", "close_whole", "find_cell", "take_over"]


class Resumable(Protocol):
    """What can go on where an earlier one stopped."""

    def resume(self, earlier: Self) -> None:
        """Do what was done in the earlier one, as far as it fits what this one shows."""

    def close(self) -> None:
        """Let go of the screen."""


@dataclass(slots=True)
class _Cell:
    """What one cell made: when it ran last, and when it ran before that."""

    run: str
    now: list[Any] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)


_CELLS: Final[dict[str, _Cell]] = {}


def find_cell() -> tuple[str, str] | None:
    """Find which cell is being run, and which run of it this is; None outside a notebook or where it does not tell.

    Examples
    --------
    >>> find_cell() is None
    True
    """
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:  # without IPython there are no cells
        return None
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent("shell") if kernel is not None else {}
    cell = parent.get("metadata", {}).get("cellId")
    return (str(cell), str(parent["header"]["msg_id"])) if cell else None


def take_over(widget: Resumable) -> None:
    """Go on from the widget of the same class that this cell made before, and close that one.

    Parameters
    ----------
    widget : Resumable
        As it was just made. Outside a notebook nothing happens.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.widgets.rows import Rows
    >>> take_over(Rows(pl.DataFrame({"n": [1]})))
    """
    here = find_cell()
    if here is None:
        return
    name, run = here
    cell = _CELLS.setdefault(name, _Cell(run))
    if cell.run != run:
        for left in cell.before:  # what the last run no longer made
            close_whole(left)
        cell.run, cell.now, cell.before = run, [], cell.now
    cell.now.append(widget)
    for i, earlier in enumerate(cell.before):
        if type(earlier).__name__ == type(widget).__name__:  # anywidget gives every widget a class of its own
            del cell.before[i]
            widget.resume(earlier)
            close_whole(earlier)
            return


def close_whole(widget: Any) -> None:
    """Close a widget, what stands in it, and what says how it is laid out.

    Parameters
    ----------
    widget : widget or panel
        Its state in Python stays.

    Examples
    --------
    >>> import ipywidgets
    >>> box = ipywidgets.VBox([ipywidgets.Label("a")])
    >>> close_whole(box)
    >>> box.children[0].comm is None
    True
    """
    parts = [*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)]
    widget.close()
    for part in parts:
        if hasattr(part, "close"):
            close_whole(part)
