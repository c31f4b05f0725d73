# The states, those inside of Parallel and Map states too: `within` are the states around one, the innermost first.

locals {
  _states_0 = [for name, state in try({ for name, state in local.definition.States : name => state }, {}) : { name = name, state = state, within = [] }]
  _states_1 = flatten([for outer in local._states_0 : [
    for inner in concat(try([for branch in outer.state.Branches : branch], []), try([outer.state.ItemProcessor], []), try([outer.state.Iterator], [])) : [
      for name, state in try({ for name, state in inner.States : name => state }, {}) : { name = name, state = state, within = concat([outer.name], outer.within) }
  ]]])
  _states_2 = flatten([for outer in local._states_1 : [
    for inner in concat(try([for branch in outer.state.Branches : branch], []), try([outer.state.ItemProcessor], []), try([outer.state.Iterator], [])) : [
      for name, state in try({ for name, state in inner.States : name => state }, {}) : { name = name, state = state, within = concat([outer.name], outer.within) }
  ]]])
  _states_3 = flatten([for outer in local._states_2 : [
    for inner in concat(try([for branch in outer.state.Branches : branch], []), try([outer.state.ItemProcessor], []), try([outer.state.Iterator], [])) : [
      for name, state in try({ for name, state in inner.States : name => state }, {}) : { name = name, state = state, within = concat([outer.name], outer.within) }
  ]]])
  _states_4 = flatten([for outer in local._states_3 : [
    for inner in concat(try([for branch in outer.state.Branches : branch], []), try([outer.state.ItemProcessor], []), try([outer.state.Iterator], [])) : [
      for name, state in try({ for name, state in inner.States : name => state }, {}) : { name = name, state = state, within = concat([outer.name], outer.within) }
  ]]])
  _too_deep = flatten([for outer in local._states_4 : [
    for inner in concat(try([for branch in outer.state.Branches : branch], []), try([outer.state.ItemProcessor], []), try([outer.state.Iterator], [])) : outer.name
  ]])

  # Of a name that two states have, which AWS refuses, the outer one.
  _every_state = { for found in concat(local._states_0, local._states_1, local._states_2, local._states_3, local._states_4) : found.name => found... }

  # Failures are followed through the top level and two levels of nesting; opsctl lint follows them in every depth.
  _followed = toset(concat(local._states_0, local._states_1, local._states_2)[*].name)

  states = { for name in local._followed : name => {
    within = local._every_state[name][0].within
    type   = try(coalesce(tostring(local._every_state[name][0].state.Type)), "")
    next   = try(tostring(local._every_state[name][0].state.Next), null)
    starts = [
      for inner in concat(try([for branch in local._every_state[name][0].state.Branches : branch], []), try([local._every_state[name][0].state.ItemProcessor], []), try([local._every_state[name][0].state.Iterator], [])) :
      tostring(inner.StartAt) if try(tostring(inner.StartAt) != null, false)
    ]
    choices = compact(concat(try([for rule in local._every_state[name][0].state.Choices : try(tostring(rule.Next), null)], []), try([tostring(local._every_state[name][0].state.Default)], [])))
    catches = [for catch in try([for catch in local._every_state[name][0].state.Catch : catch], []) : {
      errors = try([for error in catch.ErrorEquals : tostring(error)], [])
      next   = try(coalesce(tostring(catch.Next)), "")
      # What it hands on is the state's own input, so that nothing tells what happened.
      traceless = !can(catch.Assign) && (try(catch.ResultPath == null, false) || can(regex("^\\{%\\s*\\$states\\s*\\.\\s*input\\s*%\\}$", catch.Output)))
    }]
    resource = try(tostring(local._every_state[name][0].state.Resource), "")
    function = try(tostring(local._every_state[name][0].state.Parameters.FunctionName), tostring(local._every_state[name][0].state.Arguments.FunctionName), "")
  } }

  # Uncaught is a state of whose failures, or time limits, a Catch takes none.
  _uncaught = toset([
    for name, state in local.states : name
    if !anytrue([for all in [["States.ALL"], ["States.TaskFailed", "States.Timeout"]] : length(setsubtract(all, flatten(state.catches[*].errors))) == 0])
  ])

  # What a job or a function that fails by itself raises. A Catch of anything else takes an error that its author expected.
  _generic_errors = ["States.ALL", "States.HeartbeatTimeout", "States.TaskFailed", "States.Timeout"]
  _generic = { for name, state in local.states : name => [
    for catch in state.catches : catch if length(setintersection(catch.errors, local._generic_errors)) > 0
  ] }
}
