# Fargate: the fetch job is small and rare, so no instances are kept, patched or waited for.

resource "aws_batch_compute_environment" "this" {
  compute_environment_name = var.name
  type                     = "MANAGED"

  compute_resources {
    type               = "FARGATE"
    max_vcpus          = var.job.max_vcpus
    subnets            = local.subnet_ids
    security_group_ids = local.security_group_ids
  }
}

resource "aws_batch_job_queue" "this" {
  name     = var.name
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this.arn
  }
}

resource "aws_batch_job_definition" "fetch" {
  name                  = "${var.name}-fetch-preprocessed-data"
  type                  = "container"
  platform_capabilities = ["FARGATE"]
  propagate_tags        = true

  container_properties = jsonencode({
    image            = var.job.image
    command          = ["python3", "-c", file("${path.module}/bootstrap.py")]
    jobRoleArn       = aws_iam_role.job.arn
    executionRoleArn = aws_iam_role.execution.arn
    environment      = [{ name = "PYTHONPATH", value = "/var/runtime" }]
    resourceRequirements = [
      { type = "VCPU", value = tostring(var.job.vcpus) },
      { type = "MEMORY", value = tostring(var.job.memory_mb) },
    ]
    networkConfiguration = { assignPublicIp = local.assign_public_ip ? "ENABLED" : "DISABLED" }
  })

  retry_strategy {
    attempts = var.job.attempts
  }

  timeout {
    attempt_duration_seconds = var.job.timeout
  }
}
