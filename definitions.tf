# The definitions: every *.asl.json.tftpl and *.asl.json of the shipped folder and of var.definitions_dir is a machine. A
# file of one's own goes before a shipped one of the same stem, and null in var.definitions leaves a definition out.

locals {
  _shipped_definitions = {
    for file in fileset("${path.module}/definitions", "*.asl.{json,json.tftpl}") : split(".", file)[0] => "${path.module}/definitions/${file}"
  }
  _own_definitions = {
    for file in var.definitions_dir == null ? toset([]) : fileset(var.definitions_dir, "*.asl.{json,json.tftpl}") : split(".", file)[0] => "${var.definitions_dir}/${file}"...
  }
  _definition_stems = setunion(keys(local._shipped_definitions), keys(local._own_definitions))

  definitions = { for stem in local._definition_stems : stem => {
    alarms      = merge(local.alarms, contains(keys(local._own_definitions), stem) ? {} : lookup(local._shipped_alarms, stem, {}), try(var.definitions[stem].alarms, {}))
    file        = try(local._own_definitions[stem][0], local._shipped_definitions[stem])
    on_failure  = try(var.definitions[stem].on_failure, "caught")
    policies    = merge(contains(keys(local._own_definitions), stem) ? {} : lookup(local._shipped_policies, stem, {}), try(var.definitions[stem].policies, {}))
    status_rule = try(var.definitions[stem].status_rule, true)
    variables   = try(var.definitions[stem].variables, {})
  } if contains(keys(var.definitions), stem) ? var.definitions[stem] != null : !contains(local._after_training, stem) || try(var.definitions["training"] != null, true) }

  # What works on the models of the training machine goes where that goes.
  _after_training = [for stem in ["inference"] : stem if !contains(keys(local._own_definitions), stem)]

  # Machines that may go without a success for longer than CloudWatch looks back: a function measures how long it is.
  measured = sort([for stem, definition in local.definitions : stem if try(definition.alarms.days_without_success > 7, false)])

  # A deployment waits for a person, who takes as long as it takes.
  _shipped_alarms = {
    deployment = { longer_than_usual = null }
  }

  # What no definition can say of itself: manifests and results lie below audit/, under names that the run is given.
  _shipped_policies = {
    bulk = { "Work Through Manifest" = data.aws_iam_policy_document.manifests.json }
  }

  # What every template may use: definitions/README.md says what each is, modules/definition types it.
  template = {
    account        = local.account
    aliases        = local.arns.aliases
    base_models    = { for key in keys(local.base_models) : key => local.jobs[key] }
    bucket         = local.bucket
    deployment     = local.deployment
    bulk           = { max_concurrency = var.storage.bulk_concurrency }
    champion       = var.champion
    evaluate       = local.jobs["evaluate"]
    functions      = local.arns.functions
    inference      = local.inference
    kms_key        = local.kms_key_arn
    machines       = local.arns.machines
    partition      = local.partition
    region         = local.region
    sequence_model = local.jobs["sequence_model"]
    topics         = local.arns.topics
    training_role  = local.arns.training_role
    batch = {
      job_definition = local.arns.job_definition
      job_queue      = local.arns.job_queues[var.batch.queue]
      job_queues     = local.arns.job_queues
      state_timeout  = module.batch.state_timeout
    }
    pipeline = {
      bucket              = local.bucket
      code_prefix         = module.storage.code_prefix
      default_data_source = local.default_data_source
      hyperparameters     = local.hyperparameters
      needs               = local.needs
      steps               = local.steps
    }
  }
}

data "aws_iam_policy_document" "manifests" {
  statement {
    sid       = "ReadItemsAndWriteResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.bucket}/audit/*"]
  }
}
