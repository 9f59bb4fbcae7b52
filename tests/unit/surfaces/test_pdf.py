"""The printed report: tagged, titled, in the order of the HTML, and with every dose word for word."""

from __future__ import annotations

import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made
import pytest

from carnallite.errors import ExtraMissing
from carnallite.plan import advise
from carnallite.record import read_record
from carnallite.surfaces import pdf
from carnallite.surfaces.cli import FAILED, OK, USAGE, main
from carnallite.surfaces.report import render_html

EXAMPLE = Path(__file__).parents[3] / "examples" / "026-081m-confusion-ca-unresponsive.json"


def packed(text: str) -> str:
    """Return a text without spaces: where lines end differs between a page and a file."""
    return re.sub(r"\s+", "", text)


class Doses(HTMLParser):
    """Collects the text of every paragraph of the class `dose`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p" and dict(attrs).get("class") == "dose":
            self.inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "p"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1] += data


@pytest.fixture(scope="module")
def html() -> str:
    reading = read_record(EXAMPLE)
    return render_html(advise(reading, depth="findings"), reading.timeline, units="si")


@pytest.fixture(scope="module")
def printed(html: str) -> Any:
    """Return the reader of a printed report."""
    pypdf = pytest.importorskip("pypdf")
    try:
        return pypdf.PdfReader(io.BytesIO(pdf.render_pdf(html)))
    except ExtraMissing as missing:
        pytest.skip(str(missing))


def elements(printed: Any) -> list[Any]:
    """Return every element of the tree of tags."""
    found, waiting = [], [printed.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        one = waiting.pop()
        if "/S" in one:
            found.append(one)
        kids = one.get("/K", [])
        kids = kids if isinstance(kids, list) else [kids]
        waiting += [kid for kid in (each.get_object() for each in kids) if isinstance(kid, dict)]
    return found


def test_it_is_tagged_and_has_title_and_language(printed: Any) -> None:
    root = printed.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    assert printed.metadata.title == "Magnesium, potassium and calcium: assessment, 2020-06-05 UTC"
    assert b"pdfuaid:part" in root["/Metadata"].get_object().get_data()


def test_headings_tables_and_figures_are_tagged(printed: Any) -> None:
    found = elements(printed)
    kinds = {one["/S"] for one in found}
    assert {"/H1", "/H2", "/H3", "/Table", "/TH", "/TD", "/L", "/Figure"} <= kinds
    assert all(one.get("/Alt") for one in found if one["/S"] == "/Figure")
    assert all(one["/A"].get("/Headers") for one in found if one["/S"] == "/TD" and "/ColSpan" in one["/A"])


def test_page_one_begins_with_the_emergency(printed: Any, html: str) -> None:
    first = printed.pages[0].extract_text()
    assert html.count('class="alert emergency"') > 0
    assert first.upper().count("EMERGENCY") == html.count('class="alert emergency"')
    order = ["EMERGENCY", "UNSAFE NOW", "WHERE IT STANDS", "LIKELY CAUSES", "WHAT TO DO"]
    places = [packed(first).upper().index(packed(one)) for one in order]
    assert places == sorted(places)


def test_every_dose_is_printed_word_for_word(printed: Any, html: str) -> None:
    doses = Doses(html).found
    told = packed(" ".join(page.extract_text() for page in printed.pages))
    assert len(doses) >= 4
    assert not [one for one in doses if packed(one) not in told]


def test_no_number_is_torn_from_its_unit_by_the_end_of_a_line(printed: Any) -> None:
    told = "\n".join(page.extract_text() for page in printed.pages)
    assert not re.search(r"\d[\s\xa0]*\n[\s\xa0]*(?:mmol|mg|g|mEq|mL)\b", told)
    assert not re.search(r"(?:mmol|mg|mL|mEq)/\s*\n", told)


def test_each_page_says_whose_it_is_and_that_it_is_no_device(printed: Any) -> None:
    count = len(printed.pages)
    for number, page in enumerate(printed.pages, 1):
        told = page.extract_text()
        assert f"page {number} of {count}" in told
        assert "research software for clinicians, not a medical device" in told
        assert "Male, 80 years; record up to 2020-06-05 UTC" in told.replace("\xa0", " ")


def test_the_tables_of_figures_are_printed(printed: Any) -> None:
    told = packed(" ".join(page.extract_text() for page in printed.pages))
    assert packed("Results in the figure, newest first") in told


def test_the_same_report_is_the_same_file(printed: Any, html: str) -> None:
    assert pdf.render_pdf(html) == pdf.render_pdf(html)


def test_an_answer_with_every_part_is_printed(printed: Any) -> None:
    assert pdf.render_pdf(render_html(made.full(), made.history(), units="us")).startswith(b"%PDF")


def test_nothing_is_fetched(printed: Any) -> None:
    with pytest.raises(ValueError, match="fetches nothing"):
        pdf._refused("https://example.org/a.css")


def test_a_file_is_written_once(printed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out" / "report.pdf"
    command = ["assess", str(EXAMPLE), "--depth", "findings", "--pdf", str(target)]
    assert main(command) == OK
    assert target.read_bytes().startswith(b"%PDF")
    assert f"report: {target}" in capsys.readouterr().err
    assert main(command) == USAGE
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == OK


def test_without_the_package_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    target = tmp_path / "report.pdf"
    assert main(["assess", str(EXAMPLE), "--depth", "findings", "--pdf", str(target)]) == FAILED
    told = capsys.readouterr()
    assert "pip install 'carnallite[pdf]'" in told.err
    assert not told.out
    assert not target.exists()


def test_without_a_library_of_the_system_it_says_which(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weasyprint.py").write_text("print('a long advice'); raise OSError('cannot load pango')")
    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ExtraMissing, match="libpango"):
        pdf.available()
    assert not capsys.readouterr().out
