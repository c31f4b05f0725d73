# What starts runs without a person: nothing by default; data and a schedule through one function.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "nothing_by_default" {
  command = plan

  assert {
    condition     = length(module.triggers) == 0 && !contains(keys(module.functions.arns), "start_run")
    error_message = "without a trigger there is no rule, no schedule, no notification and no function"
  }
}

run "data" {
  command = plan

  variables {
    triggers = { data = {} }
  }

  assert {
    condition = module.triggers[0].pattern == {
      source      = ["aws.s3"]
      detail-type = ["Object Created"]
      detail = {
        bucket = { name = ["documents-123456789012-us-east-1"] }
        object = { key = [{ wildcard = "datasets/*/_READY" }] }
      }
    }
    error_message = "by default the marker _READY of any folder below datasets/ starts a run"
  }
  assert {
    condition = jsondecode(module.functions.environments.start_run.TRIGGERS) == {
      data = {
        input         = {}
        start         = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
        while_running = "skip"
      }
      schedule = null
    }
    error_message = "the function must know what to start"
  }
  assert {
    condition     = module.triggers[0].schedules == tolist(["look-after-what-waits"])
    error_message = "what waits is looked after; there is no other schedule"
  }
}

run "a_schedule" {
  command = plan

  variables {
    name = "invoices"
    triggers = {
      schedule = {
        expression       = "cron(30 2 ? * MON-FRI *)"
        flexible_minutes = 15
        input            = { hyperparameters = { text_model = { epochs = 12 } }, skip = { evaluate = true } }
        timezone         = "Europe/Berlin"
        while_running    = "parallel"
      }
    }
  }

  assert {
    condition     = module.triggers[0].schedules == tolist(["start-run"]) && module.triggers[0].pattern == null
    error_message = "a schedule alone watches no data"
  }
  assert {
    condition = jsondecode(module.functions.environments.start_run.TRIGGERS).schedule == {
      input         = { hyperparameters = { text_model = { epochs = 12 } }, skip = { evaluate = true } }
      start         = "arn:aws:states:us-east-1:123456789012:stateMachine:invoices-training"
      while_running = "parallel"
    }
    error_message = "the run input must reach the function as it was given"
  }
}

run "both" {
  command = plan

  variables {
    triggers = {
      data     = { patterns = ["datasets/mortgages/*.zip", "datasets/*/_READY"], while_running = "parallel" }
      schedule = { expression = "rate(1 day)", start = "2026-12-01T00:00:00Z", end = "2027-12-01T00:00:00Z" }
    }
  }

  assert {
    condition     = module.triggers[0].schedules == tolist(["look-after-what-waits", "start-run"])
    error_message = "both at once"
  }
  assert {
    condition     = module.triggers[0].pattern.detail.object.key == [{ wildcard = "datasets/mortgages/*.zip" }, { wildcard = "datasets/*/_READY" }]
    error_message = "every pattern must be in the one rule"
  }
}

# Each rule of the variable is broken once.

run "patterns_none" {
  command = plan
  variables {
    triggers = { data = { patterns = [] } }
  }
  expect_failures = [var.triggers]
}

run "patterns_below_runs" {
  command = plan
  variables {
    triggers = { data = { patterns = ["datasets/*/_READY", "runs/*/manifest.json"] } }
  }
  expect_failures = [var.triggers]
}

run "patterns_that_match_runs_too" {
  command = plan
  variables {
    triggers = { data = { patterns = ["*/_READY"] } }
  }
  expect_failures = [var.triggers]
}

run "patterns_without_a_folder" {
  command = plan
  variables {
    triggers = { data = { patterns = ["datasets/*"] } }
  }
  expect_failures = [var.triggers]
}

run "patterns_with_two_stars" {
  command = plan
  variables {
    triggers = { data = { patterns = ["datasets/**/_READY"] } }
  }
  expect_failures = [var.triggers]
}

run "while_running_unknown" {
  command = plan
  variables {
    triggers = { data = { while_running = "queue" } }
  }
  expect_failures = [var.triggers]
}

run "machine_unknown" {
  command = plan
  variables {
    triggers = { schedule = { expression = "rate(1 day)", machine = "bulk" } }
  }
  expect_failures = [var.triggers]
}

run "input_no_object" {
  command = plan
  variables {
    triggers = { data = { input = "skip" } }
  }
  expect_failures = [var.triggers]
}

run "input_with_the_folder" {
  command = plan
  variables {
    triggers = { data = { input = { data = { source = "s3://elsewhere/datasets/x/" } } } }
  }
  expect_failures = [var.triggers]
}

run "expression_of_five_fields" {
  command = plan
  variables {
    triggers = { schedule = { expression = "cron(0 2 * * *)" } }
  }
  expect_failures = [var.triggers]
}

run "time_zone_with_a_space" {
  command = plan
  variables {
    triggers = { schedule = { expression = "rate(1 day)", timezone = "Central European Time" } }
  }
  expect_failures = [var.triggers]
}

run "flexible_minutes_too_many" {
  command = plan
  variables {
    triggers = { schedule = { expression = "rate(1 day)", flexible_minutes = 1441 } }
  }
  expect_failures = [var.triggers]
}

run "start_no_time" {
  command = plan
  variables {
    triggers = { schedule = { expression = "rate(1 day)", start = "tomorrow" } }
  }
  expect_failures = [var.triggers]
}

run "retry_too_often" {
  command = plan
  variables {
    triggers = { schedule = { expression = "rate(1 day)", retry = { attempts = 186 } } }
  }
  expect_failures = [var.triggers]
}
