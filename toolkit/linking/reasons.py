"""The table of an expansion: every account in or near the set, and why it is in or out, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from toolkit.errors import visible
from toolkit.linking.arrays import IntArray
from toolkit.linking.belonging import ExpandSettings, Scores, find_frontier, score_accounts
from toolkit.linking.combine import FAMILY_SPEAKS, family_names
from toolkit.linking.evidence import EVIDENCE_FIELDS, write_evidence
from toolkit.linking.grow import Grown
from toolkit.linking.incidence import Incidence
from toolkit.linking.score import level_of
from toolkit.linking.sets import one_set
from toolkit.model.tables import EVIDENCE, Expansion, conform

__all__ = ["write_expansion"]


def write_expansion(
    index: Incidence,
    grown: Grown,
    trusted: IntArray,
    doubted: IntArray,
    absent: list[str],
    dials: ExpandSettings,
    *,
    told: bool,
) -> pl.DataFrame:
    """Turn the final state into the contract ``Expansion``; ``told`` says whether a precision may be quoted."""
    sets, rounds = grown.sets, int(grown.rounds[0])
    members = np.zeros(index.n_accounts, dtype=bool)
    members[sets.account] = True
    joined = np.zeros(index.n_accounts, dtype=np.int64)
    joined[sets.account] = grown.joined
    frontier = find_frontier(index, sets, dials) | one_set(doubted, index.n_accounts)
    scores = score_accounts(index, sets, frontier, dials)
    account = scores.account
    seed = np.isin(account, trusted)
    doubt = np.isin(account, doubted)
    included = (seed | (members[account] & (scores.probability >= dials.include) & scores.solid)) & ~doubt
    near = np.flatnonzero(~included & ~doubt & (scores.families.max(axis=1, initial=0.0) >= FAMILY_SPEAKS))
    near = near[np.lexsort((account[near], -scores.bits[near]))][: dials.max_excluded]
    rows = np.concatenate((np.flatnonzero(included | doubt), near))
    p = np.where(seed[rows], np.maximum(scores.probability[rows], 0.0), scores.probability[rows])
    levels = level_of(p, scores.reasons[rows], scores.exclusive[rows], scores.behaviour[rows], probable=dials.leave)
    names = family_names(index.kinds)
    spoke = [[names[f] for f in np.flatnonzero(scores.families[row] >= 1.0)] for row in rows]
    evidence = _evidence(index, scores, rows)
    table = pl.DataFrame(
        {
            "row": rows,
            "account_id": index.accounts.gather(account[rows]),
            "round": np.where(
                seed[rows] | doubt[rows], 0, np.where(included[rows], np.maximum(joined[account[rows]], 1), rounds)
            ).astype(np.uint32),
            "probability": np.round(p, 9),
            "included": included[rows],
            "seed": seed[rows],
            "doubted": doubt[rows],
            "level": pl.Series(levels, dtype=pl.String),
            "families": pl.Series(spoke, dtype=pl.List(pl.String)),
            "reasons": scores.reasons[rows],
            "own_life": scores.own_life[rows],
        }
    ).join(evidence, on="row", how="left")
    table = table.with_columns(
        pl.col("evidence").fill_null(pl.lit([], dtype=EVIDENCE)),
        pl.Series("reason", _reasons(table, dials), dtype=pl.String),
    )
    table = _estimate_precision(table, told=told)
    if absent:
        lost = pl.DataFrame({"account_id": absent}).with_columns(
            round=pl.lit(0, pl.UInt32),
            probability=pl.lit(0.0),
            precision_estimate=pl.lit(None, pl.Float64),
            included=pl.lit(value=False),
            level=pl.lit("L0"),
            families=pl.lit([], dtype=pl.List(pl.String)),
            reason=pl.lit("seed does not occur in these data"),
            evidence=pl.lit([], dtype=EVIDENCE),
        )
        table = pl.concat([table.select(lost.columns), lost])
    ordered = table.sort(["included", "round", "probability", "account_id"], descending=[True, False, True, False])
    return conform(ordered, Expansion)


def _estimate_precision(table: pl.DataFrame, *, told: bool) -> pl.DataFrame:
    """Mean probability of the non-seeds included up to each round; null where none may be quoted."""
    found = table.filter(pl.col("included") & ~pl.col("seed"))
    rounds = sorted(found.get_column("round").unique().to_list())
    estimate = {
        number: float(np.mean(np.sort(found.filter(pl.col("round") <= number).get_column("probability").to_numpy())))
        for number in rounds
    }
    per_row = [
        round(estimate[number], 6) if told and included and not seed else None
        for number, included, seed in table.select("round", "included", "seed").iter_rows()
    ]
    return table.with_columns(pl.Series("precision_estimate", per_row, dtype=pl.Float64))


def _evidence(index: Incidence, scores: Scores, rows: IntArray) -> pl.DataFrame:
    """Return ``row``, ``evidence`` and ``said`` (the three best values in words) for the given frontier positions."""
    wanted = np.zeros(len(scores.account), dtype=bool)
    wanted[rows] = True
    hit = np.flatnonzero(wanted[scores.hit_row] & (scores.hit_bits > 0))
    rows_of_evidence = write_evidence(
        index,
        scores.hit_row[hit],
        index.value[scores.hit_incidence[hit]],
        scores.hit_bits[hit],
        scores.hit_holders[hit],
        members=scores.hit_members[hit],
    )
    return (
        rows_of_evidence.group_by("row", maintain_order=True)
        .agg(
            pl.struct(EVIDENCE_FIELDS).alias("evidence"),
            pl.struct("kind", "value", "bits", "holders", "members").head(3).alias("said"),
        )
        .with_columns(pl.col("evidence").cast(EVIDENCE))
    )


def _reasons(table: pl.DataFrame, dials: ExpandSettings) -> list[str]:
    """Why each row is in or out, in a sentence a reader outside the team can follow."""
    sentences = []
    for row in table.select(
        "included", "seed", "doubted", "probability", "reasons", "families", "own_life", "said"
    ).iter_rows(named=True):
        shared = "; ".join(_in_words(item) for item in row["said"] or [])
        if row["doubted"]:
            text = "seed shares nothing with the others beyond chance: check whether it belongs to this case"
        elif row["seed"]:
            text = f"seed; it shares {shared}" if shared else "seed; it shares nothing with the set found"
        elif row["included"]:
            text = f"shares {shared}"
        elif row["own_life"]:
            text = f"left out: somebody else's account first, its own values came before; a victim, or sold: {shared}"
        elif row["reasons"] < 2:
            only = ", ".join(row["families"]) or "weak values"
            text = f"left out: one independent kind only ({only}): {shared}"
        else:
            text = f"left out: probability {row['probability']:.2f} is under {dials.include:.2f}: {shared}"
        sentences.append(text)
    return sentences


def _in_words(item: Mapping[str, object]) -> str:
    outside = int(str(item["holders"])) - int(str(item["members"])) - 1
    crowd = "nobody else" if outside <= 0 else f"{outside} outside it"
    what = f"{item['kind']} {visible(item['value'], 40)}"
    return f"{what} with {item['members']} of the set and {crowd} ({item['bits']:.1f} bits)"
