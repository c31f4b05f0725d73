# AWS's own PyTorch containers of this region: those for training hold torch, numpy, pillow and boto3; those for inference
# load code/inference.py of a model.

data "aws_sagemaker_prebuilt_ecr_image" "inference" {
  for_each = {
    cpu = "2.6.0-cpu-py312-ubuntu22.04-sagemaker"
    gpu = "2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker"
  }

  repository_name = "pytorch-inference"
  image_tag       = each.value
}

data "aws_sagemaker_prebuilt_ecr_image" "training" {
  for_each = {
    cpu = "2.6.0-cpu-py312-ubuntu22.04-sagemaker"
    gpu = "2.6.0-gpu-py312-cu126-ubuntu22.04-sagemaker"
  }

  repository_name = "pytorch-training"
  image_tag       = each.value
}
