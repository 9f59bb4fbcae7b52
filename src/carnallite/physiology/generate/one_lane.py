"""The source of a kernel, rewritten for threads that have one person each: the body of one function in C++.

Equations, methods, steps, events and statuses are the text that `c.py` and ``core.h`` give the compiled kernel;
only vectors are numbers here, and the passages of `_CHANGES` differ. Nothing of the model is written twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from carnallite.physiology.generate.c import source
from carnallite.physiology.generate.system import SystemInvalid

if TYPE_CHECKING:
    from carnallite.physiology.generate.c import Tableau
    from carnallite.physiology.generate.system import System

Precision = Literal["float64", "float32"]

_HERE = Path(__file__).parent
_TYPES = {"float64": "double", "float32": "float"}
_WORK = ("#define ROOM(count)", "/* `step` fills u")  # what one step works on
_GENERATED = ("} Method;", "#define AT(array")
_INTEGRATION = ("#define AT(array", "/* Numbers too small to be normal")
_ONE_METHOD = """\
struct Method {{
    enum {{ order = {order} }};
    static void step(Work *work) {{ {id}_step(work); }}
    static void dense(Work *work) {{ {id}_dense(work); }}
}};
"""
_RUN = """\
};
Kernel::Problem mine = *(const Kernel::Problem *)problem.data;
Kernel::Group group;
memset(&group, 0, sizeof group);
mine.next = number, mine.persons = number + 1;
Kernel::integrate(&mine, &group);
"""
# What becomes of passages. States are double even where equations are not, or months of small steps would be lost in
# rounding; the rates that choose a first step therefore lie elsewhere; there is one method, known beforehand.
_WORK_CHANGES = ((" y[STATES],", ""), (" u[STATES],", ""), ("} Work;", "    double y[STATES], u[STATES];\n} Work;"))
_CHANGES = (
    ("((double *)(array))", "(array)"),
    ("const V *rate", "const REAL *rate"),
    ("rates(work->p, work->c, work->y, work->u);", "rates(work->p, work->c, work->y, work->e);"),
    ("b = work->u[i] * scale;", "b = work->e[i] * scale;"),
    ("METHODS[problem->method].dense(work)", "Method::dense(work)"),
    ("const Method *method = &METHODS[problem->method];", "const Method *method = nullptr;"),
)
# Apart, because where the compiler sees all of a person at once it tries for minutes to keep it in registers.
_INTEGRATE = """
APART void integrate(Problem *problem, Group *group)
{
    group->busy = LANES;
    refill(problem, group, 0);
    prepare(group->work.p, group->work.c), group->changed = 0;
    if (group->estimate) estimate_first_steps(problem, group);
    while (group->busy) advance(problem, group);
}
"""


def one_lane(system: System, method: Tableau, precision: Precision = "float64") -> str:
    """Return the body of a function of `number`, of a person, and `problem`, whose `data` is a `Problem` of ``core.h``.

    Raises
    ------
    SystemInvalid
        As `source`, or ``core.h`` has changed and this module has not.
    """
    text = source(system, {method.id: method}, in_waves=False)
    sizes = text[: text.index("/*")]
    generated = _equations(_between(text, *_GENERATED), precision)
    parts = [
        f"#define REAL {_TYPES[precision]}",
        sizes,
        (_HERE / "one_lane.h").read_text("utf-8"),
        "#define V REAL",
        _changed(_between(text, *_WORK), _WORK_CHANGES),
        generated,
        _ONE_METHOD.format(order=method.error_order + 1, id=method.id),
        "#undef V\n#define V double",
        _changed(_between(text, *_INTEGRATION), _CHANGES),
        _INTEGRATE,
        _RUN,
    ]
    whole = "\n".join(parts)
    names = dict.fromkeys(re.findall(r"^#define (\w+)", whole, re.MULTILINE))
    return "\n".join([whole, *(f"#undef {name}" for name in names if name not in ("NULL", "INT64_MAX")), ""])


def memory_size() -> int:
    """Return how many numbers a person keeps from one course to the next."""
    found = re.search(r"^#define SLOTS (\d+)", (_HERE / "core.h").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise SystemInvalid("core.h", "`SLOTS` is no longer there.", "Let one_lane.py follow it.")
    return 1 + int(found[1])


def _between(text: str, begin: str, end: str) -> str:
    """Return the text from the line of `begin` on, up to `end`; of the end of a declaration what follows it."""
    if text.count(begin) != 1 or text.count(end) != 1:
        missing = begin if text.count(begin) != 1 else end
        raise SystemInvalid("core.h", f"`{missing}` is not there once.", "Let one_lane.py follow it.")
    start = text.index(begin) + (len(begin) if begin.startswith("}") else 0)
    return text[start : text.index(end)]


def _changed(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    for old, new in changes:
        if old not in text:
            raise SystemInvalid("core.h", f"`{old}` is no longer there.", "Let one_lane.py follow it.")
        text = text.replace(old, new)
    return text


def _equations(text: str, precision: Precision) -> str:
    """Leave out what other entries of the library read, such as names; let numbers be as exact as what they meet."""
    text = re.sub(r"^static const Method METHODS\[\] = \{.*?^\};\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:EXPORT const char|static const int) \w+\[\] = .*\n", "", text, flags=re.MULTILINE)
    if precision == "float64":
        return text
    text = re.sub(r"(?<![\w.])(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)", r"\g<0>f", text)
    text = text.replace("const V *restrict y", "const double *restrict y")
    return re.sub(r"(?<![\w>])y\[\d+\]", r"((V)\g<0>)", text)
