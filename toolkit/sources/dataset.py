"""What was read, as one frozen record: tables, lookups, the books, and what a reader must know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from toolkit.errors import UnknownNameError
from toolkit.model.provenance import Source
from toolkit.model.tables import Events, empty
from toolkit.settings import KINDS, Kind
from toolkit.sources.mapping import Mapping
from toolkit.sources.normalise import indicator_names

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    r"""Everything that was read, and where every row went.

    Attributes
    ----------
    tables : dict of str to polars.DataFrame
        Per table of events: the columns of ``Events``, then the indicators named by kind (``ip``, a second one
        ``ip.2``), then ``text``, ``label``, ``score`` and the source's other columns under their own names (``raw_``
        before a name that the contract uses). Order of ``Events``. A table whose mapping names no time has a null
        ``event_at`` and is in file order.
    lookups : dict of str to polars.DataFrame
        Tables about things (orgs, devices, ip_intel, reports): their own columns, in file order.
    mapping : Mapping
        The user's tables and the canonical ones that were used.
    ledger, quarantine : polars.DataFrame
        The contracts of those names.
    notes : tuple of str
        What a reader must know, in words.
    sources : tuple of Source
        A record per file, in order of table and file.
    observations : polars.DataFrame or None
        Where the data are a table of observations already (contract ``Observations``).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from toolkit.sources.read import read_data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "account_id,event_at,kind,ip\na,2026-01-05T10:00:00Z,login,::1\n"
    ...     _ = (Path(folder) / "auth_events.csv").write_text(text)
    ...     data = read_data(folder)
    >>> data.events.select("account_id", "event", "ip").rows(), data.indicator_columns("auth_events")
    ([('a', 'auth.login', '::1')], [('ip', 'ip')])
    """

    tables: dict[str, pl.DataFrame]
    lookups: dict[str, pl.DataFrame]
    mapping: Mapping
    ledger: pl.DataFrame
    quarantine: pl.DataFrame
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    observations: pl.DataFrame | None = None

    @cached_property
    def events(self) -> pl.DataFrame:
        """Events of all tables: the contract's columns, every indicator, and ``session_id`` where a table has one.

        Order: event_at, source, seq, event_id. Indicators that a table does not have are null.
        """
        parts = []
        for name, frame in sorted(self.tables.items()):
            if not self.mapping.tables[name].time:
                continue
            wanted = [pl.col(c) for c in (*Events.columns(), *(column for _, column in self.indicator_columns(name)))]
            if "session_id" in frame.columns:
                wanted.append(pl.col("session_id").cast(pl.String))
            parts.append(frame.select(wanted))
        if not parts:
            return empty(Events)
        # Each part is in order and the parts are in order of source: a stable sort by time alone gives the total order.
        return pl.concat(parts, how="diagonal").sort("event_at", maintain_order=True)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The standard indicator kinds and those that the mapping declares, by name."""
        return {**KINDS, **self.mapping.kinds}

    def indicator_columns(self, table: str) -> list[tuple[str, str]]:
        """Return (kind, column) of every indicator of a table, in the mapping's order.

        Raises
        ------
        UnknownNameError
            If there is no such table of events.
        """
        if table not in self.tables:
            raise UnknownNameError("table", table, self.tables)
        said = self.mapping.tables[table]
        return [(kind, name) for kind, _, name in indicator_names(said)]
