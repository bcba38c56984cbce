"""What a report must never say: two axes in one sentence, a figure from nowhere, personal data, a live address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.model.confidence import Likelihood
from toolkit.report.page import read_sections

__all__ = ["LINT_SCHEMA", "lint_report", "lint_text"]

LINT_SCHEMA: Final = {"rule": pl.String, "where": pl.String, "text": pl.String}
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+|\n+")
_CITED: Final = re.compile(r"\bF\d+\b")
_NUMBER: Final = re.compile(r"(?<![\w.#:/-])\d[\d,]*(?:\.\d+)?(?![\w/:-])")
_CONFIDENCE: Final = re.compile(r"\b(?:low|moderate|high)\s+(?:analytic\s+)?confidence\b", re.IGNORECASE)
_LIKELY: Final = re.compile(rf"\b(?:{'|'.join(re.escape(word.value) for word in Likelihood)})\b", re.IGNORECASE)
_PERSONAL: Final = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "a telephone number": re.compile(r"(?<!\w)\+\d(?:[ ().-]?\d){7,14}(?!\d)"),
    "a card number": re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])"),
    "an IP address": re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
    "a secret key": re.compile(r"\b(?:sk|pk|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}"),
}
_LIVE: Final = re.compile(r"\b(?:https?|ftp)://|\bwww\.\w", re.IGNORECASE)


def lint_text(text: str, *, findings: Sequence[Mapping[str, Any]] = (), where: str = "text") -> pl.DataFrame:
    """Check prose that a person or a model wrote about findings.

    Parameters
    ----------
    text : str
        Plain text or Markdown.
    findings : sequence of mapping
        Those of the case: ``finding_id`` and ``statement``.
    where : str
        What it is called in the result.

    Returns
    -------
    polars.DataFrame
        ``rule``, ``where``, ``text`` (the sentence); empty where nothing is wrong. Order: as written. Rules:

        - ``axes``: likelihood and confidence in one sentence (ICD 203 keeps them apart).
        - ``figure``: a number without the id of a finding in its sentence, or not in the findings it names.
        - ``finding``: the id of a finding that there is not.
        - ``personal``: what looks like an e-mail address, a telephone, card or IP number, or a key.
        - ``link``: an address that is not defanged.

    Examples
    --------
    >>> found = [{"finding_id": "F1", "statement": "30 accounts share a device."}]
    >>> lint_text("30 accounts share a device (F1). We lost 12 of them.", findings=found)["rule"].to_list()
    ['figure']
    >>> lint_text("It is likely, with high confidence.")["rule"].to_list()
    ['axes']
    """
    rows = []
    said = {str(f["finding_id"]): str(f["statement"]) for f in findings}
    for sentence in filter(None, (part.strip() for part in _SENTENCE.split(text))):
        cited = _CITED.findall(sentence)
        rows += [("finding", where, sentence) for name in cited if name not in said]
        known = {n for name in cited for n in _NUMBER.findall(said.get(name, ""))}
        if any(number not in known for number in _NUMBER.findall(_CITED.sub("", sentence))):
            rows.append(("figure", where, sentence))
        rows += [(rule, where, sentence) for rule in _common(sentence)]
    return _table(rows)


def lint_report(folder: str | Path) -> pl.DataFrame:
    """Check a report as it was published.

    Parameters
    ----------
    folder : str or path
        Of the report.

    Returns
    -------
    polars.DataFrame
        As :func:`lint_text`. The bottom line may only use numbers of findings and of the list of proposals; prose,
        captions, findings and what tables show unmasked may hold nothing personal and no live address.

    Raises
    ------
    InputError
        If there is no report in the folder.

    Examples
    --------
    >>> lint_report("no/report")
    Traceback (most recent call last):
    toolkit.errors.InputError: no report in report: give a folder that holds case.json and report.ipynb
    """
    place = Path(folder)
    try:
        case = json.loads((place / "case.json").read_bytes())["case"]
        notebook = json.loads((place / "report.ipynb").read_bytes())
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"no report in {visible(place.name)}: give a folder that holds case.json and report.ipynb"
        ) from None
    rows = [("figure", "bottom line", sentence) for sentence in _from_nowhere(case)]
    for name, text in _texts(case, notebook):
        for sentence in filter(None, (part.strip() for part in _SENTENCE.split(text))):
            rows += [(rule, name, sentence) for rule in _common(sentence)]
    return _table(rows)


def _common(sentence: str) -> Iterator[str]:
    if _CONFIDENCE.search(sentence) and _LIKELY.search(sentence):
        yield "axes"
    if any(pattern.search(sentence) for pattern in _PERSONAL.values()):
        yield "personal"
    if _LIVE.search(sentence):
        yield "link"


def _from_nowhere(case: Mapping[str, Any]) -> list[str]:
    """Sentences of the bottom line with a number that neither a finding nor the list of proposals gives."""
    known = {n for finding in case["findings"] for n in _NUMBER.findall(finding["statement"])}
    rungs = [action["rung"] for action in case["actions"]]
    counted = {len(rungs), *(rungs.count(rung) for rung in rungs)}
    seeds = {action["account_id"] for action in case["actions"] if action["rung"] == "do not action"} - set(
        case["seeds"]
    )
    known |= {f"{n:,}" for n in (*counted, len(seeds))}
    sentences = [part for part in _SENTENCE.split(case["bottom_line"]) if part.strip()]
    return [part for part in sentences if any(n not in known for n in _NUMBER.findall(part))]


def _texts(case: Mapping[str, Any], notebook: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything a reader sees without asking, by where it stands."""
    for finding in case["findings"]:
        for name in ("statement", "basis", "next_check"):
            yield f"{finding['finding_id']} {name}", finding[name]
    for section in read_sections(notebook)[1]:
        for part in section.parts:
            yield from ((section.title, text) for text in _shown(part))


def _shown(part: Mapping[str, Any]) -> Iterator[str]:
    kind = part["kind"]
    if kind == "prose":
        for block in part["blocks"]:
            yield from block["items"] if block["kind"] == "list" else [block["text"]]
    elif kind == "table":
        open_ = [i for i, column in enumerate(part["columns"]) if not column["mask"] and column["format"] == "text"]
        yield part["caption"]
        for row in part["rows"]:
            yield from (str(row[i]) for i in open_ if row[i] is not None)
    elif kind in ("lead", "text"):
        yield from part["paragraphs"]
    elif kind in ("card", "figures"):
        yield from (" ".join(map(str, item)) for item in part["items"])
    elif kind in ("chart", "graph"):
        yield part["caption"]
        yield from _strings(part.get("spec") or part.get("data"))


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key != "$schema":
                yield from _strings(value)
    elif isinstance(node, Sequence):
        for value in node:
            yield from _strings(value)


def _table(rows: Sequence[tuple[str, str, str]]) -> pl.DataFrame:
    once = list(dict.fromkeys((rule, where, visible(text, 300)) for rule, where, text in rows))
    return pl.DataFrame(once, schema=LINT_SCHEMA, orient="row")
