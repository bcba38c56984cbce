"""Reading a mapping's YAML as data that cannot surprise: every scalar stays text.

YAML's own types turn ``00123`` into 83, ``no`` into False and ``12:30:45`` into 45045. Here nothing is typed: the
document becomes dicts, lists and strings, with its size, depth and aliases capped, and a key that is written twice is
a fault instead of the last one winning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from toolkit.errors import MappingError, visible

__all__ = ["read_yaml_text"]

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 20
MAX_ALIASES: Final = 20


def read_yaml_text(text: str | bytes, name: str = "mapping") -> Any:
    """Read one YAML (or JSON) document; every scalar comes back as a string.

    Parameters
    ----------
    text : str or bytes
        The document, UTF-8.
    name : str
        What to call it in messages.

    Returns
    -------
    dict, list or str

    Raises
    ------
    MappingError
        If it is not YAML, is over a cap (1 MB, 20 levels, 20 aliases), or writes a key twice.

    Examples
    --------
    >>> read_yaml_text("{zip: 00123, on: 12:30:45}")
    {'zip': '00123', 'on': '12:30:45'}
    """
    size = len(text)
    if size > MAX_BYTES:
        raise MappingError(f"{name}: {size:,} bytes; a mapping has at most {MAX_BYTES:,}: is this the right file?")
    try:
        source = text.decode("utf-8") if isinstance(text, bytes) else text
        depth = aliases = 0
        for event in yaml.parse(source, Loader=yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            aliases += isinstance(event, yaml.AliasEvent)
            if depth > MAX_DEPTH or aliases > MAX_ALIASES:
                raise MappingError(
                    f"{name}: more than {MAX_DEPTH} levels or {MAX_ALIASES} aliases: write the tables out, "
                    "without anchors"
                )
        node = yaml.compose(source, Loader=yaml.BaseLoader)
    except UnicodeDecodeError as error:
        raise MappingError(f"{name}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise MappingError(f"{name}: not valid YAML: {visible(str(error).replace(chr(10), ' '), 300)}") from error
    faults: list[str] = []
    plain = _plain(node, faults) if node is not None else {}
    if faults:
        raise MappingError(f"{name}: {len(faults)} key(s) are written twice", faults)
    return plain


def read_yaml_file(path: Path) -> Any:
    """Read a YAML file as :func:`read_yaml_text` does, without reading more of it than the cap.

    Raises
    ------
    MappingError
        If it cannot be read, or as above.
    """
    try:
        with path.open("rb") as handle:
            return read_yaml_text(handle.read(MAX_BYTES + 1), path.name)
    except OSError as error:
        raise MappingError(f"{path.name}: cannot be read: {error.strerror or error}") from error


def _plain(node: Any, faults: list[str]) -> Any:
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in out:
                faults.append(f"line {key_node.start_mark.line + 1}: {visible(key)!r}")
            out[key] = _plain(value_node, faults)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, faults) for item in node.value]
    return node.value
