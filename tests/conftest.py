"""Real data, events in one line, one browser, and hypothesis without a stopwatch: a busy machine is no wrong answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from toolkit.model.tables import Events, conform

settings.register_profile("toolkit", deadline=None)
settings.load_profile("toolkit")

START = datetime(2026, 1, 5, tzinfo=UTC)
CHECKOUT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("TOOLKIT_REAL_DATA", CHECKOUT / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set TOOLKIT_REAL_DATA, or put them in {folder}")
    return folder


@pytest.fixture(scope="session")
def make_events() -> Callable[..., pl.DataFrame]:
    """Events from seconds after the start: ``make_events([0, 5], account="a")``; any column may be given as a list."""

    def make(seconds: list[float], **columns: object) -> pl.DataFrame:
        n = len(seconds)
        rows: dict[str, object] = {
            "event_at": [START + timedelta(seconds=s) for s in seconds],
            "account_id": "a",
            "event": "chat",
            "source": "app",
            "event_id": [f"e{i}" for i in range(n)],
            "seq": list(range(n)),
            "ingested_at": None,
            "precision": "s",
            "flags": 0,
            "value": None,
            "raw_ref": [f"app.csv:{i}" for i in range(n)],
        }
        rows |= {("account_id" if k == "account" else k): v for k, v in columns.items()}
        series = [pl.Series(k, v if isinstance(v, list) else [v] * n) for k, v in rows.items()]
        frame = pl.DataFrame(series).with_columns(pl.col("event_at").cast(pl.Datetime("us", "UTC")))
        return conform(frame, Events, keep_extra=True)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, with no wish to phone home; one for all, since a second playwright cannot start beside a first."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    quiet = "--no-sandbox --disable-background-networking --disable-component-update --disable-sync --no-first-run"
    quiet += " --enable-unsafe-swiftshader"  # the network is drawn by WebGL, here without a graphics card
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet.split())
        yield chromium
        chromium.close()
