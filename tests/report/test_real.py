"""Tweets that nobody on this project wrote: 35,125 shares, a coordinated campaign, and much that is none."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toolkit.report.run import run_report

REAL = Path(os.environ.get("TOOLKIT_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
TWEETS = REAL / "russian_coord_tweets.parquet"
MAPPING = """
tables:
  russian_coord_tweets:
    account: account_id
    time: {column: timestamp_share, unit: s}
    event: share
    event_id: content_id
    indicators: {object: object_id}
"""


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not TWEETS.exists(), reason=f"no real data: set TOOLKIT_REAL_DATA, or put them in {REAL}")
def test_a_report_on_real_tweets(tmp_path: Path, look: Callable[..., Any]) -> None:
    """The ledger is exact, 6,206 pairs stand beside what chance gives, and no single co-share is called evidence."""
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    accounts = sorted(pl.read_parquet(TWEETS, columns=["account_id"])["account_id"].cast(pl.String).unique())[:3]
    began = time.monotonic()
    out = run_report(
        "ring_escalation",
        data=TWEETS,
        out=tmp_path / "out",
        mapping=tmp_path / "mapping.yaml",
        parameters={"case_id": "REAL-1", "seed_accounts": accounts},
    )
    assert time.monotonic() - began < 60
    ledger = pl.read_parquet(out / "ledger.parquet")
    assert ledger.select("rows", "accepted", "duplicate", "quarantined").row(0) == (35_125, 35_124, 1, 0)
    inputs = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert [entry["file"] for entry in inputs] == ["russian_coord_tweets.parquet", "mapping.yaml"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" not in page
    once = [
        f
        for f in json.loads((out / "case.json").read_text())["case"]["findings"]
        if "share an object" in f["statement"]
    ]
    assert [f["type"] for f in once] == ["null_result"]
    pairs, chance = re.findall(r"([\d,]+) pairs .* against ([\d,]+) on average by chance", once[0]["statement"])[0]
    assert pairs == "6,206"
    assert 5_000 < int(chance.replace(",", "")) < 8_000
    assert "one shared object is never evidence" in once[0]["statement"]
    assert (pl.read_parquet(out / "synchrony.parquet")["objects"] >= 1).sum() == 6_206
    # Objects tie accounts by repeats only: nobody is in, or linked, by one co-share.
    expansion, links = (pl.read_parquet(out / f"{name}.parquet") for name in ("expansion", "links"))
    for table in (expansion.filter("included"), links):
        assert table.filter(pl.col("evidence").list.len() == 1).is_empty()
    seen = look(out / "report.html")
    assert (seen.requests, seen.console, seen.pwned) == ([], [], [])
