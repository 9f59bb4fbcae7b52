"""The command line. stdout is data, stderr is talk; exit codes 0 ok, 2 usage, 3 record refused, 4 engine failed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from carnallite import __version__
from carnallite.errors import (
    CarnalliteError,
    PlanError,
    RecordRefused,
    ScenarioError,
    SettingError,
    UnknownIdError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from carnallite.record import Reading

OK, USAGE, REFUSED, FAILED = 0, 2, 3, 4
_DEPTH = "what it rests on: cited findings, a library of virtual patients, some drawn for the patient, their own fit"
_BESIDE = Path()  # `--plot` without a name: that of the scenario, in the folder where we are
FIRST_YEAR, LAST_YEAR = 1700, 9000

HELLO = f"""carnallite {__version__}: disorders of magnesium and potassium, from the record to what to do first

  carnallite assess RECORD           causes, what is unsafe, what to measure next, plans and what they bring
  carnallite assess RECORD --html F  the same as a report with figures; --pdf F prints it; --json for programs
  carnallite forecast RECORD --plan P.toml   what plans of your own would bring this patient
  carnallite screen SOURCE --out DIR everybody of a hospital: a work list, and a report on the cohort
  carnallite serve                   cards (CDS Hooks) and FHIR answers over HTTP; audit reads its log
  carnallite simulate SCENARIO.toml  the body alone: a person, causes, drugs and doses over time
  carnallite explain ID, knowledge   a cause, drug, rule or test with its sources; all of them, and when checked
  carnallite validate, export sbml   how near the body comes to published observations; its model for others
  carnallite template, fetch, doctor a CSV timeline to fill in; records by Bulk Data; check the installation

RECORD: a FHIR R4 Bundle, a folder of NDJSON, a CSV timeline, or an OMOP database.
Research software for clinicians. It is not a medical device; the clinician decides.
"""


def main(arguments: Sequence[str] | None = None, *, today: date | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    today : date, optional
        On which knowledge may be overdue; by default the day by the clock.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without our letters gets a question mark
    try:
        if given:
            options = _parser().parse_args(given, argparse.Namespace(today=today or datetime.now(UTC).date()))
            code = int(options.run(options))
        else:
            sys.stdout.write(HELLO)
            code = OK
        sys.stdout.flush()
    except CarnalliteError as error:
        return _say_why(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        return _say(f"failed: {error.strerror or 'the system refused'}. Check paths, rights and disk.", FAILED)
    return code


def _say_why(error: CarnalliteError) -> int:
    """Tell why nothing could be answered, with the exit code for it."""
    match error:
        case RecordRefused():
            return _say(f"refused: {error}", REFUSED)
        case UnknownIdError() | ScenarioError() | PlanError() | SettingError():
            return _say(str(error), USAGE)
    return _say(f"failed: {error}", FAILED)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"carnallite: {text}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="carnallite", description="Disorders of magnesium and potassium: the record in, the causes out.",
        epilog="Exit codes: 0 ok, 2 usage, 3 record refused, 4 engine failed.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"carnallite {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    assess = commands.add_parser("assess", help="causes, what is unsafe, what to measure next")
    assess.add_argument("record", metavar="RECORD", help="FHIR Bundle, NDJSON folder, CSV timeline, OMOP database")
    assess.add_argument("--format", choices=["fhir", "csv", "omop", "mimic", "eicu"], help="found out if not given")
    assess.add_argument("--patient", "--person", metavar="N", help="key, or #2 for the second, where it holds several")
    assess.add_argument("--now", metavar="ISO", type=_moment, help="time of the assessment; else the latest in it")
    assess.add_argument("--since", metavar="ISO", type=_moment, help="when a plan began: what the response tells")
    assess.add_argument("--units", choices=["si", "us", "both"], default="si", help="mmol/L, mg/dL, or both")
    assess.add_argument("--map", metavar="FILE", type=Path, help="CSV of local codes or labels and our analyte ids")
    assess.add_argument("--json", action="store_true", help="print JSON")
    assess.add_argument("--html", metavar="FILE", type=Path, help="write a report")
    assess.add_argument("--pdf", metavar="FILE", type=Path, help="the same as tagged PDF; needs carnallite[pdf]")
    assess.add_argument("--note", action="store_true", help="print a text of at most 600 characters for the chart")
    assess.add_argument("--force", action="store_true", help="overwrite reports")
    assess.add_argument("--depth", choices=["findings", "library", "cloud", "fit"], default="fit", help=_DEPTH)
    assess.add_argument("--limits", metavar="FILE", type=Path, help="your hospital's stricter limits of doses")
    assess.add_argument("--unread", action="store_true", help="list the lines that were not understood")
    assess.set_defaults(run=_assess)
    _add_screen(commands.add_parser("screen", help="everybody of a source: work list and cohort report"))
    _add_forecast(commands.add_parser("forecast", help="what plans of yours would bring this patient"))
    _add_simulate(commands.add_parser("simulate", help="the body alone: a person, causes, drugs and doses over time"))
    _add_validate(commands.add_parser("validate", help="the body against published observations"))
    _add_library(commands.add_parser("library", help="the virtual patients that stand for a patient"))
    explain = commands.add_parser("explain", help="what an id means, its sources and its status")
    explain.add_argument("id", metavar="ID", nargs="?")
    explain.add_argument("--list", action="store_true", help="print all ids")
    explain.set_defaults(run=_explain)
    known = commands.add_parser("knowledge", help="every rule, cause, step and limit: when checked, when due again")
    known.add_argument("--csv", action="store_true", help="print CSV")
    known.add_argument("--json", action="store_true", help="print JSON")
    known.set_defaults(run=_knowledge)
    template = commands.add_parser("template", help="print a CSV timeline to fill in")
    template.set_defaults(run=_template)
    export = commands.add_parser("export", help="the model of the body for other simulators")
    export.add_argument("format", choices=["sbml"], help="SBML Level 3; needs the extra carnallite[sbml]")
    export.add_argument("file", metavar="FILE", type=Path)
    export.add_argument("--force", action="store_true", help="overwrite the file")
    export.set_defaults(run=_export)
    _add_audit(commands.add_parser("audit", help="the audit log of the service: checked, or as FHIR AuditEvents"))
    _add_fetch(commands.add_parser("fetch", help="records of a FHIR server by Bulk Data export, for screen"))
    _add_serve(commands.add_parser("serve", help="cards and FHIR answers over HTTP, for programs of a hospital"))
    doctor = commands.add_parser("doctor", help="check the installation")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_screen(screen: argparse.ArgumentParser) -> None:
    forms = ["fhir", "csv", "omop", "mimic", "eicu", "physionet", "rows"]
    screen.add_argument("source", metavar="SOURCE", nargs="+", help="NDJSON, CSV, OMOP, MIMIC, eICU, PhysioNet 2012")
    screen.add_argument("--out", metavar="DIR", type=Path, required=True, help="a folder; a run goes on where it was")
    screen.add_argument("--format", choices=forms, help="found out if not given")
    screen.add_argument("--now", metavar="ISO", type=_moment, help="time of the assessment; else each patient's latest")
    screen.add_argument("--since", metavar="ISO", type=_moment, help="read only what was written since")
    screen.add_argument("--map", metavar="FILE", type=Path, help="CSV of local codes or labels and our analyte ids")
    screen.add_argument("--episodes", choices=["now", "all"], default="all", help="earlier ones as well; all")
    screen.add_argument("--depth", choices=["findings", "library"], help="library where one is at hand, else findings")
    screen.add_argument("--engine", choices=["local", "dask", "spark"], default="local", help="who computes; local")
    screen.add_argument("--workers", metavar="N", type=_people, help="processes; by default one for each core")
    screen.add_argument("--address", metavar="URL", help="of a Dask scheduler or Spark master")
    screen.add_argument("--parts", metavar="N", type=_people, default=0, help="of the data; found out if not given")
    screen.add_argument("--force", action="store_true", help="begin anew, whatever the folder holds")
    screen.set_defaults(run=_screen)


def _add_forecast(forecast: argparse.ArgumentParser) -> None:
    forecast.add_argument("record", metavar="RECORD", help="as of assess")
    forecast.add_argument("--plan", metavar="PLAN.toml", type=Path, nargs="+", required=True, help="one to four")
    forecast.add_argument("--days", metavar="N", type=int, choices=range(2, 31), default=30, help="2 to 30; 30")
    forecast.add_argument("--format", choices=["fhir", "csv", "omop", "mimic", "eicu"], help="found out if not given")
    forecast.add_argument("--patient", "--person", metavar="N", help="key, or #2 for the second")
    forecast.add_argument("--now", metavar="ISO", type=_moment, help="time of the assessment; else the latest in it")
    forecast.add_argument("--units", choices=["si", "us"], default="si", help="mmol/L or mg/dL")
    forecast.add_argument("--limits", metavar="FILE", type=Path, help="your hospital's stricter limits of doses")
    forecast.add_argument("--json", action="store_true", help="print JSON")
    forecast.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw a figure")
    forecast.add_argument("--force", action="store_true", help="overwrite the figure")
    forecast.set_defaults(run=_forecast)


def _add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument("--config", metavar="FILE.toml", type=Path, help="settings of the service")
    audit.add_argument("--verify", action="store_true", help="check that nobody changed it; prints the head")
    audit.add_argument("--head", metavar="N:DIGEST", default="", help="a head that was written down, to be found in it")
    audit.add_argument("--since", metavar="ISO", type=_moment, help="only what was written since")
    audit.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    """Read the audit log."""
    from carnallite.surfaces.service import audit  # noqa: PLC0415

    return audit.command(options)


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument("base", metavar="URL", help="base of the FHIR server")
    fetch.add_argument("--out", metavar="DIR", type=Path, required=True, help="a folder; a run goes on where it was")
    fetch.add_argument("--client", metavar="ID", required=True, help="the name that the server gave us")
    fetch.add_argument("--key", metavar="FILE", required=True, help="our private key, a JWK (ES384 or RS384)")
    fetch.add_argument("--types", metavar="A,B", default="", help="kinds of resources; by default all that are read")
    fetch.add_argument("--since", metavar="ISO", type=_moment, help="only what changed since")
    fetch.add_argument("--group", metavar="ID", default="", help="only the patients of this group")
    fetch.add_argument("--address", metavar="URL", action="append", default=[], help="where tokens or files are")
    fetch.add_argument("--network", metavar="CIDR", action="append", default=[], help="of the house: 10.20.0.0/16")
    fetch.add_argument("--loopback", action="store_true", help="the server is on this machine")
    fetch.add_argument("--authority", metavar="FILE", default="", help="certificates of the house's own authority")
    fetch.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    """Bring records of a server into a folder."""
    from carnallite.surfaces.service.backend import Backend  # noqa: PLC0415
    from carnallite.surfaces.service.signing import Signer  # noqa: PLC0415

    backend = Backend(
        options.base, options.client, Signer(options.key), addresses=tuple(options.address),
        networks=options.network, loopback=options.loopback, authority=options.authority,
    )  # fmt: skip
    since = options.since.isoformat() if options.since else ""
    kinds = tuple(one for one in options.types.split(",") if one)
    found = backend.fetch(options.out, kinds, since=since, group=options.group)
    sys.stdout.writelines(f"{kind}\t{lines}\n" for kind, lines in sorted(found.lines.items()))
    sys.stderr.write(f"carnallite: as of {found.at}; next time: --since {found.at}\n")
    return OK


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--config", metavar="FILE.toml", type=Path, help="settings; see docs/how-to/serve.md")
    serve.add_argument("--host", metavar="ADDRESS", help="where calls are taken; 127.0.0.1")
    serve.add_argument("--port", metavar="N", type=int, help="8080")
    serve.add_argument("--feedback-summary", action="store_true", help="print what was done with cards, and end")
    serve.set_defaults(run=_serve)


def _add_simulate(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("scenario", metavar="SCENARIO.toml", type=Path, help="see docs/reference/scenario.md")
    simulate.add_argument("--plot", metavar="FILE.svg", type=Path, nargs="?", const=_BESIDE, help="draw a figure")
    simulate.add_argument("--csv", metavar="FILE", type=Path, help="write every sample of one person")
    simulate.add_argument("--parquet", metavar="FILE", type=Path, help="the same; of many people a folder")
    simulate.add_argument("--people", metavar="N", type=_people, default=1, help="draw people who differ")
    simulate.add_argument("--seed", metavar="S", type=int, help="with which they are drawn; 0 if not given")
    simulate.add_argument("--outputs", metavar="A,B", default="", help="quantities or tests to write")
    simulate.add_argument("--units", choices=["si", "us"], default="si", help="mmol/L or mg/dL")
    simulate.add_argument("--engine", choices=["auto", "kernel", "python"], default="auto", help="what computes")
    simulate.add_argument("--json", action="store_true", help="print JSON")
    simulate.add_argument("--force", action="store_true", help="overwrite files")
    simulate.set_defaults(run=_simulate)


def _people(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of people; write it like 1000")
    return int(text)


def _add_library(library: argparse.ArgumentParser) -> None:
    actions = library.add_subparsers(metavar="ACTION", required=True)
    build = actions.add_parser("build", help="simulate them, or go on with a build that was stopped")
    build.add_argument("-n", "--count", metavar="N", type=_people, default=100_000, help="how many; 100,000")
    build.add_argument("--seed", metavar="S", type=int, default=1, help="with which they are drawn; 1")
    build.add_argument("--force", action="store_true", help="begin anew, whatever is there")
    build.set_defaults(run=_library_build)
    info = actions.add_parser("info", help="what a library holds")
    info.set_defaults(run=_library_info)
    for action in (build, info):
        action.add_argument("--at", metavar="DIR", type=Path, help="its folder; by default one of your cache")


def _add_validate(validate: argparse.ArgumentParser) -> None:
    validate.add_argument("file", metavar="FILE", type=Path, nargs="?", help="targets; by default the published ones")
    validate.add_argument("--only", metavar="ID", nargs="+", default=[], help="these targets alone")
    validate.add_argument("--use", choices=["fit", "check"], default="", help="those of one use alone")
    validate.add_argument("--seed", metavar="S", type=int, default=1, help="with which people are drawn")
    validate.add_argument("--out", metavar="DIR", type=Path, help="write validation.md and validation.json")
    validate.add_argument("--json", action="store_true", help="print JSON")
    validate.add_argument("--force", action="store_true", help="overwrite files")
    validate.set_defaults(run=_validate)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no ISO time; write 2020-06-01T08:00+02:00") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise argparse.ArgumentTypeError(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _assess(options: argparse.Namespace) -> int:
    from carnallite.plan import advise  # noqa: PLC0415  (start-up stays fast)
    from carnallite.record import read_record  # noqa: PLC0415
    from carnallite.surfaces.overdue import dated  # noqa: PLC0415
    from carnallite.surfaces.progress import Stages  # noqa: PLC0415

    units: Literal["si", "us"] = "us" if options.units == "us" else "si"
    reports = [path for path in (options.html, options.pdf) if path]
    there = [path for path in reports if path.exists()]
    if there and not options.force:
        return _say(f"{there[0]} exists. Give --force to overwrite it.", USAGE)
    if options.pdf:
        from carnallite.surfaces import pdf  # noqa: PLC0415

        pdf.available()  # before anything is computed
    local = _local(options.map)

    def known_at(moment: datetime | None) -> Reading:
        return read_record(options.record, format=options.format, patient=options.patient, now=moment, local=local)

    reading = known_at(options.now)
    if options.since and options.since >= reading.timeline.index:
        return _say(f"--since must lie before the assessment, {reading.timeline.index:%Y-%m-%dT%H:%MZ}.", USAGE)
    before = known_at(options.since) if options.since else None
    with Stages() as stages:
        answer = advise(
            reading, before=before, version=__version__, depth=options.depth, limits=options.limits, said=stages.say
        )
    answer = dated(answer, options.today)
    if reports:
        from carnallite.surfaces.report import render_html  # noqa: PLC0415

        page = render_html(answer, reading.timeline, units=units)
        for path in reports:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pdf.render_pdf(page) if path is options.pdf else page.encode())
            sys.stderr.write(f"report: {path}\n")
    if options.json:
        return _print_json(answer)
    if options.note:
        from carnallite.surfaces.note import note  # noqa: PLC0415

        sys.stdout.write(note(answer, units) + "\n")
        return OK
    from carnallite.surfaces.terminal import render  # noqa: PLC0415

    sys.stdout.write(render(answer, units=units, both=options.units == "both", **_terminal()))
    if options.unread:
        for line in reading.timeline.unread:
            sys.stdout.write(f"not read: {line.where}  {line.code}\n")
    return OK


def _screen(options: argparse.Namespace) -> int:
    from carnallite.surfaces.screening.command import command  # noqa: PLC0415  (start-up stays fast)

    return command(options, _local(options.map))


def _forecast(options: argparse.Namespace) -> int:
    from carnallite.plan import MOST_PLANS, foretell, read_plan  # noqa: PLC0415  (start-up stays fast)
    from carnallite.record import read_record  # noqa: PLC0415
    from carnallite.surfaces.overdue import dated  # noqa: PLC0415
    from carnallite.surfaces.progress import Stages  # noqa: PLC0415

    if options.plot and options.plot.exists() and not options.force:
        return _say(f"{options.plot} exists. Give --force to overwrite it.", USAGE)
    if len(options.plan) > MOST_PLANS or len({path.stem for path in options.plan}) < len(options.plan):
        return _say(f"give at most {MOST_PLANS} plans, each with a name of its own.", USAGE)
    plans = {path.stem: read_plan(path) for path in options.plan}
    reading = read_record(options.record, format=options.format, patient=options.patient, now=options.now)
    with Stages() as stages:
        answer = foretell(
            reading, plans, days=options.days, version=__version__, limits=options.limits, said=stages.say
        )
    answer = dated(answer, options.today)
    if options.plot:
        from carnallite.surfaces.outlook import figure  # noqa: PLC0415

        drawn = figure(answer, reading.timeline, units=options.units)
        if drawn:
            options.plot.write_text(drawn, "utf-8")
            sys.stderr.write(f"figure: {options.plot}\n")
    if options.json:
        told = {"plans": answer.plans, "forecast": answer.forecast, "overdue": answer.overdue}
        return _print_json(told | {"provenance": answer.provenance})
    from carnallite.surfaces.terminal import render_plans  # noqa: PLC0415

    sys.stdout.write(render_plans(answer, units=options.units, **_terminal()))
    return OK


def _print_json(answer: object) -> int:
    import msgspec  # noqa: PLC0415  (start-up stays fast)

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode() + "\n")
    return OK


class _Terminal(TypedDict):
    width: int
    color: bool
    ascii_only: bool


def _width() -> int:
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 110))


def _terminal() -> _Terminal:
    """Return what the terminal can show."""
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return _Terminal(width=_width(), color=color, ascii_only="utf" not in (sys.stdout.encoding or "").lower())


def _simulate(options: argparse.Namespace) -> int:
    from carnallite.surfaces.simulate import command  # noqa: PLC0415  (start-up stays fast)

    if options.plot == _BESIDE:
        options.plot = Path(options.scenario.name).with_suffix(".svg")
    return command(options)


def _local(path: Path | None) -> dict[str, str]:
    """Return the site's own codes, of --map where it is given."""
    from carnallite.surfaces.local import local_map  # noqa: PLC0415  (start-up stays fast)

    return local_map(path) if path is not None else {}


def _validate(options: argparse.Namespace) -> int:
    from carnallite.surfaces import validate  # noqa: PLC0415  (start-up stays fast)

    there = [options.out / name for name in validate.NAMES if (options.out / name).exists()] if options.out else []
    if there and not options.force:
        return _say(f"{there[0]} exists. Give --force to overwrite it.", USAGE)
    result = validate.validated(options.file, only=options.only, use=options.use, seed=options.seed)
    if options.out:
        for file in validate.write(result, options.out):
            sys.stderr.write(f"written: {file}\n")
    sys.stdout.write(validate.render(result, json=options.json))
    return OK


def _library_build(options: argparse.Namespace) -> int:
    from carnallite.surfaces.library import built  # noqa: PLC0415  (start-up stays fast)

    return built(options)


def _library_info(options: argparse.Namespace) -> int:
    from carnallite.surfaces.library import informed  # noqa: PLC0415

    return informed(options)


def _explain(options: argparse.Namespace) -> int:
    from carnallite.surfaces.explain import explained, listed  # noqa: PLC0415

    if options.list or not options.id:
        sys.stdout.write(listed())
        return OK
    sys.stdout.write(explained(options.id, width=_width()))
    return OK


def _knowledge(options: argparse.Namespace) -> int:
    from carnallite.surfaces.reviewed import as_csv, as_json, as_table  # noqa: PLC0415

    sys.stdout.write(as_json() if options.json else as_csv() if options.csv else as_table(options.today))
    return OK


def _template(options: argparse.Namespace) -> int:
    del options
    from carnallite.record.tabular import template  # noqa: PLC0415

    sys.stdout.write(template())
    return OK


def _export(options: argparse.Namespace) -> int:
    from carnallite.physiology.body import healthy  # noqa: PLC0415  (start-up stays fast)
    from carnallite.physiology.generate.sbml import sbml  # noqa: PLC0415
    from carnallite.physiology.load import model  # noqa: PLC0415

    if options.file.exists() and not options.force:
        return _say(f"{options.file} exists. Give --force to overwrite it.", USAGE)
    person = healthy()
    text = sbml(model(), person.constants[:, 0], person.states[:, 0])
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(text, "utf-8")
    sys.stderr.write(f"SBML of the healthy reference person: {options.file}\n")
    return OK


def _serve(options: argparse.Namespace) -> int:
    from carnallite.surfaces.service.serve import command  # noqa: PLC0415  (start-up stays fast)

    return command(options)


def _doctor(options: argparse.Namespace) -> int:
    from carnallite.surfaces.doctor import examined  # noqa: PLC0415

    text, is_well = examined(options.today)
    sys.stdout.write(text)
    return OK if is_well else FAILED
