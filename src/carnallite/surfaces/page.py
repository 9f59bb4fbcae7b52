"""An assessment in the words of a report, and the sources that are named on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from carnallite.knowledge import knowledge
from carnallite.surfaces import views, words
from carnallite.surfaces.printed import share
from carnallite.surfaces.why import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.assessment import Alert, Assessment, NextTest, RankedCause, RankedFactor, Reason, Result
    from carnallite.knowledge import Reference, Statement

FLAGS = {"L": "low", "H": "high", "?": "perhaps out of range", "": ""}
_FIRST_PAGE_CAUSES, _DETAILED = 3, 8
_BEST_TESTS = 3  # whose answers are told
_NAMED = 0.1  # a cause less probable than this is named in one line
_ARROWS = {"low": "▼", "high": "▲", "normal": "●", "unknown": ""}
_SYMBOLS = {"magnesium": "Mg", "potassium": "K", "calcium": "Ca"}


class Page:
    """The answer in words, and the sources that were named on the way."""

    def __init__(self, assessment: Assessment, units: words.Units) -> None:
        self.assessment, self.units = assessment, units
        self.tell: Callable[[str], str] = words.speaker(assessment, units)
        self._named: dict[str, Reference] = {}

    def content(self) -> dict[str, Any]:
        """Return everything that the page shows."""
        answer = self.assessment
        ranked = [one for one in answer.causes if one.id != "none"]
        causes = [self._cause(one) for one in ranked]
        listed = [one for one, raw in zip(causes, ranked, strict=True) if raw.probability >= _NAMED]
        shown = (listed or causes[:1])[:_FIRST_PAGE_CAUSES]
        withheld = next((one.what for one in answer.issues if one.code == "ranking_withheld"), "")
        factors = [self._factor(one) for one in answer.factors]
        detailed = [one for one in causes if one.is_cause][:_DETAILED]
        return {
            "title": "Magnesium, potassium and calcium: assessment",
            "headline": words.headline(answer, self.units),
            "sampled": words.sample_times(answer),
            "index": words.at(answer.index),
            "units": {"si": "SI first", "us": "US conventional first"}[self.units],
            "warnings": self._warnings(),
            "overdue": words.overdue(answer.overdue),
            "tiles": [self._tile(ion) for ion in words.ions(answer)],
            "cannot_tell": (withheld or words.cannot_tell(answer)) if answer.cannot_tell else "",
            "is_normal": bool(answer.causes) and answer.causes[0].id == "none" and not answer.cannot_tell,
            "causes": shown,
            "others": [one for one in causes if one not in shown],
            "together": words.together(answer),
            "factors": factors,
            "why": why(answer, units=self.units),
            "explained": [self._link(one) for one in words.explained(answer)],
            "tests": [self._test(one, number) for number, one in enumerate(answer.next_tests)],
            "missing": answer.missing,
            "issues": [one for one in answer.issues if one.code != "ranking_withheld"],
            "detailed": detailed,
            "rows": [self._row(one) for one in answer.results],
            "debates": self._debates(),
            "provenance": answer.provenance,
            "record": answer.provenance.record.removeprefix("sha256:"),
            "mark": re.sub(r"[^0-9a-f]", "", answer.provenance.record.removeprefix("sha256:"))[:12],
            "version": next(iter(re.findall(r"\A\d[\w.+]*\Z", answer.provenance.version, re.ASCII)), ""),
            "intended_use": words.INTENDED_USE,
        }

    def sources(self) -> list[Reference]:
        """Return every source named so far."""
        return [self._named[id] for id in sorted(self._named)]

    def _source(self, id: str) -> str:
        known = knowledge().references.get(id)
        if known is None:
            return ""
        self._named[id] = known
        return id

    def _claims(self, ids: Iterable[str]) -> tuple[views.Claim, ...]:
        known = (words.statement(id) for id in ids)
        return tuple(_claim(one) for one in known if one is not None)

    def _test(self, test: NextTest, number: int) -> views.Test:
        answers = words.answers(test, self.units) if number < _BEST_TESTS else ()
        return views.Test(name=test.name, why=test.why, delay=words.delay(test), answers=answers)

    def _warnings(self) -> list[views.Notice]:
        answer = self.assessment
        kinds = (
            ("emergency", "Emergency", answer.emergencies),
            ("unsafe", "Unsafe now", answer.unsafe),
            ("sample", "Doubt about the sample", answer.samples),
        )
        told = [(kind, label, alert) for kind, label, alerts in kinds for alert in alerts]
        # emergencies fill a row each; of the others, which stand two in a row, the last one may be alone
        rest = len(told) - len(answer.emergencies)
        return [
            self._warning(kind, label, alert, is_wide=number == len(told) and rest % 2 == 1)
            for number, (kind, label, alert) in enumerate(told, 1)
        ]

    def _warning(self, kind: str, label: str, alert: Alert, *, is_wide: bool) -> views.Notice:
        return views.Notice(
            kind=kind, label=label, summary=alert.summary, do=self.tell(alert.do),
            why=tuple(self.tell(fact) for fact in alert.why), claims=self._claims(alert.statements),
            source=self._source(alert.source), is_wide=is_wide,
        )  # fmt: skip

    def _ground(self, reason: Reason) -> views.Ground:
        known = words.statement(reason.statement)
        return views.Ground(
            fact=self.tell(reason.fact), ratio=words.ratio(reason.likelihood_ratio), status=reason.status,
            claim=_claim(known) if known else None, source=self._source(reason.source),
        )  # fmt: skip

    def _grounds(self, reasons: tuple[Reason, ...]) -> tuple[views.Ground, ...]:
        return tuple(self._ground(one) for one in words.strongest(reasons, len(reasons)))

    def _cause(self, cause: RankedCause) -> views.Candidate:
        return views.Candidate(
            id=cause.id, name=cause.name, chance=_chance(cause.probability), basis=cause.basis,
            because=cause.because, share=share(cause.share, self.units), grounds=self._grounds(cause.for_),
            against=self._grounds(cause.against), claims=self._claims(cause.statements),
            is_cause=cause.id not in words.NO_CAUSE,
        )  # fmt: skip

    def _factor(self, factor: RankedFactor) -> views.Candidate:
        known = knowledge().factors.get(factor.id)
        return views.Candidate(
            id=factor.id, name=factor.name, chance=_chance(factor.probability), basis="",
            because=known.mechanism if known else "", share=share(factor.share, self.units),
            grounds=self._grounds(factor.for_), against=(),
            claims=self._claims(known.statements if known else ()), is_cause=False,
        )  # fmt: skip

    def _link(self, link: words.Link) -> tuple[str, views.Chance, tuple[views.Claim, ...]]:
        return link.disorder, _chance(link.probability), self._claims(link.statements)

    def _row(self, result: Result) -> views.Row:
        first = words.value(result, self.units)
        second = words.value(result, "us" if self.units == "si" else "si")
        return views.Row(
            name=result.name,
            first=first,
            second=second if second != first else "same",
            flag=FLAGS[result.flag],
            time=words.at(result.time),
            age=words.ago(result.age_h),
            reference=words.reference(result, self.units),
            note=result.note,
        )

    def _tile(self, ion: words.Ion) -> views.Tile:
        name = f"{ion.kind} {ion.name}".strip().capitalize()
        state = "not known" if ion.state == "unknown" else ion.state
        row = self._row(ion.result) if ion.result else None
        return views.Tile(symbol=_SYMBOLS[ion.name], name=name, state=state, arrow=_ARROWS[ion.state], row=row)

    def _debates(self) -> list[views.Debate]:
        """Return the doubted statements that anything on the page rests on."""
        answer = self.assessment
        ids: list[str | None] = []
        for alert in (*answer.emergencies, *answer.unsafe, *answer.samples):
            ids += alert.statements
        for cause in answer.causes:
            ids += [*cause.statements, *(one.statement for one in (*cause.for_, *cause.against))]
        for link in words.explained(answer):
            ids += link.statements
        for factor in answer.factors:
            known = knowledge().factors.get(factor.id)
            ids += [*(known.statements if known else ()), *(one.statement for one in factor.for_)]
        return [self._debate(one) for one in words.disputes(ids)]

    def _debate(self, dispute: words.Dispute) -> views.Debate:
        told = dispute.statement
        return views.Debate(
            claim=_claim(told), why=told.why, section=told.section,
            contrary=tuple(_claim(one) for one in dispute.contrary),
            evidence=tuple((one.finding, self._source(one.source), one.at) for one in told.evidence),
        )  # fmt: skip


def _chance(probability: float) -> views.Chance:
    return views.Chance(word=words.chance(probability), number=words.percent(probability), bar=round(probability * 100))


def _claim(told: Statement) -> views.Claim:
    is_doubted = told.status in words.DOUBTED
    return views.Claim(id=told.id, claim=told.claim, status=told.status, is_doubted=is_doubted)
