"""Assessment: what is wrong, what is unsafe, which causes are likely, what keeps it so, what to measure next."""

from carnallite.assessment.individual import assess, assess_all
from carnallite.assessment.values import (
    Alert,
    Assessment,
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
)

__all__ = [
    "Alert",
    "Assessment",
    "Explained",
    "JointCauses",
    "NextTest",
    "Provenance",
    "RankedCause",
    "RankedFactor",
    "Reason",
    "Result",
    "Share",
    "State",
    "States",
    "assess",
    "assess_all",
]
