"""Rows on the screen: text only, masked by default, and every look behind a mask written down."""

from __future__ import annotations

import json

import polars as pl
import pytest

from toolkit.errors import UnknownNameError
from toolkit.widgets.rows import Rows


def test_a_masked_value_leaves_python_only_when_it_is_asked_for() -> None:
    rows = Rows(pl.DataFrame({"account_id": ["a", "b"], "email": ["x@y.example", ""]}), mask=["email"])
    sent: list[dict[str, object]] = []
    rows.send = lambda content: sent.append(content)
    assert "x@y.example" not in json.dumps([rows.rows, rows.columns]) + json.dumps(
        rows._repr_mimebundle_()[0], default=str
    )
    rows._handle_custom_msg({"reveal": [0, 1]}, [])
    assert sent == [{"revealed": [0, 1], "text": "x@y.example"}]
    assert [(look["row"], look["column"]) for look in rows.revealed] == [(0, "email")]
    for wrong in ({"reveal": [0, 0]}, {"reveal": [9, 1]}, {"reveal": "all"}, {}):
        rows._handle_custom_msg(wrong, [])
    assert len(sent) == 1
    with pytest.raises(UnknownNameError, match="no masked column 'account_id'"):
        rows.reveal(0, "account_id")


def test_what_is_cut_is_said_and_what_is_chosen_comes_back() -> None:
    frame = pl.DataFrame({"n": range(500)})
    rows = Rows(frame)
    assert (rows.note, len(rows.rows)) == ("the first 200 of 500 rows", 200)
    rows.selected = [3, 1, 1, 999]
    assert rows.chosen["n"].to_list() == [1, 3]
    rows.show(frame.head(2))
    assert (rows.selected, rows.note) == ([], "2 rows")
    with pytest.raises(UnknownNameError, match="did you mean 'n'"):
        rows.show(frame, columns={"nn": "number"})


def test_hostile_text_is_made_visible() -> None:
    rows = Rows(pl.DataFrame({"a\u202eb": ["<script>x</script>\u200b", "https://evil.example/x"]}))
    assert rows.columns[0]["title"] == "a⟨U+202E⟩b"
    assert rows.rows == [["<script>x</script>⟨U+200B⟩"], ["hxxps://evil[.]example/x"]]
    assert "<script>" not in rows._repr_mimebundle_()[0]["text/html"]
