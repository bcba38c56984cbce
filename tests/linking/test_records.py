"""Person records: agreement counts for, difference against, and nobody gave labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.linking.records import compare_records, group_records, link_records

FIELDS = {"first": "name", "last": "name", "born": "date", "phone": "phone"}


def people(n: int, twins: int, seed: int = 1) -> pl.DataFrame:
    """Persons with common first names; of the first ``twins`` a second record, each field wrong one time in five."""
    rng = np.random.default_rng(seed)
    first = [f"{'bcdfgklm'[i % 8]}a{'bdgklmnprstv'[i % 12]}i{'lmnrst'[i % 6]}" for i in rng.integers(40, size=n)]
    last = ["".join(rng.choice(list("bcdefgiklmnorstu"), 8)) for _ in range(n)]
    born = [f"19{y:02d}{m:02d}{d:02d}" for y, m, d in rng.integers([40, 1, 1], [99, 13, 29], size=(n, 3))]
    phone = [f"04{p:08d}" for p in rng.integers(10**8, size=n)]
    one = pl.DataFrame({"account_id": [f"p{i:04d}" for i in range(n)], "first": first, "last": last, "born": born})
    one = one.with_columns(pl.Series("phone", phone))

    def spoil(value: str) -> str | None:
        at = int(rng.integers(len(value)))
        luck = rng.random()
        return value if luck > 0.2 else None if luck < 0.05 else value[:at] + value[at + 1 :]

    two = one.head(twins).with_columns(pl.col("account_id") + "-2")
    two = two.with_columns(pl.Series(name, [spoil(v) for v in two[name]], dtype=pl.String) for name in FIELDS)
    return pl.concat([one, two])


def test_second_records_are_found_and_strangers_are_not() -> None:
    """200 second records among 1,000 persons: nearly all found, hardly anyone else."""
    links = link_records(people(1000, 200), FIELDS)
    right = (links["account_a"] + "-2" == links["account_b"]).sum()
    assert right >= 195
    assert links.height - right <= 2


def test_the_prior_is_learned() -> None:
    """The learned prior is the share of pairs that are of one person, for many and for few."""
    for twins in (60, 300):
        compared = compare_records(people(1000, twins), FIELDS)
        n = len(compared.accounts)
        assert compared.fit().lam == pytest.approx(twins / (n * (n - 1) / 2), rel=0.1)


def test_a_difference_counts_against_and_a_blank_does_not() -> None:
    """Of two records alike but for the birth date, the one where it differs has fewer bits than the one without."""
    frame = people(600, 100)
    base = frame.filter(pl.col("account_id") == "p0550")
    other = base.with_columns(account_id=pl.lit("other"), born=pl.lit("20200101"))
    blank = base.with_columns(account_id=pl.lit("blank"), born=pl.lit(None, pl.String))
    links = link_records(pl.concat([frame, other, blank]), FIELDS, min_probability=0)
    bits = {
        next(name for name in ("other", "blank") if name in pair): row
        for *pair, row in links.select("account_a", "account_b", "bits").iter_rows()
        if "p0550" in pair and {"other", "blank"} & set(pair)
    }
    assert bits["other"] < bits["blank"]
    told = links.filter((pl.col("account_a") == "other") & (pl.col("account_b") == "p0550"))["evidence"][0]
    assert told[-1]["field"] == "born"
    assert told[-1]["agreement"] == "differs"
    assert told[-1]["bits"] < 0


def test_a_common_value_proves_less_than_a_rare_one() -> None:
    """Agreeing on a first name that one in twenty has gives fewer bits than on one of two."""
    frame = people(600, 100).with_columns(
        pl.when(pl.col("account_id").is_in(["p0000", "p0000-2"]))
        .then(pl.lit("zoroaster"))
        .otherwise("first")
        .alias("first")
    )
    evidence = link_records(frame, FIELDS).explode("evidence").unnest("evidence", separator="_")
    exact = evidence.filter((pl.col("evidence_field") == "first") & (pl.col("evidence_agreement") == "exact"))
    rare = exact.filter(pl.col("account_a") == "p0000")["evidence_bits"].item()
    assert rare > exact.filter(pl.col("account_a") != "p0000")["evidence_bits"].max() + 2


def test_row_order_changes_nothing() -> None:
    """Shuffled records give the same links, to the bit."""
    frame = people(300, 60)
    assert link_records(frame, FIELDS).equals(link_records(frame.sample(fraction=1, shuffle=True, seed=5), FIELDS))


def test_groups_are_named_by_their_smallest_member() -> None:
    """Links below the threshold join nobody."""
    links = pl.DataFrame({"account_a": ["b", "a", "x"], "account_b": ["c", "b", "y"], "probability": [0.9, 0.8, 0.3]})
    assert group_records(links).rows() == [("a", "a"), ("b", "a"), ("c", "a")]


@pytest.mark.parametrize(
    ("frame", "fields", "said"),
    [
        (pl.DataFrame({"account_id": ["a", "a"], "first": ["x", "y"]}), {"first": "name"}, "2 rows, 1 ids"),
        (pl.DataFrame({"account_id": ["a"], "first": ["x"]}), {}, "name at least one"),
        (pl.DataFrame({"account_id": ["a"], "first": ["x"]}), {"frist": "name"}, "did you mean 'first'"),
    ],
)
def test_a_wrong_call_is_said(frame: pl.DataFrame, fields: dict[str, str], said: str) -> None:
    """Repeated ids, no fields, a misspelt column."""
    with pytest.raises(InputError, match=said):
        link_records(frame, fields)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tiny_frames_give_a_table(rows: int) -> None:
    """No records, one, or two that share nothing: an empty table with its columns."""
    found = link_records(people(2, 0).head(rows), FIELDS)
    assert found.height == 0
    assert found.columns == ["account_a", "account_b", "bits", "probability", "evidence"]
