# What the key's encryption asks of each function: what it reads, writes or publishes is encrypted by the service that keeps
# it, in the function's name; so is its environment, by Lambda, where it has one.

locals {
  _encrypting_services = {
    bulk_batch         = ["s3"]
    champion_gate      = ["s3"]
    describe_failure   = ["s3", "sns"]
    prepare_deployment = ["s3"]
    prepare_inference  = ["s3"]
    prepare_run        = ["s3"]
    settle_deployment  = ["s3"]
    smoke_test         = ["s3"]
    start_run          = ["s3"]
  }
}

data "aws_iam_policy_document" "encryption" {
  for_each = { for key, services in local._encrypting_services : key => services if contains(keys(local.names), key) }

  statement {
    sid       = "UseTheKeyForItsWork"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in each.value : "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
  dynamic "statement" {
    for_each = length(local._functions[each.key].environment) > 0 ? ["environment"] : []
    content {
      sid       = "ReadItsOwnEnvironment"
      actions   = ["kms:Decrypt"]
      resources = [var.kms_key_arn]
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
        values   = ["arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:function:${local.names[each.key]}"]
      }
    }
  }
}

resource "aws_iam_role_policy" "encryption" {
  for_each = data.aws_iam_policy_document.encryption

  name   = "encryption"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.json
}
