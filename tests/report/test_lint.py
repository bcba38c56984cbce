"""The linter: each rule from a sentence that breaks it; the reports of the sample break none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.report.lint import lint_report, lint_text

FOUND = [
    {"finding_id": "F1", "statement": "1,204 accounts share a device."},
    {"finding_id": "F2", "statement": "Between 3 and 9 of them were stolen."},
]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("1,204 accounts share a device (F1); 3 to 9 were stolen (F2).", []),
        ("It is very likely that they are one ring (F1). Our confidence is high.", []),
        ("It is very likely, with high confidence, that they are one ring (F1).", ["axes"]),
        ("1,204 accounts share a device.", ["figure"]),  # from where?
        ("1,205 accounts share a device (F1).", ["figure"]),
        ("So says F7.", ["finding"]),
        ("Write to kim@mail.example at once.", ["personal"]),
        ("Call +1 202 555 0143.", ["figure", "personal"]),
        ("Card 4111 1111 1111 1111 was tried.", ["figure", "personal"]),
        ("They came from 192.0.2.7, all of them.", ["figure", "personal"]),
        ("The key sk-live_abcdefghij0123456789 leaked.", ["personal"]),
        ("See https://evil.example/x for more.", ["link"]),
        ("See hxxps://evil[.]example/x for more.", []),
    ],
)
def test_a_sentence_breaks_its_rule(text: str, rules: list[str]) -> None:
    assert lint_text(text, findings=FOUND)["rule"].to_list() == rules


def test_a_report_of_the_sample_breaks_none(demo: Path) -> None:
    assert lint_report(demo).rows() == []


def test_what_was_slipped_into_a_report_is_found(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "demo")
    file = tmp_path / "demo" / "case.json"
    told = json.loads(file.read_text())
    told["case"]["bottom_line"] += " We lost 777 dollars."
    told["case"]["findings"][0]["basis"] = "kim@mail.example said so"
    file.write_text(json.dumps(told))
    book = json.loads((tmp_path / "demo" / "report.ipynb").read_text())
    book["cells"].append({"cell_type": "markdown", "source": "## Note\n\nIt is likely, with low confidence."})
    (tmp_path / "demo" / "report.ipynb").write_text(json.dumps(book))
    found = lint_report(tmp_path / "demo")
    assert found.select("rule", "where").rows() == [
        ("figure", "bottom line"), ("personal", "F1 basis"), ("axes", "Note"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="no report in"):
        lint_report(tmp_path)
