"""Bans, and those who come back: R7's fifteen evaders, the wave of day 25, and the innocents it caught."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Floats, Rng, open_stream, pick_strings
from toolkit.sources.samples.draft import (
    BANS,
    Draft,
    draw_surfaces,
    make_cards,
    make_devices,
    make_phones,
    make_visits,
    stack_drafts,
    table,
)
from toolkit.sources.samples.plan import BAN_DAY, DAY, HORIZON, HOUR, Plan
from toolkit.sources.samples.scene import Scene, blend, come_and_go, draw_countries
from toolkit.sources.samples.subscriptions import draw_subscriptions

KEEP_DEVICE, KEEP_PHONE, KEEP_CARD = 0.45, 0.5, 0.4
CAUGHT = {"R1": 0.60, "R3": 0.30, "R2": 0.10}
WAVE = BAN_DAY * DAY + 10 * HOUR


def draft_evaders(scene: Scene) -> Draft:
    """R7: each is banned, is back within a week with most things new, keeps one or two, and writes as before."""
    drafts = []
    base = scene.base
    for place, accounts in enumerate(scene.plan.r7):
        drafts.append(_draft_evader(scene, place, accounts, base))
        base += accounts
    return stack_drafts(drafts)


def _draft_evader(scene: Scene, place: int, n: int, base: int) -> Draft:
    name = f"R7_{place + 1:02d}"
    rng = scene.stream(name)
    actor = name if scene.copy == 0 else f"{name}.{scene.copy + 1}"
    acct = np.arange(base, base + n, dtype=np.int64)
    # Short chains meet the wave of day 25; long ones were found out earlier, one account at a time.
    opened = int(WAVE - rng.integers(4 * DAY, 9 * DAY) if n <= 4 else rng.integers(DAY, 4 * DAY))
    created, banned = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for k in range(n):
        created[k] = opened
        life = int(rng.integers(3 * DAY, 5 * DAY))
        banned[k] = WAVE + rng.integers(0, HOUR) if (k == 0 and n <= 4) else opened + life
        opened = int(banned[k] + rng.integers(24 * HOUR, 160 * HOUR))
    created, banned = np.minimum(created, HORIZON - 2 * DAY), np.minimum(banned, HORIZON - DAY)
    country = np.repeat(draw_countries(rng, 1), n)
    devices = make_devices(rng, n, lang="en")
    keep_device, keep_phone, keep_card = _kept(rng, n, scene.knobs.leak_rate)
    cast = scene.cast(
        rng,
        created,
        country=country,
        acct=acct,
        actor=f"actor_{actor.lower().replace('.', '_')}",
        until=np.minimum(np.append(banned[:-1] + DAY, HORIZON - 1), HORIZON - 1),
        plan="paid",
        phone=_inherit(make_phones(rng, n), keep_phone),
        phone_type="mobile",
        card=_inherit(make_cards(rng, n), keep_card),
    )
    device = _inherit(devices["device"], keep_device)
    row, at, first = come_and_go(rng, cast, rng.integers(4, 10, n), "evening")
    lines = scene.net.draw_homes(rng, np.repeat(country, 2))
    template = scene.templates(f"{name}{scene.part.removeprefix('R7')}")
    visits = make_visits(
        scene.part,
        cast["acct"].gather(row),
        at,
        kind=pick_strings(["login", "signup"], first * 1),
        ip=blend(rng, lines.gather(2 * row + rng.integers(0, 2, len(row))), scene.net.draw_vpn(rng, len(row)), 0.3),
        country=cast["country"].gather(row),
        device=device.gather(row),
        n=rng.geometric(1 / scene.plan.requests_per_visit, len(row)),
        template=np.full(len(row), template[0]),
        share=1 - scene.chaff_share(0.5),
        lang=cast["lang"].gather(row),
        surface=draw_surfaces(rng, len(row)),
    )
    bans = table(BANS, n - 1, acct=acct[:-1], at=banned[:-1], correct=True, next=acct[1:])
    return Draft(
        cast=cast,
        visits=visits,
        charges=draw_subscriptions(scene.stream(name, "charges"), scene.part, cast),
        devices=devices,
        bans=bans,
        actors=scene.describe("ban_evasion", 3, 0, "18-24 local", actor=cast["actor"][0]),
        phases=scene.phases(**{f"return_{k}": int(created[k]) for k in range(1, n)}),
    )


def _kept(rng: Rng, n: int, leak_rate: float) -> tuple[Floats, Floats, Floats]:
    """For each account, whether device, phone and card come from the one before: at least one of them does."""
    u = rng.random((3, n))
    keep = u < np.array([KEEP_DEVICE, KEEP_PHONE, KEEP_CARD])[:, None] * min(leak_rate, 2.0)
    if leak_rate > 0:
        nothing = ~keep.any(axis=0)
        keep[u.argmin(axis=0)[nothing], np.flatnonzero(nothing)] = True
    keep[:, 0] = False
    return keep[0], keep[1], keep[2]


def _inherit(values: pl.Series, keep: Floats) -> pl.Series:
    """Each value, or the one of the account before where it is kept."""
    source = np.arange(len(values))
    for k in range(1, len(values)):
        if keep[k]:
            source[k] = source[k - 1]
    return values.gather(source)


def draw_wave(plan: Plan, seed: int, everyone: Draft) -> pl.DataFrame:
    """The bans of day 25 by a detector that sees half, and is wrong about one person in five hundred."""
    rng = open_stream(seed, "ban wave")
    rows = []
    members = everyone.cast.filter(pl.col("ring").is_in(list(CAUGHT)), pl.col("created") < WAVE - DAY)
    for (ring, actor), ours in members.group_by("ring", "actor", maintain_order=True):
        accounts = ours["acct"].to_numpy()
        whole = everyone.cast.filter(pl.col("actor") == actor)
        count = min(round(CAUGHT[str(ring)] * len(whole)), len(accounts))
        caught = np.sort(rng.choice(accounts, count, replace=False))
        when = WAVE + rng.integers(0, 2 * HOUR, count)
        after = pl.Series([None] * count, dtype=pl.Int64)
        if ring == "R2":  # the farm simply registers the next one
            later = whole.filter(pl.col("created").is_between(WAVE + 24 * HOUR, WAVE + 160 * HOUR))["acct"].to_numpy()
            picked = rng.permutation(later)[:count]
            after = pl.Series([*picked.tolist(), *[None] * (count - len(picked))], dtype=pl.Int64)
        rows.append(table(BANS, count, acct=caught, at=when, correct=True, next=after))
    crowd = everyone.cast.filter(pl.col("ring").is_null(), pl.col("created") < WAVE - DAY, pl.col("until") > WAVE)
    wrong = np.sort(rng.choice(crowd["acct"].to_numpy(), plan.wrong_bans, replace=False))
    rows.append(table(BANS, len(wrong), acct=wrong, at=WAVE + rng.integers(0, 2 * HOUR, len(wrong)), correct=False))
    return pl.concat(rows)
