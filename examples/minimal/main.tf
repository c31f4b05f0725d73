# The smallest machine: one state, a Batch job that copies the data set. It catches nothing: when the state fails, the rule
# on the execution's status sends the alert, and `opsctl redrive` resumes the state.

module "pipeline" {
  source = "../.."

  name            = var.name
  definitions     = { deployment = null, training = null } # the shipped ones
  definitions_dir = "${path.module}/definitions"
  storage         = { force_destroy = var.force_destroy }
}
