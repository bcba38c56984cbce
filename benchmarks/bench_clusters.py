"""Clusters without seeds on sample worlds of different structure: right, complete, harmless, and honest about chance.

    python benchmarks/bench_clusters.py --worlds 0,1,2,3,4 --families std,pools,chains,crews,adaptive,tinies,undeclared

Prints, per family over worlds (mean and worst): B-cubed and pair precision and recall, the worst ring, innocents in
ring clusters, innocents in the bands an enforcement team would read, precision by band, how clusters that are a
household, an organisation or a reseller were read, ring-level false discovery rates, and the time. ``holdout`` is a
family that was not looked at while the method was made; name it to score it. Worlds are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import polars as pl
from worlds import LOOKED_AT, find_world

import toolkit as tk
from toolkit.linking.network import build_network
from toolkit.sources.samples.score import name_innocents, name_operators, read_truth, score_links, score_members

HONEST = {
    "household": "household",
    "flatshare": "household",
    "org": "organisation",
    "reseller": "reseller",
    "agency": "reseller",
}
STRONG = ("confirmed", "probable")


def main() -> None:
    """Run the whole table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--families", default=",".join(LOOKED_AT))
    asked.add_argument("--worlds", default="0,1,2,3,4")
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    given = asked.parse_args()
    runs, bands, harmed, readings, rings = [], [], [], [], []
    for family in given.families.split(","):
        for world in [int(w) for w in given.worlds.split(",")]:
            folder = find_world(given.cache, family, world)
            data, truth = tk.read_data(folder), read_truth(folder)
            observations = tk.find_observations(data)
            began = time.perf_counter()
            network = build_network(observations, kinds=data.kinds)
            took = time.perf_counter() - began
            of = {"family": family, "world": world}
            score = score_members(network.members, truth)
            pairs = score_links(network.links.filter(pl.col("level") >= "L2"), truth)
            rings_only = network.clusters.filter(pl.col("reading") == "ring")
            called = score_members(network.members.join(rings_only, on="cluster_id", how="semi"), truth)
            strong = network.members.filter(pl.col("band").is_in(STRONG)).join(name_innocents(truth), on="account_id")
            runs.append(
                {
                    **of, "B3 P": score.b3_precision, "B3 R": score.b3_recall, "cluster pair P": score.pair_precision,
                    "cluster pair R": score.pair_recall, "link P": pairs.precision, "link R": pairs.recall,
                    "innocents in rings": score.innocents_in_rings, "... read as ring": called.innocents_in_rings,
                    "innocents banded": strong.height,
                    "ring FDR": network.clusters["ring_fdr"].max(), "seconds": took,
                }
            )  # fmt: skip
            bands.append(score.bands.with_columns(**{k: pl.lit(v) for k, v in of.items()}))
            harmed.append(strong.group_by("kind", "band").len().with_columns(**{k: pl.lit(v) for k, v in of.items()}))
            readings.append(judge_readings(network.members, network.clusters, truth, family))
            rings.append(score.rings.with_columns(**{k: pl.lit(v) for k, v in of.items()}))
    report(pl.DataFrame(runs), pl.concat(bands), pl.concat(harmed), pl.concat(readings), pl.concat(rings))


def judge_readings(
    members: pl.DataFrame, clusters: pl.DataFrame, truth: dict[str, pl.DataFrame], family: str
) -> pl.DataFrame:
    """What each cluster is by the truth (who makes up half of it), beside what it was read as."""
    inside = members.filter(pl.col("role") == "member").select("cluster_id", "account_id")
    groups = truth["groups"].filter(pl.col("kind") != "cgnat").select("account_id", "group_id", "kind")
    operators = name_operators(truth).select("account_id", group_id="actor_id", kind=pl.lit("ring"))
    known = pl.concat([operators, groups])
    counted = inside.join(known, on="account_id").group_by("cluster_id", "group_id", "kind").len()
    main = (
        counted.sort(["cluster_id", "len", "kind", "group_id"], descending=[False, True, True, False])
        .unique("cluster_id", keep="first", maintain_order=True)
        .join(clusters.select("cluster_id", "size", "reading"), on="cluster_id", how="right")
        .with_columns(
            truth=pl.when(pl.col("len") >= 0.5 * pl.col("size"))
            .then(pl.col("kind").replace(HONEST))
            .otherwise(pl.lit("mixed"))
        )
    )
    return main.select(pl.lit(family).alias("family"), pl.col("truth").fill_null("strangers"), "reading")


def report(
    runs: pl.DataFrame, bands: pl.DataFrame, harmed: pl.DataFrame, readings: pl.DataFrame, rings: pl.DataFrame
) -> None:
    """Print the tables."""
    pl.Config(
        tbl_rows=200, tbl_cols=20, tbl_width_chars=190, float_precision=3, tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True,
    )  # fmt: skip
    figures = [name for name in runs.columns if name not in ("family", "world")]
    worse_high = {"innocents in rings", "... read as ring", "innocents banded", "ring FDR", "seconds"}
    print("\nMean over worlds")
    print(runs.group_by("family", maintain_order=True).agg(pl.col(figures).mean()))
    print("\nWorst world")
    worst = [pl.col(name).max() if name in worse_high else pl.col(name).min() for name in figures]
    print(runs.group_by("family", maintain_order=True).agg(worst))
    print("\nThe ring found worst, per family, and how many rings were found to less than half")
    print(
        rings.group_by("family", maintain_order=True).agg(
            pl.len().alias("rings"),
            pl.col("recall").mean(),
            (pl.col("recall") < 0.5).sum().alias("under half"),
            pl.col("ring").sort_by("recall").first().alias("worst ring"),
            pl.col("recall").min().alias("its recall"),
        )
    )
    print(
        "\nPrecision by band: accounts that belong to the main operator of their cluster, in clusters that hold a ring"
    )
    print(
        bands.group_by("family", "band", maintain_order=True)
        .agg(pl.col("accounts").sum(), pl.col("right").sum())
        .with_columns(share=pl.col("right") / pl.col("accounts"))
        .filter(pl.col("band").is_in(STRONG))
    )
    print("\nInnocents in band confirmed or probable, by kind")
    print(harmed.group_by("family", "kind", "band").agg(pl.col("len").sum()).sort("family", "kind"))
    print("\nWhat clusters are (rows) and what they were read as")
    table = readings.group_by("truth", "reading").len().pivot("reading", index="truth", values="len").fill_null(0)
    print(table.sort("truth"))
    for name in ("household", "organisation", "reseller"):
        right = readings.filter((pl.col("truth") == name) & (pl.col("reading") == name)).height
        said, are = (readings.filter(pl.col(column) == name).height for column in ("reading", "truth"))
        print(f"reading {name}: precision {right / max(said, 1):.3f}, recall {right / max(are, 1):.3f}")


if __name__ == "__main__":
    main()
