output "account" {
  description = "Account that the bucket lies in."
  value       = data.aws_caller_identity.current.account_id
}

output "bucket" {
  description = "Name of the bucket, once it is closed to the public, encrypts and keeps versions."
  value       = aws_s3_bucket.this.bucket
  depends_on = [
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "code_prefix" {
  description = "Prefix of the uploaded code, once it is there."
  value       = local.code_prefix
  depends_on  = [aws_s3_object.code]
}

output "deleters" {
  description = "Roles and users that may delete what lies below runs/."
  value       = local.deleters
}

output "partition" {
  description = "Partition that the bucket lies in (aws, aws-cn, aws-us-gov)."
  value       = data.aws_partition.current.partition
}

output "region" {
  description = "Region that the bucket lies in."
  value       = data.aws_region.current.name
}
