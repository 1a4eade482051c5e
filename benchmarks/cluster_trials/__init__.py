"""What benchmarks/cluster_faults.py does to a small project on a small Slurm."""
