# Who may delete what runs keep: the pipeline's own roles, operators and administrators, whatever other policies allow.
# A session of a role counts as the role (aws:PrincipalArn). Whoever may change this policy is not bound by it, and a
# destroy removes it before it empties the bucket; what S3 does by a lifecycle rule, no bucket policy forbids.

data "aws_iam_session_context" "applier" {
  count = var.admin_role_arns == null ? 1 : 0

  arn = data.aws_caller_identity.current.arn
}

locals {
  _administrators = toset(coalesce(var.admin_role_arns, data.aws_iam_session_context.applier[*].issuer_arn))
  deleters        = concat(var.pipeline_role_arns, sort(setunion(local._administrators, var.operator_role_arns)))
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  statement {
    sid       = "KeepRuns"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["${aws_s3_bucket.this.arn}/runs/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.deleters
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # S3 refuses to change a bucket's policy and its public access at the same time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
