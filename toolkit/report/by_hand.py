"""What people added to a case between its runs: notes, looks by hand that were kept, and verdicts on what was said.

A run of a case takes them along as they are when it begins, in a file of its own, ``by_hand.json``: the report shows
them, ``case.json`` holds them, and a rerun takes the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.model.case import VERDICTS, Action, Finding, Pivot, Review
from toolkit.model.pivots import read_pivots
from toolkit.report.exports import read_case
from toolkit.report.log import append_entry, read_log
from toolkit.views.blocks import Block, show_table, show_text

__all__ = [
    "BY_HAND_CELLS",
    "BY_HAND_FILE",
    "NOTES_FILE",
    "TEAM_TAG",
    "ByHand",
    "apply_reviews",
    "gather_by_hand",
    "read_by_hand",
    "review_case",
    "show_notes",
    "show_pivots",
    "show_reviews",
    "write_by_hand",
]

BY_HAND_FILE: Final = "by_hand.json"
TEAM_TAG: Final = "team-only"
NOTES_FILE: Final = "notes.md"
_LONGEST: Final = 20_000
"""Characters of notes that a page shows; ``case.json`` holds them whole."""


class ByHand(BaseModel):
    """What people added to a case.

    Attributes
    ----------
    notes : str
        As they were written; empty where nobody has written any.
    pivots : tuple of Pivot
        In the order in which they were made.
    reviews : tuple of Review
        In the order in which they were given.

    Examples
    --------
    >>> bool(ByHand()), bool(ByHand(notes="Ask the bank."))
    (False, True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    notes: str = ""
    pivots: tuple[Pivot, ...] = ()
    reviews: tuple[Review, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.notes or self.pivots or self.reviews)


def gather_by_hand(case: Path) -> ByHand:
    """Read what people have added to the folder of a case until now.

    Parameters
    ----------
    case : pathlib.Path
        Its folder: ``notes.md``, ``pivots.jsonl`` and the log.

    Returns
    -------
    ByHand
        Notes of headings and blank items alone are none.

    Raises
    ------
    InputError
        If the pivots or the log are broken.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as case:
    ...     _ = (Path(case) / "notes.md").write_text("# ESC-1\\n\\n## Open questions\\n\\n- Whose card is it?\\n")
    ...     gather_by_hand(Path(case)).notes.splitlines()[-1]
    '- Whose card is it?'
    """
    path = case / NOTES_FILE
    notes = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    reviews = [_review(entry) for entry in read_log(case) if entry["what"] == "reviewed"]
    return ByHand(notes=notes.strip() if _sections(notes) else "", pivots=read_pivots(case), reviews=tuple(reviews))


def write_by_hand(said: ByHand, folder: Path) -> None:
    """Write what people added into the folder of a run."""
    text = json.dumps(said.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / BY_HAND_FILE).write_text(text + "\n", encoding="utf-8")


def read_by_hand(folder: str | Path) -> ByHand:
    """Read what a run took along; nothing, where it was not the run of a case.

    Raises
    ------
    InputError
        If the file is not as it was written.

    Examples
    --------
    >>> read_by_hand("no/run")
    ByHand(notes='', pivots=(), reviews=())
    """
    path = Path(folder) / BY_HAND_FILE
    if not path.is_file():
        return ByHand()
    try:
        return ByHand.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"{BY_HAND_FILE} cannot be read ({error.error_count()} faults): see `toolkit verify`"
        ) from None


def review_case(case: Path, run: Path, about: str, verdict: str, *, reviewer: str, note: str = "") -> Review:
    """Say what a second pair of eyes makes of a finding, or of the step proposed for an account.

    It goes into the log of the case; the run that was read is not touched. The next run names the reviewer beside
    what was confirmed, as long as it says the same words.

    Parameters
    ----------
    case, run : pathlib.Path
        Folders of the case and of the report that was read.
    about : str
        A finding (``F3``), or an account with a proposed step.
    verdict : {"confirmed", "disputed", "unsure"}
    reviewer : str
        Who; not the analyst who is answerable for the run.
    note : str
        Why; a verdict that is not "confirmed" needs one.

    Returns
    -------
    Review

    Raises
    ------
    UnknownNameError
        If there is no such finding, account or verdict.
    InputError
        If nobody signs, the analyst reviews their own case, or a reason is missing.
    """
    if verdict not in VERDICTS:
        raise UnknownNameError("verdict", verdict, VERDICTS)
    if not reviewer.strip():
        raise InputError("a review needs a reviewer: --who NAME")
    if verdict != "confirmed" and not note.strip():
        raise InputError(f"a finding that is {verdict} needs a reason: --note TEXT")
    record = read_case(run / "case.json")
    if reviewer.strip().casefold() == record.analyst.casefold():
        raise InputError(f"{visible(reviewer)} made this report: somebody else reviews it")
    findings = {finding.finding_id: finding.statement for finding in record.findings}
    steps = {action.account_id: action.rung.value for action in record.actions}
    if about not in findings and about not in steps:
        raise UnknownNameError("finding or account with a proposed step", about, [*findings, *steps])
    thing = {"finding_id": about} if about in findings else {"account_id": about}
    entry = append_entry(
        case, "reviewed", who=reviewer.strip(), verdict=verdict, run=run.name, note=note.strip(),
        said=findings.get(about) or steps[about], **thing,
    )  # fmt: skip
    return _review(entry)


def _review(entry: Mapping[str, Any]) -> Review:
    """A line of the log as a review."""
    return Review(reviewed_at=entry["at"], reviewer=entry["who"], **entry["about"])


def apply_reviews(
    findings: Sequence[Finding], actions: Sequence[Action], reviews: Sequence[Review]
) -> tuple[tuple[Finding, ...], tuple[Action, ...]]:
    """Name the reviewer beside what was confirmed.

    Parameters
    ----------
    findings, actions : sequence
    reviews : sequence of Review
        In the order in which they were given: the last one of the same words counts.

    Returns
    -------
    tuple
        The same findings and actions, ``reviewer`` filled where the last verdict on these very words confirms them.

    Examples
    --------
    >>> said = Finding(finding_id="F2", type="null_result", statement="Nothing.", confidence="high", basis="read whole")
    >>> review = Review(reviewed_at="2026-01-05T03:00:00Z", reviewer="lee", verdict="confirmed", run="0001",
    ...                 finding_id="F1", said="Nothing.")
    >>> apply_reviews([said], [], [review])[0][0].reviewer
    'lee'
    """
    last = {(review.account_id, review.said): review for review in reviews}

    def signed(account: str, said: str) -> str:
        review = last.get((account, said))
        return review.reviewer if review is not None and review.verdict == "confirmed" else ""

    return (
        tuple(one.model_copy(update={"reviewer": signed("", one.statement) or one.reviewer}) for one in findings),
        tuple(
            one.model_copy(update={"reviewer": signed(one.account_id, one.rung.value) or one.reviewer})
            for one in actions
        ),
    )


def show_notes(folder: str | Path) -> Block:
    """Show the notes that a run took along, line by line and as text."""
    notes = read_by_hand(folder).notes
    told = [
        part for heading, lines in _sections(notes[:_LONGEST]) for part in (*([heading] if heading else []), *lines)
    ]
    more = [f"… and {len(notes) - _LONGEST:,} characters more, in case.json"] if len(notes) > _LONGEST else []
    return show_text(*(told or ["Nobody has written notes."]), *more)


def _sections(notes: str) -> list[tuple[str, list[str]]]:
    """Headings of notes and what stands under each; blank items, and headings over nothing, are left out."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in notes.splitlines():
        if line.startswith("#"):
            sections.append((line.strip("# \t"), []))
        elif line.strip(" -*\t"):
            sections[-1][1].append(line.strip())
    return [(heading, lines) for heading, lines in sections if lines]


def show_pivots(folder: str | Path) -> Block:
    """Show the looks by hand that a run took along; the code that gives their rows again is in ``case.json``."""
    rows = [
        (one.pivot_id, one.kept_at, one.analyst, one.widget, one.note, one.rows) for one in read_by_hand(folder).pivots
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "pivot_id": pl.String, "kept_at": pl.Datetime("us", "UTC"), "analyst": pl.String, "widget": pl.String,
        "note": pl.String, "rows": pl.Int64,
    }  # fmt: skip
    return show_table(
        pl.DataFrame(rows, schema=schema, orient="row"),
        columns={
            "pivot_id": "look", "kept_at": "kept", "analyst": "by", "widget": "in", "note": "why", "rows": "rows",
        },
        caption="Looks by hand that were kept; case.json holds the code that gives their rows again",
        empty="No look by hand was kept.",
    )  # fmt: skip


def show_reviews(folder: str | Path) -> Block:
    """Show the verdicts that a run took along, and whether this run still says what they are about."""
    record = read_case(Path(folder) / "case.json")
    now = {("", one.statement) for one in record.findings}
    now |= {(one.account_id, one.rung.value) for one in record.actions}
    rows = [
        (
            one.run, one.finding_id or one.account_id, one.said, one.verdict, one.reviewer, one.note,
            "yes" if (one.account_id, one.said) in now else "no longer",
        )
        for one in record.reviews
    ]  # fmt: skip
    names = {
        "run": "run read", "about": "finding or account", "said": "what it said", "verdict": "verdict",
        "reviewer": "by", "note": "why", "still": "still said",
    }  # fmt: skip
    return show_table(
        pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"),
        columns=names,
        caption="What reviewers said of earlier runs; a verdict holds for the words it was given on",
        empty="Nobody has reviewed an earlier run.",
    )


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {"tags": [TEAM_TAG]}, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


BY_HAND_CELLS: Final[Sequence[Mapping[str, Any]]] = (
    _cell(
        "markdown", "## Added by hand\n\nNotes, looks and verdicts of people; nothing here was computed by this run."
    ),
    _cell("code", "from toolkit.report.by_hand import show_notes, show_pivots, show_reviews"),
    _cell("code", "show_notes(out_dir)"),
    _cell("code", "show_pivots(out_dir)"),
    _cell("code", "show_reviews(out_dir)"),
)
"""Cells that a run of a case is ended with, where people have added anything."""
