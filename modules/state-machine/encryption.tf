# What the key's encryption asks of the machine: its messages, and what its Maps read and write, are encrypted by the
# services that keep them, in the machine's name.

locals {
  # A distributed Map reads and writes S3, whatever else says where.
  _encrypting = distinct(concat(
    [for service in ["dynamodb", "s3", "sns", "sqs"] : service if anytrue([for grant in var.grants : startswith(grant.actions[0], "${service}:")])],
    contains(keys(var.grants), "StartChildren") ? ["s3"] : [],
  ))
}

data "aws_iam_policy_document" "encryption" {
  dynamic "statement" {
    for_each = length(local._encrypting) > 0 ? [local._encrypting] : []
    content {
      sid       = "UseTheKeyForMessagesAndItems"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for service in sort(statement.value) : "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
  # Step Functions encrypts a task's input for its worker in the machine's name
  # (https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html).
  dynamic "statement" {
    for_each = length(var.activities) > 0 ? [var.activities] : []
    content {
      sid       = "UseTheKeyForTasksOfWorkers"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:states:activityArn"
        values   = statement.value
      }
    }
  }
}
