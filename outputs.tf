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
    machines = {
      bulk = {
        name            = module.bulk.name
        arn             = module.bulk.arn
        alias           = module.bulk.alias
        log_group       = module.bulk.log_group
        steps           = []
        needs           = {}
        hyperparameters = {}
      }
      training = {
        name            = module.training.name
        arn             = module.training.arn
        alias           = module.training.alias
        log_group       = module.training.log_group
        steps           = local.steps
        needs           = local.needs
        hyperparameters = local.hyperparameters
      }
    }
  }
  # Whoever reads this may start a run at once: not before the roles may do what the run needs.
  depends_on = [module.batch, module.bulk, module.functions, module.notifications, module.storage, module.training, module.training_role]
}
