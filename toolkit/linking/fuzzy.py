"""Keys under which person-like fields agree although they were typed differently.

A field has a *type* (name, date, phone, ...). The type folds a value to what it means ("J. O'Hara" is ``johara``) and
has one or two *keyers*: functions from a folded value to keys, the finer first. Two values agree exactly when they
fold alike, at level 2 when they share a key of the first keyer (one typo), at level 3 of the second (sounds alike, same
words). Keys are ordinary values: written as observations, they link like any other, and common ones vanish by their
holders. The kinds of one field are nested, so that an exact agreement is not counted again as a near one.

Sources: deletion neighbourhoods (Mor & Fraenkel 1982): two words with a common one-letter deletion are at most one
letter apart, two when letters move; the rest is folding.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import polars as pl

from toolkit.errors import InputError, UnknownNameError, nearest
from toolkit.model.tables import UTC, Observations, conform, empty
from toolkit.settings import Kind

__all__ = [
    "FIELD_TYPES",
    "FieldType",
    "declare_kinds",
    "fold_date",
    "fold_email",
    "fold_letters",
    "fold_phone",
    "fold_words",
    "list_typo_keys",
    "observe_people",
    "sound_of",
]

LONGEST = 128
"""Characters of a value that count; the fields of a person are shorter, and hostile ones are not."""

SHORTEST_TYPO = 3
"""Shorter values have no near ones: half of all two-letter words are one typo apart."""

_SOUNDS: Final = MappingProxyType(
    {c: sound for sound, letters in enumerate(["bfpv", "cgjkqsxz", "dt", "l", "mn", "r"], 1) for c in letters}
)
_NO_DOTS: Final = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True, slots=True)
class FieldType:
    """How values of one type are folded and keyed.

    Attributes
    ----------
    fold : callable
        From a value to its folded form; empty if it says nothing.
    keyers : tuple of callables
        From a folded value to its keys, the finest first.
    family : str
        What fails together: the address moves as one.
    m : float
        P(the same person's second record repeats it exactly).
    cap : float
        Most bits.
    """

    fold: Callable[[str], str]
    keyers: tuple[Callable[[str], Iterable[str]], ...]
    family: str
    m: float
    cap: float


def fold_letters(value: str) -> str:
    """Fold to letters and digits: case, accents, spaces and punctuation go.

    Examples
    --------
    >>> fold_letters("  José O'Hara-Łuk "), fold_letters("ＡＢ１")
    ('joseoharaluk', 'ab1')
    """
    return "".join(fold_words(value).split())


def fold_words(value: str) -> str:
    """Fold to words of letters and digits with one space between.

    Examples
    --------
    >>> fold_words("12/3, Pridham  St.")
    '12 3 pridham st'
    """
    plain = unicodedata.normalize("NFKD", value[:LONGEST]).casefold().translate(_STROKES)
    kept = "".join(c if c.isalnum() else "" if unicodedata.combining(c) or c == "'" else " " for c in plain)
    return " ".join(kept.split())


_STROKES: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})


def fold_email(value: str) -> str:
    """Fold an address: case, the +tag, and the dots that some providers do not read.

    Examples
    --------
    >>> fold_email("J.Doe+shop@GoogleMail.com"), fold_email("j.doe@x.org"), fold_email("no address")
    ('jdoe@gmail.com', 'j.doe@x.org', '')
    """
    local, at, domain = unicodedata.normalize("NFKC", value[:LONGEST]).strip().casefold().rpartition("@")
    local = local.split("+", 1)[0]
    if domain in _NO_DOTS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if at and local and domain else ""


def fold_phone(value: str) -> str:
    """Fold a number to its last nine digits: country code and trunk zero are written or not.

    Examples
    --------
    >>> fold_phone("+61 (0)412 345 678") == fold_phone("0412-345-678"), fold_phone("12")
    (True, '')
    """
    digits = _digits(value)
    return digits[-9:] if len(digits) >= 7 else ""


def fold_date(value: str) -> str:
    """Fold a date to eight digits, the year first where that can be told.

    Examples
    --------
    >>> fold_date("1980-03-12"), fold_date("12/03/1980"), fold_date("19800312"), fold_date("1980-3-2")
    ('19800312', '19800312', '19800312', '19800302')
    """
    parts = [p for p in fold_words(value).split() if p.isdecimal() and p.isascii()][:3]
    if len(parts) == 3:
        if len(parts[2]) == 4:
            parts = parts[::-1]
        return "".join(p.zfill(2) for p in parts)
    return _digits(value)[:8]


def list_typo_keys(value: str) -> list[str]:
    """Return the keys that values one typo apart share: the value, and the value less one letter.

    Examples
    --------
    >>> sorted(set(list_typo_keys("marta")) & set(list_typo_keys("matra")))
    ['mara', 'mata']
    >>> bool(set(list_typo_keys("marta")) & set(list_typo_keys("molly"))), list_typo_keys("jo")
    (False, ['jo'])
    """
    if len(value) < SHORTEST_TYPO:
        return [value]
    return sorted({value, *(value[:i] + value[i + 1 :] for i in range(len(value)))})


def sound_of(value: str) -> str:
    """Return a key that words which sound alike share: the first letter and the consonant classes that follow.

    Examples
    --------
    >>> sound_of("catherine") == sound_of("cathryn"), sound_of("smith"), sound_of("smyth")
    (True, 's53', 's53')
    """
    classes = [_SOUNDS.get(c, 0) for c in value]
    said = [c for c, before in zip(classes[1:], classes, strict=False) if c and c != before]
    return value[:1] + "".join(map(str, said))


def _digits(value: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", value[:LONGEST]) if "0" <= c <= "9")


def _squeezed_typos(value: str) -> list[str]:
    return list_typo_keys(value.replace(" ", ""))


def _date_typos(value: str) -> list[str]:
    turned = [value[:4] + value[6:8] + value[4:6]] if len(value) == 8 else []
    return sorted({*list_typo_keys(value), *(min(value, other) for other in turned)})


def _email_locals(value: str) -> list[str]:
    return [value.split("@", 1)[0].replace(".", "")]


def _sounds_and_letters(value: str) -> list[str]:
    return [f"sound {sound_of(value)}", f"letters {''.join(sorted(value))}"]


def _long_words(value: str) -> list[str]:
    return sorted({word for word in value.split() if len(word) >= 4})


FIELD_TYPES: Final[Mapping[str, FieldType]] = MappingProxyType(
    {
        "name": FieldType(fold_letters, (list_typo_keys, _sounds_and_letters), "name", 0.6, 8.0),
        "date": FieldType(fold_date, (_date_typos,), "birth", 0.85, 10.0),
        "address": FieldType(fold_words, (_squeezed_typos, _long_words), "address", 0.5, 8.0),
        "number": FieldType(fold_letters, (list_typo_keys,), "address", 0.7, 6.0),
        "identifier": FieldType(fold_letters, (list_typo_keys,), "identity", 0.8, 14.0),
        "email": FieldType(fold_email, (list_typo_keys, _email_locals), "reg", 0.5, 12.0),
        "phone": FieldType(fold_phone, (list_typo_keys,), "reg", 0.5, 10.0),
        "code": FieldType(fold_letters, (), "code", 0.8, 6.0),
    }
)
"""Field types by name. The m are starting priors: :mod:`toolkit.linking.em` learns them."""

_SUFFIXES = ("", "_near", "_loose")
_SHARES = (1.0, 0.3, 0.1)  # of m: most repeats are exact


def type_of(name: str) -> FieldType:
    """Return a field type by name, or say which was meant.

    Examples
    --------
    >>> type_of("nane")
    Traceback (most recent call last):
    toolkit.errors.UnknownNameError: no field type 'nane': did you mean 'name'?
    """
    if name not in FIELD_TYPES:
        raise UnknownNameError("field type", name, FIELD_TYPES)
    return FIELD_TYPES[name]


def declare_kinds(fields: Mapping[str, str]) -> dict[str, Kind]:
    """Declare the kinds that :func:`observe_people` writes.

    Parameters
    ----------
    fields : mapping of str to str
        Column to field type (a name of ``FIELD_TYPES``).

    Returns
    -------
    dict of str to Kind
        ``{column}``, ``{column}_near``, ``{column}_loose``, as far as the type goes. Each is nested in the one before;
        all fields of a family fail together, and only exact and near agreements count as a reason of their own.

    Raises
    ------
    UnknownNameError
        If a type does not exist.

    Examples
    --------
    >>> [(k.name, k.family, k.nested_in) for k in declare_kinds({"phone": "phone"}).values()]
    [('phone', 'reg', None), ('phone_near', 'reg', 'phone')]
    """
    kinds = {}
    for column, name in fields.items():
        of = type_of(name)
        before = None
        for level in range(1 + len(of.keyers)):
            kind = column + _SUFFIXES[level]
            m, cap = of.m * _SHARES[level], of.cap * (1 - 0.25 * level)
            kinds[kind] = Kind(
                kind, of.family, "pool", m, 1e-4 * 10**level, cap, 60, nested_in=before, sensitivity=2,
                corroborates=level < 2,
            )  # fmt: skip
            before = kind
    return kinds


def observe_people(frame: pl.DataFrame, fields: Mapping[str, str], *, source: str = "people") -> pl.DataFrame:
    """Write person-like fields as observations, under exact and under typing-error keys.

    Parameters
    ----------
    frame : polars.DataFrame
        ``account_id`` and a text column per field; ``event_at`` (UTC) if the time is known. An account may have many
        rows.
    fields : mapping of str to str
        Column to field type (a name of ``FIELD_TYPES``).
    source : str
        What the rows say they come from.

    Returns
    -------
    polars.DataFrame
        Contract ``Observations``; the kinds are those of :func:`declare_kinds`. Blank values, and values that fold to
        nothing, are no observations. Order: account_id, kind, value, source.

    Raises
    ------
    InputError
        If a column is missing or is not text.
    UnknownNameError
        If a type does not exist.

    Examples
    --------
    >>> frame = pl.DataFrame({"account_id": ["a", "b"], "email": ["J.Doe+x@gmail.com", "jdoe@gmail.com"]})
    >>> found = observe_people(frame, {"email": "email"})
    >>> found.filter(pl.col("kind") == "email").select("account_id", "value").rows()
    [('a', 'jdoe@gmail.com'), ('b', 'jdoe@gmail.com')]
    """
    require_text(frame, ["account_id", *fields])
    at = pl.col("event_at").cast(UTC) if "event_at" in frame.columns else pl.lit(None, UTC)
    parts = []
    for column, name in fields.items():
        of = type_of(name)
        values = frame.get_column(column).unique().drop_nulls().sort()
        folded = [of.fold(value) for value in values.to_list()]
        for level, keyer in enumerate([lambda value: [value], *of.keyers]):
            keys = [(v, key) for v, f in zip(values, folded, strict=True) if f for key in keyer(f) if key]
            table = pl.DataFrame(keys, schema={column: pl.String, "value": pl.String}, orient="row")
            parts.append(
                frame.lazy()
                .select("account_id", column, at.alias("at"))
                .join(table.lazy(), on=column)
                .group_by("account_id", "value")
                .agg(
                    pl.lit(column + _SUFFIXES[level]).alias("kind"),
                    pl.col("at").min().alias("first_at"),
                    pl.col("at").max().alias("last_at"),
                    pl.len().cast(pl.Int64).alias("n"),
                    pl.lit(source).alias("source"),
                )
                .collect()
            )
    if not parts:
        return empty(Observations)
    return conform(
        pl.concat(part.select(list(Observations.columns())) for part in parts).sort("account_id", "kind", "value"),
        Observations,
    )


def require_text(frame: pl.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a frame that lacks one of these columns, or has it as something else than text."""
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"no column {column!r} in this frame: {nearest(column, frame.columns)}")
        if frame.schema[column] not in (pl.String, pl.Null):
            raise InputError(f"column {column!r} is {frame.schema[column]}, not text: cast it before (ids are strings)")
