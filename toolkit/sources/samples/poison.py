"""Poison: the few "strong" identifiers that lie. A quarter of a percent of the rows is enough to ruin naive linking.

Each step takes the stacked draft and gives it back with some values changed and the reason written in ``why`` (which
only the truth tables keep). Every step draws for everyone and then compares with the rate, so a higher rate poisons the
same rows and more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Ints, open_stream, pick_strings
from toolkit.sources.samples.crowd import Crowd
from toolkit.sources.samples.draft import DEVICES, PLACEHOLDER_DEVICE, ROLES, Draft, make_phones, make_visits, table
from toolkit.sources.samples.plan import HORIZON, HOUR, MINUTE, Knobs, Plan

PLACEHOLDER_SHARE = 0.015
PUBLIC_SMS_CROWD, PUBLIC_SMS_RING = 0.03, 0.22
VENDOR_SHARE = {"R3": 0.10, "R4": 0.12, "R8": 0.06}  # members whose number came from R2's SMS farm
ACTIVE_AFTER = 5  # visits: a victim is someone who uses the product


def spread_poison(draft: Draft, crowd: Crowd, plan: Plan, seed: int, knobs: Knobs) -> Draft:
    """Every poison, in an order that lets later ones build on earlier ones."""
    rate = knobs.poison_rate
    draft = _share_vendor_numbers(draft, seed, rate)
    draft = _give_public_numbers(draft, plan, seed, rate)
    draft = _blank_devices(draft, seed, rate)
    draft = _take_over(draft, seed, round(plan.takeovers * rate))
    draft = _steal_cards(draft, seed, round(plan.stolen_owners * rate))
    draft = _sell_to_users(draft, seed, round(plan.buyers * rate))
    draft = _visit_kiosks(draft, crowd, seed, round(plan.kiosk_operators * rate))
    return _clone_laptops(draft, crowd, seed, round(plan.cloned_laptops * min(rate, 1.0)))


def _share_vendor_numbers(draft: Draft, seed: int, rate: float) -> Draft:
    """Rival rings rent from the same SMS farm: their members hold numbers that R2's members hold."""
    rng = open_stream(seed, "poison", "vendor")
    cast = draft.cast
    ring, u = cast["ring"].to_list(), rng.random(len(cast))
    share = np.array([VENDOR_SHARE.get(name or "", 0.0) for name in ring]) * rate
    held = cast.filter(pl.col("ring") == "R2", pl.col("phone").is_not_null())["phone"]
    rented = held.filter(held.is_duplicated()).unique().sort()
    if rented.is_empty():
        return draft
    numbers = rented.gather(rng.integers(0, len(rented), len(cast)))
    return replace(draft, cast=_set_phone(cast, u < share, numbers, "voip", "sms_vendor_shared_by_rivals"))


def _give_public_numbers(draft: Draft, plan: Plan, seed: int, rate: float) -> Draft:
    """Public and recycled SMS numbers: some people use them for privacy, many ring members because they are free."""
    rng = open_stream(seed, "poison", "sms")
    cast = draft.cast
    numbers = make_phones(rng, plan.sms_numbers)
    u, v = rng.random(len(cast)), rng.random(len(cast))
    share = np.where(cast["ring"].is_null().to_numpy(), PUBLIC_SMS_CROWD, PUBLIC_SMS_RING) * rate
    drawn = numbers.gather(rng.integers(0, len(numbers), len(cast)))
    kind = pick_strings(["public_sms", "voip", "mobile"], np.where(v < 0.5, 0, np.where(v < 0.8, 1, 2)))
    cast = _set_phone(cast, u < share, drawn, kind, "public_sms_number")
    on_number = cast.filter(pl.col("why") == "public_sms_number").select("acct", "phone", "actor", "ring")
    rings = on_number.filter(pl.col("ring").is_not_null()).select("phone", "actor", "ring").unique()
    touched = on_number.filter(pl.col("ring").is_null()).select("acct", "phone").join(rings, on="phone")
    touched = touched.unique(["acct", "actor"]).sort("acct", "actor")
    roles = table(ROLES, len(touched), acct=touched["acct"], actor=touched["actor"], ring=touched["ring"],
                  role="contaminated", from_at=0)  # fmt: skip
    return replace(draft, cast=cast, roles=pl.concat([draft.roles, roles]))


def _set_phone(
    cast: pl.DataFrame, mask: NDArray[np.bool_], phone: pl.Series, kind: pl.Series | str, why: str
) -> pl.DataFrame:
    chosen, kinds = pl.Series(mask), kind if isinstance(kind, pl.Series) else pl.lit(kind)
    return cast.with_columns(
        phone=pl.when(chosen).then(phone).otherwise("phone"),
        phone_type=pl.when(chosen).then(kinds).otherwise("phone_type"),
        why=pl.when(chosen).then(pl.lit(why)).otherwise("why"),
    )


def _blank_devices(draft: Draft, seed: int, rate: float) -> Draft:
    """A broken client of 1.5 % of the accounts sends the all-zero device id in most of its visits."""
    rng = open_stream(seed, "poison", "placeholder")
    unlucky = pl.Series(rng.random(len(draft.cast)) < PLACEHOLDER_SHARE * rate)
    accounts = draft.cast["acct"].filter(unlucky)
    mine = draft.visits["acct"].is_in(accounts.to_list()) & draft.visits["device"].is_not_null()
    hit = mine & pl.Series(rng.random(len(mine)) < 0.6)
    visits = draft.visits.with_columns(
        device=pl.when(hit).then(pl.lit(PLACEHOLDER_DEVICE)).otherwise("device"),
        why=pl.when(hit).then(pl.lit("placeholder_device")).otherwise("why"),
    )
    row = table(DEVICES, 1, device=PLACEHOLDER_DEVICE, install="inst_unknown", fp=0, os=1, emulator=False,
                placeholder=True, lang="en", zone=0, why="placeholder_device")  # fmt: skip
    return replace(draft, visits=visits, devices=pl.concat([draft.devices, row]))


def _active_crowd(draft: Draft) -> Ints:
    """Ordinary people with enough visits to be missed."""
    seen = draft.visits.filter(pl.col("part") == "crowd", pl.col("at") >= 0).group_by("acct").len()
    return seen.filter(pl.col("len") >= ACTIVE_AFTER)["acct"].sort().to_numpy()


def _take_over(draft: Draft, seed: int, count: int) -> Draft:
    """Takeover victims: a ring's machine and address on an innocent account, for an hour, after a password reset."""
    rng = open_stream(seed, "poison", "takeover")
    people = rng.permutation(_active_crowd(draft))
    ring_rows = draft.visits.filter(pl.col("part").str.contains("^R[123]($|[.])"), pl.col("at") >= 0)
    rows = ring_rows[np.sort(rng.choice(len(ring_rows), min(4 * len(people), len(ring_rows)), replace=False))]
    rows = rows[rng.permutation(len(rows))][:count]
    victims = people[: len(rows)]
    again = np.repeat(np.arange(len(rows)), 2)
    source = rows[again]
    visits = make_visits(
        "takeover",
        victims[again],
        np.minimum(source["at"].to_numpy() + np.tile([20 * MINUTE, 35 * MINUTE], len(rows)), HORIZON - 1),
        kind=pick_strings(["reset", "login"], np.tile([0, 1], len(rows))),
        ip=source["ip"],
        country=source["country"],
        device=source["device"],
        n=np.tile([1, 3], len(rows)),
        template=source["template"],
        share=0.6,
        lang=source["lang"],
        why="account_takeover",
    )
    operators = draft.cast.select("acct", "actor", "ring")
    owner = rows.select("acct", "at").join(operators, on="acct", how="left", maintain_order="left")
    roles = table(ROLES, len(rows), acct=victims, actor=owner["actor"], ring=owner["ring"], role="victim",
                  from_at=owner["at"])  # fmt: skip
    return replace(draft, visits=pl.concat([draft.visits, visits]), roles=pl.concat([draft.roles, roles]))


def _steal_cards(draft: Draft, seed: int, count: int) -> Draft:
    """Some of R6's stolen cards belong to our own customers."""
    rng = open_stream(seed, "poison", "cards")
    taken = draft.charges.filter(pl.col("part").str.starts_with("R6")).unique("card", keep="first", maintain_order=True)
    taken = taken.filter(pl.Series(rng.permutation(len(taken)) < count))
    household_cards = draft.cast.filter(pl.col("card").is_duplicated())["card"].unique().to_list()
    payers = draft.cast.filter(
        pl.col("ring").is_null(), pl.col("card").is_not_null(), ~pl.col("card").is_in(household_cards)
    )["acct"].to_numpy()
    owners = rng.permutation(payers)[: len(taken)]
    taken = taken[: len(owners)]
    mine = pl.DataFrame({"acct": owners, "stolen": taken["card"]}, schema_overrides={"acct": pl.Int64})

    def hand_over(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(mine, on="acct", how="left", maintain_order="left")
        marked = joined.with_columns(why=pl.when(pl.col("stolen").is_not_null() & pl.col("card").is_not_null())
                                     .then(pl.lit("stolen_card_of_customer")).otherwise("why"))  # fmt: skip
        owned = pl.when(pl.col("card").is_not_null()).then(pl.coalesce("stolen", "card")).alias("card")
        return marked.with_columns(owned).drop("stolen")

    thief = taken.select("acct").join(
        draft.cast.select("acct", "actor", "ring"), on="acct", how="left", maintain_order="left"
    )
    roles = table(ROLES, len(owners), acct=owners, actor=thief["actor"], ring=thief["ring"], role="victim",
                  from_at=taken["at"])  # fmt: skip
    return replace(
        draft,
        cast=hand_over(draft.cast),
        charges=hand_over(draft.charges),
        roles=pl.concat([draft.roles, roles]),
    )


def _sell_to_users(draft: Draft, seed: int, count: int) -> Draft:
    """Some who buy an R4 account are our own ordinary users: their machine is on both."""
    rng = open_stream(seed, "poison", "buyers")
    ours = draft.visits.filter(pl.col("part").str.starts_with("R4"))
    sellers = ours.filter(pl.col("kind") == "signup")["device"].unique().to_list()
    bought = draft.visits.with_row_index("row").filter(
        pl.col("part").str.starts_with("R4"), ~pl.col("device").is_in(sellers), pl.col("device") != PLACEHOLDER_DEVICE
    )
    machines = bought.unique("device", keep="first", maintain_order=True).filter(pl.col("at") < HORIZON - 24 * HOUR)
    machines = machines[rng.permutation(len(machines))].unique("acct", keep="first", maintain_order=True)[:count]
    people = rng.permutation(_active_crowd(draft))[: len(machines)]
    home = draft.visits.filter(
        pl.col("part") == "crowd", pl.col("device").is_not_null(), pl.col("device") != PLACEHOLDER_DEVICE
    ).unique("acct", keep="first", maintain_order=True)
    own = pl.DataFrame({"acct": people}).join(home, on="acct", how="inner", maintain_order="left")
    machines = machines[: len(own)]
    trade = pl.DataFrame(
        {"device": machines["device"], "mine": own["device"], "my_ip": own["ip"], "my_country": own["country"]}
    )
    joined = draft.visits.join(trade, on="device", how="left", maintain_order="left")
    traded = pl.col("mine").is_not_null()
    visits = joined.with_columns(
        why=pl.when(traded).then(pl.lit("buyer_of_resold_account")).otherwise("why"),
        device=pl.coalesce("mine", "device"),
        ip=pl.coalesce("my_ip", "ip"),
        country=pl.coalesce("my_country", "country"),
    ).drop("mine", "my_ip", "my_country")
    sold = machines.select("acct", "at").join(draft.cast.select("acct", "actor", "ring"), on="acct", how="left",
                                              maintain_order="left")  # fmt: skip
    roles = table(
        ROLES, len(own), acct=own["acct"], actor=sold["actor"], ring=sold["ring"], role="buyer", from_at=sold["at"]
    )
    return replace(draft, visits=visits, roles=pl.concat([draft.roles, roles]))


def _visit_kiosks(draft: Draft, crowd: Crowd, seed: int, count: int) -> Draft:
    """Operators who once sat down at a campus kiosk: the machine then joins them to its everyday users."""
    rng = open_stream(seed, "poison", "kiosk")
    at_kiosk = draft.visits.filter(pl.col("part") == "crowd", pl.col("device").is_in(crowd.kiosks))
    candidates = (
        draft.visits.with_row_index("row")
        .filter(pl.col("part").str.contains("^R[1238]($|[.])"), pl.col("kind") == "login", pl.col("at") >= 0)
        .unique("acct", keep="first", maintain_order=True)
    )
    chosen = candidates[rng.permutation(len(candidates))][: count if len(at_kiosk) else 0]
    seat = at_kiosk[rng.integers(0, max(len(at_kiosk), 1), len(chosen))]
    place = pl.DataFrame(
        {"row": chosen["row"], "new_device": seat["device"], "new_ip": seat["ip"], "new_country": seat["country"]}
    )
    joined = draft.visits.with_row_index("row").join(place, on="row", how="left", maintain_order="left")
    visits = joined.with_columns(
        why=pl.when(pl.col("new_device").is_not_null()).then(pl.lit("kiosk_used_by_operator")).otherwise("why"),
        device=pl.coalesce("new_device", "device"),
        ip=pl.coalesce("new_ip", "ip"),
        country=pl.coalesce("new_country", "country"),
    ).drop("row", "new_device", "new_ip", "new_country")
    operators = chosen.select("acct", "at").join(draft.cast.select("acct", "actor", "ring"), on="acct", how="left",
                                                 maintain_order="left")  # fmt: skip
    sat = operators.with_columns(seat["device"]).join(
        at_kiosk.select(user="acct", device="device").unique(), on="device"
    )
    sat = sat.unique(["user", "actor"], keep="first").sort("user", "actor")
    roles = table(
        ROLES, len(sat), acct=sat["user"], actor=sat["actor"], ring=sat["ring"], role="bystander", from_at=sat["at"]
    )
    return replace(draft, visits=visits, roles=pl.concat([draft.roles, roles]))


def _clone_laptops(draft: Draft, crowd: Crowd, seed: int, count: int) -> Draft:
    """An employer clones one disk image: thirty laptops report one install id."""
    colleagues = draft.cast.filter(pl.col("org") == 0)["acct"].to_list()
    used = draft.visits.filter(
        pl.col("acct").is_in(colleagues),
        pl.col("kind") != "api",
        ~pl.col("device").is_in([PLACEHOLDER_DEVICE, *crowd.kiosks]),
    ).unique("acct", keep="first", maintain_order=True)
    laptops = used["device"][:count].to_list()
    cloned = pl.col("device").is_in(laptops)
    image = "inst_" + format(int(open_stream(seed, "poison", "clone").integers(2**60)), "012X")[:12]
    devices = draft.devices.with_columns(
        install=pl.when(cloned).then(pl.lit(image)).otherwise("install"),
        why=pl.when(cloned).then(pl.lit("cloned_disk_image")).otherwise("why"),
    )
    return replace(draft, devices=devices)
