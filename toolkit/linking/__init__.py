"""Who belongs together: observations, links with their evidence, clusters, expansion from seeds."""
