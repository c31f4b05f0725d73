"""Definitions in YAML: what the one reader says, as findings. JSON has no merge keys, so they are refused."""

from __future__ import annotations

from opsctl.domain.lint.catalogue import BAD_YAML
from opsctl.domain.lint.sources import Source, UnreadableError, check_length, too_deep
from opsctl.operations.documents_yaml import TooDeepError, YamlError, read


def read_yaml(text: str) -> Source:
    """The definition of a YAML text. Raises UnreadableError: no YAML, more than JSON can say, too long, too deep."""
    check_length(text)
    try:
        document = read(text, merges=False)
    except TooDeepError as error:
        raise too_deep(error.offset) from error
    except YamlError as error:
        remedy = error.hint or "correct the YAML at this place"
        raise UnreadableError(BAD_YAML, _sentence(error.message), _sentence(remedy), error.offset) from error
    if not isinstance(document.value, dict):
        message = "The definition is no mapping with StartAt and States."
        raise UnreadableError(BAD_YAML, message, "Correct the YAML at this place.")
    return Source(text, document.value, document.offsets)


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."
