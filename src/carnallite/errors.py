"""Every error we raise on purpose.

::

    CarnalliteError
    ├── DataFileError     one of our own data files is wrong (a defect of the house)
    ├── UnitError         a unit is missing, unknown, or of the wrong kind for its quantity
    ├── RecordRefused     a record cannot be read at all; exit code 3
    ├── ScenarioError     a scenario cannot be understood; exit code 2
    ├── PlanError         a plan cannot be understood; exit code 2
    ├── ExtraMissing      an optional package, or a library that it needs, is not installed
    ├── SettingError      a setting of the service cannot be used; exit code 2
    ├── Refused           somebody called the service who could not show who they are
    ├── FetchFailed       another server was not asked, or did not answer as it should
    ├── StoreFailed       the audit log, or what is kept beside it, cannot be written or read
    └── UnknownIdError    somebody asked for an id that does not exist

Each message says where, what, and what to do. No message ever holds text from a patient's record.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class CarnalliteError(Exception):
    """Say where something is wrong, what it is, and what to do about it."""

    def __init__(self, where: str, what: str, do: str = "") -> None:
        self.where, self.what, self.do = where, what, do
        super().__init__(f"{where}: {what}" + (f" {do}" if do else ""))


class DataFileError(CarnalliteError):
    """One of our own data files is wrong."""


class UnitError(CarnalliteError):
    """A unit is missing, unknown, or of the wrong kind for its quantity."""


class RecordRefused(CarnalliteError):
    """A record cannot be read at all."""


class ScenarioError(CarnalliteError):
    """A scenario cannot be understood."""


class PlanError(CarnalliteError):
    """A plan cannot be understood."""


class ExtraMissing(CarnalliteError):
    """An optional package, or a library of the system that it needs, is not installed."""


class SettingError(CarnalliteError):
    """A setting of the service cannot be used."""


class _Coded(CarnalliteError):
    """Say why by a code: it enters the audit log, never an answer."""

    def __init__(self, where: str, code: str) -> None:
        self.code = code
        super().__init__(where, code)


class Refused(_Coded):
    """Somebody called the service who could not show who they are."""


class FetchFailed(_Coded):
    """Another server was not asked, or did not answer as it should."""


class StoreFailed(CarnalliteError):
    """The audit log, or what is kept beside it, cannot be written or read."""


class UnknownIdError(CarnalliteError):
    """Somebody asked for an id that does not exist."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean 'x'?` for the nearest known name, or an empty string.

    >>> did_you_mean("facter", ["factor", "target"])
    "Did you mean 'factor'?"
    >>> did_you_mean("zzz", ["factor"])
    ''
    """
    near = get_close_matches(name, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""
