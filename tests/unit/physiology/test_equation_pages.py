"""The page of equations: every item stands in it, symbols say one thing each, and Markdown leaves them alone."""

from __future__ import annotations

import ast
import re

import pytest

from carnallite import datafile
from carnallite.knowledge import knowledge
from carnallite.physiology import expression
from carnallite.physiology.generate import latex
from carnallite.physiology.generate.pages import ambiguous, equations, items
from carnallite.physiology.load import FOLDER, model
from carnallite.physiology.schema import Component

NAMES = {name: name for name in "abcdxyz"} | {"gfr": r"\mathrm{GFR}"}


@pytest.fixture(scope="module")
def page() -> str:
    return equations(model(), datafile.read_folder(FOLDER, Component), knowledge().references)


def test_no_symbol_stands_for_two_things() -> None:
    assert ambiguous(model()) == {}


def test_every_item_stands_in_it_once_with_its_source(page: str) -> None:
    for item in items(model()):
        assert re.search(rf"{re.escape(item.about)}[^`|]*`{re.escape(item.name)}`", page), item.name
        assert f'<a id="{item.source}"></a>' in page


def test_links_lead_somewhere(page: str) -> None:
    heads = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^## (.*)", page, re.M)}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= heads | set(re.findall(r'<a id="([^"]*)"', page))


def test_markdown_takes_nothing_from_inline_mathematics(page: str) -> None:
    inline = re.findall(r"\$([^$\n]+)\$", re.sub(r"```math\n.*?```", "", page, flags=re.S))
    assert len(inline) > 300
    for text in inline:
        assert not re.search(r"\\[^A-Za-z]|}_|[*|<`]", text), text


def test_tables_are_whole(page: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_displays_are_balanced(page: str) -> None:
    for text in re.findall(r"```math\n(.*?)```", page, re.S):
        assert text.count("{") == text.count("}")
        assert len(re.findall(r"\\left\b", text)) == len(re.findall(r"\\right\b", text))
        for size in ("big", "Bigg"):
            assert len(re.findall(rf"\\{size}l\b", text)) == len(re.findall(rf"\\{size}r\b", text))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a * b / (c + b) * d", r"a\,\frac{b}{c + b}\,d"),
        ("a / (b / c)", r"a\,\frac{c}{b}"),
        ("a / b / c", r"\frac{a}{b\,c}"),
        ("a - (b - c)", "a - (b - c)"),
        ("a - b - -c", "a - b - (-c)"),
        ("-a * b", r"-a\,b"),
        ("a * -b", r"a\,(-b)"),
        ("(a * b) ** 2", "(a\\,b)^{2}"),
        ("(a / b) ** -c", r"\left(\frac{a}{b}\right)^{-c}"),
        ("a ** b * 2", r"a^{b} \cdot 2"),
        ("gfr * a * (1 - b)", r"\mathrm{GFR} \cdot a\,(1 - b)"),
        ("exp(-a)", "e^{-a}"),
        ("exp(-(a / b))", r"\exp\left(-\frac{a}{b}\right)"),
        ("min(a, max(0, b))", r"\min(a,\; \max(0,\; b))"),
        ("log(sqrt(a) + tanh(b))", r"\ln(\sqrt{a} + \tanh(b))"),
        ("where(a >= b, 1, 0)", r"\begin{cases}1 & \text{if } a \ge b \\ 0 & \text{else}\end{cases}"),
    ],
)
def test_typesetting(source: str, wanted: str) -> None:
    assert latex.lines(source, NAMES) == [wanted]


def test_what_is_too_wide_is_broken_and_nothing_is_lost() -> None:
    for equation in model().equations:
        symbols = {item.name: latex.symbol(item.symbol) for item in items(model())}
        lines = latex.lines(equation.expr, symbols)
        read = [n.id.replace("__", ".") for n in ast.walk(expression.parse(equation.expr)) if isinstance(n, ast.Name)]
        names = [name for name in read if name in symbols]
        text = " ".join(lines)
        assert all(symbols[name] in text for name in names), equation.name
        assert sum(text.count(symbol) for symbol in {symbols[name] for name in names}) >= len(names)
