# Who asked for what, kept by S3 in a bucket of the account's own choice: one bucket of logs serves many pipelines, its
# policy and its retention are not a pipeline's to set, and a destroy must not take it along.

resource "aws_s3_bucket_logging" "this" {
  for_each = var.access_log_bucket == null ? toset([]) : toset([var.access_log_bucket])

  bucket        = aws_s3_bucket.this.id
  target_bucket = each.value
  target_prefix = "${aws_s3_bucket.this.id}/"
}
