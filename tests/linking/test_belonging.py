"""How strongly an account belongs to a set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import polars as pl
import pytest

from toolkit.linking.belonging import ExpandSettings, Scores, cell_bits, find_frontier, score_accounts
from toolkit.linking.incidence import Incidence, build_incidence
from toolkit.linking.sets import Sets, hold, one_set

World = Callable[..., pl.DataFrame]
Row = tuple[str | float, ...]
DIALS = ExpandSettings()

# Twenty who draw from three devices, four cards and five addresses, and arrive over eight days.
RING: list[Row] = [
    (f"r{i:02d}", kind, f"r-{kind}{(i * step + i // size) % size}", 20 + i / 3, 22 + i / 3)
    for i in range(20)
    for step, (kind, size) in enumerate((("device", 3), ("card", 4), ("ip", 5)), 1)
]


def coded(index: Incidence, *names: str) -> Sets:
    return one_set(np.sort(index.codes(list(names))), index.n_accounts)


def score(observations: pl.DataFrame, of: list[str], *asked: str) -> dict[str, dict[str, float]]:
    """Score accounts against the set of others, by name."""
    index = build_incidence(observations)
    found = score_accounts(index, coded(index, *of), coded(index, *asked), DIALS)
    names = index.accounts.gather(found.account).to_list()
    columns = ("bits", "probability", "reasons", "own_life", "exclusive", "behaviour")
    return {name: {c: float(getattr(found, c)[i]) for c in columns} for i, name in enumerate(names)}


def test_many_sets_are_scored_as_each_alone(crowd: World) -> None:
    """Thirty overlapping sets side by side, then one at a time: the same figures to the last bit."""
    index = build_incidence(crowd(RING, others=150))
    luck = np.random.default_rng(0)
    label = np.repeat(np.arange(30), luck.integers(1, 15, 30))
    many = Sets.of(label, luck.choice(np.arange(60), len(label)), 30, index.n_accounts)
    frontier = find_frontier(index, many, DIALS)
    together = score_accounts(index, many, frontier, DIALS)
    of_row = [
        field.name for field in fields(Scores) if field.name not in {"frontier"} and not field.name.startswith("hit")
    ]
    for one in range(30):
        alone_set = many.pick(np.array([one]))
        alone_frontier = find_frontier(index, alone_set, DIALS)
        alone = score_accounts(index, alone_set, alone_frontier, DIALS)
        rows = frontier.label == one
        assert frontier.account[rows].tolist() == alone_frontier.account.tolist()
        for name in of_row:
            assert getattr(together, name)[rows].tobytes() == getattr(alone, name).tobytes(), name
        hits = rows[together.hit_row]
        for name in ("hit_incidence", "hit_bits", "hit_members", "hit_holders"):
            assert getattr(together, name)[hits].tobytes() == getattr(alone, name).tobytes(), name


def test_who_cannot_come_to_the_bar_changes_nobody_else(crowd: World) -> None:
    """Members, and who comes to it, score as they do among all; the others stay below it, and some show no hits."""
    rows: list[Row] = [("y", "device", "r-device0"), ("y", "card", "r-card0")]
    rows += [(f"x{i:05d}", "ip", "r-ip0") for i in range(40)]
    index = build_incidence(crowd([*RING, *rows], others=150))
    ring, everybody = one_set(np.arange(12), index.n_accounts), one_set(np.arange(index.n_accounts), index.n_accounts)
    full, quick = (score_accounts(index, ring, everybody, DIALS, least=least) for least in (0.0, 0.5))
    asked = ring.contains(everybody.label, everybody.account) | (full.probability >= 0.5)
    assert 12 < asked.sum() < len(asked)
    for field in fields(Scores):
        if field.name != "frontier" and not field.name.startswith("hit"):
            assert getattr(full, field.name)[asked].tobytes() == getattr(quick, field.name)[asked].tobytes(), field.name
    assert quick.probability[~asked].max() < 0.5
    assert 0 < len(quick.hit_row) < len(full.hit_row)


def test_a_member_is_judged_without_itself(crowd: World) -> None:
    """Whoever is put into a ring it shares nothing with does not support itself; a member scores as from outside."""
    observations = crowd(RING)
    ring = [f"r{i:02d}" for i in range(20)]
    inside = score(observations, [*ring, "x00007"], "x00007", "r04")
    assert inside["x00007"]["probability"] < 0.01
    assert inside["r04"]["probability"] > 0.99
    left = score(observations, [name for name in ring if name != "r04"], "r04")
    within = score(observations, ring, "r04")
    assert within["r04"]["bits"] == pytest.approx(left["r04"]["bits"], abs=1.0)


def test_two_reasons_are_two_families(crowd: World) -> None:
    """A ring's device is one reason, its device and card are two, its text is behaviour."""
    rows: list[Row] = [*RING, *((f"r{i:02d}", "prompt_template", "t", 20 + i / 3) for i in range(20))]
    rows += [("one", "device", "r-device0"), ("two", "device", "r-device0"), ("two", "card", "r-card0")]
    rows += [("text", "prompt_template", "t"), ("text", "card", "r-card0")]
    found = score(crowd(rows), [f"r{i:02d}" for i in range(20)], "one", "two", "text", "x00001")
    assert [found[name]["reasons"] for name in ("x00001", "one", "two", "text")] == [0, 1, 2, 2]
    assert [found[name]["behaviour"] for name in ("one", "two", "text")] == [0, 0, 1]
    assert found["x00001"]["bits"] < found["one"]["bits"] < found["two"]["bits"]


def test_what_an_account_lacks_counts_against_it(crowd: World) -> None:
    """Of three that hold the ring's device and card, ten devices of one's own cost, and so does having no address."""
    same: list[Row] = [(name, kind, f"r-{kind}0") for name in ("plain", "busy", "bare") for kind in ("device", "card")]
    same += [(name, "ip", "r-ip0") for name in ("plain", "busy")]
    same += [("busy", "device", f"busy{i}") for i in range(10)]
    found = score(crowd([*RING, *same]), [f"r{i:02d}" for i in range(20)], "plain", "busy", "bare")
    assert found["plain"]["bits"] > found["busy"]["bits"] + 1
    assert found["plain"]["bits"] > found["bare"]["bits"] + 1


def test_a_value_says_less_the_more_strangers_hold_it(crowd: World) -> None:
    """The ring's address with 0, 10, 100 and 1,000 strangers on it in the same days."""
    ring = [f"r{i:02d}" for i in range(20)]
    bits = []
    for strangers in (0, 10, 100, 1000):
        rows: list[Row] = [(f"x{i:05d}", "ip", "r-ip0", 20.0, 22.0) for i in range(strangers)]
        bits.append(score(crowd([*RING, *rows, ("new", "ip", "r-ip0")]), ring, "new")["new"]["bits"])
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > bits[-1] + 3


def test_outsiders_who_likely_belong_are_no_strangers(crowd: World) -> None:
    """As many hold the card, and as many the device; where the same people hold both, they speak for one another."""
    five: list[Row] = [(f"r{i:02d}", kind, f"r-{kind}") for i in range(5) for kind in ("device", "card")]
    new: list[Row] = [("new", kind, f"r-{kind}") for kind in ("device", "card")]
    same: list[Row] = [(f"s{i:02d}", kind, f"r-{kind}") for i in range(30) for kind in ("device", "card")]
    apart: list[Row] = [(f"{kind}{i:02d}", kind, f"r-{kind}") for i in range(30) for kind in ("device", "card")]
    ring = [f"r{i:02d}" for i in range(5)]
    bits = []
    for others in (same, apart):
        index = build_incidence(crowd([*five, *new, *others]))
        found = score_accounts(index, coded(index, *ring), find_frontier(index, coded(index, *ring), DIALS), DIALS)
        bits.append(float(found.bits[found.account == index.codes(["new"])[0]][0]))
    assert bits[0] > bits[1] + 3


def test_an_address_of_another_month_is_no_hit(crowd: World) -> None:
    """The ring's card and its address, in its days or a month on: by then the address is somebody else's."""
    ring = [f"r{i:02d}" for i in range(20)]
    rows: list[Row] = [(name, "card", "r-card0", 24.0, 25.0) for name in ("now", "later")]
    rows += [("now", "ip", "r-ip0", 24.0, 25.0), ("later", "ip", "r-ip0", 58.0, 59.0)]
    found = score(crowd([*RING, *rows]), ring, "now", "later")
    assert (found["now"]["reasons"], found["later"]["reasons"]) == (2, 1)
    assert found["now"]["bits"] > found["later"]["bits"] + 3


@pytest.mark.parametrize(("before", "things", "somebodys"), [(20.0, 5, True), (5.0, 5, False), (20.0, 2, False)])
def test_a_life_of_its_own_takes_days_and_things(crowd: World, before: float, things: int, somebodys: bool) -> None:
    """Seen 20 days before with five values of its own: a victim. Five days, or two values: not told apart."""
    kinds = ("phone", "email", "cookie", "api_key", "device")[:things]
    life: list[Row] = [("v", kind, f"v-{kind}", 20 - before, 30.0) for kind in kinds]
    raid: list[Row] = [("v", kind, f"r-{kind}0", 20.5, 21.0) for kind in ("device", "card")]
    found = score(crowd([*RING, *life, *raid]), [f"r{i:02d}" for i in range(20)], "v")
    assert bool(found["v"]["own_life"]) is somebodys


def test_the_frontier_is_everybody_who_could_be_spoken_for(crowd: World) -> None:
    """Holders of the ring's device and address are looked at, not those who share its country, or its address later."""
    rows: list[Row] = [*RING, *((f"r{i:02d}", "country", "country1") for i in range(20))]
    rows += [("near", "ip", "r-ip0", 21.0), ("machine", "device", "r-device0"), ("later", "ip", "r-ip0", 55.0)]
    rows += [("lands", "country", "country1")]
    index = build_incidence(crowd(rows))
    ring = coded(index, *(f"r{i:02d}" for i in range(10)))
    seen = set(index.accounts.gather(find_frontier(index, ring, DIALS).account).to_list())
    assert seen == {f"r{i:02d}" for i in range(20)} | {"near", "machine"}


def test_no_hit_gives_more_than_its_cell_says(crowd: World) -> None:
    """`cell_bits` bounds what any outsider gets from a value of the set (it decides who is looked at)."""
    rows: list[Row] = [*RING, *((f"x{i:05d}", "ip", "r-ip0", 10.0 + i, 12.0 + i) for i in range(30))]
    rows += [(f"x{i:05d}", "card", "r-card0") for i in range(3)]
    index = build_incidence(crowd(rows, others=200))
    ring = coded(index, *(f"r{i:02d}" for i in range(20)))
    held = hold(index, ring)
    most = dict(zip(held.cell_value.tolist(), cell_bits(held, asking=1).tolist(), strict=True))
    found = score_accounts(index, ring, find_frontier(index, ring, DIALS), DIALS)
    outside = ~ring.contains(found.frontier.label, found.account)[found.hit_row]
    value = index.value[found.hit_incidence[outside]].tolist()
    given = found.hit_bits[outside].tolist()
    assert max(given) > 2
    assert all(bits <= most[v] + 1e-9 for v, bits in zip(value, given, strict=True))
