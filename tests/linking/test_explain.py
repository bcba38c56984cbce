"""Why, in words; and what to propose."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.expand import expand_from_seeds
from toolkit.linking.explain import explain_link
from toolkit.linking.lift import find_controls, find_lift
from toolkit.linking.recommend import propose_actions
from toolkit.linking.score import link_accounts, prior_bits
from toolkit.model.confidence import Rung

World = Callable[..., pl.DataFrame]
PAIR = [(who, kind, f"shared-{kind}") for who in "ab" for kind in ("device", "card", "ip")]
RING = [
    (f"r{i:02d}", kind, f"ring-{kind}{i % n}")
    for i in range(20)
    for kind, n in (("device", 2), ("card", 3), ("phone", 4))
]


def test_the_steps_of_a_link_add_up(strangers: World) -> None:
    """Prior, values and what dependence takes back sum to the link's log-odds."""
    links = link_accounts(strangers(PAIR))
    steps = explain_link(links, "b", "a", n_accounts=2002).table
    assert steps["step"].to_list() == ["prior", "value", "value", "value", "dependence"]
    assert steps["bits"].sum() == pytest.approx(links["bits"][0] + prior_bits(2002), abs=1e-4)
    assert steps["total"][-1] == pytest.approx(steps["bits"].sum(), abs=1e-4)


def test_every_value_is_said_with_its_holders(strangers: World) -> None:
    """Each shared value has a sentence; the innocent reading is there."""
    said = str(explain_link(link_accounts(strangers(PAIR)), "a", "b"))
    assert all(f"shared-{kind}, held by only these two" in said for kind in ("device", "card", "ip"))
    assert "Innocent reading:" in said


def test_hostile_values_are_shown_not_printed(strangers: World) -> None:
    """An escape sequence in a card does not reach the terminal."""
    rows = [(who, kind, "\x1b[31mevil\u202e") for who in "ab" for kind in ("device", "card", "phone")]
    assert "⟨U+001B⟩[31mevil⟨U+202E⟩" in str(explain_link(link_accounts(strangers(rows)), "a", "b"))


def test_one_account_has_no_link_with_itself(strangers: World) -> None:
    """The same id twice is a mistake of the call."""
    with pytest.raises(InputError, match="two ends"):
        explain_link(link_accounts(strangers(PAIR)), "a", "a")


def test_nobody_is_punished_by_proximity_alone(strangers: World) -> None:
    """Without a violation of its own no account is proposed for suspension or a ban."""
    found = expand_from_seeds(strangers(RING), ["r00", "r01", "r02"])
    assert {action.rung for action in propose_actions(found)} <= {Rung.VERIFY, Rung.MONITOR, Rung.NONE}
    own = propose_actions(found, violations=["r05"])
    assert {a.rung for a in own if a.account_id == "r05"} <= {Rung.SUSPEND, Rung.BAN}


def test_who_only_looks_linked_is_on_the_list_to_leave_alone(strangers: World) -> None:
    """A wrong seed and a near miss are proposed for nothing, with the reason."""
    found = expand_from_seeds(strangers(RING), ["r00", "r01", "r02", "x0009"])
    (left,) = [a for a in propose_actions(found) if a.account_id == "x0009"]
    assert left.rung is Rung.NONE
    assert "shares nothing" in left.reasons[0]


def test_lift_puts_the_ring_s_own_values_first(strangers: World) -> None:
    """A device of half the ring and of no control outranks what everybody has."""
    observations = strangers(
        [
            *RING,
            *[(f"x{i:04d}", "country", "XX") for i in range(2000)],
            *[(f"r{i:02d}", "country", "XX") for i in range(20)],
        ]
    )
    members = [f"r{i:02d}" for i in range(20)]
    controls = find_controls(observations, members, ratio=5)
    lift = find_lift(observations, members, controls)
    assert (len(controls), set(controls) & set(members)) == (100, set())
    assert lift["value"].to_list()[0] == "ring-device0"
    assert lift.filter(pl.col("value") == "XX")["lift"].item() < 1.1
