"""Every default of the toolkit, with its reason.

Indicator kinds are data: a kind says how often a value is shared by accident and how much one shared
value may prove. A company's own kinds are declared in its mapping with the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = [
    "CAPS",
    "CHANCE_DRAWS",
    "INFERRED",
    "KINDS",
    "MAX_FDR",
    "MAX_PAIRS",
    "PLACEHOLDERS",
    "PRIOR_PARTNERS",
    "SATURATION",
    "UNDECLARED",
    "Caps",
    "Kind",
    "Regime",
]

Regime = Literal["pool", "unique"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of indicator behaves as evidence.

    Attributes
    ----------
    name : str
        The kind, as in the ``kind`` column of observations.
    family : str
        Kinds that fail together: one family counts once as "an independent reason".
    regime : {"pool", "unique"}
        ``pool``: many accounts meet on a value by moving about (an ip); the chance grows with activity.
        ``unique``: a value is made for one person (a card); the chance is the rate of innocent sharing.
    m : float
        P(the same operator's second account also holds the value).
    eps : float
        Floor of the chance that two strangers share a value; bounds the bits.
    cap : float
        Most bits that this kind may ever contribute to a pair.
    max_holders : int
        Values with more holders do not propose pairs (they still score pairs that others propose); 0 = never proposes.
    half_life_h : float or None
        Half-life in hours of the gap between two accounts' use of the value; None = time says nothing.
    window_h : float or None
        Only holders active within this many hours of one another count as sharing; None = any time.
    nested_in : str or None
        The finer kind that swallows this one when both are shared (ip swallows ip_prefix).
    sensitivity : int
        0 open, 1 internal, 2 personal, 3 special; shown masked from 2 upwards.
    corroborates : bool
        Whether sharing it counts as one of the independent kinds a level asks for.
    min_shared : int
        Values two accounts must share before any of them counts: one co-share is worth nothing, repeats are.
    inferred : bool
        Nobody declared the kind: its regime was told from who holds its values (:mod:`toolkit.linking.regimes`).
    declared : bool
        The account names the tie itself (an employer, a promotion). Who shares it has an innocent reading that only a
        person can rule out, so the tie keeps a link from counting as strong.
    """

    name: str
    family: str
    regime: Regime
    m: float
    eps: float
    cap: float
    max_holders: int
    half_life_h: float | None = None
    window_h: float | None = None
    nested_in: str | None = None
    sensitivity: int = 1
    corroborates: bool = True
    min_shared: int = 1
    declared: bool = False
    inferred: bool = False


def _kinds(*kinds: Kind) -> Mapping[str, Kind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


_DAY: Final = 24.0

# Starting priors; the data's own permutation null corrects the thresholds that stand on them.
KINDS: Final[Mapping[str, Kind]] = _kinds(
    Kind("device", "dev", "unique", 0.7, 1e-4, 12.0, 200, 30 * _DAY, sensitivity=2),
    Kind("cookie", "dev", "unique", 0.5, 1e-4, 12.0, 200, 14 * _DAY, sensitivity=2),
    Kind("browser_fp", "dev", "pool", 0.5, 1e-3, 5.0, 60, None, corroborates=False),
    Kind("tls_fp", "dev", "pool", 0.5, 1e-3, 4.0, 0, None, corroborates=False),
    Kind("user_agent", "dev", "pool", 0.5, 1e-3, 4.0, 0, None, corroborates=False),
    Kind("card", "pay", "unique", 0.6, 1e-4, 12.0, 200, 90 * _DAY, sensitivity=3),
    Kind("card_bin", "pay", "pool", 0.5, 1e-3, 4.0, 0, None, nested_in="card", corroborates=False),
    Kind("phone", "reg", "unique", 0.5, 3e-4, 10.0, 100, 180 * _DAY, sensitivity=2),
    Kind("email", "reg", "unique", 0.5, 3e-5, 12.0, 100, None, sensitivity=2),
    Kind("email_stem", "reg", "pool", 0.4, 1e-4, 8.0, 300, _DAY, nested_in="email", sensitivity=2),
    Kind("email_domain", "reg", "pool", 0.4, 1e-3, 4.0, 0, None, nested_in="email_stem", corroborates=False),
    Kind("referral", "reg", "pool", 0.3, 1e-3, 6.0, 300, 7 * _DAY, declared=True),
    Kind("ip", "net", "pool", 0.4, 1e-4, 10.0, 60, _DAY, 72.0, sensitivity=2),
    Kind("ip_prefix", "net", "pool", 0.5, 1e-3, 4.0, 0, _DAY, 72.0, nested_in="ip", corroborates=False),
    Kind("asn", "net", "pool", 0.5, 1e-3, 3.0, 0, None, nested_in="ip_prefix", corroborates=False),
    Kind("country", "net", "pool", 0.5, 1e-2, 2.0, 0, None, nested_in="asn", corroborates=False),
    Kind("org", "org", "pool", 0.3, 1e-3, 6.0, 300, None, corroborates=False, declared=True),
    Kind("api_key", "key", "unique", 0.5, 1e-4, 10.0, 100, 30 * _DAY, sensitivity=3),
    Kind("prompt_template", "text", "pool", 0.4, 1e-4, 10.0, 100, 7 * _DAY, sensitivity=1),
    Kind("prompt_text", "text", "pool", 0.4, 1e-4, 10.0, 100, 7 * _DAY, nested_in="prompt_template", sensitivity=3),
    Kind("object", "behav", "pool", 0.4, 1e-3, 6.0, 300, None, min_shared=2),
    Kind("url", "behav", "pool", 0.4, 1e-3, 6.0, 300, None, min_shared=2),
    Kind("counterparty", "pay", "pool", 0.4, 1e-3, 8.0, 100, None, sensitivity=2),
)
"""The standard indicator kinds. Source of the starting values: the project's linking reference (two regimes,
half-lives, caps); eps of the unique kinds is set by the rate of innocent sharing (families, shop tablets)."""

UNDECLARED: Final = Kind("*", "other", "pool", 0.4, 1e-3, 6.0, 100, None, corroborates=False)
"""What a mapping that declares a kind without saying more is taken to mean: weak, and never a reason of its own."""

INFERRED: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "unique": Kind("*", "*", "unique", 0.5, 2e-4, 11.0, 100, sensitivity=2, inferred=True),
        "pool": Kind("*", "*", "pool", 0.4, 5e-4, 8.0, 60, sensitivity=2, inferred=True),
        "crowd": Kind("*", "*", "pool", 0.5, 1e-3, 4.0, 0, sensitivity=2, corroborates=False, inferred=True),
    }
)
"""What a kind nobody declared is taken for, by the shape of its values: a step weaker than the kinds we know."""

PLACEHOLDERS: Final = frozenset(
    {"", "0", "00", "000", "0000", "-", "na", "n/a", "nan", "nil", "none", "null", "unknown", "undefined", "test"}
    | {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "000000000000000"}
    | {"127.0.0.1", "::1", "0.0.0.0", "::", "localhost", "emulator", "generic", "default", "anonymous"}  # noqa: S104 - values met in data, not an address we bind
)
"""Values (lower-cased, stripped) that mean "no value"; they are listed in the hub table, never linked on."""

SATURATION: Final = 0.5
"""The r-th best shared value of a kind counts rho^(r-1): n shared ips are worth at most twice the best one."""

PRIOR_PARTNERS: Final = 2.0
"""Expected linked partners per account, before any evidence: the prior of a pair is this over N - 1."""

MAX_PAIRS: Final = 20_000_000
"""Candidate pairs examined at most; rarest values first. What is not examined is in the hub table."""


MAX_FDR: Final = 0.01
"""Share of false discoveries, told by shuffled data, beyond which nobody is called linked."""

CHANCE_DRAWS: Final = 3
"""Shuffles behind that share; with fewer, one lucky draw decides."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on what a file may be before it is read; every one is an answer to a bomb seen in the wild."""

    file_bytes: int = 16 * 2**30
    unpacked_bytes: int = 64 * 2**30
    ratio: float = 200.0
    cell_chars: int = 1_000_000
    depth: int = 64
    columns: int = 2_000
    quarantine_rate: float = 0.01


CAPS: Final = Caps()
