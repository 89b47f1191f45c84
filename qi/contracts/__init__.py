"""The typed messages, one file a service. A message type is its topic."""
