# What a training job asks SageMaker for.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "nothing_special_by_default" {
  command = plan

  assert {
    condition     = alltrue([for job in local.jobs : length(job.options) == 0 && !can(job.resources.KeepAlivePeriodInSeconds) && !can(job.resources.VolumeKmsKeyId)])
    error_message = "a job must ask for nothing that nobody wanted"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Evaluate"].Parameters.OutputDataConfig.KmsKeyId == "arn:aws:kms:us-east-1:123456789012:alias/documents"
    error_message = "models must be encrypted with the pipeline's key"
  }
  assert {
    condition = jsonencode(output.requests.instances) == jsonencode({
      "Amazon SageMaker: ml.g5.xlarge for training job usage" = 1
      "Amazon SageMaker: ml.m5.xlarge for training job usage" = 1
    })
    error_message = "the base models train side by side, the others after them"
  }
  assert {
    condition     = output.requests.batch.fargate.max_vcpus == 16 && join(",", output.requests.batch.fargate.quotas) == "AWS Fargate: Fargate On-Demand vCPU resource count"
    error_message = "what Batch may ask for must be told"
  }
}

run "everything_for_all_and_less_for_one" {
  command = plan

  variables {
    code        = "./tests/terraform/code"
    encryption  = { kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
    network     = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-a"] }
    training    = { spot = true, spot_wait = 600, network_isolation = true, encrypt_traffic = true }
    base_models = { layout_boxes_2 = { instance = { type = "ml.g5.xlarge", count = 4 }, max_wait = 20000 } }
    evaluate    = { spot = false, warm_pool_seconds = 1800, network_isolation = false, encrypt_traffic = false, vpc = false }
  }

  assert {
    condition = jsonencode(jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[2].States["Train Text Model"].Parameters.ResourceConfig) == jsonencode({
      InstanceCount = 1, InstanceType = "ml.m5.xlarge", VolumeKmsKeyId = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", VolumeSizeInGB = 30
    })
    error_message = "the disk of an instance without one of its own must be encrypted with the key that was brought"
  }
  assert {
    condition     = !can(local.jobs.image.resources.VolumeKmsKeyId)
    error_message = "instances with a disk of their own take no key for it"
  }
  assert {
    condition = alltrue([
      for name, value in { EnableManagedSpotTraining = true, EnableNetworkIsolation = true, EnableInterContainerTrafficEncryption = true } :
      jsondecode(module.machines["training"].definition).States["Train Sequence Model"].Parameters[name] == value
    ])
    error_message = "what is said for all jobs must hold for each"
  }
  assert {
    condition     = jsonencode(jsondecode(module.machines["training"].definition).States["Train Sequence Model"].Parameters.VpcConfig) == jsonencode({ SecurityGroupIds = ["sg-a"], Subnets = ["subnet-1", "subnet-2"] })
    error_message = "jobs must run in the given network"
  }
  assert {
    condition     = jsonencode(local.jobs.text.stopping) == jsonencode({ MaxRuntimeInSeconds = 14400, MaxWaitTimeInSeconds = 15000 }) && local.jobs.text.state_timeout == 18600 && local.jobs.layout_boxes_2.stopping.MaxWaitTimeInSeconds == 20000
    error_message = "a Spot job waits for capacity, and its state for the job"
  }
  assert {
    condition     = length(local.jobs.evaluate.options) == 0 && local.jobs.evaluate.resources.KeepAlivePeriodInSeconds == 1800
    error_message = "a job's own choices must win"
  }
  assert {
    condition = jsonencode(output.requests.instances) == jsonencode({
      "Amazon SageMaker: ml.g5.xlarge for spot training job usage"  = 5
      "Amazon SageMaker: ml.m5.xlarge for spot training job usage"  = 1
      "Amazon SageMaker: ml.m5.xlarge for training job usage"       = 1
      "Amazon SageMaker: ml.m5.xlarge for training warm pool usage" = 1
    })
    error_message = "what a run asks for must be told by quota"
  }
}

run "gpus_and_spot_by_quota" {
  command = plan

  variables {
    compute_environments = { gpu = { kind = "spot", instance_types = ["g5", "m6i.large"] } }
  }

  assert {
    condition = jsonencode(output.requests.batch.gpu.quotas) == jsonencode([
      "Amazon EC2: All G and VT Spot Instance Requests",
      "Amazon EC2: All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
      "Amazon EBS: Storage for General Purpose SSD (gp3) volumes, in TiB",
    ])
    error_message = "each family of instances has its quota"
  }
}

run "refused_spot_kept_warm_for_all" {
  command = plan

  variables {
    base_models    = { text = { compute = "lambda" } }
    evaluate       = { compute = "batch" }
    sequence_model = { compute = "ec2" }
    training       = { spot = true, warm_pool_seconds = 60 }
  }

  expect_failures = [var.base_models, var.evaluate, var.sequence_model, var.training]
}

run "refused_half_a_second_of_waiting" {
  command = plan

  variables {
    training = { spot_wait = 0.5 }
  }

  expect_failures = [var.training]
}

run "refused_what_sagemaker_refuses" {
  command = plan

  variables {
    base_models = {
      image = { spot = true, max_wait = 100, instance = { count = 0 } }
      text  = { spot = true, warm_pool_seconds = 3601, vpc = true }
    }
    evaluate = { max_wait = 100000 }
  }

  expect_failures = [output.requests]
}
