"""Pivot by hand: from accounts to the values they hold, to whoever else holds them, and on; every step is code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import ipywidgets as widgets
import polars as pl

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.linking.pivot import find_holders, find_values, keep_rows
from toolkit.model.tables import Observations, conform
from toolkit.views.words import count_of
from toolkit.widgets.again import take_over
from toolkit.widgets.panel import Panel
from toolkit.widgets.trail import Name, Step

__all__ = ["PivotPanel"]


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: at what some accounts hold, or at who holds some values; ``only``: of it, these alone."""

    at: Literal["values", "accounts"]
    asked: tuple[Any, ...]
    hidden: tuple[tuple[str, str], ...] = ()
    pinned: tuple[Any, ...] = ()
    only: tuple[Any, ...] | None = None

    def rows(self, observations: pl.DataFrame) -> pl.DataFrame:
        """Look it up."""
        if self.at == "values":
            found = find_values(observations, self.asked, hidden=self.hidden)
        else:
            found = find_holders(observations, self.asked)
        return found if self.only is None else keep_rows(found, self.only)

    def steps(self, name: str) -> list[Step]:
        """The same as code."""
        given: dict[str, object] = {"observations": Name(name), "values": list(self.asked)}
        function = "toolkit.linking.pivot.find_holders"
        if self.at == "values":
            given = {"observations": Name(name), "accounts": list(self.asked), "hidden": list(self.hidden)}
            function = "toolkit.linking.pivot.find_values"
        steps = [Step(function, given)]
        if self.only is not None:
            keys = {"rows": Name("rows"), "keys": list(self.only)}
            steps.append(Step("toolkit.linking.pivot.keep_rows", keys))
        return steps


class PivotPanel(Panel):
    """A panel that goes from accounts to values and back.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    accounts : iterable of str
        Where to begin.
    values : iterable of (kind, value)
        Where to begin, in place of accounts: an address from a report, a card from finance.
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
        If none of the accounts or values is there, or both or neither are given.

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

    def __init__(
        self,
        observations: pl.DataFrame,
        accounts: Iterable[str] = (),
        *,
        values: Iterable[tuple[str, str]] = (),
        name: str = "observations",
    ) -> None:
        self._observations = conform(observations, Observations)
        begin = self._begin(tuple(sorted(set(accounts))), tuple(sorted(set(values))))
        super().__init__(name)
        self._name = name
        self._looks: list[_Look] = []
        self._go(begin)
        take_over(self)

    def _begin(self, accounts: tuple[str, ...], values: tuple[tuple[str, str], ...]) -> _Look:
        if bool(accounts) == bool(values):
            raise InputError("begin with accounts or with values: give one of the two")
        first = _Look("values", accounts) if accounts else _Look("accounts", values)
        if first.rows(self._observations).is_empty():
            what = count_of(len(first.asked), "account" if accounts else "value")
            raise InputError(f"none of {what} is in the observations: check them, they are exact text")
        return first

    def resume(self, earlier: PivotPanel) -> None:
        """Go on where an earlier panel stopped, if it began with the same in the same observations."""
        same = earlier._looks[0] == self._looks[0] and earlier._name == self._name
        if same and earlier._observations.equals(self._observations, null_equal=True):
            self._looks = earlier._looks[:-1]
            self._go(earlier._looks[-1])

    # ---------------------------------------------------------------- steps, with a screen or without

    def to_values(self, accounts: Iterable[str] | None = None) -> None:
        """Go on to what accounts hold: those named, else those of the last step; and those that are pinned."""
        asked = self._here("account") if accounts is None else set(accounts)
        self._on("values", asked | {pin for pin in self._now.pinned if isinstance(pin, str)})

    def to_accounts(self, values: Iterable[tuple[str, str]] | None = None) -> None:
        """Go on to who holds values: those named, else those of the last step; and those that are pinned."""
        asked = self._here("value") if values is None else set(values)
        self._on("accounts", asked | {pin for pin in self._now.pinned if not isinstance(pin, str)})

    def isolate(self, keys: Iterable[Any]) -> None:
        """Keep of what is there some values (kind, value), or some accounts, and what is pinned."""
        there = self._here("value" if self._now.at == "values" else "account")
        self._go(replace(self._now, only=tuple(sorted(there & {*keys, *self._now.pinned}))))

    def pin(self, keys: Iterable[Any]) -> None:
        """Keep values (kind, value) or accounts in every step from now on, whatever is hidden or isolated."""
        self._go(replace(self._now, pinned=(*self._now.pinned, *sorted({*keys} - {*self._now.pinned}))))

    def hide(self, values: Iterable[tuple[str, str]]) -> None:
        """Leave values out from now on: a campus, a proxy. What accounts hold is looked up again without them."""
        hidden = {*self._now.hidden, *values} - {*self._now.pinned}
        only = None if self._now.only is None else tuple(key for key in self._now.only if key not in hidden)
        self._go(replace(self._now, hidden=tuple(sorted(hidden)), only=only))

    def undo(self) -> bool:
        """Take the last step back; the first one stays."""
        if len(self._looks) < 2:
            return False
        self._looks.pop()
        self._go(self._looks.pop())
        return True

    @property
    def _now(self) -> _Look:
        return self._looks[-1]

    def _here(self, what: str) -> set[Any]:
        if what == "account" and self._now.at == "accounts":
            return set(self.rows["account_id"].to_list())
        if what == "value" and self._now.at == "values":
            return set(self.rows.select("kind", "value").rows())
        ways = ["to_accounts"] if self._now.at == "values" else ["to_values"]
        raise UnknownNameError("way on from here", f"{what}s", ways)

    def _on(self, at: Literal["values", "accounts"], asked: set[Any]) -> None:
        self._go(_Look(at, tuple(sorted(asked)), self._now.hidden, self._now.pinned))

    def _go(self, look: _Look) -> None:
        self._looks.append(look)
        self.trail.steps = [step for each in self._looks for step in each.steps(self._name)]
        self._take(look.rows(self._observations))

    # ---------------------------------------------------------------- the screen

    def _controls(self) -> list[widgets.Widget]:
        self._crumbs = widgets.Label()
        self._crumbs.add_class("mathjax_ignore").add_class("tex2jax_ignore")  # a label would typeset what data say
        buttons = {
            "Go on": ("Pivot from the chosen rows, or from all", self._on_go),
            "Isolate": ("Keep the chosen rows, and what is pinned", lambda: self._on_chosen(self.isolate)),
            "Pin": ("Keep the chosen rows in every step from now on", lambda: self._on_chosen(self.pin)),
            "Hide": ("Leave the chosen values out from now on", self._on_hide),
            "Back": ("Take the last step back", self.undo),
        }
        return [self._crumbs, self._buttons(buttons)]

    def _refresh(self) -> None:
        super()._refresh()
        if self._view is not None:
            crumbs = " › ".join(self._describe(look) for look in self._looks)
            pinned = f"; {len(self._now.pinned):,} pinned" if self._now.pinned else ""
            self._crumbs.value = visible(crumbs + pinned, 400)

    @staticmethod
    def _describe(look: _Look) -> str:
        """A bread crumb: what was asked about, and what came of it."""
        some = "" if look.only is None else f" (of them {len(look.only):,})"
        if look.at == "values":
            return f"{look.asked[0] if len(look.asked) == 1 else count_of(len(look.asked), 'account')} holds{some}"
        return (
            f"{' '.join(look.asked[0]) if len(look.asked) == 1 else count_of(len(look.asked), 'value')} held by{some}"
        )

    def _chosen(self) -> list[Any]:
        """Keys of the chosen rows."""
        chosen = self._table.chosen
        return chosen.select("kind", "value").rows() if "value" in chosen.columns else chosen["account_id"].to_list()

    def _on_go(self) -> None:
        chosen = self._chosen() or None
        if self._now.at == "values":
            self.to_accounts(chosen)
        else:
            self.to_values(chosen)

    def _on_chosen(self, act: Callable[[Iterable[Any]], None]) -> None:
        if keys := self._chosen():
            act(keys)

    def _on_hide(self) -> None:
        if self._now.at == "values" and (keys := self._chosen()):
            self.hide(keys)
