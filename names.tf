# The names and ARNs of what definitions refer to, built from var.name alone. So they are known while planning, and a plan
# can check what a definition renders to; the resources' own attributes are known only after the first apply. Where
# something must be there first, depends_on says so.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  bucket = "${var.name}-${local.account}-${local.region}"

  functions = toset(["bulk_batch", "champion_gate", "days_without_success", "describe_failure", "prepare_deployment", "prepare_inference", "prepare_run", "prune_versions", "settle_deployment", "smoke_test", "start_run"])

  alias    = "live"   # what runs of each machine start on
  endpoint = var.name # what opsctl predict asks

  arns = {
    activities     = { for key, model in local.base_models : key => "arn:${local.partition}:states:${local._here}:activity:${var.name}-${model.slug}" if model.compute == "activity" }
    aliases        = { for stem, name in local.machines : stem => "arn:${local.partition}:states:${local._here}:stateMachine:${name}:${local.alias}" }
    endpoint_role  = "arn:${local.partition}:iam::${local.account}:role/${var.name}-endpoint"
    functions      = { for key in local.functions : key => "arn:${local.partition}:lambda:${local._here}:function:${var.name}-${replace(key, "_", "-")}" }
    job_definition = "arn:${local.partition}:batch:${local._here}:job-definition/${module.batch.job_definition_name}" # whatever its revision
    job_queues     = { for key in keys(local.job_queues) : key => "arn:${local.partition}:batch:${local._here}:job-queue/${key == "default" ? var.name : "${var.name}-${key}"}" }
    machines       = { for stem, name in local.machines : stem => "arn:${local.partition}:states:${local._here}:stateMachine:${name}" }
    topics         = { for kind in ["approvals", "failures", "successes"] : kind => "arn:${local.partition}:sns:${local._here}:${var.name}-${kind}" }
    training_role  = "arn:${local.partition}:iam::${local.account}:role/${var.name}-training-job"
    transform_role = "arn:${local.partition}:iam::${local.account}:role/${var.name}-transform-job"
  }

  # Each machine's name by the stem of its definition's file.
  machines = { for stem in keys(local.definitions) : stem => "${var.name}-${stem}" }

  # The key's alias where the module makes the key, whose own ARN is not known before. SageMaker takes both.
  kms_key_arn = coalesce(var.encryption.kms_key_arn, "arn:${local.partition}:kms:${local._here}:alias/${var.name}")

  _here = "${local.region}:${local.account}"
}
