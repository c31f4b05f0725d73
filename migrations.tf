# Where resources of earlier versions are now, so that an upgrade keeps them.

# Unreleased: machines come from any number of definitions.
moved {
  from = module.bulk
  to   = module.machines["bulk"]
}

moved {
  from = module.training
  to   = module.machines["training"]
}
