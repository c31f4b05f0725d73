# A folder of definitions, each with a mistake of its own. test_module.py reads what the plan says of them.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "every_mistake_is_told_with_file_and_state" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/bad"
    definitions = {
      caught    = { on_failure = "redrivable" }
      no-states = { policies = { Trian = "{}" }, variables = { bucket = "mine" } }
      uncaught  = { status_rule = false }
      unquoted  = { variables = { name = "not quoted" } }
    }
  }
}
