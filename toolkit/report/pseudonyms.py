"""Names under which accounts leave the house: the same account, the same name; only the key leads back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from toolkit.errors import InputError, visible

__all__ = ["make_pseudonyms", "read_key"]

_LENGTH: Final = 8
_LONGEST: Final = 52
_MIN_KEY: Final = 32


def make_pseudonyms(accounts: Iterable[str], key: bytes) -> dict[str, str]:
    """Give each account a name that only the key connects with it.

    Parameters
    ----------
    accounts : iterable of str
        Ids.
    key : bytes
        32 bytes or more. The same key gives the same names in every case; give each partner a key of its own, or they
        can lay their reports side by side.

    Returns
    -------
    dict of str to str
        ``P-`` and eight letters or digits of HMAC-SHA256; more of them where two accounts would have the same name, or
        a name is itself an account.

    Raises
    ------
    InputError
        If the key is too short.

    Examples
    --------
    >>> make_pseudonyms(["acct_1"], b"0" * 32)
    {'acct_1': 'P-QHZBU7AX'}
    """
    if len(key) < _MIN_KEY:
        raise InputError(f"a key has {_MIN_KEY} bytes or more, found {len(key)}: a short one can be guessed")
    once = sorted(set(accounts))
    whole = {account: _digest(account, key) for account in once}
    for length in range(_LENGTH, _LONGEST + 1):
        names = {account: f"P-{whole[account][:length]}" for account in once}
        if len(set(names.values())) == len(once) and not set(names.values()) & set(once):
            return names
    raise InputError("an account has the very name that another one would be given: take another key")


def _digest(account: str, key: bytes) -> str:
    return (
        base64.b32encode(hmac.digest(key, account.encode("utf-8", "surrogatepass"), hashlib.sha256))
        .decode()
        .rstrip("=")
    )


def read_key(path: str | Path, *, make: bool = False) -> bytes:
    """Read the key for pseudonyms from a file of its own.

    Parameters
    ----------
    path : str or path
        64 hexadecimal digits or more.
    make : bool
        Make one where there is none, readable by its owner only.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If there is none, it is no key, or others can read it.

    Examples
    --------
    >>> read_key("no/key")
    Traceback (most recent call last):
    toolkit.errors.InputError: no key at key: --new-key makes one; keep it where only you can read it
    """
    file = Path(path)
    if make and not file.exists():
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(secrets.token_hex(_MIN_KEY) + "\n")
    try:
        text = file.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except FileNotFoundError:
        raise InputError(
            f"no key at {visible(file.name)}: --new-key makes one; keep it where only you can read it"
        ) from None
    except ValueError:
        raise InputError(f"{visible(file.name)} is no key: want {2 * _MIN_KEY} hexadecimal digits") from None
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise InputError(f"others can read {visible(file.name)}: chmod 600 it")
    return key
