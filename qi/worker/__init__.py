"""The worker: the process that carries one publish, as the user and in the environment of whoever asked."""
