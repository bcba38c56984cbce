"""Why several accounts write the same: each reading from a small world made for it; crews; the planted ones."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.linking.crews import READINGS, find_crews, read_families
from toolkit.linking.observations import find_observations
from toolkit.linking.text import find_text_families, judge_contagion
from toolkit.resources import bundled
from toolkit.sources.read import read_data

TINY = bundled("data_samples") / "tiny"
HOLDERS = list("abcdef")
STRANGERS = [f"s{i}" for i in range(60)]


def world(**shared: list[str | None]) -> pl.DataFrame:
    """Six holders with what they share, among sixty strangers who share nothing."""
    columns = {k: [*v, *(f"{k}-{s}" for s in STRANGERS)] for k, v in shared.items()}
    at = pl.datetime(2026, 1, 5, time_zone="UTC")
    return find_observations(pl.DataFrame({"account_id": HOLDERS + STRANGERS, **columns}).with_columns(event_at=at))


def text(*, apart_h: float = 0.0) -> pl.DataFrame:
    """One text of six accounts, some hours apart."""
    start = pl.datetime(2026, 1, 5, time_zone="UTC") + pl.duration(minutes=pl.int_range(6) * round(60 * apart_h))
    return find_text_families(
        pl.DataFrame({"account_id": HOLDERS, "text": "the same text"}).with_columns(event_at=start)
    )


@pytest.mark.parametrize(
    ("shared", "apart_h", "reading"),
    [
        ({"device": list("xxyyzz")}, 0, "run together"),
        ({"device": list("xxyyzz"), "referral": ["r"] * 6}, 0, "one organisation or promotion"),
        ({"ip": ["192.0.2.1"] * 6}, 0, "one place"),
        ({"device": list("xxqrst"), "ip": ["192.0.2.1"] * 6}, 0, "unclear"),  # two of six share a device
        ({"device": HOLDERS}, 24, "went round"),
        ({"device": HOLDERS}, 0, "unclear"),  # all at once: a burst may be a ring that hides well
    ],
)
def test_a_reading_follows_from_what_holders_share(
    shared: dict[str, list[str | None]], apart_h: float, reading: str
) -> None:
    told = read_families(text(apart_h=apart_h), world(**shared))
    assert told["reading"].to_list() == [reading]
    assert set(told["reading"]) <= set(READINGS)


def test_one_account_is_no_family() -> None:
    alone = find_text_families(pl.DataFrame({"account_id": ["a", "a"], "text": ["x", "x"]}))
    assert read_families(alone, world(device=HOLDERS))["reading"].to_list() == ["one account"]


def test_families_with_the_same_holders_have_one_crew() -> None:
    said = {"f": "abcd", "g": "abcxy", "h": "cxyz", "i": "mnz"}  # of h and i, only z has both
    held = [(family, account) for family, accounts in said.items() for account in accounts]
    families = pl.DataFrame(held, schema=["family_id", "account_id"], orient="row").with_columns(
        n=1, first_at=None, last_at=None
    )
    readings = pl.DataFrame({"family_id": list("fghi"), "accounts": [4, 5, 4, 3], "reading": ["run together"] * 4})
    shuffled = families.sample(fraction=1, shuffle=True, seed=1)
    crews = find_crews(readings, shuffled, world(device=list("xxpqrs")), min_accounts=2)
    assert crews.group_by("crew", maintain_order=True).agg("account_id", "families", "of").rows() == [
        ("crew 1", ["c", "a", "b", "x", "y", "d", "z"], [3, 2, 2, 2, 2, 1, 1], [3] * 7),
        ("crew 2", ["m", "n", "z"], [1, 1, 1], [1, 1, 1]),
    ]
    assert crews.filter("tied")["account_id"].to_list() == ["a", "b"]
    went_round = readings.with_columns(reading=pl.lit("went round"))
    assert find_crews(went_round, families, world(device=HOLDERS)).is_empty()


def test_planted_templates_are_told_from_those_of_customers() -> None:
    data = read_data(TINY)
    families = find_text_families(data.tables["content"])
    observations = find_observations(data)
    told = read_families(families, observations).filter(pl.col("accounts") >= 5)
    member = pl.read_parquet(TINY / "truth" / "membership.parquet").filter(pl.col("role") == "member")
    rings = member.filter(~pl.col("ring").is_in(["R5", "R10", "R11"]))["account_id"].implode()  # R11 copies, no ring
    planted = families.group_by("family_id").agg(planted=pl.col("account_id").is_in(rings).mean() > 0.5)
    both = told.join(planted, on="family_id")
    run = both.filter(pl.col("reading") == "run together")
    assert run["planted"].all()
    assert run.height >= 0.8 * both["planted"].sum()
    contagion = judge_contagion(families, observations).join(planted, on="family_id")
    blamed = contagion.filter((pl.col("verdict") == "ring") & (pl.col("accounts") >= 5) & ~pl.col("planted")).height
    assert blamed > 10  # what holders share says "ring" of many a customer; what is made for one person does not
