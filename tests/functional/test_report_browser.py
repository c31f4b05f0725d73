"""A report in a real browser: no complaint on its console, no request, nothing wider than the window; in light, in
dark, on a phone and in print. Where there is no Chromium on PATH (CI installs Debian's) the tests say that they did not
run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.functional.pipeline_world import Bench
from tests.functional.report_world import leave_figures

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DARK = "--blink-settings=preferredColorScheme=0"
PLACES = {"desktop": ("1280,1400",), "dark phone": ("390,844", DARK)}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: the report was not opened in a browser")


@pytest.fixture
def written(failed: Bench, tmp_path: Path) -> Path:
    """The report of a failed run with figures."""
    leave_figures(failed, "nightly-7")
    path = tmp_path / "report.html"
    assert failed.opsctl("report", "--out", str(path)).exit_code == 0
    return path


def browse(page: Path, *words: str) -> str:
    """Open the page in a browser of its own, and return what it says on stderr, its console included."""
    home = page.parent / "browser"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--no-first-run", "--enable-logging=stderr",
        f"--user-data-dir={home}", *words, page.as_uri(),
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, env=environment).stderr


def requested(log: Path) -> set[str]:
    """The addresses that the browser asked for while the page was open, but for the page itself."""
    events: list[dict[str, Any]] = json.loads(log.read_text())["events"]
    found = {str(event.get("params", {}).get("url", "")) for event in events}
    return {url for url in found if url.startswith(("http:", "https:", "ws:", "wss:", "ftp:"))}


@pytest.mark.parametrize("place", PLACES)
def test_it_complains_of_nothing_asks_for_nothing_and_fits(written: Path, place: str) -> None:
    size, *more = PLACES[place]
    picture, log = written.with_suffix(".png"), written.with_suffix(".netlog")
    said = browse(written, f"--window-size={size}", f"--screenshot={picture}", f"--log-net-log={log}", *more)
    assert re.findall(r".*CONSOLE.*", said) == []
    assert picture.stat().st_size > 10_000
    from_page = {url for url in requested(log) if "google" not in url and "gvt1" not in url}  # the browser's own
    assert from_page == set()


def test_a_page_that_asked_or_complained_would_be_found_out(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    bad = '<script>1</script><img src="http://127.0.0.1:9/x.png">'
    written.write_text(text.replace("<main>", f"<main>{bad}"), encoding="utf-8")
    said = browse(written, f"--screenshot={written.with_suffix('.png')}")
    assert len(re.findall(r"CONSOLE.*Content Security Policy", said)) >= 2
    written.write_text(re.sub(r"<meta http-equiv[^>]*>", "", text).replace("<main>", f"<main>{bad}"), encoding="utf-8")
    log = written.with_suffix(".netlog")
    browse(written, f"--screenshot={written.with_suffix('.png')}", f"--log-net-log={log}")
    assert "http://127.0.0.1:9/x.png" in requested(log)


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(written: Path, width: int) -> None:
    text = written.read_text(encoding="utf-8")
    measure = "<script>document.title = document.documentElement.scrollWidth</script></body>"
    frame = written.with_name("frame.html")
    inner = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", measure)
    written.with_name("inner.html").write_text(inner, encoding="utf-8")
    frame.write_text(  # a window has a least width, a frame has none
        f'<iframe src="inner.html" style="width:{width}px;height:900px" onload="document.title = this.contentDocument '
        '? this.contentDocument.title : 0; document.body.dataset.wide = document.title"></iframe>', encoding="utf-8",
    )  # fmt: skip
    home = frame.parent / "browser"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--allow-file-access-from-files", "--window-size=1400,1000", f"--user-data-dir={home}", "--dump-dom",
        frame.as_uri(),
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, env=environment).stdout
    wide = re.search(r'data-wide="(\d+)"', told)
    assert wide
    assert int(wide[1]) <= width


def test_it_can_be_printed(written: Path) -> None:
    printed = written.with_suffix(".pdf")
    browse(written, f"--print-to-pdf={printed}")
    assert printed.read_bytes().startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) <= 12
