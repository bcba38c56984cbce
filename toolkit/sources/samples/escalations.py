"""Six escalations as they arrive: hurried prose, ids in the middle of it, and not all of it true.

One has a wrong seed (a takeover victim), one is the same ring as another, one is a campus that did nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from toolkit.sources.samples.chance import Rng, open_stream
from toolkit.sources.samples.draft import Draft
from toolkit.sources.samples.names import Names
from toolkit.sources.samples.plan import DAY, HOUR, START

_PROSE = {
    "R1": "Finance pinged us: free-credit spend jumped in the week of the 17th. {0} and {1} signed up close together "
    "and both burned the grant on near-identical product blurbs. {2} looks the same to me but I only skimmed it. Could "
    "be a promo gone viral, I honestly don't know. How many more are there, and can we stop the bleeding without "
    "hitting real sign-ups?",
    "R3": "A partner bank forwarded three mails that quote our output, all the same lure with the brand swapped. Their "
    "list: {0}, {1}, {2}. They also named {3}, logged in from the same place on one evening. Please confirm before we "
    "act, the partner tends to over-share. They want an answer today.",
    "R4": "Support has two angry customers who each say they *bought* their account ({0} and {1}) and got locked out. "
    "Neither knows the other. Someone is clearly selling these. Who made them, and how many are out there? Buyers may "
    "be innocent.",
    "R8": "Capacity team sees three paid accounts, {0}, {1} and {2}, peak in the same minute several times a day. "
    "Prompts look like graded exercises, the rest is small talk. Might be a class, might be someone copying the model. "
    "Nothing in the queue fired.",
    "R1 again": "hi, abuse queue here. user reports of spammy blurbs, all roads lead to acct {typo} (might have "
    "mistyped that, it is late) and {1}. both on free plan, same browser by the look of it. same thing as yesterday?? "
    "please link if so, else new case.",
    "campus": "Sign-up monitor fired on one address: {0}, {1}, {2} and {3} plus dozens more, all behind the same "
    "egress, several on the very same machine. Classic farm pattern. Requesting bulk suspension of everything on that "
    "address before the weekend.",
}
_CASES = [
    ("R1", 23, "finance", "SEV2"),
    ("R1 again", 24, "abuse-queue", "SEV3"),
    ("R3", 40, "partner", "SEV1"),
    ("R4", 44, "support", "SEV2"),
    ("campus", 46, "signup-monitor", "SEV2"),
    ("R8", 55, "capacity", "SEV1"),
]


def write_escalations(draft: Draft, names: Names) -> list[dict[str, Any]]:
    """The six cases, in the order they were received."""
    rng = open_stream(names.seed, "escalations")
    seeds = _choose_seeds(rng, draft)
    cases = []
    for number, (subject, day, reporter, severity) in enumerate(_CASES, start=1):
        ids = names.account(pl.Series(seeds[subject], dtype=pl.Int64)).to_list()
        received = START + timedelta(microseconds=day * DAY + int(rng.integers(7, 19)) * HOUR)
        prose = _PROSE[subject].format(*ids, typo=_mistype(ids[0]))
        cases.append(
            {
                "case_id": f"CASE-{number:04d}",
                "received_at": received.isoformat().replace("+00:00", "Z"),
                "reporter": reporter,
                "severity": severity,
                "prose": prose,
                "seed_accounts": ids,
                "synthetic": True,
            }
        )
    return cases


def _choose_seeds(rng: Rng, draft: Draft) -> dict[str, list[int]]:
    day_of = {subject: day for subject, day, _, _ in _CASES}

    def members(ring: str, count: int) -> list[int]:
        actor = f"actor_{ring.lower()}"
        known = draft.cast.filter(pl.col("actor") == actor, pl.col("created") < (day_of[ring] - 2) * DAY)[
            "acct"
        ].to_list()
        return [known[i] for i in rng.permutation(len(known))[:count]]

    r1 = members("R1", 5)
    victims = draft.roles.filter(pl.col("role") == "victim", pl.col("ring").is_in(["R1", "R2", "R3"])).sort(
        "ring", "acct"
    )
    innocent = draft.cast.filter(pl.col("ring").is_null(), pl.col("created") > 0)["acct"].to_list()
    wrong = victims["acct"].to_list()[-1:] or [innocent[int(rng.integers(0, len(innocent)))]]
    return {
        "R1": r1[:3],
        "R1 again": r1[3:5],
        "R3": members("R3", 3) + wrong,
        "R4": members("R4", 2),
        "R8": members("R8", 3),
        "campus": _pick_students(rng, draft, day_of["campus"] - 1),
    }


def _pick_students(rng: Rng, draft: Draft, before_day: int) -> list[int]:
    """Four new students of one campus, those who sit at the kiosks first: they look worst."""
    kiosk_users = draft.groups.filter(pl.col("kind") == "kiosk")["acct"].to_list()
    campus = draft.groups.filter(pl.col("group") == "campus/0").join(draft.cast, on="acct", maintain_order="left")
    new = campus.filter(pl.col("created").is_between(0, before_day * DAY))["acct"]
    students = new.gather(rng.permutation(len(new)))
    return pl.concat([students.filter(students.is_in(kiosk_users))[:2], students.filter(~students.is_in(kiosk_users))])[
        :4
    ].to_list()


def _mistype(account: str) -> str:
    """Two neighbouring characters swapped, as tired fingers do."""
    for place in range(len(account) - 6, 5, -1):
        a, b = account[place], account[place + 1]
        if a != b:
            return account[:place] + b + a + account[place + 2 :]
    return account
