"""What SNS takes as the subject of a message."""

from __future__ import annotations

SUBJECT_LIMIT = 99  # SNS refuses 100


def subject(text: str) -> str:
    """The text in ASCII, cut at 99 characters."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return plain if len(plain) <= SUBJECT_LIMIT else plain[: SUBJECT_LIMIT - 3] + "..."
