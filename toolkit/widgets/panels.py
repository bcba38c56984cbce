"""Panels over one table each: a window of time, widely shared values, accounts side by side, clusters under review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import ipywidgets as widgets
import polars as pl
import traitlets

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.linking.explain import explain_link, set_aside
from toolkit.linking.pivot import find_holders
from toolkit.linking.review import VERDICTS, compare_accounts, list_evidence, record_verdicts, state_verdicts
from toolkit.model.case import Finding
from toolkit.timeline.arrival import as_of
from toolkit.timeline.build import build_timeline
from toolkit.views.timeline import draw_swimlanes
from toolkit.views.waterfall import draw_waterfall
from toolkit.widgets.again import take_over
from toolkit.widgets.panel import Panel
from toolkit.widgets.trail import Name, Step

__all__ = ["AsOf", "ClusterReview", "CompareAccounts", "HubExplorer", "LinkInspector", "TimelineBrush"]

_QUIET: Final = {"actions": False}
"""No menu beside a chart: one of its entries hands what is drawn to a site."""


class TimelineBrush(Panel):
    """Drag over the activity, click on lanes: the events of that time and of those accounts are the rows.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``.
    lanes : sequence of str, optional
        Accounts to draw; as for :func:`toolkit.views.timeline.draw_swimlanes`.
    name : str
        What the frame is called in the code.

    Attributes
    ----------
    rows : polars.DataFrame
        The events of the window, in their total order.
    accounts : list of str
        Whose events; none: everybody's. Follows clicks on lanes (Shift adds one, a double click lets go); can be set.

    Examples
    --------
    >>> from datetime import timedelta
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2, 3)]
    >>> rows = {"event_at": at, "account_id": list("aba"), "event": "chat", "source": "app", "event_id": list("123")}
    >>> rows |= {"seq": [1, 2, 3], "precision": "s", "flags": 0, "raw_ref": "", "ingested_at": None, "value": None}
    >>> brush = TimelineBrush(pl.DataFrame(rows, schema_overrides={"ingested_at": pl.Datetime("us", "UTC")}))
    >>> brush.choose(at[1], None)
    >>> brush.rows["event_id"].to_list()
    ['2', '3']
    >>> brush.accounts = ["a"]
    >>> brush.rows["event_id"].to_list()
    ['3']
    """

    accounts = traitlets.List(traitlets.Unicode())

    def __init__(self, events: pl.DataFrame, lanes: Sequence[str] | None = None, *, name: str = "events") -> None:
        super().__init__(name)
        self._events, self._lanes, self._name = events, lanes, name
        self.choose(None, None)
        take_over(self)

    def choose(self, start: datetime | None, end: datetime | None) -> None:
        """Choose a window of time: from ``start`` up to, and without, ``end``; None is the edge of the data."""
        self._show((start, end))
        self._span = (start, end)

    def _show(self, span: tuple[datetime | None, datetime | None]) -> None:
        asked: dict[str, Any] = {}
        for edge, at in zip(("start", "end"), span, strict=True):
            if at is not None:
                # A time without a zone is refused by build_timeline: the zone of this machine would be a guess.
                asked[edge] = at.astimezone(UTC) if at.tzinfo else at
        asked |= {"accounts": self.accounts} if self.accounts else {}
        step = Step("toolkit.timeline.build.build_timeline", {"__args__": Name(self._name), "dedup": "none", **asked})
        rows = build_timeline(self._events, dedup="none", **asked)
        self.trail.steps.clear()
        self._take(rows, step)

    @traitlets.observe("accounts")
    def _follow(self, _: object) -> None:
        self._show(self._span)
        if self._view is not None:
            # Nobody of those picked has a lane here: then no lane stands out, not all of them.
            told = [self._lane[account] for account in self.accounts if account in self._lane]
            self._chart.params.set_trait("told", told or ([-1] if self.accounts else []))

    def resume(self, earlier: TimelineBrush) -> None:
        """Go on with the window and the accounts of an earlier panel."""
        self.choose(*earlier._span)
        self.accounts = earlier.accounts

    def _controls(self) -> list[widgets.Widget]:
        import altair as alt

        alt.JupyterChart.enable_offline()
        drawn = draw_swimlanes(self._events, self._lanes, overview=True, live=True)
        drawn.chart.config.background = "white"  # in a dark notebook too: the inks were chosen for that
        names = drawn.table["lane"].unique(maintain_order=True).to_list() if self._lanes is None else self._lanes
        self._lane = {account: i for i, account in enumerate(names)}
        self._chart = alt.JupyterChart(drawn.chart, embed_options=_QUIET)
        self._chart.selections.observe(self._brushed, ["brush"])
        self._chart.selections.observe(self._clicked, ["picked"])
        return [self._chart]

    def _brushed(self, change: Any) -> None:
        span = dict(change.new.value or {}).get("at")
        edges = [datetime.fromtimestamp(ms / 1_000, UTC) for ms in span] if span else [None, None]
        self.choose(*edges)

    def _clicked(self, change: Any) -> None:
        lanes = {point.get("l") for point in change.new.value or ()}
        self.accounts = sorted(account for account, lane in self._lane.items() if lane in lanes)


class HubExplorer(Panel):
    """Widely shared values; choose some to see who holds them.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> seen = find_observations(pl.DataFrame({"account_id": ["a", "b"], "ip": ["x", "x"]}))
    >>> explorer = HubExplorer(pl.DataFrame({"kind": ["ip"], "value": ["x"], "holders": [2]}), seen)
    >>> explorer.open([("ip", "x")])
    >>> explorer.rows["account_id"].to_list()
    ['a', 'b']
    """

    def __init__(self, hubs: pl.DataFrame, observations: pl.DataFrame, *, name: str = "observations") -> None:
        super().__init__("hubs", name)
        self._hubs, self._observations, self._name = hubs, observations, name
        self._open: list[tuple[str, str]] = []
        self.back()
        take_over(self)

    def open(self, values: Sequence[tuple[str, str]]) -> None:
        """Show who holds values."""
        self._open = asked = sorted(set(values))
        step = Step("toolkit.linking.pivot.find_holders", {"observations": Name(self._name), "values": asked})
        self._take(find_holders(self._observations, asked), step)

    def back(self) -> None:
        """Show the shared values again."""
        self._open = []
        self.trail.steps.clear()
        self._take(self._hubs, Step("copy.copy", {"__args__": Name("hubs")}))

    def resume(self, earlier: HubExplorer) -> None:
        """Open what was open, if it is among the shared values here."""
        if earlier._open and set(earlier._open) <= set(self._hubs.select("kind", "value").rows()):
            self.open(earlier._open)

    def _controls(self) -> list[widgets.Widget]:
        return [
            self._buttons(
                {"Holders": ("Who holds the chosen values", self._on_open), "Back": ("All shared values", self.back)}
            )
        ]

    def _on_open(self) -> None:
        if "value" in self.rows.columns and self._table.chosen.height:
            self.open(self._table.chosen.select("kind", "value").rows())


class CompareAccounts(Panel):
    """Accounts side by side: what they share first.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> seen = find_observations(pl.DataFrame({"account_id": ["a", "b"], "ip": ["x", "x"]}))
    >>> CompareAccounts(seen, ["a", "b"]).rows.select("value", "shared").rows()
    [('x', 2)]
    """

    def __init__(self, observations: pl.DataFrame, accounts: Sequence[str], *, name: str = "observations") -> None:
        super().__init__(name)
        self._observations, self._name = observations, name
        self._first = list(accounts)
        self.compare(accounts)
        take_over(self)

    def compare(self, accounts: Sequence[str]) -> None:
        """Compare other accounts."""
        self._now = list(accounts)
        given = {"observations": Name(self._name), "accounts": list(accounts)}
        self._take(
            compare_accounts(self._observations, accounts), Step("toolkit.linking.review.compare_accounts", given)
        )

    def resume(self, earlier: CompareAccounts) -> None:
        """Compare whom the earlier one compared, if the cell still asks for the same."""
        if earlier._first == self._first and earlier._now != self._now:
            self.compare(earlier._now)


class ClusterReview(Panel):
    """Clusters under review: confirmed, rejected, or unsure, each with a note that stays.

    Parameters
    ----------
    clusters : polars.DataFrame
        Contract ``Clusters``.
    reviewer : str
        Who judges.
    name : str
        What the frame is called in the code.

    Attributes
    ----------
    verdicts : list of dict
        What was said, in order.
    findings : tuple of Finding
        The same as findings of a case.

    Examples
    --------
    >>> review = ClusterReview(pl.DataFrame({"cluster_id": ["C1"]}), reviewer="kim")
    >>> review.judge(["C1"], "confirmed", "one operator: same device, same hours")
    >>> review.rows.select("cluster_id", "verdict", "note").rows()
    [('C1', 'confirmed', 'kim: one operator: same device, same hours')]
    """

    def __init__(self, clusters: pl.DataFrame, *, reviewer: str, name: str = "clusters") -> None:
        super().__init__(name)
        self._clusters, self._reviewer, self._name = clusters, reviewer, name
        self.verdicts: list[Mapping[str, str]] = []
        self._show()
        take_over(self)

    def judge(self, clusters: Sequence[str], verdict: str, note: str = "") -> None:
        """Say what some clusters are.

        Raises
        ------
        UnknownNameError, InputError
            For a cluster or verdict that there is not; for a rejection without a reason.
        """
        if verdict not in VERDICTS:
            raise UnknownNameError("verdict", verdict, VERDICTS)
        said = [{"cluster_id": c, "verdict": verdict, "note": note, "reviewer": self._reviewer} for c in clusters]
        record_verdicts(self._clusters, [*self.verdicts, *said])  # what does not hold is not kept
        self.verdicts += said
        self._show()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was said, as findings."""
        return state_verdicts(self.rows)

    def resume(self, earlier: ClusterReview) -> None:
        """Keep every verdict on a cluster that is still there."""
        there = set(self._clusters["cluster_id"].to_list())
        self.verdicts = [said for said in earlier.verdicts if said["cluster_id"] in there]
        self._show()

    def _show(self) -> None:
        self.trail.steps.clear()
        given = {"clusters": Name(self._name), "verdicts": [dict(verdict) for verdict in self.verdicts]}
        step = Step("toolkit.linking.review.record_verdicts", given)
        self._take(record_verdicts(self._clusters, self.verdicts), step)

    def _controls(self) -> list[widgets.Widget]:
        self._note = widgets.Text(placeholder="why", layout=widgets.Layout(width="40%"))
        acts = {word: (f"The chosen clusters are {word}", lambda word=word: self._on_judge(word)) for word in VERDICTS}
        return [self._buttons(acts, self._note)]

    def _on_judge(self, verdict: str) -> None:
        chosen = self._table.chosen
        if chosen.height and (verdict != "rejected" or self._note.value.strip()):
            self.judge(chosen["cluster_id"].to_list(), verdict, self._note.value.strip())
            self._note.value = ""
        elif chosen.height:
            self._note.placeholder = "a rejection needs its reason"


class LinkInspector(Panel):
    """Links and what each rests on; evidence can be explained away, with the reason.

    Parameters
    ----------
    links : polars.DataFrame
        Contract ``Links``.
    name : str
        What the frame is called in the code.

    Attributes
    ----------
    rows : polars.DataFrame
        The links; or, once one is opened, its evidence, what counts and what was set aside.
    links : polars.DataFrame
        The links, without what was explained away.
    reasons : list of dict
        What was explained away, in order.

    Examples
    --------
    >>> from toolkit.linking.observations import find_observations
    >>> from toolkit.linking.score import link_accounts
    >>> rows = [{"account_id": a, "device": "d", "card": "c"} for a in "ab"]
    >>> rows += [{"account_id": f"x{i}", "device": f"d{i}", "card": f"c{i}"} for i in range(400)]
    >>> inspector = LinkInspector(link_accounts(find_observations(pl.DataFrame(rows))))
    >>> inspector.open("a", "b")
    >>> inspector.rows["kind"].to_list()
    ['card', 'device']
    >>> inspector.explain_away("device", "d", "a kiosk")
    >>> inspector.links["set_aside"][0].to_list()
    [{'kind': 'device', 'value': 'd', 'reason': 'a kiosk'}]
    """

    def __init__(self, links: pl.DataFrame, *, name: str = "links") -> None:
        super().__init__(name)
        self._given, self._name = links, name
        self.links = set_aside(links, [])
        self.reasons: list[dict[str, str]] = []
        self._pair: tuple[str, str] | None = None
        self.back()
        take_over(self)

    def open(self, account_a: str, account_b: str) -> None:
        """Show what a link rests on.

        Raises
        ------
        InputError
            If the two are not linked.
        """
        pair = (min(account_a, account_b), max(account_a, account_b))
        if self.links.filter((pl.col("account_a") == pair[0]) & (pl.col("account_b") == pair[1])).is_empty():
            raise InputError(f"{visible(account_a)} and {visible(account_b)} are not among these links")
        self._pair = pair
        self._show()

    def explain_away(self, kind: str, value: str, reason: str) -> None:
        """Set a value of the open link aside; it is weighed again without it.

        Raises
        ------
        InputError
            If no link is open, the value is not among its evidence, or there is no reason.
        """
        if self._pair is None:
            raise InputError("no link is open: open one first")
        said = {"account_a": self._pair[0], "account_b": self._pair[1], "kind": kind, "value": value, "reason": reason}
        self.links = set_aside(self._given, [*self.reasons, said])
        self.reasons.append(said)
        self._show()

    def back(self) -> None:
        """Show all links again."""
        self._pair = None
        self._show()

    def resume(self, earlier: LinkInspector) -> None:
        """Explain away what was explained away, and open what was open, if the links are the same."""
        if self._given.equals(earlier._given, null_equal=True):
            self.links, self.reasons, self._pair = earlier.links, [*earlier.reasons], earlier._pair
            self._show()

    def _show(self) -> None:
        self.trail.steps.clear()
        given = {"links": Name(self._name), "reasons": [dict(said) for said in self.reasons]}
        steps = [Step("toolkit.linking.explain.set_aside", given)]
        rows = self.links
        if self._pair is not None:
            pair = {"account_a": self._pair[0], "account_b": self._pair[1]}
            steps.append(Step("toolkit.linking.review.list_evidence", {"links": Name("rows"), **pair}))
            rows = list_evidence(self.links, **pair)
        self._take(rows, *steps)

    def _controls(self) -> list[widgets.Widget]:
        self._why = widgets.Text(placeholder="reason", layout=widgets.Layout(width="40%"))
        acts = {
            "Open": ("What the chosen link rests on", self._on_open),
            "Explain away": ("Weigh the link again without the chosen value", self._on_explain),
            "Back": ("All links", self.back),
        }
        return [self._buttons(acts, self._why)]

    def _below(self) -> list[widgets.Widget]:
        import altair as alt

        alt.JupyterChart.enable_offline()
        self._chart = alt.JupyterChart(
            alt.Chart().mark_point(), embed_options=_QUIET, layout=widgets.Layout(display="none")
        )
        return [self._chart]

    def _refresh(self) -> None:
        super()._refresh()
        if self._view is None:
            return
        self._chart.layout.display = "none" if self._pair is None else ""
        if self._pair is not None:
            steps = explain_link(self.links, *self._pair).table
            drawn = draw_waterfall(steps).chart.properties(width=520)
            drawn.config.background = "white"
            self._chart.chart = drawn

    def _on_open(self) -> None:
        if self._pair is None and self._table.chosen.height:
            self.open(*self._table.chosen.select("account_a", "account_b").row(0))

    def _on_explain(self) -> None:
        if self._pair is None or not self._table.chosen.height:
            return
        if not self._why.value.strip():
            self._why.placeholder = "a reason is needed"
            return
        for kind, value in self._table.chosen.filter(pl.col("set_aside") == "").select("kind", "value").rows():
            self.explain_away(kind, value, self._why.value.strip())
        self._why.value = ""


class AsOf(Panel):
    """What was known at a time: rows that had arrived by then, on a slider.

    Parameters
    ----------
    events : polars.DataFrame
        Contract ``Events``, with ``ingested_at``.
    name : str
        What the frame is called in the code.

    Examples
    --------
    >>> at = [datetime(2026, 1, 5, h, tzinfo=UTC) for h in (1, 2, 3)]
    >>> rows = {"event_at": at, "account_id": "a", "event": "chat", "source": "app", "event_id": list("123")}
    >>> rows |= {"seq": [1, 2, 3], "precision": "s", "flags": 0, "raw_ref": "", "ingested_at": at, "value": None}
    >>> slider = AsOf(pl.DataFrame(rows))
    >>> slider.go(at[1])
    >>> slider.rows["event_id"].to_list()
    ['1', '2']
    """

    def __init__(self, events: pl.DataFrame, *, name: str = "events") -> None:
        super().__init__(name)
        arrived = events["ingested_at"].drop_nulls()
        if not len(arrived):
            raise InputError("no row says when it arrived: map `ingested`, or there is nothing to go back to")
        self._events, self._name = events, name
        self._times = [*sorted(arrived.dt.truncate("1h").unique().to_list()), arrived.max()]
        self.go(self._times[-1])
        take_over(self)

    def go(self, at: datetime) -> None:
        """Go to a time (with a zone)."""
        self._at = at
        self.trail.steps.clear()
        step = Step("toolkit.timeline.arrival.as_of", {"__args__": Name(self._name), "at": at.astimezone(UTC)})
        self._take(as_of(self._events, at), step)

    def resume(self, earlier: AsOf) -> None:
        """Go to the time the earlier one was at; if that was the newest one, stay at the newest."""
        if earlier._at != earlier._times[-1]:
            self.go(earlier._at)

    def _controls(self) -> list[widgets.Widget]:
        options = [(f"{time:%Y-%m-%d %H:%M} UTC", time) for time in self._times]
        here = max((i for i, time in enumerate(self._times) if time <= self._at), default=0)
        slider = widgets.SelectionSlider(
            options=options, index=here, description="as of", continuous_update=False,
            layout=widgets.Layout(width="70%"),
        )  # fmt: skip
        slider.observe(lambda change: self.go(change["new"]), "value")
        return [slider]
