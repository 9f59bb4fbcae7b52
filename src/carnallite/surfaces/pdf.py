"""The report as tagged PDF (PDF/UA-1), made from the very same HTML; needs the extra `pdf`."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import Any

from carnallite.errors import ExtraMissing

VARIANT = "pdf/ua-1"
_INSTALL = "Install it: pip install 'carnallite[pdf]'."
_LIBRARIES = (
    "Install Pango 1.44 or newer: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 on Debian and "
    "Ubuntu, dnf install pango on Fedora, brew install pango on macOS. Or write the report with --html and print it."
)


def available() -> None:
    """Raise `ExtraMissing` unless a PDF can be written here."""
    _weasyprint()


def render_pdf(html: str) -> bytes:
    """Return a report as tagged PDF with title and language.

    Parameters
    ----------
    html : str
        What `render_html` returns; it fetches nothing, and nothing is fetched here.

    Raises
    ------
    ExtraMissing
        The package weasyprint or a library of the system that it needs is not installed.
    """
    weasyprint = _weasyprint()
    document = weasyprint.HTML(string=_whole_units(html), url_fetcher=_refused)
    return bytes(document.write_pdf(pdf_variant=VARIANT))


# What is no text of the page, or a piece of text; a unit with a slash, after which some versions of Pango end a line.
_TEXT = re.compile(r"(<(head|style|script|svg)\b.*?</\2>|<[^>]*>)|([^<]+)", re.DOTALL)
_UNIT = re.compile(r"[A-Za-zµ]+(?:/[A-Za-zµ]+)+")


def _whole_units(html: str) -> str:
    """Return a page whose units with a slash are never torn by the end of a line."""

    def kept(found: re.Match[str]) -> str:
        apart, _, text = found.groups()
        return apart or _UNIT.sub(r'<span style="white-space: nowrap">\g<0></span>', text)

    return _TEXT.sub(kept, html)


def _refused(url: str, *_: object, **__: object) -> None:
    """Fetch nothing: a report holds everything that it shows."""
    raise ValueError(f"a report fetches nothing, not even {url[:40]}")


def _weasyprint() -> Any:
    try:
        with redirect_stdout(io.StringIO()):  # it prints help of its own where a library is missing
            import weasyprint  # noqa: PLC0415  (an extra; start-up stays fast)
    except ImportError:
        raise ExtraMissing("PDF", "the package weasyprint is not installed.", _INSTALL) from None
    except OSError:
        raise ExtraMissing("PDF", "a library of the system that WeasyPrint needs is missing.", _LIBRARIES) from None
    return weasyprint
