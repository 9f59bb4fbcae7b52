"""Write a program as the C source of a kernel, whatever the width of the vectors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from carnallite.datafile import Item, read_folder
from carnallite.errors import DataFileError
from carnallite.physiology.generate.symbolic import compile_system, eliminate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from carnallite.physiology.generate.symbolic import Program
    from carnallite.physiology.generate.system import System

_HERE = Path(__file__).parent
_MARK = "/* ---- the generated half ---- */\n"
_INFIX = {"add": "+", "subtract": "-", "multiply": "*"}
_SLOW = ("log", "exp")
_CALLS = {
    "exp": "exponential",
    "log": "logarithm",
    "tanh": "hyperbolic_tangent",
    "sqrt": "square_root",
    "reciprocal": "reciprocal",
    "minimum": "minimum",
    "maximum": "maximum",
    "less": "less",
    "less_equal": "less_equal",
    "equal": "equal",
}


class Tableau(Item, frozen=True, kw_only=True):
    """Hold the coefficients of one method, as its source prints them.

    A Rosenbrock method is in the form that needs no product with the Jacobian: stage i solves
    ``(1/(h gamma) - J) k_i = f(y + sum stages_ij k_j) + sum couplings_ij k_j / h``. The rows of `dense` are then those
    of ``y(x) = (1-x) y0 + x (y1 + (1-x) (row_1 k + x row_2 k + ...))``; of an explicit method they are the weights of
    x, x^2, ... in ``y(x) = y0 + h sum``, where x is the part of the step. A method without `dense` costs
    one more evaluation in steps with samples, for the cubic through both ends.
    """

    kind: Literal["rosenbrock", "explicit"]
    order: int
    error_order: int
    source: str
    at: str
    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    error: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...] = ()
    gamma: float = 0.0
    couplings: tuple[tuple[float, ...], ...] = ()


def tableaux(folder: Path = _HERE / "methods") -> dict[str, Tableau]:
    """Return the methods that a kernel offers, by id.

    Raises
    ------
    DataFileError
        A file is wrong, or its rows do not fit its number of stages.
    """
    methods = read_folder(folder, Tableau)
    for id, method in methods.items():
        stages = len(method.weights)
        triangles = [method.stages, method.couplings] if method.kind == "rosenbrock" else [method.stages]
        squares = [(method.error,), method.dense]
        fits = all([len(row) for row in rows] == list(range(stages)) for rows in triangles)
        if not fits or any(len(row) != stages for rows in squares for row in rows):
            raise DataFileError(f"{id}.toml", "rows do not fit the number of `weights`.", "Give row i i-1 numbers.")
    return methods


def source(system: System, methods: dict[str, Tableau] | None = None, *, in_waves: bool = True) -> str:
    """Return the whole C source of a kernel; equal systems and methods give the same text.

    Parameters
    ----------
    in_waves : bool
        Order operations for processors that work on many at once, rather than for few values alive.

    Raises
    ------
    SystemInvalid
        As `compile_system`.
    DataFileError
        As `tableaux`.
    """
    methods = tableaux() if methods is None else methods
    above, below = (_HERE / "core.h").read_text("utf-8").split(_MARK)
    writer = _Writer(compile_system(system), len(system.states), in_waves)
    generated = [*writer.functions(), *_methods(methods, writer.read, writer.integrals), *_names(system, methods)]
    sizes = {
        "STATES": len(system.states),
        "PARAMETERS": len(system.parameters),
        "OUTPUTS": len(system.outputs),
        "CONSTANTS": len(writer.hoisted),
        "ENTRIES": len(writer.entries),
        "FACTORS": writer.factors,
        "STAGES": max(len(method.weights) for method in methods.values()),
        "TERMS": max(len(_monomials(method)) or 3 for method in methods.values()),
    }
    defines = [f"#define {name} {size}" for name, size in sizes.items()]
    return "\n".join([*defines, above, *generated, below])


class _Writer:
    """Write the functions that depend on the equations."""

    def __init__(self, program: Program, size: int, in_waves: bool) -> None:
        self.graph, self.program, self.size, self.in_waves = program.graph, program, size, in_waves
        self.entries = list(program.jacobian)
        roots = [*program.rates, *program.outputs, *program.jacobian.values()]
        order = self.graph.needed(roots, self._is_leaf)
        self.hoisted = {node: k for k, node in enumerate(filter(self._is_hoisted, order))}
        self.read = sorted(
            int(self.graph.nodes[n].value) for n in self.graph.needed(program.rates, self._is_leaf) if self._is_state(n)
        )
        self.integrals = [i for i in range(size) if i not in set(self.read)]
        self.factors = 0

    def functions(self) -> list[str]:
        rates = [(f"f[{i}]", node) for i, node in enumerate(self.program.rates)]
        jacobian = [(f"j[{k}]", node) for k, node in enumerate(self.program.jacobian.values())]
        outputs = [(f"o[{i}]", node) for i, node in enumerate(self.program.outputs)]
        takes = "const V *restrict p, const V *restrict c, const V *restrict y"
        return [
            self._prepare(),
            self._function(f"rates({takes}, V *restrict f)", rates),
            self._function(f"rates_and_jacobian({takes}, V *restrict f, V *restrict j)", rates + jacobian),
            self._function(f"observe({takes}, V *restrict o)", outputs),
            *self._elimination(),
            self._along(),
            *(_integers(f"ENTRY_{name}", [key[i] for key in self.entries]) for i, name in ((0, "ROW"), (1, "COLUMN"))),
        ]

    def _is_state(self, node: int) -> bool:
        return self.graph.nodes[node].operation == "state"

    def _is_leaf(self, node: int) -> bool:
        return not self.graph.varies[node] or self._is_state(node)

    def _is_hoisted(self, node: int) -> bool:
        return not self.graph.varies[node] and self.graph.nodes[node].operation not in ("constant", "parameter")

    def _prepare(self) -> str:
        lines = ["(void)p, (void)c;"]
        for node in self._ordered([n for n in self.graph.needed(self.hoisted, lambda _: False) if self._is_hoisted(n)]):
            lines.append(f"const V n{node} = {self._operation(node, self._local)};")
            lines += [f"c[{self.hoisted[node]}] = n{node};"] if node in self.hoisted else []
        return _body("prepare(const V *restrict p, V *restrict c)", lines)

    def _function(self, head: str, results: Sequence[tuple[str, int]]) -> str:
        places: dict[int, list[str]] = {}
        for place, node in results:
            places.setdefault(node, []).append(place)
        lines = ["(void)p, (void)c, (void)y;"]
        lines += [f"{place} = {self._vector(node)};" for place, node in results if self._is_leaf(node)]
        for node in self._ordered([n for n in self.graph.needed(places, self._is_leaf) if not self._is_leaf(n)]):
            lines.append(f"const V n{node} = {self._operation(node, self._name)};")
            lines += [f"{place} = n{node};" for place in places.get(node, ())]
        return _body(head, lines)

    def _ordered(self, nodes: list[int]) -> list[int]:
        """Return nodes, given after their arguments, with logarithms and exponentials next to their like.

        Each of these is a long chain of dependent instructions. Where several follow each other that do not need each
        other, a processor computes them at the same time; in the order of the equations it would wait for most.
        """
        if not self.in_waves:
            return nodes
        waiting, missing, found = nodes, set(nodes), list[int]()
        while waiting:
            for slow in ("", "log", "exp"):
                wave, waiting = self._wave(waiting, missing, slow)
                found += wave
                if wave:
                    break
        return found

    def _wave(self, waiting: list[int], missing: set[int], slow: str) -> tuple[list[int], list[int]]:
        """Return what can be computed now of one slow function, or of all other operations, and the rest."""
        wave, rest = list[int](), list[int]()
        for node in waiting:
            operation, arguments, _ = self.graph.nodes[node]
            if (operation if operation in _SLOW else "") == slow and missing.isdisjoint(arguments):
                wave.append(node)
                missing.remove(node)
            else:
                rest.append(node)
        return wave, rest

    def _operation(self, node: int, name: Callable[[int], str]) -> str:
        operation, arguments, _ = self.graph.nodes[node]
        if operation == "negative":
            return f"-{name(arguments[0])}"
        if operation in _INFIX:
            return f" {_INFIX[operation]} ".join(name(a) for a in arguments)
        return f"{_CALLS[operation]}({', '.join(self._splat(a, name) for a in arguments)})"

    def _local(self, node: int) -> str:
        return f"n{node}" if self._is_hoisted(node) else self._name(node)

    def _name(self, node: int) -> str:
        operation, _, value = self.graph.nodes[node]
        if operation == "constant":
            return f"({value!r})" if value < 0 else repr(value)
        if operation in ("parameter", "state"):
            return f"{'p' if operation == 'parameter' else 'y'}[{int(value)}]"
        return f"c[{self.hoisted[node]}]" if node in self.hoisted else f"n{node}"

    def _splat(self, node: int, name: Callable[[int], str]) -> str:
        return f"splat({name(node)})" if self.graph.number(node) is not None else name(node)

    def _vector(self, node: int) -> str:
        return self._splat(node, self._name)

    def _elimination(self) -> Iterator[str]:
        """Write LU without pivoting of J - d, in the planned order, and the solution of (d - J) x = f + x.

        With the sign turned like this, entries that elimination leaves alone are read from the Jacobian itself.
        """
        inner = {key: f"j[{k}]" for k, key in enumerate(self.entries) if key[0] in set(self.read)}
        plan = eliminate(self.size, inner)
        value = dict(inner)
        lines, forward, back = ["(void)j, (void)d, (void)m;"], [], []
        for pivot, below, right in zip(plan.order, plan.below, plan.right, strict=True):
            if pivot not in set(self.read):
                continue
            inverse = self._pivot(pivot, value.get((pivot, pivot)), lines)
            terms = "".join(f" + {self._stored(value[pivot, column], lines)} * x{column}" for column in right)
            back.append(f"x{pivot} = (x{pivot}{terms}) * {inverse};")
            for row in below:
                factor = self._stored(f"{value[row, pivot]} * {inverse}", lines)
                forward.append(f"x{row} += {factor} * x{pivot};")
                for column in right:
                    old = value.get((row, column))
                    product = f"{factor} * {value[pivot, column]}"
                    name = f"a{row}_{column}_{len(lines)}"
                    lines.append(f"const V {name} = {f'{old} + ' if old else ''}{product};")
                    value[row, column] = name
        loads = [f"V x{i} = f[{i}] + x[{i}];" for i in self.read]
        stores = [f"x[{i}] = x{i};" for i in self.read]
        yield _body("factorize(const V *restrict j, const V d, const V gh, V *restrict m)", ["(void)gh;", *lines])
        head = "solve(const V *restrict j, const V *restrict m, const V gh, const V *restrict f, V *restrict x)"
        yield _body(head, ["(void)j, (void)m, (void)gh;", *loads, *forward, *reversed(back), *stores])

    def _along(self) -> str:
        """Write the derivative of the rates of the integrals along a direction z of the other states, into z."""
        lines = []
        for row in self.integrals:
            terms = [f"j[{k}] * z[{column}]" for k, (entry, column) in enumerate(self.entries) if entry == row]
            lines.append(f"z[{row}] = {' + '.join(terms) or 'splat(0.0)'};")
        return _body("along(const V *restrict j, V *restrict z)", ["(void)j, (void)z;", *lines])

    def _pivot(self, pivot: int, diagonal: str | None, lines: list[str]) -> str:
        return "gh" if diagonal is None else self._stored(f"quick_reciprocal(d - {diagonal})", lines)

    def _stored(self, expression: str, lines: list[str]) -> str:
        if expression.startswith(("j[", "m[")) and expression.endswith("]") and " " not in expression:
            return expression
        place = f"m[{self.factors}]"
        self.factors += 1
        lines.append(f"{place} = {expression};")
        return place


def _body(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"APART void {head}", "{", *(f"    {line}" for line in lines), "}", ""])


def _integers(name: str, values: Sequence[int]) -> str:
    return f"static const int {name}[] = {{{', '.join(map(str, [*values, 0]))}}};"


def _names(system: System, methods: dict[str, Tableau]) -> Iterator[str]:
    groups = {
        "states": system.states,
        "parameters": system.parameters,
        "outputs": system.outputs,
        "methods": tuple(methods),
    }
    for kind, names in groups.items():
        text = "\\n".join(names)
        yield f'EXPORT const char kernel_{kind}[] = "{text}";'


def _methods(methods: dict[str, Tableau], read: list[int], integrals: list[int]) -> Iterator[str]:
    rows = []
    for id, method in methods.items():
        if method.kind == "rosenbrock":
            yield from _Rosenbrock(method, read, integrals).functions()
        else:
            yield _explicit(method, read)
            yield _dense(method, [_each(f"w->q[{m}][s] = w->h * ({_sum(row)});") for m, row in enumerate(method.dense)])
        rows.append(f"    {{{id}_step, {id}_dense, {method.error_order + 1}.0}},")
    yield "\n".join(["static const Method METHODS[] = {", *rows, "};", ""])


class _Rosenbrock:
    """Write a step of a method that solves linear systems, and the polynomial within it.

    Of the states that no rate reads, integrals over the others, `k` holds the rates at each stage. What a system of
    all states would give for them is the same weighted sum of these rates and, along that of the other states' stages,
    of their derivatives.
    """

    def __init__(self, method: Tableau, read: list[int], integrals: list[int]) -> None:
        self.method, self.read, self.integrals = method, read, integrals
        rows: list[tuple[float, ...]] = [()]
        for row in method.stages[1:]:
            rows.append(rows[-1] if row == (*rows[-1], 0.0) else row)
        self.same = [rows.index(row) for row in rows]  # the first stage with the same argument
        self.rows = rows

    def functions(self) -> Iterator[str]:
        yield self._step()
        yield _dense(self.method, self._polynomial())

    def _step(self) -> str:
        method = self.method
        lines = [
            f"const V gh = w->h * {method.gamma!r}, d = 1.0 / gh, per = 1.0 / w->h;",
            "rates_and_jacobian(w->p, w->c, w->y, w->f, w->j);",
            "factorize(w->j, d, gh, w->m);",
            *_runs("w->k[0][s] = splat(0.0);", self.read),
            *_runs("w->k[0][s] = w->f[s];", self.integrals),
            "solve(w->j, w->m, gh, w->f, w->k[0]);",
        ]
        for i in range(1, len(method.stages)):
            coupled = f"w->k[{i}][s] = per * ({_sum(method.couplings[i])});"
            if self.same[i] == i:
                lines += _runs(f"{{ {self._argument(i)} {coupled} }}", self.read)
                lines.append("rates(w->p, w->c, w->u, w->e);")
                lines += _runs(f"w->k[{i}][s] = w->e[s];", self.integrals)
            else:
                lines += _runs(coupled, self.read)
            lines.append(f"solve(w->j, w->m, gh, w->e, w->k[{i}]);")
        lines += _runs(_advance(method.weights, self.rows[-1]), self.read)
        lines += self._integral(method.weights, "w->u", "w->y[s] + ")
        lines += self._integral(method.error, "w->e", "")
        lines += _runs(f"w->e[s] = {_sum(method.error)};", self.read)
        return _body(f"{method.id}_step(Work *restrict w)", lines)

    def _argument(self, stage: int) -> str:
        return _advance(self.rows[stage], self.rows[stage - 1])

    def _polynomial(self) -> list[str]:
        lines = []
        for m, row in enumerate(_monomials(self.method)):
            lines += self._integral(row, f"w->q[{m}]", "")
            lines += _runs(f"w->q[{m}][s] = {_sum(row)};", self.read)
        return lines

    def _integral(self, weights: Sequence[float], target: str, before: str) -> list[str]:
        """Write a weighted sum of the stages of the integrals."""
        if not self.integrals:
            return []
        own, merged = _backward(self.method, weights), [0.0] * len(weights)
        for stage, weight in zip(self.same, own, strict=True):
            merged[stage] += weight
        return [
            *_runs(f"w->z[s] = {_sum(own)};", self.read),
            "along(w->j, w->z);",
            *_runs(f"{target}[s] = {before}w->h * (w->z[s] + {_sum(merged)});", self.integrals),
        ]


def _backward(method: Tableau, weights: Sequence[float]) -> list[float]:
    """Return the weights of the right-hand sides that do what `weights` do to the stages of an integral.

    With nothing of its own in the Jacobian, its stages K solve ``(1/gamma - couplings) K = h (rates + J k)``.
    """
    found = [0.0] * len(weights)
    for i in reversed(range(len(weights))):
        later = sum(method.couplings[j][i] * found[j] for j in range(i + 1, len(weights)))
        found[i] = method.gamma * (weights[i] + later)
    return found


def _explicit(method: Tableau, read: list[int]) -> str:
    lines = ["rates(w->p, w->c, w->y, w->f);", _each("w->k[0][s] = w->f[s];")]
    for i in range(1, len(method.weights)):
        lines += _runs(f"w->u[s] = w->y[s] + w->h * ({_sum(method.stages[i])});", read)
        lines.append(f"rates(w->p, w->c, w->u, w->k[{i}]);")
    lines.append(_each(f"w->u[s] = w->y[s] + w->h * ({_sum(method.weights)});"))
    lines.append(_each(f"w->e[s] = w->h * ({_sum(method.error)});"))
    return _body(f"{method.id}_step(Work *restrict w)", lines)


def _dense(method: Tableau, lines: list[str]) -> str:
    """Write the polynomial within a step; a method that has none gets that of Hermite, of third order."""
    if not method.dense:
        lines = [
            "rates(w->p, w->c, w->u, w->e);",
            _each("w->q[0][s] = w->h * w->f[s];"),
            _each("w->q[2][s] = w->q[0][s] + w->h * w->e[s] - 2.0 * (w->u[s] - w->y[s]);"),
            _each("w->q[1][s] = (w->u[s] - w->y[s]) - w->q[0][s] - w->q[2][s];"),
        ]
    return _body(f"{method.id}_dense(Work *restrict w)", lines)


def _advance(row: tuple[float, ...], last: tuple[float, ...]) -> str:
    """Write the next argument; where it is the last one and one stage more, add only that."""
    if last and row == (*last, 1.0):
        return f"w->u[s] += w->k[{len(last)}][s];"
    return f"w->u[s] = w->y[s] + {_sum(row)};"


def _runs(statement: str, states: list[int]) -> list[str]:
    """Write a statement for some states, in as few loops as their numbers allow."""
    starts = [i for i in states if i - 1 not in set(states)]
    ends = [i + 1 for i in states if i + 1 not in set(states)]
    return [f"for (int s = {a}; s < {b}; s++) {statement}" for a, b in zip(starts, ends, strict=True)]


def _sum(row: Sequence[float]) -> str:
    terms = [f"{f'{a!r} * ' if a != 1 else ''}w->k[{i}][s]" for i, a in enumerate(row) if a]
    return " + ".join(terms).replace("+ -", "- ") or "0.0"


def _each(statement: str) -> str:
    return f"for (int s = 0; s < STATES; s++) {statement}"


def _monomials(method: Tableau) -> list[tuple[float, ...]]:
    """Return the weights of the stages in each power of the part of the step, from the first power on."""
    if method.kind == "explicit" or not method.dense:
        return list(method.dense)
    rows = [*method.dense, (0.0,) * len(method.weights)]
    first = tuple(a + b for a, b in zip(method.weights, rows[0], strict=True))
    others = [tuple(b - a for a, b in zip(*pair, strict=True)) for pair in pairwise(rows)]
    return [first, *others]
