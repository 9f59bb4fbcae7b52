"""Validation: published observations in people, and how near the body comes to them."""

from carnallite.physiology.validation.gates import Gate, GateResult, gates
from carnallite.physiology.validation.report import as_json, as_markdown, as_text
from carnallite.physiology.validation.rules import no_change
from carnallite.physiology.validation.run import Simulations, simulate_targets, simulations
from carnallite.physiology.validation.score import Validation, score
from carnallite.physiology.validation.scored import Division, Row, Summary, TargetScore, Topic
from carnallite.physiology.validation.targets import (
    PUBLISHED,
    Baseline,
    Observation,
    Outcome,
    Population,
    Protocol,
    Simulated,
    Target,
    TargetFile,
    published,
    read_targets,
)

__all__ = [
    "PUBLISHED",
    "Baseline",
    "Division",
    "Gate",
    "GateResult",
    "Observation",
    "Outcome",
    "Population",
    "Protocol",
    "Row",
    "Simulated",
    "Simulations",
    "Summary",
    "Target",
    "TargetFile",
    "TargetScore",
    "Topic",
    "Validation",
    "as_json",
    "as_markdown",
    "as_text",
    "gates",
    "no_change",
    "published",
    "read_targets",
    "score",
    "simulate_targets",
    "simulations",
]
