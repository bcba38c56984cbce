"""The working frames that every component writes, before ids are hidden and logs are kept.

A component (the crowd, one ring, the poison) is a function that returns a :class:`Draft`: who they are (``cast``), when
and from where they came (``visits``), what they paid (``charges``), the machines they used (``devices``). Accounts are
plain numbers here; the opaque ids are given at the very end, so nothing about a ring can show in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng, mint_ids, pick_strings, zipf_weights
from toolkit.sources.samples.internet import TONGUES, ZONES
from toolkit.sources.samples.plan import DAY, HORIZON, MINUTE

Columns = dict[str, Any]

CAST: Columns = {
    "acct": pl.Int64,
    "created": pl.Int64,  # µs from the start of the window; negative: an older account
    "until": pl.Int64,
    "country": pl.Int64,
    "zone": pl.Int64,  # minutes east of Greenwich, true
    "zone_claimed": pl.Int64,
    "lang": pl.String,
    "plan": pl.String,
    "provider": pl.String,
    "email": pl.String,
    "phone": pl.String,
    "phone_type": pl.String,
    "card": pl.String,
    "org": pl.Int64,
    "referral": pl.String,
    "device": pl.String,  # the first machine
    "actor": pl.String,
    "ring": pl.String,
    "role": pl.String,
    "why": pl.String,  # why this row lies, if it does: goes to the truth tables alone
}
VISITS: Columns = {
    "part": pl.String,
    "acct": pl.Int64,
    "at": pl.Int64,
    "kind": pl.String,  # signup, login, reset; "api" has no sign-in
    "ip": pl.String,
    "country": pl.Int64,
    "device": pl.String,
    "n": pl.Int64,  # requests in this visit
    "template": pl.Int64,
    "share": pl.Float64,  # of its requests that use the template
    "lang": pl.String,
    "surface": pl.String,
    "tempo": pl.String,  # human or machine
    "key": pl.String,
    "agent": pl.String,  # overrides what the device would send
    "why": pl.String,
}
CHARGES: Columns = {
    "part": pl.String,
    "acct": pl.Int64,
    "at": pl.Int64,
    "kind": pl.String,
    "card": pl.String,
    "amount": pl.Int64,
    "result": pl.String,
    "decline": pl.String,
    "why": pl.String,
}
DEVICES: Columns = {
    "device": pl.String,
    "install": pl.String,
    "fp": pl.Int64,
    "os": pl.Int64,
    "emulator": pl.Boolean,
    "placeholder": pl.Boolean,
    "lang": pl.String,
    "zone": pl.Int64,
    "why": pl.String,
}
GROUPS: Columns = {"acct": pl.Int64, "group": pl.String, "kind": pl.String}
ROLES: Columns = {"acct": pl.Int64, "actor": pl.String, "ring": pl.String, "role": pl.String, "from_at": pl.Int64}
PHASES: Columns = {"phase": pl.String, "at": pl.Int64, "ring": pl.String}
BANS: Columns = {"acct": pl.Int64, "at": pl.Int64, "correct": pl.Boolean, "next": pl.Int64}
ACTORS: Columns = {
    "actor": pl.String,
    "kind": pl.String,
    "ring": pl.String,
    "difficulty": pl.Int64,
    "tz_true": pl.String,
    "shift": pl.String,
}

SOFT_FINGERPRINTS = 900
SYSTEMS = ["windows", "android", "ios", "macos", "linux"]
SYSTEM_WEIGHTS = [0.36, 0.27, 0.18, 0.14, 0.05]
MAIL_DOMAINS = [
    "postbox.example",
    "mailhub.example",
    "freemail.example",
    "letters.example",
    "inbox.example",
    "eml.example",
]
MAIL_WEIGHTS = [0.42, 0.22, 0.14, 0.1, 0.07, 0.05]
PLACEHOLDER_DEVICE = "00000000-0000-0000-0000-000000000000"


def empty(columns: Columns) -> pl.DataFrame:
    """A frame with these columns and no rows."""
    return pl.DataFrame(schema=columns)


def table(columns: Columns, n: int, /, **values: Any) -> pl.DataFrame:
    """A frame of ``n`` rows with these columns; scalars are repeated, what is not given is null.

    Examples
    --------
    >>> table(GROUPS, 2, acct=[1, 2], kind="campus").rows()
    [(1, None, 'campus'), (2, None, 'campus')]
    """
    unknown = sorted(set(values) - set(columns))
    if unknown:
        raise KeyError(f"no such column: {unknown}")

    def column(name: str) -> pl.Series:
        value = values.get(name)
        if isinstance(value, pl.Series):
            return value.alias(name).cast(columns[name])
        if isinstance(value, np.ndarray | list):
            return pl.Series(name, value, dtype=columns[name], strict=False)
        return pl.Series(name, [value], dtype=columns[name]).new_from_index(0, n)

    return pl.DataFrame([column(name) for name in columns])


@dataclass(frozen=True)
class Draft:
    """What one component adds to the world."""

    cast: pl.DataFrame = field(default_factory=lambda: empty(CAST))
    visits: pl.DataFrame = field(default_factory=lambda: empty(VISITS))
    charges: pl.DataFrame = field(default_factory=lambda: empty(CHARGES))
    devices: pl.DataFrame = field(default_factory=lambda: empty(DEVICES))
    groups: pl.DataFrame = field(default_factory=lambda: empty(GROUPS))
    roles: pl.DataFrame = field(default_factory=lambda: empty(ROLES))
    phases: pl.DataFrame = field(default_factory=lambda: empty(PHASES))
    bans: pl.DataFrame = field(default_factory=lambda: empty(BANS))
    actors: pl.DataFrame = field(default_factory=lambda: empty(ACTORS))


def stack_drafts(drafts: list[Draft]) -> Draft:
    """All components as one."""
    return Draft(**{name: pl.concat([getattr(draft, name) for draft in drafts]) for name in Draft.__dataclass_fields__})


def make_devices(rng: Rng, n: int, *, lang: Any = "en", zone: Any = 0, **overrides: Any) -> pl.DataFrame:
    """Mint ``n`` ordinary machines: a browser fingerprint that many share, an install id of their own."""
    values: Columns = {
        "device": mint_ids(rng, "dev", n, 15),
        "install": mint_ids(rng, "inst", n, 12),
        "fp": rng.choice(SOFT_FINGERPRINTS, n, p=zipf_weights(SOFT_FINGERPRINTS, 1.05)),
        "os": rng.choice(len(SYSTEMS), n, p=SYSTEM_WEIGHTS),
        "emulator": False,
        "placeholder": False,
        "lang": lang,
        "zone": zone,
    }
    return table(DEVICES, n, **{**values, **overrides})


_FIRST = (
    "ana ben chi dara eli fay gus hana ivo jun kai lea mio noa oto pia quin rui sara tom uma vera will xena yara zoe"
)
_LAST = (
    "abt bell cruz dorn east frey gold hart imai jung kern lund moor nash oaks park quist rook sato teo ueda voss wood"
)


def make_emails(rng: Rng, n: int) -> pl.Series:
    """Addresses that people choose: names, dots, sometimes figures and a +tag of their own."""
    first, last = pl.Series(_FIRST.split()), pl.Series(_LAST.split())
    style = rng.random(n)
    frame = pl.DataFrame(
        {
            "a": first.gather(rng.integers(0, len(first), n)),
            "dot": pick_strings([".", "", "_"], rng.choice(3, n, p=[0.4, 0.5, 0.1])),
            "b": last.gather(rng.integers(0, len(last), n)),
            "serial": pl.Series(rng.integers(0, 10**9, n)).cast(pl.String).str.slice(0, 6),
            "tag": pick_strings(["+ai", "+news", ""], np.where(style < 0.01, 0, np.where(style < 0.02, 1, 2))),
            "at": pl.Series(["@"]).new_from_index(0, n),
            "domain": pick_strings(MAIL_DOMAINS, rng.choice(len(MAIL_DOMAINS), n, p=MAIL_WEIGHTS)),
        }
    )
    return frame.select(pl.concat_str(frame.columns)).to_series()


def make_phones(rng: Rng, n: int) -> pl.Series:
    """Numbers of a person's own (+999 is assigned to nobody)."""
    return "+999" + pl.Series(rng.integers(10**11, 10**12, n)).cast(pl.String)


BINS = [str(400_000 + 137 * k) for k in range(240)]
VIRTUAL_BINS = BINS[40:46]  # an issuer of virtual cards: popular with rings, and with careful people
# Fingerprints that one vendor of anti-detect browsers deals out. Rival rings buy there, and so do private people.
ANTIDETECT_FINGERPRINTS = np.arange(640, 652)
EMULATOR_FINGERPRINT = 701  # of the stock emulator image, which developers start as well


def make_cards(rng: Rng, n: int, bins: list[str] | None = None) -> pl.Series:
    """Cards as ``bin-serial``; people's banks follow Zipf's law."""
    choice = bins or BINS
    weights = zipf_weights(len(choice)) if bins is None else np.full(len(choice), 1 / len(choice))
    serial = pl.Series(rng.integers(10**12, 10**13, n)).cast(pl.String)
    return pick_strings(choice, rng.choice(len(choice), n, p=weights)) + "-" + serial


def make_cast(rng: Rng, acct: Ints, created: Ints, country: Ints, **values: Any) -> pl.DataFrame:
    """Accounts that look like anyone's unless a column is given."""
    n = len(acct)
    zone = np.array(ZONES, dtype=np.int64)[country] * 60
    provider = pick_strings(["password", "oidc_a", "oidc_b", "magic_link"], rng.choice(4, n, p=[0.46, 0.3, 0.14, 0.1]))
    has_phone = rng.random(n) < 0.65
    base: Columns = {
        "acct": acct,
        "created": created,
        "until": np.minimum(
            np.maximum(created, 0) + rng.exponential(30 * DAY, n).astype(np.int64) + 30 * MINUTE, HORIZON - 1
        ),
        "country": country,
        "zone": zone,
        "zone_claimed": zone,
        "lang": pick_strings(TONGUES, country),
        "plan": pick_strings(["free", "trial", "paid"], rng.choice(3, n, p=[0.7, 0.1, 0.2])),
        "provider": provider,
        "email": make_emails(rng, n),
        "phone": make_phones(rng, n).scatter(np.flatnonzero(~has_phone), None),
        "phone_type": pick_strings(["mobile", "voip", "unknown"], np.where(has_phone, (rng.random(n) < 0.08) * 1, 2)),
        "org": -1,
    }
    return table(CAST, n, **{**base, **values})


def make_visits(part: str, acct: Ints | pl.Series, at: Ints | pl.Series, **values: Any) -> pl.DataFrame:
    """Visits with ordinary defaults: a person signing in to the web and asking something of their own."""
    base: Columns = {"part": part, "acct": acct, "at": at, "kind": "login", "template": -1, "share": 1.0}
    base |= {"surface": "web", "tempo": "human", "n": 1, "lang": "en", "country": 0}
    return table(VISITS, len(at), **{**base, **values})


def draw_surfaces(rng: Rng, n: int) -> pl.Series:
    """Where people use the product."""
    return pick_strings(["web", "ios", "android", "agent"], rng.choice(4, n, p=[0.62, 0.17, 0.17, 0.04]))
