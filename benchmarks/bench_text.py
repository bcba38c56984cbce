"""Families of near-identical texts: what is found of what was planted, how fast, and MinHash against its theory.

    python benchmarks/bench_text.py --sizes 10000,50000,150000

Texts are made on the spot (SYNTHETIC): words drawn by rank (Zipf), a quarter of the texts behind one of three common
preambles, and planted families of 2 to 12: fillings of a template, copies with a tenth or a third of the words changed
(each on its own), and one payload in different wrappers. Printed per size: share of planted pairs that are in one
family, by how they were made; share of pairs in one family that were planted, and of those that only a preamble joined;
seconds and peak memory; for the exact way and for MinHash. Below that stands the S-curve: of pairs of each similarity,
the share that 32 bands of 4 propose, measured on 10,000 pairs, beside 1 - (1 - s^4)^32.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from toolkit.linking.shingles import Shingles, propose_minhash
from toolkit.linking.text import find_text_families

VOCABULARY = 30_000
HOW = ("template", "tenth changed", "third changed", "wrapped payload")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sizes", default="10000,50000,150000")
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    print("| texts | families | how | " + " | ".join(f"recall: {how}" for how in HOW), end="")
    print(" | precision | by preamble | s | peak MiB |\n" + "|---" * (len(HOW) + 7) + "|")
    for size in [int(s) for s in given.sizes.split(",")]:
        content, planted = make_texts(size, np.random.default_rng([given.seed, size]))
        for name, exact_up_to in (("exact", 10**9), ("MinHash", 0)):
            began = time.perf_counter()
            found = find_text_families(content, exact_up_to=exact_up_to)
            took = time.perf_counter() - began
            recall, precision, alone = score(found, planted)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            cells = [f"{size:,}", f"{planted['ring'].n_unique() - 1:,}", name, *(f"{recall[how]:.3f}" for how in HOW)]
            cells += [f"{precision:.4f}", f"{alone:.2f}", f"{took:.1f}", f"{peak:.0f}"]
            print("| " + " | ".join(cells) + " |", flush=True)
    print("\n| similarity | proposed | theory |\n|---|---|---|")
    for s in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        true, seen = measure_curve(s, np.random.default_rng([given.seed, int(s * 10)]))
        print(f"| {true:.3f} | {seen:.4f} | {1 - (1 - true**4) ** 32:.4f} |")


def make_texts(n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Texts, one account each; and what was planted: ``account_id``, ``preamble``, ``ring``, ``how``."""
    rank = 1 / np.arange(2, VOCABULARY + 2)
    stock = rng.choice(VOCABULARY, size=60 * n, p=rank / rank.sum())
    at = 0

    def draw(low: int, high: int) -> list[str]:
        nonlocal at
        number = int(rng.integers(low, high))
        at += number
        return [f"w{w}" for w in stock[at - number : at]]

    def fill(words: list[str], slots: np.ndarray) -> list[str]:
        return [f"s{rng.integers(10**6)}" if i in slots else w for i, w in enumerate(words)]

    def change(words: list[str], share: float) -> list[str]:
        return [
            f"n{rng.integers(10**6)}" if luck < share else w
            for w, luck in zip(words, rng.random(len(words)), strict=True)
        ]

    preambles = [draw(30, 31) for _ in range(3)]
    texts, planted = [], []
    ring = 0
    while len(texts) < n * 0.1:
        how = HOW[ring % len(HOW)]
        base = draw(20, 60)
        slots = rng.choice(len(base), 2, replace=False)
        make: dict[str, Callable[[], list[str]]] = {
            "template": lambda base=base, slots=slots: fill(base, slots),
            "tenth changed": lambda base=base: change(base, 0.1),
            "third changed": lambda base=base: change(base, 0.33),
            "wrapped payload": lambda base=base: [*draw(5, 60), *base, *draw(5, 60)],
        }  # fmt: skip
        for _ in range(int(rng.integers(2, 13))):
            planted.append((f"a{len(texts):07d}", ring, how))
            texts.append(make[how]())
        ring += 1
    while len(texts) < n:
        texts.append(draw(8, 80))
    behind = [int(luck * 12) if luck < 0.25 else None for luck in rng.random(len(texts))]
    said = [words if p is None else preambles[p] + words for p, words in zip(behind, texts, strict=True)]
    accounts = [f"a{i:07d}" for i in range(len(texts))]
    content = pl.DataFrame({"account_id": accounts, "text": [" ".join(words) for words in said]})
    truth = pl.DataFrame(planted, schema=["account_id", "ring", "how"], orient="row")
    return content, pl.DataFrame({"account_id": accounts, "preamble": behind}).join(truth, on="account_id", how="left")


def score(found: pl.DataFrame, truth: pl.DataFrame) -> tuple[dict[str, float], float, float]:
    """Recall of planted pairs by how they were made; precision; and the share of pairs that only a preamble joined.

    A few words behind a preamble are, as far as the text can tell, a filling of a template: such pairs are shown apart.
    """
    joined = found.select("account_id", "family_id").join(truth, on="account_id")

    def count(*keys: str) -> pl.DataFrame:
        pairs = (pl.len() * (pl.len() - 1) / 2).alias("pairs")
        return joined.drop_nulls(keys).group_by("how", *keys).agg(pairs) if "ring" in keys else (
            joined.drop_nulls(keys).group_by(keys).agg(pairs)
        )  # fmt: skip

    hit, due = count("ring", "family_id"), count("ring")
    recall = {how: hit.filter(how=how)["pairs"].sum() / max(1, due.filter(how=how)["pairs"].sum()) for how in HOW}
    made = count("family_id")["pairs"].sum()
    alone = count("family_id", "preamble")["pairs"].sum() - count("ring", "family_id", "preamble")["pairs"].sum()
    return recall, hit["pairs"].sum() / max(1, made - alone), alone / max(1, made)


def measure_curve(s: float, rng: np.random.Generator, pairs: int = 10_000, size: int = 60) -> tuple[float, float]:
    """Share of pairs of sets of one similarity that the bands propose; the similarity is a fraction near ``s``."""
    common = round(2 * size * s / (1 + s))
    flat = rng.integers(2**63, size=(2 * pairs, size)).astype(np.uint64)
    flat[1::2, :common] = flat[::2, :common]
    row, each = np.arange(flat.size), np.full(2 * pairs, size)
    sets = Shingles(np.repeat(np.arange(2 * pairs), size), row, row, each, each, np.ones(flat.size, int), flat.ravel())
    a, b = propose_minhash(sets)
    return common / (2 * size - common), float(((a % 2 == 0) & (b == a + 1)).sum()) / pairs


if __name__ == "__main__":
    main()
