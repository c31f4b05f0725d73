# Each rule of the variables is broken once: a run breaks one rule of several variables, each of which must be refused. With
# what words, and for which further values, test_variables.py says.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "refused_1" {
  command = plan

  variables {
    deployment               = { approval = { timeout = 59 } }
    alarms                   = { failure = 1 }
    base_models              = { image = null, text = null }
    batch                    = { timeout = 59 }
    champion                 = { direction = "max" }
    dataset                  = "runs/sample/"
    definitions              = { nightly = {} }
    encryption               = { deletion_window_days = 6 }
    logs                     = { level = "DEBUG" }
    notifications            = { emails = ["oncall"] }
    permissions_boundary_arn = "boundary"
    storage                  = { noncurrent_days = 0 }
    training                 = { spot = true, warm_pool_seconds = 60 }
    versions                 = { keep = 0 }
  }

  expect_failures = [var.deployment, var.alarms, var.base_models, var.batch, var.champion, var.dataset, var.definitions, var.encryption, var.logs, var.notifications, var.permissions_boundary_arn, var.storage, var.training, var.versions]
}

run "refused_2" {
  command = plan

  variables {
    deployment    = { instance = { type = "m5.large" } }
    alarms        = { throttles = 0 }
    base_models   = { layout = null }
    batch         = { attempts = 0 }
    champion      = { least_improvement = -0.01 }
    definitions   = { training = { alarms = { dead_letters = 1 } } }
    encryption    = { kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/mine" }
    logs          = { retention_days = 0 }
    notifications = { subscriptions = { one = { protocol = "sms", endpoint = "a@example.com", topics = ["failures"] } } }
    storage       = { access_log_bucket = "s3://logs" }
    training      = { spot_wait = -1 }
  }

  expect_failures = [var.deployment, var.alarms, var.base_models, var.batch, var.champion, var.definitions, var.encryption, var.logs, var.notifications, var.storage, var.training]
}

run "refused_3" {
  command = plan

  variables {
    deployment    = { instance = { count = 0 } }
    alarms        = { days_without_success = 91 }
    base_models   = { Layout = { script = "text.py" } }
    batch         = { spot_retries = 10 }
    champion      = { metric = "f1" }
    definitions   = { training = { alarms = { failures = 0 } } }
    notifications = { subscriptions = { one = { protocol = "email", endpoint = "oncall", topics = ["failures"] } } }
    storage       = { bulk_concurrency = 0 }
  }

  expect_failures = [var.deployment, var.alarms, var.base_models, var.batch, var.champion, var.definitions, var.notifications, var.storage]
}

run "refused_4" {
  command = plan

  variables {
    deployment    = { poll_seconds = 0 }
    base_models   = { a_model_of_19_chars = { script = "text.py" } }
    batch         = { queue = "gpus" }
    definitions   = { training = { on_failure = "retried" } }
    notifications = { subscriptions = { one = { protocol = "email", endpoint = "a@example.com", topics = [] } } }
    storage       = { admin_role_arns = ["*"] }
  }

  expect_failures = [var.deployment, var.base_models, var.batch, var.definitions, var.notifications, var.storage]
}

run "refused_5" {
  command = plan

  variables {
    deployment      = { startup_timeout = 59 }
    base_models     = { sequence = { script = "text.py" } }
    batch           = { service_linked_roles = ["ec2.amazonaws.com"] }
    definitions_dir = "./tests/terraform/definitions/elsewhere"
    notifications   = { subscriptions = { one = { protocol = "email", endpoint = "a@example.com", topics = ["failures"], filter_policy = "[]" } } }
  }

  expect_failures = [var.deployment, var.base_models, var.batch, var.definitions_dir, var.notifications]
}

run "refused_6" {
  command = plan

  variables {
    deployment           = { timeout = 30001 }
    inference            = { instance = { type = "m5.large" } }
    base_models          = { text = { instance = { type = "m5.large" } } }
    compute_environments = {}
    definitions_dir      = "./tests/terraform/definitions/twice"
    notifications        = { subscriptions = { one = { protocol = "email", endpoint = "a@example.com", topics = ["failures"], filter_policy_scope = "Body" } } }
  }

  expect_failures = [var.deployment, var.inference, var.base_models, var.compute_environments, var.definitions_dir, var.notifications]
}

run "refused_7" {
  command = plan

  variables {
    deployment           = { smoke_test = { least_accuracy = 1.1 } }
    inference            = { instance = { count = 0 } }
    base_models          = { text = { max_runtime = 59 } }
    compute_environments = { On_Demand = {} }
    definitions_dir      = "./tests/terraform/definitions/misnamed"
    notifications        = { emails = ["a@example.com"], subscriptions = { one = { protocol = "email", endpoint = "a@example.com", topics = ["failures"] } } }
  }

  expect_failures = [var.deployment, var.inference, var.base_models, var.compute_environments, var.definitions_dir, var.notifications]
}

run "refused_8" {
  command = plan

  variables {
    deployment           = { smoke_test = { most_seconds = 61 } }
    inference            = { max_concurrent = 6 }
    base_models          = { text = { compute = "kubernetes" } }
    compute_environments = { one = { kind = "gpu" } }
    definitions_dir      = "./tests/terraform/definitions/taken"
    notifications        = { runbooks_url = "https://example.com/runbooks" }
  }

  expect_failures = [var.deployment, var.inference, var.base_models, var.compute_environments, var.definitions_dir, var.notifications]
}

run "refused_9" {
  command = plan

  variables {
    definitions_dir      = "./tests/terraform/definitions/capitals"
    deployment           = { smoke_test = { stacks = 11 } }
    inference            = { max_runtime = 59 }
    code                 = "no/such/folder"
    compute_environments = { one = { instance_types = ["m6i.large"] } }
  }

  expect_failures = [var.definitions_dir, var.deployment, var.inference, var.code, var.compute_environments]
}

run "refused_10" {
  command = plan

  variables {
    base_models          = { text = { compute = "activity", spot = true } }
    deployment           = { vpc = true }
    inference            = { vpc = true }
    compute_environments = { one = { kind = "ec2", instance_types = ["ml.m5.large"] } }
    evaluate             = { instance = { type = "m5.large" } }
    triggers             = { data = { patterns = [] } }
  }

  expect_failures = [var.base_models, var.deployment, var.inference, var.compute_environments, var.evaluate, var.triggers]
}

run "refused_11" {
  command = plan

  variables {
    base_models          = { text = { heartbeat = 60 } }
    compute_environments = { one = { max_vcpus = 0 } }
    evaluate             = { max_runtime = 1 }
    triggers             = { data = { patterns = ["datasets/*/_READY", "runs/*/manifest.json"] } }
  }

  expect_failures = [var.base_models, var.compute_environments, var.evaluate, var.triggers]
}

run "refused_12" {
  command = plan

  variables {
    network              = { vpc_id = null, subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    compute_environments = { one = { kind = "ec2", volume_gb = 29 } }
    evaluate             = { compute = "batch" }
    triggers             = { data = { patterns = ["datasets/**/_READY"] } }
  }

  expect_failures = [var.network, var.compute_environments, var.evaluate, var.triggers]
}

run "refused_13" {
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", subnet_ids = [], security_group_ids = ["sg-1"] }
    job_queues     = { Fast = ["fargate"] }
    sequence_model = { instance = { type = "" } }
    triggers       = { data = { while_running = "queue" } }
  }

  expect_failures = [var.network, var.job_queues, var.sequence_model, var.triggers]
}

run "refused_14" {
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", subnet_ids = ["subnet-0", "subnet-1", "subnet-2", "subnet-3", "subnet-4", "subnet-5", "subnet-6", "subnet-7", "subnet-8", "subnet-9", "subnet-10", "subnet-11", "subnet-12", "subnet-13", "subnet-14", "subnet-15", "subnet-16"], security_group_ids = ["sg-1"] }
    job_queues     = { default = ["gpus"] }
    sequence_model = { max_runtime = 9999999 }
    triggers       = { schedule = { expression = "rate(1 day)", while_running = null, machine = "bulk" } }
  }

  expect_failures = [var.network, var.job_queues, var.sequence_model, var.triggers]
}

run "refused_15" {
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], endpoints = ["ec2"] }
    job_queues     = { default = [] }
    sequence_model = { compute = "ec2" }
    triggers       = { data = { input = "skip" } }
  }

  expect_failures = [var.network, var.job_queues, var.sequence_model, var.triggers]
}

run "refused_16" {
  command = plan

  variables {
    network              = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], endpoints = ["s3"] }
    compute_environments = { a = {}, b = { kind = "ec2" } }
    job_queues           = { default = ["a", "b"] }
    triggers             = { data = { input = { data = { source = "s3://b/datasets/x/" } } } }
  }

  expect_failures = [var.network, var.job_queues, var.triggers]
}

run "refused_17" {
  command = plan

  variables {
    network  = { vpc_id = "production", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    batch    = { vcpus = 3 }
    triggers = { schedule = { expression = "cron(0 2 * * *)" } }
  }

  expect_failures = [var.network, var.batch, var.triggers]
}

run "refused_18" {
  command = plan

  variables {
    batch                = { vcpus = 0.5 }
    compute_environments = { one = { kind = "ec2" } }
    triggers             = { schedule = { expression = "rate(1 day)", timezone = "Central European Time" } }
  }

  expect_failures = [var.batch, var.triggers]
}

run "refused_19" {
  command = plan

  variables {
    batch    = { image = "" }
    triggers = { schedule = { expression = "rate(1 day)", flexible_minutes = 1441 } }
  }

  expect_failures = [var.batch, var.triggers]
}

run "refused_20" {
  command = plan

  variables {
    batch    = { source_buckets = ["*"] }
    triggers = { schedule = { expression = "rate(1 day)", start = "tomorrow" } }
  }

  expect_failures = [var.batch, var.triggers]
}

run "refused_21" {
  command = plan

  variables {
    triggers = { schedule = { expression = "rate(1 day)", start = "2026-12-01T00:00:00Z", end = "2026-11-01T00:00:00Z" } }
  }

  expect_failures = [var.triggers]
}

run "refused_22" {
  command = plan

  variables {
    triggers = { schedule = { expression = "rate(1 day)", retry = { attempts = 186 } } }
  }

  expect_failures = [var.triggers]
}

run "refused_23" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "refused_24" {
  command = plan

  variables {
    name = "Documents"
  }

  expect_failures = [var.name]
}

run "refused_25" {
  command = plan

  variables {
    name = ""
  }

  expect_failures = [var.name]
}
