# Jobs and functions in private subnets of a VPC that is there already, which reach AWS through private endpoints and
# nothing else. `image` must then lie in a private ECR repository.

module "pipeline" {
  source = "../.."

  name    = var.name
  batch   = { image = var.image }
  storage = { force_destroy = var.force_destroy }

  network = {
    endpoints = [
      "batch", "ecr.api", "ecr.dkr", "kms", "lambda", "logs", "monitoring", "s3", "sagemaker.api", "sns", "sqs", "states", "sts",
    ]
    functions          = true
    route_table_ids    = var.route_table_ids
    security_group_ids = [aws_security_group.jobs.id]
    subnet_ids         = var.subnet_ids
    vpc_id             = var.vpc_id
  }
}

resource "aws_security_group" "jobs" {
  #checkov:skip=CKV2_AWS_5:Jobs and functions have it, which the module makes.
  name        = "${var.name}-jobs"
  description = "Jobs and functions: nothing comes in, only HTTPS goes out"
  vpc_id      = var.vpc_id

  egress {
    description = "AWS by private endpoints, and S3 by its gateway, whose addresses change"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
