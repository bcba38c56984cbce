"""What is in a family's world, as lines of Markdown for its README."""

from __future__ import annotations

import polars as pl

from toolkit.sources.samples.families.build import FamilyWorld
from toolkit.sources.samples.plan import GENERATOR_VERSION


def describe_family(world: FamilyWorld) -> list[str]:
    """Head-counts of a world: rows, rings and roles, honest groups, lies.

    Examples
    --------
    >>> from toolkit.sources.samples.families import generate_family
    >>> describe_family(generate_family("pools", "tiny"))[0]
    '# SYNTHETIC sample, family pools, size tiny, seed 0'
    """
    rings = world.truth["membership"].group_by("ring", "role").len().sort("ring", "role")
    groups = world.truth["groups"].group_by("kind").agg(pl.col("group_id").n_unique(), n=pl.len()).sort("kind")
    lies = world.truth["poison"].group_by("table", "why").len().sort("table", "why")
    return [
        f"# SYNTHETIC sample, family {world.family}, size {world.size}, seed {world.seed}",
        "",
        world.about,
        "",
        "Every account, person, address and text in this folder is invented by a seeded generator.",
        f"Generator version {GENERATOR_VERSION}. Made by `toolkit sample {world.family} --out DIR --size {world.size} "
        f"--seed {world.seed}`; the same call writes the same bytes.",
        "The tables are what a company would hold. `truth/` says who was behind what: it is for scoring only.",
        "Addresses are from reserved ranges, domains end in `.example`.",
        "",
        "## Head-counts",
        "",
        *(f"- table {name}: {len(frame):,} rows" for name, frame in world.tables.items()),
        *(f"- ring {ring}: {n:,} x {role}" for ring, role, n in rings.iter_rows()),
        *(f"- honest {kind}: {n:,} accounts in {count:,}" for kind, count, n in groups.iter_rows()),
        *(f"- lies in {table}, {why}: {n:,} rows" for table, why, n in lies.iter_rows()),
        "",
    ]
