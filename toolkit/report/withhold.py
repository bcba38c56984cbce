"""What leaves the house says nothing of users: account ids become numbers, values go, what looks personal goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from toolkit.errors import visible

__all__ = ["WITHHELD", "Withholder"]

WITHHELD: Final = "(withheld)"
_BEGINS: Final = 20
"""A long value may stand in a sentence cut short; so much of its beginning is always there."""
_SHORT: Final = 4
"""Below so many characters a name is looked for as a word of its own: it may be a part of any."""
_PERSONAL: Final = re.compile(
    r"[^\s@<>()\[\]]+@[^\s@<>()\[\]]+\.\w+"  # an e-mail address
    r"|\+\d[\d ().-]{6,}\d"  # a telephone number
    r"|(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"  # a card number
)


class Withholder:
    """Takes account ids and values out of text.

    Parameters
    ----------
    accounts : sequence of str
        Called "account 1", "account 2", ... in this order.
    values : iterable of str
        Left out.

    Examples
    --------
    >>> keep = Withholder(["acct_7", "acct_8"], ["dev_1"])
    >>> keep.tell("acct_8 and acct_7 share dev_1 and write from x@y.example.")
    'account 2 and account 1 share (withheld) and write from (withheld).'
    >>> keep.holds("https://a.example/?u=acct_7"), keep.holds("https://a.example/")
    (True, False)
    """

    def __init__(self, accounts: Sequence[str], values: Iterable[str] = ()) -> None:
        numbered = {account: f"account {number}" for number, account in enumerate(dict.fromkeys(accounts), 1)}
        self._names = {value: WITHHELD for value in values if value} | numbered

    def tell(self, text: str) -> str:
        """Return the text with every known name replaced, and whatever looks personal left out."""
        told: dict[str, str] = {}
        patterns = []
        # Only names that occur are searched for: of many thousands, a sentence holds a few. The longest go first.
        for name in sorted(self._names, key=lambda name: (-len(name), name)):
            begins = visible(name[:_BEGINS], _BEGINS)
            if begins in text or name in text:
                told[f"n{len(told)}"] = self._names[name]
                patterns.append(f"(?P<n{len(told) - 1}>{self._pattern(name, begins)})")
        if patterns:
            text = re.sub("|".join(patterns), lambda match: told[str(match.lastgroup)], text, flags=re.DOTALL)
        return _PERSONAL.sub(WITHHELD, text)

    def holds(self, text: str) -> bool:
        """Return whether anything in the text would be replaced."""
        return self.tell(text) != text

    @staticmethod
    def _pattern(name: str, begins: str) -> str:
        said = {re.escape(name), re.escape(visible(name, len(name)))}
        if len(name) > _BEGINS:
            said.add(rf"{re.escape(begins)}[^…]*… \(\d+ characters\)")
        either = "|".join(sorted(said, key=lambda form: (-len(form), form)))
        return rf"(?<!\w)(?:{either})(?!\w)" if len(name) < _SHORT else either
