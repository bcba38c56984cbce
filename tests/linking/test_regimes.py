"""What an undeclared kind is taken for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit.linking.incidence import build_incidence
from toolkit.linking.observations import find_observations
from toolkit.linking.regimes import describe_inferred, infer_regime
from toolkit.settings import KINDS, Kind


def kinds(rows: list[tuple[str, str, str]]) -> dict[str, Kind]:
    """Settings by kind of a world of such rows (account, kind, value)."""
    frame = pl.DataFrame(rows, schema=["account_id", "kind", "value"], orient="row")
    return {kind.name: kind for kind in build_incidence(find_observations(frame)).kinds}


@pytest.mark.parametrize(
    ("holders", "regime"),
    [
        ([], "pool"),
        ([1] * 50 + [2] * 25, "unique"),  # half of the incidences are held alone
        ([1] * 49 + [2] * 26, "pool"),
        ([20] * 9 + [1] * 20, "crowd"),  # the middle incidence has company of twenty, a tenth is on rare values
        ([20] * 9 + [1] * 21, "pool"),
        ([19] * 50, "pool"),
        ([5000, 3000, 1], "crowd"),
    ],
)
def test_the_shape_of_holders_tells_the_regime(holders: list[int], regime: str) -> None:
    """At the borders, by hand."""
    assert infer_regime(np.array(holders, dtype=np.int64)) == regime


def test_declared_kinds_stay_as_they_are() -> None:
    """Whatever their values look like."""
    rows = [(f"a{i:02d}", kind, "one") for i in range(50) for kind in ("card", "ip")]
    assert kinds(rows) == {name: KINDS[name] for name in ("card", "ip")}


def test_undeclared_kinds_by_shape() -> None:
    """A serial number, a macro that is passed on and a plan, each in a family of its own."""
    rows = [(f"a{i:03d}", "serial", f"s{max(i, 4)}") for i in range(200)]
    rows += [(f"a{i:03d}", "macro", f"m{(i * 7) % 50}") for i in range(200)]
    rows += [(f"a{i:03d}", "plan", f"p{i % 3}") for i in range(200)]
    found = kinds(rows)
    assert [found[k].regime for k in ("serial", "macro", "plan")] == ["unique", "pool", "pool"]
    assert [found[k].max_holders for k in ("serial", "macro", "plan")] == [100, 60, 0]
    assert [found[k].corroborates for k in ("serial", "macro", "plan")] == [True, True, False]
    assert all(kind.inferred and kind.family == name and kind.nested_in is None for name, kind in found.items())


def test_a_coarse_kind_is_nested_in_the_fine_one() -> None:
    """Each cell stands in one district, a district has four cells: it goes under the cell, whichever is named first."""
    for fine, coarse in (("cell", "district"), ("zone", "area")):
        rows = [(f"a{i:03d}", fine, f"f{i // 4}") for i in range(200)]
        rows += [(f"a{i:03d}", coarse, f"c{i // 16}") for i in range(200)]
        found = kinds(rows)
        assert (found[coarse].nested_in, found[coarse].family) == (fine, fine)
        assert (found[fine].nested_in, found[fine].family) == (None, fine)


def test_kinds_that_say_the_same_are_one_family() -> None:
    """A wallet and its hash: one family, neither nested; with a declared kind, the declared one's family."""
    rows = [(f"a{i:03d}", kind, f"{kind}{i // 3}") for i in range(200) for kind in ("wallet", "wallet_hash")]
    found = kinds(rows)
    assert found["wallet"].family == found["wallet_hash"].family
    assert {kind.nested_in for kind in found.values()} == {None}
    rows = [(f"a{i:03d}", kind, f"{kind}{i // 3}") for i in range(200) for kind in ("card", "card_token")]
    found = kinds(rows)
    assert (found["card"], found["card_token"].family) == (KINDS["card"], "pay")


def test_independent_kinds_stay_apart() -> None:
    """Two pools drawn independently are two reasons."""
    luck = np.random.default_rng(0)
    rows = [(f"a{i:03d}", kind, f"{kind}{luck.integers(60)}") for i in range(300) for kind in ("shop", "tool")]
    found = kinds(rows)
    assert [(kind.family, kind.nested_in) for kind in found.values()] == [("shop", None), ("tool", None)]


def test_three_kinds_that_say_the_same_are_one_family() -> None:
    """Whatever order their names come in."""
    for names in (("a", "b", "c"), ("z", "m", "card")):
        rows = [(f"a{i:03d}", kind, f"{kind}{i // 3}") for i in range(200) for kind in names]
        assert len({kind.family for kind in kinds(rows).values()}) == 1


def test_what_was_inferred_is_said() -> None:
    """A sentence per undeclared kind, with the share held alone and how to say otherwise; none for declared ones."""
    rows = [(f"a{i:02d}", kind, f"{kind}{i // 2 if i < 40 else i}") for i in range(100) for kind in ("serial", "card")]
    frame = pl.DataFrame(rows, schema=["account_id", "kind", "value"], orient="row")
    (said,) = describe_inferred(build_incidence(find_observations(frame)))
    assert said.startswith("nobody declared the kind 'serial': taken for 'unique' (60% of its incidences")
    assert "of one family with pay" in said
    assert "under `kinds` in the mapping" in said
