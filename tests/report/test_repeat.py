"""Each template says the same whatever the order of the rows, and to the byte when it is run again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from toolkit.model.case import Case
from toolkit.report.exports import read_case
from toolkit.report.templates import find_templates

from .conftest import TINY

OF_THE_FILES = {"ledger", "quarantine", "quality", "findings"}
"""Tables that speak of the files: their fingerprints, the rows' places, rows that are not in order of time."""


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, its rows in another order."""
    folder = tmp_path_factory.mktemp("shuffled") / "tiny"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("truth"))
    for seed, path in enumerate(sorted(folder.glob("*.parquet"))):
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=seed).write_parquet(path)
    return folder


def read_without_places(path: Path) -> pl.DataFrame:
    """A table without the places of rows in their files."""
    return pl.read_parquet(path).select(pl.exclude("seq", "raw_ref"))


def said_in(report: Path) -> Case:
    """The case but for gaps in the record: that rows are out of order is one."""
    case = read_case(report / "case.json")
    kept = [finding for finding in case.findings if finding.type != "data_gap"]
    return case.model_copy(update={"findings": tuple(kept)})


@pytest.mark.parametrize("template", sorted(find_templates()))
def test_the_order_of_the_rows_does_not_matter(
    template: str, shuffled: Path, seeds: list[str], publish_cells: Callable[..., Path], tmp_path: Path
) -> None:
    started = {"account_id": seeds[0]} if template == "account_deep_dive" else {}
    one, again, other = (
        publish_cells(tmp_path / name, template, seeds, data_uri=str(data), **started)
        for name, data in (("one", TINY), ("again", TINY), ("other", shuffled))
    )
    assert (one / "report.html").read_bytes() == (again / "report.html").read_bytes()
    assert (one / "manifest.json").read_bytes() == (again / "manifest.json").read_bytes()
    tables = sorted(path.stem for path in one.glob("*.parquet"))
    assert tables == sorted(path.stem for path in other.glob("*.parquet"))
    for table in tables:
        if table not in OF_THE_FILES:
            assert_frame_equal(*(read_without_places(run / f"{table}.parquet") for run in (one, other)))
    assert said_in(one) == said_in(other)
    assert (one / "stix.json").read_bytes() == (other / "stix.json").read_bytes()
