"""The ground a family stands on: how many of every sort of neighbour, and the addresses and hubs that all share.

Every family has its own :class:`Ground`; ``lay_ground`` makes a :class:`Town` of it. Addresses are from ranges that are
never routed to a stranger, as in :mod:`toolkit.sources.samples.internet`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Floats, Ints, Rng, dirichlet_weights, mint_ids, open_stream, zipf_weights
from toolkit.sources.samples.internet import format_ipv4
from toolkit.sources.samples.plan import DAY

TINY_SHARE = 0.16

_CARRIER, _EXCHANGE, _HOMES = 0x64400000, 0xC6120000, 0xF0000000  # 100.64.0.0, 198.18.0.0, 240.0.0.0
_PREFIXES = {"device": "dev", "card": "pm", "phone": "tel", "api_key": "key", "prompt_template": "tpl"}
_PREFIXES |= {"browser_fp": "fp", "user_agent": "ua", "referral": "ref", "counterparty": "pay", "email": "mail"}


@dataclass(frozen=True)
class Ground:
    """The rules of a population: counts are for the standard size, shares are of accounts."""

    people: int = 7_000
    days: int = 60
    opens: int = 0  # days after the calendar's start at which the window opens
    prefix: str = "acct"
    old: float = 0.35  # accounts that are older than the window
    stay: float = 35.0  # mean days that an account stays

    # homes
    households: float = 0.2
    flats: float = 0.04  # people who rent together and share the line, nothing else
    tablet: float = 0.35  # of households: one device, card or phone for all
    family_card: float = 0.3
    family_phone: float = 0.25
    lease_days: float = 14.0
    reuse: float = 1.4  # addresses per line: the fewer, the more strangers meet on one

    # what people have
    mobile: float = 0.35
    egresses: int = 18
    vpn: float = 0.12
    exits: int = 70
    second_device: float = 0.4
    cards: float = 0.45
    phones: float = 0.7
    fingerprints: int = 500
    agents: int = 90
    writers: float = 0.3  # accounts whose texts are kept
    virals: int = 14
    promos: int = 5
    promo_share: float = 0.12

    # neighbours
    campuses: int = 2
    students: int = 180
    kiosks: int = 4
    orgs: int = 24
    staff: tuple[int, int] = (4, 50)
    resellers: int = 3
    agencies: int = 2
    customers: tuple[int, int] = (20, 60)
    hackathon: int = 90
    lab: int = 40
    testers: int = 9

    # identifiers that lie
    public_numbers: int = 24
    public_share: float = 0.03
    placeholders: float = 0.012
    clones: int = 22
    stolen_cards: int = 14
    takeovers: int = 10
    recycled_phones: int = 40
    resold_devices: int = 40
    kiosk_operators: int = 4

    def shrink(self, share: float) -> Ground:
        """The same rules for fewer people: every whole number but the calendar's is scaled."""
        kept = {"days", "opens", "egresses", "fingerprints", "agents", "kiosks"}
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.type == "int" and f.name not in kept}
        low, high = self.customers
        fewer = {name: max(round(n * share), 2 if n > 1 else n) for name, n in counts.items()}
        return replace(self, **fewer, customers=(max(low // 2, 8), max(high // 3, 12)), staff=(3, 14))


@dataclass(frozen=True)
class Town:
    """The shared values of one world."""

    ground: Ground
    family: str
    seed: int
    small: bool
    homes: pl.Series
    cgnat: pl.Series
    cgnat_weights: Floats
    exits: pl.Series
    exit_weights: Floats
    hosting: pl.Series
    offices: pl.Series
    fingerprints: pl.Series
    agents: pl.Series
    virals: pl.Series
    promos: pl.Series
    public_numbers: pl.Series

    @property
    def horizon(self) -> int:
        """The end of the window, in µs."""
        return self.ground.days * DAY

    def stream(self, *name: str) -> Rng:
        """Open one of this world's streams of random numbers."""
        return open_stream(self.seed, "family", self.family, *name)

    def mint(self, rng: Rng, kind: str, n: int) -> pl.Series:
        """New values of a kind; they say nothing about who holds them."""
        return mint_ids(rng, _PREFIXES.get(kind, kind[:4]), n, 15)

    def draw_exits(self, rng: Rng, n: int) -> pl.Series:
        """Exits of commercial VPNs, the busy ones more often."""
        return self.exits.gather(rng.choice(len(self.exits), n, p=self.exit_weights))

    def draw_egresses(self, rng: Rng, n: int) -> pl.Series:
        """Addresses of a carrier's NAT."""
        return self.cgnat.gather(rng.choice(len(self.cgnat), n, p=self.cgnat_weights))

    def draw_homes(self, rng: Rng, n: int) -> pl.Series:
        """Home addresses, as a residential proxy lends them: some stranger lives there."""
        return self.homes.gather(rng.integers(0, len(self.homes), n))

    def draw_hosting(self, rng: Rng, n: int) -> pl.Series:
        """Distinct servers."""
        return self.hosting.gather(rng.choice(len(self.hosting), n, replace=False))

    def draw_hub(self, rng: Rng, values: pl.Series, n: int, exponent: float = 1.05) -> pl.Series:
        """Values of a crowded kind, by Zipf's law."""
        return values.gather(rng.choice(len(values), n, p=zipf_weights(len(values), exponent)))


def lay_ground(ground: Ground, family: str, size: str, seed: int) -> Town:
    """Make the shared values of a world.

    Examples
    --------
    >>> town = lay_ground(Ground(), "doc", "tiny", 0)
    >>> town.ground.people, len(town.exits), town.exits[0][:6]
    (1120, 11, '198.18')
    """
    small = size == "tiny"
    ground = ground.shrink(TINY_SHARE) if small else ground
    rng = open_stream(seed, "family", family, "ground")

    def distinct(base: int, bits: int, n: int) -> pl.Series:
        return format_ipv4(base + 1 + rng.choice(2**bits - 2, n, replace=False).astype(np.int64))

    def minted(prefix: str, n: int) -> pl.Series:
        return mint_ids(rng, prefix, n, 15)

    return Town(
        ground=ground,
        family=family,
        seed=seed,
        small=small,
        homes=distinct(_HOMES, 24, round(ground.people * ground.reuse)),
        cgnat=distinct(_CARRIER, 22, ground.egresses),
        cgnat_weights=dirichlet_weights(rng, ground.egresses, 0.8),
        exits=distinct(_EXCHANGE, 14, ground.exits),
        exit_weights=dirichlet_weights(rng, ground.exits, 0.4),
        hosting=distinct(_EXCHANGE + 2**15, 14, 600),
        offices=distinct(_EXCHANGE + 2**16, 14, 600),
        fingerprints=minted("fp", ground.fingerprints),
        agents=minted("ua", ground.agents),
        virals=minted("tpl", ground.virals),
        promos=minted("ref", ground.promos),
        public_numbers=minted("tel", ground.public_numbers),
    )


def pick_some(rng: Rng, n: int, share: float) -> Ints:
    """The places of a random share of ``n`` things.

    Examples
    --------
    >>> len(pick_some(open_stream(0, "doc"), 5, 1.0))
    5
    """
    return np.flatnonzero(rng.random(n) < share).astype(np.int64)
