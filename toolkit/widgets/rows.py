"""A table to choose rows from, in a live notebook: escaped, masked by default, readable without its kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import anywidget
import polars as pl
import traitlets

from toolkit.errors import UnknownNameError, visible
from toolkit.views.blocks import format_cell, show_table
from toolkit.views.safe import defang, no_math
from toolkit.views.words import count_of
from toolkit.widgets.again import take_over

__all__ = ["Rows"]

_SHOWN = 200


class Rows(anywidget.AnyWidget):
    """Rows of a frame; what is chosen comes back as a frame.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows in the order to show; the first 200 are shown, and the note says of how many.
    columns : mapping of str to str, optional
        Column to title; by default all under their own names.
    mask : sequence of str
        Columns whose values stand behind a button. A value leaves Python only when it is asked for, and each time is
        written down in :attr:`revealed`.

    Attributes
    ----------
    selected : list of int
        Places of the chosen rows; can be set from Python.
    accounts : list of str
        Accounts (``account_id``) of the chosen rows. Set from outside, their rows alone are shown; with none, all.
    revealed : list of dict
        What was shown by intent: ``at`` (UTC), ``row``, ``column``.

    Raises
    ------
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> rows = Rows(pl.DataFrame({"account_id": ["a", "b"], "n": [2, 1]}))
    >>> rows.selected = [1]
    >>> rows.chosen["account_id"].to_list(), rows.note
    (['b'], '2 rows')
    """

    _esm = (files("toolkit.widgets") / "assets" / "table.js").read_text(encoding="utf-8")
    columns: traitlets.List[Any] = traitlets.List().tag(sync=True)
    rows: traitlets.List[Any] = traitlets.List().tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    accounts = traitlets.List(traitlets.Unicode())

    def __init__(
        self, frame: pl.DataFrame, *, columns: Mapping[str, str] | None = None, mask: Sequence[str] = (), **more: Any
    ) -> None:
        super().__init__(**more)
        self._leading = False
        self.revealed: list[dict[str, Any]] = []
        self.show(frame, columns=columns, mask=mask)
        self.on_msg(self._answer)
        take_over(self)

    def show(self, frame: pl.DataFrame, *, columns: Mapping[str, str] | None = None, mask: Sequence[str] = ()) -> None:
        """Show other rows; nothing is chosen then."""
        for name in (*(columns or {}), *mask):
            if name not in frame.columns:
                raise UnknownNameError("column to show", name, frame.columns)
        self._all, self._mask = frame, tuple(mask)
        self._titles = (
            dict(columns) if columns is not None else {name: name.replace("_", " ") for name in frame.columns}
        )
        self._fill(frame)

    def _fill(self, frame: pl.DataFrame) -> None:
        """Put these rows, of those there are, on the screen."""
        self.frame = frame
        self._cells = show_table(frame, columns=self._titles, limit=_SHOWN, mask=self._mask).payload
        cols = self._cells["columns"]
        about = [{"title": visible(c["title"], 60), "number": c["format"] != "text", "mask": c["mask"]} for c in cols]
        rows = [
            [
                "…" if c["mask"] and cell != "" else self._text(cell, c["format"])
                for c, cell in zip(cols, row, strict=True)
            ]
            for row in self._cells["rows"]
        ]
        kept = f"the first {_SHOWN:,} of " if frame.height > _SHOWN else ""
        of = f"{frame.height:,} of " if frame.height < self._all.height else ""
        self._leading = True
        with self.hold_sync():
            self.selected = []
            self.columns, self.rows = about, rows
            self.note = f"{kept}{of}{count_of(self._all.height, 'row')}"
        self._leading = False

    @traitlets.observe("selected")
    def _lead(self, _: object) -> None:
        if not self._leading and "account_id" in self.frame.columns:
            self._leading = True
            self.accounts = sorted(set(self.chosen["account_id"].to_list()))
            self._leading = False
            if not self.accounts and self.frame.height < self._all.height:
                self._fill(self._all)

    @traitlets.observe("accounts")
    def _follow(self, change: Any) -> None:
        if not self._leading and "account_id" in self._all.columns:
            mine = self._all.filter(pl.col("account_id").is_in(change["new"])) if change["new"] else self._all
            self._fill(mine)

    def resume(self, earlier: Rows) -> None:
        """Go on where an earlier table stopped: what was looked at, and what is chosen where the rows are the same."""
        self.revealed = [*earlier.revealed]
        if self._all.equals(earlier._all, null_equal=True):
            self._fill(earlier.frame)
            self._leading = True
            self.selected, self.accounts = [*earlier.selected], [*earlier.accounts]
            self._leading = False

    @property
    def chosen(self) -> pl.DataFrame:
        """The chosen rows, in the order of the frame."""
        return self.frame[sorted(i for i in set(self.selected) if 0 <= i < self.frame.height)]

    def still(self) -> dict[str, str]:
        """Return the same rows as markup and as text, for a notebook without its kernel; what is masked stays so."""
        table = show_table(self.frame, columns=self._titles, limit=_SHOWN, mask=self._mask)
        return {"text/html": no_math(table.as_html()), "text/plain": table.as_text()}

    def reveal(self, row: int, column: str) -> str:
        """Return one masked value as text, and write down that it was asked for."""
        if column not in self._mask:
            raise UnknownNameError("masked column", column, self._mask)
        self.revealed.append({"at": datetime.now(UTC), "row": row, "column": column})
        place = list(self._titles).index(column)
        return self._text(self._cells["rows"][row][place], self._cells["columns"][place]["format"])

    @staticmethod
    def _text(cell: object, form: str) -> str:
        return visible(defang(format_cell(cell, form)), 300)

    def _answer(self, _: object, content: Mapping[str, Any], __: object) -> None:
        asked = content.get("reveal")
        if isinstance(asked, list) and len(asked) == 2 and all(isinstance(i, int) for i in asked):
            row, place = asked
            names = list(self._titles)
            if 0 <= row < len(self._cells["rows"]) and 0 <= place < len(names) and names[place] in self._mask:
                self.send({"revealed": [row, place], "text": self.reveal(row, names[place])})

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Give the widget, and the same table for whoever opens the notebook without its kernel."""
        bundle = super()._repr_mimebundle_(**more)
        data, meta = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, **self.still()}, meta
