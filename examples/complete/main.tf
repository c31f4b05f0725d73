# Everything that the module can be told, with values that a platform team might choose.

module "pipeline" {
  source = "../.."

  name    = var.name
  dataset = "datasets/mortgages/"

  # Two base models beside the shipped two, one on Spot capacity, one on a machine of our own (docs/worker.md); the image
  # model on two GPUs' hosts.
  base_models = {
    image  = { hyperparameters = { epochs = "80" }, instance = { count = 2, type = "ml.g5.2xlarge", volume_gb = 100 } }
    layout = { hyperparameters = { epochs = "12" }, instance = { type = "ml.g5.xlarge" }, script = "text.py", spot = true }
    scans  = { compute = "activity", heartbeat = 90, max_runtime = 86400, script = "image.py" }
  }
  sequence_model = { instance = { type = "ml.m5.2xlarge" } }
  training       = { encrypt_traffic = true }

  # The fetch job takes Spot capacity where there is some, then on-demand; a queue of its own for what needs GPUs.
  compute_environments = {
    cpu      = { instance_types = ["c6i", "m6i"], kind = "ec2", max_vcpus = 64 }
    cpu-spot = { instance_types = ["c6i", "m6i"], kind = "spot", max_vcpus = 256 }
    gpu      = { instance_types = ["g5.xlarge"], kind = "ec2", max_vcpus = 16, volume_gb = 200 }
  }
  job_queues = { default = ["cpu-spot", "cpu"], gpu = ["gpu"] }
  batch      = { memory_mb = 4096, vcpus = 2 }

  # Failures are left to AWS's redrive.
  definitions = { training = { on_failure = "redrivable" } }
  versions    = { keep = 20 }

  notifications = {
    emails = ["oncall@example.com"]
    subscriptions = {
      data-science = { endpoint = "data-science@example.com", protocol = "email", topics = ["successes"] }
    }
  }

  # New data starts a training, and so does every Sunday night.
  triggers = {
    data     = { patterns = ["datasets/*/_READY"] }
    schedule = { expression = "cron(0 2 ? * SUN *)", flexible_minutes = 30, timezone = "Europe/Berlin" }
  }

  logs    = { retention_days = 90 }
  storage = { force_destroy = var.force_destroy, noncurrent_days = 60 }
}
