"""Every data file loads, names only what exists, and is named by something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import carnallite
from carnallite.assessment.check import expressions, faults
from carnallite.assessment.cloud.people import population
from carnallite.assessment.cloud.under import treatments
from carnallite.assessment.cloud.weigh import weights
from carnallite.assessment.cloud.why import corrections
from carnallite.knowledge import effects, find, knowledge
from carnallite.knowledge.load import load
from carnallite.physiology.load import model
from carnallite.quantity import analytes
from carnallite.record import Patient, Timeline

KNOWLEDGE = Path(carnallite.__file__).parent / "knowledge"
PLACES = [f"A{number:02}" for number in range(1, 48)] + [f"B{number:02}" for number in range(1, 77)]
KINDS = tuple(field.name for field in msgspec.structs.fields(knowledge()))


def test_every_file_loads() -> None:
    known = load(KNOWLEDGE)
    for kind in KINDS:
        files = {path.stem for path in (KNOWLEDGE / kind).glob("*.toml")}
        assert set(getattr(known, kind)) == files
        assert files, kind


def test_every_folder_is_a_kind() -> None:
    folders = {path.name for path in KNOWLEDGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(KINDS)


def test_every_expression_can_be_evaluated() -> None:
    nobody = Timeline(patient=Patient(), index=datetime(2020, 1, 1, tzinfo=UTC))
    assert not faults(nobody)


def test_a_form_is_told_by_the_record_and_not_by_results_that_the_body_explains() -> None:
    told = {"body_mass_index", "stoma_output_24h", "digoxin_level"}
    for cause in knowledge().causes.values():
        for entry in cause.severity:
            asked = set(re.findall(r"\w+", entry.when))
            assert not asked & (set(analytes()) - told | set(knowledge().findings)), cause.id


@pytest.mark.parametrize("id", [cause.id for cause in knowledge().causes.values() if len(effects(cause)) > 1])
def test_the_forms_of_a_cause_share_what_it_does(id: str) -> None:
    cause = knowledge().causes[id]
    groups = {entry.when: [one for one in cause.severity if one.when == entry.when] for entry in cause.severity}
    assert {entry.phenotype for entry in groups[""]} == set(effects(cause))
    for group in groups.values():
        assert sum(entry.share for entry in group) == pytest.approx(1)


def test_a_setting_names_only_what_it_changes() -> None:
    known = knowledge()
    for setting in known.settings.values():
        for rate in setting.causes:
            assert rate.probability != known.causes[rate.cause].priors[-1].probability, f"{setting.id}: {rate.cause}"
        for one in setting.factors:
            assert one.probability != known.factors[one.factor].priors[-1].probability, f"{setting.id}: {one.factor}"


def test_every_prior_ends_with_an_entry_that_a_setting_may_replace() -> None:
    for kind in (knowledge().causes, knowledge().factors):
        assert all(not item.priors[-1].when for item in kind.values())


@pytest.mark.parametrize("place", PLACES)
def test_every_statement_of_the_documents_resolves(place: str) -> None:
    kind, statement = find(place)
    assert kind == "statements"
    assert place in (statement.id, *statement.also_at)


def test_every_source_is_a_reference_and_every_reference_a_source() -> None:
    used = set(_sources([getattr(knowledge(), kind) for kind in KINDS])) | set(_sources([analytes(), model()]))
    used |= set(_sources([weights(), corrections(), population(), treatments()]))
    listed = set(knowledge().references)
    assert not used - listed, "sources without a file in knowledge/references/"
    assert not listed - used - {"assumption"}, "references that nothing cites"


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        source = getattr(value, "source", "")
        if source:
            yield source
        for field in msgspec.structs.fields(value):
            yield from _sources(getattr(value, field.name))
    elif isinstance(value, dict):
        for part in value.values():
            yield from _sources(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _sources(part)


def test_every_finding_and_threshold_is_used() -> None:
    known = knowledge()
    code = "\n".join(path.read_text("utf-8") for path in KNOWLEDGE.parent.rglob("*.py"))
    texts = [text for _, text in expressions()]
    texts += [f"{formula.expr} {formula.valid_when}" for formula in known.formulas.values()]
    named = set(re.findall(r"\w+", " ".join(texts))) | set(re.findall(r'"(\w+)"', code))
    named |= {clue.finding for cause in known.causes.values() for clue in cause.clues}
    named |= {link.effect for link in known.links.values()}
    named |= {finding for test in known.investigations.values() for finding in test.settles}
    unused = {kind: sorted(set(getattr(known, kind)) - named) for kind in ("findings", "thresholds")}
    assert not any(unused.values()), unused


def test_every_cause_and_factor_of_the_contract_is_there() -> None:
    causes = """short_bowel enterocutaneous_fistula ppi malabsorption chronic_diarrhea bartter gitelman
        familial_renal_wasting loop_diuretic thiazide platinum anti_egfr calcineurin_inhibitor aminoglycoside
        amphotericin other_nephrotoxic_drug hyperaldosteronism diabetes hypercalcemia hypoparathyroidism_22q11
        hypoparathyroidism_other hungry_bone sepsis crrt_citrate burns alcohol refeeding poor_intake metformin
        hypermagnesemia_iatrogenic hypermagnesemia_ingestion hyperkalemia_mg_infusion ckd_hyperkalemia
        digoxin"""
    factors = """volume_depletion poor_salt_form inadequate_dose timing refractory_hypokalemia
        refractory_hyperkalemia hypocalcemia_secondary continued_offender genetic_wasting nonadherence"""
    assert set(causes.split()) <= set(knowledge().causes)
    assert set(factors.split()) == set(knowledge().factors)
