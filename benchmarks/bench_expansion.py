"""Expansion from seeds on unseen sample worlds: recall, precision, honesty of the estimate, and harm to innocents.

    python benchmarks/bench_expansion.py --worlds 0,1,2,3,4 --seeds 3 --draws 3 --families std,pools,crews

Prints a row per family, and per ring of ``std``, over all worlds and draws (mean and worst), the worst single runs, how
often a wrong seed among three is named and a true one doubted, innocents by level, and what happens when the seeds are
innocent themselves. ``holdout`` is a family that was not looked at while the method was made. Worlds are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from seeds import doubted_seeds, draw_innocent, draw_innocent_seeds, draw_ring_seeds
from worlds import find_world, open_world

from toolkit.linking.expand import expand_within
from toolkit.linking.incidence import Incidence
from toolkit.sources.samples.score import name_innocents, score_expansion

GUARDED = {"campus", "cgnat", "household", "org", "hackathon", "lab", "agency"}


def main() -> None:
    """Run the whole table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--families", default="std")
    asked.add_argument("--worlds", default="0,1,2,3,4")
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--draws", type=int, default=3)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    given = asked.parse_args()
    runs, levels, innocent_runs, wrong = [], [], [], []
    for family in given.families.split(","):
        for world in [int(w) for w in given.worlds.split(",")]:
            opened = open_world(find_world(given.cache, family, world))
            index, truth = opened.index, opened.truth
            innocents = name_innocents(truth)
            rng = np.random.default_rng([world, given.seeds])
            for ring, seeds in draw_ring_seeds(truth, rng, given.seeds, given.draws):
                began = time.perf_counter()
                found = expand_within(index, seeds)
                took = time.perf_counter() - began
                score = score_expansion(found, truth, seeds)
                runs.append(
                    {
                        "family": family, "world": world, "ring": ring if family == "std" else family,
                        "size": score.targets + len(seeds), "recall": score.recall or 0.0,
                        "precision": score.precision, "estimate_error": score.precision_error,
                        "found": score.included, "seconds": took,
                        "wrong": ", ".join(f"{k} {n}" for k, n in score.wrong.iter_rows()),
                    }
                )  # fmt: skip
                levels.append(found.join(innocents, on="account_id").group_by("kind", "level", "included").len())
                if len(seeds) == 3:
                    wrong.append(plant_wrong_seed(index, truth, seeds, family, rng))
            for kind, seeds in draw_innocent_seeds(truth, innocents, rng, given.seeds):
                found = expand_within(index, seeds)
                taken = found.filter(pl.col("included") & ~pl.col("account_id").is_in(seeds))
                strong = taken.filter(pl.col("level") > "L2").height
                innocent_runs.append({"kind": kind, "found": taken.height, "above_L2": strong})
    report(pl.DataFrame(runs, infer_schema_length=None), pl.concat(levels), pl.DataFrame(innocent_runs))
    if wrong:
        print("\nA wrong seed among three: named, and true seeds doubted")
        print(pl.DataFrame(wrong).group_by("family").agg(pl.len().alias("runs"), pl.col("named", "doubted").mean()))


def plant_wrong_seed(
    index: Incidence, truth: dict[str, pl.DataFrame], seeds: list[str], family: str, rng: np.random.Generator
) -> dict[str, object]:
    """Put a stranger in the place of one seed, and see whether it is named and the two true ones are left alone."""
    stranger = draw_innocent(index, truth, rng)
    asked = [*seeds[:2], stranger]
    doubted = doubted_seeds(expand_within(index, asked), asked)
    return {"family": family, "named": float(stranger in doubted), "doubted": float(any(s in doubted for s in seeds))}


def report(runs: pl.DataFrame, levels: pl.DataFrame, innocent_runs: pl.DataFrame) -> None:
    """Print the tables."""
    pl.Config.set_tbl_rows(100)
    pl.Config.set_tbl_cols(20)
    pl.Config.set_tbl_width_chars(160)
    pl.Config.set_float_precision(3)
    pl.Config.set_fmt_str_lengths(60)
    pl.Config.set_tbl_formatting("ASCII_MARKDOWN")
    pl.Config.set_tbl_hide_column_data_types(True)
    pl.Config.set_tbl_hide_dataframe_shape(True)
    print("\nPer ring, over worlds and draws")
    print(
        runs.group_by("ring")
        .agg(
            pl.len().alias("runs"),
            pl.col("recall").mean(),
            pl.col("recall").min().alias("worst recall"),
            pl.col("precision").mean(),
            pl.col("precision").min().alias("worst precision"),
            pl.col("estimate_error").abs().max().alias("worst gap of estimate"),
            (pl.col("found") == 0).sum().alias("found nobody"),
            pl.col("seconds").median().alias("median s"),
        )
        .sort(pl.col("ring").str.slice(1).cast(pl.Int64, strict=False), "ring")
    )
    print("\nThe worst runs")
    print(runs.sort("recall", "precision").head(12).drop("estimate_error", "seconds"))
    imprecise = runs.filter(pl.col("precision") < 0.95)
    print(f"\nRuns under precision .95: {imprecise.height} of {runs.height}")
    if imprecise.height:
        print(imprecise.drop("seconds"))
    print("\nInnocents in the answers, by level and whether included")
    table = levels.group_by("kind", "level", "included").agg(pl.col("len").sum()).sort("kind", "level", "included")
    print(table)
    bad = table.filter(pl.col("kind").is_in(sorted(GUARDED)) & (pl.col("level") > "L2"))["len"].sum()
    print(f"\nCampus, CGNAT, household, organisation and control accounts above L2: {bad}")
    print("\nExpansions from innocent seeds: accounts found, and found above L2")
    print(
        innocent_runs.group_by("kind")
        .agg(pl.len().alias("runs"), pl.col("found").mean(), pl.col("above_L2").sum())
        .sort("kind")
    )


if __name__ == "__main__":
    main()
