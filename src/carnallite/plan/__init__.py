"""Plans: what to do, in which order, when to look again, what is blocked and why, and what each plan brings."""

from carnallite.plan.advise import advise, foretell
from carnallite.plan.forecast import AS_NOW
from carnallite.plan.orders import OrderFinding, review
from carnallite.plan.safety import Guard, tables
from carnallite.plan.values import (
    Advice,
    BlockedStep,
    CauseMoved,
    Course,
    Dosing,
    Forecast,
    Objection,
    Outlook,
    Plan,
    PlannedStep,
    PlanNote,
    Reply,
    Response,
    Watch,
)
from carnallite.plan.written import MOST_PLANS, Written, parse_plan, read_plan

__all__ = [
    "AS_NOW",
    "MOST_PLANS",
    "Advice",
    "BlockedStep",
    "CauseMoved",
    "Course",
    "Dosing",
    "Forecast",
    "Guard",
    "Objection",
    "OrderFinding",
    "Outlook",
    "Plan",
    "PlanNote",
    "PlannedStep",
    "Reply",
    "Response",
    "Watch",
    "Written",
    "advise",
    "foretell",
    "parse_plan",
    "read_plan",
    "review",
    "tables",
]
