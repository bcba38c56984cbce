"""Contracts refuse what does not fit, with the rows in hand."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from toolkit.errors import ContractError
from toolkit.model import tables
from toolkit.model.tables import Ledger, Links, Observations, conform, empty

AT = datetime(2026, 1, 5, tzinfo=UTC)


def _observations(**changes: object) -> pl.DataFrame:
    row = {"account_id": "a", "kind": "ip", "value": "x", "first_at": AT, "last_at": AT, "n": 1, "source": "s"}
    return pl.DataFrame([{**row, **changes}])


def test_a_fitting_frame_comes_back_in_the_contracts_order() -> None:
    """Columns are put in order, extra ones dropped, integers widened."""
    frame = _observations().select(pl.all().reverse()).with_columns(extra=pl.lit(1), n=pl.lit(1, pl.Int32))
    assert conform(frame.select(sorted(frame.columns)), Observations).columns == list(Observations.columns())


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"account_id": ""}, "account_id"),
        ({"n": 0}, "n"),
        ({"first_at": datetime(2026, 2, 1, tzinfo=UTC)}, "first_not_after_last"),
    ],
)
def test_broken_rows_come_back(changes: dict[str, object], rule: str) -> None:
    """The error names the rule, counts the rows and holds them."""
    both = pl.concat([_observations(), _observations(**changes)])
    with pytest.raises(ContractError, match=rule) as refused:
        conform(both, Observations)
    assert refused.value.failing is not None
    assert refused.value.failing.height == 1


def test_missing_columns_are_named_with_the_nearest() -> None:
    """All of them at once, each with the name that was probably meant."""
    frame = _observations().rename({"value": "values", "kind": "kinds"})
    with pytest.raises(ContractError, match=r"kind \(did you mean 'kinds'\?\), value \(did you mean 'values'\?\)"):
        conform(frame, Observations)


def test_a_pair_is_written_once() -> None:
    """account_a < account_b, or the row is refused."""
    row = {"account_a": "b", "account_b": "a", "bits": 1.0, "probability": 0.5, "q_value": None, "level": "L1"}
    frame = pl.DataFrame([{**row, "families": ["ip"], "evidence": [], "innocent_explanation": ""}])
    with pytest.raises(ContractError, match="ordered_pair"):
        conform(frame.cast({"evidence": tables.EVIDENCE, "q_value": pl.Float64}), Links)


def test_a_ledger_that_loses_a_row_is_refused() -> None:
    """Accepted + duplicate + quarantined = rows, always."""
    row = {"table": "t", "file": "f", "rows": 3, "accepted": 1, "duplicate": 1, "quarantined": 0, "bytes": 1}
    frame = pl.DataFrame([{**row, "sha256": "", "first_at": AT, "last_at": AT}])
    with pytest.raises(ContractError, match="balanced"):
        conform(frame, Ledger)


CONTRACTS = [
    value
    for name, value in vars(tables).items()
    if isinstance(value, type) and name in tables.__all__ and hasattr(value, "columns")
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.__name__)
def test_every_contract_says_its_order_and_holds_times_in_utc(contract: type) -> None:
    """Docstrings state the order; columns named *_at are UTC microseconds; an empty frame conforms."""
    assert "Order:" in (contract.__doc__ or "")
    frame = empty(contract)
    assert conform(frame, contract).schema == frame.schema
    assert {t for name, t in frame.schema.items() if name.endswith("_at")} <= {tables.UTC}
    assert {t for name, t in frame.schema.items() if name.endswith("_id")} <= {pl.String()}
