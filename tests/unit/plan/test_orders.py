"""Draft orders: what is wrong with them is told before they act, and what could not be read is told too."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from carnallite.errors import RecordRefused
from carnallite.plan import OrderFinding, review
from carnallite.record import Order, read_orders
from planned import KIDNEY, magnesium, potassium
from records import condition, drug, observation, read

NOW = datetime(2020, 6, 1, 12, tzinfo=UTC)
HEART = observation("8867-4", 75.0, "/min")
PRESSURE = observation("8480-6", 120.0, "mm[Hg]")
BAD_KIDNEY = observation("2160-0", 400.0, "umol/L")


def draft(text: str, dosage: str = "", **fields: Any) -> dict[str, Any]:
    order = {
        "resourceType": "MedicationRequest", "status": "draft", "intent": "order",
        "medicationCodeableConcept": {"text": text}, "subject": {"reference": "Patient/p1"},
    }  # fmt: skip
    return order | ({"dosageInstruction": [{"text": dosage}]} if dosage else {}) | fields


def orders(*drafts: dict[str, Any]) -> tuple[Order, ...]:
    return read_orders([json.dumps(one).encode() for one in drafts], index=NOW)


def found(*record: dict[str, Any], sign: dict[str, Any] | tuple[dict[str, Any], ...]) -> dict[str, OrderFinding]:
    drafts = sign if isinstance(sign, tuple) else (sign,)
    return {one.id: one for one in review(read(*record), orders(*drafts))}


WELL = (KIDNEY, HEART, PRESSURE)


# what an order says --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("dosage", "over", "volume"),
    [
        ("20 mmol IV over 30 min in 250 mL", 0.5, 0.25),
        ("20 mmol IV at 10 mmol/h", 2.0, None),
        ("4 g IV at 2 g/hour in 1 L", 2.0, 1.0),
        ("1 g IV over 15-30 minutes", 0.25, None),
        ("20 mmol IV in 500 mL at 100 mL/h", 5.0, 0.5),
        ("20 mmol IV", None, None),
    ],
)
def test_how_fast_an_order_is_by_its_words(dosage: str, over: float | None, volume: float | None) -> None:
    (order,) = orders(draft("magnesium sulfate", dosage))
    assert (order.over_h, order.volume_l) == (pytest.approx(over) if over else None, volume)


def test_how_fast_an_order_is_by_its_codes() -> None:
    dose = {"value": 20, "unit": "mmol"}
    by_ratio = {"doseQuantity": dose, "rateRatio": {"numerator": {"value": 5, "unit": "mmol"},
                                                   "denominator": {"value": 30, "unit": "min"}}}  # fmt: skip
    by_quantity = {"doseQuantity": dose, "rateQuantity": {"value": 10, "unit": "mmol/h"}}
    timed = {"doseAndRate": [{"doseQuantity": dose}], "timing": {"repeat": {"duration": 2, "durationUnit": "h"}}}
    for dosage in ({"doseAndRate": [by_ratio]}, {"doseAndRate": [by_quantity]}, timed):
        (order,) = orders(draft("potassium chloride IV", dosageInstruction=[dosage | {"route": {"text": "IV"}}]))
        assert order.over_h == pytest.approx(2.0)


def test_a_rate_alone_is_that_of_a_day() -> None:
    (order,) = orders(draft("potassium chloride IV", "10 mmol/h"))
    assert (order.over_h, order.exposures[0].dose, order.exposures[0].per_day) == (1, 10, 24)
    rate = {"rateQuantity": {"value": 10, "unit": "mmol/h"}}
    (order,) = orders(draft("potassium chloride IV", dosageInstruction=[{"doseAndRate": [rate]}]))
    assert (order.over_h, order.exposures[0].dose, order.exposures[0].per_day) == (24, 240, 1)


def test_what_is_no_drug_order_is_left_out() -> None:
    test = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order", "subject": {}}
    assert orders(test, draft("potassium chloride", doNotPerform=True)) == ()


def test_what_is_no_resource_is_refused() -> None:
    with pytest.raises(RecordRefused, match="draft order 1"):
        read_orders([b'{"resourceType": 3}'], index=NOW)


def test_a_medication_beside_the_order_is_looked_up() -> None:
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "potassium chloride"}}
    order = draft("", medicationReference={"reference": "Medication/m"})
    del order["medicationCodeableConcept"]
    (found,) = orders(medication, order)
    assert [one.ingredient for one in found.exposures] == ["potassium_chloride"]


# against the table ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("record", "sign", "id", "severity"),
    [
        ((*WELL, magnesium(0.5)),
         draft("magnesium sulfate", "20 mmol IV over 10 min"), "magnesium_rate_label", "critical"),
        ((*WELL, magnesium(0.5)),
         draft("magnesium sulfate", "20 mmol IV over 1 h"), "magnesium_rate_everyday", "warning"),
        ((*WELL, magnesium(0.5), condition("third degree AV block")),
         draft("magnesium sulfate", "8 mmol IV over 4 h"), "magnesium_heart_block", "critical"),
        ((*WELL, magnesium(0.5), condition("anuria")),
         draft("magnesium sulfate", "8 mmol IV over 4 h"), "magnesium_anuria", "critical"),
        ((BAD_KIDNEY, HEART, PRESSURE, magnesium(0.5)),
         draft("magnesium sulfate", "20 mmol IV over 3 h"), "magnesium_rate_kidney", "warning"),
        ((*WELL, potassium(3.0)), draft("potassium chloride", "20 mmol IV push"), "potassium_rate_label", "critical"),
    ],
)  # fmt: skip
def test_a_dose_beyond_the_table_is_told(record: Any, sign: Any, id: str, severity: str) -> None:
    said = found(*record, sign=sign)
    assert id in said, sorted(said)
    assert said[id].severity == severity


def test_an_order_within_all_limits_is_silent_but_for_what_is_asked() -> None:
    said = found(*WELL, magnesium(0.5), potassium(4.0), sign=draft("magnesium sulfate", "8 mmol IV over 4 h in 250 mL"))
    assert {one.severity for one in said.values()} <= {"info"}


def test_orders_add_up_and_so_does_what_is_given_now() -> None:
    one = draft("potassium chloride", "20 mmol IV over 2 h in 500 mL")
    first = found(*WELL, potassium(3.0), sign=one)
    both = found(*WELL, potassium(3.0), sign=(one, one))
    assert "potassium_rate_label" not in first
    assert both["potassium_rate_label"].order == "MedicationRequest 2"
    order = draft("potassium chloride", "20 mmol IV over 2 h every 4 h in 500 mL")
    alone = found(*WELL, potassium(3.0), sign=order)
    more = found(
        *WELL, potassium(3.0), drug("potassium chloride", dosage=[{"text": "20 mmol IV every 4 h"}]), sign=order
    )
    assert "potassium_day_label" not in alone
    assert more["potassium_day_label"].together


def test_an_order_too_much_by_itself_is_told_as_it_is_written() -> None:
    fast = draft("potassium chloride", "20 mmol IV over 1 h every 4 h in 500 mL")
    running = drug("potassium chloride", dosage=[{"text": "20 mmol IV every 4 h"}])
    alone, beside = (found(*WELL, potassium(3.0), *record, sign=fast) for record in ((), (running,)))
    assert alone["potassium_rate_label"].ordered == beside["potassium_rate_label"].ordered == "20 mmol/h"
    assert not beside["potassium_rate_label"].together


def test_a_dose_that_cannot_be_read_is_told() -> None:
    assert (
        found(*WELL, magnesium(0.5), sign=draft("magnesium oxide 400 mg"))["magnesium_oxide_not_read"].kind
        == "not_read"
    )
    said = found(*WELL, magnesium(0.5), potassium(4.0), sign=draft("magnesium sulfate", "8 mmol IV"))
    assert said["rate_not_given"].severity == "warning"


@pytest.mark.parametrize(
    ("record", "sign", "id"),
    [
        ((*WELL, magnesium(0.5), condition("anuria")), draft("magnesium sulfate", "1 vial IV"), "magnesium_anuria"),
        ((*WELL, magnesium(0.5), condition("third degree AV block")), draft("magnesium sulfate", "IV as directed"),
         "magnesium_heart_block"),
        ((*WELL, potassium(6.1)), draft("potassium chloride", "1 sachet oral"), "potassium_high"),
    ],
)  # fmt: skip
def test_a_contraindication_holds_for_a_dose_that_cannot_be_read(record: Any, sign: Any, id: str) -> None:
    said = found(*record, sign=sign)
    assert said[id].severity == "critical" and said[id].kind == "contraindication"
    assert any(one.endswith("_not_read") for one in said)
    assert not {one.kind for one in said.values()} & {"limit"}


def test_doses_of_a_child_are_outside() -> None:
    child = read(magnesium(0.5), who={"resourceType": "Patient", "id": "p1", "birthDate": "2015-01-01"})
    said = {one.id: one for one in review(child, orders(draft("magnesium sulfate", "8 mmol IV over 4 h")))}
    assert said["child"].kind == "outside"


# against rules -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("record", "sign", "id"),
    [
        ((*WELL, potassium(3.0)), draft("potassium chloride", "20 mmol PO daily"), "potassium_given_magnesium_unknown"),
        ((*WELL, potassium(3.0), drug("potassium chloride 20 mmol daily")),
         draft("potassium chloride", "20 mmol PO daily"), "potassium_given_magnesium_unknown"),
        ((*WELL, drug("omeprazole 20 mg"), drug("furosemide 40 mg")),
         draft("citalopram 20 mg"), "qt_drug_with_low_ions"),
        ((*WELL, potassium(4.8), drug("spironolactone 25 mg")),
         draft("potassium chloride", "20 mmol PO daily"), "potassium_with_sparing_drug_unsafe"),
        ((*WELL, observation("17861-6", 1.8, "mmol/L"), magnesium(0.5)),
         draft("calcium gluconate", "2.2 mmol IV over 20 min"), "calcium_given_magnesium_low"),
        ((*WELL, magnesium(0.8), drug("levothyroxine 50 ug")),
         draft("magnesium citrate", "8 mmol PO daily"), "magnesium_binds_drugs"),
    ],
)  # fmt: skip
def test_what_an_order_makes_unsafe_is_told(record: Any, sign: Any, id: str) -> None:
    assert id in found(*record, sign=sign)


def test_a_ppi_a_diuretic_and_a_qt_drug_need_a_recent_magnesium() -> None:
    old = observation("2601-3", 0.8, "mmol/L", effectiveDateTime="2020-05-20")
    ions = (potassium(4.2), observation("17861-6", 2.4, "mmol/L"), old)
    listed = (drug("omeprazole 20 mg"), drug("furosemide 40 mg"))
    said = found(*WELL, *ions, *listed, sign=draft("citalopram 20 mg"))
    assert "magnesium_unwatched" in said
    assert "magnesium_unwatched" not in found(*WELL, *ions, listed[0], sign=draft("citalopram 20 mg"))
    assert "magnesium_unwatched" not in found(*WELL, *ions, *listed, sign=draft("paracetamol 1 g"))


def test_an_allergy_is_told() -> None:
    listed = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"},
              "code": {"text": "potassium chloride"}}  # fmt: skip
    said = found(*WELL, potassium(3.0), listed, sign=draft("potassium chloride", "20 mmol PO"))
    assert said["potassium_allergy"].severity == "info"


def test_the_gravest_comes_first() -> None:
    block = condition("third degree AV block")
    said = review(read(*WELL, magnesium(0.5), block), orders(draft("magnesium sulfate", "20 mmol IV over 1 h")))
    grades = [("critical", "warning", "info").index(one.severity) for one in said]
    assert grades == sorted(grades)
    assert said[0].severity == "critical"
