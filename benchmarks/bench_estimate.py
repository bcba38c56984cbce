"""Whether an expansion knows how good it is: a thousand of them, from seeds at random, with right and wrong seeds.

    python benchmarks/bench_estimate.py --jobs 2                   # 7 families, 3 worlds, 17 draws of 1, 3, 5 seeds
    python benchmarks/bench_estimate.py --jobs 2 --worlds 0 --draws 8  # 160 runs

Per family and number of seeds: how precise what is found is, how far the estimate of it is off, and how often it is
*confidently wrong* (estimate .9 or more, truth under .7). Then one seed is replaced by an innocent account that is as
active as most, and by an account of another ring: how often is it named, and how often is a true seed? Writes the
measured part of ``docs/estimate.md``. Rings, operators and accounts are drawn at random. Worlds are SYNTHETIC.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pages import as_markdown, put_into
from seeds import doubted_seeds, draw_innocent, draw_rival, draw_set, find_members
from worlds import LOOKED_AT, World, find_world, open_world, run_all

from toolkit.linking.expand import expand_within
from toolkit.sources.samples.score import score_expansion

SEEDS = (1, 3, 5)
ENOUGH = 3
"""Accounts returned from which a precision is worth estimating."""

PAGE = Path(__file__).resolve().parents[1] / "docs" / "estimate.md"
Row = dict[str, Any]
Task = tuple[Path, str, int, int]


def main() -> None:
    """Expand everywhere, then write every table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--families", default=",".join(LOOKED_AT))
    asked.add_argument("--worlds", default="0,1,2")
    asked.add_argument("--draws", type=int, default=17, help="per world and number of seeds")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--page", type=Path, default=PAGE)
    given = asked.parse_args()
    tasks = [
        (given.cache, family, int(world), given.draws)
        for family in given.families.split(",")
        for world in given.worlds.split(",")
    ]
    answers = run_all(expand_world, tasks, given.jobs)
    runs = pl.DataFrame([row for found, _ in answers for row in found], infer_schema_length=None)
    wrong = pl.DataFrame([row for _, planted in answers for row in planted], infer_schema_length=None)
    text = tell(runs, wrong)
    put_into(given.page, "estimate", text)
    print(text)


def expand_world(task: Task) -> tuple[list[Row], list[Row]]:
    """Every expansion on one world, coded once."""
    cache, family, number, draws = task
    world = open_world(find_world(cache, family, number))
    members = find_members(world.truth)
    known = world.index.accounts.to_list()
    members = members.filter(pl.col("account_id").is_in(known))
    rng = np.random.default_rng([number, 0xE5])
    runs, wrong = [], []
    for k in SEEDS:
        drawn = (draw_set(members, rng, k) for _ in range(draws))
        for ring, seeds in (found for found in drawn if found is not None):
            of = {"family": family, "world": number, "ring": ring, "seeds": k}
            runs.append({**of, **expand_once(world, seeds)})
            if k > 1:
                wrong += [{**of, **row} for row in plant_wrong_seeds(world, members, seeds, rng)]
    return runs, wrong


def expand_once(world: World, seeds: list[str]) -> Row:
    """One expansion: what was found, how much of it is right, and what it said of itself."""
    found = expand_within(world.index, seeds)
    score = score_expansion(found, world.truth, seeds)
    gap = score.precision_error
    return {
        "found": score.included,
        "precision": score.precision,
        "recall": score.recall,
        "estimate": None if gap is None or score.precision is None else score.precision + gap,
        "doubted": len(doubted_seeds(found, seeds)),
        "wrong": ", ".join(f"{kind} {number}" for kind, number in score.wrong.iter_rows()),
    }


def plant_wrong_seeds(world: World, members: pl.DataFrame, seeds: list[str], rng: np.random.Generator) -> list[Row]:
    """Put somebody else in the place of the last seed, twice: who is named, and who is doubted."""
    planted = {
        "innocent": draw_innocent(world.index, world.truth, rng, active=True),
        "of another ring": draw_rival(members, rng, seeds),
    }
    rows = []
    for who, stranger in planted.items():
        if stranger is None:
            continue
        asked = [*seeds[:-1], stranger]
        found = expand_within(world.index, asked)
        doubted = doubted_seeds(found, asked)
        rows.append(
            {
                "planted": who,
                "took off": found.filter("included").height - len(asked) + len(doubted) >= ENOUGH,
                "named": stranger in doubted,
                "true seeds": len(asked) - 1,
                "true doubted": len([seed for seed in doubted if seed != stranger]),
            }
        )
    return rows


def tell(runs: pl.DataFrame, wrong: pl.DataFrame) -> str:
    """Every table, as the page has it."""
    runs = runs.with_columns(
        pl.col("precision", "recall", "estimate").cast(pl.Float64), enough=pl.col("found") >= ENOUGH
    ).with_columns(gap=pl.col("estimate") - pl.col("precision"))
    counted = runs.filter("enough")
    told = [
        f"{runs.height} expansions; {counted.height} returned {ENOUGH} accounts or more: the figures are of those.",
        as_markdown(_honesty(runs, "family", "seeds")),
        "All families:",
        as_markdown(
            pl.concat(
                [
                    _honesty(runs, "seeds").cast({"seeds": pl.String}),
                    _honesty(runs.with_columns(seeds=pl.lit("all")), "seeds"),
                ]
            )
        ),
        "By what was estimated:",
        as_markdown(_by_estimate(counted)),
    ]
    sure = counted.filter((pl.col("estimate") >= 0.9) & (pl.col("precision") < 0.7))
    told.append(f"Confidently wrong (estimate .9 or more, truth under .7): {sure.height} of {counted.height}.")
    bad = counted.filter(pl.col("precision") < 0.95).sort("precision", "family", "world")
    if bad.height:
        shown = bad.select("family", "world", "ring", "seeds", "found", "precision", "estimate", "wrong").head(15)
        told += [f"The worst of {bad.height} runs under precision .95:", as_markdown(shown)]
    doubts = runs.filter(pl.col("seeds") > 1)
    told += [
        f"Without a wrong seed, {doubts['doubted'].sum()} of {doubts['seeds'].sum()} true seeds were called wrong.",
        "One seed replaced by somebody else; *took off*: the set found others, and could judge:",
        as_markdown(_wrong_seeds(wrong)),
    ]
    return "\n\n".join(told)


def _honesty(runs: pl.DataFrame, *by: str) -> pl.DataFrame:
    of = pl.col("enough")
    gap = pl.col("gap").filter(of).abs()
    return runs.group_by(*by, maintain_order=True).agg(
        pl.len().alias("runs"),
        of.sum().alias("returned 3"),
        pl.col("recall").mean(),
        (pl.col("precision").filter(of) >= 0.95).mean().alias("precise (.95)"),
        pl.col("precision").filter(of).min().alias("worst precision"),
        gap.mean().alias("mean gap"),
        gap.max().alias("worst gap"),
        (gap <= 0.05).mean().alias("within .05"),
        pl.col("estimate").filter(of).is_null().sum().alias("no estimate"),
        pl.col("doubted").sum().alias("true seeds doubted"),
    )


def _by_estimate(counted: pl.DataFrame) -> pl.DataFrame:
    names = dict(enumerate(["under .8", ".8 to .9", ".9 to .95", ".95 to .99", ".99 or more"]))
    above = pl.sum_horizontal((pl.col("estimate") >= edge).cast(pl.Int64) for edge in (0.8, 0.9, 0.95, 0.99))
    band = above.replace_strict(names, return_dtype=pl.String)
    return (
        counted.filter(pl.col("estimate").is_not_null())
        .with_columns(estimated=band)
        .group_by("estimated")
        .agg(
            pl.len().alias("runs"),
            pl.col("estimate").mean().alias("mean estimate"),
            pl.col("precision").mean().alias("mean precision"),
            pl.col("precision").min().alias("worst precision"),
        )
        .sort("mean estimate")
    )


def _wrong_seeds(wrong: pl.DataFrame) -> pl.DataFrame:
    everywhere = wrong.with_columns(family=pl.lit("all"))
    return (
        pl.concat([wrong, everywhere])
        .group_by("planted", "family", "seeds", maintain_order=True)
        .agg(
            pl.len().alias("runs"),
            pl.col("took off").mean(),
            pl.col("named").mean(),
            pl.col("named").filter(pl.col("took off")).mean().alias("named, of those that took off"),
            (pl.col("true doubted").sum() / pl.col("true seeds").sum()).alias("true seeds doubted"),
        )
        .sort("planted", "seeds", maintain_order=True)
    )


if __name__ == "__main__":
    main()
