"""What each template finds of what was planted for it.

    python benchmarks/bench_templates.py --worlds 5 --page docs/templates.md

Worlds are the SYNTHETIC sample (``toolkit sample std --seed N``). The cells of each template are run one after the
other in this process, as in a notebook; the truth beside the world is read here alone, after the template has spoken.
``found`` are planted accounts (or organisations, or pairs of cases) that it names, ``wrong`` those it names and nobody
planted, ``harmed`` accounts of no ring among those a step is proposed against (beyond being watched or told).
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from pages import as_markdown, put_into
from worlds import find_world

from toolkit.resources import bundled

Names = dict[str, Any]
HARMLESS = ("do not action", "monitor", "notify and rotate")


def run_cells(template: str, **parameters: Any) -> Names:
    """Run the cells of a template; what they leave, and the seconds they took under ``took``."""
    source = json.loads((bundled("templates") / f"{template}.ipynb").read_text(encoding="utf-8"))
    names: Names = {"__name__": "__main__"}
    began = time.perf_counter()
    for cell in source["cells"]:
        if cell["cell_type"] == "code":
            exec(compile(ast.parse("".join(cell["source"])), template, "exec"), names)  # noqa: S102 - our own template
            if "parameters" in cell["metadata"].get("tags", []):
                names |= parameters
    return {**names, "took": time.perf_counter() - began}


class Truth:
    """Who is what in a world."""

    def __init__(self, folder: Path) -> None:
        self.rows = pl.read_parquet(folder / "truth" / "membership.parquet")

    def of(self, ring: str, *roles: str) -> set[str]:
        """Accounts with a role in a ring (R7 stands for R7_01, R7_02, ...)."""
        mine = (pl.col("ring") == ring) | pl.col("ring").str.starts_with(f"{ring}_")
        return set(self.rows.filter(mine & pl.col("role").is_in(list(roles or ("member", "creator"))))["account_id"])

    @property
    def guilty(self) -> set[str]:
        """Members and creators of any ring."""
        return set(self.rows.filter(pl.col("role").is_in(["member", "creator"]))["account_id"])


def measure(folder: Path) -> list[dict[str, object]]:
    """A row for each template and what was planted for it."""
    truth, uri = Truth(folder), str(folder)
    rows: list[dict[str, object]] = []

    def add(
        template: str,
        what: str,
        made: Names,
        planted: Iterable[str],
        named: Iterable[str],
        right: set[str] | None = None,
    ) -> None:
        want, said = set(planted), set(named)
        hit = [a.account_id for a in made["actions"] if a.rung.value not in HARMLESS]
        rows.append(
            {
                "template": template, "what": what, "planted": len(want), "found": len(want & said),
                "wrong": len(said - (want if right is None else right)),
                "harmed": len(set(hit) - truth.guilty), "seconds": made["took"],
            }
        )  # fmt: skip

    for ring in ("R1", "R2", "R3", "R6", "R8"):
        members = sorted(truth.of(ring, "member"))
        made = run_cells("ring_escalation", data_uri=uri, seed_accounts=members[:3])
        add("ring_escalation", f"{ring} from 3 seeds", made, set(members[3:]), made["joined"], truth.of(ring))
    made = run_cells("ban_evasion", data_uri=uri)
    firm = set(made["firm"]["account_id"])
    add("ban_evasion", "returns after a ban, well tied", made, _returns(folder), firm, truth.guilty)
    made = run_cells("payment_fraud_free_tier", data_uri=uri)
    add("payment_fraud_free_tier", "who tries cards (R6)", made, truth.of("R6"), made["testers"])
    add("payment_fraud_free_tier", "whose cards they are", made, truth.of("R6", "victim"), made["owners"]["account_id"])
    made = run_cells("scaled_content", data_uri=uri)
    for ring in ("R1", "R2", "R3", "R4", "R8"):
        crews = made["crews"].filter(pl.col("account_id").is_in(list(truth.of(ring))))["crew"].unique().to_list()
        named = made["crews"].filter(pl.col("crew").is_in(crews))["account_id"]
        add(
            "scaled_content",
            f"{ring} in {len(crews)} crews" if len(crews) != 1 else f"{ring} in one crew",
            made,
            truth.of(ring),
            named,
        )
    made = run_cells("key_theft_llmjacking", data_uri=uri)
    stolen = made["profile"].filter(pl.col("verdict") == "stolen")
    add("key_theft_llmjacking", "stolen keys' organisations (R5)", made, _robbed(folder, truth), set(stolen["org"]))
    crew = sorted(truth.of("R9"))
    made = run_cells("influence_op", data_uri=uri, seed_accounts=crew[:3])
    found = set(made["members"]) | set(made["firm"])
    add("influence_op", "R9 from 3 seeds", made, set(crew[3:]), found - set(crew[:3]), truth.of("R9"))
    made = run_cells("batch_triage", data_uri=uri)
    made["actions"] = []
    told = [json.loads(line) for line in (folder / "escalations.jsonl").read_text(encoding="utf-8").splitlines()]
    alike = made["queue"].drop_nulls("ring").select("case_id", "ring").rows()
    planted = {f"{a}={b}" for a, b in _same(told, truth)}
    said = {f"{a}={b}" for a, ring in alike for b, other in alike if a < b and ring == other}
    add("batch_triage", "pairs of escalations about one ring", made, planted, said)
    return rows


def _returns(folder: Path) -> set[str]:
    """Accounts that an actor opened after a ban that was right."""
    bans = pl.read_parquet(folder / "truth" / "bans.parquet")
    return set(bans.filter("correct")["next_account_id"].drop_nulls())


def _robbed(folder: Path, truth: Truth) -> set[str]:
    """Organisations of the owners whose keys were stolen."""
    keys = pl.read_parquet(folder / "api_keys.parquet")
    victims = truth.of("R5", "victim")
    return set(keys.filter(pl.col("account_id").is_in(list(victims)))["org_id"].drop_nulls())


def _same(told: list[dict[str, Any]], truth: Truth) -> list[tuple[str, str]]:
    """Pairs of escalations most of whose seeds are of one ring."""
    rings = {}
    for one in told:
        mine = truth.rows.filter(
            pl.col("account_id").is_in(one["seed_accounts"]) & pl.col("role").is_in(["member", "creator"])
        )
        counted = mine.group_by("ring").len().sort(["len", "ring"], descending=[True, False])
        rings[one["case_id"]] = (
            counted["ring"][0] if counted.height and counted["len"][0] * 2 > len(one["seed_accounts"]) else None
        )
    return [(a, b) for a in rings for b in rings if a < b and rings[a] is not None and rings[a] == rings[b]]


def _range(name: str) -> pl.Expr:
    return pl.format("{} to {}", pl.col(name).min(), pl.col(name).max()).alias(name)


def main() -> None:
    """Measure every world and print, or write, the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--worlds", type=int, default=5)
    asked.add_argument("--cache", type=Path, default=Path("out/bench"))
    asked.add_argument("--page", type=Path)
    given = asked.parse_args()
    rows = []
    for world in range(given.worlds):
        rows += [{**row, "world": world} for row in measure(find_world(given.cache, "std", world))]
    table = pl.DataFrame(rows).with_columns(what=pl.col("what").str.replace(r" in (one crew|\d+ crews)", ""))
    summed = table.group_by("template", "what", maintain_order=True).agg(
        *(_range(name) for name in ("planted", "found", "wrong", "harmed")), pl.col("seconds").median().round(1)
    )
    print(as_markdown(summed, 1))
    if given.page:
        put_into(given.page, "templates", as_markdown(summed, 1))


if __name__ == "__main__":
    main()
