"""Every error raised on purpose, as one tree.

::

    ToolkitError                     catch this to catch everything below
    ├── InputError                   the call was wrong: exit code 2
    │   ├── UnknownNameError         a misspelt table, column, template or parameter
    │   ├── MappingError             a mapping that does not fit its tables (all faults at once)
    │   ├── SourceError              a file that cannot be read, or is over a cap
    │   ├── ContractError            a table that breaks its contract (the rows come back)
    │   └── ParameterError           template parameters that are unknown or ill-typed (all at once)
    └── RunError                     the call was right, the run failed: exit code 1
        └── TemplateError            a cell of a template failed

A message says what was wrong, what was found, and what to do next. Text that comes from data is made
visible by :func:`visible` before it enters a message.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ContractError",
    "InputError",
    "MappingError",
    "ParameterError",
    "RunError",
    "SourceError",
    "TemplateError",
    "ToolkitError",
    "UnknownNameError",
    "column_faults",
    "nearest",
    "need_columns",
    "visible",
]


class ToolkitError(Exception):
    """Base of every error that the toolkit raises on purpose."""

    exit_code = 1


class InputError(ToolkitError):
    """The call was wrong: a missing file, an empty frame, a value out of range."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that does not exist; the message offers the nearest one that does.

    Parameters
    ----------
    what : str
        The kind of thing that was looked for, in words ("column of table auth_log").
    name : str
        The name that was given.
    known : iterable of str
        The names that exist.

    Examples
    --------
    >>> raise UnknownNameError("template", "ring_esclation", ["ring_escalation", "ban_evasion"])
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no template 'ring_esclation': did you mean 'ring_escalation'?
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, sorted(known)
        super().__init__(f"no {what} {visible(name)!r}: {nearest(name, self.known)}")


class _ManyFaultsError(InputError):
    """All faults of one call, a line each."""

    def __init__(self, headline: str, faults: Sequence[str] = ()) -> None:
        self.headline, self.faults = headline, tuple(faults)
        super().__init__("\n  - ".join([headline, *self.faults]))


class MappingError(_ManyFaultsError):
    """A mapping that does not fit its tables: every fault, with the nearest right name."""


class SourceError(_ManyFaultsError):
    """A file, folder or database that cannot be read, or that is over a cap."""


class ParameterError(_ManyFaultsError):
    """Parameters of a template that are unknown, missing or of the wrong type: every one of them."""


class ContractError(InputError):
    """A table that breaks its contract.

    Attributes
    ----------
    failing : polars.DataFrame or None
        The rows that failed.
    counts : dict of str to int
        Failing rows per rule.
    """

    def __init__(self, message: str, failing: pl.DataFrame | None = None, counts: dict[str, int] | None = None) -> None:
        self.failing, self.counts = failing, counts or {}
        super().__init__(message)


class RunError(ToolkitError):
    """The call was right, but the run failed."""


class TemplateError(RunError):
    """A cell of a template failed; carries the cell number, the error's name and its value."""

    def __init__(self, message: str, *, cell: int | None = None, ename: str = "", evalue: str = "") -> None:
        self.cell, self.ename, self.evalue = cell, ename, evalue
        super().__init__(message)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or list what exists.

    Parameters
    ----------
    name : str
        The name that was given.
    known : iterable of str
        The names that exist.

    Returns
    -------
    str
        The second half of a sentence, ending in no full stop unless it is a question.

    Examples
    --------
    >>> nearest("usr_id", ["user_id", "ts"])
    "did you mean 'user_id'?"
    >>> nearest("qqq", ["user_id", "ts"])
    'there are ts, user_id'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {visible(close[0])!r}?"
    if not names:
        return "there are none"
    shown = ", ".join(visible(n) for n in names[:12])
    return f"there are {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def visible(text: object, limit: int = 80) -> str:
    r"""Make text from data safe to print: hidden characters shown, length cut.

    Controls, bidirectional overrides, zero-width and tag characters become ``⟨U+200B⟩``. The result
    is for people; never use it as a key.

    Parameters
    ----------
    text : object
        Anything; ``str()`` of it is shown.
    limit : int
        Characters kept; the rest is replaced by an ellipsis and the count.

    Returns
    -------
    str

    Examples
    --------
    >>> visible("admin\u200b")
    'admin⟨U+200B⟩'
    >>> visible("a" * 100, limit=5)
    'aaaaa… (100 characters)'
    """
    raw = text if isinstance(text, str) else str(text)
    shown = "".join(
        f"⟨U+{ord(ch):04X}⟩" if unicodedata.category(ch) in _HIDDEN_CATEGORIES or ch == "\u3164" else ch
        for ch in raw[:limit]
    )
    return shown if len(raw) <= limit else f"{shown}… ({len(raw)} characters)"


def need_columns(have: Iterable[str], wanted: Iterable[str], what: str) -> None:
    """Raise if columns are missing, all at once and each with the one that was probably meant.

    Raises
    ------
    InputError

    Examples
    --------
    >>> need_columns(["account"], ["account_id"], "pairs")
    Traceback (most recent call last):
    toolkit.errors.InputError: pairs: no account_id (did you mean 'account'?)
    """
    if faults := column_faults(have, wanted, what):
        raise InputError(faults[0])


def column_faults(have: Iterable[str], wanted: Iterable[str], what: str) -> list[str]:
    """Say which columns are missing, in one sentence for a table, or nothing: to be told with a call's other faults.

    Examples
    --------
    >>> column_faults(["a"], ["a"], "pairs"), column_faults(["at"], ["att"], "pairs")
    ([], ["pairs: no att (did you mean 'at'?)"])
    """
    have = list(have)
    missing = [f"no {name} ({nearest(name, have)})" for name in wanted if name not in have]
    return [f"{what}: " + "; ".join(missing)] if missing else []
