"""How big each part of a sample world is, and the four knobs that make it harder or easier.

The figures are those of the reference set: 20,000 accounts over 60 days. ``tiny`` keeps every part recognisable at a
tenth of the size; ``large`` has the crowd of a real product and five copies of every ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from toolkit.errors import InputError

GENERATOR_VERSION = "1"
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
DAYS = 60
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
HORIZON = DAYS * DAY
BAN_DAY = 25
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Plan:
    """The head-counts of one size."""

    name: str
    accounts: int
    visits_log_mean: float = 2.0  # sessions per account: lognormal(this, .9), cut to 2..90
    requests_per_visit: float = 2.4
    content_share: float = 0.4  # of the requests whose text is kept
    copies: int = 1  # how many times each ring is planted

    # innocent groups that look like rings
    vpn_exits: int = 120
    campuses: int = 5
    campus_users: int = 260
    orgs: int = 45
    resellers: int = 4
    reseller_customers: tuple[int, int] = (40, 80)
    household_share: float = 0.10
    hackathon: int = 120
    lab: int = 60
    agency: int = 50
    qa: int = 12
    travellers: int = 60
    power_users: int = 40

    # rings
    r1: int = 110
    r1_mailboxes: int = 5
    r2: int = 180
    r2_cards: int = 70
    r3: int = 36
    r3_devices: int = 30
    r3_cards: int = 14
    r4: int = 60
    r4_phones: int = 12
    r5_orgs: int = 25
    r5: int = 3
    r6: int = 150
    r6_cards: int = 420
    r7: tuple[int, ...] = (3, 4, 5, 6, 4, 5, 3, 6, 5, 4, 5, 6, 3, 4, 5)
    r8: int = 350
    r8_templates: int = 25
    r8_ips: int = 400
    r9: int = 24
    r10: int = 18
    r11: int = 90

    # poison
    sms_numbers: int = 70
    takeovers: int = 14
    stolen_owners: int = 25
    buyers: int = 18
    kiosk_operators: int = 6
    cloned_laptops: int = 30
    wrong_bans: int = 40

    @property
    def ring_accounts(self) -> int:
        """Accounts that belong to operators (R11 and the victims are people of the crowd)."""
        one = self.r1 + self.r2 + self.r3 + self.r4 + self.r5 + self.r6 + sum(self.r7) + self.r8 + self.r9 + self.r10
        return one * self.copies


STD = Plan(name="std", accounts=20_000)
TINY = Plan(
    name="tiny",
    accounts=2_000,
    requests_per_visit=1.5,
    content_share=0.34,
    vpn_exits=40,
    campuses=2,
    campus_users=60,
    orgs=9,
    resellers=2,
    reseller_customers=(14, 20),
    hackathon=30,
    lab=16,
    agency=14,
    qa=4,
    travellers=8,
    power_users=6,
    r1=24,
    r1_mailboxes=2,
    r2=30,
    r2_cards=12,
    r3=10,
    r3_devices=8,
    r3_cards=4,
    r4=12,
    r4_phones=3,
    r5_orgs=6,
    r5=2,
    r6=24,
    r6_cards=66,
    r7=(3, 4, 5, 4),
    r8=30,
    r8_templates=8,
    r8_ips=40,
    r9=8,
    r10=6,
    r11=14,
    sms_numbers=8,
    takeovers=4,
    stolen_owners=5,
    buyers=5,
    kiosk_operators=2,
    cloned_laptops=8,
    wrong_bans=6,
)
LARGE = Plan(
    name="large",
    accounts=1_000_000,
    visits_log_mean=0.9,
    requests_per_visit=1.3,
    content_share=0.1,
    copies=5,
    vpn_exits=600,
    campuses=60,
    campus_users=600,
    orgs=1_500,
    resellers=30,
    travellers=2_000,
    power_users=1_000,
    sms_numbers=2_700,
    takeovers=70,
    stolen_owners=125,
    buyers=90,
    kiosk_operators=30,
    wrong_bans=2_000,
)
PLANS = {plan.name: plan for plan in (TINY, STD, LARGE)}


@dataclass(frozen=True)
class Knobs:
    """Difficulty, 1.0 each in the reference set: draw a degradation curve by turning one."""

    poison_rate: float = 1.0  # how many "strong" ids lie
    chaff: float = 1.0  # how much ordinary traffic rings mix in
    proxy_rotation: float = 1.0  # how many addresses rings spread over
    leak_rate: float = 1.0  # how many mistakes operators make

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0.0 <= value <= 10.0:
                raise InputError(f"{name} must be a number from 0 to 10; found {value!r}")


def find_plan(size: str, seed: int) -> Plan:
    """The plan called ``size``; refuses unknown sizes and seeds that are not whole numbers from 0.

    Examples
    --------
    >>> find_plan("std", 0).accounts
    20000
    """
    if size not in PLANS:
        raise InputError(f"size must be one of {', '.join(PLANS)}; found {size!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed must be a whole number from 0 to {MAX_SEED}; found {seed!r}")
    return PLANS[size]
