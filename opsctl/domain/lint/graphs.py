"""Graphs as a mapping from each node to its targets. Everything here is linear, and none of it recursive."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

Edges = Mapping[str, Sequence[str]]


def reachable(start: Iterable[str], edges: Edges) -> frozenset[str]:
    """Everything that the edges lead to, the start included."""
    seen, ahead = set(start), list(start)
    while ahead:
        for target in edges[ahead.pop()]:
            if target not in seen:
                seen.add(target)
                ahead.append(target)
    return frozenset(seen)


def reversed_edges(edges: Edges) -> dict[str, list[str]]:
    """Where one can come from to each node."""
    sources: dict[str, list[str]] = {name: [] for name in edges}
    for name, targets in edges.items():
        for target in targets:
            sources[target].append(name)
    return sources


def next_hops(ends: Iterable[str], sources: Edges) -> dict[str, str | None]:
    """Of each node that can reach one of the ends, the next on a shortest way there; None for an end itself."""
    hops: dict[str, str | None] = dict.fromkeys(ends)
    ahead = deque(hops)
    while ahead:
        name = ahead.popleft()
        for source in sources[name]:
            if source not in hops:
                hops[source] = name
                ahead.append(source)
    return hops


def on_cycles(edges: Edges) -> set[str]:
    """The nodes from which some way leads back to themselves (Kosaraju: components by two walks)."""
    sources = reversed_edges(edges)
    cyclic = {name for name, targets in edges.items() if name in targets}
    placed: set[str] = set()
    for name in reversed(by_end_of_walk(edges)):
        if name in placed:
            continue
        placed.add(name)
        component, ahead = [name], [name]
        while ahead:
            for source in sources[ahead.pop()]:
                if source not in placed:
                    placed.add(source)
                    component.append(source)
                    ahead.append(source)
        if len(component) > 1:
            cyclic.update(component)
    return cyclic


def by_end_of_walk(edges: Edges) -> list[str]:
    """The nodes in the order in which a walk in depth is done with them."""
    done: list[str] = []
    seen: set[str] = set()
    for start in edges:
        ahead = [(start, False)]
        while ahead:
            name, finished = ahead.pop()
            if finished:
                done.append(name)
            elif name not in seen:
                seen.add(name)
                ahead.append((name, True))
                ahead += [(target, False) for target in edges[name] if target not in seen]
    return done
