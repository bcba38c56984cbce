"""Seeds for expansions: of one ring, of one honest group, and wrong ones among right ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from toolkit.linking.incidence import Incidence

__all__ = [
    "RINGS", "doubted_seeds", "draw_innocent", "draw_innocent_seeds", "draw_ring_seeds", "draw_rival", "draw_set",
    "find_members",
]  # fmt: skip

RINGS = ("R1", "R2", "R3", "R4", "R6", "R7", "R8", "R9", "R10")
CONTROLS = ("campus", "cgnat", "hackathon", "lab", "agency", "household", "org")
LEFT_OUT = ("R5", "R11")
"""Three stolen keys, and people who copied one text: nothing to expand."""

Truth = dict[str, pl.DataFrame]


def find_members(truth: Truth) -> pl.DataFrame:
    """Accounts of operators, in every ring that can be expanded."""
    return truth["membership"].filter(pl.col("role").is_in(["member", "creator"]), ~pl.col("ring").is_in(LEFT_OUT))


def draw_ring_seeds(truth: Truth, rng: np.random.Generator, k: int, draws: int) -> list[tuple[str, list[str]]]:
    """Seeds of one operator each; rings of many operators are drawn from several."""
    members = find_members(truth)
    drawn = []
    rings = [ring for ring in RINGS if ring in members["ring"].unique().to_list()]
    others = members.filter(~pl.col("ring").is_in(RINGS))["ring"].unique().sort().to_list()
    for ring in rings or [str(r) for r in rng.permutation(others)[:14]]:
        of_ring = members.filter(pl.col("ring") == ring)
        actors = of_ring.group_by("actor_id").len().filter(pl.col("len") > k).sort("actor_id")["actor_id"].to_list()
        for number in range(draws):
            if not actors:
                break
            actor = actors[number % len(actors)]
            accounts = of_ring.filter(pl.col("actor_id") == actor)["account_id"].unique().sort().to_list()
            drawn.append((ring, [str(a) for a in rng.choice(accounts, k, replace=False)]))
    return drawn


def draw_set(members: pl.DataFrame, rng: np.random.Generator, k: int) -> tuple[str, list[str]] | None:
    """A ring at random and k seeds of an operator of it who has more accounts than that; none if nobody has."""
    large = members.group_by("ring", "actor_id").agg(pl.col("account_id").unique().sort())
    large = large.filter(pl.col("account_id").list.len() > k).sort("ring", "actor_id")
    rings = large["ring"].unique().sort().to_list()
    if not rings:
        return None
    ring = rings[int(rng.integers(len(rings)))]
    actors = large.filter(pl.col("ring") == ring)["account_id"].to_list()
    accounts = actors[int(rng.integers(len(actors)))]
    return str(ring), [str(a) for a in rng.choice(accounts, k, replace=False)]


def draw_innocent_seeds(
    truth: Truth, innocents: pl.DataFrame, rng: np.random.Generator, k: int
) -> list[tuple[str, list[str]]]:
    """Seeds inside one legitimate group each: a good tool finds no ring there."""
    drawn = []
    clean = innocents["account_id"].to_list()
    for kind in CONTROLS:
        groups = truth["groups"].filter((pl.col("kind") == kind) & pl.col("account_id").is_in(clean))
        big = groups.group_by("group_id").len().filter(pl.col("len") >= k).sort("group_id")["group_id"].to_list()
        for group in big[:2]:
            accounts = groups.filter(pl.col("group_id") == group)["account_id"].unique().sort().to_list()
            drawn.append((kind, [str(a) for a in rng.choice(accounts, k, replace=False)]))
    return drawn


def draw_innocent(index: Incidence, truth: Truth, rng: np.random.Generator, *, active: bool = False) -> str:
    """An account that no ring touched; ``active``: with as many values as half of all accounts or more."""
    known = truth["membership"]["account_id"].unique().to_list()
    free = ~index.accounts.is_in(known).to_numpy()
    values = np.diff(index.start)
    if active:
        free &= values >= np.median(values)
    choice = np.flatnonzero(free)
    return str(index.accounts[int(choice[rng.integers(len(choice))])])


def draw_rival(members: pl.DataFrame, rng: np.random.Generator, seeds: Sequence[str]) -> str | None:
    """An account of another operator; none if there is no other."""
    ours = members.filter(pl.col("account_id").is_in(list(seeds)))["actor_id"].unique().to_list()
    shared = members.filter(pl.col("actor_id").is_in(ours))["account_id"].unique().to_list()
    rivals = members.filter(~pl.col("account_id").is_in(shared))["account_id"].unique().sort().to_list()
    return str(rivals[int(rng.integers(len(rivals)))]) if rivals else None


def doubted_seeds(found: pl.DataFrame, seeds: Sequence[str]) -> list[str]:
    """The seeds that an expansion calls wrong: a seed that it trusts is always in the answer."""
    return found.filter(~pl.col("included") & pl.col("account_id").is_in(list(seeds)))["account_id"].to_list()
