# The training jobs as the definition asks for them: what base_models, sequence_model and evaluate say, over what `training`
# says for all of them.

locals {
  _jobs = merge(local.base_models, {
    sequence_model = local.sequence_model
    evaluate = merge(var.evaluate, {
      metrics = coalesce(var.evaluate.metrics, toset([for model in concat(keys(local.base_models), ["average", "champion", "sequence"]) : "${model}_page_accuracy"]))
      script  = coalesce(var.evaluate.script, "evaluate.py")
    })
  })

  # A model that trains by an activity is no job of SageMaker's, and what is chosen for all of those does not bear on it.
  _on_sagemaker = { for key, job in local._jobs : key => job.compute == "sagemaker" }

  # The choices of each job, its own before those for all.
  _choices = { for key, job in local._jobs : key => {
    encrypt_traffic   = coalesce(job.encrypt_traffic, local._on_sagemaker[key] && var.training.encrypt_traffic)
    network_isolation = coalesce(job.network_isolation, local._on_sagemaker[key] && var.training.network_isolation)
    spot              = coalesce(job.spot, local._on_sagemaker[key] && var.training.spot)
    max_wait          = coalesce(job.max_wait, job.max_runtime + var.training.spot_wait)
    vpc               = coalesce(job.vpc, local._on_sagemaker[key] && var.network != null)
    warm_pool_seconds = coalesce(job.warm_pool_seconds, local._on_sagemaker[key] ? var.training.warm_pool_seconds : 0)
  } }

  _with_gpus = "^ml\\.[gp][0-9]"

  # Instances with disks of their own encrypt them themselves, and refuse a key
  # (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html).
  _own_disks = "^ml\\.(g4dn|g5|g6|g6e|g7|g7e|p3dn|p4d|p4de|p5|p5e|p5en|p6-b200|p6-b300|p6e-gb200|trn1|trn1n|trn2|[cmr][0-9]+[a-z]*d)\\."

  # What the definition needs of each job. A state outlives its job by an hour, for the wait for capacity and the upload.
  jobs = { for key, job in local._jobs : key => merge(job, local._choices[key], {
    activity   = lookup(local.arns.activities, key, null)
    image      = coalesce(job.image, can(regex(local._with_gpus, job.instance.type)) ? module.images.training.gpu : module.images.training.cpu)
    entrypoint = ["python3", "/opt/ml/input/data/code/${job.script}"]
    metrics    = [for metric in job.metrics : { Name = metric, Regex = "\\b${metric}=([-+0-9.eE]+)" }]
    options = merge(
      local._choices[key].spot ? { EnableManagedSpotTraining = true } : {},
      local._choices[key].network_isolation ? { EnableNetworkIsolation = true } : {},
      local._choices[key].encrypt_traffic ? { EnableInterContainerTrafficEncryption = true } : {},
      local._choices[key].vpc ? { VpcConfig = { SecurityGroupIds = module.network.security_group_ids, Subnets = module.network.subnet_ids } } : {},
    )
    resources = merge(
      { InstanceType = job.instance.type, InstanceCount = job.instance.count, VolumeSizeInGB = job.instance.volume_gb },
      local._choices[key].warm_pool_seconds > 0 ? { KeepAlivePeriodInSeconds = local._choices[key].warm_pool_seconds } : {},
      # Only a key's own ARN will do here, which of a key that the module makes is not known while planning: without it
      # SageMaker encrypts volumes with a key of its own.
      var.encryption.kms_key_arn != null && !can(regex(local._own_disks, job.instance.type)) ? { VolumeKmsKeyId = var.encryption.kms_key_arn } : {},
    )
    stopping = merge(
      { MaxRuntimeInSeconds = job.max_runtime },
      local._choices[key].spot ? { MaxWaitTimeInSeconds = local._choices[key].max_wait } : {},
    )
    state_timeout = (local._choices[key].spot ? local._choices[key].max_wait : job.max_runtime) + 3600
  }) }
}
