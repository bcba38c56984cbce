"""What every panel is: frames in, rows out, each step a line of code, and one screen however often its cell is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import polars as pl
import traitlets

from toolkit.model.case import Pivot
from toolkit.model.pivots import keep_pivot
from toolkit.widgets.again import close_whole
from toolkit.widgets.code_box import CodeBox
from toolkit.widgets.rows import Rows
from toolkit.widgets.trail import Step, Trail

__all__ = ["Panel"]


class Panel(traitlets.HasTraits):
    """The base of panels: it keeps the rows, the trail and the screen.

    A panel goes on where it stopped when its cell is run again: see :mod:`toolkit.widgets.again`.

    Attributes
    ----------
    rows : polars.DataFrame
        What the last step gave.
    trail : Trail
        The steps.
    code : str
        A cell that gives the same rows.
    """

    def __init__(self, *given: str) -> None:
        super().__init__()
        self.trail = Trail(given)
        self.rows = pl.DataFrame()
        self._view: widgets.VBox | None = None

    @property
    def code(self) -> str:
        """A runnable cell that gives the rows of the last step."""
        return self.trail.code

    @property
    def view(self) -> widgets.VBox:
        """The panel as a widget; one for all cells that show it."""
        if self._view is None:
            self._table = Rows(self.rows)
            self._said = CodeBox()
            self._view = widgets.VBox([*self._controls(), self._table, *self._below(), self._said])
            self._refresh()
        return self._view

    def keep(self, folder: str | Path, note: str = "", *, analyst: str = "") -> Pivot:
        """Keep in a case what the panel shows: the code, how many rows, and their fingerprint.

        Parameters
        ----------
        folder : str or pathlib.Path
            Of the case.
        note, analyst : str
            Why, and by whom.

        Returns
        -------
        Pivot
            As it was written.

        Raises
        ------
        InputError
            If there is no such folder.
        """
        return keep_pivot(Path(folder), self.rows, self.code, widget=type(self).__name__, note=note, analyst=analyst)

    def close(self) -> None:
        """Take the panel off the screen; rows and trail stay."""
        if self._view is not None:
            close_whole(self._view)
            self._view = None

    def _controls(self) -> list[widgets.Widget]:
        """What stands above the table."""
        return []

    def _below(self) -> list[widgets.Widget]:
        """What stands below it."""
        return []

    def _take(self, rows: pl.DataFrame, *steps: Step) -> None:
        """Keep what a step gave, and show it."""
        self.rows = rows
        for step in steps:
            self.trail.add(step)
        self._refresh()

    def _refresh(self) -> None:
        if self._view is not None:
            self._table.show(self.rows)
            self._said.code = self.code

    @staticmethod
    def _buttons(acts: Mapping[str, tuple[str, Callable[[], object]]], *first: widgets.Widget) -> widgets.HBox:
        """A row of buttons: the word on each, what it says on hover, what it does; ``first`` stands before them."""
        made = [*first]
        for text, (hint, act) in acts.items():
            button = widgets.Button(description=text, tooltip=hint)
            button.on_click(lambda _, act=act: act())
            made.append(button)
        return widgets.HBox(made)

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Give the widget, and the rows for whoever opens the notebook without its kernel."""
        bundle = self.view._repr_mimebundle_(**more)
        data, meta = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, **self._table.still()}, meta
