"""How many operations in double precision the generated code of one step has, a person."""

from __future__ import annotations

import re

from carnallite.physiology.generate import Kernel
from carnallite.physiology.generate.assemble import system
from carnallite.physiology.generate.c import source
from carnallite.physiology.load import model

# As core.h writes them for AVX-512, a product with a sum counted as two; a division or a root counts as one.
CALLS = {"exponential": 24, "logarithm": 36, "hyperbolic_tangent": 40, "square_root": 1, "reciprocal": 1,
         "quick_reciprocal": 9, "minimum": 1, "maximum": 1, "less": 1, "less_equal": 1, "equal": 1}  # fmt: skip


def of_step(kernel: Kernel, method: str) -> int:
    """Return operations of a step of a method, those of its functions included; without control of the step."""
    text = source(system(model()))
    bodies = dict(re.findall(r"^APART void (\w+)\(.*?\n\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    own = {name: _count(body, len(kernel.states)) for name, body in bodies.items()}
    return own[f"{method}_step"] + sum(
        own[called] for called in re.findall(r"^    (\w+)\(", bodies[f"{method}_step"], re.MULTILINE)
    )


def _count(body: str, states: int) -> int:
    total = 0
    for line in body.splitlines():
        loop = re.match(r"\s*for \(int s = (\d+); s < (\w+); s\+\+\) (.*)", line)
        times = int(loop[2].replace("STATES", str(states))) - int(loop[1]) if loop else 1
        text = loop[3] if loop else line
        signs = len(re.findall(r" [-+*/] | [-+]= ", text))
        calls = sum(CALLS.get(name, 0) for name in re.findall(r"(\w+)\(", text))
        total += times * (signs + calls if "(" in text or "=" in text else 0)
    return total
