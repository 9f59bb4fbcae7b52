"""What workers do: take a delivery, make the rows of a part, answer a part. One file in, one file out.

A file says in its metadata what it was made of, so that nothing is made twice and nothing old is taken for new.
Nothing is raised across processes: a job that fails says why.
"""

from __future__ import annotations

import io
import shutil
from collections import Counter
from datetime import datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from carnallite import __version__
from carnallite.assessment import Depth
from carnallite.errors import CarnalliteError, RecordRefused
from carnallite.knowledge import edition
from carnallite.quantity import analytes
from carnallite.record import Issue, rows_of
from carnallite.record.warehouse import Delivery, Form, arrow, load, readings, take
from carnallite.surfaces.screening import kept
from carnallite.surfaces.screening.episodes import NOW, earlier, named, parted
from carnallite.surfaces.screening.screen import screen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from carnallite.record import Reading, Timeline
    from carnallite.record.entry import Entry

MADE_OF, QUALITY = b"made_of", b"quality"
Episodes = Literal["now", "all"]


class Failure(msgspec.Struct, frozen=True):
    """Why a job could not be done; `is_fatal` if no other one can be done either."""

    where: str
    what: str
    do: str
    is_fatal: bool = False


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a job did."""

    name: str
    people: int = 0
    failure: Failure | None = None


class Take(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Sort a delivery into parts."""

    form: Form
    delivery: Delivery
    into: Path
    count: int
    since: datetime | None = None

    @property
    def name(self) -> str:
        """Return what the job is called in messages."""
        return self.delivery.name

    def work(self) -> int:
        """Do it, and return how many people it was about: not known yet."""
        waiting = kept.waiting_for(self.into)
        take(self.form, self.delivery, waiting, count=self.count, since=self.since)
        if self.into.exists():
            shutil.rmtree(self.into)
        waiting.replace(self.into)
        kept.settle(self.into.parent)
        return 0


class Make(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Make the rows of one part."""

    form: Form
    folders: tuple[Path, ...]
    part: int
    into: Path
    made_of: str
    now: datetime | None
    local: dict[str, str]
    episodes: Episodes

    @property
    def name(self) -> str:
        """Return what the job is called in messages."""
        return f"rows/{self.into.name}"

    def work(self) -> int:
        """Do it, and return how many people it was about."""
        loaded = load(self.form, self.folders, self.part)
        quality = Quality(strays=len(loaded.strays), deleted=loaded.deleted)
        quality.count_issues(loaded.issues)
        found: list[tuple[str, Timeline]] = []
        for key, reading in readings(loaded, now=self.now, local=self.local):
            if isinstance(reading, RecordRefused):
                quality.undated += 1
                continue
            quality.add(reading, loaded.entries.get(key, []))
            found.append((key, reading.timeline))
            if self.episodes == "all":
                one = msgspec.structs.replace(loaded, people={key: loaded.people[key]}, issues=[], strays=[])
                for end in earlier(reading.timeline):
                    (_, then), *_ = readings(one, now=end, local=self.local)
                    if not isinstance(then, RecordRefused):
                        found.append((named(key, end), then.timeline))
        save(self.into, rows_of(found), self.made_of, quality)
        return quality.people


class Answer(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answer one part."""

    rows: Path
    into: Path
    made_of: str
    depth: Depth
    library: str | None

    @property
    def name(self) -> str:
        """Return what the job is called in messages."""
        return f"answers/{self.into.name}"

    def work(self) -> int:
        """Do it, and return how many people it was about."""
        answers = screen(arrow("pyarrow.parquet").read_table(self.rows), depth=self.depth)
        used = {one for one in answers.column("library").unique().to_pylist() if one is not None}
        if used - {self.library}:
            do = "Build the same library on every machine: carnallite library build"
            raise OtherLibrary(self.into.name, f"a worker used the library {used.pop()}, not {self.library}.", do)
        save(self.into, answers, self.made_of)
        return int(
            arrow("pyarrow.compute").sum(arrow("pyarrow.compute").equal(answers.column("episode"), "now")).as_py() or 0
        )


Job = Take | Make | Answer


class OtherLibrary(CarnalliteError):
    """A worker has another library of virtual patients than the run."""


def perform(job: Job) -> Done:
    """Do a job and say what became of it."""
    try:
        return Done(name=job.name, people=job.work())
    except CarnalliteError as error:
        fatal = not isinstance(error, RecordRefused)
        return Done(name=job.name, failure=Failure(error.where, error.what, error.do, is_fatal=fatal))
    except OSError as error:
        if isinstance(job, Take) and error.filename and Path(error.filename) == Path(job.delivery.place):
            why = f"it cannot be read ({error.strerror or 'the system refused'})."
            return Done(name=job.name, failure=Failure(job.name, why, "Check its rights."))
        what = f"cannot be written ({error.strerror or 'the system refused'})."
        do = "Make room or check rights, then run the same command again: it goes on from here."
        return Done(name=job.name, failure=Failure(job.name, what, do, is_fatal=True))


class Quality(msgspec.Struct, kw_only=True):
    """What was read of so many people, and what could not be used; counts alone."""

    people: int = 0
    undated: int = 0  # people of whom nothing has a date
    strays: int = 0  # lines about nobody
    lines: dict[str, int] = {}  # by kind
    results: dict[str, int] = {}  # by quantity
    issues: dict[str, int] = {}  # by code, and by quantity where it is about one: "implausible serum_magnesium"
    unmapped: dict[str, int] = {}  # codes that no data file knows, by kind of line
    deleted: dict[str, int] = {}  # resources that the source deleted, with those of people whom it deleted, by type
    deleted_unknown: int = 0  # deletions of what was never delivered

    def add(self, reading: Reading, entries: list[Entry]) -> None:
        """Count one person."""
        self.people += 1
        _more(self.lines, Counter(entry.kind for entry in entries))
        _more(self.results, Counter(one.quantity for one in reading.timeline.observations if one.basis != "derived"))
        self.count_issues(issue for issue in reading.issues if issue.code != "not_read")
        missed = {line.where for line in reading.timeline.unread}
        _more(self.unmapped, Counter(_code(entry) for entry in entries if entry.where in missed))
        if missed:
            _more(self.issues, {"not_read": len(reading.timeline.unread)})

    def count_issues(self, issues: Iterable[Issue]) -> None:
        """Count what could not be used."""
        _more(self.issues, Counter(f"{one.code} {_about(one)}".strip() for one in issues))

    def join(self, other: Quality) -> None:
        """Add the counts of another part."""
        for name in ("people", "undated", "strays"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("lines", "results", "issues", "unmapped", "deleted"):
            _more(getattr(self, name), getattr(other, name))


def _more(counts: dict[str, int], others: Mapping[str, int]) -> None:
    for name, count in others.items():
        counts[name] = counts.get(name, 0) + count


@cache
def _named() -> dict[str, str]:
    return {one.name: id for id, one in analytes().items()}


def _about(issue: Issue) -> str:
    """Return the quantity that an issue is about: its words begin with the name of one."""
    return _named().get(issue.what.split(":")[0], "")


def _code(entry: Entry) -> str:
    """Return the code of a line that is not known; its text is left out, for it may be anything."""
    codes = [f"{system} {code}" for system, code in entry.codes]
    return f"{entry.kind}: {codes[0] if codes else 'no code'}"


def made_of(*parts: object) -> str:
    """Return what a file is made of: everything that could change a byte of it."""
    told = msgspec.json.encode([__version__, edition(), *parts])
    return blake2b(told, digest_size=12).hexdigest()


def save(file: Path, table: pa.Table, what: str, quality: Quality | None = None) -> None:
    """Write a table as Parquet with what it was made of; it appears whole or not at all."""
    said = {**(table.schema.metadata or {}), MADE_OF: what}
    if quality is not None:
        said[QUALITY] = msgspec.json.encode(quality, order="deterministic")
    content = io.BytesIO()
    arrow("pyarrow.parquet").write_table(table.replace_schema_metadata(said), content, compression="zstd")
    kept.write(file, content.getvalue())


def counted(file: Path) -> Quality:
    """Return how many people stand in rows that do not say it."""
    table = arrow("pyarrow.parquet").read_table(file, columns=["patient", "kind"])
    keys = table.filter(arrow("pyarrow.compute").equal(table.column("kind"), "patient")).column("patient").to_pylist()
    return Quality(people=sum(parted(key)[1] == NOW for key in keys))


def said_in(file: Path) -> tuple[str, Quality | None]:
    """Return what a file says that it was made of, and the quality of what it was made from; empty if it is none."""
    try:
        metadata = arrow("pyarrow.parquet").read_schema(file).metadata or {}
    except (OSError, arrow().ArrowInvalid):
        return "", None
    told = metadata.get(QUALITY)
    quality = msgspec.json.decode(told, type=Quality) if told else None
    return cast("bytes", metadata.get(MADE_OF, b"")).decode(), quality
