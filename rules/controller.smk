# The controller and its recommendations.
