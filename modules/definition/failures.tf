# Silent errors: a caught failure from which no Fail state lies ahead, also not through the join behind a Parallel or Map,
# or an uncaught one on a machine that no status rule covers. The rules are those of opsctl lint (opsctl/domain/lint).

locals {
  # Where each state leads without an error of its own: on, into the states inside, out to what comes after the state
  # around it, and from a Fail state inside another one to what catches it there.
  _flow = { for name, state in local.states : name => compact(concat(
    state.starts,
    state.type == "Choice" ? state.choices : [],
    state.type == "Fail" ? flatten([
      for index, outer in state.within : local._generic[outer][*].next
      if alltrue([for inner in slice(state.within, 0, index) : contains(local._uncaught, inner)])
    ]) : [],
    contains(["Choice", "Fail"], state.type) ? [] : [
      concat([for from in concat([name], state.within) : local.states[from].next if local.states[from].next != null], [""])[0]
    ],
  )) }

  # A Fail state that nothing around it catches ends the run.
  _ends = [for name, state in local.states : name if state.type == "Fail" && alltrue([for outer in state.within : contains(local._uncaught, outer)])]

  # Everything that is ahead of each state: the flow, squared seven times, is followed for 128 states.
  _ahead_1   = { for name, next in local._flow : name => { for other in distinct(concat([name], next)) : other => true } }
  _ahead_2   = { for name, ahead in local._ahead_1 : name => merge([for other in keys(ahead) : try(local._ahead_1[other], {})]...) }
  _ahead_4   = { for name, ahead in local._ahead_2 : name => merge([for other in keys(ahead) : try(local._ahead_2[other], {})]...) }
  _ahead_8   = { for name, ahead in local._ahead_4 : name => merge([for other in keys(ahead) : try(local._ahead_4[other], {})]...) }
  _ahead_16  = { for name, ahead in local._ahead_8 : name => merge([for other in keys(ahead) : try(local._ahead_8[other], {})]...) }
  _ahead_32  = { for name, ahead in local._ahead_16 : name => merge([for other in keys(ahead) : try(local._ahead_16[other], {})]...) }
  _ahead_64  = { for name, ahead in local._ahead_32 : name => merge([for other in keys(ahead) : try(local._ahead_32[other], {})]...) }
  _ahead_128 = { for name, ahead in local._ahead_64 : name => merge([for other in keys(ahead) : try(local._ahead_64[other], {})]...) }

  _fails = { for name, ahead in local._ahead_128 : name => anytrue([for end in local._ends : can(ahead[end])]) }

  # A notification that fails has nobody left to tell; one that waits for an answer is a step like others.
  _tells  = "(?i)notif|alert|pager|\\bpage\\W?(on\\W?call|duty|ops|team|us)\\b|slack|escalat|send\\W*e?\\W?mail"
  _sends  = "(?i):states:::(aws-sdk:)?(sns:publish|ses(v2)?:send\\w*mail|sqs:sendMessage|(eventbridge|events):putEvents|chatbot:\\w+|ssmincidents:startIncident)"
  _is_job = "\\.sync(:2)?$"
  _can_fail = toset([for name, state in local.states : name if contains(["Map", "Parallel", "Task"], state.type) && (
    endswith(state.resource, ".waitForTaskToken")
    || !(can(regex(local._sends, state.resource)) || (!can(regex(local._is_job, state.resource)) && can(regex(local._tells, "${state.type == "Task" ? name : ""} ${state.resource} ${state.function}"))))
  )])

  _caught = flatten([for name in local._can_fail : [for catch in local._generic[name] : merge(catch, { state = name }) if contains(keys(local.states), catch.next)]])

  # The first state that is no Pass, as far as one Pass.
  _behind = { for name, state in local.states : name => state.type == "Pass" && state.next != null ? state.next : name }

  _silent_problems = distinct(concat(
    [for catch in local._caught :
      "${var.file}, state ${jsonencode(catch.state)}: its failure is silent: it is caught and goes to ${jsonencode(catch.next)}, from where no Fail state lies ahead, so that the run ends SUCCEEDED. Lead the Catch to a Fail state."
      if !local._fails[catch.next]
    ],
    [for catch in local._caught :
      "${var.file}, state ${jsonencode(catch.state)}: its failure is silent: the Catch keeps no trace of it and goes on at ${jsonencode(catch.next)}, where success goes. Keep the error by ResultPath or Assign, and lead it to a Fail state."
      if local._fails[catch.next] && catch.traceless && try(local._behind[catch.next] == local._behind[local.states[catch.state].next], false)
    ],
    [for name in local._can_fail :
      "${var.file}, state ${jsonencode(name)}: its failure is silent: no Catch takes it (States.ALL), and no status rule covers the machine. Catch it and lead it to a Fail state, or leave ${var.settings}.status_rule at true."
      if !var.status_rule && length(local.states[name].within) == 0 && contains(local._uncaught, name)
    ],
    [for catch in local._caught :
      "${var.file}, state ${jsonencode(catch.state)}: on_failure is redrivable, but the state catches its failure: a redrive would only enter the Fail state again. Write the Catch between %%{ if on_failure == \"caught\" ~} and %%{ endif ~}, or leave ${var.settings}.on_failure at caught."
      if var.on_failure == "redrivable" && length(local.states[catch.state].within) == 0 && local._fails[catch.next]
    ],
  ))

  _missing_problems = distinct(flatten([for name, state in local.states : [
    for target in concat(compact([state.next]), state.choices, state.starts, state.catches[*].next) :
    "${var.file}, state ${jsonencode(name)}: it leads to ${jsonencode(target)}, and there is no such state. Correct the name, or add the state."
    if !contains(keys(local._every_state), target)
  ]]))
}
