"""Identifiers that lie: placeholders, clones, stolen cards, takeovers, second-hand things, a borrowed seat."""

from __future__ import annotations

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.draft import PLACEHOLDER_DEVICE, ROLES, table
from toolkit.sources.samples.families.ground import Town, pick_some
from toolkit.sources.samples.families.part import OTHER_HANDS, Part, hold, stack_parts
from toolkit.sources.samples.plan import DAY


def tell_lies(town: Town, world: Part) -> Part:
    """Plant every lie of the ground in a world that is otherwise complete."""
    lies = [_send_placeholders, _clone_image, _steal_cards, _take_over, _sell_second_hand, _sit_at_kiosk]
    return stack_parts([world, *(lie(town, world) for lie in lies)])


def _crowd(town: Town, world: Part) -> pl.DataFrame:
    """Ordinary accounts."""
    return world.cast.filter(pl.col("acct") < town.ground.people)


def _ring_holdings(town: Town, world: Part, kind: str) -> pl.DataFrame:
    """What ring accounts hold of a kind, with their operator."""
    rings = world.cast.filter(pl.col("role") == "member").select("acct", "actor", "ring", born="created", dies="until")
    held = world.holdings.filter(pl.col("kind") == kind, pl.col("acct") >= town.ground.people)
    return held.join(rings, on="acct", how="inner", maintain_order="left")


def _some(rng: Rng, frame: pl.DataFrame, n: int) -> pl.DataFrame:
    return frame[rng.permutation(len(frame))[:n]]


def _touched(role: str, acct: Ints | pl.Series, by: pl.DataFrame, from_at: Ints) -> pl.DataFrame:
    return table(ROLES, len(by), acct=acct, actor=by["actor"], ring=by["ring"], role=role, from_at=from_at)


def _send_placeholders(town: Town, world: Part) -> Part:
    """Some clients send a constant for a device id: nil, or the default of one SDK, which looks like any other id."""
    rng = town.stream("lies", "placeholders")
    who = world.cast["acct"].to_numpy()[pick_some(rng, len(world.cast), town.ground.placeholders)]
    default = town.mint(rng, "device", 1)[0]
    sent = [PLACEHOLDER_DEVICE if nil else default for nil in rng.random(len(who)) < 0.7]
    return Part(holdings=hold(who, "device", sent, why="placeholder_device"))


def _clone_image(town: Town, world: Part) -> Part:
    """The largest employer clones one disk image: all those laptops report one device id."""
    staff = world.groups.filter(pl.col("kind") == "org")
    sizes = staff.group_by("group").len().sort("len", "group", descending=[True, False])
    who = staff.filter(pl.col("group") == sizes["group"][0])["acct"][: town.ground.clones]
    image = town.mint(town.stream("lies", "clone"), "device", 1)[0]
    return Part(holdings=hold(who.to_numpy(), "device", image, why="cloned_image"))


def _steal_cards(town: Town, world: Part) -> Part:
    """Some ring accounts pay with the card of a customer of ours: the owner is a victim."""
    rng = town.stream("lies", "cards")
    members = world.cast.filter(pl.col("role") == "member")
    cards = world.holdings.filter(pl.col("kind") == "card", pl.col("acct") < town.ground.people)
    once = cards.filter(pl.col("value").is_unique())
    thieves = _some(rng, members, town.ground.stolen_cards)
    owners = _some(rng, once, len(thieves))
    thieves = thieves[: len(owners)]
    since = np.maximum(thieves["created"].to_numpy(), 0)
    held = hold(thieves["acct"], "card", owners["value"], since=since, why="stolen_card_of_customer")
    return Part(holdings=held, roles=_touched("victim", owners["acct"], thieves, since))


def _take_over(town: Town, world: Part) -> Part:
    """Ring machines on accounts of innocent people: from that day there is another hand on the account."""
    rng = town.stream("lies", "takeovers")
    hands = _some(rng, _ring_holdings(town, world, "device"), town.ground.takeovers)
    settled = _crowd(town, world).filter(pl.col("created") < 0, pl.col("until") > town.horizon // 3)
    victims = _some(rng, settled, len(hands))
    hands = hands[: len(victims)]
    since = np.maximum(hands["born"].to_numpy(), victims["until"].to_numpy() // 2)
    since = np.minimum(since, victims["until"].to_numpy() - DAY // 2)
    more = {"since": since, "until": since + 3 * DAY, "bundle": OTHER_HANDS, "why": "takeover"}
    held = [hold(victims["acct"], "device", hands["value"], **more)]
    held.append(hold(victims["acct"], "ip", town.draw_exits(rng, len(victims)), **more))
    return Part(holdings=pl.concat(held), roles=_touched("victim", victims["acct"], hands, since))


def _sell_second_hand(town: Town, world: Part) -> Part:
    """Numbers are handed out again and machines are sold: a stranger has the value, weeks after the first."""
    parts = []
    for kind, count, why in (
        ("phone", town.ground.recycled_phones, "recycled_phone"),
        ("device", town.ground.resold_devices, "resold_device"),
    ):
        rng = town.stream("lies", why)
        old = _crowd(town, world).filter(pl.col("created") < 0)
        new = _some(rng, _crowd(town, world).filter(pl.col("created") > town.horizon // 2), count)
        held = world.holdings.filter(pl.col("kind") == kind, pl.col("value").is_unique())
        first = _some(rng, held.join(old, on="acct", how="semi", maintain_order="left"), len(new))
        new = new[: len(first)]
        parts.append(hold(new["acct"], kind, first["value"], weight=50.0 if kind == "phone" else 2.0, why=why))
    return Part(holdings=pl.concat(parts))


def _sit_at_kiosk(town: Town, world: Part) -> Part:
    """Operators who once sat down at a campus machine."""
    rng = town.stream("lies", "kiosk")
    users = world.groups.filter(pl.col("kind") == "kiosk").select("acct")
    machines = world.holdings.filter(pl.col("kind") == "device", pl.col("bundle") > 0)
    seats = _some(rng, machines.join(users, on="acct", how="semi", maintain_order="left"), town.ground.kiosk_operators)
    guests = _some(rng, world.cast.filter(pl.col("role") == "member"), len(seats))
    seats = seats[: len(guests)]
    since = np.maximum(guests["created"].to_numpy(), 0)
    held = hold(guests["acct"], "device", seats["value"], since=since, bundle=OTHER_HANDS, why="kiosk_used_by_operator")
    return Part(holdings=held, roles=_touched("bystander", seats["acct"], guests, since))
