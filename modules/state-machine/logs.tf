# A name below /aws/vendedlogs keeps the account's log resource policy from growing with every machine.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/states/${var.name}"
  retention_in_days = var.logs.retention_days
  kms_key_id        = var.kms_key_arn
}
