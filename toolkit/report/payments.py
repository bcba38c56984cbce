"""What payments tell: who tries cards, whose cards they are, and what free credit was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import InputError, need_columns
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Rung
from toolkit.report.findings import number_findings
from toolkit.views.words import count_of

__all__ = [
    "chart_declines",
    "find_owners",
    "find_payment_findings",
    "measure_credit",
    "profile_cards",
    "profile_payers",
    "propose_for_payments",
    "take_payments",
]

_BITS: Final = 10.0
"""Bits that declines must give before an account is said to test cards: once in a thousand by chance, and it must use
several cards as well."""
_ONE_SIDED: Final = 0.00135
"""Beyond three standard deviations of a normal variable, on one side."""
_UNITS: Final = 1_000_000
"""Credit is counted in millionths, as the sample's tables do."""


def take_payments(payments: pl.DataFrame | None) -> pl.DataFrame:
    """Take the payments that tried a card; of no table, none.

    Parameters
    ----------
    payments : polars.DataFrame or None
        Canonical ``payments``.

    Returns
    -------
    polars.DataFrame
        Its rows with an account, a time and a card, in their order.

    Examples
    --------
    >>> take_payments(None).height
    0
    """
    if payments is None:
        text = dict.fromkeys(("account_id", "event", "card", "result"), pl.String)
        return pl.DataFrame(schema={"event_at": pl.Datetime("us", "UTC"), **text})
    need_columns(payments.columns, ["account_id", "event_at", "card", "result"], "payments")
    return payments.drop_nulls(["account_id", "event_at", "card"])


def profile_payers(payments: pl.DataFrame, *, min_cards: int = 4) -> pl.DataFrame:
    """Profile how accounts pay: how many cards, how many declines, and how far that is from the usual.

    Parameters
    ----------
    payments : polars.DataFrame
        Canonical ``payments``: ``account_id``, ``event_at``, ``card``, ``result``; ``amount``, ``cvc_check`` and
        ``avs_check`` where they are there.
    min_cards : int
        Cards from which an account can be a tester: a family has two, a shop assistant three.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``attempts``, ``cards``, ``declined``, ``declined_share``, ``failed_checks`` (CVC or address),
        ``median_amount`` (minor units), ``busiest_hour`` (most attempts in one hour), ``bits`` (binary logarithm of one
        over the chance of so many declines at the usual rate) and ``tester``. Order: tester first, bits descending,
        account_id. The usual rate is that of accounts with fewer cards.

    Raises
    ------
    InputError
        If a column is missing or ``min_cards`` is below 2.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> rows = {"account_id": ["t"] * 9 + ["u"] * 9, "card": [*"abcdefghi", *"z" * 9]}
    >>> rows |= {"result": ["declined"] * 8 + ["succeeded"] * 10, "event_at": [datetime(2026, 1, 5, tzinfo=UTC)] * 18}
    >>> profile_payers(pl.DataFrame(rows)).select("account_id", "cards", "declined", "tester").rows()
    [('t', 9, 8, True), ('u', 1, 0, False)]
    """
    from scipy.stats import binom

    need_columns(payments.columns, ["account_id", "event_at", "card", "result"], "payments")
    if min_cards < 2:
        raise InputError(f"min_cards is {min_cards}; want 2 or more")
    tried = payments.filter(pl.col("card").is_not_null() & pl.col("account_id").is_not_null())
    checks = [pl.col(name) == "fail" for name in ("cvc_check", "avs_check") if name in payments.columns]
    failed = pl.any_horizontal(checks).fill_null(value=False) if checks else pl.lit(value=False)
    amount = pl.col("amount").cast(pl.Float64).median() if "amount" in payments.columns else pl.lit(None, pl.Float64)
    hour = pl.col("event_at").dt.truncate("1h").unique_counts().max()
    table = tried.with_columns(failed=failed).group_by("account_id").agg(
        attempts=pl.len().cast(pl.Int64), cards=pl.col("card").n_unique().cast(pl.Int64),
        declined=(pl.col("result") == "declined").sum().cast(pl.Int64),
        failed_checks=pl.col("failed").sum().cast(pl.Int64), median_amount=amount, busiest_hour=hour.cast(pl.Int64),
    )  # fmt: skip
    usual = table.filter(pl.col("cards") < min_cards)
    # Nobody declined among few would make any decline a wonder: half a decline is added, as to every small count.
    rate = (float(usual["declined"].sum()) + 0.5) / (float(usual["attempts"].sum()) + 1.0)
    log_p = binom.logsf(table["declined"].to_numpy() - 1, table["attempts"].to_numpy(), rate)
    bits = pl.Series("bits", np.asarray(log_p) / -np.log(2)).clip(0).round(3)
    told = table.with_columns(bits, declined_share=(pl.col("declined") / pl.col("attempts")).round(6))
    tester = (pl.col("cards") >= min_cards) & (pl.col("bits") >= _BITS)
    columns = [
        "account_id", "attempts", "cards", "declined", "declined_share", "failed_checks", "median_amount",
        "busiest_hour", "bits", "tester",
    ]  # fmt: skip
    return told.with_columns(tester=tester).select(columns).sort(
        ["tester", "bits", "account_id"], descending=[True, True, False]
    )  # fmt: skip


def profile_cards(payments: pl.DataFrame, *, min_accounts: int = 2) -> pl.DataFrame:
    """List cards that several accounts use.

    Parameters
    ----------
    payments : polars.DataFrame
        Canonical ``payments``.
    min_accounts : int
        Accounts from which a card is listed.

    Returns
    -------
    polars.DataFrame
        ``kind`` ("card"), ``value``, ``accounts``, ``attempts``, ``declined``, ``first_at``, ``last_at``. Order:
        accounts descending, value. A company card looks the same as a shared stolen one: what sets them apart is who
        else they share anything with.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> rows = {"account_id": ["a", "b"], "card": "c", "result": "succeeded"}
    >>> rows = pl.DataFrame(rows).with_columns(event_at=datetime(2026, 1, 5, tzinfo=UTC))
    >>> profile_cards(rows).select("value", "accounts").rows()
    [('c', 2)]
    """
    table = payments.drop_nulls(["card", "account_id"]).group_by(pl.col("card").alias("value")).agg(
        accounts=pl.col("account_id").n_unique().cast(pl.Int64), attempts=pl.len().cast(pl.Int64),
        declined=(pl.col("result") == "declined").sum().cast(pl.Int64),
        first_at=pl.col("event_at").min(), last_at=pl.col("event_at").max(),
    )  # fmt: skip
    wide = table.filter(pl.col("accounts") >= min_accounts).sort(["accounts", "value"], descending=[True, False])
    return wide.select(pl.lit("card").alias("kind"), pl.all())


def find_owners(payments: pl.DataFrame, testers: Sequence[str]) -> pl.DataFrame:
    """Find customers whose card testers tried: they paid with it, without a decline, before or beside.

    Parameters
    ----------
    payments : polars.DataFrame
        Canonical ``payments``.
    testers : sequence of str
        Accounts that test cards.

    Returns
    -------
    polars.DataFrame
        ``account_id``, ``cards`` (of theirs that were tried), ``paid`` (their own payments that went through),
        ``since`` (their first one), ``tried_by`` (testers). Order: account_id.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> rows = {"account_id": ["a", "t"], "card": "c", "result": ["succeeded", "declined"]}
    >>> rows |= {"event_at": datetime(2026, 1, 5, tzinfo=UTC)}
    >>> find_owners(pl.DataFrame(rows), ["t"]).select("account_id", "tried_by").rows()
    [('a', 1)]
    """
    tested = (
        payments.filter(pl.col("account_id").is_in(list(testers)))
        .drop_nulls("card")
        .select("card", tester="account_id")
    )
    own = payments.drop_nulls("card").filter(
        ~pl.col("account_id").is_in(list(testers)) & (pl.col("result") == "succeeded")
    )
    met = own.join(tested.unique(), on="card")
    return met.group_by("account_id").agg(
        cards=pl.col("card").n_unique().cast(pl.Int64),
        paid=pl.struct("card", "event_at").n_unique().cast(pl.Int64),
        since=pl.col("event_at").min(),
        tried_by=pl.col("tester").n_unique().cast(pl.Int64),
    ).sort("account_id")  # fmt: skip


def chart_declines(payments: pl.DataFrame) -> pl.DataFrame:
    """Set each day's declines against what its number of attempts would give: a control chart of shares.

    Parameters
    ----------
    payments : polars.DataFrame
        Canonical ``payments``.

    Returns
    -------
    polars.DataFrame
        ``day_at`` (its beginning, UTC), ``attempts``, ``declined``, ``share``, ``upper_share`` and ``out``. Order:
        day_at. The usual share is that of all days but the tenth with the highest shares; ``upper_share`` is passed by
        chance on 135 of 100,000 days, as three standard deviations are. Source: Shewhart's p chart, with the binomial
        distribution in place of the normal one: most days have few declines.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (5, 6, 7) for _ in range(20)]
    >>> result = (["declined"] + ["succeeded"] * 19) * 2 + ["declined"] * 15 + ["succeeded"] * 5
    >>> chart_declines(pl.DataFrame({"event_at": at, "result": result}))["out"].to_list()
    [False, False, True]
    """
    from scipy.stats import binom

    need_columns(payments.columns, ["event_at", "result"], "payments")
    days = payments.drop_nulls("event_at").group_by(day_at=pl.col("event_at").dt.truncate("1d")).agg(
        attempts=pl.len().cast(pl.Int64), declined=(pl.col("result") == "declined").sum().cast(pl.Int64)
    ).sort("day_at")  # fmt: skip
    days = days.with_columns(share=(pl.col("declined") / pl.col("attempts")).round(6))
    calm = days.sort("share", "day_at").head(days.height - -(-days.height // 10))
    rate = (float(calm["declined"].sum()) + 0.5) / (float(calm["attempts"].sum()) + 1.0)
    most = np.asarray(binom.ppf(1 - _ONE_SIDED, days["attempts"].to_numpy(), rate))
    upper = (pl.Series(most, dtype=pl.Float64) / days["attempts"]).clip(0, 1).round(6)
    return days.with_columns(upper_share=upper).with_columns(out=pl.col("share") > pl.col("upper_share"))


def measure_credit(credit: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    """Measure what became of free credit: granted, spent, burnt within a day, and how much of it by some accounts.

    Parameters
    ----------
    credit : polars.DataFrame
        Canonical ``credits``: ``account_id``, ``event_at``, ``kind`` ("grant", "spend", ...), ``amount`` (millionths of
        the currency unit), ``promo``.
    accounts : sequence of str
        The set.

    Returns
    -------
    polars.DataFrame
        ``promo``, ``accounts`` (that were granted it), ``granted``, ``spent`` (currency units; everything an account
        spent), ``burnt_share`` (of the accounts, those that spent nine tenths within a day of the grant),
        ``set_accounts``, ``set_granted``, ``set_spent``. Order: granted descending, promo.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2)]
    >>> rows = {"account_id": "a", "event_at": at, "kind": ["grant", "spend"], "amount": [2_000_000, -1_900_000]}
    >>> table = measure_credit(pl.DataFrame(rows | {"promo": ["W", None]}), ["a"])
    >>> table.select("promo", "granted", "spent", "burnt_share", "set_spent").rows()
    [('W', 2.0, 1.9, 1.0, 1.9)]
    """
    need_columns(credit.columns, ["account_id", "event_at", "kind", "amount", "promo"], "credits")
    grants = credit.filter(pl.col("kind") == "grant").group_by("account_id").agg(
        promo=pl.col("promo").drop_nulls().sort().first(), granted=pl.col("amount").abs().sum(),
        at=pl.col("event_at").min(),
    )  # fmt: skip
    spends = credit.filter(pl.col("kind") == "spend").join(grants.select("account_id", "at"), on="account_id")
    soon = pl.col("event_at") <= pl.col("at") + pl.duration(days=1)
    spent = spends.group_by("account_id").agg(
        spent=pl.col("amount").abs().sum(), within=pl.col("amount").abs().filter(soon).sum()
    )
    each = grants.join(spent, on="account_id", how="left").with_columns(pl.col("spent", "within").fill_null(0))
    mine = pl.col("account_id").is_in(list(accounts))
    units = pl.col("granted", "spent", "set_granted", "set_spent") / _UNITS
    return (
        each.with_columns(pl.col("promo").fill_null("(none)"), burnt=pl.col("within") >= 0.9 * pl.col("granted"))
        .group_by("promo")
        .agg(
            accounts=pl.len().cast(pl.Int64), granted=pl.col("granted").sum(), spent=pl.col("spent").sum(),
            burnt_share=pl.col("burnt").mean(), set_accounts=mine.sum().cast(pl.Int64),
            set_granted=pl.col("granted").filter(mine).sum(), set_spent=pl.col("spent").filter(mine).sum(),
        )
        .with_columns(units)
        .sort(["granted", "promo"], descending=[True, False])
    )  # fmt: skip


def propose_for_payments(payers: pl.DataFrame, owners: pl.DataFrame) -> tuple[Action, ...]:
    """Propose a step for testers and for the owners of what they tried.

    Parameters
    ----------
    payers, owners : polars.DataFrame
        From :func:`profile_payers` and :func:`find_owners`.

    Returns
    -------
    tuple of Action
        Testers first (a hold, which can be undone), then owners (told, never punished); by account_id.

    Examples
    --------
    >>> payers = pl.DataFrame({"account_id": ["t"], "cards": [9], "declined": [8], "attempts": [9], "tester": [True]})
    >>> owners = pl.DataFrame({"account_id": ["o"], "cards": [1], "tried_by": [1]})
    >>> [action.rung.value for action in propose_for_payments(payers, owners)]
    ['rate-limit or credit hold', 'notify and rotate']
    """
    testers = payers.filter("tester").sort("account_id").to_dicts()
    made = [
        Action(
            account_id=row["account_id"], rung=Rung.LIMIT, level=Level.L2,
            reasons=(f"{row['declined']} of {row['attempts']} attempts declined, with {row['cards']} cards",),
            innocent_explanation="a shop or an agency that enters its customers' cards: few of those are declined",
        )
        for row in testers
    ]  # fmt: skip
    made += [
        Action(
            account_id=row["account_id"], rung=Rung.NOTIFY, level=Level.L1,
            reasons=(f"{count_of(row['cards'], 'card')} of theirs, tried by {count_of(row['tried_by'], 'account')}",),
            innocent_explanation="the owner of a stolen card is a victim",
        )
        for row in owners.sort("account_id").to_dicts()
    ]  # fmt: skip
    return tuple(made)


def find_payment_findings(
    payers: pl.DataFrame,
    owners: pl.DataFrame,
    days: pl.DataFrame,
    credit: pl.DataFrame | None,
    gaps: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """State what payments tell.

    Parameters
    ----------
    payers, owners, days, credit : polars.DataFrame
        From the functions of this module; ``credit`` None: there is no such table.
    gaps : sequence of Finding
        Gaps in the data, to stand last.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ...

    Examples
    --------
    >>> payers = pl.DataFrame(schema={"account_id": pl.String, "tester": pl.Boolean})
    >>> owners, days = pl.DataFrame(schema={"account_id": pl.String}), pl.DataFrame(schema={"out": pl.Boolean})
    >>> [f.type for f in find_payment_findings(payers, owners, days, None)]
    ['null_result']
    """
    testers = payers.filter("tester")
    drafts: list[dict[str, object]] = []
    if testers.is_empty():
        drafts.append({
            "type": "null_result", "statement": f"None of {count_of(payers.height, 'account')} tries several cards "
            "with more declines than usual.", "confidence": Confidence.MODERATE,
            "basis": "declines of each account against the usual rate; whoever tries one card each is missed",
            "next_check": "link the accounts that share cards, devices or networks",
        })  # fmt: skip
    else:
        attempts, declined = int(testers["attempts"].sum()), int(testers["declined"].sum())
        drafts.append({
            "type": "linked_set", "statement": f"{count_of(testers.height, 'account')} try cards: {attempts:,} "
            f"attempts, {declined:,} of them declined.", "confidence": Confidence.HIGH, "level": Level.L2,
            "basis": "each uses several cards and is declined so often that chance would do it less than once in a "
            "thousand accounts; that they are one ring is another question",
            "accounts": tuple(testers["account_id"].sort().to_list()), "evidence_ids": ("payers.parquet",),
            "alternatives": ("a reseller who enters customers' cards",),
            "next_check": "expand from the three with most cards with the ring template",
        })  # fmt: skip
    if owners.height:
        drafts.append({
            "type": "victim", "statement": f"{count_of(owners.height, 'customer')} paid with cards that were also "
            "tried: these cards may be stolen.", "confidence": Confidence.MODERATE,
            "basis": "payments of theirs went through with the same card", "evidence_ids": ("owners.parquet",),
            "accounts": tuple(owners["account_id"].to_list()), "alternatives": ("the owner's own second account",),
            "next_check": "tell them, and the issuer; never act against them",
        })  # fmt: skip
    beyond = days.filter("out")
    if beyond.height:
        drafts.append({
            "type": "burst", "statement": f"On {count_of(beyond.height, 'day')} of {days.height:,} more was "
            "declined than the day's attempts explain.", "confidence": Confidence.MODERATE,
            "basis": "the binomial distribution at the usual share; passed by chance on one day in 740",
            "evidence_ids": ("declines.parquet",),
            "alternatives": ("an outage of an issuer",), "next_check": "which issuers, which hours",
        })  # fmt: skip
    lost = credit.filter(pl.col("set_accounts") > 0) if credit is not None else None
    if lost is not None and lost.height:
        low, high = float(lost["set_spent"].sum()), float(lost["set_granted"].sum())
        drafts.append({
            "type": "loss_estimate", "statement": f"Free credit that went to them: {low:,.2f} spent, of {high:,.2f} "
            "granted (in units of the currency).", "confidence": Confidence.HIGH,
            "basis": "added up from the credit table", "evidence_ids": ("credit.parquet",),
            "next_check": "claw back what was not spent",
        })  # fmt: skip
    return number_findings(drafts, gaps)
