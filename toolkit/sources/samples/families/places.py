"""Places and arrangements where strangers honestly share: campus, office, agency, hackathon, laboratory, test bench."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng
from toolkit.sources.samples.families.ground import Town, pick_some
from toolkit.sources.samples.families.part import Part, hold, join_group, stack_parts
from toolkit.sources.samples.plan import DAY, HOUR

# Bundle numbers: what is used together in one place. People's own things are 0.
_CAMPUS, _OFFICE, _EVENT, _BENCH = 100, 1_000, 5_000, 6_000


def furnish(town: Town, crowd: Part) -> Part:
    """Put people of the crowd in their places."""
    offices = iter(town.offices)
    parts = [
        *_open_campuses(town, crowd, offices),
        *_open_offices(town, crowd, offices),
        *_open_agencies(town, crowd, offices),
        _hold_hackathon(town, offices),
        _set_up_bench(town, crowd, offices),
    ]
    return stack_parts(parts)


def _some_people(rng: Rng, crowd: Part, n: int) -> Ints:
    acct = crowd.cast["acct"].to_numpy()
    return rng.choice(acct, min(n, len(acct) // 3), replace=False)


def _seats(rng: Rng, who: Ints, most: int) -> Ints:
    """Each of them, once to ``most`` times."""
    return np.repeat(who, rng.integers(1, most + 1, len(who)))


def _open_campuses(town: Town, crowd: Part, offices: Iterator[str]) -> Iterator[Part]:
    """Students behind a few addresses; one in eight also sits at a shared machine; one class has one exercise."""
    for number in range(town.ground.campuses):
        rng = town.stream("campus", str(number))
        who = _some_people(rng, crowd, town.ground.students)
        lines, kiosks = pl.Series([next(offices) for _ in range(3)]), town.mint(rng, "device", town.ground.kiosks)
        seats = _seats(rng, who, 2)
        sitters = who[pick_some(rng, len(who), 0.12)]
        bundle = _CAMPUS + number
        held = [
            hold(seats, "ip", lines.gather(rng.integers(0, 3, len(seats))), bundle=bundle),
            hold(sitters, "device", kiosks.gather(rng.integers(0, len(kiosks), len(sitters))), bundle=bundle),
        ]
        groups = [join_group(who, f"campus/{number}", "campus"), join_group(sitters, f"kiosk/{number}", "kiosk")]
        if number == 0:
            class_ = who[: town.ground.lab]
            due = int(rng.integers(town.ground.days // 3, town.ground.days - 8)) * DAY
            exercise = town.mint(rng, "prompt_template", 1)[0]
            held.append(hold(class_, "prompt_template", exercise, since=due, until=due + 5 * DAY, bundle=bundle))
            groups.append(join_group(class_, "lab/0", "lab"))
        yield Part(holdings=pl.concat(held), groups=pl.concat(groups))


def _open_offices(town: Town, crowd: Part, offices: Iterator[str]) -> Iterator[Part]:
    """Employers: an egress, prompt templates of the house, a card and a key that some colleagues may use."""
    low, high = town.ground.staff
    for number in range(town.ground.orgs):
        rng = town.stream("org", str(number))
        who = _some_people(rng, crowd, int(np.clip(rng.lognormal(2.4, 0.8), low, high)))
        bundle = _OFFICE + number
        lines = pl.Series([next(offices) for _ in range(1 + int(rng.random() < 0.3))])
        writers = _seats(rng, who[pick_some(rng, len(who), 0.6)], 2)
        held = [
            hold(who, "ip", lines.gather(rng.integers(0, len(lines), len(who))), bundle=bundle, weight=2.0),
            hold(
                writers,
                "prompt_template",
                town.mint(rng, "prompt_template", 3).gather(rng.integers(0, 3, len(writers))),
                bundle=bundle,
            ),
            hold(who[pick_some(rng, len(who), 0.8)], "org", town.mint(rng, "org", 1)[0]),
        ]
        for kind, has, uses in (("card", 0.5, 0.5), ("api_key", 0.6, 0.35)):
            if rng.random() < has:
                some = who[pick_some(rng, len(who), uses)]
                held.append(hold(some, kind, town.mint(rng, kind, 1)[0], bundle=bundle))
        yield Part(holdings=pl.concat(held), groups=join_group(who, f"org/{number}", "org"))
    rng = town.stream("developers")
    lone = _some_people(rng, crowd, town.ground.people // 20)
    yield Part(holdings=hold(lone, "api_key", town.mint(rng, "api_key", len(lone))))


def _open_agencies(town: Town, crowd: Part, offices: Iterator[str]) -> Iterator[Part]:
    """Resellers pay for customers who never met; agencies also set them up, from their office with their texts."""
    kinds = ["reseller"] * town.ground.resellers + ["agency"] * town.ground.agencies
    for number, kind in enumerate(kinds):
        rng = town.stream(kind, str(number))
        who = _some_people(rng, crowd, int(rng.integers(*town.ground.customers)))
        held = [hold(who, "card", town.mint(rng, "card", 1)[0])]
        if kind == "agency":
            served, bundle = who[pick_some(rng, len(who), 0.7)], _OFFICE + 500 + number
            text = town.mint(rng, "prompt_template", 1)[0]
            held += [hold(served, "ip", next(offices), bundle=bundle)]
            held += [hold(served, "prompt_template", text, bundle=bundle)]
        yield Part(holdings=pl.concat(held), groups=join_group(who, f"{kind}/{number}", kind))


def burst_of_signups(town: Town) -> tuple[Ints, Ints]:
    """Who signs up at the hackathon, and when: everybody within three hours."""
    rng = town.stream("hackathon", "who")
    who = rng.choice(town.ground.people, town.ground.hackathon, replace=False).astype(np.int64)
    opened = int(rng.integers(5, town.ground.days - 5)) * DAY + 8 * HOUR
    return who, opened + np.sort(rng.integers(0, 3 * HOUR, len(who)))


def _hold_hackathon(town: Town, offices: Iterator[str]) -> Part:
    """One hall, one address, one promotion code."""
    who, at = burst_of_signups(town)
    rng = town.stream("hackathon")
    code, hall = town.mint(rng, "referral", 1)[0], next(offices)
    held = [
        hold(who, "ip", hall, since=int(at.min()), until=int(at.max()) + 2 * DAY, bundle=_EVENT),
        hold(who[pick_some(rng, len(who), 0.9)], "referral", code, weight=100.0),
    ]
    return Part(holdings=pl.concat(held), groups=join_group(who, "hackathon/0", "hackathon"))


def _set_up_bench(town: Town, crowd: Part, offices: Iterator[str]) -> Part:
    """The company's own testers: a shelf of devices, a test card, an office line."""
    rng = town.stream("bench")
    who = _some_people(rng, crowd, town.ground.testers)
    shelf, seats = town.mint(rng, "device", 3), _seats(rng, who, 2)
    held = [
        hold(seats, "device", shelf.gather(rng.integers(0, 3, len(seats))), bundle=_BENCH),
        hold(who, "ip", next(offices), bundle=_BENCH),
        hold(who, "card", town.mint(rng, "card", 1)[0]),
    ]
    return Part(holdings=pl.concat(held), groups=join_group(who, "qa/0", "qa"))
