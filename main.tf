# The pipeline, room by room. Region and credentials come from the provider's environment; every name derives from var.name.

locals {
  steps = concat(["fetch-preprocessed-data"], values(local.base_models)[*].slug, ["train-sequence-model", "evaluate"])

  # Whose results each step reads: what it is given as channels in the definition.
  needs = merge({ for model in local.base_models : model.slug => ["fetch-preprocessed-data"] }, {
    train-sequence-model = concat(["fetch-preprocessed-data"], values(local.base_models)[*].slug)
    evaluate             = concat(["fetch-preprocessed-data"], values(local.base_models)[*].slug, ["train-sequence-model"])
  })

  hyperparameters = merge(
    { for key, model in local.base_models : model.hyperparameters_key => model.hyperparameters },
    { sequence_model = local.sequence_model.hyperparameters, evaluate = var.evaluate.hyperparameters },
  )

  default_data_source = "s3://${local.bucket}/${var.dataset}"
}

module "encryption" {
  source = "./modules/encryption"

  name                 = var.name
  deletion_window_days = var.encryption.deletion_window_days
  kms_key_arn          = var.encryption.kms_key_arn
  volumes              = local.on_instances
}

module "storage" {
  source = "./modules/storage"

  name               = var.name
  access_log_bucket  = var.storage.access_log_bucket
  admin_role_arns    = var.storage.admin_role_arns
  code               = coalesce(var.code, "${path.module}/training")
  force_destroy      = var.storage.force_destroy
  kms_key_arn        = module.encryption.key_arn
  noncurrent_days    = var.storage.noncurrent_days
  operator_role_arns = var.storage.operator_role_arns
  pipeline_role_arns = [
    module.batch.job_role_arn, module.functions.role_arns.bulk_batch, module.functions.role_arns.prepare_run,
    module.training_role.arn,
  ]
}

module "notifications" {
  source = "./modules/notifications"

  name          = var.name
  emails        = var.notifications.emails
  kms_key_arn   = module.encryption.key_arn
  subscriptions = var.notifications.subscriptions
}

module "network" {
  source = "./modules/network"

  name           = var.name
  bucket         = local.bucket
  network        = var.network
  source_buckets = var.batch.source_buckets
}

module "batch" {
  source = "./modules/batch"

  name                 = var.name
  bucket               = module.storage.bucket
  environments         = local.compute_environments
  job                  = var.batch
  network              = module.network
  queues               = local.job_queues
  service_linked_roles = var.batch.service_linked_roles
  source_buckets       = var.batch.source_buckets

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "training_role" {
  source = "./modules/training-role"

  name   = var.name
  bucket = module.storage.bucket
  images = [for job in local._jobs : job.image if job.image != null]
  vpc    = anytrue([for job in local.jobs : job.vpc])

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "functions" {
  source = "./modules/functions"

  name             = var.name
  bucket           = module.storage.bucket
  dead_letters_arn = module.notifications.dead_letters.arn
  log_retention    = var.logs.retention_days
  machines         = values(local.machines)
  packages         = "${path.module}/functions/dist"
  source_buckets   = var.batch.source_buckets
  topic_arns       = module.notifications.topic_arns
  triggers = { for kind, trigger in var.triggers : kind => trigger == null ? null : {
    input         = trigger.input
    start         = local.arns.aliases[trigger.machine]
    while_running = trigger.while_running
  } }

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

locals {
  # What machines call is there, and may do its work, before they are made or changed.
  before_machines = concat(values(module.functions.arns), values(module.notifications.topic_arns), values(module.batch.job_queues), [
    module.batch.job_definition, module.storage.bucket, module.storage.code_prefix, module.training_role.arn,
  ])
}

module "training" {
  source = "./modules/state-machine"

  name = local.machines.training
  definition = templatefile("${path.module}/definitions/training.asl.json.tftpl", {
    base_models     = { for key in keys(local.base_models) : key => local.jobs[key] }
    batch           = { job_definition = local.arns.job_definition, job_queue = local.arns.job_queues[var.batch.queue], state_timeout = module.batch.state_timeout }
    evaluate        = local.jobs["evaluate"]
    functions       = local.arns.functions
    kms_key         = local.kms_key_arn
    last_base_model = reverse(keys(local.base_models))[0]
    machine         = local.machines.training
    partition       = local.partition
    pipeline = {
      bucket              = local.bucket
      code_prefix         = module.storage.code_prefix
      default_data_source = local.default_data_source
      hyperparameters     = local.hyperparameters
      needs               = local.needs
      steps               = local.steps
    }
    sequence_model = local.jobs["sequence_model"]
    topics         = local.arns.topics
    training_role  = local.arns.training_role
  })
  after  = local.before_machines
  alerts = { dead_letters_arn = module.notifications.dead_letters.arn, function_arn = module.functions.arns.describe_failure }
  logs   = var.logs

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn

  versions = { alias = local.alias, keep = var.versions.keep, prune_function = local.arns.functions.prune_versions }

  uses = {
    batch     = { job_definition = local.arns.job_definition, job_queue = local.arns.job_queues[var.batch.queue] }
    functions = [local.arns.functions.describe_failure, local.arns.functions.prepare_run]
    topics    = [local.arns.topics.failures, local.arns.topics.successes]
    training = {
      jobs = [for step in local.steps : "*-${step}-d*r*" if step != "fetch-preprocessed-data"]
      role = local.arns.training_role
    }
  }
}

# What opsctl hands manifests of more objects to than one machine should delete or copy.
module "bulk" {
  source = "./modules/state-machine"

  name = local.machines.bulk
  definition = templatefile("${path.module}/definitions/bulk.asl.json.tftpl", {
    bucket          = local.bucket
    functions       = local.arns.functions
    machine         = local.machines.bulk
    max_concurrency = var.storage.bulk_concurrency
    partition       = local.partition
    topics          = local.arns.topics
  })
  after  = local.before_machines
  alerts = { dead_letters_arn = module.notifications.dead_letters.arn, function_arn = module.functions.arns.describe_failure }
  logs   = var.logs

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn

  versions = { alias = local.alias, keep = var.versions.keep, prune_function = local.arns.functions.prune_versions }

  uses = {
    functions = [local.arns.functions.bulk_batch, local.arns.functions.describe_failure]
    maps      = { bucket = local.bucket, prefix = "audit/" }
    topics    = [local.arns.topics.failures]
  }
}

module "triggers" {
  source = "./modules/triggers"
  count  = var.triggers.data == null && var.triggers.schedule == null ? 0 : 1

  name             = var.name
  after            = [module.training.arn]
  bucket           = module.storage.bucket
  dead_letters_arn = module.notifications.dead_letters.arn
  function_arn     = module.functions.arns.start_run
  schedule         = var.triggers.schedule
  data = var.triggers.data == null ? null : {
    machine_arn = local.arns.machines[var.triggers.data.machine]
    patterns    = var.triggers.data.patterns
  }

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}
