"""When proposed steps would go out: who belongs together at one moment, single steps at moments nobody can learn.

A plan is a proposal like the steps themselves: another system, and a person, decide and act. Accounts of one operator
go out together, so that none of them warns the others; a single step that can be undone is moved by a draw from the
account's id, so that nobody learns from the delay what gave an account away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import dataframely as dy
import polars as pl

from toolkit.errors import InputError
from toolkit.model.case import Case
from toolkit.model.confidence import Level, Rung
from toolkit.model.tables import UTC, Actions, Expansion, Links, Members, conform

__all__ = ["PLAN_COLUMNS", "find_groups", "plan_actions", "plan_for_case"]

PLAN_COLUMNS: Final = ("status", "group", "offset_minutes", "not_before_at")
"""What a plan adds to the contract ``Actions``."""


def plan_actions(
    actions: pl.DataFrame,
    *,
    start_at: datetime | None,
    seed: str,
    spread_minutes: int = 720,
    wave_minutes: int = 1_440,
    groups: Iterable[Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Propose a time for every proposed step.

    Parameters
    ----------
    actions : polars.DataFrame
        Contract ``Actions``; other columns are kept. Tables written before ``policy`` was one of its columns get it
        empty.
    start_at : datetime or None
        When the first wave may begin, with a zone; None: only the offsets are told.
    seed : str
        What the draws begin from. Whoever knows it, and an account's id, knows its delay: keep it in the case.
    spread_minutes : int
        Single steps that can be undone are spread over so many minutes from the beginning of their wave.
    wave_minutes : int
        From the beginning of a wave to that of the next.
    groups : iterable of sequence of str, optional
        Accounts that belong together, as :func:`find_groups` returns them; who is in none is a single. Default: nobody
        knows, so that a whole wave is taken to belong together.

    Returns
    -------
    polars.DataFrame
        The same rows in the same order, and ``status`` ("proposed", always), ``group`` (its smallest account id; empty:
        a single), ``offset_minutes`` and ``not_before_at`` (UTC), both null where nothing is to be done. Steps that
        cannot be undone, and those of a group, stand at the beginning of their wave. The order of the rows, and which
        other rows there are, change no draw.

    Raises
    ------
    InputError
        If the start has no zone, a spread is not from 1 to the length of a wave, or a wave is below 1.
    ContractError
        If the table does not keep its contract.

    Examples
    --------
    >>> rows = {"account_id": ["a", "b", "c"], "rung": ["ban", "ban", "monitor"], "level": "L3", "reasons": [["r"]] * 3}
    >>> rows |= {"innocent_explanation": "none", "own_violation": True, "wave": 1, "reviewer": "", "policy": ""}
    >>> plan = plan_actions(pl.DataFrame(rows), start_at=None, seed="ESC-1", groups=[["a", "b"]])
    >>> plan.select("account_id", "status", "group", "offset_minutes").rows()
    [('a', 'proposed', 'a', 0), ('b', 'proposed', 'a', 0), ('c', 'proposed', '', 533)]
    """
    if "policy" not in actions.columns:
        actions = actions.with_columns(policy=pl.lit(""))
    table = conform(actions.drop(PLAN_COLUMNS, strict=False), Actions, keep_extra=True)
    _check(table, start_at, spread_minutes, wave_minutes)
    rungs = {rung.value: rung for rung in Rung}
    rows = table.select("account_id", "rung", "wave").rows()
    together = _name_groups({(account, wave) for account, rung, wave in rows if rung != Rung.NONE.value}, groups)
    named, offsets = list[str](), list[int | None]()
    for account, rung, wave in rows:
        known = rungs.get(rung)
        group = together.get((account, wave), "") if known is not Rung.NONE else ""
        # A company's own word for a step is taken for one that cannot be undone.
        single = not group and known is not None and known.reversible
        moved = (wave - 1) * wave_minutes + (_draw(seed, account, spread_minutes) if single else 0)
        named.append(group)
        offsets.append(None if known is Rung.NONE else moved)
    return table.with_columns(
        pl.lit("proposed").alias("status"),
        pl.Series("group", named, dtype=pl.String),
        pl.Series("offset_minutes", offsets, dtype=pl.Int64),
    ).with_columns(not_before_at=pl.lit(start_at, dtype=UTC) + pl.duration(minutes="offset_minutes"))


def _check(table: pl.DataFrame, start_at: datetime | None, spread: int, wave: int) -> None:
    if start_at is not None and start_at.tzinfo is None:
        raise InputError(f"start_at needs a zone, found {start_at.isoformat()}: give a time in UTC")
    if not 1 <= spread <= wave:
        raise InputError(
            f"steps of a wave are spread over 1 to wave_minutes={wave} minutes, found {spread}: give a spread_minutes"
            " that ends before the next wave"
        )
    early = table.filter(pl.col("wave") < 1)
    if early.height:
        raise InputError(
            f"waves count from 1, found {min(early['wave'].to_list())} in {early.height} rows: number them anew"
        )


def _name_groups(steps: set[tuple[str, int]], groups: Iterable[Sequence[str]] | None) -> dict[tuple[str, int], str]:
    """The group of every step that shares its wave with a step of another account of the group."""
    waves: dict[str, list[int]] = {}
    for account, wave in sorted(steps):
        waves.setdefault(account, []).append(wave)
    named: dict[tuple[str, int], str] = {}
    for group in [list(waves)] if groups is None else groups:
        mates: dict[int, list[str]] = {}
        for account in sorted(set(group) & waves.keys()):
            for wave in waves[account]:
                mates.setdefault(wave, []).append(account)
        named |= {(account, wave): among[0] for wave, among in mates.items() if len(among) > 1 for account in among}
    return named


def _draw(seed: str, account: str, spread: int) -> int:
    drawn = hashlib.sha256(f"{len(seed)}:{seed}{account}".encode()).hexdigest()
    return int(drawn[:16], 16) % spread


def find_groups(tables: Mapping[str, pl.DataFrame], case: Case) -> list[list[str]]:
    """Find accounts that belong together in what a report publishes.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        ``expansion``, ``links`` (from L2) and ``members`` are read, where they are there and keep their contracts; and
        ``returns``: whoever comes after the same banned account.
    case : Case
        Its findings of type *linked_set* are read.

    Returns
    -------
    list of list of str
        Sorted; every account in one of them at most, none of them smaller than two.

    Examples
    --------
    >>> from toolkit.model.case import Finding
    >>> tried = Finding(finding_id="F1", type="linked_set", statement="Two try cards.", confidence="high", basis="b",
    ...                 accounts=["b", "a"])
    >>> find_groups({}, Case(case_id="C", seeds=["a"], purpose="p", analyst="k", findings=[tried]))
    [['a', 'b']]
    """
    import networkx as nx

    sets: list[Sequence[str]] = [finding.accounts for finding in case.findings if finding.type == "linked_set"]
    if _holds(tables, "expansion", Expansion):
        sets.append(tables["expansion"].filter("included")["account_id"].to_list())
    if _holds(tables, "links", Links):
        sets += tables["links"].filter(pl.col("level") >= Level.L2.value).select("account_a", "account_b").rows()
    if _holds(tables, "members", Members):
        ring = tables["members"].filter(pl.col("role") == "member")
        sets += ring.group_by("cluster_id").agg("account_id")["account_id"].to_list()
    if {"account_id", "of_account"} <= set(tables["returns"].columns if "returns" in tables else ()):
        sets += tables["returns"].select("account_id", "of_account").drop_nulls().rows()
    graph: nx.Graph[str] = nx.Graph()
    for accounts in sets:
        nx.add_path(graph, accounts)
    return sorted(sorted(group) for group in nx.connected_components(graph) if len(group) > 1)


def _holds(tables: Mapping[str, pl.DataFrame], name: str, contract: type[dy.Schema]) -> bool:
    """A team's own template may call a table of another shape by one of our names."""
    return name in tables and set(contract.columns()) <= set(tables[name].columns)


def plan_for_case(actions: pl.DataFrame, tables: Mapping[str, pl.DataFrame], case: Case) -> pl.DataFrame:
    """Plan the steps of a report: no date, since nobody has approved them yet, and draws from what only the case knows.

    Parameters
    ----------
    actions : polars.DataFrame
        Contract ``Actions``.
    tables : mapping of str to polars.DataFrame
        What the report publishes.
    case : Case

    Returns
    -------
    polars.DataFrame
        As :func:`plan_actions` returns it.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> plan = plan_for_case(empty(Actions), {}, Case(case_id="C", seeds=["a"], purpose="p", analyst="k"))
    >>> plan.columns[-4:]
    ['status', 'group', 'offset_minutes', 'not_before_at']
    """
    known: list[Any] = [case.case_id, sorted(case.seeds), sorted(action.account_id for action in case.actions)]
    seed = hashlib.sha256(repr(known).encode()).hexdigest()
    return plan_actions(actions, start_at=None, seed=seed, groups=find_groups(tables, case))
