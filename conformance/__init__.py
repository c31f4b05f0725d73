"""Measure `opsctl.asl` against executions and verdicts that AWS recorded: `python -m conformance FOLDER`.

What is measured, how and with which allowances is told in docs/conformance.md. The folder's data is not part of the
project; its shape is in `corpus.py`.
"""
