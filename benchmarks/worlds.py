"""Sample worlds for the benchmarks: found in the cache, or made on the spot; opened once, asked many times."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import polars as pl

import toolkit as tk
from toolkit.errors import InputError, visible
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.sources.dataset import Dataset
from toolkit.sources.samples import FAMILIES, write_family, write_sample
from toolkit.sources.samples.families import ABOUT
from toolkit.sources.samples.score import read_truth

__all__ = ["LOOKED_AT", "World", "find_world", "open_world", "run_all"]

LOOKED_AT = ("std", *(family for family in FAMILIES if family != "holdout"))
"""Families that were looked at while the method was made (``blend`` at last, as the first holdout); not ``holdout``."""

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class World:
    """A sample as an investigator has it, coded once, and the truth beside it."""

    data: Dataset
    observations: pl.DataFrame
    index: Incidence
    truth: dict[str, pl.DataFrame]


def find_world(cache: Path, family: str, world: int, **knobs: float) -> Path:
    """Return the folder of a world, made on the spot if it is not there; knobs are those of :func:`write_sample`."""
    turned = {name: value for name, value in knobs.items() if value != 1}
    folder = cache / "_".join([f"{family}_{world}", *(f"{name}_{value:g}" for name, value in sorted(turned.items()))])
    if not (folder / "truth").is_dir():
        if family in FAMILIES:
            write_family(folder, family, "std", world)
        else:
            write_sample(folder, family, world, **turned)
    if family in FAMILIES and ABOUT[family] not in (folder / "README.md").read_text("utf-8"):
        # The first holdout is called blend now: its worlds, kept under the old name, would be scored for the new one's.
        raise InputError(f"{visible(folder)} was made when {family!r} was the name of another family: delete it")
    return folder


def open_world(folder: Path) -> World:
    """Read a world and code its observations."""
    data = tk.read_data(folder)
    observations = tk.find_observations(data)
    return World(data, observations, build_incidence(observations, data.kinds), read_truth(folder))


def run_all(work: Callable[[Task], Answer], tasks: Iterable[Task], jobs: int) -> list[Answer]:
    """Do every task, ``jobs`` at a time in processes of their own; the answers come in the order of the tasks."""
    if jobs < 2:
        return [work(task) for task in tasks]
    os.environ["POLARS_MAX_THREADS"] = "1"  # the processes share the cores; this one has its threads already
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, tasks))
