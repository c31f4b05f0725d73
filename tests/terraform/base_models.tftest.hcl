mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

variables {
  code        = "./tests/terraform/code"
  base_models = { layout_boxes_2 = { hyperparameters = { epochs = "3" } } }
}

# One entry more in the map is all that a fourth model takes.
run "a_fourth_model_is_one_map_entry" {
  command = plan

  assert {
    condition     = [for branch in jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches : branch.StartAt] == ["Skip Train Image Model?", "Skip Train Layout Boxes 2 Model?", "Skip Train Text Model?"]
    error_message = "each entry must have a branch of its own"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[1].States["Skip Train Layout Boxes 2 Model?"].Choices[0].And[1].Variable == "$$.Execution.Input.skip.train_layout_boxes_2_model"
    error_message = "the new model must have its skip guard"
  }
  assert {
    condition     = startswith(jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[1].States["Train Layout Boxes 2 Model"].Parameters["TrainingJobName.$"], "States.Format('{}-train-layout-boxes-2-model-d{}r{}', ")
    error_message = "the new model's jobs must carry its slug"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[1].States["Train Layout Boxes 2 Model"].Parameters.AlgorithmSpecification.ContainerEntrypoint[1] == "/opt/ml/input/data/code/layout_boxes_2.py"
    error_message = "the new model must run its own script"
  }
  assert {
    condition     = [for channel in jsondecode(module.machines["training"].definition).States["Train Sequence Model"].Parameters.InputDataConfig : channel.ChannelName] == ["code", "image", "layout_boxes_2", "text", "data"]
    error_message = "the sequence model must read one channel per base model"
  }
  assert {
    condition     = [for channel in jsondecode(module.machines["training"].definition).States["Evaluate"].Parameters.InputDataConfig : channel.ChannelName] == ["code", "image", "layout_boxes_2", "text", "sequence", "champion", "data"]
    error_message = "the evaluation must read one channel per base model"
  }
  assert {
    condition     = output.opsctl.machines.training.steps == ["fetch-preprocessed-data", "train-image-model", "train-layout-boxes-2-model", "train-text-model", "train-sequence-model", "evaluate"]
    error_message = "the new model must be a step"
  }
  assert {
    condition     = output.opsctl.machines.training.hyperparameters.layout_boxes_2_model.epochs == "3"
    error_message = "the new model's hyperparameters must be known to opsctl"
  }
  assert {
    condition     = output.opsctl.machines.training.hyperparameters.text_model == local.shipped_base_models.text.hyperparameters && output.opsctl.machines.training.hyperparameters.image_model == local.shipped_base_models.image.hyperparameters
    error_message = "the models that ship with the module must keep their hyperparameters"
  }
  assert {
    condition     = local.jobs.layout_boxes_2.resources == { InstanceCount = 1, InstanceType = "ml.g5.xlarge", VolumeSizeInGB = 30 } && local.jobs.layout_boxes_2.max_runtime == 14400
    error_message = "what an entry leaves out must have its default"
  }
}

run "an_entry_changes_only_what_it_names" {
  command = plan

  variables {
    base_models = {
      image = {}
      text = {
        hyperparameters = { epochs = "9", ngrams = null, words = "5" }
        instance        = { count = 2 }
        max_runtime     = 600
      }
    }
    sequence_model = { hyperparameters = { epochs = "40" } }
  }

  assert {
    condition     = output.opsctl.machines.training.steps == ["fetch-preprocessed-data", "train-image-model", "train-text-model", "train-sequence-model", "evaluate"]
    error_message = "entries for models that ship with the module must not add any"
  }
  assert {
    condition     = output.opsctl.machines.training.hyperparameters.image_model == local.shipped_base_models.image.hyperparameters
    error_message = "an empty entry must change nothing"
  }
  assert {
    condition = output.opsctl.machines.training.hyperparameters.text_model == {
      batch_size     = "64"
      buckets        = "16384"
      cycle_length   = "6"
      dropout        = "0.3"
      embedding_size = "32"
      epochs         = "9"
      folds          = "3"
      max_lr         = "0.1"
      min_lr         = "0.005"
      seed           = "1"
      words          = "5"
    }
    error_message = "hyperparameters must be changed, added and removed one by one"
  }
  assert {
    condition     = local.jobs.text.resources == { InstanceCount = 2, InstanceType = "ml.m5.xlarge", VolumeSizeInGB = 30 } && local.jobs.text.max_runtime == 600
    error_message = "the instance must be changed field by field"
  }
  assert {
    condition     = output.opsctl.machines.training.hyperparameters.sequence_model == merge(local.shipped_sequence_hyperparameters, { epochs = "40" })
    error_message = "the sequence model's hyperparameters must be changed one by one as well"
  }
}

run "null_removes_a_model_and_one_is_enough" {
  command = plan

  variables {
    base_models = { image = null }
  }

  assert {
    condition     = length(jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches) == 1
    error_message = "one entry must give one branch"
  }
}

run "sixteen_models_with_the_longest_names" {
  command = plan

  variables {
    base_models = merge({ image = null, text = null }, { for number in range(10, 26) : "a_model_number_o${number}" => { script = "text.py" } })
  }

  assert {
    condition     = alltrue([for step in output.opsctl.machines.training.steps : length(step) <= 30]) && length(output.opsctl.machines.training.steps) == 19
    error_message = "slugs must have at most 30 characters"
  }
}

run "values_cannot_break_the_definition" {
  command = plan

  variables {
    base_models = {
      image = null
      text = {
        environment     = { QUOTE = "\"}],\n\\ $${x} %%{y}" }
        hyperparameters = { "odd \"key\"" = "odd \\ value" }
        image           = "registry/\"image\":1"
        metrics         = ["loss"]
      }
    }
  }

  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[0].States["Train Text Model"].Parameters.Environment.QUOTE == "\"}],\n\\ $${x} %%{y}"
    error_message = "values must be quoted as JSON"
  }
}

# A base model on a machine outside AWS: an activity in the place of the job, with the same name of the job, channels and
# results, and nothing asked of SageMaker for it, whatever holds for all jobs.
run "a_model_that_trains_outside_aws" {
  command = plan

  variables {
    base_models = { image = { compute = "activity", heartbeat = 60, max_runtime = 7200, environment = { GPU = "0" } } }
    training    = { spot = true, network_isolation = true }
  }

  assert {
    condition = { for name, value in jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[0].States["Train Image Model"] : name => value if contains(["Resource", "TimeoutSeconds", "HeartbeatSeconds", "Next"], name) } == {
      Resource         = "arn:aws:states:us-east-1:123456789012:activity:documents-train-image-model"
      TimeoutSeconds   = 10800
      HeartbeatSeconds = 60
      Next             = "Image Model Trained"
    }
    error_message = "the state must be a task of the activity, with both clocks"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[0].States["Train Image Model"].Retry[0].ErrorEquals == ["States.HeartbeatTimeout", "Worker.Interrupted"]
    error_message = "a task that is lost must go to another worker"
  }
  assert {
    condition = alltrue([
      for name, value in {
        "TrainingJobName.$" = "States.Format('{}-train-image-model-d{}r{}', $.run.job_prefix, $$.Execution.RedriveCount, $$.State.RetryCount)"
        "HyperParameters.$" = "$.run.hyperparameters.image_model"
        "Environment"       = { GPU = "0" }
        "StoppingCondition" = { MaxRuntimeInSeconds = 7200 }
      } : jsonencode(jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[0].States["Train Image Model"].Parameters[name]) == jsonencode(value)
    ])
    error_message = "the task must say what SageMaker would be told"
  }
  assert {
    condition     = jsondecode(module.machines["training"].definition).States["Base Model Training"].Branches[1].States["Train Text Model"].Parameters.EnableManagedSpotTraining && !local.jobs.image.spot && !local.jobs.image.network_isolation
    error_message = "what holds for all jobs must hold for SageMaker's only"
  }
  assert {
    condition     = join(",", keys(module.activities)) == "image" && join(",", module.definitions["training"].activities) == local.arns.activities.image && length(module.definitions["bulk"].activities) == 0
    error_message = "there must be one activity, which the training machine gives tasks to"
  }
  assert {
    condition     = !contains(keys(output.requests.training), "image") && !can(output.requests.instances["Amazon SageMaker: ml.g5.xlarge for training job usage"])
    error_message = "a machine of one's own needs no quota of SageMaker's"
  }
  assert {
    condition     = [for channel in jsondecode(module.machines["training"].definition).States["Train Sequence Model"].Parameters.InputDataConfig : channel.ChannelName] == ["code", "image", "text", "data"]
    error_message = "its model must be read like the others"
  }
}
