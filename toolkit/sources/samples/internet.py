"""The invented internet: countries, networks, and which address a visit comes from.

Countries are the user-assigned codes of ISO 3166, so no real nation stands in the data. Addresses come from ranges that
are never routed to a stranger: 100.64/10 (carrier NAT), 198.18/15 (data centres, offices, campuses), 240/4 (homes) and
2001:db8::/32 (homes with IPv6). Libraries call these private; code that drops private addresses will fail on this set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.sources.samples.chance import Floats, Ints, Rng, dirichlet_weights, open_stream, zipf_weights
from toolkit.sources.samples.plan import DAY, Plan

COUNTRIES = [f"X{c}" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] + [f"Q{c}" for c in "MNOPQRSTUVWXYZ"]
# Hours east of Greenwich and the first language of each country, in order of population.
ZONES = [-5, 5, 1, 0, 3, -3, 8, 1, 2, 7, 9, 1, -6, 3, 2, 1, -5, 4, 8, 3, 1, 0, 2, 10, -4, 5, 1, 3, 6, -8]
ZONES += [2, 1, 7, -3, 0, 3, 12, 2, 1, -7]
TONGUES = ["en", "en", "de", "en", "tr", "pt", "zh", "fr", "ru", "id", "ja", "es", "es", "ar", "fr", "de", "es", "en"]
TONGUES += ["zh", "ru", "fr", "en", "de", "en", "es", "en", "es", "ar", "id", "en", "ru", "fr", "id", "pt", "en", "tr"]
TONGUES += ["en", "de", "es", "en"]
COUNTRY_WEIGHTS = zipf_weights(len(COUNTRIES))
ISPS_PER_COUNTRY = 3
CGNAT_EGRESSES = 24
MOBILE_SHARE = 0.38
VPN_SHARE = 0.12
HOSTING_ADDRESSES = 800
LEASE_MEAN_US = 14 * DAY

_CARRIER, _EXCHANGE, _HOMES = 0x64400000, 0xC6120000, 0xF0000000  # 100.64.0.0, 198.18.0.0, 240.0.0.0


def format_ipv4(numbers: NDArray[np.int64]) -> pl.Series:
    """Dotted text of IPv4 numbers.

    Examples
    --------
    >>> format_ipv4(np.array([1681915904])).to_list()
    ['100.64.0.0']
    """
    n = pl.Series("n", numbers, dtype=pl.Int64).to_frame()
    octets = [((pl.col("n") // 256**power) % 256).cast(pl.String) for power in (3, 2, 1, 0)]
    return n.select(pl.concat_str(octets, separator=".").alias("ip")).to_series()


def format_ipv6(subnets: NDArray[np.int64], hosts: NDArray[np.int64]) -> pl.Series:
    """Text of addresses in 2001:db8::/32: a 32-bit subnet (the /64) and a 48-bit host part, in canonical form.

    Examples
    --------
    >>> format_ipv6(np.array([0x00010002]), np.array([0x1_0002_000A])).to_list()
    ['2001:db8:1:2:0:1:2:a']
    """
    frame = pl.DataFrame({"s": subnets, "h": hosts}, schema={"s": pl.Int64, "h": pl.Int64})
    words = [pl.col("s") // 65536, pl.col("s") % 65536, pl.lit(0), pl.col("h") // 2**32]
    words += [(pl.col("h") // 65536) % 65536, pl.col("h") % 65536]
    # Hexadecimal by table: there are only 65,536 words.
    table = pl.Series([format(i, "x") for i in range(65536)], dtype=pl.String)
    columns = frame.select(word.alias(str(i)) for i, word in enumerate(words)).with_columns(pl.col("2").cast(pl.Int64))
    texts = pl.DataFrame([table.gather(columns[str(i)]).alias(str(i)) for i in range(len(words))])
    return texts.select(pl.concat_str([pl.lit("2001:db8"), *texts.columns], separator=":").alias("ip")).to_series()


@dataclass(frozen=True)
class Internet:
    """Every shared egress of one world, with its weight, and the size of each provider's pool of home addresses."""

    cgnat: pl.Series
    cgnat_weights: Floats
    vpn: pl.Series
    vpn_weights: Floats
    hosting: pl.Series
    campus: pl.Series
    office: pl.Series
    pool_sizes: Ints  # per provider; a pool is smaller than its customers' leases, so strangers re-use addresses

    def draw_cgnat(self, rng: Rng, n: int) -> pl.Series:
        """Addresses of a carrier's NAT, as a phone would get them."""
        return self.cgnat.gather(rng.choice(len(self.cgnat), n, p=self.cgnat_weights))

    def draw_vpn(self, rng: Rng, n: int) -> pl.Series:
        """Exits of commercial VPNs."""
        return self.vpn.gather(rng.choice(len(self.vpn), n, p=self.vpn_weights))

    def draw_homes(self, rng: Rng, country: Ints) -> pl.Series:
        """A home address drawn afresh for each row, as a residential proxy gives it: some stranger lives there."""
        isp = country * ISPS_PER_COUNTRY + rng.integers(0, ISPS_PER_COUNTRY, len(country))
        return self.home_addresses(isp, rng.integers(0, 2**40, len(country)))

    def home_addresses(self, isp: Ints, number: Ints) -> pl.Series:
        """The address with this number (modulo the pool) at this provider."""
        return format_ipv4(_HOMES + isp * 2**20 + 256 + number % self.pool_sizes[isp])


def build_internet(plan: Plan, seed: int) -> Internet:
    """Lay out the internet of a world: distinct addresses per kind of network, and how crowded each egress is.

    Examples
    --------
    >>> from toolkit.sources.samples.plan import TINY
    >>> net = build_internet(TINY, 0)
    >>> len(net.cgnat), len(net.vpn)
    (24, 40)
    """
    rng = open_stream(seed, "internet")

    def distinct(base: int, span: int, n: int) -> pl.Series:
        return format_ipv4(base + np.sort(rng.choice(span - 2, n, replace=False).astype(np.int64) + 1))

    shares = np.repeat(COUNTRY_WEIGHTS / ISPS_PER_COUNTRY, ISPS_PER_COUNTRY)
    offices = plan.orgs * 2 + plan.resellers * plan.copies + 64
    return Internet(
        cgnat=distinct(_CARRIER, 2**22, CGNAT_EGRESSES),
        cgnat_weights=dirichlet_weights(rng, CGNAT_EGRESSES, 0.6),
        vpn=distinct(_EXCHANGE, 2**15, plan.vpn_exits),
        vpn_weights=dirichlet_weights(rng, plan.vpn_exits, 0.3),
        hosting=distinct(_EXCHANGE + 2**15, 2**15, HOSTING_ADDRESSES),
        campus=distinct(_EXCHANGE + 2**16, 2**14, plan.campuses * 3 + 8),
        office=distinct(_EXCHANGE + 2**16 + 2**14, 2**15, offices),
        pool_sizes=np.clip((plan.accounts * shares * 1.6).astype(np.int64), 64, 2**20 - 512),
    )


@dataclass(frozen=True)
class Homes:
    """Households' lines: provider, and the addresses each is leased one after the other."""

    isp: Ints
    v6: NDArray[np.bool_]
    lease_ends: Floats
    lease_numbers: Ints
    subnet: Ints

    def addresses(self, net: Internet, rng: Rng, home: Ints, at: Ints) -> pl.Series:
        """The address of each home at each time. IPv6 homes keep their /64 and change the rest (privacy rotation)."""
        lease = np.zeros(len(home), dtype=np.int64)
        for column in range(self.lease_ends.shape[1] - 1):  # column by column: a visits-by-leases matrix would not fit
            lease += self.lease_ends[home, column] <= at
        v4 = net.home_addresses(self.isp[home], self.lease_numbers[home, lease])
        v6 = format_ipv6(self.isp[home] * 2**24 + self.subnet[home], rng.integers(2**40, 2**48, len(home)))
        return pl.select(pl.when(pl.Series(self.v6[home])).then(v6).otherwise(v4)).to_series()


def build_homes(rng: Rng, country: Ints) -> Homes:
    """One line per row: a provider of the country, a quarter with IPv6, leases of 14 days on average."""
    n = len(country)
    leases = 8
    return Homes(
        isp=country * ISPS_PER_COUNTRY + rng.choice(ISPS_PER_COUNTRY, n, p=[0.5, 0.3, 0.2]),
        v6=rng.random(n) < 0.25,
        lease_ends=np.cumsum(rng.exponential(LEASE_MEAN_US, (n, leases)), axis=1),
        lease_numbers=rng.integers(0, 2**40, (n, leases)),
        subnet=rng.integers(0, 2**24, n) | 1,  # odd, so that no address needs "::"
    )


def describe_addresses(net: Internet, plan: Plan) -> pl.DataFrame:
    """What an address-intelligence vendor would say: one row per shared egress, one per provider's pool."""
    rng = np.random.Generator(np.random.PCG64(plan.accounts))

    def egress(addresses: pl.Series, kind: str, first_asn: int, networks: int) -> pl.DataFrame:
        place = rng.integers(0, networks, len(addresses))
        return pl.DataFrame(
            {
                "ip": addresses,
                "prefix": pl.Series([None] * len(addresses), dtype=pl.String),
                "asn": first_asn + place,
                "as_name": [f"{kind.replace('_', ' ').title()} Network {p + 1} (synthetic)" for p in place],
                "kind": [kind] * len(addresses),
                "cc": [COUNTRIES[p % len(COUNTRIES)] for p in place],
            }
        )

    pools = [
        {
            "ip": None,
            "prefix": f"{format_ipv4(np.array([_HOMES + isp * 2**20]))[0]}/12",
            "asn": 65_000 + isp,
            "as_name": f"{COUNTRIES[isp // ISPS_PER_COUNTRY]} Home Provider {isp % ISPS_PER_COUNTRY + 1} (synthetic)",
            "kind": "residential",
            "cc": COUNTRIES[isp // ISPS_PER_COUNTRY],
        }
        for isp in range(len(COUNTRIES) * ISPS_PER_COUNTRY)
    ]
    v6 = [
        dict(pool, prefix=f"2001:db8:{format(isp * 256, 'x')}::/40")
        for isp, pool in enumerate(pools)  # the same provider's IPv6 pool: 24 bits of /64s
    ]
    schema = {"ip": pl.String, "prefix": pl.String, "asn": pl.Int64, "as_name": pl.String}
    frames = [
        egress(net.cgnat, "mobile_cgnat", 64_512, 6),
        egress(net.vpn, "vpn", 64_530, 8),
        egress(net.hosting, "hosting", 64_550, 20),
        egress(net.campus, "campus", 64_580, max(plan.campuses, 1)),
        egress(net.office, "corporate", 64_700, 30),
        pl.DataFrame(pools + v6, schema={**schema, "kind": pl.String, "cc": pl.String}),
    ]
    return pl.concat(frames)
