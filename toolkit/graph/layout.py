"""Where to draw each node: positions that are the same on every run, with nothing on top of anything else.

Each connected part is laid out by itself with springs that start from places computed from the nodes' order (no random
numbers, so no library's generator takes part). Then the parts are packed in rows, the largest first, and the nodes
without any edge stand in a grid below. Coordinates are rounded, so that the last bits of a processor's arithmetic do
not reach a report's bytes. One unit is the least distance between two neighbours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["find_layout"]

_ROUNDS: Final = 120
_ALL_PAIRS: Final = 900
"""Nodes of one part that push each other one by one; of more, whole cells push."""
_CROWD_ROUNDS: Final = 60
_CELLS: Final = 20
_AT_ONCE: Final = 4_000
_APART: Final = 1.0
_BETWEEN_PARTS: Final = 2.0
_GOLDEN: Final = math.pi * (3 - math.sqrt(5))
_Floats = NDArray[np.float64]


def find_layout(graph: nx.Graph[str], seed: int = 0) -> dict[str, tuple[float, float]]:
    """Find a place for every node.

    Parameters
    ----------
    graph : networkx.Graph
        Undirected. The order in which nodes and edges were added does not matter.
    seed : int
        Turns the starting places: another seed gives another, equally fixed, picture.

    Returns
    -------
    dict of str to (float, float)
        In order of node; no two nodes are nearer than one unit, parts are two units apart. Rounded to 3 decimals.

    Examples
    --------
    >>> import networkx as nx
    >>> places = find_layout(nx.Graph([("a", "b"), ("b", "c")]))
    >>> places == find_layout(nx.Graph([("b", "c"), ("a", "b")])), len(set(places.values()))
    (True, 3)
    """
    import networkx as nx

    parts = sorted((sorted(part) for part in nx.connected_components(graph)), key=lambda part: (-len(part), part))
    placed = _pack([(part, _spring(part, graph, seed)) for part in parts if len(part) > 1])
    _grid([part[0] for part in parts if len(part) == 1], placed)
    return {node: placed[node] for node in sorted(placed)}


def _spring(part: list[str], graph: nx.Graph[str], seed: int) -> _Floats:
    """Fruchterman and Reingold 1991, from a sunflower of the nodes in order; then spread until nobody is too near."""
    n = len(part)
    place = {node: i for i, node in enumerate(part)}
    ends = sorted({(min(place[a], place[b]), max(place[a], place[b])) for a, b in graph.subgraph(part).edges if a != b})
    a, b = np.array([e[0] for e in ends]), np.array([e[1] for e in ends])
    turn = np.arange(n) * _GOLDEN + seed
    xy = np.sqrt(np.arange(n) + 0.5)[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    radius = math.sqrt(n)
    rounds = _ROUNDS if n <= _ALL_PAIRS else _CROWD_ROUNDS
    for step in range(rounds):
        force = _repel(xy) if n <= _ALL_PAIRS else _repel_by_cells(xy)
        pull = xy[a] - xy[b]
        pull *= np.sqrt((pull**2).sum(axis=1))[:, None] / _APART
        for axis in (0, 1):
            force[:, axis] -= np.bincount(a, pull[:, axis], n) - np.bincount(b, pull[:, axis], n)
        length = np.maximum(np.sqrt((force**2).sum(axis=1)), 1e-9)
        heat = radius * 0.3 * (1 - step / rounds) + 0.02
        xy += force / length[:, None] * np.minimum(length, heat)[:, None]
        # Small differences of arithmetic would grow from round to round: they end here.
        xy = np.round(xy, 9)
    return _apart(xy)


def _repel(xy: _Floats) -> _Floats:
    """Every node pushes every other away, by one over the distance."""
    dx, dy = (xy[:, axis][:, None] - xy[:, axis][None, :] for axis in (0, 1))
    push = _APART**2 / np.maximum(dx * dx + dy * dy, 1e-4)
    return np.column_stack([(dx * push).sum(axis=1), (dy * push).sum(axis=1)])


def _repel_by_cells(xy: _Floats) -> _Floats:
    """Of a crowd, cells push instead of nodes: each from its middle, with the weight of all that are in it."""
    low, side = xy.min(axis=0), max(float(np.ptp(xy, axis=0).max()), 1e-9) / _CELLS
    place = np.minimum((xy - low) // side, _CELLS - 1).astype(np.int64)
    cell = place[:, 0] * _CELLS + place[:, 1]
    many = np.bincount(cell, minlength=_CELLS**2)
    full = np.flatnonzero(many)
    middle = np.column_stack([np.bincount(cell, xy[:, axis], _CELLS**2)[full] / many[full] for axis in (0, 1)])
    force = np.empty_like(xy)
    for first in range(0, len(xy), _AT_ONCE):
        some = xy[first : first + _AT_ONCE]
        dx, dy = (some[:, axis][:, None] - middle[:, axis][None, :] for axis in (0, 1))
        push = _APART**2 * many[full] / np.maximum(dx * dx + dy * dy, (side / 2) ** 2)
        force[first : first + _AT_ONCE] = np.column_stack([(dx * push).sum(axis=1), (dy * push).sum(axis=1)])
    return force


def _apart(xy: _Floats) -> _Floats:
    """Scale until the nearest two are one unit apart; what stands on one place, or far too near, is moved first."""
    xy = xy - xy.min(axis=0)
    span = max(float(xy.max()), 1e-9)
    # Nodes are put on a fine grid, and where a cell is taken, in the nearest free one: twins stand side by side.
    cells = math.ceil(2.5 * math.sqrt(len(xy)))
    step = span / cells
    taken: set[tuple[int, int]] = set()
    out = np.zeros_like(xy)
    for i, (x, y) in enumerate(np.round(xy / step).astype(int).tolist()):
        out[i] = cell = _free(taken, x, y)
        taken.add(cell)
    return out * _APART


def _free(taken: set[tuple[int, int]], x: int, y: int) -> tuple[int, int]:
    ring = 0
    while True:
        around = [
            (x + dx, y + dy)
            for dx in range(-ring, ring + 1)
            for dy in range(-ring, ring + 1)
            if max(abs(dx), abs(dy)) == ring
        ]
        free = [cell for cell in around if cell not in taken]
        if free:
            return min(free, key=lambda cell: ((cell[0] - x) ** 2 + (cell[1] - y) ** 2, cell))
        ring += 1


def _pack(boxes: list[tuple[list[str], _Floats]]) -> dict[str, tuple[float, float]]:
    """Put the parts in rows, as wide as the whole is high, none touching another."""
    sized = [(part, xy - xy.min(axis=0)) for part, xy in boxes]
    area = sum((float(xy[:, 0].max()) + _BETWEEN_PARTS) * (float(xy[:, 1].max()) + _BETWEEN_PARTS) for _, xy in sized)
    wide = max([math.sqrt(area) * 1.3, *(float(xy[:, 0].max()) for _, xy in sized)], default=0.0)
    placed: dict[str, tuple[float, float]] = {}
    left = top = high = 0.0
    for part, xy in sized:
        width, height = float(xy[:, 0].max()), float(xy[:, 1].max())
        if left > 0 and left + width > wide:
            left, top, high = 0.0, top - high - _BETWEEN_PARTS, 0.0
        for node, (x, y) in zip(part, xy.tolist(), strict=True):
            placed[node] = (round(left + x, 3), round(top - y, 3))
        left += width + _BETWEEN_PARTS
        high = max(high, height)
    return placed


def _grid(alone: list[str], placed: dict[str, tuple[float, float]]) -> None:
    """Nodes without an edge, in rows below everything else."""
    low = min((y for _, y in placed.values()), default=_BETWEEN_PARTS)
    right = max((x for x, _ in placed.values()), default=0.0)
    row = max(int(right / _BETWEEN_PARTS) + 1, math.ceil(math.sqrt(len(alone))), 1)
    for i, node in enumerate(alone):
        placed[node] = (round(i % row * _BETWEEN_PARTS, 3), round(low - _BETWEEN_PARTS * (i // row + 1), 3))
