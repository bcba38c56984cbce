"""Does a ring that comes back find the ring it was? Known halves against new halves, on worlds whose truth is known.

    python benchmarks/bench_match.py WORLD [WORLD ...]          # folders that `toolkit sample` wrote

Every operator with two accounts or more is cut in two by arrival. The earlier half is the *known ring*: what it was
seen with until the later half arrived, and nothing after; its accounts are then taken out of the data. The later half
is a *new ring*, and so is every honest group of three to three hundred accounts (at most sixty a world). A match is
right when both halves are one operator's. Everything else that is called a match is wrong. SYNTHETIC worlds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

import toolkit as tk
from toolkit.linking.match import match_clusters
from toolkit.linking.profiles import profile_rings
from toolkit.sources.samples.score import name_innocents, name_operators, read_truth

FOUND = ["same operator", "same ring"]


def main() -> None:
    """Print a row per world, then the wrong matches and the operators that were missed."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("worlds", nargs="+", type=Path)
    given = asked.parse_args()
    rows, wrong, missed, verdicts = [], [], [], []
    for folder in given.worlds:
        matches, operators, took = run(folder)
        matches = matches.with_columns(right=pl.col("cluster_id") == pl.col("ring_id"), world=pl.lit(folder.name))
        called = matches.filter(pl.col("verdict").is_in(FOUND))
        hit = called.filter("right").height
        verdicts.append(matches.group_by("right", "verdict").len())
        rows.append((folder.name, operators.height, called.height, hit, hit / max(called.height, 1),
                     hit / max(operators.height, 1), took))  # fmt: skip
        wrong.append(called.filter(~pl.col("right")))
        lost = operators.join(called.filter("right"), left_on="actor_id", right_on="cluster_id", how="anti")
        lost = lost.join(
            matches.filter("right").select("verdict", actor_id="cluster_id", p="probability"),
            on="actor_id", how="left",
        )  # fmt: skip
        missed.append(lost.with_columns(world=pl.lit(folder.name)))
    names = ["world", "operators cut", "called", "right", "precision", "recall", "s"]
    with pl.Config(tbl_rows=200, tbl_cols=20, tbl_width_chars=200, fmt_str_lengths=90, tbl_hide_dataframe_shape=True,
                   tbl_formatting="ASCII_MARKDOWN", tbl_hide_column_data_types=True, float_precision=3,
                   fmt_table_cell_list_len=6):  # fmt: skip
        print(pl.DataFrame(rows, schema=names, orient="row"))
        print("\nVerdicts, by whether the pair is one operator")
        print(pl.concat(verdicts).group_by("right", "verdict").agg(pl.col("len").sum()).sort("right", "verdict"))
        print("\nWrong matches")
        print(
            pl.concat(wrong).select("world", "cluster_id", "ring_id", "probability", "families", "carriers", "evidence")
        )
        print("\nOperators missed, by verdict")
        lost = pl.concat(missed)
        print(lost.group_by("ring", "verdict").agg(pl.len(), pl.col("p").mean()).sort("ring", "verdict"))


def run(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Match one world; the operators that were cut, and the seconds the match took."""
    data, truth = tk.read_data(folder), read_truth(folder)
    arrived = data.events.group_by("account_id").agg(arrived=pl.col("event_at").min())
    ours = name_operators(truth).join(arrived, on="account_id").sort("actor_id", "arrived", "account_id")
    place = pl.int_range(pl.len()).over("actor_id")
    ours = ours.with_columns(late=place * 2 >= pl.len().over("actor_id"), size=pl.len().over("actor_id"))
    ours = ours.filter(pl.col("size") >= 2)
    cut = ours.filter("late").group_by("actor_id", "ring").agg(cut=pl.col("arrived").min())
    old = ours.filter(~pl.col("late")).join(cut, on=["actor_id", "ring"])
    before = {
        name: frame.join(old.select("account_id", "cut"), on="account_id").filter(pl.col("event_at") < pl.col("cut"))
        for name, frame in data.tables.items()
    }
    after = {name: frame.join(old, on="account_id", how="anti") for name, frame in data.tables.items()}
    then = tk.find_observations(replace(data, tables={n: f.drop("cut") for n, f in before.items()}))
    now = tk.find_observations(replace(data, tables=after))
    everybody = tk.find_observations(data)
    new = ours.filter("late").select("account_id", cluster_id="actor_id")
    honest = name_innocents(truth).join(old, on="account_id", how="anti").join(new, on="account_id", how="anti")
    groups = truth["groups"].join(honest.select("account_id"), on="account_id", how="semi")
    sized = groups.group_by("group_id").len().filter(pl.col("len").is_between(3, 300)).sort("group_id")
    chosen = sized.gather_every(max(sized.height // 60, 1))
    groups = groups.join(chosen, on="group_id", how="semi").select(
        "account_id", cluster_id=pl.format("~{}", "group_id")
    )
    began = time.perf_counter()
    from toolkit.linking.profiles import measure_background

    known = profile_rings(
        old.select("account_id", cluster_id="actor_id"), then, kinds=data.kinds,
        background=measure_background(everybody, without=ours["account_id"]),
    )  # fmt: skip
    matches = match_clusters(pl.concat([new, groups.select(new.columns)]), now, known, kinds=data.kinds)
    return matches, cut.sort("actor_id"), time.perf_counter() - began


if __name__ == "__main__":
    main()
