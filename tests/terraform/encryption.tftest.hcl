# A key is made or brought, and every role has the boundary that is asked for.

mock_provider "aws" {
  source          = "./tests/terraform/mocks"
  override_during = plan
}

run "a_key_of_its_own" {
  command = plan

  assert {
    condition     = module.encryption.key_arn == "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    error_message = "the module makes a key where none is brought"
  }
  assert {
    condition     = local.kms_key_arn == "arn:aws:kms:us-east-1:123456789012:alias/documents"
    error_message = "definitions name it by its alias, which is known while planning"
  }
}

run "a_key_that_is_brought" {
  command = plan

  variables {
    encryption = { kms_key_arn = "arn:aws:kms:eu-west-1:210987654321:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
  }

  assert {
    condition     = module.encryption.key_arn == "arn:aws:kms:eu-west-1:210987654321:key/mrk-1234abcd12ab34cd56ef1234567890ab" && local.kms_key_arn == module.encryption.key_arn
    error_message = "the brought key must be used, by its own ARN everywhere"
  }
  assert {
    condition     = module.definitions["deployment"].grants.EncryptVolumesOfEndpoints.resources == tolist([module.encryption.key_arn]) && module.definitions["deployment"].grants.EncryptVolumesOfEndpoints.for_aws
    error_message = "whoever creates an endpoint must be allowed to grant SageMaker the use of the key of its volumes"
  }
}

run "a_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/teams/boundary"
  }
}

run "policies_for_people_are_documents" {
  command = plan

  assert {
    condition     = toset(keys(output.policies)) == toset(["approver", "operator", "reader", "worker"]) && length(output.policy_arns) == 0
    error_message = "there are documents for three kinds of people and for workers, and no managed policies unless they are asked for"
  }
}

run "policies_for_people_are_made" {
  command = plan

  variables {
    access = { create_policies = true }
  }

  assert {
    condition     = toset(keys(output.policy_arns)) == toset(["approver", "operator", "reader", "worker"])
    error_message = "with create_policies there is a managed policy of each kind"
  }
}
