# The one key: data, logs, messages and volumes are encrypted with it. Either it is brought, or it is made here.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  _own = var.kms_key_arn == null ? toset(["own"]) : toset([])

  key_arn = try(one(values(aws_kms_key.this)).arn, var.kms_key_arn)
}

resource "aws_kms_key" "this" {
  for_each = local._own

  description             = "Data, logs and messages of the pipeline ${var.name}"
  deletion_window_in_days = var.deletion_window_days
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.key.json
}

# What definitions name the key by: known before the key is there.
resource "aws_kms_alias" "this" {
  for_each = aws_kms_key.this

  name          = "alias/${var.name}"
  target_key_id = each.value.key_id
}
