"""Events in one line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from toolkit.model.tables import Events, conform

START = datetime(2026, 1, 5, tzinfo=UTC)


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
