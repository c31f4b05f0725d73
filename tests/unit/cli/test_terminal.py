"""What a job printed cannot take hold of the terminal that shows it."""

import pytest

from opsctl.cli.terminal import harmless


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("loss 0.1\tacc 93 %", "loss 0.1\tacc 93 %"),
        ("\x1b[1;31mred\x1b[0m é 日本", "\x1b[1;31mred\x1b[0m é 日本"),
        ("a\x1b[2Jb\x1b[10;10Hc\x1b[?25ld", "abcd"),
        ("\x1b]0;title\x07a\x1b]8;;https://x\x1b\\b", "ab"),
        ("\x1b]52;c;cm0gLXJmCg==", ""),
        ("\x07a\x08b\x00c\x7fd\x9b2Je", "abcd2Je"),
        ("a\x1bcb\x1b", "acb"),
        ("\r 10%|#   |\r 50%|##  |\r100%|####|", "100%|####|"),
        ("windows\r", "windows"),
    ],
)
def test_only_text_and_colours_come_through(written: str, shown: str) -> None:
    assert harmless(written, colours=True) == shown


def test_no_colours_where_they_are_not_wanted() -> None:
    assert harmless("\x1b[31mred\x1b[0m", colours=False) == "red"
