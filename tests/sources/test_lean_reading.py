"""Reading no more than linking asks for changes nothing that linking sees."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from toolkit.linking.observations import find_observations
from toolkit.resources import bundled
from toolkit.sources.read import read_data


def test_observations_are_the_same_however_much_is_read() -> None:
    """On the bundled sample."""
    sample = bundled("data_samples") / "tiny"
    lean, whole = read_data(sample, whole=False), read_data(sample)
    assert find_observations(lean).equals(find_observations(whole))
    counts = ["table", "file", "rows", "accepted", "duplicate", "quarantined"]
    assert lean.ledger.select(counts).equals(whole.ledger.select(counts))


@pytest.mark.parametrize("own_id", [True, False])
def test_repeated_rows_count_once(tmp_path: Path, *, own_id: bool) -> None:
    """With ids of the source, and where the row is its own id; -0 is 0, and no value is no value."""
    rows = {"account_id": ["a", "a", "b"], "event_at": ["2026-01-05T10:00:00Z"] * 3, "kind": ["card", "card", None]}
    rows |= {"card_fp": ["c", "c", "c"], "note": [0.0, -0.0, None]}
    frame = pl.DataFrame(rows).with_columns(*([pl.Series("txn_id", ["1", "1", "2"])] if own_id else []))
    frame.write_parquet(tmp_path / "payments.parquet")
    for whole in (True, False):
        data = read_data(tmp_path, whole=whole)
        assert data.ledger.select("accepted", "duplicate").row(0) == (2, 1)
        assert find_observations(data)["n"].to_list() == [1, 1]
