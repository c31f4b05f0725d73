"""Page bitmaps of the sample documents: grey images of HEIGHT x WIDTH pixels, white 1.0, ink 0.0.

A first page has the face of its class: letterhead, boxes, tables where that class has them. A later page is one of a
few plain designs that several classes share in different proportions, so its class is a guess. Every page is scanned
badly: shifted, unevenly lit, speckled.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

HEIGHT, WIDTH = 64, 48
GREY_LEVELS = 16
FACE_SHARE = 0.75  # of first pages; the others begin as plainly as a later page

Page = np.ndarray
Random = np.random.Generator
Painter = Callable[[Page, Random], None]


def text_block(
    page: Page, random: Random, top: int, bottom: int, left: int = 5, right: int = 43, *, pitch: int = 3
) -> None:
    """Lines of words between two rows, ragged at the right."""
    for row in range(top, bottom, pitch):
        end = right - int(random.integers(0, 7))
        line = random.random(max(end - left, 1)) < 0.8
        page[row, left:end][line] = 0.35


def rule(page: Page, row: int, left: int = 4, right: int = 44) -> None:
    page[row, left:right] = 0.1


def box(page: Page, top: int, bottom: int, left: int, right: int) -> None:
    page[top, left:right] = 0.1
    page[bottom, left:right] = 0.1
    page[top : bottom + 1, left] = 0.1
    page[top : bottom + 1, right - 1] = 0.1


def table(page: Page, random: Random, top: int, bottom: int, columns: tuple[int, ...], pitch: int = 4) -> None:
    """Ruled columns with short entries in each cell."""
    for column in columns:
        page[top:bottom, column] = 0.3
    for row in range(top + 2, bottom - 1, pitch):
        for left, right in pairwise(columns):
            width = int(random.integers(2, max(right - left - 1, 3)))
            page[row, left + 2 : min(left + 2 + width, right)] = 0.4


def title(page: Page, random: Random, row: int, left: int, right: int) -> None:
    page[row : row + 2, left : right - int(random.integers(0, 4))] = 0.15


def logo(page: Page, random: Random, top: int, left: int) -> None:
    page[top : top + 5, left : left + 6] = 0.2 + 0.2 * random.random()


def signatures(page: Page, row: int) -> None:
    page[row, 5:20] = 0.2
    page[row, 27:43] = 0.2


def _appraisal(page: Page, random: Random) -> None:
    title(page, random, 4, 10, 38)
    box(page, 9, 26, 4, 44)
    table(page, random, 10, 26, (4, 14, 24, 34, 43), 3)
    page[30:44, 6:23] = 0.55
    page[30:44, 26:42] = 0.6
    text_block(page, random, 48, 60)


def _bank_statement(page: Page, random: Random) -> None:
    logo(page, random, 4, 5)
    text_block(page, random, 5, 11, 28, 44)
    text_block(page, random, 14, 20, 5, 22)
    table(page, random, 24, 60, (4, 12, 33, 43), 3)


def _credit_report(page: Page, random: Random) -> None:
    title(page, random, 4, 5, 30)
    box(page, 8, 14, 30, 44)
    rule(page, 17)
    for top in (20, 31, 42):
        box(page, top, top + 8, 4, 44)
        table(page, random, top + 1, top + 8, (4, 18, 31, 43), 3)
    text_block(page, random, 54, 60)


def _deed(page: Page, random: Random) -> None:
    text_block(page, random, 3, 10, 5, 20)
    box(page, 3, 13, 24, 44)
    title(page, random, 17, 14, 36)
    text_block(page, random, 22, 60, pitch=2)


def _application(page: Page, random: Random) -> None:
    title(page, random, 3, 8, 40)
    for top in (8, 18, 28, 38, 48):
        page[top : top + 2, 4:44] = 0.25
        box(page, top + 2, top + 8, 4, 44)
        page[top + 2 : top + 8, 4 + int(random.integers(14, 26))] = 0.2
        text_block(page, random, top + 4, top + 7)


def _pay_stub(page: Page, random: Random) -> None:
    logo(page, random, 3, 36)
    text_block(page, random, 4, 11, 5, 24)
    table(page, random, 14, 34, (4, 15, 24, 34, 43), 3)
    box(page, 40, 60, 4, 44)
    text_block(page, random, 44, 50, 8, 26)
    signatures(page, 56)


def _contract(page: Page, random: Random) -> None:
    title(page, random, 5, 12, 38)
    text_block(page, random, 11, 24)
    for top in (27, 37, 47):
        page[top, 5:12] = 0.15
        text_block(page, random, top + 2, top + 8, 8, 43)
    signatures(page, 60)


def _tax_return(page: Page, random: Random) -> None:
    page[3:8, 4:10] = 0.15
    title(page, random, 4, 13, 36)
    rule(page, 9)
    box(page, 11, 20, 4, 34)
    box(page, 11, 20, 35, 44)
    for row in range(23, 60, 3):
        page[row, 5:7] = 0.2
        text_block(page, random, row, row + 1, 9, 34)
        box(page, row - 1, row + 1, 37, 44)


def _plain(page: Page, random: Random) -> None:
    text_block(page, random, 5, 60, pitch=int(random.integers(2, 4)))


def _sections(page: Page, random: Random) -> None:
    for top in range(4, 56, 13):
        page[top, 5:14] = 0.15
        text_block(page, random, top + 3, top + 11, pitch=int(random.integers(2, 4)))


def _ledger(page: Page, random: Random) -> None:
    table(page, random, 5, 58, (4, 12 + int(random.integers(0, 4)), 31 + int(random.integers(0, 4)), 43), 3)


def _form(page: Page, random: Random) -> None:
    for top in range(5, 55, 9 + int(random.integers(0, 3))):
        box(page, top, top + 6, 4, 44)
        text_block(page, random, top + 2, top + 5, 6, 40)


def _pictures(page: Page, random: Random) -> None:
    for top in (6, 34):
        page[top : top + 18, 8:40] = 0.45 + 0.25 * random.random()
        text_block(page, random, top + 21, top + 25)


def _signing(page: Page, random: Random) -> None:
    text_block(page, random, 5, 30 + int(random.integers(0, 10)))
    signatures(page, 48)
    signatures(page, 56)


FIRST_PAGES: dict[str, Painter] = {
    "appraisal": _appraisal,
    "bank-statement": _bank_statement,
    "credit-report": _credit_report,
    "deed-of-trust": _deed,
    "loan-application": _application,
    "pay-stub": _pay_stub,
    "purchase-contract": _contract,
    "tax-return": _tax_return,
}
LATER_DESIGNS: tuple[Painter, ...] = (_plain, _sections, _ledger, _form, _pictures, _signing)
LATER_SHARES: dict[str, tuple[float, ...]] = {  # how often a class uses each of LATER_DESIGNS
    "appraisal": (0.15, 0.05, 0.15, 0.20, 0.40, 0.05),
    "bank-statement": (0.15, 0.05, 0.65, 0.10, 0.00, 0.05),
    "credit-report": (0.05, 0.15, 0.45, 0.30, 0.00, 0.05),
    "deed-of-trust": (0.60, 0.20, 0.00, 0.00, 0.00, 0.20),
    "loan-application": (0.05, 0.10, 0.10, 0.55, 0.00, 0.20),
    "pay-stub": (0.10, 0.05, 0.60, 0.25, 0.00, 0.00),
    "purchase-contract": (0.15, 0.55, 0.00, 0.05, 0.00, 0.25),
    "tax-return": (0.10, 0.10, 0.25, 0.50, 0.00, 0.05),
}


def draw(label: str, document_page: int, random: Random) -> np.ndarray:
    """The scanned bitmap of page `document_page` (from 1) of a document: uint8, HEIGHT x WIDTH."""
    page = np.ones((HEIGHT, WIDTH))
    if document_page == 1 and random.random() < FACE_SHARE:
        FIRST_PAGES[label](page, random)
    else:
        LATER_DESIGNS[random.choice(len(LATER_DESIGNS), p=LATER_SHARES[label])](page, random)
    return _scan(page, random)


def _scan(page: Page, random: Random) -> np.ndarray:
    shift = random.integers(-3, 4, size=2)
    page = np.roll(page, tuple(shift), axis=(0, 1))
    contrast = 0.45 + 0.5 * random.random()
    light = np.linspace(0, 0.25 * random.random(), WIDTH)
    page = 1 - contrast * (1 - page) - light
    page += random.normal(0, 0.06 + 0.1 * random.random(), page.shape)
    page[random.random(page.shape) < 0.02] = 0.1
    steps = np.round(np.clip(page, 0, 1) * (GREY_LEVELS - 1))
    return (steps * (255 // (GREY_LEVELS - 1))).astype(np.uint8)
