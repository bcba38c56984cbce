"""A report for a reader outside the team: what that reader may not see is dropped or goes by another name.

The copy is made from a finished report. Nothing personal is masked in it: it is not there. When all is written, every
file is searched once more for what must not be in it; a copy that holds any of it is not published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from toolkit.errors import InputError, RunError, UnknownNameError, visible
from toolkit.model.case import Case
from toolkit.model.confidence import Rung
from toolkit.model.provenance import sha256_bytes, sha256_file
from toolkit.report.brief import write_brief
from toolkit.report.by_hand import TEAM_TAG
from toolkit.report.exports import read_case, spreadsheet_safe, write_case
from toolkit.report.folders import check_target, private_folder, put_in_place
from toolkit.report.page import render_page
from toolkit.report.pseudonyms import make_pseudonyms
from toolkit.report.publish import bundle_case
from toolkit.report.stix import write_stix
from toolkit.report.verify import read_manifest, verify_report
from toolkit.report.withhold import WITHHELD, Withholder
from toolkit.settings import KINDS
from toolkit.views.blocks import BLOCK_MIME

__all__ = ["AUDIENCES", "Audience", "share_report"]

_PERSONAL: Final = 2
_ACCOUNT_COLUMNS: Final = frozenset(
    {"account_id", "account", "account_a", "account_b", "a", "b", "banned", "after", "partner", "subject_id", "seed"}
)
_ACCOUNT_LISTS: Final = frozenset({"accounts", "members", "seeds"})
_FEW: Final = re.compile(r"\b([1-4]) ((?:further )?(?:account|customer|member|victim)s?)\b")
_KNOWN: Final = "known_rings.parquet"
"""The evidence of findings that tell of other cases."""
_ORDER: Final = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads, and what that reader may see.

    Attributes
    ----------
    name : str
    tlp : str
        The strictest traffic-light word this reader may be given.
    members, others : {"id", "pseudonym", "none"}
        How the accounts that something is proposed against, and all others, are called; none: they are not there.
    tables : tuple of str
        Tables that go along as CSV.
    code : bool
        Whether the page folds out its code.
    bundle : bool
        Whether the bundle of indicators goes along.
    few : bool
        Whether counts below five are said as such.
    """

    name: str
    tlp: str
    members: str
    others: str
    tables: tuple[str, ...] = ("findings", "actions")
    code: bool = False
    bundle: bool = False
    few: bool = False


AUDIENCES: Final = {
    one.name: one
    for one in (
        Audience("policy", "AMBER+STRICT", "id", "id"),
        Audience(
            "legal",
            "RED",
            "id",
            "pseudonym",
            ("findings", "actions", "ledger", "quality", "key_events"),
            code=True,
            bundle=True,
        ),
        Audience("peer", "GREEN", "pseudonym", "none", ("findings",), bundle=True),
        Audience("public", "CLEAR", "none", "none", ("findings",), few=True),
    )
}
"""Policy decides account by account; legal needs how it was found, and no bystander by name; peers get indicators and
conduct; the public gets what was found, in numbers."""


def share_report(
    report: str | Path,
    audience: str,
    out: str | Path,
    *,
    key: bytes | None = None,
    tlp: str = "",
) -> Path:
    """Make the copy of a report that an audience may have.

    Parameters
    ----------
    report : str or path
        Folder of a whole report.
    audience : {"policy", "legal", "peer", "public"}
        See :data:`AUDIENCES`.
    out : str or path
        The copy's folder; an earlier copy there is replaced.
    key : bytes, optional
        For pseudonyms; see :func:`toolkit.report.pseudonyms.read_key`.
    tlp : str
        The copy's traffic-light word, where whoever shares may lower it; the report's own otherwise.

    Returns
    -------
    pathlib.Path
        ``out``: report.html, brief.md, case.json, stix.json, tables as CSV, and manifest.json, which names the report
        it is a copy of by its fingerprint.

    Raises
    ------
    InputError
        If the report is not whole, the audience may not have its traffic-light word, or a key is needed.
    RunError
        If something that must not be there was found in the finished copy; nothing is published then.

    Notes
    -----
    No audience gets masked values, prompts, personal values or tables of raw rows. Pictures that name an account go
    where its id does; else they are left out, and the page says so. The bundle of indicators holds nothing about
    users.
    """
    if audience not in AUDIENCES:
        raise UnknownNameError("audience", audience, AUDIENCES)
    for_whom, source, target = AUDIENCES[audience], Path(report), Path(out).resolve()
    manifest = read_manifest(source)
    faults = verify_report(source)
    if manifest is None or faults.height:
        raise InputError(f"{visible(source.name)} is not whole ({faults.height} faults): see `toolkit verify`")
    case = read_case(source / "case.json")
    synthetic = bool(json.loads((source / "case.json").read_bytes())["synthetic"])
    word = tlp or case.tlp
    if word not in _ORDER:
        raise UnknownNameError("traffic-light word", word, _ORDER)
    if _ORDER.index(word) > _ORDER.index(for_whom.tlp):
        raise InputError(
            f"TLP:{word} does not go to {audience} readers, who may have TLP:{for_whom.tlp} at most: --tlp"
            f" {for_whom.tlp} lowers it, if that is yours to decide"
        )
    if "pseudonym" in (for_whom.members, for_whom.others) and key is None:
        raise InputError(f"a copy for {audience} readers calls accounts by pseudonyms: give --key FILE")
    copy = _Copy.of(for_whom, source, case, key)
    check_target(target)
    with private_folder(target) as folder:
        _write(copy, source, folder, case.model_copy(update={"tlp": word}), synthetic)
        _search(folder, copy)
        outputs = [
            {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        ]
        body = {"version": "1.0", "audience": audience, "of": manifest["sha256"], "outputs": outputs}
        digest = sha256_bytes(json.dumps(body, sort_keys=True, ensure_ascii=False).encode())
        (folder / "manifest.json").write_text(json.dumps({**body, "sha256": digest}, indent=2) + "\n", encoding="utf-8")
        put_in_place(folder, target)
    return target


@dataclass(frozen=True)
class _Copy:
    """What goes by which name, for one audience."""

    audience: Audience
    named: Mapping[str, str]
    gone: frozenset[str]
    values: frozenset[str]
    keep: Withholder = field(repr=False)
    unsaid: tuple[str, ...] = ()

    @classmethod
    def of(cls, audience: Audience, source: Path, case: Case, key: bytes | None) -> _Copy:
        """Decide for every account and value that occurs in a report."""
        accounts, values = _known(source, case)
        members = {a.account_id for a in case.actions if a.rung not in (Rung.NONE, Rung.NOTIFY)}
        ways = {account: audience.members if account in members else audience.others for account in accounts}
        hidden = [account for account, way in ways.items() if way == "pseudonym"]
        named = make_pseudonyms(hidden, key) if hidden and key is not None else {}
        gone = frozenset(account for account, way in ways.items() if way == "none")
        withheld = frozenset(values - accounts)
        keep = Withholder({**named, **dict.fromkeys(gone, WITHHELD)}, withheld)
        past = [finding for finding in case.findings if _KNOWN in finding.evidence_ids and audience.members != "id"]
        return cls(audience, named, gone, withheld, keep, tuple(finding.statement for finding in past))

    @property
    def forbidden(self) -> frozenset[str]:
        """What may stand in no file of the copy."""
        return frozenset(self.named) | self.gone | self.values

    def tell(self, text: str) -> str:
        """A text as this reader may have it."""
        told = self.keep.tell(self._leave_unsaid(text))
        if not self.audience.few:
            return told
        said = _FEW.sub(r"fewer than 5 \2", told)
        return said[:1].upper() + said[1:] if said != told else told

    def _leave_unsaid(self, text: str) -> str:
        for said in self.unsaid:
            text = text.replace(f" {said}", "").replace(said, "")
        return text

    def forget(self, case: Case) -> Case:
        """The case without what it says of other cases, where this reader may not know of them."""
        kept = tuple(finding for finding in case.findings if finding.statement not in self.unsaid)
        return case.model_copy(update={"findings": kept, "bottom_line": self._leave_unsaid(case.bottom_line)})

    def call(self, accounts: Sequence[str]) -> tuple[str, ...]:
        """Accounts as this reader may know them; those that are not there are left out."""
        return tuple(sorted(self.named.get(account, account) for account in accounts if account not in self.gone))

    def row(self, cells: Sequence[Any]) -> list[Any] | None:
        """A row of a table; None where it is about an account that is not there."""
        if any(isinstance(cell, str) and cell in self.gone for cell in cells):
            return None
        return [self._cell(cell) for cell in cells]

    def _cell(self, cell: Any) -> Any:
        if isinstance(cell, str):
            return self.tell(cell)
        few = self.audience.few and isinstance(cell, int) and not isinstance(cell, bool) and 0 < cell < 5
        return "<5" if few else cell

    def case(self, case: Case) -> Case:
        """The case as this reader may have it."""
        case = self.forget(case)
        findings = tuple(
            finding.model_copy(
                update={
                    "statement": self.tell(finding.statement),
                    "basis": self.tell(finding.basis),
                    "alternatives": tuple(map(self.tell, finding.alternatives)),
                    "next_check": self.tell(finding.next_check),
                    "accounts": self.call(finding.accounts),
                    "reviewer": "",
                    "evidence_ids": tuple(
                        name for name in finding.evidence_ids if Path(name).stem in self.audience.tables
                    ),
                }
            )
            for finding in case.findings
        )
        actions = tuple(
            action.model_copy(
                update={
                    "account_id": self.named.get(action.account_id, action.account_id),
                    "reasons": tuple(map(self.tell, action.reasons)),
                    "innocent_explanation": self.tell(action.innocent_explanation),
                    "reviewer": "",
                }
            )
            for action in case.actions
            if action.account_id not in self.gone and "actions" in self.audience.tables
        )
        return case.model_copy(
            update={
                "seeds": self.call(case.seeds), "bottom_line": self.tell(case.bottom_line), "findings": findings,
                "actions": actions, "pivots": (), "reviews": (), "notes": "",
                "purpose": self.tell(case.purpose), "analyst": "withheld",
            }
        )  # fmt: skip


def _write(copy: _Copy, source: Path, folder: Path, case: Case, synthetic: bool) -> None:
    told = copy.case(case)
    write_case(told, folder / "case.json", synthetic=synthetic)
    (folder / "brief.md").write_text(
        write_brief(told, synthetic=synthetic, actions="actions" in copy.audience.tables), encoding="utf-8"
    )
    if copy.audience.bundle:
        tables = {path.stem: pl.read_parquet(path) for path in sorted(source.glob("*.parquet"))}
        write_stix(bundle_case(copy.forget(case), tables, synthetic=synthetic), folder / "stix.json")
    for name in copy.audience.tables:
        if (source / f"{name}.parquet").is_file():
            table = pl.read_parquet(source / f"{name}.parquet")
            if name == "findings":
                table = table.filter(pl.col("finding_id").is_in([finding.finding_id for finding in told.findings]))
            flat = spreadsheet_safe(_rename(copy, table))
            kept = [row for cells in flat.iter_rows() if (row := copy.row(cells)) is not None]
            text = pl.DataFrame(kept, schema=dict.fromkeys(flat.columns, pl.String), orient="row", strict=False)
            (folder / f"{name}.csv").write_bytes(b"\xef\xbb\xbf" + text.write_csv().encode())
    notebook = json.loads((source / "report.ipynb").read_bytes())
    page = render_page(
        {"cells": [_cell(copy, cell, told) for cell in notebook["cells"] if not _is_for_the_team(cell)]},
        title=f"{case.case_id}: copy for {copy.audience.name} readers",
        tlp=case.tlp,
        synthetic=synthetic,
        footer=f"Made for {copy.audience.name} readers from a longer report: manifest.json holds its fingerprint.",
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _rename(copy: _Copy, table: pl.DataFrame) -> pl.DataFrame:
    """Lists of accounts are called before they are flattened: then none is cut out of a longer text."""
    lists = [name for name in table.columns if name in _ACCOUNT_LISTS and table.schema[name] == pl.List(pl.String)]
    return table.with_columns(
        pl.Series(name, [list(copy.call(cell or ())) for cell in table[name].to_list()], dtype=pl.List(pl.String))
        for name in lists
    )


def _is_for_the_team(cell: Mapping[str, Any]) -> bool:
    """Notes, and who was met before, stay with the team: nobody can tell what is in them."""
    return TEAM_TAG in cell.get("metadata", {}).get("tags", [])


def _cell(copy: _Copy, cell: Mapping[str, Any], told: Case) -> dict[str, Any]:
    """One cell of the notebook for this reader."""
    if cell["cell_type"] != "code":
        return dict(cell)
    outputs = []
    for output in cell["outputs"]:
        block = output.get("data", {}).get(BLOCK_MIME)
        if block is not None:
            outputs.append(
                {"output_type": "display_data", "data": {BLOCK_MIME: _block(copy, block, told)}, "metadata": {}}
            )
    return {**cell, "source": cell["source"] if copy.audience.code else "", "outputs": outputs}


def _block(copy: _Copy, block: Mapping[str, Any], told: Case) -> dict[str, Any]:
    kind = block["kind"]
    if kind == "table":
        return _table(copy, block)
    if kind == "findings":
        return {**block, "findings": [finding.model_dump(mode="json") for finding in told.findings]}
    if kind in ("chart", "graph"):
        # A shortened name ends in an ellipsis: it is a part of an id, and no search would find it.
        texts = list(_strings(block))
        if copy.forbidden and any("…" in text or copy.keep.holds(text) for text in texts):
            return {"kind": "text", "paragraphs": [f"Left out for this reader: {copy.tell(block['caption'])}"]}
        return dict(block)
    if kind in ("card", "figures"):
        shown = [[copy.tell(str(part)) for part in item] for item in block["items"] if item[0] != "Analyst"]
        return {**block, "items": shown}
    return {**block, "paragraphs": [copy.tell(text) for text in block.get("paragraphs", [])]}


def _table(copy: _Copy, block: Mapping[str, Any]) -> dict[str, Any]:
    """A table without what was masked, and without rows about accounts that are not there."""
    open_ = [i for i, column in enumerate(block["columns"]) if not column["mask"]]
    rows = [row for cells in block["rows"] if (row := copy.row([cells[i] for i in open_])) is not None]
    left = len(open_) < len(block["columns"]) or len(rows) < len(block["rows"])
    said = f"{block['caption']}. Parts are left out for this reader" if left else block["caption"]
    columns = [{k: v for k, v in block["columns"][i].items() if k != "links"} for i in open_]
    texts = [{**column, "format": "text"} if copy.audience.few else column for column in columns]
    empty = block["empty"] if not block["rows"] else "All of it is left out for this reader."
    return {**block, "caption": copy.tell(said), "columns": texts, "rows": rows, "empty": empty}


def _known(source: Path, case: Case) -> tuple[frozenset[str], frozenset[str]]:
    """Every account and every personal value that the tables of a report name."""
    accounts = {*case.seeds, *(a.account_id for a in case.actions), *(x for f in case.findings for x in f.accounts)}
    values: set[str] = set()
    open_kinds = {kind.name for kind in KINDS.values() if kind.sensitivity < _PERSONAL}
    for path in sorted(source.glob("*.parquet")):
        table = pl.read_parquet(path)
        for name, dtype in table.schema.items():
            column = table[name]
            if dtype == pl.String and name in _ACCOUNT_COLUMNS:
                accounts |= set(column.drop_nulls().unique().to_list())
            elif dtype == pl.List(pl.String) and name in _ACCOUNT_LISTS:
                accounts |= set(column.explode().drop_nulls().unique().to_list())
            elif dtype == pl.String and name in KINDS and name not in open_kinds:
                values |= set(column.drop_nulls().unique().to_list())
            elif name == "evidence" and dtype == pl.List(pl.Struct) and column.explode().drop_nulls().len():
                values |= _personal(column.explode().drop_nulls().struct.unnest(), open_kinds)
        if {"kind", "value"} <= set(table.columns) and table.schema["value"] == pl.String:
            values |= _personal(table, open_kinds)
    return frozenset(filter(None, accounts)), frozenset(filter(None, values))


def _personal(table: pl.DataFrame, open_kinds: set[str]) -> set[str]:
    return set(table.filter(~pl.col("kind").is_in(sorted(open_kinds)))["value"].drop_nulls().unique().to_list())


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from _strings(value)
    elif isinstance(node, Sequence):
        for value in node:
            yield from _strings(value)


def _search(folder: Path, copy: _Copy) -> None:
    """Look once more for what must not be there, in every file as it will be read."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text) if path.suffix != ".csv" else text
        held = sorted(name for name in copy.forbidden if len(name) > 3 and name in text)
        if held and path.name != "stix.json":
            raise RunError(
                f"the copy would have held what {copy.audience.name} readers may not see: {len(held)} names in"
                f" {path.name}; nothing was written. This is a fault of the toolkit: please report it"
            )
