# A template that Terraform cannot read.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "a_template_that_is_none_is_told_with_file_and_line" {
  command = plan

  variables {
    definitions_dir = "./tests/terraform/definitions/syntax"
  }
}
