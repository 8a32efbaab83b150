"""`superficial ask`: one question through the workflow, and its answer in the terminal."""
