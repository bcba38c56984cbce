"""Visits become logs: sign-ins, model calls and the texts that were kept, with the dirt that real logs have.

The dirt: 1.5 % of rows arrive late, 0.5 % twice, 4 % of sign-ins lack the device, and two accounts in a hundred have
a clock that is minutes off.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng, mint_ids, open_stream, pick_strings
from toolkit.sources.samples.draft import SOFT_FINGERPRINTS
from toolkit.sources.samples.internet import COUNTRIES
from toolkit.sources.samples.names import Names, as_time
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE, SECOND, Plan
from toolkit.sources.samples.simhash import simhash_texts
from toolkit.sources.samples.texts import Catalogue, write_texts

LATE_SHARE, DUPLICATE_SHARE, NO_DEVICE_SHARE, SKEWED_SHARE = 0.015, 0.005, 0.04, 0.02
FAMILY_NOTED = 0.8  # of the templated texts, how many the product's own family detection has named
MODELS = ["swift-2", "swift-2-mini", "atlas-3", "atlas-3-long"]
BROWSER_VERSION = 14 * DAY  # a browser updates itself, and its user agent with it
HARM = {
    "PHISH": "phishing",
    "JAILBREAK": "jailbreak",
    "OPINION": "influence_op",
    "EXERCISE": "distillation",
    "BULK": "api_misuse",
}


@cache
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def fingerprint_texts() -> pl.Series:
    """The soft browser fingerprints of the world, by number."""
    return pl.Series([f"bfp_{_digest(f'fp/{k}')}" for k in range(SOFT_FINGERPRINTS)])


def describe_clients(visits: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """What each visit's client sends: user agent, TLS and browser fingerprints; many share them, and they change."""
    known = devices.select("device", "fp", "os").unique("device", keep="first", maintain_order=True)
    seen = visits.select("device", "agent", "at").join(known, on="device", how="left", maintain_order="left")
    filled = seen.with_columns(pl.col("fp").fill_null(0), pl.col("os").fill_null(0))
    family = filled["fp"].to_numpy() % 23
    version = np.maximum(filled["at"].to_numpy(), 0) // BROWSER_VERSION
    code = (filled["os"].to_numpy() * 23 + family) * 8 + version
    agents = pl.Series([f"ua_{_digest(f'ua/{k}')}" for k in range(5 * 23 * 8)])
    tls_code = filled["os"].to_numpy() * 5 + filled["fp"].to_numpy() % 5
    handshakes = pl.Series([f"t13d15{10 + k % 8}h2_{_digest(f'c/{k}')}_{_digest(f'e/{k}')}" for k in range(5 * 5)])
    tools = filled["agent"].unique().drop_nulls().sort().to_list()
    tool = filled["agent"]
    own_ua = tool.replace_strict(tools, [f"ua_{_digest(t)}" for t in tools], default=None, return_dtype=pl.String)
    own_tls = tool.replace_strict(
        tools,
        [f"t13d1312h1_{_digest(f'c/{t}')}_{_digest(f'e/{t}')}" for t in tools],
        default=None,
        return_dtype=pl.String,
    )
    return pl.DataFrame(
        {
            "ua_hash": pl.select(pl.coalesce(own_ua, agents.gather(code))).to_series(),
            "tls_ja4": pl.select(pl.coalesce(own_tls, handshakes.gather(tls_code))).to_series(),
            "browser_fp": pick_strings(fingerprint_texts(), seen["fp"].fill_null(-1).to_numpy()),
        }
    )


def clock_errors(seed: int, accounts: int) -> Ints:
    """µs by which each account's clock is wrong: none for most, up to eight minutes for a few."""
    rng = open_stream(seed, "clocks")
    wrong = rng.random(accounts) < SKEWED_SHARE
    return wrong * rng.integers(-8 * MINUTE, 8 * MINUTE, accounts)


def _arrival(rng: Rng, at: Ints) -> Ints:
    """When a row reaches the warehouse: seconds later, or hours."""
    late = rng.random(len(at)) < LATE_SHARE
    delay = rng.exponential(20 * SECOND, len(at)) + late * rng.exponential(9 * HOUR, len(at))
    return at + delay.astype(np.int64) + SECOND


def _with_duplicates(rng: Rng, frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.filter(pl.Series(rng.random(len(frame)) < DUPLICATE_SHARE))])


def identify_visits(visits: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Mint the session and conversation ids of one part."""
    rng = open_stream(seed, "sessions", visits["part"][0])
    session, conversation = mint_ids(rng, "sess", len(visits)), mint_ids(rng, "conv", len(visits))
    signed_in = pl.when(pl.col("kind") == "api").then(None).otherwise(session)
    return visits.with_columns(session_id=signed_in, conversation_id=conversation)


def write_auth_events(
    visits: pl.DataFrame, names: Names, clocks: Ints, vpn_countries: pl.DataFrame, bans: pl.DataFrame
) -> pl.DataFrame:
    """The sign-in log of one part: the visit's own event, and the failures, second factors and refreshes around it."""
    rng = open_stream(names.seed, "auth", visits["part"][0])
    rows = drop_after_ban(_auth_rows(rng, visits.filter(pl.col("kind") != "api")), bans)
    geo = rows.select("ip").join(vpn_countries, on="ip", how="left", maintain_order="left")["cc"]
    home = pick_strings(COUNTRIES, rows["country"].to_numpy())
    at = rows["at"].to_numpy() + clocks[rows["acct"].to_numpy()]
    return pl.DataFrame(
        {
            "session_id": rows["session_id"],
            "account_id": names.account(rows["acct"]),
            "event_at": as_time(np.maximum(at, 0)),
            "ingested_at": as_time(rows["arrived"]),
            "kind": rows["event"],
            "ip": rows["ip"],
            "device_id": rows["device"],
            "browser_fp": rows["browser_fp"],
            "ua_hash": rows["ua_hash"],
            "tls_ja4": rows["tls_ja4"],
            "app_version": pl.Series("4." + (rows["at"] // (10 * DAY)).cast(pl.String)),
            "geo_cc": pl.select(pl.coalesce(geo, home)).to_series(),
            "mfa": rows["mfa"],
            "risk_score": rows["risk"].cast(pl.Float32),
        }
    )


def _auth_rows(rng: Rng, part: pl.DataFrame) -> pl.DataFrame:
    n = len(part)
    unusual = part["ip"].str.starts_with("198.1").to_numpy() * 0.15
    main = part.with_columns(
        event=pl.col("kind"),
        mfa=pl.Series(rng.random(n) < 0.06),
        risk=pl.Series(np.round(rng.beta(1.5, 9, n) + unusual, 2)),
        device=pl.when(pl.Series(rng.random(n) < NO_DEVICE_SHARE)).then(None).otherwise("device"),
    )
    u = rng.random(n)
    extras = [main]
    for event, low, high, shift in (
        ("fail", 0.0, 0.03, -25 * SECOND),
        ("refresh", 0.03, 0.07, 50 * MINUTE),
        ("logout", 0.07, 0.10, 35 * MINUTE),
    ):
        chosen = pl.Series((u >= low) & (u < high)) & (main["event"] == "login") & (main["at"] > MINUTE)
        extras.append(main.filter(chosen).with_columns(event=pl.lit(event), at=pl.col("at") + shift))
    second = main.filter(pl.col("mfa"), pl.col("event") == "login")
    extras.append(second.with_columns(event=pl.lit("mfa"), at=pl.col("at") + 9 * SECOND))
    rows = pl.concat(extras).filter(pl.col("at") < HORIZON)
    rows = rows.with_columns(arrived=pl.Series(_arrival(rng, rows["at"].to_numpy())))
    return _with_duplicates(rng, rows)


def expand_requests(visits: pl.DataFrame, seed: int, bans: pl.DataFrame) -> pl.DataFrame:
    """One row per model call of one part: at a person's pace or a machine's, none after a ban."""
    calls = _request_rows(open_stream(seed, "requests", visits["part"][0]), visits)
    return drop_after_ban(calls.filter(pl.col("at") < HORIZON), bans)


def drop_after_ban(rows: pl.DataFrame, bans: pl.DataFrame) -> pl.DataFrame:
    """What a banned account would have done, had it not been banned, is not in the logs."""
    if rows.is_empty() or bans.is_empty():
        return rows
    # By place, not by join: a join would copy every string of the log.
    acct, at = rows["acct"].to_numpy(), rows["at"].to_numpy()
    never = np.iinfo(np.int64).max
    banned, back = np.full((2, max(int(acct.max()), _largest(bans)) + 1), never)
    banned[bans["acct"].to_numpy()] = bans["at"].to_numpy()
    back[bans["acct"].to_numpy()] = bans["reversed"].fill_null(never).to_numpy()
    return rows.filter(pl.Series((at <= banned[acct]) | (at >= back[acct])))


def _largest(bans: pl.DataFrame) -> int:
    return int(bans["acct"].to_numpy().max())


def _request_rows(rng: Rng, part: pl.DataFrame) -> pl.DataFrame:
    n = part["n"].to_numpy()
    row = np.repeat(np.arange(len(part)), n)
    total = len(row)
    tempo = part["tempo"].gather(row)
    human = np.clip(rng.lognormal(np.log(55), 1.1, total), 2, 1500) * SECOND
    machine = rng.normal(7, 0.3, total).clip(1) * SECOND
    gaps = np.where((tempo == "human").to_numpy(), human, machine).astype(np.int64)
    run = np.cumsum(gaps)
    first = np.cumsum(n) - n
    at = part["at"].to_numpy()[row] + run - (run[first] - gaps[first])[row] if total else np.zeros(0, dtype=np.int64)
    templated = rng.random(total) < part["share"].to_numpy()[row]
    probe = (tempo == "sweep").to_numpy()  # a thief trying out a key: tiny calls, every model, mostly refused
    calls = part.select(*CARRIED_OVER)[row]
    sizes = rng.lognormal(5.5, 0.9, (2, total)).astype(np.int64) + 5
    return calls.with_columns(
        request_id=mint_ids(rng, "req", total),
        at=pl.Series(at),
        template=pl.Series(np.where(templated, calls["template"].to_numpy(), -1)),
        in_tok=pl.Series(np.where(probe, 4, sizes[0])),
        out_tok=pl.Series(np.where(probe, 1, sizes[1] * 2)),
        model=pl.Series(np.where(probe, np.arange(total) % 4, rng.choice(4, total, p=[0.4, 0.35, 0.2, 0.05]))),
        latency=pl.Series(rng.lognormal(7.2, 0.5, total).astype(np.int64)),
        failed=pl.Series((rng.random(total) < 0.01) | (probe & (rng.random(total) < 0.7))),
        chance=pl.Series(rng.random(total)),
        tool=pl.Series(rng.integers(0, 4, total)),
        arrived=pl.Series(_arrival(rng, at)),
        twice=pl.Series(rng.random(total) < DUPLICATE_SHARE),
    )


# What a call takes over from its visit.
CARRIED_OVER = ["part", "acct", "kind", "session_id", "conversation_id", "key", "surface", "tempo", "ip", "ua_hash"]
CARRIED_OVER += ["lang", "template"]
PRICE_MICROS = np.array([3, 1, 9, 20], dtype=np.int64)  # per token, by model
_TOOLS = pl.Series([["web_search"], ["web_search", "code"], ["code"], ["files", "code"]], dtype=pl.List(pl.String))


def write_requests(calls: pl.DataFrame, names: Names, clocks: Ints, org_of: Ints, harmful: list[bool]) -> pl.DataFrame:
    """The log of model calls of one part."""
    template = calls["template"].to_numpy()
    harm = np.append(np.array(harmful, dtype=bool), False)[template]  # -1 reads the appended place
    refused = calls["chance"].to_numpy() < np.where(harm, 0.22, 0.008)
    acct, model = calls["acct"].to_numpy(), calls["model"].to_numpy()
    spent = (calls["in_tok"].to_numpy() + calls["out_tok"].to_numpy()) * PRICE_MICROS[model]
    agent = calls["surface"] == "agent"
    tools = pl.select(
        pl.when(agent).then(_TOOLS.gather(calls["tool"])).otherwise(pl.lit([], dtype=pl.List(pl.String)))
    ).to_series()
    table = pl.DataFrame(
        {
            "request_id": calls["request_id"],
            "conversation_id": calls["conversation_id"],
            "account_id": names.account(acct),
            "org_id": names.org(org_of[acct]),
            "key_id": calls["key"],
            "session_id": calls["session_id"],
            "event_at": as_time(np.maximum(calls["at"].to_numpy() + clocks[acct], 0)),
            "ingested_at": as_time(calls["arrived"]),
            "surface": calls["surface"],
            "endpoint": pick_strings(["/v1/chat", "/v1/responses"], (calls["kind"] == "api").cast(pl.Int64).to_numpy()),
            "model": pick_strings(MODELS, model),
            "tools": tools,
            "in_tok": calls["in_tok"].cast(pl.Int32),
            "out_tok": pl.Series(np.where(refused, 40, calls["out_tok"].to_numpy())).cast(pl.Int32),
            "cost_micros": pl.Series(spent),
            "latency_ms": calls["latency"].cast(pl.Int32),
            "status": pick_strings(["ok", "error"], calls["failed"].cast(pl.Int64).to_numpy()),
            "refusal": pl.Series(refused),
            "ip": calls["ip"],
            "ua_hash": calls["ua_hash"],
            "lang": calls["lang"],
            "stream": calls["surface"] != "api",
        }
    )
    return pl.concat([table, table.filter(calls["twice"])])


def write_content(calls: pl.DataFrame, names: Names, clocks: Ints, book: Catalogue, plan: Plan) -> pl.DataFrame:
    """The texts that were kept of one part: a share of the calls, drawn evenly over everyone."""
    asked = calls.filter(pl.col("tempo") != "sweep")
    rng = open_stream(names.seed, "content", calls["part"][0] if len(calls) else "")
    kept = asked.filter(pl.Series(rng.random(len(asked)) < plan.content_share))
    text = write_texts(rng, book, kept["template"].to_numpy(), kept["lang"])
    noted = pl.Series(rng.random(len(kept)) < FAMILY_NOTED)
    family = pl.select(pl.when(noted).then(pick_strings(book.ids, kept["template"].to_numpy()))).to_series()
    rows = kept.select("request_id", "acct", "at", "lang").with_columns(text=text, template_id=family)
    text = rows["text"]
    acct = rows["acct"].to_numpy()
    n = len(rows)
    return pl.DataFrame(
        {
            "request_id": rows["request_id"],
            "account_id": names.account(acct),
            "event_at": as_time(np.maximum(rows["at"].to_numpy() + clocks[acct], 0)),
            "role": pl.Series(["user"]).new_from_index(0, n),
            "text": text,
            "image_ref": pl.Series([None], dtype=pl.String).new_from_index(0, n),
            "text_sha256": hash_texts(text),
            "simhash64": simhash_texts(text),
            "template_id": rows["template_id"],
            "lang": rows["lang"],
            "pii_flags": pl.Series([[]], dtype=pl.List(pl.String)).new_from_index(0, n),
            "redacted_text": pl.Series([None], dtype=pl.String).new_from_index(0, n),
            "embedding_ref": pl.Series([None], dtype=pl.String).new_from_index(0, n),
            "expires_at": as_time(rows["at"] // DAY * DAY + 90 * DAY),
        }
    )


def hash_texts(texts: pl.Series) -> pl.Series:
    """SHA-256 of each text, in hexadecimal.

    Examples
    --------
    >>> hash_texts(pl.Series(["a"]))[0][:8]
    'ca978112'
    """
    return pl.Series([hashlib.sha256(text.encode()).hexdigest() for text in texts.to_list()], dtype=pl.String)
