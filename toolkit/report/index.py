"""The page of a batch: every escalation with its urgency, what became of it, and the way to its report."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import visible
from toolkit.model.confidence import Likelihood
from toolkit.report.exports import spreadsheet_safe
from toolkit.report.folders import write_whole
from toolkit.report.intake import Escalation
from toolkit.report.page import render_page
from toolkit.report.triage import group_by_ring, score_priority
from toolkit.views.blocks import Block, show_figures, show_lead, show_table, show_text
from toolkit.views.words import count_of, join_words

__all__ = ["Outcome", "list_cases", "write_index"]

_TLP: Final = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
_TEXT: Final = (
    "case_id", "status", "severity", "likelihood", "confidence", "ring", "bottom_line", "statement", "report", "why",
    "covered_by", "notes", "reporter",
)  # fmt: skip
_SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(_TEXT, pl.String),
    "priority": pl.Float64,
    "live": pl.Float64,
    "accounts": pl.Int64,
    "received_at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one escalation.

    Attributes
    ----------
    case_id, status : str
        ``done``, ``up to date`` (ran before), ``covered`` (another case has all its seeds), ``failed`` or ``waiting``.
    report : str
        The report's folder, relative to the batch; of the covering case where this one is covered.
    why : str
        Of a failure: the end of its message.
    covered_by : str
        The case that has all its seeds.
    seconds : float
        Of the run.
    """

    case_id: str
    status: str
    report: str = ""
    why: str = ""
    covered_by: str = ""
    seconds: float = 0.0


def list_cases(
    folder: Path, queue: Sequence[Escalation], outcomes: Sequence[Outcome], live: Mapping[str, float]
) -> pl.DataFrame:
    """List escalations by urgency, with what their reports say.

    Parameters
    ----------
    folder : pathlib.Path
        Of the batch.
    queue : sequence of Escalation
        As they were read.
    outcomes : sequence of Outcome
        One each, in the same order.
    live : mapping of str to float
        By case, from :func:`toolkit.report.triage.measure_liveness`.

    Returns
    -------
    polars.DataFrame
        ``case_id``, ``status``, ``severity``, ``likelihood`` and ``confidence`` (of the first finding), ``ring`` (the
        most urgent case that found the same one; null where nothing was found), ``bottom_line``, ``statement`` (the
        first finding), ``report``, ``why``, ``covered_by``, ``notes``, ``reporter``, ``priority``, ``live``,
        ``accounts`` (that the first finding concerns), ``received_at``. Order: priority descending, then as escalated;
        failed ones last, by severity.

    Examples
    --------
    >>> rows = list_cases(Path(), [Escalation("A", severity="SEV1")], [Outcome("A", "failed", why="no seed")], {})
    >>> rows.select("case_id", "priority", "why").rows()
    [('A', None, 'no seed')]
    """
    rows: list[dict[str, Any]] = []
    members: dict[str, list[str]] = {}
    for one, outcome in zip(queue, outcomes, strict=True):
        row: dict[str, Any] = {
            "case_id": one.case_id, "status": outcome.status, "severity": one.severity, "report": outcome.report,
            "live": live.get(one.case_id), "why": outcome.why, "covered_by": outcome.covered_by,
            "notes": "; ".join(one.notes), "reporter": one.reporter, "received_at": one.received_at,
        }  # fmt: skip
        if outcome.report:
            told = json.loads((folder / outcome.report / "case.json").read_bytes())["case"]
            said = _first(told["findings"])
            members[one.case_id] = said["accounts"]
            row |= {"bottom_line": told["bottom_line"], **said, "accounts": len(said["accounts"])}
            row["priority"] = score_priority(
                one.severity, live=live.get(one.case_id, 1.0), accounts=row["accounts"], found=row["accounts"] > 0,
                likelihood=Likelihood(said["likelihood"]) if said["likelihood"] else None,
            )  # fmt: skip
        rows.append(row)
    table = pl.DataFrame(rows, schema=_SCHEMA).with_row_index("place")
    table = table.sort(["priority", "severity", "place"], descending=[True, False, False], nulls_last=True).drop(
        "place"
    )
    rings = group_by_ring({case: members[case] for case in table["case_id"].to_list() if members.get(case)})
    return table.with_columns(ring=pl.col("case_id").replace_strict(rings, default=None, return_dtype=pl.String))


def _first(findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the first finding says; one that found nothing concerns nobody."""
    first: Mapping[str, Any] = next(iter(findings), {})
    found = first.get("type") not in (None, "null_result", "data_gap")
    said = {name: first.get(name) for name in ("likelihood", "confidence", "statement")}
    return {**said, "accounts": first["accounts"] if found else []}


def write_index(
    folder: Path, queue: Sequence[Escalation], outcomes: Sequence[Outcome], live: Mapping[str, float]
) -> None:
    """Write ``index.html``, ``index.csv`` and ``batch.json``; the same outcomes give the same page.

    Parameters
    ----------
    folder, queue, outcomes, live
        As for :func:`list_cases`.
    """
    table = list_cases(folder, queue, outcomes, live)
    marks = [json.loads((folder / o.report / "case.json").read_bytes()) for o in outcomes if o.report]
    tlp = max((mark["case"]["tlp"] for mark in marks), key=_TLP.index, default="AMBER")
    page = render_page(
        {"cells": _cells(table)},
        title="Escalations by urgency",
        tlp=tlp,
        synthetic=any(mark["synthetic"] for mark in marks),
        footer="Each case is a folder of its own; `toolkit verify` checks one, `toolkit lab` opens it.",
    )
    write_whole(folder / "index.html", page.encode())
    sheet = io.BytesIO()
    spreadsheet_safe(table).write_csv(sheet, include_bom=True)
    write_whole(folder / "index.csv", sheet.getvalue())
    told = {"version": "1.0", "cases": [_plain(o) for o in outcomes]}
    write_whole(folder / "batch.json", (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in ("case_id", "status", "report", "why", "covered_by", "seconds")}


def _cells(table: pl.DataFrame) -> list[dict[str, Any]]:
    """The page as a notebook, so that it passes through the same gate as any report."""
    good = table.filter(pl.col("report") != "")
    failed = table.filter(pl.col("status") == "failed")
    several = good.filter(pl.col("ring").is_not_null()).group_by("ring", maintain_order=True).agg(
        cases=pl.len(), named=pl.col("case_id").str.join(", "), accounts=pl.col("accounts").max()
    ).filter(pl.col("cases") > 1)  # fmt: skip
    queue = table.group_by("reporter", "severity").agg(
        cases=pl.len(), failed=(pl.col("status") == "failed").sum(), accounts=pl.col("accounts").sum()
    ).sort("severity", "reporter")  # fmt: skip
    noted = table.filter((pl.col("notes") != "") | (pl.col("covered_by") != ""))
    parts: list[str | Block] = [
        "## Bottom line",
        show_lead(_bottom_line(table, several)),
        show_figures(
            {
                "Escalations": (table.height, "read"),
                "Reports": (good.height, f"{(table['status'] == 'covered').sum():,} share another's"),
                "Failed": (failed.height, "listed below" if failed.height else "none"),
                "Rings": (good["ring"].drop_nulls().n_unique(), "distinct, as far as found"),
            }
        ),
        "## By urgency\n\nPriority: severity × likelihood × liveness × reach. A case leads to its report.",
        show_table(
            good.with_columns(address=pl.col("report") + "/report.html"),
            columns={
                "case_id": "case", "priority": "priority", "severity": "severity", "accounts": "accounts",
                "likelihood": "likelihood", "confidence": "confidence", "statement": "first finding",
            },
            links={"case_id": "address"}, caption="Live cases weigh more", limit=5_000, empty="No case has a report.",
        ),
    ]  # fmt: skip
    if failed.height:
        parts += ["## Failed\n\nA batch that is run again tries these anew.", show_table(
            failed, columns={"case_id": "case", "severity": "severity", "reporter": "reporter", "why": "why"},
            caption="The end of each message", limit=5_000,
        )]  # fmt: skip
    if several.height:
        parts += ["## About the same ring", show_table(
            several, columns={"ring": "most urgent", "cases": "cases", "named": "all of them", "accounts": "accounts"},
            caption="Half of the smaller set, and two accounts at least, are in both", limit=5_000,
        )]  # fmt: skip
    if noted.height:
        parts += ["## What was read into them", show_table(
            noted, columns={"case_id": "case", "notes": "assumed, or not understood", "covered_by": "covered by"},
            caption="Covered: another case has all its seeds", limit=5_000,
        )]  # fmt: skip
    parts += ["## Who escalates what", show_table(
        queue, columns={
            "severity": "severity", "reporter": "reporter", "cases": "escalations", "failed": "failed",
            "accounts": "accounts concerned",
        }, caption="Load by queue", limit=500,
    ), show_text("Likelihood says how probable a statement is; confidence says how good its basis is. "
                 "Proposals only: a person decides.")]  # fmt: skip
    return [_cell(part) for part in parts]


def _cell(part: str | Block) -> dict[str, Any]:
    if isinstance(part, str):
        return {"cell_type": "markdown", "metadata": {}, "source": part}
    shown = {"output_type": "display_data", "data": part._repr_mimebundle_(), "metadata": {}}
    return {"cell_type": "code", "metadata": {}, "source": "", "outputs": [shown]}


def _bottom_line(table: pl.DataFrame, several: pl.DataFrame) -> str:
    good = table.filter(pl.col("report") != "")
    states = dict(table.group_by("status").len().sort("status").iter_rows())
    failed, waiting = states.get("failed", 0), states.get("waiting", 0)
    said = [
        f"{good.height:,} of {count_of(table.height, 'escalation')} {'has' if good.height == 1 else 'have'} a report"
    ]
    said += [f"{failed:,} failed"] if failed else []
    said += [f"{waiting:,} did not get their turn"] if waiting else []
    line = f"{join_words(said)}."
    if several.height:
        line += f" {count_of(int(several['cases'].sum()), 'case')} found the same accounts as another."
    if good.height:
        first = good.row(0, named=True)
        line += f" Most urgent: {first['case_id']}. {visible(first['bottom_line'], 500)}"
    return line
