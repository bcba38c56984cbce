"""Sequences: this, then that, by one account, within so long; and what cannot be said yet.

An account that began has four ways to go on: it went through all the steps (*match*); it can still (*open*: the
window reaches past the end of the data); it did not (*broken*: too late, or something came that ends the wait); or a
source was silent where the next step would stand (*unknown*). Peers know the first only, and read an open window as an
absence.

Of several beginnings the latest counts, and each event serves one sequence, as in EQL. So every step is one search:
of those that wait after step i, each takes the first event of step i + 1 that comes before the next one that waits.
Two events of one instant from different sources have no order; they fit either way, and the match says *concurrent*.

Source: the semantics of EQL's ``sequence by ... with maxspan``, ``until`` and missing events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.errors import InputError
from toolkit.model.tables import UTC
from toolkit.timeline.build import put_in_order
from toolkit.timeline.coded import Ints, order_by_account
from toolkit.timeline.found import no_findings, write_findings
from toolkit.timeline.quality import find_silences

__all__ = ["Step", "find_sequences"]

Bools = NDArray[np.bool_]
_NONE: Final = -1
_CONFIDENCE: Final = {"match": "high", "open": "low", "broken": "high", "unknown": "unknown"}


@dataclass(frozen=True)
class Step:
    """One step: a name for the reader, and which events are it.

    Examples
    --------
    >>> large = Step("large payment", (pl.col("event") == "payment") & (pl.col("value") > 100))
    >>> large.name
    'large payment'
    """

    name: str
    where: pl.Expr


def find_sequences(
    events: pl.DataFrame,
    steps: Sequence[str | Step],
    *,
    within_s: float,
    by: str = "account_id",
    until: str | Step | None = None,
    absent: Mapping[int, str | Step] | None = None,
    strict: bool = False,
) -> pl.DataFrame:
    """Find who went through steps in this order, who still may, who did not, and of whom it cannot be said.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, rows in any order.
    steps : sequence of str or Step
        A verb, or a :class:`Step`; one or more (one, with something absent after it).
    within_s : float
        Seconds from the first step to the last, at most.
    by : str
        Whose events make one sequence.
    until : str or Step, optional
        Ends the wait: whoever was under way is *broken*.
    absent : mapping of int to str or Step, optional
        ``{i: what}``: must not come after step i (from 0) and before the next; after the last step, not within the
        window that the first one opened.
    strict : bool
        Whether nothing else of the account may stand between two steps.

    Returns
    -------
    polars.DataFrame
        Contract ``TimelineFindings`` of kind *sequence*: from the first event to the last that fitted; ``evidence_ids``
        are those of the steps. ``status``: match, open, broken, unknown. ``steps``: how many were gone through.
        ``order``: ordered or concurrent. ``score``: the share of the steps. Order: start_at, account_id.

    Raises
    ------
    InputError
        If there is nothing to look for, or the window is no positive number.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> verbs = ["signup", "key_create", "api_call", "signup", "key_create"]
    >>> rows = {"event_at": [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=m) for m in range(5)]}
    >>> rows |= {"account_id": list("aaabb"), "event": verbs, "source": "app", "event_id": list("12345"), "raw_ref": ""}
    >>> rows |= {"seq": 0, "flags": 0, "precision": "s"}
    >>> found = find_sequences(pl.DataFrame(rows), ["signup", "key_create", "api_call"], within_s=600)
    >>> found.select("account_id", "status", "steps").rows()
    [('a', 'match', 3), ('b', 'open', 2)]
    """
    asked = [_step(step) for step in steps]
    barred = {place: _step(step) for place, step in (absent or {}).items()}
    faults = []
    if len(asked) + len(barred) < 2:
        faults.append(f"a sequence has two steps or more, or one and something absent; found {len(asked)}")
    if not within_s > 0:
        faults.append(f"within_s is {within_s}; want a positive number of seconds")
    if outside := sorted(set(barred) - set(range(len(asked)))):
        faults.append(f"absent names step {outside[0]}; there are {len(asked)}, from 0")
    if faults:
        raise InputError("; ".join(faults))
    ends = _step(until) if until is not None else None
    params = {
        "by": by, "steps": [step.name for step in asked], "within_s": within_s, "strict": strict,
        "until": ends.name if ends else None, "absent": {str(i): step.name for i, step in sorted(barred.items())},
    }  # fmt: skip
    walk = _Walk.of(put_in_order(events), by, asked, barred, ends, within_s, strict)
    paths = walk.start()
    for place in range(1, len(asked)):
        paths = walk.follow(paths, place)
    return walk.write(walk.close(paths), params)


def _step(step: str | Step) -> Step:
    return step if isinstance(step, Step) else Step(step, pl.col("event") == step)


@dataclass(frozen=True)
class _Paths:
    """Ways through the steps so far: events (by place among the grouped rows) per path and step, and how each ended."""

    events: Ints  # shape (paths, steps); -1 where not reached
    status: NDArray[np.str_]  # "" while it waits
    why: NDArray[np.str_]
    tied: Bools

    @property
    def reached(self) -> Ints:
        return np.asarray((self.events != _NONE).sum(axis=1), dtype=np.int64)

    def only(self, rows: Bools) -> _Paths:
        return _Paths(self.events[rows], self.status[rows], self.why[rows], self.tied[rows])


@dataclass(frozen=True)
class _Walk:
    """Events grouped by account in order of time, and which of them are which step."""

    ordered: pl.DataFrame
    row: Ints
    code: Ints
    at: Ints
    source: Ints
    steps: list[Step]
    hits: list[Bools]
    barred: dict[int, Bools]
    ends: Bools
    window: int
    strict: bool
    silent: tuple[Ints, Ints]
    data_end: int

    @classmethod
    def of(
        cls, ordered: pl.DataFrame, by: str, steps: list[Step], barred: dict[int, Step], ends: Step | None,
        within_s: float, strict: bool,
    ) -> _Walk:  # fmt: skip
        grouped = order_by_account(ordered, by)
        masks = ordered.select(
            [step.where.fill_null(value=False).alias(f"s{i}") for i, step in enumerate(steps)]
            + [step.where.fill_null(value=False).alias(f"b{i}") for i, step in barred.items()]
            + [(ends.where if ends else pl.lit(value=False)).fill_null(value=False).alias("end")]
        )

        def hit(name: str) -> Bools:
            whole = masks[name] if masks.height == ordered.height else masks[name].new_from_index(0, ordered.height)
            return whole.to_numpy()[grouped.row].astype(bool)

        silences = find_silences(ordered)
        return cls(
            ordered=ordered, row=grouped.row, code=grouped.code, at=grouped.at,
            source=ordered["source"].rank("dense").to_numpy()[grouped.row].astype(np.int64),
            steps=steps, hits=[hit(f"s{i}") for i in range(len(steps))],
            barred={i: hit(f"b{i}") for i in barred},
            ends=hit("end") if ends else np.zeros(ordered.height, dtype=bool),
            window=round(within_s * 1e6), strict=strict,
            silent=(silences["start_at"].dt.epoch("us").to_numpy(), silences["end_at"].dt.epoch("us").to_numpy()),
            data_end=int(grouped.at.max()) if len(grouped.at) else 0,
        )  # fmt: skip

    def start(self) -> _Paths:
        first = np.flatnonzero(self.hits[0])
        events = np.full((len(first), len(self.steps)), _NONE, dtype=np.int64)
        events[:, 0] = first
        nothing = np.full(len(first), "", dtype="<U120")
        return _Paths(events, nothing, nothing.copy(), np.zeros(len(first), dtype=bool))

    def follow(self, paths: _Paths, place: int) -> _Paths:
        """Give each path that waits its next event; of two that wait for the same one the later takes it."""
        last = paths.events[:, place - 1]
        waits = (paths.status == "") & (last != _NONE)
        come, tied = self._next(last, self.hits[place])
        deadline = self.at[paths.events[:, 0]] + self.window
        fits = waits & (come != _NONE)
        fits &= np.where(come != _NONE, self.at[come], 0) <= deadline
        if self.strict:
            fits &= (come == last + 1) | tied
        # The latest that waits takes the event; those before it have been overtaken and are not told.
        overtaken = np.zeros(len(last), dtype=bool)
        order = np.lexsort((last, come))
        same = (come[order][1:] == come[order][:-1]) & (come[order][1:] != _NONE)
        overtaken[order[:-1][same & fits[order][1:]]] = True
        stopped = self._stopped(paths, place - 1, np.where(fits, come, len(self.at)))
        events, status, why = paths.events.copy(), paths.status.copy(), paths.why.copy()
        goes = fits & ~overtaken & (stopped == "")
        events[goes, place] = come[goes]
        status[waits & (stopped != "")], why[waits & (stopped != "")] = "broken", stopped[waits & (stopped != "")]
        keep = ~(waits & overtaken)
        return _Paths(events, status, why, paths.tied | (tied & goes)).only(keep)

    def close(self, paths: _Paths) -> _Paths:
        """Say how each path that still waits has ended, or that nobody can say."""
        reached = paths.reached
        whole = reached == len(self.steps)
        final = len(self.steps) - 1
        last = paths.events[np.arange(len(reached)), np.maximum(reached - 1, 0)]
        deadline = self.at[paths.events[:, 0]] + self.window
        status, why = paths.status.copy(), paths.why.copy()
        waits = status == ""
        needs_silence = whole & (final in self.barred)
        stopped = self._stopped(paths, final, np.full(len(last), len(self.at))) if final in self.barred else why
        came = waits & needs_silence & (stopped != "")
        status[came], why[came] = "broken", stopped[came]
        waits &= ~came
        done = waits & whole & ~needs_silence
        hidden = self._hidden(self.at[last], np.minimum(deadline, self.data_end))
        late = deadline <= self.data_end
        for rows, said, reason in (
            (done, "match", "all steps in order"),
            (waits & ~done & ~late & ~hidden, "open", "the window reaches past the end of the data"),
            (waits & ~done & hidden, "unknown", "a source was silent inside the window"),
            (waits & needs_silence & late & ~hidden, "match", "all steps in order, and nothing that was to be absent"),
            (waits & ~whole & late & ~hidden, "broken", "the next step did not come within the window"),
        ):
            status[rows], why[rows] = said, reason
        closed = _Paths(paths.events, status, why, paths.tied)
        return self._without_overtaken(closed)

    def _without_overtaken(self, paths: _Paths) -> _Paths:
        """Leave out those that failed where the same account began anew inside their window: the latest counts."""
        first, failed = paths.events[:, 0], paths.status != "match"
        order = np.lexsort((first, self.code[first]))
        ahead = first[order]
        renewed = np.zeros(len(first), dtype=bool)
        near = (self.code[ahead[1:]] == self.code[ahead[:-1]]) & (
            self.at[ahead[1:]] <= self.at[ahead[:-1]] + self.window
        )
        renewed[order[:-1][near]] = True
        ended = np.char.startswith(paths.why, "ended by")
        return paths.only(~(failed & renewed & ~ended))

    def _next(self, last: Ints, hits: Bools) -> tuple[Ints, Bools]:
        """For each event the next hit of its account, and whether the two are of one instant in different sources."""
        where = np.flatnonzero(hits)
        if not len(where):
            return np.full(len(last), _NONE), np.zeros(len(last), dtype=bool)
        place = np.searchsorted(where, last, side="right")
        come = np.where(place < len(where), where[np.minimum(place, len(where) - 1)], _NONE)
        come = np.where((come != _NONE) & (self.code[come] == self.code[last]), come, _NONE)
        # A hit of the same instant that stands before, from another source, is as good as one that stands after.
        before = where[np.maximum(np.searchsorted(where, last, side="left") - 1, 0)]
        twin = (before < last) & (self.code[before] == self.code[last]) & (self.at[before] == self.at[last])
        twin &= self.source[before] != self.source[last]
        come = np.where(twin, before, come)
        tied = (come != _NONE) & (self.at[come] == self.at[last]) & (self.source[come] != self.source[last])
        return come, tied

    def _stopped(self, paths: _Paths, place: int, before: Ints) -> NDArray[np.str_]:
        """What came after step ``place`` that must not, before the given event and within the window; "" if nothing."""
        last = paths.events[:, place]
        told = np.full(len(last), "", dtype="<U120")
        deadline = self.at[paths.events[:, 0]] + self.window
        for hits, said in (
            (self.barred.get(place), "what was to be absent came"),
            (self.ends, "ended by what ends it"),
        ):
            if hits is None:
                continue
            come, _ = self._next(last, hits)
            stops = (last != _NONE) & (come != _NONE) & (come < before)
            stops &= np.where(come != _NONE, self.at[come], 0) <= deadline
            told[stops & (told == "")] = said
        return told

    def _hidden(self, start: Ints, end: Ints) -> Bools:
        """Whether any source was silent somewhere in [start, end]."""
        hidden = np.zeros(len(start), dtype=bool)
        for opens, closes in zip(*self.silent, strict=True):
            hidden |= (start < closes) & (end > opens)
        return hidden

    def write(self, paths: _Paths, params: dict[str, object]) -> pl.DataFrame:
        if not len(paths.events):
            return no_findings(status=pl.String, steps=pl.Int64, order=pl.String)
        n = paths.reached
        last = paths.events[np.arange(len(n)), n - 1]
        ids = self.ordered["event_id"].gather(self.row[np.maximum(paths.events, 0).ravel()]).to_list()
        width = len(self.steps)
        begin = np.minimum(self.at[paths.events[:, 0]], self.at[last])
        named = self.ordered[str(params["by"])].gather(self.row[paths.events[:, 0]])
        table = pl.DataFrame(
            {
                "account_id": named,
                "start_at": pl.Series(begin).cast(UTC),
                "end_at": pl.Series(self.at[last]).cast(UTC),
                "score": np.round(n / width, 6),
                "evidence_ids": [ids[i * width : i * width + k] for i, k in enumerate(n.tolist())],
                "status": paths.status.tolist(),
                "steps": n,
                "order": np.where(paths.tied, "concurrent", "ordered").tolist(),
                "why": paths.why.tolist(),
            }
        ).with_columns(
            confidence=pl.when((pl.col("status") == "match") & (pl.col("order") == "concurrent"))
            .then(pl.lit("moderate"))
            .otherwise(pl.col("status").replace_strict(_CONFIDENCE, return_dtype=pl.String)),
        )
        return write_findings(table, "sequence", params)
