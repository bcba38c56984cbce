"""The rings that a team knows: written whole, never overwritten, nothing in it that need not be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import ContractError, InputError, SourceError, UnknownNameError
from toolkit.linking.match import match_clusters
from toolkit.linking.observations import find_observations
from toolkit.linking.registry import add_ring, list_rings, read_registry, retire_ring

CLOSED = datetime(2026, 3, 2, tzinfo=UTC)
KEY = b"a key of more than sixteen bytes"
HELD = {
    "account_id": ["a", "b", *(f"x{i}" for i in range(300))],
    "device": ["d", "d", *(f"d{i}" for i in range(300))],
    "card": ["canary", "00", *(f"c{i}" for i in range(300))],  # "00" means that there is none
    "phone": ["p", "p", *["p"] * 150, *(f"p{i}" for i in range(150))],  # a hub
    "country": ["XA"] * 302,  # a crowd
    "prompt_template": ["t", "t", *[None] * 300],
}
SEEN = find_observations(pl.DataFrame(HELD))


@pytest.fixture(params=["folder", "rings.duckdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A registry that is not there yet, in either form."""
    return tmp_path / request.param


def _add(place: Path, ring_id: str = "R-7", accounts: tuple[str, ...] = ("a", "b"), **said: object) -> int:
    return add_ring(place, ring_id, list(accounts), SEEN, case_id="C-1", closed_at=CLOSED, **said)  # type: ignore[arg-type]


def _says(place: Path, word: bytes) -> bool:
    files = place.rglob("*.parquet") if place.is_dir() else [place]
    return any(word in file.read_bytes() for file in files)


def test_what_could_link_is_kept_and_nothing_else(place: Path) -> None:
    """Accounts, the machine, the card, the text; no placeholder, no hub, no country."""
    _add(place, label="card testing, spring")
    registry = read_registry(place)
    ring = registry.rings.row(0, named=True)
    assert (ring["ring_id"], ring["version"], ring["state"], ring["members"]) == ("R-7", 1, "known", 2)
    assert (ring["case_id"], ring["closed_at"], ring["label"]) == ("C-1", CLOSED, "card testing, spring")
    assert registry.values.select("kind", "value", "members", "holders_outside", "sensitivity").rows() == [
        ("account_id", "a", 1, 0, 2),
        ("account_id", "b", 1, 0, 2),
        ("card", "canary", 1, 0, 3),
        ("device", "d", 2, 0, 2),
        ("prompt_template", "t", 2, 0, 1),
    ]
    assert registry.templates["value"].to_list() == ["t"]


def test_values_above_a_sensitivity_stay_out(place: Path) -> None:
    """A registry for another team: no cards."""
    _add(place, max_sensitivity=2)
    assert "card" not in read_registry(place).values["kind"].to_list()


def test_the_past_can_be_read(place: Path) -> None:
    """A new version replaces, a retirement takes back, and every earlier state is still there."""
    _add(place)
    _add(place, accounts=("a",))
    _add(place, "R-8", ("x1",))
    retire_ring(place, "R-7", retired_at=CLOSED + timedelta(days=9), why="overturned on appeal")
    assert list_rings(place).select("entry", "ring_id", "version", "state", "why").rows() == [
        (1, "R-7", 1, "known", ""),
        (2, "R-7", 2, "known", ""),
        (3, "R-8", 1, "known", ""),
        (4, "R-7", 3, "retired", "overturned on appeal"),
    ]
    now = read_registry(place)
    assert (now.entry, now.rings["ring_id"].to_list()) == (4, ["R-8"])
    assert now.values["ring_id"].unique().to_list() == ["R-8"]
    then = read_registry(place, upto=1)
    assert then.rings.select("ring_id", "members").rows() == [("R-7", 2)]
    assert read_registry(place, upto=2).rings["members"].to_list() == [1]


def test_old_rings_can_be_left_out(place: Path) -> None:
    """What a team may keep no longer is not matched; the time to count from is said, not read off a clock."""
    _add(place)
    assert read_registry(place, max_age_days=30, as_of=CLOSED + timedelta(days=30)).rings.height == 1
    assert read_registry(place, max_age_days=30, as_of=CLOSED + timedelta(days=31)).rings.height == 0
    with pytest.raises(InputError, match="needs as_of"):
        read_registry(place, max_age_days=30)


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    """Parquet and DuckDB, row by row."""
    for name in ("folder", "rings.duckdb"):
        _add(tmp_path / name)
        _add(tmp_path / name, "R-8", ("x1", "x2"))
    files, database = (read_registry(tmp_path / name) for name in ("folder", "rings.duckdb"))
    assert files.rings.equals(database.rings)
    assert files.values.equals(database.values)
    plain = pl.read_parquet(tmp_path / "folder" / "rings" / "*.parquet")  # any reader can
    assert plain["ring_id"].to_list() == ["R-7", "R-8"]


def test_hidden_values_leave_nothing_in_the_clear(place: Path) -> None:
    """No value and no account is in the file; who has the key can match, and the registry keeps to one key."""
    _add(place, key=KEY)
    registry = read_registry(place)
    assert registry.values["value"].str.contains("^[0-9a-f]{64}$").all()
    assert not _says(place, b"canary")
    _add(place.with_name(f"clear-{place.name}"))
    assert _says(place.with_name(f"clear-{place.name}"), b"canary")
    new = pl.DataFrame({"cluster_id": ["june"] * 2, "account_id": ["a", "b"]})
    assert match_clusters(new, SEEN, registry.profiles, key=KEY)["verdict"].to_list() == ["same ring"]
    with pytest.raises(InputError, match="hidden under a key; pass the same"):
        _add(place, "R-8", ("x1",))
    with pytest.raises(InputError, match="hidden under another key"):
        _add(place, "R-8", ("x1",), key=KEY[::-1])
    with pytest.raises(InputError, match="16 bytes or more, found 5"):
        _add(place, "R-8", ("x1",), key=b"short")


def test_ids_are_text_whatever_they_look_like(place: Path) -> None:
    """Leading zeros, quotes and SQL come back as they went in."""
    name = "007'; DROP TABLE rings; --"
    _add(place, name)
    _add(place, "../up")
    assert sorted(read_registry(place).rings["ring_id"].to_list()) == ["../up", name]
    retire_ring(place, name, retired_at=CLOSED, why="a test")
    assert read_registry(place).rings["ring_id"].to_list() == ["../up"]


def test_two_writers_at_once_get_two_entries(tmp_path: Path) -> None:
    """Nobody's ring is overwritten."""
    with ThreadPoolExecutor(4) as pool:
        entries = list(pool.map(lambda n: _add(tmp_path / "r", f"R-{n}", (f"x{n}",)), range(8)))
    assert sorted(entries) == list_rings(tmp_path / "r")["entry"].to_list()
    assert read_registry(tmp_path / "r").rings.height == 8
    assert not list((tmp_path / "r").rglob(".writing-*"))


def test_a_write_that_breaks_off_leaves_the_registry_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values without their ring do not count, and their number is not used again."""
    _add(tmp_path / "r")
    real = pl.DataFrame.write_parquet

    def full(frame: pl.DataFrame, file: Path) -> None:
        if "case_id" in frame.columns:
            raise OSError(28, "No space left on device")
        real(frame, file)

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(SourceError, match="No space left"):
            _add(tmp_path / "r", "R-8", ("x1",))
    assert read_registry(tmp_path / "r").rings["ring_id"].to_list() == ["R-7"]
    assert _add(tmp_path / "r", "R-8", ("x1",)) == 3


def test_what_is_wrong_is_said(place: Path) -> None:
    """A time without a zone, an unknown ring, no registry, no reason, no accounts."""
    with pytest.raises(SourceError, match="no registry at"):
        read_registry(place)
    with pytest.raises(InputError, match="closed_at has no time zone"):
        add_ring(place, "R", ["a"], SEEN, case_id="C", closed_at=datetime(2026, 3, 2))
    with pytest.raises(InputError, match="no accounts"):
        _add(place, accounts=())
    _add(place)
    with pytest.raises(UnknownNameError, match="did you mean 'R-7'"):
        retire_ring(place, "R-6", retired_at=CLOSED, why="x")
    with pytest.raises(InputError, match="needs a reason"):
        retire_ring(place, "R-7", retired_at=CLOSED, why=" ")


def test_times_are_kept_as_utc(place: Path) -> None:
    """The same instant, whatever zone it was said in."""
    east = CLOSED.astimezone(timezone(timedelta(hours=9)))
    add_ring(place, "R", ["a"], SEEN, case_id="C", closed_at=east)
    assert read_registry(place).rings["closed_at"].to_list() == [CLOSED]


def test_a_file_changed_by_hand_is_refused(tmp_path: Path) -> None:
    """A registry that no longer fits its contract says so, and garbage is told as garbage."""
    _add(tmp_path)
    file = tmp_path / "rings" / "000001.parquet"
    pl.read_parquet(file).drop("case_id").write_parquet(file)
    with pytest.raises(ContractError, match="case_id"):
        read_registry(tmp_path)
    file.write_bytes(b"not parquet")
    with pytest.raises(SourceError, match="cannot read"):
        read_registry(tmp_path)
