# Accuracy of every backbone on every task, and the reward database.
