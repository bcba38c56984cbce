"""What the resolution of communities decides: CPM gamma swept, alone and under the judge.

    python benchmarks/bench_gamma.py

*Alone* is the usual way: Leiden with the constant Potts model on corroborated pairs, its communities taken for
clusters. *Tight starts* changes the resolution of that one graph of starts, *all starts* that of every graph
(:mod:`toolkit.linking.nuclei`); then the judge grows and cuts them as it always does. Writes the measured part of
``docs/clusters.md``. Worlds are SYNTHETIC.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pages import as_markdown, put_into
from worlds import World, find_world, open_world, run_all

from toolkit.linking import nuclei
from toolkit.linking.arrays import IntArray
from toolkit.linking.belonging import ExpandSettings
from toolkit.linking.communities import find_communities
from toolkit.linking.partition import find_clusters
from toolkit.linking.score import Shared, combine, corroborate, prior_bits, propose, weigh
from toolkit.sources.samples.score import score_members

GAMMAS = (0.05, 0.3, 1.0)
SMALLEST = 3
PAGE = Path(__file__).resolve().parents[1] / "docs" / "clusters.md"


def main() -> None:
    """Sweep every world, write the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--worlds", default="pools_0,adaptive_0,std_0")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--page", type=Path, default=PAGE)
    given = asked.parse_args()
    tasks = [(given.cache, name) for name in given.worlds.split(",")]
    found = pl.concat(run_all(sweep_world, tasks, given.jobs))
    figures = found.with_columns(pl.format("{} / {}", pl.col("P").round(3), pl.col("R").round(3)).alias("P / R"))
    table = figures.pivot("world", index=["variant", "gamma"], values="P / R", maintain_order=True)
    text = f"B-cubed precision / recall over ring accounts:\n\n{as_markdown(table)}"
    put_into(given.page, "gamma", text)
    print(text)


def sweep_world(task: tuple[Path, str]) -> pl.DataFrame:
    """Every variant on one world."""
    cache, name = task
    family, _, number = name.rpartition("_")
    world = open_world(find_world(cache, family, int(number)))
    index = world.index
    a, b, _ = propose(index)
    shared = weigh(index, a, b)
    bits, _ = combine(index, corroborate(index, shared)[0])
    weight = np.maximum(bits + prior_bits(index.n_accounts), 0.0)
    rows = []
    for gamma in GAMMAS:
        group = find_communities(a, b, weight, index.n_accounts, gamma=gamma)
        rows.append({"variant": "communities alone", "gamma": gamma, **_score(world, np.arange(len(group)), group)})
    for variant, gammas in (("tight starts, judged", {nuclei.TIGHT_GAMMA}), ("all starts, judged", None)):
        for gamma in GAMMAS:
            with _resolution(gamma, gammas):
                rows.append({"variant": variant, "gamma": gamma, **_judged(world, shared)})
    rows.append({"variant": "as shipped", "gamma": None, **_judged(world, shared)})
    return pl.DataFrame(rows, schema_overrides={"gamma": pl.Float64}).with_columns(world=pl.lit(name))


@contextmanager
def _resolution(gamma: float, only: set[float] | None) -> Iterator[None]:
    """Starts whose gamma is in ``only`` (None: all) are cut at another one."""
    shipped: Any = nuclei.find_communities

    def swept(*args: Any, **named: Any) -> IntArray:
        asked = named.pop("gamma")
        found: IntArray = shipped(*args, gamma=gamma if only is None or asked in only else asked, **named)
        return found

    nuclei.find_communities = swept
    try:
        yield
    finally:
        nuclei.find_communities = shipped


def _judged(world: World, shared: Shared) -> dict[str, float | None]:
    sets = find_clusters(world.index, shared, ExpandSettings(), min_size=SMALLEST)
    return _score(world, sets.account, sets.label)


def _score(world: World, account: IntArray, label: IntArray) -> dict[str, float | None]:
    large = np.bincount(label)[label] >= SMALLEST
    names = world.index.accounts.gather(account[large])
    members = pl.DataFrame({"cluster_id": [str(c) for c in label[large].tolist()], "account_id": names})
    score = score_members(members, world.truth)
    return {"P": score.b3_precision, "R": score.b3_recall}


if __name__ == "__main__":
    main()
