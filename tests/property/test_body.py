"""What must hold of every simulated body: conservation, directions known from physiology, and no company effect."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.physiology import People, Protocol, Scenario, Trajectories, model, parse, protocol, run
from golden.rows import balance, seen

FEW = settings(max_examples=12, deadline=None, derandomize=True)
STATES = [state.name for state in model().states]
POSITIVE = [state.name for state in model().states if not state.signed]
EXACT = 1e-9  # of a step
MAGNESIUM, POTASSIUM = "magnesium.plasma", "potassium.plasma"

nephrons = st.floats(0.05, 1.2)
doses = st.floats(1, 40)  # [mmol]
lengths = st.floats(0.25, 12)  # [h]
shares = st.floats(0.3, 1)
routes = st.sampled_from(["intravenous", "subcutaneous", "oral"])


def change(parameter: str, value: str | float, period: str = "") -> str:
    return f'[[change]]\nparameter = "{parameter}"\nvalue = "{value}"\n{period}\n'


def dose(what: str, amount: str, route: str, *, over: float, start: float = 0.0) -> str:
    return (
        f'[[dose]]\nwhat = "{what}"\namount = "{amount}"\nroute = "{route}"\n'
        f'over = "{over!r} h"\nfrom = "{start!r} h"\n'
    )


def scenario(*parts: str, length: str = "2 d", every: str = "1 h", head: str = "") -> Scenario:
    return parse(
        "\n".join([f'title = "A body"\nlength = "{length}"\n{head}', *parts, f'[sampling]\nevery = "{every}"'])
    )


def course(*parts: str, outputs: tuple[str, ...], rtol: float = 1e-6, **how: str) -> Trajectories:
    found = run(protocol(scenario(*parts, **how)), outputs, rtol=rtol)
    assert not found.status.any()
    return found


def touched(state: str, factor: float) -> Protocol:
    """Return a healthy person one state of whom has just been multiplied, seen at that moment."""
    healthy = protocol(seen(scenario(length="1 h"), ("0 h",)))
    states = healthy.people.states.copy()
    states[STATES.index(state)] *= factor
    return Protocol(
        people=People(healthy.people.constants, states),
        start=healthy.start, end=healthy.end, samples=np.zeros(1), changes=healthy.changes,
    )  # fmt: skip


# conservation and positivity
@FEW
@given(nephrons, doses, routes, st.tuples(shares, shares), st.floats(0, 2), lengths)
def test_mass_is_conserved_and_nothing_becomes_negative(
    left: float, amount: float, route: str, transporters: tuple[float, float], stoma: float, over: float
) -> None:
    nkcc2, ncc = transporters
    ill = scenario(
        change("kidney.nephrons", left), change("kidney.nkcc2", nkcc2), change("kidney.ncc", ncc),
        change("losses.stoma_flow", f"{stoma!r} L/d"), change("losses.stoma_magnesium", "0.5 mmol/L"),
        change("losses.stoma_calcium", "0.5 mmol/L"), change("losses.burn_flow", "0.02 L/h"),
        change("losses.dialysate", "1 L/h", 'from = "24 h"'), change("losses.effluent", "1.02 L/h", 'from = "24 h"'),
        dose("magnesium sulfate", f"{amount!r} mmol", route, over=over, start=3.0),
        dose("potassium chloride", f"{amount!r} mmol", "oral", over=over, start=7.0),
        dose("calcium gluconate", "2.2 mmol", "intravenous", over=0.2, start=9.0),
        dose("saline", "1 L", "intravenous", over=over, start=11.0), length="4 d",
    )  # fmt: skip
    assert max(balance(ill).values()) <= EXACT
    whole = run(protocol(ill), POSITIVE)
    assert not whole.status.any()
    assert whole.values.min() >= -EXACT


# O1 to O6 of the metamorphic relations
@FEW
@given(nephrons, doses, st.floats(1.05, 3), routes, lengths)
def test_o1_more_magnesium_never_lowers_plasma_or_urine(
    left: float, amount: float, more: float, route: str, over: float
) -> None:
    outputs = (MAGNESIUM, "outside.magnesium_urine")
    less, full = (
        course(
            change("kidney.nephrons", left),
            dose("magnesium sulfate", f"{size!r} mmol", route, over=over),
            outputs=outputs,
        )
        for size in (amount, amount * more)
    )
    assert full[MAGNESIUM].sum() >= less[MAGNESIUM].sum() - 1e-5
    assert full[outputs[1]][0, -1] >= less[outputs[1]][0, -1] - 1e-5


@FEW
@given(nephrons, st.floats(0.3, 0.97), st.sampled_from(["magnesium sulfate", "potassium chloride"]), doses, lengths)
def test_o2_less_filtration_never_lowers_peak_or_mean(
    left: float, less: float, what: str, amount: float, over: float
) -> None:
    output = MAGNESIUM if what == "magnesium sulfate" else POTASSIUM
    better, worse = (
        course(
            change("kidney.nephrons", number),
            dose(what, f"{amount!r} mmol", "intravenous", over=over),
            outputs=(output,), length="1 d",
        )
        for number in (left, left * less)
    )  # fmt: skip
    assert worse[output].max() >= better[output].max() - 1e-4
    assert worse[output].mean() >= better[output].mean() - 1e-4


@FEW
@given(st.sampled_from(["kidney.nkcc2", "kidney.ncc"]), shares, st.floats(0.5, 0.97))
def test_o3_more_diuretic_never_lowers_fractional_excretion(target: str, share: float, more: float) -> None:
    output = "kidney_magnesium.fractional_excretion"
    mild, strong = (
        course(change(target, value), outputs=(output,), length="60 d", every="60 d").at(1440, output)[0]
        for value in (share, share * more)
    )
    assert strong >= mild - 1e-6


@FEW
@given(st.floats(0, 1), st.floats(0, 0.97))
def test_o3_acid_suppression_never_raises_absorption(target: float, more: float) -> None:
    def lost(value: float) -> float:
        stool = "outside.magnesium_stool"
        end = course(change("gut.transporter_target", value), outputs=(stool,), length="60 d", every="60 d")
        return float(end.at(1440, stool)[0])

    assert lost(target * more) >= lost(target) - 1e-4


@FEW
@given(st.floats(0.1, 1.5), st.floats(0.3, 0.99))
def test_o4_less_cell_magnesium_never_lowers_potassium_secretion(cell: float, less: float) -> None:
    output = "kidney_potassium.secreted"
    full, poor = (run(touched("magnesium.soft_tissue", x), [output])[output][0, 0] for x in (cell, cell * less))
    # above normal, cell magnesium also weakens aldosterone; that arm goes the same way
    assert poor >= full


@FEW
@given(st.floats(0.1, 8), st.floats(1.01, 3))
def test_o4_more_aldosterone_never_lowers_potassium_excretion(effect: float, more: float) -> None:
    output = "kidney_potassium.excreted"
    less, full = (run(touched("aldosterone.genomic", x), [output])[output][0, 0] for x in (effect, effect * more))
    assert full >= less


@FEW
@given(st.floats(0.8, 1.2), st.floats(0.5, 1.2))  # renin below its highest, and no more than what is missing
def test_o5_saline_in_the_depleted_never_raises_aldosterone_or_magnesium_wasting(stoma: float, litres: float) -> None:
    outputs = ("aldosterone.plasma", "kidney_magnesium.fractional_excretion")
    depleted = (
        change("gut.jejunum", 0.5), change("gut.ileum", 0), change("gut.colon", 0),
        change("losses.stoma_flow", f"{stoma!r} L/d"), "[diet]\nsodium = \"100 mmol/d\"",
    )  # fmt: skip
    saline = dose("saline", f"{litres!r} L", "intravenous", over=24.0)
    dry, wet = (
        course(*depleted, *extra, outputs=outputs, head='run_in = "14 d"', length="1 d") for extra in ((), (saline,))
    )
    assert wet.at(24, outputs[0])[0] <= dry.at(24, outputs[0])[0] + 1e-6
    assert wet.at(24, outputs[1])[0] <= dry.at(24, outputs[1])[0] + 1e-6


@FEW
@given(st.floats(0.5, 0.98), st.floats(0.5, 0.98))
def test_o6_more_citrate_never_raises_the_ionized_share(citrate: float, more: float) -> None:
    outputs = ("magnesium.ionized", "calcium.ionized", MAGNESIUM, "calcium.plasma")

    def filtered(share: float) -> Trajectories:
        chelated = "".join(
            f'[[change]]\nparameter = "normal.{name}"\nfactor = {share!r}\n'
            for name in ("ionized_magnesium", "ionized_calcium")
        )
        machine = (change("losses.dialysate", "2 L/h"), change("losses.effluent", "2 L/h"))
        sieving = change("losses.sieving_magnesium", 0.75 + 0.25 * (1 - share))
        return course(chelated, *machine, sieving, change("kidney.nephrons", 0.05), outputs=outputs)

    less, full = filtered(citrate), filtered(citrate * more)
    for ionized, total in zip(outputs[:2], outputs[2:], strict=True):
        assert np.all(full[ionized] <= less[ionized] + 1e-6)
        assert np.all(full[total] / full[ionized] >= less[total] / less[ionized] - 1e-6)


# numerics
@FEW
@given(doses, lengths, st.integers(1, 48))
def test_a_shift_in_time_shifts_the_course(amount: float, over: float, late: int) -> None:
    outputs = (MAGNESIUM, POTASSIUM, "calcium.ionized")
    first = course(dose("magnesium sulfate", f"{amount!r} mmol", "intravenous", over=over), outputs=outputs, rtol=EXACT)
    later = course(
        dose("magnesium sulfate", f"{amount!r} mmol", "intravenous", over=over, start=float(late)),
        outputs=outputs, rtol=EXACT, length=f"{48 + late} h",
    )  # fmt: skip
    assert np.allclose(later.values[0, late:], first.values[0], rtol=1e-6, atol=0)


@FEW
@given(doses, lengths, st.integers(2, 6))
def test_an_infusion_in_pieces_is_the_same_infusion(amount: float, over: float, pieces: int) -> None:
    outputs = (MAGNESIUM, POTASSIUM, "calcium.ionized")
    part = over / pieces
    whole = course(dose("magnesium sulfate", f"{amount!r} mmol", "intravenous", over=over), outputs=outputs, rtol=EXACT)
    split = course(
        *(
            dose("magnesium sulfate", f"{amount / pieces!r} mmol", "intravenous", over=part, start=i * part)
            for i in range(pieces)
        ),
        outputs=outputs, rtol=EXACT,
    )  # fmt: skip
    assert np.allclose(split.values, whole.values, rtol=1e-6, atol=0)


@FEW
@given(st.floats(40, 140), st.floats(0.05, 0.4), st.sampled_from(["male", "female"]))
def test_size_leaves_concentrations_alone(weight: float, per_kg: float, sex: str) -> None:
    outputs = (MAGNESIUM, POTASSIUM, "calcium.ionized", "aldosterone.plasma")
    small, large = (
        course(
            f'[person]\nweight = "{kg!r} kg"\nsex = "{sex}"',
            change("water.thirst", 0),  # its gains are those of one person, whatever the size
            dose("magnesium sulfate", f"{per_kg!r} mmol/kg", "intravenous", over=4.0),
            outputs=outputs, rtol=1e-10,
        )
        for kg in (35.0, weight)
    )  # fmt: skip
    # the law is exact: what is left is the error of the solver, and falls with its tolerance
    assert np.allclose(small.values, large.values, rtol=1e-7, atol=0)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_person_is_the_same_alone_and_in_any_company(seed: int | None) -> None:
    asked = scenario(
        change("kidney.ncc", 0.5),
        dose("magnesium sulfate", "0.2 mmol/kg", "intravenous", over=4.0),
        dose("potassium chloride", "40 mmol", "oral", over=0.25, start=30.0),
        length="10 d",
    )
    outputs = (MAGNESIUM, POTASSIUM, "calcium.ionized", "outside.magnesium_urine")
    together = run(protocol(asked, count=11, seed=seed), outputs).values
    for person in range(11):
        alone = run(protocol(asked, count=1, seed=seed, first=person), outputs).values
        assert alone[0].tobytes() == together[person].tobytes()
    again = run(protocol(msgspec.structs.replace(asked, about="as before"), count=11, seed=seed), outputs).values
    assert again.tobytes() == together.tobytes()
