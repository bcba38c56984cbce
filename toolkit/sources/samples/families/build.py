"""One family's world: the crowd in its places, the rings, the lies, and then the company's tables and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from toolkit.sources.canonical import CANONICAL
from toolkit.sources.samples.chance import mint_ids, pick_strings
from toolkit.sources.samples.families.books import Book, Kept, keep_book
from toolkit.sources.samples.families.ground import Ground, Town, lay_ground
from toolkit.sources.samples.families.lies import tell_lies
from toolkit.sources.samples.families.part import Part, join_group, stack_parts
from toolkit.sources.samples.families.people import populate
from toolkit.sources.samples.families.places import furnish
from toolkit.sources.samples.families.ring import Muster
from toolkit.sources.samples.names import as_time
from toolkit.sources.samples.plan import DAY, START
from toolkit.sources.samples.world import World

ACCOUNTS = Book(
    "accounts",
    {
        "signup_ip": "ip",
        "signup_device_id": "device",
        "phone_hmac": "phone",
        "email_domain": "email_domain",
        "referral_code": "referral",
        "org_id": "org",
    },
    once=True,
    time="created_at",
    row_id="account_id",
)
AUTH = Book(
    "auth_events",
    {"ip": "ip", "device_id": "device", "ua_hash": "user_agent", "browser_fp": "browser_fp"},
    pins=("ip", "device"),
    extra=1.5,
    verbs=("login", "login", "login", "refresh", "mfa"),
    row_id="session_id",
    missing={"device_id": 0.04, "browser_fp": 0.02},
    doubled=0.003,
    broken=4,
)
PAYMENTS = Book(
    "payments",
    {"card_fp": "card", "bin6": "card_bin"},
    pins=("card",),
    again=0.8,
    verbs=("charge", "charge", "setup"),
    row_id="txn_id",
    amounts="amount",
)
REQUESTS = Book(
    "requests",
    {"ip": "ip", "key_id": "api_key", "ua_hash": "user_agent"},
    pins=("api_key",),
    again=2.0,
    row_id="request_id",
)
CONTENT = Book(
    "content", {"template_id": "prompt_template"}, pins=("prompt_template",), again=1.0, row_id="request_id"
)  # fmt: skip
BOOKS = (ACCOUNTS, AUTH, PAYMENTS, REQUESTS, CONTENT)


@dataclass(frozen=True)
class FamilyWorld(World):
    """A world of a family: as any world, with its name, what it is about, and the mapping of its own tables."""

    family: str = ""
    about: str = ""
    mapping: str | None = None


@dataclass(frozen=True)
class Family:
    """How to make the worlds of one family."""

    name: str
    about: str
    letter: str
    plant: Callable[[Town, Muster, Part], Iterable[Part]]
    ground: Ground = field(default_factory=Ground)
    books: tuple[Book, ...] = BOOKS
    kinds: dict[str, str] = field(default_factory=dict)  # what this company calls a kind
    streams: str = ""  # the name its random numbers are drawn under, where that is another


def build_family(family: Family, size: str, seed: int) -> FamilyWorld:
    """Make one world of a family."""
    town = lay_ground(family.ground, family.streams or family.name, size, seed)
    crowd = populate(town)
    crowd = stack_parts([crowd, furnish(town, crowd)])
    rings = list(family.plant(town, Muster(town, family.letter), crowd))
    world = tell_lies(town, stack_parts([crowd, *rings]))
    world = stack_parts([world, Part(groups=_behind_carriers(town, world))])
    calls = pl.col("kind").replace(family.kinds) if family.kinds else pl.col("kind")
    holdings = world.holdings.with_columns(calls)
    ids = mint_ids(town.stream("names"), town.ground.prefix, len(world.cast), 18)
    kept = {book.name: keep_book(book, town, world.cast, holdings, ids) for book in family.books}
    tables = {name: book.rows for name, book in kept.items()}
    answers = _write_answers(town, world, kept, ids)
    return FamilyWorld(
        tables, answers, _escalate(town, answers), seed, size, family.name, family.about, _write_mapping(family.books)
    )


def _behind_carriers(town: Town, world: Part) -> pl.DataFrame:
    """Strangers behind one carrier address: no group to excuse a link, but people to count when one is wrong."""
    held = world.holdings.filter(
        pl.col("kind") == "ip", pl.col("acct") < town.ground.people, pl.col("value").is_in(town.cgnat.implode())
    ).unique(["acct", "value"], maintain_order=True)
    places = town.cgnat.to_frame("value").with_row_index("place")
    groups = held.join(places, on="value", maintain_order="left")["place"]
    return join_group(held["acct"], [f"cgnat/{place}" for place in groups], "cgnat")


def _write_answers(town: Town, world: Part, kept: dict[str, Kept], ids: pl.Series) -> dict[str, pl.DataFrame]:
    """The truth, in the tables that the scorer reads."""

    def name(frame: pl.DataFrame) -> pl.DataFrame:
        named = pick_strings(ids, frame["acct"].to_numpy())
        return frame.drop("acct").with_columns(account_id=named)

    def date(column: pl.Series) -> pl.Series:
        return as_time(column + town.ground.opens * DAY)

    rings = world.cast.filter(pl.col("ring").is_not_null())
    members = rings.select("acct", "actor", "ring", "role", from_at="created", to_at="until")
    touched = world.roles.with_columns(to_at=pl.lit(town.horizon, dtype=pl.Int64)).select(members.columns)
    touched = touched.sort("from_at", "acct").unique(["acct", "actor", "role"], keep="first", maintain_order=True)
    membership = name(pl.concat([members, touched])).rename({"actor": "actor_id"})
    membership = membership.with_columns(date(membership["from_at"]), date(membership["to_at"]))
    phases = rings.group_by("ring").agg(first=pl.col("created").min(), last=pl.col("created").max())
    events = phases.unpivot(["first", "last"], index="ring", variable_name="phase", value_name="at")
    return {
        "actors": world.actors.rename({"actor": "actor_id"}).sort("actor_id"),
        "membership": membership.select("account_id", "actor_id", "ring", "role", "from_at", "to_at").sort(
            "ring", "actor_id", "role", "account_id"
        ),
        "groups": name(world.groups)
        .select("account_id", group_id="group", kind="kind")
        .unique()
        .sort("kind", "group_id", "account_id"),
        "poison": pl.concat([book.poison for book in kept.values()]).unique().sort("table", "row_key", "why"),
        "events": events.select(pl.format("{}_account", "phase").alias("phase"), "ring", date(events["at"])).sort(
            "at", "ring", "phase"
        ),
    }


def _write_mapping(books: tuple[Book, ...]) -> str | None:
    """What the company's own tables mean; canonical ones need no word."""
    lines = []
    for book in books:
        if book.name in CANONICAL:
            continue
        lines += [f"  {book.name}:", f"    account: {book.account}", f"    time: {book.time}"]
        if book.verbs:
            lines.append(f"    event: {{column: {book.verb}, prefix: {book.name}.}}")
        if not book.once:
            lines.append(f"    event_id: {book.row_id}")
        said = ", ".join(f"{book.means.get(kind, kind)}: {column}" for column, kind in book.columns.items())
        lines.append(f"    indicators: {{{said}}}")
    return "\n".join(["tables:", *lines, ""]) if lines else None


_PROSE = (
    "{0} and {1} came up in the same queue this morning and the notes read alike. {2} may or may not belong. Who else?",
    "A partner names {0} and {1}. They do not say why. Please look before anybody acts.",
    "Monitor fired on {0}, {1} and {2}: shared infrastructure. Is this one operator, or is it a place?",
)


def _escalate(town: Town, answers: dict[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Three short cases: two rings, the second with a stranger among its seeds, and one honest group."""
    rng = town.stream("escalations")
    ours = answers["membership"].filter(pl.col("role") == "member")
    rings = ours["ring"].unique().sort()
    chosen = rings.gather(rng.choice(len(rings), 2, replace=False)).to_list()
    honest = answers["groups"].filter(pl.col("kind") == "campus")["account_id"]
    seeds = [ours.filter(pl.col("ring") == ring)["account_id"] for ring in chosen] + [honest]
    cases = []
    for number, accounts in enumerate(seeds, start=1):
        named = accounts.gather(rng.permutation(len(accounts))[:3]).to_list()
        if number == 2:
            named = [*named[:2], honest[0]]
        received = START + timedelta(days=town.ground.opens + town.ground.days, hours=int(rng.integers(6, 20)))
        prose = _PROSE[number - 1].format(*named)
        cases.append(
            {
                "case_id": f"CASE-{number:04d}",
                "received_at": received.isoformat().replace("+00:00", "Z"),
                "reporter": ("abuse-queue", "partner", "signup-monitor")[number - 1],
                "severity": "SEV3",
                "prose": prose,
                "seed_accounts": named,
                "synthetic": True,
            }
        )
    return json.loads(json.dumps(cases))  # type: ignore[no-any-return]
