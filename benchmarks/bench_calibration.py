"""What a probability turned out to mean: links and members against the truth of worlds nobody fitted anything on.

    python benchmarks/bench_calibration.py --jobs 2

On ``std`` worlds: reliability of the probabilities of links (raw, and after isotonic calibration on other worlds or on
other rings of the same world), reliability of the probabilities of members, the share of wrong pairs among those with a
q-value of 1 % or less, and precision within review budgets. Writes the measured parts of ``docs/calibration.md``.
Worlds are SYNTHETIC.

Readings of "right", each wider than the last. *Operator*: one operator stands behind both accounts, which is what an
enforcement team asks. *Entity*: or both are of one household or organisation, which do share what they were seen with.
*Honest*: or of any honest group: a campus, an agency's roll-out, a hackathon, a reseller. *Touched*: or one operator
had both in hand, as owner, thief or vendor. What is left are strangers: only those are what a q-value speaks of.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pages import as_markdown, put_into
from worlds import find_world, open_world, run_all

from toolkit.linking.calibration import Calibration, calibrate_scores
from toolkit.linking.network import build_network
from toolkit.settings import MAX_FDR
from toolkit.sources.samples.score import judge_pairs, name_innocents, name_operators

HOMES = ("household", "flatshare", "org")
"""Honest groups that are one entity: they share machines, networks and cards as one person does."""

READINGS = ("operator", "entity", "honest", "touched")

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999, 1.0)
"""Ten bins, the last one in three: most of what is published is there, and .9 and .999 are different claims."""

BUDGETS = (100, 500, 1_000)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "calibration.md"
Truth = dict[str, pl.DataFrame]


def main() -> None:
    """Link every world, then write every table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--family", default="std")
    asked.add_argument("--worlds", default="0,1,2,3,4")
    asked.add_argument(
        "--taught", type=int, default=2, help="worlds, from the first, that the calibration is fitted on"
    )
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--page", type=Path, default=PAGE)
    given = asked.parse_args()
    worlds = [int(world) for world in given.worlds.split(",")]
    found = run_all(link_world, [(given.cache, given.family, world) for world in worlds], given.jobs)
    links, members = (pl.concat([answer[part] for answer in found]) for part in (0, 1))
    taught = pl.col("world").is_in(worlds[: given.taught])
    parts = {
        "links": tell_links(links, taught),
        "members": tell_members(members),
        "fdr": tell_false_discoveries(links),
        "budgets": tell_budgets(links),
    }
    for part, text in parts.items():
        put_into(given.page, part, text)
        print(f"\n## {part}\n\n{text}")


def link_world(task: tuple[Path, str, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One world linked and clustered; every pair and every member with what it truly is."""
    cache, family, number = task
    world = open_world(find_world(cache, family, number))
    network = build_network(world.observations, kinds=world.data.kinds)
    of = pl.lit(number).alias("world")
    links = judge_links(network.links, world.truth, number)
    return links.with_columns(of), judge_members(network.members, network.clusters, world.truth).with_columns(of)


def judge_links(links: pl.DataFrame, truth: Truth, world: int) -> pl.DataFrame:
    """Each published pair: whether it is right, what it is if not, and what each end must be held out with."""
    pair = ["account_a", "account_b"]
    bare = links.select(*pair, "bits", "probability", "q_value", pl.col("level").cast(pl.String))
    judged = judge_pairs(bare, truth).join(shared_groups(bare, truth), on=pair, how="left")
    judged = judged.join(touched_pairs(bare, truth), on=pair, how="left")
    names, hurt = held_out_with(truth, world), name_innocents(truth)
    for side in ("a", "b"):
        of = {"account_id": f"account_{side}", "group": f"group_{side}", "kind": f"kind_{side}"}
        judged = judged.join(names.rename(of, strict=False), on=f"account_{side}", how="left")
        judged = judged.join(hurt.rename(of, strict=False), on=f"account_{side}", how="left").with_columns(
            pl.col(f"group_{side}").fill_null(pl.format("{} account {}", pl.lit(world), f"account_{side}")),
            pl.when(pl.col(f"actor_{side}").is_not_null())
            .then(pl.lit("ring member"))
            .otherwise(pl.col(f"kind_{side}").fill_null("unknown"))
            .alias(f"kind_{side}"),
        )
    operator = pl.col("verdict") == "true"
    entity = operator | pl.col("home").fill_null(value=False)
    honest = entity | pl.col("group_kind").is_not_null()
    judged = judged.with_columns(
        operator=operator, entity=entity, honest=honest, touched=honest | pl.col("touched").fill_null(value=False)
    )
    ends = pl.concat_list("kind_a", "kind_b").list.sort().list.join(" + ")
    return judged.with_columns(
        what=pl.when("operator")
        .then(pl.lit("one operator"))
        .when("honest")
        .then(pl.format("one {}", "group_kind"))
        .when("touched")
        .then(pl.format("{}, of one operator", ends))
        .otherwise(ends)
    ).select(*bare.columns, *READINGS, "what", "group_a", "group_b")


def touched_pairs(pairs: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """The pairs that one operator had in hand, in whatever role: owner, thief, vendor."""
    hands = truth["membership"].select("account_id", "actor_id").unique()
    both = pairs.select("account_a", "account_b").join(hands, left_on="account_a", right_on="account_id")
    both = both.join(hands, left_on=["account_b", "actor_id"], right_on=["account_id", "actor_id"], how="semi")
    return both.select("account_a", "account_b", touched=pl.lit(value=True)).unique()


def shared_groups(pairs: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """The honest group that each pair has in common, a home before another, and whether it is one."""
    groups = truth["groups"].filter(pl.col("kind") != "cgnat").select("account_id", "group_id", "kind").unique()
    both = (
        pairs.select("account_a", "account_b")
        .join(groups, left_on="account_a", right_on="account_id")
        .join(groups.drop("kind"), left_on=["account_b", "group_id"], right_on=["account_id", "group_id"], how="semi")
        .with_columns(home=pl.col("kind").is_in(HOMES))
        .sort("account_a", "account_b", "home", "kind", descending=[False, False, True, False])
    )
    first = both.unique(["account_a", "account_b"], keep="first", maintain_order=True)
    return first.select("account_a", "account_b", "home", group_kind="kind")


def held_out_with(truth: Truth, world: int) -> pl.DataFrame:
    """The ring of each account, or its honest group: what its links may not both teach and test."""
    rings = name_operators(truth).select("account_id", group="actor_id")
    groups = truth["groups"].filter(pl.col("kind") != "cgnat").select("account_id", group="group_id")
    named = pl.concat([rings, groups.sort("account_id", "group")]).unique(
        "account_id", keep="first", maintain_order=True
    )
    return named.with_columns(group=pl.format("{} {}", pl.lit(world), "group"))


def judge_members(members: pl.DataFrame, clusters: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Each account in or beside a cluster: whether it is of the operator, or entity, that most members are of."""
    groups = truth["groups"].filter(pl.col("kind") != "cgnat").select("account_id", "kind", who="group_id")
    operators = name_operators(truth).select("account_id", who="actor_id")
    homes = groups.filter(pl.col("kind").is_in(HOMES)).drop("kind")
    placed = members.select("cluster_id", "account_id", "probability", "role", "band")
    whose = {
        "operator": operators,
        "entity": pl.concat([operators, homes]),
        "honest": pl.concat([operators, groups.drop("kind")]),
    }
    for name, known in whose.items():
        named = placed.join(known.unique(), on="account_id")
        main = (
            named.filter(pl.col("role") == "member")
            .group_by("cluster_id", "who")
            .len()
            .filter(pl.col("len") >= 2)
            .sort(["cluster_id", "len", "who"], descending=[False, True, False])
            .unique("cluster_id", keep="first", maintain_order=True)
        )
        right = named.join(main, on=["cluster_id", "who"], how="semi").select("cluster_id", "account_id").unique()
        placed = placed.join(
            right.with_columns(pl.lit(value=True).alias(name)), on=["cluster_id", "account_id"], how="left"
        )
    told = placed.with_columns(pl.col(*whose).fill_null(value=False))
    return told.join(clusters.select("cluster_id", "reading"), on="cluster_id").with_columns(
        pl.col("role", "band", "reading").cast(pl.String)
    )


def reliability(rows: pl.DataFrame, said: str = "probability", held: str = "operator") -> pl.DataFrame:
    """By what was said: how many, the mean of it, what held, and the gap."""
    return (
        rows.with_columns(_said(said))
        .group_by("said")
        .agg(pl.len().alias("n"), pl.col(said).mean().alias("mean p"), pl.col(held).mean().alias("observed"))
        .sort("mean p")
        .with_columns(gap=pl.col("mean p") - pl.col("observed"))
    )


def _said(column: str) -> pl.Expr:
    """The bin of a probability, in words."""
    names = {place: f"{low:g} to {high:g}" for place, (low, high) in enumerate(pairwise(EDGES))}
    place = pl.sum_horizontal((pl.col(column) >= edge).cast(pl.Int64) for edge in EDGES[1:-1])
    return place.replace_strict(names, return_dtype=pl.String).alias("said")


def once_a_group(links: pl.DataFrame) -> pl.Expr:
    """A weight by which every ring, home or campus counts once, however many pairs it has: of the larger, for two."""
    other = pl.when(pl.col("group_a") != pl.col("group_b")).then("group_b")
    ends = pl.concat([links.select(group="group_a"), links.select(group=other).drop_nulls()])
    size = dict(ends.group_by("group").len().rows())
    of = (pl.col(side).replace_strict(size, return_dtype=pl.Float64) for side in ("group_a", "group_b"))
    return 1 / pl.max_horizontal(*of)


def errors(rows: pl.DataFrame, said: str, held: str) -> dict[str, float]:
    """Mean squared error, and expected calibration error over ten equal bins; rows weigh alike."""
    p, right = rows[said].to_numpy(), rows[held].to_numpy().astype(float)
    gap = np.bincount(np.minimum((p * 10).astype(int), 9), weights=p - right, minlength=10)
    return {"Brier": float(np.mean((p - right) ** 2)), "ECE": float(np.abs(gap).sum() / len(p))}


def fit(rows: pl.DataFrame, held: str, *, once: bool = False) -> Calibration:
    """Isotonic calibration; its own figures come from held-out rings. ``once``: every group weighs the same."""
    bits, before = rows["bits"].to_numpy(), rows["probability"].to_numpy()
    groups = rows.select("group_a", "group_b")
    return calibrate_scores(bits, rows[held].to_numpy(), groups, before=before, weigh_groups=once)


def tell_links(links: pl.DataFrame, taught: pl.Expr) -> str:
    """Reliability of links: as published, by other worlds, by other rings of the same world."""
    links = links.with_columns(weight=once_a_group(links))
    known, new = links.filter(taught), links.filter(~taught)
    told = [
        f"Links as published (probability .01 or more), {links['world'].n_unique()} worlds, and the share right in "
        "three readings; *once*: every ring, home or campus weighs the same, however many pairs it has:",
        as_markdown(_every_way(links)),
    ]
    rows: list[dict[str, Any]] = []
    for held in READINGS[:3]:
        curve = fit(known, held)
        calibrated = new.with_columns(pl.Series("calibrated", curve.apply(new["bits"].to_numpy())))
        told += [
            f"After isotonic calibration on the first worlds, judged on the others; right = *{held}*:",
            as_markdown(reliability(calibrated, "calibrated", held)),
        ]
        of = {"right": held}
        rows.append(
            {**of, "what": "as published, all worlds", "pairs": len(links), **errors(links, "probability", held)}
        )
        rows.append(
            {**of, "what": "as published, worlds judged", "pairs": len(new), **errors(new, "probability", held)}
        )
        rows.append(
            {**of, "what": "calibrated on the others", "pairs": len(new), **errors(calibrated, "calibrated", held)}
        )
        for (world,), frame in links.group_by("world", maintain_order=True):
            for once in (False, True):
                own = fit(frame, held, once=once)
                what = f"world {world}, rings held out" + (", each once" if once else "")
                rows.append({**of, "what": what, "pairs": own.rows, "Brier": own.brier, "ECE": own.ece})
    told += ["Squared error and calibration error, over pairs:", as_markdown(pl.DataFrame(rows))]
    return "\n\n".join(told)


def _every_way(links: pl.DataFrame) -> pl.DataFrame:
    """Reliability of what is published in three readings, by pairs and by groups."""
    read = READINGS[:3]
    once = [((pl.col(held) * pl.col("weight")).sum() / pl.col("weight").sum()).alias(f"{held}, once") for held in read]
    table = links.with_columns(_said("probability")).group_by("said")
    return (
        table.agg(pl.len().alias("n"), pl.col("probability").mean().alias("mean p"), pl.col(*read).mean(), *once)
        .sort("mean p")
        .with_columns((pl.col("mean p") - pl.col(held)).alias(f"gap ({held})") for held in read)
    )


def tell_members(members: pl.DataFrame) -> str:
    """Reliability of members and of the candidates beside them."""
    inside = members.filter(pl.col("role") == "member")
    rings = inside.filter(pl.col("reading") == "ring")
    beside = members.filter(pl.col("role") == "candidate")
    told = []
    for words, rows, held in (
        ("Members of clusters read as a ring; right = of the operator that most members are of", rings, "operator"),
        ("Members of clusters read as a ring; right = ... operator, household or organisation ...", rings, "entity"),
        ("Members of all clusters; right = ... operator or any honest group ...", inside, "honest"),
        ("Candidates, who stand beside a cluster of any reading; right as in the last", beside, "honest"),
    ):
        figures = ", ".join(f"{name} {value:.3f}" for name, value in errors(rows, "probability", held).items())
        told += [f"{words} ({figures}):", as_markdown(reliability(rows, held=held))]
    return "\n\n".join(told)


def tell_false_discoveries(links: pl.DataFrame) -> str:
    """Share of wrong pairs among those that chance is said to explain in 1 % at most."""
    linked = links.filter(pl.col("q_value") <= MAX_FDR)
    claims = {
        f"q <= {MAX_FDR:g}": linked,
        f"q <= {MAX_FDR:g}, probability >= .5": linked.filter(pl.col("probability") >= 0.5),
        "level L2": links.filter(pl.col("level") == "L2"),
        "level L3": links.filter(pl.col("level") == "L3"),
        **{f"q <= {MAX_FDR:g}, world {key[0]}": part for key, part in linked.group_by("world", maintain_order=True)},
    }
    words = ("not one operator", "nor one entity", "nor any honest group", "nor touched by one operator")
    rows = [
        {"claim": claim, "pairs": len(frame)}
        | {word: 1 - float(frame[held].mean()) for word, held in zip(words, READINGS, strict=True)}  # type: ignore[arg-type]
        for claim, frame in claims.items()
        if len(frame)
    ]
    what = linked.group_by("what").agg(pl.len().alias("pairs"), pl.col("probability").mean().alias("mean p"))
    what = what.with_columns(share=pl.col("pairs") / len(linked)).sort("pairs", "what", descending=[True, False])
    told = [
        f"Nominal {MAX_FDR:.0%}; observed share of pairs that are ...", as_markdown(pl.DataFrame(rows), 4),
        f"What the pairs with q <= {MAX_FDR:g} are:", as_markdown(what.head(16)),
    ]  # fmt: skip
    return "\n\n".join(told)


def tell_budgets(links: pl.DataFrame) -> str:
    """Precision of the first pairs of each world, as many as a team can look at, in two orders."""
    orders = {"bits": ["bits"], "level, then bits": ["level", "bits"]}
    rows = []
    for words, order in orders.items():
        ranked = links.sort([*order, "account_a", "account_b"], descending=[*([True] * len(order)), False, False])
        for budget in BUDGETS:
            tops = [part.head(budget) for _, part in ranked.group_by("world", maintain_order=True)]
            share = {held: [float(top[held].mean()) for top in tops] for held in READINGS[:3]}  # type: ignore[arg-type]
            rows.append(
                {"order": words, "budget": budget}
                | {held: np.mean(of) for held, of in share.items()}
                | {"worst world (operator)": min(share["operator"])}
                | {"operators among them": np.mean([top.filter("operator")["group_a"].n_unique() for top in tops])}
            )
    return "Mean over worlds:\n\n" + as_markdown(pl.DataFrame(rows))


if __name__ == "__main__":
    main()
