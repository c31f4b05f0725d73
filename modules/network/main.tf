# Where jobs run. Without a network of its own the pipeline uses the default VPC, whose subnets are public: a job needs a
# public address to pull its image and to reach S3. In private subnets both go through NAT or through private endpoints.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  _default = var.network == null ? toset(["default"]) : toset([])
  _given   = var.network == null ? {} : { given = var.network }
}

data "aws_vpc" "default" {
  for_each = local._default

  default = true
}

data "aws_subnets" "default" {
  for_each = data.aws_vpc.default

  filter {
    name   = "vpc-id"
    values = [each.value.id]
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

# Asked for by the VPC and by their ids, so that subnets of another VPC are found out before anything is made.
data "aws_subnets" "given" {
  for_each = local._given

  filter {
    name   = "vpc-id"
    values = [each.value.vpc_id]
  }
  filter {
    name   = "subnet-id"
    values = each.value.subnet_ids
  }

  lifecycle {
    postcondition {
      condition     = length(setsubtract(each.value.subnet_ids, self.ids)) == 0
      error_message = "network.subnet_ids must lie in the VPC network.vpc_id (${each.value.vpc_id}): these do not, or do not exist: ${join(", ", setsubtract(each.value.subnet_ids, self.ids))}."
    }
  }
}

resource "aws_security_group" "jobs" {
  #checkov:skip=CKV2_AWS_5:It is attached to the compute environments, by way of an output that checkov does not follow.
  for_each = data.aws_vpc.default

  name        = "${var.name}-jobs"
  description = "Batch jobs: nothing comes in, only HTTPS goes out"
  vpc_id      = each.value.id

  egress {
    description      = "Image registry, S3 and CloudWatch Logs, whose addresses change"
    from_port        = 443
    to_port          = 443
    protocol         = "tcp"
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
}
