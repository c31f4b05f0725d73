mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

variables {
  code = "./tests/terraform/code"
  base_models = {
    image          = {}
    layout_boxes_2 = { hyperparameters = { epochs = "3" } }
    text           = { instance = { type = "ml.m5.large" } }
  }
}

# One entry more in the map is all that a fourth model takes.
run "a_fourth_model_is_one_map_entry" {
  command = plan

  assert {
    condition     = [for branch in jsondecode(module.training.definition).States["Base Model Training"].Branches : branch.StartAt] == ["Skip Train Image Model?", "Skip Train Layout Boxes 2 Model?", "Skip Train Text Model?"]
    error_message = "each entry must have a branch of its own"
  }
  assert {
    condition     = jsondecode(module.training.definition).States["Base Model Training"].Branches[1].States["Skip Train Layout Boxes 2 Model?"].Choices[0].And[1].Variable == "$$.Execution.Input.skip.train_layout_boxes_2_model"
    error_message = "the new model must have its skip guard"
  }
  assert {
    condition     = startswith(jsondecode(module.training.definition).States["Base Model Training"].Branches[1].States["Train Layout Boxes 2 Model"].Parameters["TrainingJobName.$"], "States.Format('{}-train-layout-boxes-2-model-d{}r{}', ")
    error_message = "the new model's jobs must carry its slug"
  }
  assert {
    condition     = jsondecode(module.training.definition).States["Base Model Training"].Branches[1].States["Train Layout Boxes 2 Model"].Parameters.AlgorithmSpecification.ContainerEntrypoint[1] == "/opt/ml/input/data/code/layout_boxes_2.py"
    error_message = "the new model must run its own script"
  }
  assert {
    condition     = [for channel in jsondecode(module.training.definition).States["Train Sequence Model"].Parameters.InputDataConfig : channel.ChannelName] == ["code", "image", "layout_boxes_2", "text", "data"]
    error_message = "the sequence model must read one channel per base model"
  }
  assert {
    condition     = [for channel in jsondecode(module.training.definition).States["Evaluate"].Parameters.InputDataConfig : channel.ChannelName] == ["code", "image", "layout_boxes_2", "text", "sequence", "data"]
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
}

run "one_model_is_enough" {
  command = plan

  variables {
    base_models = { text = {} }
  }

  assert {
    condition     = length(jsondecode(module.training.definition).States["Base Model Training"].Branches) == 1
    error_message = "one entry must give one branch"
  }
}

run "sixteen_models_with_the_longest_names" {
  command = plan

  variables {
    base_models = { for number in range(10, 26) : "a_model_number_o${number}" => { script = "text.py" } }
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
      text = {
        environment     = { QUOTE = "\"}],\n\\ $${x} %%{y}" }
        hyperparameters = { "odd \"key\"" = "odd \\ value" }
        image           = "registry/\"image\":1"
        metrics         = ["loss"]
      }
    }
  }

  assert {
    condition     = jsondecode(module.training.definition).States["Base Model Training"].Branches[0].States["Train Text Model"].Parameters.Environment.QUOTE == "\"}],\n\\ $${x} %%{y}"
    error_message = "values must be quoted as JSON"
  }
}
