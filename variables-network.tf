variable "network" {
  description = <<-EOT
    Where jobs run; without it Batch uses the default VPC's public subnets, and training jobs and functions run outside of
    any VPC. With it Batch jobs and training jobs run in `subnet_ids` of `vpc_id` with `security_group_ids` (a base model
    with `vpc = false` does not); with `functions`, the Lambda functions too. Security groups must let HTTPS out, and
    training jobs on several instances talk to each other. Subnets need NAT, or `assign_public_ip` (Fargate only), or
    private `endpoints`, which the module makes on request: any of s3 (a gateway, in `route_table_ids`), batch, ecr.api,
    ecr.dkr, ecs, ecs-agent, ecs-telemetry, events, kms, lambda, logs, monitoring, sagemaker.api, secretsmanager, sns, sqs,
    states and sts, each in one subnet of a zone. Without NAT, `batch.image` must lie in a private ECR repository: the
    default is in the public registry, which has no endpoint.
  EOT
  type = object({
    assign_public_ip   = optional(bool, false)
    endpoints          = optional(set(string), [])
    functions          = optional(bool, false)
    route_table_ids    = optional(set(string), [])
    security_group_ids = optional(set(string), [])
    subnet_ids         = optional(set(string), [])
    vpc_id             = optional(string)
  })
  default = null

  validation {
    condition     = var.network == null ? true : try(coalesce(var.network.vpc_id), null) != null
    error_message = "network names no VPC: set network.vpc_id to the VPC of network.subnet_ids, or leave network out to use the default VPC."
  }
  validation {
    # Security groups come last: until they are made, nothing behind them is known.
    condition = var.network == null ? true : alltrue([
      alltrue([for id in compact([var.network.vpc_id]) : can(regex("^vpc-[0-9a-z]+$", id))]),
      alltrue([for id in var.network.subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))]),
      alltrue([for id in var.network.route_table_ids : can(regex("^rtb-[0-9a-z]+$", id))]),
      alltrue([for id in var.network.security_group_ids : can(regex("^sg-[0-9a-z]+$", id))]),
    ])
    error_message = "network takes EC2's ids: vpc-0a1b2c3d for vpc_id, subnet-… in subnet_ids, sg-… in security_group_ids, rtb-… in route_table_ids; no names, no ARNs."
  }
  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) > 0 && length(var.network.security_group_ids) > 0
    error_message = "network needs at least one of subnet_ids and of security_group_ids, in network.vpc_id; leave network out to use the default VPC."
  }
  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) <= 16 && length(var.network.security_group_ids) <= 5
    error_message = "network takes at most 16 subnet_ids and 5 security_group_ids, SageMaker's limits."
  }
  validation {
    condition = var.network == null ? true : length(setsubtract(var.network.endpoints, [
      "batch", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "events", "kms", "lambda", "logs", "monitoring",
      "s3", "sagemaker.api", "secretsmanager", "sns", "sqs", "states", "sts",
    ])) == 0
    error_message = "network.endpoints knows s3, batch, ecr.api, ecr.dkr, ecs, ecs-agent, ecs-telemetry, events, kms, lambda, logs, monitoring, sagemaker.api, secretsmanager, sns, sqs, states and sts: leave others out, or make them outside of this module."
  }
  validation {
    condition     = var.network == null ? true : contains(var.network.endpoints, "s3") == (length(var.network.route_table_ids) > 0)
    error_message = "The S3 endpoint is a gateway: with \"s3\" in network.endpoints, name the subnets' route tables in network.route_table_ids, and only then."
  }
}
