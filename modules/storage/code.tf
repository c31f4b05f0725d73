# A run copies code/ below its own prefix before it does anything else, so an apply never pulls it from under a run.

locals {
  code_prefix = "code/"
}

resource "aws_s3_object" "code" {
  for_each = fileset(var.code, "*.py")

  bucket       = aws_s3_bucket.this.id
  key          = "${local.code_prefix}${each.value}"
  source       = "${var.code}/${each.value}"
  source_hash  = filemd5("${var.code}/${each.value}")
  content_type = "text/x-python"

  # Encrypted, and kept in versions, as the bucket says from then on.
  depends_on = [aws_s3_bucket_server_side_encryption_configuration.this, aws_s3_bucket_versioning.this]
}
