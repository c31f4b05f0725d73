# With the longest name, in the region with the longest name, with everything that can be asked for, and with machines that are
# called like other things: tests/terraform/names.py compares each planned name with what AWS allows, and no two are the same.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

override_data {
  target = data.aws_region.current
  values = { name = "ap-southeast-1" }
}

override_data {
  target = module.storage.data.aws_region.current
  values = { name = "ap-southeast-1" }
}

run "the_longest_names" {
  command = plan

  variables {
    name = "a-name-of-thirty-two-characters1"

    alarms               = { days_without_success = 90, longer_than_minutes = 60 }
    base_models          = { a_model_of_18_char = { script = "text.py" } }
    compute_environments = { a-key-of-24-characters-1 = { kind = "spot" } }
    definitions_dir      = "./tests/terraform/definitions/close"
    job_queues           = { default = ["a-key-of-24-characters-1"] }
    triggers             = { data = {}, schedule = { expression = "rate(1 day)" } }
  }
}
