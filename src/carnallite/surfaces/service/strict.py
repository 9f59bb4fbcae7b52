"""Is this JSON that everybody reads alike? Depth, nodes, long numbers, NaN, double keys, lone surrogates, byte marks.

What is well is seen in C; only where something is wrong the text is read again, slowly, to say where.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec
import numpy as np

from carnallite.surfaces.service.refusal import Refusal

DEPTH, NODES, DIGITS = 64, 200_000, 32
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONG = re.compile(rb"[-+.0-9eE]{%d,}" % (DIGITS + 1))
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(
    r'[ \t\n\r]*("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"|[-+.0-9A-Za-z]+|[\[\]{}:,]|.|$)', re.DOTALL
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WHOLE = msgspec.json.Decoder()


def check(data: bytes) -> None:
    """Pass what is plain JSON within the limits.

    Raises
    ------
    Refusal
        400, with the JSON pointer of the first place that is wrong.
    """
    text = _text(data)
    bare = _STRING.sub(b"0", data)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > NODES:
        _refuse("", f"it has more than {NODES} values.", "Send less.")
    if _depth(bare) > DEPTH or _LONG.search(bare) or not _is_plain(data, bare, text):
        _Reader(text).read()
        _refuse("", "it is not JSON.", "Send one JSON value.")


def read_slowly(data: bytes) -> None:
    """Pass the same as `check`, by reading every value: it knows where something is wrong.

    Raises
    ------
    Refusal
        400, with the JSON pointer of the first place that is wrong.
    """
    _Reader(_text(data)).read()


def _text(data: bytes) -> str:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse("", "it begins with a byte order mark.", "Send UTF-8 without one.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("", "it is not UTF-8.", "Send UTF-8.")


def _depth(bare: bytes) -> int:
    """Return how deep brackets are nested."""
    signs = np.frombuffer(bare, np.uint8) | np.uint8(0x20)  # makes [ of {, and ] of }
    steps = (signs == ord("{")).astype(np.int32) - (signs == ord("}"))
    return int(np.cumsum(steps).max(initial=0))


def _is_plain(data: bytes, bare: bytes, text: str) -> bool:
    """Return whether C takes it, and finds as many keys as stand there: a key that stands twice is one key less."""
    try:
        value = _WHOLE.decode(data)
        again = _STRING.sub(b"0", msgspec.json.encode(value))
        return again.count(b":") == bare.count(b":") and not ("\\u" in text and _has_surrogate(json.loads(text)))
    except (ValueError, RecursionError):
        return False


def _has_surrogate(value: Any) -> bool:
    return _SURROGATE.search(json.dumps(value, ensure_ascii=False)) is not None


def _refuse(pointer: str, what: str, do: str) -> NoReturn:
    raise Refusal(400, "structure", pointer or "/", what, do)


class _Reader:
    """Read a text from the front until something is wrong, and say where."""

    def __init__(self, text: str) -> None:
        self.text, self.place, self.path = text, 0, list[str]()

    def read(self) -> None:
        """Raise a refusal at the first wrong place; return where there is none."""
        self._value(self._next())
        if self._next():
            self._stop("something follows the value.", "Send one JSON value.")

    def _next(self) -> str:
        match = _TOKEN.match(self.text, self.place)
        self.place = match.end() if match else len(self.text)
        return match[1] if match else ""

    def _stop(self, what: str, do: str) -> NoReturn:
        _refuse("".join(f"/{part}" for part in self.path), what, do)

    def _value(self, token: str) -> None:
        if token in {"{", "["} and len(self.path) >= DEPTH:
            self._stop(f"it is nested more than {DEPTH} deep.", "Send it flatter.")
        if token == "{":
            self._object()
        elif token == "[":
            self._array()
        elif token.startswith('"'):
            self._string(token)
        elif token not in {"true", "false", "null"}:
            self._number(token)

    def _number(self, token: str) -> None:
        if token.lstrip("-+") in {"NaN", "Infinity"}:
            self._stop("NaN and Infinity are no JSON.", "Leave the value out.")
        if len(token) > DIGITS:
            self._stop(f"a number is longer than {DIGITS} characters.", "Round it.")
        if not _NUMBER.fullmatch(token):
            self._stop("it is not JSON.", "Correct it.")

    def _string(self, token: str) -> str:
        try:
            text = str(json.loads(token))
        except ValueError:
            self._stop("a text is not valid.", "Correct it.")
        if _SURROGATE.search(text):
            self._stop("a text holds half of a character.", "Send whole characters.")
        return text

    def _array(self) -> None:
        token, number = self._next(), 0
        while token != "]":
            self.path.append(str(number))
            self._value(token)
            self.path.pop()
            number += 1
            token = self._next()
            if token == ",":
                token = self._next()
                if token == "]":
                    self._stop("a comma stands before the end.", "Remove it.")
            elif token != "]":
                self._stop("it is not JSON.", "Correct it.")

    def _object(self) -> None:
        token, keys = self._next(), set[str]()
        while token != "}":
            if not token.startswith('"'):
                self._stop("a key is missing.", "Correct it.")
            key = self._string(token)
            self.path.append(_escaped(key))
            if key in keys:
                self._stop("a key stands twice.", "Send it once.")
            keys.add(key)
            if self._next() != ":":
                self._stop("it is not JSON.", "Correct it.")
            self._value(self._next())
            self.path.pop()
            token = self._next()
            if token == ",":
                token = self._next()
                if token == "}":
                    self._stop("a comma stands before the end.", "Remove it.")
            elif token != "}":
                self._stop("it is not JSON.", "Correct it.")


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")


def _escaped(key: str) -> str:
    """Return a key as a part of a pointer; one that is no plain name could be a text of somebody's."""
    return key if _NAME.fullmatch(key) else "*"
