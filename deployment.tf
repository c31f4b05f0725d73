# What the deployment machine is told: what var.deployment says, with the container and the names that follow from it.

locals {
  # How AWS's container wants to be told where the handlers are (sagemaker-inference toolkit).
  _handlers = { SAGEMAKER_PROGRAM = "inference.py", SAGEMAKER_SUBMIT_DIRECTORY = "/opt/ml/model/code" }

  _serving = {
    image = coalesce(var.deployment.image, can(regex(local._with_gpus, var.deployment.instance.type)) ? module.images.inference.gpu : module.images.inference.cpu)
    vpc   = coalesce(var.deployment.vpc, var.network != null)
  }

  deployment = {
    approval     = var.deployment.approval
    bucket       = local.bucket
    endpoint     = local.endpoint
    image        = local._serving.image
    instance     = var.deployment.instance
    machine      = lookup(local.machines, "training", "${var.name}-training")
    poll_seconds = var.deployment.poll_seconds
    polls        = ceil(var.deployment.timeout / var.deployment.poll_seconds)
    prefix       = var.name
    role         = local.arns.endpoint_role
    smoke_test   = var.deployment.smoke_test
    timeout      = var.deployment.timeout
    training     = "arn:${local.partition}:states:${local._here}:stateMachine:${lookup(local.machines, "training", "${var.name}-training")}"

    environment     = merge(local._handlers, var.deployment.environment)
    options         = local._serving.vpc ? { VpcConfig = { SecurityGroupIds = module.network.security_group_ids, Subnets = module.network.subnet_ids } } : {}
    startup_timeout = var.deployment.startup_timeout

    # As for training jobs (jobs.tf): only a key's own ARN, and not for disks that encrypt themselves.
    volume_key = var.encryption.kms_key_arn != null && !can(regex(local._own_disks, var.deployment.instance.type)) ? var.encryption.kms_key_arn : null
  }
}
