"""A folder is a kind, a file is an item, its stem is its id. Loaded once, checked strictly."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite import datafile
from carnallite.datafile import resolve
from carnallite.errors import DataFileError, UnknownIdError, did_you_mean
from carnallite.knowledge import plan_schema, schema
from carnallite.knowledge.often import check_often, check_ranks
from carnallite.knowledge.planned import check_plans
from carnallite.quantity import Cited, analytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FOLDER = Path(__file__).parent
_KINDS: dict[str, type[Any]] = {
    "references": schema.Reference,
    "statements": schema.Statement,
    "thresholds": schema.Threshold,
    "formulas": schema.Formula,
    "drugs": schema.DrugClass,
    "conditions": schema.Condition,
    "findings": schema.Finding,
    "causes": schema.Cause,
    "factors": schema.Factor,
    "settings": schema.Setting,
    "pairs": schema.Pair,
    "links": schema.Link,
    "rules": schema.Rule,
    "investigations": schema.Investigation,
    "treatments": schema.Treatment,
    "comparisons": schema.Comparison,
    "safety": plan_schema.Safety,
    "steps": plan_schema.Step,
    "strategies": plan_schema.Strategy,
    "lexicon": schema.Lexicon,
}
_ACTING = ("causes", "factors", "drugs", "treatments")
_WAYS = ("effects", "acts_as", "emerges", "not_simulated")
_FIRST = (
    "causes", "factors", "links", "rules", "drugs", "treatments", "comparisons", "thresholds", "formulas", "steps",
    "strategies",
)  # fmt: skip
_SEARCHED = (*_FIRST, *(kind for kind in _KINDS if kind not in {*_FIRST, "lexicon", "statements"}))


@cache
def knowledge() -> schema.Knowledge:
    """Return all knowledge, read and checked once.

    Raises
    ------
    DataFileError
        A data file is wrong; the message names file, key and remedy.
    """
    return datafile.compiled(_FOLDER, schema.Knowledge, load)


@cache
def edition() -> str:
    """Return twelve letters that change with any word of the knowledge or of the analytes: its edition."""
    content = msgspec.msgpack.encode((knowledge(), analytes()))
    return blake2b(content, digest_size=6).hexdigest()


def load(folder: Path) -> schema.Knowledge:
    """Read and check every file below a folder.

    Raises
    ------
    DataFileError
        As `knowledge`.
    """
    known = schema.Knowledge(**{kind: datafile.read_folder(folder / kind, shape) for kind, shape in _KINDS.items()})
    for kind in _KINDS:
        for id, item in getattr(known, kind).items():
            _check(f"{kind}/{id}.toml", item, known)
    _check_places(known)
    check_ranks(known)
    return known


def _check(file: str, item: msgspec.Struct, known: schema.Knowledge) -> None:
    """Refuse a source, statement, condition, drug, finding or test that does not exist."""
    for path, part in _parts(item):
        source = getattr(part, "source", None)
        if source is not None:
            resolve(file, f"{path}source", source, known.references)
            if isinstance(part, Cited) and (source == "assumption") > (part.status == "assumed"):
                raise DataFileError(file, f"`{path}status` is '{part.status}'.", "An assumption is 'assumed'.")
        probability = getattr(part, "probability", None)
        if isinstance(probability, float) and not 0 <= probability <= 1:
            raise DataFileError(file, f"`{path}probability` is {probability}.", "Give a number from 0 to 1.")
        for statement in filter(None, (*getattr(part, "statements", ()), *getattr(part, "opposes", ()))):
            resolve(file, f"{path}statements", statement, known.statements)
        for name, pool in (("statement", known.statements), ("finding", known.findings)):
            if isinstance(part, schema.Clue) and getattr(part, name):
                resolve(file, f"{path}{name}", getattr(part, name), pool)
    _check_names(file, item, known)
    if isinstance(item, schema.Acting):
        _check_acting(file, item, known)
    for finding in item.brings if isinstance(item, schema.Cause) else ():
        resolve(file, "brings", finding, known.findings)
    for kept in item.kept_by if isinstance(item, schema.Factor) else ():
        resolve(file, "kept_by.cause", kept.cause, known.causes)
    check_often(file, item, known, forms=effects(item, known) if isinstance(item, schema.Cause) else ())


def _check_acting(file: str, item: schema.Acting, known: schema.Knowledge) -> None:
    """Refuse what is said twice or not at all about the body; whether a target exists is for the body to say."""
    said = [name for name in _WAYS if getattr(item, name)]
    if len(said) > 1:
        raise DataFileError(file, f"has {_and(f'`{name}`' for name in said)}.", "Keep one of them.")
    if not said and isinstance(item, schema.Cause | schema.Factor):
        raise DataFileError(file, "does not say what it does to the body.", f"Give one of {', '.join(_WAYS)}.")
    for position, effect in enumerate(item.effects):
        _check_effect(file, f"effects[{position}].", effect)
    acting = Counter((effect.phenotype, effect.target) for effect in item.effects)
    for (phenotype, target), times in acting.items():
        if times > 1:
            raise DataFileError(file, f"`effects`: {times} of them move '{target}' in '{phenotype}'.", "Keep one.")
    forms = {effect.phenotype for effect in item.effects}
    for phenotype in sorted(forms - {"typical"} - set(item.phenotypes)):
        raise DataFileError(file, f"`phenotypes.{phenotype}` is missing.", "Say in a sentence what that form is.")
    for phenotype in item.phenotypes:
        if phenotype not in forms:
            near = did_you_mean(phenotype, forms) or "Remove it."
            raise DataFileError(file, f"`phenotypes.{phenotype}`: no effect is of that form.", near)
    if item.acts_as:
        _check_acts_as(file, item.acts_as, known)


def _check_effect(file: str, path: str, effect: schema.Effect) -> None:
    operations = [name for name in ("factor", "add", "set") if getattr(effect, name) is not None]
    if len(operations) != 1:
        told = _and(f"`{name}`" for name in operations) or "none of `factor`, `add` and `set`"
        raise DataFileError(file, f"`{path}target` '{effect.target}' has {told}.", "Give exactly one.")
    if effect.factor is not None and effect.factor < 0:
        raise DataFileError(file, f"`{path}factor` is {effect.factor}.", "Give a number that is not negative.")
    if effect.factor is not None and effect.unit:
        raise DataFileError(file, f"`{path}unit` is '{effect.unit}', but a factor has none.", "Remove it.")
    if effect.spread < 0:
        raise DataFileError(file, f"`{path}spread` is {effect.spread}.", "Give a number that is not negative.")
    if not re.fullmatch(r"\w+\.\w+", effect.target):
        raise DataFileError(file, f"`{path}target` is '{effect.target}'.", "Write component.parameter.")


def _check_acts_as(file: str, named: str, known: schema.Knowledge) -> None:
    kind, _, rest = named.partition("/")
    id, _, phenotype = rest.partition("/")
    if kind not in _ACTING:
        raise DataFileError(file, f"`acts_as`: '{named}' names no kind.", f"Begin with one of {', '.join(_ACTING)}.")
    resolve(file, "acts_as", id, getattr(known, kind))
    other: schema.Acting = getattr(known, kind)[id]
    if not other.effects:
        raise DataFileError(file, f"`acts_as`: '{kind}/{id}' has no effects of its own.", "Name the one that has them.")
    if phenotype:
        resolve(file, "acts_as", phenotype, {effect.phenotype for effect in other.effects})


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)


def _check_names(file: str, item: msgspec.Struct, known: schema.Knowledge) -> None:
    """Refuse what an item of one kind names in another kind and that does not exist there."""
    for condition in getattr(item, "implies", ()):
        resolve(file, "implies", condition, known.conditions)
    if isinstance(item, schema.Formula):
        for analyte in (item.id, *item.inputs, *item.checks):
            resolve(file, "inputs", analyte, analytes())
    if isinstance(item, schema.Finding):
        for test in item.tests:
            resolve(file, "tests", test, analytes())
    if isinstance(item, schema.Link):
        resolve(file, "effect", item.effect, known.findings)
    if isinstance(item, schema.Investigation):
        _check_investigation(file, item, known)
    for rule in item.unless if isinstance(item, schema.Rule) else ():
        resolve(file, "unless", rule, known.rules)
    for test in getattr(item, "ask", ()):
        resolve(file, "ask", test, analytes())
    if isinstance(item, plan_schema.Safety | plan_schema.Step | plan_schema.Strategy):
        check_plans(file, item, known)
    if isinstance(item, schema.Treatment):
        substances = ingredients(known)
        for salt in item.salts:
            resolve(file, "salts.ingredient", salt.ingredient, substances)


def _check_investigation(file: str, item: schema.Investigation, known: schema.Knowledge) -> None:
    """Refuse a test that is neither an analyte nor a whole trial, or that names what does not exist."""
    if item.is_trial != bool(item.reveals and item.otherwise and item.positive):
        raise DataFileError(file, "`reveals`, `otherwise` and `positive` are those of a trial.", "Give all or none.")
    if not item.is_trial:
        resolve(file, "id", item.id, analytes())
    if item.shows:
        resolve(file, "shows", item.shows, analytes())
    for reveal in item.reveals:
        resolve(file, "reveals.cause", reveal.cause, known.causes)
    for finding in item.settles:
        resolve(file, "settles", finding, known.findings)


def _check_places(known: schema.Knowledge) -> None:
    """Refuse a place of the documents that two statements claim."""
    seen: dict[str, str] = {}
    for id, statement in known.statements.items():
        for place in (id, *statement.also_at):
            if place in seen:
                raise DataFileError(f"statements/{id}.toml", f"`{place}` is also in {seen[place]}.", "Keep one.")
            seen[place] = f"{id}.toml"


def _parts(value: Any, path: str = "") -> Iterator[tuple[str, msgspec.Struct]]:
    """Yield every struct inside a value with its place."""
    if isinstance(value, msgspec.Struct):
        yield path, value
        for field in msgspec.structs.fields(value):
            yield from _parts(getattr(value, field.name), f"{path}{field.name}.")
    elif isinstance(value, tuple):
        for position, part in enumerate(value):
            yield from _parts(part, f"{path.removesuffix('.')}[{position}].")


def ingredients(known: schema.Knowledge) -> dict[str, tuple[schema.DrugClass, schema.Ingredient]]:
    """Return every ingredient with its class, by id."""
    return {part.id: (drug, part) for drug in known.drugs.values() for part in drug.ingredients}


def effects(item: schema.Acting, known: schema.Knowledge | None = None) -> dict[str, tuple[schema.Effect, ...]]:
    """Return what an item does to the body, by phenotype; its own effects or those of the item that it acts as.

    >>> sorted(effects(knowledge().drugs["loop_diuretic"]))
    ['high_dose', 'typical']
    """
    known = knowledge() if known is None else known
    if not item.acts_as:
        return {form: tuple(e for e in item.effects if e.phenotype == form) for form in _forms(item)}
    kind, id, *phenotype = item.acts_as.split("/")
    found = effects(getattr(known, kind)[id], known)
    return {"typical": found[phenotype[0]]} if phenotype else found


def _forms(item: schema.Acting) -> list[str]:
    return list(dict.fromkeys(effect.phenotype for effect in item.effects))


def find(id: str) -> tuple[str, Any]:
    """Return the kind and the item of any id, statement places included; `kind/id` says which kind is meant.

    Raises
    ------
    UnknownIdError
        Nothing has that id.
    """
    found = find_all(id)
    if found:
        return found[0]
    known = knowledge()
    names = (name for kind in (*_SEARCHED, "statements") for name in getattr(known, kind))
    near = did_you_mean(id, [*analytes(), *ingredients(known), *names])
    raise UnknownIdError(f"'{id}'", "is not the id of anything we know.", near or "Try 'carnallite explain --list'.")


def find_all(id: str) -> list[tuple[str, Any]]:
    """Return everything that has an id, of whatever kind; a cause and its drug class may share one."""
    known = knowledge()
    wanted, _, name = id.rpartition("/")
    found = [(kind, getattr(known, kind)[name]) for kind in _SEARCHED if name in getattr(known, kind)]
    place = name.upper()
    found += [("statements", one) for one in known.statements.values() if place in (one.id, *one.also_at)]
    found += [("analytes", analytes()[name])] if name in analytes() else []
    for table in known.safety.values():
        found += [("limits", one) for one in table.ceilings if one.id == name]
        found += [("limits", one) for one in table.contraindications if one.id == name]
    if not found and name in ingredients(known):
        found = [("drugs", ingredients(known)[name][0])]
    return [pair for pair in found if wanted in {"", pair[0]}]
