"""Evidence that others found: pairs and earlier clusters, as observations that linking takes like any other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.derived import DERIVED_KINDS, observe_memberships, observe_pairs
from toolkit.linking.em import DERIVED
from toolkit.linking.observations import merge_observations
from toolkit.linking.registration import find_sequences
from toolkit.linking.score import link_accounts
from toolkit.settings import KINDS

World = Callable[..., pl.DataFrame]
ALL = {**KINDS, **DERIVED_KINDS}


def test_a_detector_of_ones_own_adds_a_reason(crowd: World) -> None:
    """Two accounts on one card are possible; that they also act at the same moments makes them two families."""
    observations = crowd([("a", "card", "k"), ("b", "card", "k")])
    at = datetime(2024, 5, 1, tzinfo=UTC)
    found = pl.DataFrame({"account_a": ["a"], "account_b": ["b"], "first_at": [at], "last_at": [at], "n": [12]})
    both = merge_observations([observations, observe_pairs(found, "synchrony", source="my detector")])
    before, after = (link_accounts(rows, kinds=ALL, min_probability=0) for rows in (observations, both))
    assert before["families"].to_list() == [["pay"]]
    assert after["families"].to_list() == [["behav", "pay"]]
    assert after["bits"].item() > before["bits"].item() + 5


def test_sequences_go_in_as_they_come_out() -> None:
    others = [f"{letter}om{1000 + 999 * i}" for i, letter in enumerate("bcdfghjkl")]
    names = ["mila.r1701", "mila.r1702", "mila.r9000", *others]
    found = find_sequences(pl.DataFrame({"account_id": [f"a{i:02d}" for i in range(12)], "email": names}))
    rows = observe_pairs(found, "sequence", min_bits=3)
    assert rows.select("account_id", "value").rows() == [("a00", "a00 and a01"), ("a01", "a00 and a01")]


def test_clusters_of_two_cases_are_two_values_and_victims_are_none() -> None:
    members = pl.DataFrame(
        {"account_id": ["a", "b", "v"], "cluster_id": ["C0001"] * 3, "role": ["member", "member", "victim"]}
    )
    rows = pl.concat(observe_memberships(members, source=case) for case in ("ESC-7", "ESC-9"))
    assert rows.select("account_id", "value").rows() == [
        ("a", "ESC-7/C0001"), ("b", "ESC-7/C0001"), ("a", "ESC-9/C0001"), ("b", "ESC-9/C0001"),
    ]  # fmt: skip


def test_earlier_clusters_are_no_reason_and_feed_no_estimate(crowd: World) -> None:
    members = pl.DataFrame({"account_id": ["a", "b"], "cluster_id": ["C0001"] * 2})
    rows = merge_observations(
        [crowd([("a", "card", "k"), ("b", "card", "k")]), observe_memberships(members, source="old")]
    )
    link = link_accounts(rows, kinds=ALL).row(0, named=True)
    assert link["level"] == "L1"  # the card alone is one reason
    assert "co_membership" in DERIVED


@pytest.mark.parametrize(("ask", "said"), [(None, "account_b"), (3.0, "bits")])
def test_missing_columns_are_named(ask: float | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        observe_pairs(pl.DataFrame({"account_a": ["a"]}), "mine", min_bits=ask)
