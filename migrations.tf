# Where addresses have changed since the last release. What is not here has got another name as well and is made anew:
# CHANGELOG.md says what.

# 0.1 -> next: environments and queues are maps.
moved {
  from = module.batch.aws_batch_compute_environment.this
  to   = module.batch.aws_batch_compute_environment.this["fargate"]
}

moved {
  from = module.batch.aws_batch_job_queue.this
  to   = module.batch.aws_batch_job_queue.this["default"]
}

# The jobs' security group belongs to the network. It is replaced, but after its successor is in use.
moved {
  from = module.batch.aws_security_group.this
  to   = module.network.aws_security_group.jobs
}

# The rules of the trigger for data are a map.
moved {
  from = module.triggers[0].aws_cloudwatch_event_rule.arrived[0]
  to   = module.triggers[0].aws_cloudwatch_event_rule.this["data-arrived"]
}

moved {
  from = module.triggers[0].aws_cloudwatch_event_target.arrived[0]
  to   = module.triggers[0].aws_cloudwatch_event_target.this["data-arrived"]
}

moved {
  from = module.triggers[0].aws_lambda_permission.arrived[0]
  to   = module.triggers[0].aws_lambda_permission.this["data-arrived"]
}

# Each definition file makes a machine.
moved {
  from = module.bulk
  to   = module.machines["bulk"]
}

moved {
  from = module.training
  to   = module.machines["training"]
}
