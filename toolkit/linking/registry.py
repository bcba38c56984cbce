"""The rings a team knows, kept as plain files: what was closed, what it held, and what was taken back.

A registry is a folder of Parquet files, or a ``.duckdb`` file with the same two tables; anything that reads Parquet can
read it. It only grows. Every change is an *entry* with a number: a ring added, a ring added again (a new version, which
replaces the older one) or a ring retired (closed in error, or its time is up). What the registry said at entry 7 can be
read for ever, so a match can be repeated.

::

    registry/rings/000001.parquet     one row: what was done            contract RegistryRings
    registry/values/000001.parquet    what that ring held               contract RegistryValues

A file is written under another name and then linked to its own, which fails if the name is taken: readers never see
half a file, and two people who add at once get two entries. The rings' file comes last; values without it
do not count.

What is in it is other people's data, so it is kept small: only values that could ever link (no hub, no placeholder, no
country), none above a chosen sensitivity, and with a ``key`` none in the clear. A registry has one key or none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dataframely as dy
import polars as pl

from toolkit.errors import InputError, SourceError, UnknownNameError, visible
from toolkit.linking.profiles import (
    Background,
    RingCards,
    Rings,
    RingValues,
    key_mark,
    profile_rings,
    protect_values,
)
from toolkit.model.tables import conform, empty
from toolkit.settings import KINDS, Kind

if TYPE_CHECKING:
    import duckdb

__all__ = ["Registry", "RegistryRings", "RegistryValues", "add_ring", "list_rings", "read_registry", "retire_ring"]

STATES = ("known", "retired")
_TRIES = 100

_Entry = Callable[[int, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]
"""Makes an entry, a row and its values, from its number and the log before it."""


class RegistryRings(dy.Schema):
    """What was done with a ring. Order: entry. Times are UTC.

    ``entry`` numbers the changes of the whole registry from 1, ``version`` those of one ring. ``state`` is *known* from
    an entry that adds the ring, *retired* from one that takes it back; ``marked_at`` is when (for a ring that is added,
    its ``closed_at``), ``why`` says it in words. ``key_id`` marks the key of its values; null = in the clear.
    """

    entry = dy.Int64(min=1)
    ring_id = dy.String(min_length=1)
    version = dy.Int64(min=1)
    state = dy.String(check={"known": lambda c: c.is_in(STATES)})
    marked_at = dy.Datetime(time_unit="us", time_zone="UTC")
    why = dy.String()
    case_id = dy.String()
    closed_at = dy.Datetime(time_unit="us", time_zone="UTC")
    label = dy.String()
    members = dy.UInt32(min=1)
    first_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    last_at = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    kinds = dy.List(
        dy.Struct({"kind": dy.String(), "accounts": dy.UInt32(), "values": dy.UInt32(), "draws": dy.UInt32()})
    )
    key_id = dy.String(nullable=True)


class RegistryValues(RingValues):
    """What a ring held, by entry. Order: entry, ring_id, kind, value.

    Prompt templates are among the values, under the kind ``prompt_template``; the accounts under ``account_id``.
    """

    entry = dy.Int64(min=1)


@dataclass(frozen=True)
class Registry:
    """What a registry says, up to an entry.

    Attributes
    ----------
    rings : polars.DataFrame
        Contract ``RegistryRings``: the present version of each ring. Order: ring_id.
    values : polars.DataFrame
        Contract ``RingValues``. Order: ring_id, kind, value.
    entry : int
        The last entry that was read; 0 = an empty registry. Write it into a report, and the match can be repeated.
    key_id : str or None
        Which key the values are hidden under.
    """

    rings: pl.DataFrame
    values: pl.DataFrame
    entry: int
    key_id: str | None

    @property
    def profiles(self) -> Rings:
        """The rings as :func:`~toolkit.linking.match.match_clusters` takes them."""
        return Rings(conform(self.rings, RingCards), self.values, self.key_id)

    @property
    def templates(self) -> pl.DataFrame:
        """The rings' prompt templates: rows of ``values``."""
        return self.values.filter(pl.col("kind") == "prompt_template")


def add_ring(
    place: str | Path,
    ring_id: str,
    accounts: list[str],
    observations: pl.DataFrame,
    *,
    case_id: str,
    closed_at: datetime,
    label: str = "",
    kinds: Mapping[str, Kind] = KINDS,
    background: Background | None = None,
    max_sensitivity: int = 3,
    key: bytes | None = None,
) -> int:
    """Write down a ring that was closed; a ring of that name gets a new version.

    Parameters
    ----------
    place : str or Path
        A folder (made if it is not there) or a ``.duckdb`` file.
    ring_id : str
        Its name in the registry.
    accounts : list of str
        Its accounts.
    observations : polars.DataFrame
        Contract ``Observations``, of the whole population at the time, so that hubs can be told and left out.
    case_id : str
        Where the decision is written down.
    closed_at : datetime
        With a time zone; kept as UTC.
    label : str
        In words ("card testing, spring").
    kinds : mapping of str to Kind
        Settings per kind.
    background : Background, optional
        How common values are, where ``observations`` is not the whole population.
    max_sensitivity : int
        Values of kinds above this (0 to 3) are not written.
    key : bytes, optional
        Hide every value, account ids included, under HMAC-SHA256 with this key (16 bytes or more).

    Returns
    -------
    int
        The entry's number.

    Raises
    ------
    InputError
        If the ring has no name or no accounts, the time has no zone, or the registry uses another key (or none).
    ContractError
        If ``observations`` is not a table of observations.
    SourceError
        If the registry cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> from toolkit.linking.observations import find_observations
    >>> seen = find_observations(pl.DataFrame({"account_id": ["a", "b", "c"], "device": ["d", "d", "e"]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     entry = add_ring(folder, "R-7", ["a", "b"], seen, case_id="C-1", closed_at=datetime(2026, 3, 2, tzinfo=UTC))
    ...     registry = read_registry(folder)
    >>> entry, registry.rings["members"].to_list(), registry.values.filter(kind="device")["value"].to_list()
    (1, [2], ['d'])
    """
    if not ring_id:
        raise InputError("a ring needs a name (ring_id), found an empty one")
    if not accounts:
        raise InputError(f"ring {visible(ring_id)!r} has no accounts; name at least one")
    closed = _utc(closed_at, "closed_at")
    members = pl.DataFrame({"cluster_id": ring_id, "account_id": accounts}, schema_overrides={"account_id": pl.String})
    profile = profile_rings(members, observations, kinds=kinds, background=background, max_sensitivity=max_sensitivity)
    mark = None if key is None else key_mark(key)
    values = profile.values if key is None else protect_values(profile.values, key)
    store = _open(place)

    def entry(number: int, before: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        _same_key(before, mark)
        told = pl.lit(closed).cast(pl.Datetime("us", "UTC"))
        row = profile.cards.with_columns(
            entry=pl.lit(number, pl.Int64), version=pl.lit(_versions(before, ring_id) + 1, pl.Int64),
            state=pl.lit("known"), marked_at=told, why=pl.lit(""), case_id=pl.lit(case_id), closed_at=told,
            label=pl.lit(label), key_id=pl.lit(mark, pl.String),
        )  # fmt: skip
        return row, values.with_columns(entry=pl.lit(number, pl.Int64))

    return store.append(entry)


def retire_ring(place: str | Path, ring_id: str, *, retired_at: datetime, why: str) -> int:
    """Take a ring back: it is no longer matched against. Its entries stay, with the reason.

    Parameters
    ----------
    place : str or Path
    ring_id : str
    retired_at : datetime
        With a time zone; kept as UTC.
    why : str
        In words ("overturned on appeal"); it is what the next reader sees.

    Returns
    -------
    int
        The entry's number.

    Raises
    ------
    UnknownNameError
        If no ring of that name is known.
    InputError
        If the time has no zone, or there is no reason.
    SourceError
        If there is no registry.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> from toolkit.linking.observations import find_observations
    >>> at = datetime(2026, 3, 2, tzinfo=UTC)
    >>> seen = find_observations(pl.DataFrame({"account_id": ["a"], "device": ["d"]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = add_ring(folder, "R-7", ["a"], seen, case_id="C-1", closed_at=at)
    ...     _ = retire_ring(folder, "R-7", retired_at=at, why="a test account")
    ...     read_registry(folder).rings.height, list_rings(folder)["why"].to_list()
    (0, ['', 'a test account'])
    """
    marked = _utc(retired_at, "retired_at")
    if not why.strip():
        raise InputError("a retirement needs a reason (why): it is what the next reader sees")
    store = _open(place, must_exist=True)

    def entry(number: int, before: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        last = _present(before).filter(pl.col("ring_id") == ring_id, pl.col("state") == "known")
        if last.is_empty():
            known = _present(before).filter(pl.col("state") == "known").get_column("ring_id").to_list()
            raise UnknownNameError("ring in this registry", ring_id, known)
        row = last.with_columns(
            entry=pl.lit(number, pl.Int64), version=pl.lit(_versions(before, ring_id) + 1, pl.Int64),
            state=pl.lit("retired"), marked_at=pl.lit(marked).cast(pl.Datetime("us", "UTC")), why=pl.lit(why),
        )  # fmt: skip
        return row, empty(RegistryValues)

    return store.append(entry)


def read_registry(
    place: str | Path, *, upto: int | None = None, max_age_days: float | None = None, as_of: datetime | None = None
) -> Registry:
    """Read the rings that are known.

    Parameters
    ----------
    place : str or Path
        The folder or the ``.duckdb`` file.
    upto : int, optional
        Only entries up to this number: the registry as it stood then.
    max_age_days : float, optional
        Leave out rings closed more than so many days before ``as_of``: what is kept no longer is not matched either.
    as_of : datetime, optional
        With a time zone; needed with ``max_age_days`` (the library reads no clock).

    Returns
    -------
    Registry
        Each ring's last version, without those retired.

    Raises
    ------
    SourceError
        If there is no registry, or it cannot be read.
    ContractError
        If its tables were changed by hand and no longer fit.
    InputError
        If ``max_age_days`` comes without ``as_of``.

    Examples
    --------
    >>> read_registry("no/where")
    Traceback (most recent call last):
    toolkit.errors.SourceError: no registry at no/where; add_ring makes one
    """
    store = _open(place, must_exist=True)
    log = store.rings(upto)
    present = _present(log).filter(pl.col("state") == "known")
    if max_age_days is not None:
        if as_of is None:
            raise InputError("max_age_days needs as_of, the time to count from: the library reads no clock")
        present = present.filter(pl.col("closed_at") >= _utc(as_of, "as_of") - timedelta(days=max_age_days))
    values = store.values(present.get_column("entry").to_list())
    values = values.join(present.select("entry", "ring_id"), on=["entry", "ring_id"], how="semi")
    keys = present.get_column("key_id").unique().to_list()
    return Registry(
        rings=conform(present.sort("ring_id"), RegistryRings),
        values=conform(values.sort("ring_id", "kind", "value"), RingValues),
        entry=int(log.get_column("entry").max() or 0),  # type: ignore[arg-type]
        key_id=keys[0] if keys else None,
    )


def list_rings(place: str | Path) -> pl.DataFrame:
    """List every entry: what was added, replaced and retired, when and why.

    Parameters
    ----------
    place : str or Path

    Returns
    -------
    polars.DataFrame
        Contract ``RegistryRings``. Order: entry.

    Raises
    ------
    SourceError
        If there is no registry, or it cannot be read.

    Examples
    --------
    >>> list_rings("no/where.duckdb")
    Traceback (most recent call last):
    toolkit.errors.SourceError: no registry at no/where.duckdb; add_ring makes one
    """
    return _open(place, must_exist=True).rings(None)


def _utc(at: datetime, name: str) -> datetime:
    if at.tzinfo is None:
        raise InputError(f"{name} has no time zone ({at.isoformat()}): add one, for instance tzinfo=UTC")
    return at


def _versions(log: pl.DataFrame, ring_id: str) -> int:
    return log.filter(pl.col("ring_id") == ring_id).height


def _present(log: pl.DataFrame) -> pl.DataFrame:
    """The last entry of each ring."""
    return log.sort("entry").unique("ring_id", keep="last", maintain_order=True)


def _same_key(log: pl.DataFrame, mark: str | None) -> None:
    if log.is_empty() or log.get_column("key_id")[-1] == mark:
        return
    theirs = log.get_column("key_id")[-1]
    said = "in the clear" if theirs is None else "hidden under another key" if mark else "hidden under a key"
    raise InputError(f"the values of this registry are {said}; pass the same `key`, or begin another registry")


@dataclass(frozen=True)
class _Folder:
    """A registry as Parquet files."""

    path: Path

    def rings(self, upto: int | None) -> pl.DataFrame:
        parts = [_read(file, RegistryRings) for file in self._files("rings", upto)]
        return pl.concat(parts) if parts else empty(RegistryRings)

    def values(self, entries: list[int]) -> pl.DataFrame:
        parts = [_read(self._file("values", entry), RegistryValues) for entry in sorted(entries)]
        return pl.concat(parts) if parts else empty(RegistryValues)

    def append(self, entry: _Entry) -> int:
        for _ in range(_TRIES):
            log = self.rings(None)
            taken = [int(file.stem) for part in ("rings", "values") for file in self._files(part, None)]
            number = max(taken, default=0) + 1
            row, values = entry(number, log)
            if not self._put("values", number, conform(values, RegistryValues)):
                continue  # somebody else took this number
            if self._put("rings", number, conform(row, RegistryRings)):
                return number
        raise SourceError(f"{self.path}: {_TRIES} times another writer was faster; try again")

    def _file(self, part: str, entry: int) -> Path:
        return self.path / part / f"{entry:06d}.parquet"

    def _files(self, part: str, upto: int | None) -> list[Path]:
        numbers = sorted(int(f.stem) for f in (self.path / part).glob("*.parquet") if f.stem.isdecimal())
        return [self._file(part, number) for number in numbers if upto is None or number <= upto]

    def _put(self, part: str, entry: int, frame: pl.DataFrame) -> bool:
        """Write a file whole or not at all; False if its name is taken."""
        target = self._file(part, entry)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=target.parent)
            os.close(handle)
            draft = Path(name)
            try:
                frame.write_parquet(draft)
                os.link(draft, target)
            finally:
                draft.unlink()
        except FileExistsError:
            return False
        except OSError as error:
            raise SourceError(f"cannot write {target}: {error.strerror}") from error
        return True


@dataclass(frozen=True)
class _Database:
    """The same as two tables of a DuckDB file; one entry is one transaction."""

    path: Path

    def rings(self, upto: int | None) -> pl.DataFrame:
        if not self.path.exists():
            return empty(RegistryRings)
        sql = "SELECT * FROM rings WHERE entry <= ? ORDER BY entry"
        with self._connect(read_only=True) as db:
            return conform(_frame(db.sql(sql, params=[2**62 if upto is None else upto])), RegistryRings)

    def values(self, entries: list[int]) -> pl.DataFrame:
        sql = "SELECT * FROM ring_values WHERE list_contains(?, entry) ORDER BY entry, ring_id, kind, value"
        with self._connect(read_only=True) as db:
            return conform(_frame(db.sql(sql, params=[entries])), RegistryValues)

    def append(self, entry: _Entry) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect(read_only=False) as db:
            db.register("no_rings", empty(RegistryRings).to_arrow())
            db.register("no_values", empty(RegistryValues).to_arrow())
            db.execute("BEGIN")
            db.execute("CREATE TABLE IF NOT EXISTS rings AS SELECT * FROM no_rings")
            db.execute("CREATE TABLE IF NOT EXISTS ring_values AS SELECT * FROM no_values")
            log = conform(_frame(db.sql("SELECT * FROM rings ORDER BY entry")), RegistryRings)
            number = log.height + 1
            row, values = entry(number, log)
            db.register("new_rings", conform(row, RegistryRings).to_arrow())
            db.register("new_values", conform(values, RegistryValues).to_arrow())
            db.execute("INSERT INTO rings BY NAME SELECT * FROM new_rings")
            db.execute("INSERT INTO ring_values BY NAME SELECT * FROM new_values")
            db.execute("COMMIT")
        return number

    @contextmanager
    def _connect(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        try:
            db = duckdb.connect(str(self.path), read_only=read_only)
        except duckdb.Error as error:
            raise SourceError(f"cannot open the registry {self.path}: {visible(error, 200)}") from error
        try:
            db.execute("SET TimeZone = 'UTC'")
            yield db
        except duckdb.Error as error:
            raise SourceError(f"the registry {self.path} cannot be used: {visible(error, 200)}") from error
        finally:
            db.close()


def _open(place: str | Path, *, must_exist: bool = False) -> _Folder | _Database:
    path = Path(place)
    if must_exist and not (path.is_file() if path.suffix == ".duckdb" else (path / "rings").is_dir()):
        raise SourceError(f"no registry at {visible(place)}; add_ring makes one")
    return _Database(path) if path.suffix == ".duckdb" else _Folder(path)


def _frame(result: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(result.to_arrow_table()))


def _read(file: Path, contract: type[dy.Schema]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"cannot read {file}: {visible(error, 200)}") from error
    return conform(frame, contract)
