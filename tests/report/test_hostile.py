"""Hostile data in every place where data can stand, opened in a real browser.

Each string tells when it executes (``window.__pwned``) or when it fetches (the log of requests). A page that shows the
same strings with neither escaping nor a policy is the control: there they must bite, or these tests would prove
nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import networkx as nx
import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.graph.layout import find_layout
from toolkit.linking.observations import find_observations
from toolkit.model.case import Finding
from toolkit.report.page import render_page
from toolkit.views.blocks import (
    Block,
    show_card,
    show_chart,
    show_figures,
    show_findings,
    show_lead,
    show_table,
    show_text,
)
from toolkit.views.cards import draw_clusters
from toolkit.views.charts import draw_arrivals, draw_expansion, draw_lift
from toolkit.views.curves import draw_precision_recall, draw_volume
from toolkit.views.evidence import draw_frontier, draw_hubs, draw_links
from toolkit.views.graph import draw_graph
from toolkit.views.names import Names
from toolkit.views.rhythm import draw_effect, draw_hours
from toolkit.views.timeline import draw_density, draw_sessions, draw_swimlanes, draw_synchrony
from toolkit.views.waterfall import draw_waterfall, draw_why

pytestmark = pytest.mark.browser
Look = Callable[..., Any]
START = datetime(2026, 1, 5, tzinfo=UTC)
_OURS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "span", "h1", "h2", "h3", "div", "nav",
    "details", "summary", "ol", "ul", "li", "button", "main", "section", "pre", "code", "dl", "dt", "dd", "small",
    "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "bdi", "article", "footer", "script",
}  # fmt: skip
_LINK = re.compile(r"#[\w-]*|[a-z_]+\.csv")  # a place of the page, or one of its tables beside it


def _page(*blocks: Block, title: str = "Hostile") -> str:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": "# T\n## Section"}]
    for block in blocks:
        data = json.loads(json.dumps(block._repr_mimebundle_()))
        outputs = [{"output_type": "display_data", "data": data, "metadata": {}}]
        cells.append({"cell_type": "code", "source": "", "metadata": {}, "outputs": outputs})
    return render_page({"cells": cells}, title=title)


class Tags(HTMLParser):
    """Every element of a page, as a parser that runs nothing sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data", "srcdoc")]


def _check_markup(page: str) -> None:
    seen = Tags()
    seen.feed(page)
    assert seen.tags <= _OURS
    assert seen.handlers == []
    assert [link for link in seen.links if not _LINK.fullmatch(link)] == []


def _check_live(seen: Any) -> None:
    assert seen.pwned == []
    assert seen.requests == []
    assert seen.console == []
    # Vega-Embed puts an empty form under each chart; everything else of these would be somebody else's.
    injected = "img, iframe, object, embed, video, audio, form:not(.vega-bindings:empty), link, base, math"
    injected += ", input:not(.tk-bar input)"  # the network's own search
    assert seen.page.locator("template, svg script, svg image, svg foreignObject").count() == 0
    assert seen.page.locator(injected).count() == 0
    links = seen.page.locator("a").all()
    assert all(_LINK.fullmatch(link.get_attribute("href") or "#") for link in links)
    assert seen.page.locator("svg a[href], svg a").count() == 0


def test_the_control_bites(hostile: list[str], look: Look) -> None:
    """The same strings, raw and without a policy, run and fetch: the hook and the log work."""
    ran: set[int] = set()
    fetched: list[str] = []
    biting = [string for string in hostile if re.search("pwned|evil", string) and "http-equiv" not in string]
    for start in range(0, len(biting), 4):
        raw = "".join(f"<div title='{string}'>{string}</div>\n" for string in biting[start : start + 4])
        seen = look(f"<!doctype html><meta charset=utf-8><body>{raw}", ready=False)
        ran |= set(seen.pwned)
        fetched += seen.requests
        seen.page.context.close()
    assert len(ran) >= 9, ran
    assert len({url for url in fetched if "evil.invalid" in url}) >= 5, fetched


def test_raw_strings_under_our_policy(hostile: list[str], look: Look) -> None:
    """The second wall: even if the escape gate failed, nothing would run."""
    shell = _page(show_text("MARK"))
    # A refresh is the one thing a policy does not stop, which is why no page of ours has one.
    raw = "\n".join(string for string in hostile if "http-equiv" not in string and string not in ("<!--<script>",))
    seen = look(shell.replace("MARK", raw), ready=False)
    assert seen.pwned == []
    assert seen.requests == [], "what the policy stops never leaves"


def test_every_block(hostile: list[str], look: Look) -> None:
    """Text, lead, figures, card, table (cells, titles, captions, masks), findings, code, plain text, case title."""
    columns = {f"c{i}": [string] * 2 for i, string in enumerate(hostile)}
    wide = pl.DataFrame(columns)
    finding = [
        Finding.model_validate(
            {
                "finding_id": f"F{i}", "type": "null_result", "statement": string.strip() or "x", "confidence": "high",
                "basis": string.strip() or "x", "accounts": hostile[:5], "evidence_ids": [string],
                "alternatives": [string], "next_check": string,
            }
        )
        for i, string in enumerate(hostile, 1)
    ]  # fmt: skip
    blocks = [
        show_text(*hostile),
        show_lead(*hostile),
        show_figures({string: (string, string) for string in hostile}),
        show_card(dict(zip(hostile, hostile, strict=True))),
        show_table(pl.DataFrame({"value": hostile}), caption=" ".join(hostile), columns={"value": hostile[1]}),
        show_table(pl.DataFrame({"value": hostile}), mask=["value"], caption="masked"),
        show_table(wide, columns=dict(zip(columns, hostile, strict=True))),
        show_table(pl.DataFrame({"value": []}, schema={"value": pl.String}), empty=" ".join(hostile)),
        show_findings(finding),
    ]
    page = _page(*blocks, title=hostile[20])
    _check_markup(page)
    _check_live(look(page, ready=True))
    for block in blocks:
        fragment = Tags()
        fragment.feed(block.as_html())
        assert fragment.tags <= {"table", "thead", "tbody", "tr", "th", "td", "p", "dl", "dt", "dd", "b"}
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u200b\u202e\u2066\U000e0041]", block.as_text())


def test_outputs_that_are_not_ours_are_left_out(hostile: list[str], look: Look) -> None:
    """HTML, SVG, scripts and markdown of a cell never reach the page; plain text and code do, escaped."""
    raw = "".join(hostile)
    data = {"text/html": raw, "text/plain": raw, "image/svg+xml": raw, "application/javascript": raw, raw[:200]: raw}
    cell = {
        "cell_type": "code",
        "source": raw,
        "metadata": {},
        "outputs": [
            {"output_type": "display_data", "data": data, "metadata": {}},
            {"output_type": "stream", "name": "stdout", "text": raw},
            {"output_type": "execute_result", "data": {"text/plain": raw}, "metadata": {}},
        ],
    }
    page = render_page({"cells": [{"cell_type": "markdown", "source": f"# {raw}\n## {raw}\n{raw}\n\n- {raw}"}, cell]})
    _check_markup(page)
    assert "An output was left out" in page
    seen = look(page)
    seen.page.click("#toggle-code")
    _check_live(seen)


def hostile_charts(hostile: list[str]) -> list[Any]:
    n = len(hostile)
    at = [START + timedelta(hours=i) for i in range(n)]
    events = pl.DataFrame({"account_id": hostile, "event_at": at, "event": hostile, "source": hostile})
    events = events.with_columns(event_id=pl.int_range(n).cast(pl.String))
    lift = pl.DataFrame(
        {
            "kind": ["ip"] * n, "value": hostile, "in_set": [2] * n, "share": [0.5] * n, "low": [0.2] * n,
            "high": [0.8] * n, "in_controls": [0] * n, "control_share": [0.1] * n, "lift": [9.0] * n,
            "lift_low": [4.0] * n,
        }
    )  # fmt: skip
    steps = pl.DataFrame(
        {
            "step": ["value"] * n,
            "kind": ["device"] * n,
            "value": hostile,
            "bits": [1.0] * n,
            "total": [float(i + 1) for i in range(n)],
            "counted": [0.5] * n,
            "holders": [3] * n,
            "regime": hostile,
            "family": hostile,
        }
    )
    expansion = pl.DataFrame({"round": [0, 1, 2], "included": [True] * 3, "precision_estimate": [None, 0.9, 0.8]})
    graph: nx.Graph[str] = nx.Graph()
    for i, string in enumerate(hostile):
        graph.add_node(f"account:{string}", type="account", label=string)
        graph.add_node(f"ip:{string}", type=string if i % 9 == 0 else "ip", label=string)
        graph.add_edge(f"account:{string}", f"ip:{string}", n=2, first_at=None, last_at=None)
        graph.add_edge(f"account:{string}", f"ip:{hostile[0]}", n=1, first_at=None, last_at=None)
    later = [time + timedelta(hours=1) for time in at]
    spans = pl.DataFrame({"account_id": hostile, "start_at": at, "end_at": later, "phase": hostile, "source": hostile})
    spans = spans.with_columns(kind=pl.lit("source_silent"), n=1, closed=False, uncertain=True)
    notes = pl.DataFrame({"at": at, "rule": hostile, "text": hostile})
    pairs = pl.DataFrame({"account_a": hostile[:-1], "account_b": hostile[1:], "objects": 2, "q": 0.01})
    pairs = pairs.with_columns(evidence_ids=pl.Series([[str(i), str(i + 1)] for i in range(n - 1)]))
    clusters = pl.DataFrame({"cluster_id": hostile, "reading": hostile, "reading_why": hostile, "top_value": hostile})
    clusters = clusters.with_columns(
        size=3, density=0.9, median_bits=9.0, ring_fdr=0.01, top_kind="cluster_id", first_at=pl.Series(at),
        last_at=pl.Series(later), families=pl.Series([[string, "dev"] for string in hostile]),
    )  # fmt: skip
    hubs = lift.select("kind", "value", verdict="value", why="value", holders=pl.int_range(2, n + 2), bits=1.0)
    hubs = hubs.with_columns(pairs_not_examined=1)
    links = pl.DataFrame({"level": ["L1", "L2"], "bits": [3.0, 12.0], "probability": [0.1, 0.9]})
    edge = pl.DataFrame({"account_id": hostile, "round": 1, "probability": 0.4, "included": False, "level": hostile})
    curve = pl.DataFrame({"threshold": [0.9, 0.5], "precision": [1.0, 0.8], "recall": [0.4, 0.7], "n": [4, 9]})
    return [
        draw_lift(lift, Names("none"), limit=n),
        draw_waterfall(steps, Names("none")),
        draw_why(steps, Names("none"), limit=n),
        draw_arrivals(pl.DataFrame({"account_id": hostile, "first_at": at, "group": hostile})),
        draw_swimlanes(events, hostile[:60], seeds=hostile[:3]),
        draw_hours(events),
        draw_expansion(expansion),
        draw_graph(graph, find_layout(graph), roles={hostile[0]: "seed", hostile[1]: "seed"}),
        draw_swimlanes(events, phases=spans, notes=notes, overview=True),
        draw_density(events, top=60, notes=notes),
        draw_density(events, by="source", top=60, gaps=spans),
        draw_sessions(spans, top=60),
        draw_effect(events, spans.select("account_id", at="start_at"), pre_days=1, post_days=1),
        draw_synchrony(pairs, events, top=60),
        draw_clusters(clusters, top=60),
        draw_hubs(hubs, top=60),
        draw_links(links),
        draw_frontier(edge, threshold=0.5),
        draw_precision_recall(curve, chosen=0.5, prevalence=0.1),
        draw_volume(events),
    ]


def test_every_chart(hostile: list[str], look: Look) -> None:
    """Labels, axes, legends, captions, and the tooltip of every mark."""
    page = _page(*(show_chart(chart, " ".join(hostile)) for chart in hostile_charts(hostile)))
    _check_markup(page)
    seen = look(page)
    charts = seen.page.locator(".vega svg").count()
    assert charts == 20
    told: list[str] = []
    for place in range(charts):
        marks = seen.page.locator(".vega").nth(place).locator(".role-mark path:visible, .role-mark line")
        for mark in range(0, min(marks.count(), 40), 2):
            marks.nth(mark).hover(force=True, timeout=5_000)
            told.append(seen.page.locator("#vg-tooltip-element").text_content() or "")
    assert len(set(told)) > 40, "the tooltips were really shown"
    assert not [text for text in told if re.search("[\u200b\u202e\u2066]", text)]
    _check_live(seen)


def test_two_hostile_names_are_never_drawn_as_one(hostile: list[str]) -> None:
    """As many lanes, bars and labels as there were values."""
    lift, waterfall, why, _, lanes, *_, clusters, hubs, _, edge, _, _ = (c.to_dict() for c in hostile_charts(hostile))
    for chart, column, count in (
        (lift, "label", len(hostile)),
        (waterfall, "label", len(hostile) + 1),
        (why, "label", len(hostile)),
        (clusters, "card", min(60, len(hostile))),
        (hubs, "value", min(60, len(hostile))),
        (edge, "account", len(hostile)),
    ):
        labels = {row[column] for rows in chart["datasets"].values() for row in rows if column in row}
        assert len(labels) == count
    drawn = {row["lane"] for rows in lanes["datasets"].values() for row in rows if "lane" in row}
    assert len(drawn) == len(hostile[:60])


def test_a_whole_report_of_hostile_data(
    hostile: list[str], run_cells: Callable[..., Any], look: Look, tmp_path: Path
) -> None:
    """Account ids, values, verbs, templates, reasons, the case's own texts and the name of the table itself."""
    usable = [string for string in hostile if string.strip() and len(string) < 5_000]
    n = len(usable)
    rows = [
        {
            "account": account, "at": START + timedelta(minutes=30 * i + j), "verb": usable[(i + j) % n],
            "device": usable[(i // 10 + j) % n], "card": usable[(i // 12 + j) % n], "email": usable[(i // 15) % n],
            "ip": usable[(i // 8) % n], "template": usable[j], "object": usable[(i + j) % 7],
        }
        for i, account in enumerate(usable)
        for j in range(3)
    ]  # fmt: skip
    rows += [
        {
            "account": f"x{i}", "at": START + timedelta(minutes=i), "verb": "login", "object": f"o{i % 50}",
            **{kind: f"{kind}{i}" for kind in ("device", "card", "email", "ip", "template")},
        }
        for i in range(400)
    ]  # fmt: skip
    name = "x<img src=y onerror=window.__pwned.push(99)>"
    pl.DataFrame(rows).write_parquet(tmp_path / f"{name}.parquet")
    indicators = {
        "device": "device",
        "card": "card",
        "email": "email",
        "ip": "ip",
        "prompt_template": "template",
        "object": "object",
    }
    table = {"account": "account", "time": "at", "event": {"column": "verb"}, "indicators": indicators}
    mapping = tmp_path / "mapping.json.yaml"
    mapping.write_text(json.dumps({"tables": {name: table}}))
    attack = usable[0] + usable[1] + usable[4] + usable[25]
    for redaction in ("none", "standard"):
        done = run_cells(
            [usable[0], usable[1], "nobody<script>window.__pwned.push(98)</script>"],
            data_uri=str(tmp_path), mapping_uri=str(mapping), redaction=redaction, purpose=attack, analyst=attack,
        )  # fmt: skip
        assert len(done.names["members"]) >= 5
        _check_markup(done.page)
        seen = look(done.page)
        if redaction == "standard":
            seen.page.click("#toggle-mask")
        seen.page.click("#toggle-code")
        _check_live(seen)


def test_hostile_words_on_the_command_line_are_shown_not_run() -> None:
    """What a message repeats is made visible."""
    from toolkit.report.parameters import check_parameters, read_parameters

    schema = read_parameters("seed: int = 0")
    with pytest.raises(InputError) as error:
        check_parameters(schema, {"\x1b]8;;https://evil.invalid\x07seed": 1, "seed": "\x1b[31m1"})
    assert "\x1b" not in str(error.value)


def test_observations_of_hostile_strings_survive_exactly(hostile: list[str]) -> None:
    """Safe to look at is one thing; the tables keep every byte."""
    frame = pl.DataFrame({"account_id": [s for s in hostile if s.strip()], "device": [s for s in hostile if s.strip()]})
    seen = find_observations(frame)
    assert set(seen["account_id"]) == set(frame["account_id"])
