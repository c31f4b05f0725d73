# What there is to hear of: runs that failed, approvals that are waited for, runs that succeeded. Subscribers filter by the
# message attributes machine, run, step, status and kind.

locals {
  topics = toset(["approvals", "failures", "successes"])
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.kms_key_arn
}
