# Stands for the VPC that you have: two private subnets without a way to the internet.

data "aws_availability_zones" "this" {
  state = "available"
}

resource "aws_vpc" "this" {
  cidr_block           = "10.20.0.0/16"
  enable_dns_hostnames = true # private endpoints are found by name
  tags                 = { Name = var.name }
}

resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id # with no rules: nothing uses it
}

resource "aws_subnet" "private" {
  for_each = { for index, zone in slice(data.aws_availability_zones.this.names, 0, 2) : zone => index }

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, each.value)
  tags              = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  route_table_id = aws_route_table.private.id
  subnet_id      = each.value.id
}

resource "aws_security_group" "jobs" {
  name        = "${var.name}-jobs"
  description = "Jobs and functions: nothing comes in, only HTTPS goes out"
  vpc_id      = aws_vpc.this.id

  egress {
    description = "AWS by private endpoints, and S3 by its gateway, whose addresses change"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
