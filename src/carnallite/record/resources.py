"""The fields of FHIR R4 that we use; one struct serves all resource types, and everything else is skipped."""

from __future__ import annotations

import msgspec

Text = str | None


class Coding(msgspec.Struct, frozen=True):
    """FHIR Coding."""

    system: Text = None
    code: Text = None
    display: Text = None


class Concept(msgspec.Struct, frozen=True):
    """FHIR CodeableConcept."""

    coding: list[Coding] = []
    text: Text = None


class Quantity(msgspec.Struct, frozen=True):
    """FHIR Quantity."""

    value: float | None = None
    comparator: Text = None
    unit: Text = None
    system: Text = None
    code: Text = None


class Period(msgspec.Struct, frozen=True):
    """FHIR Period."""

    start: Text = None
    end: Text = None


class Link(msgspec.Struct, frozen=True):
    """FHIR Reference."""

    reference: Text = None
    display: Text = None


class Note(msgspec.Struct, frozen=True):
    """FHIR Annotation."""

    text: Text = None


class Bounds(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Observation.referenceRange."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: Concept | None = None


class Repeat(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Timing.repeat."""

    bounds_period: Period | None = None
    frequency: float | None = None
    period: float | None = None
    period_unit: Text = None
    duration: float | None = None
    duration_unit: Text = None


class Timing(msgspec.Struct, frozen=True):
    """FHIR Timing."""

    repeat: Repeat | None = None


class Ratio(msgspec.Struct, frozen=True):
    """FHIR Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class DoseAndRate(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Dosage.doseAndRate."""

    dose_quantity: Quantity | None = None
    rate_quantity: Quantity | None = None
    rate_ratio: Ratio | None = None


class Dosage(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Dosage, and MedicationAdministration.dosage."""

    text: Text = None
    route: Concept | None = None
    timing: Timing | None = None
    dose_and_rate: list[DoseAndRate] = []
    dose: Quantity | None = None


class Component(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Observation.component."""

    code: Concept | None = None
    value_quantity: Quantity | None = None
    value_string: Text = None
    value_codeable_concept: Concept | None = None
    interpretation: list[Concept] = []
    reference_range: list[Bounds] = []


class BundleEntry(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Bundle.entry, its resource not decoded."""

    resource: msgspec.Raw = msgspec.Raw(b"")
    full_url: Text = None


class Bundle(msgspec.Struct, frozen=True, rename="camel"):
    """FHIR Bundle."""

    resource_type: Text = None
    entry: list[BundleEntry] = []


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The fields that we use, of whichever resource type."""

    resource_type: str
    id: Text = None
    status: Text = None
    code: Concept | None = None
    subject: Link | None = None
    patient: Link | None = None
    gender: Text = None
    birth_date: Text = None
    effective_date_time: Text = None
    effective_instant: Text = None
    effective_period: Period | None = None
    issued: Text = None
    do_not_perform: bool = False
    contained: list[msgspec.Raw] = []
    type: Concept | list[Concept] | str | None = None  # of a Specimen
    value_quantity: Quantity | None = None
    value_range: Bounds | None = None
    value_string: Text = None
    value_integer: float | None = None
    value_codeable_concept: Concept | None = None
    component: list[Component] = []
    interpretation: list[Concept] = []
    reference_range: list[Bounds] = []
    note: list[Note] = []
    specimen: Link | None = None
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: Text = None
    onset_period: Period | None = None
    onset_string: Text = None
    abatement_date_time: Text = None
    abatement_period: Period | None = None
    recorded_date: Text = None
    performed_date_time: Text = None
    performed_period: Period | None = None
    period: Period | None = None
    klass: Coding | list[Coding] | None = msgspec.field(default=None, name="class")
    reason_code: list[Concept] = []
    medication_codeable_concept: Concept | None = None
    medication_reference: Link | None = None
    authored_on: Text = None
    when_handed_over: Text = None
    dosage: list[Dosage] | Dosage | None = None
    dosage_instruction: list[Dosage] = []
    condition: list[Component] = []  # of FamilyMemberHistory
    intent: Text = None
