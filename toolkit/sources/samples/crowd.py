"""The crowd: ordinary people, most of the world, with every habit that looks suspicious from afar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Ints, Rng, mint_ids, open_stream, pick_strings
from toolkit.sources.samples.draft import (
    ANTIDETECT_FINGERPRINTS,
    EMULATOR_FINGERPRINT,
    GROUPS,
    Draft,
    draw_surfaces,
    make_cards,
    make_cast,
    make_devices,
    make_visits,
    table,
)
from toolkit.sources.samples.internet import (
    COUNTRIES,
    COUNTRY_WEIGHTS,
    MOBILE_SHARE,
    VPN_SHARE,
    ZONES,
    Internet,
    build_homes,
)
from toolkit.sources.samples.neighbours import Seats, seat_groups
from toolkit.sources.samples.plan import DAY, HORIZON, HOUR, MINUTE, Plan
from toolkit.sources.samples.rhythm import PROFILE_INDEX, draw_arrivals, draw_visit_times
from toolkit.sources.samples.subscriptions import draw_subscriptions
from toolkit.sources.samples.texts import Catalogue, draw_viral

OLDER_SHARE = 0.22  # accounts that were there before the window opens
CARD_ON_TRIAL = 0.5
ON_PHONE = 0.36  # of a mobile user's visits: puts the busiest egress at about 13 % of all accounts
RENTED_SHARE = 0.02  # people who work through a server of their own, or a VPN that nobody has listed


@dataclass(frozen=True)
class Crowd:
    """The crowd's draft, and what rings need to know to prey on it."""

    draft: Draft
    orgs: pl.DataFrame  # org, domain, created, kind, owner, card
    keys: pl.DataFrame  # key, org, acct, created
    kiosks: list[str]


def build_crowd(plan: Plan, seed: int, net: Internet, book: Catalogue, n: int) -> Crowd:
    """Draw ``n`` ordinary accounts, numbered from zero, and their sixty days.

    Examples
    --------
    >>> from toolkit.sources.samples.internet import build_internet
    >>> from toolkit.sources.samples.plan import TINY
    >>> from toolkit.sources.samples.texts import build_catalogue
    >>> crowd = build_crowd(TINY, 0, build_internet(TINY, 0), build_catalogue(TINY, 0), 1500)
    >>> len(crowd.draft.cast)
    1500
    """
    rng = open_stream(seed, "crowd")
    seats = Seats(n)
    seats.country = rng.choice(len(COUNTRIES), n, p=COUNTRY_WEIGHTS).astype(np.int64)
    zone = np.array(ZONES, dtype=np.int64)[seats.country] * 60
    seats.created = draw_arrivals(rng, n, zone, np.zeros(n, dtype=np.int64))
    older = rng.random(n) < OLDER_SHARE
    seats.created[older] = -rng.exponential(150 * DAY, int(older.sum())).astype(np.int64) - HOUR
    members = seat_groups(plan, open_stream(seed, "crowd", "groups"), seats, net.campus, net.office)
    cast = _draw_cast(open_stream(seed, "crowd", "cast"), seats, members)
    visits, devices, cgnat = _draw_visits(plan, open_stream(seed, "crowd", "visits"), seats, cast, net, book)
    orgs, keys = _draw_orgs(open_stream(seed, "crowd", "orgs"), seats, members)
    automation = _draw_automation(open_stream(seed, "crowd", "automation"), seats, members, keys, book, net)
    draft = Draft(
        cast=cast.with_columns(device=pl.lit(None, dtype=pl.String)),
        visits=pl.concat([visits, automation]),
        charges=draw_subscriptions(open_stream(seed, "crowd", "charges"), "crowd", cast),
        devices=pl.concat([devices, *seats.devices]),
        groups=pl.concat([*seats.groups, cgnat]),
    )
    return Crowd(draft, orgs, keys, seats.kiosks)


def _draw_cast(rng: Rng, seats: Seats, members: list[Ints]) -> pl.DataFrame:
    acct = np.arange(seats.n, dtype=np.int64)
    cast = make_cast(rng, acct, seats.created, seats.country, org=seats.org)
    in_org = seats.org >= 0
    on_trial = (cast["plan"] == "trial").to_numpy() & (rng.random(seats.n) < CARD_ON_TRIAL)
    paid = (cast["plan"] == "paid").to_numpy() | np.isin(seats.special, ["reseller", "agency"])
    own_card = np.array(make_cards(rng, seats.n).to_list(), dtype=object)
    shared = seats.card != None  # noqa: E711 (element-wise on an object array)
    card = np.where(shared, seats.card, np.where(paid | on_trial, own_card, np.full(seats.n, None, dtype=object)))
    domain = pl.Series([f"company{place:03d}.example" for place in range(max(len(members), 1))])
    work_mail = cast["email"].str.replace("@.*", "") + "@" + domain.gather(np.maximum(seats.org, 0))
    kept = pl.Series(in_org)
    promo = np.isin(seats.special, ["hackathon", "agency"])
    return cast.with_columns(
        plan=pl.when(kept)
        .then(pl.lit("enterprise"))
        .when(pl.Series(shared | paid))
        .then(pl.lit("paid"))
        .otherwise("plan"),
        card=pl.Series(card.tolist(), dtype=pl.String),
        email=pl.when(kept).then(work_mail).otherwise("email"),
        phone=pl.coalesce(pl.Series(seats.phone.tolist(), dtype=pl.String), pl.col("phone")),
        referral=pl.when(pl.Series(promo)).then(
            pl.Series(seats.special.tolist(), dtype=pl.String).str.to_uppercase() + "26"
        ),
    )


def _draw_visits(
    plan: Plan, rng: Rng, seats: Seats, cast: pl.DataFrame, net: Internet, book: Catalogue
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    n = seats.n
    counts = np.clip(rng.lognormal(plan.visits_log_mean, 0.9, n), 2, 90).astype(np.int64)
    power = seats.special == "power"
    counts[power] = 90
    night = rng.random(n) < 0.12
    profile = np.where(seats.org >= 0, PROFILE_INDEX["office"], np.where(night, PROFILE_INDEX["evening"], 0))
    zone = np.array(ZONES, dtype=np.int64)[seats.country] * 60
    who, at = draw_visit_times(rng, seats.created, cast["until"].to_numpy(), counts, zone, profile.astype(np.int64))
    who = np.concatenate([np.arange(n), who])
    at = np.concatenate([seats.created, at])
    first = np.arange(len(who)) < n
    country, ip, cgnat = _route(rng, seats, net, who, at, first)
    device, devices = _choose_devices(rng, seats, cast, who, first)
    template = _choose_templates(rng, seats, book, who, at)
    spoken = cast["lang"].gather(who)
    english = rng.random(len(who)) < 0.15
    asked = rng.geometric(1 / plan.requests_per_visit, len(who))
    visits = make_visits(
        "crowd",
        who,
        at,
        kind=pick_strings(["login", "signup", "reset"], np.where(first, 1, (rng.random(len(who)) < 0.008) * 2)),
        ip=ip,
        country=country,
        device=device,
        n=np.where(power[who], asked * 6, asked),
        template=template,
        lang=pl.select(pl.when(pl.Series(english)).then(pl.lit("en")).otherwise(spoken)).to_series(),
        surface=draw_surfaces(rng, len(who)),
        tempo=pick_strings(["human", "machine"], (power[who] | (seats.special[who] == "qa")) * 1),
    )
    return visits, devices, cgnat


def _route(
    rng: Rng, seats: Seats, net: Internet, who: Ints, at: Ints, first: NDArray[np.bool_]
) -> tuple[Ints, pl.Series, pl.DataFrame]:
    """Where each visit comes from: the workplace, a VPN, the carrier's NAT, abroad, or home."""
    n = seats.n
    line = np.where(seats.household >= 0, seats.n + seats.household, np.arange(n))
    line_country = np.zeros(n + int(seats.household.max(initial=-1)) + 1, dtype=np.int64)
    line_country[line] = seats.country
    homes = build_homes(rng, line_country)
    ip = homes.addresses(net, rng, line[who], np.maximum(at, 0))
    mobile, private = rng.random(n) < MOBILE_SHARE, rng.random(n) < VPN_SHARE
    u = rng.random((3, len(who)))
    group_signup = first & np.isin(seats.special[who], ["hackathon", "lab", "agency"])
    on_site = (seats.site[who] >= 0) & ((u[0] < 0.6) & (seats.special[who] != "hackathon") | group_signup)
    on_vpn = private[who] & (u[1] < 0.6) & ~on_site
    on_phone = mobile[who] & (u[2] < ON_PHONE) & ~on_site & ~on_vpn
    renting = (rng.random(n) < RENTED_SHARE)[who] & (rng.random(len(who)) < 0.5) & ~(on_site | on_vpn | on_phone)
    country = seats.country[who].copy()
    trip_start = rng.integers(5 * DAY, 50 * DAY, n)
    abroad = (seats.special[who] == "traveller") & (at > trip_start[who]) & (at < trip_start[who] + 6 * DAY)
    abroad &= ~on_vpn & (rng.random(len(who)) < 0.75)  # the machine at home goes on signing in meanwhile
    country[abroad] = (country[abroad] + 7) % len(COUNTRIES)
    chosen = np.select([abroad, on_site, on_vpn, on_phone, renting], [1, 2, 3, 4, 5], 0)
    site_ip = _site_addresses(rng, seats, who)
    frame = pl.DataFrame(
        {
            "c": chosen,
            "home": ip,
            "abroad": net.draw_homes(rng, country),
            "site": site_ip,
            "vpn": net.draw_vpn(rng, len(who)),
            "phone": net.draw_cgnat(rng, len(who)),
            "rented": net.hosting.gather(_rented_server(net, who)),
        }
    )
    ways = {1: "abroad", 2: "site", 3: "vpn", 4: "phone", 5: "rented"}
    routed = frame.select(
        pl.coalesce(*(pl.when(pl.col("c") == code).then(way) for code, way in ways.items()), "home").alias("ip")
    ).to_series()
    behind = pl.DataFrame({"acct": who, "group": routed}).filter(pl.Series(chosen == 4)).unique().sort("group", "acct")
    cgnat = table(GROUPS, len(behind), acct=behind["acct"], group="cgnat/" + behind["group"], kind="cgnat")
    return country, routed, cgnat


def _rented_server(net: Internet, who: Ints) -> Ints:
    """Each person's or employer's usual server; a provider puts several customers behind one address."""
    return who * 7919 % len(net.hosting)


def _site_addresses(rng: Rng, seats: Seats, who: Ints) -> pl.Series:
    widest = 3
    grid = [(addresses * widest)[:widest] for addresses in seats.site_addresses]
    flat = pl.Series([address for row in grid for address in row], dtype=pl.String)
    site = seats.site[who]
    return pick_strings(flat, np.where(site >= 0, site * widest + rng.integers(0, widest, len(who)), -1))


def _choose_devices(
    rng: Rng, seats: Seats, cast: pl.DataFrame, who: Ints, first: NDArray[np.bool_]
) -> tuple[pl.Series, pl.DataFrame]:
    """One to three machines each; a shared one (tablet, kiosk, the agency's laptop) for some visits."""
    n = seats.n
    owned = 1 + (rng.random(n) < 0.45) + (rng.random(n) < 0.12)
    start = np.concatenate([[0], np.cumsum(owned)[:-1]])
    owner = np.repeat(np.arange(n), owned)
    devices = make_devices(rng, len(owner), lang=cast["lang"].gather(owner), zone=cast["zone"].gather(owner))
    devices = _vary_machines(rng, devices)
    second = (rng.random(len(who)) < 0.3) * rng.integers(0, 3, len(who))
    own = devices["device"].gather(start[who] + np.minimum(second, owned[who] - 1))
    shared = pl.Series(seats.shared_device[who].tolist(), dtype=pl.String)
    opened_by_agency = first & (seats.special[who] == "agency")
    at_desk = (seats.special[who] == "qa") & (rng.random(len(who)) < 0.9)
    sometimes = (rng.random(len(who)) < 0.22) & (seats.special[who] != "agency")
    borrowed = pl.Series(opened_by_agency | at_desk | sometimes) & shared.is_not_null()
    return pl.select(pl.when(borrowed).then(shared).otherwise(own)).to_series(), devices


def _vary_machines(rng: Rng, devices: pl.DataFrame) -> pl.DataFrame:
    """A few developers run the app in an emulator; a few private people use an anti-detect browser."""
    n = len(devices)
    developer, private = rng.random(n) < 0.003, rng.random(n) < 0.006
    stock_image = developer & (rng.random(n) < 0.5)
    prints = np.where(private, rng.choice(ANTIDETECT_FINGERPRINTS, n), devices["fp"].to_numpy())
    prints = np.where(stock_image, EMULATOR_FINGERPRINT, prints)
    return devices.with_columns(fp=pl.Series(prints), emulator=pl.Series(developer))


def _choose_templates(rng: Rng, seats: Seats, book: Catalogue, who: Ints, at: Ints) -> Ints:
    template = draw_viral(rng, book, len(who))
    u = rng.random(len(who))
    org = seats.org[who]
    if len(np.unique(seats.org)) > 1:
        of_org = np.array([book.of(f"org/{place}") for place in range(int(seats.org.max()) + 1)])
        mine = (org >= 0) & (u < 0.35)
        template[mine] = of_org[org[mine], rng.integers(0, 2, int(mine.sum()))]
    created = seats.created[who]
    for name, hours, share in (("lab", 2, 0.95), ("hackathon", 30, 0.5), ("agency", 24 * 20, 0.4)):
        mine = (seats.special[who] == name) & (at - created < hours * HOUR) & (u < share)
        places = book.of(name)
        template[mine] = places[rng.integers(0, len(places), int(mine.sum()))]
    return template


def _draw_orgs(rng: Rng, seats: Seats, members: list[Ints]) -> tuple[pl.DataFrame, pl.DataFrame]:
    owners = np.array([who[np.argmin(seats.created[who])] for who in members], dtype=np.int64)
    n = len(members)
    opened = np.minimum(seats.created[owners], 0) - rng.integers(DAY, 400 * DAY, n)
    orgs = pl.DataFrame(
        {
            "org": np.arange(n, dtype=np.int64),
            "domain": [f"company{place:03d}.example" for place in range(n)],
            "created": opened,
            "kind": pick_strings(["company", "edu"], (rng.random(n) < 0.12) * 1),
            "owner": owners,
            "card": make_cards(rng, n),
            "verified": rng.random(n) < 0.8,
        }
    )
    held = rng.integers(1, 4, n)
    org = np.repeat(np.arange(n), held)
    maker = np.array([members[o][k % len(members[o])] for o, k in zip(org, _within(held), strict=True)], dtype=np.int64)
    first_key = _within(held) == 0
    maker[first_key] = owners[org[first_key]]
    keys = pl.DataFrame(
        {
            "key": mint_ids(rng, "key", len(org), 15),
            "org": org,
            "acct": maker,
            "created": np.maximum(seats.created[maker], -200 * DAY) + rng.integers(HOUR, 3 * DAY, len(org)),
        }
    )
    return orgs, keys


def _within(counts: Ints) -> Ints:
    """0, 1, 2... within each run."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _draw_automation(
    rng: Rng, seats: Seats, members: list[Ints], keys: pl.DataFrame, book: Catalogue, net: Internet
) -> pl.DataFrame:
    """Employers' scheduled jobs: API calls with the same prompt at even times, from the office or a rented server."""
    per_key = rng.poisson(20, len(keys))
    row = np.repeat(np.arange(len(keys)), per_key)
    begin = np.maximum(keys["created"].to_numpy()[row], 0)
    day = begin // DAY + (rng.random(len(row)) * (HORIZON - begin) / DAY).astype(np.int64)
    at = day * DAY + (keys["org"].to_numpy()[row] % 24) * HOUR + rng.integers(0, MINUTE, len(row))
    at = np.clip(at, begin + MINUTE, HORIZON - HOUR)
    acct = keys["acct"].to_numpy()[row]
    template = np.array([book.of(f"org/{o}")[0] for o in range(len(members))], dtype=np.int64)[
        keys["org"].to_numpy()[row]
    ]
    agents = pl.Series([*["sdk-python", "sdk-node", "http-generic"] * 5, "llm-relay-client"])
    org = keys["org"].to_numpy()[row]
    rented = net.hosting.gather(_rented_server(net, org))
    return make_visits(
        "crowd",
        acct,
        at,
        kind="api",
        ip=pl.select(
            pl.when(pl.Series(org % 2 == 0)).then(rented).otherwise(_site_addresses(rng, seats, acct))
        ).to_series(),
        country=seats.country[acct],
        n=rng.geometric(1 / 3, len(row)),
        template=template,
        surface="api",
        tempo="machine",
        key=keys["key"].gather(row),
        agent=agents.gather(org % len(agents)),
    )
