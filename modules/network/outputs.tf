output "assign_public_ip" {
  description = "Whether Fargate jobs get a public address."
  value       = var.network == null ? true : var.network.assign_public_ip
}

output "endpoints" {
  description = "Ids of the private endpoints by service."
  value       = { for key, endpoint in merge(aws_vpc_endpoint.interface, aws_vpc_endpoint.s3) : key => endpoint.id }
}

output "security_group_ids" {
  description = "Security groups of the jobs."
  value       = var.network == null ? [for group in aws_security_group.jobs : group.id] : sort(var.network.security_group_ids)
}

output "subnet_ids" {
  description = "Subnets of the jobs."
  value       = var.network == null ? sort(flatten([for subnets in data.aws_subnets.default : subnets.ids])) : sort(var.network.subnet_ids)
}
