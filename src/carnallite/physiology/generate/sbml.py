"""Write the body of one person as SBML Level 3, so that any simulator of the field can run and check it.

Amounts in mmol are species and the fluxes between them reactions, so that other tools see what moves where; every
other state has a rate rule, because SBML knows no species that is counted in litres. Names keep their form with two
underscores for the dot (``kidney__gfr``); units are those of the body, with the hour for time.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from carnallite.errors import DataFileError, ExtraMissing, UnknownIdError, did_you_mean
from carnallite.physiology import dimension, expression
from carnallite.physiology.dimension import NONE
from carnallite.physiology.generate.python import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from carnallite.physiology.dimension import Dimension
    from carnallite.physiology.schema import Equation, Item, Model, State

    Change: TypeAlias = tuple[float, Mapping[str, float], Mapping[str, float]]

LEVEL, VERSION = 3, 2  # the first with min and max; written as choices they made libRoadRunner load ten times slower
AMOUNT, DIMENSIONLESS = "mmol", "dimensionless"
NAMESPACE = "urn:carnallite:model"
KINDS = {
    "mmol": ("mole", -3, 1.0),
    "pmol": ("mole", -12, 1.0),
    "L": ("litre", 0, 1.0),
    "h": ("second", 0, 3600.0),
    "kg": ("kilogram", 0, 1.0),
    "a": ("second", 0, 31557600.0),  # a Julian year, as in UCUM
}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def sbml(model: Model, constants: Iterable[float], states: Iterable[float], *, changes: Sequence[Change] = ()) -> str:
    """Return the SBML document of one person.

    Parameters
    ----------
    model : Model
        The checked body.
    constants, states : iterable of float
        One column of `People.constants` and of `People.states`: what the person is, and where time 0 finds her.
    changes : sequence of (hour, values, amounts)
        What happens at an hour, as SBML events: constants that get a value, and states to which is added, both in
        canonical units. Of two values for one hour the later stands; amounts add up. What was solved for the healthy
        person stays as it is: another size is another person, not a change.

    Raises
    ------
    ExtraMissing
        The package python-libsbml is not installed.
    UnknownIdError
        A change names no constant or state.

    Examples
    --------
    >>> from carnallite.physiology.body import healthy
    >>> from carnallite.physiology.load import model
    >>> person, dose = healthy(), [(24, {}, {"magnesium.depot": 8})]
    >>> sbml(model(), person.constants[:, 0], person.states[:, 0], changes=dose)  # doctest: +SKIP
    """
    return _Writer(model, _merged(model, changes)).document(constants, states)


def _libsbml() -> Any:
    try:
        import libsbml  # noqa: PLC0415  (an extra; start-up stays fast)
    except ImportError:
        do = "Install it: pip install 'carnallite[sbml]'."
        raise ExtraMissing("SBML", "the package python-libsbml is not installed.", do) from None
    return libsbml


def _merged(model: Model, changes: Iterable[Change]) -> dict[float, tuple[dict[str, float], dict[str, float]]]:
    """Return what changes by hour, in order: one event for each hour needs no priorities."""
    merged: dict[float, tuple[dict[str, float], dict[str, float]]] = {}
    known = {state.name for state in model.states}
    for hour, values, amounts in changes:
        at = merged.setdefault(float(hour), ({}, {}))
        for name, value in values.items():
            at[0][_known(name, "constant", model.constants)] = float(value)
        for name, amount in amounts.items():
            at[1][_known(name, "state", known)] = at[1].get(name, 0.0) + float(amount)
    return dict(sorted(merged.items()))


def _known(name: str, kind: str, known: Iterable[str]) -> str:
    if name not in set(known):
        raise UnknownIdError(f"{kind} '{name}'", "does not exist.", did_you_mean(name, known))
    return name


class _Writer:
    """One document in the making."""

    def __init__(self, model: Model, changes: dict[float, tuple[dict[str, float], dict[str, float]]]) -> None:
        self.body, self.changes = model, changes
        items = (*model.parameters, *model.states, *model.equations, *model.solved)
        self.dimensions = {item.name: dimension.parse(item.unit).dimension for item in items}
        self.pools = {state.name: state for state in model.states if state.pool and state.unit == AMOUNT}
        self.libsbml = _libsbml()
        self.sbml = self.libsbml.SBMLDocument(LEVEL, VERSION)
        self.model = self.sbml.createModel()

    def document(self, constants: Iterable[float], states: Iterable[float]) -> str:
        self._head()
        self._compartments()
        self._constants(constants)
        for state, value in zip(self.body.states, states, strict=True):
            self._state(state, float(value))
        for equation in self.body.equations:
            if equation.origin in self.pools:
                self._reaction(equation)
            else:
                self._parameter(equation, constant=False)
                self._rule(self.model.createAssignmentRule(), equation.name, self._formula(equation.expr))
        for number, (hour, (values, amounts)) in enumerate(self.changes.items(), 1):
            self._event(f"event_{number}", hour, values, amounts)
        return str(self.libsbml.writeSBMLToString(self.sbml))

    def _head(self) -> None:
        self.model.setId("carnallite")
        self.model.setName("Magnesium, potassium, calcium, sodium and water of one person")
        self.model.setTimeUnits(self._unit("h"))
        self.model.setSubstanceUnits(self._unit(AMOUNT))
        self.model.setExtentUnits(AMOUNT)
        self.model.setVolumeUnits(self._unit("L"))
        self.model.setNotes(
            _paragraphs(
                "Written by carnallite. Research software: not a medical device; the clinician decides.",
                "Amounts in mmol are species, fluxes between them reactions. What is called given counts upwards as it "
                "enters the body, so the reaction that brings it has the counter among its products.",
            )
        )
        self.model.setAnnotation(f"<body xmlns={quoteattr(NAMESPACE)} hash={quoteattr(self.body.hash)}/>")

    def _unit(self, text: str) -> str:
        """Return the id of a unit, which is defined when it is first met."""
        id = _unit_id(text)
        if text != "1" and self.model.getUnitDefinition(id) is None:
            definition = self.model.createUnitDefinition()
            definition.setId(id)
            for base, power in zip(dimension.BASES, dimension.parse(text).dimension.powers, strict=True):
                if power:
                    self._factor(definition.createUnit(), base, float(power))
        return id

    def _factor(self, unit: Any, base: str, power: float) -> None:
        kind, scale, multiplier = KINDS[base]
        unit.setKind(self.libsbml.UnitKind_forName(kind))
        unit.setScale(scale)
        unit.setMultiplier(multiplier)
        unit.setExponent(power)

    def _compartments(self) -> None:
        """Make one compartment for each component with pools; amounts are amounts, so that its size means nothing."""
        for id in dict.fromkeys(name.partition(".")[0] for name in self.pools):
            compartment = self.model.createCompartment()
            compartment.setId(id)
            compartment.setSpatialDimensions(3)
            compartment.setUnits("L")
            compartment.setSize(1.0)
            compartment.setConstant(True)
            compartment.setNotes(_paragraphs(self.body.components[id], "Its size is 1 and means nothing."))

    def _constants(self, values: Iterable[float]) -> None:
        changed = {name for at in self.changes.values() for name in at[0]}
        for item, value in zip((*self.body.parameters, *self.body.solved), values, strict=True):
            self._parameter(item, constant=item.name not in changed).setValue(float(value))

    def _parameter(self, item: Item, *, constant: bool) -> Any:
        parameter = self.model.createParameter()
        _describe(parameter, item)
        parameter.setUnits(self._unit(item.unit))
        parameter.setConstant(constant)
        return parameter

    def _state(self, state: State, value: float) -> None:
        if state.name not in self.pools:
            self._parameter(state, constant=False).setValue(value)
            per_hour = dimension.parse(state.unit).dimension / dimension.parse("h").dimension
            self._rule(self.model.createRateRule(), state.name, self._formula(state.rate, per_hour))
            return
        species = self.model.createSpecies()
        _describe(species, state)
        species.setCompartment(state.name.partition(".")[0])
        species.setInitialAmount(value)
        species.setSubstanceUnits(AMOUNT)
        species.setHasOnlySubstanceUnits(True)
        species.setBoundaryCondition(False)
        species.setConstant(False)

    def _reaction(self, flux: Equation) -> None:
        reaction = self.model.createReaction()
        _describe(reaction, flux)
        reaction.setReversible(True)
        counts_up = self.pools[flux.origin].outside == "source"
        for name, create in (
            (flux.origin, reaction.createProduct if counts_up else reaction.createReactant),
            (flux.to, reaction.createProduct),
        ):
            end = create()
            end.setSpecies(identifier(name))
            end.setStoichiometry(1.0)
            end.setConstant(True)
        read = dict.fromkeys(expression.names(expression.parse(flux.expr)))
        for name in read:
            if name in self.pools and name not in (flux.origin, flux.to):
                reaction.createModifier().setSpecies(identifier(name))
        reaction.createKineticLaw().setMath(self._math(self._formula(flux.expr, self.dimensions[flux.name])))

    def _event(self, id: str, hour: float, values: Mapping[str, float], amounts: Mapping[str, float]) -> None:
        event = self.model.createEvent()
        event.setId(id)
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(self._math(f"time >= {hour!r} {self._unit('h')}"))
        formulas = {name: self._number(value, name) for name, value in values.items()}
        formulas |= {name: f"{identifier(name)} + {self._number(value, name)}" for name, value in amounts.items()}
        for name, formula in formulas.items():
            assignment = event.createEventAssignment()
            assignment.setVariable(identifier(name))
            assignment.setMath(self._math(formula))

    def _rule(self, rule: Any, name: str, formula: str) -> None:
        rule.setVariable(identifier(name))
        rule.setMath(self._math(formula))

    def _math(self, formula: str) -> Any:
        tree = self.libsbml.parseL3Formula(formula)
        if tree is None:
            raise DataFileError("SBML", f"`{formula}` is not understood by libSBML.", "Mend the generator.")
        return tree

    def _number(self, value: float, name: str) -> str:
        return f"({value!r} {self._unit(str(self.dimensions[name]))})"

    def _formula(self, source: str, wanted: Dimension = NONE) -> str:
        """Return an equation as libSBML reads it; a bare zero has the unit of what it stands beside."""
        return self._text(expression.parse(source), wanted)

    def _text(self, node: ast.expr, beside: Dimension = NONE) -> str:
        match node:
            case ast.Constant(value=value):
                return f"({value!r} {self._unit(str(NONE if value else beside))})"
            case ast.Name(id=name):
                return name
            case ast.UnaryOp(operand=operand):
                return f"(-{self._text(operand, beside)})"
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"pow({self._text(left)}, {self._text(right)})"
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                return f"({f' {OPERATORS[type(op)]} '.join(self._alike([left, right]))})"
            case ast.BinOp(left=left, op=op, right=right):
                return f"({self._text(left)} {OPERATORS[type(op)]} {self._text(right)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"({f' {COMPARISONS[type(op)]} '.join(self._alike([left, right]))})"
            case ast.Call(func=ast.Name(id="where"), args=[test, *parts]):
                yes, no = self._alike(parts, beside)
                return f"piecewise({yes}, {self._text(test)}, {no})"
            case ast.Call(func=ast.Name(id=function), args=parts):
                return f"{'ln' if function == 'log' else function}({', '.join(self._alike(parts, beside))})"
        raise DataFileError("SBML", f"`{expression.show(node)}` has no form in SBML.", "Mend the generator.")

    def _alike(self, parts: list[ast.expr], beside: Dimension = NONE) -> list[str]:
        """Return parts that have one unit."""
        plain = [part for part in parts if not (isinstance(part, ast.Constant) and part.value == 0)]
        shared = expression.dimension_of(plain[0], self.dimensions, "SBML") if plain else beside
        return [self._text(part, shared) for part in parts]


def _unit_id(text: str) -> str:
    """Return a unit as a word.

    >>> _unit_id("mmol/L/h"), _unit_id("1/h"), _unit_id("1")
    ('mmol_per_L_per_h', 'per_h', 'dimensionless')
    """
    if text == "1":
        return DIMENSIONLESS
    return text.replace(".", "_").replace("/", "_per_").removeprefix("1_")


def _describe(element: Any, item: Item) -> None:
    """Give an element its id, its name in the body, and what it means, whence it is and how sure."""
    element.setId(identifier(item.name))
    element.setName(item.name)
    element.setNotes(_paragraphs(item.about, f"{item.status}; {item.source}, {item.at}"))
    facts = {"symbol": item.symbol, "source": item.source, "at": item.at, "status": item.status}
    facts |= {"written": item.written} if hasattr(item, "written") else {}
    shown = " ".join(f"{key}={quoteattr(value)}" for key, value in facts.items())
    element.setMetaId(f"meta_{identifier(item.name)}")
    element.setAnnotation(f"<item xmlns={quoteattr(NAMESPACE)} {shown}/>")


def _paragraphs(*texts: str) -> str:
    return "".join(f'<p xmlns="http://www.w3.org/1999/xhtml">{escape(text)}</p>' for text in texts)
