"""Errors say what was wrong, what was found, and what to do next."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from toolkit import errors
from toolkit.errors import InputError, RunError, ToolkitError, nearest, visible


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every public error is drawn, hangs under ToolkitError, and has its exit code."""
    for name in errors.__all__:
        thing = getattr(errors, name)
        if isinstance(thing, type):
            assert name in (errors.__doc__ or "")
            assert issubclass(thing, ToolkitError)
            assert thing.exit_code == (2 if issubclass(thing, InputError) else 1)
    assert not issubclass(InputError, RunError)


@given(st.text())
def test_visible_text_hides_nothing(text: str) -> None:
    """No control, bidirectional or zero-width character reaches a terminal."""
    shown = visible(text)
    assert not {unicodedata.category(ch) for ch in shown} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def test_nearest_offers_one_name_or_lists_them() -> None:
    """A near miss gets a question; a far one gets the list."""
    assert nearest("acount", ["account", "time"]) == "did you mean 'account'?"
    assert nearest("zzz", ["b", "a"]) == "there are a, b"
    assert nearest("x", []) == "there are none"
