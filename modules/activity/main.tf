# One activity: the line in which a state's tasks wait until a worker outside AWS asks for them. Changing its key makes it
# anew, which the tasks that wait in it do not survive: their state fails, and is retried by a rerun.

resource "aws_sfn_activity" "this" {
  name = var.name

  encryption_configuration {
    kms_data_key_reuse_period_seconds = 300
    kms_key_id                        = var.kms_key_arn
    type                              = "CUSTOMER_MANAGED_KMS_KEY"
  }
}
