output "inference" {
  description = "Images that serve models, by what they compute on: cpu, gpu."
  value       = { for kind, image in data.aws_sagemaker_prebuilt_ecr_image.inference : kind => image.registry_path }
}

output "training" {
  description = "Images that train, by what they compute on: cpu, gpu."
  value       = { for kind, image in data.aws_sagemaker_prebuilt_ecr_image.training : kind => image.registry_path }
}
