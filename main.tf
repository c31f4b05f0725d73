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

module "images" {
  source = "./modules/images"
}

module "training_role" {
  source = "./modules/sagemaker-role"

  name      = var.name
  bucket    = module.storage.bucket
  images    = concat(values(module.images.training), compact([for job in local._jobs : job.image]))
  kind      = "training-job"
  log_group = "/aws/sagemaker/TrainingJobs"
  vpc       = anytrue([for job in local.jobs : job.vpc])

  # Not every definition copies the code first.
  objects = { read = ["runs/*", "code/*"], write = ["runs/*"], drop = ["runs/*/checkpoints/*"] }

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "transform_role" {
  source = "./modules/sagemaker-role"

  name      = var.name
  bucket    = module.storage.bucket
  images    = concat(values(module.images.inference), compact([var.inference.image]))
  kind      = "transform-job"
  log_group = "/aws/sagemaker/TransformJobs"
  objects   = { read = ["runs/*"], write = ["runs/*"] }
  vpc       = local._scores_in_vpc

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "endpoint_role" {
  source = "./modules/sagemaker-role"

  name      = var.name
  bucket    = module.storage.bucket
  images    = concat(values(module.images.inference), compact([var.deployment.image]))
  kind      = "endpoint"
  log_group = "/aws/sagemaker/Endpoints/${local.endpoint}"
  objects   = { read = ["runs/*"] }
  vpc       = local._serving.vpc

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
}

# What workers outside AWS ask for tasks, one for each base model with compute = "activity".
module "activities" {
  source   = "./modules/activity"
  for_each = local.arns.activities

  name        = split(":", each.value)[6]
  kms_key_arn = module.encryption.key_arn
}

module "functions" {
  source = "./modules/functions"

  name             = var.name
  bucket           = module.storage.bucket
  dead_letters_arn = module.notifications.dead_letters.arn
  endpoint         = local.endpoint
  log_retention    = var.logs.retention_days
  machines         = values(local.machines)
  measured         = [for stem in local.measured : local.arns.machines[stem]]
  network          = try(var.network.functions, false) ? module.network : null
  packages         = "${path.module}/functions/dist"
  runbooks_url     = var.notifications.runbooks_url
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

module "access" {
  source = "./modules/access"

  name            = var.name
  bucket          = local.bucket
  create_policies = var.access.create_policies
  functions       = ["${var.name}-*"] # by the beginning of their names: a managed policy has no room for each
  jobs            = [for step in local.steps : "*-${step}-d*r*" if step != "fetch-preprocessed-data"]
  kms_key_arn     = module.encryption.key_arn
  log_groups = [
    "/aws/batch/job", "/aws/lambda/${var.name}-*", "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/TransformJobs",
    "/aws/vendedlogs/states/${var.name}-*",
  ]
  machines = values(local.machines)
}

locals {
  # What machines call is there, and may do its work, before they are made or changed.
  before_machines = concat(values(module.functions.arns), values(module.notifications.topic_arns), values(module.batch.job_queues), values(module.activities)[*].arn, [
    module.batch.job_definition, module.endpoint_role.arn, module.storage.bucket, module.storage.code_prefix, module.training_role.arn,
    module.transform_role.arn,
  ])
}

# Each definition, checked while planning.
module "definitions" {
  source   = "./modules/definition"
  for_each = local.definitions

  file        = each.value.file
  on_failure  = each.value.on_failure
  policies    = each.value.policies
  settings    = "definitions.${each.key}"
  status_rule = each.value.status_rule
  template    = merge(local.template, { machine = local.machines[each.key], on_failure = each.value.on_failure })
  variables   = each.value.variables
}

# Among them bulk: what opsctl hands manifests of more objects to than one machine should delete or copy.
module "machines" {
  source   = "./modules/state-machine"
  for_each = local.definitions

  name       = local.machines[each.key]
  activities = module.definitions[each.key].activities
  after      = local.before_machines
  alerts     = { dead_letters_arn = module.notifications.dead_letters.arn, function_arn = module.functions.arns.describe_failure, status_rule = each.value.status_rule }
  definition = module.definitions[each.key].text
  grants     = module.definitions[each.key].grants
  logs       = var.logs
  policies   = distinct(values(each.value.policies))

  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = var.permissions_boundary_arn

  versions = { alias = local.alias, keep = var.versions.keep, prune_function = local.arns.functions.prune_versions }
}

module "triggers" {
  source = "./modules/triggers"
  count  = var.triggers.data == null && var.triggers.schedule == null ? 0 : 1

  name             = var.name
  after            = values(module.machines)[*].arn
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

module "alarms" {
  source = "./modules/alarms"

  name         = var.name
  dead_letters = { arn = module.notifications.dead_letters.arn, queue = module.notifications.dead_letters.name, threshold = local.alarms.dead_letters }
  functions    = [for key in sort(local.functions) : "${var.name}-${replace(key, "_", "-")}"]
  job_queues   = [for arn in values(local.arns.job_queues) : split("/", arn)[1]]
  machines     = { for stem, name in local.machines : stem => { arn = local.arns.machines[stem], name = name, thresholds = local.definitions[stem].alarms } }
  measure      = length(local.measured) == 0 ? null : { function_arn = module.functions.arns.days_without_success, machines = local.measured }
  runbooks_url = var.notifications.runbooks_url
  topic_arn    = module.notifications.topic_arns.failures
}
