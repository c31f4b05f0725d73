# Who may use the key: the account's roles as far as their own policies say, and those services that encrypt in their own
# name, each for this pipeline's resources only.

locals {
  # In a key's policy "*" means the key itself (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html).
  _itself = ["*"]

  _partition = data.aws_partition.current.partition
  _account   = data.aws_caller_identity.current.account_id
  _region    = data.aws_region.current.name
  _here      = "${local._region}:${local._account}"

  _log_groups = [
    for name in ["/aws/batch/${var.name}*", "/aws/lambda/${var.name}-*", "/aws/vendedlogs/states/${var.name}-*"] :
    "arn:${local._partition}:logs:${local._here}:log-group:${name}"
  ]
  _queues = ["arn:${local._partition}:sqs:${local._here}:${var.name}-*"]
  _topics = ["arn:${local._partition}:sns:${local._here}:${var.name}-*"]
}

# What a key that is brought must allow services too.
data "aws_iam_policy_document" "services" {
  statement {
    sid       = "LetLogsEncryptThePipelinesLogGroups"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = local._itself
    principals {
      type        = "Service"
      identifiers = ["logs.${local._region}.${data.aws_partition.current.dns_suffix}"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = local._log_groups
    }
  }
  statement {
    sid = "LetAlarmsAndEventsReachThePipelinesTopics"
    # For EventBridge, SNS supports neither aws:SourceArn nor aws:SourceAccount; the topic's ARN says which topic it is
    # (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = local._itself
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.${data.aws_partition.current.dns_suffix}"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:sns:topicArn"
      values   = local._topics
    }
  }
  statement {
    sid       = "LetUndeliveredMessagesReachThePipelinesQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = local._itself
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com", "sns.${data.aws_partition.current.dns_suffix}"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:sqs:arn"
      values   = local._queues
    }
  }

  dynamic "statement" {
    for_each = var.volumes ? [var.name] : []
    content {
      sid = "LetInstancesMountTheirVolumes"
      # EC2 asks in the name of whoever starts instances for Batch: a service-linked role, which a key's policy may name
      # only once it is there. AWS's own key for volumes is open in the same way.
      actions   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"]
      resources = local._itself
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:CallerAccount"
        values   = [local._account]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ec2.${local._region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "key" {
  source_policy_documents = [data.aws_iam_policy_document.services.json]

  statement {
    sid = "LetTheAccountsPoliciesSayWhoAdministers"
    actions = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
      "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:Get*", "kms:List*", "kms:PutKeyPolicy",
      "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
      "kms:UpdateAlias", "kms:UpdateKeyDescription",
    ]
    resources = local._itself
    principals {
      type        = "AWS"
      identifiers = ["arn:${local._partition}:iam::${local._account}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local._account]
    }
  }
  statement {
    sid       = "LetTheAccountsPoliciesSayWhoUsesIt"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = local._itself
    principals {
      type        = "AWS"
      identifiers = ["arn:${local._partition}:iam::${local._account}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local._account]
    }
  }
  statement {
    sid       = "LetServicesKeepUsingItForWhoeverMayUseIt"
    actions   = ["kms:CreateGrant"]
    resources = local._itself
    principals {
      type        = "AWS"
      identifiers = ["arn:${local._partition}:iam::${local._account}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local._account]
    }
    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
}
