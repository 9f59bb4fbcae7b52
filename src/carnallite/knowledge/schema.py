"""The shape of each kind of file. A folder is a kind, a file is an item, its stem is its id.

Every number carries `source` (a file in ``references/``), `at` (the place in it) and `status`. Where we judged
ourselves the source is `assumption` and the status `assumed`: nobody can mistake it for a publication.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from carnallite.datafile import Item
from carnallite.knowledge.plan_schema import Part, Route, Safety, Step, Strategy
from carnallite.quantity import Cited

Evidence = Literal["supported", "partly supported", "contested", "contradicted", "unverifiable"]
Ion = Literal["magnesium", "potassium", "calcium"]
Place = Literal["outpatient", "emergency", "ward", "intensive care"]  # where an encounter takes place


class CitedItem(Cited, frozen=True, kw_only=True):
    """An item that is itself one cited number or rule."""

    id: str
    name: str


class Effect(Cited, frozen=True, kw_only=True):
    """What something does to one named parameter of the body."""

    target: str  # component.parameter; must exist in the body
    phenotype: str = "typical"  # which form of the cause or dose of the drug; each form stands alone
    factor: float | None = None  # exactly one of the three; multiplies
    add: float | None = None  # adds, in `unit`
    set: float | None = None  # replaces, in `unit`
    unit: str = ""  # of add and set; required unless the parameter is a plain ratio
    spread: float = 0.0  # SD between people: of the logarithm of a factor, in `unit` for add and set
    about: str = ""


class Acting(Item, frozen=True, kw_only=True):
    """An item that acts on the body, or says why it does not: exactly one of the four, where it matters."""

    effects: tuple[Effect, ...] = ()
    phenotypes: dict[str, str] = {}  # form or dose -> what it is; every one but "typical"
    acts_as: str = ""  # kind/id or kind/id/phenotype whose effects it has, so that no number stands twice
    emerges: str = ""  # why it needs no effect: it follows from the others, or is given as a dose
    not_simulated: str = ""  # why the body cannot show it


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A publication, a label, a guideline, or our own judgement; and how much of it we read."""

    id: str
    citation: str
    year: int | None = None
    kind: Literal[
        "trial", "cohort", "case series", "case report", "guideline", "label", "review", "experiment",
        "laboratory", "standard", "database", "opinion", "protocol",
    ]  # fmt: skip
    read: Literal["full text", "abstract", "excerpt", "secondary", "recalled", "own"]
    doi: str = ""
    pmid: str = ""
    url: str = ""
    note: str = ""


class Source(Part, frozen=True, kw_only=True):
    """One piece of evidence for or against a statement."""

    source: str
    at: str
    finding: str


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the documents that we implement say, whether it holds, and on what evidence."""

    id: str
    claim: str
    seed: Literal["A", "B"]
    line: int
    section: str
    kind: Literal[
        "epidemiology", "mechanism", "treatment", "cause", "factor", "comparison", "assessment", "caution",
        "monitoring", "risk factor",
    ]  # fmt: skip
    status: Evidence
    why: str
    role: str  # what the software does with it
    evidence: tuple[Source, ...] = ()
    also_at: tuple[str, ...] = ()  # ids of the other places that say the same
    opposes: tuple[str, ...] = ()  # statements that say the contrary


class Threshold(CitedItem, frozen=True, kw_only=True):
    """A cut-off that rules use by name; the number stands nowhere else."""

    value: float
    unit: str
    about: str
    alternatives: tuple[Alternative, ...] = ()


class Alternative(Cited, frozen=True, kw_only=True):
    """What another source says instead."""

    value: float
    holds_when: str


class Formula(CitedItem, frozen=True, kw_only=True):
    """A quantity that is computed from others; its id is that of an analyte."""

    expr: str
    unit: str  # in which the expression gives its answer
    inputs: dict[str, str]  # analyte -> the unit in which it enters the expression; the first one leads
    about: str
    paired_h: float  # [h] the samples may lie apart
    needs_age: bool = False  # the expression reads `age` [a]
    needs_sex: bool = False  # the expression reads `female` (1 or 0)
    valid_when: str = ""  # over the same names and those of `checks`
    checks: dict[str, str] = {}  # analyte -> unit; read if known, for `valid_when` alone
    why_not: str = ""


class Ingredient(Part, frozen=True, kw_only=True):
    """A substance, its codes, and its names in the languages and brands of real records."""

    id: str
    names: tuple[str, ...]  # the first is the name we print
    brands: tuple[str, ...] = ()
    rxnorm: tuple[str, ...] = ()
    atc: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # further groups that this ingredient alone belongs to


class DrugClass(Acting, frozen=True, kw_only=True):
    """A class of drugs that acts alike on magnesium, potassium, calcium or safety."""

    about: str
    names: tuple[str, ...] = ()  # how a record names the class without saying which drug
    atc: tuple[str, ...] = ()  # prefixes
    groups: tuple[str, ...] = ()  # groups that every ingredient belongs to
    ingredients: tuple[Ingredient, ...] = ()
    statements: tuple[str, ...] = ()


class Condition(Item, frozen=True, kw_only=True):
    """A diagnosis, symptom, procedure or ECG finding, with its codes and the phrases that mean it."""

    about: str = ""
    icd10: tuple[str, ...] = ()  # prefixes, with the dot
    icd9: tuple[str, ...] = ()  # prefixes, with the dot; procedures begin with "p"
    snomed: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()  # a word may end in * (any ending)
    not_phrases: tuple[str, ...] = ()  # longer texts that look alike and mean something else
    implies: tuple[str, ...] = ()  # conditions that are then present as well
    lasting: bool = False  # stays true once recorded (an operation, an inherited disease)


class Probability(Cited, frozen=True, kw_only=True):
    """A probability between 0 and 1."""

    probability: float


class Finding(Item, frozen=True, kw_only=True):
    """Something about a patient that is present, absent or unknown, and how often it is present anyway."""

    about: str = ""
    present: str  # an expression over quantities, conditions, drugs and thresholds
    absent: str = ""  # where absence needs more than "not present"
    tests: tuple[str, ...] = ()  # results that say the same: where the body explains one, the finding counts no more
    background: Probability  # chance of it in a hospital patient whom none of our causes affects


class Prior(Probability, frozen=True, kw_only=True):
    """The chance that a cause acts, when an expression holds; the first entry that holds is used."""

    when: str = ""  # empty: otherwise
    because: str = ""  # how the exposure is told to a person


class Clue(Probability, frozen=True, kw_only=True):
    """The chance that this cause, acting alone, produces a finding."""

    finding: str
    statement: str = ""


class Severity(Cited, frozen=True, kw_only=True):
    """How often a form is the one that acts, when its cause acts.

    Entries with the same `when` stand together and their shares sum to one; the first group that holds is used. A
    `when` asks for diagnoses, drugs and procedures: results of the laboratory speak for a form by themselves.
    """

    phenotype: str = "typical"
    share: float
    when: str = ""  # empty: otherwise; the last group


class Cause(Acting, frozen=True, kw_only=True):
    """A reason for a disorder of magnesium, potassium or calcium."""

    group: Literal["gut", "kidney", "drug", "hormone", "critical illness", "intake", "shift", "excess", "none"]
    mechanism: str
    severity: tuple[Severity, ...] = ()  # asked of a cause that has more than one form
    priors: tuple[Prior, ...]
    clues: tuple[Clue, ...]
    statements: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()  # findings that it is by definition, which its priors have read


class Kept(Part, frozen=True, kw_only=True):
    """A cause that is a factor by itself for as long as it goes on."""

    cause: str
    when: str = ""  # while it goes on; empty if it always does


class Factor(Acting, frozen=True, kw_only=True):
    """Something that keeps a disorder intractable."""

    mechanism: str
    priors: tuple[Prior, ...]
    kept_by: tuple[Kept, ...] = ()  # it is at least as likely as that one of these acts
    statements: tuple[str, ...] = ()


class CauseRate(Probability, frozen=True, kw_only=True):
    """The chance that a cause acts in a setting when no exposure to it is recorded."""

    cause: str


class FactorRate(Probability, frozen=True, kw_only=True):
    """The chance that a factor acts in a setting when nothing that speaks of it is recorded."""

    factor: str


class Setting(Item, frozen=True, kw_only=True):
    """Where patients whose magnesium, potassium or calcium is looked into come from, and what is common there.

    A patient is in every setting whose `when` holds or in one of whose `encounters` the index lies. For each cause
    the first of these settings, by rank, that names it replaces the last entry of its priors, the one without
    `when`. Where none of them names it, or the setting is unknown, that entry stays.
    """

    about: str
    rank: int  # the lowest speaks first
    when: str = ""
    encounters: tuple[Place, ...] = ()
    causes: tuple[CauseRate, ...] = ()
    factors: tuple[FactorRate, ...] = ()


class Pair(CitedItem, frozen=True, kw_only=True):
    """Causes that act together more often, or more rarely, than each on its own would say.

    The odds of every set of causes that holds all of these are multiplied by `odds_ratio`. So three causes count
    with each pair among them, and with their own entry besides.
    """

    causes: tuple[str, ...]
    odds_ratio: float
    about: str
    told_when: str = ""  # while it holds the priors of one ask for the other, and the pair adds nothing
    alternatives: tuple[Alternative, ...] = ()


class Link(Item, frozen=True, kw_only=True):
    """How likely a magnesium disorder alone disturbs potassium or calcium."""

    about: str
    effect: str  # finding that it explains
    priors: tuple[Prior, ...]
    statements: tuple[str, ...] = ()


class Rule(CitedItem, frozen=True, kw_only=True):
    """An emergency, something unsafe now, or a doubt about a sample: rules run first and without any model."""

    kind: Literal["emergency", "unsafe", "sample"]
    rank: int  # the lowest comes first
    when: str
    summary: str
    do: str
    ask: tuple[str, ...] = ()  # tests to ask for while the rule cannot be decided
    asks_when: str = ""  # ... and this holds
    unless: tuple[str, ...] = ()  # rules that say the same and more; while one of them holds this one is silent
    statements: tuple[str, ...] = ()


class Row(Part, frozen=True, kw_only=True):
    """One row of a comparison: a statement for each side, or an empty text."""

    feature: str
    statements: tuple[str, ...]


class Comparison(Item, frozen=True, kw_only=True):
    """Two treatments side by side, statement by statement."""

    about: str
    sides: tuple[str, ...]
    rows: tuple[Row, ...]


class Delay(Cited, frozen=True, kw_only=True):
    """How long an answer takes."""

    hours: float


class Reveal(Probability, frozen=True, kw_only=True):
    """The chance that a trial is positive when this cause acts alone."""

    cause: str


class Investigation(Item, frozen=True, kw_only=True):
    """A test that may be asked for next; its id is that of an analyte, unless it is a trial of another kind."""

    why: str
    settles: tuple[str, ...] = ()  # findings whose answer it gives
    shows: str = ""  # result of the body that says most of the same
    is_trial: bool = False  # something done or given: positive or negative
    positive: str = ""  # what a positive trial is
    reveals: tuple[Reveal, ...] = ()
    otherwise: Probability | None = None  # chance of a positive trial when none of these acts
    delay: Delay
    first_when: str = ""  # comes before all others when this holds
    useless_when: str = ""
    burden: float = 0.0  # [bit] of information that it must bring to be worth the trouble
    statements: tuple[str, ...] = ()


class Salt(Cited, frozen=True, kw_only=True):
    """A salt and how much of the element it holds."""

    salt: str
    ingredient: str
    mmol_per_g: float
    elemental_fraction: float
    soluble: bool | None = None  # asked of magnesium by mouth: a dose is dissolved at once, or must dissolve first


class Dose(Cited, frozen=True, kw_only=True):
    """A published regimen."""

    situation: str
    regimen: str
    low_mmol: float | None = None
    high_mmol: float | None = None
    per: Literal["dose", "d", "h", "course"] = "dose"
    route: Route


class Limit(Cited, frozen=True, kw_only=True):
    """An outer limit. It is not advice."""

    what: str
    value: float
    unit: str
    holds_when: str = ""


class Treatment(Acting, frozen=True, kw_only=True):
    """Something that can be given or done, with salts, published regimens and limits."""

    about: str
    acts_on: tuple[str, ...]
    salts: tuple[Salt, ...] = ()
    doses: tuple[Dose, ...] = ()
    limits: tuple[Limit, ...] = ()
    monitoring: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


class Lexicon(Item, frozen=True, kw_only=True):
    """Words by which a text says no, once, maybe, or somebody else; and words for low, normal and high."""

    negation: tuple[str, ...]
    negation_after: tuple[str, ...]
    past: tuple[str, ...]
    family: tuple[str, ...]
    uncertain: tuple[str, ...]
    boundary: tuple[str, ...]
    low: tuple[str, ...]
    normal: tuple[str, ...]
    high: tuple[str, ...]
    undetectable: tuple[str, ...]
    specimen_words: dict[str, tuple[str, ...]]
    hemolysed: tuple[str, ...]
    routes: dict[str, tuple[str, ...]] = {}


class Knowledge(msgspec.Struct, frozen=True):
    """Everything in the data files, checked."""

    references: dict[str, Reference]
    statements: dict[str, Statement]
    thresholds: dict[str, Threshold]
    formulas: dict[str, Formula]
    drugs: dict[str, DrugClass]
    conditions: dict[str, Condition]
    findings: dict[str, Finding]
    causes: dict[str, Cause]
    factors: dict[str, Factor]
    settings: dict[str, Setting]
    pairs: dict[str, Pair]
    links: dict[str, Link]
    rules: dict[str, Rule]
    investigations: dict[str, Investigation]
    treatments: dict[str, Treatment]
    comparisons: dict[str, Comparison]
    safety: dict[str, Safety]
    steps: dict[str, Step]
    strategies: dict[str, Strategy]
    lexicon: dict[str, Lexicon]
