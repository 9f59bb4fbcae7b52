"""The CSV timeline: what is read, and what is refused with which hint."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from carnallite.errors import RecordRefused
from carnallite.record import tabular

COLUMNS = ["patient", "time", "kind", "name", "value", "unit", "code", "end", "status", "dose", "dose_unit",
           "per_day", "route", "reference_low", "reference_high", "specimen", "note"]  # fmt: skip


def read(*rows: dict[str, str], mark: str = ",", columns: list[str] = COLUMNS[1:]):
    out = io.StringIO()
    table = csv.DictWriter(out, columns, delimiter=mark)
    table.writeheader()
    table.writerows(rows)
    return tabular.read(out.getvalue().encode())


def lab(**cells: str) -> dict[str, str]:
    return {"time": "2020", "kind": "observation", "name": "magnesium", "unit": "mmol/L"} | cells


def entries(*rows: dict[str, str]):
    return read(*rows).entries.get("patient", [])


def codes_of(loaded) -> list[str]:
    return [issue.code for issue in loaded.issues]


def test_number_with_unit_and_code():
    (entry,) = entries(lab(time="2020-06-01T08:30+02:00", value="0.45", code="loinc:2601-3; local:MG; XY",
                           reference_low="0.7", specimen="serum"))  # fmt: skip
    assert (entry.value, entry.unit, entry.comparator, entry.specimen) == (0.45, "mmol/L", "", "serum")
    assert entry.codes == (("loinc", "2601-3"), ("local", "MG"), ("local", "XY"))
    assert entry.time == datetime(2020, 6, 1, 6, 30, tzinfo=UTC)
    assert (entry.reference_low, entry.reference_high) == (0.7, None)
    assert entry.where == "row 2"


def test_censored_number_and_words():
    censored, words, both = entries(lab(value="<0.3"), lab(value="undetectable"), lab(value=">10 mmol/L"))
    assert (censored.comparator, censored.value) == ("<", 0.3)
    assert (words.value, words.words) == (None, "undetectable")
    assert (both.value, both.words) == (None, ">10 mmol/L")


TWOFOLD = ["2,1", "1,200", "1.200,5", "<0,3", "1 200", "1\u202f200", "1'200", "2,1 mmol/L", "1.200.300"]


@pytest.mark.parametrize("cell", TWOFOLD)
@pytest.mark.parametrize("mark", [",", ";"])
def test_number_that_could_be_two_numbers_is_refused(cell: str, mark: str):
    loaded = read(lab(value=cell), mark=mark)
    assert codes_of(loaded) == ["decimal_comma"]
    assert "1.5" in loaded.issues[0].do
    assert not loaded.entries


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_delimiters_and_byte_order_mark(mark: str):
    data = "time,Kind,NAME,value,unit\n2020,observation,k,2.9,mmol/L\n".replace(",", mark)
    (entry,) = tabular.read(data.encode("utf-8-sig")).entries["patient"]
    assert entry.value == 2.9


@pytest.mark.parametrize("when", ["01/02/2020", "1.2.2020", "01-02-20", "yesterday", "2020-13-01", "2020-02-01T25:00"])
def test_time_that_cannot_be_read_costs_the_row(when: str):
    loaded = read(lab(time=when, value="1"), lab(value="1"))
    assert codes_of(loaded) in (["date_ambiguous"], ["date_not_read"])
    assert len(loaded.entries["patient"]) == 1
    assert when not in repr(loaded.issues)


def test_naive_times_are_utc_and_said_once():
    times = ("2020-06-01 08:30", "2020-06-01T09:30", "2020-06-01")
    loaded = read(*(lab(time=time, value="3") for time in times))
    assert codes_of(loaded) == ["time_zone"]
    assert "2 times" in loaded.issues[0].what
    assert loaded.entries["patient"][0].time == datetime(2020, 6, 1, 8, 30, tzinfo=UTC)


def test_person_rows_and_several_people():
    def person(key: str, name: str, value: str) -> dict[str, str]:
        return {"patient": key, "kind": "person", "name": name, "value": value}

    loaded = read(
        person("a", "sex", "F"), person("a", "birth_date", "1950-02-03"), person("b", "Age", "> 89"),
        person("b", "birth date", "3.2.1950"), person("b", "shoe size", "9"), lab(patient="b", value="3"),
        lab(patient="", value="9"), columns=COLUMNS,
    )  # fmt: skip
    assert (loaded.people["a"].sex, loaded.people["a"].birth) == ("F", "1950-02-03")
    assert (loaded.people["b"].age, loaded.people["b"].birth) == ("> 89", "")
    assert codes_of(loaded) == ["person_not_read", "person_not_read"]
    assert loaded.strays == ["row 8"]


def test_unknown_column_kind_status_and_system_suggest_the_nearest():
    loaded = tabular.read(b"time,kind,name,vallue\n2020,observatoin,k,3\n")
    assert codes_of(loaded) == ["column_not_known", "kind_not_known"]
    assert "'value'" in loaded.issues[0].do
    assert "'observation'" in loaded.issues[1].do
    loaded = read({"kind": "drug", "name": "x", "code": "rxnrom:1", "status": "activ"})
    assert codes_of(loaded) == ["code_system_not_known", "status_not_known"]
    assert loaded.entries["patient"][0].codes == ()


def test_rows_with_another_number_of_cells():
    rows = b"2020,observation,k,3,extra\n2020,observation,k\n\n2020,observation,k,4\n"
    loaded = tabular.read(b"time,kind,name,value\n" + rows)
    assert [issue.where for issue in loaded.issues] == ["row 2", "row 3"]
    assert [entry.where for entry in loaded.entries["patient"]] == ["row 5"]


def test_open_quotation_mark_is_named():
    loaded = tabular.read(b'time,kind,name\n2020,condition,"gout\n2020,condition,asthma\n')
    assert codes_of(loaded) == ["row_not_read"]
    assert loaded.issues[0].where == "row 2"


def test_drug_rows():
    drug = {"time": "2020-05-01", "kind": "drug", "name": "furosemide"}
    plain, given, words = entries(
        drug | {"end": "2020-05-31", "dose": "40", "dose_unit": "mg", "per_day": "2", "route": "oral"},
        drug | {"status": "given", "dose": "8", "dose_unit": "mmol"}, drug | {"dose": "40 mg twice daily"},
    )  # fmt: skip
    assert (plain.dose, plain.dose_unit, plain.per_day, plain.route) == (40, "mg", 2, "oral")
    assert not plain.single
    assert plain.end == datetime(2020, 6, 1, tzinfo=UTC)
    assert (given.single, given.status, given.dose) == (True, "completed", 8)
    assert (words.dose, words.dose_text) == (None, "40 mg twice daily")


def test_what_cannot_be_a_dose_stays_unknown():
    drug = {"time": "2020-05-01", "kind": "drug", "name": "x"}
    loaded = read(drug | {"dose": "1,000", "per_day": "2 x"}, drug | {"value": "5", "unit": "mg"})
    assert codes_of(loaded) == ["number_not_read", "number_not_read", "value_not_used"]
    assert all(entry.dose is None and entry.per_day is None for entry in loaded.entries["patient"])


def test_conditions_encounters_notes():
    gone, doubtful, stay, note = entries(
        {"time": "2020", "kind": "condition", "name": "gout", "code": "ICD-10-CM:M10.9", "end": "2020-02-01",
         "status": "resolved"},
        {"time": "2020", "kind": "condition", "name": "asthma", "status": "provisional"},
        {"time": "2020-05-30", "kind": "encounter", "name": "Ward", "end": "2020-06-02", "note": "diarrhea"},
        {"time": "2020", "kind": "note", "name": "visit", "note": "No vomiting."},
    )  # fmt: skip
    assert (gone.status, gone.codes) == ("resolved", (("icd10", "M10.9"),))
    assert gone.end == datetime(2020, 2, 1, tzinfo=UTC)
    assert doubtful.certainty == "provisional"
    assert (stay.setting, stay.text, stay.end) == ("IMP", "diarrhea", datetime(2020, 6, 3, tzinfo=UTC))
    assert (note.kind, note.text) == ("text", "visit. No vomiting.")


def test_repeated_rows_count_once():
    loaded = read(lab(value="1"), lab(value="1"), lab(value="2"))
    assert codes_of(loaded) == ["duplicate"]
    assert len(loaded.entries["patient"]) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", b"# only a remark\n", b"time,kind\n2020,drug\n", b"time,kind,name,name\n",
     "time,kind,name\n".encode("utf-16"), b"time,kind,name\n2020,condition,na\xefve\n",
     b"time,kind,name\n2020,\0,x\n"],
)  # fmt: skip
def test_what_is_no_such_table_is_refused(data: bytes):
    with pytest.raises(RecordRefused):
        tabular.read(data)


def test_first_row_of_data_is_never_shown():
    with pytest.raises(RecordRefused) as refused:
        tabular.read(b"2020-01-01,Jane Doe,magnesium\n")
    assert "Jane" not in str(refused.value)


def test_template_has_every_column_and_reads_once_uncommented():
    text = tabular.template()
    assert tabular.read(text.encode()).issues == []
    rows = [line.removeprefix("# ") for line in text.splitlines() if "One row" not in line]
    loaded = tabular.read("\n".join(rows).encode())
    assert loaded.issues == []
    kinds = [entry.kind for entry in loaded.entries["patient"]]
    assert set(kinds) == {
        "observation", "drug", "condition", "procedure", "encounter", "allergy", "family", "text",
    }  # fmt: skip
    assert loaded.people["patient"].sex == "female"
