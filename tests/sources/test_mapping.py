"""A mapping says what columns mean; what it says wrongly is answered with the right name, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InputError, MappingError
from toolkit.settings import KINDS
from toolkit.sources.canonical import CANONICAL, LOOKUPS
from toolkit.sources.mapping import Mapping, read_mapping
from toolkit.sources.mapping_text import read_yaml_text
from toolkit.sources.read import read_data

DESIGN = """
tables:
  auth_log:
    account: user_id
    time: {column: created_at, unit: ms, zone: Europe/London}
    ingested: loaded_at
    event: {column: action, prefix: auth.}
    event_id: id
    indicators: {ip: [client_ip, forwarded_for], device: device_id, badge: badge_no}
    content: {text: prompt, sensitivity: 3}
    label: {column: verdict, score: p}
    value: amount
  ip_intel: {lookup: {key: ip}}
kinds:
  badge: {family: door, regime: unique, m: 0.6, max_holders: 3, half_life_h: 12}
"""


def test_the_mapping_of_the_design_page_reads(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(DESIGN)
    mapping = read_mapping(tmp_path / "mapping.yaml")
    table = mapping.tables["auth_log"]
    assert (table.account, table.time[0].unit, table.time[0].zone) == ("user_id", "ms", "Europe/London")
    assert table.indicators["ip"] == ("client_ip", "forwarded_for")
    badge = mapping.kinds["badge"]
    assert (badge.family, badge.regime, badge.m, badge.max_holders, badge.half_life_h) == (
        "door",
        "unique",
        0.6,
        3,
        12.0,
    )
    assert mapping.tables["ip_intel"].lookup is not None
    assert read_mapping(mapping) is mapping


def test_every_fault_of_a_mapping_is_told_at_once() -> None:
    said = {
        "tabels": {},
        "tables": {
            "a": {"acount": "u", "time": {"column": "t", "unit": "sec", "zone": "Europe/Pariss"}},
            "b": {"account": "u", "indicators": "ip", "content": {"text": "x", "sensitivity": 9}},
        },
        "kinds": {"badge": {"regim": "unique", "m": 2}},
    }
    with pytest.raises(MappingError) as caught:
        read_mapping(said)
    told = str(caught.value)
    for part in (
        "did you mean 'tables'",
        "did you mean 'account'",
        "'sec'",
        "did you mean 'Europe/Paris'",
        "sensitivity",
    ):
        assert part in told
    assert "did you mean 'regime'" in told
    assert "at most 1" in told
    assert "indicators" in told


def test_every_misspelt_column_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "auth.csv").write_text("user_id,created,client_ip\na,1658689261,::1\n")
    said = {"tables": {"auth": {"account": "usr_id", "time": "created_at", "indicators": {"ip": "clientip"}}}}
    with pytest.raises(MappingError) as caught:
        read_data(tmp_path, said)
    assert len(caught.value.faults) == 3
    assert "did you mean 'user_id'?" in str(caught.value)
    assert "did you mean 'client_ip'?" in str(caught.value)


def test_a_constant_verb_that_is_a_column_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "auth.csv").write_text("user,ts,action\na,1658689261,login\n")
    with pytest.raises(MappingError, match="also a column"):
        read_data(tmp_path, {"tables": {"auth": {"account": "user", "time": "ts", "event": "action"}}})


def test_a_table_that_no_file_makes(tmp_path: Path) -> None:
    (tmp_path / "auth_log.csv").write_text("user,ts\na,1\n")
    with pytest.raises(MappingError, match="did you mean 'auth_log'"):
        read_data(tmp_path, {"tables": {"auth_lgo": {"account": "user", "time": "ts"}}})


def test_yaml_stays_text() -> None:
    assert read_yaml_text("a: 00123\nb: no\nc: 12:30:45\nd: 1e3\ne:") == {
        "a": "00123", "b": "no", "c": "12:30:45", "d": "1e3", "e": "",
    }  # fmt: skip
    assert read_yaml_text("a: !!python/object/apply:os.system ['true']") == {"a": ["true"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", "twice"),
        ("a: [" * 30, "levels"),
        ("a: &x [1]\nb: [" + "*x," * 30 + "]", "aliases"),
        ("x" * 1_000_001, "at most"),
        ("a: b: c", "not valid YAML"),
        (b"a: \xff", "not UTF-8"),
    ],
)
def test_hostile_yaml_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(MappingError, match=told):
        read_yaml_text(text)


def test_canonical_tables_use_known_kinds_and_no_mapping() -> None:
    used = {kind for table in CANONICAL.values() for kind in table.indicators}
    assert used <= set(KINDS)
    assert set(CANONICAL) | set(LOOKUPS) == {
        "accounts", "auth_events", "requests", "content", "payments", "credits", "enforcement", "labels", "api_keys",
        "sessions", "reports", "orgs", "devices", "ip_intel",
    }  # fmt: skip


def test_a_canonical_table_may_lack_indicators_but_not_its_account(tmp_path: Path) -> None:
    (tmp_path / "payments.csv").write_text("account_id,event_at,kind,amount\na,2026-01-05T00:00:00Z,refund,-5\n")
    data = read_data(tmp_path)
    assert data.events.select("event", "value").row(0) == ("payment.refund", -5.0)
    assert data.indicator_columns("payments") == []
    (tmp_path / "payments.csv").write_text("acount_id,event_at\na,2026-01-05T00:00:00Z\n")
    with pytest.raises(MappingError, match="did you mean 'acount_id'"):
        read_data(tmp_path)


def test_a_label_of_a_request_is_a_label_of_its_account(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text("request_id,account_id,event_at\nr1,a,2026-01-05T00:00:00Z\n")
    (tmp_path / "labels.csv").write_text(
        "label_id,subject_type,subject_id,label,score,labelled_at,source\n"
        "l1,request,r1,spam,0.9,2026-01-05T01:00:00Z,llm\n"
        "l2,account,b,spam,0.9,2026-01-05T01:00:00Z,llm\n"
        "l3,request,r9,spam,0.9,2026-01-05T01:00:00Z,llm\n"
    )
    data = read_data(tmp_path)
    labels = data.tables["labels"]
    assert labels.select("account_id", "event", "label", "score", "raw_source").rows() == [
        ("a", "label.spam", "spam", "0.9", "llm"),
        ("b", "label.spam", "spam", "0.9", "llm"),
    ]
    assert data.quarantine.select("line", "reason").rows() == [(4, "account_missing")]


def test_second_columns_own_names_and_first_times(tmp_path: Path) -> None:
    """A second ip is ip.2; a column whose name the contract uses is kept as raw_; the first time that is there wins."""
    (tmp_path / "log.csv").write_text(
        "user,seen,made,a,b,source,flags,note\nu,,1658689261,::1,::2,web,x,hello\nv,1658689262,1658689261,::1,,web,y,\n"
    )
    said = {"account": "user", "time": ["seen", "made"], "indicators": {"ip": ["a", "b"]}, "event": "visit"}
    data = read_data(tmp_path, {"tables": {"log": said}})
    table = data.tables["log"]
    assert data.indicator_columns("log") == [("ip", "ip"), ("ip", "ip.2")]
    assert table.select("account_id", "event", "ip", "ip.2", "source", "raw_source", "raw_flags", "note").rows() == [
        ("u", "visit", "::1", "::2", "log", "web", "x", "hello"),
        ("v", "visit", "::1", None, "log", "web", "y", None),
    ]


def test_a_table_without_a_time_gives_observations_and_no_events(tmp_path: Path) -> None:
    (tmp_path / "devices_seen.csv").write_text("user,dev\na,d1\na,d1\nb,d1\n")
    data = read_data(tmp_path, {"tables": {"devices_seen": {"account": "user", "indicators": {"device": "dev"}}}})
    assert data.events.height == 0
    assert data.tables["devices_seen"].select("event_at", "account_id", "device").rows() == [
        (None, "a", "d1"), (None, "b", "d1"),
    ]  # fmt: skip
    assert any("no time column" in note for note in data.notes)


def test_mapping_is_a_value() -> None:
    assert Mapping() == Mapping()
    with pytest.raises(InputError):
        read_mapping("/nonexistent/mapping.yaml")


def test_a_kind_cannot_take_a_column_that_every_table_has() -> None:
    with pytest.raises(MappingError, match="not a name for a kind"):
        read_mapping({"tables": {"a": {"account": "u", "indicators": {"source": "x"}}}})
