output "key_policy" {
  description = "What the policy of a key that is brought (encryption.kms_key_arn) must hold besides the account's own use of it, in JSON: the statements for the services that encrypt in their own name."
  value       = module.encryption.services_policy
}

output "opsctl" {
  description = "Everything that the opsctl command needs to know of this deployment; its one contract with this module."
  value = {
    version             = 1
    name                = var.name
    region              = local.region
    account             = local.account
    bucket              = module.storage.bucket
    default_data_source = local.default_data_source
    topic               = module.notifications.topic_arns.failures
    topics              = module.notifications.topic_arns
    dead_letters        = module.notifications.dead_letters.url
    functions           = module.functions.memory_mb
    machines = { for stem, machine in module.machines : stem => {
      name            = machine.name
      arn             = machine.arn
      alias           = machine.alias
      log_group       = machine.log_group
      sha256          = sha256(module.definitions[stem].text)
      steps           = try(module.definitions[stem].pipeline.steps, [])
      needs           = try(module.definitions[stem].pipeline.needs, {})
      hyperparameters = try(module.definitions[stem].pipeline.hyperparameters, {})
    } }
  }
  # Whoever reads this may start a run at once: not before the roles may do what the run needs.
  depends_on = [module.batch, module.functions, module.machines, module.notifications, module.storage, module.training_role, module.transform_role]
}
