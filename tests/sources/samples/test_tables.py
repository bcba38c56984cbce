"""The tables are what a company would hold: typed, ordered, and joined up."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.sources.samples import generate_world

TABLES = ["accounts", "orgs", "api_keys", "auth_events", "devices", "ip_intel", "requests", "content", "labels"]
TABLES += ["payments", "credits", "enforcement", "reports"]
TRUTH = ["actors", "membership", "groups", "linked_but_legit", "poison", "bans", "templates", "events"]
UTC = pl.Datetime("us", "UTC")


def test_every_table_is_there_and_has_rows(tiny):
    """Thirteen tables, eight truth tables, six escalations, none empty."""
    assert list(tiny.tables) == TABLES
    assert sorted(tiny.truth) == sorted(TRUTH)
    assert len(tiny.escalations) == 6
    assert all(len(frame) > 0 for frame in {**tiny.tables, **tiny.truth}.values())


def test_times_are_utc_and_ids_are_strings(tiny):
    """Every *_at is a UTC time to the microsecond; every *_id, hash and address is text."""
    for frame in tiny.tables.values():
        for name, dtype in frame.schema.items():
            if name.endswith("_at"):
                assert dtype == UTC, name
            if name.endswith(("_id", "_hmac", "_fp", "_hash", "_sha256")) or name in ("ip", "bin6", "subject"):
                assert dtype == pl.String, name


def test_no_account_is_missing_or_unknown(tiny):
    """Every row about an account names one that exists."""
    accounts = tiny.tables["accounts"]["account_id"]
    assert accounts.n_unique() == len(accounts) == 2000
    for name, column in [("auth_events", "account_id"), ("requests", "account_id"), ("content", "account_id"),
                         ("payments", "account_id"), ("credits", "account_id"),
                         ("enforcement", "subject")]:  # fmt: skip
        values = tiny.tables[name][column]
        assert values.null_count() == 0, name
        assert values.is_in(accounts.to_list()).all(), name


@pytest.mark.parametrize(
    ("table", "column", "into", "key"),
    [
        ("requests", "session_id", "auth_events", "session_id"),
        ("requests", "key_id", "api_keys", "key_id"),
        ("content", "request_id", "requests", "request_id"),
        ("labels", "subject_id", "requests", "request_id"),
        ("auth_events", "device_id", "devices", "device_id"),
        ("accounts", "signup_device_id", "devices", "device_id"),
        ("accounts", "org_id", "orgs", "org_id"),
        ("api_keys", "org_id", "orgs", "org_id"),
        ("orgs", "billing_pm_id", "payments", "pm_id"),
    ],
)
def test_tables_join_up(tiny, table, column, into, key):
    """What one table points to, another holds."""
    pointers = tiny.tables[table][column].drop_nulls()
    assert len(pointers) > 0
    assert pointers.is_in(tiny.tables[into][key].to_list()).all()


def test_a_session_belongs_to_one_account(tiny):
    """The sign-in log and the log of calls agree on whose session it is."""
    owners = tiny.tables["auth_events"].select("session_id", "account_id").unique()
    assert owners["session_id"].n_unique() == len(owners)
    calls = (
        tiny.tables["requests"].filter(pl.col("session_id").is_not_null()).select("session_id", "account_id").unique()
    )
    assert len(calls.join(owners, on=["session_id", "account_id"], how="anti")) == 0


def test_rows_have_a_total_order(tiny):
    """Logs are sorted by time; accounts by an id that says nothing."""
    for name in ("auth_events", "requests", "content", "payments"):
        assert tiny.tables[name]["event_at"].is_sorted(), name
    assert tiny.tables["accounts"]["account_id"].is_sorted()


def test_ids_do_not_give_rings_away(tiny):
    """Ring members are spread over the id order as anyone else: their mean rank is near the middle."""
    ring = tiny.truth["membership"].filter(pl.col("role").is_in(["member", "creator"]), pl.col("ring") != "R11")
    ranks = (
        tiny.tables["accounts"].with_row_index("rank").filter(pl.col("account_id").is_in(ring["account_id"].to_list()))
    )
    assert abs(ranks["rank"].mean() - 1000) < 4 * 577 / len(ranks) ** 0.5


def test_dirt_is_there_in_the_stated_amount(std):
    """1.5 % of rows arrive hours late, 0.5 % twice, 4 % of sign-ins lack the device."""
    calls, auth = std.tables["requests"], std.tables["auth_events"]
    late = (calls["ingested_at"] - calls["event_at"]).dt.total_minutes() > 30
    assert late.mean() == pytest.approx(0.015, abs=0.003)
    assert calls.is_duplicated().mean() / 2 == pytest.approx(0.005, abs=0.001)
    assert auth["device_id"].null_count() / len(auth) == pytest.approx(0.04, abs=0.005)


def test_nothing_happens_on_a_banned_account(std):
    """After a ban that stands, the logs are silent (but for a clock that is minutes off)."""
    stands = std.tables["enforcement"].filter(pl.col("rung") == "ban", pl.col("reversed_at").is_null())
    bans = stands.select(account_id="subject", decided_at="decided_at")
    after = std.tables["requests"].join(bans, on="account_id").filter(pl.col("event_at") > pl.col("decided_at"))
    assert ((after["event_at"] - after["decided_at"]).dt.total_minutes() <= 8).all()


def test_content_is_harmless_templates(tiny):
    """Texts that stand for harm are tagged as templates; withheld labels have no text."""
    harmful = tiny.truth["templates"].filter(~pl.col("benign"))["template_id"].to_list()
    texts = tiny.tables["content"].filter(pl.col("template_id").is_in(harmful))["text"]
    assert texts.str.contains(r"^\[[A-Z]+-TEMPLATE \d+\] ").all()
    domains = tiny.tables["content"]["text"].str.extract_all(r"\b[a-z0-9]+\.[a-z]{2,}\b").explode().drop_nulls()
    assert domains.str.ends_with(".example").all()


def test_addresses_are_reserved(tiny):
    """No address of the sample belongs to anyone: CGNAT, benchmark, class E and documentation ranges only."""
    reserved = r"^(100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|198\.1[89]\.|2(4\d|5[0-5])\.|2001:db8:)"
    for name in ("auth_events", "requests"):
        assert tiny.tables[name]["ip"].str.contains(reserved).all()


@pytest.mark.parametrize(("size", "seed"), [("huge", 0), ("tiny", -1), ("tiny", "0"), ("tiny", True)])
def test_wrong_calls_are_refused(size, seed):
    """An unknown size or a seed that is not a whole number is an error of the call."""
    with pytest.raises(InputError):
        generate_world(size, seed)


def test_wrong_knobs_are_refused():
    """A knob outside 0 to 10 is an error of the call, by its name."""
    with pytest.raises(InputError, match="chaff"):
        generate_world("tiny", chaff=-1)
