"""A browser, servers of the built page, and visits to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from earmark.service.page import PAGE_FOLDER
from tests.helpers.browser import absent, chromium
from tests.helpers.page import ARGUMENTS, Site, Visit


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the built page."""
    if not (PAGE_FOLDER / "index.html").is_file():
        absent("the page is not built: make web (it needs Node.js)")
    return PAGE_FOLDER


@pytest.fixture
def serve(built: Path) -> Iterator[Callable[..., Site]]:
    """Starts servers of the page: with its headers, or as a static host would, without."""
    sites: list[Site] = []

    def started(*, with_headers: bool = True, missing: tuple[str, ...] = ()) -> Site:
        headers = json.loads((built / "headers.json").read_text()) if with_headers else {}
        sites.append(Site(headers, missing))
        return sites[-1]

    yield started
    for site in sites:
        site.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """An installed Chromium."""
    with chromium(*ARGUMENTS) as found:
        yield found


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens pages; at the end nothing may have gone wrong in any."""
    visits: list[Visit] = []

    def opened(url: str, **options: Any) -> Visit:
        visits.append(Visit(browser, url, **options))
        return visits[-1]

    yield opened
    for each in visits:
        each.context.close()
    assert [error for each in visits for error in each.errors] == []
