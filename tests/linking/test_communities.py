"""Communities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toolkit.linking.arrays import FloatArray, IntArray
from toolkit.linking.communities import find_communities

# Two groups of six, every pair at weight 1, and one edge between them; node 12 has no edge.
PAIRS = [*itertools.combinations(range(6), 2), *itertools.combinations(range(6, 12), 2), (5, 6)]


def quality(a: IntArray, b: IntArray, weight: FloatArray, group: IntArray, gamma: float) -> float:
    """What CPM maximises: weight within groups, less gamma for every pair within."""
    size = np.bincount(group)
    return float(weight[group[a] == group[b]].sum() - gamma * (size * (size - 1) / 2).sum())


def test_one_edge_does_not_weld_two_groups() -> None:
    """Numbered by the smallest node; a node without edges stands alone."""
    a, b = np.array(PAIRS).T
    assert find_communities(a, b, np.ones(len(a)), 13, gamma=0.3).tolist() == [0] * 6 + [1] * 6 + [2]


@pytest.mark.parametrize("gamma", [0.05, 0.3, 0.8])
def test_the_order_of_edges_changes_nothing(gamma: float) -> None:
    """A random graph of 60 in twenty orders of its edges, ends swapped: one answer."""
    luck = np.random.default_rng(4)
    every = np.array(list(itertools.combinations(range(60), 2)))
    edges = every[luck.random(len(every)) < 0.15]
    weight = luck.random(len(edges))
    seen = set()
    for _ in range(20):
        order, swap = luck.permutation(len(edges)), luck.random(len(edges)) < 0.5
        ends = np.where(swap[:, None], edges[order][:, ::-1], edges[order])
        seen.add(tuple(find_communities(ends[:, 0], ends[:, 1], weight[order], 60, gamma=gamma).tolist()))
    assert len(seen) == 1
    assert 1 < len(set(next(iter(seen)))) < 60


def test_no_node_would_be_better_off_elsewhere() -> None:
    """Random graphs of ten: moving any one node to any community, or alone, gains nothing by CPM's own measure."""
    a, b = np.array(list(itertools.combinations(range(10), 2))).T
    for seed in range(20):
        weight = np.random.default_rng(seed).random(len(a))
        found = find_communities(a, b, weight, 10, gamma=0.5)
        reached = quality(a, b, weight, found, 0.5)
        for node, community in itertools.product(range(10), range(found.max() + 2)):
            moved = found.copy()
            moved[node] = community
            assert quality(a, b, weight, moved, 0.5) <= reached + 1e-9


def test_edges_without_weight_are_no_edges() -> None:
    """Nothing positive, nothing joined."""
    assert find_communities(np.array([0]), np.array([1]), np.zeros(1), 3, gamma=0.1).tolist() == [0, 1, 2]
