"""Who came back after a ban: which values survived it, how soon, how often, and what may be said of each candidate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, visible
from toolkit.linking.calibration import wilson_interval
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Rung
from toolkit.report.findings import number_findings
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words, say_kind

__all__ = [
    "BANS",
    "choose_bans",
    "count_survivors",
    "describe_returns",
    "estimate_recidivism",
    "find_evasion_findings",
    "list_shared",
    "propose_for_returns",
]

BANS: Final = ("enforcement.ban", "enforcement.suspend")
"""Verbs that put somebody out."""
_SHARED: Final = {"account_id": pl.String, "of_account": pl.String, "kind": pl.String, "value": pl.String}
_INNOCENT: Final = "a household, a shop or a recycled value: somebody else who holds what the banned account held"


def choose_bans(
    events: pl.DataFrame, accounts: Sequence[str] = (), *, lookback_days: int = 0, verbs: Sequence[str] = BANS
) -> pl.DataFrame:
    """Choose the bans to look at.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    accounts : sequence of str
        Whose bans; everybody's by default.
    lookback_days : int
        Days before the last ban of all; 0: all of them.
    verbs : sequence of str
        What counts as a ban.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``at`` (UTC), ``action`` (the verb): the first of each account. Order: at, account_id.

    Raises
    ------
    InputError
        If an account that was named has no ban, naming each, or the number of days is negative.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (1, 2, 3)]
    >>> verbs = ["signup", "enforcement.ban", "enforcement.ban"]
    >>> choose_bans(pl.DataFrame({"account_id": "a", "event_at": at, "event": verbs}))["at"].dt.day().to_list()
    [2]
    """
    if lookback_days < 0:
        raise InputError(f"lookback_days is {lookback_days}; want 0 (all bans) or more")
    every = events.filter(pl.col("event").is_in(list(verbs))).select("account_id", at="event_at", action="event")
    first = every.sort("at", "account_id", "action").unique("account_id", keep="first", maintain_order=True)
    if accounts:
        never = sorted(set(accounts) - set(first["account_id"].to_list()))
        if never:
            said = ", ".join(visible(account, 60) for account in never[:10])
            raise InputError(
                f"{count_of(len(never), 'account')} of those named were never banned in these data: {said}"
            )
        first = first.filter(pl.col("account_id").is_in(list(accounts)))
    if lookback_days:
        first = first.filter(pl.col("at") >= pl.col("at").max() - pl.duration(days=lookback_days))
    return first


def list_shared(returns: pl.DataFrame) -> pl.DataFrame:
    """List what each candidate shares with the banned account.

    Parameters
    ----------
    returns : polars.DataFrame
        From :func:`toolkit.timeline.effect.measure_effect`.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``of_account``, ``kind``, ``value``. Order: that of the columns.

    Examples
    --------
    >>> list_shared(pl.DataFrame({"account_id": ["b"], "of_account": ["a"], "shared": [["ip=192.0.2.1"]]})).rows()
    [('b', 'a', 'ip', '192.0.2.1')]
    """
    rows = returns.select("account_id", "of_account", pair="shared").explode("pair").drop_nulls("pair")
    parts = rows.select(
        "account_id", "of_account",
        kind=pl.col("pair").str.split_exact("=", 1).struct.field("field_0"),
        value=pl.col("pair").str.replace(r"^[^=]*=", ""),
    )  # fmt: skip
    return parts.cast(pl.Schema(_SHARED)).sort(*_SHARED)


def count_survivors(shared: pl.DataFrame, returns: pl.DataFrame) -> pl.DataFrame:
    """Count which kinds of value banned people kept.

    Parameters
    ----------
    shared : polars.DataFrame
        From :func:`list_shared`.
    returns : polars.DataFrame
        From :func:`toolkit.timeline.effect.measure_effect`.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``returns`` (candidates that share a value of it), ``banned`` (accounts they came after), ``alone``
        (of the candidates, those that share nothing else), ``share`` of all candidates. Order: returns descending,
        kind.

    Examples
    --------
    >>> one = pl.DataFrame({"account_id": ["b"], "of_account": ["a"], "shared": [["ip=192.0.2.1"]]})
    >>> count_survivors(list_shared(one), one).rows()
    [('ip', 1, 1, 1, 1.0)]
    """
    candidates = max(1, returns["account_id"].n_unique())
    kinds = pl.col("kind").n_unique().over("account_id", "of_account")
    counted = (
        shared.with_columns(alone=kinds == 1)
        .group_by("kind")
        .agg(
            returns=pl.col("account_id").n_unique().cast(pl.Int64),
            banned=pl.col("of_account").n_unique().cast(pl.Int64),
            alone=pl.col("account_id").filter("alone").n_unique().cast(pl.Int64),
        )
    )
    return counted.with_columns(share=pl.col("returns") / candidates).sort(
        ["returns", "kind"], descending=[True, False]
    )


def estimate_recidivism(bans: pl.DataFrame, returns: pl.DataFrame, *, ends_at: object, window_h: float) -> pl.DataFrame:
    """Estimate how many of the banned come back within a window.

    Parameters
    ----------
    bans : polars.DataFrame
        From :func:`choose_bans`.
    returns : polars.DataFrame
        Candidates that count as returns.
    ends_at : datetime
        Where the data end: a ban whose window is not over by then does not count, whether somebody came back or not.
    window_h : float
        Hours.

    Returns
    -------
    polars.DataFrame
        ``action``, ``banned``, ``whole`` (of them, those whose window is over), ``returned`` (of those), ``share``,
        ``share_low``, ``share_high`` (Wilson's 95 % interval), ``median_h`` (to the first return; null without any).
        Order: action.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = datetime(2026, 1, 1, tzinfo=UTC)
    >>> bans = pl.DataFrame({"account_id": ["a", "b"], "at": [day, day], "action": ["ban", "ban"]})
    >>> back = pl.DataFrame({"of_account": ["a"], "delay_s": [7_200.0]})
    >>> estimate_recidivism(bans, back, ends_at=datetime(2026, 2, 1, tzinfo=UTC), window_h=24).select(
    ...     "banned", "returned", "share", "median_h").rows()
    [(2, 1, 0.5, 2.0)]
    """
    first = returns.group_by("of_account").agg(pl.col("delay_s").min())
    joined = bans.join(first, left_on="account_id", right_on="of_account", how="left")
    over = pl.col("at") + pl.duration(seconds=int(window_h * 3_600)) <= pl.lit(ends_at)
    came = over & pl.col("delay_s").is_not_null()
    counted = (
        joined.group_by("action")
        .agg(
            banned=pl.len().cast(pl.Int64),
            whole=over.sum().cast(pl.Int64),
            returned=came.sum().cast(pl.Int64),
            median_h=(pl.col("delay_s").filter(came).median() / 3_600).round(1),
        )
        .sort("action")
    )
    ends = [wilson_interval(k, n) for k, n in counted.select("returned", "whole").rows()]
    share = pl.when(pl.col("whole") > 0).then(pl.col("returned") / pl.col("whole"))
    bounds = {"share_low": pl.Series([e[0] for e in ends]), "share_high": pl.Series([e[1] for e in ends])}
    bounds = {name: series.cast(pl.Float64) for name, series in bounds.items()}
    columns = ("action", "banned", "whole", "returned", "share", "share_low", "share_high", "median_h")
    return counted.with_columns(share=share, **bounds).select(columns)


def propose_for_returns(returns: pl.DataFrame, violations: Collection[str] = ()) -> tuple[Action, ...]:
    """Propose a step for each candidate: what two independent kinds tie is verified, what one kind ties is watched.

    Parameters
    ----------
    returns : polars.DataFrame
        From :func:`toolkit.timeline.effect.measure_effect`.
    violations : collection of str
        Accounts whose own conduct broke the policy.

    Returns
    -------
    tuple of Action
        Severest first, then account_id; of several banned accounts that a candidate may continue, the best tied counts.

    Examples
    --------
    >>> row = {"account_id": ["b"], "of_account": ["a"], "confidence": ["low"], "score": [3.0], "why": ["shares ip"]}
    >>> [(action.account_id, action.rung.value) for action in propose_for_returns(pl.DataFrame(row))]
    [('b', 'monitor')]
    """
    best = returns.sort(["confidence", "score", "of_account"], descending=[True, True, False]).unique(
        "account_id", keep="first", maintain_order=True
    )
    made = []
    for row in best.sort("account_id").to_dicts():
        firm = row["confidence"] == "moderate"
        own = row["account_id"] in violations
        rung = Rung.SUSPEND if firm and own else Rung.VERIFY if firm else Rung.MONITOR
        reasons = (visible(row["why"], 400), *(("its own conduct broke the policy",) if own else ()))
        made.append(
            Action(
                account_id=row["account_id"], rung=rung, level=Level.L2 if firm else Level.L1, reasons=reasons,
                innocent_explanation=_INNOCENT, own_violation=own,
            )
        )  # fmt: skip
    order = {Rung.SUSPEND: 0, Rung.VERIFY: 1, Rung.MONITOR: 2}
    return tuple(sorted(made, key=lambda action: (order[action.rung], action.account_id)))


def describe_returns(
    returns: pl.DataFrame, shared: pl.DataFrame, actions: Sequence[Action], names: Names
) -> pl.DataFrame:
    """Return the candidates for people, the best tied first.

    Parameters
    ----------
    returns, shared : polars.DataFrame
        From :func:`toolkit.timeline.effect.measure_effect` and :func:`list_shared`.
    actions : sequence of Action
        From :func:`propose_for_returns`.
    names : Names

    Returns
    -------
    polars.DataFrame
        ``account``, ``after``, ``hours``, ``bits``, ``shares`` (values by their names), ``confidence``, ``proposed``.
        Order: bits descending, account, after.
    """
    said: dict[tuple[str, str], list[str]] = {}
    for account, of, kind, value in shared.rows():
        said.setdefault((account, of), []).append(names.full(kind, value))
    rung = {action.account_id: action.rung.value for action in actions}
    rows = [
        (row["account_id"], row["of_account"], row["delay_s"] / 3_600, row["score"],
         "; ".join(said.get((row["account_id"], row["of_account"]), [])), row["confidence"],
         rung.get(row["account_id"], ""))
        for row in returns.to_dicts()
    ]  # fmt: skip
    text = ("account", "after", "hours", "bits", "shares", "confidence", "proposed")
    schema = {name: pl.Float64 if name in ("hours", "bits") else pl.String for name in text}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        ["bits", "account", "after"], descending=[True, False, False]
    )


def find_evasion_findings(
    bans: pl.DataFrame,
    returns: pl.DataFrame,
    survivors: pl.DataFrame,
    rates: pl.DataFrame,
    gaps: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """State what came after the bans.

    Parameters
    ----------
    bans, returns, survivors, rates : polars.DataFrame
        From the functions of this module.
    gaps : sequence of Finding
        Gaps in the data, to stand last.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ...

    Examples
    --------
    >>> none = pl.DataFrame()
    >>> [f.statement for f in find_evasion_findings(pl.DataFrame({"account_id": []}), none, none, none)]
    ['No ban lies in these data: there is nothing to follow.']
    """
    drafts = [_nothing(bans)] if bans.is_empty() or returns.is_empty() else _returned(returns, survivors, rates)
    return number_findings(drafts, gaps)


def _nothing(bans: pl.DataFrame) -> dict[str, object]:
    if bans.is_empty():
        return {
            "type": "null_result", "statement": "No ban lies in these data: there is nothing to follow.",
            "confidence": Confidence.HIGH, "basis": "every event was read", "next_check": "add the enforcement table",
        }  # fmt: skip
    return {
        "type": "null_result",
        "statement": f"Nobody who signed up within the window shares a value that few hold with one of "
        f"{count_of(bans.height, 'banned account')}.",
        "confidence": Confidence.MODERATE,
        "basis": "every sign-up was compared with every ban before it; whoever changed everything would be missed",
        "accounts": tuple(bans["account_id"].sort().to_list()),
        "next_check": "match by conduct: prompts, hours, templates",
    }  # fmt: skip


def _returned(returns: pl.DataFrame, survivors: pl.DataFrame, rates: pl.DataFrame) -> list[dict[str, object]]:
    firm = returns.filter(pl.col("confidence") == "moderate")
    after = count_of(firm["of_account"].n_unique(), "banned account")
    weak = returns["account_id"].n_unique() - firm["account_id"].n_unique()
    found: list[dict[str, object]] = []
    if firm.height:
        found.append(
            {
                "type": "return_attempt",
                "statement": f"{count_of(firm['account_id'].n_unique(), 'account')} signed up after a ban and share at "
                f"least two kinds of value that few hold with one of {after}.",
                "confidence": Confidence.MODERATE,
                "basis": "values held by at most ten accounts, first seen on the banned account before its ban",
                "level": Level.L2,
                "accounts": tuple(firm["account_id"].unique().sort().to_list()),
                "evidence_ids": ("returns.parquet",),
                "alternatives": ("the same household or shop", "one operator who ran both accounts all along"),
                "next_check": "expand from each pair with the ring template",
            }
        )
    if weak:
        found.append(
            {
                "type": "return_attempt",
                "statement": f"{count_of(weak, 'further account')} share one such kind only: as often a household's as "
                "a return.",
                "confidence": Confidence.LOW, "basis": "one kind of value, whatever it is, is one fact",
                "evidence_ids": ("returns.parquet",), "next_check": "watch, and look again when a second kind appears",
            }
        )  # fmt: skip
    top = survivors.head(3)
    kept = join_words(f"{say_kind(kind)} ({n:,})" for kind, n in top.select("kind", "returns").rows())
    found.append(
        {
            "type": "identifier_survived_ban", "statement": f"What banned people most often kept: {kept}.",
            "confidence": Confidence.MODERATE, "basis": "candidates that share a value of the kind",
            "evidence_ids": ("survivors.parquet",), "next_check": "block these kinds at sign-up after a ban",
        }
    )  # fmt: skip
    return found + [_rate(row) for row in rates.filter(pl.col("returned") > 0).to_dicts()]


def _rate(row: dict[str, Any]) -> dict[str, object]:
    share, low, high = (f"{100 * row[name]:.0f}" for name in ("share", "share_low", "share_high"))
    word = str(row["action"]).split(".")[-1]
    return {
        "type": "prevalence",
        "statement": f"Of {count_of(row['whole'], 'account')} that met a {word}, {row['returned']:,} came back within "
        f"the window ({share} %; {low} to {high} %), half of those within {row['median_h']:g} hours.",
        "confidence": Confidence.MODERATE,
        "basis": "Wilson's interval; two kinds of value in common count as a return; whoever changed everything is "
        "missed, so the share is a lower bound",
        "evidence_ids": ("rates.parquet",),
        "next_check": "again in a month, for bans whose window was not over",
    }
