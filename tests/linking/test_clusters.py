"""From links to clusters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from toolkit.linking.clusters import cluster_accounts
from toolkit.linking.combine import combine_bits
from toolkit.linking.hubs import find_hubs
from toolkit.linking.score import link_accounts
from toolkit.settings import KINDS

World = Callable[..., pl.DataFrame]


def _group(name: str, n: int) -> list[tuple[str, str, str]]:
    return [(f"{name}{i}", kind, f"{name}-{kind}") for i in range(n) for kind in ("device", "card", "phone")]


def test_two_rings_joined_by_one_helper_stay_two(strangers: World) -> None:
    """An account that holds values of both rings is a bridge, not a weld."""
    helper = [
        ("h", "device", "p-device"),
        ("h", "card", "q-card"),
        ("h", "device", "q-device"),
        ("h", "card", "p-card"),
    ]
    links = link_accounts(strangers(_group("p", 8) + _group("q", 8) + helper))
    members, clusters = cluster_accounts(links)
    home = dict(members.select("account_id", "cluster_id").iter_rows())
    assert len({home[f"p{i}"] for i in range(8)}) == 1
    assert home["p0"] != home["q0"]
    assert clusters["bridges"].to_list() == [8, 8]


def test_members_say_how_firmly_they_belong(strangers: World) -> None:
    """Each member has a band, a persistence and a sentence; the card has its top value."""
    members, clusters = cluster_accounts(link_accounts(strangers(_group("p", 5))))
    assert members["account_id"].to_list() == [f"p{i}" for i in range(5)]
    assert set(members["band"]) <= {"confirmed", "probable", "possible"}
    assert members["why"].str.contains("p-device").all()
    assert clusters.row(0, named=True)["size"] == 5


def test_pairs_alone_are_links_not_clusters(strangers: World) -> None:
    """Two accounts are a link; a cluster starts at three."""
    members, clusters = cluster_accounts(link_accounts(strangers(_group("p", 2))))
    assert members.is_empty()
    assert clusters.is_empty()


def test_no_links_no_clusters(strangers: World) -> None:
    """Nothing in, nothing out, in the right columns."""
    members, clusters = cluster_accounts(link_accounts(strangers([])))
    assert (members.height, clusters.height) == (0, 0)


def test_a_public_number_is_named_in_the_hub_table(strangers: World) -> None:
    """A phone whose holders share nothing else loses its weight and is written down with the reason."""
    hubs = find_hubs(strangers([(f"x{i:04d}", "phone", "+1555") for i in range(12)]))
    row = hubs.filter(pl.col("value") == "+1555").row(0, named=True)
    assert (row["verdict"], row["holders"]) == ("uncorroborated", 12)


def test_evidence_adds_up_as_by_hand() -> None:
    """Second ip counts half, the second kind of a family half, families add."""
    kinds = [KINDS[name] for name in ("card", "card_bin", "ip")]
    rows = [(2, 8.0), (2, 4.0), (0, 6.0), (1, 2.0)]
    kind = np.array([k for k, _ in rows])
    bits = np.array([b for _, b in rows])
    zero = np.zeros(4, dtype=np.int64)
    table = combine_bits(kinds, zero, kind, np.arange(4), bits, 1)
    assert table.tolist() == [[8 + 4 / 2, 6 + 2 / 2]]
