"""Rings that run on schedulers: R5 spends stolen keys, R8 copies a model out, R10 resells accounts to many people."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Rng, pick_strings
from toolkit.sources.samples.draft import (
    ANTIDETECT_FINGERPRINTS,
    Draft,
    draw_surfaces,
    make_cards,
    make_devices,
    make_visits,
)
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE, SECOND
from toolkit.sources.samples.scene import Scene, blend, come_and_go, draw_countries, swap
from toolkit.sources.samples.subscriptions import draw_subscriptions
from toolkit.sources.samples.texts import draw_languages, draw_viral

THIEF_AGENT = "llm-relay-client"
BATCH_EVERY = 8 * HOUR
CHAT_REQUESTS = 33  # per account of R8: with what its batches leave free, 65 % of all it asks


def draft_key_thieves(scene: Scene, orgs: pl.DataFrame, keys: pl.DataFrame) -> Draft:
    """R5: keys of unrelated employers, used from six rented servers with one client; probes first, then bulk.

    The owners are victims: their own jobs go on beside the theft. The thieves' mistake is two or three accounts of
    their own, used from the same servers.
    """
    rng, plan = scene.stream(), scene.plan
    servers = scene.net.hosting.gather(rng.choice(len(scene.net.hosting), scene.pool_size(6), replace=False))
    robbed_orgs = np.sort(rng.choice(orgs["org"].to_numpy(), plan.r5_orgs, replace=False))
    robbed = keys.filter(pl.col("org").is_in(robbed_orgs.tolist())).unique("org", keep="first", maintain_order=True)
    stolen_at = 27 * DAY + rng.integers(0, 14 * DAY, len(robbed))
    calls = rng.integers(30, 110, len(robbed))
    row = np.repeat(np.arange(len(robbed)), calls)
    at = stolen_at[row] + (rng.random(len(row)) ** 1.3 * rng.integers(3, 12, len(robbed))[row] * DAY).astype(np.int64)
    probes = np.repeat(np.arange(len(robbed)), 6)
    probed_at = stolen_at[probes] - 20 * MINUTE + np.tile(np.arange(6), len(robbed)) * 45 * SECOND
    both, when = np.concatenate([probes, row]), np.concatenate([probed_at, at])
    sweep = np.arange(len(both)) < len(probes)
    calls_made = make_visits(
        scene.part,
        robbed["acct"].gather(both),
        np.minimum(when, HORIZON - 1),
        kind="api",
        ip=servers.gather(rng.integers(0, len(servers), len(both))),
        country=rng.integers(0, 12, len(both)),
        n=np.where(sweep, 1, rng.geometric(0.3, len(both))),
        template=np.where(sweep, -1, rng.choice(scene.templates(), len(both))),
        share=1 - scene.chaff_share(0.3),
        lang="en",
        surface="api",
        tempo=pick_strings(["machine", "sweep"], sweep * 1),
        key=robbed["key"].gather(both),
        agent=THIEF_AGENT,
    )
    own, own_visits, machines = _thieves_own_accounts(scene, rng, servers)
    return Draft(
        cast=own,
        visits=pl.concat([calls_made, own_visits]),
        devices=machines,
        actors=scene.describe("api_key_theft", 3, 3, "none, scheduled"),
        roles=scene.roles(robbed["acct"].to_numpy(), "victim", stolen_at),
        phases=scene.phases(first_probe=int(stolen_at.min()), last_theft=int(stolen_at.max())),
    )


def _thieves_own_accounts(
    scene: Scene, rng: Rng, servers: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    n = scene.plan.r5
    created = 24 * DAY + np.sort(rng.integers(0, 3 * DAY, n))
    cast = scene.cast(rng, created, plan="free", until=HORIZON - 1)
    row, at, first = come_and_go(rng, cast, rng.integers(4, 9, n), "evening", 180)
    machines = make_devices(rng, n, zone=180, fp=rng.choice(ANTIDETECT_FINGERPRINTS, n))
    home = scene.net.draw_homes(rng, cast["country"].to_numpy()).gather(row)
    careless = 0.6 * min(scene.knobs.leak_rate, 1.5)
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=blend(rng, home, servers.gather(rng.integers(0, len(servers), len(row))), careless),
        country=cast["country"].gather(row),
        device=machines["device"].gather(row),
        agent=pick_strings([THIEF_AGENT], np.where(rng.random(len(row)) < careless, 0, -1)),
    )
    return cast, visits, machines


def draft_hydra(scene: Scene) -> Draft:
    """R8: hundreds of paid accounts ask the same 25 exercises in step and equal shares, under much ordinary chat."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r8
    created = 3 * DAY + np.sort(rng.integers(0, 21 * DAY, n))
    cards = make_cards(rng, max(n // 7, 2))
    cast = scene.cast(
        rng,
        created,
        plan="paid",
        card=cards.gather(rng.permutation(n) % len(cards)),
        until=HORIZON - 1,
        role=pick_strings(["creator", "member"], (np.arange(n) > 0) * 1),
    )
    chat = np.maximum(
        np.round(rng.normal(CHAT_REQUESTS, 5, n) / plan.requests_per_visit * scene.knobs.chaff), 0
    ).astype(np.int64)
    row, at, first = come_and_go(rng, cast, chat, "daily")
    batches = 24 * DAY + np.arange((HORIZON - 25 * DAY) // BATCH_EVERY) * BATCH_EVERY
    turns = [(b, account) for b in range(len(batches)) for account in range(b % 9, n, 9)]  # everyone's turn comes round
    turn, worker = np.array([t for t, _ in turns]), np.array([w for _, w in turns])
    row = np.concatenate([row, worker])
    at = np.concatenate([at, batches[turn] + rng.integers(0, 90 * SECOND, len(turn))])
    batch = np.arange(len(row)) >= len(row) - len(turn)
    first = np.concatenate([first, np.zeros(len(turn), dtype=bool)])
    templates = scene.templates()
    exercise = np.where(batch, rng.choice(templates, len(row)), draw_viral(rng, scene.book, len(row)))
    ip = _rotating_addresses(scene, rng, len(row))
    machines = make_devices(
        rng,
        n,
        lang=cast["lang"],
        zone=cast["zone"],
        fp=np.where(rng.random(n) < 0.3, rng.choice(ANTIDETECT_FINGERPRINTS, n), rng.integers(0, 300, n)),
    )
    device = machines["device"].gather(row)
    slip = rng.choice(np.flatnonzero(batch), min(scene.mistakes(14), int(batch.sum())), replace=False)
    device = swap(device, slip, machines["device"].gather((row[slip] + 9) % n))  # the worker of the same turn
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=ip,
        country=cast["country"].gather(row),
        device=device,
        n=np.where(batch, 2, rng.geometric(1 / plan.requests_per_visit, len(row))),
        template=exercise,
        share=np.where(batch, 0.85, 1.0),
        lang=cast["lang"].gather(row),
        surface=draw_surfaces(rng, len(row)),
        tempo=pick_strings(["human", "machine"], batch * 1),
    )
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream("charges"), scene.part, cast),
        devices=machines,
        actors=scene.describe("distillation", 5, 8, "none, scheduled"),
        phases=scene.phases(
            registration_starts=int(created[0]), first_batch=int(batches[0]), last_batch=int(batches[-1])
        ),
    )


def _rotating_addresses(scene: Scene, rng: Rng, n: int) -> pl.Series:
    """A pool of proxies: a tenth rented servers, the rest other people's homes; a few phones in between."""
    size = scene.pool_size(scene.plan.r8_ips)
    servers = scene.net.hosting
    rented = servers.gather(rng.choice(len(servers), min(max(size // 10, 1), len(servers)), replace=False))
    homes = scene.net.draw_homes(rng, draw_countries(rng, max(size - len(rented), 1)))
    pool = pl.concat([rented, homes])
    return blend(rng, pool.gather(rng.integers(0, len(pool), n)), scene.net.draw_cgnat(rng, n), 0.06)


def draft_relay(scene: Scene) -> Draft:
    """R10: eighteen heavy customers. Behind each stand thousands of end users, dealt out in turn, at every hour."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r10
    created = np.where(rng.random(n) < 0.4, -rng.integers(DAY, 90 * DAY, n), rng.integers(DAY, 6 * DAY, n))
    cards = make_cards(rng, n)
    careless = min(scene.mistakes(2), n - 1)
    cards = swap(cards, np.arange(1, careless), cards[0]) if careless > 1 else cards  # one card paid for two of them
    cast = scene.cast(rng, created, plan="paid", card=cards, until=HORIZON - 1)
    start, total = 7 * DAY, 200 * n
    step = (HORIZON - HOUR - start) // total
    turn = np.arange(total)
    row = np.concatenate([np.arange(n), turn % n])
    at = np.concatenate([created, start + turn * step + rng.integers(0, max(step // 6, 1), total)])
    first = np.arange(len(row)) < n
    relays = scene.net.hosting.gather(rng.choice(len(scene.net.hosting), scene.pool_size(5), replace=False))
    country = cast["country"].to_numpy()[row]
    proxied = scene.net.draw_homes(rng, country)
    ip = blend(rng, proxied, relays.gather(rng.integers(0, len(relays), len(row))), 0.3)
    machines = make_devices(rng, n, lang=cast["lang"], zone=cast["zone"])
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=ip,
        country=country,
        device=machines["device"].gather(row),
        n=rng.integers(1, 4, len(row)),
        template=draw_viral(rng, scene.book, len(row)),
        lang=draw_languages(rng, len(row)),
        tempo="machine",
    )
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream("charges"), scene.part, cast),
        devices=machines,
        actors=scene.describe("api_relay_resale", 4, 8, "none, end users of every zone"),
        phases=scene.phases(relay_opens=start),
    )
