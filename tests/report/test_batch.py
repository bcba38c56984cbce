"""A batch survives its worst cases, is taken up again after a kill, and says of each what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toolkit.errors import InputError
from toolkit.report.batch import run_batch
from toolkit.report.cases import verify_case
from toolkit.report.folders import only_one

PARAMETERS = '''case_id: str = "CASE-0000"
seed_accounts: list = []
data_uri: str = "x"
mode: str = "ok"  # how it ends
out_dir: str = ""'''
WORK = """import os, signal, time
began = time.monotonic()
if mode == "raise":
    raise RuntimeError("the cell says no")
if mode == "die":
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(2.0 if mode == "slow" else 0.0)"""
LAST = """import polars as pl
from toolkit.model.case import Finding
from toolkit.model.tables import Ledger, empty
from toolkit.report.publish import open_case, publish_case
case = open_case(case_id, seed_accounts, purpose="test", analyst="kim")
said = f"{len(seed_accounts)} accounts <img src=x onerror=alert(1)>."
finding = Finding(finding_id="F1", type="linked_set", statement=said, likelihood="likely", confidence="low",
                  basis="a test", accounts=tuple(seed_accounts))
tables = {"ledger": empty(Ledger), "when": pl.DataFrame({"began": [began], "ended": [time.monotonic()]})}
publish_case(case, bottom_line=said, findings=[finding], actions=[], tables=tables, out_dir=out_dir)"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder of data with accounts u0 to u9, and a template that ends as it is told."""
    (tmp_path / "data").mkdir()
    rows = "".join(f"u{i},2026-01-0{1 + i % 5}T00:00:00Z\n" for i in range(10))
    (tmp_path / "data" / "accounts.csv").write_text(f"account_id,created_at\n{rows}")
    (tmp_path / "templates").mkdir()
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "id": "c0", "source": "# Quick", "metadata": {}}]
    for source in (PARAMETERS, WORK, LAST):
        tags = ["parameters"] if source == PARAMETERS else []
        cells.append({"cell_type": "code", "id": f"c{len(cells)}", "source": source, "metadata": {"tags": tags}})
        cells[-1] |= {"outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "templates" / "quick.ipynb").write_text(json.dumps(notebook))
    return tmp_path


def escalate(world: Path, **cases: dict[str, Any]) -> Path:
    """A queue: case id to what its line says besides."""
    lines = [json.dumps({"case_id": case, "severity": "SEV2", **said}) for case, said in cases.items()]
    (world / "queue.jsonl").write_text("\n".join(lines))
    return world / "queue.jsonl"


def run(world: Path, queue: Path, **how: Any) -> dict[str, str]:
    """What became of each case; pytest shows why, where a test fails."""
    given = {"data": world / "data", "out": world / "out", "template": "quick", "templates": world / "templates", **how}
    done = run_batch(queue, **given)
    print(*(f"{one.case_id}: {one.status} {one.why}" for one in done), sep="\n")
    return {one.case_id: one.status for one in done}


def seeds(*numbers: int, mode: str = "ok", **more: Any) -> dict[str, Any]:
    return {"seed_accounts": [f"u{n}" for n in numbers], "parameters": {"mode": mode}, **more}


def test_the_worst_cases_fail_alone_and_are_tried_again(world: Path) -> None:
    queue = escalate(
        world,
        A=seeds(0, 1), B=seeds(1, 2, mode="raise"), C=seeds(3, 4, mode="die"), D={"prose": "nobody is named"},
        E={"seed_accounts": ["u5"], "parameters": {"mod": "x"}}, F=seeds(0, 1, 6, severity="SEV0"), G=seeds(6, 1),
    )  # fmt: skip
    expected = {"A": "covered", "B": "failed", "C": "failed", "D": "failed", "E": "failed", "F": "done", "G": "covered"}
    assert run(world, queue) == expected
    index = pl.read_csv(world / "out" / "index.csv").sort("case_id")
    why = dict(index.select("case_id", "why").drop_nulls().iter_rows())
    assert "the cell says no" in why["B"]
    assert "died" in why["C"]
    assert "no account is named" in why["D"]
    assert "did you mean 'mode'" in why["E"]
    assert index.filter(pl.col("case_id") == "A")["report"].to_list() == ["F/runs/0001"]
    page = (world / "out" / "index.html").read_text(encoding="utf-8")
    assert 'href="F/runs/0001/report.html"' in page
    assert "<img" not in page
    again = run(world, queue)
    assert again == expected | {"F": "up to date"}
    assert sorted(path.name for path in (world / "out" / "F" / "runs").iterdir()) == ["0001"]
    assert verify_case(world / "out" / "F").is_empty()


def _ran(world: Path) -> set[str]:
    return {log.parent.name for log in world.glob("out/*/log.jsonl") if '"ran"' in log.read_text()}


def test_a_killed_batch_is_taken_up_where_it_stopped(world: Path) -> None:
    queue = escalate(world, **{f"K{i}": seeds(i, mode="slow" if i else "ok") for i in range(4)})
    command = [
        Path(sys.executable).parent / "toolkit",
        "batch",
        queue,
        "--template",
        "quick",
        "--templates",
        world / "templates",
        "--jobs",
        "1",
    ]
    command += ["--data", world / "data", "--out", world / "out"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for _ in range(600):
        if _ran(world) and len(list((world / "out").glob("K*/runs/.*"))) == 1:  # one is over, and another has begun
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {case: (world / "out" / case / "runs/0001/report.html").stat().st_mtime_ns for case in _ran(world)}
    assert 0 < len(before) < 4
    told = run(world, queue)
    assert {case for case, status in told.items() if status == "up to date"} == set(before)
    assert {status for case, status in told.items() if case not in before} == {"done"}
    assert all((world / "out" / case / "runs/0001/report.html").stat().st_mtime_ns == at for case, at in before.items())
    assert [path.name for path in (world / "out").rglob(".*") if path.suffix != ".lock"] == []
    assert all(verify_case(world / "out" / f"K{i}").is_empty() for i in range(4))


def test_runs_wait_for_memory_and_for_each_other(world: Path) -> None:
    queue = escalate(world, **{f"M{i}": seeds(i, mode="slow") for i in range(2)})
    assert set(run(world, queue, memory_gb=0.001).values()) == {"done"}  # no room for two: one after the other
    spans = sorted(pl.read_parquet(path).row(0) for path in (world / "out").rglob("when.parquet"))
    assert spans[0][1] <= spans[1][0]
    assert set(run(world, queue, out=world / "both", memory_gb=64).values()) == {"done"}
    spans = sorted(pl.read_parquet(path).row(0) for path in (world / "both").rglob("when.parquet"))
    assert spans[0][1] > spans[1][0]
    with only_one(world / "out", "batch"), pytest.raises(InputError, match="another batch works in out"):
        run(world, queue)


def test_other_parameters_are_refused_and_other_data_are_run_anew(world: Path) -> None:
    assert run(world, escalate(world, A=seeds(1))) == {"A": "done"}
    assert run(world, escalate(world, A=seeds(2))) == {"A": "failed"}
    assert (
        "opened before with another seed_accounts"
        in json.loads((world / "out" / "batch.json").read_bytes())["cases"][0]["why"]
    )
    with (world / "data" / "accounts.csv").open("a") as file:
        file.write("u10,2026-01-06T00:00:00Z\n")
    assert run(world, escalate(world, A=seeds(1))) == {"A": "done"}
    log = [json.loads(line)["what"] for line in (world / "out" / "A" / "log.jsonl").read_text().splitlines()]
    assert log == ["opened", "began", "ran", "repinned", "began", "ran"]
    with pytest.raises(InputError, match="did you mean 'mode'"):
        run(world, escalate(world, A=seeds(1)), parameters={"mod": "x"})


def test_the_index_is_the_same_page_for_the_same_outcomes_and_executes_nothing(
    world: Path, look: Callable[..., Any], hostile: list[str]
) -> None:
    queue = escalate(
        world, A=seeds(1, 2, reporter=hostile[0], prose=hostile[1]), B=seeds(2, 1, 3, reporter="x" * 400),
        **{f"H{i}": {"prose": text, "reporter": text} for i, text in enumerate(hostile)},
    )  # fmt: skip
    run(world, queue)
    first = (world / "out" / "index.html").read_bytes()
    run(world, queue)
    assert (world / "out" / "index.html").read_bytes() == first.replace(b">done<", b">up to date<")
    seen = look(world / "out" / "index.html")
    assert (seen.pwned, seen.requests, seen.console) == ([], [], [])
    seen.page.get_by_role("link", name="B", exact=True).click()
    seen.page.wait_for_url("**/B/runs/0001/report.html")
