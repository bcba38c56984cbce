"""What the specification says is planted can be found in the tables, by someone who knows where to look."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.sources.samples import World, generate_world

STD_MEMBERS = {
    "R1": 110,
    "R2": 180,
    "R3": 36,
    "R4": 60,
    "R5": 3,
    "R6": 150,
    "R7": 68,
    "R8": 350,
    "R9": 24,
    "R10": 18,
    "R11": 90,
}


def members(world: World, ring: str, *roles: str) -> list[str]:
    rows = world.truth["membership"].filter(
        pl.col("ring") == ring, pl.col("role").is_in(roles or ("member", "creator"))
    )
    return rows["account_id"].to_list()


def rows_of(world: World, table: str, accounts: list[str]) -> pl.DataFrame:
    return world.tables[table].filter(pl.col("account_id").is_in(accounts))


def of_ring(world: World, table: str, ring: str) -> pl.DataFrame:
    return rows_of(world, table, members(world, ring))


def own_templates(world: World, ring: str) -> list[str]:
    return world.truth["templates"].filter(pl.col("owner").str.contains(f"^{ring}($|_)"))["template_id"].to_list()


def group_of(world: World, kind: str) -> list[str]:
    return world.truth["groups"].filter(pl.col("kind") == kind)["account_id"].unique().to_list()


@pytest.mark.parametrize(("ring", "count"), STD_MEMBERS.items())
def test_ring_sizes(std, ring, count):
    """Every ring has its full head-count in the standard size."""
    assert len(members(std, ring)) == count


@pytest.mark.parametrize("ring", STD_MEMBERS)
def test_rings_are_recognisable_in_tiny(tiny, ring):
    """In the tiny size each ring still has members; all but the key thieves at least six."""
    assert len(members(tiny, ring)) >= (2 if ring == "R5" else 6)


def test_r1_is_lazy(std):
    """R1: four devices carry 9 in 10 sign-ins, five mailboxes, three templates, all within 96 hours."""
    accounts, auth = of_ring(std, "accounts", "R1"), of_ring(std, "auth_events", "R1")
    top = auth["device_id"].drop_nulls().value_counts(sort=True)["count"]
    assert top[:4].sum() / top.sum() > 0.9
    assert accounts["email_norm_hmac"].n_unique() == 5
    assert accounts["email_hmac"].n_unique() == 110
    assert len(own_templates(std, "R1")) == 3
    assert (accounts["created_at"].max() - accounts["created_at"].min()).total_seconds() <= 96 * 3600
    assert (accounts["status"] == "banned").mean() == pytest.approx(0.60, abs=0.01)


def test_r2_is_evasive(std):
    """R2: about a device per account and an address per sign-in; seventy cards of one bank, and some shared numbers."""
    accounts, auth, paid = (of_ring(std, table, "R2") for table in ("accounts", "auth_events", "payments"))
    assert auth["device_id"].n_unique() >= 170
    assert auth["ip"].n_unique() > 0.75 * auth["session_id"].n_unique()
    assert (paid["card_fp"].n_unique(), paid["bin6"].n_unique()) == (70, 1)
    gaps = accounts["created_at"].sort().diff().drop_nulls().dt.total_seconds()
    assert gaps.std() / gaps.mean() < 0.3  # a beat: chance arrivals would give 1


def test_r3_clocks_in(std):
    """R3: thirty machines, fourteen cards, and sign-ins between 09 and 19 in UTC+3."""
    auth, paid = of_ring(std, "auth_events", "R3"), of_ring(std, "payments", "R3")
    hours = (auth.filter(pl.col("kind") == "login")["event_at"].dt.hour() + 3) % 24
    assert hours.is_between(9, 19).mean() > 0.95
    assert paid["card_fp"].n_unique() == 14
    assert 28 <= auth["device_id"].n_unique() <= 33


def test_r4_is_sold(std):
    """R4: two devices open every account; afterwards each is used on three to eight others, a few by our own users."""
    auth = of_ring(std, "auth_events", "R4")
    openers = of_ring(std, "accounts", "R4")["signup_device_id"].value_counts(sort=True)["count"]
    assert openers[:2].sum() >= 55
    per_account = auth.group_by("account_id").agg(pl.col("device_id").n_unique())["device_id"]
    assert 4 <= per_account.median() <= 9
    buyers = members(std, "R4", "buyer")
    shared = set(rows_of(std, "auth_events", buyers)["device_id"].drop_nulls()) & set(auth["device_id"].drop_nulls())
    assert len(buyers) == 18
    assert len(shared) >= 16  # all but those whose sign-in lost its device


def test_r5_uses_keys_of_strangers(std):
    """R5: keys of 25 unrelated employers, called from six servers with one client; the owners are victims."""
    owners = members(std, "R5", "victim")
    thief = of_ring(std, "auth_events", "R5")["ua_hash"].value_counts(sort=True)["ua_hash"][0]
    calls = std.tables["requests"].filter(pl.col("key_id").is_not_null(), pl.col("account_id").is_in(owners))
    stolen = calls.filter(pl.col("ua_hash") == thief)
    assert stolen["org_id"].n_unique() == 25
    assert stolen["ip"].value_counts(sort=True)["count"][:6].sum() / len(stolen) > 0.9
    assert calls.filter(pl.col("ua_hash") != thief).height > 0  # the owners' own jobs go on


def test_r6_tries_cards(std):
    """R6: 420 cards of three banks in one night, three to twelve tries an account, four in five refused."""
    paid = of_ring(std, "payments", "R6").filter(pl.col("kind").is_in(["auth", "setup"]))
    tries = paid.group_by("account_id").len()["len"]
    assert (paid["card_fp"].n_unique(), paid["bin6"].n_unique()) == (420, 3)
    assert (tries.min(), tries.max()) == (3, 12)
    assert (paid["result"] == "declined").mean() == pytest.approx(0.84, abs=0.04)
    assert (paid["event_at"].max() - paid["event_at"].min()).total_seconds() < 12 * 3600


def test_r7_comes_back(std):
    """R7: fifteen people return 24 to 160 hours after each ban, with a device, a phone or a card from before."""
    chains = std.truth["membership"].filter(pl.col("ring") == "R7", pl.col("role") == "member")
    assert chains["actor_id"].n_unique() == 15
    bans = std.truth["bans"].filter(pl.col("account_id").is_in(chains["account_id"].to_list()))
    decided = std.tables["enforcement"].filter(pl.col("rung") == "ban").select(account_id="subject", at="decided_at")
    created = std.tables["accounts"].select(next_account_id="account_id", back="created_at")
    wait = bans.join(decided, on="account_id").join(created, on="next_account_id")
    hours = (wait["back"] - wait["at"]).dt.total_minutes() / 60
    assert len(hours) == 68 - 15
    assert hours.is_between(24, 161).all()


def test_r8_moves_in_step(std):
    """R8: a card per seven accounts; a third of its requests are its exercises, in batches within two minutes."""
    paid, texts = of_ring(std, "payments", "R8"), of_ring(std, "content", "R8")
    assert paid["card_fp"].n_unique() == 50
    own = texts["template_id"].is_in(own_templates(std, "R8"))
    assert own.fill_null(False).mean() / 0.8 == pytest.approx(0.35, abs=0.06)  # 0.8 of the families are noted
    into_shift = texts.filter(own)["event_at"] - texts.filter(own)["event_at"].dt.truncate("8h")
    assert (into_shift.dt.total_minutes() <= 2).mean() > 0.9


def test_r9_claims_another_zone(std):
    """R9: declares UTC-5 and works two half-shifts of UTC+6."""
    accounts, auth = of_ring(std, "accounts", "R9"), of_ring(std, "auth_events", "R9")
    assert accounts["tz_declared"].unique().to_list() == ["Etc/GMT+5"]
    hours = (auth["event_at"].dt.hour() + 6) % 24
    assert hours.is_in([7, 8, 9, 10, 11, 14, 15, 16, 17, 18]).mean() > 0.8
    assert std.truth["actors"].filter(pl.col("ring") == "R9")["tz_true"].to_list() == ["UTC+06:00"]


def test_r10_never_sleeps(std):
    """R10: equal shares, every hour of the day, many languages on each account."""
    calls = of_ring(std, "requests", "R10")
    counts = calls.group_by("account_id").len()["len"]
    assert counts.min() / counts.max() > 0.8
    by_hour = calls["event_at"].dt.hour().value_counts()["count"]
    assert by_hour.min() / by_hour.max() > 0.7
    assert calls.group_by("account_id").agg(pl.col("lang").n_unique())["lang"].min() >= 6


def test_r11_is_not_one_actor(std):
    """R11: ninety actors, one text word for word, nearly all within a day of the post."""
    rows = std.truth["membership"].filter(pl.col("ring") == "R11")
    assert rows["actor_id"].n_unique() == len(rows) == 90
    text = of_ring(std, "content", "R11").filter(pl.col("text").str.starts_with("[JAILBREAK"))
    assert text["text_sha256"].n_unique() == 1
    assert text["account_id"].n_unique() > 50
    span = text["event_at"].quantile(0.95) - text["event_at"].min()
    assert span.total_seconds() < 30 * 3600


def test_hackathon_is_a_burst(std):
    """N1: 120 sign-ups in three hours from one address with one promo code, and no ring."""
    accounts = rows_of(std, "accounts", group_of(std, "hackathon"))
    assert len(accounts) == 120
    assert (accounts["created_at"].max() - accounts["created_at"].min()).total_seconds() <= 3 * 3600
    assert (accounts["signup_ip"].n_unique(), accounts["referral_code"].n_unique()) == (1, 1)


def test_lab_and_agency(std):
    """N2 and N3: a class with one prompt from one campus, an agency whose two laptops opened its clients' accounts."""
    texts = rows_of(std, "content", group_of(std, "lab")).filter(pl.col("text").str.starts_with("[ASSIGNMENT"))
    assert texts["text_sha256"].n_unique() == 1
    clients = rows_of(std, "accounts", group_of(std, "agency"))
    assert len(clients) == 50
    assert clients["signup_device_id"].n_unique() <= 3  # the placeholder may stand in for one
    assert rows_of(std, "payments", clients["account_id"].to_list())["card_fp"].n_unique() <= 3


def test_carrier_nat_has_its_whale(std):
    """The busiest egress of the carriers is seen with about 13 % of all accounts."""
    holders = std.tables["auth_events"].group_by("ip").agg(n=pl.col("account_id").n_unique()).sort("n", descending=True)
    assert holders["ip"][0].startswith("100.")
    assert holders["n"][0] / 20_000 == pytest.approx(0.13, abs=0.03)


def test_every_innocent_group_is_planted(std):
    """Campuses, households, employers, resellers, kiosks and testers, at their size."""
    counts = std.truth["groups"].group_by("kind").agg(pl.col("group_id").n_unique())
    found = dict(counts.iter_rows())
    assert {kind: found[kind] for kind in ("campus", "org", "reseller", "cgnat", "hackathon", "lab", "agency")} == {
        "campus": 5, "org": 45, "reseller": 4, "cgnat": 24, "hackathon": 1, "lab": 1, "agency": 1}  # fmt: skip
    assert found["household"] > 500


def test_every_poison_is_planted(std):
    """All kinds of lying identifiers, and together at least 0.2 % of the sign-ins, accounts and payments."""
    poison = std.truth["poison"]
    assert set(poison["why"]) == {
        "placeholder_device", "public_sms_number", "sms_vendor_shared_by_rivals", "account_takeover",
        "stolen_card_of_customer", "buyer_of_resold_account", "kiosk_used_by_operator", "cloned_disk_image",
    }  # fmt: skip
    rows = sum(len(std.tables[name]) for name in ("accounts", "auth_events", "payments"))
    assert len(poison) / rows > 0.002


def test_public_numbers_join_strangers(std):
    """Seventy public numbers: 3 % of the crowd and 22 % of the ring members hold one, eleven to a number."""
    held = std.truth["poison"].filter(pl.col("why") == "public_sms_number")["row_key"].to_list()
    holders = rows_of(std, "accounts", held)
    assert holders["phone_hmac"].n_unique() == 70
    ring = std.truth["membership"].filter(pl.col("role").is_in(["member", "creator"]), pl.col("ring") != "R11")
    of_rings = holders["account_id"].is_in(ring["account_id"].to_list()).sum()
    assert of_rings / len(ring) == pytest.approx(0.22, abs=0.04)
    assert (len(holders) - of_rings) / (20_000 - len(ring)) == pytest.approx(0.03, abs=0.005)


def test_cloned_laptops_share_an_install(std):
    """Thirty laptops of one employer report one install id."""
    installs = std.tables["devices"].group_by("install_id").len().sort("len", descending=True)
    assert installs["len"][:2].to_list() == [30, 1]


def test_wrong_bans_and_appeals(std):
    """Forty innocents were banned on day 25; more than half got their account back."""
    wrong = std.truth["bans"].filter(~pl.col("correct"))["account_id"].to_list()
    actions = std.tables["enforcement"].filter(pl.col("subject").is_in(wrong), pl.col("rung") == "ban")
    assert len(wrong) == len(actions) == 40
    assert 15 <= actions["reversed_at"].is_not_null().sum() <= 32


def test_escalations(std):
    """Six cases: R1 twice with other seeds, one wrong seed, one campus, one mistyped id."""
    cases = {case["reporter"]: case for case in std.escalations}
    first, again = cases["finance"]["seed_accounts"], cases["abuse-queue"]["seed_accounts"]
    assert set(first) | set(again) <= set(members(std, "R1"))
    assert not set(first) & set(again)
    assert again[0] not in cases["abuse-queue"]["prose"]
    crew = set(members(std, "R3"))
    assert [seed in crew for seed in cases["partner"]["seed_accounts"]] == [True, True, True, False]
    assert set(cases["signup-monitor"]["seed_accounts"]) <= set(group_of(std, "campus"))
    assert set(cases["capacity"]["seed_accounts"]) <= set(members(std, "R8"))


def test_clean_data_on_request():
    """With poison_rate 0 no identifier lies."""
    assert generate_world("tiny", poison_rate=0).truth["poison"].is_empty()
