# One definition: rendered (template.tf), taken apart (states.tf), looked through for errors that nobody would hear of
# (failures.tf), and for what its machine's role must allow (grants.tf). It creates nothing: problems fail the plan.

locals {
  problems = local._text == null || local.definition == null ? concat(local._taken_problems, local._unknown_problems, local._json_problems) : concat(
    local._taken_problems, local._shape_problems, local._missing_problems, local._silent_problems, local._unknown_grants,
  )

  _taken_problems = [for name in local._taken :
    "${var.file}: ${var.settings}.variables has ${name}, which is one of the module's own variables for templates. Choose another name."
  ]
  _shape_problems = concat(
    can(local.definition.States[local.definition.StartAt]) ? [] : [
      "${var.file}: the definition has no state to start at. Give it States, and StartAt with the name of one of them."
    ],
    [for name, found in local._every_state : "${var.file}, state ${jsonencode(name)}: a state is an object with a Type. Write one."
    if !try(found[0].state.Type != null, false)],
    flatten([for name, found in local._every_state : [for field in ["Branches", "Catch", "Choices"] :
      "${var.file}, state ${jsonencode(name)}: its ${field} must be a list of objects. Put it between [ and ]."
    if can(found[0].state[field]) && !can([for one in found[0].state[field] : keys(one)])]]),
    [for name, found in local._every_state : "${var.file}, state ${jsonencode(name)}: its Type is ${jsonencode(found[0].state.Type)}, and there is no such type. Write one of ${join(", ", local._types)}."
    if try(found[0].state.Type != null && !contains(local._types, found[0].state.Type), false)],
    flatten([for name, found in local._every_state : [for type, field in { Choice = "Choices", Parallel = "Branches" } :
      "${var.file}, state ${jsonencode(name)}: a ${type} needs at least one object in its ${field}. Write what it ${type == "Choice" ? "chooses by" : "runs"}, or take the state out."
    if try(found[0].state.Type == type, false) && (!can(found[0].state[field]) || try(length(found[0].state[field]) == 0, false))]]),
    [for name, found in local._every_state : "${var.file}, state ${jsonencode(name)}: a Map needs an ItemProcessor. Write one, with the States that each item goes through, and StartAt with the name of one of them."
    if try(found[0].state.Type == "Map", false) && !can(keys(found[0].state.ItemProcessor)) && !can(keys(found[0].state.Iterator))],
    flatten([for name, found in local._every_state : [
      for inner in concat(try([for branch in found[0].state.Branches : branch if can(keys(branch))], []), try([found[0].state.ItemProcessor], []), try([found[0].state.Iterator], [])) :
      "${var.file}, state ${jsonencode(name)}: what it runs has no state to start at. Give it States, and StartAt with the name of one of them."
      if !can(inner.States[inner.StartAt]) && try(contains(keys(local._every_state), inner.StartAt), true)
    ]]),
  )
  _types = ["Choice", "Fail", "Map", "Parallel", "Pass", "Succeed", "Task", "Wait"]

  pipeline = try([
    for name, call in local.calls : { for field in ["hyperparameters", "needs", "steps"] : field => local._every_state[name][0].state.Parameters.Payload.pipeline[field] }
    if try(local._functions[name] == var.template.functions.prepare_run, false)
  ][0], null)
}
