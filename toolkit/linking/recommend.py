"""What to propose, account by account: never by graph proximity alone, and with a list of whom to leave alone.

The ladder and its evidence floors are in :class:`toolkit.model.confidence.Rung`. A link alone earns a reversible step,
and step-up verification only where a value made for one person speaks (a card, a machine): who shares networks and
texts alone is watched, not bothered. Suspension and bans also ask for a violation of the account's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import polars as pl

from toolkit.linking.combine import FAMILY_SPEAKS
from toolkit.linking.innocent import READINGS
from toolkit.model.case import Action
from toolkit.model.confidence import Level, Rung
from toolkit.model.tables import Actions, Expansion, conform

__all__ = ["actions_table", "find_violations", "propose_actions"]

_LEFT_ALONE = 0.01
"""Near misses under this probability are not worth a line on the do-not-action list."""


def propose_actions(expansion: pl.DataFrame, violations: Collection[str] = ()) -> tuple[Action, ...]:
    """Propose a step for every account of an expansion.

    Parameters
    ----------
    expansion : polars.DataFrame
        Contract ``Expansion``.
    violations : collection of str
        Accounts whose own conduct broke the policy (a label, a confirmed report).

    Returns
    -------
    tuple of Action
        Severest first, then account_id. Who is not included is on the do-not-action list (``Rung.NONE``), with the
        reason, if anything speaks for a link at all.

    Examples
    --------
    >>> from toolkit.model.tables import empty
    >>> propose_actions(empty(Expansion))
    ()
    """
    own = frozenset(violations)
    rows = conform(expansion, Expansion).iter_rows(named=True)
    found = [action for row in rows if (action := _one(row, row["account_id"] in own)) is not None]
    return tuple(sorted(found, key=lambda a: (-_SEVERITY[a.rung], a.account_id)))


def find_violations(labels: pl.DataFrame | None, *, min_score: float = 0.9, min_labels: int = 2) -> frozenset[str]:
    """Name the accounts that labels say broke the policy themselves.

    Parameters
    ----------
    labels : polars.DataFrame or None
        ``account_id``, ``label`` and ``score``; None where there are no labels.
    min_score : float
        A classifier's label counts from here.
    min_labels : int
        Labels an account needs: one classifier hit is not a violation.

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> labels = pl.DataFrame({"account_id": ["a", "a", "b"], "label": ["phishing"] * 3, "score": [.95, .97, .99]})
    >>> find_violations(labels)
    frozenset({'a'})
    """
    if labels is None or not {"account_id", "label", "score"} <= set(labels.columns):
        return frozenset()
    counted = labels.filter(pl.col("label").is_not_null() & (pl.col("score").cast(pl.Float64) >= min_score))
    enough = counted.group_by("account_id").len().filter(pl.col("len") >= min_labels)
    return frozenset(enough.get_column("account_id").to_list())


_SEVERITY = {Rung.BAN: 5, Rung.SUSPEND: 4, Rung.VERIFY: 3, Rung.MONITOR: 2, Rung.NOTIFY: 1, Rung.NONE: 0}


def _one(row: dict[str, Any], violates: bool) -> Action | None:
    level, families = Level(str(row["level"])), [str(f) for f in row["families"]]
    reason = str(row["reason"])
    if not row["included"]:
        if float(str(row["probability"])) < _LEFT_ALONE and row["round"] != 0:
            return None
        return Action(
            account_id=str(row["account_id"]), rung=Rung.NONE, level=min(level, Level.L2), reasons=(reason,),
            innocent_explanation=_innocent(families),
        )  # fmt: skip
    if violates and level >= Level.L3:
        rung = Rung.BAN
    elif violates and level >= Level.L2:
        rung = Rung.SUSPEND
    elif level >= Level.L2 and _exclusive(row["evidence"]):
        rung = Rung.VERIFY
    elif level >= Level.L1:
        rung = Rung.MONITOR
    else:
        rung = Rung.NONE
    reasons = (reason, "its own conduct broke the policy") if violates else (reason,)
    return Action(
        account_id=str(row["account_id"]),
        rung=rung,
        level=level,
        reasons=reasons,
        innocent_explanation=_innocent(families),
        own_violation=violates,
    )


def _exclusive(evidence: Sequence[dict[str, Any]]) -> bool:
    """Whether a value made for one person speaks; without one, a campus explains networks and texts alike."""
    return any(item["regime"] == "unique" and item["bits"] >= FAMILY_SPEAKS for item in evidence)


def _innocent(families: list[str]) -> str:
    """What was considered on the account's behalf."""
    readings = [READINGS.get(family, f"a common value of kind {family}") for family in families]
    if not readings:
        return "shares nothing with the set beyond chance"
    if len(readings) == 1:
        return f"{readings[0]}: not ruled out"
    return "; and ".join(readings) + ": would have to hold together"


def actions_table(actions: Collection[Action]) -> pl.DataFrame:
    """Write actions as the contract ``Actions``, in the order given.

    Examples
    --------
    >>> actions_table([]).columns[:2]
    ['account_id', 'rung']
    """
    schema = {name: column.dtype for name, column in Actions.columns().items()}
    return conform(pl.DataFrame([action.model_dump(mode="json") for action in actions], schema=schema), Actions)
