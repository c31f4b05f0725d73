# Without a network of its own the job runs in the default VPC, whose subnets are public: it needs a public address to
# pull its image and to reach S3. In private subnets both go through NAT or VPC endpoints.

locals {
  _default = var.network == null ? toset(["default"]) : toset([])

  assign_public_ip   = var.network == null ? true : var.network.assign_public_ip
  security_group_ids = var.network == null ? [for group in aws_security_group.this : group.id] : var.network.security_group_ids
  subnet_ids         = var.network == null ? sort(flatten([for subnets in data.aws_subnets.this : subnets.ids])) : var.network.subnet_ids
}

data "aws_vpc" "this" {
  for_each = local._default

  default = true
}

data "aws_subnets" "this" {
  for_each = data.aws_vpc.this

  filter {
    name   = "vpc-id"
    values = [each.value.id]
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

resource "aws_security_group" "this" {
  for_each = data.aws_vpc.this

  name        = "${var.name}-batch"
  description = "The fetch job: nothing comes in, only HTTPS goes out"
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
