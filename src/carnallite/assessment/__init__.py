"""Assessment: what is wrong, what is unsafe, which causes are likely, what keeps it so, what to measure next."""

from carnallite.assessment.cloud.again import DRAWS, Again, again
from carnallite.assessment.cloud.fit import Fit
from carnallite.assessment.cloud.history import GIVEN, LENGTH, Seen, given_since, seen_of, window_of
from carnallite.assessment.cloud.onward import LOST, OUTSIDE, Later, gained, going_on, kept, onward
from carnallite.assessment.cloud.shown import estimated
from carnallite.assessment.cloud.weigh import chance, errors, relative, worth
from carnallite.assessment.columns import Columns, evaluate, finding
from carnallite.assessment.facts import ABSENT, PRESENT, UNKNOWN, Facts
from carnallite.assessment.individual import FAILED, Depth, Examined, assess, assess_all, examine, silent
from carnallite.assessment.panel import Panel, Survey, panel, panel_of, survey_of
from carnallite.assessment.sources import ASKED
from carnallite.assessment.tell import facts_for
from carnallite.assessment.values import (
    Alert,
    Assessment,
    Band,
    Explained,
    JointCauses,
    NextTest,
    Provenance,
    RankedCause,
    RankedFactor,
    Reason,
    Result,
    Share,
    State,
    States,
    Value,
)

__all__ = [
    "ABSENT",
    "ASKED",
    "DRAWS",
    "FAILED",
    "GIVEN",
    "LENGTH",
    "LOST",
    "OUTSIDE",
    "PRESENT",
    "UNKNOWN",
    "Again",
    "Alert",
    "Assessment",
    "Band",
    "Columns",
    "Depth",
    "Examined",
    "Explained",
    "Facts",
    "Fit",
    "JointCauses",
    "Later",
    "NextTest",
    "Panel",
    "Provenance",
    "RankedCause",
    "RankedFactor",
    "Reason",
    "Result",
    "Seen",
    "Share",
    "State",
    "States",
    "Survey",
    "Value",
    "again",
    "assess",
    "assess_all",
    "chance",
    "errors",
    "estimated",
    "evaluate",
    "examine",
    "facts_for",
    "finding",
    "gained",
    "given_since",
    "going_on",
    "kept",
    "onward",
    "panel",
    "panel_of",
    "relative",
    "seen_of",
    "silent",
    "survey_of",
    "window_of",
    "worth",
]
