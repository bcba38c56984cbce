"""Sets of accounts and what they hold, against dictionaries of Python sets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.observations import find_observations
from toolkit.linking.sets import Sets, hold, one_set

N_SETS, N_ACCOUNTS = 4, 8
Rows = list[tuple[int, int]]
members = st.lists(st.tuples(st.integers(0, N_SETS - 1), st.integers(0, N_ACCOUNTS - 1)), max_size=25)
uses = st.lists(
    st.tuples(
        st.integers(0, N_ACCOUNTS - 1), st.sampled_from(["ip", "card"]), st.sampled_from(["u", "v", "w", "none"])
    ),
    max_size=25,
)


def of(rows: Rows) -> tuple[Sets, list[set[int]]]:
    """The same sets twice: as arrays, and as Python has them."""
    label, account = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    plain = [{account for label, account in rows if label == wanted} for wanted in range(N_SETS)]
    return Sets.of(label, account, N_SETS, N_ACCOUNTS), plain


def back(sets: Sets) -> list[set[int]]:
    return [set(sets.members(label).tolist()) for label in range(sets.number)]


def world(rows: list[tuple[int, str, str]]) -> Incidence:
    """Accounts a0 to a7, each with one card of its own, and what the rows say."""
    everybody = [(f"a{i}", "card", f"own{i}") for i in range(N_ACCOUNTS)]
    table = [*everybody, *((f"a{account}", kind, value) for account, kind, value in rows)]
    return build_incidence(
        find_observations(pl.DataFrame(table, schema=["account_id", "kind", "value"], orient="row"))
    )  # fmt: skip


@given(members)
def test_sets_are_what_python_says(rows: Rows) -> None:
    """Members, sizes, order and membership; no row twice."""
    sets, plain = of(rows)
    assert back(sets) == plain
    assert sets.size.tolist() == [len(group) for group in plain]
    assert sets.key.tolist() == sorted({label * N_ACCOUNTS + account for label, account in rows})
    label, account = np.divmod(np.arange(N_SETS * N_ACCOUNTS), N_ACCOUNTS)
    asked = sets.contains(label, account).tolist()
    assert asked == [a in plain[which] for which, a in zip(label.tolist(), account.tolist(), strict=True)]


@given(members, members)
def test_union_and_difference_set_by_set(rows: Rows, more: Rows) -> None:
    """`|` and `without` are Python's | and -."""
    (one, plain), (two, other) = of(rows), of(more)
    assert back(one | two) == [a | b for a, b in zip(plain, other, strict=True)]
    assert back(one.without(two)) == [a - b for a, b in zip(plain, other, strict=True)]


@given(members, st.permutations(range(N_SETS)), st.integers(0, N_SETS))
def test_picking_renumbers_and_only_keeps_labels(rows: Rows, order: list[int], some: int) -> None:
    """`pick` gives the sets asked for, in the order asked for; `only` leaves labels as they are."""
    sets, plain = of(rows)
    picked = np.array(order[:some], dtype=np.int64)
    assert back(sets.pick(picked)) == [plain[label] for label in order[:some]]
    assert back(sets.only(sets.account % 2 == 0)) == [{a for a in group if a % 2 == 0} for group in plain]


@given(members)
def test_overlap_counts_common_accounts(rows: Rows) -> None:
    """Every pair of sets with something in common, once, and how much."""
    sets, plain = of(rows)
    found = list(zip(*(part.tolist() for part in sets.overlap()), strict=True))
    pairs = [(i, j, len(plain[i] & plain[j])) for i in range(N_SETS) for j in range(i + 1, N_SETS)]
    assert found == [pair for pair in pairs if pair[2]]


@given(members, uses, st.sets(st.sampled_from(["u", "v"])))
def test_held_counts_holders_as_a_counter_does(rows: Rows, used: list[tuple[int, str, str]], gone: set[str]) -> None:
    """A cell per set and value that a member has; placeholders and values taken away are nobody's."""
    index, (sets, plain) = world(used), of(rows)
    without = index.values["value"].is_in(sorted(gone)).to_numpy()
    held = hold(index, sets, without)
    kinds, values = index.values["kind"].to_list(), index.values["value"].to_list()
    found = {
        (label, kinds[value], values[value]): count
        for label, value, count in zip(
            held.cell_label.tolist(), held.cell_value.tolist(), held.count.tolist(), strict=True
        )
    }
    holdings = {*used, *((i, "card", f"own{i}") for i in range(N_ACCOUNTS))}
    expected = Counter(
        (label, kind, value)
        for label, group in enumerate(plain)
        for account, kind, value in holdings
        if account in group and value not in {"none", *gone}
    )
    assert found == dict(expected)
    cell, there = held.find(np.repeat(np.arange(N_SETS), index.n_values), np.tile(np.arange(index.n_values), N_SETS))
    asked = [expected[label, kinds[v], values[v]] for label in range(N_SETS) for v in range(index.n_values)]
    assert there.tolist() == [count > 0 for count in asked]
    assert held.count[cell[there]].tolist() == [count for count in asked if count]


def test_holders_within_a_window_are_counted_by_hand() -> None:
    """Of three members on one address, at hours 0-2, 10-12 and 100, those whose use touches the hours asked about."""
    frame = pl.DataFrame(
        {
            "account_id": ["a", "b", "c", "x"],
            "kind": "ip",
            "value": "n",
            "first_at": [0, 10, 100, 11],
            "last_at": [2, 12, 100, 11],
        }
    ).with_columns(
        (pl.datetime(2026, 1, 5, time_zone="UTC") + pl.duration(hours=pl.col(c))).alias(c)
        for c in ("first_at", "last_at")
    )
    index = build_incidence(find_observations(frame))
    held = hold(index, one_set(np.arange(3), index.n_accounts))
    low, high = np.array([0.0, 2.0, 3.0, 12.5, 0.0]), np.array([5.0, 10.0, 9.0, 99.0, 200.0])
    assert held.within_window(np.zeros(5, dtype=np.int64), low, high).tolist() == [1, 2, 0, 0, 3]
    assert held.in_use(np.zeros(5, dtype=np.int64), low, high).tolist() == [1, 2, 0, 0, 3]
