"""One run: take what is new, make the rows that it changes, answer them, put the answers together.

Whatever is there already and was made of the same is kept, so that a run that was killed goes on where it was, and the
next run of a growing source does only what is new.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite import __version__
from carnallite.assessment.cloud import at_hand, place
from carnallite.errors import CarnalliteError
from carnallite.knowledge import Reviewed, edition, overdue
from carnallite.physiology import engine, population
from carnallite.record.rows import VERSION as ROWS
from carnallite.record.warehouse import WHOLE, Form, Taken, arrow, deletions, deliveries, form_of, taken_in
from carnallite.surfaces.overdue import this_day
from carnallite.surfaces.screening import kept
from carnallite.surfaces.screening.cohort import cohort
from carnallite.surfaces.screening.jobs import Answer, Episodes, Failure, Make, Quality, Take, counted, made_of, said_in
from carnallite.surfaces.screening.priority import priority
from carnallite.surfaces.screening.screen import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carnallite.assessment import Depth
    from carnallite.record.warehouse import Delivery
    from carnallite.surfaces.screening.engines import Work
    from carnallite.surfaces.screening.jobs import Job

MANIFEST, END = "manifest.json", "end.json"
ROWS_FORM: Literal["rows"] = "rows"  # a source that was made by an earlier run, or written by somebody in this form
PART_SIZE = 16_000_000  # [bytes] of a source that make a part
PACKED = 8  # times that text shrinks when it is packed, about
FEWEST, MOST = 4, 512  # parts


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder is a screening of; it never changes while the folder lives."""

    schema: str = "carnallite.screening/1"
    form: Form | Literal["rows"]
    parts: int
    source: str  # a digest of the places, of which nobody learns where the data lie


class End(msgspec.Struct, kw_only=True):
    """What a run ended with: counts that add up, and what was left out by name."""

    schema: str = "carnallite.screening-end/1"
    version: str
    knowledge: str
    depth: str
    library: str | None
    now: str
    deliveries: int
    rows: int  # of all deliveries
    unusable: dict[str, int]
    strays: int
    parts: int
    people: int
    undated: int
    answered: int  # people; with the undated they are everybody
    episodes: int  # rows of answers, one for each person and each earlier episode
    listed: int  # people on the work list
    left: list[dict[str, str]]
    overdue: tuple[Reviewed, ...]  # knowledge to be checked again


class DoesNotReconcile(CarnalliteError):
    """People went in who did not come out."""


@dataclass(frozen=True)
class Options:
    """What is asked for."""

    sources: Sequence[str]
    out: Path
    form: Form | Literal["rows"] | None = None
    parts: int = 0
    now: datetime | None = None
    since: datetime | None = None
    local: dict[str, str] = field(default_factory=dict)
    episodes: Episodes = "all"
    depth: Depth | None = None
    force: bool = False
    today: date = field(default_factory=this_day)


@dataclass
class Run:
    """A folder while it is worked on."""

    options: Options
    work: Work
    manifest: Manifest
    said: Callable[[str, int, int, int], None]  # stage, done, of how many, people
    left: list[Failure] = field(default_factory=list)
    deleted_unknown: int = 0  # deletions of what was never delivered

    @property
    def out(self) -> Path:
        """Return the folder."""
        return self.options.out

    def rows(self) -> list[Path]:
        """Return the files with the rows of all parts: ours, or those of a source that are rows already."""
        home = Path(self.options.sources[0]) if self.manifest.form == ROWS_FORM else self.out / "rows"
        return sorted(home.glob("part-*.parquet"))

    def do(self, stage: str, jobs: Sequence[Job]) -> None:
        """Do jobs; what cannot be read is left out by name, what cannot be written ends the run.

        Raises
        ------
        Stopped
            The disk is full, or something else that no other job would survive.
        """
        people = 0
        for number, done in enumerate(self.work(jobs) if jobs else (), 1):
            people += done.people
            self.said(stage, number, len(jobs), people)
            if done.failure is not None:
                if done.failure.is_fatal:
                    raise Stopped(done.failure.where, done.failure.what, done.failure.do)
                self.left.append(done.failure)


class Stopped(CarnalliteError):
    """A run cannot go on."""


def screened(options: Options, work: Work, said: Callable[[str, int, int, int], None]) -> End:
    """Screen a source into a folder and return how it ended.

    Raises
    ------
    RecordRefused
        The source cannot be read at all.
    FolderInUse, FolderHoldsAnother
        Another run is there, or another source was.
    Stopped
        The disk is full, or workers die.
    """
    arrow()
    with kept.locked(options.out):
        if options.force:
            empty(options.out)
        run = Run(options, work, _opened(options), said)
        taken = []
        if run.manifest.form != ROWS_FORM:
            taken = _take(run, run.manifest.form)
            _make(run, run.manifest.form, taken)
        depth, library = depth_of(options.depth)
        _answer(run, depth, library)
        ended = _end(run, [taken_in(folder) for folder in taken], depth, library)
        _sweep(options.out)  # a worker of a run that was killed may have outlived it for a moment
        return ended


_FOLDERS = ("", "taken", "rows", "answers")


def _sweep(out: Path) -> None:
    """Remove what was left half written."""
    for name in _FOLDERS:
        kept.sweep(out / name)


def empty(folder: Path) -> None:
    """Remove what earlier runs wrote, and nothing else."""
    for name in ("taken", "rows", "answers"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (MANIFEST, END, *OUTPUTS):
        (folder / name).unlink(missing_ok=True)


OUTPUTS = ("worklist.csv", "worklist.parquet", "worklist.html", "cohort.json", "cohort.html", "quality.json")


def depth_of(asked: Depth | None) -> tuple[Depth, str | None]:
    """Return what answers rest on: a library where one is at hand or asked for, findings alone otherwise."""
    there = any(population.manifest_in(place(small=small)) is not None for small in (False, True))
    if asked == "findings" or engine.kernel() is None or (asked is None and not there):
        return "findings", None
    return "library", at_hand().name


def _opened(options: Options) -> Manifest:
    form = options.form or _form_of(options.sources)
    places = sorted(str(Path(one).resolve()) if "://" not in one else one for one in options.sources)
    digest = blake2b("\n".join(places[:1]).encode(), digest_size=12).hexdigest()
    file = options.out / MANIFEST
    for name in _FOLDERS:
        (options.out / name).mkdir(exist_ok=True)
    _sweep(options.out)
    if file.exists():
        there = msgspec.json.decode(file.read_bytes(), type=Manifest)
        if (there.form, there.source) != (form, digest) or options.parts not in {0, there.parts}:
            do = "Name another folder, or give --force to begin anew."
            raise kept.FolderHoldsAnother(options.out.name, "it holds the screening of another source.", do)
        return there
    if form == ROWS_FORM:
        parts = len(list(Path(options.sources[0]).glob("part-*.parquet")))
    else:
        parts = options.parts or _parts([one for source in options.sources for one in deliveries(form, source)])
    made = Manifest(form=form, parts=parts, source=digest)
    kept.write(file, msgspec.json.format(msgspec.json.encode(made), indent=1))
    return made


def _form_of(sources: Sequence[str]) -> Form | Literal["rows"]:
    first = Path(sources[0])
    return ROWS_FORM if first.is_dir() and any(first.glob("part-*.parquet")) else form_of(sources[0])


def _parts(found: Sequence[Delivery]) -> int:
    size = sum(one.size * (PACKED if one.place.endswith((".gz", ".zip", ".tgz", ".parquet")) else 1) for one in found)
    return min(max(-(-size // PART_SIZE), FEWEST), MOST)


# take -----------------------------------------------------------------------------------------------------------------


def _take(run: Run, form: Form) -> list[Path]:
    """Take the deliveries that are new or have changed; return the folders of all, the earliest first.

    A database does not say whether it has changed, so that it is read each time; parts that are the same stay.
    """
    options, home = run.options, run.out / "taken"
    wanted = {_folder(one, options): one for source in options.sources for one in deliveries(form, source)}
    jobs = [
        Take(form=form, delivery=one, into=home / name, count=run.manifest.parts, since=options.since)
        for name, one in wanted.items()
        if (not one.mark or not (home / name).exists()) and not _is_old(one, home, options)
    ]
    run.do("reading", jobs)
    new = {job.into.name for job in jobs if job.into.exists()}
    if options.since is None:
        for folder in _folders(home):
            is_replaced = folder.name not in new and folder.name.split("-")[0] in {name.split("-")[0] for name in new}
            if is_replaced:
                shutil.rmtree(folder)
    return sorted(_folders(home), key=_by_age)


def _folder(one: Delivery, options: Options) -> str:
    """Return where a delivery is taken to: its place, and what it holds there now."""
    place = blake2b(str(Path(one.place).resolve() if "://" not in one.place else one.place).encode(), digest_size=8)
    since = f" since {options.since.isoformat()}" if options.since else ""
    mark = blake2b(f"{one.mark}{since}".encode(), digest_size=8)
    return f"{place.hexdigest()}-{mark.hexdigest()}"


def _is_old(one: Delivery, home: Path, options: Options) -> bool:
    """Return whether a delivery was not written since the time that is asked for, or was taken as a whole before."""
    if options.since is None:
        return False
    whole = home / _folder(one, replace(options, since=None))
    return whole.exists() or 0 < one.order < options.since.timestamp() * 1e9


def _folders(home: Path) -> list[Path]:
    return [folder for folder in home.iterdir() if folder.is_dir() and not folder.name.startswith(".")]


def _by_age(folder: Path) -> tuple[int, str, str]:
    taken = taken_in(folder)
    return taken.order, taken.name, folder.name


# make -----------------------------------------------------------------------------------------------------------------


def _make(run: Run, form: Form, folders: Sequence[Path]) -> None:
    """Make the rows of all parts whose deliveries are not those of which they were made.

    A delivery that holds nothing of a part, and deletes nothing of it, leaves that part as it is.
    """
    options, manifest = run.options, run.manifest
    taken = [taken_in(folder) for folder in folders]
    if form in WHOLE and options.since is None:
        folders, taken = folders[-1:], taken[-1:]
    jobs = []
    unknown = {one.name for one in deletions(folders)} if any(one.deletions for one in taken) else set()
    is_deleting = bool(unknown)
    for part in range(manifest.parts):
        held = [
            (turn, one.order, one.name, one.header, one.parts.get("shared"), one.parts.get(f"{part:05d}"))
            for turn, one in enumerate(taken)
            if "shared" in one.parts or f"{part:05d}" in one.parts
        ]
        deleted = deletions(folders, part) if is_deleting else []
        unknown -= {one.name for one in deleted}
        what = made_of(ROWS, form, part, held, deleted, options.now, sorted(options.local.items()), options.episodes)
        into = run.out / "rows" / f"part-{part:05d}.parquet"
        if said_in(into)[0] != what:
            jobs.append(Make(
                form=form, folders=tuple(folders), part=part, into=into, made_of=what, now=options.now,
                local=options.local, episodes=options.episodes,
            ))  # fmt: skip
    run.deleted_unknown = len(unknown)
    run.do("sorting", jobs)


# answer ---------------------------------------------------------------------------------------------------------------


def _answer(run: Run, depth: Depth, library: str | None) -> None:
    """Answer all parts whose rows, knowledge or library are not those that were answered."""
    jobs = []
    for rows in run.rows():
        what = made_of(VERSION, said_in(rows)[0] or _stamp(rows), depth, library, priority(), cohort())
        into = run.out / "answers" / rows.name
        if said_in(into)[0] != what:
            jobs.append(Answer(rows=rows, into=into, made_of=what, depth=depth, library=library))
    run.do("answering", jobs)


def _stamp(file: Path) -> str:
    """Return what tells that a file of somebody else is still the same."""
    said = file.stat()
    return f"{said.st_size} {said.st_mtime_ns}"


def _end(run: Run, taken: Sequence[Taken], depth: Depth, library: str | None) -> End:
    """Put the answers together, and see to it that everybody who went in came out.

    Raises
    ------
    DoesNotReconcile
        They did not.
    """
    from carnallite.surfaces.screening import pages, report, worklist  # noqa: PLC0415  (Jinja2 comes with them)

    quality = Quality(deleted_unknown=run.deleted_unknown)
    for rows in run.rows():
        quality.join(said_in(rows)[1] or counted(rows))
    answers = sorted((run.out / "answers").glob("part-*.parquet"))
    late = overdue(run.options.today)
    listed = worklist.write(run.out, answers, library_name=library, overdue=late)
    found = report.report(answers, quality, depth=depth, library=library, overdue=late)
    kept.write(run.out / "cohort.json", _json(found))
    kept.write(run.out / "cohort.html", pages.cohort(found).encode())
    kept.write(run.out / "quality.json", _json(quality))
    unusable: dict[str, int] = {}
    for delivery in taken:
        for code, rows_left in delivery.unusable.items():
            unusable[code] = unusable.get(code, 0) + rows_left.count
    end = End(
        version=__version__, knowledge=edition(), depth=depth, library=library,
        now=run.options.now.isoformat() if run.options.now else "", deliveries=len(taken),
        rows=sum(one.rows for one in taken), unusable=unusable,
        strays=sum(one.strays for one in taken) + quality.strays,
        parts=run.manifest.parts, people=quality.people + quality.undated, undated=quality.undated,
        answered=listed.people, episodes=listed.episodes, listed=listed.listed,
        left=[{"where": one.where, "what": one.what, "do": one.do} for one in run.left],
        overdue=late,
    )  # fmt: skip
    kept.write(run.out / END, _json(end))
    if end.people != end.answered + end.undated:
        what = f"{end.people} people were read and {end.answered + end.undated} are accounted for."
        raise DoesNotReconcile(run.out.name, what, "Give --force to begin anew, and report this.")
    return end


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"
