# Jobs and functions in private subnets of a VPC that is there already (here: of vpc.tf), which reach AWS through private
# endpoints and nothing else. `batch.image` must then lie in a private ECR repository.

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
    route_table_ids    = [aws_route_table.private.id]
    security_group_ids = [aws_security_group.jobs.id]
    subnet_ids         = values(aws_subnet.private)[*].id
    vpc_id             = aws_vpc.this.id
  }
}
