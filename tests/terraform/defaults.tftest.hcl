mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

# ARNs that two resources of one type share by the mock are told apart here, so that the golden files read as on AWS.
override_resource {
  target          = module.machines["deployment"].aws_sfn_state_machine.this
  override_during = plan
  values          = { arn = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-deployment" }
}

override_resource {
  target          = module.machines["bulk"].aws_sfn_state_machine.this
  override_during = plan
  values          = { arn = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-bulk" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["bulk_batch"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-bulk-batch" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["describe_failure"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-describe-failure" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["prepare_inference"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-prepare-inference" }
}

override_resource {
  target          = module.machines["inference"].aws_sfn_state_machine.this
  override_during = plan
  values          = { arn = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-inference" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["prepare_run"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-prepare-run" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["prepare_deployment"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-prepare-deployment" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["settle_deployment"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-settle-deployment" }
}

override_resource {
  target          = module.functions.aws_lambda_function.this["smoke_test"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:123456789012:function:documents-smoke-test" }
}

override_resource {
  target          = module.notifications.aws_sns_topic.this["approvals"]
  override_during = plan
  values          = { arn = "arn:aws:sns:us-east-1:123456789012:documents-approvals" }
}

override_resource {
  target          = module.notifications.aws_sns_topic.this["successes"]
  override_during = plan
  values          = { arn = "arn:aws:sns:us-east-1:123456789012:documents-successes" }
}

override_resource {
  target          = module.training_role.aws_iam_role.this
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/documents-training-job" }
}

override_resource {
  target          = module.transform_role.aws_iam_role.this
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/documents-transform-job" }
}

override_data {
  target          = module.images.data.aws_sagemaker_prebuilt_ecr_image.inference["cpu"]
  override_during = plan
  values          = { registry_path = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:cpu" }
}

override_data {
  target          = module.images.data.aws_sagemaker_prebuilt_ecr_image.training["cpu"]
  override_during = plan
  values          = { registry_path = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:cpu" }
}

override_data {
  target          = module.images.data.aws_sagemaker_prebuilt_ecr_image.training["gpu"]
  override_during = plan
  values          = { registry_path = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:gpu" }
}

# Its plan is compared with tests/golden/opsctl-output.json and tests/golden/training.asl.json.
run "defaults" {
  command = plan

  assert {
    condition     = output.opsctl.bucket == "documents-123456789012-us-east-1"
    error_message = "the bucket's name must be name, account and region"
  }
  assert {
    condition     = output.opsctl.machines.training.steps == ["fetch-preprocessed-data", "train-image-model", "train-text-model", "train-sequence-model", "evaluate"]
    error_message = "steps must be the slugs in the order of the machine"
  }
  assert {
    condition     = local.jobs.text.resources.InstanceType == "ml.m5.xlarge" && endswith(local.jobs.text.image, ":cpu")
    error_message = "the text model trains on a CPU instance with the CPU image"
  }
  assert {
    condition     = alltrue([for key in ["image", "sequence_model"] : local.jobs[key].resources.InstanceType == "ml.g5.xlarge" && endswith(local.jobs[key].image, ":gpu")])
    error_message = "the image and the sequence model train on a GPU instance with the GPU image"
  }
}

run "names_derive_from_name_alone" {
  command = plan

  variables {
    name = "invoices-dev"
  }

  assert {
    condition     = output.opsctl.bucket == "invoices-dev-123456789012-us-east-1" && output.opsctl.machines.training.name == "invoices-dev-training" && output.opsctl.machines.training.log_group == "/aws/vendedlogs/states/invoices-dev-training"
    error_message = "every name must begin with var.name"
  }
}

run "an_image_and_an_instance_of_ones_own" {
  command = plan

  variables {
    evaluate = {
      image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/evaluate:7"
      instance    = { type = "ml.p4d.24xlarge", count = 2 }
      max_runtime = 120
      script      = "documents.py"
    }
    notifications = { emails = ["oncall@example.com"] }
  }

  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Evaluate"].Parameters.AlgorithmSpecification.TrainingImage == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/evaluate:7"
    error_message = "the given image must be used"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Evaluate"].Parameters.AlgorithmSpecification.ContainerEntrypoint == ["python3", "/opt/ml/input/data/code/documents.py"]
    error_message = "the given script must be run"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Evaluate"].Parameters.ResourceConfig == { InstanceCount = 2, InstanceType = "ml.p4d.24xlarge", VolumeSizeInGB = 30 }
    error_message = "the given instances must be used"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Evaluate"].TimeoutSeconds == 120 + 3600
    error_message = "the state must outlive its job by an hour"
  }
}

run "who_applies_may_delete_below_runs" {
  command = plan

  assert {
    condition     = length(module.storage.deleters) == 5 && module.storage.deleters[4] == "arn:aws:iam::123456789012:role/administrator"
    error_message = "the pipeline's four roles, and the role of whoever applies"
  }
}

run "administrators_and_operators_of_ones_own" {
  command = plan

  variables {
    storage = {
      admin_role_arns    = ["arn:aws:iam::123456789012:role/deploy", "arn:aws:iam::123456789012:user/anna"]
      operator_role_arns = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Operator_*"]
    }
  }

  assert {
    condition = slice(module.storage.deleters, 4, length(module.storage.deleters)) == tolist([
      "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Operator_*",
      "arn:aws:iam::123456789012:role/deploy",
      "arn:aws:iam::123456789012:user/anna",
    ])
    error_message = "those that are named, and not whoever applies"
  }
}

# Its plan is compared with the golden files tests/golden/*-redrivable.asl.json.
run "redrivable" {
  command = plan

  variables {
    definitions = { bulk = { on_failure = "redrivable" }, deployment = { on_failure = "redrivable" }, inference = { on_failure = "redrivable" }, training = { on_failure = "redrivable" } }
  }

  assert {
    condition     = alltrue([for stem in ["bulk", "inference", "training"] : alltrue([for name, state in jsondecode(module.machines[stem].definition).States : !can(state.Catch) || name == "Start Deployment" && flatten([for catch in try(state.Catch, []) : catch.ErrorEquals]) == ["StepFunctions.ExecutionAlreadyExistsException"]])])
    error_message = "on the top level nothing may be caught, but that a deployment is there already"
  }
  assert {
    condition     = { for name, state in jsondecode(module.machines["deployment"].definition).States : name => state.Catch[*].ErrorEquals if can(state.Catch) } == { "Answer" = [["Rejected"]], "Request Approval" = [["Rejected"]] }
    error_message = "of a deployment only a rejection may be caught on the top level"
  }
  assert {
    condition     = alltrue([for branch in jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches : anytrue([for state in branch.States : can(state.Catch)])])
    error_message = "in each branch failures must be caught, so that its siblings live on"
  }
  assert {
    condition     = output.opsctl.machines.training.steps == ["fetch-preprocessed-data", "train-image-model", "train-text-model", "train-sequence-model", "evaluate"]
    error_message = "the steps must be the same"
  }
  assert {
    condition     = !contains(module.definitions["training"].grants.CallFunctions.resources, "arn:aws:lambda:us-east-1:123456789012:function:documents-describe-failure") && module.definitions["training"].grants.Notify.resources == tolist(["arn:aws:sns:us-east-1:123456789012:documents-successes"])
    error_message = "a machine that alerts of nothing itself must not be allowed to"
  }
}
