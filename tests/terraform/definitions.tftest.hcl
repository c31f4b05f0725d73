# Machines of one's own: files in a folder, beside the shipped ones.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

variables {
  definitions_dir = "./tests/terraform/definitions/foreign"
  definitions = {
    intake = {
      policies  = { Tell = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"ses:SendEmail\",\"Resource\":\"*\"}]}" }
      variables = { limit = "100", table = "pages" }
    }
  }
}

run "each_file_is_a_machine_beside_the_shipped_ones" {
  command = plan

  assert {
    condition     = { for stem, machine in output.opsctl.machines : stem => machine.name } == { bulk = "documents-bulk", deployment = "documents-deployment", hello = "documents-hello", inference = "documents-inference", intake = "documents-intake", training = "documents-training" }
    error_message = "every file of the folder must be a machine, and the shipped ones must stay"
  }
  assert {
    condition     = [for stem in ["hello", "intake"] : [output.opsctl.machines[stem].steps, output.opsctl.machines[stem].needs, output.opsctl.machines[stem].hyperparameters, output.opsctl.machines[stem].log_group]] == [for stem in ["hello", "intake"] : [[], {}, {}, "/aws/vendedlogs/states/documents-${stem}"]]
    error_message = "of a machine that prepares no run, opsctl knows no steps"
  }
  assert {
    condition     = length(output.opsctl.machines.training.steps) == 5 && keys(output.opsctl.machines.training.hyperparameters) == ["evaluate", "image_model", "sequence_model", "text_model"]
    error_message = "the training machine must be known as ever"
  }
  assert {
    condition     = jsondecode(module.machines["intake"].definition).States["Count Documents"].Parameters == { FunctionName = "count-documents:live", Payload = { bucket = "documents-123456789012-us-east-1", limit = 100 } }
    error_message = "a template must be given the module's variables and its own"
  }
  assert {
    condition     = module.definitions["hello"].grants == {}
    error_message = "a machine that calls nothing must be allowed nothing"
  }
  assert {
    condition = { for sid, grant in module.definitions["intake"].grants : sid => concat(grant.actions, ["on"], grant.resources) } == {
      CallFunctions            = ["lambda:InvokeFunction", "on", "arn:aws:lambda:us-east-1:123456789012:function:count-documents:live"]
      FollowOtherMachines      = ["states:DescribeExecution", "states:StopExecution", "on", "arn:aws:states:us-east-1:123456789012:execution:documents-training:*"]
      HearOfEndedMachines      = ["events:DescribeRule", "events:PutRule", "events:PutTargets", "on", "arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"]
      HearOfEndedTransformJobs = ["events:DescribeRule", "events:PutRule", "events:PutTargets", "on", "arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForSageMakerTransformJobsRule"]
      PutItems                 = ["dynamodb:PutItem", "on", "arn:aws:dynamodb:us-east-1:123456789012:table/pages"]
      ReadObjects              = ["s3:GetObject", "on", "arn:aws:s3:::documents-123456789012-us-east-1/datasets/*/page.txt"]
      ReadTags                 = ["sagemaker:ListTags", "on", "arn:aws:sagemaker:us-east-1:123456789012:transform-job/*"]
      RunTransformJobs         = ["sagemaker:AddTags", "sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob", "on", "arn:aws:sagemaker:us-east-1:123456789012:transform-job/*-transform-d*r*"]
      SendToQueues             = ["sqs:SendMessage", "on", "arn:aws:sqs:us-east-1:123456789012:finished"]
      StartOtherMachines       = ["states:StartExecution", "on", "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"]
    }
    error_message = "the role must be allowed what the definition calls and nothing else: ${jsonencode(module.definitions["intake"].grants)}"
  }
}

run "null_leaves_a_shipped_definition_out" {
  command = plan

  variables {
    definitions_dir = null
    definitions     = { bulk = null, inference = null }
  }

  assert {
    condition     = keys(output.opsctl.machines) == ["deployment", "training"]
    error_message = "bulk alone must be left out"
  }
}

run "only_a_machine_of_ones_own" {
  command = plan

  variables {
    definitions = { bulk = null, deployment = null, intake = null, training = null }
  }

  assert {
    condition     = keys(output.opsctl.machines) == ["hello"]
    error_message = "the one machine that is not left out must remain"
  }
}

run "what_a_definition_calls_is_what_its_role_may_do" {
  command = plan

  variables {
    definitions     = { bulk = null, deployment = null, training = null }
    definitions_dir = "./tests/terraform/definitions/calls"
  }

  assert {
    condition = { for sid, grant in module.definitions["many"].grants : sid => concat(grant.actions, ["on"], grant.resources, compact([grant.passed_to])) } == {
      DynamodbScan                  = ["dynamodb:Scan", "on", "arn:aws:dynamodb:us-east-1:123456789012:table/pages"]
      FollowTasks                   = ["ecs:DescribeTasks", "ecs:StopTask", "on", "arn:aws:ecs:us-east-1:123456789012:task/work/*"]
      GiveJobsTheirRole             = ["iam:PassRole", "on", "arn:aws:iam::123456789012:role/serve", "sagemaker.amazonaws.com"]
      GiveTasksTheirRoles           = ["iam:PassRole", "on", "arn:aws:iam::123456789012:role/clean", "arn:aws:iam::123456789012:role/pull", "ecs-tasks.amazonaws.com"]
      HearOfEndedTasks              = ["events:DescribeRule", "events:PutRule", "events:PutTargets", "on", "arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForECSTaskRule"]
      KmsDecrypt                    = ["kms:Decrypt", "on", "arn:aws:kms:us-east-1:123456789012:key/one"]
      MakeModels                    = ["sagemaker:AddTags", "sagemaker:CreateModel", "on", "arn:aws:sagemaker:us-east-1:123456789012:model/m"]
      RunGlueJobs                   = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun", "on", "arn:aws:glue:us-east-1:123456789012:job/tidy"]
      RunTasks                      = ["ecs:RunTask", "on", "arn:aws:ecs:us-east-1:123456789012:task-definition/clean:*"]
      SagemakerDeleteEndpointConfig = ["sagemaker:DeleteEndpointConfig", "on", "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/documents-*"]
      SagemakerInvokeEndpoint       = ["sagemaker:InvokeEndpoint", "on", "arn:aws:sagemaker:us-east-1:123456789012:endpoint/documents-*"]
      SendEvents                    = ["events:PutEvents", "on", "arn:aws:events:us-east-1:123456789012:event-bus/audit", "arn:aws:events:us-east-1:123456789012:event-bus/default", "arn:aws:events:us-east-1:123456789012:event-bus/orders"]
      StartOtherMachines            = ["states:StartExecution", "on", "arn:aws:states:us-east-1:123456789012:stateMachine:other"]
      TagTasks                      = ["ecs:TagResource", "on", "arn:aws:ecs:us-east-1:123456789012:task/work/*"]
      UpdateItems                   = ["dynamodb:UpdateItem", "on", "arn:aws:dynamodb:us-east-1:123456789012:table/pages"]
    }
    error_message = "the role must be allowed what the definition calls and nothing else: ${jsonencode(module.definitions["many"].grants)}"
  }
}
