"""Wrong sums: order, seeds, too few draws, leaks and mistaken identity. One test per such row of linking.md 2.6.

Who only looks linked is in ``test_failure_modes_hubs.py``; rings lost or welded in ``test_failure_modes_rings.py``.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.linking.calibration import calibrate_scores
from toolkit.linking.clusters import ClusterSettings, cluster_accounts
from toolkit.linking.combine import combine_bits
from toolkit.linking.incidence import build_incidence
from toolkit.linking.null import q_values
from toolkit.linking.observations import find_observations
from toolkit.linking.score import combine, corroborate, link_accounts, propose, weigh
from toolkit.settings import CHANCE_DRAWS, KINDS

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]

# A ring of twelve and one of nine over one NAT, with a victim, among 300 others: every table has rows.
WORLD: list[Row] = [
    *((f"r{i:02d}", kind, f"r-{kind}{i % size}") for i in range(12) for kind, size in (("device", 3), ("card", 4))),
    *((f"q{i:02d}", kind, f"q-{kind}{i % size}") for i in range(9) for kind, size in (("device", 2), ("phone", 3))),
    *((f"{ring}{i:02d}", "ip", "nat") for ring in "qr" for i in range(9)),
    *(("v", kind, f"v-{kind}", 0.0, 40.0) for kind in ("device", "card", "phone", "email")),
    *(("v", kind, f"r-{kind}0", 21.0, 22.0) for kind in ("device", "card")),
]

RUN = """
import hashlib, io, sys
import polars as pl, random
from toolkit.linking.clusters import cluster_accounts
from toolkit.linking.score import link_accounts

rows = pl.read_parquet(sys.argv[1])
order = list(range(rows.height))
random.Random(int(sys.argv[2])).shuffle(order)
for table in (link_accounts(rows[order]), *cluster_accounts(rows[order])):
    table.write_parquet(buffer := io.BytesIO())
    print(table.height, hashlib.sha256(buffer.getvalue()).hexdigest())
"""


def test_order_and_seed_dependence(crowd: World, tmp_path: Path) -> None:
    """Shuffled rows, other hash seeds, one to four threads: the same bytes of links, members and clusters."""
    crowd(WORLD, others=300).write_parquet(tmp_path / "observations.parquet")
    runs = []
    for run in range(4):
        env = {**os.environ, "PYTHONHASHSEED": str(run), "POLARS_MAX_THREADS": str(1 + run)}
        command = [sys.executable, "-c", RUN, str(tmp_path / "observations.parquet"), str(run)]
        runs.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
    said = [run.communicate()[0] for run in runs]
    assert len(set(said)) == 1
    heights = [int(line.split()[0]) for line in said[0].splitlines()]
    assert heights[0] > 40
    assert heights[1:] == [22, 2]


def test_clusters_do_not_hang_on_the_seed(crowd: World) -> None:
    """Other seeds of the communities and the bootstrap: the same members in the same clusters, in the same roles."""
    observations = crowd(WORLD, others=300)
    found = [cluster_accounts(observations, settings=ClusterSettings(chance_draws=0, seed=s))[0] for s in range(4)]
    whom = [table.select("cluster_id", "account_id", "role").sort("account_id") for table in found]
    assert all(table.equals(whom[0]) for table in whom)
    assert whom[0].height == 22


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.floats(0.001, 12.0)), min_size=2, max_size=40),
    luck=st.randoms(use_true_random=False),
)
def test_float_sums_do_not_depend_on_row_order(rows: list[tuple[int, int, float]], luck: random.Random) -> None:
    """The same evidence in any order adds up to the same bytes, where a plain sum would not."""
    kinds = [KINDS[name] for name in ("card", "device", "ip", "cookie", "phone")]
    numbered = [(group, kind, value, bits) for value, (group, kind, bits) in enumerate(rows)]
    sums = []
    for _ in range(2):
        group, kind, value, bits = (np.array(column) for column in zip(*numbered, strict=True))
        sums.append(combine_bits(kinds, group, kind, value, bits, 4).tobytes())
        luck.shuffle(numbered)
    assert sums[0] == sums[1]


def test_a_plain_sum_does_depend_on_row_order() -> None:
    """That the test above can fail: the same three numbers, two orders, two sums."""
    assert sum([0.1, 0.2, 0.3]) != sum([0.3, 0.2, 0.1])


def test_scores_of_shuffled_rows_are_the_same_bytes(crowd: World) -> None:
    """Before anything is rounded: bits of every pair, to the last bit."""
    observations = crowd(WORLD, others=300)
    seen = set()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(observations.height).tolist()
        index = build_incidence(observations[order])
        a, b, _ = propose(index)
        bits, families = combine(index, corroborate(index, weigh(index, a, b))[0])
        seen.add((bits.tobytes(), families.tobytes()))
    assert len(seen) == 1


def test_too_few_permutation_draws(crowd: World) -> None:
    """Three shuffles at least, as one can be lucky: single draws say all or nothing, and the default is three."""
    assert CHANCE_DRAWS >= 3
    # Of ten links as strong as this one, chance brings forth one, in one shuffle of three.
    observed, lucky, unlucky = np.full(10, 9.0), np.array([2.0]), np.array([9.5])
    assert q_values(observed, [lucky])[0] == 0.0
    assert q_values(observed, [unlucky])[0] == 0.1
    assert q_values(observed, [lucky, unlucky, lucky])[0] == pytest.approx(0.1 / 3)
    few = crowd([(f"x{i:05d}", kind, "k") for i in range(6) for kind in ("card", "ip")], others=40)
    q = [link_accounts(few, chance_draws=draws, min_probability=0)["q_value"] for draws in (0, 1, CHANCE_DRAWS)]
    assert q[0].null_count() == len(q[0])
    assert not q[1].equals(q[2])
    assert link_accounts(few, min_probability=0)["q_value"].equals(q[2])  # what is done unless told otherwise


def test_what_chance_brings_forth_is_not_called_linked(crowd: World) -> None:
    """40 people who draw from eight cards, devices and phones each: as many pairs by chance, and it is said."""
    luck = np.random.default_rng(1)
    rows = [(f"a{i:02d}", k, f"{k}{luck.integers(8)}") for i in range(40) for k in ("card", "device", "phone")]
    links = link_accounts(crowd(rows, others=0), min_probability=0)
    assert links.height > 100
    assert (links["q_value"] > 0.01).all()
    assert set(links["level"]) <= {"L0", "L1"}
    assert links["innocent_explanation"].str.starts_with("not linked: shuffled data give").all()


def test_account_8_and_device_8_are_one_node_to_nobody() -> None:
    """Accounts named like the devices of others, and cards like devices: not one tie, not one cluster."""
    names = [str(i) for i in range(60)]
    turned = names[1:] + names[:1]
    frame = pl.DataFrame({"account_id": names, "device": turned, "card": names, "phone": turned})
    observations = find_observations(frame)
    assert link_accounts(observations, min_probability=0).is_empty()
    assert cluster_accounts(observations)[0].is_empty()


def test_label_leakage_by_splitting_rings() -> None:
    """Each ring has a score of its own, half are innocent: by ring nothing can be known; by row it would seem so."""
    luck = np.random.default_rng(3)
    ring = np.repeat(np.arange(60), 20)
    held = (luck.random(60) < 0.5)[ring]
    by_ring = calibrate_scores(ring / 10, held, [f"r{i}" for i in ring])
    by_row = calibrate_scores(ring / 10, held, [f"row{i}" for i in range(len(ring))])
    assert by_ring.brier > 0.2  # a coin's is .25
    assert by_row.brier < by_ring.brier - 0.02
    with pytest.raises(InputError, match="split 60 groups"):
        calibrate_scores(ring / 10, held, [f"r{i}" for i in ring], folds=[i % 5 for i in range(len(ring))])
