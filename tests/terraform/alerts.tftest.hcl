mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "subscribers" {
  command = plan

  variables {
    notifications = {
      emails = ["oncall@example.com"]
      subscriptions = {
        pager = {
          protocol      = "https"
          endpoint      = "https://events.example.com/hook"
          filter_policy = jsonencode({ machine = ["documents-training"] })
        }
        team = {
          protocol = "lambda"
          endpoint = "arn:aws:lambda:us-east-1:123456789012:function:chat:live"
          topics   = ["failures", "successes"]
        }
      }
    }
  }

  assert {
    condition = keys(module.notifications.subscriptions) == [
      "approvals/oncall@example.com", "failures/oncall@example.com", "failures/pager", "failures/team", "successes/team",
    ]
    error_message = "an address hears of failures and approvals, everybody else of what they ask for"
  }
  assert {
    condition     = alltrue([for one in module.notifications.subscriptions : jsondecode(one.redrive_policy).deadLetterTargetArn == module.notifications.dead_letters.arn])
    error_message = "what a subscriber does not take is a dead letter"
  }
  assert {
    condition     = module.notifications.subscriptions["failures/pager"].filter_policy == "{\"machine\":[\"documents-training\"]}" && module.notifications.subscriptions["failures/pager"].filter_policy_scope == "MessageAttributes"
    error_message = "the filter policy is the given one, on attributes"
  }
  assert {
    condition     = [for one in values(module.notifications.permissions) : "${one.function_name}:${one.qualifier}"] == ["arn:aws:lambda:us-east-1:123456789012:function:chat:live", "arn:aws:lambda:us-east-1:123456789012:function:chat:live"]
    error_message = "SNS may call the alias that is subscribed"
  }
}

run "alarms_by_default" {
  command = plan

  assert {
    condition = module.alarms.names == sort(concat(["documents-dead-letters", "documents-deployment-failures", "documents-deployment-throttles"], flatten([for machine in ["documents-bulk", "documents-inference", "documents-training"] : [
      "${machine}-failures", "${machine}-longer-than-usual", "${machine}-throttles",
    ]])))
    error_message = "each machine has the alarms that need nobody to know its habits"
  }
  assert {
    condition     = output.alerts.dashboard == "documents" && endswith(output.alerts.dead_letters, "/documents-dead-letters")
    error_message = "one dashboard and one queue, named like the deployment"
  }
}

run "alarms_of_ones_own" {
  command = plan

  variables {
    alarms = {
      days_without_success = 7
      dead_letters         = null
      failures             = null
      longer_than_minutes  = 90.5
      longer_than_usual    = null
    }
  }

  assert {
    condition = module.alarms.names == sort(flatten([for machine in ["documents-bulk", "documents-deployment", "documents-inference", "documents-training"] : [
      "${machine}-long", "${machine}-no-success", "${machine}-throttles",
    ]]))
    error_message = "null switches an alarm off, and what is not named stays"
  }
}

run "more_days_without_success_than_cloudwatch_looks_back" {
  command = plan

  variables {
    alarms      = { days_without_success = 7 }
    definitions = { training = { alarms = { days_without_success = 30 } } }
  }

  assert {
    condition = jsonencode(module.alarms.days_without_success) == jsonencode({
      bulk       = { looks_at = "AWS/States ExecutionsSucceeded", looks_for = "Sum over 7 x 86400 s, LessThanThreshold 1", measured = null }
      deployment = { looks_at = "AWS/States ExecutionsSucceeded", looks_for = "Sum over 7 x 86400 s, LessThanThreshold 1", measured = null }
      inference  = { looks_at = "AWS/States ExecutionsSucceeded", looks_for = "Sum over 7 x 86400 s, LessThanThreshold 1", measured = null }
      training   = { looks_at = "documents DaysWithoutSuccess", looks_for = "Minimum over 1 x 21600 s, GreaterThanOrEqualToThreshold 30", measured = "rate(1 hour)" }
    })
    error_message = "up to a week is CloudWatch's own, more is measured: ${jsonencode(module.alarms.days_without_success)}"
  }
  assert {
    condition     = jsondecode(module.alarms.measure_input) == { namespace = "documents", machines = ["arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"] }
    error_message = "the function must be told the machines with such an alarm, and no others"
  }
}

run "alarms_of_a_machines_own" {
  command = plan

  variables {
    alarms      = { throttles = 100 }
    definitions = { bulk = { alarms = { failures = 1, longer_than_usual = null, throttles = null } } }
  }

  assert {
    condition = module.alarms.names == tolist([
      "documents-bulk-failures", "documents-dead-letters", "documents-deployment-failures", "documents-deployment-throttles",
      "documents-inference-failures", "documents-inference-longer-than-usual", "documents-inference-throttles",
      "documents-training-failures", "documents-training-longer-than-usual", "documents-training-throttles",
    ])
    error_message = "a machine's own go before the deployment's"
  }
}
