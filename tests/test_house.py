"""The house itself: its rooms, its front door, its wheel."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import toolkit

ROOT = Path(__file__).resolve().parent.parent

# Imports run down this list; rooms on one line do not know one another.
FLOORS = [
    {"errors", "settings", "resources"},
    {"model"},
    {"sources"},
    {"linking", "timeline", "graph"},
    {"detect", "assist"},
    {"views"},
    {"widgets"},
    {"report"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def _imports(path: Path) -> set[str]:
    """Rooms of the toolkit that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("toolkit.")}
    return found


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "toolkit").parts[0].removesuffix(".py")


SOURCES = sorted(p for p in (ROOT / "toolkit").rglob("*.py") if p != ROOT / "toolkit" / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """A room imports only rooms below it; rooms of one floor meet in tables."""
    own = _room(path)
    wrong = {room for room in _imports(path) - {own} if FLOOR[own] <= FLOOR[room] and FLOORS[0].isdisjoint({own, room})}
    assert not wrong, f"{own} imports {sorted(wrong)}"


def test_only_the_scorer_and_the_generator_know_the_truth() -> None:
    """No module outside sources/samples reads truth/; the loader names it once, to leave it alone."""
    knows = [
        p for p in SOURCES if re.search(r"[\"'/]truth\b", p.read_text(encoding="utf-8")) and p.parent.name != "samples"
    ]
    assert [str(p.relative_to(ROOT / "toolkit")) for p in knows] == ["sources/files.py"]
    templates = [p for p in (ROOT / "templates").glob("*.ipynb") if "truth" in p.read_text(encoding="utf-8")]
    assert templates == []


def test_the_front_door_is_the_list() -> None:
    """Every public name loads, and nothing else is public."""
    assert sorted(toolkit.__all__) == sorted(toolkit._HOME)
    for name in toolkit.__all__:
        thing = getattr(toolkit, name)
        assert thing.__doc__ or not callable(thing), name
    with pytest.raises(AttributeError, match="did you mean 'link_accounts'"):
        toolkit.link_acounts  # noqa: B018 - reading it is the point


def test_import_is_light() -> None:
    """`import toolkit` loads none of the heavy libraries."""
    heavy = ["altair", "ipywidgets", "papermill", "networkx", "scipy"]
    code = f"import sys, toolkit; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_nothing_unsafe_is_written() -> None:
    """No pickle, no unsafe YAML, no eval, no unescaped template, no raw HTML widgets, no SQL built from values."""
    banned = re.compile(
        r"\bpickle\b|yaml\.load\(|yaml\.unsafe|(?<![.\w])eval\(|(?<![.\w])exec\(|\|\s*safe\b|escape=False|\.style\b(?!\()|to_html\(|execute\(f[\"']"
    )
    hits = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if banned.search(line) and not line.lstrip().startswith(("#", '"'))
    ]
    assert hits == []


def test_notebooks_are_stripped() -> None:
    """Templates and notebooks are committed without outputs, counts or run metadata."""
    for path in [*(ROOT / "templates").glob("*.ipynb"), *(ROOT / "notebooks").glob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert '"outputs": [\n' not in text, path
        assert not re.search(r'"execution_count": \d', text), path
        assert "papermill" not in text.split('"metadata"')[-1], path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_every_tracked_file_is_in_the_wheel(wheel: Path) -> None:
    """The package and the three bundled folders travel whole."""
    listed = subprocess.run(
        ["git", "ls-files", "toolkit", "templates", "notebooks", "data_samples"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    tracked = {name for name in listed if name and (ROOT / name).exists()}
    wanted = {name if name.startswith("toolkit/") else f"toolkit/_bundled/{name}" for name in tracked}
    with zipfile.ZipFile(wheel) as archive:
        missing = wanted - set(archive.namelist())
    assert missing == set()


@pytest.mark.slow
def test_the_wheel_runs_the_demo_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """On a machine that has never seen the repository, `toolkit demo` makes a report."""
    venv.create(tmp_path / "venv", with_pip=True)
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run(
        [bin_ / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--constraint", ROOT / "constraints.txt", wheel],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [bin_ / "toolkit", "demo", "--out", "demo"], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000
    assert "SYNTHETIC" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
