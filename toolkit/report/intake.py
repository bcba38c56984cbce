"""Escalations as they come in: prose, half-typed ids, missing fields. What was read into them is said, not hidden."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from toolkit.errors import InputError, nearest, visible

__all__ = ["SEVERITIES", "Escalation", "find_seeds", "read_escalations"]

SEVERITIES: Final = ("SEV0", "SEV1", "SEV2", "SEV3")
"""From a person in danger to research; the most urgent first."""
_ASSUMED: Final = "SEV2"
_FIELDS: Final = ("case_id", "seed_accounts", "severity", "received_at", "reporter", "prose", "parameters")
_CASE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOKEN: Final = re.compile(r"[\w@.:+-]+")
_EDGES: Final = ".,:;!?*'\"()[]{}<>-"
_LONG_ENOUGH: Final = 8
"""Shorter words are taken for an id only when they are one to the letter."""
_NAME: Final = 6
"""Letters from which another writing of an id, or its last part, is looked for in prose: shorter ones are words."""
_TAIL: Final = re.compile(r"[/:]")
_ALIKE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Escalation:
    """One escalation.

    Attributes
    ----------
    case_id : str
        As given, else ``LINE-0007`` after the line it stands in.
    seeds : tuple of str
        Accounts to start from, as exact text.
    severity : str
        One of :data:`SEVERITIES`.
    received_at : datetime or None
        UTC.
    reporter, prose : str
        As given; hostile text like any other.
    parameters : mapping
        Of the template, for this case alone.
    notes : tuple of str
        What was assumed or not understood.
    fault : str
        Why it cannot be worked on; empty where it can.
    """

    case_id: str
    seeds: tuple[str, ...] = ()
    severity: str = _ASSUMED
    received_at: datetime | None = None
    reporter: str = ""
    prose: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fault: str = ""


def read_escalations(path: str | Path) -> list[Escalation]:
    """Read escalations, one by one; a faulty one does not stop the others.

    Parameters
    ----------
    path : str or path
        ``.jsonl`` or ``.json`` (objects with ``case_id``, ``seed_accounts``, ``severity``, ``received_at``,
        ``reporter``, ``prose``, ``parameters``; all may be missing), ``.csv`` (the same columns; several accounts
        apart by blanks, commas or semicolons), or any other text: a paragraph is an escalation in prose.

    Returns
    -------
    list of Escalation
        In the order of the file. An id that came before is a fault of the later one, unless both say the same: then
        the later one is left out.

    Raises
    ------
    InputError
        If there is no such file, it is no text, or it holds nothing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "queue.txt"
    ...     _ = file.write_text("SEV1! acct_1 and acct_2 burn credit\\n\\nsame here: acct_9")
    ...     [(e.case_id, e.severity) for e in read_escalations(file)]
    [('LINE-0001', 'SEV1'), ('LINE-0003', 'SEV2')]
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"no file {visible(file.name)}: give escalations as JSON lines, CSV or prose") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{visible(file.name)} is not a text in UTF-8 ({type(error).__name__})") from None
    told = [_read(line, raw) for line, raw in _split(text, file.suffix.lower())]
    if not told:
        raise InputError(f"{visible(file.name)} holds no escalation")
    return _once(told)


def find_seeds(escalations: Sequence[Escalation], known: Collection[str]) -> list[Escalation]:
    """Find the accounts that escalations speak of.

    Accounts that are listed are kept as they are. Where none is listed, words of the prose that are an account of the
    data are taken; one that nearly is, or that is the last part of a single one (``arn:aws:iam::1:user/kim-1``), gets
    taken as well, and a note says so.

    Parameters
    ----------
    escalations : sequence of Escalation
        From :func:`read_escalations`.
    known : collection of str
        Every account of the data.

    Returns
    -------
    list of Escalation
        In the order given; with a ``fault`` where no account is found.

    Examples
    --------
    >>> queue = [Escalation("A", prose="see acct_1234567, or so"), Escalation("B", prose="help")]
    >>> a, b = find_seeds(queue, ["acct_1234568", "acct_9"])
    >>> a.seeds, a.notes[-1]
    (('acct_1234568',), "'acct_1234567' read as acct_1234568")
    >>> b.fault
    'no account is named: add seed_accounts'
    """
    there = set(known)
    names: dict[str, list[str]] = {}
    for account in sorted(there):
        for name in {account.casefold(), _TAIL.split(account)[-1].casefold()}:
            names.setdefault(name, []).append(account)
    said = {name: held[0] for name, held in names.items() if len(held) == 1 and len(name) >= _NAME}
    return [_find(one, there, said) for one in escalations]


def _split(text: str, ending: str) -> Iterator[tuple[int, Any]]:
    """The escalations of a file with the line each begins in; an exception stands for what cannot be read."""
    if ending == ".json":
        try:
            told = json.loads(text)
        except ValueError as error:
            raise InputError(f"it is not JSON: {visible(error, 120)}") from None
        yield from enumerate(told if isinstance(told, list) else [told], 1)
    elif ending == ".csv":
        yield from enumerate(csv.DictReader(text.splitlines()), 2)
    elif ending in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError as error:
                    yield number, error
    else:
        number = 1
        for chunk in re.split(r"(\n\s*\n)", text):
            if chunk.strip():
                yield number, {"prose": chunk.strip()}
            number += chunk.count("\n")


def _read(line: int, raw: Any) -> Escalation:
    name = f"LINE-{line:04}"
    if not isinstance(raw, Mapping):
        said = f"is not JSON: {raw}" if isinstance(raw, ValueError) else "is no object with named fields"
        return Escalation(name, fault=f"line {line} {visible(said, 160)}")
    given = {str(key): value for key, value in raw.items() if value not in (None, "")}
    notes = [
        f"field {visible(k)!r} is not used" for k in given if k not in _FIELDS and nearest(k, _FIELDS)[:3] == "did"
    ]
    faults: list[str] = []
    case_id = str(given.get("case_id", name))
    if not _CASE_ID.fullmatch(case_id):
        faults.append(f"case_id {visible(case_id, 40)!r} has other signs than letters, digits, '_' and '-'")
        case_id = name
    prose = _words(given.get("prose", ""), "prose", faults)
    severity, assumed = _severity(given.get("severity"), prose)
    seeds = _accounts(given.get("seed_accounts", []), faults)
    parameters = _parameters(given.get("parameters", {}), faults)
    received = _time(given.get("received_at"), faults)
    return Escalation(
        case_id, seeds, severity, received, _words(given.get("reporter", ""), "reporter", faults), prose, parameters,
        (*notes, *assumed), "; ".join(faults),
    )  # fmt: skip


def _words(value: Any, name: str, faults: list[str]) -> str:
    if isinstance(value, str):
        return value.strip()
    faults.append(f"{name} is a text, found {visible(repr(value), 60)}")
    return ""


def _accounts(value: Any, faults: list[str]) -> tuple[str, ...]:
    listed = re.split(r"[\s,;]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) and one.strip() for one in listed):
        faults.append(f"seed_accounts is a list of ids as text, found {visible(repr(value), 60)}")
        return ()
    return tuple(dict.fromkeys(listed))


def _parameters(value: Any, faults: list[str]) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if isinstance(value, dict):
        return value
    faults.append("parameters is an object of names and values")
    return {}


def _severity(given: Any, prose: str) -> tuple[str, tuple[str, ...]]:
    said = re.search(r"\bSEV[ -]?([0-3])\b", str(given) if given is not None else prose, re.IGNORECASE)
    if said:
        return f"SEV{said[1]}", ()
    wrong = f" (found {visible(str(given), 30)!r})" if given is not None else ""
    return _ASSUMED, (f"severity is not said{wrong}: taken as {_ASSUMED}",)


def _time(given: Any, faults: list[str]) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        faults.append(f"received_at is a time with a zone, found {visible(str(given), 40)!r}")
        return None
    return at.astimezone(UTC)


def _once(told: Sequence[Escalation]) -> list[Escalation]:
    seen: dict[str, Escalation] = {}
    kept = []
    for one in told:
        before = seen.setdefault(one.case_id, one)
        if before is one:
            kept.append(one)
        elif before != one:
            other = next(f"{one.case_id}-{n}" for n in range(2, len(told) + 2) if f"{one.case_id}-{n}" not in seen)
            seen[other] = replace(one, case_id=other, fault=f"there is another {one.case_id} before it, which differs")
            kept.append(seen[other])
    return kept


def _find(one: Escalation, known: set[str], named: Mapping[str, str]) -> Escalation:
    if one.fault or one.seeds:
        absent = [seed for seed in one.seeds if seed not in known]
        meant = [m for seed in absent if (m := _meant(seed, known, named))]
        notes = [f"{visible(seed)} does not occur in the data" for seed in absent]
        notes += [f"was {account} meant?" for account in meant]
        return replace(one, notes=(*one.notes, *notes))
    words = dict.fromkeys(word.strip(_EDGES) for word in _TOKEN.findall(one.prose))
    found = {word: word for word in words if word in known}
    for word in words:
        if word not in found and (meant_one := _meant(word, known, named)):
            found[word] = meant_one
    notes = [f"{visible(word)!r} read as {account}" for word, account in found.items() if word != account]
    fault = "" if found else "no account is named: add seed_accounts"
    return replace(one, seeds=tuple(dict.fromkeys(found.values())), notes=(*one.notes, *notes), fault=fault)


def _meant(word: str, known: set[str], named: Mapping[str, str]) -> str:
    """The account that a word which is none nearly is; empty where no single one stands out."""
    if word.casefold() in named:
        return named[word.casefold()]
    if len(word) < _LONG_ENOUGH or not any(ch.isdigit() for ch in word):
        return ""  # a word of the language
    near = [account for account in known if abs(len(account) - len(word)) <= 1 and account[:3] == word[:3]]
    close = get_close_matches(word, sorted(near), n=2, cutoff=_ALIKE)
    return close[0] if len(close) == 1 else ""
