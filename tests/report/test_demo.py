"""The report of the demo: what is in it, what is not, and that it is the same every time."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import networkx as nx
import polars as pl
import pytest
import stix2

from toolkit.graph.graphml import read_graphml
from toolkit.model import tables
from toolkit.model.provenance import sha256_bytes, sha256_file
from toolkit.model.tables import conform
from toolkit.report.brief import write_brief
from toolkit.report.exports import read_case

CONTRACTS = {
    "actions": tables.Actions, "expansion": tables.Expansion, "findings": tables.Findings, "hubs": tables.Hubs,
    "ledger": tables.Ledger, "links": tables.Links, "quality": tables.Quality, "quarantine": tables.Quarantine,
    "sessions": tables.Sessions, "timeline": tables.Events,
}  # fmt: skip


class Outline(HTMLParser):
    """Headings of level 2, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
        self._inside = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.headings.append(data.strip())


def test_the_folder_holds_the_report_and_its_tables(demo: Path) -> None:
    for name, contract in CONTRACTS.items():
        conform(pl.read_parquet(demo / f"{name}.parquet"), contract, keep_extra=True)
        assert (demo / f"{name}.csv").exists()
    there = {path.name for path in demo.iterdir()}
    assert {"report.html", "report.ipynb", "case.json", "manifest.json", "run.json"} <= there
    assert {"stix.json", "brief.md", "graph.graphml"} <= there
    assert not [name for name in there if name.startswith(".")]


def test_the_page_is_small_and_marked(demo: Path) -> None:
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 3_000_000
    assert "SYNTHETIC data" in page
    assert "TLP:AMBER" in page
    case = json.loads((demo / "case.json").read_text(encoding="utf-8"))
    assert case["synthetic"] is True
    assert case["case"]["bottom_line"].split(".")[0] in page


def test_the_first_sections_are_what_a_lead_reads(demo: Path) -> None:
    outline = Outline()
    outline.feed((demo / "report.html").read_text(encoding="utf-8"))
    assert outline.headings[:4] == ["Bottom line", "Findings", "Proposed actions", "Do not action"]
    assert {"Seeds", "Network", "Timeline", "Size", "Other readings", "Data and gaps", "Limits"} <= set(
        outline.headings
    )
    assert len(set(outline.headings)) == len(outline.headings)


def test_everybody_is_accounted_for(demo: Path, seeds: list[str]) -> None:
    """Whoever belongs has a proposed step; whoever looks linked is on the do-not-action list; nobody is on both."""
    expansion, actions = (pl.read_parquet(demo / f"{name}.parquet") for name in ("expansion", "actions"))
    members = set(expansion.filter("included")["account_id"])
    assert set(seeds) <= members
    stepped = set(actions.filter(pl.col("rung") != "do not action")["account_id"])
    spared = set(actions.filter(pl.col("rung") == "do not action")["account_id"])
    assert stepped == members
    assert not spared & members
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert all(account in page for account in members | spared)


def test_likelihood_and_confidence_never_share_a_sentence(demo: Path) -> None:
    findings = pl.read_parquet(demo / "findings.parquet")
    assert not [s for s in findings["statement"] if re.search(r"confiden", s, re.IGNORECASE)]
    assert "linked_set" in findings["type"].to_list()


def test_no_prompt_and_no_machine_path(demo: Path) -> None:
    """Prompt text never appears, nor does anything that tells on the machine that ran it."""
    texts = set(pl.read_parquet(Path(__file__).parents[2] / "data_samples" / "tiny" / "content.parquet")["text"])
    texts = {text for text in texts if text and len(text) > 15}
    for name in ("report.html", "report.ipynb", "manifest.json", "case.json", "stix.json", "brief.md"):
        said = (demo / name).read_text(encoding="utf-8")
        assert not [text for text in texts if text in said], name
        assert not re.search(r"/(?:tmp|home|work|root|Users)/", said), name


def test_partners_learn_nothing_about_users(demo: Path) -> None:
    """No account and no personal value in the bundle; addresses that the ring made its own are there."""
    said = (demo / "stix.json").read_text(encoding="utf-8")
    expansion = pl.read_parquet(demo / "expansion.parquet")
    evidence = expansion.explode("evidence").unnest("evidence").filter(pl.col("kind") != "ip")["value"]
    secrets = {*expansion["account_id"], *evidence.drop_nulls()}
    assert not [secret for secret in secrets if secret in said]
    bundle = stix2.parse(said)
    assert [item for item in bundle.objects if item.type == "indicator"]
    hubs = pl.read_parquet(demo / "hubs.parquet").filter(pl.col("kind") == "ip")["value"].to_list()
    assert not [hub for hub in hubs if f"'{hub}'" in said]
    marked = [item for item in bundle.objects if item.type != "marking-definition"]
    assert all(item.object_marking_refs for item in marked)
    assert {label for item in bundle.objects for label in item.get("labels", [])} == {"synthetic"}


def test_case_brief_and_network_can_be_read(demo: Path) -> None:
    case = read_case(demo / "case.json")
    brief = (demo / "brief.md").read_text(encoding="utf-8")
    assert brief == write_brief(case, synthetic=True)
    assert len(brief.split()) <= 400
    graph = read_graphml(demo / "graph.graphml")
    expansion, links = (pl.read_parquet(demo / f"{name}.parquet") for name in ("expansion", "links"))
    members = expansion.filter("included")["account_id"].to_list()
    assert {graph.nodes[key]["label"] for key in graph if key.startswith("account:")} >= set(members)
    assert sum(a.startswith("account:") and b.startswith("account:") for a, b in graph.edges) == links.height
    assert set(nx.read_graphml(demo / "graph.graphml")) == set(graph)


def test_proposals_are_planned_and_nothing_more(demo: Path) -> None:
    """The ring goes together; who is left alone has no time; nobody has set a date."""
    actions = pl.read_parquet(demo / "actions.parquet")
    assert set(actions["status"]) == {"proposed"}
    assert actions["not_before_at"].null_count() == actions.height
    stepped = actions.filter(pl.col("rung") != "do not action")
    assert set(stepped["offset_minutes"]) == {0}
    assert stepped["group"].n_unique() == 1
    assert actions.filter(pl.col("rung") == "do not action")["offset_minutes"].null_count() == 2


def test_the_manifest_proves_the_folder(demo: Path) -> None:
    """Every output by its fingerprint, every input by its fingerprint, and the manifest by its own."""
    manifest = json.loads((demo / "manifest.json").read_text(encoding="utf-8"))
    listed = {entry["file"]: entry for entry in manifest["outputs"]}
    assert {path.name for path in demo.iterdir()} - set(listed) == {"manifest.json", "run.json"}
    for name, entry in listed.items():
        assert entry["sha256"] == sha256_file(demo / name), name
        assert entry["bytes"] == (demo / name).stat().st_size
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    assert manifest["sha256"] == sha256_bytes(json.dumps(body, sort_keys=True, ensure_ascii=True).encode())
    run = json.loads((demo / "run.json").read_text(encoding="utf-8"))
    assert run["manifest_sha256"] == manifest["sha256"]
    assert manifest["inputs"]
    assert all(
        entry["accepted"] + entry["duplicate"] + entry["quarantined"] == entry["rows"] for entry in manifest["inputs"]
    )


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(demo: Path, demo_again: Path) -> None:
    """Another process, folder and order of hashes; only the record of when it ran may differ."""
    names = sorted(path.name for path in demo.iterdir())
    assert names == sorted(path.name for path in demo_again.iterdir())
    differ = [name for name in names if (demo / name).read_bytes() != (demo_again / name).read_bytes()]
    assert differ in ([], ["run.json"])


def test_the_notebook_is_the_report(demo: Path) -> None:
    """It holds every block, no counts, no times, no parameters of one machine."""
    notebook = json.loads((demo / "report.ipynb").read_text(encoding="utf-8"))
    assert {cell.get("execution_count") for cell in notebook["cells"] if cell["cell_type"] == "code"} == {None}
    assert "injected-parameters" not in json.dumps(notebook)
    assert "papermill" not in json.dumps(notebook["metadata"])
    blocks = [o for cell in notebook["cells"] for o in cell.get("outputs", []) if o["output_type"] == "display_data"]
    assert len(blocks) > 20
