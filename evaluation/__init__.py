"""Measuring what we claim: benchmarks against peers run beside them, and later the training
and scoring of detectors. It runs the gateway's own code and imports no service.
"""
