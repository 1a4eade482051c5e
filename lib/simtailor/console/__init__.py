"""What a run says on the terminal: one line a job, the time left, mistakes, files to open."""
