"""What the leading cause alone does to a healthy body of this age and sex: a simulation beside the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from carnallite.knowledge import effects, knowledge

if TYPE_CHECKING:
    from carnallite.assessment import Assessment
    from carnallite.knowledge import Effect
    from carnallite.record import Timeline
    from carnallite.surfaces import words

_QUIET, _ACTING, _AFTER = 10, 120, 50  # [d] healthy, with the cause, and after it
_ADULT, _OLDEST = 18, 89  # [a] of the body, and what an age may tell


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and what a reader must know to read it."""

    name: str
    svg: str
    who: str
    form: str
    rests_on: str
    passed_over: tuple[str, ...]  # more probable causes that cannot be simulated


def simulated(assessment: Assessment, timeline: Timeline, *, units: words.Units) -> Simulated | None:
    """Return the simulated course of the first cause that the body can show; None where there is none.

    Sex and age are all that enters of the record: nothing is fitted to this patient.
    """
    known = knowledge().causes
    passed_over: list[str] = []
    for cause in assessment.causes:
        forms = effects(known[cause.id]) if cause.id in known else {}
        if forms:
            form = "typical" if "typical" in forms else next(iter(forms))
            return _drawn(cause.id, form, forms[form], timeline, passed_over=passed_over, units=units)
        passed_over.append(cause.name)
    return None


def _drawn(
    id: str, form: str, acting: tuple[Effect, ...], timeline: Timeline, *, passed_over: list[str], units: words.Units
) -> Simulated:
    from carnallite.physiology import OUTPUTS, parse, simulate  # noqa: PLC0415  (only where it is drawn)
    from carnallite.surfaces.trajectory import figure  # noqa: PLC0415

    cause = knowledge().causes[id]
    sex, age = timeline.patient.sex, timeline.age()
    whose = sex if sex in {"female", "male"} else "male"
    years = int(min(max(age, _ADULT), _OLDEST)) if age is not None and age >= _ADULT else 40
    scenario = parse(
        f"""
        title  = "{cause.name} alone, simulated"
        length = "{_QUIET + _ACTING + _AFTER} d"
        [person]
        sex = "{whose}"
        age = {years}.0
        [[cause]]
        id        = "{id}"
        phenotype = "{form}"
        from      = "{_QUIET} d"
        until     = "{_QUIET + _ACTING} d"
        [sampling]
        every = "1 d"
        """
    )
    course = simulate(scenario, outputs=OUTPUTS)
    told = cause.phenotypes.get(form, "")
    return Simulated(
        name=cause.name,
        svg=figure(course, title=scenario.title, person=scenario.person, units=units),
        who=_who(whose, years, is_known=sex == whose and age is not None and age >= _ADULT),
        form=told[:1].lower() + told[1:].rstrip(".") if told else "its usual form",
        rests_on=_rests_on(acting),
        passed_over=tuple(passed_over),
    )


def _who(sex: str, years: int, *, is_known: bool) -> str:
    noun = "woman" if sex == "female" else "man"
    if is_known:
        return f"a healthy {noun} of {years} years and average size"
    return f"a healthy {noun} of {years} years and average size (age or sex of the patient are not usable here)"


def _rests_on(acting: tuple[Effect, ...]) -> str:
    """Return how many numbers it rests on and how sure they are.

    >>> _rests_on(())
    'no effect'
    """
    if not acting:
        return "no effect"
    counts = {status: sum(effect.status == status for effect in acting) for status in
              ("measured", "fitted", "assumed", "disputed")}  # fmt: skip
    parts = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{len(acting)} effect{'s' * (len(acting) > 1)} on the body: {parts}"
