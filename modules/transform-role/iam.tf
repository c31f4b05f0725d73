locals {
  _bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
  _logs_arn   = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:/aws/sagemaker/TransformJobs"
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "FindInputs"
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadModelsAndDocuments"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/runs/*"]
  }
  statement {
    sid       = "WriteResults"
    actions   = ["s3:PutObject"]
    resources = ["${local._bucket_arn}/runs/*"]
  }
  statement {
    sid = "ReadAndWriteEncrypted"
    # Not through S3 alone: SageMaker itself asks whether the role may encrypt what a job is given a key for.
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }
  statement {
    sid       = "EncryptVolumes"
    actions   = ["kms:CreateGrant"]
    resources = [var.kms_key_arn]
    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [local._logs_arn, "${local._logs_arn}:*"]
  }
  statement {
    sid     = "WriteMetrics"
    actions = ["cloudwatch:PutMetricData"]
    # The action knows no resources; the condition narrows it.
    resources = ["*"]
    condition {
      test     = "StringLike"
      variable = "cloudwatch:namespace"
      values   = ["/aws/sagemaker/*"]
    }
  }
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = local.repository_arns
  }
  statement {
    sid     = "LogInToRegistries"
    actions = ["ecr:GetAuthorizationToken"]
    # The action knows no resources.
    resources = ["*"]
  }

  # What SageMaker asks of a role whose containers run in a VPC
  # (https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms).
  dynamic "statement" {
    for_each = var.vpc ? ["vpc"] : []
    content {
      sid = "JoinTheVpc"
      actions = [
        "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
      ]
      resources = [
        for kind in ["network-interface", "security-group", "subnet"] :
        "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:${kind}/*"
      ]
    }
  }
  dynamic "statement" {
    for_each = var.vpc ? ["vpc"] : []
    content {
      sid     = "FindTheVpc"
      actions = ["ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
      # The actions know no resources.
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "transform-job"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
