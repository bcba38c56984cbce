"""Rings that open accounts for what a new account is given: R1 and R2 burn free credit, R4 sells the accounts."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, pick_strings
from toolkit.sources.samples.draft import (
    ANTIDETECT_FINGERPRINTS,
    VIRTUAL_BINS,
    Draft,
    draw_surfaces,
    make_cards,
    make_devices,
    make_phones,
    make_visits,
)
from toolkit.sources.samples.internet import TONGUES, ZONES
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR
from toolkit.sources.samples.scene import Scene, blend, come_and_go, draw_countries, swap
from toolkit.sources.samples.subscriptions import draw_subscriptions


def draft_lazy_farm(scene: Scene) -> Draft:
    """R1: four machines, six VPN exits, three templates, +alias mails, 96 hours. Someone once forgot the VPN."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r1
    start = 12 * DAY + 6 * HOUR
    created = start + np.sort(rng.integers(0, 96 * HOUR, n))
    country = draw_countries(rng, n, only=3)
    box, names = np.arange(n) % plan.r1_mailboxes, ["vale", "rook", "dune", "mint", "onyx"]
    alias = pl.Series([f"{names[b % len(names)]}{b + 40 * scene.copy}+s{i}" for i, b in enumerate(box)])
    cast = scene.cast(
        rng,
        created,
        country=country,
        plan="free",
        email=alias + "@postbox.example",
        phone=make_phones(rng, n).scatter(np.flatnonzero(rng.random(n) < 0.75), None),
        until=np.minimum(created + rng.integers(8 * DAY, 30 * DAY, n), HORIZON - 1),
        role=pick_strings(["creator", "member"], (np.arange(n) > 0) * 1),
    )
    counts = rng.integers(4, 15, n)
    row, at, first = come_and_go(rng, cast, counts, "evening", 3 * 60)
    farm = make_devices(rng, 5, lang="en", zone=180)
    machine = np.where(rng.random(len(row)) < 0.9, row % 4, rng.integers(0, 4, len(row)))
    exits = scene.net.vpn.gather(
        rng.choice(len(scene.net.vpn), min(scene.pool_size(6), len(scene.net.vpn)), replace=False)
    )
    ip = exits.gather((row + rng.integers(0, 2, len(row))) % len(exits))
    ip = blend(rng, ip, scene.net.draw_cgnat(rng, len(row)), 0.05)
    device = farm["device"].gather(machine)
    slip = rng.choice(np.flatnonzero(~first), min(scene.mistakes(3), len(row)), replace=False)
    ip = swap(ip, slip, scene.net.draw_homes(rng, np.array([12]))[0])  # the operator's own line and laptop
    device = swap(device, slip, farm["device"][4])
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=ip,
        country=cast["country"].gather(row),
        device=device,
        n=rng.geometric(1 / (plan.requests_per_visit * 1.4), len(row)),
        template=rng.choice(scene.templates(), len(row)),
        share=1 - scene.chaff_share(0.15),
    )
    return Draft(
        cast=cast,
        visits=visits,
        devices=farm,
        actors=scene.describe("free_credit_farm", 1, 3, "19-02 local"),
        phases=scene.phases(registration_burst=start, burst_ends=start + 96 * HOUR, ban_wave=25 * DAY),
    )


def draft_patient_farm(scene: Scene) -> Draft:
    """R2: a fresh machine per account, a fresh home address per visit. Cards, a few numbers and the beat betray it."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r2
    start, beat = 6 * DAY, 38 * DAY / n
    created = (start + np.arange(n) * beat + rng.normal(0, beat * 0.08, n)).astype(np.int64)
    farm_phone = rng.random(n) < 0.25
    own = make_phones(rng, n).scatter(np.flatnonzero(rng.random(n) < 0.5), None)
    numbers = scene.farm_numbers().gather(rng.integers(0, 9 if n > 60 else 3, n))
    cards = make_cards(rng, plan.r2_cards, [VIRTUAL_BINS[scene.copy % len(VIRTUAL_BINS)]])
    cast = scene.cast(
        rng,
        created,
        plan="trial",
        phone=swap(own, np.flatnonzero(farm_phone), numbers.filter(pl.Series(farm_phone))),
        phone_type=pick_strings(["voip", "mobile"], (rng.random(n) < 0.7) * 1),
        card=cards.gather(rng.permutation(n) % plan.r2_cards),
        until=np.minimum(created + rng.integers(4 * DAY, 16 * DAY, n), HORIZON - 1),
        role=pick_strings(["creator", "member"], (np.arange(n) > 0) * 1),
    )
    row, at, first = come_and_go(rng, cast, rng.integers(3, 10, n), "daily")
    fingerprints = np.where(rng.random(n) < 0.4, rng.choice(ANTIDETECT_FINGERPRINTS, n), rng.integers(0, 200, n))
    machines = make_devices(rng, n, lang=cast["lang"], zone=cast["zone"], fp=fingerprints)
    country = cast["country"].to_numpy()[row]
    if scene.knobs.proxy_rotation > 0:
        ip = scene.net.draw_homes(rng, country)
    else:
        ip = scene.net.draw_homes(rng, country[first]).gather(row)
    ip = blend(rng, ip, scene.net.draw_cgnat(rng, len(row)), 0.08)
    device = machines["device"].gather(row)
    slip = rng.choice(np.flatnonzero(~first), min(scene.mistakes(6), len(row)), replace=False)
    device = swap(device, slip, machines["device"].gather(np.maximum(row[slip] - 1, 0)))  # the next profile left open
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=ip,
        country=country,
        device=device,
        n=rng.geometric(1 / (plan.requests_per_visit * 1.2), len(row)),
        template=rng.choice(scene.templates(), len(row)),
        share=1 - scene.chaff_share(0.35),
        surface=draw_surfaces(rng, len(row)),
        lang=cast["lang"].gather(row),
    )
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream("charges"), scene.part, cast),
        devices=machines,
        actors=scene.describe("free_credit_farm", 4, 8, "none, scheduled"),
        phases=scene.phases(registration_starts=int(created[0]), registration_ends=int(created[-1])),
    )


def draft_resale_farm(scene: Scene) -> Draft:
    """R4: two machines and a dozen numbers make accounts; each is then sold, and three to eight strangers share it."""
    rng, plan = scene.stream(), scene.plan
    n = plan.r4
    created = 3 * DAY + np.sort(rng.integers(0, 12 * DAY, n))
    sold = created + rng.integers(5 * DAY, 20 * DAY, n)
    phones = make_phones(rng, plan.r4_phones)
    cast = scene.cast(
        rng,
        created,
        country=draw_countries(rng, n, only=4),
        plan="free",
        phone=phones.gather(np.arange(n) % plan.r4_phones),
        phone_type="voip",
        until=np.minimum(sold + rng.integers(10 * DAY, 35 * DAY, n), HORIZON - 1),
        role=pick_strings(["creator", "member"], (np.arange(n) > 1) * 1),
    )
    makers = make_devices(rng, 2, zone=480)
    nursery = cast.with_columns(until=pl.Series(created + 4 * DAY))
    row, at, first = come_and_go(rng, nursery, rng.integers(1, 4, n), "office", 8 * 60)
    lines = scene.net.draw_homes(rng, np.full(scene.pool_size(5), 18))
    nursed = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=blend(rng, lines.gather(rng.integers(0, len(lines), len(row))), scene.net.draw_vpn(rng, len(row)), 0.5),
        country=cast["country"].gather(row),
        device=makers["device"].gather(row % 2),
        template=rng.choice(scene.templates(), len(row)),
        share=1 - scene.chaff_share(0.2),
    )
    used, buyers = _buyers_visits(scene, cast, sold)
    slip = rng.choice(
        len(used), min(scene.mistakes(3), len(used)), replace=False
    )  # the seller checks on a sold account
    used = used.with_columns(device=swap(used["device"], slip, makers["device"][0]))
    return Draft(
        cast=cast,
        visits=pl.concat([nursed, used]),
        devices=pl.concat([makers, buyers]),
        actors=scene.describe("account_resale", 3, 8, "09-18 local"),
        phases=scene.phases(
            creation_starts=int(created[0]), first_sale=int(sold.min()), creator_vanishes=int(sold.max())
        ),
    )


def _buyers_visits(scene: Scene, cast: pl.DataFrame, sold: Ints) -> tuple[pl.DataFrame, pl.DataFrame]:
    """After the sale: strangers with their own machines, lines, languages and hours."""
    rng = scene.stream("buyers")
    each = rng.integers(3, 9, len(cast))
    account = np.repeat(np.arange(len(cast)), each)
    n = len(account)
    country = draw_countries(rng, n)
    zone = np.array(ZONES, dtype=np.int64)[country] * 60
    machines = make_devices(rng, n, lang=pick_strings(TONGUES, country), zone=zone)
    arrived = np.minimum(sold[account] + rng.integers(0, 3 * DAY, n), HORIZON - DAY)
    stay = pl.DataFrame({"zone": zone, "created": arrived, "until": cast["until"].gather(account)})
    row, at, first = come_and_go(rng, stay, rng.integers(2, 6, n), "daily")
    lines = scene.net.draw_homes(rng, country)
    visits = make_visits(
        scene.part,
        cast["acct"].gather(account[row]),
        at,
        ip=blend(rng, lines.gather(row), scene.net.draw_cgnat(rng, len(row)), 0.25),
        country=country[row],
        device=machines["device"].gather(row),
        n=rng.geometric(1 / scene.plan.requests_per_visit, len(row)),
        kind=pick_strings(["login", "reset"], (first & (rng.random(len(row)) < 0.2)) * 1),
        surface=draw_surfaces(rng, len(row)),
        lang=pick_strings(TONGUES, country[row]),
    )
    return visits, machines
