# The endpoints that jobs, functions and agents here may need, and the prefix of the actions that go through each.

locals {
  services = {
    "batch"          = "batch"
    "ecr.api"        = "ecr"
    "ecr.dkr"        = "ecr"
    "ecs"            = "ecs"
    "ecs-agent"      = "ecs"
    "ecs-telemetry"  = "ecs"
    "events"         = "events"
    "kms"            = "kms"
    "lambda"         = "lambda"
    "logs"           = "logs"
    "monitoring"     = "cloudwatch"
    "sagemaker.api"  = "sagemaker"
    "secretsmanager" = "secretsmanager"
    "sns"            = "sns"
    "sqs"            = "sqs"
    "states"         = "states"
    "sts"            = "sts"
  }
}
