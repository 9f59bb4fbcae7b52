"""The events and words of a file of targets -> a plan, for targets that have none of their own.

What a word means stands in `shared.toml`. What a file leaves open is assumed there and told as an assumption, or the
target is not simulated and says why.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from carnallite.knowledge import knowledge
from carnallite.physiology.validation.plan import Events, Measure, Plan, Readout, Start, merged, quantities, shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carnallite.physiology.validation.targets import Observation, Target

NOTHING = "nothing"  # the run of the same person without the events
ALL = "all"
AFTER = 24.0  # [h] how long an observation without a time is made after the last event
CONTROL = ("control", "healthy", "normal")
SHARE = re.compile(r"fraction_(Mg|K|Ca)_(?:below|above|lt|le|gt|ge)_.*|fraction_(?:above|below)_.*|fraction_hyp.*")

Piece = dict[str, Any]


class Unstated(Exception):
    """An event leaves open what a simulation needs."""


def planned(target: Target) -> Plan:
    """Return the plan of a target as its events say it, or one that says what is open."""
    try:
        return _Planner(target).plan()
    except Unstated as why:
        return Plan(id=target.id, why_not=f"the events of the file leave open {why}")


def _words() -> Events:
    return shared().events


class _Planner:
    """Builds the plan of one target, noting what is assumed."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.text = f"{target.title} {target.population.description}".casefold()
        self.arms = list(dict.fromkeys(row.arm for row in target.observations)) or [""]
        self.assumptions: list[str] = []
        self.measures: list[Measure] = []

    def plan(self) -> Plan:
        target = self.target
        if not target.protocol.simulable_without_guessing:
            self.assumptions.append("the protocol is incomplete: run as its events and words say")
        base, end = self.person(), self.end()
        runs = {arm or ALL: merged(self.told(arm), self.started(arm), self.done(arm)) for arm in self.arms}
        if not any((target.protocol.events, target.protocol.simulable_without_guessing, *runs.values())):
            raise Unstated("everything: what was done, and what ailed the people")
        runs[NOTHING] = merged(self.told(""), self.started(""))
        many = any(row.kind == "proportion" or SHARE.match(row.quantity) for row in target.observations)
        if many:
            base = merged({"like": ["healthy_people"]}, base)
        base["length"] = f"{max(end, 1.0)} h"
        return Plan(
            id=target.id, who=self.who(), assumptions=tuple(dict.fromkeys(self.assumptions)), base=base, runs=runs,
            end_h=end, people=_words().people if many else 1, measures=tuple(self.measures),
        )  # fmt: skip

    def end(self) -> float:
        """Return when an observation without a time is made [h]."""
        times = [row.time_h for row in self.target.observations if row.time_h]
        events = [float(e.get("t_h") or 0) + float(e.get("duration_h") or 0) for e in self.target.protocol.events]  # type: ignore[arg-type]
        return float(max([*times, *(time + AFTER for time in events), AFTER]))

    # who --------------------------------------------------------------------------------------------------------------
    def person(self) -> Piece:
        """Return who is simulated, as far as the file says."""
        person: Piece = {}
        weight = re.search(r"(\d{2,3}(?:\.\d+)?)[ -]?kg\b", self.text)
        age = re.search(r"(?:mean |median )?(\d{2}(?:\.\d+)?) ?y\b", self.text)
        if weight:
            person["weight"] = f"{weight[1]} kg"
        if age and float(age[1]) >= 18:
            person["age"] = float(age[1])
        if re.search(r"\b(?:women|woman|pregnan|pre-eclampsia)", self.text):
            person["sex"] = "female"
        renal = self.target.population.renal
        if renal and renal not in _words().renal:
            self.assumptions.append(f"kidneys that are '{renal}' are taken as healthy")
        piece = _words().renal.get(renal, "")
        return {"person": person, **({"like": [piece]} if piece else {})}

    def who(self) -> str:
        described = self.target.population.description
        return f"the reference person, changed by what the file says: {described}" if described else ""

    def told(self, arm: str) -> Piece:
        """Return what ails the people, by the words of the file."""
        causes = []
        for one in _words().described:
            in_arms = [a for a in self.arms if any(_has(word, a.casefold()) for word in one.words)]
            here = arm in in_arms if in_arms else any(_has(word, self.text) for word in one.words)
            if here and not any(word in arm.casefold() for word in CONTROL) and not arm.casefold().startswith("no "):
                causes.append({"id": one.cause, "phenotype": one.phenotype})
                self.assumptions.append(f"{one.words[0]}: the cause `{one.cause}`, {one.phenotype}")
        return {"cause": causes[:1], "run_in": _words().run_in} if causes else {}

    def started(self, arm: str) -> Piece:
        """Return the levels before the start that the file gives, and note that they were given."""
        piece: Piece = {}
        known = {one.quantity: one for one in _words().started}
        for row in self.target.observations:
            is_start = row.time_h is not None and row.time_h <= 0 and row.value is not None
            if row.quantity in known and is_start and row.arm in {arm, ""} and row.kind == "value":
                piece = merged(piece, _level(known[row.quantity], f"{row.value} {row.unit}", float(row.value or 0)))
                self.impose(row)
        deplete = _words().depleted.get(self.target.population.mg_status)
        if deplete and not any(row.quantity == "plasma_Mg_total" for row in self.target.observations):
            self.assumptions.append(f"magnesium that is '{self.target.population.mg_status}' is {deplete}")
            piece = merged(piece, _level(known["plasma_Mg_total"], deplete, 0.0))
        return piece

    def impose(self, row: Observation) -> None:
        readout = next(one.readout for one in quantities() if one.is_for(row))
        one = Measure(quantity=row.quantity, arm=row.arm or None, time_h=row.time_h, readout=readout, imposed=True)
        if one not in self.measures:
            self.measures.append(one)

    # what is done -----------------------------------------------------------------------------------------------------
    def done(self, arm: str) -> Piece:
        piece: Piece = {}
        filters = [event for event in self.target.protocol.events if event.get("type") == "crrt"]
        for event in self.target.protocol.events:
            if self.concerns(event, arm):
                piece = merged(piece, self.part(event, arm, filters))
        return piece

    def concerns(self, event: Mapping[str, Any], arm: str) -> bool:
        """Return whether an event happens in an arm: by its own arm, or by the drug or salt that the arm names."""
        if event.get("arm"):
            named = str(event["arm"])
            return any(_same(named, a) for a in (arm,)) or (
                str(event.get("type", "")) in arm and not any(_same(named, a) for a in self.arms)
            )
        words = [str(event.get("drug", "")).casefold().split(" ")[0]]
        words = [word for word in words if word and any(word in a.casefold() for a in self.arms)]
        return not words or any(word in arm.casefold() for word in words)

    def part(self, event: Mapping[str, Any], arm: str, filters: list[Any]) -> Piece:
        """Return the piece of a scenario that one event is."""
        start = float(event.get("t_h") or 0)
        match event.get("type"):
            case "iv_bolus" | "iv_infusion":
                return self.given(event, start, arm)
            case "oral":
                return {"dose": [self.swallowed(event, start, arm)]}
            case "meal":
                return self.meal(event, start)
            case "diet":
                return {"change": [_eaten(event, start)]}
            case "drug":
                return self.drug(event, start)
            case "gi_loss":
                return {"change": [_lost(event, start)]}
            case "dialysis":
                return self.dialysis(event, start)
            case "crrt":
                return self.filtered(event, start, filters)
        raise Unstated(f"how '{event.get('type')}' is run")

    def given(self, event: Mapping[str, Any], start: float, arm: str) -> Piece:
        species = str(event.get("species", ""))
        if species.casefold() in _words().ignored:
            self.assumptions.append(_words().ignored[species.casefold()])
            return {}
        if species in {"epinephrine", "adrenaline"} and "rate_ug_kg_min" in event:
            rate = float(event["rate_ug_kg_min"]) / _words().adrenaline_per_unit
            until = start + float(event.get("duration_h", 1))
            self.assumptions.append(f"adrenaline is {rate:g} units of beta-2 effect an hour")
            return {"change": [_change("treatment.beta_agonist", add=f"{rate} 1/h", start=start, until=until)]}
        if species not in _words().salts:
            raise Unstated(f"what {species or 'the infusion'} is in the body")
        if "duration_h" not in event:
            self.assumptions.append(f"a bolus takes {_words().bolus}")
        over = f"{event['duration_h']} h" if "duration_h" in event else _words().bolus
        amount = self.amount(event, arm)
        return {"dose": [_dose(_words().salts[species], amount, "intravenous", start, over=over)]}

    def amount(self, event: Mapping[str, Any], arm: str) -> str:
        """Return how much in all, as a scenario has it."""
        hours = float(event.get("duration_h") or 1)
        units = {
            "amount_mmol": ("mmol", 1.0), "dose_U": ("U", 1.0), "dose_mmol_per_kg": ("mmol/kg", 1.0),
            "dose_mmol_per_kg_LBM": ("mmol/kg", 1.0), "rate_mmol_per_h": ("mmol", hours),
            "dose_mmol_per_kg_per_h": ("mmol/kg", hours), "rate_mU_kg_min": ("U/kg", hours * 60 / 1000),
            "amount_mEq": ("mEq", 1.0), "amount_g": ("g", 1.0),
        }  # fmt: skip
        for key, (unit, times) in units.items():
            if key in event:
                if key.endswith("LBM"):
                    self.assumptions.append("the lean mass is taken as the whole")
                return f"{self.one(event[key], arm) * times} {unit}"
        raise Unstated("how much is given")

    def one(self, amount: Any, arm: str) -> float:
        """Return the dose of an arm where several are listed: the one that it names, else the first above nothing."""
        if not isinstance(amount, list):
            return float(amount)
        named = [float(one) for one in amount if re.search(rf"\b{float(one):g}\b", arm)]
        self.assumptions.append("where an observation names none of several doses, the smallest is given")
        return named[-1] if named else min((float(one) for one in amount if float(one)), default=0.0)

    def swallowed(self, event: Mapping[str, Any], start: float, arm: str) -> Piece:
        species, salts = str(event.get("species", "")), str(event.get("salt", "")).split("|")
        named = [salt for salt in salts if salt and salt in arm.casefold()]
        if len(salts) > 1 and not named:
            self.assumptions.append(f"where an observation names no salt, {salts[0]} is given")
        salt = (named or salts)[0]
        what = f"magnesium {salt}" if species.startswith("Mg") and salt else _words().swallowed.get(species, "")
        if not what:
            raise Unstated(f"what {species or 'it'} is in the body")
        amount = self.amount(event, arm)
        if event.get("repeat") == "daily":
            until = {"until": f"{start + float(event['duration_h'])} h"} if event.get("duration_h") else {}
            return {"what": what, "amount": amount, "route": "oral", "every": "24 h", "from": f"{start} h", **until}
        return _dose(what, amount, "oral", start)

    def meal(self, event: Mapping[str, Any], start: float) -> Piece:
        meal, potassium = _words().meal, float(event.get("K_mmol") or 0)
        self.assumptions.append("a meal is its potassium and an insulin effect")
        dose = [_dose("potassium chloride", f"{potassium} mmol", "oral", start)] if potassium else []
        change = _change(str(meal["parameter"]), add=str(meal["add"]), start=start, until=start + float(meal["hours"]))
        return {"dose": dose, "change": [change]}

    def drug(self, event: Mapping[str, Any], start: float) -> Piece:
        """Return a drug of the knowledge base by its class or one of its names."""
        parts = str(event.get("drug", "")).split("+")
        until = {"until": f"{start + float(event['duration_h'])} h"} if event.get("duration_h") else {}
        piece: Piece = {}
        for part in parts:
            name = part.strip().casefold()
            if "salbutamol" in name and "dose_mg" in event:
                piece = merged(piece, {"dose": [_dose("salbutamol", f"{event['dose_mg']} mg", "inhaled", start)]})
                continue
            id = _drug_id(name)
            self.assumptions.append(f"{part.strip()} is `{id}` of the knowledge base, constant over the day")
            piece = merged(piece, {"drug": [{"id": id, "from": f"{start} h", **until}]})
        return piece

    def dialysis(self, event: Mapping[str, Any], start: float) -> Piece:
        until = start + float(event.get("duration_h") or 4)
        window = {"from": f"{start} h", "until": f"{until} h"}
        self.assumptions.append("a session is the treatment `dialysis` of the knowledge base")
        baths = {
            "dialysate_Mg_mmol_L": "magnesium",
            "dialysate_K_mmol_L": "potassium",
            "dialysate_Ca_mmol_L": "calcium",
        }
        changes = [
            {"parameter": f"losses.fluid_{name}", "value": f"{event[key]} mmol/L", **window}
            for key, name in baths.items()
            if key in event
        ]
        if changes:  # what a knowledge file sets is set again by hand, so it is left out there
            return {"change": [*_session(window), *changes]}
        return {"treatment": [{"id": "dialysis", **window}]}

    def filtered(self, event: Mapping[str, Any], start: float, filters: list[Any]) -> Piece:
        """Return one step of continuous renal replacement; what it does not say stays as in the step before."""
        place = filters.index(event)
        state = {key: value for one in filters[: place + 1] for key, value in one.items()}
        later = [float(one.get("t_h") or 0) for one in filters[place + 1 :]]
        until = later[0] if later else None
        flow = float(state.get("effluent_mL_h", 2000)) / 1000
        citrate = state.get("anticoagulation") == "citrate"
        effluent = flow * (1 + _words().citrate_flow) if citrate else flow
        self.assumptions.append("effluent is fluid, and a tenth more with citrate; no net removal of fluid")
        values = {"losses.dialysate": f"{flow} L/h", "losses.effluent": f"{effluent} L/h"}
        if "fluid_Mg_mmol_L" in state:
            values["losses.fluid_magnesium"] = f"{state['fluid_Mg_mmol_L']} mmol/L"
        if citrate:
            values["losses.sieving_magnesium"] = "1.0"
        return {"change": [_change(key, value=value, start=start, until=until) for key, value in values.items()]}


# pieces --------------------------------------------------------------------------------------------------------------
def _has(word: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(word)}", text) is not None


def _same(event: str, arm: str) -> bool:
    """Return whether two spellings are of one arm: '10' is that of '10 mg', 'HD' that of 'haemodialysis' is not."""
    a, b = event.casefold(), arm.casefold()
    return a == b or a in re.split(r"[ ,/]", b) or (len(a) > 3 and (a in b or b in a) and bool(b))


def _level(one: Start, text: str, value: float) -> Piece:
    if one.low <= value <= one.high:
        return {"own": {one.own: text}}
    return {"like": [one.piece], "run_in": one.run_in, "change": [{"parameter": one.clamp, "value": text}]}


def _dose(what: str, amount: str, route: str, start: float, **more: Any) -> Piece:
    return {"what": what, "amount": amount, "route": route, "at": f"{start} h", **more}


def _change(parameter: str, *, start: float, until: float | None, **what: str) -> Piece:
    return {"parameter": parameter, **what, "from": f"{start} h", **({} if until is None else {"until": f"{until} h"})}


def _eaten(event: Mapping[str, Any], start: float) -> Piece:
    species = str(event.get("species", ""))
    if species not in _words().food or "rate_mmol_per_day" not in event:
        raise Unstated(f"how much {species or 'of what'} is eaten")
    until = start + float(event["duration_h"]) if event.get("duration_h") else None
    name = f"diet.{_words().food[species]}"
    return _change(name, value=f"{event['rate_mmol_per_day']} mmol/d", start=start, until=until)


def _lost(event: Mapping[str, Any], start: float) -> Piece:
    if event.get("species") != "Na" or "rate_mmol_per_day" not in event:
        raise Unstated("what is lost from the gut")
    litres = float(event["rate_mmol_per_day"]) / _words().stoma_sodium
    return _change("losses.stoma_flow", value=f"{litres} L/d", start=start, until=None)


def _session(window: Mapping[str, str]) -> list[Piece]:
    """Return what the treatment `dialysis` sets, as changes."""
    return [
        {"parameter": one.target, "value": f"{one.set} {one.unit}".strip(), **window}
        for one in knowledge().treatments["dialysis"].effects
        if one.set is not None
    ]


@cache
def _drug_names() -> dict[str, str]:
    found: dict[str, str] = {}
    for id, item in knowledge().drugs.items():
        for name in (id, item.name, *(n for i in item.ingredients for n in (i.id, *i.names))):
            found.setdefault(name.casefold(), id)
    return found


def _drug_id(name: str) -> str:
    """Return the id of a drug that the body feels, by its name without the dose."""
    bare = re.sub(r"[\d.,-]+ ?(?:mg|g|ug|µg|u|mmol)?\b.*", "", name).strip() or name
    spelt = [bare, bare.split(" ")[0], name.replace("-", "_"), bare.replace("-", "_")]
    for one in spelt:
        id = _words().drugs.get(one) or _drug_names().get(one)
        if id:
            item = knowledge().drugs[id]
            if item.not_simulated or item.emerges:
                raise Unstated(f"what {name} does: {item.not_simulated or item.emerges}")
            return id
    raise Unstated(f"what '{name}' does")


def share_of(row: Observation) -> Measure | None:
    """Return how a share of people beyond a level is measured, by the name of its quantity.

    Examples
    --------
    >>> from carnallite.physiology.validation.targets import Observation
    >>> share_of(Observation("proportion", "fraction_K_ge_5.5", "fraction", value=0.3)).value
    'share(readout >= 5.5)'
    """
    found = re.fullmatch(r"fraction_(?:(Mg|K|Ca)_)?(below|above|lt|le|gt|ge)_([\d.]+)(?:_mmolL)?(?:_.*)?", row.quantity)
    if not found:
        return None
    output = {"K": "potassium.plasma", "Ca": "calcium.plasma"}.get(found[1] or "Mg", "magnesium.plasma")
    sign = {"below": "<", "lt": "<", "le": "<=", "above": ">", "gt": ">", "ge": ">="}[found[2]]
    readout = Readout(output=output, take="min" if row.quantity.endswith("any_time") else "at")
    return Measure(quantity=row.quantity, readout=readout, value=f"share(readout {sign} {found[3]})")
