"""Rings of people at desks: R3 writes lures, R6 tries stolen cards, R9 speaks with borrowed voices."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import pick_strings, spread_counts
from toolkit.sources.samples.draft import (
    ANTIDETECT_FINGERPRINTS,
    BINS,
    CHARGES,
    EMULATOR_FINGERPRINT,
    Draft,
    draw_surfaces,
    make_cards,
    make_devices,
    make_visits,
    table,
)
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE
from toolkit.sources.samples.scene import Scene, blend, come_and_go, draw_countries, swap
from toolkit.sources.samples.subscriptions import DECLINES, draw_subscriptions


def draft_phishing_crew(scene: Scene) -> Draft:
    """R3: thirty machines passed around, fourteen cards, eight lures, 09 to 19 in UTC+3, almost always on a VPN."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r3
    created = 2 * DAY + np.sort(rng.integers(0, 35 * DAY, n))
    created = created // DAY * DAY + rng.integers(6 * HOUR, 16 * HOUR, n)  # 09 to 19 where they sit
    cards = make_cards(rng, plan.r3_cards)
    cast = scene.cast(
        rng,
        created,
        country=draw_countries(rng, n, only=5),
        plan="paid",
        card=cards.gather(rng.permutation(n) % plan.r3_cards),
        until=np.minimum(created + rng.integers(10 * DAY, 40 * DAY, n), HORIZON - 1),
        role=pick_strings(["creator", "member"], (np.arange(n) > 0) * 1),
    )
    row, at, first = come_and_go(rng, cast, rng.integers(8, 26, n), "shift", 3 * 60)
    fingerprints = np.where(
        rng.random(plan.r3_devices) < 0.2,
        rng.choice(ANTIDETECT_FINGERPRINTS, plan.r3_devices),
        3,
    )
    machines = make_devices(rng, plan.r3_devices, zone=180, fp=fingerprints)
    hands = rng.integers(0, plan.r3_devices, (n, 3))  # the three machines that an account is seen on
    device = machines["device"].gather(hands[row, rng.choice(3, len(row), p=[0.6, 0.25, 0.15])])
    ip = blend(rng, scene.net.draw_vpn(rng, len(row)), scene.net.draw_homes(rng, cast["country"].to_numpy()[row]), 0.15)
    slip = rng.choice(np.flatnonzero(~first), min(scene.mistakes(5), len(row)), replace=False)
    ip = swap(ip, slip, scene.net.draw_homes(rng, np.array([4]))[0])  # the office line
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=ip,
        country=cast["country"].gather(row),
        device=device,
        n=rng.geometric(1 / (plan.requests_per_visit * 1.5), len(row)),
        template=rng.choice(scene.templates(), len(row)),
        share=1 - scene.chaff_share(0.25),
    )
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream("charges"), scene.part, cast),
        devices=machines,
        actors=scene.describe("phishing_at_scale", 2, 3, "09-19 local"),
        phases=scene.phases(first_account=int(created.min()), last_account=int(created.max()), ban_wave=25 * DAY),
    )


def draft_card_testers(scene: Scene) -> Draft:
    """R6: ten hours of small charges on stolen cards; an address per account, one emulator image for all."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r6
    start = 33 * DAY + 1 * HOUR
    created = start + np.sort(rng.integers(0, 10 * HOUR, n))
    cast = scene.cast(
        rng,
        created,
        country=draw_countries(rng, n, only=6),
        plan="trial",
        phone=None,
        phone_type="unknown",
        until=created + rng.integers(2 * HOUR, 30 * HOUR, n),
        role=pick_strings(["creator", "member"], (np.arange(n) > 0) * 1),
    )
    row, at, first = come_and_go(rng, cast, rng.integers(1, 4, n), "flat")
    machines = make_devices(rng, n, emulator=True, fp=EMULATOR_FINGERPRINT, os=1)
    reused = np.flatnonzero(rng.random(n) < 0.12 * scene.knobs.leak_rate)  # an image started twice keeps its id
    of = np.arange(n)
    of[reused] = np.maximum(reused - 1, 0)
    lines = scene.net.draw_homes(rng, cast["country"].to_numpy())
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=blend(rng, lines.gather(row), scene.net.draw_cgnat(rng, len(row)), 0.06),
        country=cast["country"].gather(row),
        device=machines["device"].gather(of[row]),
        template=rng.choice(scene.templates(), len(row)),
        share=1 - scene.chaff_share(0.4),
        surface="android",
    )
    bins = BINS[6 + 3 * scene.copy : 9 + 3 * scene.copy]
    stolen = make_cards(rng, plan.r6_cards, bins)
    tries = rng.integers(3, 13, n)
    who = np.repeat(np.arange(n), tries)
    order = np.concatenate([rng.permutation(plan.r6_cards) for _ in range(len(who) // plan.r6_cards + 1)])[: len(who)]
    outcome = rng.random(len(who))
    charges = table(
        CHARGES,
        len(who),
        part=scene.part,
        acct=cast["acct"].gather(who),
        at=created[who] + rng.integers(2 * MINUTE, 70 * MINUTE, len(who)),
        kind=pick_strings(["auth", "setup"], (rng.random(len(who)) < 0.2) * 1),
        card=stolen.gather(order),
        amount=rng.integers(1, 3, len(who)) * 50,
        result=pick_strings(["succeeded", "declined"], (outcome < 0.84) * 1),
        decline=pick_strings(DECLINES,
                             np.where(outcome < 0.84, rng.integers(0, 4, len(who)), -1)),
    )  # fmt: skip
    warned = charges.filter(pl.col("result") == "succeeded").with_columns(
        at=pl.col("at") + 6 * DAY, kind=pl.lit("efw")
    )  # the issuers' early fraud warnings
    return Draft(
        cast=cast,
        visits=visits,
        charges=pl.concat([charges, warned]),
        devices=machines,
        actors=scene.describe("card_testing", 2, 5, "one night"),
        phases=scene.phases(burst_starts=start, burst_ends=start + 10 * HOUR),
    )


def draft_borrowed_voices(scene: Scene) -> Draft:
    """R9: two dozen personas, few posts each, split shifts; it says it lives in UTC-5 and works in UTC+6.

    One batch is one narrative, written in two languages within the hour by two of the accounts.
    """
    rng, plan = scene.stream(), scene.plan
    n = plan.r9
    created = np.where(rng.random(n) < 0.4, -rng.integers(DAY, 120 * DAY, n), rng.integers(2 * DAY, 15 * DAY, n))
    cast = scene.cast(
        rng,
        created,
        country=np.where(rng.random(n) < 0.8, 0, 16),  # the two countries of UTC-5
        zone_claimed=-300,
        until=HORIZON - 1,
        plan=pick_strings(["free", "paid"], (rng.random(n) < 0.3) * 1),
        card=make_cards(rng, n).scatter(np.flatnonzero(rng.random(n) < 0.7), None),
    )
    batches = 3 * n
    days = 16 + np.sort(rng.integers(0, 42, batches))
    hour = np.where(
        rng.random(batches) < 0.5, rng.uniform(1, 5, batches), rng.uniform(8, 12, batches)
    )  # 07-11, 14-18 +6
    when = days * DAY + (hour * HOUR).astype(np.int64)
    first = rng.integers(0, n, batches)
    second = (first + 1 + rng.integers(0, n - 1, batches)) % n
    narrative = rng.integers(0, 10, batches)
    row = np.concatenate([np.arange(n), first, second])
    at = np.concatenate([created, when, when + rng.integers(2 * MINUTE, 55 * MINUTE, batches)])
    templates = scene.templates()
    written = np.concatenate([np.full(n, -1), templates[narrative], templates[(narrative + 1) % 10]])
    idle_row, idle_at, _ = come_and_go(
        rng, cast, spread_counts(rng, round(4 * n * scene.knobs.chaff), n, 0), "split", 360
    )
    idle_row, idle_at = idle_row[n:], idle_at[n:]
    row, at = np.concatenate([row, idle_row]), np.concatenate([at, idle_at])
    written = np.concatenate([written, np.full(len(idle_row), -1)])
    spoken = pl.Series([scene.book.templates[t].lang if t >= 0 else "en" for t in written])
    zone = np.full(n, -300)
    zone[: scene.mistakes(2)] = 360  # two machines tell the true time
    machines = make_devices(rng, n, zone=zone)
    shared = scene.net.hosting.gather(rng.choice(len(scene.net.hosting), 5, replace=False))
    lines = scene.net.draw_homes(rng, cast["country"].to_numpy())
    mixed = blend(rng, lines.gather(row), scene.net.draw_cgnat(rng, len(row)), 0.3)
    office = shared.gather(rng.integers(0, 5, len(row)))
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], (np.arange(len(row)) < n) * 1),
        ip=blend(rng, mixed, office, 0.12 / max(scene.knobs.proxy_rotation, 0.12)),
        country=cast["country"].gather(row),
        device=machines["device"].gather(row),
        n=rng.integers(1, 3, len(row)),
        template=written,
        lang=spoken,
        surface=draw_surfaces(rng, len(row)),
    )
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream("charges"), scene.part, cast),
        devices=machines,
        actors=scene.describe("influence_op", 5, 6, "07-11 and 14-18 local"),
        phases=scene.phases(dormant_until=16 * DAY, first_batch=int(when[0]), last_batch=int(when[-1])),
    )
