# A state machine of your own beside the shipped ones: it looks for new documents, asks a person, and starts a training.
# Its role is derived from what it calls.

module "pipeline" {
  source = "../.."

  name            = var.name
  definitions     = { review = { variables = { inbox = var.inbox } } }
  definitions_dir = "${path.module}/definitions"
  storage         = { force_destroy = var.force_destroy }
}
