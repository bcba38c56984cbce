"""A world on disk: Parquet files, escalations, the truth in its own folder, and a README that lists their hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl

from toolkit.sources.samples.describe import describe_world
from toolkit.sources.samples.families import describe_family, generate_family
from toolkit.sources.samples.plan import DAYS, GENERATOR_VERSION, START
from toolkit.sources.samples.world import World, generate_world

MARKER = "SYNTHETIC"
_METADATA = {"origin": "SYNTHETIC", "generator_version": GENERATOR_VERSION}


def write_sample(
    out: str | Path,
    size: str = "tiny",
    seed: int = 0,
    *,
    poison_rate: float = 1.0,
    chaff: float = 1.0,
    proxy_rotation: float = 1.0,
    leak_rate: float = 1.0,
) -> Path:
    """Generate a SYNTHETIC world and write it to the folder ``out``; the same call writes the same bytes.

    Parameters
    ----------
    out
        A folder; made if it is not there. Files of the same names are replaced.
    size, seed, poison_rate, chaff, proxy_rotation, leak_rate
        As for :func:`generate_world`.

    Returns
    -------
    Path
        The folder: ``<table>.parquet``, ``escalations.jsonl``, ``truth/*.parquet``, ``README.md``, ``SYNTHETIC``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(p.name for p in write_sample(folder).iterdir())[:3]
    ['README.md', 'SYNTHETIC', 'accounts.parquet']
    """
    knobs = {"poison_rate": poison_rate, "chaff": chaff, "proxy_rotation": proxy_rotation, "leak_rate": leak_rate}
    return write_world(generate_world(size, seed, **knobs), out, knobs)


def write_world(world: World, out: str | Path, knobs: dict[str, float] | None = None) -> Path:
    """Write a world that is already in memory (see :func:`write_sample`).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (write_world(generate_world("tiny"), folder) / "SYNTHETIC").exists()
    True
    """
    folder = Path(out)
    written = _write_files(world, folder)
    _write_text(_readme(world, folder, written, knobs or {}), folder, "README.md")
    return folder


def write_family(out: str | Path, name: str, size: str = "std", seed: int = 0) -> Path:
    """Generate a SYNTHETIC world of another family and write it to the folder ``out``.

    Parameters
    ----------
    out
        A folder; made if it is not there. Files of the same names are replaced.
    name, size, seed
        As for :func:`generate_family`.

    Returns
    -------
    Path
        The folder, as :func:`write_sample` leaves it; with ``mapping.yaml`` where the tables are the company's own.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(p.name for p in write_family(folder, "undeclared", "tiny").glob("*.*"))[:4]
    ['README.md', 'escalations.jsonl', 'launches.parquet', 'macros.parquet']
    """
    folder, world = Path(out), generate_family(name, size, seed)
    written = _write_files(world, folder)
    if world.mapping is not None:
        written.append(_write_text(world.mapping, folder, "mapping.yaml"))
    page = [*describe_family(world), "## Files", "", *_hash_lines(folder, written), ""]
    _write_text("\n".join(page), folder, "README.md")
    return folder


def _write_files(world: World, folder: Path) -> list[str]:
    """Tables, escalations, truth and the marker; the names of what the README must list."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    written = [_write_parquet(frame, folder, f"{name}.parquet") for name, frame in world.tables.items()]
    written.append(_write_text(_escalation_lines(world), folder, "escalations.jsonl"))
    written += [_write_parquet(frame, folder, f"truth/{name}.parquet") for name, frame in world.truth.items()]
    _write_text(f"{MARKER}\nEvery account, person, address and text here is invented.\n", folder, MARKER)
    return written


def _write_parquet(frame: pl.DataFrame, folder: Path, name: str) -> str:
    frame.write_parquet(
        folder / name,
        compression="zstd",
        compression_level=12,
        statistics=True,
        row_group_size=250_000,
        metadata=_METADATA,
    )
    return name


def _write_text(text: str, folder: Path, name: str) -> str:
    (folder / name).write_bytes(text.encode("utf-8"))
    return name


def _escalation_lines(world: World) -> str:
    return "".join(json.dumps(case, ensure_ascii=False, sort_keys=True) + "\n" for case in world.escalations)


def _readme(world: World, folder: Path, names: list[str], knobs: dict[str, float]) -> str:
    turned = ", ".join(f"{name} {value:g}" for name, value in knobs.items() if value != 1.0) or "all 1"
    lines = [
        f"# SYNTHETIC sample, size {world.size}, seed {world.seed}",
        "",
        "Every account, person, address and text in this folder is invented by a seeded generator.",
        "",
        f"Generator version {GENERATOR_VERSION}; knobs: {turned}; {DAYS} days from {START:%Y-%m-%d} (UTC).",
        f"Made by `toolkit sample {world.size} --out DIR --seed {world.seed}`; the same call writes the same bytes.",
        "",
        "The tables are what a company would hold. `truth/` says who was behind what: it is for scoring only.",
        "Addresses are from reserved ranges, countries are user-assigned ISO 3166 codes, domains end in `.example`.",
        "",
        "## Marginals",
        "",
        describe_world(world).rstrip("\n"),
        "",
        "## Files",
        "",
        *_hash_lines(folder, names),
        "",
    ]
    return "\n".join(lines)


def _hash_lines(folder: Path, names: list[str]) -> list[str]:
    hashes = [f"| `{name}` | `{hashlib.sha256((folder / name).read_bytes()).hexdigest()}` |" for name in names]
    return ["| file | sha256 |", "|---|---|", *hashes]
