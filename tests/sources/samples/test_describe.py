"""The marginals that the README prints are those of the data."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from toolkit.sources.samples import describe_world
from toolkit.sources.samples.describe import account_values

README = Path(__file__).parents[3] / "data_samples" / "README.md"


def test_readme_prints_the_marginals(tiny, std):
    """data_samples/README.md holds what describe_world says of both sizes."""
    text = README.read_text("utf-8")
    assert text.startswith("# SYNTHETIC")
    assert describe_world(tiny).rstrip() in text
    assert describe_world(std).rstrip() in text


def test_values_are_distinct_pairs(tiny):
    """One row per account and value, whatever the number of events; a missing device is no value."""
    devices = account_values(tiny.tables)["device"]
    assert not devices.is_duplicated().any()
    assert devices["value"].null_count() == 0
    assert devices["account_id"].n_unique() <= 2000


def test_tails_are_heavy(std):
    """Most addresses are held by one account and a few by thousands; a device is nearly always one account's."""
    pairs = account_values(std.tables)
    ip, device = (pairs[kind].group_by("value").agg(n=pl.len())["n"] for kind in ("ip", "device"))
    assert ip.median() == 1
    assert ip.max() > 2000
    assert (device >= 2).mean() < 0.03
