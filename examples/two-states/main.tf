# The next step: a second state trains a model on what the first one copied. `epochs` is a variable of the template's own.

module "pipeline" {
  source = "../.."

  name            = var.name
  definitions     = { deployment = null, training = null, two-states = { variables = { epochs = "6" } } }
  definitions_dir = "${path.module}/definitions"
  storage         = { force_destroy = var.force_destroy }

  # Whatever trains, on however little: the sample data needs no GPU.
  base_models = { text = { instance = { type = "ml.m5.xlarge" } } }
}
