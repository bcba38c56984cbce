"""A case on one page of Markdown, for whoever decides and has a minute: at most about 400 words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from toolkit.model.case import Case, Finding
from toolkit.model.confidence import Rung
from toolkit.views.safe import escape_markdown
from toolkit.views.words import count_of

__all__ = ["write_brief"]

_GAPS: Final = frozenset({"data_gap", "null_result", "coverage_gap", "detector_gap"})
"""Findings of what could not be seen: they stand under what is not known."""
_ROOM: Final = {"findings": 140, "unknown": 60, "next": 45}
"""Most words of each list; with the other parts they come to about 400. The first entry stands there in any case."""
_MOST_WORDS: Final = 40
_CHARS_PER_WORD: Final = 9


def write_brief(case: Case, *, synthetic: bool = False, actions: bool = True) -> str:
    """Write the brief of a case.

    Parameters
    ----------
    case : Case
    synthetic : bool
        Whether the data are made up.
    actions : bool
        Whether the reader is told what is proposed.

    Returns
    -------
    str
        Markdown: title and marking, bottom line, findings with likelihood and confidence in columns of their own,
        proposed steps counted by rung, what is not known, next checks. Text from data is escaped and cut; what was cut
        or left out is counted.

    Examples
    --------
    >>> case = Case(case_id="ESC-1", seeds=["a"], purpose="fraud ring", analyst="kim", bottom_line="Nothing was found.")
    >>> print(write_brief(case))
    # ESC-1: brief
    <BLANKLINE>
    **TLP:AMBER** · fraud ring · 1 seed · all times
    <BLANKLINE>
    ## Bottom line
    <BLANKLINE>
    Nothing was found.
    ...
    """
    found = [finding for finding in case.findings if finding.type not in _GAPS]
    gaps = [finding for finding in case.findings if finding.type in _GAPS]
    marks = [f"**TLP:{case.tlp}**", *(["**SYNTHETIC data**"] if synthetic else [])]
    about = [*marks, _cut(case.purpose, 10), count_of(len(case.seeds), "seed"), _say_window(case)]
    parts = [
        f"# {escape_markdown(case.case_id)}: brief",
        " · ".join(about),
        "## Bottom line",
        _cut(case.bottom_line, 60) or "Nobody has written one.",
        "## Findings",
        _table(found),
        *(["## Proposed actions", _actions(case)] if actions else []),
        "## What is not known",
        _unknown(found, gaps),
        "## Next checks",
        _next(case.findings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cut(text: str, most: int = _MOST_WORDS) -> str:
    """Text from data: so many words and characters of it, and how many more there were."""
    words = text.strip(" ").split(" ")
    # What was data may hold no blanks at all.
    kept = re.sub(r"\s+", " ", escape_markdown(" ".join(words[:most]), most * _CHARS_PER_WORD))
    return f"{kept} … (+{len(words) - most} words)" if len(words) > most else kept


def _fit(lines: Sequence[str], part: str, what: str) -> tuple[list[str], str]:
    """The lines that there is room for, and a sentence on the others."""
    room, shown = _ROOM[part], list[str]()
    for line in lines:
        room -= len(line.split())
        if shown and room < 0:
            break
        shown.append(line)
    left = len(lines) - len(shown)
    return shown, f"{count_of(left, f'more {what} is', f'more {what}s are')} in the report." if left else ""


def _say_window(case: Case) -> str:
    days = [at.strftime("%Y-%m-%d") if at else "" for at in (case.window_start, case.window_end)]
    span = f"{days[0] or 'the beginning'} to {days[1] or 'the end'}" if any(days) else "all times"
    return f"{span}, as of {case.as_of:%Y-%m-%d %H:%M %Z}" if case.as_of else span


def _table(findings: Sequence[Finding]) -> str:
    rows = [
        f"| {finding.finding_id} | {_cut(finding.statement)} |"
        f" {finding.likelihood.value if finding.likelihood else 'observed'} | {finding.confidence.value} |"
        for finding in findings
    ]
    shown, rest = _fit(rows, "findings", "finding")
    if not shown:
        return "None."
    return "\n".join(
        ["| | Finding | Likelihood | Confidence |", "| --- | --- | --- | --- |", *shown, "", rest]
    ).rstrip()


def _actions(case: Case) -> str:
    counts = Counter(action.rung for action in case.actions)
    steps = [f"- {rung.value}: {counts[rung]:,}" for rung in reversed(Rung) if counts[rung] and rung is not Rung.NONE]
    spared = f"- do not action: {counts[Rung.NONE]:,}, linked or near, and to be left alone"
    return "\n".join([*(steps or ["- none"]), spared, "", "All of it is proposed; a person decides."])


def _unknown(found: Sequence[Finding], gaps: Sequence[Finding]) -> str:
    lines = [f"- {gap.finding_id}: {_cut(gap.statement)}" for gap in gaps]
    lines += [
        f"- {finding.finding_id} may also be: {_cut('; '.join(finding.alternatives))}"
        for finding in found if finding.alternatives
    ]  # fmt: skip
    shown, rest = _fit(lines, "unknown", "point")
    return "\n".join([*shown, "", rest]).strip() or "Nothing was noted, which is not to say that everything is known."


def _next(findings: Sequence[Finding]) -> str:
    lines = [f"- {one.finding_id}: {_cut(one.next_check)}" for one in findings if one.next_check.strip()]
    shown, rest = _fit(lines, "next", "check")
    return "\n".join([*shown, "", rest]).strip() or "None was noted."
