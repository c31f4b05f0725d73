output "activities" {
  description = "ARNs of the activities whose workers the definition gives tasks to."
  value       = sort(distinct([for call in local.calls : call.resource if can(regex("^arn:[^:]*:states:[^:]+:[0-9]+:activity:", call.resource))]))
}

output "grants" {
  description = "What the machine's role must allow: actions and resources by the name of the statement, and to which service a role is passed."
  value       = local.grants
}

output "pipeline" {
  description = "The steps, needs and hyperparameters that the definition hands to the function prepare_run; null if it does not."
  value       = local.pipeline
}

output "problems" {
  description = "What is wrong with the definition, each in one line with file, state and remedy."
  value       = local.problems
}

output "text" {
  description = "The definition as it runs."
  value       = local._text

  precondition {
    condition     = length(local.problems) == 0
    error_message = join("\n", local.problems)
  }
}
