"""The command line keeps its contract: data on stdout, talk on stderr, exit codes, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from carnallite.assessment import Assessment
from carnallite.surfaces.cli import FAILED, OK, REFUSED, USAGE, main
from records import bundle, condition, drug, observation, patient

CONTRACT = {
    "type": "object",
    "required": [
        "schema", "index", "states", "emergencies", "unsafe", "causes", "factors", "joint", "balance", "fit", "plans",
        "forecast", "magnesium_explains", "next_tests", "cannot_tell", "either", "missing", "issues", "overdue",
        "provenance",
    ],
    "properties": {
        "schema": {"const": "carnallite.assessment/1"},
        "index": {"type": "string", "format": "date-time"},
        "states": {
            "required": ["magnesium", "potassium", "calcium"],
            "additionalProperties": {"enum": ["low", "normal", "high", "unknown"]},
        },
        "emergencies": {"$ref": "#/$defs/alerts"},
        "unsafe": {"$ref": "#/$defs/alerts"},
        "causes": {
            "type": "array",
            "items": {
                "required": ["id", "name", "probability", "basis", "share", "for", "against"],
                "properties": {
                    "probability": {"type": "number", "minimum": 0, "maximum": 1},
                    "basis": {"enum": ["recorded", "inferred"]},
                    "for": {"type": "array", "items": {"required": ["fact", "statement"]}},
                    "against": {"type": "array"},
                },
            },
        },
        "factors": {"type": "array", "items": {"required": ["id", "name", "probability", "share", "for"]}},
        "joint": {"type": "array", "items": {"required": ["causes", "probability"]}},
        "balance": {"type": ["object", "null"]},
        "fit": {"type": ["object", "null"]},
        "plans": {"type": "array", "items": {"required": ["id", "name", "steps", "blocked", "notes", "possible"]}},
        "forecast": {
            "type": ["object", "null"],
            "required": ["days", "members", "outlooks", "why_not", "assumptions", "not_foretold"],
        },
        "magnesium_explains": {"required": ["potassium", "calcium"]},
        "next_tests": {"type": "array", "items": {"required": ["id", "name", "information", "why"]}},
        "cannot_tell": {"type": "boolean"},
        "either": {"type": "array", "items": {"type": "string"}},
        "missing": {"type": "array", "items": {"type": "string"}},
        "issues": {"type": "array", "items": {"required": ["code", "where", "what", "do"]}},
        "overdue": {"type": "array", "items": {"required": ["content", "checked", "due", "owner"]}},
        "provenance": {"required": ["version", "model", "library", "record"]},
    },
    "$defs": {"alerts": {"type": "array", "items": {"required": ["id", "summary", "why"]}}},
}  # fmt: skip
RECORD = bundle(
    observation("2601-3", 0.4, "mmol/L"), observation("2823-3", 2.9, "mmol/L"), drug("omeprazole"),
    condition("chronic diarrhea"), observation("x", "patient says hello"),
)  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(RECORD)
    return path


def test_json_keeps_the_contract(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assess", str(record), "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    jsonschema_rs.Draft202012Validator(CONTRACT).validate(told)
    assert msgspec.convert(told, Assessment).states.magnesium == "low"
    assert told["provenance"]["record"].startswith("sha256:")


def test_the_answer_has_units_and_no_color_in_a_pipe(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assess", str(record)]) == OK
    text = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    assert "0.40 mmol/L" in text
    assert "\x1b[" not in text
    assert main(["assess", str(record), "--units", "us"]) == OK
    assert "mg/dL" in capsys.readouterr().out
    assert main(["assess", str(record), "--units", "both"]) == OK
    both = capsys.readouterr().out
    assert "mg/dL" in both
    assert "mmol/L" in both


def test_the_response_to_a_plan_is_told_for_a_moment_before_the_assessment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record.json"
    later = observation("2601-3", 0.5, "mmol/L", effectiveDateTime="2020-06-04T08:00:00Z")
    path.write_bytes(bundle(observation("2601-3", 0.4, "mmol/L"), later, drug("omeprazole")))
    assert main(["assess", str(path), "--since", "2020-06-01T09:00Z"]) == OK
    assert "RESPONSE SINCE 2020-06-01 09:00 TELLS" in capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    assert main(["assess", str(path), "--since", "2020-06-01T09:00Z", "--json"]) == OK
    told = json.loads(capsys.readouterr().out)["response"]
    assert told["replies"] or told["why_not"]
    assert main(["assess", str(path), "--since", "2020-06-04T08:00Z"]) == USAGE
    assert "--since must lie before" in capsys.readouterr().err


def test_a_report_is_never_overwritten_unasked(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out" / "report.html"
    assert main(["assess", str(record), "--html", str(target)]) == OK
    assert target.read_text("utf-8").startswith("<!")
    assert main(["assess", str(record), "--html", str(target)]) == USAGE
    assert "--force" in capsys.readouterr().err
    assert main(["assess", str(record), "--html", str(target), "--force"]) == OK


@pytest.mark.parametrize(
    "data",
    [
        b"", b"   ", b"{", b"[]", b"null", b'"x"', b'{"resourceType":"Observation"}', b'{"resourceType":"Bundle"}',
        b'{"resourceType":"Bundle","entry":[{}]}', b'{"resourceType":"Bundle","entry":[{"resource":NaN}]}',
        b"[" * 200_000, b"\x00\x01\x02", b"\x1f\x8b\x08broken", "{}".encode("utf-16"),
        bundle(), bundle(who=patient(id="p2")),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_plain_words(data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    assert main(["assess", str(path)]) == REFUSED
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("carnallite: refused: ")
    assert "Traceback" not in told.err


def test_one_bad_resource_does_not_lose_the_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = observation("2823-3", 4.0, "mmol/L") | {"valueQuantity": {"value": "four"}}
    double = RECORD[:-2] + b', {"resource": {"resourceType": "Observation", "status": "final", "status": "final"}}]}'
    for data in (bundle(observation("2601-3", 0.4, "mmol/L"), bad), double):
        path = tmp_path / "record.json"
        path.write_bytes(data)
        assert main(["assess", str(path), "--json"]) == OK
        told = json.loads(capsys.readouterr().out)
        assert told["states"]["magnesium"] == "low"
        assert {"resource_not_read", "duplicate_key"} & {issue["code"] for issue in told["issues"]}


def test_without_magnesium_the_answer_is_to_measure_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(bundle(observation("2823-3", 2.4, "mmol/L")))
    assert main(["assess", str(path), "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert told["next_tests"][0]["id"] == "serum_magnesium"
    assert told["states"]["potassium"] == "low"
    assert told["emergencies"]


def test_words_of_the_record_never_enter_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    canary = "Zanzibar"
    path = tmp_path / "record.json"
    path.write_bytes(
        bundle(
            observation("2601-3", 0.4, "mmol/L"),
            condition(canary),
            drug(canary),
            observation("2823-3", canary),
            observation("9-9", 1.0, canary),
            who=patient(name=[{"family": canary}]),
        )
    )
    for options in ([], ["--json"], ["--unread"]):
        assert main(["assess", str(path), *options]) == OK
        told = capsys.readouterr()
        assert canary.lower() not in (told.out + told.err).lower()


def test_local_codes_are_mapped_by_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "record.json"
    local = observation("x", 0.4, "mmol/L") | {"code": {"coding": [{"system": "urn:here", "code": "LAB77"}]}}
    path.write_bytes(bundle(local))
    table = tmp_path / "map.csv"
    table.write_text("code,analyte\nLAB77,serum_magnesium\n")
    assert main(["assess", str(path), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["states"]["magnesium"] == "unknown"
    assert main(["assess", str(path), "--json", "--map", str(table)]) == OK
    assert json.loads(capsys.readouterr().out)["states"]["magnesium"] == "low"
    table.write_text("LAB77,serum_magnesum\n")
    assert main(["assess", str(path), "--map", str(table)]) == REFUSED
    assert "serum_magnesium" in capsys.readouterr().err


@pytest.mark.parametrize("id", ["ppi", "B12", "B59", "a07", "serum_magnesium", "omeprazole", "femg_renal", "gitelman",
                                "calcium_or_magnesium", "oral_magnesium", "kieboom2015", "egfr",
                                "intensive_care", "settings/transplant", "ppi-loop_diuretic"])  # fmt: skip
def test_everything_can_be_explained(id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", id]) == OK
    assert len(capsys.readouterr().out.splitlines()) > 2


@pytest.mark.parametrize(
    ("id", "told"),
    [
        ("causes/ppi", "times 0.3 (0.222 to 0.405 in two of three people)"),
        ("causes/ppi", "severe: The rare person"),
        ("causes/ppi", "[gut.transporter_target]"),
        ("causes/hypercalcemia", "plus 1.1 mmol/L"),
        ("drugs/mra", "becomes 0.8: Block of the mineralocorticoid receptor"),
        ("drugs/metformin", "on the body, as the cause chronic_diarrhea, mild:"),
        ("drugs/pcab", "severe: The rare person"),
        ("sglt2_inhibitor", "not simulated: Magnesium rises"),
        ("refractory_hypokalemia", "in the body: Low cell magnesium opens"),
        ("oral_potassium", "in the body: Given as a dose"),
        ("causes/hypercalcemia", "- otherwise: malignancy 0.5, hyperparathyroidism 0.5"),
    ],
)
def test_what_acts_on_the_body_is_told_or_why_nothing_does(
    id: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", id]) == OK
    assert told in " ".join(capsys.readouterr().out.split())


def test_a_drug_that_does_not_matter_to_the_body_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "drugs/macrolide"]) == OK
    told = capsys.readouterr().out
    assert "body" not in told
    assert "not simulated" not in told


def test_an_unknown_id_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "hyperaldosteronsm"]) == USAGE
    assert "hyperaldosteronism" in capsys.readouterr().err


def test_the_template_is_itself_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["template"]) == OK
    path = tmp_path / "timeline.csv"
    template = capsys.readouterr().out
    path.write_text(template)
    assert main(["assess", str(path)]) == REFUSED  # its rows are examples, not a patient
    lines = [line.removeprefix("#").lstrip() for line in template.splitlines()]
    path.write_text("\n".join(line for line in lines if line.count(",") > 5))
    capsys.readouterr()
    assert main(["assess", str(path), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["states"]["magnesium"] != "unknown"


def test_doctor_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == OK
    assert "all is well" in capsys.readouterr().out
    assert FAILED not in {OK, USAGE, REFUSED}


def test_a_closed_pipe_is_no_error(record: Path) -> None:
    command = f"{sys.executable} -m carnallite assess {record} | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, env=os.environ | {"NO_COLOR": "1"}
    )
    assert "Traceback" not in done.stderr


def test_alone_it_says_hello(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == OK
    assert 8 <= len(capsys.readouterr().out.splitlines()) <= 14


def test_a_library_is_built_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "library"
    assert main(["library", "info", "--at", str(folder)]) == FAILED
    assert "carnallite library build" in capsys.readouterr().err
    assert main(["library", "build", "-n", "60", "--at", str(folder)]) == OK
    assert "60 virtual patients" in capsys.readouterr().out
    assert main(["library", "build", "-n", "60", "--seed", "2", "--at", str(folder)]) == FAILED
    assert "another population" in capsys.readouterr().err
    (folder / "mine.txt").write_text("kept", "utf-8")
    assert main(["library", "build", "-n", "60", "--seed", "2", "--at", str(folder), "--force"]) == OK
    assert (folder / "mine.txt").exists()
