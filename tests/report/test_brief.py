"""The brief: one page, what matters first, and nothing in it is live."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.case import Action, Case, Finding
from toolkit.model.confidence import Level, Rung
from toolkit.report.brief import write_brief
from toolkit.views.safe import escape_markdown


def find(number: int, kind: str = "linked_set", **more: Any) -> Finding:
    said = {"statement": f"Statement {number}.", "confidence": "moderate", "basis": "b", **more}
    return Finding.model_validate({"finding_id": f"F{number}", "type": kind, **said})


def act(number: int, rung: Rung) -> Action:
    return Action(account_id=f"a{number}", rung=rung, level=Level.L3, reasons=("r",), innocent_explanation="none")


def case(**more: Any) -> Case:
    return Case(**{"case_id": "ESC-1", "seeds": ["a", "b"], "purpose": "fraud ring", "analyst": "kim", **more})


def test_the_page() -> None:
    told = case(
        tlp="GREEN", bottom_line="They are one ring.", window_start=datetime(2026, 1, 5, tzinfo=UTC),
        as_of=datetime(2026, 3, 1, 12, tzinfo=UTC),
        findings=[
            find(1, likelihood="very likely", alternatives=["a household", "a shop"], next_check="read three"),
            find(2, "burst"),
            find(3, "data_gap", statement="Payments were missing.", next_check="ask for payments"),
        ],
        actions=[act(0, Rung.MONITOR), act(1, Rung.BAN), act(2, Rung.BAN), act(3, Rung.NONE)],
    )  # fmt: skip
    assert (
        write_brief(told, synthetic=True)
        == """\
# ESC-1: brief

**TLP:GREEN** · **SYNTHETIC data** · fraud ring · 2 seeds · 2026-01-05 to the end, as of 2026-03-01 12:00 UTC

## Bottom line

They are one ring.

## Findings

| | Finding | Likelihood | Confidence |
| --- | --- | --- | --- |
| F1 | Statement 1. | very likely | moderate |
| F2 | Statement 2. | observed | moderate |

## Proposed actions

- ban: 2
- monitor: 1
- do not action: 1, linked or near, and to be left alone

All of it is proposed; a person decides.

## What is not known

- F3: Payments were missing.
- F1 may also be: a household; a shop

## Next checks

- F1: read three
- F3: ask for payments
"""
    )


def test_what_is_cut_is_counted() -> None:
    many = case(
        bottom_line="word " * 100, actions=[act(i, rung) for i, rung in enumerate(Rung)],
        findings=[
            find(i, statement="long " * 60, alternatives=["other " * 40], next_check="look " * 40) for i in range(12)
        ],
    )  # fmt: skip
    page = write_brief(many)
    assert len(re.findall(r"\n\| F\d", page)) == 2
    assert "10 more findings are in the report." in page
    assert "11 more points are in the report." in page
    assert "12 more checks" not in page
    assert "11 more checks are in the report." in page
    assert "word … (+40 words)" in page
    assert len(page.split()) <= 400
    short = case(findings=[find(i) for i in range(20)])
    assert len(re.findall(r"\n\| F\d", write_brief(short))) > 10
    assert len(write_brief(short).split()) <= 400


def test_an_empty_case_has_a_page_too() -> None:
    page = write_brief(case(seeds=[]))
    assert "Nobody has written one." in page
    assert "- none\n- do not action: 0" in page
    assert len(page.split()) < 100


def full_of(text: str) -> Case:
    told = text if text.strip() else "x"
    findings = [find(i, statement=told, alternatives=[text], next_check=text, basis=told) for i in range(7)]
    findings += [find(8, "data_gap", statement=told)]
    return case(purpose=told, analyst=told, bottom_line=text, findings=findings, seeds=[text])


READ = mistune.create_markdown(renderer="ast", plugins=["strikethrough", "table", "url", "footnotes", "math"])


def shapes(nodes: Any) -> list[str]:
    """What a reader of Markdown makes of a page, words aside: tables, formulas, bare links and HTML switched on."""
    found = []
    for node in nodes:
        if node["type"] != "text":
            found += [node["type"], *shapes(node.get("children", []))]
    return found


LIVE = re.compile(r"(?i)(?:https?|ftp)://|www\.|\w@\w|<[a-z!/]|javascript:[^\\]*\]\(")


def check(text: str) -> None:
    page = write_brief(full_of(text))
    plain = write_brief(full_of("".join(" " if ch == " " else "x" for ch in text)))
    assert shapes(READ(page)) == shapes(READ(plain)), "the same page, with other words"
    unescaped = re.sub(r"\\[<\[(]", "", page)
    assert not LIVE.search(unescaped.replace("**", "")), page
    assert len(page.split()) <= 400


def test_nothing_in_it_is_live(hostile: list[str]) -> None:
    for text in hostile:
        check(text)


@given(st.text(st.sampled_from('\\`*_{}[]<>()#+-.!|~=&@:/ \n\t\r1a\u202e\u2028$"'), min_size=1, max_size=30))
def test_no_text_makes_a_mark(text: str) -> None:
    if text.strip():
        check(f"x{text}")
        check(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1. one", r"1\. one"), ("- one", r"\- one"), ("===", r"\==="), ("# one", r"\# one"), ("a\nb", "a⟨U+000A⟩b"),
        ("HTTP://evil.example", r"hxxp://evil\[.\]example"), ("www.evil.example", r"www\[.\]evil.example"),
        ("x@evil.example", r"x\[@\]evil.example"), ("&#104;ttp", r"&amp;\#104;ttp"), ("nimda\u202e", "nimda⟨U+202E⟩"),
        ("12", "12"), (None, ""),
    ],
)  # fmt: skip
def test_escaped(text: str, said: str) -> None:
    assert escape_markdown(text) == said
