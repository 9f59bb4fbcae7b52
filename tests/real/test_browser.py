"""The report in a real browser: no text of a record runs, even without the policy that forbids it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from carnallite.plan import advise
from carnallite.record import fhir_reading
from carnallite.surfaces.report import render_html
from carnallite.surfaces.service import beside
from injected import PAYLOADS, hostile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
MARK = "document.documentElement.setAttribute('ran',1)"


def ran(folder: Path, page: str) -> bool:
    """Return whether anything of a page was run."""
    (folder / "page.html").write_text(page.replace("alert(1)", MARK), "utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
               f"--user-data-dir={folder / 'browser'}", "--dump-dom", (folder / "page.html").as_uri()]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if not run.stdout.strip():
        pytest.skip("the browser does not start here")
    return re.search(r"<html[^>]* ran=", run.stdout) is not None


def test_h59_a_browser_runs_nothing_of_a_record(tmp_path: Path) -> None:
    record = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in hostile()]}
    data = json.dumps(record).encode()
    reading = fhir_reading(data, now=None, local={})
    page = render_html(advise(reading, depth="findings"), reading.timeline, units="si")
    assert "alert(1)" not in page, "a report holds no text of a record"
    banner = beside.banner(data)
    assert banner.count("alert(1)") >= 50, "what a banner must tell is there as text"
    assert not ran(tmp_path, page.replace("<body>", f"<body>{banner}"))


def test_the_browser_would_run_them(tmp_path: Path) -> None:
    assert sum(ran(tmp_path, f"<html><body>{one}</body></html>") for one in PAYLOADS[:1] + PAYLOADS[14:16]) == 3
