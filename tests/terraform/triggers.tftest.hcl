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
        start         = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training:live"
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
      start         = "arn:aws:states:us-east-1:123456789012:stateMachine:invoices-training:live"
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
