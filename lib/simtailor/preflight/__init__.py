"""What a configuration will lack on this machine or cluster, told before anything is computed."""
