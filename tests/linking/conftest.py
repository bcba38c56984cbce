"""Small worlds to link in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from toolkit.linking.observations import find_observations

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def strangers() -> Callable[..., pl.DataFrame]:
    """Observations of given accounts among strangers who share nothing."""

    def build(
        rows: list[tuple[str, str, str]], others: int = 2000, hours: dict[str, float] | None = None
    ) -> pl.DataFrame:
        noise = [
            (f"x{i:04d}", kind, f"{kind}-{i}") for i in range(others) for kind in ("device", "card", "phone", "ip")
        ]
        frame = pl.DataFrame(rows + noise, schema=["account_id", "kind", "value"], orient="row")
        at = [START + timedelta(hours=(hours or {}).get(account, 0.0)) for account in frame["account_id"].to_list()]
        return find_observations(frame.with_columns(pl.Series("first_at", at), pl.Series("last_at", at)))

    return build
