"""The slow tables: accounts, organisations, keys, devices, addresses, payments and credit."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import keyed_hashes, mint_ids, open_stream, pick_strings, unit_hash
from toolkit.sources.samples.crowd import Crowd
from toolkit.sources.samples.draft import CHARGES, SYSTEMS, VIRTUAL_BINS, Draft, table
from toolkit.sources.samples.internet import COUNTRIES, Internet, describe_addresses
from toolkit.sources.samples.logs import drop_after_ban, fingerprint_texts
from toolkit.sources.samples.names import Names, as_time
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, SECOND, Plan

_MODELS = {"windows": "Notebook", "android": "Handset", "ios": "Tablet", "macos": "Laptop", "linux": "Workstation"}
_SCREENS = ["1920x1080", "1366x768", "390x844", "412x915", "2560x1440", "1536x864"]


def write_accounts(draft: Draft, opened: pl.DataFrame, names: Names, bans: pl.DataFrame) -> pl.DataFrame:
    """One row per account, in the order of its meaningless id; ``opened`` are the sign-ups, also old ones."""
    cast = draft.cast.sort("acct")
    n = len(cast)
    rng = open_stream(names.seed, "books", "accounts")
    signup = cast.select("acct").join(opened, on="acct", how="left", maintain_order="left")
    email = cast["email"]
    tidy = email.str.replace(r"\+[^@]*", "")
    local = tidy.str.split("@").list.get(0).str.replace_all(".", "", literal=True)
    domain = email.str.split("@").list.get(1)
    norm = local + "@" + domain
    standing = cast["acct"].is_in(bans.filter(pl.col("reversed").is_null())["acct"].to_list())
    u = rng.random((4, n))
    status = np.where(standing, 2, np.where(u[0] < 0.02, 3, np.where(u[0] < 0.025, 1, 0)))
    claimed = cast["zone_claimed"].to_numpy() // 60
    zones = [f"Etc/GMT{-h:+d}" if h else "Etc/UTC" for h in range(-12, 15)]  # POSIX signs: Etc/GMT-3 is UTC+3
    paid = cast["plan"].is_in(["paid", "enterprise"])
    given = cast["phone_type"].replace("unknown", "mobile")
    phone_type = pl.select(pl.when(cast["phone"].is_null()).then(pl.lit("unknown")).otherwise(given)).to_series()
    book = pl.DataFrame(
        {
            "account_id": names.account(cast["acct"]),
            "org_id": names.org(cast["org"]),
            "created_at": as_time(cast["created"]),
            "status": pick_strings(["active", "limited", "banned", "deleted"], status),
            "plan": cast["plan"],
            "email_domain": domain,
            "email_hmac": keyed_hashes(names.seed, "email", email),
            "email_norm_hmac": keyed_hashes(names.seed, "email", norm),
            "phone_hmac": keyed_hashes(names.seed, "phone", cast["phone"]),
            "phone_type": phone_type,
            "signup_ip": signup["ip"],
            "signup_country": pick_strings(COUNTRIES, cast["country"].to_numpy()),
            "signup_device_id": signup["device"],
            "auth_provider": cast["provider"],
            "locale": cast["lang"] + "-" + pick_strings(COUNTRIES, cast["country"].to_numpy()),
            "tz_declared": pick_strings(zones, claimed + 12),
            "referral_code": cast["referral"],
            "kyc_level": pick_strings(["none", "basic", "full"], np.where(paid, 1 + (u[1] < 0.1), 0)),
            "marketing_src": pick_strings(["direct", "search", "social", "friend"], (u[2] * 4).astype(np.int64)),
            "age_band": pick_strings(["18-24", "25-34", "35-44", "45-54", "55+"], (u[3] * 5).astype(np.int64)),
        }
    )
    return book.sort("account_id")


def write_orgs(crowd: Crowd, names: Names) -> pl.DataFrame:
    """The employers."""
    orgs = crowd.orgs
    tier = unit_hash(orgs["domain"], "tier")
    book = pl.DataFrame(
        {
            "org_id": names.org(orgs["org"]),
            "created_at": as_time(orgs["created"]),
            "domain": orgs["domain"],
            "verified": orgs["verified"],
            "type": orgs["kind"],
            "billing_pm_id": payment_methods(names.seed, orgs["owner"], orgs["card"]),
            "tier": pick_strings(["1", "2", "3"], (tier * 3).astype(np.int64)),
            "contract": pl.Series(tier > 0.6),
        }
    )
    return book.sort("org_id")


def write_api_keys(crowd: Crowd, key_use: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Keys, when they were last used, and whether the product has seen them leaked (it knows of two in five thefts)."""
    keys = crowd.keys
    used = key_use.group_by("key").agg(pl.col("last").max())
    stolen = key_use.filter(pl.col("part").str.starts_with("R5")).group_by("key").agg(theft_ends=pl.col("last").max())
    rows = keys.join(used, on="key", how="left", maintain_order="left").join(
        stolen, on="key", how="left", maintain_order="left"
    )
    u = unit_hash(rows["key"], "leak")
    robbed = rows["theft_ends"].is_not_null()
    leaked = robbed & pl.Series(u < 0.4) | pl.Series(u > 0.98)
    revoked = pl.Series(u < 0.25) & robbed & (rows["theft_ends"] < HORIZON - DAY)
    org = rows["org"]
    book = pl.DataFrame(
        {
            "key_id": rows["key"],
            "org_id": names.org(org),
            "account_id": names.account(rows["acct"]),
            "created_at": as_time(rows["created"]),
            "revoked_at": as_time(pl.select(pl.when(revoked).then(rows["theft_ends"] + 3 * HOUR)).to_series()),
            "last_used_at": as_time(rows["last"]),
            "scopes": pl.Series([["chat"], ["chat", "batch"]], dtype=pl.List(pl.String)).gather(
                (u * 2).astype(np.int64)
            ),
            "key_fingerprint": keyed_hashes(names.seed, "key", rows["key"]),
            "leaked_flag": leaked,
            "leaked_src": pick_strings(
                ["public_repository", "paste_site"], np.where(leaked, (u * 1000).astype(np.int64) % 2, -1)
            ),
        }
    )
    return book.sort("key_id")


def find_first_use(visits: pl.DataFrame, bans: pl.DataFrame) -> pl.DataFrame:
    """When each machine was first seen, also before the window."""
    used = drop_after_ban(visits.select("acct", "at", "device").filter(pl.col("device").is_not_null()), bans)
    return used.group_by("device").agg(first=pl.col("at").min())


def write_devices(draft: Draft, first: pl.DataFrame) -> pl.DataFrame:
    """One row per machine that was ever seen."""
    rows = draft.devices.unique("device", keep="first", maintain_order=True).join(first, on="device").sort("device")
    system = pick_strings(SYSTEMS, rows["os"].to_numpy())
    prints = rows["fp"].to_numpy()
    return pl.DataFrame(
        {
            "device_id": rows["device"],
            "first_seen_at": as_time(rows["first"]),
            "install_id": rows["install"],
            "soft_fp": fingerprint_texts().gather(prints),
            "os": system,
            "model": system.replace_strict(_MODELS) + " " + pl.Series(prints % 12).cast(pl.String),
            "is_emulator": rows["emulator"],
            "is_placeholder": rows["placeholder"],
            "screen": pick_strings(_SCREENS, prints % len(_SCREENS)),
            "languages": rows["lang"],
            "tz_offset_min": rows["zone"].cast(pl.Int32),
        }
    )


def write_ip_intel(net: Internet, plan: Plan, visits: pl.DataFrame) -> pl.DataFrame:
    """What is known about addresses. A few homes are flagged as proxies, rightly or not; most proxies are not."""
    known = describe_addresses(net, plan)
    inside = visits.filter(pl.col("at") >= 0)
    recent = inside.filter(pl.col("at") >= HORIZON - 30 * DAY)
    holders = recent.group_by("ip").agg(distinct_accounts_30d=pl.col("acct").n_unique())
    seen = inside.group_by("ip", "country").len().sort("ip", "len", "country", descending=[False, True, False])
    local = seen.unique("ip", keep="first", maintain_order=True).select("ip", "country")
    rows = known.join(local, on="ip", how="left", maintain_order="left")
    place = pick_strings(COUNTRIES, rows["country"].fill_null(-1).to_numpy())
    settled = rows["kind"].is_in(["campus", "corporate"]) & place.is_not_null()
    rows = rows.with_columns(cc=pl.when(settled).then(place).otherwise("cc")).drop("country")
    homes = inside.filter(
        ~pl.col("ip").is_in(known["ip"].drop_nulls().to_list()), ~pl.col("ip").str.starts_with("2001:")
    )
    homes = homes.select("ip", "country", "part").unique("ip", keep="first", maintain_order=True).sort("ip")
    u = unit_hash(homes["ip"], "proxy")
    flagged = homes.filter(pl.Series(u < 0.004) | ((homes["part"] != "crowd") & pl.Series(u < 0.12)))
    proxies = flagged.select(
        ip="ip", prefix=pl.lit(None, dtype=pl.String), asn=pl.lit(64_690, dtype=pl.Int64),
        as_name=pl.lit("Residential Proxy Pool (synthetic)"), kind=pl.lit("proxy_residential"),
        cc=pick_strings(COUNTRIES, flagged["country"].to_numpy()),
    )  # fmt: skip
    book = pl.concat([rows, proxies]).join(holders, on="ip", how="left", maintain_order="left")
    zero = pl.Series([0] * len(book))
    return book.select(
        "ip",
        "prefix",
        "asn",
        "as_name",
        "kind",
        "cc",
        pl.col("distinct_accounts_30d").cast(pl.Int64).fill_null(0),
        valid_from=as_time(zero),
        valid_to=as_time(zero + HORIZON),
        source=pl.lit("synthetic-intel"),
    ).sort("ip", "prefix", nulls_last=True)


def payment_methods(seed: int, acct: pl.Series, card: pl.Series) -> pl.Series:
    """The product's own token for a card on an account: the same card on two accounts has two of these."""
    return "pm_" + keyed_hashes(seed, "pm", acct.cast(pl.String) + "/" + card)


def write_payments(draft: Draft, crowd: Crowd, names: Names, bans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The payment log, and beside it (for the truth) why a row lies."""
    charges = pl.concat([draft.charges, _company_charges(crowd)])
    charges = charges.join(bans.select("acct", banned="at"), on="acct", how="left", maintain_order="left")
    late_kinds = ["refund", "chargeback", "efw"]
    charges = charges.filter(~((pl.col("at") > pl.col("banned")) & ~pl.col("kind").is_in(late_kinds)).fill_null(False))
    charges = charges.filter(pl.col("at").is_between(0, HORIZON)).drop("banned")
    ids, noise = [], []
    for part in charges.partition_by("part", maintain_order=True):
        rng = open_stream(names.seed, "payments", part["part"][0])
        ids.append(mint_ids(rng, "txn", len(part), 15))
        noise.append(rng.random((3, len(part))))
    charges = pl.concat(charges.partition_by("part", maintain_order=True))
    u = np.concatenate(noise, axis=1)
    declined = (charges["result"] == "declined").to_numpy()
    bin6 = charges["card"].str.slice(0, 6)
    bank = unit_hash(bin6, "issuer")
    org_of = draft.cast.sort("acct")["org"]
    book = pl.DataFrame(
        {
            "txn_id": pl.concat(ids),
            "account_id": names.account(charges["acct"]),
            "org_id": names.org(org_of.gather(charges["acct"])),
            "pm_id": payment_methods(names.seed, charges["acct"], charges["card"]),
            "event_at": as_time(charges["at"]),
            "amount": charges["amount"],
            "currency": pl.Series(["USD"]).new_from_index(0, len(charges)),
            "kind": charges["kind"],
            "result": charges["result"],
            "decline_code": charges["decline"],
            "cvc_check": pick_strings(["pass", "fail", "unavailable"], np.where(u[0] < np.where(declined, 0.5, 0.02), 1,
                                                                                np.where(u[0] > 0.95, 2, 0))),
            "avs_check": pick_strings(["pass", "fail", "unavailable"], np.where(u[1] < np.where(declined, 0.5, 0.05), 1,
                                                                                np.where(u[1] > 0.8, 2, 0))),
            "3ds": pick_strings(["none", "frictionless", "challenge"], np.digitize(u[2], [0.7, 0.92])),
            "card_fp": "card_" + keyed_hashes(names.seed, "card", charges["card"]),
            "bin6": bin6,
            "issuer_cc": pick_strings(COUNTRIES, (bank**2 * len(COUNTRIES)).astype(np.int64)),
            "brand": pick_strings(["alpha", "beta", "gamma"], (bank * 3).astype(np.int64)),
            "wallet": pick_strings(["apple", "google"], np.where(u[2] > 0.9, (u[1] * 2).astype(np.int64), -1)),
            "prepaid": pl.Series((unit_hash(bin6, "prepaid") < 0.12) | bin6.is_in(VIRTUAL_BINS).to_numpy()),
        }
    )  # fmt: skip
    lies = book.select("txn_id").with_columns(charges["why"]).filter(pl.col("why").is_not_null())
    return book.sort("event_at", "txn_id"), lies


def _company_charges(crowd: Crowd) -> pl.DataFrame:
    """Employers pay by the month, through the owner's account."""
    orgs = crowd.orgs
    months = []
    for month in range(2):
        at = np.maximum(orgs["created"].to_numpy() % (30 * DAY), 9 * HOUR) + month * 30 * DAY
        months.append(table(CHARGES, len(orgs), part="companies", acct=orgs["owner"], at=at, kind="capture",
                            card=orgs["card"], amount=50_000, result="succeeded"))  # fmt: skip
    return pl.concat(months)


def write_credits(draft: Draft, spending: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Free credit granted at sign-up, spent week by week, expired after thirty days."""
    cast = draft.cast.filter(pl.col("plan").is_in(["free", "trial"]), pl.col("created") >= 0)
    amount = pl.when(pl.col("plan") == "trial").then(2_000_000).otherwise(500_000)
    grants = cast.select("acct", at=pl.col("created") + SECOND, kind=pl.lit("grant"), amount=amount.cast(pl.Int64),
                         promo=pl.col("referral").fill_null("WELCOME"))  # fmt: skip
    mine = spending.join(cast.select("acct"), on="acct", how="semi")
    weekly = mine.group_by("acct", "week").agg(amount=-pl.col("tokens").sum() * 3, at=pl.col("last").max())
    spends = weekly.select("acct", "at", kind=pl.lit("spend"), amount="amount", promo=pl.lit(None, dtype=pl.String))
    left = pl.concat([grants, spends]).group_by("acct").agg(pl.col("amount").sum())
    ends = grants.select("acct", at=pl.col("at") + 30 * DAY).join(left, on="acct")
    expired = ends.filter(pl.col("at") < HORIZON, pl.col("amount") > 0).select(
        "acct", "at", kind=pl.lit("expire"), amount=-pl.col("amount"), promo=pl.lit(None, dtype=pl.String)
    )
    rows = pl.concat([grants, spends, expired])
    return pl.DataFrame(
        {
            "account_id": names.account(rows["acct"]),
            "event_at": as_time(rows["at"]),
            "kind": rows["kind"],
            "amount": rows["amount"],
            "promo": rows["promo"],
            "referrer": pl.Series([None], dtype=pl.String).new_from_index(0, len(rows)),
        }
    ).sort("event_at", "account_id", "kind", "amount")
