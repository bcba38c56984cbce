"""Label a sample by hand, blind: one subject at a time with its evidence, and nothing of what others made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import polars as pl

from toolkit.errors import InputError, UnknownNameError, need_columns, visible
from toolkit.linking.labels import (
    BLIND,
    LABELS,
    blind_subjects,
    collect_labels,
    measure_agreement,
    record_labels,
    sample_subjects,
)
from toolkit.widgets.again import take_over
from toolkit.widgets.panel import Panel
from toolkit.widgets.rows import Rows
from toolkit.widgets.trail import Name, Step

__all__ = ["Labeller"]

Evidence = pl.DataFrame | Callable[[Mapping[str, str]], pl.DataFrame]


class Labeller(Panel):
    """A sample to be labelled, one subject after the other, in an order of the reviewer's own.

    Two people with the same subjects, ``n`` and ``seed`` get the same sample. Neither is shown a score, a stratum or
    the other's labels; :meth:`compare` sets them side by side once both are done.

    Parameters
    ----------
    subjects : polars.DataFrame
        Contract ``Members``, ``Expansion`` or ``Links``, for example.
    evidence : polars.DataFrame or callable
        What is shown of a subject. A frame with ``account_id`` (observations, events): the rows of its account, or of
        both. A function: takes the subject as a mapping of its key, returns a frame. Columns among
        :data:`toolkit.linking.labels.BLIND` are left out of either.
    reviewer : str
        Who labels.
    n, by, key, seed, least
        As for :func:`toolkit.linking.labels.sample_subjects`.
    vocabulary : sequence of str
        Labels that there are: first right, then wrong, any other leaves it open.
    labels : polars.DataFrame or iterable of mapping
        Labels given before, read from a file for example: those of this reviewer are gone on from.
    question : str
        What stands above; by default whether the account, or the two of a link, belong.
    name : str
        What the frame is called in the code.

    Attributes
    ----------
    rows : polars.DataFrame
        The labels so far, as :func:`toolkit.linking.labels.collect_labels` returns them.
    sample : polars.DataFrame
        What was drawn, with strata and weights: for estimates, once the labels are given.
    place : int
        Of the subject on the screen, from 0.

    Raises
    ------
    InputError
        If the sample cannot be drawn, there is no reviewer, or the evidence is not that of accounts.

    Examples
    --------
    >>> members = pl.DataFrame({"account_id": ["a", "b"], "band": ["confirmed", "weak"]})
    >>> seen = pl.DataFrame({"account_id": ["a", "b"], "kind": "device", "value": ["x", "y"], "bits": [9.0, 1.0]})
    >>> kim = Labeller(members, seen, reviewer="kim")
    >>> kim.where, kim.shown.columns
    ('1 of 2, 0 labelled', ['account_id', 'kind', 'value'])
    >>> kim.label("belongs", "its own device")
    >>> kim.where, kim.rows.select("label", "note", "reviewer").rows()
    ('2 of 2, 1 labelled', [('belongs', 'its own device', 'kim')])
    """

    def __init__(
        self,
        subjects: pl.DataFrame,
        evidence: Evidence,
        *,
        reviewer: str,
        n: int = 40,
        by: str | None = None,
        key: Sequence[str] | None = None,
        seed: int = 0,
        least: int = 5,
        vocabulary: Sequence[str] = LABELS,
        labels: pl.DataFrame | Iterable[Mapping[str, str]] = (),
        question: str = "",
        name: str = "subjects",
    ) -> None:
        super().__init__(name)
        if not reviewer.strip():
            raise InputError("the reviewer has no name: say who labels")
        self.reviewer, self.vocabulary, self._evidence = reviewer, tuple(vocabulary), evidence
        # The code says which columns and labels only where they are not the usual ones.
        drawn: dict[str, Any] = {"n": n, "seed": seed, "least": least}
        drawn |= {} if by is None else {"by": by}
        drawn |= {} if key is None else {"key": list(key)}
        self.sample = sample_subjects(subjects, **drawn)
        self._draw = Step("toolkit.linking.labels.sample_subjects", {"subjects": Name(name), **drawn}, "sample")
        self._order = blind_subjects(self.sample, reviewer=reviewer, seed=seed)
        self._key = [column for column in self._order.columns if column != "subject_id"] or ["subject_id"]
        self._accounts = [column for column in self._key if column.startswith("account_")]
        self._check_evidence()
        two = len(self._accounts) > 1
        self.question = question or ("Do these two belong together?" if two else "Does this account belong?")
        given = collect_labels(self.sample, labels, vocabulary=self.vocabulary)
        self._labels: list[dict[str, str]] = given.filter(pl.col("reviewer") == reviewer).to_dicts()
        self.place = 0
        self._show()
        self.go(next((i for i, one in enumerate(self._order["subject_id"]) if self._label_of(one) is None), 0))
        take_over(self)

    def resume(self, earlier: Labeller) -> None:
        """Keep the labels that this reviewer gave to subjects of this sample, and go on at the same one."""
        if earlier.reviewer == self.reviewer and earlier.vocabulary == self.vocabulary:
            there = set(self._order["subject_id"].to_list())
            self._labels = [said for said in earlier._labels if said["subject_id"] in there] or self._labels
            self._show()
            here = earlier._order["subject_id"][earlier.place]
            self.go(self._order["subject_id"].to_list().index(here) if here in there else 0)

    def _check_evidence(self) -> None:
        if isinstance(self._evidence, pl.DataFrame):
            need_columns(self._evidence.columns, ["account_id"], "evidence")
            if not self._accounts:
                key = ", ".join(visible(column) for column in self._key)
                raise InputError(f"a subject here is named by {key}, not by an account: give evidence as a function")

    # ---------------------------------------------------------------- steps, with a screen or without

    @property
    def subject(self) -> dict[str, str]:
        """The key of the subject on the screen."""
        return self._order.select(self._key).row(self.place, named=True)

    @property
    def shown(self) -> pl.DataFrame:
        """What may be seen of the subject on the screen."""
        if isinstance(self._evidence, pl.DataFrame):
            accounts = [self.subject[column] for column in self._accounts]
            return self._evidence.filter(pl.col("account_id").is_in(accounts)).drop(BLIND, strict=False)
        return self._evidence(self.subject).drop(BLIND, strict=False)

    @property
    def where(self) -> str:
        """Which of how many, and how many have a label."""
        return f"{self.place + 1:,} of {self._order.height:,}, {self.rows.height:,} labelled"

    def label(self, label: str, note: str = "") -> None:
        """Label the subject on the screen, and go on to the next.

        Raises
        ------
        UnknownNameError
            If there is no such label.
        """
        if label not in self.vocabulary:
            raise UnknownNameError("label", label, self.vocabulary)
        subject = self._order["subject_id"][self.place]
        self._labels.append({"subject_id": subject, "label": label, "note": note, "reviewer": self.reviewer})
        self.place = min(self.place + 1, self._order.height - 1)
        self._show()

    def go(self, place: int) -> None:
        """Go to a subject, from 0; before the first is the first, after the last the last."""
        self.place = min(max(place, 0), self._order.height - 1)
        self._refresh()

    def next(self) -> None:
        """Go to the next subject, without a label."""
        self.go(self.place + 1)

    def back(self) -> None:
        """Go back to the subject before; a label given again replaces the earlier."""
        self.go(self.place - 1)

    def compare(self, other: Labeller | pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Set the labels of others beside these, once all are done.

        Parameters
        ----------
        other : Labeller or polars.DataFrame
            Somebody else's, of the same sample; a frame is a table of labels, as ``rows``.

        Returns
        -------
        agreement : polars.DataFrame
            As :func:`toolkit.linking.labels.measure_agreement` returns it.
        disputes : polars.DataFrame
            The key, ``subject_id``, ``reviewers``, ``labels`` and ``note`` of subjects on which they differ; no stratum
            and no score, so that they can be settled blind, too. Order: subject_id.

        Raises
        ------
        InputError
            If somebody has subjects to go, labelled others, or there is nobody else.
        """
        given = other.rows if isinstance(other, Labeller) else other
        theirs = collect_labels(self.sample, given, vocabulary=self.vocabulary)
        told = pl.concat([self.rows, theirs.filter(pl.col("reviewer") != self.reviewer)])
        counts = {self.reviewer: 0} | dict(told["reviewer"].value_counts().sort("reviewer").rows())
        if len(counts) < 2:
            raise InputError(f"all labels are {visible(self.reviewer)}'s: there is nobody to compare with")
        whole = self._order.height
        if late := [f"{visible(who)} has {whole - k:,} of {whole:,} to go" for who, k in counts.items() if k < whole]:
            raise InputError(f"labels are compared when all are done: {'; '.join(late)}")
        disputed = record_labels(self.sample, told, vocabulary=self.vocabulary).filter(label_state="disputed")
        columns = dict.fromkeys([*self._key, "subject_id", "reviewers", "labels", "note"])
        agreement = measure_agreement(told, vocabulary=self.vocabulary)
        return agreement, disputed.select(*columns).sort("subject_id")

    def _label_of(self, subject: str) -> dict[str, str] | None:
        """The last label of a subject, if it has one."""
        return next((said for said in reversed(self._labels) if said["subject_id"] == subject), None)

    def _show(self) -> None:
        self.trail.steps.clear()
        given: dict[str, object] = {"sample": Name("sample"), "labels": [dict(said) for said in self._labels]}
        given |= {} if self.vocabulary == LABELS else {"vocabulary": list(self.vocabulary)}
        rows = collect_labels(self.sample, self._labels, vocabulary=self.vocabulary)
        self._take(rows, self._draw, Step("toolkit.linking.labels.collect_labels", given))

    # ---------------------------------------------------------------- the screen

    def _controls(self) -> list[widgets.Widget]:
        self._where, self._about = widgets.Label(), widgets.Label()
        self._seen = Rows(self.shown)
        self._note = widgets.Text(placeholder="why", layout=widgets.Layout(width="40%"))
        said = {word: (f"Say: {word}", lambda word=word: self._on_label(word)) for word in self.vocabulary}
        ways = {"Back": ("The subject before", self.back), "Next": ("Go on without a label", self.next)}
        head = widgets.HBox([widgets.Label(visible(self.question, 300)), self._where])
        return [head, self._about, self._seen, self._note, self._buttons(said), self._buttons(ways)]

    def _refresh(self) -> None:
        super()._refresh()
        if self._view is not None:
            said = self._label_of(self._order["subject_id"][self.place])
            key = ", ".join(f"{column.replace('_', ' ')} {value}" for column, value in self.subject.items())
            self._about.value = visible(key if said is None else f"{key}: {said['label']}", 400)
            self._where.value = self.where
            self._note.value = "" if said is None else said["note"]
            self._seen.show(self.shown)

    def _on_label(self, label: str) -> None:
        self.label(label, self._note.value.strip())
