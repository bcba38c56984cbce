"""One table's rows as its mapping reads them: account, time, verb, id, indicators; the rest under its own name.

A row ends in exactly one place. It is set aside for the first thing that is wrong with it (an id that is not exact, no
account, no time, later than ``as_of``); of rows that are equal in everything but their ingest time the first to arrive
is accepted and the others are duplicates; all others are accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from toolkit.errors import visible
from toolkit.model.tables import UTC, Events, conform
from toolkit.sources.faults import Faults, fates, nulls
from toolkit.sources.ids import as_exact_text, as_id, hash_rows, write_rows
from toolkit.sources.mapping import TableMapping, TimeColumn
from toolkit.sources.time import normalise_times

__all__ = ["Normalised", "first_time", "indicator_names", "normalise_table"]

_Y2000, _Y2100 = 946_684_800_000_000, 4_102_444_800_000_000
_PLACE: Final = ("file", "line")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A table after reading.

    Attributes
    ----------
    frame : polars.DataFrame
        Accepted rows: the columns of ``Events``, the indicators, and the other columns of the source; in the order of
        ``Events``. For a table about things: its own columns, in file order.
    places : polars.DataFrame
        ``file`` and ``fate`` (accepted, duplicate, quarantined) of every row that came in.
    quarantine : polars.DataFrame
        table, file, line, reason, column, found, raw.
    notes : tuple of str
    """

    frame: pl.DataFrame
    places: pl.DataFrame
    quarantine: pl.DataFrame
    notes: tuple[str, ...]


def indicator_names(mapping: TableMapping) -> list[tuple[str, str, str]]:
    """Return (kind, column of the source, name in the result) of every indicator.

    Examples
    --------
    >>> indicator_names(TableMapping(account="u", indicators={"ip": ["a", "c"], "device": "d"}))
    [('ip', 'a', 'ip'), ('ip', 'c', 'ip.2'), ('device', 'd', 'device')]
    """
    out: list[tuple[str, str, str]] = []
    for kind, columns in mapping.indicators.items():
        out += [(kind, column, kind if place == 1 else f"{kind}.{place}") for place, column in enumerate(columns, 1)]
    return out


def normalise_table(
    table: str,
    mapping: TableMapping,
    raw: pl.DataFrame,
    places: pl.DataFrame,
    as_of: datetime | None = None,
    *,
    whole: bool = True,
) -> Normalised:
    """Read one table's rows as its mapping says.

    Parameters
    ----------
    table : str
        Its name; becomes ``source``.
    mapping : TableMapping
        Checked against the columns before; a lenient one may name columns that are not there.
    raw : polars.DataFrame
        The rows under their own names.
    places : polars.DataFrame
        ``file`` and ``line`` of each row.
    as_of : datetime, optional
        UTC; rows ingested (else: that happened) later are set aside.
    whole : bool
        Without it, the frame holds of the accepted rows what linking asks for: ``event_at``, ``account_id`` and the
        indicators, in no order.

    Returns
    -------
    Normalised

    Examples
    --------
    >>> raw = pl.DataFrame({"u": ["a", None], "t": ["1658689261", "1658689262"], "addr": ["::1", "::2"]})
    >>> where = pl.DataFrame({"file": ["x.csv", "x.csv"], "line": [2, 3]})
    >>> out = normalise_table("x", TableMapping(account="u", time="t", indicators={"ip": "addr"}), raw, where)
    >>> out.frame.select("account_id", "event", "ip", "raw_ref").rows(), out.quarantine["reason"].to_list()
    ([('a', 'x', '::1', 'x.csv:2')], ['account_missing'])
    """
    if mapping.lookup is not None:
        return _normalise_lookup(table, mapping, raw, places)
    have = raw.columns
    notes: list[str] = []
    faults = Faults(raw.height)

    ids: dict[str, pl.Series] = {}
    wanted = [c for c in (mapping.account, mapping.event_id) if c in have]
    wanted += [source for _, source, _ in indicator_names(mapping)]
    for column in dict.fromkeys(wanted):
        ids[column], inexact = as_id(raw[column])
        faults.mark(inexact, "id_not_exact", column, raw[column])
    account = ids[mapping.account] if mapping.account in ids else nulls(raw.height)
    faults.mark(account.is_null(), "account_missing", mapping.account or "", account)

    ingested, ingest_notes = _ingested(table, mapping, raw)
    notes += ingest_notes
    timed = bool(mapping.time) and any(t.column in have for t in mapping.time)
    when = first_time(mapping.time, raw, _newest(ingested))
    if timed:
        faults.mark_reasons(when["reason"], when["found_in"], when["found"])
    if as_of is not None:
        known = pl.DataFrame({"i": ingested, "e": when["at"]}).select(pl.coalesce("i", "e")).to_series()
        late = (known > as_of).fill_null(value=False)
        faults.mark(late, "after_as_of", "", known)

    good = faults.reason.is_null()
    all_good = bool(good.all())
    source_ids = {name: ids[column] for _, column, name in indicator_names(mapping)}
    if not timed and raw.height:
        notes.append(f"{table}: no time column, so its rows are observations and no events")
    if not whole and (mapping.event_id or "") not in ids:
        duplicate = _find_repeats(mapping, raw, good, ingested, places)
        return _lean(table, raw, places, faults, duplicate, notes, when["at"], account, source_ids)
    event_id, duplicate, id_notes = _identify(table, mapping, raw, ids, good, ingested, places)
    notes += id_notes
    if not whole:
        return _lean(table, raw, places, faults, duplicate, notes, when["at"], account, source_ids)

    verbs = _verbs(table, mapping, raw)
    built = pl.DataFrame(
        {
            "event_at": when["at"],
            "account_id": account,
            "event": verbs,
            "source": pl.Series([table], dtype=pl.String).new_from_index(0, raw.height),
            "event_id": event_id,
            "seq": places["line"].cast(pl.Int64),
            "ingested_at": ingested,
            "precision": when["precision"],
            "flags": when["flags"],
            "value": _value(mapping, raw),
            "raw_ref": places.select(pl.concat_str("file", pl.lit(":"), "line")).to_series(),
            **source_ids,
        }
    )
    built = built.hstack(_rest(mapping, raw, built))
    keep = good & ~duplicate if duplicate is not None else good
    accepted = built if all_good and duplicate is None else built.filter(keep)
    if timed:
        accepted = conform(_in_order(accepted), Events, keep_extra=True)
    return Normalised(accepted, fates(places, good, duplicate), faults.rows(table, raw, places), tuple(notes))


def _lean(
    table: str,
    raw: pl.DataFrame,
    places: pl.DataFrame,
    faults: Faults,
    duplicate: pl.Series | None,
    notes: list[str],
    at: pl.Series,
    account: pl.Series,
    indicators: dict[str, pl.Series],
) -> Normalised:
    """Close the books on a table of which only the indicators are wanted."""
    good = faults.reason.is_null()
    keep = good if duplicate is None else good & ~duplicate
    built = pl.DataFrame({"event_at": at, "account_id": account, **indicators})
    accepted = built if keep.all() else built.filter(keep)
    return Normalised(accepted, fates(places, good, duplicate), faults.rows(table, raw, places), tuple(notes))


# ---------------------------------------------------------------- the parts of a row


def first_time(columns: tuple[TimeColumn, ...], raw: pl.DataFrame, newest: datetime | None) -> pl.DataFrame:
    """Read the time columns in turn: a row takes the first that is not blank. ``found`` is what stood there."""
    out: pl.DataFrame | None = None
    for said in columns:
        if said.column not in raw.columns:
            continue
        source = raw[said.column]
        places = None
        if out is not None:
            places = (out["reason"] == "time_missing").fill_null(value=False).arg_true()
            if not len(places):
                break
            source = source.gather(places)
        read = normalise_times(
            source, unit=said.unit, zone=said.zone, fmt=said.format, year=said.year, newest=newest
        ).with_columns(pl.lit(said.column).alias("found_in"), pl.lit(None, pl.String).alias("found"))
        bad = read["reason"].is_not_null()
        if bad.any():
            shown = [None if v is None else str(v) for v in source.filter(bad).to_list()]
            read = read.with_columns(read["found"].scatter(bad.arg_true(), pl.Series(shown, dtype=pl.String)))
        if out is None or places is None:
            out = read
        else:
            full = out.with_row_index("i")
            part = read.with_columns(places.alias("i").cast(pl.UInt32))
            out = pl.concat([full.join(part, on="i", how="anti"), part.select(full.columns)]).sort("i").drop("i")
    if out is None:
        n = raw.height
        return pl.DataFrame(
            {
                "at": pl.Series([None], dtype=UTC).new_from_index(0, n),
                "precision": nulls(n),
                "flags": pl.Series([0], dtype=pl.UInt16).new_from_index(0, n),
                "reason": nulls(n),
                "found_in": nulls(n),
                "found": nulls(n),
            }
        )
    return out


def _ingested(table: str, mapping: TableMapping, raw: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    read = first_time(mapping.ingested, raw, None)
    lost = read.filter(pl.col("reason").is_not_null() & (pl.col("reason") != "time_missing"))
    notes = []
    if lost.height:
        notes.append(
            f"{table}: the ingest time of {lost.height:,} of {raw.height:,} rows could not be read "
            f"({lost['reason'][0]}, found "
            f"{visible(lost['found'][0])!r}); the rows are kept without one"
        )
    return read["at"], notes


def _newest(ingested: pl.Series) -> datetime | None:
    stamps = ingested.drop_nulls().to_physical()
    latest = stamps.filter(stamps.is_between(_Y2000, _Y2100)).max()
    return None if not isinstance(latest, int) else pl.Series([latest]).cast(UTC).item()


def _verbs(table: str, mapping: TableMapping, raw: pl.DataFrame) -> pl.Series:
    said, n = mapping.event, raw.height
    if said is None or said.column is None or said.column not in raw.columns:
        constant = table if said is None else said.constant or (said.prefix + "unknown" if said.prefix else table)
        return pl.Series([constant], dtype=pl.String).new_from_index(0, n)
    values, _ = as_id(raw[said.column])
    return values.to_frame("v").select(pl.lit(said.prefix) + pl.col("v").fill_null("unknown")).to_series()


def _value(mapping: TableMapping, raw: pl.DataFrame) -> pl.Series:
    if mapping.value is None or mapping.value not in raw.columns:
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, raw.height)
    amounts = raw[mapping.value]
    if not (amounts.dtype.is_numeric() or amounts.dtype in (pl.String, pl.Boolean)):
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, raw.height)
    return amounts.cast(pl.Float64, strict=False)


def _identify(
    table: str,
    mapping: TableMapping,
    raw: pl.DataFrame,
    ids: dict[str, pl.Series],
    good: pl.Series,
    ingested: pl.Series,
    places: pl.DataFrame,
) -> tuple[pl.Series, pl.Series | None, list[str]]:
    """Give every row its id, and find the duplicates (None: there are none).

    The ingest time is no part of what a row is. Where the source has its own ids, only rows that repeat one are
    compared whole; where it has none, the fingerprint of the whole row is the id.
    """
    arrival = {t.column for t in mapping.ingested}
    own = ids.get(mapping.event_id or "")
    what = raw.select([c for c in raw.columns if c not in arrival])
    event_id = hash_rows(table, what) if own is None else own
    if own is not None and own.null_count():
        lacking = own.is_null()
        event_id = own.scatter(lacking.arg_true(), hash_rows(table, what.filter(lacking)))
    suspects = (good & event_id.is_duplicated()).arg_true()
    if not len(suspects):
        return event_id, None, []
    rows = pl.DataFrame(
        {
            "i": suspects,
            "id": event_id.gather(suspects),
            "text": event_id.gather(suspects) if own is None else write_rows(what[suspects]),
            "at": ingested.gather(suspects),
            "file": places["file"].gather(suspects),
            "line": places["line"].gather(suspects),
        }
    ).sort("at", "file", "line", nulls_last=True)
    again = rows.filter(~pl.struct("id", "text").is_first_distinct())["i"]
    notes = []
    repeated = rows.unique(["id", "text"]).filter(pl.col("id").is_duplicated())
    if repeated.height:
        example = visible(repeated["id"].min())
        notes.append(
            f"{table}: {repeated['id'].n_unique():,} event id(s) stand on rows with different content, such as "
            f"{example!r}: all are kept"
        )
    if not len(again):
        return event_id, None, notes
    duplicate = pl.repeat(value=False, n=raw.height, eager=True).scatter(again, values=True)
    return event_id, duplicate, notes


def _find_repeats(
    mapping: TableMapping, raw: pl.DataFrame, good: pl.Series, ingested: pl.Series, places: pl.DataFrame
) -> pl.Series | None:
    """Find the duplicates of a table without ids of its own, and spare every other row its fingerprint."""
    arrival = {t.column for t in mapping.ingested}
    what = raw.select([c for c in raw.columns if c not in arrival])
    plain = [as_exact_text(c) if c.dtype.is_nested() else c for c in what.iter_columns()]
    word = pl.DataFrame(plain).hash_rows()
    ordered = np.sort(word.to_numpy())
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return None
    suspects = (good & word.is_in(pl.Series(repeated, dtype=word.dtype).implode())).arg_true()
    rows = pl.DataFrame(
        {
            "i": suspects,
            "text": write_rows(what[suspects]),
            "at": ingested.gather(suspects),
            "file": places["file"].gather(suspects),
            "line": places["line"].gather(suspects),
        }
    ).sort("at", "file", "line", nulls_last=True)
    again = rows.filter(~pl.col("text").is_first_distinct())["i"]
    return pl.repeat(value=False, n=raw.height, eager=True).scatter(again, values=True) if len(again) else None


def _rest(mapping: TableMapping, raw: pl.DataFrame, built: pl.DataFrame) -> pl.DataFrame:
    """The other columns of the source: text, label and score by their names, what is left under its own.

    A column whose own name is taken by the contract is called ``raw_<name>``, unless it says the same thing.
    """
    taken = set(built.columns)
    indicators = {column for columns in mapping.indicators.values() for column in columns}
    named: dict[str, str] = {}
    if mapping.content:
        named[mapping.content.text] = "text"
    if mapping.label:
        named[mapping.label.column] = "label"
        if mapping.label.score:
            named[mapping.label.score] = "score"
    out: list[pl.Series] = []
    for column in raw.columns:
        name = named.get(column, column)
        if column in indicators or (column in taken and _says_the_same(raw[column], built[column])):
            continue
        while name in taken:
            name = f"raw_{name}"
        taken.add(name)
        out.append(raw[column].alias(name))
    return pl.DataFrame(out) if out else pl.DataFrame()


def _says_the_same(source: pl.Series, built: pl.Series) -> bool:
    return source.dtype == built.dtype and source.equals(built, null_equal=True, check_names=False)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort as ``Events`` are; most files already are, and one look is cheaper than a sort."""
    if frame["event_at"].is_sorted() and frame["seq"].is_sorted() and frame["seq"].is_first_distinct().all():
        return frame
    return frame.sort("event_at", "seq", "event_id", "raw_ref")


def _normalise_lookup(table: str, mapping: TableMapping, raw: pl.DataFrame, places: pl.DataFrame) -> Normalised:
    """Keep the rows of a table about things; ids of its key as text, rows that are equal throughout once."""
    key = mapping.lookup.key if mapping.lookup else ""
    faults = Faults(raw.height)
    if key in raw.columns:
        keys, inexact = as_id(raw[key])
        faults.mark(inexact, "id_not_exact", key, raw[key])
        raw = raw.with_columns(keys)
    good = faults.reason.is_null()
    duplicate = good & ~write_rows(raw).is_first_distinct()
    accepted = raw.filter(good & ~duplicate)
    return Normalised(accepted, fates(places, good, duplicate), faults.rows(table, raw, places), ())
