"""Words of a record -> our ids. Everything matched is in a data file; what is not matched is not guessed.

A text is folded (case, accents, punctuation) into words; the longest run of words that a data file lists wins.
A cue before or after it in the same clause says whether it is denied, past, of the family or uncertain.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Literal

import msgspec

from carnallite.knowledge import knowledge

Kind = Literal["condition", "ingredient", "class"]
Sense = Literal["present", "absent", "past", "family", "uncertain"]

_WORD = re.compile(r"[^\W_]+(?:\+)?|[.;:!?\n,()\[\]/]")
_ENDS_CLAUSE = frozenset(".;!?\n")
_LIST_WORDS = frozenset({"or", "and", "nor", "other", "any", "y", "ni", "o", "und", "oder", "et", "ou", "e", "drugs"})
_LONGEST_LISTED = 4
_LONGEST_TEXT = 100_000  # letters of one text that are read
_MARKS = _ENDS_CLAUSE | {","}


_BEFORE: tuple[Sense, ...] = ("absent", "family", "past", "uncertain")


class Mention(msgspec.Struct, frozen=True):
    """An id that a text names, how it is meant, and the words of the data file that matched."""

    kind: Kind
    id: str
    sense: Sense
    matched: str


def fold(text: str) -> str:
    """Return a text in lower case without accents.

    >>> fold("Diarrhée chronique")
    'diarrhee chronique'
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """Return the words of a text, folded, with the marks that end a clause or part a list.

    >>> words("No diarrhoea, 22q11.2 deletion.")
    ['no', 'diarrhoea', ',', '22q11', '2', 'deletion', '.']
    """
    folded = re.sub(r"(?<=\w)[.:/-](?=\w)", " ", fold(text))
    found = _WORD.findall(re.sub(r"\b([^\W\d])\.", r"\1 ", folded))  # the dot of "v." or "h.o." ends nothing
    return [word for word in found if word not in "()[]:/"]


def label_words(text: str) -> str:
    """Return the words of a text in their order, without any marks.

    >>> label_words("Potassium, Serum")
    'potassium serum'
    """
    return " ".join(word for word in words(text) if word not in _ENDS_CLAUSE | {","})


class Lookup(msgspec.Struct, frozen=True):
    """Runs of words and what they name; runs that end in * stand apart by their first words."""

    exact: dict[str, list[tuple[str, str]]]
    open: dict[str, list[tuple[str, str, str]]]  # first letters of the last word -> (start, kind, id)
    longest: int


@cache
def _lookup() -> Lookup:
    exact: dict[str, list[tuple[str, str]]] = {}
    wild: dict[str, list[tuple[str, str, str]]] = {}
    longest = 1

    def add(phrase: str, kind: str, id: str) -> None:
        nonlocal longest
        ends_open = phrase.endswith("*")
        run = label_words(phrase.rstrip("*"))
        longest = max(longest, run.count(" ") + 1)
        if ends_open:
            wild.setdefault(run.rsplit(" ", 1)[-1][:3], []).append((run, kind, id))
        else:
            pairs = exact.setdefault(run, [])
            if (kind, id) not in pairs:
                pairs.append((kind, id))

    known = knowledge()
    for condition in known.conditions.values():
        for phrase in condition.phrases:
            add(phrase, "condition", condition.id)
        for phrase in condition.not_phrases:
            add(phrase, "nothing", condition.id)
    for drug in known.drugs.values():
        for phrase in drug.names:
            add(phrase, "class", drug.id)
        for part in drug.ingredients:
            for phrase in (*part.names, *part.brands):
                add(phrase, "ingredient", part.id)
    return Lookup(exact, wild, longest)


def _name(run: str, lookup: Lookup) -> list[tuple[str, str]]:
    found = list(lookup.exact.get(run, ()))
    last = run.rsplit(" ", 1)[-1]
    for start, kind, id in lookup.open.get(last[:3], ()):
        if run.startswith(start) and run.count(" ") == start.count(" ") and (kind, id) not in found:
            found.append((kind, id))
    return found


@cache
def _cues() -> dict[str, frozenset[str]]:
    language = knowledge().lexicon["language"]
    senses: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("absent", language.negation),
        ("after", language.negation_after),
        ("past", language.past),
        ("family", language.family),
        ("uncertain", language.uncertain),
        ("boundary", language.boundary),
    )
    table: dict[str, set[str]] = {}
    for sense, cues in senses:
        for cue in cues:
            table.setdefault(label_words(cue), set()).add(sense)
    return {cue: frozenset(meant) for cue, meant in table.items()}


class _Found(msgspec.Struct):
    start: int
    end: int
    names: list[tuple[str, str]]
    run: str


@lru_cache(maxsize=4096)  # bounded: it holds words of records
def mentions(text: str) -> tuple[Mention, ...]:
    """Return everything that a text names, in order.

    Parameters
    ----------
    text : str
        A label, a note, a result in words; in any case and with any accents.

    Examples
    --------
    >>> mentions("")
    ()
    """
    tokens = words(text[:_LONGEST_TEXT])
    found = _matches(tokens)
    covered = {place: number for number, match in enumerate(found) for place in range(match.start, match.end)}
    answer: list[Mention] = []
    for match in found:
        sense = _sense(tokens, match, covered)
        for kind, id in match.names:
            if kind != "nothing":
                answer.append(Mention(kind, id, sense, match.run))  # type: ignore[arg-type]
    return tuple(answer)


def _matches(tokens: list[str]) -> list[_Found]:
    lookup = _lookup()
    found: list[_Found] = []
    position = 0
    while position < len(tokens):
        match = None if tokens[position] in _MARKS else _longest(tokens, position, lookup)
        if match is None:
            position += 1
        else:
            found.append(match)
            position = match.end
    return found


def _longest(tokens: list[str], start: int, lookup: Lookup) -> _Found | None:
    """Return the longest listed run of words at a place.

    A run may cross one comma ("renal failure, acute") if it ends where the item of the list ends.
    """
    for end in range(min(start + lookup.longest + 1, len(tokens)), start, -1):
        part = tokens[start:end]
        if part[-1] == "," or any(token in _ENDS_CLAUSE for token in part):
            continue
        commas = part.count(",")
        if commas > 1 or (commas and end < len(tokens) and tokens[end] not in _MARKS):
            continue
        run = " ".join(token for token in part if token != ",")
        names = _name(run, lookup)
        if names:
            return _Found(start, end, names, run)
    return None


def _sense(tokens: list[str], match: _Found, covered: dict[int, int]) -> Sense:
    """Return how a match is meant, from the cues of its clause."""
    commas = 0
    for place in range(match.start - 1, -1, -1):
        if tokens[place] in _ENDS_CLAUSE:
            break
        if tokens[place] == ",":
            commas += 1
            continue
        meant = _cue_at(tokens, place, covered)
        if "boundary" in meant:
            break
        if "after" in meant and place - 1 in covered:
            continue  # it belongs to what stands before it: "vomiting absent, diarrhea present"
        for sense in _BEFORE:
            if sense in meant:
                return "present" if commas and not _is_list(tokens, place, match) else sense
    following = tokens[match.end] if match.end < len(tokens) else ""
    if "past" in _cues().get(following, ()):
        return "past"
    return "absent" if _denied_after(tokens, match.end, covered) else "present"


def _cue_at(tokens: list[str], place: int, covered: dict[int, int]) -> frozenset[str]:
    """Return what the longest cue that ends at a place may mean."""
    cues = _cues()
    for size in (4, 3, 2, 1):
        start = place - size + 1
        if start >= 0 and not any(spot in covered for spot in range(start, place + 1)):
            meant = cues.get(" ".join(tokens[start : place + 1]))
            if meant:
                return meant
    return frozenset()


def _is_list(tokens: list[str], cue: int, match: _Found) -> bool:
    """Return whether a cue reaches over commas: only through short items of a plain list."""
    end = match.end
    while end < len(tokens) and tokens[end] not in _MARKS:
        end += 1
    segment = 0
    for token in tokens[cue + 1 : end]:
        if token == ",":
            segment = 0
        elif token.isdigit():
            return False
        elif token not in _LIST_WORDS:
            segment += 1
            if segment > _LONGEST_LISTED:
                return False
    return True


def _denied_after(tokens: list[str], start: int, covered: dict[int, int]) -> bool:
    clause: list[str] = []
    for place in range(start, min(start + 5, len(tokens))):
        if tokens[place] in _MARKS or place in covered:
            break
        clause.append(tokens[place])
    cues = _cues()
    runs = [(a, " ".join(clause[a:b])) for a in range(len(clause)) for b in range(a + 1, len(clause) + 1)]
    return any(
        "after" in cues.get(run, ()) and not (first and "absent" in cues.get(clause[first - 1], ()))
        for first, run in runs
    )


Level = Literal["undetectable", "low", "normal", "high", ""]


@lru_cache(maxsize=4096)
def level(text: str) -> Level:
    """Return whether a result in words means low, normal or high.

    The longest listed word run wins, so that "inappropriately normal" is normal and "not low" is nothing.
    """
    language = knowledge().lexicon["language"]
    run = f" {label_words(re.sub(r'[(].*?[)]', ' ', text))} "
    if any(f" {label_words(cue)} " in run for cue in language.undetectable):
        return "undetectable"
    if any(f" {cue} " in run for cue, meant in _cues().items() if "absent" in meant):
        return ""
    groups: tuple[tuple[Level, tuple[str, ...]], ...] = (
        ("low", language.low),
        ("normal", language.normal),
        ("high", language.high),
    )
    best: tuple[int, Level] = (0, "")
    for name, cues in groups:
        for cue in cues:
            folded = label_words(cue)
            if len(folded) > best[0] and f" {folded} " in run:
                best = (len(folded), name)
    return best[1]


@lru_cache(maxsize=4096)
def is_denial(text: str) -> bool:
    """Return whether a result in words only says no: "absent", "negative", "none".

    >>> is_denial("negative"), is_denial("negative for ketones")
    (True, False)
    """
    meant = _cues().get(label_words(text), frozenset())
    return bool(meant & {"absent", "after"}) or label_words(text) == "none"
