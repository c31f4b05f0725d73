# The job that fetches the data. On Spot capacity an attempt that lost its host is repeated, `spot_retries` more times than
# the script itself may fail. Batch counts attempts, not why they ended: the bootstrap knows the attempt's number, and ends
# with TRY_AGAIN where the script may fail once more.

locals {
  # Either all environments of a queue are Fargate's or none is.
  _on_fargate = alltrue([for key in var.queues[var.job.queue] : local._environments[key].fargate])
  _on_spot    = anytrue([for key in var.queues[var.job.queue] : contains(["fargate-spot", "spot"], var.environments[key].kind)])

  attempts = local._on_spot ? min(10, var.job.attempts + var.job.spot_retries) : var.job.attempts

  # A definition for other platforms has another name: deleting one deregisters every revision of its name.
  job_definition = "${var.name}-fetch-preprocessed-data${local._on_fargate ? "" : "-on-ec2"}"

  _try_again = 75 # EX_TEMPFAIL of sysexits.h

  # In this order. An attempt that never came to an exit code, such as one whose image was not to be had, is repeated too:
  # where no rule matches, Batch does so.
  _retry_rules = !local._on_spot ? [] : [
    { on_status_reason = "Host EC2*", on_exit_code = null, action = "RETRY" },
    { on_status_reason = "Your Spot Task was interrupted*", on_exit_code = null, action = "RETRY" },
    { on_status_reason = null, on_exit_code = tostring(local._try_again), action = "RETRY" },
    { on_status_reason = null, on_exit_code = "*", action = "EXIT" },
  ]
}

resource "aws_batch_job_definition" "fetch" {
  name                  = local.job_definition
  type                  = "container"
  platform_capabilities = [local._on_fargate ? "FARGATE" : "EC2"]
  propagate_tags        = true

  container_properties = jsonencode(merge(
    {
      image            = var.job.image
      command          = ["python3", "-c", file("${path.module}/bootstrap.py")]
      jobRoleArn       = aws_iam_role.job.arn
      executionRoleArn = aws_iam_role.execution.arn
      environment = concat([{ name = "PYTHONPATH", value = "/var/runtime" }], local._on_spot ? [
        { name = "SCRIPT_ATTEMPTS", value = tostring(var.job.attempts) },
        { name = "TRY_AGAIN", value = tostring(local._try_again) },
      ] : [])
      resourceRequirements = [
        { type = "VCPU", value = tostring(var.job.vcpus) },
        { type = "MEMORY", value = tostring(var.job.memory_mb) },
      ]
    },
    local._on_fargate ? { networkConfiguration = { assignPublicIp = var.network.assign_public_ip ? "ENABLED" : "DISABLED" } } : {},
  ))

  retry_strategy {
    attempts = local.attempts

    dynamic "evaluate_on_exit" {
      for_each = local._retry_rules

      content {
        action           = evaluate_on_exit.value.action
        on_exit_code     = evaluate_on_exit.value.on_exit_code
        on_status_reason = evaluate_on_exit.value.on_status_reason
      }
    }
  }

  timeout {
    attempt_duration_seconds = var.job.timeout
  }

  lifecycle {
    create_before_destroy = true
  }
}
