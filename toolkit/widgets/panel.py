"""What every panel is: frames in, rows out, each step a line of code, and one screen however often its cell is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import polars as pl

from toolkit.widgets.rows import Rows
from toolkit.widgets.trail import Step, Trail

__all__ = ["Panel"]


class Panel:
    """The base of panels: it keeps the rows, the trail and the screen.

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
            self._said = widgets.Textarea(layout=widgets.Layout(width="100%", height="6em"), disabled=True)
            code = widgets.Accordion(children=[self._said], titles=("Code",), selected_index=None)
            self._view = widgets.VBox([*self._controls(), self._table, code])
            self._refresh()
        return self._view

    def _controls(self) -> list[widgets.Widget]:
        """What stands above the table."""
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
            self._said.value = self.code

    @staticmethod
    def _buttons(acts: Mapping[str, tuple[str, Callable[[], object]]]) -> widgets.HBox:
        """A row of buttons: the word on each, what it says on hover, what it does."""
        made = []
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
