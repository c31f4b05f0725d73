locals {
  _account   = data.aws_caller_identity.current.account_id
  _partition = data.aws_partition.current.partition
  _here      = "${data.aws_region.current.name}:${local._account}"

  _bucket_arn = "arn:${local._partition}:s3:::${var.bucket}"
  _logs_arn   = "arn:${local._partition}:logs:${local._here}:log-group:${var.log_group}"
  _objects    = { for what, keys in var.objects : what => [for key in keys : "${local._bucket_arn}/${key}"] }

  # 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/image:tag names an account, a region and a repository.
  _repositories = [
    for image in var.images : regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[^/]+/(?P<name>[^:@]+)", image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.[^/]+/[^:@]+", image))
  ]
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "FindObjects"
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadObjects"
    actions   = ["s3:GetObject"]
    resources = local._objects.read
  }
  dynamic "statement" {
    for_each = length(var.objects.write) > 0 ? [local._objects.write] : []
    content {
      sid       = "WriteObjects"
      actions   = ["s3:PutObject"]
      resources = statement.value
    }
  }
  dynamic "statement" {
    for_each = length(var.objects.drop) > 0 ? [local._objects.drop] : []
    content {
      sid = "DropObjects"
      # SageMaker deletes a checkpoint in S3 when the script deletes the local file.
      actions   = ["s3:DeleteObject"]
      resources = statement.value
    }
  }
  statement {
    sid = "UseTheKeyOfObjects"
    # Not through S3 alone: SageMaker itself asks whether the role may encrypt what a job is given a key for.
    actions   = concat(["kms:Decrypt"], length(var.objects.write) > 0 ? ["kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"] : [])
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
    sid     = "PullImages"
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = distinct([
      for repository in local._repositories : "arn:${local._partition}:ecr:${repository.region}:${repository.account}:repository/${repository.name}"
    ])
  }
  statement {
    sid     = "LogInToRegistries"
    actions = ["ecr:GetAuthorizationToken"]
    # The action knows no resources.
    resources = ["*"]
  }

  # What SageMaker asks of a role whose containers run in a VPC
  # (https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html).
  dynamic "statement" {
    for_each = var.vpc ? ["vpc"] : []
    content {
      sid = "JoinTheVpc"
      actions = [
        "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
      ]
      resources = [for kind in ["network-interface", "security-group", "subnet"] : "arn:${local._partition}:ec2:${local._here}:${kind}/*"]
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
  name   = var.kind
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
