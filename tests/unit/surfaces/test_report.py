"""The report: one self-contained page in the order of urgency, accessible, and without anything of a patient's text."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import made
import msgspec
import pytest

from carnallite.assessment import Explained, JointCauses, RankedCause, Reason, States
from carnallite.assessment.values import Share
from carnallite.knowledge import knowledge
from carnallite.record import Exposure, Issue, Patient, Timeline, Unread
from carnallite.surfaces.report import render_html

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "circle", "use", "rect", "line", "polyline", "polygon"}
HEADINGS = {"h1", "h2", "h3", "h4"}


class Reader(HTMLParser):
    """Collects tags, ids, links, headings and text, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in HEADINGS:
            self.headings.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if HEADINGS & set(self.open) and self.headings:
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)

    @property
    def text(self) -> str:
        spaced = re.sub(r"\s+", " ", " ".join(self.words)).replace("\xa0", " ")
        return re.sub(r" (?=[,;.] )", "", spaced)  # what is kept together on a line stands in an element of its own


def page(assessment: Any = None, timeline: Timeline | None = None, *, units: Any = "si") -> str:
    return render_html(assessment or made.full(), timeline or made.history(), units=units)


@pytest.fixture(scope="module")
def html() -> str:
    return page()


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    return Reader(html)


def test_sections_stand_in_the_order_of_the_terminal(html: str) -> None:
    order = [
        ">Emergency<", ">Unsafe now<", ">Doubt about the sample<", 'id="state"', 'id="causes"', 'id="factors"',
        'id="explained"', 'id="tests"', 'id="missing"', 'id="unused"', 'id="course"', 'id="results"', 'id="reasons"',
        'id="debates"', 'id="left-out"', 'id="sources"', 'id="provenance"', "Intended use.",
    ]  # fmt: skip
    places = [html.index(part) for part in order]
    assert places == sorted(places)


def test_nothing_is_fetched_and_nothing_runs(html: str, read: Reader) -> None:
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html
    for tag, attributes in read.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    outside = set(re.findall(r"https?://[^\s\"<]+", html)) - {"http://www.w3.org/2000/svg"}
    cited = " ".join(one.citation + one.note for one in knowledge().references.values())
    assert all(one.rstrip(".,;)") in cited for one in outside)


def test_structure_is_accessible(read: Reader) -> None:
    tags = dict(read.tags)
    assert tags["html"]["lang"] == "en"
    assert {"header", "main", "footer", "title"} <= set(tags)
    first = next(attributes for tag, attributes in read.tags if tag == "a")
    assert (first["class"], first["href"]) == ("skip", "#answer")
    levels = [int(tag[1]) for tag, _ in read.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(told.strip() for _, told in read.headings)


def test_ids_are_unique_and_every_link_has_a_target(read: Reader) -> None:
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = [attributes["href"] for _, attributes in read.tags if "href" in attributes]
    wanted += [f"#{id}" for _, one in read.tags for id in (one.get("aria-labelledby") or "").split()]
    assert {(one or "")[1:] for one in wanted} <= set(ids)


def test_tables_have_scoped_headers(read: Reader) -> None:
    heads = [attributes for tag, attributes in read.tags if tag == "th"]
    assert heads
    assert all(one.get("scope") in {"col", "row"} for one in heads)


def test_only_one_alert_and_it_says_emergency(read: Reader) -> None:
    assert [attributes.get("role") for tag, attributes in read.tags if tag == "section"].count("alert") == 1
    calm = Reader(page(made.changed(emergencies=())))
    assert "alert" not in [attributes.get("role") for _, attributes in calm.tags]


def test_numbers_stand_in_both_systems_with_unit_flag_and_time(read: Reader) -> None:
    assert "Magnesium low 0.42 mmol/L, potassium low 2.7 mmol/L, corrected calcium low 2.11 mmol/L" in read.text
    row = "Magnesium, serum or plasma 0.42 mmol/L 1.02 mg/dL low 0.70 mmol/L to 1.00 mmol/L 2020-06-01 08:00 3 h"
    assert row in read.text
    us = Reader(page(units="us")).text
    assert "Magnesium, serum or plasma 1.02 mg/dL 0.42 mmol/L low 1.70 mg/dL to 2.43 mg/dL 2020-06-01 08:00 3 h" in us


def test_no_number_is_torn_from_its_unit(html: str) -> None:
    assert not re.search(r"\d (mmol|mg|meq|µmol)/", html)
    assert '<span class="nowrap">2020-04-20</span>' in html


def test_a_cause_shows_word_number_bar_and_both_sides(html: str, read: Reader) -> None:
    assert "1. Proton-pump inhibitor likely, 83 %" in read.text
    assert 'style="width:83%"' in html
    assert "For: Omeprazole since 2016-02-10; Furosemide since 2019-11-04" in read.text
    assert "Against: Not: parathyroid hormone low" in read.text
    assert "Hypocalcemia 2.2 assumed our judgement" in read.text  # the fourth reason, in the appendix
    assert "Further: None of the causes that we know 3 %" in read.text


def test_each_reason_names_its_source_and_the_source_is_listed(html: str, read: Reader) -> None:
    assert 'href="#ref-kieboom2015"' in html
    assert knowledge().references["kieboom2015"].citation in read.text
    assert "A07 supported" in read.text


def test_a_contested_statement_shows_word_icon_and_both_sides(html: str, read: Reader) -> None:
    told = knowledge().statements["A18"]
    assert "A18 contested" in read.text
    assert re.search(r'class="chip doubted" href="#debate-A18"><svg class="icon"', html)
    debate = html[html.index('id="debate-A18"') :]
    assert "It is said" in debate
    assert "On the other side" in debate
    assert told.claim in read.text
    assert told.why.split(";")[0] in read.text


def test_the_contrary_statement_is_shown() -> None:
    states = States(magnesium="low", potassium="high", calcium="normal")
    text = Reader(page(made.changed(states=states, magnesium_explains=Explained(potassium=0.02)))).text
    assert "B12 contradicted" in text
    assert knowledge().statements["A34"].claim in text


def test_hostile_text_is_escaped() -> None:
    hostile = made.HOSTILE
    cause = RankedCause(
        id="ppi", name=hostile, probability=0.9, basis="recorded", because=hostile,
        for_=(Reason(fact=hostile, statement=hostile, source=hostile, status=hostile),),
    )  # fmt: skip
    alert = msgspec.structs.replace(made.full().emergencies[0], summary=hostile, do=hostile, why=(hostile,))
    issue = Issue(hostile, hostile, hostile, hostile)
    provenance = msgspec.structs.replace(made.full().provenance, record=f"sha256:{hostile}", version=hostile)
    answer = made.changed(
        causes=(cause,), emergencies=(alert,), issues=(issue,), missing=(hostile,), provenance=provenance,
        results=(msgspec.structs.replace(made.full().results[0], value=hostile, note=hostile, reference=hostile),),
    )  # fmt: skip
    timeline = msgspec.structs.replace(
        made.history(), unread=(Unread(hostile, hostile),),
        exposures=(Exposure("furosemide", "current", hostile, dose=1.0, dose_unit=hostile, matched=hostile),),
    )  # fmt: skip
    text = page(answer, timeline)
    assert "<script" not in text
    assert "\x1b" not in text
    # of the hash only hexadecimal digits reach the style sheet, of the version nothing but a version
    assert 'content: "carnallite, record caec31e: research' in text
    Reader(text)


def test_nothing_that_identifies_is_shown() -> None:
    text = page()
    assert "1953" not in text
    assert "MedicationRequest" not in text
    old = msgspec.structs.replace(made.history(), patient=Patient(sex="male", age_at_least=97.0))
    assert "Male, 90 years or over" in Reader(page(timeline=old)).text
    assert "97" not in Reader(page(timeline=old)).text.split("record up to")[0]


@pytest.mark.parametrize(("patient", "told"), [
    (Patient(), "Sex not recorded, age not recorded"),
    (Patient(sex="female", age_at_least=18.0), "Female, at least 18 years"),
    (Patient(sex="male", birth=made.date(2020, 5, 20)), "Male, 12 days"),
    (Patient(sex="male", birth=made.date(2019, 12, 1)), "Male, 6 months"),
])  # fmt: skip
def test_the_patient_is_sex_and_age(patient: Patient, told: str) -> None:
    timeline = msgspec.structs.replace(made.history(), patient=patient)
    assert told in Reader(page(timeline=timeline)).text.replace("5 months", "6 months")


def test_cannot_tell_is_a_designed_state() -> None:
    text = Reader(page(made.changed(cannot_tell=True))).text
    order = [
        "Likely causes: cannot tell yet",
        "These tests would tell most",
        "1. Urine magnesium",
        "3. Parathyroid",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.index("Further tests") < text.index("1. Bicarbonate")


def test_a_withheld_ranking_gives_its_reason() -> None:
    issue = Issue("ranking_withheld", "assessment", "The causes are not ranked while in doubt.", "Repeat.")
    text = Reader(page(made.changed(cannot_tell=True, causes=(), issues=(issue,)))).text
    assert "The causes are not ranked while in doubt." in text
    assert "0 entries with a fault, 2 lines not understood" in text


def test_an_empty_record_is_a_whole_page() -> None:
    none = RankedCause(id="none", name="No cause: nothing is out of range", probability=0.95, basis="inferred")
    answer = made.changed(
        states=States(magnesium="unknown", potassium="unknown", calcium="unknown"), causes=(none,), results=(),
        emergencies=(), unsafe=(), samples=(), factors=(), cannot_tell=True, issues=(), next_tests=(), missing=(),
        magnesium_explains=Explained(),
    )  # fmt: skip
    text = Reader(page(answer, Timeline(patient=Patient(), index=made.INDEX))).text
    assert text.count("not measured") == 3
    assert "cannot tell yet" in text
    assert "nothing is out of range" not in text


def test_nothing_out_of_range_needs_no_cause() -> None:
    none = RankedCause(id="none", name="No cause: nothing is out of range", probability=0.97, basis="inferred")
    states = States(magnesium="normal", potassium="normal", calcium="normal")
    text = Reader(page(made.changed(causes=(none,), states=states, magnesium_explains=Explained()))).text
    assert "no ion that was measured is out of range" in text


def test_what_was_left_out_is_counted_and_listed(read: Reader) -> None:
    assert "5 entries with a fault, 2 lines not understood" in read.text
    assert "Observation 5, serum_sodium The unit is missing. Give the unit." in read.text
    assert "2 lines were not understood: Observation 14 (loinc 9999-9); Procedure 2" in read.text


def test_many_unread_lines_are_cut_with_a_count() -> None:
    timeline = msgspec.structs.replace(made.history(), unread=tuple(Unread(f"line {n}") for n in range(40)))
    assert "; and 15 more." in Reader(page(timeline=timeline)).text


def test_provenance_and_intended_use(read: Reader) -> None:
    for told in (
        "carnallite 0.1.0", "52 causes, 84 statements", "nothing in this answer was simulated",
        f"sha256 {'ab12cd34' * 8}", "Research software, not a medical device: decision support for clinicians.",
    ):  # fmt: skip
        assert told in read.text


def test_shares_and_joint_causes_are_shown_once_they_exist() -> None:
    share = Share(value=3.1, low=1.8, high=4.6, unit="mmol/d", horizon_days=7)
    first, *rest = made.full().causes
    joint = JointCauses(causes=("loop_diuretic", "ppi"), probability=0.41)
    answer = made.changed(causes=(msgspec.structs.replace(first, share=share), *rest), joint=(joint,))
    text = Reader(page(answer)).text
    assert "Corrected, it would keep 3.1 mmol/d of magnesium (1.8 to 4.6; simulated, 7 days)" in text
    assert "Together: Loop diuretic with Proton-pump inhibitor, 41 %" in text


def test_the_figure_has_its_numbers_in_a_table(html: str, read: Reader) -> None:
    assert html.count("<svg xmlns=") == 2  # the record, and the leading cause simulated
    details = html[html.index("<details>") : html.index("</details>")]
    assert details.count("<tr>") == 2 + 32 + 8  # two heads, the dated results, the drugs that matter
    assert "Magnesium, serum or plasma &lt;0.30" not in details
    assert "<0.30 mmol/L" in read.text


def test_the_same_answer_is_the_same_page(html: str) -> None:
    assert page() == html
