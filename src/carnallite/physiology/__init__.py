"""The body: a human model of magnesium, potassium, calcium, sodium, water and their hormones, and its engine."""

from carnallite.physiology.body import People, healthy
from carnallite.physiology.load import model
from carnallite.physiology.protocol import Protocol, protocol
from carnallite.physiology.scenario import Scenario, ScenarioError, parse, read
from carnallite.physiology.schema import Model
from carnallite.physiology.simulate import OUTPUTS, Trajectories, run, simulate

__all__ = [
    "OUTPUTS",
    "Model",
    "People",
    "Protocol",
    "Scenario",
    "ScenarioError",
    "Trajectories",
    "healthy",
    "model",
    "parse",
    "protocol",
    "read",
    "run",
    "simulate",
]
