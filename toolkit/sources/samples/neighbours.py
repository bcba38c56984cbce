"""Innocent groups: the people whom naive linking would arrest.

Every group shares something strong for an honest reason: a campus its NAT and kiosks, a household its line, tablet and
card, an employer its egress and prompts, a reseller its card, a hackathon one hour and one address. Nobody in the crowd
belongs to two of them, but for the class and the kiosk users, who are also students.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Ints, Rng, mint_ids
from toolkit.sources.samples.draft import GROUPS, make_cards, make_devices, make_phones, table
from toolkit.sources.samples.plan import DAY, HOUR, MINUTE, Plan

KIOSKS_PER_CAMPUS = 4
KIOSK_USERS = 0.12
HACKATHON_AT = 22 * DAY + 17 * HOUR
LAB_AT = 30 * DAY + 14 * HOUR
AGENCY_AT = 36 * DAY + 8 * HOUR


@dataclass
class Seats:
    """Who sits where, one place per person of the crowd; -1 is nowhere."""

    n: int
    site: Ints = field(init=False)  # a campus or an office
    org: Ints = field(init=False)
    household: Ints = field(init=False)
    country: Ints = field(init=False)
    created: Ints = field(init=False)
    special: NDArray[np.object_] = field(init=False)  # hackathon, lab, agency, qa, traveller, power
    shared_device: NDArray[np.object_] = field(init=False)  # a tablet, a kiosk, the agency's laptop
    card: NDArray[np.object_] = field(init=False)
    phone: NDArray[np.object_] = field(init=False)
    site_addresses: list[list[str]] = field(default_factory=list)
    kiosks: list[str] = field(default_factory=list)
    devices: list[pl.DataFrame] = field(default_factory=list)
    groups: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("site", "org", "household"):
            setattr(self, name, np.full(self.n, -1, dtype=np.int64))
        for name in ("special", "shared_device", "card", "phone"):
            setattr(self, name, np.full(self.n, None, dtype=object))

    def note_group(self, who: Ints, group: str, kind: str) -> None:
        """Write down that these people are a legitimate group."""
        self.groups.append(table(GROUPS, len(who), acct=who, group=group, kind=kind))

    def add_site(self, who: Ints, addresses: list[str], country: int) -> None:
        """Give these people a common place with these egress addresses."""
        self.site[who] = len(self.site_addresses)
        self.site_addresses.append(addresses)
        self.country[who] = country


def seat_groups(plan: Plan, rng: Rng, seats: Seats, campus: pl.Series, office: pl.Series) -> list[Ints]:
    """Seat every innocent group; returns the members of each organisation.

    The crowd is dealt out in a random order, so that no group stands together in the tables.
    """
    queue = rng.permutation(seats.n).astype(np.int64)
    taken = 0

    def deal(count: int) -> Ints:
        nonlocal taken
        hand = queue[taken : taken + count]
        taken += count
        return np.sort(hand)

    campus_seats = [deal(plan.campus_users) for _ in range(plan.campuses)]
    for place, who in enumerate(campus_seats):
        _seat_campus(rng, seats, place, who, campus)
    _seat_lab(plan, rng, seats, campus_seats[0])
    sizes = np.clip(rng.lognormal(2.6, 0.7, plan.orgs), 4, 60).astype(np.int64)
    sizes[0] = max(sizes[0], plan.cloned_laptops + 4)  # one employer large enough for a cloned disk image
    members = [deal(int(size)) for size in sizes]
    for place, who in enumerate(members):
        seats.org[who] = place
        egress = office[2 * place : 2 * place + 1 + place % 2].to_list()
        seats.add_site(who, egress, int(seats.country[who[0]]))
        seats.card[who[: max(1, len(who) // 4)]] = make_cards(rng, 1)[
            0
        ]  # the corporate card, where seats are paid alone
        seats.note_group(who, f"org/{place}", "org")
    for place in range(plan.resellers):
        who = deal(int(rng.integers(plan.reseller_customers[0], plan.reseller_customers[1] + 1)))
        seats.card[who] = make_cards(rng, 1)[0]
        seats.special[who] = "reseller"
        seats.note_group(who, f"reseller/{place}", "reseller")
    _seat_hackathon(rng, seats, deal(plan.hackathon), office[len(office) - 1])
    _seat_agency(rng, seats, deal(plan.agency), office[len(office) - 2])
    _seat_testers(rng, seats, deal(plan.qa), office[len(office) - 3])
    seats.special[deal(plan.travellers)] = "traveller"
    seats.special[deal(plan.power_users)] = "power"
    _seat_households(plan, rng, seats, queue[taken:])
    return members


def _seat_campus(rng: Rng, seats: Seats, place: int, who: Ints, campus: pl.Series) -> None:
    seats.add_site(who, campus[3 * place : 3 * place + 3].to_list(), int(rng.integers(0, 12)))
    kiosks = make_devices(rng, KIOSKS_PER_CAMPUS)
    seats.devices.append(kiosks)
    seats.kiosks += kiosks["device"].to_list()
    users = who[rng.random(len(who)) < KIOSK_USERS]
    seats.shared_device[users] = np.array(kiosks["device"].to_list(), dtype=object)[rng.integers(0, 4, len(users))]
    seats.note_group(who, f"campus/{place}", "campus")
    for kiosk in kiosks["device"]:
        using = users[seats.shared_device[users] == kiosk]
        if len(using) > 1:
            seats.note_group(np.asarray(using), f"kiosk/{kiosk}", "kiosk")


def _seat_lab(plan: Plan, rng: Rng, seats: Seats, students: Ints) -> None:
    """N2: a class signs up together in the campus lab and sends the same assignment prompt."""
    who = np.sort(rng.choice(students, plan.lab, replace=False))
    seats.special[who] = "lab"
    seats.created[who] = LAB_AT - rng.integers(0, 50 * MINUTE, len(who))
    seats.note_group(who, "lab/0", "lab")


def _seat_hackathon(rng: Rng, seats: Seats, who: Ints, address: str) -> None:
    """N1: a burst of sign-ups in three hours from one address with one promo code."""
    seats.special[who] = "hackathon"
    seats.add_site(who, [address], int(seats.country[who[0]]))
    seats.created[who] = HACKATHON_AT + np.sort(rng.beta(1.2, 2.0, len(who)) * 3 * HOUR).astype(np.int64)
    seats.note_group(who, "hackathon/0", "hackathon")


def _seat_agency(rng: Rng, seats: Seats, who: Ints, address: str) -> None:
    """N3: an agency opens accounts for its clients in a day, on its own laptops, and pays for them."""
    seats.special[who] = "agency"
    seats.add_site(who, [address], int(seats.country[who[0]]))
    seats.created[who] = AGENCY_AT + np.sort(rng.integers(0, 9 * HOUR, len(who)))
    laptops = make_devices(rng, 2)
    seats.devices.append(laptops)
    seats.shared_device[who] = np.array(laptops["device"].to_list(), dtype=object)[rng.integers(0, 2, len(who))]
    seats.card[who] = make_cards(rng, 1)[0]
    seats.note_group(who, "agency/0", "agency")


def _seat_testers(rng: Rng, seats: Seats, who: Ints, address: str) -> None:
    """The company's own test accounts: same desk, same machines, an emulator among them."""
    seats.special[who] = "qa"
    seats.add_site(who, [address], 0)
    machines = make_devices(rng, 2, emulator=[True, False])
    seats.devices.append(machines)
    seats.shared_device[who] = np.array(machines["device"].to_list(), dtype=object)[rng.integers(0, 2, len(who))]
    seats.note_group(who, "qa/0", "qa")


def _seat_households(plan: Plan, rng: Rng, seats: Seats, rest: Ints) -> None:
    """Two to five people on one line; 35 % of homes share a tablet, 35 % a card, 30 % a phone number."""
    people = int(plan.household_share * seats.n)
    sizes = rng.choice([2, 3, 4, 5], people, p=[0.5, 0.25, 0.18, 0.07])
    homes = int(np.searchsorted(np.cumsum(sizes), people))
    home = np.repeat(np.arange(homes), sizes[:homes])
    who = rest[: len(home)]
    home = home[: len(who)]
    seats.household[who] = home
    first = who[np.unique(home, return_index=True)[1]]
    seats.country[who] = seats.country[first][home]
    tablets = make_devices(rng, homes)
    for values, share, column in (
        (tablets["device"], 0.35, seats.shared_device),
        (make_cards(rng, homes), 0.35, seats.card),
        (make_phones(rng, homes), 0.30, seats.phone),
    ):
        sharing = rng.random(homes) < share
        mine = sharing[home]
        column[who[mine]] = np.array(values.to_list(), dtype=object)[home[mine]]
    seats.devices.append(tablets)
    # ids that carry no rank: the number of a home means nothing
    names = mint_ids(rng, "home", homes, 6)
    seats.groups.append(table(GROUPS, len(who), acct=who, group=names.gather(home), kind="household"))
