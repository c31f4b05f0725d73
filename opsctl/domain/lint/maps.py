"""NOT_DISTRIBUTED: a Map that reads, batches or writes, and is not distributed."""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.asl.validation_maps import DISTRIBUTED_ONLY
from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.machine import Machine


def inline_readers(machine: Machine) -> Iterator[Remark]:
    """NOT_DISTRIBUTED: fields of a distributed Map on one that is inline, because it does not say otherwise."""
    for node in machine.nodes.values():
        fields = [field for field in DISTRIBUTED_ONLY if field in node.state] if node.type == "Map" else []
        processor = node.state.get("ItemProcessor", node.state.get("Iterator", {}))
        if fields and "Mode" not in processor.get("ProcessorConfig", {}):
            message = f"'{node.name}' has {' and '.join(fields)}, but runs inline: only a distributed Map uses that."
            yield Remark(f"{node.location}/{fields[0]}", message)
