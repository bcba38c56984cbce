"""A plan of proposed steps: together where one would warn the other, else at a moment nobody can learn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.errors import ContractError, InputError
from toolkit.linking.recommend import actions_table
from toolkit.model.case import Action, Case, Finding
from toolkit.model.confidence import Level, Rung
from toolkit.model.tables import Actions, Expansion, Links, Members, conform, empty
from toolkit.report.actions import find_groups, plan_actions, plan_for_case

START = datetime(2026, 1, 5, tzinfo=UTC)


def propose(*steps: tuple[str, Rung], wave: int = 1) -> pl.DataFrame:
    made = [
        Action(
            account_id=account, rung=rung, level=Level.L3, reasons=("r",), innocent_explanation="none", wave=wave,
            policy="fraud 2.1",
        )
        for account, rung in steps
    ]  # fmt: skip
    return actions_table(made)


def fill(contract: type[dy.Schema], **columns: list[object]) -> pl.DataFrame:
    """A table with nothing but these columns filled in."""
    return pl.concat([pl.DataFrame(columns), empty(contract)], how="diagonal_relaxed")


def plan(actions: pl.DataFrame, **more: object) -> pl.DataFrame:
    return plan_actions(actions, **{"start_at": START, "seed": "s", **more})  # type: ignore[arg-type]


def test_the_plan_keeps_the_contract_and_says_what_it_is() -> None:
    """The columns others read stay; nothing is more than proposed; who is left alone has no time."""
    actions = propose(("a", Rung.BAN), ("b", Rung.BAN), ("c", Rung.MONITOR), ("=d", Rung.NONE))
    told = plan(actions, groups=[["a", "b"]])
    assert_frame_equal(conform(told, Actions), actions)
    assert told["status"].unique().to_list() == ["proposed"]
    assert told["policy"].unique().to_list() == ["fraud 2.1"]
    assert told["group"].to_list() == ["a", "a", "", ""]
    assert told["offset_minutes"][3] is None
    assert told["not_before_at"].to_list()[:2] == [START, START]
    assert told["not_before_at"][2] == START + timedelta(minutes=told["offset_minutes"][2])
    assert plan(actions, start_at=None)["not_before_at"].null_count() == 4
    assert_frame_equal(plan(told, groups=[["a", "b"]]), told)


def test_who_belongs_together_goes_together() -> None:
    """Steps that can be undone, too: the first to be held would warn the others. Not across waves."""
    accounts = [f"a{i}" for i in range(40)]
    steps = propose(*((a, Rung.LIMIT) for a in accounts))
    assert set(plan(steps, groups=[accounts])["offset_minutes"]) == {0}
    assert set(plan(steps)["offset_minutes"]) == {0}, "nobody knows who belongs together: all of them may"
    singles = plan(steps, groups=[], spread_minutes=600)["offset_minutes"]
    assert singles.n_unique() > 30
    assert (singles.min(), singles.max()) >= (0, 300)
    assert all(0 <= minute < 600 for minute in singles)
    later = pl.concat([propose(("a", Rung.LIMIT)), propose(("b", Rung.LIMIT), ("c", Rung.BAN), wave=2)])
    told = plan(later, groups=[["a", "b", "c"]], spread_minutes=10, wave_minutes=100)
    assert told["group"].to_list() == ["", "b", "b"]
    assert told["offset_minutes"].to_list()[1:] == [100, 100]
    assert 0 <= told["offset_minutes"][0] < 10


def test_a_ban_is_never_moved() -> None:
    steps = propose(("a", Rung.BAN), ("b", Rung.SUSPEND), ("c", Rung.NONE))
    assert plan(steps, groups=[])["offset_minutes"].to_list() == [0, 0, None]
    assert plan(steps.with_columns(rung=pl.lit("our own word")), groups=[])["offset_minutes"].to_list() == [0, 0, 0]


def test_an_account_with_two_steps() -> None:
    """In one wave they go out at one moment; in two, at the same delay from the beginning of each."""
    two = pl.concat([propose(("a", Rung.MONITOR)), propose(("a", Rung.NOTIFY)), propose(("a", Rung.LIMIT), wave=2)])
    first, second, third = plan(two, groups=[["a"]])["offset_minutes"].to_list()
    assert first == second == third - 1_440


@given(
    st.lists(st.text(min_size=1, max_size=5), unique=True, min_size=2, max_size=8), st.randoms(use_true_random=False)
)
def test_no_draw_depends_on_other_rows(accounts: list[str], random: object) -> None:
    """Shuffled, or each by itself: the same delay. Another seed: others."""
    accounts = [a for a in accounts if a.strip() == a] or ["a"]
    steps = propose(*((a, Rung.MONITOR) for a in accounts))
    told = plan(steps, groups=[])
    mixed = list(range(steps.height))
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert_frame_equal(plan(steps[mixed], groups=[]), told[mixed])
    assert_frame_equal(pl.concat(plan(steps[i], groups=[]) for i in range(steps.height)), told)


def test_another_seed_gives_other_delays() -> None:
    steps = propose(*((f"a{i}", Rung.MONITOR) for i in range(20)))
    assert (
        plan(steps, groups=[])["offset_minutes"].to_list()
        != plan(steps, groups=[], seed="t")["offset_minutes"].to_list()
    )


def test_groups_are_found_in_what_is_published() -> None:
    expansion = fill(Expansion, account_id=["s", "a", "x"], included=[True, True, False])
    links = fill(Links, account_a=["a", "m", "x"], account_b=["b", "n", "y"], level=["L2", "L3", "L1"])
    members = fill(Members, cluster_id=["c1"] * 3, account_id=["n", "o", "v"], role=["member", "member", "victim"])
    tested = Finding(
        finding_id="F1", type="linked_set", statement="Two try cards.", confidence="high", basis="b",
        accounts=("t", "u"),
    )  # fmt: skip
    case = Case(case_id="C", seeds=["s"], purpose="p", analyst="k", findings=[tested])
    returns = pl.DataFrame({"account_id": ["p", "q"], "of_account": ["banned", "banned"]})
    tables = {"expansion": expansion, "links": links, "members": members, "returns": returns}
    assert find_groups(tables, case) == [["a", "b", "s"], ["banned", "p", "q"], ["m", "n", "o"], ["t", "u"]]
    assert (
        find_groups({"links": pl.DataFrame({"own": [1]})}, Case(case_id="C", seeds=[], purpose="p", analyst="k")) == []
    )


def test_a_plan_of_a_case_has_no_date() -> None:
    case = Case(case_id="C", seeds=["s"], purpose="p", analyst="k")
    told = plan_for_case(propose(("a", Rung.MONITOR), ("b", Rung.MONITOR)), {}, case)
    assert told["not_before_at"].null_count() == 2
    assert told["offset_minutes"].null_count() == 0
    assert plan_for_case(empty(Actions), {}, case).is_empty()


def test_tables_from_before_policies() -> None:
    old = propose(("a", Rung.MONITOR)).drop("policy")
    assert plan(old)["policy"].to_list() == [""]


def test_wrong_calls_are_answered() -> None:
    steps = propose(("a", Rung.BAN))
    with pytest.raises(InputError, match="needs a zone"):
        plan(steps, start_at=datetime(2026, 1, 5))
    with pytest.raises(InputError, match="spread over 1 to wave_minutes=10 minutes, found 11"):
        plan(steps, spread_minutes=11, wave_minutes=10)
    with pytest.raises(InputError, match="spread"):
        plan(steps, spread_minutes=0)
    with pytest.raises(InputError, match="count from 1, found 0"):
        plan(propose(("a", Rung.BAN), wave=0))
    with pytest.raises(ContractError, match="columns missing"):
        plan(steps.drop("rung"))
