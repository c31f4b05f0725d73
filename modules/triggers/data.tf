# Data that arrives: S3 tells EventBridge of every object, and a rule lets through what a pattern of keys matches. S3 and
# EventBridge deliver at least once; that it stays one run is the function's business.

# Switches EventBridge on for the bucket; S3 takes a few minutes to do so. A bucket has one such resource.
resource "aws_s3_bucket_notification" "this" {
  count = var.data == null ? 0 : 1

  bucket      = var.bucket
  eventbridge = true
}

resource "aws_cloudwatch_event_rule" "arrived" {
  count = var.data == null ? 0 : 1

  name        = "${var.name}-data-arrived"
  description = "New data below datasets/ that starts a run"

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [for pattern in var.data.patterns : { wildcard = pattern }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "arrived" {
  count = var.data == null ? 0 : 1

  rule = one(aws_cloudwatch_event_rule.arrived).name
  arn  = var.function_arn

  dead_letter_config {
    arn = var.dead_letters_arn
  }

  depends_on = [aws_lambda_permission.arrived, var.after]
}

resource "aws_lambda_permission" "arrived" {
  count = var.data == null ? 0 : 1

  statement_id  = "data-arrived"
  action        = "lambda:InvokeFunction"
  function_name = var.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = one(aws_cloudwatch_event_rule.arrived).arn
}
