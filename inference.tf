# What the inference machine is told: what var.inference says, with the container, the role and the names that follow from it.

locals {
  _scores_in_vpc = coalesce(var.inference.vpc, var.network != null)

  inference = {
    environment    = merge(local._handlers, var.inference.environment)
    image          = coalesce(var.inference.image, can(regex(local._with_gpus, var.inference.instance.type)) ? module.images.inference.gpu : module.images.inference.cpu)
    machine        = lookup(local.machines, "training", "${var.name}-training")
    max_concurrent = var.inference.max_concurrent
    max_payload_mb = var.inference.max_payload_mb
    max_runtime    = var.inference.max_runtime
    options        = local._scores_in_vpc ? { VpcConfig = { SecurityGroupIds = module.network.security_group_ids, Subnets = module.network.subnet_ids } } : {}
    role           = local.arns.transform_role

    # As for training jobs (jobs.tf): only a key's own ARN, and not for disks that encrypt themselves.
    resources = merge(
      { InstanceCount = var.inference.instance.count, InstanceType = var.inference.instance.type },
      var.encryption.kms_key_arn != null && !can(regex(local._own_disks, var.inference.instance.type)) ? { VolumeKmsKeyId = var.encryption.kms_key_arn } : {},
    )
  }
}
