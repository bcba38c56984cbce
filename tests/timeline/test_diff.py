"""Differences: every row of either side is accounted for, and said by what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ContractError, InputError, UnknownNameError
from toolkit.timeline.diff import diff_timelines

from ..conftest import START

Make = Callable[..., pl.DataFrame]


def test_the_four_changes(make_events: Make) -> None:
    """One of each, and one that is the same although it was delivered otherwise."""
    a = make_events([0, 1, 2, 3], ip=["::1", "::2", "::3", "::4"])
    b = make_events(
        [0, 9, 2, 5], event_id=["e0", "e1", "e2", "new"], ip=["::1", "::2", "::9", "::5"],
        source=["proxy", "app", "app", "app"], event=["chat", "chat", "login", "chat"],
    )  # fmt: skip
    changes, coverage = diff_timelines(a, b)
    assert changes.select("change", "event_id", "dt_s", "columns").rows() == [
        ("moved", "e1", 8.0, []), ("changed", "e2", 0.0, ["event", "ip"]), ("removed", "e3", None, []),
        ("added", "new", None, []),
    ]  # fmt: skip
    assert coverage.select("source", "in_a", "in_b", "same").rows() == [("app", 4, 3, 1), ("proxy", 0, 1, 0)]
    assert coverage["last_b"].to_list() == [START + timedelta(seconds=9), START]
    assert diff_timelines(a, b, columns=["value"])[0]["change"].to_list() == ["moved", "removed", "added"]


def test_by_content_ids_do_not_matter(make_events: Make) -> None:
    """Another export names its rows otherwise: what moved is told from what stands."""
    a = make_events([0, 1, 2], event=["login", "chat", "chat"])
    b = make_events([0, 2, 8], event=["login", "chat", "chat"], event_id=["x", "y", "z"])
    changes, _ = diff_timelines(a, b, key="content")
    assert changes.select("change", "event_id", "event_id_b", "dt_s").rows() == [("moved", "e1", "z", 7.0)]
    assert diff_timelines(a, b)[0]["change"].value_counts(sort=True).height == 2


def test_an_id_of_several_rows_pairs_by_account_and_verb(make_events: Make) -> None:
    """A request and its content share an id; when the first goes, the second is not taken for it."""
    a = make_events([0, 0], event_id="r1", event=["request", "content"])
    changes, _ = diff_timelines(a, a.filter(pl.col("event") == "content"))
    assert changes.select("change", "event").rows() == [("removed", "request")]


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from(["chat", "login"])), max_size=8)


@settings(max_examples=50)
@given(ROWS, ROWS, st.sampled_from(["event_id", "content"]), st.integers(0, 9))
def test_every_row_is_accounted_for(make_events: Make, one: list, two: list, key: str, seed: int) -> None:
    """Rows of a = same + changed + moved + removed, rows of b likewise; multisets of content give the same number."""
    a, b = (
        make_events(
            [float(t) for t, _, _ in rows], account=[w for _, w, _ in rows], event=[e for _, _, e in rows],
            event_id=[f"e{t}" for t, _, _ in rows],
        ) if rows else make_events([])
        for rows in (one, two)
    )  # fmt: skip
    changes, coverage = diff_timelines(a, b, key=key)  # type: ignore[arg-type]
    count = Counter(changes["change"].to_list())
    both = coverage["same"].sum() + count["changed"] + count["moved"]
    assert (both + count["removed"], both + count["added"]) == (len(one), len(two))
    if key == "content":
        content = [Counter((w, e) for _, w, e in rows) for rows in (one, two)]
        assert both == (content[0] & content[1]).total()
        assert coverage["same"].sum() == (Counter(one) & Counter(two)).total()
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (a, b)]
    assert diff_timelines(*shuffled, key=key)[0].equals(changes)  # type: ignore[arg-type]
    assert diff_timelines(a, a, key=key)[0].height == 0  # type: ignore[arg-type]


def test_wrong_calls_are_answered_at_once(make_events: Make) -> None:
    rows = make_events([0])
    with pytest.raises(UnknownNameError, match="did you mean 'event_id'"):
        diff_timelines(rows, rows, key="evnt_id")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a has no column 'ip'; a has no column 'os'; b has no column 'os'"):
        diff_timelines(rows, rows.with_columns(ip=pl.lit("::1")), columns=["ip", "os"])
    with pytest.raises(ContractError, match="event_at"):
        diff_timelines(rows, rows.drop("event_at"))
