"""Which escalation first, and which are about the same ring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from toolkit.errors import UnknownNameError
from toolkit.model.confidence import Likelihood
from toolkit.report.intake import SEVERITIES, Escalation

__all__ = ["find_covered", "group_by_ring", "measure_liveness", "score_priority"]

_WEIGHT: Final = dict(zip(SEVERITIES, (8.0, 4.0, 2.0, 1.0), strict=True))
_LIVE: Final = ((timedelta(days=1), 1.0), (timedelta(days=7), 0.5))
_QUIET: Final = 0.25
_UNKNOWN: Final = 0.5
"""Likelihood where nothing states one."""
_SAME: Final = 0.5
"""Share of the smaller set from which two cases are about one ring."""


def measure_liveness(events: pl.DataFrame, seeds: Sequence[str], *, now: datetime | None = None) -> float:
    """Tell whether the accounts of an escalation are still at it.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    seeds : sequence of str
        Accounts.
    now : datetime, optional
        UTC; by default the last event of all.

    Returns
    -------
    float
        1 where one of them acted within a day before ``now``, .5 within a week, else .25.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (1, 5, 31)]
    >>> events = pl.DataFrame({"account_id": ["a", "b", "c"], "event_at": at})
    >>> [measure_liveness(events, [x], now=datetime(2026, 1, 6, tzinfo=UTC)) for x in ("a", "b", "?")]
    [0.5, 1.0, 0.25]
    """
    ends = now if now is not None else events["event_at"].max()
    if not isinstance(ends, datetime):
        return _QUIET
    last = events.filter((pl.col("event_at") <= ends) & pl.col("account_id").is_in(list(seeds)))["event_at"].max()
    if not isinstance(last, datetime):
        return _QUIET
    return next((score for within, score in _LIVE if ends - last <= within), _QUIET)


def score_priority(
    severity: str, *, live: float = 1.0, accounts: int = 0, likelihood: Likelihood | None = None, found: bool = True
) -> float:
    """Score how urgent a case is: severity times likelihood times liveness times reach.

    Parameters
    ----------
    severity : str
        SEV0 counts 8, SEV1 4, SEV2 2, SEV3 1.
    live : float
        From :func:`measure_liveness`.
    accounts : int
        How many the case concerns; reach is the binary logarithm of two more.
    likelihood : Likelihood, optional
        Of the first finding; its middle counts, .5 where none is stated.
    found : bool
        False where the case found nothing: a tenth is left.

    Returns
    -------
    float
        Rounded to three places. The weights are a convention, to be set by those who work the queue.

    Raises
    ------
    UnknownNameError
        If there is no such severity.

    Examples
    --------
    >>> score_priority("SEV1", accounts=30, likelihood=Likelihood.LIKELY), score_priority("SEV1", found=False)
    (13.5, 0.2)
    """
    if severity not in _WEIGHT:
        raise UnknownNameError("severity", severity, SEVERITIES)
    sure = sum(likelihood.range) / 2 if likelihood is not None else _UNKNOWN
    return round(_WEIGHT[severity] * live * math.log2(2 + accounts) * (sure if found else sure / 10), 3)


def find_covered(escalations: Sequence[Escalation]) -> dict[str, str]:
    """Name escalations whose every seed another one has too: they need no run of their own.

    Parameters
    ----------
    escalations : sequence of Escalation
        Without faults.

    Returns
    -------
    dict of str to str
        Case to the case that covers it: the one with most seeds, then the more severe, then the first. Cases with
        parameters of their own cover, and are covered by, only those with the same.

    Examples
    --------
    >>> said = {"A": ("a",), "B": ("b", "a"), "C": ("b", "a"), "D": ("d",)}
    >>> queue = [Escalation(case, seeds) for case, seeds in said.items()]
    >>> find_covered(queue)
    {'A': 'B', 'C': 'B'}
    """
    leads: list[Escalation] = []
    covered: dict[str, str] = {}
    place = {one.case_id: i for i, one in enumerate(escalations)}
    for one in sorted(escalations, key=lambda e: (-len(e.seeds), SEVERITIES.index(e.severity), place[e.case_id])):
        lead = next((x for x in leads if set(one.seeds) <= set(x.seeds) and one.parameters == x.parameters), None)
        if lead is None:
            leads.append(one)
        else:
            covered[one.case_id] = lead.case_id
    return {case: covered[case] for case in sorted(covered, key=place.__getitem__)}


def group_by_ring(members: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Say which cases found the same ring.

    Parameters
    ----------
    members : mapping of str to sequence of str
        Accounts that each case found or started from, the case that leads a group first.

    Returns
    -------
    dict of str to str
        Case to the first case of its group, in the order given. Two are about one ring where half of the smaller set,
        and two accounts at least, are in both; so are those joined through a third.

    Examples
    --------
    >>> group_by_ring({"A": ["1", "2", "3"], "B": ["8", "9"], "C": ["2", "3", "4"]})
    {'A': 'A', 'B': 'B', 'C': 'A'}
    """
    lead = {case: case for case in members}

    def first(case: str) -> str:
        while lead[case] != case:
            case = lead[case]
        return case

    sets = {case: set(accounts) for case, accounts in members.items()}
    rank = {case: i for i, case in enumerate(members)}
    holders: dict[str, list[str]] = {}
    for case, accounts in sets.items():
        for account in accounts:
            holders.setdefault(account, []).append(case)
    pairs = {(a, b) for cases in holders.values() for i, a in enumerate(cases) for b in cases[i + 1 :]}
    for a, b in sorted(pairs, key=lambda pair: (rank[pair[0]], rank[pair[1]])):
        both = len(sets[a] & sets[b])
        if both >= 2 and both >= _SAME * min(len(sets[a]), len(sets[b])):
            one, other = sorted((first(a), first(b)), key=rank.__getitem__)
            lead[other] = one
    return {case: first(case) for case in members}
