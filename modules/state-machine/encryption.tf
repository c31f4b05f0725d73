# What the key's encryption asks of the machine: its messages, and what its Maps read and write, are encrypted by the
# services that keep them, in the machine's name.

data "aws_iam_policy_document" "encryption" {
  statement {
    sid       = "UseTheKeyForMessagesAndItems"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in var.uses.maps == null ? ["sns"] : ["s3", "sns"] : "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}
