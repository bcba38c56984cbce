"""Views that move together: who is picked in one is picked in all of them."""

from __future__ import annotations

from typing import Any

import traitlets

from toolkit.errors import InputError

__all__ = ["link_views"]


def link_views(first: Any, *others: Any) -> None:
    """Pick the same accounts in several views: a network, a timeline, tables.

    Parameters
    ----------
    first, *others : GraphView, TimelineBrush, Rows
        Whatever has a trait ``accounts``. What is picked in the first one now is picked in the others. Linking the same
        views again does nothing.

    Raises
    ------
    InputError
        If one of them picks no accounts.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.widgets.rows import Rows
    >>> left = Rows(pl.DataFrame({"account_id": ["a", "b"], "n": [1, 2]}))
    >>> right = Rows(pl.DataFrame({"account_id": ["b", "b", "c"]}))
    >>> link_views(left, right)
    >>> left.selected = [1]
    >>> right.accounts, right.note
    (['b'], '2 of 3 rows')
    """
    for view in (first, *others):
        if not (isinstance(view, traitlets.HasTraits) and view.has_trait("accounts")):
            raise InputError(f"{type(view).__name__} picks no accounts: link a GraphView, a TimelineBrush or Rows")
    tied = first.__dict__.setdefault("_tied", {})
    for other in others:
        if id(other) not in tied:  # the link holds the other one, so its id stays its own
            tied[id(other)] = traitlets.link((first, "accounts"), (other, "accounts"))
