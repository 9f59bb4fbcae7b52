"""Knowledge out of date: every data file has a date and an owner, and what is overdue is told wherever it is used."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carnallite.assessment.cloud.weigh import weights
from carnallite.knowledge import knowledge, overdue, reviewed, reviews, rows
from carnallite.knowledge.review import HOME, files, review
from carnallite.physiology import model
from carnallite.plan import Advice
from carnallite.quantity import analytes
from carnallite.surfaces import pdf, words
from carnallite.surfaces.cli import OK, main
from carnallite.surfaces.note import MOST, note
from carnallite.surfaces.overdue import dated, this_day
from carnallite.surfaces.resources import bundle as fhir
from carnallite.surfaces.service import beside, work
from carnallite.surfaces.service.operations import JSON
from hooked import CASES, RECORD, WELL, Client, call, resources
from planned import KIDNEY, SODIUM, advice, magnesium, potassium
from records import bundle, drug, observation
from service.test_hooks import FAST, ordering

DUE = {one.content: one.due for one in reviews()}
BEFORE, AFTER = min(DUE.values()), max(DUE.values()) + timedelta(days=1)
BANNER = words.overdue(overdue(AFTER))
NOTHING = "overdue for review"
SICK = bundle(observation("2601-3", 0.4, "mmol/L"), observation("2823-3", 2.9, "mmol/L"), drug("omeprazole"))
PLAN = Path(__file__).parents[2] / "examples" / "plans" / "infusion.toml"
DAYS = {"before": BEFORE, "after": AFTER}


def packed(text: str) -> str:
    """Return a text without spaces and what keeps dates whole: where lines end differs from surface to surface."""
    return "".join(re.sub(r"</?span[^>]*>", "", text).split())


def has_banner(text: str, day: date) -> bool:
    """Return whether a text says what is overdue on a day, all of it or, before the due date, nothing at all."""
    if day == BEFORE:
        assert packed(NOTHING) not in packed(text)
    return packed(BANNER) in packed(text)


def test_h61_every_data_file_has_a_date_an_interval_and_an_owner() -> None:
    found = {file: reviewed(file) for file in files()}
    for file, one in found.items():
        if one is not None:
            assert one.owner
            assert one.checked < one.due
            assert one.checked <= this_day() + timedelta(days=1), f"{file} is said to be checked after today"
    assert {one.content for one in found.values() if one is not None} == set(DUE), "every kind is that of a file"
    assert {row.file for row in rows()} == {file for file, one in found.items() if one is not None}


def test_h61_all_that_is_loaded_as_knowledge_has_a_date() -> None:
    exempt = {file for file in files() if reviewed(file) is None}
    assert not {file for file in exempt if file.startswith(("knowledge/", "plan/", "assessment/"))} - {
        "knowledge/review.toml"
    }
    there = {path.relative_to(HOME).as_posix() for path in HOME.rglob("*.toml") if "__pycache__" not in path.parts}
    assert there <= set(files())


def test_h61_each_kind_is_overdue_from_the_day_after_it_was_due() -> None:
    for kind, one in zip(review().kinds, reviews(), strict=True):
        last = one.due
        assert last == kind.checked + timedelta(days=review().every[kind.every].value)
        assert kind.name not in {one.content for one in overdue(last)}
        for later in (1, 2, 30, 365, 3650):
            assert kind.name in {one.content for one in overdue(last + timedelta(days=later))}
    assert not overdue(BEFORE)
    assert {one.content for one in overdue(AFTER)} == set(DUE)


def test_h61_a_banner_names_what_is_overdue_when_it_was_checked_and_since_when() -> None:
    for one in overdue(AFTER):
        assert one.content in BANNER
        assert str(one.checked) in BANNER
        assert str(one.due) in BANNER
    assert words.overdue(()) == ""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(SICK)
    return path


@pytest.mark.parametrize("when", DAYS)
def test_h61_terminal_json_note_report_and_doctor_tell_it(
    when: str, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day, is_late = DAYS[when], when == "after"

    def said(*arguments: str) -> str:
        assert main([*arguments], today=day) == OK
        return capsys.readouterr().out

    asked = ("assess", str(record), "--depth", "findings")
    assert has_banner(said(*asked), day) == is_late
    page = tmp_path / "report.html"
    told = json.loads(said(*asked, "--json", "--html", str(page)))
    assert {one["content"]: one["due"] for one in told["overdue"]} == (
        {k: str(v) for k, v in DUE.items()} if is_late else {}
    )
    html = page.read_text()
    assert has_banner(html, day) == is_late
    assert html.count('role="note"') == is_late
    assert (html.find('<p class="overdue"') < html.find('id="state"')) and ("p.overdue" in html)
    assert has_banner(said("doctor"), day) == is_late
    assert has_banner(said("knowledge"), day) == is_late


@pytest.mark.parametrize("when", DAYS)
def test_h61_a_note_tells_it_where_there_is_room(when: str) -> None:
    well = dated(advice(KIDNEY, SODIUM, magnesium(0.85), potassium(4.2)), DAYS[when])
    sick = dated(advice(KIDNEY, SODIUM, magnesium(0.3), potassium(2.2), drug("omeprazole")), DAYS[when])
    assert (f"overdue for review since {BEFORE}." in note(well, "si")) == (when == "after")
    assert len(note(sick, "si")) <= MOST
    assert note(sick, "si").startswith(
        note(dated(sick, BEFORE), "si").removesuffix("Research software; the clinician decides.")
    )


@pytest.mark.parametrize("when", DAYS)
def test_h61_a_forecast_tells_it(when: str, record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day, is_late = DAYS[when], when == "after"
    asked = ["forecast", str(record), "--plan", str(PLAN), "--days", "2"]
    assert main(asked, today=day) == OK
    assert has_banner(capsys.readouterr().out, day) == is_late
    assert main([*asked, "--json"], today=day) == OK
    assert bool(json.loads(capsys.readouterr().out)["overdue"]) == is_late


@pytest.mark.parametrize("when", DAYS)
def test_h61_the_printed_report_tells_it(when: str, record: Path, tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    try:
        pdf.available()
    except Exception as error:
        pytest.skip(str(error))
    file = tmp_path / "report.pdf"
    assert main(["assess", str(record), "--depth", "findings", "--note", "--pdf", str(file)], today=DAYS[when]) == OK
    assert has_banner(pypdf.PdfReader(file).pages[0].extract_text(), DAYS[when]) == (when == "after")


@pytest.mark.parametrize("when", DAYS)
def test_h61_cards_fhir_answers_and_the_report_beside_the_chart_tell_it(when: str) -> None:
    day, is_late = DAYS[when], when == "after"
    clock = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    with Client(RECORD, clock=lambda: clock) as client:
        for told in (call(resources(CASES[0])), ordering("order-sign", FAST)):
            answer = client.hook(told).json()
            assert answer["cards"]
            for card in answer["cards"]:
                assert has_banner(card["detail"], day) == is_late
            assert len(evaluated(answer).get("overdue", [])) == (len(DUE) if is_late else 0)
        silent = client.hook(call(WELL)).json()
        assert not silent["cards"], "what is overdue makes no card of its own"
        assert bool(evaluated(silent).get("overdue")) == is_late
        data = CASES[0].read_bytes()
        ours = client.post("/$assess", content=data, headers={"content-type": "application/json", "accept": JSON})
        assert len(msgspec.json.decode(ours.content, type=Advice).overdue) == (len(DUE) if is_late else 0)
        sent = client.post("/$assess", content=data, headers={"content-type": "application/json"}).json()
        for kind in ("Device", "RiskAssessment", "CarePlan", "RequestGroup", "GuidanceResponse"):
            notes = [one["resource"]["note"] for one in sent["entry"] if one["resource"]["resourceType"] == kind]
            assert notes
            assert all(has_banner(json.dumps(note), day) == is_late for note in notes)
        assert len(client.get("/version").json()["overdue"]) == (len(DUE) if is_late else 0)
        assert client.get("/readyz").status_code == 200, "what is overdue blocks nothing"
    page = beside.written(work.Task(bundle=data, depth="findings", today=day), False)
    assert isinstance(page, str)
    assert has_banner(page, day) == is_late


def evaluated(answer: dict[str, Any]) -> dict[str, Any]:
    (told,) = answer["extension"].values()
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("when", DAYS)
def test_h61_work_list_cohort_and_the_end_of_a_screening_tell_it(
    when: str, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    day, is_late = DAYS[when], when == "after"
    out = tmp_path / "out"
    source = tmp_path / "all.csv"
    source.write_text("patient,time,kind,name,value,unit\na,2020-06-01T08:00Z,observation,potassium,2.1,mmol/L\n")
    asked = ["screen", str(source), "--out", str(out), "--depth", "findings", "--workers", "1"]
    assert main(asked, today=BEFORE) == OK
    capsys.readouterr()
    assert main(asked, today=day) == OK, "a run that has nothing new to answer tells it as well"
    assert has_banner(capsys.readouterr().out, day) == is_late
    for page in ("worklist.html", "cohort.html"):
        assert has_banner((out / page).read_text(), day) == is_late
    for file in ("cohort.json", "end.json"):
        assert len(json.loads((out / file).read_text())["overdue"]) == (len(DUE) if is_late else 0)


def test_h61_the_clock_decides_and_not_the_time_of_the_record(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["assess", str(record), "--depth", "findings"]
    assert main([*asked, "--now", f"{AFTER}T08:00Z"], today=BEFORE) == OK
    assert NOTHING not in capsys.readouterr().out
    assert main([*asked, "--now", "2020-06-02T08:00Z"], today=AFTER) == OK
    assert NOTHING in capsys.readouterr().out


def test_h61_a_banner_changes_nothing_else_of_an_answer() -> None:
    found = advice(KIDNEY, SODIUM, magnesium(0.3), potassium(2.2), drug("omeprazole"))
    late = dated(found, AFTER)
    assert late.overdue == overdue(AFTER)
    assert msgspec.structs.replace(late, overdue=()) == found == dated(found, BEFORE)
    moment = datetime(2020, 6, 1, tzinfo=UTC)
    told, before = (fhir(one, "Patient/1", recorded=moment) for one in (late, found))
    assert [one["fullUrl"] for one in told["entry"]] == [one["fullUrl"] for one in before["entry"]]


def test_h61_the_list_holds_every_item_of_every_file() -> None:
    listed = {(row.kind, row.id) for row in rows()}
    assert len(listed) == len(list(rows())), "no row has the name of another"
    known = knowledge()
    for kind in known.__struct_fields__:
        assert {(kind, id) for id in getattr(known, kind)} <= listed
    assert {("analytes", id) for id in analytes()} <= listed
    limits = [
        (table.id, one.id) for table in known.safety.values() for one in (*table.ceilings, *table.contraindications)
    ]
    assert limits
    assert {("safety", f"{table}/{id}") for table, id in limits} <= listed
    assert {
        ("cloud", f"weights/{name}") for name in (*weights().numbers, *weights().disputed, *weights().tests)
    } <= listed
    assert {("model", one.name.replace(".", "/")) for one in model().parameters if one.source} <= listed
    for row in rows():
        if row.kind in {"rules", "thresholds", "pairs", "formulas"}:
            item = getattr(known, row.kind)[row.id]
            assert item.source in row.source
            assert item.status in row.status


def test_h61_the_list_can_be_taken_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "--csv"]) == OK
    sheet = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert main(["knowledge", "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert main(["knowledge"]) == OK
    table = capsys.readouterr().out
    every = list(rows())
    assert len(sheet) == len(told) == len(every)
    for row, line, value in zip(every, sheet, told, strict=True):
        assert (line["kind"], line["id"], line["owner"]) == (row.kind, row.id, row.owner)
        assert line["source"].split("; ") == list(row.source) or not row.source or "; " in str(row.source)
        assert (line["checked"], line["due"]) == (str(row.checked), str(row.due)) == (value["checked"], value["due"])
        assert value["status"] == list(row.status)
    missing = [row.id for row in every if f"  {row.kind}/{row.id} " not in table]
    assert not missing
