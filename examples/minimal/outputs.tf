output "opsctl" {
  description = "What the opsctl command needs to know of this deployment."
  value       = module.pipeline.opsctl
}
