"""One world, from a seed: the crowd, the rings among it, the poison, then the tables that a company would hold.

The order matters. Who people are and when they come is drawn first, in working frames (see ``draft``); then lies are
planted; then bans cut short what banned accounts would have done; only at the end are ids given and logs written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from toolkit.sources.samples import books, logs, verdicts
from toolkit.sources.samples.answers import write_truth
from toolkit.sources.samples.contagion import draft_contagion
from toolkit.sources.samples.crews import draft_borrowed_voices, draft_card_testers, draft_phishing_crew
from toolkit.sources.samples.crowd import Crowd, build_crowd
from toolkit.sources.samples.draft import Draft, stack_drafts
from toolkit.sources.samples.escalations import write_escalations
from toolkit.sources.samples.farms import draft_lazy_farm, draft_patient_farm, draft_resale_farm
from toolkit.sources.samples.internet import Internet, build_internet, describe_addresses
from toolkit.sources.samples.machines import draft_hydra, draft_key_thieves, draft_relay
from toolkit.sources.samples.names import name_world
from toolkit.sources.samples.plan import HORIZON, Knobs, Plan, find_plan
from toolkit.sources.samples.poison import spread_poison
from toolkit.sources.samples.record import keep_records
from toolkit.sources.samples.returns import draft_evaders, draw_wave
from toolkit.sources.samples.scene import Scene
from toolkit.sources.samples.texts import Catalogue, build_catalogue

RINGS = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10")


@dataclass(frozen=True)
class World:
    """A synthetic company's tables, the truth behind them, and six escalations."""

    tables: dict[str, pl.DataFrame]
    truth: dict[str, pl.DataFrame]
    escalations: list[dict[str, Any]]
    seed: int
    size: str


def generate_world(
    size: str = "tiny",
    seed: int = 0,
    *,
    poison_rate: float = 1.0,
    chaff: float = 1.0,
    proxy_rotation: float = 1.0,
    leak_rate: float = 1.0,
) -> World:
    """Generate a SYNTHETIC world: same size, seed and knobs, same bytes.

    Parameters
    ----------
    size
        ``tiny`` (2,000 accounts), ``std`` (20,000 accounts, 60 days, about 0.6 M requests) or ``large`` (1 M accounts).
    seed
        A whole number. Every component draws from its own stream, so a knob leaves unrelated parts as they were.
    poison_rate
        How many "strong" ids lie (placeholder devices, public numbers, stolen cards, takeovers); 0 is clean data.
    chaff
        How much ordinary traffic rings mix in.
    proxy_rotation
        How many addresses rings spread over.
    leak_rate
        How many mistakes operators make.

    Returns
    -------
    World
        ``tables`` as a company would hold them, ``truth`` for scoring only, ``escalations``.

    Raises
    ------
    InputError
        An unknown size, a seed that is not a whole number, a knob outside 0 to 10.

    Examples
    --------
    >>> world = generate_world("tiny", seed=0)
    >>> len(world.tables["accounts"]), len(world.escalations)
    (2000, 6)
    """
    plan = find_plan(size, seed)
    return build_world(plan, seed, Knobs(poison_rate, chaff, proxy_rotation, leak_rate))


def build_world(plan: Plan, seed: int, knobs: Knobs) -> World:
    """Generate a world of any plan (:func:`generate_world` picks one by name).

    Examples
    --------
    >>> from toolkit.sources.samples.plan import TINY
    >>> build_world(TINY, 1, Knobs()).size
    'tiny'
    """
    net, book = build_internet(plan, seed), build_catalogue(plan, seed)
    crowd = build_crowd(plan, seed, net, book, plan.accounts - plan.ring_accounts)
    draft = stack_drafts([crowd.draft, *_draft_rings(plan, knobs, seed, net, book, crowd)])
    crowd = replace(crowd, draft=Draft())  # from here on the stacked draft stands for it: a large world is kept once
    draft = spread_poison(draft, crowd, plan, seed, knobs)
    bans = pl.concat([draft.bans, draw_wave(plan, seed, draft)])
    bans = verdicts.decide_appeals(bans.unique("acct", keep="first", maintain_order=True), seed)
    return _write_tables(draft, bans, crowd, net, book, plan, seed)


def _draft_rings(plan: Plan, knobs: Knobs, seed: int, net: Internet, book: Catalogue, crowd: Crowd) -> Iterator[Draft]:
    """Every ring, each copy with its own block of account numbers after the crowd's."""
    base = len(crowd.draft.cast)
    for copy in range(plan.copies):
        for ring in RINGS:
            scene = Scene(plan, knobs, net, book, seed, ring, copy, base)
            ours = _draft_ring(scene, crowd)
            base += len(ours.cast)
            yield ours
        yield draft_contagion(Scene(plan, knobs, net, book, seed, "R11", copy, base), crowd.draft)


def _draft_ring(scene: Scene, crowd: Crowd) -> Draft:
    if scene.ring == "R5":
        return draft_key_thieves(scene, crowd.orgs, crowd.keys)
    make = {
        "R1": draft_lazy_farm,
        "R2": draft_patient_farm,
        "R3": draft_phishing_crew,
        "R4": draft_resale_farm,
        "R6": draft_card_testers,
        "R7": draft_evaders,
        "R8": draft_hydra,
        "R9": draft_borrowed_voices,
        "R10": draft_relay,
    }
    return make[scene.ring](scene)


def _write_tables(
    draft: Draft, bans: pl.DataFrame, crowd: Crowd, net: Internet, book: Catalogue, plan: Plan, seed: int
) -> World:
    names = name_world(seed, plan.accounts, len(crowd.orgs))
    first_use = books.find_first_use(draft.visits, bans)
    opened = draft.visits.filter(pl.col("kind") == "signup").select("acct", "ip", "device")
    visits = logs.drop_after_ban(draft.visits.filter(pl.col("at").is_between(0, HORIZON - 1)), bans)
    draft = replace(draft, visits=Draft().visits)
    vpn = describe_addresses(net, plan).filter(pl.col("kind").is_in(["vpn", "hosting"])).select("ip", "cc")
    org_of = draft.cast.sort("acct")["org"].to_numpy()
    records = keep_records(visits, draft.devices, bans, vpn, org_of, book, plan, names)
    payments, lies = books.write_payments(draft, crowd, names, bans)
    tables = {
        "accounts": books.write_accounts(draft, opened, names, bans),
        "orgs": books.write_orgs(crowd, names),
        "api_keys": books.write_api_keys(crowd, records.key_use, names),
        "auth_events": records.tables["auth_events"],
        "devices": books.write_devices(draft, first_use),
        "ip_intel": books.write_ip_intel(net, plan, visits),
        "requests": records.tables["requests"],
        "content": records.tables["content"],
        "labels": records.tables["labels"],
        "payments": payments,
        "credits": books.write_credits(draft, records.spending, names),
        "enforcement": verdicts.write_enforcement(draft, bans, names),
        "reports": verdicts.write_reports(draft, names),
    }
    truth = write_truth(draft, bans, {"auth_events": records.lies, "payments": lies}, book, names)
    return World(tables, truth, write_escalations(draft, names), seed, plan.name)
