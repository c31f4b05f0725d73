data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LetSchedulesOfThisAccountTakeTheRole"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name                 = "${var.name}-scheduler"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "CallTheFunctionThatStartsRuns"
    actions   = ["lambda:InvokeFunction"]
    resources = [var.function_arn]
  }
  statement {
    sid       = "KeepWhatTheFunctionCouldNotBeGiven"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letters_arn]
  }
  # For the schedules, which are encrypted, and for what the queue encrypts
  # (https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html).
  statement {
    sid       = "ReadSchedulesAndEncryptWhatIsKept"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "call"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}
