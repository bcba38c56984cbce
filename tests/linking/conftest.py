"""Small worlds to link in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from toolkit.linking.observations import find_observations

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY_US = 86_400_000_000


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


@pytest.fixture(scope="session")
def crowd() -> Callable[..., pl.DataFrame]:
    """Observations of given rows among people with lives of their own, who come over two months.

    A row is (account, kind, value), seen on days 20 to 22, or also says the first day, or the first and the last. Each
    of the others (x00000, ...) has a device, a card, a phone, a text and two addresses of its own, and one of 12
    browsers, 20 networks and 8 countries; ``plain`` accounts have those, too.
    """

    def build(
        rows: Sequence[tuple[str | float, ...]], others: int = 1500, plain: Sequence[str] = (), seed: int = 0
    ) -> pl.DataFrame:
        luck = np.random.default_rng(seed)
        table: list[tuple[str | float, ...]] = [(*row, *(20.0, 22.0)[len(row) - 3 :])[:5] for row in rows]
        table = [(a, k, v, first, max(float(first), float(last))) for a, k, v, first, last in table]
        people = [f"x{i:05d}" for i in range(others)]
        came = luck.uniform(0, 50, others)
        for name, day in zip(people, came.tolist(), strict=True):
            own = [(kind, f"{kind}-{name}") for kind in ("device", "card", "phone", "prompt_template", "ip")]
            table += [(name, kind, value, day, day + 8) for kind, value in [*own, ("ip", f"ip2-{name}")]]
        everybody = [*people, *plain]
        days = [*came.tolist(), *[20.0] * len(plain)]
        for kind, size in (("user_agent", 12), ("asn", 20), ("country", 8)):
            drawn = luck.integers(size, size=len(everybody)).tolist()
            table += [(a, kind, f"{kind}{v}", d, d + 8) for a, v, d in zip(everybody, drawn, days, strict=True)]
        names = ["account_id", "kind", "value", "first_at", "last_at"]
        frame = pl.DataFrame(table, schema=names, orient="row", strict=False)
        at = (pl.lit(START) + pl.duration(microseconds=(pl.col(c) * DAY_US).cast(pl.Int64)) for c in names[3:])
        return find_observations(
            frame.with_columns(c.cast(pl.Datetime("us", "UTC")).alias(n) for c, n in zip(at, names[3:], strict=True))
        )

    return build
