"""Pivot by hand: from accounts to the values they hold, to whoever else holds them, and on; every step is code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets as widgets
import polars as pl

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.linking.pivot import find_holders, find_values
from toolkit.model.tables import Observations, conform
from toolkit.views.words import count_of
from toolkit.widgets.panel import Panel
from toolkit.widgets.trail import Name, Step

__all__ = ["PivotPanel"]

_VALUES, _HOLDERS = "toolkit.linking.pivot.find_values", "toolkit.linking.pivot.find_holders"


class PivotPanel(Panel):
    """A panel that goes from accounts to values and back.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : iterable of str
        Where to begin.
    name : str
        What the frame is called in the code that the panel gives back.

    Attributes
    ----------
    rows : polars.DataFrame
        What the last step gave.
    code : str
        A cell that gives the same rows.

    Raises
    ------
    InputError
        If none of the accounts is there.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> frame = pl.DataFrame({"account_id": list("abcd"), "device": ["x", "x", "x", "y"], "card": ["1", "1", "2", "2"]})
    >>> panel = PivotPanel(find_observations(frame), ["a"])
    >>> panel.rows.select("kind", "value").rows()
    [('card', '1'), ('device', 'x')]
    >>> panel.to_accounts([("device", "x")])
    >>> panel.rows["account_id"].to_list()
    ['a', 'b', 'c']
    >>> print(panel.code)
    # needs: observations
    from toolkit.linking.pivot import find_holders
    from toolkit.linking.pivot import find_values
    <BLANKLINE>
    rows = find_values(observations=observations, accounts=['a'], hidden=[])
    rows = find_holders(observations=observations, values=[('device', 'x')])
    """

    def __init__(self, observations: pl.DataFrame, accounts: Iterable[str], *, name: str = "observations") -> None:
        self._observations = conform(observations, Observations)
        self._known = set(self._observations["account_id"].unique().to_list())
        asked = sorted(set(accounts))
        if not any(account in self._known for account in asked):
            raise InputError(
                f"none of {count_of(len(asked), 'account')} is in the observations: check the ids, they are exact text"
            )
        super().__init__(name)
        self._name = name
        self._states: list[tuple[str, tuple[Any, ...], tuple[tuple[str, str], ...]]] = []
        self._hidden: tuple[tuple[str, str], ...] = ()
        self.to_values(asked)

    # ---------------------------------------------------------------- steps, with a screen or without

    def to_values(self, accounts: Iterable[str] | None = None) -> None:
        """Go on to what accounts hold: those named, else those of the last step."""
        asked = self._here("account") if accounts is None else sorted(set(accounts))
        hidden = list(self._hidden)
        given = {"observations": Name(self._name), "accounts": asked, "hidden": hidden}
        self._keep("values", asked, Step(_VALUES, given))

    def to_accounts(self, values: Iterable[tuple[str, str]] | None = None) -> None:
        """Go on to who holds values: those named, else those of the last step."""
        asked = self._here("value") if values is None else sorted(set(values))
        given = {"observations": Name(self._name), "values": asked}
        self._keep("accounts", asked, Step(_HOLDERS, given))

    def hide(self, values: Iterable[tuple[str, str]]) -> None:
        """Leave values out from now on: a campus, a proxy; what accounts hold is looked up again without them."""
        self._hidden = tuple(sorted({*self._hidden, *values}))
        kind, asked, _ = self._states[-1]
        if kind == "values":
            self.to_values(asked)

    def undo(self) -> bool:
        """Take the last step back; the first one stays."""
        if len(self._states) < 2:
            return False
        self._states.pop()
        self.trail.undo()
        kind, asked, self._hidden = self._states[-1]
        self.rows = self._look_up(kind, asked)
        self._refresh()
        return True

    def _look_up(self, kind: str, asked: Sequence[Any]) -> pl.DataFrame:
        if kind == "values":
            return find_values(self._observations, asked, hidden=list(self._hidden))
        return find_holders(self._observations, asked)

    def _here(self, what: str) -> list[Any]:
        kind = self._states[-1][0]
        if what == "account" and kind == "accounts":
            return sorted(self.rows["account_id"].to_list())
        if what == "value" and kind == "values":
            return sorted(self.rows.select("kind", "value").rows())
        raise UnknownNameError("way on from here", f"{what}s", ["to_accounts"] if kind == "values" else ["to_values"])

    def _keep(self, kind: str, asked: Sequence[Any], step: Step) -> None:
        self._states.append((kind, tuple(asked), self._hidden))
        self._take(self._look_up(kind, asked), step)

    # ---------------------------------------------------------------- the screen

    def _controls(self) -> list[widgets.Widget]:
        self._crumbs = widgets.Label()
        self._crumbs.add_class("mathjax_ignore").add_class("tex2jax_ignore")  # a label would typeset what data say
        buttons = {
            "Go on": ("Pivot from the chosen rows, or from all", self._on_go),
            "Hide": ("Leave the chosen values out from now on", self._on_hide),
            "Back": ("Take the last step back", self.undo),
        }
        return [self._crumbs, self._buttons(buttons)]

    def _refresh(self) -> None:
        super()._refresh()
        if self._view is not None:
            crumbs = " › ".join(self._describe(kind, asked) for kind, asked, _ in self._states)
            self._crumbs.value = visible(crumbs, 400)

    @staticmethod
    def _describe(kind: str, asked: Sequence[Any]) -> str:
        """A bread crumb: what was asked about, and what came of it."""
        if kind == "values":
            return f"{asked[0] if len(asked) == 1 else count_of(len(asked), 'account')} holds"
        return f"{' '.join(asked[0]) if len(asked) == 1 else count_of(len(asked), 'value')} held by"

    def _on_go(self) -> None:
        chosen = self._table.chosen
        if self._states[-1][0] == "values":
            self.to_accounts(chosen.select("kind", "value").rows() if chosen.height else None)
        else:
            self.to_values(chosen["account_id"].to_list() if chosen.height else None)

    def _on_hide(self) -> None:
        if self._states[-1][0] == "values" and self._table.chosen.height:
            self.hide(self._table.chosen.select("kind", "value").rows())
