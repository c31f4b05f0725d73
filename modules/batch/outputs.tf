output "environments" {
  description = "Names of the compute environments by their keys."
  value       = local._names
}

output "job_definition" {
  # Without its revision: a run that is under way must find a definition after an apply has deregistered the one it knew.
  description = "ARN of the fetch job's definition, whatever its revision, once its roles may do their work."
  value       = aws_batch_job_definition.fetch.arn_prefix
  depends_on  = [aws_iam_role_policy.execution, aws_iam_role_policy.job]
}

output "job_definition_name" {
  description = "Name of the fetch job's definition, known while planning."
  value       = local.job_definition
}

output "job_queues" {
  description = "ARNs of the job queues by their keys."
  value       = { for key, queue in aws_batch_job_queue.this : key => queue.arn }
}

output "job_role_arn" {
  description = "ARN of the role that the job works as."
  value       = aws_iam_role.job.arn
}

output "state_timeout" {
  description = "Seconds after which a state that waits for the job gives up: all its attempts, and an hour for the queue."
  value       = local.attempts * var.job.timeout + 3600
}
