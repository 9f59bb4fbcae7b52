"""Expressions as one shared graph: conversion from SymPy, derivatives, and a plan of sparse elimination.

Every value exists once (equal operations on equal arguments are the same node), so that right-hand side, Jacobian
and outputs share what they have in common, and what depends on parameters alone can be told apart and computed once
for each set of parameters.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import sympy

from carnallite.physiology.generate.system import SystemInvalid, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.physiology.generate.system import System

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
}


class Node(NamedTuple):
    """One operation; `arguments` are positions in the graph."""

    operation: str
    arguments: tuple[int, ...] = ()
    value: float = 0.0


@dataclass(slots=True)
class Graph:
    """Build nodes bottom-up; each method returns the position of a node that may have existed before.

    Operations are ``constant``, ``parameter`` and ``state`` (their position is `value`), ``add``, ``subtract``,
    ``multiply``, ``negative``, ``reciprocal``, ``exp``, ``log``, ``tanh``, ``sqrt``, ``minimum``, ``maximum`` and
    ``less``/``less_equal``/``equal``, which have four arguments: left, right, the value if so, the value if not.
    """

    nodes: list[Node] = field(default_factory=list)
    varies: list[bool] = field(default_factory=list)
    _known: dict[Node, int] = field(default_factory=dict)

    def make(self, operation: str, *arguments: int, value: float = 0.0) -> int:
        """Return this very node, without simplification."""
        node = Node(operation, arguments, value)
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.varies.append(operation == "state" or any(self.varies[a] for a in arguments))
        return self._known[node]

    def constant(self, value: float) -> int:
        """Return a number."""
        return self.make("constant", value=float(value) + 0.0)

    def number(self, position: int) -> float | None:
        """Return the value of a constant, `None` for anything else."""
        node = self.nodes[position]
        return node.value if node.operation == "constant" else None

    def add(self, a: int, b: int) -> int:
        """Return a + b."""
        x, y = self.number(a), self.number(b)
        if x is not None and y is not None:
            return self.constant(x + y)
        if x == 0 or y == 0:
            return b if x == 0 else a
        if self.nodes[b].operation == "negative":
            return self.subtract(a, self.nodes[b].arguments[0])
        if self.nodes[a].operation == "negative":
            return self.subtract(b, self.nodes[a].arguments[0])
        return self.make("add", min(a, b), max(a, b))

    def subtract(self, a: int, b: int) -> int:
        """Return a - b."""
        x, y = self.number(a), self.number(b)
        if x is not None and y is not None:
            return self.constant(x - y)
        if x == 0 or y == 0:
            return a if y == 0 else self.negative(b)
        if a == b:
            return self.constant(0)
        if self.nodes[b].operation == "negative":
            return self.add(a, self.nodes[b].arguments[0])
        if self.nodes[a].operation == "negative":
            return self.negative(self.add(self.nodes[a].arguments[0], b))
        return self.make("subtract", a, b)

    def negative(self, a: int) -> int:
        """Return -a."""
        node = self.nodes[a]
        if node.operation == "constant":
            return self.constant(-node.value)
        if node.operation == "negative":
            return node.arguments[0]
        if node.operation == "subtract":
            return self.make("subtract", node.arguments[1], node.arguments[0])
        return self.make("negative", a)

    def multiply(self, a: int, b: int) -> int:
        """Return a * b; a choice between 1 and 0 chooses between the other factor and 0, even if that is not finite."""
        x, y = self.number(a), self.number(b)
        if x is not None and y is not None:
            return self.constant(x * y)
        if y is not None:
            a, b, x = b, a, y
        if x is not None and x in (0.0, 1.0, -1.0):
            return a if x == 0 else b if x == 1 else self.negative(b)
        for first, second in ((a, b), (b, a)):
            node = self.nodes[first]
            if node.operation == "negative":
                return self.negative(self.multiply(node.arguments[0], second))
            if node.operation in ("less", "less_equal", "equal"):
                left, right, so, not_so = node.arguments
                if {self.number(so), self.number(not_so)} == {0.0, 1.0}:
                    pair = (self.multiply(so, second), self.multiply(not_so, second))
                    return self.choose(node.operation, left, right, *pair)
        return self.make("multiply", min(a, b), max(a, b))

    def reciprocal(self, a: int) -> int:
        """Return 1 / a."""
        node = self.nodes[a]
        if node.operation == "constant" and node.value != 0:
            return self.constant(1 / node.value)
        if node.operation == "reciprocal":
            return node.arguments[0]
        if node.operation == "negative":
            return self.negative(self.reciprocal(node.arguments[0]))
        return self.make("reciprocal", a)

    def apply(self, function: str, a: int) -> int:
        """Return exp, log, tanh or sqrt of a."""
        value = self.number(a)
        if value is not None and (function in ("exp", "tanh") or value > 0):
            return self.constant(_FUNCTIONS[function](value))
        return self.make(function, a)

    def extreme(self, operation: str, a: int, b: int) -> int:
        """Return the minimum or maximum; what varies stands last, because there a NaN is passed on."""
        x, y = self.number(a), self.number(b)
        if x is not None and y is not None:
            return self.constant(min(x, y) if operation == "minimum" else max(x, y))
        if a == b:
            return a
        first, second = sorted((a, b), key=lambda node: (self.varies[node], self.number(node) is None, node))
        return self.make(operation, first, second)

    def choose(self, relation: str, left: int, right: int, so: int, not_so: int) -> int:
        """Return `so` where the relation holds between left and right, else `not_so`."""
        if so == not_so:
            return so
        x, y = self.number(left), self.number(right)
        if x is not None and y is not None:
            holds = {"less": x < y, "less_equal": x <= y, "equal": x == y}[relation]
            return so if holds else not_so
        return self.make(relation, left, right, so, not_so)

    def needed(self, roots: Iterable[int], leaf: Callable[[int], bool]) -> list[int]:
        """Return what the roots need, each after its arguments; a leaf is listed but not entered."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [(root, False) for root in reversed(list(roots))]
        while stack:
            position, done = stack.pop()
            if done:
                order.append(position)
            elif position not in seen:
                seen.add(position)
                stack.append((position, True))
                if not leaf(position):
                    stack.extend((a, False) for a in reversed(self.nodes[position].arguments) if a not in seen)
        return order


@dataclass(frozen=True, slots=True)
class Program:
    """What a target needs: one graph, and which of its nodes are wanted.

    Parameters
    ----------
    rates, outputs : tuple of int
        Nodes, in the order of the system.
    jacobian : dict
        Nodes of the entries that are not zero by structure, by (state whose rate, state); sorted.
    """

    graph: Graph
    rates: tuple[int, ...]
    outputs: tuple[int, ...]
    jacobian: dict[tuple[int, int], int]


def compile_system(system: System) -> Program:
    """Return the program of a system.

    Raises
    ------
    SystemInvalid
        As `check`, or an expression uses a function that no target has.
    """
    check(system)
    graph = Graph()
    names: dict[str, int] = {}
    for kind, group in (("state", system.states), ("parameter", system.parameters)):
        names |= {name: graph.make(kind, value=position) for position, name in enumerate(group)}
    convert = Converter(graph, names)
    for name, expression in system.assignments:
        names[name] = convert(expression)
    rates = merge_exponentials(graph, tuple(convert(rate) for rate in system.rates))
    outputs = tuple(names[output] for output in system.outputs)
    return Program(graph, rates, outputs, differentiate(graph, rates))


class Converter:
    """Turn SymPy expressions into nodes of one graph."""

    def __init__(self, graph: Graph, names: dict[str, int]) -> None:
        self.graph, self.names = graph, names
        self._done: dict[sympy.Basic, int] = {}

    def __call__(self, expression: sympy.Basic) -> int:
        """Return the node of an expression.

        Raises
        ------
        SystemInvalid
            No target has this function.
        """
        if isinstance(expression, sympy.Symbol):
            return self.names[expression.name]
        if expression not in self._done:
            self._done[expression] = self._convert(expression)
        return self._done[expression]

    def _convert(self, expression: sympy.Basic) -> int:
        graph = self.graph
        if isinstance(expression, sympy.Number | sympy.NumberSymbol):
            return graph.constant(float(expression))
        if isinstance(expression, sympy.Add):
            return self._gather(expression.args, graph.add)
        if isinstance(expression, sympy.Mul):
            return self._gather(expression.args, graph.multiply)
        if isinstance(expression, sympy.Pow):
            return self._power(*expression.args)
        if isinstance(expression, sympy.exp | sympy.log | sympy.tanh):
            return graph.apply(type(expression).__name__, self(expression.args[0]))
        if isinstance(expression, sympy.Min | sympy.Max):
            name = "minimum" if isinstance(expression, sympy.Min) else "maximum"
            return self._gather(expression.args, lambda a, b: graph.extreme(name, a, b))
        if isinstance(expression, sympy.Piecewise):
            return self._piecewise(expression)
        what = f"'{type(expression).__name__}' in `{expression}` cannot be computed."
        raise SystemInvalid("system", what, "Use + - * / **, exp, log, tanh, sqrt, Min, Max or Piecewise.")

    def _gather(self, arguments: Iterable[sympy.Basic], join: Callable[[int, int], int]) -> int:
        """Join parameters and numbers first, so that all of it is known before the states are."""
        items = [self(argument) for argument in arguments]
        total, *rest = sorted(items, key=lambda item: (self.graph.varies[item], item))
        for item in rest:
            total = join(total, item)
        return total

    def _power(self, base: sympy.Basic, exponent: sympy.Basic) -> int:
        graph, x = self.graph, self(base)
        if base == sympy.E:
            return graph.apply("exp", self(exponent))
        if isinstance(exponent, sympy.Number):
            halves = float(2 * exponent)
            if halves.is_integer() and abs(halves) <= 32:
                return self._halves(x, int(halves))
        return graph.apply("exp", graph.multiply(self(exponent), graph.apply("log", x)))

    def _halves(self, x: int, halves: int) -> int:
        graph = self.graph
        whole, half = divmod(abs(halves), 2)
        value = graph.apply("sqrt", x) if half else graph.constant(1)
        while whole:
            if whole & 1:
                value = graph.multiply(value, x)
            whole >>= 1
            if whole:
                x = graph.multiply(x, x)
        return graph.reciprocal(value) if halves < 0 else value

    def _piecewise(self, expression: sympy.Piecewise) -> int:
        *cases, (last, condition) = expression.args
        if condition != sympy.true:
            raise SystemInvalid("system", f"`{expression}` has no last case.", "End it with (value, True).")
        value = self(last)
        for case, condition in reversed(cases):
            value = self._choose(condition, self(case), value)
        return value

    def _choose(self, condition: sympy.Basic, so: int, not_so: int) -> int:
        if isinstance(condition, sympy.And):
            for part in condition.args:
                so = self._choose(part, so, not_so)
            return so
        if isinstance(condition, sympy.Or):
            for part in condition.args:
                not_so = self._choose(part, so, not_so)
            return not_so
        if isinstance(condition, sympy.Not):
            return self._choose(condition.args[0], not_so, so)
        if condition in (sympy.true, sympy.false):
            return so if condition == sympy.true else not_so
        left, right = (self(side) for side in condition.args)
        match type(condition):
            case sympy.StrictLessThan:
                return self.graph.choose("less", left, right, so, not_so)
            case sympy.LessThan:
                return self.graph.choose("less_equal", left, right, so, not_so)
            case sympy.StrictGreaterThan:
                return self.graph.choose("less", right, left, so, not_so)
            case sympy.GreaterThan:
                return self.graph.choose("less_equal", right, left, so, not_so)
            case sympy.Equality:
                return self.graph.choose("equal", left, right, so, not_so)
            case sympy.Unequality:
                return self.graph.choose("equal", left, right, not_so, so)
        raise SystemInvalid("system", f"`{condition}` is not a relation.", "Use <, <=, >, >=, and, or, not.")


def merge_exponentials(graph: Graph, roots: tuple[int, ...]) -> tuple[int, ...]:
    """Return roots in which products of exponentials, such as of powers, are the exponential of one sum.

    Exponentials that are needed elsewhere, too, stay as they are.
    """
    order = graph.needed(roots, lambda position: not graph.varies[position])
    uses = Counter([*roots, *(argument for position in order for argument in graph.nodes[position].arguments)])
    new: dict[int, int] = {}
    for position in order:
        operation, arguments, _ = graph.nodes[position]
        if not graph.varies[position] or operation == "state":
            new[position] = position
        elif operation == "multiply":
            new[position] = _product(graph, _factors(graph, position, uses), new)
        elif operation == "add":
            new[position] = graph.add(*(new[argument] for argument in arguments))
        else:
            new[position] = graph.make(operation, *(new[argument] for argument in arguments))
    return tuple(new[root] for root in roots)


def _factors(graph: Graph, position: int, uses: Counter[int]) -> list[tuple[int, bool]]:
    """Return what a product consists of down to its leaves, and whether nothing else uses it."""
    found = []
    for argument in graph.nodes[position].arguments:
        inner = graph.nodes[argument].operation == "multiply" and graph.varies[argument] and uses[argument] == 1
        found += _factors(graph, argument, uses) if inner else [(argument, uses[argument] == 1)]
    return found


def _product(graph: Graph, factors: list[tuple[int, bool]], new: dict[int, int]) -> int:
    merged = [f for f, alone in factors if alone and graph.varies[f] and graph.nodes[f].operation == "exp"]
    others = [new.get(f, f) for f, _ in factors if f not in merged]
    if len(merged) > 1:
        sums = [new[graph.nodes[f].arguments[0]] for f in merged]
        others.append(graph.apply("exp", reduce(graph.add, sums)))
    else:
        others += [new[f] for f in merged]
    return reduce(graph.multiply, sorted(others, key=lambda node: (graph.varies[node], node)))


def differentiate(graph: Graph, rates: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Return the entries of the Jacobian of the rates, adding nodes to the graph.

    Every operation is a vertex whose edges carry its partial derivatives. Inner vertices are eliminated one by one,
    each time the one that costs the fewest multiplications (Markowitz), until edges lead from states to rates.
    """
    before, after = _edges(graph, rates)
    inner = [v for v in before if v >= 0 and graph.nodes[v].operation != "state"]
    waiting = set(inner)
    while waiting:
        vertex = min(waiting, key=lambda v: (len(before[v]) * len(after[v]), v))
        waiting.remove(vertex)
        _eliminate(graph, vertex, before, after)
    entries = {
        (-row - 1, int(graph.nodes[state].value)): partial
        for row in before
        if row < 0
        for state, partial in before[row].items()
    }
    return {key: entries[key] for key in sorted(entries) if graph.number(entries[key]) != 0}


def _edges(graph: Graph, rates: tuple[int, ...]) -> tuple[dict[int, dict[int, int]], dict[int, set[int]]]:
    """Return for each vertex what it depends on, with the partial derivative, and what depends on it.

    Rate i is vertex -i - 1, because its node may also be used by others.
    """
    one = graph.constant(1)
    before: dict[int, dict[int, int]] = {}
    after: dict[int, set[int]] = {}
    for position in graph.needed(rates, lambda p: not graph.varies[p]):
        if graph.varies[position]:
            before[position] = _partials(graph, position)
    for index, rate in enumerate(rates):
        before[-index - 1] = {rate: one} if graph.varies[rate] else {}
    for vertex, arguments in before.items():
        after.setdefault(vertex, set())
        for argument in arguments:
            after.setdefault(argument, set()).add(vertex)
    return before, after


def _eliminate(graph: Graph, vertex: int, before: dict[int, dict[int, int]], after: dict[int, set[int]]) -> None:
    into = before.pop(vertex)
    for user in sorted(after.pop(vertex)):
        outer = before[user].pop(vertex)
        for argument, inner in into.items():
            product = graph.multiply(outer, inner)
            old = before[user].get(argument)
            before[user][argument] = product if old is None else graph.add(old, product)
            after[argument].add(user)
    for argument in into:
        after[argument].discard(vertex)


def _partials(graph: Graph, position: int) -> dict[int, int]:
    """Return the partial derivatives of one operation by its arguments that vary."""
    operation, arguments, _ = graph.nodes[position]
    partials: dict[int, int] = {}
    for argument, partial in zip(arguments, _local(graph, position, operation, arguments), strict=True):
        if graph.varies[argument] and graph.number(partial) != 0:
            old = partials.get(argument)
            partials[argument] = partial if old is None else graph.add(old, partial)
    return partials


def _local(graph: Graph, position: int, operation: str, arguments: tuple[int, ...]) -> list[int]:
    zero, one = graph.constant(0), graph.constant(1)
    match operation:
        case "add":
            return [one, one]
        case "subtract":
            return [one, graph.negative(one)]
        case "multiply":
            return [arguments[1], arguments[0]]
        case "negative":
            return [graph.negative(one)]
        case "reciprocal":
            return [graph.negative(graph.multiply(position, position))]
        case "exp":
            return [position]
        case "log":
            return [graph.reciprocal(arguments[0])]
        case "tanh":
            return [graph.subtract(one, graph.multiply(position, position))]
        case "sqrt":
            return [graph.multiply(graph.constant(0.5), graph.reciprocal(position))]
        case "minimum" | "maximum":
            a, b = arguments
            low, high = (a, b) if operation == "minimum" else (b, a)
            return [graph.choose("less", low, high, one, zero), graph.choose("less", low, high, zero, one)]
        case "less" | "less_equal" | "equal":
            left, right = arguments[:2]
            so = graph.choose(operation, left, right, one, zero)
            return [zero, zero, so, graph.choose(operation, left, right, zero, one)]
    return []


@dataclass(frozen=True, slots=True)
class Elimination:
    """Say in which order to eliminate, and where entries appear that were zero before.

    Parameters
    ----------
    order : tuple of int
        Pivots on the diagonal. A state that nobody reads has an empty column, costs nothing and comes first.
    below, right : tuple of tuple of int
        For each pivot of `order`: the rows that it is subtracted from, and the columns of its row.
    """

    order: tuple[int, ...]
    below: tuple[tuple[int, ...], ...]
    right: tuple[tuple[int, ...], ...]


def eliminate(size: int, entries: Iterable[tuple[int, int]]) -> Elimination:
    """Return an order of elimination with few operations (Markowitz on the diagonal).

    >>> eliminate(3, [(0, 1), (1, 0), (2, 0), (2, 1)]).order
    (2, 0, 1)
    """
    rows: list[set[int]] = [set() for _ in range(size)]
    columns: list[set[int]] = [set() for _ in range(size)]
    for row, column in entries:
        if row != column:
            rows[row].add(column)
            columns[column].add(row)
    waiting = set(range(size))
    order, below, right = [], [], []
    while waiting:
        pivot = min(waiting, key=lambda p: (len(rows[p]) * len(columns[p]), len(rows[p]) + len(columns[p]), p))
        waiting.remove(pivot)
        under, beside = sorted(columns[pivot]), sorted(rows[pivot])
        order.append(pivot)
        below.append(tuple(under))
        right.append(tuple(beside))
        for row in under:
            rows[row] |= set(beside) - {row}
            rows[row].discard(pivot)
        for column in beside:
            columns[column] |= set(under) - {column}
            columns[column].discard(pivot)
    return Elimination(tuple(order), tuple(below), tuple(right))
