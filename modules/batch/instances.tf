# What EC2 and Spot environments start their instances with: encrypted disks, and instance metadata for the instance alone
# (IMDSv2, one hop: a job's container has its own role and cannot take the instance's).

resource "aws_launch_template" "this" {
  for_each = local._on_instances

  name                   = "${var.name}-${each.key}"
  update_default_version = true

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      delete_on_termination = true
      encrypted             = true
      kms_key_id            = var.kms_key_arn
      volume_size           = each.value.volume_gb
      volume_type           = "gp3"
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_put_response_hop_limit = 1
    http_tokens                 = "required"
  }

  monitoring {
    enabled = true
  }
}

locals {
  _instances = length(local._on_instances) > 0 ? toset(["instances"]) : toset([])
}

data "aws_iam_policy_document" "instance_trust" {
  for_each = local._instances

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  for_each = local._instances

  name                 = "${var.name}-batch-instance"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.instance_trust[each.key].json
}

# The ECS agent's work, of which AWS's own policy AmazonEC2ContainerServiceforEC2Role allows more.
data "aws_iam_policy_document" "instance" {
  for_each = local._instances

  statement {
    sid       = "JoinTheCluster"
    actions   = ["ecs:DeregisterContainerInstance", "ecs:RegisterContainerInstance", "ecs:Submit*"]
    resources = ["arn:${data.aws_partition.current.partition}:ecs:${local._here}:cluster/*"]
  }
  statement {
    sid       = "HearFromTheCluster"
    actions   = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"]
    resources = ["arn:${data.aws_partition.current.partition}:ecs:${local._here}:container-instance/*"]
  }
  statement {
    sid     = "FindTheCluster"
    actions = ["ec2:DescribeTags", "ecs:DiscoverPollEndpoint"]
    # The actions know no resources.
    resources = ["*"]
  }
  statement {
    sid       = "TagContainerInstances"
    actions   = ["ecs:TagResource"]
    resources = ["arn:${data.aws_partition.current.partition}:ecs:${local._here}:container-instance/*"]
    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterContainerInstance"]
    }
  }
  source_policy_documents = [data.aws_iam_policy_document.execution.json]
}

resource "aws_iam_role_policy" "instance" {
  for_each = data.aws_iam_policy_document.instance

  name   = "instance"
  role   = aws_iam_role.instance[each.key].id
  policy = each.value.json
}

resource "aws_iam_instance_profile" "this" {
  for_each = aws_iam_role.instance

  name = "${var.name}-batch-instance"
  role = each.value.name
}

# An account has one of each, which whoever uses the service first makes: here only on request.
resource "aws_iam_service_linked_role" "this" {
  for_each = var.service_linked_roles

  aws_service_name = each.key
}
