# One topic for how runs end; subscribers filter by the message attributes machine, run, step and status.

resource "aws_sns_topic" "this" {
  name              = "${var.name}-runs"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.value
}
