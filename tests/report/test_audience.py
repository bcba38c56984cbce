"""Copies for readers outside the team: who is called how, what is not there, and no canary in any file of any copy."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.cli import cli
from toolkit.errors import InputError, UnknownNameError
from toolkit.report.audience import AUDIENCES, share_report
from toolkit.report.lint import lint_report
from toolkit.report.pseudonyms import make_pseudonyms, read_key
from toolkit.report.stix import TLP_MARKINGS
from toolkit.report.templates import find_templates
from toolkit.resources import bundled

TINY = bundled("data_samples") / "tiny"
KEY = b"0123456789abcdef" * 2
SENSITIVE = {
    "accounts": ["email_hmac", "email_norm_hmac", "phone_hmac", "signup_device_id"],
    "api_keys": ["key_fingerprint"],
    "auth_events": ["device_id"],
    "content": ["text", "redacted_text"],
    "devices": ["device_id", "install_id"],
    "payments": ["card_fp", "pm_id"],
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, with a canary in every sensitive column that may hold any text."""
    folder = tmp_path_factory.mktemp("planted") / "tiny"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("truth"))
    for table, columns in SENSITIVE.items():
        frame = pl.read_parquet(folder / f"{table}.parquet")
        marked = [pl.when(pl.col(c).is_not_null()).then("CANARY-" + pl.col(c)).alias(c) for c in columns]
        frame.with_columns(marked).write_parquet(folder / f"{table}.parquet")
    return folder


def seeds() -> list[str]:
    return list(json.loads((TINY / "escalations.jsonl").read_text(encoding="utf-8").splitlines()[2])["seed_accounts"])


@pytest.mark.parametrize("template", sorted(find_templates()))
def test_no_canary_is_in_any_copy(
    template: str, planted: Path, publish_cells: Callable[..., Path], tmp_path: Path
) -> None:
    started = {"account_id": seeds()[0]} if template == "account_deep_dive" else {}
    report = publish_cells(tmp_path / "report", template, seeds(), data_uri=str(planted), **started)
    if template == "ring_escalation":  # the team's own report knows them, behind masks
        assert "CANARY" in (report / "report.html").read_text(encoding="utf-8")
    assert lint_report(report).rows() == []
    addresses = set(pl.read_parquet(planted / "auth_events.parquet")["ip"].drop_nulls())
    for audience in AUDIENCES:
        copy = share_report(report, audience, tmp_path / audience, key=KEY, tlp="CLEAR")
        for path in copy.iterdir():
            text = path.read_text(encoding="utf-8")
            assert "CANARY" not in text, (audience, path.name)
            if path.name != "stix.json":
                assert not [ip for ip in addresses if f'"{ip}"' in text or f">{ip}<" in text], (audience, path.name)


def test_each_reader_knows_accounts_as_it_should(demo: Path, tmp_path: Path) -> None:
    case = json.loads((demo / "case.json").read_bytes())["case"]
    members = {a["account_id"] for a in case["actions"] if a["rung"] not in ("do not action", "notify and rotate")}
    others = {a["account_id"] for a in case["actions"]} - members
    names = make_pseudonyms(members | others, KEY)
    none: set[str] = set()
    by_name = {"legal": {names[a] for a in others}, "peer": {names[a] for a in members}}
    by_id = {"policy": members | others, "legal": members}
    for audience in AUDIENCES:
        copy = share_report(demo, audience, tmp_path / audience, key=KEY, tlp="CLEAR")
        text = "".join(path.read_text(encoding="utf-8") for path in copy.iterdir())
        assert {a for a in members | others if a in text} == by_id.get(audience, none), audience
        assert {n for n in names.values() if n in text} == by_name.get(audience, none), audience
        told = json.loads((copy / "case.json").read_bytes())["case"]
        assert (told["tlp"], told["analyst"], len(told["findings"])) == ("CLEAR", "withheld", len(case["findings"]))
        assert "TLP:CLEAR" in (copy / "report.html").read_text(encoding="utf-8")
        assert (copy / "stix.json").exists() == (audience in ("legal", "peer"))
        if audience == "peer":
            marks = {
                m
                for item in json.loads((copy / "stix.json").read_bytes())["objects"]
                for m in item.get("object_marking_refs", [])
            }
            assert marks == {TLP_MARKINGS["CLEAR"]}


def test_the_same_copy_has_the_same_bytes_and_opens_quietly(
    demo: Path, tmp_path: Path, look: Callable[..., object]
) -> None:
    one, two = (share_report(demo, "peer", tmp_path / name, key=KEY, tlp="GREEN") for name in ("one", "two"))
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}
    seen = look(one / "report.html")
    assert (seen.requests, seen.console) == ([], [])  # type: ignore[attr-defined] # what `look` returns
    assert "All of it is left out for this reader." in (one / "report.html").read_text(encoding="utf-8")


def test_who_may_not_have_it_does_not_get_it(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TLP:AMBER does not go to public readers"):
        share_report(demo, "public", tmp_path / "x")
    with pytest.raises(InputError, match="give --key FILE"):
        share_report(demo, "peer", tmp_path / "x", tlp="GREEN")
    with pytest.raises(UnknownNameError, match="did you mean 'peer'"):
        share_report(demo, "peers", tmp_path / "x", key=KEY)
    shutil.copytree(demo, tmp_path / "broken")
    (tmp_path / "broken" / "case.json").write_text("{}")
    with pytest.raises(InputError, match="is not whole"):
        share_report(tmp_path / "broken", "policy", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@given(st.sets(st.text(min_size=1, max_size=12), max_size=40), st.binary(min_size=32, max_size=40))
def test_pseudonyms_are_distinct_and_no_account(accounts: set[str], key: bytes) -> None:
    names = make_pseudonyms(accounts, key)
    assert set(names) == accounts
    assert len(set(names.values())) == len(accounts)
    assert not set(names.values()) & accounts
    assert make_pseudonyms(accounts, key) == names


def test_a_name_that_is_taken_is_given_longer() -> None:
    taken = make_pseudonyms(["a"], KEY)["a"]
    names = make_pseudonyms(["a", taken], KEY)
    assert names["a"].startswith(taken)
    assert len(names["a"]) == len(taken) + 1


def test_a_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    key = read_key(tmp_path / "key", make=True)
    assert read_key(tmp_path / "key", make=True) == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_key(tmp_path / "key")
    (tmp_path / "short").write_text("abcd")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(InputError, match="32 bytes or more, found 2"):
        make_pseudonyms(["a"], read_key(tmp_path / "short"))
    assert "share" in cli.commands
