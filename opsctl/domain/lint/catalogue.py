"""Every code: what it stands for, what to do about it, and for our own lessons the rule that finds it.

The codes are stable: they stand in `lint: allow` markers and in code review systems. docs/lint.md explains each.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.domain.lint import choices, failures, jobs, maps, silence, variables
from opsctl.domain.lint.findings import Rule


@dataclass(frozen=True, slots=True)
class Lesson:
    """One of the field's hard lessons, as a warning."""

    code: str
    summary: str
    remedy: str
    rule: Rule


LESSONS = (
    Lesson(
        "SILENT_FAILURE",
        "A Task, Parallel or Map whose failure reaches no notification.",
        "Catch States.ALL and lead it to a state that notifies (sns:publish, say), then to a Fail state.",
        silence.silent_failures,
    ),
    Lesson(
        "GREEN_FAILURE",
        "A Catch from which the run ends SUCCEEDED.",
        "Lead the Catch to a Fail state, or mark the failure (Assign, ResultPath) and let a Choice fail on it.",
        failures.green_failures,
    ),
    Lesson(
        "REDRIVE_USELESS",
        "A Catch after which RedriveExecution only fails again.",
        "Leave the failure uncaught and notify from the execution's status event; or catch it, and rerun from the "
        "failed step instead of redriving (opsctl rerun).",
        failures.useless_redrives,
    ),
    Lesson(
        "SIBLING_ABORTED",
        "A failing branch that aborts an expensive sibling.",
        "Catch States.ALL inside the branch, end the branch with a mark of the failure, and fail behind the join.",
        failures.aborted_siblings,
    ),
    Lesson(
        "JOB_NAME_COLLIDES",
        "A job name that collides on a retry, on a redrive or in the next run.",
        "Build the name of $$.Execution.Name, $$.Execution.RedriveCount and $$.State.RetryCount, or add States.UUID().",
        jobs.colliding_names,
    ),
    Lesson(
        "PAID_RETRY",
        "A Retry that reruns a paid job.",
        "Retry only the errors that the service raises before a job exists (throttling, limits), by their names.",
        jobs.paid_retries,
    ),
    Lesson(
        "SYNC_WITHOUT_TIMEOUT",
        "A .sync state without a timeout.",
        "Set TimeoutSeconds a little above the job's own time limit.",
        jobs.endless_jobs,
    ),
    Lesson(
        "CHOICE_WITHOUT_DEFAULT",
        "A Choice without Default whose path may be missing.",
        "Add a Default, and ask IsPresent before comparing a path that the input may not have.",
        choices.missing_defaults,
    ),
    Lesson(
        "GUARD_WITHOUT_EFFECT",
        "A guard that guards nothing.",
        "Lead the bypass behind the step that it is to skip.",
        choices.useless_guards,
    ),
    Lesson(
        "UNREACHABLE_STATE",
        "A state that no execution can reach.",
        "Remove the state, or the rule or Catch that comes first.",
        choices.unreachable_states,
    ),
    Lesson(
        "UNASSIGNED_VARIABLE",
        "A read of a variable that no state can have assigned before.",
        "Assign it in a state on the way there; hand it into a distributed Map with ItemSelector, out of a branch or "
        "Map with its output.",
        variables.unassigned_variables,
    ),
    Lesson(
        "NOT_DISTRIBUTED",
        "A Map that reads, batches or writes, and is not distributed.",
        'Give the ItemProcessor a ProcessorConfig: {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}.',
        maps.inline_readers,
    ),
)

BAD_ALLOW = "BAD_ALLOW"
UNUSED_ALLOW = "UNUSED_ALLOW"
UNREADABLE = "UNREADABLE_SOURCE"
NOT_RENDERED = "TEMPLATE_NOT_RENDERED"
BAD_YAML = "INVALID_YAML"

SUMMARIES = {
    **{lesson.code: lesson.summary for lesson in LESSONS},
    BAD_ALLOW: "A `lint: allow` marker without a known code or without a reason.",
    UNUSED_ALLOW: "A `lint: allow` marker that silences nothing.",
    UNREADABLE: "The file is no text that can be read.",
    BAD_YAML: "The file is no YAML, or uses YAML that JSON has no words for.",
    NOT_RENDERED: "Terraform could not render the template.",
    "DUPLICATE_LABEL_NAME": "Two Maps of the machine have the same Label.",
    "DUPLICATE_STATE_NAME": "Two states of the machine have the same name.",
    "INVALID_JSON_DESCRIPTION": "The file is no JSON.",
    "INVALID_LABEL_NAME": "A Map's Label is empty, longer than 40 characters or has characters that AWS refuses.",
    "INVALID_STATE_NAME": "A state's name is empty or longer than 80 characters.",
    "MISSING_DESCRIPTION": "There is no definition.",
    "MISSING_END_STATE": "No state ends the machine or the branch.",
    "MISSING_TRANSITION_TARGET": "A transition leads to no state, or no transition to a state.",
    "NO_DOLLAR": "A value looks computed, but its field's name does not end in `.$`.",
    "NO_PATH": "A value looks like a path, but its field takes a plain value.",
    "PASS_RESULT_IS_STATIC": "A Pass state's Result looks computed, but is taken literally.",
    "SCHEMA_VALIDATION_FAILED": "A field is missing, unknown or has a value that AWS refuses.",
}
"""Every code that lint may answer with."""
