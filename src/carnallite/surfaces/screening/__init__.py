"""A whole hospital: records in, a work list and a cohort report out; the same answers as `assess`, for everybody."""

from carnallite.surfaces.screening.screen import screen

__all__ = ["screen"]
