# Every change of the machine is a version of its own, and runs start where the alias leads: a run that was started while
# an apply was under way walks one definition or the other, never AWS's "latest, within some seconds".

resource "aws_sfn_alias" "live" {
  name        = var.versions.alias
  description = "Runs of ${var.name} start here; SHA-256 of the definition: ${sha256(var.definition)}"

  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.this.state_machine_version_arn
    weight                    = 100
  }
}

# Terraform forgets a version as soon as it publishes the next one, and AWS keeps them all: the function deletes what is
# older than the newest `keep` and in nobody's use. It is called once for each version, after the alias has moved.
resource "aws_lambda_invocation" "prune" {
  function_name = var.versions.prune_function
  input         = jsonencode({ keep = var.versions.keep, machine = aws_sfn_state_machine.this.arn })
  triggers      = { version = aws_sfn_state_machine.this.state_machine_version_arn }

  depends_on = [aws_sfn_alias.live]
}
