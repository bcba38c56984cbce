"""Two reports side by side: who came in and who went, what else is proposed, which findings are new or gone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.case import Case
from toolkit.report.exports import read_case
from toolkit.report.verify import read_manifest
from toolkit.views.safe import escape_markdown
from toolkit.views.words import count_of, join_words

__all__ = ["Comparison", "compare_reports"]

_ACCOUNTS: Final = dict.fromkeys(("account_id", "change", "before", "after"), pl.String)
_FINDINGS: Final = dict.fromkeys(("type", "change", "before", "after"), pl.String)
_ABOUT: Final = dict.fromkeys(("part", "name", "before", "after"), pl.String)
_SHOWN: Final = 20


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """What differs between two reports.

    Attributes
    ----------
    accounts : polars.DataFrame
        ``account_id``, ``change`` ("in", "out", "level", "proposed"), ``before``, ``after``. Order: change, account_id.
    findings : polars.DataFrame
        ``type``, ``change`` ("new", "gone", "changed"), ``before``, ``after`` (statements). Order: change, type,
        before, after.
    about : polars.DataFrame
        ``part`` ("input", "parameter", "package", "template"), ``name``, ``before``, ``after``: why they may differ.
        Order: part, name.
    same_files : bool
        Whether every output is the same to the byte.
    text : str
        The same as a page of Markdown.
    """

    accounts: pl.DataFrame
    findings: pl.DataFrame
    about: pl.DataFrame
    same_files: bool
    text: str

    @property
    def same(self) -> bool:
        """Whether accounts and findings are the same."""
        return self.accounts.is_empty() and self.findings.is_empty()


def compare_reports(before: Path, after: Path) -> Comparison:
    """Compare two reports of the same template, or of two.

    Parameters
    ----------
    before, after : pathlib.Path
        Folders of reports.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If one of them is no report, or a file of it cannot be read.

    Examples
    --------
    >>> compare_reports(Path("no/report"), Path("no/report"))
    Traceback (most recent call last):
    toolkit.errors.InputError: no manifest.json in report: give the folder of a report
    """
    one, two = _read(before), _read(after)
    accounts, findings, about = _compare_accounts(one, two), _compare_findings(one, two), _compare_about(one, two)
    same_files = one.outputs == two.outputs
    return Comparison(accounts, findings, about, same_files, _write(one, two, accounts, findings, about, same_files))


@dataclass(frozen=True, slots=True)
class _Report:
    name: str
    case: Case
    manifest: dict[str, Any]
    level: dict[str, str]

    @property
    def outputs(self) -> dict[str, str]:
        return {str(entry["file"]): str(entry["sha256"]) for entry in self.manifest["outputs"]}


def _read(folder: Path) -> _Report:
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"manifest.json in {visible(folder.name)} cannot be read: see `toolkit verify`")
    try:
        case = read_case(folder / "case.json")
        path = folder / "expansion.parquet"
        rows = pl.read_parquet(path).filter("included") if path.exists() else None
        level = dict(rows.select("account_id", "level").rows()) if rows is not None else {}
    except (InputError, OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        said = visible(str(error).splitlines()[0], 200)
        raise InputError(f"{visible(folder.name)} cannot be compared: {said}; see `toolkit verify`") from None
    return _Report(folder.name, case, manifest, level)


def _compare_accounts(one: _Report, two: _Report) -> pl.DataFrame:
    rows: list[tuple[str, str, str, str]] = []
    rows += [(account, "in", "", two.level[account]) for account in two.level.keys() - one.level.keys()]
    rows += [(account, "out", one.level[account], "") for account in one.level.keys() - two.level.keys()]
    both = one.level.keys() & two.level.keys()
    rows += [(a, "level", one.level[a], two.level[a]) for a in both if one.level[a] != two.level[a]]
    rung = [{action.account_id: action.rung.value for action in each.case.actions} for each in (one, two)]
    for account in rung[0].keys() | rung[1].keys():
        was, now = (each.get(account, "") for each in rung)
        rows += [(account, "proposed", was, now)] if was != now else []
    return pl.DataFrame(rows, schema=_ACCOUNTS, orient="row").sort("change", "account_id")


def _compare_findings(one: _Report, two: _Report) -> pl.DataFrame:
    """Findings that are not in both; where one of a type is gone and one is new, it has changed."""
    was, now = ([(f.type, _say(f)) for f in each.case.findings] for each in (one, two))
    gone, new = list((Counter(was) - Counter(now)).elements()), list((Counter(now) - Counter(was)).elements())
    rows: list[tuple[str, str, str, str]] = []
    for kind in sorted({kind for kind, _ in (*gone, *new)}):
        before, after = ([said for other, said in each if other == kind] for each in (gone, new))
        if len(before) == len(after) == 1:
            rows.append((kind, "changed", before[0], after[0]))
        else:
            rows += [(kind, "gone", said, "") for said in before] + [(kind, "new", "", said) for said in after]
    return pl.DataFrame(rows, schema=_FINDINGS, orient="row").sort("change", "type", "before", "after")


def _say(finding: Any) -> str:
    """A finding in a line; likelihood and confidence are told behind it, each by itself."""
    likely = f" Likelihood: {finding.likelihood.value}." if finding.likelihood else ""
    return f"{finding.statement}{likely} Confidence: {finding.confidence.value}."


def _compare_about(one: _Report, two: _Report) -> pl.DataFrame:
    was, now = _went_in(one), _went_in(two)
    rows = [
        (*key, was.get(key, ""), now.get(key, "")) for key in was.keys() | now.keys() if was.get(key) != now.get(key)
    ]
    return pl.DataFrame(rows, schema=_ABOUT, orient="row").sort("part", "name")


def _went_in(report: _Report) -> dict[tuple[str, str], str]:
    """What a report was made from, by part and name."""
    manifest = report.manifest
    told = {("parameter", str(name)): json.dumps(value) for name, value in manifest["parameters"].items()}
    told |= {("package", str(name)): str(version) for name, version in manifest["packages"].items()}
    told |= {("input", str(entry["file"])): str(entry["sha256"])[:12] for entry in manifest["inputs"]}
    return told | {("template", str(manifest["template"]["name"])): str(manifest["template"]["sha256"])[:12]}


def _write(
    one: _Report,
    two: _Report,
    accounts: pl.DataFrame,
    findings: pl.DataFrame,
    about: pl.DataFrame,
    same_files: bool,
) -> str:
    counts = dict(accounts.group_by("change").len().rows())
    told = {"in": "came in", "out": "went out", "level": "changed level", "proposed": "have another proposal"}
    said = [f"{count_of(counts[change], 'account')} {words}" for change, words in told.items() if change in counts]
    changed = dict(findings.group_by("change").len().rows())
    said += [
        f"{count_of(changed[change], 'finding')} {change}" for change in ("new", "gone", "changed") if change in changed
    ]
    head = f"{join_words(said)}." if said else "The same accounts and the same findings."
    lines = [
        f"# {escape_markdown(one.case.case_id)}: {escape_markdown(one.name)} and {escape_markdown(two.name)}",
        "",
        head,
    ]
    lines += ["", "Every file is the same to the byte."] if same_files else []
    for title, table in (("Accounts", accounts), ("Findings", findings), ("What went in", about)):
        if table.height:
            lines += ["", f"## {title}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: pl.DataFrame) -> list[str]:
    head = f"| {' | '.join(name.replace('_', ' ') for name in table.columns)} |"
    rows = [f"| {' | '.join(escape_markdown(cell) for cell in row)} |" for row in table.head(_SHOWN).rows()]
    rest = [f"and {table.height - _SHOWN:,} more"] if table.height > _SHOWN else []
    return [head, "|" + " --- |" * table.width, *rows, *([""] if rest else []), *rest]
