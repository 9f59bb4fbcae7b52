from __future__ import annotations

import pytest

from carnallite.record.understand import is_denial, level, mentions


def senses(text: str) -> dict[str, str]:
    return {mention.id: mention.sense for mention in mentions(text)}


@pytest.mark.parametrize(
    ("text", "id", "sense"),
    [
        ("diarrhea for three weeks", "diarrhea", "present"),
        ("No diarrhea, vomiting or diuretics", "vomiting", "absent"),
        ("No diarrhea, vomiting or diuretics", "diuretic_unspecified", "absent"),
        ("denies vomiting", "vomiting", "absent"),
        ("no fever but vomiting for 2 days", "vomiting", "present"),
        ("no fever, vomiting for 2 days", "vomiting", "present"),
        ("seizure ruled out", "seizure", "absent"),
        ("history of vomiting", "vomiting", "past"),
        ("mother with Gitelman syndrome", "gitelman_syndrome", "family"),
        ("possible Gitelman syndrome", "gitelman_syndrome", "uncertain"),
        ("Chronic kidney disease, Stage IV", "ckd_stage_4", "present"),
        ("Diarrea crónica", "chronic_diarrhea", "present"),
        ("Krampfanfall", "seizure", "present"),
        ("Vomiting absent, diarrhea present", "vomiting", "absent"),
        ("Vomiting absent, diarrhea present", "diarrhea", "present"),
        ("Negative for diarrhea and positive for vomiting", "vomiting", "present"),
        ("Without treatment the diarrhea persisted", "vomiting", None),
        ("Vomiting resolved", "vomiting", "past"),
    ],
)
def test_a_text_names_what_a_data_file_lists(text: str, id: str, sense: str | None) -> None:
    assert senses(text).get(id) == sense


@pytest.mark.parametrize(
    ("text", "id"),
    [("heartburn", "burns"), ("alcohol swab", "alcohol_use"), ("esomeprazole magnesium", "magnesium_oxide")],
)
def test_look_alikes_are_not_matched(text: str, id: str) -> None:
    assert id not in senses(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("low", "low"),
        ("very low", "low"),
        ("inappropriately normal", "normal"),
        ("low-normal", "normal"),
        ("undetectable", "undetectable"),
        ("not detectable", "undetectable"),
        ("high (alkalosis)", "high"),
        ("low (normal 1.7-2.2)", "low"),
        ("not low", ""),
        ("pending", ""),
    ],
)
def test_results_in_words(text: str, expected: str) -> None:
    assert level(text) == expected


def test_denials_stand_alone() -> None:
    assert is_denial("negative")
    assert not is_denial("seizure")
