"""What a dossier of one account says: who it is, how it compares, how it acts, and what follows from that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from toolkit.errors import visible
from toolkit.model.case import Finding
from toolkit.model.confidence import Confidence
from toolkit.report.findings import number_findings
from toolkit.sources.dataset import Dataset
from toolkit.views.words import count_of, say_kind

__all__ = ["describe_account", "find_account_findings", "find_peers", "measure_peers", "pick_one"]

_GAPS = ("data_gap",)
_TOLD = ("created_at", "status", "plan", "signup_country", "auth_provider", "kyc_level")
"""Columns of ``accounts`` that are no personal values; shown where they are there."""
_RHYTHMS = {
    "schedule": "acts on full minutes, as a scheduled job does; that is not abuse by itself",
    "office_hours": "acts regularly, but on weekdays by day only, as an office tool does",
    "retries": "repeats one act quickly, as a client that retries does",
    "people": "acts at the hours and gaps of a person",
}


def describe_account(data: Dataset, account: str, events: pl.DataFrame) -> dict[str, object]:
    """Say who an account is, as far as no personal value is told.

    Parameters
    ----------
    data : Dataset
    account : str
    events : polars.DataFrame
        Contract ``Events``: of the account.

    Returns
    -------
    dict of str to object
        For :func:`toolkit.views.blocks.show_card`.
    """
    said: dict[str, object] = {"Account": account}
    table = data.tables.get("accounts")
    if table is not None:
        row = table.filter(pl.col("account_id") == account).head(1)
        for name in _TOLD:
            if name in row.columns and row.height and row[name][0] is not None:
                value = row[name][0]
                shown = f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else visible(value, 60)
                said[name.replace("_", " ").capitalize()] = shown
    said["Events"] = f"{events.height:,}"
    if events.height:
        first, last = (at.strftime("%Y-%m-%d %H:%M") for at in events["event_at"].sort()[[0, -1]])
        said["First and last seen"] = f"{first} to {last} UTC"
    return said


def find_peers(observations: pl.DataFrame, account: str, n: int) -> list[str]:
    """Find the accounts that were first seen nearest in time to one.

    Parameters
    ----------
    observations : polars.DataFrame
        Contract ``Observations``.
    account : str
    n : int
        How many, at most.

    Returns
    -------
    list of str
        Nearest first (ties by id), without the account; empty where nothing says when it was first seen.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, d, tzinfo=UTC) for d in (1, 2, 9)]
    >>> find_peers(pl.DataFrame({"account_id": ["a", "b", "c"], "first_at": at}), "a", 1)
    ['b']
    """
    first = observations.group_by("account_id").agg(pl.col("first_at").min()).drop_nulls()
    mine = first.filter(pl.col("account_id") == account)
    if mine.is_empty():
        return []
    apart = (pl.col("first_at") - mine["first_at"][0]).abs().alias("apart")
    others = first.filter(pl.col("account_id") != account).sort(apart, "account_id")
    return others["account_id"].head(n).to_list()


def measure_peers(events: pl.DataFrame, observations: pl.DataFrame, account: str, peers: Sequence[str]) -> pl.DataFrame:
    """Set an account beside its peers: how much it does, on how many days, with how many values of each kind.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``: of everybody.
    observations : polars.DataFrame
        Contract ``Observations``: of everybody.
    account : str
    peers : sequence of str
        As :func:`find_peers` returns them.

    Returns
    -------
    polars.DataFrame
        ``measure``, ``account`` (its number), ``median`` (of the peers), ``share_more`` (of the peers, who have more)
        and ``share_as_much``. Order: events and days first, then kinds by name; kinds that neither has
        are left out. Empty without peers.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2, 3)]
    >>> acts = pl.DataFrame({"account_id": ["a", "a", "b"], "event_at": at})
    >>> seen = pl.DataFrame({"account_id": ["a", "b"], "kind": "ip", "value": ["x", "y"]})
    >>> measure_peers(acts, seen, "a", ["b"]).select("measure", "account", "median", "share_more").rows()
    [('events', 2, 1.0, 0.0), ('days with an event', 1, 1.0, 0.0), ('IP address: different values', 1, 1.0, 0.0)]
    """
    schema = {
        "measure": pl.String,
        "account": pl.Int64,
        **dict.fromkeys(("median", "share_more", "share_as_much"), pl.Float64),
    }
    if not peers:
        return pl.DataFrame(schema=schema)
    everybody = pl.DataFrame({"account_id": [account, *peers]})
    mine = pl.col("account_id").is_in([account, *peers])
    acts = events.filter(mine).group_by("account_id").agg(
        pl.len().alias("events"), pl.col("event_at").dt.date().n_unique().alias("days with an event")
    )  # fmt: skip
    said = {kind: f"{say_kind(kind)}: different values" for kind in observations["kind"].unique().sort().to_list()}
    kinds = (
        observations.filter(mine)
        .group_by("account_id", pl.col("kind").replace(said))
        .agg(pl.col("value").n_unique().alias("n"))
        .sort("kind", "account_id")
        .pivot("kind", index="account_id", values="n", sort_columns=True)
    )
    wide = everybody.join(acts, on="account_id", how="left").join(kinds, on="account_id", how="left")
    wide = wide.with_columns(pl.exclude("account_id").fill_null(0).cast(pl.Int64))
    rows = []
    for name in wide.columns[1:]:
        own, others = int(wide[name][0]), wide[name][1:]
        more, same = int((others > own).sum()), int((others == own).sum())
        rows.append((name, own, float(str(others.median())), more / len(others), same / len(others)))
    return pl.DataFrame(rows, schema=schema, orient="row")


def pick_one(table: pl.DataFrame | None, account: str) -> dict[str, object] | None:
    """Return the row of one account as a mapping, or None.

    Examples
    --------
    >>> pick_one(pl.DataFrame({"account_id": ["a"], "n": [1]}), "b") is None
    True
    """
    rows = table.filter(pl.col("account_id") == account).to_dicts() if table is not None else []
    return rows[0] if rows else None


def find_account_findings(
    around: Sequence[Finding],
    *,
    account: str,
    rhythm: dict[str, object] | None,
    people: dict[str, object] | None,
) -> tuple[Finding, ...]:
    """Add what an account's own conduct says to what the network around it says.

    Parameters
    ----------
    around : sequence of Finding
        From :func:`toolkit.report.findings.find_ring_findings`, with the account as the seed.
    account : str
    rhythm : dict or None
        Its row of :func:`toolkit.timeline.automation.find_automation`; None: too few events to judge.
    people : dict or None
        Its row of :func:`toolkit.linking.inverted.find_many_people`; None: not judged.

    Returns
    -------
    tuple of Finding
        Numbered anew; gaps in the data stay last.

    Examples
    --------
    >>> [f.type for f in find_account_findings((), account="a", rhythm=None, people=None)]
    ['null_result', 'null_result']
    """
    drafts = [finding.model_dump(exclude={"finding_id"}) for finding in around if finding.type not in _GAPS]
    drafts += [_rhythm(account, rhythm), _people(account, people)]
    drafts += [finding.model_dump(exclude={"finding_id"}) for finding in around if finding.type in _GAPS]
    return number_findings(drafts)


def _rhythm(account: str, row: dict[str, object] | None) -> dict[str, object]:
    common: dict[str, object] = {"accounts": (account,), "evidence_ids": ("timeline.parquet",)}
    if row is None:
        return {
            **common, "type": "null_result", "confidence": Confidence.HIGH,
            "statement": "The account has too few events to speak of a rhythm.",
            "basis": "counted", "next_check": "widen the window",
        }  # fmt: skip
    reading = str(row["reading"])
    if reading == "automation":
        parts = ("regular", "one_gap", "periodic", "sleepless", "on_the_clock", "same_text")
        strong = [name.replace("_", " ") for name in parts if isinstance(v := row.get(name), float) and v >= 0.5]
        return {
            **common, "type": "tempo_automation", "confidence": Confidence.MODERATE,
            "statement": f"The account acts at a machine's rhythm: {', '.join(strong) or 'by its gaps'}.",
            "basis": f"{row['n']} events, scored part by part against people and ordinary tools",
            "alternatives": ("a legitimate integration", "a browser extension that polls"),
            "next_check": "which client sends it, and whether a contract covers it",
        }  # fmt: skip
    return {
        **common, "type": "null_result", "confidence": Confidence.LOW,
        "statement": f"The account {_RHYTHMS.get(reading, _RHYTHMS['people'])}.",
        "basis": f"{row['n']} events, scored part by part", "next_check": "none",
    }  # fmt: skip


def _people(account: str, row: dict[str, object] | None) -> dict[str, object]:
    common: dict[str, object] = {"accounts": (account,), "evidence_ids": ("timeline.parquet",)}
    if row is None:
        return {
            **common, "type": "null_result", "confidence": Confidence.MODERATE,
            "statement": "Whether several people use the account was not judged: it has too few turns, or too few "
            "accounts are as busy.",
            "basis": "each account is held against others as busy as itself", "next_check": "widen the window",
        }  # fmt: skip
    if row["many_people"]:
        return {
            **common, "type": "persona_multiplicity", "confidence": Confidence.MODERATE,
            "statement": f"More than one person seems to stand behind the account: {visible(row['why'], 300)}.",
            "basis": f"{row['turns']} turns, held against {row['peers']} accounts as busy; of such calls a share of "
            f"{float(str(row['q'])):.2g} is expected to be wrong",
            "alternatives": (visible(row["innocent_explanation"], 300) or "a shared family account",),
            "next_check": "whether the plan allows several users; whether the people know one another",
        }  # fmt: skip
    return {
        **common, "type": "null_result", "confidence": Confidence.MODERATE,
        "statement": "Nothing says that more than one person uses the account.",
        "basis": f"{row['turns']} turns, held against {count_of(int(str(row['peers'])), 'account')} as busy",
        "next_check": "none",
    }  # fmt: skip
