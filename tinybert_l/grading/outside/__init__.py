"""The grader's side of the wall: the sandbox, the forked processes, the conversation with them."""
