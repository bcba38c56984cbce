"""One account with many people behind it, many accounts with one scheduler: who is named, and who is named wrongly.

    python benchmarks/bench_inverted.py WORLD [WORLD ...]          # folders that `toolkit sample std` wrote

Per world: accounts named as many people's (R10 relays are; R4 accounts were sold on, so several people were there);
sets tested for a scheduler (the true rings, and honest groups of 4 to 300 accounts); batches seen in the whole
population; hand-offs among the accounts named; and what the batches add to linking. SYNTHETIC worlds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import polars as pl

import toolkit as tk
from toolkit.linking.inverted import build_turns, find_many_people
from toolkit.linking.observations import merge_observations
from toolkit.linking.schedules import (
    SCHEDULE_KINDS,
    find_handoffs,
    find_schedules,
    observe_batches,
    observe_handoffs,
)
from toolkit.sources.samples.score import name_innocents, name_operators, read_truth, score_links


def main() -> None:
    """Print a block per world."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("worlds", nargs="+", type=Path)
    asked.add_argument("--link", action="store_true", help="also link with and without what was found (slow)")
    given = asked.parse_args()
    for folder in given.worlds:
        data, truth = tk.read_data(folder), read_truth(folder)
        who = name_operators(truth).select("account_id", is_="ring")
        who = pl.concat([who, name_innocents(truth).select("account_id", is_="kind")])
        began = time.perf_counter()
        turns = build_turns(data.tables["requests"])
        people = find_many_people(turns)
        took = time.perf_counter() - began
        print(f"\n## {folder.name}")
        print(f"many people ({people.height} judged, {took:.1f} s):", _count(people.filter("many_people"), who))
        named = people.filter("many_people")["account_id"].to_list()

        cards = tk.find_observations(data).filter(pl.col("kind") == "card").select("account_id", "value")
        began = time.perf_counter()
        tested = find_schedules(turns, _sets(truth), payers=cards)
        took = time.perf_counter() - began
        kind = pl.col("cluster_id").str.replace(r"^actor_(r\d+).*", "$1").str.replace(r"/.*", "")
        tested = tested.with_columns(is_=kind)
        print(f"schedulers ({tested.height} sets judged, {took:.1f} s):",
              tested.filter("scheduled").group_by("is_").len().sort("is_").rows())  # fmt: skip
        one = tested.filter(~pl.col("scheduled") & (pl.col("reasons") > 0))
        print("   one test alone:", one.group_by("is_").len().sort("is_").rows())
        for row in tested.filter("scheduled").iter_rows(named=True):
            print(f"   {row['cluster_id']} ({row['accounts']} accounts): {row['why']}")

        began = time.perf_counter()
        batches = observe_batches(turns)
        took = time.perf_counter() - began
        common = batches.filter(pl.col("value").str.starts_with("batch"))
        often = common.group_by("account_id").len().filter(pl.col("len") >= 3)
        print(f"batches ({common['value'].n_unique()} moments, {took:.1f} s), accounts in three or more:",
              _count(often, who))  # fmt: skip
        handoffs = find_handoffs(turns, named)
        strong = handoffs.filter(pl.col("bits") >= 6)
        ends = pl.concat([strong.select(account_id=side) for side in ("account_a", "account_b")]).unique()
        print(f"hand-offs among the named ({strong.height} pairs): accounts", _count(ends, who))
        if given.link:
            before = tk.find_observations(data)
            after = merge_observations([before, batches, observe_handoffs(handoffs)])
            kinds = {**data.kinds, **SCHEDULE_KINDS}
            for name, observations in (("before", before), ("after", after)):
                score = score_links(tk.link_accounts(observations, kinds=kinds, min_probability=0.5), truth)
                rings = {r: (found, pairs) for r, pairs, found in score.rings.select("ring", "pairs", "found").rows()}
                print(f"   links {name}: {score.links}, precision {score.precision:.3f}, R8 {rings.get('R8')}, "
                      f"R10 {rings.get('R10')}, {score.pairs}")  # fmt: skip


def _count(frame: pl.DataFrame, who: pl.DataFrame) -> list[tuple[str, int]]:
    named = frame.join(who, on="account_id", how="left").with_columns(pl.col("is_").fill_null("nobody special"))
    return named.group_by("is_").len().sort("len", "is_", descending=[True, False]).rows()


def _sets(truth: dict[str, pl.DataFrame]) -> pl.DataFrame:
    rings = name_operators(truth).select(cluster_id="actor_id", account_id="account_id")
    groups = truth["groups"].join(name_innocents(truth), on="account_id", how="semi")
    groups = groups.select(cluster_id="group_id", account_id="account_id").unique()
    size = pl.len().over("cluster_id")
    both = pl.concat([rings, groups])
    return both.filter(size.is_between(4, 400))


if __name__ == "__main__":
    main()
