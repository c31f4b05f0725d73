# The one bucket: datasets/ (what arrives), code/ (what runs in jobs), runs/<execution>/ (all that a run writes).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:Data sets arrive from elsewhere and runs can be made again; a copy in another region would double the cost of both.
  #checkov:skip=CKV2_AWS_62:Who hears of new data is said by the triggers, which are optional.
  bucket        = "${var.name}-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}"
  force_destroy = var.force_destroy

  # So that a destroy which the bucket's objects stop has not begun to delete the key that they are encrypted with.
  depends_on = [var.kms_key_arn]
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
    bucket_key_enabled = true # one request to KMS for many objects, instead of one for each
  }
}
