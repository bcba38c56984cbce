"""How runs end: done, failed, killed. A failed run leaves the last good report, and its own notebook beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import InputError, ParameterError, TemplateError, UnknownNameError
from toolkit.report import folders
from toolkit.report.parameters import check_parameters, parse_assignments, read_parameters
from toolkit.report.run import run_report
from toolkit.report.templates import find_templates

TINY = Path(__file__).parents[2] / "data_samples" / "tiny"
PARAMETERS = 'data_uri: str = ""\nout_dir: str = ""\nword: str = "x"\nn: int = 1'
GOOD = """
import polars as pl
from toolkit.model.tables import Ledger, empty
from toolkit.report.publish import open_case, publish_case
publish_case(open_case("C", ["a"], purpose="p", analyst="k"), bottom_line="x", findings=[], actions=[],
             tables={"ledger": empty(Ledger)}, out_dir=out_dir)
"""
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a template of a team's own; return its folder."""

    def template(*cells: str, name: str = "own") -> Path:
        folder = tmp_path / "templates"
        folder.mkdir(exist_ok=True)
        blank: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
        code = [{**blank, "id": f"c{i}", "source": c} for i, c in enumerate([PARAMETERS, *cells])]
        code[0]["metadata"] = {"tags": ["parameters"]}
        first = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Own\n\nFor tests."}
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        notebook = {"cells": [first, *code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
        return folder

    return template


def _run(folder: Path, out: Path, **more: Any) -> Path:
    return run_report("own", data=TINY, out=out, templates=folder, **more)


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(make: Make, tmp_path: Path) -> Path:
    """A good report that a failing run must not touch."""
    return _run(make(GOOD), tmp_path / "out")


FAILURES = {
    "an error": ("raise ValueError('<b>boom\\x1b[31m')", "ValueError: <b>boom⟨U+001B⟩[31m"),
    "sys.exit(0)": ("import sys\nsys.exit(0)", "cells never ran"),
    "a dead kernel": ("import os\nos._exit(0)", "the kernel died"),
    "no publish_case": ("1", "must call publish_case"),
    "too long": ("import time\ntime.sleep(60)", "a cell took too long"),
}


@pytest.mark.parametrize("why", FAILURES)
def test_a_failing_run_leaves_the_good_report(why: str, make: Make, published: Path) -> None:
    before = _tree(published)
    cell, said = FAILURES[why]
    last = GOOD if why != "no publish_case" else "2"
    with pytest.raises(TemplateError) as error:
        _run(make(cell, last), published, cell_timeout_s=3)
    assert said in str(error.value)
    assert "out.failed.ipynb" in str(error.value)
    assert error.value.exit_code == 1
    assert _tree(published) == before
    beside = {path.name for path in published.parent.iterdir()}
    assert beside == {"out", "out.failed.ipynb", "templates"}
    json.loads((published.parent / "out.failed.ipynb").read_text(encoding="utf-8"))
    # The next good run takes the failed notebook away: it spoke of an earlier run.
    _run(make(GOOD), published)
    assert not (published.parent / "out.failed.ipynb").exists()


def test_a_wrong_call_that_a_cell_finds_is_a_wrong_call(make: Make, tmp_path: Path) -> None:
    """What the caller can mend is said as such: exit 2, and no notebook to read."""
    with pytest.raises(InputError, match="did you mean 'ring'"):
        _run(
            make("from toolkit.errors import UnknownNameError\nraise UnknownNameError('x', 'rnig', ['ring'])"),
            tmp_path / "o",
        )


def test_paths_with_blanks_and_braces(make: Make, tmp_path: Path) -> None:
    out = _run(make(GOOD), tmp_path / "a {b} c" / "{out_dir} {0}")
    assert (out / "report.html").exists()
    assert json.loads((out / "run.json").read_text())["cells_executed"] == 3


def test_a_glob_and_one_file_are_data_too(make: Make, tmp_path: Path) -> None:
    for data in (TINY / "*.parquet", TINY / "accounts.parquet"):
        run_report("own", data=data, out=tmp_path / "out", templates=make(GOOD))
    with pytest.raises(InputError, match="nothing at"):
        run_report("own", data=TINY / "*.csv", out=tmp_path / "out", templates=make(GOOD))
    with pytest.raises(InputError, match="postgresql:// is a database"):
        run_report("own", data="postgresql://host/db", out=tmp_path / "out", templates=make(GOOD))


def test_another_program_s_files_are_never_removed(make: Make, published: Path, tmp_path: Path) -> None:
    (published / "my notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"other files \(my notes.txt\)"):
        _run(make(GOOD), published)
    assert (published / "my notes.txt").read_text() == "mine"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds files that are not a report"):
        _run(make(GOOD), tmp_path / "full")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="it is a file"):
        _run(make(GOOD), tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert _run(make(GOOD), tmp_path / "empty").is_dir()


def test_what_appears_during_the_run_is_not_removed(tmp_path: Path) -> None:
    with folders.private_folder(tmp_path / "out") as folder:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        with pytest.raises(InputError):
            folders.put_in_place(folder, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").exists()


KILLED = """
import sys, time
from pathlib import Path
from toolkit.report import folders
with folders.private_folder(Path(sys.argv[1])) as folder:
    (folder / "half.parquet").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_the_rests_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    """Only ours, and only the dead: a run that is still going keeps its folder."""
    target = tmp_path / "out"
    going = [
        subprocess.Popen([sys.executable, "-c", KILLED, target], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    places = [Path(process.stdout.readline().strip()) for process in going if process.stdout]
    going[0].kill()
    going[0].wait()
    other = tmp_path / ".other.run-abc"
    other.mkdir()
    young = tmp_path / ".out.run-young"
    young.mkdir()
    old = tmp_path / ".out.run-old"
    old.mkdir()
    os.utime(old, (time.time() - 3 * 86_400,) * 2)
    try:
        with folders.private_folder(target):
            assert [place.exists() for place in places] == [False, True]
            assert (other.exists(), young.exists(), old.exists()) == (True, True, False)
    finally:
        going[1].kill()
        going[1].wait()


def test_a_report_set_aside_by_a_killed_run_comes_back(tmp_path: Path) -> None:
    """Killed between the two renames: the old report is there again at the next run."""
    aside = tmp_path / ".out.previous"
    aside.mkdir()
    (aside / "report.html").write_text("old")
    with folders.private_folder(tmp_path / "out"):
        assert (tmp_path / "out" / "report.html").read_text() == "old"


# ---------------------------------------------------------------- before a kernel starts


def test_parameters_are_checked_first(make: Make, tmp_path: Path) -> None:
    folder = make("raise SystemError('a kernel was started')")
    began = time.monotonic()
    with pytest.raises(ParameterError) as error:
        _run(folder, tmp_path / "out", parameters={"wrod": "x", "n": "many", "word": 3})
    assert time.monotonic() - began < 2
    said = str(error.value)
    assert "no parameter 'wrod': did you mean 'word'?" in said
    assert "n takes a whole number, found 'many'" in said
    assert "word takes text, found '3'" in said
    assert not (tmp_path / "out").exists()


def test_unknown_templates_are_answered(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'own'"):
        run_report("onw", data=TINY, out=tmp_path / "o", templates=make(GOOD))
    with pytest.raises(InputError, match="no folder of templates"):
        find_templates(tmp_path / "nowhere")
    (tmp_path / "templates" / "bad.ipynb").write_text(
        '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": ""}]}'
    )
    with pytest.raises(InputError, match="exactly one code cell tagged"):
        find_templates(tmp_path / "templates")


SCHEMA = read_parameters(
    "from typing import Literal\n"
    'ids: list = []\nword: str = ""\nn: int = 0\nx: float = 0.0\nflag: bool = False\n'
    'level: Literal["low", "high"] = "low"  # how much'
)


@pytest.mark.parametrize(
    "given",
    [
        {"n": True}, {"n": 1.5}, {"n": "1_000"}, {"n": "٣"}, {"n": ("1",)}, {"n": "9" * 5_000}, {"x": "nan"},
        {"x": "1e999"}, {"x": b"1"}, {"flag": "yes"}, {"flag": 1}, {"word": 7}, {"word": Path("x")},
        {"word": None}, {"word": "\ud800"},
        {"ids": ("a",)}, {"ids": [1]}, {"ids": "[1, 2]"}, {"ids": {"a": 1}}, {"ids": "[" * 100_000},
        {"ids": ["\udfff"]},
        {"level": "lwo"}, {"__import__('os').system('x')": 1}, {"n": Exception("x")},
    ],
    ids=lambda given: str(given)[:30],
)  # fmt: skip
def test_only_plain_values_of_the_declared_type(given: dict[str, Any]) -> None:
    """Papermill runs code from what is not plain JSON; nothing of that kind gets near it."""
    with pytest.raises(ParameterError):
        check_parameters(SCHEMA, given)


def test_ids_stay_text() -> None:
    given = parse_assignments(["ids=0012", "ids=1e5", "word=007", "n=12", "x=0.5", "flag=true", "level=high"])
    values = check_parameters(SCHEMA, given)
    assert values == {"ids": ["0012", "1e5"], "word": "007", "n": 12, "x": 0.5, "flag": True, "level": "high"}
    assert check_parameters(SCHEMA, {"ids": '["0012", "a=b"]'})["ids"] == ["0012", "a=b"]
    with pytest.raises(ParameterError, match="not NAME=VALUE"):
        parse_assignments(["ids"])


def test_hostile_values_reach_the_cell_unchanged(make: Make, tmp_path: Path, hostile: list[str]) -> None:
    """Every string round-trips through papermill as itself, and none of them runs."""
    folder = make(
        "import json, pathlib\npathlib.Path(out_dir, 'got.json').write_text(json.dumps(json.loads(word)))", GOOD
    )
    out = _run(folder, tmp_path / "out", parameters={"word": json.dumps(hostile)})
    assert json.loads((out / "got.json").read_text()) == hostile
