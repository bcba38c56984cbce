"""A case as a STIX 2.1 bundle for partners: what can be shared of a set, and nothing about users unless asked for.

Ids are UUIDs of the content (version 5) and times come from the case, so that the same case gives the same bytes and a
partner who gets it twice has it once. Every object carries the case's marking (TLP 2.0). Patterns are built by the
library, never pasted together.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID, uuid5

import polars as pl

from toolkit.errors import RunError
from toolkit.model.abuse import ABUSE_TYPES, AbuseType
from toolkit.model.case import Case, Finding
from toolkit.model.confidence import Level, Rung
from toolkit.model.tables import Events, Expansion, Hubs, Links, TimeFlag, conform, empty
from toolkit.report.withhold import Withholder
from toolkit.settings import KINDS
from toolkit.views.words import count_of, join_words, say_kind

__all__ = ["NAMESPACE", "TLP_MARKINGS", "build_bundle", "write_stix"]

NAMESPACE: Final = UUID("6c1f0f53-0c8a-5d0e-9a1c-1b7f5a0f7c11")
"""Of our ids; that of the standard is for its own cyber-observables alone."""

TLP_MARKINGS: Final[Mapping[str, str]] = {
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""TLP 2.0 as OASIS publishes it (cti-stix-common-objects, extension TLP 2.0); the library ships TLP 1 alone."""

_TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_TLP_CREATED: Final = "2022-10-01T00:00:00.000Z"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LASTING: Final = datetime(2022, 10, 1, tzinfo=UTC)
"""When what is no part of one case was made (the organisation, a kind of abuse): fixed, so that it is one in all."""
_MOST_CHARS: Final = 2_048
_OWN_SHARE: Final = 0.5
"""A value is shared when so much of its holders is of the set; otherwise it would point at strangers."""
_VALID_DAYS: Final[Mapping[str, int]] = {"ip": 30, "url": 90, "user_agent": 90, "email_domain": 180, "domain": 180}
"""For how long after its last use a value still points at the set: addresses are handed on, domains are not."""
_PATHS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "domain": ("domain-name", ["value"]),
    "email_domain": ("domain-name", ["value"]),
    "url": ("url", ["value"]),
    "user_agent": ("network-traffic", ["extensions", "http-request-ext", "request_header", "User-Agent"]),
}
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_URL: Final = re.compile(r"(?i)(?:https?|ftp)://[^/@]+(?:[/?#][^@]*)?")
_NOT_ROUTED: Final = tuple(
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "224.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
"""Addresses that mean another machine in every house."""


def build_bundle(
    case: Case,
    *,
    expansion: pl.DataFrame | None = None,
    links: pl.DataFrame | None = None,
    hubs: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    made_at: datetime | None = None,
    organisation: str = "Abuse investigations team",
    users: bool = False,
    synthetic: bool = False,
) -> Any:
    """Build the bundle of a case.

    Parameters
    ----------
    case : Case
        Its findings become notes, its ``abuse_types`` attack patterns (but those of people in need); a finding of a
        linked set at L3 or above a campaign.
    expansion : polars.DataFrame, optional
        Contract ``Expansion``: what those included share.
    links : polars.DataFrame, optional
        Contract ``Links``: read from L2 on where there is no expansion.
    hubs : polars.DataFrame, optional
        Contract ``Hubs``: values that are never shared.
    events : polars.DataFrame, optional
        Contract ``Events`` with its indicator columns: from when to when the set used a value.
    made_at : datetime, optional
        The bundle's time; default the case's ``as_of``, the end of its window, its latest event, else 1970.
    organisation : str
        Who shares; the analyst is never named.
    users : bool
        Share users' data too: account ids in statements, and a user account for every member (never for a victim, nor
        for anybody on the do-not-action list).
    synthetic : bool
        Whether the data are made up; every object of the case then says so.

    Returns
    -------
    stix2.Bundle
        Identity, grouping, notes, indicators, attack patterns, relationships, campaign. Indicators are addresses,
        domains, URLs and user agents which two of the set used, of whose holders at least half are of the set, and
        which no hub is. No e-mail, phone, device, card or key, and no text of a prompt, whatever ``users`` says.

    Raises
    ------
    ContractError
        If a table does not keep its contract.

    Examples
    --------
    >>> bundle = build_bundle(Case(case_id="C", seeds=["a"], purpose="p", analyst="k", abuse_types=["cost_harvest"]))
    >>> [item.type for item in bundle.objects]
    ['marking-definition', 'identity', 'grouping', 'attack-pattern']
    """
    import stix2

    spread = conform(expansion, Expansion) if expansion is not None else None
    pairs = conform(links, Links) if links is not None else None
    crowd = conform(hubs, Hubs) if hubs is not None else empty(Hubs)
    seen = conform(events, Events, keep_extra=True) if events is not None else empty(Events)
    spared = _spared(case)
    evidence = _take_evidence(spread, pairs).filter(~pl.col("account_id").is_in(sorted(spared)))
    known, values = _known_accounts(case, spread, pairs), _known_values(spread, pairs, crowd, seen)
    keep = Withholder(known, (value for kind, value in values if kind not in _VALID_DAYS))
    tell = Withholder([] if users else known, (value for _, value in values)).tell
    stamp = made_at or case.as_of or case.window_end or _latest(seen) or _EPOCH
    marking = _marking(case.tlp)
    identity = _Maker(_LASTING, marking.id).make(stix2.Identity, name=organisation, identity_class="organization")
    lasting = _Maker(_LASTING, marking.id, identity.id)
    maker = _Maker(stamp, marking.id, identity.id, synthetic)

    chosen, left = _choose(evidence, crowd, keep)
    spans = _find_spans(seen, evidence["account_id"].unique().sort().to_list())
    indicators = [_indicate(maker, one, spans.get((one.kind, one.value)), case, stamp) for one in chosen]
    abuses = [ABUSE_TYPES[name] for name in sorted(case.abuse_types)]
    patterns = [_describe_abuse(lasting, abuse) for abuse in abuses if not abuse.care]
    campaigns = _campaigns(maker, case)
    members = _members(case, spread, spared) if users else []
    accounts = {account: stix2.UserAccount(user_id=account, object_marking_refs=[marking.id]) for account in members}
    content = [*indicators, *patterns, *campaigns, *accounts.values()]
    content += [_tie(maker, "indicates", one, other) for one in indicators for other in (*patterns, *campaigns)]
    content += [_tie(maker, "uses", one, other) for one in campaigns for other in patterns]

    # Notes point at the grouping and the grouping at its notes: its id comes from what both are made of.
    told = [_say(finding, tell) for finding in case.findings]
    made_of = [case.case_id, case.tlp, stamp, synthetic, told, left, sorted(item.id for item in content)]
    group_id = _make_id("grouping", made_of)
    notes = [
        maker.make(
            stix2.Note, abstract=abstract, content=text, confidence=finding.confidence.stix_confidence,
            object_refs=[group_id, *sorted(accounts[a].id for a in set(finding.accounts) & accounts.keys())],
        )
        for finding, (abstract, text) in zip(case.findings, told, strict=True)
    ]  # fmt: skip
    listed = {item.id: item for item in (*notes, *content)}
    grouping = maker.make(
        stix2.Grouping, id=group_id, name=f"Case {case.case_id}", context="suspicious-activity",
        description=f"{_CLUES}{_say_left(left)}", object_refs=sorted(listed) or [identity.id],
    )  # fmt: skip
    objects = [marking, identity, grouping, *sorted(listed.values(), key=lambda item: (item.type, item.id))]
    return stix2.Bundle(objects=objects, id=_make_id("bundle", [item.serialize() for item in objects]))


_CLUES: Final = "Indicators are clues, not proof: somebody else may use the same address."


def write_stix(bundle: Any, path: Path) -> None:
    """Write a bundle as JSON, the same bytes every time; it is read back and compared first.

    Parameters
    ----------
    bundle : stix2.Bundle
        From :func:`build_bundle`.
    path : pathlib.Path

    Raises
    ------
    RunError
        If the bundle would not come back as it is.

    Examples
    --------
    >>> import tempfile
    >>> bundle = build_bundle(Case(case_id="C", seeds=["a"], purpose="p", analyst="k"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_stix(bundle, Path(folder) / "stix.json")
    ...     json.loads((Path(folder) / "stix.json").read_text())["id"] == bundle.id
    True
    """
    import stix2

    text = json.dumps(json.loads(bundle.serialize()), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if stix2.parse(text) != bundle:
        raise RunError("the STIX bundle does not come back as it was written: share case.json instead, and report this")
    path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- objects


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes objects with what all of one bundle have in common, and an id of their content."""

    stamp: datetime
    marking: str
    creator: str = ""
    synthetic: bool = False

    def make(self, kind: Any, **about: Any) -> Any:
        given = about | {"created": self.stamp, "modified": self.stamp, "object_marking_refs": [self.marking]}
        given |= {"created_by_ref": self.creator} if self.creator else {}
        given |= {"labels": ["synthetic"]} if self.synthetic else {}
        given.setdefault("id", _make_id(kind._type, given))
        return kind(**given)


def _make_id(kind: str, content: Any) -> str:
    return f"{kind}--{uuid5(NAMESPACE, json.dumps([kind, content], sort_keys=True, default=str))}"


def _marking(tlp: str) -> Any:
    import stix2

    return stix2.MarkingDefinition(
        id=TLP_MARKINGS[tlp],
        created=_TLP_CREATED,
        name=f"TLP:{tlp}",
        extensions={_TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.lower()}},
    )


def _describe_abuse(maker: _Maker, abuse: AbuseType) -> Any:
    import stix2

    ours = {"source_name": "investigation-toolkit", "external_id": abuse.name}
    theirs = [
        {"source_name": ref.framework, "external_id": ref.external_id, "description": ref.name}
        | ({"url": ref.url} if ref.url else {})
        for ref in abuse.references
    ]
    return maker.make(
        stix2.AttackPattern, name=abuse.name, description=abuse.meaning, external_references=[ours, *theirs]
    )


def _campaigns(maker: _Maker, case: Case) -> list[Any]:
    """One, where a set rests on strong evidence; below that, nobody is said to run one."""
    import stix2

    levels = [finding.level for finding in case.findings if finding.type == "linked_set" and finding.level is not None]
    strongest = max(levels, default=Level.L0)
    if strongest < Level.L3:
        return []
    name = f"Campaign of case {case.case_id}"
    return [maker.make(stix2.Campaign, name=name, confidence=strongest.stix_confidence)]


def _tie(maker: _Maker, how: str, one: Any, other: Any) -> Any:
    import stix2

    return maker.make(
        stix2.Relationship, relationship_type=how, source_ref=one.id, target_ref=other.id, confidence=one.confidence
    )


def _say(finding: Finding, tell: Callable[[str], str]) -> tuple[str, str]:
    """What a note says: likelihood in a sentence of its own, confidence in none."""
    lines = [tell(finding.statement)]
    lines += [f"Likelihood: {finding.likelihood.value}."] if finding.likelihood else []
    others = "; ".join(tell(text) for text in finding.alternatives)
    lines += [f"It may also be: {others}."] if others else []
    return f"{finding.finding_id}: {finding.type}", "\n".join(lines)


# ---------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Chosen:
    kind: str
    value: str
    pattern: str
    level: Level
    used_by: int
    holders: int


_EVIDENCE: Final = {
    "account_id": pl.String, "level": pl.String, "kind": pl.String, "value": pl.String, "bits": pl.Float64,
    "holders": pl.UInt32,
}  # fmt: skip


def _take_evidence(expansion: pl.DataFrame | None, links: pl.DataFrame | None) -> pl.DataFrame:
    """Who of the set used what."""
    if expansion is not None:
        rows = [expansion.filter("included")]
    elif links is not None:
        strong = links.filter(pl.col("level") >= Level.L2.value)
        rows = [strong.rename({end: "account_id"}) for end in ("account_a", "account_b")]
    else:
        return pl.DataFrame(schema=_EVIDENCE)
    flat = pl.concat(part.select("account_id", "level", "evidence") for part in rows)
    flat = flat.filter(pl.col("evidence").list.len() > 0).explode("evidence")
    return flat.unnest("evidence").select(pl.col(name).cast(dtype) for name, dtype in _EVIDENCE.items())


def _choose(evidence: pl.DataFrame, hubs: pl.DataFrame, keep: Withholder) -> tuple[list[_Chosen], dict[str, int]]:
    """Values that a partner can use and that point at the set; and how many others there are, by reason."""
    table = (
        evidence.filter(pl.col("bits") > 0)
        .group_by("kind", "value")
        .agg(pl.col("level").max(), pl.col("holders").max(), used_by=pl.col("account_id").n_unique())
        .sort("kind", "value")
    )
    crowd = set(hubs.select("kind", "value").rows())
    chosen: list[_Chosen] = []
    left: dict[str, int] = {}
    for row in table.iter_rows(named=True):
        kind, value = row["kind"], row["value"]
        pattern = _write_pattern(kind, value)
        if kind not in _VALID_DAYS:
            reason = "of kinds that say more of users than of infrastructure"
        elif (kind, value) in crowd or row["used_by"] < 2 or row["used_by"] < _OWN_SHARE * row["holders"]:
            reason = "that strangers use too, or one account alone"
        elif pattern is None or keep.holds(value):
            reason = "that mean nothing outside this house, or name a user"
        else:
            one = _Chosen(kind, value, pattern, Level(row["level"]), int(row["used_by"]), int(row["holders"]))
            chosen.append(one)
            continue
        left[reason] = left.get(reason, 0) + 1
    return chosen, left


def _say_left(left: Mapping[str, int]) -> str:
    if not left:
        return ""
    parts = [f"{count_of(number, 'value')} {reason}" for reason, number in sorted(left.items())]
    return f" Left out: {join_words(parts)}."


def _write_pattern(kind: str, value: str) -> str | None:
    """The value as a pattern; None where it is no such thing, or means another machine in every house."""
    import stix2

    where = _PATHS.get(kind)
    if kind == "ip":
        address = _read_address(value)
        where = (f"ipv{address.version}-addr", ["value"]) if address is not None else None
        value = str(address)
    elif kind in ("domain", "email_domain"):
        value = value.lower().rstrip(".")
        where = where if _DOMAIN.fullmatch(value) else None
    elif kind == "url":
        where = where if _URL.fullmatch(value) and "@" not in unquote(value) else None
    elif kind == "user_agent":
        # A fingerprint of one ("ua_5f3c...") means nothing outside this house; the real thing names product/version.
        where = where if re.search(r"\S/\S", value) else None
    if where is None or len(value) > _MOST_CHARS:
        return None
    test = stix2.EqualityComparisonExpression(stix2.ObjectPath(where[0], list(where[1])), stix2.StringConstant(value))
    return str(stix2.ObservationExpression(test))


def _read_address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    if "%" in value or any(address in net for net in _NOT_ROUTED if net.version == address.version):
        return None
    return address


def _find_spans(events: pl.DataFrame, accounts: Sequence[str]) -> dict[tuple[str, str], tuple[datetime, datetime]]:
    """When the set first and last used each value."""
    plain = (pl.col("flags") & int(TimeFlag.OUT_OF_RANGE)) == 0
    mine = events.filter(pl.col("account_id").is_in(list(accounts)) & plain)
    spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    for kind in sorted(_VALID_DAYS.keys() & set(events.columns)):
        used = mine.drop_nulls(kind).group_by(kind).agg(first=pl.col("event_at").min(), last=pl.col("event_at").max())
        spans |= {(kind, value): (first, last) for value, first, last in used.rows()}
    return spans


def _indicate(maker: _Maker, one: _Chosen, span: tuple[datetime, datetime] | None, case: Case, stamp: datetime) -> Any:
    import stix2

    first, last = span or (case.window_start or stamp, stamp)
    first = min(first, last)
    strong = one.level >= Level.L3
    return maker.make(
        stix2.Indicator,
        name=f"{say_kind(one.kind)} used by a linked set",
        description=f"Used by {count_of(one.used_by, 'account')} of the set, of {one.holders:,} seen with it.",
        indicator_types=["malicious-activity" if strong else "anomalous-activity"],
        pattern=one.pattern, pattern_type="stix", pattern_version="2.1",
        valid_from=first, valid_until=last + timedelta(days=_VALID_DAYS[one.kind]),
        confidence=one.level.stix_confidence,
    )  # fmt: skip


# ---------------------------------------------------------------- users


def _spared(case: Case) -> set[str]:
    """Victims, and whoever is to be left alone."""
    gentle = (Rung.NONE, Rung.NOTIFY)
    spared = {action.account_id for action in case.actions if action.rung in gentle}
    return spared.union(*(f.accounts for f in case.findings if f.type in ("victim", "seed_rejected", "hub_explained")))


def _members(case: Case, expansion: pl.DataFrame | None, spared: set[str]) -> list[str]:
    found = {action.account_id for action in case.actions}
    found = found.union(*(finding.accounts for finding in case.findings if finding.type == "linked_set"))
    found |= set(expansion.filter("included")["account_id"]) if expansion is not None else set()
    return sorted(found - spared)


def _known_accounts(case: Case, expansion: pl.DataFrame | None, links: pl.DataFrame | None) -> list[str]:
    """In the order in which they are numbered."""
    accounts: list[str] = [*case.seeds, *(a for f in case.findings for a in f.accounts)]
    accounts += [action.account_id for action in case.actions]
    accounts += sorted(expansion["account_id"]) if expansion is not None else []
    accounts += sorted({*links["account_a"], *links["account_b"]}) if links is not None else []
    return list(dict.fromkeys(accounts))


def _known_values(*tables: pl.DataFrame | None) -> list[tuple[str, str]]:
    """Every kind and value that the tables hold.

    A word of three letters that is nobody's own (a country) is not among them: it would tear holes into sentences.
    """
    found: set[tuple[str, str]] = set()
    for table in tables:
        if table is None:
            continue
        if "evidence" in table.columns:
            rows = table.select(pl.col("evidence").explode()).drop_nulls().unnest("evidence").select("kind", "value")
            found |= set(rows.drop_nulls().unique().rows())
        elif "kind" in table.columns:
            found |= set(table.select("kind", "value").unique().rows())
        else:
            kinds = [
                name for name, dtype in table.schema.items() if dtype == pl.String and name not in Events.columns()
            ]
            found |= {(kind, value) for kind in kinds for value in table[kind].drop_nulls().unique().to_list()}
    return sorted(
        (kind, value) for kind, value in found if len(value) >= 4 or kind not in KINDS or KINDS[kind].sensitivity >= 2
    )


def _latest(events: pl.DataFrame) -> datetime | None:
    latest = events.filter((pl.col("flags") & int(TimeFlag.OUT_OF_RANGE)) == 0)["event_at"].max()
    return latest if isinstance(latest, datetime) else None
