"""Names of pictures that a client and a workflow hand each other in memory; an id follows."""

GIVEN = "reference:"
"""Begins the names of planes that a job takes along in its frame, for nodes that load a picture by its id."""

KEPT = "kept:"
"""Begins the names of planes that a node hands over for clients to fetch by id, unsent."""
