# To work: what a machine outside AWS needs to train a base model (opsctl worker with training/workstation.py), and nothing
# of what people may do.

data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "FetchTasks"
    actions   = ["states:GetActivityTask"]
    resources = ["arn:${local._partition}:states:${local._here}:activity:${var.name}-*"]
  }
  statement {
    sid     = "AnswerTasks"
    actions = ["states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess"]
    # A task token is all that these actions know.
    resources = ["*"]
  }
  statement {
    sid       = "FindInputsOfTasks"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }
  statement {
    sid       = "ReadInputsOfTasks"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/code/*", "${local.bucket_arn}/runs/*"]
  }
  statement {
    sid       = "WriteModelsAndCheckpoints"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arn}/runs/*"]
  }
  statement {
    sid       = "ReadAndWriteEncryptedObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
  statement {
    sid       = "ReadEncryptedTasks"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:states:activityArn"
      values   = ["arn:${local._partition}:states:${local._here}:activity:${var.name}-*"]
    }
  }
}
