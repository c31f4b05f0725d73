# Each rule of variables.tf is broken once. A run breaks one rule of several variables, each of which must be refused.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "refused_1" {
  command = plan

  variables {
    base_models    = { image = null, text = null }
    batch          = { timeout = 59 }
    dataset        = "runs/sample/"
    evaluate       = { instance = { type = "m5.large" } }
    logs           = { level = "DEBUG" }
    name           = "Documents"
    notifications  = { emails = ["oncall"] }
    sequence_model = { instance = { type = "" } }
  }

  expect_failures = [var.base_models, var.batch, var.dataset, var.evaluate, var.logs, var.name, var.notifications, var.sequence_model]
}

run "refused_2" {
  command = plan

  variables {
    base_models    = { for number in range(15) : "m${number}" => { script = "text.py" } }
    batch          = { attempts = 11 }
    dataset        = "datasets/sample"
    evaluate       = { max_runtime = 1 }
    logs           = { retention_days = 31 }
    name           = ""
    sequence_model = { max_runtime = 9999999 }
  }

  expect_failures = [var.base_models, var.batch, var.dataset, var.evaluate, var.logs, var.name, var.sequence_model]
}

run "refused_3" {
  command = plan

  variables {
    base_models = { page-layout = { script = "text.py" } }
    name        = "a23456789-123456789-123456789-123"
  }

  expect_failures = [var.base_models, var.name]
}

run "refused_4" {
  command = plan

  variables {
    base_models = { a_model_of_19_chars = { script = "text.py" } }
    name        = "documents-"
  }

  expect_failures = [var.base_models, var.name]
}

run "refused_5" {
  command = plan

  variables {
    base_models = { sequence = { script = "text.py" } }
  }

  expect_failures = [var.base_models]
}

run "refused_6" {
  command = plan

  variables {
    base_models = { text = { instance = { type = "g5.xlarge" } } }
  }

  expect_failures = [var.base_models]
}

run "refused_7" {
  command = plan

  variables {
    base_models = { text = { max_runtime = 2419201 } }
  }

  expect_failures = [var.base_models]
}

run "refused_8" {
  command = plan

  variables {
    base_models = { txt = null }
  }

  expect_failures = [var.base_models]
}

run "refused_a_script_that_is_not_there" {
  command = plan

  variables {
    base_models = { layout = {} }
  }

  expect_failures = [var.code]
}

run "refused_half_a_day_of_versions" {
  command = plan

  variables {
    storage = { noncurrent_days = 0.5 }
  }

  expect_failures = [var.storage]
}

run "refused_no_batch_at_a_time" {
  command = plan

  variables {
    storage = { bulk_concurrency = 0 }
  }

  expect_failures = [var.storage]
}

run "refused_a_session_for_a_role" {
  command = plan

  variables {
    storage = { operator_role_arns = ["arn:aws:sts::123456789012:assumed-role/operator/me"] }
  }

  expect_failures = [var.storage]
}

run "refused_everybody_as_administrator" {
  command = plan

  variables {
    storage = { admin_role_arns = ["*"] }
  }

  expect_failures = [var.storage]
}

run "refused_no_version_kept" {
  command = plan

  variables {
    versions = { keep = 0 }
  }

  expect_failures = [var.versions]
}

run "refused_a_folder_without_definitions" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/empty"
  }

  expect_failures = [var.definitions_dir]
}

run "refused_a_folder_that_is_not_there" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/elsewhere"
  }

  expect_failures = [var.definitions_dir]
}

run "refused_two_files_for_one_machine" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/twice"
  }

  expect_failures = [var.definitions_dir]
}

run "refused_a_file_whose_name_aws_does_not_take" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/misnamed"
  }

  expect_failures = [var.definitions_dir]
}

run "refused_a_file_named_like_a_role_of_the_module" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/taken"
  }

  expect_failures = [var.definitions_dir]
}

run "refused_settings_for_a_definition_that_is_not_there" {
  command = plan

  variables {
    definitions = { trainig = {} }
  }

  expect_failures = [var.definitions]
}

run "refused_another_way_of_failing" {
  command = plan

  variables {
    definitions = { bulk = { on_failure = "ignored" } }
  }

  expect_failures = [var.definitions]
}
