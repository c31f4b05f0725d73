"""opsctl: start, watch, rerun and recover model-training pipelines on AWS Step Functions."""

__version__ = "0.1.0"
