# Batch's environments, queues and the fetch job's definition; the network that all jobs share.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "one_fargate_environment_by_default" {
  command = plan

  assert {
    condition     = keys(module.batch.environments) == ["fargate"] && can(regex("^documents-fargate-[0-9a-f]{6}$", module.batch.environments.fargate))
    error_message = "the environment's name must be the pipeline's, its key, and what Batch cannot change in place"
  }
  assert {
    condition     = jsonencode(local.job_queues) == jsonencode({ default = ["fargate"] }) && local.arns.job_queues == { default = "arn:aws:batch:us-east-1:123456789012:job-queue/documents" }
    error_message = "the queue that comes by itself must have the pipeline's name"
  }
  assert {
    condition     = module.batch.state_timeout == 2 * 3600 + 3600 && endswith(local.arns.job_definition, "/documents-fetch-preprocessed-data")
    error_message = "the state must wait for every attempt of the job, and an hour for the queue"
  }
}

run "spot_comes_first" {
  command = plan

  variables {
    compute_environments = { always = { kind = "ec2" }, cheap = { kind = "spot", instance_types = ["m6i", "c6i.large"] } }
  }

  assert {
    condition     = jsonencode(local.job_queues) == jsonencode({ default = ["cheap", "always"] })
    error_message = "a queue must try Spot before on-demand"
  }
  assert {
    condition     = local.compute_environments.always.instance_types == toset(["optimal"]) && local.compute_environments.cheap.instance_types == toset(["c6i.large", "m6i"])
    error_message = "what an environment leaves out must have its default"
  }
  assert {
    condition     = module.batch.state_timeout == 5 * 3600 + 3600
    error_message = "the state must wait for the attempts that lose their host too"
  }
  assert {
    condition     = endswith(local.arns.job_definition, "/documents-fetch-preprocessed-data-on-ec2") && strcontains(module.machines["training"].definition, local.arns.job_definition)
    error_message = "a definition for EC2 must not have the name of Fargate's, and the machine must use it"
  }
}

run "queues_of_ones_own" {
  command = plan

  variables {
    batch                = { queue = "small", attempts = 3, timeout = 600 }
    compute_environments = { gpu = { kind = "spot", instance_types = ["g5"] }, mixed = { kind = "ec2", instance_types = ["c6i", "g5.xlarge"] }, small = {} }
    job_queues           = { gpu = ["gpu", "mixed"], small = ["small"] }
  }

  assert {
    condition     = local.arns.job_queues == { gpu = "arn:aws:batch:us-east-1:123456789012:job-queue/documents-gpu", small = "arn:aws:batch:us-east-1:123456789012:job-queue/documents-small" }
    error_message = "each queue must have its name"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Fetch Preprocessed Data"].Parameters.JobQueue == local.arns.job_queues.small
    error_message = "the data must be fetched on the queue that is named"
  }
  assert {
    condition     = module.batch.state_timeout == 3 * 600 + 3600
    error_message = "Spot in another queue must not lengthen the wait"
  }
}

run "names_tell_what_batch_cannot_change" {
  command = plan

  variables {
    compute_environments = {
      cpu     = { kind = "ec2", instance_types = ["c6i"] }
      cpu-too = { kind = "ec2", instance_types = ["m6i", "c6i"], max_vcpus = 99, volume_gb = 200 }
    }
    job_queues = { default = ["cpu"], other = ["cpu-too"] }
  }

  assert {
    condition     = split("-", module.batch.environments.cpu)[2] == split("-", module.batch.environments.cpu-too)[3]
    error_message = "what Batch changes in place must not change the name"
  }
}

run "a_network_of_ones_own" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-2", "subnet-1"], security_group_ids = ["sg-a"] }
  }

  assert {
    condition     = join(",", module.network.subnet_ids) == "subnet-1,subnet-2" && join(",", module.network.security_group_ids) == "sg-a" && !module.network.assign_public_ip
    error_message = "jobs must run where they are told to"
  }
}

run "private_endpoints" {
  command = plan

  variables {
    network = {
      vpc_id             = "vpc-1"
      subnet_ids         = ["subnet-1"]
      security_group_ids = ["sg-a"]
      route_table_ids    = ["rtb-1"]
      endpoints          = ["s3", "ecr.api", "ecr.dkr", "logs"]
      functions          = true
    }
  }

  assert {
    condition     = keys(module.network.endpoints) == ["ecr.api", "ecr.dkr", "logs", "s3"]
    error_message = "each endpoint that is asked for must be made"
  }
}

run "refused_a_subnet_of_another_vpc" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name           = "documents"
    bucket         = "documents"
    source_buckets = []
    network = {
      vpc_id             = "vpc-1"
      subnet_ids         = ["subnet-1", "subnet-9"]
      security_group_ids = ["sg-a"]
      route_table_ids    = []
      endpoints          = []
      assign_public_ip   = false
    }
  }

  expect_failures = [data.aws_subnets.given]
}

# A variable that another one's rules read is broken in a run of its own: Terraform does not go on to the other.
