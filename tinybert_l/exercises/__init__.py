"""The exercises: specifications without a body, one file a lecture, and the registry that runs answers."""
