# Private endpoints, so that jobs in subnets without NAT reach AWS. Each lets only this account's own principals through;
# what they may do is said by their roles.

locals {
  _endpoints   = var.network == null ? toset([]) : var.network.endpoints
  _interfaces  = setsubtract(local._endpoints, ["s3"])
  _gateways    = setintersection(local._endpoints, ["s3"])
  _with_groups = length(local._interfaces) > 0 ? local._given : {}
}

data "aws_iam_policy_document" "interface" {
  for_each = local._interfaces

  statement {
    sid     = "OwnPrincipalsOnly"
    actions = ["${local.services[each.key]}:*"]
    # Whatever the service knows: images of AWS's own containers, for one, lie in other accounts.
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local._interfaces

  vpc_id              = var.network.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.current.name}.${each.key}"
  vpc_endpoint_type   = "Interface"
  policy              = data.aws_iam_policy_document.interface[each.key].json
  private_dns_enabled = true
  security_group_ids  = [for group in aws_security_group.endpoints : group.id]
  subnet_ids          = var.network.subnet_ids
  tags                = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  for_each = local._with_groups

  name        = "${var.name}-endpoints"
  description = "Private endpoints: HTTPS from the jobs comes in, nothing goes out"
  vpc_id      = each.value.vpc_id

  ingress {
    description     = "The jobs"
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    security_groups = each.value.security_group_ids
  }
}

data "aws_iam_policy_document" "s3" {
  #checkov:skip=CKV_AWS_283:An endpoint's policy bounds what may be asked through it; who may ask is said by the roles and the bucket.
  for_each = local._gateways

  statement {
    sid     = "DataOfOwnPrincipals"
    actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject*", "s3:ListBucket*", "s3:PutObject*"]
    resources = flatten([
      for bucket in concat([var.bucket], var.source_buckets) :
      ["arn:${data.aws_partition.current.partition}:s3:::${bucket}", "arn:${data.aws_partition.current.partition}:s3:::${bucket}/*"]
    ])
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
  statement {
    sid     = "LayersOfImages"
    actions = ["s3:GetObject"]
    # Where ECR keeps the layers of images; it fetches them with presigned addresses of its own account.
    resources = ["arn:${data.aws_partition.current.partition}:s3:::prod-${data.aws_region.current.name}-starport-layer-bucket/*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  for_each = local._gateways

  vpc_id            = var.network.vpc_id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  policy            = data.aws_iam_policy_document.s3[each.key].json
  route_table_ids   = var.network.route_table_ids
  tags              = { Name = "${var.name}-s3" }
}
