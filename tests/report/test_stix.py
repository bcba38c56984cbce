"""The bundle for partners: valid, the same every time, marked, and silent about users."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import stix2
from stix2patterns.v21.pattern import Pattern

from toolkit.errors import ContractError
from toolkit.model.abuse import ABUSE_TYPES
from toolkit.model.case import Action, Case, Finding
from toolkit.model.confidence import Confidence, Level, Rung
from toolkit.model.tables import Events, Expansion, Hubs, conform, empty
from toolkit.report.stix import TLP_MARKINGS, build_bundle, write_stix
from toolkit.report.withhold import WITHHELD, Withholder

AT = datetime(2026, 1, 5, tzinfo=UTC)
MAIL, PHONE, CARD = "canary@mail.example", "+49 170 1234567", "4111 1111 1111 1111"
PROMPT = "canary prompt: write the lure of the month"
SECRETS = {
    "device": "canary-device-1", "card": CARD, "phone": PHONE, "email": MAIL, "api_key": "canary-key-1",
    "prompt_text": PROMPT, "prompt_template": "canary-template", "cookie": "canary-cookie", "badge": "canary-badge",
}  # fmt: skip
RING = ("acct_ring_0", "acct_ring_1", "acct_ring_2")
VICTIM, SPARED, NEAR = "acct_victim", "acct_spared", "acct_near"
SHARED = {
    "ip": ("8.8.4.4", "2001:4860::1"), "email_domain": ("evil.example",), "url": ("https://evil.example/a?b=c'd\\e",),
    "user_agent": ("curl/8.1 (x; y)",),
}  # fmt: skip


def use(kind: str, value: str, holders: int = 3) -> dict[str, Any]:
    return {"kind": kind, "value": value, "bits": 5.0, "holders": holders, "window": None, "regime": "pool"}


def expand(*evidence: dict[str, Any], accounts: tuple[str, ...] = RING, level: str = "L3") -> pl.DataFrame:
    rows = [
        {
            "account_id": account, "round": 1, "probability": 0.99, "precision_estimate": None,
            "included": account != NEAR, "level": level, "families": ["net"], "reason": "r", "evidence": list(evidence),
        }
        for account in accounts
    ]  # fmt: skip
    return conform(pl.DataFrame(rows, schema=empty(Expansion).schema), Expansion)


def find(number: int, kind: str = "linked_set", **more: Any) -> Finding:
    said = {"statement": "They are run together.", "confidence": "high", "basis": "b", "level": "L3", "accounts": RING}
    return Finding.model_validate({"finding_id": f"F{number}", "type": kind, **said, **more})


def act(account: str, rung: Rung) -> Action:
    return Action(account_id=account, rung=rung, level=Level.L3, reasons=("r",), innocent_explanation="none")


def full_case(**more: Any) -> Case:
    told = [
        find(1, likelihood="very likely", alternatives=[f"a friend of {RING[1]}"]),
        find(2, "victim", accounts=[VICTIM], statement=f"{VICTIM} lost card {CARD} to {RING[0]}.", level=None),
        find(3, "template_family", statement=f"{RING[2]} wrote '{PROMPT}' from {MAIL} and other@mail.example."),
        find(4, "data_gap", statement="Calls from +44 20 7946 0958 and canary-device-1 were not read.", level=None),
    ]
    acts = [act(account, Rung.BAN) for account in RING] + [act(VICTIM, Rung.NOTIFY), act(SPARED, Rung.NONE)]
    about = {"abuse_types": ["api_key_theft", "card_testing", "self_harm"], "as_of": AT, "bottom_line": f"{RING[0]}!"}
    return Case(
        case_id="ESC-1", seeds=[RING[0]], purpose="about canary@mail.example", analyst="canary-analyst",
        **{"findings": told, "actions": acts, **about, **more},
    )  # fmt: skip


def full_bundle(**more: Any) -> Any:
    evidence = [use(kind, value) for kind, values in SHARED.items() for value in values]
    evidence += [use(kind, value) for kind, value in SECRETS.items()]
    accounts = (*RING, VICTIM, SPARED, NEAR)
    return build_bundle(full_case(), **{"expansion": expand(*evidence, accounts=accounts), **more})


def of(bundle: Any, kind: str) -> list[Any]:
    return [item for item in bundle.objects if item.type == kind]


def patterns(bundle: Any) -> list[str]:
    return sorted(item.pattern for item in of(bundle, "indicator"))


def test_what_is_in_it() -> None:
    bundle = full_bundle()
    assert patterns(bundle) == [
        "[domain-name:value = 'evil.example']",
        "[ipv4-addr:value = '8.8.4.4']",
        "[ipv6-addr:value = '2001:4860::1']",
        "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'curl/8.1 (x; y)']",
        r"[url:value = 'https://evil.example/a?b=c\'d\\e']",
    ]
    assert {item.name for item in of(bundle, "attack-pattern")} == {"api_key_theft", "card_testing"}, (
        "care is not shared"
    )
    ids = {ref.external_id for item in of(bundle, "attack-pattern") for ref in item.external_references}
    assert {"AML.T0055", "AML.T0012", "AML.CS0030", "card_testing"} <= ids
    ties = [
        (tie.relationship_type, tie.source_ref.split("--")[0], tie.target_ref.split("--")[0])
        for tie in of(bundle, "relationship")
    ]
    assert sorted(set(ties)) == [
        ("indicates", "indicator", "attack-pattern"),
        ("indicates", "indicator", "campaign"),
        ("uses", "campaign", "attack-pattern"),
    ]
    assert len(ties) == 5 * 3 + 2
    assert [item.confidence for item in of(bundle, "campaign")] == [85]
    first = next(note for note in of(bundle, "note") if note.abstract.startswith("F1"))
    assert first.confidence == 85
    assert first.content.split("\n") == [
        "They are run together.", "Likelihood: very likely.", "It may also be: a friend of account 2.",
    ]  # fmt: skip
    (grouping,) = of(bundle, "grouping")
    inside = {item.id for item in bundle.objects if item.type not in ("marking-definition", "identity", "grouping")}
    assert set(grouping.object_refs) == inside
    assert "9 values of kinds that say more of users" in grouping.description
    assert "not proof" in grouping.description


def test_it_is_valid_and_comes_back(tmp_path: Path) -> None:
    """Parsed by the library, every pattern by its grammar, every reference inside the bundle."""
    for users in (False, True):
        bundle = full_bundle(users=users, synthetic=True)
        write_stix(bundle, tmp_path / "stix.json")
        back = stix2.parse((tmp_path / "stix.json").read_text(encoding="utf-8"), allow_custom=False)
        assert back == bundle
        ids = {item.id for item in bundle.objects}
        assert len(ids) == len(bundle.objects)
        for item in json.loads(bundle.serialize())["objects"]:
            refs = [v for k, v in item.items() if k.endswith("_ref")]
            refs += [v for k, values in item.items() if k.endswith("_refs") for v in values]
            assert set(refs) <= ids, item
        for text in patterns(bundle):
            Pattern(text)
        for one in of(bundle, "indicator"):
            assert one.valid_from < one.valid_until


def test_the_same_case_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_stix(full_bundle(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    ids = {item.id for item in full_bundle().objects}
    assert all(re.search(r"--[0-9a-f]{8}-[0-9a-f]{4}-5", id_) for id_ in ids - set(TLP_MARKINGS.values()))
    later = full_bundle(made_at=AT + timedelta(days=1))
    lasting = {item.id for item in later.objects} & ids
    assert {id_.split("--")[0] for id_ in lasting} == {"marking-definition", "identity", "attack-pattern"}


def test_nothing_about_users() -> None:
    """No id, no value, nothing that looks like one, wherever it stood; nor who looked into it."""
    said = full_bundle().serialize()
    for secret in (*RING, VICTIM, SPARED, NEAR, *SECRETS.values(), "other@mail.example", "7946", "canary"):
        assert secret not in said, secret
    assert "user-account" not in said
    contents = " ".join(note.content for note in of(full_bundle(), "note"))
    assert "account 4 lost card (withheld) to account 1." in contents
    assert "Calls from (withheld) and (withheld) were not read." in contents


def test_users_only_when_asked() -> None:
    """Members alone; values and prompts stay."""
    bundle = full_bundle(users=True)
    assert {item.user_id for item in of(bundle, "user-account")} == set(RING)
    said = bundle.serialize()
    for secret in (SPARED, NEAR, *SECRETS.values(), "canary"):
        assert secret not in said, secret
    linked = {item.id for item in of(bundle, "user-account")}
    assert linked <= set(of(bundle, "grouping")[0].object_refs)


@pytest.mark.parametrize("tlp", TLP_MARKINGS)
def test_every_object_is_marked(tlp: str) -> None:
    case = full_case(tlp=tlp)
    bundle = build_bundle(case, expansion=expand(use("ip", "8.8.4.4")), users=True)
    (marking,) = of(bundle, "marking-definition")
    assert marking.name == f"TLP:{tlp}"
    assert json.loads(marking.serialize())["extensions"].popitem()[1]["tlp_2_0"] == tlp.lower()
    for item in bundle.objects[1:]:
        assert item.object_marking_refs == [TLP_MARKINGS[tlp]], item.type


def test_an_empty_case_is_a_bundle_too() -> None:
    case = Case(case_id="C", seeds=[], purpose="p", analyst="k")
    bundle = build_bundle(case, expansion=empty(Expansion), hubs=empty(Hubs), events=empty(Events))
    assert [item.type for item in bundle.objects] == ["marking-definition", "identity", "grouping"]
    assert stix2.parse(bundle.serialize()) == bundle
    assert bundle.objects[2].created == datetime(1970, 1, 1, tzinfo=UTC)


NOT_SHARED = {
    "a hub": [use("ip", "8.8.8.8")],
    "mostly strangers": [use("ip", "8.8.4.4", holders=7)],
    "a private network": [use("ip", ip) for ip in ("10.1.2.3", "192.168.0.1", "100.64.0.1", "fd00::1")],
    "this machine": [use("ip", "127.0.0.1"), use("ip", "::1"), use("ip", "fe80::1%eth0")],
    "no address": [use("ip", "8.8.4.4' OR '1'='1"), use("ip", "08.8.4.4"), use("ip", "x")],
    "no domain": [use("email_domain", "localhost"), use("email_domain", "a b.example"), use("domain", "x'.example")],
    "no url": [use("url", "javascript:alert(1)"), use("url", "https://u:p@evil.example/")],
    "a url that names a user": [use("url", f"https://evil.example/?u={RING[0]}"), use("url", "http://e.example/?m=a%40b.c")],
    "a fingerprint": [use("user_agent", "ua_5f3c5f3c")],
    "too long": [use("url", "https://evil.example/" + "a" * 3_000)],
    "a network": [use("asn", "64500"), use("ip_prefix", "8.8.4.0/24"), use("country", "XA")],
    "nothing that speaks for it": [use("ip", "8.8.4.4") | {"bits": 0.0}],
}  # fmt: skip


@pytest.mark.parametrize("why", NOT_SHARED)
def test_what_would_point_at_strangers_is_left_out(why: str) -> None:
    hubs = pl.DataFrame(
        {
            "value": ["8.8.8.8"], "kind": "ip", "holders": 3, "verdict": "capped", "why": "w", "pairs_not_examined": 0,
            "bits": 0.0,
        }
    )  # fmt: skip
    bundle = build_bundle(full_case(), expansion=expand(*NOT_SHARED[why]), hubs=conform(hubs, Hubs))
    assert patterns(bundle) == []


def test_used_by_one_alone_or_by_a_victim() -> None:
    assert patterns(build_bundle(full_case(), expansion=expand(use("ip", "8.8.4.4", 1), accounts=RING[:1]))) == []
    with_victim = expand(use("ip", "8.8.4.4", 2), accounts=(RING[0], VICTIM))
    assert patterns(build_bundle(full_case(), expansion=with_victim)) == []


def test_how_long_it_points_at_the_set(make_events: Any) -> None:
    """From the first use to some time after the last; of what members did alone."""
    events = make_events([0, 86_400, 999_999], account=[RING[0], RING[1], "stranger"], ip=["8.8.4.4"] * 3)
    (one,) = of(build_bundle(full_case(), expansion=expand(use("ip", "8.8.4.4")), events=events), "indicator")
    assert (one.valid_from, one.valid_until) == (AT, AT + timedelta(days=31))
    (one,) = of(build_bundle(full_case(), expansion=expand(use("ip", "8.8.4.4"))), "indicator")
    assert (one.valid_from, one.valid_until) == (AT, AT + timedelta(days=30))
    undated = build_bundle(full_case(as_of=None), expansion=expand(), events=events)
    assert undated.objects[2].created == AT + timedelta(seconds=999_999)


def test_weak_evidence_makes_no_campaign() -> None:
    weak = full_case(findings=[find(1, level="L2", confidence="low")])
    bundle = build_bundle(weak, expansion=expand(use("ip", "8.8.4.4"), level="L2"))
    assert of(bundle, "campaign") == []
    (one,) = of(bundle, "indicator")
    assert (one.confidence, one.indicator_types) == (60, ["anomalous-activity"])
    assert [note.confidence for note in of(bundle, "note")] == [Confidence.LOW.stix_confidence]


def test_links_stand_in_for_an_expansion() -> None:
    rows = [
        {
            "account_a": RING[0], "account_b": b, "bits": 9.0, "probability": 0.9, "q_value": None, "level": level,
            "families": ["net"], "evidence": [use("ip", ip, 2)], "innocent_explanation": "none",
        }
        for b, ip, level in ((RING[1], "8.8.4.4", "L2"), (RING[2], "9.9.9.9", "L1"))
    ]  # fmt: skip
    links = pl.DataFrame(rows, schema_overrides={"q_value": pl.Float64})
    assert patterns(build_bundle(full_case(), links=links)) == ["[ipv4-addr:value = '8.8.4.4']"]


def test_hostile_strings_survive(hostile: list[str], tmp_path: Path) -> None:
    """In statements, as account ids and as values of patterns: read back as they were, and nothing breaks out."""
    plain = [text for text in hostile if not re.search(r"\d{13}", text)]  # that may be a card: it is left out
    urls = [f"https://evil.example/{i}?{text}"[:2_000] for i, text in enumerate(plain) if "@" not in text]
    agents = [f"a/{i} {text}"[:2_000] for i, text in enumerate(plain)]
    evidence = [use("url", url) for url in urls] + [use("user_agent", agent) for agent in agents]
    ids = [f"{i}:{text}" for i, text in enumerate(hostile)]
    told = [find(i, statement=f"{i}. {text}", accounts=ids) for i, text in enumerate(hostile)]
    case = full_case(findings=told, actions=[])
    bundle = build_bundle(case, expansion=expand(*evidence), users=True)
    write_stix(bundle, tmp_path / "stix.json")
    back = stix2.parse((tmp_path / "stix.json").read_text(encoding="utf-8"))
    assert {item.user_id for item in of(back, "user-account")} == {*ids, *RING}
    assert len(of(back, "indicator")) == len({*urls}) + len({*agents})
    assert all(Pattern(text) for text in patterns(back))
    quiet = build_bundle(case, expansion=expand(*evidence)).serialize()
    assert not [id_ for id_ in ids if json.dumps(id_)[1:-1] in quiet]


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(ContractError, match="expansion: columns missing"):
        build_bundle(full_case(), expansion=pl.DataFrame({"a": [1]}))


def test_every_kind_of_abuse_can_be_shared() -> None:
    bundle = build_bundle(full_case(abuse_types=sorted(ABUSE_TYPES)))
    assert len(of(bundle, "attack-pattern")) == sum(not one.care for one in ABUSE_TYPES.values())


# ---------------------------------------------------------------- what is withheld


def test_names_inside_and_beside_one_another() -> None:
    """The longest first; short ones only as words; cut ones by their beginning; hidden characters as they are shown."""
    long = "x" * 90
    keep = Withholder(["ab", "acct_1", "acct_12", long, "adm\u202ein7"], ["dev_1"])
    assert keep.tell("acct_12, acct_1, acct_123") == "account 3, account 2, account 33"
    assert keep.tell("ab, about, lab") == "account 1, about, lab"
    assert keep.tell(f"{long[:40]}… (90 characters) is in") == "account 4 is in"
    assert keep.tell("adm⟨U+202E⟩in7 and adm\u202ein7") == "account 5 and account 5"
    assert keep.tell("from dev_1 on") == f"from {WITHHELD} on"


@pytest.mark.parametrize(
    "text", ["In 14 days, 1,234,567 requests.", "On 2026-01-05 10:00:00 UTC, 12 of 20.", "user @ home, 50 % + 3", ""]
)
def test_numbers_and_dates_are_no_secrets(text: str) -> None:
    assert Withholder([]).tell(text) == text
