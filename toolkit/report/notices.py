"""Stolen keys: what is said of them, what their owners are told, and what is proposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from toolkit.errors import visible
from toolkit.model.case import Action, Finding
from toolkit.model.confidence import Confidence, Level, Likelihood, Rung
from toolkit.report.findings import number_findings
from toolkit.views.names import Names
from toolkit.views.words import count_of, join_words

__all__ = ["describe_keys", "draft_notices", "find_theft_findings", "list_values", "propose_for_keys"]

_LEVELS: Final = {"stolen": Level.L2, "suspect": Level.L1, "exposed": Level.L1}
_INNOCENT: Final = (
    "a deploy to a new cloud region",
    "a contractor, or a vendor that holds the key for them",
    "a move of the build system",
)
_DRAFT = dict[str, object]


def list_values(profile: pl.DataFrame, overlaps: pl.DataFrame) -> pl.DataFrame:
    """List what the report speaks of and may have to call by number: keys, and infrastructure they share.

    Parameters
    ----------
    profile, overlaps : polars.DataFrame
        From :func:`toolkit.report.theft.profile_keys` and :func:`toolkit.report.keys.find_overlaps`.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``value``. Order: keys, then infrastructure, each in the order of its table.

    Examples
    --------
    >>> shared = pl.DataFrame({"kind": ["ip"], "value": ["192.0.2.1"]})
    >>> list_values(pl.DataFrame({"api_key": ["k"]}), shared).rows()
    [('api_key', 'k'), ('ip', '192.0.2.1')]
    """
    keys = profile.select(pl.lit("api_key").alias("kind"), value="api_key")
    return pl.concat([keys, overlaps.select("kind", "value")])


def describe_keys(table: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return a table about keys for people: each key by its name.

    Parameters
    ----------
    table : polars.DataFrame
        With ``api_key``.
    names : Names

    Returns
    -------
    polars.DataFrame
        The same with ``key`` in the place of ``api_key``, in its order.

    Examples
    --------
    >>> describe_keys(pl.DataFrame({"api_key": ["k"], "n": [1]}), Names("strict", {("api_key", "k"): 3})).rows()
    [('#3', 1)]
    """
    said = [names.short("api_key", key) for key in table["api_key"].to_list()]
    return table.select(pl.Series("key", said, dtype=pl.String), pl.exclude("api_key"))


def draft_notices(profile: pl.DataFrame, measured: pl.DataFrame, names: Names | None = None) -> pl.DataFrame:
    """Draft what each owner is told: plain text without a word about anybody else.

    Parameters
    ----------
    profile, measured : polars.DataFrame
        From :func:`toolkit.report.theft.profile_keys` and :func:`toolkit.report.theft.measure_theft`.
    names : Names, optional
        What keys are called; by themselves by default, as their owner knows them.

    Returns
    -------
    polars.DataFrame
        ``org``, ``owners`` (accounts), ``keys`` and ``notice``: a row per organisation with keys that are stolen,
        suspect or exposed. Order: org. A draft: a person reads it, and sends it or does not.

    Examples
    --------
    >>> row = {"api_key": "k", "org": "o", "owner": "a", "verdict": "exposed", "first_foreign_at": None}
    >>> row |= {"last_foreign_at": None, "leaked": True, "leaked_src": "paste_site", "revoked_at": None, "sweeps": 0}
    >>> spent = pl.DataFrame(schema={"org": pl.String, "calls_low": pl.Int64, "cost_low": pl.Float64})
    >>> print(draft_notices(pl.DataFrame([row]), spent)["notice"][0].splitlines()[0])
    Subject: an API key of yours may be in the hands of somebody else
    """
    told = profile.filter(pl.col("verdict") != "clear").sort("org", "api_key")
    spent = {row["org"]: row for row in measured.to_dicts()}
    rows = []
    for (org,), part in told.group_by("org", maintain_order=True):
        found = part.to_dicts()
        lines = [_tell_key(row, names or Names("none")) for row in found]
        rows.append(
            (org, sorted({row["owner"] for row in found}), len(found), _write_notice(lines, spent.get(org), found))
        )
    schema: dict[str, pl.DataType | type[pl.DataType]] = {"org": pl.String}
    schema |= {"owners": pl.List(pl.String), "keys": pl.Int64, "notice": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _tell_key(row: dict[str, Any], names: Names) -> str:
    """What is known of one key, in the words of its owner's notice."""
    said = f"- {names.full('api_key', row['api_key'], 60)}:"
    if row["first_foreign_at"] is not None:
        said += f" used from {_day(row['first_foreign_at'])} to {_day(row['last_foreign_at'])} from servers that your"
        said += " other calls do not come from."
    if row["sweeps"]:
        said += " It was tried out with short calls to several models."
    if row["leaked"]:
        where = visible(str(row["leaked_src"] or "a public place").replace("_", " "), 40)
        said += f" It was seen in public ({where})."
    if row["revoked_at"] is not None:
        said += f" It has been revoked since {_day(row['revoked_at'])}."
    return said


def _write_notice(lines: Sequence[str], spent: dict[str, Any] | None, found: Sequence[dict[str, Any]]) -> str:
    used = spent is not None and spent["calls_low"] > 0
    cost = (
        "what they cost is not recorded"
        if spent is None or spent["cost_low"] is None
        else f"by our count they cost {spent['cost_low']:,.2f}"
    )
    open_keys = sum(row["revoked_at"] is None for row in found)
    used_from = f"{count_of(spent['calls_low'], 'call')} came from there; {cost}." if used and spent else ""
    first = "Make a new key, move your services to it, and revoke the old one." if open_keys else "Move to a new key."
    return "\n".join(
        [
            f"Subject: {'API keys' if len(found) > 1 else 'an API key'} of yours may be in the hands of somebody else",
            "",
            "We have seen signs that somebody else has:",
            *lines,
            *([used_from] if used_from else []),
            "",
            "What we ask of you:",
            f"1. {first}",
            "2. Look where the key was kept: source code, build logs, shared documents, a contractor's machine.",
            "3. Tell us if this was you: a new cloud region, a contractor, a move of your build system.",
            "",
            "We have taken no step against your account because of this.",
        ]
    )


def propose_for_keys(profile: pl.DataFrame, behind: pl.DataFrame) -> tuple[Action, ...]:
    """Propose a step for owners of keys, and for accounts that were seen on the same servers.

    Parameters
    ----------
    profile, behind : polars.DataFrame
        From :func:`toolkit.report.theft.profile_keys` and :func:`toolkit.report.theft.find_behind`.

    Returns
    -------
    tuple of Action
        Owners first (told, never punished), then accounts that may be behind (watched), then those that met the servers
        once (left alone); each by account_id.

    Examples
    --------
    >>> row = {"owner": "o", "verdict": "stolen", "foreign_calls": 9, "sweeps": 1, "leaked": False}
    >>> behind = pl.DataFrame({"account_id": ["t", "n"], "addresses": [2, 1], "clients": 0, "behind": [True, False]})
    >>> [(a.account_id, a.rung.value) for a in propose_for_keys(pl.DataFrame([row]), behind)]
    [('o', 'notify and rotate'), ('t', 'monitor'), ('n', 'do not action')]
    """
    made = []
    told = profile.filter(pl.col("verdict") != "clear")
    for (owner,), part in told.sort("owner", "verdict").group_by("owner", maintain_order=True):
        found = part.to_dicts()
        made.append(
            Action(
                account_id=str(owner), rung=Rung.NOTIFY, level=max(_LEVELS[row["verdict"]] for row in found),
                reasons=tuple(dict.fromkeys(reason for row in found for reason in _say_signs(row))),
                innocent_explanation=f"the owner of a stolen key is a victim; or it was the owner: {_INNOCENT[0]}",
            )
        )  # fmt: skip
    for row in behind.sort("behind", "account_id", descending=[True, False]).to_dicts():
        seen = f"seen on {count_of(row['addresses'], 'server')} that stolen keys were used from"
        seen += ", with the same client" if row["clients"] else ""
        made.append(
            Action(
                account_id=row["account_id"], rung=Rung.MONITOR if row["behind"] else Rung.NONE, level=Level.L1,
                reasons=(seen,),
                innocent_explanation="a neighbour at the same host, or a customer of the same proxy",
            )
        )  # fmt: skip
    return tuple(made)


def _say_signs(row: dict[str, Any]) -> list[str]:
    """What speaks for theft of a key, a fact at a time."""
    said = []
    if row["foreign_calls"]:
        said.append(
            f"{count_of(row['foreign_calls'], 'call')} with a key of theirs from servers that unrelated keys use"
        )
    if row["sweeps"]:
        said.append("a key of theirs was tried out on several models within minutes")
    if row["leaked"]:
        said.append("a key of theirs was seen leaked")
    return said


def find_theft_findings(
    profile: pl.DataFrame,
    overlaps: pl.DataFrame,
    measured: pl.DataFrame,
    behind: pl.DataFrame,
    infrastructure: pl.DataFrame,
    gaps: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """State what the keys show.

    Parameters
    ----------
    profile, overlaps, measured, behind, infrastructure : polars.DataFrame
        From the functions of :mod:`toolkit.report.theft` and :mod:`toolkit.report.keys`.
    gaps : sequence of Finding
        Gaps in the data, to stand last.

    Returns
    -------
    tuple of Finding
        Numbered F1, F2, ...

    Examples
    --------
    >>> none = pl.DataFrame(schema={"api_key": pl.String, "followed": pl.Boolean})
    >>> [f.statement for f in find_theft_findings(none, none, none, none, none)]
    ['No call in these data was made with an API key: there is nothing to look at.']
    """
    if profile.is_empty():
        drafts: list[_DRAFT] = [{
            "type": "null_result", "confidence": Confidence.HIGH, "basis": "every row of requests was read",
            "statement": "No call in these data was made with an API key: there is nothing to look at.",
            "next_check": "add the requests table, with the key of each call",
        }]  # fmt: skip
    else:
        drafts = [
            *_shared(profile, overlaps), *_stolen(profile), *_doubtful(profile), *_tried(profile), *_exposed(profile),
            *_lost(measured), *_actors(behind), *_explained(overlaps), *_too_short(profile, infrastructure),
        ]  # fmt: skip
    return number_findings(drafts, gaps)


def _shared(profile: pl.DataFrame, overlaps: pl.DataFrame) -> list[_DRAFT]:
    followed, used = overlaps.filter("followed"), profile.filter(pl.col("foreign_calls") > 0)
    if followed.is_empty():
        return [{
            "type": "null_result",
            "statement": f"None of {count_of(profile.height, 'key')} was used from a server that keys of unrelated "
            "organisations share and that nothing explains.",
            "confidence": Confidence.MODERATE,
            "basis": "addresses of each key against those of all others; a thief who gives every key an address of its "
            "own, or hides behind a VPN, is missed",
            "next_check": "look at keys whose use rose, and at new addresses one by one",
        }]  # fmt: skip
    many = used.height >= 3 and used.filter(pl.col("sweeps") > 0).height >= 2
    return [{
        "type": "infra_overlap_unrelated_orgs",
        "statement": f"{count_of(used.height, 'key')} of {count_of(used['org'].n_unique(), 'unrelated organisation')} "
        f"{'was' if used.height == 1 else 'were'} used from the same {count_of(followed.height, 'server')}.",
        "confidence": Confidence.HIGH if many else Confidence.MODERATE, "level": Level.L2,
        "basis": "counted from the calls; the organisations pay separately, and the addresses are no crowd's",
        "evidence_ids": ("overlaps.parquet", "infrastructure.parquet"),
        "alternatives": ("a vendor that calls for its customers with their keys", *_INNOCENT[:1]),
        "next_check": "ask two of the owners whether they know these servers",
    }]  # fmt: skip


def _stolen(profile: pl.DataFrame) -> list[_DRAFT]:
    keys = profile.filter(pl.col("verdict") == "stolen")
    if keys.is_empty():
        return []
    whose = "its owner is a victim" if keys.height == 1 else "their owners are victims"
    return [{
        "type": "victim",
        "statement": f"It is {Likelihood.VERY_LIKELY.value} that somebody else uses {count_of(keys.height, 'key')} of "
        f"{count_of(keys['org'].n_unique(), 'organisation')}: {whose}.",
        "likelihood": Likelihood.VERY_LIKELY, "confidence": Confidence.MODERATE, "level": Level.L2,
        "basis": "two independent facts for each: servers shared with unrelated keys, and a try-out or a known leak",
        "accounts": tuple(keys["owner"].unique().sort().to_list()), "evidence_ids": ("keys.parquet",),
        "alternatives": _INNOCENT, "next_check": "send the notices; rotate; never act against the owners",
    }]  # fmt: skip


def _doubtful(profile: pl.DataFrame) -> list[_DRAFT]:
    keys = profile.filter(pl.col("verdict") == "suspect")
    if keys.is_empty():
        return []
    return [{
        "type": "victim",
        "statement": f"{count_of(keys.height, 'further key shows', 'further keys show')} one sign of "
        "theft and no second one.",
        "confidence": Confidence.LOW, "basis": "one fact is as often a vendor's server, an outage or a new region",
        "accounts": tuple(keys["owner"].unique().sort().to_list()), "evidence_ids": ("keys.parquet",),
        "level": Level.L1, "alternatives": _INNOCENT, "next_check": "ask the owners",
    }]  # fmt: skip


def _tried(profile: pl.DataFrame) -> list[_DRAFT]:
    keys = profile.filter(pl.col("sweeps") > 0)
    if keys.is_empty():
        return []
    return [{
        "type": "tempo_automation",
        "statement": f"{count_of(keys.height, 'key was', 'keys were')} tried out: failed or tiny calls to "
        "several models within minutes, as a key checker makes them.",
        "confidence": Confidence.MODERATE, "basis": "runs of such calls, each within ten minutes of the one before",
        "evidence_ids": ("probes.parquet",), "alternatives": ("an outage", "a health check of the owner's own"),
        "next_check": "hold the times against the product's outages",
    }]  # fmt: skip


def _exposed(profile: pl.DataFrame) -> list[_DRAFT]:
    leaked, used = profile.filter("leaked"), profile.filter(pl.col("verdict").is_in(["stolen", "suspect"]))
    if leaked.is_empty() and used.is_empty():
        return []
    known = used.filter("leaked").height
    rest = count_of(leaked.height - known, "further leaked key shows", "further leaked keys show") + " none"
    rest = f"; {rest}" if leaked.height > known else ""
    places = leaked["leaked_src"].drop_nulls().unique().sort().to_list()
    where = f" ({join_words(visible(place.replace('_', ' '), 40) for place in places)})" if places else ""
    return [{
        "type": "detector_gap",
        "statement": f"Of {count_of(used.height, 'key')} with signs of theft, {known:,} had been seen leaked{where}"
        f"{rest}.",
        "confidence": Confidence.MODERATE, "basis": "the register of keys; how the others got out is not known",
        "evidence_ids": ("keys.parquet",), "next_check": "search public repositories for the rest",
    }]  # fmt: skip


def _lost(measured: pl.DataFrame) -> list[_DRAFT]:
    if measured.is_empty() or measured["cost_low"].null_count() == measured.height:
        return []
    low, high = (float(measured[name].sum()) for name in ("cost_low", "cost_high"))
    return [{
        "type": "loss_estimate",
        "statement": f"Foreign use cost {low:,.2f} at least and {high:,.2f} at most (in units of the currency).",
        "confidence": Confidence.HIGH,
        "basis": "at least: calls from the shared servers; at most: every call of these keys since the first of them",
        "evidence_ids": ("loss.parquet",), "next_check": "decide who bears it",
    }]  # fmt: skip


def _actors(behind: pl.DataFrame) -> list[_DRAFT]:
    if behind.is_empty():
        return []
    near, once = behind.filter("behind"), behind.filter(~pl.col("behind")).height
    said = (
        f"{count_of(near.height, 'account')} outside these organisations {'was' if near.height == 1 else 'were'} seen "
    )
    said += "on at least two of the servers, or on one with the same client"
    said += (
        f"; {count_of(once, 'other')} met one server only and {'is' if once == 1 else 'are'} left alone."
        if once
        else "."
    )
    return [{
        "type": "linked_set", "statement": said, "confidence": Confidence.LOW, "level": Level.L1,
        "basis": "addresses and client versions only; nothing says that these accounts made the calls",
        "accounts": tuple(near["account_id"].sort().to_list()), "evidence_ids": ("behind.parquet",),
        "alternatives": ("neighbours at the same host",), "next_check": "expand from them with the ring template",
    }]  # fmt: skip


def _explained(overlaps: pl.DataFrame) -> list[_DRAFT]:
    hubs = overlaps.filter(~pl.col("followed") & (pl.col("kind") == "ip"))
    if hubs.is_empty():
        return []
    said = count_of(hubs.height, "shared address was", "shared addresses were")
    return [{
        "type": "hub_explained",
        "statement": f"{said} not followed: {join_words(hubs['verdict'].unique().sort().to_list())}.",
        "confidence": Confidence.MODERATE, "basis": "holders among all accounts, the kind of network, and use before",
        "evidence_ids": ("overlaps.parquet",), "next_check": "none, unless a key was tried out from there",
    }]  # fmt: skip


def _too_short(profile: pl.DataFrame, infrastructure: pl.DataFrame) -> list[_DRAFT]:
    judged = infrastructure.filter((pl.col("kind") == "ip") & pl.col("new").is_not_null())["api_key"].unique()
    blind = profile.filter(~pl.col("api_key").is_in(judged.implode())).height
    if not blind:
        return []
    return [{
        "type": "data_gap",
        "statement": f"For {count_of(blind, 'key')} of {profile.height:,} nothing can be called new: the owner's "
        "record before is too short, or all of it comes from where it began.",
        "confidence": Confidence.HIGH, "basis": "three days with calls are asked for before an address is new",
        "evidence_ids": ("infrastructure.parquet",), "next_check": "give earlier calls, or new_infra_only=false",
    }]  # fmt: skip
