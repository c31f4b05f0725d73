# Compute environments. Batch changes most of an environment in place; what it cannot change is in the name, so that a
# replacement is made beside the old one, the queues are led to it, and only then the old one goes: a queue never points
# at nothing. No service role is set: with one, or with the strategy BEST_FIT, no change in place would be possible.

locals {
  _types = { ec2 = "EC2", fargate = "FARGATE", fargate-spot = "FARGATE_SPOT", spot = "SPOT" }

  _environments = { for key, environment in var.environments : key => merge(environment, {
    type    = local._types[environment.kind]
    fargate = startswith(environment.kind, "fargate")
    images  = startswith(environment.kind, "fargate") ? [] : local._images[key]
  }) }

  # AWS's own machine images, by whether there are instances with and without NVIDIA's GPUs among the types.
  _images = { for key, environment in var.environments : key => compact([
    anytrue([for type in environment.instance_types : !can(regex(local._gpu, type))]) ? "ECS_AL2023" : "",
    anytrue([for type in environment.instance_types : can(regex(local._gpu, type))]) ? "ECS_AL2023_NVIDIA" : "",
  ]) }
  _gpu = "^(g[0-9]|p[0-9])"

  _names = { for key, environment in local._environments : key =>
    "${var.name}-${key}-${substr(sha256(jsonencode([environment.type, environment.images])), 0, 6)}"
  }

  _on_instances = { for key, environment in local._environments : key => environment if !environment.fargate }
}

resource "aws_batch_compute_environment" "this" {
  for_each = local._environments

  compute_environment_name = local._names[each.key]
  type                     = "MANAGED"

  compute_resources {
    type                = each.value.type
    allocation_strategy = each.value.fargate ? null : each.value.kind == "spot" ? "SPOT_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE"
    instance_role       = each.value.fargate ? null : one(values(aws_iam_instance_profile.this)[*].arn)
    instance_type       = each.value.fargate ? null : each.value.instance_types
    max_vcpus           = each.value.max_vcpus
    min_vcpus           = each.value.fargate ? null : each.value.min_vcpus
    security_group_ids  = var.network.security_group_ids
    subnets             = var.network.subnet_ids

    dynamic "ec2_configuration" {
      for_each = each.value.images

      content {
        image_type = ec2_configuration.value
      }
    }

    dynamic "launch_template" {
      for_each = each.value.fargate ? [] : [aws_launch_template.this[each.key]]

      content {
        launch_template_id = launch_template.value.id
        version            = launch_template.value.latest_version
      }
    }
  }

  # An update of instances lets jobs that run on them go on for as long as an attempt may take.
  dynamic "update_policy" {
    for_each = each.value.fargate ? [] : [min(360, ceil(var.job.timeout / 60))]

    content {
      job_execution_timeout_minutes = update_policy.value
      terminate_jobs_on_update      = false
    }
  }

  lifecycle {
    create_before_destroy = true
  }

  # Without its permissions an environment cannot take its instances down, and is stuck while it is deleted.
  depends_on = [aws_iam_role_policy.instance]
}
