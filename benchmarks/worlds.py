"""Sample worlds for the benchmarks: found in the cache, or made on the spot."""

from __future__ import annotations

from pathlib import Path

from toolkit.sources.samples import FAMILIES, write_family, write_sample

__all__ = ["LOOKED_AT", "find_world"]

LOOKED_AT = ("std", *(family for family in FAMILIES if family != "holdout"))
"""Families that were there while the method was made; ``holdout`` was not looked at."""


def find_world(cache: Path, family: str, world: int) -> Path:
    """Return the folder of a world, made on the spot if it is not there."""
    folder = cache / f"{family}_{world}"
    if not (folder / "truth").is_dir():
        if family in FAMILIES:
            write_family(folder, family, "std", world)
        else:
            write_sample(folder, family, world)
    return folder
