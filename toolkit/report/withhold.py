"""What leaves the house says nothing of users: account ids become numbers, values go, what looks personal goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from toolkit.errors import visible

__all__ = ["WITHHELD", "Withholder"]

WITHHELD: Final = "(withheld)"
_BEGINS: Final = 20
"""A long value may stand in a sentence cut short; so much of its beginning is always there."""
_KEY: Final = 12
_SHORT: Final = 4
"""Below so many characters a name is looked for as a word of its own: it may be a part of any."""
_PERSONAL: Final = re.compile(
    r"[^\s@<>()\[\]]+@[^\s@<>()\[\]]+\.\w+"  # an e-mail address
    r"|\+\d[\d ().-]{6,}\d"  # a telephone number
    r"|(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"  # a card number
)


def _begins(name: str) -> str:
    return visible(name[:_BEGINS], _BEGINS)


class Withholder:
    """Takes account ids and values out of text.

    Parameters
    ----------
    accounts : sequence of str, or mapping
        Called "account 1", "account 2", ... in this order; or by the names that the mapping gives them.
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

    def __init__(self, accounts: Sequence[str] | Mapping[str, str], values: Iterable[str] = ()) -> None:
        named = accounts if isinstance(accounts, Mapping) else _numbered(accounts)
        self._names = {value: WITHHELD for value in values if value} | dict(named)
        # A case knows a hundred thousand names, and a sentence holds a few: it is asked which it may hold.
        self._index: dict[str, list[str]] = {}
        for name in self._names:
            for begins in {name[:_KEY], _begins(name)[:_KEY]}:
                self._index.setdefault(begins, []).append(name)

    def tell(self, text: str) -> str:
        """Return the text with every known name replaced, and whatever looks personal left out."""
        begun = {text[at : at + n] for at in range(len(text)) for n in range(1, _KEY + 1)} & self._index.keys()
        found = {name for begins in begun for name in self._index[begins] if name in text or _begins(name) in text}
        # The longest first: one name may be a part of another.
        names = sorted(found, key=lambda name: (-len(name), name))
        if names:
            either = "|".join(f"(?P<n{number}>{self._pattern(name)})" for number, name in enumerate(names))
            text = re.sub(either, lambda m: self._names[names[int(str(m.lastgroup)[1:])]], text, flags=re.DOTALL)
        return _PERSONAL.sub(WITHHELD, text)

    def holds(self, text: str) -> bool:
        """Return whether anything in the text would be replaced."""
        return self.tell(text) != text

    @staticmethod
    def _pattern(name: str) -> str:
        said = {re.escape(name), re.escape(visible(name, len(name)))}
        if len(name) > _BEGINS:
            said.add(rf"{re.escape(_begins(name))}[^…]*… \(\d+ characters\)")
        either = "|".join(sorted(said, key=lambda form: (-len(form), form)))
        return rf"(?<!\w)(?:{either})(?!\w)" if len(name) < _SHORT else either


def _numbered(accounts: Sequence[str]) -> dict[str, str]:
    return {account: f"account {number}" for number, account in enumerate(dict.fromkeys(accounts), 1)}
