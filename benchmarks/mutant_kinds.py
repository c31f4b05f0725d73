"""What is done to one state of a machine to break it: one small change at a time, each kind wherever it fits.

Each kind is a function that is given a state and yields what can be done to it, in words and as a change. Nothing here
looks at what a drill finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

State = dict[str, Any]
States = dict[str, State]
OnState = Callable[[State], None]

TASKS = ("Task", "Parallel", "Map")
PASSING = ("Lambda.ServiceException", "SageMaker.AmazonSageMakerException", "Batch.AWSBatchException",
           "SNS.AmazonSNSException", "SageMaker.SageMakerException")  # fmt: skip
JOB_NAMES = ("TrainingJobName.$", "TransformJobName.$")
DAY = 86_400


def states_of(scope: dict[str, Any]) -> States:
    """Each state, wherever it lies."""
    found: States = {}
    for name, state in scope["States"].items():
        found[name] = state
        for deeper in inner_scopes(state):
            found |= states_of(deeper)
    return found


def inner_scopes(state: State) -> list[dict[str, Any]]:
    """The branches of a Parallel, the processor of a Map."""
    return [*state.get("Branches", ()), *(state[key] for key in ("ItemProcessor", "Iterator") if key in state)]


def scopes_of(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The machine and every scope inside it."""
    return [definition, *(inner for state in states_of(definition).values() for inner in inner_scopes(state))]


# fields left out


def fields_left_out(state: State) -> Iterator[tuple[str, OnState]]:
    """Whole fields; what a Task is asked with, part by part."""
    for field in ("Catch", "Retry", "TimeoutSeconds", "HeartbeatSeconds", "Assign", "ResultPath", "ResultSelector",
                  "OutputPath", "ResultWriter", "ToleratedFailurePercentage", "ItemBatcher", "Default"):  # fmt: skip
        if field in state:
            yield f"no {field}", lambda one, field=field: one.pop(field)
    if state.get("Resource", "").endswith(".sync"):
        yield "does not wait", lambda one: one.update(Resource=one["Resource"].removesuffix(".sync"))
    if "sns:publish" in state.get("Resource", ""):
        for field in state["Parameters"]:
            if field.startswith(("Subject", "MessageAttributes")):
                yield f"no {field}", lambda one, field=field: one["Parameters"].pop(field)


def catches(state: State) -> Iterator[tuple[str, OnState]]:
    """Entries of Catch: what they take, where they lead, what they keep."""
    for index, entry in enumerate(state.get("Catch", ())):
        if len(state["Catch"]) > 1:
            yield f"no Catch {index}", lambda one, index=index: one["Catch"].pop(index)
        if "Assign" in entry:
            yield f"Catch {index} assigns nothing", lambda one, index=index: one["Catch"][index].pop("Assign")
        for error in _narrower(state) if "States.ALL" in entry["ErrorEquals"] else ():
            yield (
                f"Catch {index} takes {error} only",
                lambda one, index=index, error=error: one["Catch"][index].update(ErrorEquals=[error]),
            )
        if "Next" in state and entry["Next"] != state["Next"]:
            yield f"Catch {index} goes on", lambda one, index=index: one["Catch"][index].update(Next=one["Next"])
        if "ResultPath" in entry:
            yield f"Catch {index} keeps no input", lambda one, index=index: one["Catch"][index].pop("ResultPath")


def _narrower(state: State) -> tuple[str, ...]:
    """What an entry that takes all is narrowed to. `States.TaskFailed` takes all but `States.Timeout` (Step Functions'
    "Handling errors"): where nothing can time out, that is the same entry for everybody."""
    return ("States.TaskFailed", "States.Timeout") if _times_out(state) else ("States.Timeout",)


def _times_out(state: State) -> bool:
    """Whether `States.Timeout` can come out of a state: a Parallel or Map has no time limit of its own, only those of
    Tasks inside that do not take it themselves; the child runs of a distributed Map keep theirs."""
    if state["Type"] == "Task":
        return True
    inner = [one for scope in inner_scopes(state) if not _distributed(scope) for one in scope["States"].values()]
    return any(one["Type"] in TASKS and not _takes_all(one) and _times_out(one) for one in inner)


def _distributed(scope: State) -> bool:
    return bool(scope.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def _takes_all(state: State) -> bool:
    return any("States.ALL" in entry["ErrorEquals"] for entry in state.get("Catch", ()))


def retries(state: State) -> Iterator[tuple[str, OnState]]:
    """Entries of Retry: never, for other errors, for too long; and one for failures of the work itself."""
    for index, entry in enumerate(state.get("Retry", ())):
        yield f"Retry {index} never", lambda one, index=index: one["Retry"][index].update(MaxAttempts=0)
        yield (
            f"Retry {index} waits a year",
            lambda one, index=index: (
                one["Retry"][index].pop("MaxDelaySeconds", None),
                one["Retry"][index].update(IntervalSeconds=400 * DAY),
            ),
        )
        for error in entry["ErrorEquals"] if len(entry["ErrorEquals"]) > 1 else ():
            if error in PASSING:
                yield (
                    f"Retry {index} without {error}",
                    lambda one, index=index, error=error: one["Retry"][index]["ErrorEquals"].remove(error),
                )
    if state.get("Resource", "").endswith(".sync"):
        again = {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2}
        yield "pays for failures thrice", lambda one: one.setdefault("Retry", []).append(dict(again))


def results(state: State) -> Iterator[tuple[str, OnState]]:
    """What becomes of a result."""
    if state.get("ResultPath"):
        yield "ResultPath null", lambda one: one.update(ResultPath=None)
        yield "ResultPath elsewhere", lambda one: one.update(ResultPath=f"{one['ResultPath']}_else")
    chosen = list(state.get("ResultSelector", ()))
    for field in chosen:
        yield f"selects no {field}", lambda one, field=field: one["ResultSelector"].pop(field)
    if len(chosen) > 1:
        first, last = chosen[0], chosen[-1]
        yield "selects the wrong field", lambda one: one["ResultSelector"].update({first: one["ResultSelector"][last]})


def assigns(state: State) -> Iterator[tuple[str, OnState]]:
    """Variables under another name; a failure under another state's name."""
    for where, index in [("state", 0), *(("Catch", index) for index in range(len(state.get("Catch", ()))))]:
        holder = state if where == "state" else state["Catch"][index]
        words = "" if where == "state" else f"Catch {index}: "
        for field in holder.get("Assign", ()):
            yield f"{words}assigns {field} elsewhere", lambda one, i=index, w=where, f=field: _rename(one, w, i, f)
        if '"step": "' in json.dumps(holder.get("Assign")):
            yield f"{words}blames another", lambda one, i=index, w=where: _blame(one, w, i)


def _holder(state: State, where: str, index: int) -> State:
    found: State = state if where == "state" else state["Catch"][index]
    return found


def _rename(state: State, where: str, index: int, field: str) -> None:
    assign = _holder(state, where, index)["Assign"]
    name, dollar = field.removesuffix(".$"), ".$" if field.endswith(".$") else ""
    assign[f"{name}_else{dollar}"] = assign.pop(field)


def _blame(state: State, where: str, index: int) -> None:
    holder = _holder(state, where, index)
    holder["Assign"] = json.loads(re.sub(r'"step": "[^"]*"', '"step": "Another State"', json.dumps(holder["Assign"])))


def choices(state: State) -> Iterator[tuple[str, OnState]]:
    """Rules turned round, negated, left out, swapped, held against something else."""
    rules = state.get("Choices", ())
    for index, rule in enumerate(rules):
        yield f"rule {index} the other way round", lambda one, index=index: _turn(one, index)
        yield f"rule {index} negated", lambda one, index=index: _negate(one["Choices"], index)
        if len(rules) > 1:
            yield f"no rule {index}", lambda one, index=index: one["Choices"].pop(index)
        if index and rule["Next"] != rules[index - 1]["Next"] and not _exclusive(rule, rules[index - 1]):
            yield f"rule {index} before {index - 1}", lambda one, index=index: _swap(one["Choices"], index)
        for key, value in _compared(rule):
            other = _otherwise(key, value)
            yield (
                f"rule {index} holds {json.dumps(other)} against {json.dumps(value)}",
                lambda one, index=index, key=key, value=value, other=other: _compare(
                    one["Choices"][index], key, value, other
                ),
            )


def _exclusive(one: State, other: State) -> bool:
    """Whether two rules demand other texts of one value: their order is nothing then."""
    mine, others = _demanded(one), _demanded(other)
    return any(mine[name].isdisjoint(others[name]) for name in mine.keys() & others.keys())


def _demanded(rule: State) -> dict[str, frozenset[str]]:
    """By variable, the texts of which it must have one if a rule is to hold."""
    if "StringEquals" in rule:
        return {rule["Variable"]: frozenset((rule["StringEquals"],))}
    if "And" in rule:
        return {name: texts for inner in rule["And"] for name, texts in _demanded(inner).items()}
    found = [_demanded(inner) for inner in rule.get("Or", ())]
    alike = set.intersection(*(set(one) for one in found)) if found else set()
    return {name: frozenset().union(*(one[name] for one in found)) for name in alike}


def _turn(choice: State, index: int) -> None:
    rule = choice["Choices"][index]
    if "Default" in choice:
        choice["Default"], rule["Next"] = rule["Next"], choice["Default"]


def _negate(rules: list[State], index: int) -> None:
    rule = rules[index]
    outside = {key: rule.pop(key) for key in ("Next", "Assign", "Comment", "Output") if key in rule}
    rules[index] = {"Not": rule, **outside}


def _swap(rules: list[State], index: int) -> None:
    rules[index - 1], rules[index] = rules[index], rules[index - 1]


def _compared(rule: State) -> Iterator[tuple[str, Any]]:
    for key, value in rule.items():
        if key in ("And", "Or"):
            for inner in value:
                yield from _compared(inner)
        elif key == "Not":
            yield from _compared(value)
        elif key.startswith(("String", "Numeric", "Boolean")):
            yield key, value


def _otherwise(key: str, value: Any) -> Any:
    if key.startswith("Boolean"):
        return not value
    return value + 1 if key.startswith("Numeric") else f"{value}x"


def _compare(rule: State, key: str, value: Any, other: Any) -> bool:
    if rule.get(key) == value:
        rule[key] = other
        return True
    inner = [*rule.get("And", ()), *rule.get("Or", ()), *([rule["Not"]] if "Not" in rule else ())]
    return any(_compare(one, key, value, other) for one in inner)


def jobs(state: State) -> Iterator[tuple[str, OnState]]:
    """Names that come twice, time limits that are too short."""
    for field in JOB_NAMES:
        for word in ("$$.State.RetryCount", "$$.Execution.RedriveCount", "$.run.job_prefix"):
            if word in state.get("Parameters", {}).get(field, ""):
                yield f"named without {word}", lambda one, field=field, word=word: _unname(one, field, word)
    if "TimeoutSeconds" in state:
        yield "one second", lambda one: one.update(TimeoutSeconds=1)
        yield "two years", lambda one: one.update(TimeoutSeconds=2 * 366 * DAY)


def _unname(state: State, field: str, word: str) -> None:
    state["Parameters"][field] = state["Parameters"][field].replace(word, "1")


def ends(state: State) -> Iterator[tuple[str, OnState]]:
    """Ends of another colour, ends too early, a flag that says the opposite."""
    if state["Type"] == "Fail":
        yield "green", lambda one: _become(one, {"Type": "Succeed"})
        if "Error" in state:
            yield "another error", lambda one: one.update(Error="SomethingElse")
    if state["Type"] == "Succeed":
        yield "red", lambda one: _become(one, {"Type": "Fail", "Error": "Broken"})
    if state["Type"] == "Pass":
        yield "fails", lambda one: _become(one, {"Type": "Fail", "Error": "Broken"})
    if state["Type"] in (*TASKS, "Pass", "Wait") and "Next" in state:
        yield "the end", lambda one: (one.pop("Next"), one.update(End=True))
    for field in ("Parameters", "Result"):
        if isinstance(flag := (state.get(field) or {}).get("failed"), bool):
            words = f"says that it went {'well' if flag else 'wrong'}"
            yield words, lambda one, field=field, flag=flag: one[field].update(failed=not flag)


def _become(state: State, other: State) -> None:
    state.clear()
    state |= other


OF_STATE = (fields_left_out, catches, retries, results, assigns, choices, jobs, ends)
