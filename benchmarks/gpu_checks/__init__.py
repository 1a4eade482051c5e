"""What benchmarks/gpu_check.py checks and measures, a file a subject."""
