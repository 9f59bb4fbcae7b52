"""One TOML file -> one frozen value, or an error naming file, key and remedy.

Parsing a thousand small files at every start would be slow, so what was read and checked once is kept, like
Python's own byte code, in ``__pycache__`` beside the files, and used while no file has changed.
"""

from __future__ import annotations

import re
import tomllib
from hashlib import blake2b
from os import scandir
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from carnallite.errors import DataFileError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T", bound=msgspec.Struct)


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one data file holds; the stem of the file is its `id`."""

    id: str
    name: str


def read(path: Path, kind: type[T]) -> T:
    """Return the checked content of one data file.

    Raises
    ------
    DataFileError
        The file is not TOML, has an unknown or missing key, a value of the wrong kind, or an `id` that is not
        the stem of its name.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(path.name, f"not TOML: {error}.", "Mend that line.") from None
    try:
        item = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise DataFileError(path.name, *_explain(str(error), kind)) from None
    id = getattr(item, "id", path.stem)
    if id != path.stem:
        raise DataFileError(path.name, f"`id` is '{id}'.", f"Use the stem of the file, '{path.stem}'.")
    return item


def read_folder(folder: Path, kind: type[T]) -> dict[str, T]:
    """Return every data file of a folder by its id, in the order of their ids.

    Raises
    ------
    DataFileError
        As `read`.
    """
    return {path.stem: read(path, kind) for path in sorted(folder.glob("*.toml"))}


def resolve(file: str, key: str, name: str, pool: Iterable[str]) -> None:
    """Refuse a name that is not in a pool of names.

    Raises
    ------
    DataFileError
        It is not there; the message suggests the nearest one.
    """
    if name not in pool:
        raise DataFileError(file, f"`{key}`: '{name}' does not exist.", did_you_mean(name, pool) or "Add its file.")


def compiled(folder: Path, kind: type[T], build: Callable[[Path], T]) -> T:
    """Return `build(folder)`, or what it returned before if no file below `folder` has changed since.

    The copy lies in ``__pycache__`` and is named after sizes and times of all files, so an old one is never used;
    where nothing can be written the files are simply parsed again.
    """
    cache = folder / "__pycache__"
    stamp = _fingerprint(folder) + blake2b(repr(_shape(kind)).encode(), digest_size=4).hexdigest()
    file = cache / f"{kind.__name__}-{stamp}.msgpack"
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        pass
    value = build(folder)
    try:
        cache.mkdir(exist_ok=True)
        for old in cache.glob(f"{kind.__name__}-*.msgpack"):
            old.unlink(missing_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(msgspec.msgpack.encode(value))
        part.replace(file)
    except OSError:
        pass
    return value


def _fingerprint(folder: Path) -> str:
    digest = blake2b(digest_size=12)
    pending = [str(folder)]
    while pending:
        with scandir(pending.pop()) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir() and entry.name != "__pycache__":
                    pending.append(entry.path)
                elif entry.name.endswith((".toml", ".py")):
                    stat = entry.stat()
                    digest.update(f"{entry.path}|{stat.st_size}|{stat.st_mtime_ns};".encode())
    return digest.hexdigest()


def _shape(kind: Any, seen: frozenset[Any] = frozenset()) -> list[Any]:
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct) or kind in seen:
        return [str(kind)]
    return [(f.name, str(f.type)) for f in msgspec.structs.fields(kind)]


def _explain(message: str, kind: type[Any]) -> tuple[str, str]:
    """Turn a validation message into what is wrong and what to do."""
    text, _, where = message.partition(" - at ")
    where = where.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.search(r"unknown field `(.+?)`", text)
    if unknown:
        key = f"{where}.{unknown[1]}".lstrip(".")
        return f"`{key}`: no such key.", did_you_mean(unknown[1], _keys(kind)) or "Remove it."
    missing = re.search(r"missing required field `(.+?)`", text)
    if missing:
        return f"`{f'{where}.{missing[1]}'.lstrip('.')}` is missing.", "Add it."
    return f"`{where}`: {text[0].lower()}{text[1:]}.", "Give a value of that kind."


def _keys(kind: Any, seen: set[Any] | None = None) -> set[str]:
    seen = set() if seen is None else seen
    names: set[str] = set()
    for inner in getattr(kind, "__args__", ()):
        names |= _keys(inner, seen)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            names |= {field.name} | _keys(field.type, seen)
    return names
